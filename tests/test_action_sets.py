"""Separate actions: filmed, imagined and chosen as rows of numbers."""

from __future__ import annotations

import math
import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch

from paig_control.agents.cem import CEM
from paig_control.agents.gradient import CEMGradient, Gradient
from paig_control.agents.icem import ICEM
from paig_control.agents.mppi import MPPI
from paig_control.agents.objectives import cost_function, goal_objective, taken
from paig_control.agents.receding import RecedingHorizon
from paig_control.agents.settings import (
    CEMGradientSettings,
    CEMSettings,
    GoalSettings,
    GradientSettings,
    ICEMSettings,
    MPPISettings,
)
from paig_control.border.action_set import ActionSet
from paig_control.data.collection import collect
from paig_control.errors import PaigError
from paig_control.evaluation.baselines import TrueWorld, optimal_agent, random_agent
from paig_control.experiment.compose import configure
from paig_control.goals.drawing import resolve
from paig_control.physics import build_physics
from paig_control.types import State

ROWS = [[-2.0], [0.0], [2.0]]


def test_of_any_action_the_nearest_row_is_taken_and_gradients_go_through() -> None:
    rows = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    actions = torch.tensor([[[0.2, 0.1]], [[0.3, 0.9]]], requires_grad=True)
    found = taken(actions, rows)
    assert found.tolist() == [[[1.0, 0.0]], [[0.0, 1.0]]]
    (2 * found).sum().backward()
    assert actions.grad is not None
    assert actions.grad.flatten().tolist() == [2.0] * 4
    assert taken(actions, None) is actions


@pytest.mark.parametrize(
    "planner",
    [
        CEM(CEMSettings(horizon=8, samples=60), 1),
        ICEM(ICEMSettings(horizon=8, samples=60), 1),
        MPPI(MPPISettings(horizon=8, samples=60), 1),
        Gradient(GradientSettings(horizon=8), 1),
        CEMGradient(CEMGradientSettings(horizon=8), 1),
    ],
    ids=["cem", "icem", "mppi", "gradient", "cem_gradient"],
)
def test_every_planner_chooses_among_the_rows(planner: CEM) -> None:
    physics = build_physics("pendulum", 0.05)
    goal = State(torch.zeros(2, 1, 1), torch.zeros(2, 1, 1))
    state = State(torch.tensor([2.5, -0.4]).reshape(2, 1, 1), torch.zeros(2, 1, 1))
    objective = goal_objective(physics, goal, GoalSettings())
    control = RecedingHorizon(planner, physics, [-2.0], [2.0], allowed=ROWS)
    control.act(state, objective)
    assert control.plan is not None
    assert set(control.plan.actions.flatten().tolist()) <= {-2.0, 0.0, 2.0}
    if isinstance(planner, (CEM, ICEM)):  # what was imagined is what will be done
        with torch.no_grad():
            cost = cost_function(physics, state, objective)(control.plan.actions[:, None])[:, 0]
        torch.testing.assert_close(control.plan.cost, cost, rtol=1e-4, atol=1e-4)


def test_full_pushes_alone_bring_a_pendulum_up_and_hold_it() -> None:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    objective = goal_objective(physics, State(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)), GoalSettings())
    for start in (0.15, -0.15):
        planner = CEM(CEMSettings(horizon=15, samples=60), 1)
        control = RecedingHorizon(planner, physics, [-2.0], [2.0], allowed=ROWS)
        state, off = State(torch.full((1, 1, 1), start), torch.zeros(1, 1, 1)), []
        with torch.no_grad():
            for _ in range(40):
                action = control.act(state, objective)
                assert action.item() in (-2.0, 0.0, 2.0)
                state = physics.step(state, action)
                off.append(float(physics.difference(state.position, torch.zeros(1, 1, 1)).abs()))
        assert max(off[20:]) < 0.1


def test_what_is_allowed_lies_within_the_bounds() -> None:
    with pytest.raises(PaigError, match="some lie beyond the bounds"):
        RecedingHorizon(CEM(CEMSettings(), 1), build_physics("pendulum", 0.05), [-1.0], [1.0], allowed=ROWS)


