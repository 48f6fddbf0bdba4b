"""What moves, whatever moves it: coordinates, the size of an action, and named constants that can be learned.

A constant is learned through an unconstrained number: its logarithm where it is positive, a logit where it is bounded
on both sides, its inverse hyperbolic sine where it may be negative, as a gain may whose direction nobody knows
beforehand. ``using`` replaces constants for a while by any tensors, also batched ones, which is how identification
differentiates with respect to them and how one asks "what if".

Whatever compares positions (filters, least squares, costs, searches) counts in a coordinate's own ``scale``, so that
pixels and radians may stand side by side in one state, and no threshold asks what kind of physics it is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from paig_control.errors import PaigError, quoted

if TYPE_CHECKING:
    from paig_control.physics.base import Physics

T = TypeVar("T")


@dataclass(frozen=True)
class Coordinate:
    """One number of a position.

    Attributes:
        name: as printed, for example ``x``.
        unit: as printed, for example ``px``.
        periodic: whether it is an angle, equal modulo 2 pi.
        scale: a difference that is clearly seen and still small, in its unit: thresholds are multiples of it.
    """

    name: str
    unit: str = ""
    periodic: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise PaigError(f"The coordinate {self.name} has scale = {self.scale}: expected a positive number.")


PLANE = (Coordinate("x", "px"), Coordinate("y", "px"))
"""A place in the picture, x to the right and y down."""
ANGLE = (Coordinate("angle", "rad", periodic=True, scale=0.1),)
"""An angle, counter-clockwise from up."""


@dataclass(frozen=True)
class Constant:
    """A named constant of physics.

    Attributes:
        name: as printed and as used in settings, for example ``gravity``.
        unit: as printed, for example ``m/s²``; empty for a pure number.
        start: value from which learning starts.
        low: lower bound, exclusive; minus infinity for a constant of either sign, which has no upper bound either.
        high: upper bound, exclusive; infinite by default.
    """

    name: str
    unit: str = ""
    start: float = 1.0
    low: float = 0.0
    high: float = math.inf

    @property
    def signed(self) -> bool:
        """Whether it may have either sign."""
        return math.isinf(self.low)

    @property
    def reach(self) -> tuple[float, float]:
        """Lowest and highest free number of a search: nearer to a bound than a millionth, nothing changes any more."""
        if self.signed:
            return -math.inf, math.inf
        span = (self.start if math.isinf(self.high) else self.high) - self.low
        least = float(self.to_free(torch.tensor(self.low + 1e-6 * span, dtype=torch.float64)))
        return least, math.inf if math.isinf(self.high) else -least

    def to_free(self, value: Tensor) -> Tensor:
        """Map a value inside the bounds to the unconstrained number that is learned."""
        if self.signed:
            return torch.asinh(value)
        if math.isinf(self.high):
            return torch.log(value - self.low)
        return torch.logit((value - self.low) / (self.high - self.low))

    def to_value(self, free: Tensor) -> Tensor:
        """Map the unconstrained number back to the value."""
        if self.signed:
            return torch.sinh(free)
        if math.isinf(self.high):
            return self.low + torch.exp(free)
        return self.low + (self.high - self.low) * torch.sigmoid(free)

    def check(self, value: float) -> float:
        """Return ``value`` if it lies inside the bounds, else raise :class:`PaigError`."""
        if not (self.low < value < self.high):
            raise PaigError(
                f"{self.name} = {value} is outside its bounds: expected a number between {self.low} and {self.high}."
            )
        return value


class Dynamics(nn.Module):
    """Things with coordinates, and constants of their motion; see :class:`~paig_control.physics.base.Physics` for laws.

    Args:
        dt: time between frames, s.
        coordinates: of each object, N times D of them.
        action_size: numbers in an action.
        constants: with names.

    Attributes:
        spec: name and options from which :func:`~paig_control.physics.registry.build_physics` makes the same.
    """

    kinematics: str
    """How an object's picture follows its coordinates; a name known to :mod:`paig_control.vision.kinematics`."""
    joints: tuple[tuple[str, int | None], ...] = ()
    """Of things in a tree, the kind of each one's joint, and the number of what it sits on; None for the world."""
    stateless: bool = True
    """Whether there is no step from one state to the next, as in a black box."""
    walls: bool = False
    """Whether there are walls that reflect: then least squares must look for the right branch."""
    scale: Tensor
    """``(N, D)``, of the coordinates."""
    weight: Tensor
    """``(N, D)``, what a squared difference counts in a distance: one for the coordinates of the largest scale."""
    periodic: Tensor
    """``(N, D)``, whether coordinates are angles."""

    def __init__(
        self,
        dt: float,
        coordinates: Sequence[Sequence[Coordinate]],
        action_size: int,
        constants: Sequence[Constant],
    ) -> None:
        super().__init__()
        if not 0 < dt < math.inf:
            raise PaigError(f"dt = {dt}: expected the positive time between two frames, in seconds.")
        self.dt = dt
        self.coordinates, self.action_size = tuple(map(tuple, coordinates)), action_size
        sizes = {len(row) for row in self.coordinates}
        if len(sizes) != 1 or sizes == {0}:
            raise PaigError(
                f"{type(self).__name__} has objects of {sorted(sizes)} coordinates: expected as many of each."
            )
        self.objects, self.dims = len(self.coordinates), sizes.pop()
        self.register_buffer("scale", self._each(lambda c: c.scale, torch.float64), persistent=False)
        self.register_buffer("weight", (self.scale.max() / self.scale).square(), persistent=False)
        self.register_buffer("periodic", self._each(lambda c: c.periodic, torch.bool), persistent=False)
        turning = {c.periodic for row in self.coordinates for c in row}
        self._alike = turning.pop() if len(turning) == 1 else None
        self.constants = tuple(constants)
        starts = [c.to_free(torch.tensor(c.start, dtype=torch.float64)) for c in self.constants]
        self.free = nn.Parameter(torch.stack(starts) if starts else torch.zeros(0, dtype=torch.float64))
        self.spec: dict[str, object] = {}
        self._override: dict[str, Tensor] = {}
        self._once: dict[Any, Any] | None = None

    def laws(self) -> Physics:
        """The physics that it is.

        Raises:
            PaigError: for a black box, which has no state of positions and velocities.
        """
        raise no_state()

    @property
    def integrator(self) -> str:
        """How it is stepped, as ``integrate_by`` takes it; empty where it is not."""
        return ""

    def _each(self, what: Callable[[Coordinate], float], dtype: torch.dtype) -> Tensor:
        """A number for each coordinate, ``(N, D)``."""
        return torch.tensor([[what(one) for one in row] for row in self.coordinates], dtype=dtype)

    @property
    def label(self) -> str:
        """What it is called where something is said of it."""
        return str(self.spec.get("name", type(self).__name__))

    @property
    def turns_alone(self) -> bool:
        """Whether the state is that of a single angle."""
        return self.coordinates == ((self.coordinates[0][0],),) and self.coordinates[0][0].periodic

    # -- constants ---------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """Names of the constants, in the order of the learned vector."""
        return [c.name for c in self.constants]

    def constant(self, name: str) -> Tensor:
        """Value of a constant, differentiable; shape ``()`` unless replaced in :meth:`using`."""
        if name in self._override:
            return self._override[name]
        index = self.names.index(name)
        return self.constants[index].to_value(self.free[index])

    def scaled(self, name: str, factor: float) -> Tensor:
        """A constant times a number, computed once inside :meth:`frozen`."""
        return self.once((name, factor), lambda: factor * self.constant(name))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is made of the constants, under a key of its own; inside :meth:`frozen` it is made but once."""
        if self._once is None:
            return make()
        if key not in self._once:
            with torch.inference_mode(False), torch.no_grad():  # a gradient may be wanted of what uses it
                self._once[key] = make()
        made: T = self._once[key]
        return made

    def values(self) -> dict[str, float]:
        """All constants as plain numbers."""
        return {name: float(self.constant(name).detach()) for name in self.names}

    def set_values(self, values: Mapping[str, float]) -> None:
        """Set constants by name.

        Raises:
            PaigError: for an unknown name or a value outside the bounds.
        """
        for name, value in values.items():
            if name not in self.names:
                raise PaigError(f"{self.label} has no constant {name!r}: it has {', '.join(self.names)}.")
            index = self.names.index(name)
            constant = self.constants[index]
            number = torch.tensor(constant.check(float(value)), dtype=self.free.dtype, device=self.free.device)
            with torch.no_grad():
                self.free[index] = constant.to_free(number)

    def as_values(self, free: Tensor) -> dict[str, Tensor]:
        """Learned numbers ``(*B, C)`` as constants for :meth:`using` that broadcast against ``(*B, N, D)``."""
        return {c.name: c.to_value(free[..., i])[..., None, None] for i, c in enumerate(self.constants)}

    @contextmanager
    def using(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        """Replace constants inside the block; a batched value broadcasts against ``(*B, N, D)``."""
        if not values:
            yield
            return
        before = self._override, self._once
        self._override, self._once = {**self._override, **values}, None
        try:
            yield
        finally:
            self._override, self._once = before

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Evaluate the constants once for the whole block, without gradient: for planning."""
        if self._once is not None:
            yield
            return
        before = self._override, self._once
        with torch.inference_mode(False):
            self._override, self._once = {name: self.constant(name).detach() for name in self.names}, {}
        try:
            yield
        finally:
            self._override, self._once = before

    def seat(self, anchor: Tensor, direction: Tensor, reach: Tensor | None = None) -> None:
        """Take over from pictures where joints sit; only a tree whose lengths are to be learned cares.

        Args:
            anchor: ``(N, 2)``, on the body below, px.
            direction: of rails, ``(N,)``.
            reach: ``(N,)``, from joints to the middles of their bodies, px, if the search for constants begins there.
        """

    def difference(self, a: Tensor, b: Tensor, objects: Sequence[int] | None = None) -> Tensor:
        """``a - b`` of two positions, the short way round where they are angles.

        Args:
            a: ``(*B, N, D)``, or flat, ``(*B, N D)``.
            b: of a shape that broadcasts.
            objects: numbers of the N objects; all by default.
        """
        delta = a - b
        if self._alike is False:
            return delta
        turned = torch.remainder(delta + math.pi, 2 * math.pi) - math.pi
        if self._alike:
            return turned
        periodic = self.periodic if objects is None else self.periodic[list(objects)]
        if delta.shape[-2:] != periodic.shape:
            periodic = periodic.flatten()
        return torch.where(periodic, turned, delta)


