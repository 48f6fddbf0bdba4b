"""Bodies in the plane of the image: what springs, gravity and walls have in common.

Positions are in pixels, x to the right and y down, velocities in pixels a second, masses one. An action is a force on
each actuated body, two numbers each, scaled by the constant ``actuation``, which may be negative; where the camera
mirrors (its y upwards, say), the second number counts against the first. Velocities may decay by the constant
``damping``. Both constants are there only where they are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.physics.base import Constant, Physics
from paig_control.physics.coordinates import PLANE
from paig_control.types import State


def acted_on(objects: int, actuated: Sequence[int] | None, force: bool) -> list[int]:
    """Numbers of the bodies on which a force acts: those ``actuated``, all if None, and none without ``force``.

    Raises:
        PaigError: for a body that there is not, or twice the same.
    """
    bodies = list(range(objects)) if actuated is None else list(actuated)
    if not force:
        return []
    if len(set(bodies)) != len(bodies) or not all(0 <= n < objects for n in bodies):
        raise PaigError(f"actuated = {bodies}: expected different numbers from 0 to {objects - 1}.")
    return bodies


class Particles(Physics):
    """Base class of planar systems; a subclass writes :meth:`forces`.

    Args:
        dt: time between frames, s.
        substeps: integration steps a frame.
        objects: number of bodies N.
        actuated: bodies on which a force acts, by number; all of them by default.
        force: whether forces act at all; without it there are no actions.
        damping: whether a damping is to be learned.
        own: the constants of the subclass.
    """

    kinematics: ClassVar[str] = "planar"
    least_objects: ClassVar[int] = 1

    def __init__(
        self,
        dt: float,
        substeps: int,
        objects: int,
        actuated: Sequence[int] | None,
        force: bool,
        damping: bool,
        own: Sequence[Constant] = (),
    ) -> None:
        if objects < self.least_objects:
            raise PaigError(f"objects = {objects}: {type(self).__name__} needs at least {self.least_objects}.")
        bodies = acted_on(objects, actuated, force)
        constants = [*own]
        if bodies:
            constants.append(Constant("actuation", low=-math.inf))
        if damping:
            constants.append(Constant("damping", "1/s", start=0.1))
        super().__init__(dt, substeps, [PLANE] * objects, 2 * len(bodies), constants)
        self.damped, self.actuated = damping, bodies
        spread = torch.zeros(len(bodies), objects)
        spread[list(range(len(bodies))), bodies] = 1.0
        self.spread: Tensor
        self.register_buffer("spread", spread, persistent=False)
        self.handed: Tensor
        self.register_buffer("handed", torch.ones(2))

    def pairwise(self, name: str) -> Tensor:
        """A constant that broadcasts against ``(*B, N, N, 1)``."""
        value = self.constant(name)
        return value.unsqueeze(-1) if value.dim() else value

    def forces(self, position: Tensor) -> Tensor:
        """Forces ``(*B, N, 2)`` of the bodies on one another, px/s²."""
        return torch.zeros_like(position)

    def acceleration(self, state: State, action: Tensor) -> Tensor:
        """Forces of the scene, of the action ``(*B, 2 n)`` and of the damping, on unit masses."""
        total = self.forces(state.position)
        if self.actuated:
            pushes = action.unflatten(-1, (len(self.actuated), 2)) * self.handed.to(action)
            total = total + self.constant("actuation") * (self.spread.T.to(pushes) @ pushes)
        if self.damped:
            total = total - self.constant("damping") * state.velocity
        return total


def pull(position: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors ``(*B, N, N, 2)`` from each body to each other, and their lengths ``(*B, N, N, 1)``.

    The length has a floor of 1e-6 px under its square, so that neither value nor gradient fails where two bodies
    coincide.
    """
    vector = position.unsqueeze(-3) - position.unsqueeze(-2)
    return vector, (vector.square().sum(-1, keepdim=True) + 1e-6).sqrt()


