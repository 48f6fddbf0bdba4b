"""States on a grid, and value iteration there (Bellman, *Dynamic Programming*, 1957).

Between grid points values are interpolated linearly along each axis, which is linear in the values, so one backup of
all states under all actions is one product with a sparse matrix. A grid has a point for every combination of
coordinates and velocities: it serves systems of one coordinate, of two at most.

What comes after a plan's end: the least cost from there on, by value iteration on the learned physics.

A plan that counts costs up to its horizon only does not mind where it leaves things, and a longer one is harder to
find where motion is unstable. Where the states fill a bounded region of few dimensions (one angle, its speed limited),
the cost to go of all of them can be known beforehand, from the same learned constants that the planner imagines with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from paig_control.agents.objectives import StepCost, reward_objective
from paig_control.agents.terms import Term
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import State

MOST = 1_000_000
"""Grid points, beyond which value iteration takes minutes and gigabytes."""


class Axis(NamedTuple):
    """Grid points along one coordinate or velocity.

    Attributes:
        low: first point.
        high: last point; of a circle the first point, come round.
        points: how many, at least 2.
        circle: whether ``high`` is ``low`` again.
    """

    low: float
    high: float
    points: int
    circle: bool = False


class Grid:
    """Grid over states of N objects with D coordinates: an axis for each coordinate, then one for each velocity.

    Args:
        axes: 2 N D of them; the last varies fastest.
        objects: N.
        dims: D.

    Raises:
        PaigError: for another number of axes, or more than a million points.
    """

    def __init__(self, axes: Sequence[Axis], objects: int = 1, dims: int = 1) -> None:
        self.axes, self.objects, self.dims = tuple(axes), objects, dims
        self.points = math.prod(axis.points for axis in self.axes)
        if len(self.axes) != 2 * objects * dims:
            raise PaigError(
                f"A grid of {len(self.axes)} axes: expected {2 * objects * dims}, positions and velocities."
            )
        if self.points > MOST:
            raise PaigError(
                f"A grid over {len(self.axes)} positions and velocities has {self.points} points: expected at most "
                f"{MOST}; take fewer points, and for more than two coordinates no grid at all."
            )

    def states(self) -> State:
        """All grid points as a state ``(points, N, D)``, double precision."""
        lines = [
            axis.low + (axis.high - axis.low) / (axis.points - (not axis.circle)) * torch.arange(axis.points).double()
            for axis in self.axes
        ]
        every = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1).reshape(self.points, 2, self.objects, self.dims)
        return State(every[:, 0], every[:, 1])

    def corners(self, state: State) -> tuple[Tensor, Tensor]:
        """Find the grid points around each state ``(*B, N, D)`` and their weights, both ``(*B, 2^axes)``.

        What lies beyond the grid counts as lying on its border; the weights of what lies nowhere are NaN.
        """
        places = torch.cat([x.flatten(-2) for x in state], -1).unbind(-1)
        index, weight = torch.zeros_like(places[0], dtype=torch.long)[..., None], torch.ones_like(places[0])[..., None]
        for axis, x in zip(self.axes, places, strict=True):
            place = (x - axis.low) * ((axis.points - (not axis.circle)) / (axis.high - axis.low))
            if axis.circle:
                below = place.floor()
                first = below.nan_to_num().long().remainder(axis.points)
                second = (first + 1).remainder(axis.points)
            else:
                place = place.clamp(0, axis.points - 1)
                below = place.floor().clamp(max=axis.points - 2)
                first = below.nan_to_num().long()
                second = first + 1
            part = place - below
            index = (index[..., None] * axis.points + torch.stack([first, second], -1)[..., None, :]).flatten(-2)
            weight = (weight[..., None] * torch.stack([1 - part, part], -1)[..., None, :]).flatten(-2)
        return index, weight

    def interpolate(self, values: Tensor, state: State) -> Tensor:
        """Values ``(*B)`` at states ``(*B, N, D)``, of values ``(points,)``."""
        index, weight = self.corners(state)
        return (values[index] * weight).sum(-1)


def choices(low: Tensor, high: Tensor, count: int) -> Tensor:
    """Actions ``(count^A, A)`` evenly between bounds ``(A,)``, in double precision."""
    lines = [torch.linspace(float(a), float(b), count, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    return torch.cartesian_prod(*lines).reshape(-1, len(lines))


def branch(physics: Physics, step_cost: StepCost, state: State, actions: Tensor) -> tuple[Tensor, State]:
    """Costs ``(*B, n)`` and next states ``(*B, n, N, D)`` of ``n`` actions ``(n, A)`` in states ``(*B, N, D)``."""
    batch = state.position.shape[:-2]
    each = State(*(x.double().unsqueeze(-3).expand(*batch, len(actions), *x.shape[-2:]) for x in state))
    taken = actions.expand(*batch, *actions.shape)
    with torch.no_grad(), physics.frozen():
        return step_cost(each, taken), physics.step(each, taken)


class Backup:
    """One step of value iteration at all points of a grid.

    Args:
        physics: moves.
        step_cost: judges a state and the action taken in it.
        grid: where values are kept.
        actions: ``(n, A)``, among which the best is taken.
    """

    def __init__(self, physics: Physics, step_cost: StepCost, grid: Grid, actions: Tensor) -> None:
        costs, following = branch(physics, step_cost, grid.states(), actions)
        index, weight = grid.corners(following)
        corners, rows = index.shape[-1], costs.numel()
        pointers = np.arange(0, corners * rows + 1, corners, dtype=np.int32)
        self.expect = sparse.csr_array(
            (weight.float().numpy().ravel(), index.int().numpy().ravel(), pointers), shape=(rows, grid.points)
        )
        self.cost: NDArray[np.float32] = costs.float().numpy()

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Least cost ``(points,)`` of a step and what follows it, worth ``values`` ``(points,)``."""
        best: NDArray[np.float32] = (self.cost + (self.expect @ values).reshape(self.cost.shape)).min(axis=1)
        return best


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
            "for one angle of limited speed, or on a grid of your own, CostToGo(..., grid=...). Set objective.beyond=0."
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
        PaigError: without a grid, if states have no bounds or more than one coordinate; when called for worlds whose
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
