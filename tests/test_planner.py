"""Every planner finds known optima, within its bounds, whatever the batch, and says what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from paig_control.agents.cem import CEM
from paig_control.agents.gradient import CEMGradient, Gradient
from paig_control.agents.icem import ICEM
from paig_control.agents.mppi import MPPI, path_weights
from paig_control.agents.objectives import cost_function, reward_objective
from paig_control.agents.problem import SearchPlanner
from paig_control.agents.registry import PLANNERS
from paig_control.agents.sampling import coloured_noise, shift
from paig_control.agents.settings import (
    CEMGradientSettings,
    CEMSettings,
    GradientSettings,
    ICEMSettings,
    MPPISettings,
    NoiseSettings,
)
from paig_control.errors import PaigError
from paig_control.experiment.compose import configure
from paig_control.experiment.factories import make_planner
from paig_control.physics.registry import build_physics
from paig_control.types import State

LOW, HIGH = torch.tensor([-2.0]), torch.tensor([2.0])
every_planner = pytest.mark.parametrize("name", sorted(PLANNERS))
Make = Callable[[int], SearchPlanner[Any]]


def quadratic(actions: Tensor) -> Tensor:
    """Optimum 1 for every action: at neither the start nor the middle of the bounds."""
    return (actions - 1.0).square().sum(dim=(-1, -2))


def riccati(a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Cost matrix and gain of the first of ``steps`` steps, ``q`` also the cost of the last state."""
    p, gain = q, np.zeros((b.shape[1], a.shape[0]))
    for _ in range(steps):
        gain = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
        p = q + a.T @ p @ (a - b @ gain)
    return p, gain


WHITE = NoiseSettings(knots=12, spread=0.5)
LINEAR: dict[str, tuple[Make, float]] = {
    "cem": (lambda seed: CEM(CEMSettings(12, 400, 25, 40, 0.001, WHITE, WHITE), seed), 0.01),
    "icem": (lambda seed: ICEM(ICEMSettings(12, 300, 25, 30, 0.5, 0.5, 0.001, decay=1.02), seed), 0.01),
    "mppi": (lambda seed: MPPI(MPPISettings(12, 400, 40, 0.2, 0.9, WHITE), seed), 0.01),
    "gradient": (lambda seed: Gradient(GradientSettings(12, 2, 120), seed), 0.0001),
    "cem_gradient": (lambda seed: CEMGradient(CEMGradientSettings(12, steps=80, learning_rate=0.1), seed), 0.0005),
}


@every_planner
def test_a_linear_quadratic_problem_costs_what_riccati_says(name: str) -> None:
    a, b = np.array([[1.0, 0.2], [0.0, 1.0]]), np.array([[0.02], [0.2]])
    q, r = np.diag([1.0, 0.1]), np.array([[0.1]])
    starts = np.array([[1.0, -0.5], [-0.7, 1.0]])
    p, gain = riccati(a, b, q, r, 12)
    at, bt, qt = (torch.tensor(m) for m in (a, b, q))

    def cost(actions: Tensor) -> Tensor:
        x = torch.tensor(starts)[:, None].expand(-1, actions.shape[1], 2)
        total = (x @ qt * x).sum(-1)
        for u in actions.unbind(dim=2):
            x = x @ at.T + u @ bt.T
            total = total + (x @ qt * x).sum(-1) + 0.1 * u[..., 0].square()
        return total

    make, tolerance = LINEAR[name]
    plan = make(0).plan(cost, torch.zeros(2, 12, 1, dtype=torch.float64), 2 * LOW.double(), 2 * HIGH.double())
    for x0, found, actions in zip(starts, plan.cost.tolist(), plan.actions, strict=True):
        best = x0 @ p @ x0
        assert best - 1e-9 <= found <= best * (1 + tolerance)
        assert float(actions[0, 0]) == pytest.approx(-(gain @ x0)[0], abs=2 * tolerance**0.5)
        assert abs((gain @ x0)[0]) > 0.3  # the optimum is not where the search starts
    assert plan.improved.tolist() == [True, True]


