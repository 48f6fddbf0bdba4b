"""Two balls on a spring, PAIG's ``spring_color``.

On ball 0 acts ``-k (|d| - rest_length) d / |d|``, d from ball 1 to ball 0, and on ball 1 the opposite; the
original's l is half of ``rest_length``.

Two balls on a spring that stay in the left half of the image for a while, PAIG's ``spring_color_half``.

What is learned from such films has never seen a ball in the right half; only a longer film goes there.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks
from paig_control.envs.bound_bodies import BoundBodies, direction
from paig_control.envs.checks import Array
from paig_control.envs.scene import SceneEnv
from paig_control.envs.vector import SceneVectorEnv
from paig_control.errors import PaigError


class Spring(BoundBodies):
    """Two balls on a spring, in free space.

    A start has its centre of mass uniform in the free area, the balls half to one and a half rest lengths apart
    and each at ``speed`` in a direction of its own.

    Args:
        stiffness: k, 1/s².
        rest_length: distance at which the force vanishes, px.
        speed: of each ball at the start, px/s.
        max_force: largest component of an action, px/s²; ``None`` takes what holds a ball against the spring
            wherever a start takes it.
        **common: as of :class:`~paig_control.envs.bound_bodies.BoundBodies`.
    """

    objects = 2
    draws: ClassVar[int] = 6

    def __init__(
        self,
        stiffness: float = 4.0,
        rest_length: float = 12.0,
        speed: float = 8.0,
        max_force: float | None = None,
        **common: Any,
    ) -> None:
        self.stiffness = checks.number("stiffness", stiffness, low=0.0, example=4.0)
        self.rest_length = checks.number("rest_length", rest_length, low=0.0, example=12.0)
        self.speed = checks.number("speed", speed, low=0.0, closed=True, example=8.0)
        # Energy: k stretch² + (relative speed)² / 2, which at the start are at most half a rest length and 2 speed.
        stretch = np.sqrt((0.5 * self.rest_length) ** 2 + 2 * self.speed**2 / self.stiffness)
        super().__init__(max_force=float(self.stiffness * stretch) if max_force is None else max_force, **common)
        room = self.extent - 2 * self.reach - self.rest_length
        if not (room >= 0).all():
            raise PaigError(
                f"rest_length = {self.rest_length:g} does not fit into an image of {self.size[0]} x {self.size[1]} "
                f"pixels: with a body of {2 * self.reach:g} px it needs {self.rest_length + 2 * self.reach:g}."
            )
        self.goal_state = self.default_goal()

    def default_goal(self) -> Array:
        """At rest in the middle, side by side."""
        return self.at_rest(0.5 * self.extent + 0.5 * self.rest_length * np.array([[-1.0, 0.0], [1.0, 0.0]]))

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` and the settings of the true ``physics``."""
        return self.truth_of("spring", {"stiffness": self.stiffness, "rest_length": self.rest_length})

    def forces(self, position: Array) -> Array:
        """Forces ``(2, 2, B)`` of the spring; none where the balls coincide and so no direction is known."""
        apart = position[0] - position[1]
        length = np.sqrt(apart[0] * apart[0] + apart[1] * apart[1])
        pull = (self.stiffness * self.rest_length / np.maximum(length, 1e-9) - self.stiffness) * apart
        forces = np.empty_like(position)
        forces[0] = pull
        np.negative(pull, out=forces[1])
        return forces

    def free_area(self) -> tuple[Array, Array]:
        """Lower and upper bounds ``(2,)`` of the centre of mass at the start."""
        margin = self.reach + 0.5 * self.rest_length
        return np.full(2, margin), self.extent - margin

    def candidates(self, uniform: Array) -> tuple[Array, Array]:
        """Positions and velocities ``(2, 2, B)`` from numbers ``(6, B)``."""
        low, high = self.free_area()
        centre = low[:, None] + (high - low)[:, None] * uniform[:2]
        arm = 0.5 * self.rest_length * (0.5 + uniform[2]) * direction(uniform[3])
        velocity = self.speed * np.stack([direction(uniform[4]), direction(uniform[5])])
        return np.stack([centre + arm, centre - arm]), velocity


class SpringEnv(SceneEnv):
    """Two balls on a spring as a single environment."""

    kind = Spring


class SpringVectorEnv(SceneVectorEnv):
    """Two balls on a spring as a vector environment."""

    kind = Spring


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
