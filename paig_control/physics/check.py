"""What a physics promises, tried out: whether it is batched, differentiable and conserving, and what films can tell.

:func:`check_physics` is for those who write a force or a physics of their own; it says what is wrong, and where.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.physics.base import SCHEMES, Physics, integrate_by
from paig_control.types import State

PARTS = (4, 8)
"""Parts of a frame between which an integrator's order is measured."""
NOTHING = 1e-6
"""What of a change is as good as none, in parts of the largest."""


class Checked(NamedTuple):
    """What :func:`check_physics` found.

    Attributes:
        order: measured order of the fourth-order integrator; infinite where it is exact, NaN between walls.
        conserved: whether energy is kept where nothing acts; None where the physics knows of none.
    """

    order: float
    conserved: bool | None


def sample(physics: Physics, count: int, seed: int = 0) -> tuple[State, Tensor]:
    """Random states ``(count, N, D)`` and actions ``(count, A)``, spread by the coordinates' scales."""
    generator = torch.Generator().manual_seed(seed)
    scale, shape = physics.scale.cpu(), (count, *physics.scale.shape)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    place = torch.where(physics.periodic.cpu(), 0.0, 16.0 * scale) + 6 * scale * normal(*shape)
    speed = 3 * scale * normal(*shape)
    state = physics.admissible(State(place.to(physics.free.device), speed.to(physics.free.device)))
    return state, normal(count, physics.action_size).to(physics.free.device)


def check_physics(physics: Physics, seed: int = 0) -> Checked:
    """Try out a physics on random states, in double precision.

    Args:
        physics: stays as it is.
        seed: of the states.

    Raises:
        PaigError: for an acceleration of another shape than the coordinates, that is no number, that differs when many
            states are asked for at once, through which no gradient reaches what it depends on, or which depends on
            velocities without saying so; for an energy that is not kept, and an integrator that has not its order.
    """
    tried = copy.deepcopy(physics).double()
    name = physics.label
    state, action = sample(tried, 8, seed)
    _check_batched(tried, state, action, name)
    _check_slopes(tried, state, action, name)
    return Checked(_order(tried, state, action, name), _conserved(tried, state, name))


def _check_batched(physics: Physics, state: State, action: Tensor, name: str) -> None:
    with torch.no_grad():
        many = physics.acceleration(state, action)
        if many.shape != state.position.shape:
            raise PaigError(
                f"{name}: the acceleration of {tuple(state.position.shape)} coordinates has the shape "
                f"{tuple(many.shape)}: expected the same."
            )
        if not bool(torch.isfinite(many).all()):
            raise PaigError(f"{name}: the acceleration is no number at {state.position[0].tolist()}, for example.")
        each = torch.stack([physics.acceleration(State(*(x[n] for x in state)), a) for n, a in enumerate(action)])
        deep = physics.acceleration(State(*(x.unflatten(0, (2, 4)) for x in state)), action.unflatten(0, (2, 4)))
    size = float(many.abs().max()) + 1e-9
    if max(float((many - each).abs().max()), float((many - deep.flatten(0, 1)).abs().max())) > NOTHING * size:
        raise PaigError(f"{name}: states accelerate otherwise alone than in a batch: expected sums over objects alone.")


def _check_slopes(physics: Physics, state: State, action: Tensor, name: str) -> None:
    """Gradients against differences."""
    generator = torch.Generator().manual_seed(1)
    parts = {"position": state.position, "velocity": state.velocity, "action": action, "constants": physics.free}
    weight = torch.randn(state.position.shape, generator=generator, dtype=torch.float64).to(action.device)

    def total(values: dict[str, Tensor]) -> Tensor:
        constants = physics.as_values(values["constants"])
        with physics.using({key: value.reshape(()) for key, value in constants.items()}):
            return (
                physics.acceleration(State(values["position"], values["velocity"]), values["action"]) * weight
            ).sum()

    held = {key: value.detach().clone().requires_grad_(True) for key, value in parts.items()}
    result = total(held)
    slopes = torch.autograd.grad(result, list(held.values()), allow_unused=True) if result.requires_grad else [None] * 4
    for (key, value), slope in zip(held.items(), slopes, strict=True):
        if not value.numel():
            continue
        way = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value.device)
        with torch.no_grad():
            up, down = (total({**held, key: value + sign * 1e-6 * way}) for sign in (1, -1))
        expected = float((up - down) / 2e-6)
        found = 0.0 if slope is None else float((slope * way).sum())
        if abs(found - expected) > 1e-3 * (abs(expected) + float(weight.norm()) * 1e-3):
            raise PaigError(
                f"{name}: the gradient with respect to {key} is {found:.4g}, by differences it is {expected:.4g}: "
                "compute with torch's operations throughout, without detach, item or NumPy."
            )
        if key == "velocity" and abs(expected) > NOTHING and not physics.uses_velocity:
            raise PaigError(f"{name}: the acceleration depends on velocities: say so by uses_velocity = True.")


