"""Gymnasium's Pendulum-v1 as a pixel scene: the same laws, reward and view, physics and colours as arguments.

A uniform rod of mass m and length l about its end obeys
``angle'' = 3 g / (2 l) sin(angle) + 3 / (m l^2) torque``, the angle counter-clockwise from up. The classical
Runge-Kutta method (Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.1) integrates it
in sub-steps far finer than a model's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paig_control.envs import checks
from paig_control.envs.checks import Array, Colour
from paig_control.envs.goal_sampling import Tolerance
from paig_control.envs.painter import Rod, disc
from paig_control.envs.scene import Scene, SceneEnv
from paig_control.envs.vector import SceneVectorEnv

HALF_VIEW = 2.2
"""Metres from the pivot to the edge of the image, as in Pendulum-v1."""


class Pendulum(Scene):
    """A driven pendulum in the middle of the image.

    Args:
        max_torque: largest torque, N m; actions are clipped to it.
        gravity: m/s².
        length: of the rod, m. It is drawn to scale between 0.5 and 2 m and at those limits beyond.
        mass: of the rod, kg.
        max_speed: the angular velocity is clipped to this, rad/s.
        size: pixels, one number or (height, width).
        dt: seconds between frames, over which the torque is held.
        substeps: Runge-Kutta steps a frame.
        rod_colour: (red, green, blue), 0 to 255.
        background_colour: (red, green, blue).
        axle_colour: (red, green, blue).
    """

    def __init__(
        self,
        max_torque: float = 2.0,
        gravity: float = 10.0,
        length: float = 1.0,
        mass: float = 1.0,
        max_speed: float = 8.0,
        size: int | tuple[int, int] = 32,
        dt: float = 0.05,
        substeps: int = 10,
        rod_colour: Colour = (204.0, 77.0, 77.0),
        background_colour: Colour = (255.0, 255.0, 255.0),
        axle_colour: Colour = (0.0, 0.0, 0.0),
    ) -> None:
        torque = checks.number("max_torque", max_torque, low=0.0, example=2.0)
        self.gravity = checks.number("gravity", gravity, example=10.0)
        self.length = checks.number("length", length, low=0.0)
        self.mass = checks.number("mass", mass, low=0.0)
        self.max_speed = checks.number("max_speed", max_speed, low=0.0, example=8.0)
        self.dt = checks.number("dt", dt, low=0.0, example=0.05)
        self.substeps = checks.whole("substeps", substeps, example=10)
        self.size = checks.image_size(size)
        self.low, self.high = np.array([-torque]), np.array([torque])
        self.goal_state = np.zeros((2, 1, 1))
        self.tolerance = Tolerance(position=float(np.deg2rad(15.0)), velocity=1.0, angular=True)
        self.background = np.empty((*self.size, 3))
        self.background[:] = checks.colour("background_colour", background_colour)
        scale = min(self.size) / (2 * HALF_VIEW)
        self._reach = 0.5 * scale * float(np.clip(self.length, 0.5, 2.0))
        rod = Rod(2 * self._reach, 0.1 * scale, checks.colour("rod_colour", rod_colour))
        self.sprites = (rod, disc(0.05 * scale, checks.colour("axle_colour", axle_colour)))

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` and the settings of the true ``physics``."""
        settings = {name: getattr(self, name) for name in ("dt", "substeps", "length", "mass", "max_speed")}
        return {
            "constants": {"gravity": self.gravity, "actuation": self.actuation},
            "physics": {"name": "pendulum", **settings},
        }

    def initial(self, rng: np.random.Generator) -> Array:
        """Any angle, velocity between -1 and 1 rad/s, as in Pendulum-v1."""
        return rng.uniform([-np.pi, -1.0], [np.pi, 1.0]).reshape(2, 1, 1)

    def acceleration(self, angle: Array, torque: Array) -> Array:
        """Angular acceleration, rad/s², for a torque in N m."""
        swing = 1.5 * self.gravity / self.length * np.sin(angle)
        return np.asarray(swing + 3.0 / (self.mass * self.length**2) * torque)

    def transition(self, state: Array, action: Array) -> Array:
        """Advance states ``(B, 2, 1, 1)`` by ``dt`` under torques ``(B, 1)``."""
        torque, h = self.actuation * action[:, :, None], self.dt / self.substeps
        angle, speed = state[:, 0], state[:, 1]
        for _ in range(self.substeps):
            a1 = self.acceleration(angle, torque)
            a2 = self.acceleration(angle + h / 2 * speed, torque)
            a3 = self.acceleration(angle + h / 2 * speed + h * h / 4 * a1, torque)
            a4 = self.acceleration(angle + h * speed + h * h / 2 * a2, torque)
            angle = angle + h * speed + h * h / 6 * (a1 + a2 + a3)
            speed = np.clip(speed + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), -self.max_speed, self.max_speed)
        return np.stack([angle, speed], axis=1)

    def reward(self, state: Array, action: Array, next_state: Array, goal: Array) -> Array:
        """Pendulum-v1's: -(angle² + 0.1 speed² + 0.001 torque²), of the state before the step."""
        angle = np.remainder(state[:, 0, 0, 0] + np.pi, 2 * np.pi) - np.pi
        return -(angle**2 + 0.1 * state[:, 1, 0, 0] ** 2 + 0.001 * action[:, 0] ** 2)

    def poses(self, state: Array) -> Array:
        """Middle and angle of the rod, then the axle: ``(B, 2, 3)``."""
        angle = state[:, 0, 0, 0]
        poses = np.zeros((len(state), 2, 3))
        poses[:, :, 0], poses[:, :, 1] = self.size[1] / 2, self.size[0] / 2
        poses[:, 0, 0] -= self._reach * np.sin(angle)
        poses[:, 0, 1] -= self._reach * np.cos(angle)
        poses[:, 0, 2] = angle
        return poses


class PendulumEnv(SceneEnv):
    """The pendulum as a single environment."""

    kind = Pendulum


class PendulumVectorEnv(SceneVectorEnv):
    """The pendulum as a vector environment."""

    kind = Pendulum
