"""What planners by sampling share: checked bounds, noise smooth in time, safe costs, the warm start.

A proposal is a mean and a spread for every action of the plan; candidates are ``mean + spread * noise``,
cut to the bounds. What the noise looks like over time decides how much of the plan space a few hundred
candidates reach: it is piecewise linear between few knots. One noise serves every problem of a batch, so a
plan does not depend on the batch it sits in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.agents.settings import NoiseSettings
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


def between_knots(values: Tensor, horizon: int, crowding: float = 1.0) -> Tensor:
    """Piecewise-linear sequences ``(count, H, A)`` through ``values`` ``(count, knots, A)``.

    Independent values of variance 1 give every step the variance 1: the sequence is scaled where they mix.
    Written without a matrix product, whose threads cost more than the work at these sizes.
    """
    knots = values.shape[1]
    if knots == horizon:
        return values
    if knots == 1:
        return values.expand(-1, horizon, -1)
    time = torch.linspace(0, 1, horizon, dtype=values.dtype, device=values.device)
    place = time.pow(crowding) * (knots - 1)
    left = place.floor().clamp(max=knots - 2)
    right_weight = (place - left)[:, None]
    norm = (right_weight.square() + (1 - right_weight).square()).sqrt()
    index = left.long()
    before, after = values.index_select(1, index), values.index_select(1, index + 1)
    return before * ((1 - right_weight) / norm) + after * (right_weight / norm)


def smooth_noise(count: int, noise: NoiseSettings, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal noise ``(count, H, A)``, piecewise linear, for plans like ``(B, H, A)``."""
    horizon, size = like.shape[-2:]
    shape = (count, min(noise.knots, horizon), size)
    drawn = torch.randn(shape, generator=generator, dtype=like.dtype, device=generator.device)
    return between_knots(drawn.to(like.device), horizon, noise.crowding)


def scales(count: int, decades: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Factors ``(count, 1, 1)`` from ``10^-decades`` to 1, uniform in their logarithm."""
    drawn = torch.rand((count, 1, 1), generator=generator, dtype=like.dtype, device=generator.device)
    return torch.pow(10.0, -decades * drawn).to(like.device)


def refit(elites: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``(B, H, A)`` of elites ``(B, k, H, A)``, those of infinite cost left out.

    One elite has the deviation 0, not NaN. Where every cost is infinite, all count.
    """
    weight = torch.isfinite(costs)
    weight = (weight | ~weight.any(dim=1, keepdim=True)).to(elites.dtype)[..., None, None]
    weight = weight / weight.sum(dim=1, keepdim=True)
    mean = (weight * elites).sum(dim=1)
    variance = (weight * (elites - mean[:, None]).square()).sum(dim=1)
    return mean, variance.sqrt()


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
            f"The cost {name} is not finite for any of {candidates.shape[1]} candidates: expected finite "
            "numbers; check the state it starts from, the constants of the physics and the goal."
        )
    return torch.where(finite, costs, torch.inf)


def cost_name(cost: Cost) -> str:
    """Name of a cost for a message: its ``name`` where it has one, else the function's or the class's."""
    return str(getattr(cost, "name", None) or getattr(cost, "__name__", None) or type(cost).__name__)


def take(candidates: Tensor, index: Tensor) -> Tensor:
    """Candidates ``(B, k, H, A)`` at ``index`` ``(B, k)``."""
    return candidates.gather(1, index[..., None, None].expand(*index.shape, *candidates.shape[2:]))


def shift(actions: Tensor) -> Tensor:
    """Warm start: the plan ``(B, H, A)`` one step later, its last action repeated."""
    return torch.cat([actions[:, 1:], actions[:, -1:]], dim=1)
