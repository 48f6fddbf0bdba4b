"""Goal-conditioned learners find dictionaries, rewards that can be computed again, and goals of their own."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import paig_control  # noqa: F401
from paig_control.envs.goal_env import GoalEnv
from paig_control.errors import PaigError
from paig_control.experiment.compose import configure

IDS = sorted(name for name in gym.registry if name.startswith("paig_goal/"))
VIEWS = ({}, {"observation": "state", "reward": "dense"}, {"goal": "image"})
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def play(name, steps=6, **settings):
    env = gym.make(name, **settings)
    env.action_space.seed(0)
    seen, _ = env.reset(seed=1)
    rows = []
    for _ in range(steps):
        seen, reward, _, _, info = env.step(env.action_space.sample())
        rows.append((seen["achieved_goal"], seen["desired_goal"], reward, info))
    return env, rows


@pytest.mark.parametrize("name", IDS)
def test_every_scene_has_one_and_gymnasiums_checker_accepts_it(name):
    assert len(IDS) == 6
    check_env(gym.make(name, observation="state", disable_env_checker=True), skip_render_check=True)


@pytest.mark.parametrize("settings", VIEWS)
def test_every_view_is_accepted_by_gymnasiums_checker(settings):
    check_env(gym.make("paig_goal/Spring-v0", disable_env_checker=True, **settings), skip_render_check=True)


@pytest.mark.parametrize("name", ["paig_goal/Pendulum-v0", "paig_goal/Spring-v0"])
@pytest.mark.parametrize("settings", VIEWS)
def test_rewards_computed_again_and_for_many_at_once_are_those_that_were_paid(name, settings):
    env, rows = play(name, **settings)
    compute = env.get_wrapper_attr("compute_reward")
    achieved, desired, paid, infos = (list(column) for column in zip(*rows, strict=True))
    np.testing.assert_allclose(compute(np.stack(achieved), np.stack(desired), infos), paid)
    np.testing.assert_allclose([compute(*row[:2], row[3]) for row in rows], paid)
    assert (compute(np.stack(achieved), np.stack(achieved), infos) == 0).all()


def test_the_sparse_reward_is_zero_at_the_goal_and_minus_one_elsewhere():
    env = gym.make("paig_goal/Spring-v0", max_force=1e-6, observation="state")
    goal = np.array([[[10.0, 16.0], [22.0, 16.0]], [[0.0, 0.0], [0.0, 0.0]]])
    near = np.array([[1.4, 0.0], [1.4, 0.0]])
    for offset, reward in ((0.0, 0.0), (near, 0.0), (1.2 * near, -1.0)):
        start = goal + np.stack([np.broadcast_to(offset, (2, 2)), np.zeros((2, 2))])
        seen, _ = env.reset(options={"state": start, "goal": goal})
        np.testing.assert_array_equal(seen["observation"], start.ravel())
        np.testing.assert_array_equal(seen["desired_goal"], goal[0].ravel())
        *_, info = step = env.step(np.zeros(4, np.float32))
        assert step[1] == reward
        assert info["success"] == (reward == 0.0)


def test_angles_are_compared_the_short_way_round():
    env = gym.make("paig_goal/Pendulum-v0", reward="dense").unwrapped
    env = GoalEnv(env, reward="dense")
    one, other = (np.array([np.cos(a), np.sin(a)]) for a in (np.pi - 0.1, -np.pi + 0.2))
    assert env.compute_reward(one, other, {}) == pytest.approx(-0.3)


def test_an_image_that_is_the_goal_has_no_error():
    env = gym.make("paig_goal/Spring-v0", goal="image", observation="image")
    _, info = env.reset(seed=0)
    seen, _ = env.reset(options={"state": info["goal_state"], "goal": info["goal_state"]})
    np.testing.assert_array_equal(seen["achieved_goal"], seen["desired_goal"])
    np.testing.assert_array_equal(seen["observation"], seen["desired_goal"])


def test_every_episode_has_its_own_goal_and_learning_never_those_of_the_test():
    goals = {}
    for split in ("train", "test"):
        env = gym.make("paig_goal/Spring-v0", split=split)
        goals[split] = [env.reset(seed=seed)[1]["goal_state"] for seed in (0, None, 0)]
    assert (goals["train"][0] == goals["train"][2]).all()
    assert (goals["train"][0] != goals["train"][1]).any()
    assert (goals["train"][0] != goals["test"][0]).any()


def test_the_unmodified_pendulum_has_goals_too():
    env = GoalEnv(gym.make("paig/Pixels-v0"), observation="state", steps=60)
    seen, info = env.reset(seed=0)
    angle, velocity = info["state"].ravel()
    np.testing.assert_allclose(seen["observation"], [np.cos(angle), np.sin(angle), velocity])
    assert not info["success"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"goal": "picture"}, "'state' or 'image'"),
        ({"goal": "image", "reward": "sparse"}, "dense"),
        ({"reward": "shaped"}, "'sparse' or 'dense'"),
        ({"within": 0.0}, "within"),
        ({"steps": 0}, "steps"),
        ({"stiffnes": 1.0}, "did you mean stiffness"),
    ],
)
def test_mistakes_are_refused(settings, said):
    with pytest.raises(PaigError, match=said):
        gym.make("paig_goal/Spring-v0", **settings)


def test_what_has_no_goals_is_refused():
    with pytest.raises(PaigError, match="no goals"):
        GoalEnv(gym.make("Pendulum-v1"))


@pytest.mark.parametrize("name", ["pendulum", "spring", "spring_half", "bouncing", "digit_spring", "three_body"])
def test_episodes_are_as_long_as_those_that_control_is_measured_on(name):
    env = configure("control", [f"env={name}"]).env
    assert gym.spec(env.id.replace("paig/", "paig_goal/")).max_episode_steps == env.steps