def valleys(actions: Tensor) -> Tensor:
    """Two actions, one of many valleys the deepest: the second follows the first."""
    x, y = actions[..., 0, 0], actions[..., 1, 0]
    return torch.sin(5 * x) + 0.1 * (x - 1.5).square() + torch.sin(4 * y + x) + 0.1 * (y + 1.0).square()


WIDE = NoiseSettings(knots=2, spread=1.0)
MANY: dict[str, Make] = {
    "cem": lambda seed: CEM(CEMSettings(2, 300, 12), seed),
    "icem": lambda seed: ICEM(ICEMSettings(2, 1000, 15, 10, beta=0.0, spread=1.5, min_spread=0.01), seed),
    "mppi": lambda seed: MPPI(MPPISettings(2, 500, 15, 0.02, 0.8, WIDE), seed),
    "gradient": lambda seed: Gradient(GradientSettings(2, 64, 60, noise=WIDE), seed),
    "cem_gradient": lambda seed: CEMGradient(CEMGradientSettings(2, 300, 5, steps=30), seed),
}


@every_planner
@pytest.mark.parametrize("seed", range(3))
def test_a_non_convex_problem_is_solved_as_brute_force_solves_it(name: str, seed: int) -> None:
    line = torch.linspace(-2, 2, 801)
    every = torch.cartesian_prod(line, line)[None, :, :, None]
    costs = valleys(every)[0]
    plan = MANY[name](seed).plan(valleys, torch.full((1, 2, 1), -1.6), LOW, HIGH)
    assert float(plan.cost[0]) == pytest.approx(float(costs.min()), abs=5e-3)
    torch.testing.assert_close(plan.actions[0], every[0, costs.argmin()], rtol=0, atol=0.03)


def test_descent_alone_stays_in_its_valley_where_sampling_finds_the_deepest() -> None:
    init = torch.full((1, 2, 1), -1.6)
    local = Gradient(GradientSettings(2, starts=1, steps=100)).plan(valleys, init, LOW, HIGH)
    at = local.actions.clone().requires_grad_()
    (slope,) = torch.autograd.grad(valleys(at).sum(), at)
    assert float(slope.abs().max()) < 0.01  # it did descend to the bottom of its valley
    assert float(local.cost) > float(MANY["cem"](0).plan(valleys, init, LOW, HIGH).cost) + 0.5


@every_planner
def test_every_candidate_is_within_the_bounds_and_optima_outside_end_at_them(name: str) -> None:
    low, high = torch.tensor([-1.0, 0.2]), torch.tensor([0.5, 0.3])
    seen: list[Tensor] = []

    def cost(actions: Tensor) -> Tensor:
        seen.append(actions.detach())
        return quadratic(actions)

    plan = PLANNERS[name](type(PLANNERS[name]().settings)(horizon=20)).plan(
        cost, torch.full((2, 20, 2), 9.0), low, high
    )
    for candidates in [*seen, plan.candidates, plan.actions]:
        assert bool(((candidates >= low) & (candidates <= high)).all())
    torch.testing.assert_close(plan.actions, high.expand(2, 20, 2), rtol=0, atol=1e-6)  # where the start was cut to
    inner = PLANNERS[name]().plan(cost, torch.zeros(2, 20, 2), low, high)
    assert bool((inner.actions - high).abs().mean() < 0.1)


def test_one_elite_gives_a_finite_spread_above_its_floor() -> None:
    settings = CEMSettings(horizon=10, elites=1, min_spread=0.05)
    plan = CEM(settings).plan(quadratic, torch.zeros(1, 10, 1), LOW, HIGH)
    torch.testing.assert_close(plan.spread, torch.full((1, 10, 1), 0.1))
    assert float(plan.cost[0]) < 5.0


