"""Worlds that change in the middle of an episode: unannounced, as told, and only until its end."""

import gymnasium as gym
import numpy as np
import pytest

import paig_control  # noqa: F401
from paig_control.errors import PaigError

CASES = {
    "paig/Pendulum-v0": {"gravity": 5.0, "actuation": 2.0},
    "paig/Spring-v0": {"stiffness": 8.0, "rest_length": 10.0, "actuation": 0.5},
    "paig/ThreeBody-v0": {"gravity": 30.0, "actuation": 0.5},
    "paig/BouncingBalls-v0": {"actuation": 2.0},
    "paig/Pixels-v0": {"gravity": 5.0},
}


def play(env, steps):
    action = 0.7 * env.action_space.high
    return np.stack([env.step(action)[4]["state"] for _ in range(steps)])


@pytest.mark.parametrize("name", CASES)
def test_a_changed_world_moves_as_one_that_was_made_so_until_the_episode_ends(name):
    env = gym.make(name, disable_env_checker=True)
    _, info = env.reset(seed=0)
    before = env.get_wrapper_attr("truth")["constants"]
    alike = play(env, 3)
    env.reset(seed=0)
    np.testing.assert_array_equal(play(env, 3), alike)
    for constant, value in CASES[name].items():
        env.reset(options={"state": info["state"]})
        env.unwrapped.change(**{constant: value})
        assert env.get_wrapper_attr("truth")["constants"] == before | {constant: value}
        changed = play(env, 3)
        assert np.abs(changed - alike).max() > 1e-3
        if constant != "actuation":
            other = {constant: value} if name != "paig/Pixels-v0" else {"env_kwargs": {"g": value}}
            made = gym.make(name, disable_env_checker=True, **other, **limits(name, env))
            made.reset(options={"state": info["state"]})
            np.testing.assert_allclose(play(made, 3), changed, atol=1e-12)
        env.reset(options={"state": info["state"]})
        assert env.get_wrapper_attr("truth")["constants"] == before
        np.testing.assert_array_equal(play(env, 3), alike)


def limits(name, env):
    """The force that is allowed follows the constants that a scene is made with, not those that it changes to."""
    bound = name in ("paig/Spring-v0", "paig/ThreeBody-v0")
    return {"max_force": float(env.unwrapped.scene.high[0])} if bound else {}


def test_an_action_of_half_the_effect_is_half_an_action():
    env = gym.make("paig/Pendulum-v0", disable_env_checker=True)
    start = {"state": [[[1.0]], [[0.0]]]}
    env.reset(options=start)
    half = env.step(np.array([1.0]))[4]["state"]
    env.reset(options=start)
    env.unwrapped.change(actuation=0.5)
    np.testing.assert_allclose(env.step(np.array([2.0]))[4]["state"], half)


@pytest.mark.parametrize(
    ("name", "constants", "said"),
    [
        ("paig/Pendulum-v0", {"stiffness": 1.0}, "gravity, actuation"),
        ("paig/Pendulum-v0", {"gravity": float("nan")}, "gravity"),
        ("paig/Pixels-v0", {"actuation": 2.0}, "can be changed are gravity"),
    ],
)
def test_what_cannot_be_changed_is_refused(name, constants, said):
    env = gym.make(name, disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(PaigError, match=said):
        env.unwrapped.change(**constants)
