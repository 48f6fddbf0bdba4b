"""Cutting films out of environments that run side by side.

All lanes begin an episode together, and a lane whose episode ends before its film is full is dropped until the
next beginning, so the frame after an automatic reset is never joined to the frame before it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from paig_control.border.action_set import rows_of
from paig_control.border.guarding import fit
from paig_control.border.lanes import Lanes
from paig_control.data.windows import SHORTEST
from paig_control.errors import PaigError

Policy = Literal["random", "smooth", "zero"] | Callable[[NDArray[np.uint8]], Any]
"""``"random"``, drawn anew in each frame; ``"smooth"``, waves that last, which swing things farther; ``"zero"``; or a
function of the frames so far ``(t, h, w, 3)`` to an action ``(A,)``."""
POLICIES = ("random", "smooth", "zero")
"""Those that have names."""
WAVES = 4
"""Sines that smooth play is the sum of, in each number of an action."""
QUICKEST = 4.0
"""Frames in a period of a sine, at least; at most it takes the whole film."""

PATIENCE = 50
"""Films in a row that may be lost to early endings before the collection gives up."""


@dataclass(frozen=True)
class Film:
    """One episode's piece.

    Attributes:
        frames: ``(T, h, w, 3)``, uint8, up to the last of the episode, if that ended early.
        actions: ``(T - 1, A)``, float32.
        states: ``(T, 2, N, D)``, float64, if the environment tells them.
    """

    frames: NDArray[np.uint8]
    actions: NDArray[np.float32]
    states: NDArray[np.float64] | None


def sources(seed: int, split: int, first: int = 0) -> Iterator[tuple[int, np.random.SeedSequence]]:
    """Seeds of a split's episodes from a number on: of the start, and of the actions."""
    for number in itertools.count(first):
        start, actions = np.random.SeedSequence(seed, spawn_key=(split, number)).spawn(2)
        yield int(start.generate_state(1)[0] >> 1), actions


def films(
    lanes: Lanes, policy: Policy, length: int, seeds: Iterator[tuple[int, np.random.SeedSequence]]
) -> Iterator[Film | None]:
    """Yield films of ``length`` frames, in the order of their seeds, each from within one episode.

    A film whose episode ends before is shorter; where that leaves less than ``SHORTEST`` frames, it is lost: ``None``.

    Args:
        lanes: to film.
        policy: what acts.
        length: frames of a film.
        seeds: of each episode's start, and of its actions.
    """
    while True:
        starts, own = zip(*(next(seeds) for _ in range(lanes.count)), strict=True)
        frame, state = lanes.reset(list(starts))
        drawn = _draw(lanes, own, length - 1, policy == "smooth") if policy in ("random", "smooth") else None
        frames, states, actions = [frame], [state], []
        whole, filmed = np.ones(lanes.count, dtype=bool), np.full(lanes.count, length)
        for step in range(length - 1):
            action = drawn[:, step] if drawn is not None else _act(policy, lanes, frames, whole)
            sent = fit(action, lanes.space, lanes.count)
            frame, _, state, ended = lanes.step(sent)
            frames.append(frame)
            states.append(state)
            actions.append(sent.astype(np.float32))
            filmed[whole & ended] = step + 2
            whole &= ~ended
            if not whole.any():
                break
        shown, acted = np.stack(frames, axis=1), np.stack(actions, axis=1)
        for lane, own in enumerate(filmed.tolist()):
            if own < min(length, SHORTEST):
                yield None
                continue
            known = [one for row in states[:own] if (one := row[lane]) is not None]
            yield Film(shown[lane, :own], acted[lane, : own - 1], np.stack(known) if len(known) == own else None)


def unbroken(made: Iterator[Film | None], name: str, length: int, miss: Callable[[], None]) -> Iterator[Film]:
    """Leave out the films that were lost.

    Args:
        made: films, ``None`` for one that was lost.
        name: of the environment.
        length: frames of a film.
        miss: called for each that is left out.

    Raises:
        PaigError: after too many of them in a row.
    """
    lost = 0
    for film in made:
        lost = lost + 1 if film is None else 0
        if film is not None:
            yield film
            continue
        miss()
        if lost >= PATIENCE:
            raise PaigError(
                f"{PATIENCE} episodes of {name} in a row ended before {min(length, SHORTEST)} frames were filmed, the "
                "least of which a film consists: ask for another policy, or of paig/Pixels-v0 for endless=true, which "
                "films on after an end that only the task means."
            )


def _draw(lanes: Lanes, sources: Sequence[np.random.SeedSequence], steps: int, smooth: bool) -> NDArray[np.float64]:
    """Actions ``(L, steps, A)`` by chance, each lane's from its own source: between the bounds, or of a set."""
    rows, draw = rows_of(lanes.space), [np.random.default_rng(own) for own in sources]
    low, high = lanes.space.low.astype(np.float64), lanes.space.high.astype(np.float64)
    if smooth:
        part = np.stack([(1 + _waves(one, steps, len(low))) / 2 for one in draw])  # of a set, the nearest will be sent
    elif rows is not None:
        return np.stack([rows[one.integers(len(rows), size=steps)] for one in draw])
    else:
        part = np.stack([one.random((steps, len(low))) for one in draw])
    return np.asarray(low + (high - low) * part)


def _waves(rng: np.random.Generator, steps: int, width: int) -> NDArray[np.float64]:
    """Sums ``(steps, A)`` of sines, cut off at -1 and 1: random periods, alike in number from octave to octave.

    What swings by itself is met at its own period in some films, whatever that is.
    """
    shape = (WAVES, 1, width)
    period = np.exp(rng.uniform(math.log(QUICKEST), math.log(max(2 * QUICKEST, steps)), shape))
    waves = rng.normal(size=shape) * np.sin(2 * math.pi * (np.arange(steps)[:, None] / period + rng.random(shape)))
    return np.asarray(np.clip(waves.sum(0) * math.sqrt(2 / WAVES), -1.0, 1.0))


def _act(
    policy: Policy, lanes: Lanes, frames: list[NDArray[np.uint8]], whole: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Actions ``(L, A)`` of a policy that draws none: nothing, or what its function says."""
    shape = lanes.space.shape
    chosen = np.zeros((lanes.count, *shape))
    for lane in np.flatnonzero(whole) if callable(policy) else ():
        action = np.asarray(policy(np.stack([frame[lane] for frame in frames])), dtype=np.float64)  # type: ignore[operator]
        if action.shape != shape or not np.isfinite(action).all():
            raise PaigError(f"The policy returned {action!r}: expected finite numbers of shape {shape}.")
        chosen[lane] = action
    return chosen
