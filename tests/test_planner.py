"""The planner finds known optima, within its bounds, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import solve_discrete_are
from torch import Tensor

from paig_control.agents.cem import CEM
from paig_control.agents.objectives import cost_function, reward_objective
from paig_control.agents.sampling import shift
from paig_control.agents.settings import CEMSettings, NoiseSettings
from paig_control.errors import PaigError
from paig_control.physics.pendulum import Pendulum
from paig_control.types import State

LOW, HIGH = torch.tensor([-2.0]), torch.tensor([2.0])


def quadratic(actions: Tensor) -> Tensor:
    """Optimum 1 for every action: at neither the start nor the middle of the bounds."""
    return (actions - 1.0).square().sum(dim=(-1, -2))


def test_a_linear_quadratic_problem_costs_what_riccati_says() -> None:
    a = np.array([[1.0, 0.2], [0.0, 1.0]])
    b = np.array([[0.02], [0.2]])
    q, r = np.diag([1.0, 0.1]), np.array([[0.1]])
    p = solve_discrete_are(a, b, q, r)
    x0 = np.array([1.0, -0.5])
    best = x0 @ p @ x0
    at, bt, qt, pt = (torch.tensor(m, dtype=torch.float64) for m in (a, b, q, p))

    def cost(actions: Tensor) -> Tensor:
        x = torch.tensor(x0).expand(*actions.shape[:2], 2)
        total = torch.zeros(actions.shape[:2], dtype=torch.float64)
        for u in actions.unbind(dim=2):
            total = total + (x @ qt * x).sum(-1) + 0.1 * u[..., 0].square()
            x = x @ at.T + u @ bt.T
        return total + (x @ pt * x).sum(-1)  # Riccati's cost to go makes the finite horizon exact

    white = NoiseSettings(knots=12, spread=0.5)
    settings = CEMSettings(horizon=12, samples=800, iterations=30, elites=60, min_spread=0.001, warm=white, fresh=white)
    plan = CEM(settings).plan(cost, torch.zeros(1, 12, 1, dtype=torch.float64), LOW.double() * 2, HIGH.double() * 2)
    gain = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
    assert float(plan.cost[0]) >= best - 1e-9
    assert float(plan.cost[0]) == pytest.approx(best, rel=0.01)
    assert float(plan.actions[0, 0, 0]) == pytest.approx(float(-(gain @ x0)[0]), abs=0.15)
    assert abs(float(-(gain @ x0)[0])) > 0.3  # the optimum is not where the search starts


def test_a_non_convex_problem_is_solved_as_brute_force_solves_it() -> None:
    def cost(actions: Tensor) -> Tensor:
        x = actions[..., 0, 0]
        return torch.sin(5 * x) + 0.1 * (x - 1.5).square()

    every = torch.linspace(-2, 2, 40001).reshape(1, -1, 1, 1)
    costs = cost(every)[0]
    settings = CEMSettings(horizon=1, samples=100, iterations=5)
    plan = CEM(settings).plan(cost, torch.full((1, 1, 1), -1.6), LOW, HIGH)
    assert float(plan.cost[0]) == pytest.approx(float(costs.min()), abs=1e-3)
    assert float(plan.actions) == pytest.approx(float(every.flatten()[costs.argmin()]), abs=0.02)


def test_every_candidate_is_within_the_bounds_and_optima_outside_end_at_them() -> None:
    low, high = torch.tensor([-1.0, 0.2]), torch.tensor([0.5, 0.3])
    plan = CEM(CEMSettings(horizon=20)).plan(quadratic, torch.full((2, 20, 2), 9.0), low, high)
    assert bool(((plan.candidates >= low) & (plan.candidates <= high)).all())
    torch.testing.assert_close(plan.actions, high.expand(2, 20, 2))


def test_one_elite_gives_a_finite_spread_above_its_floor() -> None:
    settings = CEMSettings(horizon=10, elites=1, min_spread=0.05)
    plan = CEM(settings).plan(quadratic, torch.zeros(1, 10, 1), LOW, HIGH)
    torch.testing.assert_close(plan.spread, torch.full((1, 10, 1), 0.1))
    assert float(plan.cost[0]) < 5.0


def test_a_plan_never_costs_more_than_the_one_it_started_from() -> None:
    init = torch.stack([torch.full((30, 1), 1.0), torch.full((30, 1), 0.99), torch.zeros(30, 1)])
    plan = CEM(CEMSettings(horizon=30, iterations=1)).plan(quadratic, init, LOW, HIGH)
    start = quadratic(init[:, None])[:, 0]
    assert bool((plan.cost <= start).all())
    assert float(plan.cost[0]) == 0.0
    torch.testing.assert_close(plan.actions[0], init[0])
    torch.testing.assert_close(quadratic(plan.actions[:, None])[:, 0], plan.cost)


def test_the_same_seed_gives_the_same_plan() -> None:
    init = torch.zeros(1, 15, 1)
    planner = CEM(CEMSettings(horizon=15), seed=3)
    first = planner.plan(quadratic, init, LOW, HIGH)
    second = planner.plan(quadratic, init, LOW, HIGH)
    planner.reseed(3)
    again = planner.plan(quadratic, init, LOW, HIGH)
    torch.testing.assert_close(first.actions, again.actions, rtol=0, atol=0)
    assert not torch.equal(first.actions, second.actions)


def test_a_plan_does_not_depend_on_the_batch_it_sits_in() -> None:
    physics = Pendulum()
    physics.set_values({"gravity": 10.0})
    angle = torch.tensor([3.1, -2.0, 0.3]).reshape(3, 1, 1)

    def plan(which: slice) -> Tensor:
        state = State(angle[which], torch.zeros_like(angle[which]))
        cost = cost_function(physics, state, reward_objective("pendulum"))
        return CEM(seed=1).plan(cost, torch.zeros(len(state.position), 40, 1), LOW, HIGH).actions

    torch.testing.assert_close(plan(slice(0, 3))[1:2], plan(slice(1, 2)), rtol=1e-3, atol=1e-3)


def test_costs_that_are_not_finite_count_as_worst() -> None:
    def cost(actions: Tensor) -> Tensor:
        costs = quadratic(actions)
        costs = torch.where(actions[:, :, 0, 0] > 1.2, torch.nan, costs)
        return torch.where(actions[:, :, 0, 0] < -1.0, -torch.inf, costs)

    plan = CEM(CEMSettings(horizon=5, iterations=6)).plan(cost, torch.full((1, 5, 1), 2.0), LOW, HIGH)
    assert float(plan.cost[0]) < 0.2
    assert bool(torch.isfinite(plan.actions).all())
    assert bool(torch.isfinite(plan.spread).all())


def test_a_cost_that_is_never_finite_is_an_error_that_names_it() -> None:
    state = State(torch.full((1, 1, 1), torch.nan), torch.zeros(1, 1, 1))
    cost = cost_function(Pendulum(), state, reward_objective("pendulum"))
    with pytest.raises(PaigError, match="cost pendulum is not finite"):
        CEM().plan(cost, torch.zeros(1, 40, 1), LOW, HIGH)

    def flat(actions: Tensor) -> Tensor:
        return actions.sum()

    with pytest.raises(PaigError, match="cost flat returned shape"):
        CEM().plan(flat, torch.zeros(1, 40, 1), LOW, HIGH)


def test_impossible_problems_are_refused() -> None:
    init = torch.zeros(1, 5, 1)
    for bad, low, high, message in (
        (init, HIGH, LOW, "bounds cross"),
        (init[:, :0], LOW, HIGH, "horizon is 0"),
        (init, LOW.expand(2), HIGH, "low has shape"),
        (init, LOW, HIGH * torch.inf, "finite bounds"),
        (init[0], LOW, HIGH, "init has shape"),
        (init * torch.nan, LOW, HIGH, "init has values"),
    ):
        with pytest.raises(PaigError, match=message):
            CEM().plan(quadratic, bad, low, high)


def test_knots_make_smooth_plans_and_as_many_as_actions_make_white_noise() -> None:
    def roughness(knots: int) -> float:
        noise = NoiseSettings(knots=knots, spread=0.2, crowding=1.0)
        settings = CEMSettings(horizon=40, samples=400, iterations=1, warm=noise, fresh=noise)
        candidates = CEM(settings).plan(quadratic, torch.zeros(1, 40, 1), LOW, HIGH).candidates[0, 1:200, :, 0]
        assert float(candidates.std()) == pytest.approx(0.4, rel=0.05)
        return float(candidates.diff(dim=1).std() / candidates.std())

    assert roughness(40) == pytest.approx(2**0.5, rel=0.05)
    assert roughness(8) < 0.4


def test_a_warm_start_is_the_plan_one_step_later() -> None:
    plan = torch.arange(4.0).reshape(1, 4, 1)
    assert shift(plan).flatten().tolist() == [1.0, 2.0, 3.0, 3.0]
