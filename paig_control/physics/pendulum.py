"""A rigid pendulum on a fixed pivot, driven by a torque.

The angle is counter-clockwise from up. A uniform rod of mass m and length l about its end obeys
``angle'' = 3 g / (2 l) sin(angle) + 3 / (m l^2) gain * torque`` (moment of inertia m l^2 / 3); this is the system of
Gymnasium's Pendulum-v1. Both constants may be negative: a camera that stands on its head sees things fall upwards, one
that looks from behind sees a torque turn the other way. From a video only g / l and gain / (m l^2) can be seen, so
length and mass are given and gravity and the gain of the torque are learned.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.physics.base import Constant, Physics
from paig_control.physics.coordinates import ANGLE
from paig_control.types import State


class Pendulum(Physics):
    """Uniform rod about its end; constants ``gravity`` and ``actuation``.

    Args:
        dt: time between frames, s.
        substeps: integration steps a frame.
        length: of the rod, m.
        mass: of the rod, kg.
        max_speed: the angular velocity is clipped to this, rad/s (Pendulum-v1 clips to 8).
    """

    kinematics: ClassVar[str] = "rotary"

    def __init__(
        self,
        dt: float = 0.05,
        substeps: int = 1,
        length: float = 1.0,
        mass: float = 1.0,
        max_speed: float = 8.0,
    ) -> None:
        super().__init__(
            dt,
            substeps,
            coordinates=[ANGLE],
            action_size=1,
            constants=(Constant("gravity", "m/s²", low=-math.inf), Constant("actuation", low=-math.inf)),
        )
        for name, value in (("length", length), ("mass", mass), ("max_speed", max_speed)):
            if not value > 0:
                raise PaigError(f"{name} = {value}: expected a positive number.")
        self.length, self.mass, self.max_speed = length, mass, max_speed

    def acceleration(self, state: State, action: Tensor) -> Tensor:
        """Angular acceleration ``(*B, 1, 1)``, rad/s², for a torque ``(*B, 1)``, N·m."""
        swing = self.scaled("gravity", 1.5 / self.length) * torch.sin(state.position)
        push = self.scaled("actuation", 3.0 / (self.mass * self.length**2)) * action.unsqueeze(-2)
        return swing + push

    def limit(self, velocity: Tensor) -> Tensor:
        """Clip the angular velocity."""
        return velocity.clamp(-self.max_speed, self.max_speed)
