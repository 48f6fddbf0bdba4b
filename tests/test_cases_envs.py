"""Environments with the habits of other people's: filmed and played right, or refused in a sentence with their name."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest

from paig_control.data.collection import collect
from paig_control.errors import PaigError
from paig_control.guarding import fit, guarded
from paig_control.playing import play

BOXES = {
    "plain": gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
    "none": gym.spaces.Box(-1.0, 1.0, (0,), np.float32),
    "double": gym.spaces.Box(-0.1, 0.1, (2,), np.float64),
    "third": gym.spaces.Box(np.array([0.0, -1 / 3]), np.array([1 / 3, 0.7]), (2,), np.float64),
    "whole": gym.spaces.Box(-3, 3, (2,), np.int64),
    "byte": gym.spaces.Box(0, 200, (1,), np.uint8),
    "skew": gym.spaces.Box(np.array([0.0, -10.0]), np.array([1.0, 10.0]), (2,), np.float64),
    "frozen": gym.spaces.Box(np.array([-1.0, 0.3]), np.array([1.0, 0.3]), (2,), np.float64),
    "half": gym.spaces.Box(np.array([-1.0, -np.inf]), np.array([1.0, np.inf]), (2,), np.float64),
    "huge": gym.spaces.Box(-1e30, 1e30, (2,), np.float64),
}


class Spot(gym.Env):
    """A bright spot that is pushed to and fro; a fault or a habit to order."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, habit=None, value=None, channels=(3,), actions="plain", render_mode=None):
        self.habit, self.value, self.render_mode = habit, value, render_mode
        shape = (12, 16, *channels)
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = copy.deepcopy(BOXES[actions])
        self._buffer, self._told = np.zeros(shape, np.uint8), np.zeros((2, 1, 2))
        if habit == "dt":
            self.dt = value
        if habit == "truth":
            self.truth = value
        if habit == "bounds":
            self.action_space.low[:] = value
        if habit == "cannot be made":
            raise KeyError("missing")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(4, 8, 2), 0
        if self.habit == "reset raises":
            raise RuntimeError("the motor is off")
        return self._look() if self.habit == "reset returns one" else (self._look(), self._info())

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is outside {self.action_space}"
        push = np.zeros(2)
        push[: action.size] = action
        self.place = np.clip(self.place + push / np.abs(self.action_space.high).max(initial=1), 3, 9)
        self.steps += 1
        action *= 0  # it may do with it what it likes
        if self.habit == "step raises":
            raise ZeroDivisionError("division by zero")
        if self.habit == "step returns":
            return self.value
        if self.habit == "reward":
            return self._look(), self.value, False, False, self._info()
        return self._look(), 0.0, False, False, self._info()

    def _look(self):
        if self.habit == "blank":
            return np.full(self._buffer.shape, self.value, np.uint8)
        if self.habit == "looks":
            return self.value
        if self.habit == "grows" and self.steps == 2:
            return np.zeros((20, 20, 3), np.uint8)
        frame = self._buffer if self.habit == "reuses" else self._buffer.copy()
        frame[:] = 0
        x, y = self.place.astype(int)
        frame[y - 2 : y + 2, x - 2 : x + 2] = 250
        frame[y, x] = 5 * self.steps
        return frame

    def _info(self):
        if self.habit == "state":
            return {"state": self.value}
        if self.habit == "reuses":
            self._told[0, 0] = self.place
            return {"state": self._told}
        return {"state": np.stack([self.place[None], np.zeros((1, 2))])}

    def render(self):
        if self.habit == "render":
            return self.value
        if self.habit == "render raises":
            raise OSError("no screen")
        return self._look()


@pytest.fixture(autouse=True)
def spot():
    gym.register("spots/Spot-v0", entry_point=Spot, max_episode_steps=30)
    yield
    del gym.registry["spots/Spot-v0"]


def film(num_envs=None, **settings):
    kwargs = settings.pop("env_kwargs", {})
    given = {"sequences": 3, "steps": 5, "valid": 0, "test": 0, "seed": 3} | settings
    return collect("spots/Spot-v0", **given, num_envs=num_envs, env_kwargs=kwargs)


def same(one, other):
    assert set(one.arrays) == set(other.arrays)
    for name, value in one.arrays.items():
        np.testing.assert_array_equal(value, other.arrays[name], err_msg=name)


# -- nothing is kept by reference --------------------------------------------------------------------------


@pytest.mark.parametrize("num_envs", [1, 2, 3])
def test_an_environment_may_reuse_its_frame_and_its_state(num_envs):
    reused = film(num_envs, env_kwargs={"habit": "reuses"})
    same(reused, film())
    assert all((reused.arrays["train_x"][:, t] != reused.arrays["train_x"][:, t + 1]).any() for t in range(4))


