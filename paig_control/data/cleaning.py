"""What of the films training can use: padding is cut off, one long film becomes many, doubled frames are refused.

Films of unequal length are often padded to one by black or by their last frame, and films of another rate are often
brought to the wanted one by doubling frames. Neither obeys any law. What stands still for its own reasons also repeats
frames, and what leaves the picture leaves it empty, but nothing stops at full speed or vanishes as a whole: only what
does is taken for padding or doubling. Films without any of this are left as they are.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from paig_control.data.episodes import Sequences
from paig_control.data.unpacking import passed
from paig_control.data.windows import Windows, best_length
from paig_control.errors import PaigError

SPARE = 4
"""Windows have so many frames more than those from which the state is inferred, at least."""
LONG = 30
"""One film alone is cut into windows of at most so many frames."""
ABRUPT = 0.3
"""A change of the picture by so much of the film's usual change is full motion."""
WHOLE = 0.8
"""Of things that vanish at once so much of the usual picture is there just before; of things that leave it, less."""
DOUBLED = 0.05
"""The part of all pairs of neighbouring frames that may be alike amid motion, before it is remarked on."""


class _Part(NamedTuple):
    """Frames ``start`` to ``stop`` (exclusive) of a film: which pairs of neighbours are ``same``, how others change."""

    film: int
    start: int
    stop: int
    same: NDArray[np.bool_]
    change: NDArray[np.float64]

    @property
    def tail(self) -> int:
        """Frames at the end that repeat the one before them."""
        moved = np.flatnonzero(~self.same)
        return len(self.same) - 1 - int(moved[-1]) if len(moved) else 0

    @property
    def padded(self) -> bool:
        """Whether it stops, for good, in the midst of motion."""
        last = len(self.same) - self.tail
        return self.tail >= 2 and last >= 1 and not self.same[max(0, last - 3) : last].any() and self.full(last - 1)

    def full(self, pair: int) -> bool:
        """Whether the picture changes there about as it usually does."""
        return bool(self.change[pair] >= ABRUPT * np.median(self.change[~self.same]))

    def without_tail(self) -> _Part:
        """The same without its repeats at the end."""
        kept = len(self.same) - self.tail
        return self._replace(stop=self.stop - self.tail, same=self.same[:kept], change=self.change[:kept])

    def doubled(self) -> NDArray[np.bool_]:
        """Which pairs are alike with full motion before and after them."""
        found = np.zeros_like(self.same)
        for begin, end in _runs(self.same):
            if begin > 0 and end < len(self.same) and self.full(begin - 1) and self.full(end):
                found[begin:end] = True
        return found


def usable(data: Sequences, input_frames: int) -> tuple[Sequences, list[str]]:
    """Films of one length that training can use, and what was left out or cut, in words.

    Args:
        data: S sequences of T frames.
        input_frames: from which the state is inferred.

    Raises:
        PaigError: for doubled frames, and where too little is left to learn from.
    """
    count, frames = data.frames.shape[:2]
    parts, blank = _parts(data.frames)
    if not parts:  # nothing shows anything: that is said where nothing moves
        return data, []
    repeated, films = 0, len({part.film for part in parts if part.tail})
    if _freeze(data.frames, parts):
        repeated = sum(part.tail for part in parts)
        parts = [part.without_tail() for part in parts]
    notes = _doubled(parts)
    if not blank and not repeated and count > 1:
        return data, notes
    left_out = []
    if repeated:
        left_out.append(f"{repeated} frames that repeat, to the byte, the last one before them at the end of {films}")
    if blank:
        left_out.append(f"{blank} frames of one colour")
    said = f"Left out of {count} films as padding: {' and '.join(left_out)}. " if left_out else ""
    least = input_frames + SPARE
    lengths = np.array([part.stop - part.start for part in parts])
    length = best_length(lengths, least, frames if count > 1 else min(frames, LONG))
    windows = [
        (part.film, start)
        for part in parts
        for start in range(part.start, part.stop - length + 1 if length else 0, length or 1)
    ]
    if len(windows) < 2:
        raise PaigError(
            f"{said}What there is, of at most {lengths.max()} frames at a stretch, gives no two films of {least} "
            "frames, and one alone gives no error bars: record more films, or longer ones."
        )
    said += "One film alone gives no error bars: it" if count == 1 else "What is left"
    notes.insert(0, f"{said} was cut into {len(windows)} films of {length} frames.")
    return _cut(data, Windows(windows, length)), notes


