"""Environments with the habits of other people's: filmed and played right, or refused in a sentence with their name."""

import gymnasium as gym
import numpy as np
import pytest
from spots import Spot, film, same

from paig_control.data.collection import collect
from paig_control.errors import PaigError
from paig_control.evaluation.rollout import play

pytestmark = pytest.mark.usefixtures("spot")

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