def test_episodes_that_are_played_keep_their_own_frames_states_and_actions():
    env, sent = gym.make("spots/Spot-v0", habit="reuses", disable_env_checker=True), np.zeros((1, 2), np.float32)
    seen = []

    def act(frames, states, t):
        seen.append((frames, states))
        sent[:] = 0.2 * (t + 1)
        return sent

    played = play([env], [1], act, 3)
    np.testing.assert_allclose(played.actions[0, :, 0], [0.2, 0.4, 0.6], rtol=1e-6)
    np.testing.assert_allclose(np.diff(played.states[0, :, 0, 0, 0]), [0.2, 0.4, 0.6], rtol=1e-6)
    assert (seen[0][0] != seen[2][0]).any()
    assert (seen[0][1] != seen[2][1]).any()


# -- what is declared is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("habit", "value", "words"),
    [
        ("looks", np.zeros((10, 16, 3), np.uint8), r"Spot-v0 observes an image of shape \(10, 16, 3\), but declares"),
        ("looks", np.zeros((12, 16, 1), np.uint8), r"shape \(12, 16, 1\), but declares"),
        ("looks", np.ones((12, 16, 3)), "Spot-v0 observes float64 .* expected a uint8 image"),
        ("looks", np.zeros((12, 16, 3), np.int64).tolist(), "Spot-v0 observes int64"),
        ("looks", None, "Spot-v0 observes NoneType"),
        ("looks", [[1], [2, 3]], "Spot-v0 observes list"),
        ("grows", None, r"shape \(20, 20, 3\), but declares \(12, 16, 3\)"),
        ("step returns", (0, 0.0, False, {}), r"step returned 4 values \(int, float, bool, dict\): expected step"),
        ("step returns", None, "Spot-v0's step"),
        ("step returns", [0, 0.0, False, False, {}], "Spot-v0's step"),
        ("step returns", (0, 0.0, False, False, None), "Spot-v0's step returned 5 values"),
        ("step raises", None, "Spot-v0's step failed with ZeroDivisionError: division by zero"),
        ("reset raises", None, "Spot-v0's reset failed with RuntimeError: the motor is off"),
        ("reset returns one", None, "Spot-v0's reset"),
        ("reward", "a lot", "Spot-v0's step returned reward 'a lot'"),
        ("reward", [1, 2], "expected a number and two truth values"),
        ("cannot be made", None, "Spot-v0 cannot be made .KeyError: 'missing'"),
        ("blank", 0, "Nothing is ever visible in films of spots/Spot-v0"),
        ("blank", 77, "Nothing is ever visible"),
        ("bounds", np.nan, "expected numbers, the lower one first"),
        ("bounds", 2.0, "expected numbers, the lower one first"),
        ("dt", np.inf, "has dt = inf: expected the seconds between two frames"),
        ("dt", np.nan, "has dt = nan"),
        ("dt", 0, "has dt = 0"),
        ("dt", -0.1, "has dt = -0.1"),
        ("dt", "0.1", "has dt = '0.1'"),
        ("dt", True, "has dt = True"),
        ("dt", np.array([0.1, 0.2]), "has dt = array"),
    ],
)
@pytest.mark.parametrize("num_envs", [1, 2])
def test_an_environment_that_breaks_its_word_is_named(habit, value, words, num_envs):
    if habit == "step returns":  # Gymnasium's own wrappers unpack five values, and would fail first
        gym.registry["spots/Spot-v0"].max_episode_steps = None
    with pytest.raises(PaigError, match=words):
        film(num_envs, env_kwargs={"habit": habit, "value": value})


@pytest.mark.parametrize("value", [(0, 0.0, False, {}), None])
def test_a_step_that_fails_in_gymnasiums_own_wrappers_is_named_too(value):
    with pytest.raises(PaigError, match=r"Spot-v0's step failed with (Type|Value)Error"):
        film(env_kwargs={"habit": "step returns", "value": value})


@pytest.mark.parametrize(
    ("habit", "value", "words"),
    [
        ("step raises", None, "Spot-v0's step failed with ZeroDivisionError"),
        ("reset raises", None, "Spot-v0's reset failed"),
        ("reset returns one", None, "Spot-v0's reset"),
        ("render", None, "Spot-v0 rendered NoneType"),
        ("render", np.zeros((9, 9, 7), np.uint8), r"Spot-v0 rendered uint8 \(9, 9, 7\)"),
        ("render", np.zeros((3, 20, 20), np.uint8), "colours come last"),
        ("render raises", None, "Spot-v0 cannot render .OSError: no screen"),
    ],
)
def test_an_environment_that_fails_behind_the_camera_is_named(habit, value, words):
    inner = {"habit": habit, "value": value}
    with pytest.raises(PaigError, match=words):
        collect("paig/Pixels-v0", 2, 3, env_kwargs={"env_id": "spots/Spot-v0", "size": (6, 8), "env_kwargs": inner})


@pytest.mark.parametrize("attribute", ["running", [[1.0], [2.0, 3.0]], {"angle": 1.0}])
def test_a_state_behind_the_camera_that_is_no_flat_array_is_named(attribute):
    kwargs = {
        "state_attribute": "value",
        "positions": [0],
        "velocities": [1],
        "size": (6, 8),
        "env_id": "spots/Spot-v0",
    }
    with pytest.raises(PaigError, match="Spot-v0's value is no flat array of numbers"):
        gym.make("paig/Pixels-v0", **kwargs, env_kwargs={"value": attribute}).reset(seed=0)


