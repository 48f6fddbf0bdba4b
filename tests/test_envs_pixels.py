"""Any environment through the small camera: the world is untouched, the image an average over areas."""

import gymnasium as gym
import numpy as np
import pytest

import paig_control  # noqa: F401
from paig_control.envs.painter import area_average
from paig_control.errors import PaigError


class Toy(gym.Env):
    """A minimal foreign environment, with faults to order."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode=None, frame=None, missing=None):
        self.render_mode, self.frame, self.missing = render_mode, frame, missing

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 0.5, True, False, {}

    def render(self):
        if self.missing:
            raise gym.error.DependencyNotInstalled("pip install spam")
        return np.full((50, 60, 3), 7, np.uint8) if self.frame is None else self.frame


class Blind(Toy):
    metadata = {"render_modes": []}  # noqa: RUF012


class Deaf(Blind):
    def __init__(self):
        super().__init__()


@pytest.fixture(autouse=True)
def toys():
    for kind in (Toy, Blind, Deaf):
        gym.register(f"toys/{kind.__name__}-v0", entry_point=kind)
    yield
    for kind in (Toy, Blind, Deaf):
        del gym.registry[f"toys/{kind.__name__}-v0"]


def weights(large, small):
    """Matrix of overlaps: how much of each large pixel lies in each small one."""
    edges = np.linspace(0, large, small + 1)
    cells = np.arange(large)
    return np.clip(np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells), 0, None)


@pytest.mark.parametrize("size", [(32, 32), (31, 77), (120, 90), (7, 4)])
def test_shrinking_averages_over_areas_at_any_ratio(size):
    image = np.random.default_rng(0).integers(0, 256, (120, 90, 3)).astype(np.uint8)
    size = (size[0], min(size[1], 90))
    area = 120 / size[0] * 90 / size[1]
    exact = np.einsum("ih,hwc,jw->ijc", weights(120, size[0]), image, weights(90, size[1])) / area
    assert np.abs(area_average(image, size) - exact).max() < 0.5 + 1e-9


def test_a_plain_image_stays_plain():
    image = np.full((500, 500, 3), 201, np.uint8)
    np.testing.assert_array_equal(area_average(image, (32, 32)), 201)


def test_enlarging_is_refused():
    with pytest.raises(PaigError, match="choose a smaller size"):
        gym.make("paig/Pixels-v0", size=600).reset()


def test_the_inner_state_and_reward_are_exactly_those_of_the_unmodified_environment():
    env, reference = gym.make("paig/Pixels-v0"), gym.make("Pendulum-v1")
    _, info = env.reset(seed=11)
    reference.reset(seed=11)
    np.testing.assert_array_equal(info["state"].ravel(), reference.unwrapped.state)
    rng = np.random.default_rng(0)
    for _ in range(200):
        action = rng.uniform(-2, 2, 1).astype(np.float32)
        _, reward, terminated, truncated, info = env.step(action)
        _, *expected, _ = reference.step(action)
        assert [reward, terminated, truncated] == expected
        np.testing.assert_array_equal(info["state"].ravel(), reference.unwrapped.state)
    assert truncated
    env.close()


def test_the_frame_is_the_average_of_what_the_environment_renders():
    env, reference = gym.make("paig/Pixels-v0"), gym.make("Pendulum-v1", render_mode="rgb_array")
    env.reset(seed=2)
    reference.reset(seed=2)
    frame = env.step(np.array([1.7], np.float32))[0]
    reference.step(np.array([1.7], np.float32))
    np.testing.assert_array_equal(frame, area_average(reference.render(), (32, 32)))
    env.close()


def test_a_goal_image_shows_no_torque_arrow():
    env = gym.make("paig/Pixels-v0", size=100).unwrapped
    upright = [[[0.0]], [[0.0]]]
    env.reset(options={"state": upright})
    frame, *_, info = env.step(np.array([2.0]))
    assert (frame[60:] != 255).any()  # the arrow, below the pivot
    assert (info["goal"][60:] == 255).all()
    assert (env.draw(upright)[60:] == 255).all()
    assert (env.reset(options={"state": upright})[0][60:] == 255).all()
    env.close()


def test_another_gravity_shows_in_truth():
    env = gym.make("paig/Pixels-v0", env_kwargs={"g": 4.0})
    assert env.get_wrapper_attr("truth")["constants"] == {"gravity": 4.0, "actuation": 1.0}
    assert env.get_wrapper_attr("dt") == 0.05


def test_an_unknown_environment_has_pixels_but_no_state():
    env = gym.make("paig/Pixels-v0", env_id="toys/Toy-v0", size=8)
    frame, info = env.reset(seed=0)
    assert (frame == 7).all()
    assert info == {}
    assert env.step(np.zeros(2, np.float32))[1:] == (0.5, True, False, {})
    with pytest.raises(PaigError, match="Pass state_attribute"):
        env.unwrapped.draw(np.zeros((2, 1, 1)))


def test_arguments_describe_the_state_of_another_environment():
    env = gym.make(
        "paig/Pixels-v0",
        env_id="MountainCarContinuous-v0",
        state_attribute="state",
        positions=[0],
        velocities=[1],
        constants={"power": "power"},
        goal_state=[[[0.5]], [[0.0]]],
        angular=False,
        position_tolerance=0.1,
    )
    _, info = env.reset(seed=0)
    assert -0.6 <= info["state"][0, 0, 0] <= -0.4
    assert info["goal_state"].ravel().tolist() == [0.5, 0.0]
    assert env.get_wrapper_attr("truth")["constants"] == {"power": pytest.approx(0.0015)}
    _, info = env.reset(options={"state": [[[0.45]], [[0.0]]]})
    assert info["success"] is True
    env.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env_id": "CartPole-v1"}, "continuous actions"),
        ({"env_id": "toys/Blind-v0"}, "cannot render images"),
        ({"env_id": "toys/Deaf-v0"}, "cannot render images"),
        ({"env_id": "toys/Toy-v0", "env_kwargs": {"missing": True}}, "package is missing: pip install spam"),
        ({"env_id": "toys/Toy-v0", "env_kwargs": {"frame": np.zeros((9, 9))}}, "rendered float64 \\(9, 9\\)"),
        ({"env_id": "NoSuch-v0"}, "cannot make env_id='NoSuch-v0'"),
        ({"env_kwargs": {"gg": 1}}, "refuses its arguments"),
        ({"positions": [0], "velocities": []}, "every position needs its velocity"),
        ({"positions": [7], "velocities": [8]}, "do not fit Pendulum-v1's state"),
        ({"positions": ["angle"], "velocities": [1]}, "expected whole numbers"),
        ({"state_attribute": "stat"}, "no attribute 'stat'"),
        ({"goal_state": [0.0, 0.0]}, "goal_state has shape"),
        ({"position_tolerance": -1.0}, "position_tolerance"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_does_not_fit_is_named(settings, words):
    with pytest.raises(PaigError, match=words):
        gym.make("paig/Pixels-v0", **settings).reset(seed=0)
