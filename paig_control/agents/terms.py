"""Objectives add up: what they have in common, their sum, and the two that look at the actions alone.

An objective is any function from states ``(B, K, H, N, D)`` after each action and the actions ``(B, K, H, A)`` to a
cost ``(B, K)`` for every candidate. Those of the library are terms: ``goal + KeepOut(...) + own`` is their sum.

Where things must not be: regions that they keep out of, and walls that they keep inside.

Both are soft: what a coordinate goes too far, squared. Regions are judged between the imagined frames, too, along the
straight way from one to the next, so that nothing jumps over a thin one; what lies before the first imagined frame no
action can change much, and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import Objective, State


class Term:
    """An objective that can be added to any other."""

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)`` of states ``(B, K, H, N, D)`` and actions ``(B, K, H, A)``."""
        raise NotImplementedError

    def __add__(self, other: Objective) -> Sum:
        """Both, added up."""
        return Sum((*_terms(self), *_terms(other)))

    def __radd__(self, other: Objective) -> Sum:
        """Both, added up, the function of a user's first."""
        return Sum((*_terms(other), *_terms(self)))

    def after(self, action: Tensor) -> Term:
        """The same objective, once ``action`` ``(B, A)`` has been taken."""
        return self


@dataclass(frozen=True)
class Sum(Term):
    """Objectives added up.

    Raises:
        PaigError: without terms, or for one that cannot be called.
    """

    terms: tuple[Objective, ...]

    def __post_init__(self) -> None:
        wrong = [term for term in self.terms if not callable(term)]
        if wrong or not self.terms:
            what = f"{wrong[0]!r} among its terms" if wrong else "no terms"
            raise PaigError(f"A sum of objectives has {what}: expected functions of states and actions to costs.")

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``.

        Raises:
            PaigError: for a term that returns anything but a tensor of that shape.
        """
        expected = tuple(actions.shape[:2])
        total = actions.new_zeros(expected)
        for term in self.terms:
            cost = term(states, actions)
            if not isinstance(cost, Tensor) or tuple(cost.shape) != expected:
                what = f"shape {tuple(cost.shape)}" if isinstance(cost, Tensor) else f"a {type(cost).__name__}"
                raise PaigError(
                    f"The objective {objective_name(term)} returned {what}: expected a tensor with one cost for each "
                    f"candidate, {expected}."
                )
            total = total + cost
        return total

    def after(self, action: Tensor) -> Sum:
        """The same terms, once ``action`` ``(B, A)`` has been taken."""
        return Sum(tuple(term.after(action) if isinstance(term, Term) else term for term in self.terms))


@dataclass(frozen=True)
class Effort(Term):
    """Squared actions, summed over the horizon, times ``weight``."""

    weight: float = 0.001

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        return self.weight * actions.square().sum(dim=(-1, -2))


@dataclass(frozen=True)
class Smoothness(Term):
    """Squared changes from each action to the next, summed over the horizon, times ``weight``.

    Attributes:
        weight: of the squared changes.
        last: ``(B, A)``, the action that was taken before the first one; None if there was none.
    """

    weight: float = 0.01
    last: Tensor | None = None

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        cost = actions.diff(dim=-2).square().sum(dim=(-1, -2))
        if self.last is not None:
            cost = cost + (actions[..., 0, :] - self.last[:, None].to(actions)).square().sum(dim=-1)
        return self.weight * cost

    def after(self, action: Tensor) -> Smoothness:
        """The same, with ``action`` ``(B, A)`` as the last one taken."""
        return replace(self, last=action)


def objective_name(objective: Objective) -> str:
    """Name of an objective: its own, else its class's or function's; the terms of a sum joined by ``+``."""
    if isinstance(objective, Sum):
        return " + ".join(objective_name(term) for term in objective.terms)
    name = getattr(objective, "name", None) or getattr(objective, "__name__", None)
    return str(name or type(objective).__name__)


def after(objective: Objective, action: Tensor | None) -> Objective:
    """An objective once ``action`` ``(B, A)`` has been taken; functions of a user's, and without one, the same."""
    return objective.after(action) if isinstance(objective, Term) and action is not None else objective