class Spring(Particles):
    """Springs between all bodies; constants ``stiffness`` (1/s²) and ``rest_length`` (px).

    On ball 0 acts ``-k (|d| - rest_length) d / |d|``, d from the other ball to it: the original's system, whose l is
    half of ``rest_length``. Arguments as :class:`Particles`.
    """

    least_objects: ClassVar[int] = 2

    def __init__(
        self,
        dt: float = 0.3,
        substeps: int = 5,
        objects: int = 2,
        actuated: Sequence[int] | None = None,
        force: bool = True,
        damping: bool = False,
    ) -> None:
        own = (Constant("stiffness", "1/s²"), Constant("rest_length", "px"))
        super().__init__(dt, substeps, objects, actuated, force, damping, own)

    def forces(self, position: Tensor) -> Tensor:
        """Pull of longer and push of shorter springs: ``(*B, N, 2)``."""
        vector, length = pull(position)
        stretch = self.pairwise("stiffness") * (length - self.pairwise("rest_length"))
        return (stretch * vector / length).sum(-2)


class Gravity(Particles):
    """Attraction between all bodies by ``gravity / distance²``; constant ``gravity`` = g m² (px³/s²).

    Args:
        dt: time between frames, s.
        substeps: integration steps a frame.
        objects: number of bodies.
        actuated: bodies on which a force acts.
        force: whether forces act.
        damping: whether a damping is to be learned.
        nearest: distances below this attract no more strongly, px.
        farthest: distances above this attract no less, px.
    """

    least_objects: ClassVar[int] = 2

    def __init__(
        self,
        dt: float = 0.5,
        substeps: int = 5,
        objects: int = 3,
        actuated: Sequence[int] | None = None,
        force: bool = True,
        damping: bool = False,
        nearest: float = 1.0,
        farthest: float = 170.0,
    ) -> None:
        if not 0 < nearest < farthest:
            raise PaigError(f"nearest = {nearest} and farthest = {farthest}: expected 0 < nearest < farthest.")
        super().__init__(dt, substeps, objects, actuated, force, damping, (Constant("gravity", "px³/s²"),))
        self.nearest, self.farthest = nearest, farthest

    def forces(self, position: Tensor) -> Tensor:
        """Sum of the attractions: ``(*B, N, 2)``."""
        vector, length = pull(position)
        strength = self.pairwise("gravity") / length.clamp(self.nearest, self.farthest) ** 3
        return (strength * vector).sum(-2)


class Bouncing(Particles):
    """Free flight between elastic walls; the walls and the radius belong to the physics, not to the image.

    Args:
        dt: time between frames, s.
        substeps: integration steps a frame.
        objects: number of balls; they pass through one another.
        actuated: balls on which a force acts.
        force: whether forces act.
        damping: whether a damping is to be learned.
        width: distance between left and right wall, px; the left one is at 0.
        height: distance between upper and lower wall, px.
        radius: of the balls, px.
    """

    walls: ClassVar[bool] = True

    def __init__(
        self,
        dt: float = 0.3,
        substeps: int = 1,
        objects: int = 2,
        actuated: Sequence[int] | None = None,
        force: bool = True,
        damping: bool = False,
        width: float = 32.0,
        height: float = 32.0,
        radius: float = 2.0,
    ) -> None:
        if not radius > 0:
            raise PaigError(f"radius = {radius}: expected the positive radius of the balls, px.")
        if not 2 * radius < min(width, height):
            raise PaigError(f"Walls {width} x {height} px apart: expected more than the ball's diameter, {2 * radius}.")
        super().__init__(dt, substeps, objects, actuated, force, damping)
        self.room: Tensor
        self.register_buffer("room", torch.tensor([width, height]) - 2 * radius, persistent=False)
        self.radius = radius

    def reflect(self, state: State) -> State:
        """Fold positions back between the walls, turning the velocity at each reflection.

        A reflection is a change of sign, so the gradient of a rollout goes through it wherever it exists.
        """
        room = self.room.to(state.position)
        along = torch.remainder(state.position - self.radius, 2 * room)
        back = along > room
        position = self.radius + torch.where(back, 2 * room - along, along)
        return State(position, torch.where(back, -state.velocity, state.velocity))
