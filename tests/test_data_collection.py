"""Collection: the same seed gives the same films, and no film runs over the end of an episode."""

import gymnasium as gym
import numpy as np
import pytest

from paig_control.data.collection import collect
from paig_control.errors import PaigError


class Counter(gym.Env):
    """Every frame is the episode's number and the step in it; episodes end after a random time."""

    metadata = {"render_modes": []}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 255, (4, 4, 3), np.uint8)

    def __init__(self, shortest=2, longest=9, bound=1.0, truncates=False):
        self.action_space = gym.spaces.Box(-bound, bound, (2,), np.float32)
        self._shortest, self._longest, self._truncates = shortest, longest, truncates

    def _frame(self):
        frame = np.zeros((4, 4, 3), np.uint8)
        frame[:] = self._label, self._step, self._last
        return frame

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._label, self._step = int(self.np_random.integers(256)), 0
        self._last = int(self.np_random.integers(self._shortest, self._longest + 1))
        return self._frame(), {}

    def step(self, action):
        self._step += 1
        ended = self._step >= self._last
        return self._frame(), 0.0, ended and not self._truncates, ended and self._truncates, {}


@pytest.fixture(autouse=True)
def counter():
    gym.register("counters/Counter-v0", entry_point=Counter)
    yield
    del gym.registry["counters/Counter-v0"]


def equal(a, b):
    assert set(a.arrays) == set(b.arrays)
    for name, value in a.arrays.items():
        np.testing.assert_array_equal(value, b.arrays[name], err_msg=name)


@pytest.mark.parametrize("num_envs", [1, 3, 8])
@pytest.mark.parametrize("truncates", [False, True])
def test_films_never_join_two_episodes(num_envs, truncates):
    settings = {"truncates": truncates}
    episodes = collect(
        "counters/Counter-v0", 20, 5, valid=5, test=5, test_steps=7, num_envs=num_envs, env_kwargs=settings
    )
    for split, count, length in (("train", 20, 5), ("valid", 5, 5), ("test", 5, 7)):
        frames = episodes.split(split).frames[:, :, 0, 0]
        assert frames.shape == (count, length, 3)
        np.testing.assert_array_equal(frames[..., 1], np.tile(np.arange(length), (count, 1)))
        assert (frames[..., 0] == frames[:, :1, 0]).all()
        assert (frames[..., 2] >= length - 1).all()


@pytest.mark.parametrize("num_envs", [1, 4])
def test_episodes_that_end_early_are_kept_with_their_length(num_envs):
    kwargs = {"longest": 15}
    episodes = collect("counters/Counter-v0", 20, 12, valid=0, test=0, num_envs=num_envs, env_kwargs=kwargs)
    lengths, films = episodes.arrays["train_lengths"], episodes.arrays["train_x"][:, :, 0, 0]
    assert {*lengths.tolist()} == {8, 9, 10, 11, 12}
    np.testing.assert_array_equal(lengths, np.minimum(films[:, 0, 2] + 1, 12))  # the last frame is that of the end
    for film, actions, length in zip(films, episodes.arrays["train_u"], lengths, strict=True):
        np.testing.assert_array_equal(film[:length, 1], np.arange(length))
        assert not film[length:].any()
        assert actions[: length - 1].all()
        assert not actions[length - 1 :].any()
    assert episodes.meta["left_out"]["train"] > 0
    assert (episodes.split("train").frames[..., 0, 0, 2] > 0).all()


def test_an_episode_that_ends_with_the_last_frame_is_kept():
    frames = collect("counters/Counter-v0", 20, 5, valid=0, test=0).split("train").frames
    assert (frames[:, 0, 0, 0, 2] == 4).any()


def test_lost_episodes_do_not_make_the_data_depend_on_the_number_of_environments():
    one, many = (collect("counters/Counter-v0", 12, 6, valid=3, test=3, test_steps=8, num_envs=n) for n in (1, 5))
    equal(one, many)


