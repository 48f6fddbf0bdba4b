"""Oracles: what control could reach if it knew the truth. For measuring only, never for learning or planning.

The dynamic-programming oracle solves the true pendulum over the whole episode by value iteration backwards
in time (Bellman, *Dynamic Programming*, 1957) on a grid of angle and velocity. Bilinear interpolation
between grid points is linear in the values, so one backup of all states under all actions is one product
with a sparse matrix. What it is told are the true physics and the true states, as arguments; it reaches
into no environment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from torch import Tensor

from paig_control.agents.objectives import StepCost
from paig_control.agents.receding import RecedingHorizon, SeededPlanner
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import Objective, State

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Where values are kept: angles around the circle and velocities up to ``max_speed``.

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

    @property
    def points(self) -> int:
        """Number of grid points."""
        return self.angles * self.velocities

    def states(self) -> State:
        """All grid points as a state of ``(points, 1, 1)``; the velocity varies fastest."""
        angle = torch.arange(self.angles, dtype=torch.float64) * (2 * torch.pi / self.angles)
        velocity = torch.linspace(-self.max_speed, self.max_speed, self.velocities, dtype=torch.float64)
        a, v = torch.meshgrid(angle, velocity, indexing="ij")
        return State(a.reshape(-1, 1, 1), v.reshape(-1, 1, 1))

    def corners(self, state: State) -> tuple[NDArray[np.int32], Array]:
        """Find the four grid points around each state ``(*B, 1, 1)`` and their weights, both ``(*B, 4)``."""
        column = state.position[..., 0, 0].double().numpy() * (self.angles / (2 * np.pi))
        speed = state.velocity[..., 0, 0].double().numpy().clip(-self.max_speed, self.max_speed)
        row = (speed + self.max_speed) * ((self.velocities - 1) / (2 * self.max_speed))
        left = np.floor(column)
        below = np.minimum(np.floor(row), self.velocities - 2)
        x, y = column - left, row - below
        i = np.stack([left, left, left + 1, left + 1], -1).astype(np.int32) % self.angles
        j = np.stack([below, below + 1, below, below + 1], -1).astype(np.int32)
        weights = np.stack([(1 - x) * (1 - y), (1 - x) * y, x * (1 - y), x * y], -1)
        return i * self.velocities + j, weights


class DynamicProgrammingOracle:
    """Optimal control of a known pendulum over a known number of steps.

    Args:
        physics: the true physics; one angle and one action.
        step_cost: cost of a state and the action taken in it.
        low: smallest action.
        high: largest action.
        steps: length of an episode.
        grid: resolution.
    """

    def __init__(
        self,
        physics: Physics,
        step_cost: StepCost,
        low: float,
        high: float,
        steps: int = 200,
        grid: Grid | None = None,
    ) -> None:
        if (physics.objects, physics.dims, physics.action_size) != (1, 1, 1) or not physics.periodic:
            raise PaigError("The dynamic-programming oracle solves one angle driven by one action: use PlannerOracle.")
        if not low < high:
            raise PaigError(f"The bounds cross: low {low}, high {high}; expected low < high.")
        self.physics, self.step_cost, self.grid, self.steps = physics, step_cost, grid or Grid(), steps
        self.fine = torch.linspace(low, high, self.grid.fine_actions, dtype=torch.float64)
        self.values = self._solve(torch.linspace(low, high, self.grid.actions, dtype=torch.float64))

    def _branch(self, state: State, actions: Tensor) -> tuple[Array, State]:
        """Costs ``(*B, n)`` and next states ``(*B, n, 1, 1)`` of ``n`` actions in states ``(*B, 1, 1)``."""
        batch = state.position.shape[:-2]
        each = State(*(x.double().unsqueeze(-3).expand(*batch, len(actions), 1, 1) for x in state))
        taken = actions.expand(*batch, len(actions)).unsqueeze(-1)
        with torch.no_grad(), self.physics.frozen():
            return self.step_cost(each, taken).numpy(), self.physics.step(each, taken)

    def _solve(self, actions: Tensor) -> NDArray[np.float32]:
        """Values ``(steps + 1, points)``: the least cost from each time and grid point to the end."""
        costs, following = self._branch(self.grid.states(), actions)
        index, weights = self.grid.corners(following)
        rows = costs.size
        pointers = np.arange(0, 4 * rows + 1, 4, dtype=np.int32)
        expect = sparse.csr_array(
            (weights.astype(np.float32).ravel(), index.ravel(), pointers), shape=(rows, self.grid.points)
        )
        cost = costs.astype(np.float32)
        values = np.zeros((self.steps + 1, self.grid.points), dtype=np.float32)
        for t in reversed(range(self.steps)):
            values[t] = (cost + (expect @ values[t + 1]).reshape(cost.shape)).min(axis=1)
        return values

    def _interpolate(self, t: int, state: State) -> Array:
        index, weights = self.grid.corners(state)
        interpolated: Array = (self.values[t][index] * weights).sum(axis=-1)
        return interpolated

    def value(self, state: State, t: int = 0) -> Array:
        """Least cost ``(B,)`` from ``state`` ``(B, 1, 1)`` at step ``t`` to the end."""
        return self._interpolate(t, state)

    def act(self, state: State, t: int) -> NDArray[np.float32]:
        """Choose the best action ``(B, 1)`` in the true ``state`` ``(B, 1, 1)`` at step ``t``."""
        if not 0 <= t < self.steps:
            raise PaigError(f"t = {t}: this oracle was solved for steps 0 to {self.steps - 1}.")
        costs, following = self._branch(state, self.fine)
        best = (costs + self._interpolate(t + 1, following)).argmin(axis=-1)
        return self.fine.numpy()[best, None].astype(np.float32)


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
