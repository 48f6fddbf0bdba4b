"""What comes after the horizon: values on a grid, the cost to go, and a first action that hedges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from paig_control.agents.cem import CEM
from paig_control.agents.objectives import cost_function, pendulum_step_cost, reward_objective
from paig_control.agents.oracle import DynamicProgrammingOracle, Resolution
from paig_control.agents.receding import RecedingHorizon, hedge, supposed
from paig_control.agents.settings import CEMSettings, RewardSettings
from paig_control.agents.step_function import StepFunction
from paig_control.agents.terms import Sum
from paig_control.agents.value_iteration import Axis, CostToGo, Grid, return_terms
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import Coordinate
from paig_control.physics.registry import build_physics
from paig_control.types import State

LOW, HIGH = torch.tensor([-2.0]), torch.tensor([2.0])


def true_pendulum() -> Physics:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    return physics


def state_of(*rows: tuple[float, float]) -> State:
    both = torch.tensor(rows)
    return State(both[:, :1, None], both[:, 1:, None])


def test_interpolation_is_exact_for_planes_and_goes_round_circles() -> None:
    grid = Grid([Axis(0.0, 2 * math.pi, 12, circle=True), Axis(-8.0, 8.0, 9)])
    points = grid.states()
    plane = (2.0 * points.position + 3.0 * points.velocity)[:, 0, 0]
    state = state_of((0.3, -7.9), (4.0, 8.0))
    np.testing.assert_allclose(grid.interpolate(plane, state), [0.6 - 23.7, 8.0 + 24.0], rtol=1e-5)
    turned = State(state.position - 2 * torch.pi, state.velocity)
    np.testing.assert_allclose(grid.interpolate(plane, turned), grid.interpolate(plane, state), rtol=1e-5)


def test_interpolation_is_exact_for_planes_in_four_dimensions_and_stops_at_the_border() -> None:
    grid = Grid([Axis(-1.0, 1.0, 3), Axis(0.0, 4.0, 5), Axis(-2.0, 2.0, 4), Axis(0.0, 1.0, 2)], objects=1, dims=2)
    points = grid.states()
    plane = (points.position[:, 0] @ torch.tensor([1.0, -2.0]).double()) + points.velocity[:, 0, 0] * 0.5
    inside = State(torch.tensor([[[0.3, 1.7]]]), torch.tensor([[[-1.1, 0.2]]]))
    beyond = State(torch.tensor([[[9.0, 1.7]]]), torch.tensor([[[-1.1, 0.2]]]))
    assert float(grid.interpolate(plane, inside)) == pytest.approx(0.3 - 3.4 - 0.55, abs=1e-5)
    assert float(grid.interpolate(plane, beyond)) == pytest.approx(1.0 - 3.4 - 0.55, abs=1e-5)


def test_the_cost_to_go_of_a_linear_system_is_what_riccati_says() -> None:
    a, b = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0], [1.0]])
    q, r = np.diag([1.0, 0.1]), np.array([[5.0]])
    p = np.zeros((2, 2))
    for _ in range(60):
        gain = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
        p = q + a.T @ p @ (a - b @ gain)

    def glide(state: State, action: Tensor) -> State:
        return State(state.position + state.velocity, state.velocity + action[..., None])

    def judge(state: State, action: Tensor) -> Tensor:
        motion = state.position.square() + 0.1 * state.velocity.square()
        return motion.sum((-1, -2)) + 5.0 * action.square().sum(-1)

    grid = Grid([Axis(-6.0, 6.0, 121), Axis(-3.0, 3.0, 61)])
    cart = StepFunction(glide, [[Coordinate("x", "m")]], action_size=1)
    value = CostToGo(cart, judge, torch.tensor([-1.0]), torch.tensor([1.0]), steps=60, grid=grid)
    states = state_of((2.4, 0.0), (-2.0, 1.4), (2.4, -0.4))
    plans = State(*(x[:, None, None] for x in states))
    found = value(plans, torch.zeros(3, 1, 1, 1))[:, 0] + judge(states, torch.zeros(3, 1))
    x = torch.cat([states.position, states.velocity], -1)[:, 0].double().numpy()
    apart = found.numpy() - np.einsum("bi,ij,bj->b", x, p, x)  # actions in steps of 0.2 can only do worse
    assert (apart > 0).all()
    assert (apart < 0.5).all()


def test_a_short_plan_that_counts_what_follows_swings_up_as_well_as_the_oracle() -> None:
    physics, starts = true_pendulum(), state_of((math.pi, 0.0), (2.0, 0.5), (-2.6, -0.7), (0.9, 1.0))
    oracle = DynamicProgrammingOracle(physics, pendulum_step_cost, -2.0, 2.0, 120, Resolution(240, 161, 11))

    def total(beyond: int) -> np.ndarray:
        control = RecedingHorizon(CEM(CEMSettings(horizon=15, samples=100)), physics, LOW, HIGH)
        control.reset(seed=0)
        objective, state = Sum(return_terms("pendulum", physics, LOW, HIGH, beyond)), starts
        costs = torch.zeros(len(starts.position))
        for _ in range(120):
            action = control.act(state, objective)
            costs = costs + pendulum_step_cost(state, action)
            with torch.no_grad():
                state = physics.step(state, action)
        return costs.detach().numpy()

    assert (total(100) <= oracle.value(starts) + 5.0).all()
    assert total(0)[0] > oracle.value(starts)[0] + 30  # so short a plan alone does not find up


def test_the_cost_to_go_follows_constants_that_change() -> None:
    physics = true_pendulum()
    value = CostToGo(physics, pendulum_step_cost, LOW, HIGH, steps=40)
    hanging = State(*(x[:, None, None] for x in state_of((math.pi, 0.0))))
    before = value(hanging, torch.zeros(1, 1, 1, 1))
    physics.set_values({"gravity": 10.05})
    assert torch.equal(value(hanging, torch.zeros(1, 1, 1, 1)), before)  # hardly
    physics.set_values({"gravity": 2.0})
    assert value(hanging, torch.zeros(1, 1, 1, 1)) < before - 50


def test_the_cost_to_go_takes_the_constants_of_one_world_and_refuses_those_of_many() -> None:
    changed, physics = true_pendulum(), true_pendulum()
    changed.set_values({"gravity": 5.0})
    costs = [CostToGo(p, pendulum_step_cost, LOW, HIGH, steps=20) for p in (changed, physics)]
    states = State(*(x[:, None, None] for x in state_of((2.0, 1.0))))
    none = torch.zeros(1, 1, 1, 1)
    with physics.using({"gravity": torch.full((1, 1, 1, 1), 5.0)}):
        torch.testing.assert_close(costs[1](states, none), costs[0](states, none))
    with (
        physics.using({"gravity": torch.full((2, 1, 1, 1), 5.0)}),
        pytest.raises(PaigError, match="one environment at a time"),
    ):
        costs[1](states, none)


def test_what_has_no_bounds_or_too_many_points_is_refused() -> None:
    with pytest.raises(PaigError, match="no small bounded region"):
        return_terms("pendulum", build_physics("spring", dt=0.3), LOW, HIGH, 100)
    with pytest.raises(PaigError, match="beyond = -1"):
        RewardSettings(reward="pendulum", beyond=-1)
    with pytest.raises(PaigError, match="at most 1000000"):
        Grid([Axis(0.0, 1.0, 40)] * 4, dims=2)
    with pytest.raises(PaigError, match="expected 2"):
        Grid([Axis(0.0, 1.0, 40)])


def test_supposed_velocities_have_the_mean_and_the_spread_that_were_asked_for() -> None:
    state = State(torch.zeros(2, 2, 2), torch.arange(8.0).reshape(2, 2, 2))
    likely = supposed(state, 0.5).velocity.unflatten(0, (2, -1))
    torch.testing.assert_close(likely.mean(1), state.velocity)
    torch.testing.assert_close(likely[:, 0], state.velocity)
    torch.testing.assert_close(likely.std(1, correction=0), torch.full((2, 2, 2), 0.5))


def test_the_first_action_is_the_best_on_average_over_the_velocities() -> None:
    physics = true_pendulum()
    oracle = DynamicProgrammingOracle(physics, pendulum_step_cost, -2.0, 2.0, 100, Resolution(240, 161, 11))
    angles = torch.linspace(-3.1, 3.1, 32)
    state = State(angles[:, None, None], torch.zeros(32, 1, 1))
    objective = Sum(return_terms("pendulum", physics, LOW, HIGH, 80))
    planner, init = CEM(CEMSettings(horizon=15)), torch.zeros(32, 15, 1)

    def lost(action: Tensor) -> float:
        """Mean loss of a first action, by dynamic programming that then knows the velocity."""
        apart = []
        for speed in (-1.0, -0.5, 0.0, 0.5, 1.0):
            moving = State(state.position, torch.full_like(state.velocity, speed))
            with torch.no_grad():
                after = physics.step(moving, action)
            cost = pendulum_step_cost(moving, action).numpy() + oracle.value(after, 1)
            apart.append(cost - oracle.value(moving, 0))
        return float(np.mean(apart))

    def make(start: State, aim: object) -> object:
        return cost_function(physics, start, aim)  # type: ignore[arg-type]

    hedged = hedge(planner, make, state, objective, 0.58, init, LOW, HIGH)  # type: ignore[arg-type]
    blind = planner.plan(cost_function(physics, state, objective), init, LOW, HIGH)
    assert hedged.actions.shape == blind.actions.shape
    assert hedged.cost.shape == (32,)
    assert lost(hedged.actions[:, 0]) < 0.7 * lost(blind.actions[:, 0])


def test_hedging_for_many_environments_is_hedging_for_each() -> None:
    physics, state = true_pendulum(), state_of((1.6, 0.0), (2.5, 0.0))
    plans = []
    for rows in (slice(0, 2), slice(1, 2)):
        control = RecedingHorizon(CEM(CEMSettings(horizon=10)), physics, LOW, HIGH, start_speed=0.5)
        control.reset(seed=0)
        control.act(State(*(x[rows] for x in state)), reward_objective("pendulum"))
        assert control.plan is not None
        plans.append(control.plan)
    torch.testing.assert_close(plans[0].actions[1:], plans[1].actions)
    assert plans[0].effective_samples is None
