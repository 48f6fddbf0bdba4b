"""Bodies and the joints on which they move in the plane.

A joint gives a body its coordinates: ``free`` two (x, y), ``rail`` one (how far along), ``hinge`` one (an angle, from
where the body it sits on points). Joints sit on the world or on a body that comes before, so bodies make a tree. In its
own frame, a body stands on its joint's origin and points up: x to the right, y down, angles counter-clockwise.

With ``J`` the derivative of the bodies' places by the coordinates ``q``, motion obeys ``M q'' = Jᵀ (F - m a0) + Q``
(Featherstone, Rigid Body Dynamics Algorithms, 2008, chapter 2): ``M = Σ m JᵀJ + I WᵀW`` with ``W`` the derivative of
the angles, ``F`` on the bodies, ``Q`` in the joints, and ``a0`` what the places accelerate by while no ``q`` does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from paig_control.errors import PaigError, nearest
from paig_control.physics.dynamics import ANGLE, PLANE, Coordinate
from paig_control.types import State

JOINTS: dict[str, tuple[Coordinate, ...]] = {"free": PLANE, "rail": (Coordinate("along", "px"),), "hinge": ANGLE}
"""Coordinates that each kind of joint gives."""


@dataclass(frozen=True)
class Body:
    """A body, and the joint on which it moves.

    Attributes:
        joint: of :data:`JOINTS`.
        on: number of the body that the joint sits on, one that comes before; None for the world.
        anchor: where on it, x and y in that body's frame.
        direction: of a rail, rad counter-clockwise from the right.
        mass: of the body.
        length: of a uniform rod that stands on the joint; 0 for a point; None on a hinge if how its mass lies is to be
            learned (:mod:`~paig_control.physics.lumped`).
        max_speed: its coordinates change no faster, per second.
        name: by which its constants are called.
    """

    joint: str = "free"
    on: int | None = None
    anchor: tuple[float, float] = (0.0, 0.0)
    direction: float = 0.0
    mass: float = 1.0
    length: float | None = 0.0
    max_speed: float = math.inf
    name: str = ""

    def check(self, number: int) -> None:
        """Refuse what cannot be, as the body of this number.

        Raises:
            PaigError: that names the body.
        """
        name = f"Body {number}"
        if self.joint not in JOINTS:
            raise PaigError(f"{name} has joint = {self.joint!r}; {nearest(str(self.joint), list(JOINTS))}")
        if self.on is not None and not 0 <= self.on < number:
            raise PaigError(f"{name} sits on body {self.on}: expected one that comes before it, or null for the world.")
        if self.joint == "free" and self.on is not None:
            raise PaigError(f"{name} is free and sits on body {self.on}: a free body moves in the world, leave on out.")
        for word, value in (("mass", self.mass), ("max_speed", self.max_speed)):
            if not value > 0:
                raise PaigError(f"{name} has {word} = {value}: expected a positive number.")
        if self.name and not self.name.isidentifier():
            raise PaigError(f"{name} has name = {self.name!r}: expected a word of letters, digits and underscores.")
        if self.length is None:
            if self.joint != "hinge":
                raise PaigError(f"{name} has no length and is on no hinge: leave length out.")
        elif not 0 <= self.length < math.inf or (self.joint == "hinge" and self.length == 0):
            raise PaigError(f"{name} has length = {self.length}: expected a positive number, or 0 on no hinge.")


class Places(NamedTuple):
    """Where bodies are, and how that follows the coordinates.

    Attributes:
        place: ``(*B, N, 2)``, of the centres of mass.
        slope: ``(*B, N, C, 2)``, their derivatives by the C coordinates.
    """

    place: Tensor
    slope: Tensor


def _turned(angle: Tensor, vector: tuple[float, float]) -> Tensor:
    """A vector turned counter-clockwise by angles ``(*B,)``: ``(*B, 2)``."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    x, y = vector
    return torch.stack([x * cos + y * sin, y * cos - x * sin], -1)


def _across(vector: Tensor) -> Tensor:
    """How a vector changes as it turns counter-clockwise: ``(*B, 2)``."""
    return torch.stack([vector[..., 1], -vector[..., 0]], -1)


def solved(matrix: Tensor, pull: Tensor, eased: Tensor | None) -> Tensor:
    """Accelerations ``(*B, N, 1)`` by a mass matrix ``(*B, N, N)`` to which implicit friction adds ``eased``."""
    if eased is not None:
        matrix = matrix + eased.to(matrix) * torch.eye(matrix.shape[-1]).to(matrix)
    found: Tensor = torch.linalg.solve(matrix, pull.unsqueeze(-1))
    return found