@pytest.mark.parametrize(
    ("value", "expected"), [(np.float32(0.25), 0.25), (1, 1.0), (np.array(0.5), 0.5), (None, None)]
)
def test_a_step_time_is_a_number_or_unknown(value, expected):
    found = film(env_kwargs={"habit": "dt", "value": value}).meta["dt"]
    assert found == expected
    assert type(found) in (float, type(None))


def test_a_step_time_that_is_a_method_is_left_out_and_that_is_said():
    with pytest.warns(UserWarning, match="Spot-v0's dt is a method"):
        assert film(env_kwargs={"habit": "dt", "value": lambda: 0.1}).meta["dt"] is None


# -- what is only for measuring --------------------------------------------------------------------------------


STRANGE = [
    np.arange(4.0),
    {"position": [1.0, 2.0], "velocity": [0.0, 0.0]},
    "running",
    [[1.0], [2.0, 3.0]],
    np.full((2, 1, 2), np.nan),
    np.zeros((2, 0, 2)),
    7,
    object(),
]


@pytest.mark.parametrize("num_envs", [1, 2])
@pytest.mark.parametrize("state", STRANGE, ids=lambda value: type(value).__name__)
def test_a_state_of_another_form_is_left_out_and_that_is_said(state, num_envs):
    with pytest.warns(UserWarning, match=r"info\['state'\] is not of the form \(2, objects, coordinates\)") as said:
        strange = film(num_envs, env_kwargs={"habit": "state", "value": state})
    assert strange.truth("train") is None
    np.testing.assert_array_equal(strange.arrays["train_x"], film().arrays["train_x"])
    assert len({str(one.message) for one in said}) == 1


def test_a_state_of_another_form_leaves_play_without_states():
    env = gym.make("spots/Spot-v0", habit="state", value="running", disable_env_checker=True)
    with pytest.warns(UserWarning, match="left out"):
        assert play([env], [0], lambda frames, states, t: np.zeros((1, 2)), 2).states is None


@pytest.mark.parametrize(
    "truth",
    ["spring", {"constants": {"g": "high"}}, {"constants": [1]}, lambda: {}],
    ids=["text", "words", "list", "function"],
)
def test_constants_of_another_form_are_left_out_and_that_is_said(truth):
    with pytest.warns(UserWarning, match="Spot-v0's truth is not of the form"):
        assert film(env_kwargs={"habit": "truth", "value": truth}).meta["truth"] == {"constants": {}, "physics": {}}


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


# -- the same seed, the same films --------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_films_of_foreign_environments_however_many_run_at_once():
    one, *others = (film(n, sequences=7, valid=2, test=3) for n in (None, 1, 2, 5, 9))
    for other in others:
        same(one, other)


class Drawing(Spot):
    """Draws more random numbers than it needs, as many as it is told, and shows none of them in its start."""

    def reset(self, *, seed=None, options=None):
        frame, info = super().reset(seed=seed)
        self.numbers = self.np_random.random(self.value or 0)
        info["state"][1] = self.np_random.random(2)
        return frame, info

    def step(self, action):
        self.np_random.random(3)
        return super().step(action)


def test_starts_do_not_depend_on_what_acts_and_actions_not_on_what_the_world_draws():
    gym.register("spots/Drawing-v0", entry_point=Drawing)
    try:
        settings = {"sequences": 4, "steps": 6, "valid": 2, "test": 0, "seed": 8}
        random, zero, written = (
            collect("spots/Drawing-v0", policy=policy, **settings)
            for policy in ("random", "zero", lambda frames: np.random.default_rng(len(frames)).random(2))
        )
        for split in ("train", "valid"):
            for other in (zero, written):
                for kind in ("x", "truth_position", "truth_velocity"):
                    start, again = (films.arrays[f"{split}_{kind}"][:, 0] for films in (random, other))
                    np.testing.assert_array_equal(again, start)
        more = collect("spots/Drawing-v0", **settings, env_kwargs={"value": 11})
        np.testing.assert_array_equal(more.arrays["train_u"], random.arrays["train_u"])
    finally:
        del gym.registry["spots/Drawing-v0"]


def test_actions_are_not_the_numbers_that_the_start_was_drawn_from():
    gym.register("spots/Drawing-v0", entry_point=Drawing)
    try:
        films = collect("spots/Drawing-v0", 40, 3, valid=0, test=0)
    finally:
        del gym.registry["spots/Drawing-v0"]
    start = (films.truth("train").position[:, 0, 0] - 4) / 4  # the first numbers of the environment's own stream
    acted = (films.arrays["train_u"][:, 0] + 1) / 2
    assert np.abs(start - acted).min() > 1e-6
    assert np.abs(np.corrcoef(start[:, 0], acted[:, 0])[0, 1]) < 0.5