@pytest.mark.parametrize("num_envs", [1, 4, None])
def test_the_same_seed_gives_the_same_data_however_many_environments(num_envs):
    settings = {"sequences": 6, "steps": 5, "valid": 2, "test": 3, "seed": 3}
    equal(
        collect("paig/Pendulum-v0", **settings, num_envs=1),
        collect("paig/Pendulum-v0", **settings, num_envs=num_envs),
    )


def test_gymnasiums_pendulum_gives_the_same_data_in_a_vector():
    settings = {"sequences": 3, "steps": 4, "valid": 0, "test": 0}
    equal(collect("paig/Pixels-v0", **settings), collect("paig/Pixels-v0", **settings, num_envs=2))


def test_another_seed_gives_other_data_and_splits_share_no_episode():
    first, second = (collect("paig/Pendulum-v0", 8, 3, seed=s, valid=8, test=8, test_steps=3) for s in (0, 1))
    starts = np.concatenate(
        [e.truth(split).position[:, 0, 0, 0] for e in (first, second) for split in ("train", "valid", "test")]
    )
    assert len(np.unique(starts)) == 48


def test_more_films_begin_with_the_same_films():
    few, many = (collect("paig/Pendulum-v0", n, 4, valid=0, test=0) for n in (3, 9))
    np.testing.assert_array_equal(many.arrays["train_x"][:3], few.arrays["train_x"])


def test_the_numbers_of_films_and_frames_are_those_that_are_promised():
    episodes = collect("paig/Pendulum-v0", 60, 12)
    shapes = {split: episodes.split(split).frames.shape[:2] for split in episodes.splits}
    assert shapes == {"train": (60, 12), "valid": (10, 12), "test": (20, 30)}


def test_actions_move_the_world_from_their_frame_to_the_next():
    episodes = collect("paig/Pendulum-v0", 4, 6, valid=0, test=0)
    truth, part = episodes.truth("train"), episodes.split("train")
    env = gym.make("paig/Pendulum-v0")
    for film in range(4):
        for time in range(5):
            now = np.stack([truth.position[film, time], truth.velocity[film, time]])
            frame, _ = env.reset(options={"state": now})
            np.testing.assert_array_equal(frame, part.frames[film, time])
            _, *_, info = env.step(part.actions[film, time])
            np.testing.assert_allclose(info["state"][0], truth.position[film, time + 1], rtol=1e-12)


def test_random_actions_fill_the_bounds_independently():
    actions = collect("paig/Pendulum-v0", 200, 6, valid=0, test=0).split("train").actions[..., 0]
    assert np.abs(actions).max() <= 2
    assert actions.std() == pytest.approx(2 / np.sqrt(3), rel=0.05)
    assert np.abs(np.corrcoef(actions.T) - np.eye(5)).max() < 0.25


def test_smooth_actions_last_and_fill_the_bounds():
    actions = collect("paig/Pendulum-v0", 200, 30, policy="smooth", valid=0, test=0).split("train").actions[..., 0]
    assert np.abs(actions).max() <= 2
    assert actions.std() == pytest.approx(1.3, abs=0.25)
    kept = np.mean(actions[:, 1:] * actions[:, :-1]) / np.mean(actions**2)
    assert kept > 0.6  # 0 where each is drawn anew
    assert abs(actions.mean()) < 0.1


def test_the_zero_policy_does_nothing():
    assert not collect("paig/Pendulum-v0", 2, 4, policy="zero", valid=0, test=0).split("train").actions.any()


@pytest.mark.parametrize("num_envs", [1, 3])
def test_a_policy_sees_the_frames_so_far_and_its_actions_are_clipped_to_the_bounds(num_envs):
    def policy(frames):
        assert frames.shape[1:] == (32, 32, 3)
        return np.array([10.0 if len(frames) > 2 else 0.5])

    part = collect("paig/Pendulum-v0", 3, 5, policy=policy, valid=0, test=0, num_envs=num_envs).split("train")
    np.testing.assert_array_equal(part.actions[..., 0], [[0.5, 0.5, 2.0, 2.0]] * 3)