class Tree(nn.Module):
    """Rails and hinges upon one another, one coordinate a body.

    Args:
        bodies: already checked.
    """

    def __init__(self, bodies: Sequence[Body]) -> None:
        super().__init__()
        self.bodies = tuple(bodies)
        size = len(bodies)
        above: list[list[int]] = []
        for number, body in enumerate(bodies):
            above.append([*([] if body.on is None else above[body.on]), number])
        self.above = above
        turns = torch.zeros(size, size, dtype=torch.float64)
        for number, path in enumerate(above):
            turns[number, [k for k in path if bodies[k].joint == "hinge"]] = 1.0
        mass = torch.tensor([body.mass for body in bodies], dtype=torch.float64)
        self.lengths = [body.length or 0.0 for body in bodies]
        inertia = mass * torch.tensor([length**2 / 12 for length in self.lengths], dtype=torch.float64)
        self.mass: Tensor
        self.register_buffer("mass", mass, persistent=False)
        self.turning: Tensor
        self.register_buffer("turning", turns.T @ (inertia[:, None] * turns), persistent=False)

    def places(self, position: Tensor) -> Places:
        """Centres of mass at coordinates ``(*B, N, 1)``, and their slopes."""
        angles, origins, rails = self._frames(position[..., 0])
        place, slopes = [], []
        for number, _body in enumerate(self.bodies):
            centre = origins[number] + _turned(angles[number], (0.0, -self.lengths[number] / 2))
            column = [torch.zeros_like(centre)] * len(self.bodies)
            for k in self.above[number]:
                column[k] = _across(centre - origins[k]) if self.bodies[k].joint == "hinge" else rails[k]
            place.append(centre)
            slopes.append(torch.stack(column, -2))
        return Places(torch.stack(place, -2), torch.stack(slopes, -3))

    def _frames(self, q: Tensor) -> tuple[list[Tensor], list[Tensor], dict[int, Tensor]]:
        """Of each body: its angle, its origin ``(*B, 2)``, and the direction of its rail, if it has one."""
        angles: list[Tensor] = []
        origins: list[Tensor] = []
        rails: dict[int, Tensor] = {}
        for number, (body, value) in enumerate(zip(self.bodies, q.unbind(-1), strict=True)):
            angle = torch.zeros_like(value) if body.on is None else angles[body.on]
            origin = _turned(angle, body.anchor) + (0.0 if body.on is None else origins[body.on])
            if body.joint == "rail":
                rails[number] = _turned(angle + body.direction, (1.0, 0.0))
                origin = origin + value[..., None] * rails[number]
            else:
                angle = angle + value
            angles.append(angle)
            origins.append(origin)
        return angles, origins, rails

    def drift(self, position: Tensor, velocity: Tensor) -> Tensor:
        """Accelerations ``(*B, N, 2)`` of the centres of mass while the coordinates go on at their velocities."""
        q, v = position[..., 0], velocity[..., 0]
        angles, origins, rails = self._frames(q)
        turning: list[Tensor] = []
        bent: list[Tensor] = []
        out = []
        for number, (body, speed) in enumerate(zip(self.bodies, v.unbind(-1), strict=True)):
            if body.on is None:
                omega, come = torch.zeros_like(speed), torch.zeros_like(origins[number])
            else:
                omega = turning[body.on]
                arm = origins[number] - origins[body.on]
                come = bent[body.on] - omega[..., None].square() * arm
            if body.joint == "rail":
                come = come + 2 * (omega * speed)[..., None] * _across(rails[number])
            else:
                omega = omega + speed
            turning.append(omega)
            bent.append(come)
            centre = _turned(angles[number], (0.0, -self.lengths[number] / 2))
            out.append(come - omega[..., None].square() * centre)
        return torch.stack(out, -2)

    def accelerate(
        self, state: State, places: Places, bodies: Tensor | None, joints: Tensor | None, eased: Tensor | None = None
    ) -> Tensor:
        """Acceleration ``(*B, N, 1)`` under forces ``(*B, N, 2)`` on bodies and ``(*B, N, 1)`` in joints.

        ``eased``, ``(*B, N, 1)``, is what implicit friction adds to the inertia.
        """
        slope, mass = places.slope, self.mass.to(places.slope)
        matrix = torch.einsum("...nip,...njp,n->...ij", slope, slope, mass) + self.turning.to(slope)
        pull = -mass[:, None] * self.drift(*state)
        pull = pull if bodies is None else pull + bodies
        total = torch.einsum("...nip,...np->...i", slope, pull)
        total = total if joints is None else total + joints[..., 0]
        return solved(matrix, total, eased)

    def down(self, places: Places) -> Tensor:
        """What gravity does along each coordinate, ``(*B, N, 1)``."""
        return (places.slope[..., 1] * self.mass.to(places.slope)[:, None]).sum(-2).unsqueeze(-1)

    def depth(self, position: Tensor, places: Places) -> Tensor:
        """Moments of all bodies downwards ``(*B,)``: what gravity is the slope of."""
        return (self.mass.to(position) * places.place[..., 1]).sum(-1)

    def energy(self, state: State) -> Tensor:
        """Energy of motion ``(*B,)``."""
        slope, speed = self.places(state.position).slope, state.velocity[..., 0]
        matrix = torch.einsum("...nip,...njp,n->...ij", slope, slope, self.mass.to(slope)) + self.turning.to(slope)
        twice: Tensor = torch.einsum("...i,...ij,...j->...", speed, matrix, speed)
        return twice / 2
