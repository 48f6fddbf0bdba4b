"""Two balls on a spring that stay in the left half of the image for a while, PAIG's ``spring_color_half``.

What is learned from such films has never seen a ball in the right half; only a longer film goes there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks
from paig_control.envs.checks import Array
from paig_control.envs.scene import SceneEnv
from paig_control.envs.spring import Spring
from paig_control.envs.vector import SceneVectorEnv


class SpringHalf(Spring):
    """A spring whose balls' centres, left alone, stay in the left half for ``half_steps`` steps.

    The default goal lies in the right half.

    Args:
        half_steps: steps from the start for which the balls stay in the left half.
        speed: of each ball at the start, px/s.
        **common: as of :class:`~paig_control.envs.spring.Spring`.
    """

    draws_at_once = 96

    def __init__(self, half_steps: int = 12, speed: float = 4.0, **common: Any) -> None:
        self.half_steps = checks.whole("half_steps", half_steps, low=0, example=12)
        super().__init__(speed=speed, **common)

    def default_goal(self) -> Array:
        """At rest in the middle of the right half, one above the other."""
        middle = self.extent * np.array([0.75, 0.5])
        return self.at_rest(middle + 0.5 * self.rest_length * np.array([[0.0, -1.0], [0.0, 1.0]]))

    def free_area(self) -> tuple[Array, Array]:
        """Anywhere in the left half: it is too narrow for a spring that lies across."""
        low, high = super().free_area()
        return np.array([self.radius, low[1]]), np.array([0.5 * self.extent[0], high[1]])

    def clear(self, position: Array, step: int, slack: float = 0.0) -> NDArray[np.bool_]:
        """Whether all balls are clear of the border, and at first in the left half: ``(B,)``."""
        clear = super().clear(position, step, slack)
        if step <= self.half_steps:
            clear &= (position[:, 0] < 0.5 * self.extent[0] + slack).all(0)
        return clear

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """The last steps for which something is asked."""
        return (min(self.half_steps, self.clear_steps), self.clear_steps)


class SpringHalfEnv(SceneEnv):
    """A spring in the left half as a single environment."""

    kind = SpringHalf


class SpringHalfVectorEnv(SceneVectorEnv):
    """A spring in the left half as a vector environment."""

    kind = SpringHalf