def _terms(objective: Objective) -> tuple[Objective, ...]:
    return objective.terms if isinstance(objective, Sum) else (objective,)


BETWEEN = 3
"""Places that are looked at on the way from one imagined frame to the next, the latter among them."""


@dataclass(frozen=True)
class Disc:
    """All places nearer than ``radius`` to ``centre`` ``(D,)``: a disc, or an arc of angles."""

    centre: tuple[float, ...]
    radius: float

    def beyond(self, physics: Physics, position: Tensor, objects: Sequence[int] | None = None) -> Tensor:
        """Distance ``(*B, n)`` of positions ``(*B, n, D)`` of some objects, or all, from the edge, negative inside."""
        away = physics.difference(position, position.new_tensor(self.centre), objects)
        distance: Tensor = away.norm(dim=-1) - self.radius
        return distance


@dataclass(frozen=True)
class Box:
    """All places between ``low`` and ``high``, both ``(D,)``, in every coordinate."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def beyond(self, physics: Physics, position: Tensor, objects: Sequence[int] | None = None) -> Tensor:
        """Distance ``(*B, n)`` of positions ``(*B, n, D)`` of some objects, or all, from the edge, negative inside."""
        low, high = position.new_tensor(self.low), position.new_tensor(self.high)
        out = physics.difference(position, (low + high) / 2, objects).abs() - (high - low) / 2
        distance: Tensor = out.clamp(min=0).norm(dim=-1) + out.amax(dim=-1).clamp(max=0)
        return distance


Region = Disc | Box


def region(values: Sequence[float], dims: int) -> Region:
    """A disc from its centre and radius, ``dims + 1`` numbers, or a box from its lowest and highest corner.

    Where there is one coordinate only, an angle for example, two numbers are a centre and how far it reaches.

    Raises:
        PaigError: for another number of values, or a region that is empty or not finite.
    """
    numbers = [float(value) for value in values]
    forms = f"{dims + 1} numbers for a disc, its centre and radius"
    if dims > 1:
        forms += f", or {2 * dims} for a box, its lowest and its highest corner"
    if len(numbers) not in ({dims + 1} if dims == 1 else {dims + 1, 2 * dims}):
        raise PaigError(f"keep_out has the region {numbers}: expected {forms}.")
    if not all(math.isfinite(number) for number in numbers):
        raise PaigError(f"keep_out has the region {numbers}: expected finite numbers.")
    if len(numbers) == dims + 1:
        if numbers[-1] <= 0:
            raise PaigError(f"keep_out has the disc {numbers} of radius {numbers[-1]:g}: expected a positive one.")
        return Disc(tuple(numbers[:-1]), numbers[-1])
    low, high = tuple(numbers[:dims]), tuple(numbers[dims:])
    if not all(a < b for a, b in zip(low, high, strict=True)):
        raise PaigError(
            f"keep_out has the box {numbers}, whose lowest corner is not below its highest: expected [left, top, "
            "right, bottom], x to the right and y down."
        )
    return Box(low, high)


class Bound(Term):
    """What regions and walls have in common.

    Args:
        physics: says how positions differ, and how many objects there are.
        margin: distance to keep; None takes the largest scale of the coordinates: 1 px, or 0.1 rad.
        penalty: cost of being one px or rad too far, for one step; None takes 100, or 10000 for angles.
        objects: numbers of the objects that it is for; None for all.

    Raises:
        PaigError: for objects that there are not, or a margin or penalty below 0.
    """

    def __init__(
        self, physics: Physics, margin: float | None, penalty: float | None, objects: Sequence[int] | None = None
    ) -> None:
        self.physics = physics
        self.objects = list(range(physics.objects)) if objects is None else list(objects)
        if not self.objects or any(n not in range(physics.objects) for n in self.objects):
            raise PaigError(
                f"objects = {self.objects}: expected numbers from 0 to {physics.objects - 1}, or null for all objects."
            )
        unit = float(physics.scale[self.objects].amax())
        self.margin = unit if margin is None else margin
        self.penalty = 100.0 / unit**2 if penalty is None else penalty
        for name, value in (("margin", self.margin), ("penalty", self.penalty)):
            if not value >= 0:
                raise PaigError(f"{name} = {value}: expected a number not below 0.")


class KeepOut(Bound):
    """Regions that objects must not enter: their depth inside, the margin added, squared and summed over the horizon.

    What is meant are the objects' coordinates; take half their size into the margin.

    Args:
        physics: says how positions differ, and how many objects there are.
        regions: to keep out of.
        margin: distance to keep from them; None takes 1 px, or 0.1 rad.
        penalty: cost of being one px or rad too deep, for one step; None takes 100, or 10000 for angles.
        objects: numbers of the objects that must keep out; None for all.
    """

    def __init__(
        self,
        physics: Physics,
        regions: Sequence[Region],
        margin: float | None = None,
        penalty: float | None = None,
        objects: Sequence[int] | None = None,
    ) -> None:
        super().__init__(physics, margin, penalty, objects)
        self.regions = tuple(regions)

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        places = self._way(states.position[..., self.objects, :])
        cost = actions.new_zeros(actions.shape[:2])
        for one in self.regions:
            depth = (self.margin - one.beyond(self.physics, places, self.objects)).clamp(min=0)
            deep = depth.square().sum(dim=-1)
            cost = cost + deep[..., 0] + deep[..., 1:].sum(dim=-1) / BETWEEN
        return self.penalty * cost

    def _way(self, position: Tensor) -> Tensor:
        """The first of positions ``(B, K, H, n, D)``, then those on the way to each of the others."""
        before = position[:, :, :-1]
        step = self.physics.difference(position[:, :, 1:], before, self.objects)
        way = [before + step * (k / BETWEEN) for k in range(1, BETWEEN + 1)]
        return torch.cat([position[:, :, :1], *way], dim=2)


class Walls(Bound):
    """Limits that objects keep inside: what any coordinate goes beyond, squared and summed over the horizon.

    Args:
        physics: says how positions differ, and how many objects there are.
        low: lowest coordinates ``(D,)``; ``-inf`` for none.
        high: highest coordinates ``(D,)``; ``inf`` for none. Angles have both or none.
        margin: distance to keep from the limits; None takes 1 px, or 0.1 rad.
        penalty: cost of being one px or rad too far, for one step; None takes 100, or 10000 for angles.
        objects: numbers of the objects that must keep inside; None for all.

    Raises:
        PaigError: for limits of another number, that cross, or leave no room for the margin.
    """

    def __init__(
        self,
        physics: Physics,
        low: Sequence[float],
        high: Sequence[float],
        margin: float | None = None,
        penalty: float | None = None,
        objects: Sequence[int] | None = None,
    ) -> None:
        super().__init__(physics, margin, penalty, objects)
        limits = [float(value) for value in (*low, *high)]
        dims = physics.dims
        if len(low) != dims or len(high) != dims or any(math.isnan(value) for value in limits):
            raise PaigError(
                f"walls = {limits}: expected {2 * dims} numbers, the lowest of each coordinate and then the highest, "
                "-inf or inf where there is no wall."
            )
        turning = physics.periodic[self.objects].any(0).tolist() * 2
        if not all(math.isfinite(value) for value, turns in zip(limits, turning, strict=True) if turns):
            raise PaigError(f"walls = {limits}: expected finite angles; between which two does it move?")
        if not all(a + 2 * self.margin < b for a, b in zip(limits[:dims], limits[dims:], strict=True)):
            raise PaigError(
                f"walls = {limits} leave no room between low and high with a margin of {self.margin:g}: expected the "
                "lowest of each coordinate and then the highest, for example [2,2,30,30]."
            )
        self.low, self.high = tuple(limits[:dims]), tuple(limits[dims:])

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        position = states.position[..., self.objects, :]
        low, high = (position.new_tensor(limit) for limit in (self.low, self.high))
        turning = self.physics.periodic[self.objects].to(position.device)
        if bool(turning.any()):
            middle = torch.where(turning, (low + high) / 2, 0.0)
            around = middle + self.physics.difference(position, middle, self.objects)
            position = torch.where(turning, around, position)
        too_far = (low + self.margin - position).clamp(min=0) + (position - high + self.margin).clamp(min=0)
        return self.penalty * too_far.square().sum(dim=(-1, -2, -3))
