"""Any environment through the small camera: the world is untouched, the image an average over areas."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

import paig_control  # noqa: F401
from paig_control.border.action_set import ActionSet
from paig_control.envs.painter import area_average, widened
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


class Odd(Toy):
    action_space = gym.spaces.MultiBinary(2)


class Engine(Toy):
    """What MuJoCo's environments of Gymnasium's have, and how long it was pushed which way."""

    action_space = gym.spaces.Discrete(3, start=5)

    def reset(self, *, seed=None, options=None):
        found = super().reset(seed=seed)
        self.data, self.pushed = SimpleNamespace(qpos=np.array([0.5, 1.0]), qvel=np.array([0.0, 2.0])), []
        return found

    def __init__(self, render_mode=None):
        super().__init__(render_mode)
        self.data = SimpleNamespace(qpos=np.zeros(2), qvel=np.zeros(2))

    def set_state(self, qpos, qvel):
        self.data.qpos, self.data.qvel = qpos, qvel

    def step(self, action):
        self.pushed.append(action)
        self.data.qpos = self.data.qpos + self.data.qvel
        return np.zeros(1, np.float32), 0.5, len(self.pushed) >= 3, False, {}

    def render(self):
        frame = np.zeros((20, 60, 3), np.uint8)
        frame[:10] = 200
        return frame


TOYS = (Toy, Blind, Deaf, Odd, Engine)


@pytest.fixture(autouse=True)
def toys():
    for kind in TOYS:
        gym.register(f"toys/{kind.__name__}-v0", entry_point=kind)
    yield
    for kind in TOYS:
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


def test_a_picture_that_is_too_wide_or_too_high_goes_on_at_its_edges():
    image = np.random.default_rng(0).integers(0, 256, (20, 60, 3)).astype(np.uint8)
    square = widened(image, (8, 8))
    assert square.shape == (60, 60, 3)
    np.testing.assert_array_equal(square[20:40], image)
    assert (square[:20] == image[0]).all()
    assert (square[40:] == image[-1]).all()
    assert widened(image, (20, 50)).shape == (24, 60, 3)
    assert widened(image, (10, 80)).shape == (20, 160, 3)
    assert widened(image, (10, 30)) is image
    env = gym.make("paig/Pixels-v0", env_id="toys/Engine-v0", size=12)
    frame = env.reset(seed=0)[0]  # of 60 x 60, bright down to half of the middle third
    assert frame[:6].min() == 200
    assert frame[6:].max() == 0


def test_separate_actions_are_rows_and_the_inner_environment_gets_their_numbers():
    env = gym.make("paig/Pixels-v0", env_id="toys/Engine-v0", actions=[[-2.0], [0.0], [2.0]])
    assert env.action_space == ActionSet([[-2], [0], [2]])
    env.reset(seed=0)
    inner = env.unwrapped.inner.unwrapped
    for action, number in ((-2.0, 5), (0.4, 6), (1.7, 7)):
        env.step(np.array([action]))
        assert inner.pushed[-1] == number
    own = gym.make("paig/Pixels-v0", env_id="toys/Engine-v0").action_space
    np.testing.assert_array_equal(own.rows, np.eye(3))
    known = gym.make("paig/Pixels-v0", env_id="CartPole-v1")
    assert known.action_space == ActionSet([[-1], [1]])
    assert known.get_wrapper_attr("dt") == 0.02
    rng = np.random.default_rng(1)
    reference = gym.make("CartPole-v1")
    known.reset(seed=3)
    reference.reset(seed=3)
    for number in rng.integers(0, 2, 8):
        _, reward, *_, info = known.step(np.array([2.0 * number - 1]))
        seen, expected, *_ = reference.step(int(number))
        assert reward == expected
        np.testing.assert_allclose(info["state"], [seen[[0, 2]][:, None], seen[[1, 3]][:, None]], rtol=1e-6)


def test_a_set_of_actions_is_a_box_that_holds_its_rows_alone():
    found = ActionSet([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.5]])
    found.seed(0)
    drawn = np.stack([found.sample() for _ in range(60)])
    assert len(np.unique(drawn, axis=0)) == 3
    assert all(found.contains(one) for one in drawn)
    assert not found.contains(np.array([0.5, 0.5], np.float32))
    assert found.low.tolist() == [-1.0, 0.0]
    assert found.high.tolist() == [1.0, 1.0]
    assert found.nearest([[0.9, 0.2], [0.1, 0.8], [-3.0, 0.0]]).tolist() == [1, 0, 2]


def test_the_state_of_an_engine_is_found_held_and_drawn():
    env = gym.make("paig/Pixels-v0", env_id="toys/Engine-v0").unwrapped
    _, info = env.reset(seed=0)
    assert info["state"].tolist() == [[[0.5], [1.0]], [[0.0], [2.0]]]
    _, info = env.reset(options={"state": [[[3.0], [4.0]], [[1.0], [-1.0]]]})
    env.step(env.action_space.rows[0])
    assert env.inner.unwrapped.data.qpos.tolist() == [4.0, 3.0]
    ends = env.simulate(np.array([[[[0.0], [0.0]], [[1.0], [2.0]]]]), np.eye(3)[None, [0, 1]])
    assert ends[0, 0].ravel().tolist() == [2.0, 4.0]
    assert env.inner.unwrapped.data.qpos.tolist() == [4.0, 3.0]


def test_actions_are_held_over_several_steps_until_an_end_or_beyond():
    env = gym.make("paig/Pixels-v0", env_id="toys/Engine-v0", skip=2, dt=0.1).unwrapped
    env.reset(seed=0)
    rows = env.action_space.rows
    assert env.dt == pytest.approx(0.2)
    assert env.step(rows[0])[1:4] == (1.0, False, False)
    assert env.step(rows[2])[1:4] == (0.5, True, False)  # it ended in between
    assert env.inner.unwrapped.pushed == [5, 5, 7]
    on = gym.make("paig/Pixels-v0", env_id="toys/Engine-v0", skip=2, endless=True).unwrapped
    on.reset(seed=0)
    assert [on.step(rows[0])[1:4] for _ in range(4)] == [(1.0, False, False)] * 4
    skipped = gym.make("paig/Pixels-v0", skip=4).unwrapped
    assert skipped.truth["physics"] | {"dt": 0.2, "substeps": 4} == skipped.truth["physics"]
    assert skipped.dt == pytest.approx(0.2)
    assert skipped.time_limit == 50
    assert gym.make("paig/Pixels-v0", endless=True).unwrapped.time_limit is None
    start = np.array([[[2.0]], [[0.0]]])
    plain = gym.make("paig/Pixels-v0").unwrapped
    ends = skipped.simulate(start[None], np.array([[[1.5], [-1.0]]]))
    np.testing.assert_allclose(ends, plain.simulate(start[None], np.array([[[1.5]] * 4 + [[-1.0]] * 4])))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env_id": "toys/Odd-v0"}, "continuous actions"),
        ({"env_id": "CartPole-v1", "actions": [[1.0]]}, "two actions or more"),
        ({"env_id": "CartPole-v1", "actions": [[1.0], [1.0]]}, "no two of them alike"),
        ({"env_id": "CartPole-v1", "actions": [1.0, 2.0]}, "a row of finite numbers for each action"),
        ({"env_id": "CartPole-v1", "actions": [[0.0], [1.0], [2.0]]}, "expected 2 rows, CartPole-v1 has 2 separate"),
        ({"actions": [[0.0], [1.0]]}, "expected none, Pendulum-v1 has continuous actions"),
        ({"skip": 0}, "skip = 0"),
        ({"dt": 0.0}, "dt = 0"),
        ({"env_id": "dm_control/cartpole-swingup"}, "needs dm_control, .* 'paig-control\\[dm_control\\]'"),
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
