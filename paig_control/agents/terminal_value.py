"""What comes after a plan's end: the least cost from there on, by value iteration on the learned physics.

A plan that counts costs up to its horizon only does not mind where it leaves things, and a longer one is harder to
find where motion is unstable. Where the states fill a bounded region of few dimensions (one angle, its speed limited),
the cost to go of all of them can be known beforehand, from the same learned constants that the planner imagines with.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from paig_control.agents.value_iteration import Axis, Backup, Grid, choices
from paig_control.agents.objectives import StepCost, reward_objective
from paig_control.agents.terms import Term
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import State

CHANGE = 0.01
"""A constant that has changed by this fraction makes the cost to go be found anew."""
ANGLES, VELOCITIES, ACTIONS = 240, 161, 11
"""Of the grid of one angle."""


def bounded_grid(physics: Physics) -> Grid:
    """Grid over all states that there can be.

    Raises:
        PaigError: if there is no end to them, or they have more than one coordinate.
    """
    speed = float(physics.limit(torch.tensor(math.inf)))
    if not physics.turns_alone or not math.isfinite(speed):
        raise PaigError(
            f"The states of {physics.label} fill no small bounded region: the cost beyond the horizon is known "
            "for one angle of limited speed, or on a grid of your own (CostToGo(..., grid=...)). Plan with objective.beyond=0."
        )
    return Grid([Axis(0.0, 2 * math.pi, ANGLES, circle=True), Axis(-speed, speed, VELOCITIES)])


class CostToGo(Term):
    """The least cost in the steps after the last state of a plan, an objective to be added to a reward.

    Found when it is first asked for, and again when the constants of the physics have changed.

    Args:
        physics: the planner's.
        step_cost: of a state and the action taken in it; as the reward counts it.
        low: smallest actions ``(A,)``.
        high: largest actions ``(A,)``.
        steps: how far it looks.
        grid: over the states that matter; all that there can be by default.

    Raises:
        PaigError: without a grid, if the states have no bounds or more than one coordinate; when called for worlds whose
            constants differ.
    """

    def __init__(
        self,
        physics: Physics,
        step_cost: StepCost,
        low: Tensor,
        high: Tensor,
        steps: int = 100,
        grid: Grid | None = None,
    ) -> None:
        self.physics, self.step_cost, self.steps = physics, step_cost, steps
        self.grid = bounded_grid(physics) if grid is None else grid
        self.actions = choices(low, high, ACTIONS)
        self.values = torch.zeros(0)
        self._solved_for: dict[str, float] = {}

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)`` after states ``(B, K, H, N, D)``.

        The reward has counted the last state already, with the action that led to it; its own part is taken out.
        """
        self._solve()
        last = State(*(x[..., -1, :, :] for x in states))
        counted = self.step_cost(last, torch.zeros_like(actions[..., -1, :]))
        return self.grid.interpolate(self.values.to(actions), last) - counted

    def _solve(self) -> None:
        constants = {name: self.physics.constant(name).detach() for name in self.physics.names}
        if any(value.numel() > 1 for value in constants.values()):
            raise PaigError(
                "The cost beyond the horizon is known for one world's constants: adapt one environment at a time, with "
                "batch=1, or plan with objective.beyond=0."
            )
        now = {name: float(value) for name, value in constants.items()}
        known = self._solved_for
        if known and all(abs(now[name] - known[name]) <= CHANGE * abs(known[name]) for name in now):
            return
        with torch.inference_mode(False), self.physics.using({name: torch.tensor(now[name]) for name in now}):
            backup = Backup(self.physics, self.step_cost, self.grid, self.actions)
            values = np.zeros(self.grid.points, dtype=np.float32)
            for _ in range(self.steps):
                values = backup(values)
            self.values = torch.from_numpy(values)
        self._solved_for = now


def return_terms(name: str, physics: Physics, low: Tensor, high: Tensor, beyond: int) -> tuple[Term, ...]:
    """The reward of this name over the horizon, and the best there can be of it in ``beyond`` steps after that.

    Raises:
        PaigError: if there is no such reward, or the cost beyond the horizon cannot be known for this physics.
    """
    reward = reward_objective(name)
    return (reward, CostToGo(physics, reward.step_cost, low, high, beyond)) if beyond else (reward,)