def chosen(name: str, numbers: Sequence[int] | None, count: int) -> list[int]:
    """Numbers of bodies; all of them if None.

    Raises:
        PaigError: for a body that there is not, or twice the same.
    """
    if numbers is None:
        return list(range(count))
    given = list(numbers)
    if len(set(given)) != len(given) or not all(type(n) is int and 0 <= n < count for n in given):
        raise PaigError(f"{name} = {quoted(given)}: expected different numbers from 0 to {count - 1}.")
    return given


def no_state() -> PaigError:
    """The error of asking a black box for a state."""
    return PaigError(
        "A black box (physics=lstm) has no state of positions and velocities: it predicts from frames alone. "
        "Plan with a model whose physics has laws, for example physics=spring."
    )


class Lstm(Dynamics):
    """Things in the plane that move as a network says; no constants, no velocities.

    Args:
        dt: time between frames, s; the network does not use it.
        objects: number of things N.
        actuated: things on which a force acts, by number; all of them by default.
        force: whether forces act at all; without it there are no actions.
        units: of the network's memory.
    """

    kinematics = "planar"

    def __init__(
        self,
        dt: float = 0.3,
        objects: int = 2,
        actuated: Sequence[int] | None = None,
        force: bool = True,
        units: int = 100,
    ) -> None:
        if objects < 1 or units < 1:
            raise PaigError(f"objects = {objects} and units = {units}: expected at least 1 of each.")
        pushed = chosen("actuated", actuated, objects) if force else []
        super().__init__(dt, [PLANE] * objects, 2 * len(pushed), ())
        self.units = units