@every_planner
def test_a_plan_never_costs_more_than_its_start_and_says_whether_it_is_better(name: str) -> None:
    init = torch.stack([torch.full((30, 1), 1.0), torch.full((30, 1), -1.0), torch.zeros(30, 1)])
    plan = PLANNERS[name]().plan(quadratic, init, LOW, HIGH)
    start = quadratic(init[:, None])[:, 0]
    assert plan.improved.tolist() == [False, True, True]
    assert bool((plan.cost < start)[1:].all())
    assert float(plan.cost[0]) == 0.0
    torch.testing.assert_close(plan.actions[0], init[0], rtol=0, atol=0)
    torch.testing.assert_close(quadratic(plan.actions[:, None])[:, 0], plan.cost)
    torch.testing.assert_close(quadratic(plan.candidates), plan.candidate_costs)
    assert bool((plan.spread >= 0).all())


@every_planner
def test_the_same_seed_gives_the_same_plan(name: str) -> None:
    init = torch.zeros(1, 15, 1)
    planner = PLANNERS[name](seed=3)
    first = planner.plan(quadratic, init, LOW, HIGH)
    second = planner.plan(quadratic, init, LOW, HIGH)
    planner.reseed(3)
    again = planner.plan(quadratic, init, LOW, HIGH)
    torch.testing.assert_close(first.candidates, again.candidates, rtol=0, atol=0)
    torch.testing.assert_close(first.actions, again.actions, rtol=0, atol=0)
    assert not torch.equal(first.candidates, second.candidates)


@every_planner
def test_a_plan_does_not_depend_on_the_batch_it_sits_in(name: str) -> None:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0})
    angle = torch.tensor([3.1, -2.0, 0.3]).reshape(3, 1, 1).double()

    def plan(which: slice) -> Tensor:
        state = State(angle[which], torch.zeros_like(angle[which]))
        cost = cost_function(physics, state, reward_objective("pendulum"))
        init = torch.zeros(len(state.position), 40, 1).double()
        return PLANNERS[name](seed=1).plan(cost, init, LOW.double(), HIGH.double()).actions

    torch.testing.assert_close(plan(slice(0, 3))[1:2], plan(slice(1, 2)), rtol=1e-3, atol=1e-3)


@every_planner
def test_costs_that_are_not_finite_count_as_worst(name: str) -> None:
    def cost(actions: Tensor) -> Tensor:
        costs = quadratic(actions)
        costs = torch.where(actions[:, :, 0, 0] > 1.2, torch.nan, costs)
        return torch.where(actions[:, :, 0, 0] < -1.0, -torch.inf, costs)

    plan = PLANNERS[name]().plan(cost, torch.full((1, 5, 1), 2.0), LOW, HIGH)
    assert float(plan.cost[0]) < 2.0  # zeros would cost 5
    assert plan.improved.tolist() == [True]  # than a start that costs NaN
    assert bool(torch.isfinite(plan.actions).all())
    assert bool(torch.isfinite(plan.spread).all())


@every_planner
def test_a_cost_that_is_never_finite_or_no_cost_is_an_error_that_names_it(name: str) -> None:
    planner = PLANNERS[name]()
    state = State(torch.full((1, 1, 1), torch.nan), torch.zeros(1, 1, 1))
    cost = cost_function(build_physics("pendulum", 0.05), state, reward_objective("pendulum"))
    with pytest.raises(PaigError, match="cost pendulum is not finite"):
        planner.plan(cost, torch.zeros(1, 40, 1), LOW, HIGH)

    def flat(actions: Tensor) -> Tensor:
        return actions.sum()

    def array(actions: Tensor) -> Any:
        return quadratic(actions).detach().numpy()

    for wrong, message in ((flat, "cost flat returned shape"), (array, "cost array returned a ndarray")):
        with pytest.raises(PaigError, match=message):
            planner.plan(wrong, torch.zeros(1, 40, 1), LOW, HIGH)


@every_planner
def test_a_cost_of_another_precision_leaves_the_plan_in_that_of_its_start(name: str) -> None:
    plan = PLANNERS[name]().plan(lambda u: quadratic(u.double()), torch.zeros(1, 5, 1), LOW, HIGH)
    assert {part.dtype for part in (plan.actions, plan.cost, plan.spread, plan.candidates)} == {torch.float32}
    assert float(plan.cost) < 1.0


