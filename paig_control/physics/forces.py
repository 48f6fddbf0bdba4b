"""The forces that a scene may be put together of, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from paig_control import naming
from paig_control.errors import PaigError, quoted
from paig_control.physics.dynamics import Constant, chosen
from paig_control.physics.force import Force, spread
from paig_control.types import State

if TYPE_CHECKING:
    from paig_control.physics.mechanism import Mechanism, Motion


def pull(place: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors ``(*B, N, N, 2)`` from each body to each other, and their lengths ``(*B, N, N, 1)``.

    The length has a floor of 1e-6 px under its square, so that neither value nor gradient fails where two bodies
    coincide.
    """
    vector = place.unsqueeze(-3) - place.unsqueeze(-2)
    return vector, (vector.square().sum(-1, keepdim=True) + 1e-6).sqrt()


class Spring(Force):
    """Springs between bodies: each pulls by its stiffness times what it is longer than at rest.

    On ball 0 acts ``-stiffness (|d| - rest_length) d / |d|``, d from the other ball to it: the original's system, whose
    l is half of ``rest_length``.

    Args:
        between: pairs of bodies; all pairs by default.
    """

    constants = (Constant("stiffness", "1/s²"), Constant("rest_length", "px"))
    least = 2

    def __init__(self, between: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__()
        self.between = between

    def enter(self, scene: Mechanism, names: Mapping[str, str]) -> None:
        """See :class:`Force`."""
        super().enter(scene, names)
        if self.between is None:
            return
        joined = torch.zeros(len(scene.bodies), len(scene.bodies))
        for pair in self.between:
            one = chosen("between", pair, len(scene.bodies))
            if len(one) != 2:
                raise PaigError(f"between = {quoted(self.between)}: expected pairs of bodies, for example [[0, 1]].")
            joined[one, one[::-1]] = 1.0
        self.joined: Tensor
        self.register_buffer("joined", joined[..., None], persistent=False)

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Pull of longer and push of shorter springs."""
        vector, length = pull(motion.place)
        stretch = self.pairwise("stiffness") * (length - self.pairwise("rest_length"))
        stretch = stretch if self.between is None else stretch * self.joined.to(stretch)
        return (stretch * vector / length).sum(-2)

    def potential(self, motion: Motion) -> Tensor:
        """Half the stiffness times the squared stretch of each spring."""
        _, length = pull(motion.place)
        energy = self.pairwise("stiffness") * (length - self.pairwise("rest_length")).square() / 2
        count = len(self.scene.bodies)
        pairs = torch.triu(torch.ones(count, count, dtype=length.dtype), 1).unsqueeze(-1)
        pairs = pairs if self.between is None else pairs * self.joined.to(pairs)
        return (energy * pairs.to(energy)).sum((-1, -2, -3))


class AnchoredSpring(Force):
    """A spring from a body to a fixed point.

    Args:
        bodies: that hang on one; all of them by default.
        anchors: x and y of the point, px, for each of the bodies.
    """

    constants = (Constant("stiffness", "1/s²"), Constant("rest_length", "px"))

    def __init__(self, anchors: Sequence[Sequence[float]], bodies: Sequence[int] | None = None) -> None:
        super().__init__()
        self.anchors, self.bodies = anchors, bodies

    def enter(self, scene: Mechanism, names: Mapping[str, str]) -> None:
        """See :class:`Force`."""
        super().enter(scene, names)
        hung = chosen("bodies", self.bodies, len(scene.bodies))
        points = torch.zeros(len(scene.bodies), 2)
        if len(self.anchors) != len(hung) or not all(len(point) == 2 for point in self.anchors):
            raise PaigError(f"anchors = {quoted(self.anchors)}: expected x and y for each of the bodies {hung}.")
        points[hung] = torch.tensor([[float(x), float(y)] for x, y in self.anchors])
        held = torch.zeros(len(scene.bodies), 1)
        held[hung] = 1.0
        self.points: Tensor
        self.register_buffer("points", points, persistent=False)
        self.held: Tensor
        self.register_buffer("held", held, persistent=False)

    def _stretch(self, motion: Motion) -> tuple[Tensor, Tensor]:
        away = motion.place - self.points.to(motion.place)
        length = (away.square().sum(-1, keepdim=True) + 1e-6).sqrt()
        return away / length, (length - self.value("rest_length")) * self.held.to(away)

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Pull towards the point where it is longer than at rest."""
        direction, stretch = self._stretch(motion)
        return -self.value("stiffness") * stretch * direction

    def potential(self, motion: Motion) -> Tensor:
        """Half the stiffness times the squared stretch."""
        return (self.value("stiffness") * self._stretch(motion)[1].square() / 2).sum((-1, -2))


class Attraction(Force):
    """Attraction between all bodies by ``gravity / distance²``; ``gravity`` is g m².

    Args:
        nearest: distances below this attract no more strongly, px.
        farthest: distances above this attract no less, px.
    """

    constants = (Constant("gravity", "px³/s²"),)
    least = 2

    def __init__(self, nearest: float = 1.0, farthest: float = 170.0) -> None:
        super().__init__()
        if not 0 < nearest < farthest:
            raise PaigError(f"nearest = {nearest} and farthest = {farthest}: expected 0 < nearest < farthest.")
        self.nearest, self.farthest = nearest, farthest

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Sum of the attractions."""
        vector, length = pull(motion.place)
        strength = self.pairwise("gravity") / length.clamp(self.nearest, self.farthest) ** 3
        return (strength * vector).sum(-2)


class Weight(Force):
    """Gravity that is the same everywhere, downwards; negative where the camera stands on its head."""

    constants = (Constant("gravity", "m/s²", low=-math.inf),)
    on, linear = "joints", True

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """What weight does along each coordinate."""
        return self.value("gravity", self.scene.lever) * motion.down

    def potential(self, motion: Motion) -> Tensor:
        """Weight times height."""
        return -(self.value("gravity") * motion.depth[..., None, None]).sum((-1, -2))


class Drag(Force):
    """Velocities of bodies decay: a force against each, ``damping`` times its velocity."""

    constants = (Constant("damping", "1/s", start=0.1),)
    uses_velocity = True

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Against the velocity."""
        return -self.value("damping") * motion.speed

    def rubbing(self) -> Tensor | None:
        """Its constant, where bodies move freely."""
        return self.value("damping") if self.scene.tree is None else None


class QuadraticDrag(Force):
    """A force against each body's velocity that grows as its square."""

    constants = (Constant("drag", "1/px", start=0.01),)
    uses_velocity = True

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Against the velocity, times the speed."""
        speed = motion.speed
        return -self.value("drag") * (speed.square().sum(-1, keepdim=True) + 1e-12).sqrt() * speed


class Friction(Force):
    """Friction in rails and hinges, against the coordinate's velocity and in proportion to it.

    Args:
        bodies: in whose joints it is; in all of them by default.
    """

    constants = (Constant("friction", start=0.1),)
    on, joints, linear = "joints", ("rail", "hinge"), True
    uses_velocity = True

    def __init__(self, bodies: Sequence[int] | None = None) -> None:
        super().__init__()
        self.bodies = bodies

    def enter(self, scene: Mechanism, names: Mapping[str, str]) -> None:
        """See :class:`Force`."""
        super().enter(scene, names)
        whom = chosen("bodies", self.bodies, len(scene.bodies))
        self.everywhere = len(whom) == len(scene.bodies)
        self.rubbed: Tensor
        self.register_buffer("rubbed", spread(whom, len(scene.bodies)).sum(1, keepdim=True), persistent=False)

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Against the coordinates' velocities."""
        return -self.rubbing().to(motion.velocity) * motion.velocity

    def rubbing(self) -> Tensor:
        """Its constant, in the joints where it is."""
        value = self.value("friction")
        return value if self.everywhere else value * self.rubbed.to(value)


class Driven(Force):
    """What actions exert, ``count`` numbers on each body, times ``actuation``, which may be negative.

    Args:
        bodies: that are driven; all of them by default.
    """

    constants = (Constant("actuation", low=-math.inf),)
    driven = True
    count: ClassVar[int]

    def __init__(self, bodies: Sequence[int] | None = None) -> None:
        super().__init__()
        self.bodies = bodies

    def enter(self, scene: Mechanism, names: Mapping[str, str]) -> None:
        """See :class:`Force`."""
        super().enter(scene, names)
        self.whom = chosen("bodies", self.bodies, len(scene.bodies))
        if not self.whom:
            raise PaigError(f"A {type(self).__name__.lower()} of no bodies: leave it out.")
        self.acts = self.count * len(self.whom)
        self.spread: Tensor
        self.register_buffer("spread", spread(self.whom, len(scene.bodies)), persistent=False)
        self._all = self.whom == list(range(len(scene.bodies)))

    def dealt(self, each: Tensor) -> Tensor:
        """Actuation times what each driven body gets, ``(*B, n, count)``; nothing for the others."""
        return self.value("actuation") * (each if self._all else self.spread.to(each) @ each)


class Push(Driven):
    """Forces that actions exert on bodies, two numbers each, times ``actuation``, which may be negative.

    Where the camera mirrors (its y upwards, say), the second number counts against the first: the scene's ``handed``.
    """

    count = 2

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Each body's part of the action."""
        return self.dealt(action.unflatten(-1, (len(self.whom), 2)) * self.scene.handed.to(action))


class Motor(Driven):
    """Torques in hinges and forces along rails that actions exert, a number each, times ``actuation``."""

    on, joints, linear, count = "joints", ("rail", "hinge"), True, 1

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Each joint's part of the action."""
        return self.dealt(action.unsqueeze(-1))


class Walls(Force):
    """Four elastic walls; they and the radius belong to the physics, not to the image.

    Args:
        width: distance between left and right wall, px; the left one is at 0.
        height: distance between upper and lower wall, px; the upper one is at 0.
        radius: of the balls, px.
    """

    joints, walls = ("free",), True

    def __init__(self, width: float = 32.0, height: float = 32.0, radius: float = 2.0) -> None:
        super().__init__()
        if not radius > 0:
            raise PaigError(f"radius = {radius}: expected the positive radius of the balls, px.")
        if not 2 * radius < min(width, height):
            raise PaigError(f"Walls {width} x {height} px apart: expected more than the ball's diameter, {2 * radius}.")
        self.width, self.height, self.radius = width, height, radius
        self.room: Tensor
        self.register_buffer("room", torch.tensor([width, height]) - 2 * radius, persistent=False)

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Nothing between the walls."""
        return torch.zeros_like(motion.position)

    def reflect(self, state: State) -> State:
        """Fold positions back between the walls, turning the velocity at each reflection.

        A reflection is a change of sign, so the gradient of a rollout goes through it wherever it exists.
        """
        room = self.room.to(state.position)
        along = torch.remainder(state.position - self.radius, 2 * room)
        back = along > room
        position = self.radius + torch.where(back, 2 * room - along, along)
        return State(position, torch.where(back, -state.velocity, state.velocity))


FORCES: dict[str, type[Force]] = {
    "spring": Spring,
    "anchored_spring": AnchoredSpring,
    "attraction": Attraction,
    "weight": Weight,
    "drag": Drag,
    "quadratic_drag": QuadraticDrag,
    "friction": Friction,
    "push": Push,
    "motor": Motor,
    "walls": Walls,
}
"""Forces by name."""


def kind_of(force: Force) -> str:
    """The name by which a force is found again: of :data:`FORCES`, or ``package:Name``."""
    named = {cls: name for name, cls in FORCES.items()}
    return named.get(type(force), f"{type(force).__module__}:{type(force).__qualname__}")


def find_force(kind: str, imports: bool) -> type[Force]:
    """A force by its name: of :data:`FORCES`, or ``package:Name``; see :func:`paig_control.naming.find`.

    Raises:
        PaigError: for a name that is not known, or what is no force.
    """
    found = naming.find("force", kind, FORCES, imports)
    if not (isinstance(found, type) and issubclass(found, Force)):
        raise PaigError(f"{kind} is {quoted(found)}: expected a subclass of paig_control.physics.forces.Force.")
    return found
