"""Receding-horizon control: plan, take the first actions, start the next plan from the rest.

This is what the agent that sees frames and the oracle that sees the truth have in common.

The first action of an episode, when one frame has told where things are and not how fast they move.

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
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from paig_control import seeds
from paig_control.agents.objectives import cost_function, taken
from paig_control.agents.sampling import shift
from paig_control.agents.terms import after
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
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


class SeededPlanner(Planner, Protocol):
    """A planner that owns its random numbers and knows how far it looks ahead."""

    @property
    def horizon(self) -> int:
        """Actions in a plan."""
        ...

    def reseed(self, seed: int) -> None:
        """Start the random numbers again."""
        ...


class RecedingHorizon:
    """Plans anew at every step, or at every few, warm-started by the former plan.

    Args:
        planner: what minimises.
        physics: what the planner imagines with.
        low: smallest actions ``(A,)``.
        high: largest actions ``(A,)``.
        replan: actions that are taken of a plan before the next one.
        repeat: steps for which each action of a plan is held.
        start_speed: standard deviation of the velocities with which episodes may begin, around that of the first state
            shown; the first action suits them all (:mod:`~paig_control.agents.receding`). 0 if that state is known.
        compiled: whether compiled code imagines where it can.
        allowed: ``(n, A)``, the only actions that there are: planners search between the bounds, and of what they find
            the nearest of these is imagined, and taken; None if all are.

    Raises:
        PaigError: if the bounds are not one pair for each action of the physics, or what is allowed lies beyond.
    """

    def __init__(
        self,
        planner: SeededPlanner,
        physics: Physics,
        low: ArrayLike,
        high: ArrayLike,
        replan: int = 1,
        repeat: int = 1,
        start_speed: float = 0.0,
        compiled: bool = True,
        allowed: ArrayLike | None = None,
    ) -> None:
        self.planner, self.physics, self.replan, self.repeat = planner, physics, replan, repeat
        self.start_speed, self.compiled = start_speed, compiled
        self.low, self.high = (torch.tensor(np.asarray(bound, dtype=np.float32)) for bound in (low, high))
        for name, bound in (("low", self.low), ("high", self.high)):
            if bound.shape != (physics.action_size,):
                raise PaigError(
                    f"The action bound {name} has shape {tuple(bound.shape)}: expected "
                    f"({physics.action_size},), because {physics.label} has {physics.action_size} "
                    "action(s). Take a model that was trained on data of this environment."
                )
        if not len(self.low):
            raise PaigError(
                "There are no actions, so nothing can be controlled: expected a physics on which something acts."
            )
        self.allowed = None if allowed is None else torch.tensor(np.asarray(allowed, dtype=np.float32))
        if self.allowed is not None and not bool(((self.allowed >= self.low) & (self.allowed <= self.high)).all()):
            raise PaigError(f"Of the actions {self.allowed.tolist()} some lie beyond the bounds {low!r} and {high!r}.")
        self.idle = taken(torch.zeros_like(self.low).clamp(self.low, self.high), self.allowed)
        self.plan: Plan | None = None
        self._steps = 0

    def reset(self, seed: int | None = None) -> None:
        """Forget the former plan; with a seed, start the random numbers again."""
        self.plan, self._steps = None, 0
        if seed is not None:
            self.planner.reseed(seeds.whole(seed))

    def act(self, state: State, objective: Objective) -> Tensor:
        """Choose an action ``(B, A)`` in ``state`` ``(B, N, D)``: the first of a new plan, or the former's next."""
        used, rest = divmod(self._steps, self.repeat)
        if self.plan is None or (used >= min(self.replan, self.planner.horizon) and rest == 0):
            low, high = (bound.to(state.position) for bound in (self.low, self.high))
            if self.plan is None:
                middle = (low + high) / 2
                init = middle.expand(state.position.shape[0], self.planner.horizon, -1)
            else:
                init = shift(self.plan.actions, used)
                objective = after(objective, self.plan.actions[:, used - 1])
            with self.physics.frozen():
                if self.plan is None and self.start_speed > 0:
                    self.plan = hedge(self.planner, self._cost, state, objective, self.start_speed, init, low, high)
                else:
                    self.plan = self.planner.plan(self._cost(state, objective), init, low, high)
            self.plan = self.plan._replace(actions=taken(self.plan.actions, self._allowed(state)))
            self._steps = used = 0
        self._steps += 1
        return self.plan.actions[:, used]

    def _cost(self, state: State, objective: Objective) -> Cost:
        return cost_function(self.physics, state, objective, self.repeat, self.compiled, self._allowed(state))

    def _allowed(self, state: State) -> Tensor | None:
        return None if self.allowed is None else self.allowed.to(state.position)

    def rest(self) -> Tensor:
        """What is left of the plan after the action just chosen, a step each: ``(B, T, A)``."""
        assert self.plan is not None
        return self.plan.actions.repeat_interleave(self.repeat, dim=1)[:, self._steps :]