@every_planner
def test_impossible_problems_are_refused(name: str) -> None:
    init = torch.zeros(1, 5, 1)
    for bad, low, high, message in (
        (init, HIGH, LOW, "bounds cross"),
        (init[:, :0], LOW, HIGH, "horizon is 0"),
        (init, LOW.expand(2), HIGH, "low has shape"),
        (init, LOW, HIGH * torch.inf, "finite bounds"),
        (init[0], LOW, HIGH, "init has shape"),
        (init * torch.nan, LOW, HIGH, "init has values"),
        (init.long(), LOW, HIGH, "init has type"),
    ):
        with pytest.raises(PaigError, match=message):
            PLANNERS[name]().plan(quadratic, bad, low, high)


def test_actions_of_another_size_than_the_physics_are_refused() -> None:
    cost = cost_function(
        build_physics("pendulum", 0.05), State(torch.ones(2, 1, 1), torch.zeros(2, 1, 1)), reward_objective("pendulum")
    )
    for shape, message in (((2, 5, 3), "size 3: .* pendulum has 1 action"), ((3, 5, 1), "3 problems .* expected 2")):
        bound = torch.ones(shape[-1])
        with pytest.raises(PaigError, match=message):
            CEM().plan(cost, torch.zeros(shape), -bound, bound)


def test_coloured_noise_has_variance_one_and_the_power_law_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    for horizon, beta in ((1, 2.0), (40, 0.0), (40, 2.0), (41, 3.0)):
        noise = coloured_noise(20000, beta, torch.zeros(1, horizon, 2), generator)
        assert noise.shape == (20000, horizon, 2)
        torch.testing.assert_close(noise.var(dim=0), torch.ones(horizon, 2), rtol=0, atol=0.06)
        if horizon > 1:
            power = torch.fft.rfft(noise, dim=1).abs().square().mean(dim=(0, 2))
            assert float(torch.log2(power[2] / power[16])) / 3 == pytest.approx(beta, abs=0.05)


def test_kept_elites_go_into_the_next_iteration_and_the_next_plan_and_nowhere_else() -> None:
    seen: list[Tensor] = []

    def cost(actions: Tensor) -> Tensor:
        seen.append(actions[0].clone())
        return quadratic(actions)

    settings = ICEMSettings(horizon=8, samples=100, iterations=3, elites=10, keep=0.5, decay=2.0)
    planner = ICEM(settings)
    plan = planner.plan(cost, torch.zeros(1, 8, 1), LOW, HIGH)
    assert [len(candidates) for candidates in seen] == [1 + 100, 5 + 50, 5 + 25 + 1]
    best = seen[0][quadratic(seen[0][None])[0].argsort()[:5]]
    torch.testing.assert_close(seen[1][:5], best, rtol=0, atol=0)
    last = seen[2][quadratic(seen[2][None])[0].argsort()[:5]]
    later = shift(shift(plan.actions))  # two actions were taken in the meantime
    planner.plan(cost, later, LOW, HIGH)
    torch.testing.assert_close(seen[3][1:6], shift(shift(last)), rtol=0, atol=0)
    planner.plan(cost, torch.zeros(1, 8, 1), LOW, HIGH)
    assert len(seen[6]) == 101  # another problem starts afresh
    planner.reseed(0)
    planner.plan(cost, torch.zeros(1, 8, 1), LOW, HIGH)
    torch.testing.assert_close(seen[9], seen[0], rtol=0, atol=0)


def test_the_effective_sample_size_goes_from_one_to_all_with_the_temperature() -> None:
    def effective(temperature: float) -> float:
        settings = MPPISettings(horizon=10, samples=100, temperature=temperature)
        found = MPPI(settings).plan(quadratic, torch.zeros(1, 10, 1), LOW, HIGH).effective_samples
        assert found is not None
        return float(found[0])

    sizes = [effective(temperature) for temperature in (1e-4, 0.1, 1.0, 1e4)]
    assert sizes == sorted(sizes)
    assert sizes[0] == pytest.approx(1.0, abs=0.01)
    assert sizes[-1] == pytest.approx(100.0, abs=0.01)
    assert CEM().plan(quadratic, torch.zeros(1, 10, 1), LOW, HIGH).effective_samples is None


