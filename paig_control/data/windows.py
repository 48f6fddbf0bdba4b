"""Films of unequal length, as windows of one length: what learns sees no frame that was not filmed."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
WINDOWS = 6
"""Films that are cut give at least so many windows, where they are long enough: the error bars come from them."""
KEPT = 0.6
"""The part of the usable frames that windows of one length should keep, at least."""
SHORTEST = 8
"""Frames of a window of films that end when they will: those from which a state is usually inferred, and as many."""


class Windows(NamedTuple):
    """Pieces of films.

    Attributes:
        pieces: number of the film and of the first frame of each.
        length: frames of each.
    """

    pieces: list[tuple[int, int]]
    length: int

    @classmethod
    def of(cls, lengths: NDArray[np.int_]) -> Windows:
        """The windows of films of these lengths that tell most; the longest frames of all where all are short."""
        length = best_length(lengths, min(SHORTEST, int(lengths.max())), int(lengths.max())) or int(lengths.max())
        pieces = [
            (film, start) for film, own in enumerate(lengths.tolist()) for start in range(0, own - length + 1, length)
        ]
        return cls(pieces, length)

    def cut(self, films: NDArray[T], shorter: int = 0) -> NDArray[T]:
        """The windows ``(W, T, ...)`` of what is known of each frame, or of what leads from each to the next."""
        return np.stack([films[film, start : start + self.length - shorter] for film, start in self.pieces])


def best_length(lengths: NDArray[np.int_], least: int, most: int) -> int:
    """Length of the windows that tell most, their number times their length squared; 0 where there are no two."""
    choices = np.arange(least, max(least, min(most, int(lengths.max()))) + 1)
    counts = (lengths[:, None] // choices).sum(0)
    enough = counts >= min(WINDOWS, int(counts[0]))
    kept = counts * choices / lengths.sum()
    good = enough & (kept >= min(KEPT, float(kept[enough].max())))
    best = int(np.argmax(np.where(good, counts * choices**2, -1)))
    return int(choices[best]) if counts[best] >= 2 else 0
