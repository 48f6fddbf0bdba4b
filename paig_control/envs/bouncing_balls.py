"""Balls between four elastic walls, PAIG's ``bouncing_balls``; they pass through one another.

Under a force that is held over the step, each coordinate bounces by itself, and that motion has a closed form: it
is simulated without any error, however many walls are hit in a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paig_control.envs import checks
from paig_control.envs.bodies import Bodies
from paig_control.envs.checks import Array
from paig_control.envs.scene import SceneEnv
from paig_control.envs.vector import SceneVectorEnv
from paig_control.errors import PaigError


def bounce(position: Array, velocity: Array, force: Array, room: Array | float, dt: float) -> tuple[Array, Array]:
    """Position and velocity after ``dt`` between elastic walls at 0 and ``room``, under a constant force.

    Count from the wall towards which the force presses: there the speed is always the same u, and the motion up to
    the far wall, or to where the force turns it, and back repeats for ever. So time is taken modulo that period.
    All arrays have one shape; a position outside is first brought to the wall.
    """
    pressed_up = force > 0
    weight = np.abs(force)
    height = np.clip(np.where(pressed_up, room - position, position), 0.0, room)
    speed = np.where(pressed_up, -velocity, velocity)
    bottom = np.sqrt(speed * speed + 2 * weight * height)
    top = np.sqrt(np.maximum(bottom * bottom - 2 * weight * room, 0.0))
    still = bottom < 1e-9  # at rest and not pressed off the spot
    u = np.where(still, 1.0, bottom)
    turns = u * u < 2 * weight * room  # before it reaches the far wall
    rise = np.where(turns, u / np.where(turns, weight, 1.0), 2 * room / (u + top))  # time from wall to turning point
    since = 2 * height / (u + np.abs(speed))
    phase = np.mod(np.where(speed < 0, -since, since) + dt, 2 * rise)
    falls = phase > rise
    time = np.where(falls, 2 * rise - phase, phase)
    after = np.clip(u * time - 0.5 * weight * time * time, 0.0, room)
    speed_after = np.where(falls, -1.0, 1.0) * (u - weight * time)
    after, speed_after = np.where(still, height, after), np.where(still, speed, speed_after)
    return np.where(pressed_up, room - after, after), np.where(pressed_up, -speed_after, speed_after)


class BouncingBalls(Bodies):
    """Balls in free flight between the four borders of the image.

    A start has them anywhere inside, each at ``speed`` in a direction of its own.

    Args:
        speed: of each ball at the start, px/s.
        **common: as of :class:`~paig_control.envs.bodies.Bodies`.
    """

    def __init__(self, speed: float = 8.0, **common: Any) -> None:
        super().__init__(**common)
        self.speed = checks.number("speed", speed, low=0.0, closed=True, example=8.0)
        self._room = self.extent - 2 * self.radius
        if not (self._room > 0).all():
            raise PaigError(
                f"radius = {self.radius:g}: a ball does not fit between walls {self.size[0]} x {self.size[1]} px "
                "apart; take a smaller radius or a larger size."
            )
        across = (np.arange(self.count) + 0.5) / self.count
        self.goal_state = self.at_rest(np.stack([across, np.full(self.count, 0.5)], axis=1) * self.extent)

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` and the settings of the true ``physics``."""
        width, height = self.extent.tolist()
        return self.truth_of("bouncing", {}, width=width, height=height, radius=self.radius)

    def initial(self, rng: np.random.Generator) -> Array:
        """Any place between the walls, any direction, the given speed."""
        position = self.radius + self._room * rng.random((self.count, 2))
        angle = 2 * np.pi * rng.random(self.count)
        return np.stack([position, self.speed * np.stack([np.cos(angle), np.sin(angle)], axis=1)])

    def transition(self, state: Array, action: Array) -> Array:
        """Advance states ``(B, 2, N, 2)`` by ``dt`` under actions ``(B, A)``."""
        room = np.broadcast_to(self._room, state[:, 0].shape)
        position, velocity = bounce(state[:, 0] - self.radius, state[:, 1], self.pushes(action), room, self.dt)
        return np.stack([position + self.radius, velocity], axis=1)


class BouncingBallsEnv(SceneEnv):
    """Bouncing balls as a single environment."""

    kind = BouncingBalls


class BouncingBallsVectorEnv(SceneVectorEnv):
    """Bouncing balls as a vector environment."""

    kind = BouncingBalls
