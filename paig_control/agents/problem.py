"""The problem that every planner solves, the best that has been found for it, and what planners have in common.

A planner differs from another only in where it looks next. What is the same for all stands here: arguments are
checked once, costs that are not finite count as worst, the best plan ever evaluated is remembered, the start among
them, so that a plan never costs more than the one it began from, and all random numbers come from one generator.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from paig_control import seeds
from paig_control.agents.settings import PlanSettings
from paig_control.errors import PaigError
from paig_control.types import Cost, Plan


class Proposal(NamedTuple):
    """Where a search would have looked next.

    Attributes:
        spread: ``(B, H, A)``, standard deviation.
        effective_samples: ``(B,)``, see :class:`~paig_control.types.Plan`.
    """

    spread: Tensor
    effective_samples: Tensor | None = None


class Problem:
    """A cost to be minimised within bounds, from a start, for a batch of B problems.

    Args:
        cost: of candidates.
        init: the plan to improve on ``(B, H, A)``; cut to the bounds.
        low: smallest actions ``(A,)``.
        high: largest actions ``(A,)``.

    Raises:
        PaigError: for arguments that do not fit, see :func:`check_problem`.
    """

    def __init__(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> None:
        check_problem(init, low, high)
        self.cost, self.low, self.high = cost, low.to(init), high.to(init)
        self.half_width = (self.high - self.low) / 2
        self.middle = ((self.low + self.high) / 2).expand_as(init)
        self.start = self.best = self.inside(init)
        self.start_cost = self.best_cost = init.new_full(init.shape[:1], torch.inf)
        self.candidates, self.costs = init[:, :0, None], self.start_cost[:, None]

    def inside(self, actions: Tensor) -> Tensor:
        """Cut actions ``(*B, A)`` to the bounds."""
        return actions.clamp(self.low, self.high)

    def evaluate(self, candidates: Tensor) -> Tensor:
        """Costs ``(B, K)`` of candidates ``(B, K, H, A)`` inside the bounds; what is not finite counts as infinity.

        The first candidate of all must be the start.

        Raises:
            PaigError: if the costs have another shape, or a problem has had no finite cost yet.
        """
        return self.judge(candidates, self.cost(candidates))

    def judge(self, candidates: Tensor, costs: Tensor) -> Tensor:
        """As :meth:`evaluate`, for costs that have been computed."""
        costs = safe_costs(self.cost, costs, candidates, needed=self.best_cost.isinf())
        if not self.candidates.shape[1]:
            self.start_cost = costs[:, 0]
        self.candidates, self.costs = candidates, costs
        cost, index = costs.min(dim=1)
        self._offer(take(candidates, index[:, None])[:, 0], cost)
        return costs

    def consider(self, plan: Tensor) -> None:
        """Evaluate one plan ``(B, H, A)`` more, not for display."""
        self._offer(plan, or_worst(self.cost(plan[:, None]).to(plan.dtype))[:, 0])

    def _offer(self, plan: Tensor, cost: Tensor) -> None:
        """Keep a plan ``(B, H, A)`` of this ``cost`` ``(B,)`` where it is the best so far."""
        better = cost < self.best_cost
        self.best = torch.where(better[:, None, None], plan, self.best)
        self.best_cost = torch.where(better, cost, self.best_cost)

    def solved(self, proposal: Proposal) -> Plan:
        """Hand out what was found, as clones: made outside inference mode, they may take part in a later gradient."""
        effective = proposal.effective_samples
        return Plan(
            self.best.clone(),
            self.best_cost.clone(),
            proposal.spread.clone(),
            self.candidates.clone(),
            self.costs.clone(),
            self.best_cost < self.start_cost,
            None if effective is None else effective.clone(),
        )


S = TypeVar("S", bound=PlanSettings)


class SearchPlanner(Generic[S]):
    """A planner with its settings and its own seeded generator; a subclass writes :meth:`search`.

    All problems of a batch share their noise, so a plan does not depend on the batch it sits in.
    """

    def __init__(self, settings: S, seed: int = 0) -> None:
        self.settings = settings
        self.generator = torch.Generator().manual_seed(seeds.whole(seed))

    @property
    def horizon(self) -> int:
        """Actions in a plan."""
        return self.settings.horizon

    def reseed(self, seed: int) -> None:
        """Start the random numbers again."""
        self.generator.manual_seed(seeds.whole(seed))

    def plan(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> Plan:
        """Improve on ``init`` ``(B, H, A)`` within the bounds ``(A,)``.

        Raises:
            PaigError: for bounds that cross, an empty horizon, or a cost that is finite for no candidate.
        """
        problem = Problem(cost, init, low, high)
        with torch.inference_mode():
            proposal = self.search(problem)
        return problem.solved(proposal)

    @abstractmethod
    def search(self, problem: Problem) -> Proposal:
        """Evaluate candidates, the start first; in inference mode."""


def check_problem(init: Tensor, low: Tensor, high: Tensor) -> None:
    """Check a planner's arguments: ``init`` ``(B, H, A)``, ``low`` and ``high`` ``(A,)``.

    Raises:
        PaigError: for another shape or type, an empty horizon, or bounds that are infinite or cross.
    """
    if init.ndim != 3:
        raise PaigError(f"init has shape {tuple(init.shape)}: expected (batch, horizon, action size).")
    if init.shape[1] < 1:
        raise PaigError("The horizon is 0: expected a plan of at least one action; set horizon to 1 or more.")
    if not init.is_floating_point():
        raise PaigError(f"init has type {init.dtype}: expected floating-point actions, for example float32.")
    size = init.shape[-1]
    for name, bound in (("low", low), ("high", high)):
        if bound.shape != (size,):
            raise PaigError(f"{name} has shape {tuple(bound.shape)}: expected ({size},), one bound for each action.")
        if not all(math.isfinite(value) for value in bound.tolist()):
            raise PaigError(f"{name} = {bound.tolist()}: expected finite bounds; give the actuators' limits.")
    if any(least > most for least, most in zip(low.tolist(), high.tolist(), strict=True)):
        raise PaigError(f"The bounds cross: low {low.tolist()} exceeds high {high.tolist()}; swap them.")
    if not bool(torch.isfinite(init).all()):
        raise PaigError("init has values that are not finite: expected actions within the bounds; start from zeros.")


def safe_costs(cost: Cost, costs: Tensor, candidates: Tensor, needed: Tensor) -> Tensor:
    """Costs ``(B, K)`` of candidates ``(B, K, H, A)``; what is not finite counts as worst, infinity.

    Raises:
        PaigError: if the costs have another shape, or one of the problems ``(B,)`` that need a finite one has none.
    """
    expected = tuple(candidates.shape[:2])
    if not isinstance(costs, Tensor) or costs.shape != expected:
        what = f"shape {tuple(costs.shape)}" if isinstance(costs, Tensor) else f"a {type(costs).__name__}"
        raise PaigError(
            f"The cost {cost_name(cost)} returned {what} for candidates {tuple(candidates.shape)}: "
            f"expected a tensor with one cost for each candidate, {expected}."
        )
    costs = or_worst(costs.to(candidates.dtype))
    if bool((costs.isinf().all(dim=1) & needed).any()):
        raise PaigError(
            f"The cost {cost_name(cost)} is not finite for any of {candidates.shape[1]} candidates: expected finite "
            "numbers; check the state it starts from, the constants of the physics and the goal."
        )
    return costs


def or_worst(costs: Tensor) -> Tensor:
    """Costs, infinite where they are not finite."""
    return torch.where(torch.isfinite(costs), costs, torch.inf)


def cost_name(cost: Cost) -> str:
    """Name of a cost for a message: its ``name`` where it has one, else the function's or the class's."""
    return str(getattr(cost, "name", None) or getattr(cost, "__name__", None) or type(cost).__name__)


def take(candidates: Tensor, index: Tensor) -> Tensor:
    """Candidates ``(B, k, H, A)`` at ``index`` ``(B, k)``."""
    return candidates.gather(1, index[..., None, None].expand(*index.shape, *candidates.shape[2:]))
