"""Receding-horizon control: plan, take the first actions, start the next plan from the rest.

This is what the agent that sees frames and the oracle that sees the truth have in common.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from paig_control import seeds
from paig_control.agents.hindsight import hedge
from paig_control.agents.objectives import cost_function
from paig_control.agents.sampling import shift
from paig_control.agents.terms import after
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import Cost, Objective, Plan, Planner, State


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
            shown; the first action suits them all (:mod:`~paig_control.agents.hindsight`). 0 if that state is known.

    Raises:
        PaigError: if the bounds are not one pair for each action of the physics.
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
    ) -> None:
        self.planner, self.physics, self.replan, self.repeat = planner, physics, replan, repeat
        self.start_speed = start_speed
        self.low, self.high = (torch.tensor(np.asarray(bound, dtype=np.float32)) for bound in (low, high))
        for name, bound in (("low", self.low), ("high", self.high)):
            if bound.shape != (physics.action_size,):
                raise PaigError(
                    f"The action bound {name} has shape {tuple(bound.shape)}: expected "
                    f"({physics.action_size},), because {physics.label} has {physics.action_size} "
                    "action(s). Take a model that was trained on data of this environment."
                )
        if not len(self.low):
            raise PaigError("There are no actions, so nothing can be controlled: expected a physics on which something acts.")
        self.idle = torch.zeros_like(self.low).clamp(self.low, self.high)
        self.plan: Plan | None = None
        self._steps = 0

    def reset(self, seed: int | None = None) -> None:
        """Forget the former plan; with a seed, start the random numbers again."""
        self.plan, self._steps = None, 0
        if seed is not None:
            self.planner.reseed(seeds.whole(seed))

    def act(self, state: State, objective: Objective) -> Tensor:
        """Choose an action ``(B, A)`` in ``state`` ``(B, N, D)``: the first of a new plan, or the next of the former."""
        used, rest = divmod(self._steps, self.repeat)
        if self.plan is None or (used >= min(self.replan, self.planner.horizon) and rest == 0):
            low, high = (bound.to(state.position) for bound in (self.low, self.high))
            if self.plan is None:
                middle = (low + high) / 2
                init = middle.expand(state.position.shape[0], self.planner.horizon, -1)
            else:
                init = shift(self.plan.actions, used)
                objective = after(objective, self.plan.actions[:, used - 1])
            if self.plan is None and self.start_speed > 0:
                self.plan = hedge(self.planner, self._cost, state, objective, self.start_speed, init, low, high)
            else:
                self.plan = self.planner.plan(self._cost(state, objective), init, low, high)
            self._steps = used = 0
        self._steps += 1
        return self.plan.actions[:, used]

    def _cost(self, state: State, objective: Objective) -> Cost:
        return cost_function(self.physics, state, objective, self.repeat)

    def rest(self) -> Tensor:
        """What is left of the plan after the action just chosen, a step each: ``(B, T, A)``."""
        assert self.plan is not None
        return self.plan.actions.repeat_interleave(self.repeat, dim=1)[:, self._steps :]
