"""Starts of the scenes: as PAIG's are distributed, clear of the border, and each from its own generator."""

import gymnasium as gym
import numpy as np
import pytest

from paig_control.envs.bouncing_balls import BouncingBalls
from paig_control.envs.digit_spring import DigitSpring
from paig_control.envs.spring import Spring, SpringHalf
from paig_control.envs.three_body import ThreeBody
from paig_control.errors import PaigError

SCENES = {kind.__name__: kind() for kind in (BouncingBalls, Spring, SpringHalf, DigitSpring, ThreeBody)}
each = pytest.mark.parametrize("name", list(SCENES))
each_bound = pytest.mark.parametrize("name", [name for name in SCENES if name != "BouncingBalls"])


def starts(scene, count=24):
    return scene.initials([np.random.default_rng(seed) for seed in range(count)])


def film(scene, state, steps):
    """States ``(steps + 1, B, 2, N, 2)`` of bodies left alone."""
    states = [state]
    for _ in range(steps):
        states.append(scene.transition(states[-1], np.zeros((len(state), len(scene.low)))))
    return np.stack(states)


@each_bound
def test_starts_left_alone_keep_clear_of_the_border(name):
    scene = SCENES[name]
    steps = 40 if name == "ThreeBody" else 30
    position = film(scene, starts(scene, 60), steps)[:, :, 0]
    assert scene.clear_steps == steps
    assert position.min() > 2.0
    assert (position < scene.extent - 2.0).all()
    if name == "ThreeBody":
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert np.linalg.norm(position[..., i, :] - position[..., j, :], axis=-1).min() > 3.0


def test_half_springs_stay_left_for_twelve_steps_and_some_cross_afterwards():
    position = film(SCENES["SpringHalf"], starts(SCENES["SpringHalf"], 60), 30)[:, :, 0]
    assert position[:13, ..., 0].max() < 16.0
    assert (position[13:, ..., 0] > 18.0).any(0).mean() > 0.2


@pytest.mark.parametrize(
    ("name", "speed"), [("BouncingBalls", 8), ("Spring", 8), ("SpringHalf", 4), ("DigitSpring", 8)]
)
def test_starts_have_the_speed_in_every_direction(name, speed):
    velocity = starts(SCENES[name], 200)[:, 1]
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=-1), speed)
    assert np.abs(velocity.mean(0)).max() < 0.25 * speed


@pytest.mark.parametrize("name", ["Spring", "SpringHalf", "DigitSpring"])
def test_springs_start_half_to_one_and_a_half_rest_lengths_apart(name):
    scene = SCENES[name]
    position = starts(scene, 200)[:, 0]
    apart = np.linalg.norm(position[:, 0] - position[:, 1], axis=-1) / scene.rest_length
    assert 0.5 <= apart.min() < 0.7
    assert 1.2 < apart.max() <= 1.5


def test_bodies_start_on_a_ring_and_circle_it():
    state = starts(SCENES["ThreeBody"], 100)
    radius = np.linalg.norm(state[:, 0] - 18.0, axis=-1)
    np.testing.assert_allclose(radius, np.repeat(radius[:, :1], 3, axis=1))
    assert radius.min() >= 6.75
    assert radius.max() <= 11.25
    outward = (state[:, 0] - 18.0) / radius[..., None]
    around = 2.0 * np.stack([-outward[..., 1], outward[..., 0]], axis=-1)
    drift = np.stack([state[:, 1] - sense * around for sense in (1, -1)])  # common to the three, one way or other
    common = np.ptp(drift, axis=2).max(-1) < 1e-9  # (2, B)
    assert (common.sum(0) == 1).all()
    assert 0.2 < common[0].mean() < 0.8
    assert np.abs(drift[common]).max() <= 0.5


def test_fewer_clear_steps_give_wider_starts():
    wide, narrow = (np.abs(starts(Spring(clear_steps=n), 200)[:, 1].sum(1)).mean() for n in (12, 30))
    assert wide > 1.5 * narrow


@each
def test_a_start_depends_on_its_generator_alone(name):
    scene = SCENES[name]
    together = starts(scene, 5)
    for seed in range(5):
        np.testing.assert_array_equal(scene.initial(np.random.default_rng(seed)), together[seed])


def test_a_scene_without_any_clear_start_says_so():
    scene = Spring(speed=400.0)
    with pytest.raises(PaigError, match=r"No start of Spring stays clear .* a lower speed or fewer clear_steps"):
        scene.initial(np.random.default_rng(0))


def test_a_state_that_is_given_begins_an_episode_in_a_world_where_no_draw_stays_clear():
    world = {"speed": 1000.0, "clear_steps": 100}
    given = np.zeros((2, 2, 2)) + 9.0
    env = gym.make("paig/Spring-v0", disable_env_checker=True, **world)
    np.testing.assert_array_equal(env.reset(options={"state": given})[1]["state"], given)
    envs = gym.make_vec("paig/Spring-v0", num_envs=3, vectorization_mode="vector_entry_point", **world)
    np.testing.assert_array_equal(envs.reset(options={"state": given})[1]["state"], np.stack([given] * 3))
    with pytest.raises(PaigError, match="stays clear"):
        env.reset()
    with pytest.raises(PaigError, match="stays clear"):
        envs.reset()
