"""The first action of an episode, when one frame has told where things are and not how fast they move.

To plan as if they were at rest can be the wrong way round: a pendulum that moves one way is soonest upright by a push
that costs a whole swing if it moves the other way. So a few velocities are supposed, equally likely, and the action
is taken that is best on average, if from the next step on the velocity is known: the mean over the velocities of the
best that each can still reach after it. (This is hindsight optimisation: Chong, Givan and Chang, *A framework for
simulation-based network control via hindsight optimization*, 2000.) The actions compared are those that are best for
each of the supposed velocities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from paig_control.types import Cost, Objective, Plan, Planner, State


def supposed(state: State, speed: float) -> State:
    """Suppose velocities of this standard deviation around those of ``(B, N, D)``: ``(B S, N, D)``, S = 2 N D + 1.

    The first is the state itself, the others lie either side of it along each coordinate, all equally likely
    (the sigma points of Julier and Uhlmann, *Unscented filtering and nonlinear estimation*, 2004).
    """
    size = state.velocity[0].numel()
    units = torch.eye(size).to(state.velocity).reshape(size, *state.velocity.shape[1:])
    offsets = speed * (size + 0.5) ** 0.5 * torch.cat([torch.zeros_like(units[:1]), units, -units])
    velocity = (state.velocity[:, None] + offsets).flatten(0, 1)
    return State(state.position.repeat_interleave(len(offsets), 0), velocity)


@dataclass(frozen=True)
class Supposing:
    """An objective of B problems as one of ``B S``, S suppositions for each.

    Attributes:
        objective: of states ``(B, K, H, N, D)``.
        count: S.
    """

    objective: Objective
    count: int

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B S, K)`` of states ``(B S, K, H, N, D)``."""
        split = (-1, self.count)
        together = State(*(x.unflatten(0, split).flatten(1, 2) for x in states))
        costs = self.objective(together, actions.unflatten(0, split).flatten(1, 2))
        each: Tensor = costs.unflatten(1, (self.count, -1)).flatten(0, 1)
        return each


def begun_with(cost: Cost, first: Tensor) -> Cost:
    """The cost of plans that begin with the actions ``(B, A)``, whatever they say themselves."""

    def begun(actions: Tensor) -> Tensor:
        fixed = first[:, None, None].expand(*actions.shape[:2], 1, -1)
        return cost(torch.cat([fixed, actions[:, :, 1:]], dim=2))

    return begun


def hedge(
    planner: Planner,
    make_cost: Callable[[State, Objective], Cost],
    state: State,
    objective: Objective,
    speed: float,
    init: Tensor,
    low: Tensor,
    high: Tensor,
) -> Plan:
    """Plan from ``state`` ``(B, N, D)``, with a first action that suits every velocity that is likely.

    Args:
        planner: what minimises.
        make_cost: of plans, from a state and under an objective.
        state: with the velocity to be expected, for which the plan is made from its second action on.
        objective: what is to be reached.
        speed: standard deviation of the velocities around it.
        init: plan to improve on ``(B, H, A)``.
        low: smallest actions ``(A,)``.
        high: largest actions ``(A,)``.
    """
    states = supposed(state, speed)
    batch = len(state.position)
    count = len(states.position) // batch
    cost = make_cost(states, Supposing(objective, count))
    own = planner.plan(cost, init.repeat_interleave(count, 0), low, high)
    plans = []
    for choice in own.actions[:, 0].unflatten(0, (batch, count)).unbind(1):
        first = choice.repeat_interleave(count, 0)
        plan = planner.plan(begun_with(cost, first), own.actions, low, high)
        plans.append(plan._replace(actions=torch.cat([first[:, None], plan.actions[:, 1:]], dim=1)))
    means = torch.stack([plan.cost.unflatten(0, (batch, count)).mean(dim=1) for plan in plans])
    best, itself = means.argmin(dim=0), torch.arange(batch, device=means.device) * count

    def chosen(parts: Sequence[Tensor | None]) -> Tensor | None:
        known = [part for part in parts if part is not None]
        return torch.stack(known)[best, itself] if known else None

    return Plan(*(chosen(parts) for parts in zip(*plans, strict=True)))  # type: ignore[arg-type]
