"""Equilibria: can a goal be held, by an action within the bounds under which what rests there stays there.

The physics says so: at rest in the goal, its own acceleration and that of the action must cancel. Every physics here
is affine in the action, so the best action is a least-squares solution, cut to the bounds, and what remains unbalanced
is a function of the position alone. A zero of it is looked for by damped Gauss-Newton steps of bounded length, and
from there the way back to the goal is halved again and again, to where holding just fails.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.estimation.least_squares import descend
from paig_control.physics.base import Physics
from paig_control.types import State

DRIFT = 0.0015
"""What is held moves less than this from rest in a step, in scales of the coordinate."""
STRIDE = 2.0
"""Longest step of the search, in scales of the coordinates."""
STEPS, HALVINGS = 100, 20
"""Of the search, and of the way back."""
WIDTH = 1e-3
"""Step of the derivatives, in scales of the coordinates."""


class Held(NamedTuple):
    """What holding a goal takes.

    Attributes:
        possible: whether an action within the bounds holds it.
        action: ``(A,)``, the action within the bounds that comes nearest to holding it.
        nearest: ``(N, D)``, the goal's position, or the nearest found that can be held; None if none was found.
    """

    possible: bool
    action: Tensor
    nearest: Tensor | None

    def __str__(self) -> str:
        """For a user, in a sentence."""
        if self.possible:
            return "The goal can be held."
        nearest = "none near it can, either"
        if self.nearest is not None:
            values = ", ".join(f"{value:.2f}" for value in self.nearest.flatten().tolist())
            nearest = f"the nearest that can is at [{values}]"
        return f"By what was learned, no action can hold the goal; {nearest}."


def unbalanced(physics: Physics, position: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Acceleration ``(B, N D)`` that no action in ``(A,)`` bounds cancels at rest; the best action ``(B, A)``."""
    state = State(position, torch.zeros_like(position))

    def accelerations(action: Tensor) -> Tensor:
        return physics.acceleration(state, action.expand(len(position), -1)).flatten(1)

    still = position.new_zeros(physics.action_size)
    own = accelerations(still)
    if not physics.action_size:
        return own, position.new_zeros(len(position), 0)
    units = torch.eye(physics.action_size).to(position)
    gain = torch.stack([accelerations(unit) - own for unit in units], dim=-1)
    action = -(torch.linalg.pinv(gain) @ own[..., None])[..., 0]
    action = action.clamp(low.to(position), high.to(position))
    return own + (gain @ action[..., None])[..., 0], action


@torch.no_grad()
def holding(physics: Physics, position: Tensor, low: Tensor, high: Tensor) -> Held:
    """Find out whether ``position`` ``(N, D)`` can be held by actions between ``low`` and ``high`` ``(A,)``."""
    least = DRIFT / (0.5 * physics.dt**2)
    scale = physics.scale.to(position.device)
    place = position.detach().double() / scale
    shape = place.shape

    def rest(flat: Tensor) -> tuple[Tensor, Tensor]:
        """What no action cancels, in scales, at positions ``(B, N D)`` in scales; and the best action."""
        left, action = unbalanced(physics, flat.reshape(-1, *shape) * scale, low, high)
        return left / scale.flatten(), action

    now = place.flatten()
    left, action = rest(now[None])
    possible = bool(left.abs().max() < least)

    def step(at: Tensor, damping: Tensor) -> Tensor:
        points = torch.cat([at, at + WIDTH * torch.eye(at.shape[1]).to(at)])
        there = rest(points)[0]
        slope = ((there[1:] - there[0]) / WIDTH).T
        square = slope.T @ slope
        usual = square.diagonal().mean() + 1e-9
        move = -torch.linalg.solve(square + damping * usual * torch.eye(len(square)).to(at), slope.T @ there[0])
        moved: Tensor = at + move * (STRIDE / move.norm().clamp(min=1e-12)).clamp(max=1.0)
        return moved

    if not possible:
        found, _ = descend(now[None], step, STEPS, lambda at: rest(at)[0].square().sum(-1), 0.0, least**2 / 4)
        now = found[0]
        left, _ = rest(found)
    if not bool(left.abs().max() < least):
        return Held(possible, action[0], None)
    near, far = 0.0, 1.0
    for _ in range(0 if possible else HALVINGS):
        middle = (near + far) / 2
        held = bool(rest((place.flatten() + middle * (now - place.flatten()))[None])[0].abs().max() < least)
        near, far = (near, middle) if held else (middle, far)
    nearest = place if possible else place + far * (now.reshape(shape) - place)
    return Held(possible, action[0], (nearest * scale).to(position))
