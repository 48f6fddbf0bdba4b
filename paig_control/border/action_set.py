"""Sets of actions, of which an environment takes one at a time: left or right, or which of several engines burns.

Each action is a row of numbers, which the physics learns as it learns any push. So films keep numbers, gains are
learned for them, and planners search among numbers and take the nearest row.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from paig_control.errors import PaigError


class ActionSet(gym.spaces.Box):
    """A finite set of actions: the box around the rows of a table, of which nothing but a row is ever taken.

    Args:
        rows: ``(n, A)``, finite numbers, all different, at least two.

    Attributes:
        rows: ``(n, A)``, float32.

    Raises:
        PaigError: for anything else.
    """

    def __init__(self, rows: ArrayLike) -> None:
        try:
            table = np.array(rows, dtype=np.float32)
        except (TypeError, ValueError):
            table = np.empty(0, dtype=np.float32)
        if table.ndim != 2 or not table.size or not np.isfinite(table).all():
            raise PaigError(
                f"actions = {rows!r}: expected a row of finite numbers for each action, for example [[-1], [0], [1]]."
            )
        if len(np.unique(table, axis=0)) < max(2, len(table)):
            raise PaigError(
                f"actions = {table.tolist()}: expected two actions or more, no two of them alike; nothing can be "
                "learned of a push that is always the same."
            )
        super().__init__(table.min(0), table.max(0), dtype=np.float32)
        self.rows = table

    def nearest(self, values: ArrayLike) -> NDArray[np.intp]:
        """Numbers ``(*B)`` of the rows nearest to values ``(*B, A)``; of two as near, the first."""
        apart = np.asarray(values, dtype=np.float64)[..., None, :] - self.rows
        return np.asarray(np.square(apart).sum(-1).argmin(-1))

    def sample(self, mask: Any = None, probability: Any = None) -> NDArray[np.float32]:
        """One of the rows, each as likely."""
        if mask is not None or probability is not None:
            raise PaigError("An ActionSet draws each action as likely: expected no mask and no probability.")
        row: NDArray[np.float32] = self.rows[int(self.np_random.integers(len(self.rows)))].copy()
        return row

    def contains(self, x: Any) -> bool:
        """Whether it is one of the rows."""
        return bool(np.shape(x) == self.shape and (self.rows == np.asarray(x)).all(-1).any())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActionSet) and np.array_equal(self.rows, other.rows)

    def __repr__(self) -> str:
        return f"ActionSet({self.rows.tolist()})"


def rows_of(space: gym.Space[Any]) -> NDArray[np.float32] | None:
    """The actions ``(n, A)`` that a space has, where they are a set."""
    return space.rows if isinstance(space, ActionSet) else None