def _parts(films: NDArray[np.uint8]) -> tuple[list[_Part], int]:
    """The stretches of frames that show something, and how many frames are of one colour and to be left out."""
    shows = np.stack([(film != film[:, :1, :1]).any((1, 2, 3)) for film in chain.from_iterable(passed(films))])
    kept = np.broadcast_to(shows.any(1, keepdims=True), shows.shape)
    if _vanish(films, shows):
        kept = shows
    parts = []
    for number, film in enumerate(chain.from_iterable(passed(films))):
        same = (film[1:] == film[:-1]).all((1, 2, 3)) & shows[number, 1:]
        change = np.ones(len(same))
        if same.any():
            change = np.abs(np.diff(film.astype(np.int16), axis=0)).mean((1, 2, 3))
        for start, stop in _runs(kept[number]):
            parts.append(_Part(number, start, stop, same[start : stop - 1], change[start : stop - 1]))
    return parts, int((~kept).sum())


def _vanish(films: NDArray[np.uint8], shows: NDArray[np.bool_]) -> bool:
    """Whether frames of one colour come out of whole pictures, in most places where there are any."""
    whole = []
    for film, shown in zip(films, shows, strict=True):
        for start, stop in _runs(~shown) if shown.any() else []:
            ink = np.abs(film.astype(np.int16) - film[start, 0, 0]).sum((1, 2, 3))
            beside = ink[start - 1] if start > 0 else ink[stop]
            whole.append(beside >= WHOLE * np.median(ink[shown]))
    return bool(whole) and float(np.mean(whole)) >= WHOLE


def _freeze(films: NDArray[np.uint8], parts: list[_Part]) -> bool:
    """Whether films freeze at their ends; where they end on the same picture, things have left the scene instead."""
    ends = [(films[part.film, part.stop - 1].tobytes(), part.padded) for part in parts if part.tail >= 2]
    often = Counter(picture for picture, _ in ends)
    return bool(ends) and float(np.mean([padded and often[picture] == 1 for picture, padded in ends])) >= 0.5


def _runs(which: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where runs of true begin, and where they end (exclusive)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], which, [False]]).astype(int))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _doubled(parts: list[_Part]) -> list[str]:
    """Refuse frames that are doubled at regular times, and remark on others that are alike amid motion."""
    found = [part.doubled() for part in parts]
    alike, pairs = sum(int(each.sum()) for each in found), sum(map(len, found))
    if alike <= DOUBLED * pairs:
        return []
    said = f"{alike} of {pairs} pairs of neighbouring frames are alike to the byte while the pictures around them move"
    if _regular(parts, found):
        raise PaigError(
            f"{said}, at regular times: frames were doubled, so dt is not the time from frame to frame. Record the "
            "films again at their own rate, or take the doubled frames and their actions out."
        )
    return [
        f"{said}. If frames were doubled or came late, the constants are wrong; if things move by whole pixels, all is "
        "well."
    ]


def _regular(parts: list[_Part], found: list[NDArray[np.bool_]]) -> bool:
    """Whether the doubled pairs come at the same times in most films, or with one period."""
    having = [(part.start, each) for part, each in zip(parts, found, strict=True) if each.any()]
    times = np.concatenate([start + np.flatnonzero(each) for start, each in having])
    share = np.bincount(times) / len(having)
    if len(having) > 1 and np.mean(share[times] > 0.7) > 0.7:
        return True
    periods = [_period(each) for _, each in having]
    return max(periods.count(period) for period in {*periods} - {0} or {-1}) > 0.7 * len(periods)


def _period(alike: NDArray[np.bool_]) -> int:
    """After so many pairs they come again; 0 where they do not, or are too few to tell."""
    if len(_runs(alike)) < 3:
        return 0
    again = ((p, float(alike[p:][alike[:-p]].mean())) for p in range(2, len(alike) // 2 + 1) if alike[:-p].any())
    return next((p for p, share in again if share > 0.75), 0)


def _cut(data: Sequences, windows: Windows) -> Sequences:
    actions = None if data.actions is None else windows.cut(data.actions, 1)
    return dataclasses.replace(data, frames=windows.cut(data.frames), actions=actions)
