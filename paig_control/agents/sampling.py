"""What every planner by sampling shares: checked bounds, noise smooth in time, costs made safe, the best kept.

A proposal is a mean and a spread for every action of the plan; candidates are ``mean + spread * noise``, cut to
the bounds. What the noise looks like over time decides how much of the plan space a few hundred candidates
reach: it is piecewise linear between few knots. One noise serves every problem of a batch, so a plan does not
depend on the batch it sits in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.types import Cost


def check_problem(init: Tensor, low: Tensor, high: Tensor) -> None:
    """Check a planner's arguments: ``init`` ``(B, H, A)``, ``low`` and ``high`` ``(A,)``.

    Raises:
        PaigError: for another shape, an empty horizon, or bounds that are infinite or cross.
    """
    if init.ndim != 3:
        raise PaigError(f"init has shape {tuple(init.shape)}: expected (batch, horizon, action size).")
    if init.shape[1] < 1:
        raise PaigError("The horizon is 0: expected a plan of at least one action; set horizon to 1 or more.")
    size = init.shape[-1]
    for name, bound in (("low", low), ("high", high)):
        if bound.shape != (size,):
            raise PaigError(f"{name} has shape {tuple(bound.shape)}: expected ({size},), one bound for each action.")
        if not bool(torch.isfinite(bound).all()):
            raise PaigError(f"{name} = {bound.tolist()}: expected finite bounds; give the actuators' limits.")
    if bool((low > high).any()):
        raise PaigError(f"The bounds cross: low {low.tolist()} exceeds high {high.tolist()}; swap them.")
    if not bool(torch.isfinite(init).all()):
        raise PaigError("init has values that are not finite: expected actions within the bounds; start from zeros.")


def knot_matrix(horizon: int, knots: int, like: Tensor) -> Tensor:
    """Weights ``(H, knots)`` that turn values at the knots into a piecewise-linear sequence of unit variance."""
    if knots >= horizon:
        return torch.eye(horizon, dtype=like.dtype, device=like.device)
    place = torch.linspace(0, knots - 1, horizon, dtype=like.dtype, device=like.device)
    nodes = torch.arange(knots, dtype=like.dtype, device=like.device)
    weights = (1 - (place[:, None] - nodes).abs()).clamp(min=0)
    return weights / weights.norm(dim=1, keepdim=True)


def smooth_noise(count: int, knots: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise ``(count, H, A)``, piecewise linear over the horizon, for plans ``like`` ``(B, H, A)``."""
    horizon, size = like.shape[-2:]
    at_knots = torch.randn(
        count, min(knots, horizon), size, generator=generator, dtype=like.dtype, device=generator.device
    )
    return knot_matrix(horizon, knots, like) @ at_knots.to(like.device)


def evaluate(cost: Cost, candidates: Tensor) -> Tensor:
    """Costs ``(B, K)`` of candidates ``(B, K, H, A)``; what is not finite counts as worst, infinity.

    Raises:
        PaigError: if the costs have another shape, or a problem has no finite cost at all.
    """
    costs = cost(candidates)
    name = cost_name(cost)
    if costs.shape != candidates.shape[:2]:
        raise PaigError(
            f"The cost {name} returned shape {tuple(costs.shape)} for candidates {tuple(candidates.shape)}: "
            f"expected one cost for each candidate, {tuple(candidates.shape[:2])}."
        )
    finite = torch.isfinite(costs)
    if not bool(finite.any(dim=1).all()):
        raise PaigError(
            f"The cost {name} is not finite for any of {candidates.shape[1]} candidates: expected finite numbers; "
            "check the state it starts from, the constants of the physics and the goal."
        )
    return torch.where(finite, costs, torch.inf)


def cost_name(cost: Cost) -> str:
    """Name of a cost for a message: its ``name`` where it has one, else the function's or the class's."""
    return str(getattr(cost, "name", None) or getattr(cost, "__name__", None) or type(cost).__name__)


def take(candidates: Tensor, index: Tensor) -> Tensor:
    """Candidates ``(B, k, H, A)`` at ``index`` ``(B, k)``."""
    return candidates[torch.arange(len(index), device=index.device)[:, None], index]


def shift(actions: Tensor) -> Tensor:
    """Warm start: the plan ``(B, H, A)`` one step later, its last action repeated."""
    return torch.cat([actions[:, 1:], actions[:, -1:]], dim=1)
