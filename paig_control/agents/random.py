"""Actions drawn uniformly within the bounds, or from a set: the baseline that every result stands beside."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from paig_control import seeds
from paig_control.errors import PaigError


class RandomAgent:
    """Independent uniform actions; looks at nothing.

    Args:
        low: smallest actions ``(A,)``.
        high: largest actions ``(A,)``.
        seed: of its generator.
        rows: ``(n, A)``, the only actions that there are; None if all between the bounds are.
    """

    def __init__(self, low: ArrayLike, high: ArrayLike, seed: int = 0, rows: ArrayLike | None = None) -> None:
        self.low, self.high = np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)
        if self.low.ndim != 1 or self.low.shape != self.high.shape:
            raise PaigError(
                f"Action bounds of shapes {self.low.shape} and {self.high.shape}: expected one number for each action."
            )
        if not (np.isfinite(self.low).all() and np.isfinite(self.high).all() and (self.low <= self.high).all()):
            raise PaigError(f"Action bounds {self.low} and {self.high}: expected finite numbers, low not above high.")
        self.rows = None if rows is None else np.array(rows, dtype=np.float32)
        self.generator = np.random.default_rng(seeds.whole(seed))
        self.batch: int | None = None

    def reset(self, goal: object = None, batch: int | None = None, seed: int | None = None) -> None:
        """Begin an episode of one environment, or of ``batch``; a seed starts the random numbers again."""
        self.batch = batch
        if seed is not None:
            self.generator = np.random.default_rng(seeds.whole(seed))

    def act(self, frame: object = None) -> NDArray[np.float32]:
        """Draw an action ``(A,)``, or ``(B, A)`` for a batch."""
        if self.rows is not None:
            one: NDArray[np.float32] = self.rows[self.generator.integers(len(self.rows), size=self.batch)]
            return one.copy()
        shape = self.low.shape if self.batch is None else (self.batch, *self.low.shape)
        drawn = self.generator.uniform(self.low, self.high, shape).astype(np.float32)
        return np.clip(drawn, self.low, self.high)
