"""Goals that an environment draws can be reached, seen and held, and belong to their episode alone."""

import gymnasium as gym
import numpy as np
import pytest

import paig_control  # noqa: F401
from paig_control.envs import goal_sampling
from paig_control.errors import PaigError

LENGTHS = {"Pendulum": 60, "Pixels": 60}
WORLDS = ("Pendulum", "Pixels", "BouncingBalls", "Spring", "SpringHalf", "DigitSpring", "ThreeBody")


def world(name, **arguments):
    return gym.make(f"paig/{name}-v0", **arguments).unwrapped


def starts(env, seeds):
    return np.stack([env.reset(seed=seed)[1]["state"] for seed in seeds])


def sampled(env, seeds=(1, 2, 4), **settings):
    name = type(env).__name__.removesuffix("Env")
    begun = starts(env, seeds)
    return begun, env.sample_goals(begun, list(seeds), LENGTHS.get(name, 30), **settings)


@pytest.mark.parametrize("name", WORLDS)
def test_goals_are_at_rest_apart_from_the_start_and_drawn_as_the_environment_draws(name):
    env = world(name)
    begun, found = sampled(env)
    assert found.held
    assert (found.states[:, 1] == 0).all()
    offset = found.states[:, 0] - begun[:, 0]
    if env.tolerance.angular:
        offset = np.abs(np.exp(1j * offset) - 1)  # the chord, a little shorter than the arc
    assert (np.abs(offset).max((1, 2)) > (0.29 if env.tolerance.angular else 6.0)).all()
    for picture, state in zip(found.pictures, found.states, strict=True):
        np.testing.assert_array_equal(picture, env.draw(state))


@pytest.mark.parametrize("name", ["BouncingBalls", "Spring"])
def test_a_goal_is_where_one_of_the_random_plays_takes_the_start(name):
    env = world(name)
    begun, found = sampled(env, (3,))
    rng = goal_sampling.generators([3], "test")[0]
    low, high = env.action_space.low.astype(float), env.action_space.high.astype(float)
    ends = []
    for actions in (
        a for _ in range(10) for a in goal_sampling.smooth_actions(rng, goal_sampling.BLOCK, 30, low, high)
    ):
        env.reset(options={"state": begun[0]})
        for action in actions:
            info = env.step(action)[-1]
        ends.append(info["state"][0])
    assert np.abs(np.array(ends) - found.states[0, 0]).max((1, 2)).min() < 1e-3


def test_random_actions_are_smooth_and_within_the_bounds():
    low, high = np.array([-2.0, 0.0]), np.array([2.0, 1.0])
    actions = goal_sampling.smooth_actions(np.random.default_rng(0), 2000, 40, low, high)
    assert (actions >= low).all()
    assert (actions <= high).all()
    width = high - low
    assert (np.abs(np.diff(actions, axis=1)) <= width / goal_sampling.STRIDE + 1e-9).all()
    strength = (np.abs(actions - (low + high) / 2) / width * 2).max((1, 2))
    assert strength.min() < 0.003
    assert strength.max() > 0.9


def test_what_can_be_held_is_what_the_torque_can_carry():
    env = world("Pendulum", gravity=8.0, max_torque=1.5)
    angles = np.linspace(-np.pi, np.pi, 101)
    states = np.zeros((101, 2, 1, 1))
    states[:, 0, 0, 0] = angles
    weight = 0.5 * 8.0 * np.abs(np.sin(angles))  # half a metre of lever, one kilogram
    np.testing.assert_array_equal(goal_sampling.holdable(env, states, 1e-4), weight <= 0.9 * 1.5)


def test_what_can_be_held_is_what_the_force_can_carry_against_the_spring():
    env = world("Spring", stiffness=4.0, rest_length=12.0, max_force=10.0)
    lengths = np.linspace(6.0, 18.0, 48)
    states = np.zeros((48, 2, 2, 2))
    states[:, 0, :, 0], states[:, 0, 1, 1] = 5.0, lengths
    np.testing.assert_array_equal(goal_sampling.holdable(env, states, 1e-3), 4.0 * np.abs(lengths - 12.0) <= 9.0)


@pytest.mark.parametrize("name", ["Spring", "ThreeBody"])
def test_bodies_in_a_goal_are_wholly_in_the_picture_and_apart(name):
    env = world(name)
    states = sampled(env, (1, 2, 3, 4, 5))[1].states
    place = states[:, 0]
    assert (place >= 2.0).all()
    assert (place <= env.size[0] - 2.0).all()
    for one, other in ((0, 1), (-1, 0)):
        assert (np.linalg.norm(place[:, one] - place[:, other], axis=1) >= 2.0).all()


def test_what_cannot_be_held_is_a_moving_goal():
    env = world("Spring", actuated=[0])
    _, found = sampled(env)
    assert not found.held
    assert (np.abs(found.states[:, 1]).max((1, 2)) > 0.1).all()


def test_a_goal_depends_on_its_own_seed_alone_and_training_has_others():
    env = world("Spring")
    _, both = sampled(env, (1, 2))
    np.testing.assert_array_equal(both.states[1:], sampled(env, (2,))[1].states)
    assert (np.abs(both.states[:, 0] - sampled(env, (1, 2), split="train")[1].states[:, 0]).max((1, 2)) > 0.1).all()
    begun = starts(env, (1, 1))
    assert (env.sample_goals(begun, [1, 2], 30).states[0] != env.sample_goals(begun, [1, 2], 30).states[1]).any()


@pytest.mark.parametrize("name", ["Pixels", "Spring"])
def test_drawing_goals_does_not_disturb_the_episode(name):
    env = world(name)

    def play(draw):
        begun = env.reset(seed=3)[1]["state"]
        for _ in range(4):
            if draw:
                env.sample_goals(begun[None], [5], 30)
            state = env.step(env.action_space.high)[-1]["state"]
        return state

    np.testing.assert_array_equal(play(False), play(True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"split": "tset"}, "'train' or 'test'"),
        ({"distance": 500.0}, "No goal 500 away.*too near the start"),
        ({"distance": -1.0}, "positive distance"),
        ({"steps": 0}, "at least 1 step"),
    ],
)
def test_goals_that_there_cannot_be_are_refused(settings, said):
    env = world("BouncingBalls")
    with pytest.raises(PaigError, match=said):
        env.sample_goals(starts(env, [0]), [0], **{"steps": 3, **settings})