def test_films_keep_which_actions_there_are_and_draw_each_as_often() -> None:
    films = collect("paig/Pixels-v0", 20, 8, 0, valid=0, test=0, env_kwargs={"env_id": "Acrobot-v1", "size": 8})
    actions, often = np.unique(films.arrays["train_u"], return_counts=True)
    assert actions.tolist() == [-1.0, 0.0, 1.0]
    assert often.min() > 20  # of 140, 47 each expected
    assert films.meta["actions"] == [[-1.0], [0.0], [1.0]]
    assert films.meta["dt"] == 0.2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        films = collect("paig/Pixels-v0", 2, 8, 0, "zero", valid=0, test=0, env_kwargs={"env_id": "CartPole-v1"})
    assert set(films.arrays["train_u"].flatten().tolist()) == {-1.0}  # of two as near the first


def test_smooth_play_of_a_set_takes_its_rows_and_keeps_to_one_for_a_while() -> None:
    settings = {"env_id": "CartPole-v1", "size": 8, "endless": True}
    films = collect("paig/Pixels-v0", 20, 30, 0, "smooth", valid=0, test=0, env_kwargs=settings)
    actions = films.arrays["train_u"][..., 0]
    assert set(np.unique(actions)) == {-1.0, 1.0}
    assert (actions[:, 1:] == actions[:, :-1]).mean() > 0.65  # half of them where each is drawn anew


def test_a_pole_that_falls_early_is_filmed_on_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    kwargs = {"env_id": "CartPole-v1", "size": 8}
    fallen = collect("paig/Pixels-v0", 1, 120, 0, valid=0, test=0, env_kwargs=kwargs)
    length = int(fallen.arrays["train_lengths"][0])
    assert 8 <= length < 120
    last = fallen.arrays["train_truth_position"][0, length - 1, :, 0]
    assert 0.2 < np.abs(last[1]) < 0.4  # where it ends, which is filmed
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nor does Gymnasium warn of what was asked for
        films = collect("paig/Pixels-v0", 1, 120, 0, valid=0, test=0, env_kwargs={**kwargs, "endless": True})
    angle = films.arrays["train_truth_position"][0, :, 1, 0]
    assert np.abs(angle).max() > 1.0


def test_baselines_among_rows() -> None:
    space = ActionSet(ROWS)
    act = random_agent(space, [1, 2])
    drawn = np.stack([act(np.zeros((2, 1, 1, 3), np.uint8), None, t) for t in range(60)])
    assert drawn.shape == (60, 2, 1)
    for lane in range(2):
        assert set(drawn[:, lane].flatten().tolist()) == {-2.0, 0.0, 2.0}
    physics = build_physics("pendulum", 0.05)
    assert optimal_agent(TrueWorld(physics, "pendulum"), space, 3) is None
    assert optimal_agent(TrueWorld(physics, "pendulum"), gym.spaces.Box(-2, 2, (1,), np.float32), 3) is not None


@pytest.mark.parametrize("env_id", ["CartPole-v1", "dm_control/cartpole-swingup"])
def test_an_id_alone_names_an_environment(env_id: str) -> None:
    found = configure("collect", [f"env={env_id}", "env.kwargs.skip=2"]).env
    assert found.id == "paig/Pixels-v0"
    assert dict(found.kwargs) == {"env_id": env_id, "size": 64, "skip": 2}
    with pytest.raises(PaigError, match="did you mean"):
        configure("collect", ["env=sprin"])


def test_the_goal_of_a_known_environment_is_drawn_and_is_its_own() -> None:
    for env_id, state in (("CartPole-v1", [0.0] * 4), ("Acrobot-v1", [math.pi, 0.0, 0.0, 0.0])):
        env = gym.make("paig/Pixels-v0", env_id=env_id, size=24)
        goal = resolve(None, None, {}, env, (24, 24))
        _, info = env.reset(seed=0)
        np.testing.assert_array_equal(goal.image, info["goal"])
        assert goal.source == "the environment's own"
        assert info["goal_state"].ravel().tolist() == pytest.approx(state)
        _, there = env.reset(seed=0, options={"state": info["goal_state"]})
        assert there["success"]
        np.testing.assert_array_equal(there["goal"], env.unwrapped.draw(there["state"]))
        if env_id == "Acrobot-v1":  # it hangs down at its start
            assert not info["success"]
            assert (info["goal"] != env.unwrapped.draw(info["state"])).any()
        env.close()
    with pytest.raises(PaigError, match="There is no goal"):
        resolve(None, None, {}, gym.make("paig/Pixels-v0", env_id="MountainCar-v0", size=24), (24, 24))
