"""Scenes of bodies that move in the plane of the image, each pushed by a force of its own.

Positions are in pixels, x to the right and y down, velocities in pixels a second, masses one: a force is an
acceleration. The reward is minus the sum over the bodies of their squared distance to their goal, px².
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks
from paig_control.envs.checks import Array, Colour
from paig_control.envs.goal_sampling import Tolerance
from paig_control.envs.painter import disc
from paig_control.envs.scene import Scene

SMALLEST = 0.5
"""Least radius of a body, px: what is smaller than a pixel can hardly be seen."""
BLUE, GREEN, RED = (0.0, 0.0, 255.0), (0.0, 255.0, 0.0), (255.0, 0.0, 0.0)


class Bodies(Scene):
    """What all planar scenes share: discs on black, the force action, the reward.

    A state is ``(2, N, 2)``; an action is ``(2 n,)``: x and y of the force on each of n actuated bodies, px/s²,
    held over the step. The later of two bodies covers the earlier.

    Args:
        max_force: largest component of the force on a body, px/s²; actions are clipped to it.
        size: pixels, one number or (height, width).
        dt: seconds between frames.
        radius: of a disc, px.
        colours: (red, green, blue) of each body, 0 to 255; their number is the number of bodies.
        actuated: numbers of the bodies that can be pushed; ``None`` for all.
        position_tolerance: success is nearer than this to the goal, in every coordinate of every body, px.
        velocity_tolerance: and slower than this against the goal's velocity, px/s.
    """

    objects: ClassVar[int | None] = None
    """Number of bodies that the scene must have; ``None`` for any."""

    def __init__(
        self,
        max_force: float = 10.0,
        size: int | tuple[int, int] = 32,
        dt: float = 0.3,
        radius: float = 2.0,
        colours: Sequence[Colour] = (BLUE, GREEN),
        actuated: Sequence[int] | None = None,
        position_tolerance: float = 1.5,
        velocity_tolerance: float = 2.0,
    ) -> None:
        self.size = checks.image_size(size)
        self.dt = checks.number("dt", dt, low=0.0, example=0.3)
        self.radius = checks.number("radius", radius, low=SMALLEST, closed=True, example=2.0)
        painted = checks.colours(colours, self.objects)
        self.count = len(painted)
        self.actuated = checks.bodies("actuated", actuated, self.count)
        self.high = np.full(2 * len(self.actuated), checks.number("max_force", max_force, low=0.0, example=10.0))
        self.low = -self.high
        self.tolerance = Tolerance(
            position=checks.number("position_tolerance", position_tolerance, low=0.0, example=1.5),
            velocity=checks.number("velocity_tolerance", velocity_tolerance, low=0.0, example=2.0),
            angular=False,
            distance=6.0,
            within=1.5,
        )
        self.background = np.zeros((*self.size, 3))
        self.sprites = tuple(disc(self.radius, one) for one in painted)

    @property
    def reach(self) -> float:
        """Half the width of what is painted for a body, px."""
        return self.radius

    @property
    def extent(self) -> Array:
        """Width and height of the image, ``(2,)``, px."""
        return np.array(self.size[::-1], dtype=np.float64)

    def at_rest(self, positions: Any) -> Array:
        """State ``(2, N, 2)`` of bodies at rest at ``positions`` ``(N, 2)``."""
        places = np.asarray(positions, dtype=np.float64)
        return np.stack([places, np.zeros_like(places)])

    def visible(self, state: Array) -> NDArray[np.bool_]:
        """Whether all bodies are wholly in the picture and no two nearer than half their width: ``(B,)``."""
        place = state[:, 0]
        inside = ((place >= self.reach) & (place <= self.extent - self.reach)).all((1, 2))
        gaps = place[:, :, None] - place[:, None]
        own = np.where(np.eye(self.count, dtype=bool), np.inf, 0.0)
        return np.asarray(inside & (np.sqrt((gaps * gaps).sum(-1)) + own >= self.reach).all((1, 2)))

    def pushes(self, action: Array) -> Array:
        """Forces ``(B, N, 2)`` of actions ``(B, A)``."""
        forces = np.zeros((len(action), self.count, 2))
        forces[:, list(self.actuated)] = self.actuation * action.reshape(len(action), -1, 2)
        return forces

    def truth_of(self, physics: str, constants: dict[str, float], **settings: Any) -> dict[str, dict[str, Any]]:
        """Truth of a physics of this name; the bodies that can be pushed are named where they are not all."""
        if len(self.actuated) < self.count:
            settings["actuated"] = list(self.actuated)
        return {
            "constants": {**constants, "actuation": self.actuation},
            "physics": {"name": physics, "dt": self.dt, "objects": self.count, **settings},
        }

    def reward(self, state: Array, action: Array, next_state: Array, goal: Array) -> Array:
        """Minus the squared distances to the goal after the step, summed over bodies, px²."""
        offset = (next_state - goal)[:, 0]
        return np.asarray(-(offset * offset).reshape(len(offset), -1).sum(1))

    def poses(self, state: Array) -> Array:
        """Places of the bodies, upright: ``(B, N, 3)``."""
        return np.concatenate([state[:, 0], np.zeros((len(state), self.count, 1))], axis=2)
