"""The oracles are what they claim: optimal on the true pendulum, and told the truth only."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from paig_control.agents.cem import CEM
from paig_control.agents.objectives import pendulum_step_cost, reward_objective
from paig_control.agents.oracle import DynamicProgrammingOracle, PlannerOracle, Resolution
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.types import State

EPISODES = 10


def true_pendulum() -> Physics:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    return physics


@pytest.fixture(scope="module")
def oracle() -> DynamicProgrammingOracle:
    return DynamicProgrammingOracle(true_pendulum(), pendulum_step_cost, -2.0, 2.0, resolution=Resolution(240, 161, 7))


def as_state(true_states: list[np.ndarray]) -> State:
    both = torch.tensor(np.array(true_states), dtype=torch.float64)
    return State(both[:, :1, None], both[:, 1:, None])


@pytest.fixture(scope="module")
def played(oracle: DynamicProgrammingOracle) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns in the real Pendulum-v1 of both oracles, and what the first predicted at the start."""
    planner = PlannerOracle(CEM(), true_pendulum(), reward_objective("pendulum"), [-2.0], [2.0])
    returns = np.zeros((2, EPISODES))
    for which in (0, 1):
        envs = [gymnasium.make("Pendulum-v1").unwrapped for _ in range(EPISODES)]
        for i, env in enumerate(envs):
            env.reset(seed=1000 + i)
        predicted = -oracle.value(as_state([env.state for env in envs]))
        for t in range(200):
            state = as_state([env.state for env in envs])
            actions = oracle.act(state, t) if which == 0 else planner.act(state)
            returns[which] += [env.step(action)[1] for env, action in zip(envs, actions, strict=True)]
    return returns[0], returns[1], predicted


def test_the_oracle_gets_in_the_real_environment_what_its_values_promise(
    played: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    reached, _, predicted = played
    assert reached.mean() == pytest.approx(predicted.mean(), abs=5.0)
    assert np.median(np.abs(reached - predicted)) < 3.0


def test_no_planner_beats_the_oracle_and_ours_comes_near(
    played: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    dynamic, planner, _ = played
    assert planner.mean() <= dynamic.mean() + 0.5
    assert planner.mean() >= dynamic.mean() - 12.0


def test_a_finer_grid_changes_little(oracle: DynamicProgrammingOracle) -> None:
    coarse = DynamicProgrammingOracle(true_pendulum(), pendulum_step_cost, -2.0, 2.0, resolution=Resolution(120, 81, 7))
    rng = np.random.default_rng(0)
    state = as_state(list(rng.uniform([-np.pi, -1], [np.pi, 1], (300, 2))))
    assert oracle.value(state).mean() == pytest.approx(coarse.value(state).mean(), rel=0.03)


def test_with_one_step_to_go_only_effort_counts_and_none_is_spent(oracle: DynamicProgrammingOracle) -> None:
    state = as_state([np.array([2.0, 1.0]), np.array([-1.0, 3.0])])
    np.testing.assert_allclose(oracle.act(state, 199), 0.0, atol=1e-6)


def test_wrong_uses_are_refused(oracle: DynamicProgrammingOracle) -> None:
    with pytest.raises(PaigError, match="t = 200"):
        oracle.act(as_state([np.zeros(2)]), 200)
    with pytest.raises(PaigError, match="bounds cross"):
        DynamicProgrammingOracle(true_pendulum(), pendulum_step_cost, 2.0, -2.0)
