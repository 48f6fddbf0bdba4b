"""Three bodies that attract one another, PAIG's ``3bp_color``.

Each of two bodies is pulled towards the other with ``gravity / distance²``; below ``nearest`` and above
``farthest`` the vector between them is divided by the cube of that bound instead of the distance's, so nothing
diverges where they meet.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks
from paig_control.envs.bodies import BLUE, GREEN, RED
from paig_control.envs.bound_bodies import BoundBodies
from paig_control.envs.checks import Array
from paig_control.envs.scene import SceneEnv
from paig_control.envs.vector import SceneVectorEnv
from paig_control.errors import PaigError

NEXT, PREVIOUS = [1, 2, 0], [2, 0, 1]


class ThreeBody(BoundBodies):
    """Three bodies of unit mass under their gravity, in free space.

    A start has them on a ring about the middle, a quarter of the width in radius up to a quarter more or less, a
    third of a turn apart up to a quarter of a radian more or less, circling one way at ``speed`` and drifting
    together. Left alone, they keep clear of the border and more than ``closest`` from one another.

    Args:
        gravity: g m², px³/s².
        speed: around the ring at the start, px/s.
        drift: largest component of the common velocity added to it, px/s.
        nearest: distance below which the pull grows no more, px.
        farthest: distance above which it is that of ``farthest``, px.
        closest: no start, left alone, brings two bodies as near as this, px.
        max_force: largest component of an action, px/s²; ``None`` takes what holds a body against two others
            at ``closest``.
        **common: as of :class:`~paig_control.envs.bound_bodies.BoundBodies`.
    """

    objects = 3
    draws: ClassVar[int] = 7
    draws_at_once = 16

    def __init__(
        self,
        gravity: float = 60.0,
        speed: float = 2.0,
        drift: float = 0.5,
        nearest: float = 1.0,
        farthest: float = 170.0,
        closest: float = 3.0,
        max_force: float | None = None,
        size: int | tuple[int, int] = 36,
        dt: float = 0.5,
        substeps: int = 12,
        clear_steps: int = 40,
        colours: Any = (BLUE, GREEN, RED),
        **common: Any,
    ) -> None:
        self.gravity = checks.number("gravity", gravity, low=0.0, example=60.0)
        self.speed = checks.number("speed", speed, low=0.0, closed=True, example=2.0)
        self.drift = checks.number("drift", drift, low=0.0, closed=True, example=0.5)
        self.nearest = checks.number("nearest", nearest, low=0.0, example=1.0)
        self.farthest = checks.number("farthest", farthest, low=0.0, example=170.0)
        self.closest = checks.number("closest", closest, low=0.0, closed=True, example=3.0)
        if not self.nearest < self.farthest:
            raise PaigError(f"nearest = {nearest} and farthest = {farthest}: expected nearest below farthest.")
        strongest = 2 * self.gravity / max(self.closest, self.nearest) ** 2
        super().__init__(
            max_force=strongest if max_force is None else max_force,
            size=size, dt=dt, substeps=substeps, clear_steps=clear_steps, colours=colours, **common,
        )  # fmt: skip
        self._ring = 0.25 * self.extent[0]
        if not 1.25 * self._ring + self.radius < 0.5 * self.extent.min():
            raise PaigError(
                f"radius = {self.radius:g} does not fit: bodies on a ring of up to {1.25 * self._ring:g} px would "
                f"touch the border of an image of {self.size[0]} x {self.size[1]} pixels."
            )
        turn = 2 * np.pi / 3 * np.arange(3)
        ring = self._ring * np.stack([np.sin(turn), -np.cos(turn)], axis=1)
        self.goal_state = self.at_rest(0.5 * self.extent + ring)

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` and the settings of the true ``physics``."""
        return self.truth_of("gravity", {"gravity": self.gravity}, nearest=self.nearest, farthest=self.farthest)

    def forces(self, position: Array) -> Array:
        """Forces ``(3, 2, B)`` of gravity; none between bodies that coincide."""
        apart = position - position[NEXT]  # of each body from the next one round
        length = np.sqrt(apart[:, 0] * apart[:, 0] + apart[:, 1] * apart[:, 1])
        length = np.minimum(np.maximum(length, self.nearest), self.farthest)
        pull = (self.gravity / (length * length * length))[:, None] * apart
        return pull[PREVIOUS] - pull

    def clear(self, position: Array, step: int, slack: float = 0.0) -> NDArray[np.bool_]:
        """Whether all bodies are clear of the border and of one another: ``(B,)``."""
        clear = super().clear(position, step, slack)
        if len(position) == 3:  # the centre of mass is one
            apart = position - position[NEXT]
            near = max(self.closest - slack, 0.0) ** 2
            clear &= (apart[:, 0] * apart[:, 0] + apart[:, 1] * apart[:, 1] > near).all(0)
        return clear

    def candidates(self, uniform: Array) -> tuple[Array, Array]:
        """Positions and velocities ``(3, 2, B)`` from numbers ``(7, B)``."""
        turn = 2 * np.pi * uniform[0]
        third, jitter = 2 * np.pi / 3, 0.5 * (uniform[1:3] - 0.5)
        angle = np.stack([turn, turn + third + jitter[0], turn + 2 * third + jitter[1]])
        outward = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (3, 2, B)
        around = np.stack([-outward[:, 1], outward[:, 0]], axis=1) * np.where(uniform[4] < 0.5, -1.0, 1.0)
        common = self.drift * (2 * uniform[5:7] - 1)
        middle = 0.5 * self.extent[:, None]
        return middle + self._ring * (0.75 + 0.5 * uniform[3]) * outward, self.speed * around + common


class ThreeBodyEnv(SceneEnv):
    """Three bodies as a single environment."""

    kind = ThreeBody


class ThreeBodyVectorEnv(SceneVectorEnv):
    """Three bodies as a vector environment."""

    kind = ThreeBody
