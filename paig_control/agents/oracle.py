"""Oracles: what control could reach if it knew the truth. For measuring only, never for learning or planning.

The dynamic-programming oracle solves the true pendulum over the whole episode by value iteration backwards
in time on a grid of angle and velocity. What it is told are the true physics and the true states, as arguments; it
reaches into no environment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from paig_control.agents.objectives import StepCost
from paig_control.agents.receding import RecedingHorizon, SeededPlanner
from paig_control.agents.value_iteration import Axis, Backup, Grid, branch, choices
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import Objective, State

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Resolution:
    """How finely the oracle knows a pendulum.

    Attributes:
        angles: points around the circle; 0 is one of them.
        velocities: points from ``-max_speed`` to ``max_speed``; odd, so that 0 is one of them.
        actions: actions tried in each backup.
        fine_actions: actions tried when acting.
        max_speed: rad/s.
    """

    angles: int = 360
    velocities: int = 241
    actions: int = 11
    fine_actions: int = 161
    max_speed: float = 8.0

    def grid(self) -> Grid:
        """The grid of values."""
        return Grid(
            [Axis(0.0, 2 * np.pi, self.angles, circle=True), Axis(-self.max_speed, self.max_speed, self.velocities)]
        )


class DynamicProgrammingOracle:
    """Optimal control of a known pendulum over a known number of steps.

    Args:
        physics: the true physics; one angle and one action.
        step_cost: cost of a state and the action taken in it.
        low: smallest action.
        high: largest action.
        steps: length of an episode.
        resolution: of the grid.
    """

    def __init__(
        self,
        physics: Physics,
        step_cost: StepCost,
        low: float,
        high: float,
        steps: int = 200,
        resolution: Resolution | None = None,
    ) -> None:
        if not physics.turns_alone or physics.action_size != 1:
            raise PaigError("The dynamic-programming oracle solves one angle driven by one action: use PlannerOracle.")
        if not low < high:
            raise PaigError(f"The bounds cross: low {low}, high {high}; expected low < high.")
        self.physics, self.step_cost, self.steps = physics, step_cost, steps
        fine = resolution or Resolution()
        self.grid = fine.grid()
        bounds = torch.tensor([low]), torch.tensor([high])
        self.fine = choices(*bounds, fine.fine_actions)
        backup = Backup(physics, step_cost, self.grid, choices(*bounds, fine.actions))
        self.values = np.zeros((steps + 1, self.grid.points), dtype=np.float32)
        """``(steps + 1, points)``: the least cost from each time and grid point to the end."""
        for t in reversed(range(steps)):
            self.values[t] = backup(self.values[t + 1])

    def _interpolate(self, t: int, state: State) -> Array:
        state = State(*(x.double() for x in state))
        return self.grid.interpolate(torch.from_numpy(self.values[t]), state).numpy()

    def value(self, state: State, t: int = 0) -> Array:
        """Least cost ``(B,)`` from ``state`` ``(B, 1, 1)`` at step ``t`` to the end."""
        return self._interpolate(t, state)

    def act(self, state: State, t: int) -> NDArray[np.float32]:
        """Choose the best action ``(B, 1)`` in the true ``state`` ``(B, 1, 1)`` at step ``t``."""
        if not 0 <= t < self.steps:
            raise PaigError(f"t = {t}: this oracle was solved for steps 0 to {self.steps - 1}.")
        costs, following = branch(self.physics, self.step_cost, state, self.fine)
        best = (costs.numpy() + self._interpolate(t + 1, following)).argmin(axis=-1)
        action: NDArray[np.float32] = self.fine.numpy()[best].astype(np.float32)
        return action


class PlannerOracle:
    """A planner that is given the true physics and the true state.

    The agent's distance from it is what seeing and learning cost.

    Args:
        planner: as the agent's.
        physics: the true physics.
        objective: what is to be reached.
        low: smallest actions ``(A,)``.
        high: largest actions ``(A,)``.
    """

    def __init__(
        self,
        planner: SeededPlanner,
        physics: Physics,
        objective: Objective,
        low: ArrayLike,
        high: ArrayLike,
    ) -> None:
        self.control, self.objective = RecedingHorizon(planner, physics, low, high), objective

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; a seed starts the planner's random numbers again."""
        self.control.reset(seed)

    def act(self, state: State) -> NDArray[np.float32]:
        """Choose an action ``(B, A)`` in the true ``state`` ``(B, N, D)``."""
        action: NDArray[np.float32] = self.control.act(State(*(x.float() for x in state)), self.objective).numpy()
        return action