def test_candidates_weigh_by_their_cost_in_units_of_the_mean_cost_above_the_best() -> None:
    costs = torch.tensor([[1.0, 2.0, 4.0, torch.inf], [3.0, 3.0, 3.0, 3.0]])
    expected = np.exp(-np.array([0.0, 1.0, 3.0, np.inf]) / (0.5 * 4 / 3))
    weights = path_weights(costs, temperature=0.5).numpy()
    np.testing.assert_allclose(weights[0], expected / expected.sum(), rtol=1e-6)
    np.testing.assert_allclose(weights[1], 0.25, rtol=1e-6)
    np.testing.assert_allclose(path_weights(1000 * costs, 0.5).numpy(), weights, rtol=1e-5)


def test_a_start_whose_gradient_breaks_goes_back_to_its_last_good_plan() -> None:
    def cost(actions: Tensor) -> Tensor:
        edge = torch.where(actions < 0.5, 0.5 - actions, 0.0 * actions)  # beyond 0.5 the slope of its root is no number
        return quadratic(actions) + 0.0 * edge.sqrt().sum(dim=(-1, -2))

    plan = Gradient(GradientSettings(3, starts=1, steps=40)).plan(cost, torch.zeros(1, 3, 1), LOW, HIGH)
    assert bool(torch.isfinite(plan.actions).all())
    assert bool(((plan.actions > 0.45) & (plan.actions < 0.8)).all())
    stuck = torch.full((1, 1, 1), 1.9)
    alone = Gradient(GradientSettings(1, starts=1)).plan(cost, stuck, LOW, HIGH)
    others = Gradient(GradientSettings(1, starts=8)).plan(cost, stuck, LOW, HIGH)
    assert alone.improved.tolist() == [False]
    assert float(others.cost) < 0.3 < float(alone.cost)


@pytest.mark.parametrize("name", ["gradient", "cem_gradient"])
def test_descent_needs_a_gradient_and_finds_it_in_inference_mode_too(name: str) -> None:
    init = torch.zeros(1, 5, 1)
    for cost in (lambda u: quadratic(u.detach()), lambda u: torch.ones(u.shape[:2], requires_grad=True) * 1.0):
        with pytest.raises(PaigError, match="has no gradient with respect to the actions"):
            PLANNERS[name]().plan(cost, init, LOW, HIGH)
    with torch.inference_mode():
        target = torch.ones(1)
        assert float(PLANNERS[name]().plan(quadratic, init.clone(), LOW, HIGH).cost) < 0.5
    with pytest.raises(PaigError, match=r"tensors made in torch.inference_mode"):
        PLANNERS[name]().plan(lambda u: (target * u).square().sum(dim=(-1, -2)), init, LOW, HIGH)


def test_the_command_line_makes_every_planner_with_its_settings() -> None:
    for name, kind in PLANNERS.items():
        config = configure("control", [f"planner={name}", "planner.horizon=7"])
        planner = make_planner(config.planner, seed=1)
        assert type(planner) is kind
        assert planner.horizon == 7
        assert configure("control", [f"planner={name}", "env=spring"]).planner.horizon == 3  # the environment's


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (ICEMSettings, {"beta": -1.0}),
        (ICEMSettings, {"keep": 1.5}),
        (ICEMSettings, {"elites": 101}),
        (ICEMSettings, {"decay": 0.5}),
        (MPPISettings, {"temperature": 0.0}),
        (MPPISettings, {"cooling": 1.5}),
        (MPPISettings, {"horizon": 0}),
        (GradientSettings, {"starts": 0}),
        (GradientSettings, {"learning_rate": 0.0}),
        (CEMGradientSettings, {"polished": 0}),
        (CEMGradientSettings, {"elites": 500}),
    ],
)
def test_settings_that_cannot_work_are_refused(kind: type[Any], wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(PaigError, match=f"{name} = .* expected"):
        kind(**wrong)


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
