"""Receding-horizon control: plan, take the first action, start the next plan from the rest.

This is what the agent that sees frames and the oracle that sees the truth have in common.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from paig_control.agents.objectives import cost_function
from paig_control.agents.sampling import shift
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import Objective, Plan, Planner, State


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
    """Plans anew at every step, warm-started by the former plan.

    Args:
        planner: what minimises.
        physics: what the planner imagines with.
        low: smallest actions ``(A,)``.
        high: largest actions ``(A,)``.

    Raises:
        PaigError: if the bounds are not one pair for each action of the physics.
    """

    def __init__(self, planner: SeededPlanner, physics: Physics, low: ArrayLike, high: ArrayLike) -> None:
        self.planner, self.physics = planner, physics
        self.low, self.high = (torch.tensor(np.asarray(bound, dtype=np.float32)) for bound in (low, high))
        for name, bound in (("low", self.low), ("high", self.high)):
            if bound.shape != (physics.action_size,):
                raise PaigError(
                    f"The action bound {name} has shape {tuple(bound.shape)}: expected "
                    f"({physics.action_size},), because {type(physics).__name__} has {physics.action_size} "
                    "action(s). Take a model that was trained on data of this environment."
                )
        self.plan: Plan | None = None

    def reset(self, seed: int | None = None) -> None:
        """Forget the former plan; with a seed, start the random numbers again."""
        self.plan = None
        if seed is not None:
            self.planner.reseed(seed)

    def act(self, state: State, objective: Objective) -> Tensor:
        """First action ``(B, A)`` of a new plan from ``state`` ``(B, N, D)``."""
        low, high = (bound.to(state.position) for bound in (self.low, self.high))
        if self.plan is None:
            middle = (low + high) / 2
            init = middle.expand(state.position.shape[0], self.planner.horizon, -1)
        else:
            init = shift(self.plan.actions)
        self.plan = self.planner.plan(cost_function(self.physics, state, objective), init, low, high)
        return self.plan.actions[:, 0]
