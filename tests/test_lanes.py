"""Environments side by side: many single ones or one vector, and nobody can tell which."""

import gymnasium as gym
import numpy as np
import pytest

import paig_control  # noqa: F401
from paig_control.border.lanes import Lanes, starts
from paig_control.border.opening import make
from paig_control.envs.registration import SCENES
from paig_control.evaluation.rollout import play
from paig_control.goals.drawing import draw_many

IDS = [f"paig/{name}-v0" for name in SCENES]


def none():
    raise AssertionError("A single environment was made.")


def played(lanes, **settings):
    """An episode of two lanes, and the frames that were seen."""
    seen = []

    def act(frames, states, t):
        seen.append(frames)
        return np.stack([np.sin(t + np.arange(lanes.space.shape[0]) + 3 * lane) for lane in range(len(frames))])

    found = play(lanes, [5, 3], act, 6, **settings)
    lanes.close()
    return found, np.stack(seen)


def alike(one, other):
    (first, frames), (second, more) = one, other
    for name in ("states", "rewards", "actions", "lengths"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(frames, more)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("painted", [True, False])
def test_a_scene_is_played_in_a_vector_as_in_single_environments(name, painted):
    env = make(name, {})
    states = np.stack(starts(env, [8, 9]))
    for settings in ({}, {"goals": states}):
        single = Lanes([make(name, {}), make(name, {})], name)
        vector = played(Lanes.beside(env, none, 3), painted=painted, **settings)  # the third lane waits
        alike(vector, played(single, painted=painted, **settings))
        assert vector[1].any() == painted
    assert vector[0].rewards.any()


@pytest.mark.parametrize("limit", [4, 6])
def test_an_episode_that_is_cut_off_ends_alike_in_a_vector(limit):
    def limited():
        return make("paig/Spring-v0", {"max_episode_steps": limit})

    vector = played(Lanes.beside(limited(), none, 2))
    alike(vector, played(Lanes([limited(), limited()], "spring")))
    assert vector[0].lengths.tolist() == [limit, limit]
    assert vector[0].rewards.shape == (2, limit)


def test_frames_are_painted_again_after_an_unpainted_episode():
    lanes = Lanes.beside(make("paig/Spring-v0", {}), none, 2)
    play(lanes, [0, 1], lambda frames, states, t: np.zeros((2, 4)), 1, painted=False)
    assert not lanes.reset([0, 1])[0].any()
    lanes.paint(True)
    assert lanes.reset([0, 1])[0].any()


@pytest.mark.parametrize(
    "env",
    [
        lambda: gym.Wrapper(make("paig/Spring-v0", {})),
        lambda: gym.wrappers.GrayscaleObservation(make("paig/Spring-v0", {}).env),
        lambda: make("paig/Spring-v0", {"render_mode": "rgb_array"}),
        lambda: make("paig/Pixels-v0", {"env_id": "Pendulum-v1"}),
    ],
)
def test_whatever_else_there_is_around_a_scene_keeps_environments_single(env):
    with pytest.raises(AssertionError, match="single"):
        Lanes.beside(env(), none, 2)
    many = []
    lanes = Lanes.beside(env(), lambda: many.append(env()) or many[-1], 3)
    assert (lanes.count, len(many)) == (3, 2)
    lanes.close()


def test_starts_and_goals_are_those_of_single_environments():
    env = make("paig/ThreeBody-v0", {})
    expected = [env.reset(seed=seed)[1]["state"] for seed in (2, 7)]
    np.testing.assert_array_equal(starts(env, [2, 7]), expected)
    drawn, single = (draw_many(one, [2, 7], 10).targets for one in (env, gym.Wrapper(env)))
    np.testing.assert_array_equal(drawn.states, single.states)
    np.testing.assert_array_equal(drawn.pictures, single.pictures)
