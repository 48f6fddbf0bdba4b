"""What passes between an environment and those who play in it: actions, shades, lengths and copies."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from spots import BOXES, film, same

from paig_control.border.guarding import fit, guarded
from paig_control.data.collection import collect
from paig_control.errors import PaigError
from paig_control.evaluation.rollout import play

pytestmark = pytest.mark.usefixtures("spot")

# -- actions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("actions", ["plain", "double", "third", "whole", "byte", "skew", "frozen"])
@pytest.mark.parametrize("policy", ["random", "zero", lambda frames: np.full(1 if frames.shape[2] == 1 else 2, 1e3)])
def test_actions_are_sent_in_the_spaces_own_type_and_inside_its_own_bounds(actions, policy):
    if callable(policy) and actions == "byte":
        policy = "random"
    one, many = (film(n, policy=policy, env_kwargs={"actions": actions}) for n in (1, 3))  # Spot asserts it
    same(one, many)
    box, sent = BOXES[actions], one.arrays["train_u"]
    assert (sent >= box.low.astype(np.float32)).all()
    assert (sent <= box.high.astype(np.float32)).all()
    if np.issubdtype(box.dtype, np.integer):
        np.testing.assert_array_equal(sent, np.rint(sent))
    if policy == "random":
        assert (sent[..., 0].std(), sent[..., 0].min()) > (0.05 * box.high[0], box.low[0] - 1e-9)
    assert one.meta["action_high"] == box.high.tolist()


def test_whole_actions_are_rounded_when_they_are_played():
    env = gym.make("spots/Spot-v0", actions="whole", disable_env_checker=True)
    played = play([env], [0], lambda frames, states, t: np.array([[1.6, -9.0]]), 2)
    np.testing.assert_array_equal(played.actions[0], [[2.0, -3.0]] * 2)


@pytest.mark.parametrize("actions", ["half", "huge"])
def test_bounds_that_are_none_are_refused(actions):
    with pytest.raises(PaigError, match="Spot-v0's actions are unbounded"):
        film(env_kwargs={"actions": actions})


def test_rounding_to_a_type_does_not_leave_the_bounds():
    for box in BOXES.values():
        sent = fit(np.full(box.shape, 1e6), box)
        assert sent.dtype == box.dtype
        assert (sent <= box.high).all()


@pytest.mark.parametrize("num_envs", [1, 3])
def test_without_actions_films_are_passive(num_envs):
    passive = film(num_envs, env_kwargs={"actions": "none"})
    assert "train_u" not in passive.arrays
    assert passive.split("train").actions is None
    assert passive.meta["action_low"] is None


# -- grey ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [(), (1,), (4,)])
@pytest.mark.parametrize("num_envs", [1, 3])
def test_grey_frames_are_seen_as_in_colour(channels, num_envs):
    seen = film(num_envs, env_kwargs={"channels": channels})
    np.testing.assert_array_equal(seen.arrays["train_x"], film().arrays["train_x"])
    assert seen.notes == ()


@pytest.mark.parametrize("channels", [(), (1,), (4,), (3,)])
def test_a_guarded_environment_shows_three_colours_of_its_own(channels):
    env = guarded(gym.make("spots/Spot-v0", habit="reuses", channels=channels, disable_env_checker=True))
    assert guarded(env) is env
    first, _ = env.reset(seed=1)
    kept = first.copy()
    env.step([1.0, 1.0])
    assert env.observation_space.contains(first)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("channels", [(2,), (3, 3)])
def test_other_shades_are_refused(channels):
    with pytest.raises(PaigError, match=r"expected a uint8 image|does not observe images"):
        film(env_kwargs={"channels": channels})


@pytest.mark.parametrize("channels", [(), (1,)])
def test_the_camera_takes_grey_pictures(channels):
    kwargs = {"env_id": "spots/Spot-v0", "size": (6, 8)}
    grey, colour = (
        collect("paig/Pixels-v0", 2, 3, valid=0, test=0, env_kwargs=kwargs | {"env_kwargs": {"channels": one}})
        for one in (channels, (3,))
    )
    np.testing.assert_array_equal(grey.arrays["train_x"], colour.arrays["train_x"])


# -- long films -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_envs", [1, 2])
@pytest.mark.parametrize("name", ["Pendulum", "BouncingBalls"])
def test_films_of_our_scenes_are_as_long_as_they_are_wanted(name, num_envs):
    films = collect(f"paig/{name}-v0", 2, 205, valid=0, test=0, num_envs=num_envs, env_kwargs={"size": 16})
    assert films.arrays["train_x"].shape[:2] == (2, 205)


def test_a_foreign_limit_of_time_is_named_before_filming_and_can_be_raised():
    assert film(steps=31).arrays["train_x"].shape[1] == 31
    with pytest.raises(PaigError, match=r"Spot-v0's episodes are cut off after 30 steps.* max_episode_steps = 32"):
        film(steps=32)
    with pytest.raises(PaigError, match="cut off after 30 steps"):
        film(test=1, test_steps=40)
    assert film(steps=40, env_kwargs={"max_episode_steps": 40}).arrays["train_x"].shape[1] == 40
    with pytest.raises(PaigError, match=r"after 200 steps.* env_kwargs\.max_episode_steps = 250"):
        collect("paig/Pixels-v0", 2, 250, valid=0, test=0)


# -- copies -----------------------------------------------------------------------------------------------------------


def pickled(env):
    return pickle.loads(pickle.dumps(env))


def play_on(env):
    actions = np.random.default_rng(0).uniform(-1, 1, (3, *env.action_space.shape)).astype(np.float32)
    return [env.step(action)[:3] for action in actions]


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("paig/Pixels-v0", {}),
        ("paig/Pixels-v0", {"env_id": "MountainCarContinuous-v0", "size": (20, 30)}),
        ("paig/Pixels-v0", {"env_id": "spots/Spot-v0", "size": (6, 8)}),
        ("paig/Pendulum-v0", {"render_mode": "human"}),
        ("paig/ThreeBody-v0", {}),
        ("paig_goal/Spring-v0", {}),
    ],
)
def test_a_copy_of_a_running_environment_goes_on_as_it_does(name, kwargs, copied):
    env = gym.make(name, disable_env_checker=True, **kwargs)
    if name == "paig/Pixels-v0" and not kwargs:
        env.reset(seed=1, options={"goal": [[[1.0]], [[0.0]]]})  # draws on the second copy, too
    env.reset(seed=4)
    play_on(env)
    twin = copied(env)
    for (frame, *rest), (other, *others) in zip(play_on(env), play_on(twin), strict=True):
        np.testing.assert_equal(other, frame)
        assert rest == others
    env.close()
    assert len(play_on(twin)) == 3  # whatever the other closed
    twin.close()


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_of_a_vector_goes_on_as_it_does(copied):
    envs = gym.make_vec("paig/Spring-v0", 2, vectorization_mode="vector_entry_point")
    envs.reset(seed=np.array([1, 2]))
    twin, actions = copied(envs), np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(twin.step(actions)[0], envs.step(actions)[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_what_cannot_be_copied_behind_the_camera_is_named(copied):
    env = gym.make("paig/Pixels-v0", env_id="spots/Spot-v0", size=(6, 8), env_kwargs={"value": 1})
    env.unwrapped.inner.unwrapped.value = lambda: 1
    with pytest.raises(PaigError, match="Spot-v0 cannot be copied or pickled, because its value"):
        copied(env)