def test_the_file_tells_how_it_was_made(tmp_path):
    episodes = collect("paig/Pendulum-v0", 2, 3, seed=5, valid=0, test=0, env_kwargs={"gravity": 8.0})
    meta = episodes.meta
    assert meta["env"] == {"id": "paig/Pendulum-v0", "kwargs": {"gravity": 8.0}}
    assert (meta["dt"], meta["action_low"], meta["action_high"]) == (0.05, [-2.0], [2.0])
    assert (meta["seeds"], meta["policy"]) == ({"seed": 5}, "random")
    assert episodes.truth("train").constants == {"gravity": 8.0, "actuation": 1.0}
    assert episodes.truth("train").physics["name"] == "pendulum"


def test_an_environment_without_truth_gives_films_without_truth():
    episodes = collect("counters/Counter-v0", 2, 3, valid=0, test=0)
    assert episodes.truth("train") is None
    assert episodes.split("train").dt is None


def test_the_module_prefix_is_understood():
    assert collect("paig_control:paig/Pendulum-v0", 1, 2, valid=0, test=0).splits == ("train",)


def test_progress_counts_up_to_all_films():
    seen = []
    collect("paig/Pendulum-v0", 3, 3, valid=2, test=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 6) for i in range(1, 7)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env_id": "Pendulum-v1"}, "can be filmed through 'paig/Pixels-v0'"),
        ({"env_id": "NoSuch-v0"}, "cannot make 'NoSuch-v0'"),
        ({"env_id": "no_such_module:X-v0"}, "cannot be imported"),
        ({"env_kwargs": {"gravty": 1.0}}, "did you mean gravity"),
        ({"env_id": "counters/Counter-v0", "env_kwargs": {"color": 1}}, "refuses its arguments"),
        ({"env_id": "counters/Counter-v0", "env_kwargs": {"bound": np.inf}}, "unbounded"),
        ({"env_id": "counters/Counter-v0", "steps": 12, "env_kwargs": {"longest": 5}}, "ended before 8 frames"),
        ({"sequences": 0}, "sequences = 0: expected a whole number"),
        ({"steps": 1}, "steps = 1: expected the number of frames of a film, at least 2"),
        ({"test_steps": 1.5}, "test_steps = 1.5"),
        ({"valid": -1}, "valid = -1"),
        ({"seed": -1}, "seed = -1"),
        ({"num_envs": 0}, "num_envs = 0"),
        ({"policy": "clever"}, "expected 'random', 'smooth', 'zero' or a function"),
        ({"policy": lambda frames: np.zeros(2)}, "The policy returned"),
        ({"policy": lambda frames: np.array([np.nan])}, "The policy returned"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_collected_is_named(settings, words):
    with pytest.raises(PaigError, match=words):
        collect(**({"env_id": "paig/Pendulum-v0", "sequences": 2, "steps": 3} | settings))


def test_films_keep_clear_of_the_border_for_as_long_as_they_last():
    settings = {"sequences": 150, "steps": 6, "valid": 0, "test": 150, "test_steps": 30, "policy": "zero"}
    own = collect("paig/Spring-v0", **settings)
    fixed = collect("paig/Spring-v0", **settings, env_kwargs={"clear_steps": 29})

    def drift(episodes, split):
        return np.abs(episodes.truth(split).velocity[:, 0].sum(1)).mean()

    for split in ("train", "test"):
        places = own.truth(split).position
        assert places.min() > 2
        assert places.max() < 30
    assert drift(own, "train") > 1.5 * drift(own, "test")
    np.testing.assert_array_equal(fixed.arrays["test_x"], own.arrays["test_x"])
    assert drift(fixed, "train") == pytest.approx(drift(own, "test"), rel=0.2)
    assert "clear_steps" not in own.meta["env"]["kwargs"]