def _conserved(physics: Physics, state: State, name: str) -> bool | None:
    """Whether the energy changes along the motion, nothing acting."""
    held = State(*(x.detach().clone().requires_grad_(True) for x in state))
    energy = physics.energy(held)
    if energy is None:
        return None
    by_place, by_speed = torch.autograd.grad(energy.sum(), list(held), allow_unused=True)
    with torch.no_grad():
        pull = physics.acceleration(state, state.position.new_zeros(len(state.position), physics.action_size))
        gained = (torch.zeros_like(pull) if by_place is None else by_place * state.velocity).sum((-1, -2))
        moved = (by_speed * pull).sum((-1, -2))
    if float((gained + moved).abs().max()) > NOTHING * (float(moved.abs().max()) + 1e-9):
        raise PaigError(
            f"{name}: where nothing acts its energy changes by {float((gained + moved).abs().max()):.3g} a second: the "
            "force is not the slope of its potential."
        )
    return True


def _order(physics: Physics, state: State, action: Tensor, name: str) -> float:
    """Order of the finest integrator, from its errors at two numbers of parts."""
    if physics.walls:
        return math.nan
    ends = []
    with torch.no_grad():
        for parts in (*PARTS, 64):
            integrate_by(physics, f"pefrl-{parts}")
            ends.append(torch.stack(list(physics.step(state, action)[:2])))
    coarse, fine = (float((end - ends[-1]).abs().median()) for end in ends[:2])
    if fine < 1e-11:
        return math.inf
    order = math.log2(coarse / fine)
    promised = len(SCHEMES["pefrl"].kicks)
    if order < promised - 1:
        raise PaigError(
            f"{name}: halving the step makes it better by the power {order:.1f}, not {promised}: its acceleration is "
            "not smooth, or depends on something beside state and action."
        )
    return order


@torch.no_grad()
def untold(physics: Physics, seed: int = 0) -> list[list[str]]:
    """Groups of constants that no film can tell apart: of each group, only some combination shapes the motion.

    The derivatives of many accelerations by the constants are compared: where a combination of them vanishes, the
    motion stays the same however far one goes along it. A group of one is a constant that does nothing.
    """
    tried = copy.deepcopy(physics).double()
    if not tried.names:
        return []
    state, action = sample(tried, 200, seed)
    free, columns = tried.free.detach(), []
    for index in range(len(free)):
        step = torch.zeros_like(free)
        step[index] = 1e-4
        ends = []
        for sign in (1, -1):
            values = {name: value.reshape(()) for name, value in tried.as_values(free + sign * step).items()}
            with tried.using(values):
                ends.append(tried.acceleration(state, action).flatten())
        columns.append((ends[0] - ends[1]) / 2e-4)
    matrix = torch.stack(columns, -1)
    size = matrix.norm(dim=0)
    usual = float(size.max()) or 1.0
    dumb = [[name] for name, value in zip(tried.names, size, strict=True) if float(value) < NOTHING * usual]
    kept = [n for n, value in enumerate(size) if float(value) >= NOTHING * usual]
    _, strength, ways = torch.linalg.svd(matrix[:, kept] / size[kept], full_matrices=False)
    groups: list[set[str]] = []
    for value, way in zip(strength, ways, strict=True):
        if float(value) < NOTHING * float(strength.max()):
            group = {tried.names[kept[n]] for n in range(len(kept)) if abs(float(way[n])) > 1e-3}
            for other in [one for one in groups if one & group]:
                groups.remove(other)
                group |= other
            groups.append(group)
    return [*dumb, *([name for name in tried.names if name in group] for group in groups)]
