"""Control is measured by the truth alone, on the same starts for everybody."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from scipy import stats

import paig_control  # noqa: F401
from paig_control.agents.cem import CEM
from paig_control.agents.mpc import MPCAgent, Timing
from paig_control.agents.settings import CEMSettings, GoalSettings
from paig_control.errors import PaigError
from paig_control.estimation.state import infer
from paig_control.evaluation.baselines import TrueWorld, optimal_agent, random_agent
from paig_control.evaluation.control import ControlSettings, Judge, evaluate_control, summarise, wilson
from paig_control.evaluation.corruptions import DisturbSettings
from paig_control.evaluation.rollout import Played, play
from paig_control.goals.drawing import Targets
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.types import Reading, State

UPRIGHT = np.zeros((2, 1, 1))
PLANNER = CEMSettings(horizon=30, samples=80, iterations=2, elites=8)
SMALL = ControlSettings(episodes=3, steps=90, hold=10, batch=2, film=2, ahead=5, timing_steps=4)


def true_physics() -> Physics:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    return physics


class Eyes:
    """A model that knows the physics and sees the rod's angle in the centroid of its colour."""

    image_size = (32, 32)

    def __init__(self):
        self.physics = true_physics()

    def read(self, frames):
        ink = (255 - frames[..., 2].float()) * (frames[..., 0] > frames[..., 2])
        place = torch.arange(32) + 0.5 - 16
        x, y = (ink * place).sum((1, 2)), (ink * place[:, None]).sum((1, 2))
        angle = torch.atan2(-x, -y)[:, None, None]
        return Reading(angle, torch.full_like(angle, 1e3))

    def read_near(self, frames, reading, expected):
        return reading

    def estimate(self, coordinates, actions, trust=None):
        start = infer(self.physics, coordinates, actions, trust)
        if not actions.shape[1]:
            return start
        path = self.physics.rollout(start, actions)
        return State(path.position[:, -1], path.velocity[:, -1])

    def render(self, state):
        level = torch.cos(state.position[:, 0, 0]).add(1).div(2)
        return level[:, None, None, None].expand(-1, 3, 32, 32)


def make():
    return gym.make("paig/Pendulum-v0", disable_env_checker=True)


def measure(settings, goal=True, baselines=True, targets=None, disturb=None, make=make):
    model = Eyes()
    agent = MPCAgent(model, CEM(PLANNER), [-2.0], [2.0], reward=None if goal else "pendulum")
    env = make()
    image = env.get_wrapper_attr("draw")(UPRIGHT)[None] if goal else None
    return evaluate_control(
        make,
        agent,
        model,
        targets or Targets(image, UPRIGHT[None]),
        TrueWorld(true_physics(), "pendulum"),
        CEM(PLANNER),
        GoalSettings() if goal else None,
        settings,
        baselines,
        disturb=disturb,
    )


@pytest.fixture(scope="module")
def measured():
    return measure(SMALL)


def test_a_model_that_sees_and_knows_swings_the_pendulum_up_and_a_random_agent_does_not(measured):
    assert measured.summary["success_rate"] == 1.0
    assert measured.summary["oracle_success_rate"] == 1.0
    assert measured.summary["random_success_rate"] == 0.0


def test_no_agent_beats_the_dynamic_programming_oracle(measured):
    for row in measured.rows:
        for name in ("return", "planner_oracle_return", "random_return"):
            assert row[name] < row["oracle_return"] + 1.0
    assert measured.summary["regret_worst"] >= measured.summary["regret_mean"] > -1.0


def test_the_summary_has_the_promised_names(measured):
    names = (
        "return_mean oracle_return_mean random_return_mean regret_mean regret_worst success_rate success_interval "
        "control_hz control_ms_median episodes random_success_rate oracle_success_rate start_distance_min"
    )
    assert set(names.split()) <= measured.summary.keys()
    assert measured.summary["control_hz"] == pytest.approx(1000 / measured.summary["control_ms_median"])


def test_episode_i_starts_from_the_seed_plus_i(measured):
    env = make()
    for i, row in enumerate(measured.rows):
        _, info = env.reset(seed=1000 + i)
        angle = info["state"][0, 0, 0]
        assert row["seed"] == 1000 + i
        assert row["start_distance"] == pytest.approx(abs((angle + np.pi) % (2 * np.pi) - np.pi))


def test_neither_the_batch_nor_a_second_run_changes_an_episode():
    # few steps: a longer loop may choose another of two plans that cost the same but for the last digit
    short = {**vars(SMALL), "steps": 20, "film": 0, "timing_steps": 0}
    first, again = (measure(ControlSettings(**{**short, "batch": batch})) for batch in (2, 3))
    for one, other in zip(first.rows, again.rows, strict=True):
        assert one["random_return"] == other["random_return"]
        assert one["return"] == pytest.approx(other["return"], abs=0.05)
    assert again.films == []
    assert again.summary["control_hz"] is None


def test_the_agent_under_test_alone_is_disturbed_and_its_film_shows_it(measured):
    again = measure(SMALL, disturb=DisturbSettings(drop=0.3))
    for one, other in zip(measured.rows, again.rows, strict=True):
        assert one["return"] != other["return"]
        for name in ("random_return", "planner_oracle_return", "oracle_return"):
            assert one[name] == other[name]
    black = [film.camera.any((1, 2, 3)) for film in again.films]
    assert 0.2 < 1 - np.mean(black) < 0.4
    assert all(film.camera.any((1, 2, 3)).all() for film in measured.films)


def test_episodes_are_the_same_in_a_vector_and_in_single_environments(measured):
    single = measure(SMALL, make=lambda: gym.Wrapper(make()))
    assert single.rows == measured.rows
    for one, other in zip(single.films, measured.films, strict=True):
        np.testing.assert_array_equal(one.camera, other.camera)
        np.testing.assert_array_equal(one.state, other.state)


def test_films_show_what_was_seen_and_what_was_foreseen(measured):
    assert [film.seed for film in measured.films] == [1000, 1001]
    film = measured.films[0]
    assert film.camera.shape == film.imagined.shape == (SMALL.steps, 32, 32, 3)
    assert film.camera.dtype == film.imagined.dtype == np.uint8
    assert film.estimate.shape == film.state.shape == (SMALL.steps, 2, 1, 1)
    # At the end the pendulum stands, so what was foreseen five steps before is what the model paints of the state.
    level = 255 * (1 + np.cos(film.state[-1, 0, 0, 0])) / 2
    assert abs(int(film.imagined[-1, 0, 0, 0]) - level) < 3
    assert np.abs(film.estimate[-20:, 0] - film.state[-20:, 0]).max() < 0.1


def test_without_a_goal_the_reward_is_planned_for():
    found = measure(ControlSettings(**{**vars(SMALL), "episodes": 2, "timing_steps": 0}), goal=False)
    assert found.summary["regret_mean"] < 15
    assert found.films[0].goal is None


def test_unpainted_environments_live_the_same_episode():
    def push(frames, states, t):
        return np.full((2, 1), np.sin(t), np.float32)

    envs = [make(), make()]
    seen, unseen = (play(envs, [3, 4], push, 20, painted=p) for p in (True, False))
    np.testing.assert_array_equal(seen.states, unseen.states)
    np.testing.assert_array_equal(seen.rewards, unseen.rewards)
    assert envs[0].reset(seed=0)[0].max() == 0
    play(envs, [3, 4], push, 1)
    assert envs[0].reset(seed=0)[0].max() == 255


def test_random_actions_belong_to_the_episode():
    space = make().action_space
    one, two = random_agent(space, [5, 6]), random_agent(space, [6])
    frames = np.zeros((2, 1, 1, 3), np.uint8)
    np.testing.assert_array_equal(one(frames, None, 0)[1], two(frames[:1], None, 0)[0])


def played(angles, lengths=None):
    states = np.zeros((1, len(angles), 2, 1, 1))
    states[0, :, 0, 0, 0] = angles
    steps = len(angles) - 1
    return Played(np.zeros((1, steps)), states, np.zeros((1, steps, 1)), np.array([lengths or steps]))


@pytest.mark.parametrize(
    ("angles", "lengths", "success"),
    [
        ([3, 2, 1, 0, 0, 0], None, True),
        ([3, 2, 1, 0, 2 * np.pi, -2 * np.pi], None, True),
        ([3, 2, 0, 0, 0, 0.3], None, False),
        ([3, 2, 0, 0.3, 0, 0], None, False),
        ([0, 0, 0, 3, 3, 3], 2, False),
    ],
)
def test_success_is_being_at_the_goal_through_all_of_the_last_steps(angles, lengths, success):
    judge = Judge(make(), UPRIGHT[None], ControlSettings(steps=5, hold=3))
    assert judge.success(played(angles, lengths)).tolist() == [success]


@pytest.mark.parametrize(("angles", "success"), [([0, 1, 2, 0.1, 2], True), ([0, 1, 2, 0.2, 2], False)])
def test_where_goals_cannot_be_held_success_is_being_there_at_some_step_after_the_start(angles, success):
    judge = Judge(make(), UPRIGHT[None], ControlSettings(steps=4, hold=0, within=0.15))
    assert judge.success(played(angles)).tolist() == [success]


def test_every_episode_is_judged_by_its_own_goal_and_at_any_velocity_where_a_distance_is_given():
    goals = np.array([0.0, 1.0, 2.0]).reshape(3, 1, 1, 1) * np.array([1.0, 0.0]).reshape(1, 2, 1, 1)
    states = np.broadcast_to(goals[:, None], (3, 4, 2, 1, 1)).copy()
    states[:, :, 1] = 5.0
    states[1, 3, 0] += 0.2
    one = Played(np.zeros((3, 3)), states, np.zeros((3, 3, 1)), np.full(3, 3))
    assert Judge(make(), goals, ControlSettings(hold=2, within=0.15)).success(one).tolist() == [True, False, True]
    assert Judge(make(), goals, ControlSettings(hold=2)).success(one).tolist() == [False] * 3
    np.testing.assert_allclose(Judge(make(), goals, ControlSettings()).distance(states[:, -1]), [0, 0.2, 0], atol=1e-12)


def test_every_episode_shows_its_own_goal_to_agent_oracle_film_and_environment():
    env = make()
    goals = np.zeros((3, 2, 1, 1))
    goals[:, 0, 0, 0] = np.pi + np.array([-0.3, 0.0, 0.3])
    pictures = np.stack([env.get_wrapper_attr("draw")(goal) for goal in goals])
    settings = ControlSettings(**{**vars(SMALL), "hold": 5, "within": 0.15, "timing_steps": 0, "steps": 60})
    found = measure(settings, targets=Targets(pictures, goals))
    assert found.summary["success_rate"] == found.summary["oracle_success_rate"] == 1.0
    assert found.summary["random_success_rate"] < 1.0
    for film, picture in zip(found.films, pictures, strict=False):
        np.testing.assert_array_equal(film.goal, picture)
    for row, goal in zip(found.rows, goals, strict=True):
        angle = env.reset(seed=row["seed"])[1]["state"][0, 0, 0]
        assert row["start_distance"] == pytest.approx(abs(np.angle(np.exp(1j * (angle - goal[0, 0, 0])))))
        assert row["least_distance"] <= row["final_distance"] < 0.15


def test_success_is_not_measured_where_the_goal_is_not_known():
    assert Judge(make(), None, SMALL).success(played([0, 0, 0])) is None
    summary = summarise([{"return": 1.0, "success": None}], [Timing(0.001, 0.003)])
    assert summary["success_rate"] is None
    assert summary["success_interval"] is None
    assert summary["control_ms_median"] == pytest.approx(4.0)


def test_an_episode_that_ends_early_stands_still():
    class Short(gym.Wrapper):
        def step(self, action):
            frame, reward, _, truncated, info = super().step(action)
            return frame, reward, True, truncated, info

    envs = [Short(make()), make()]
    found = play(envs, [1, 2], lambda f, s, t: np.zeros((2, 1), np.float32), 4)
    assert found.lengths.tolist() == [1, 4]
    assert (found.rewards[0, 1:] == 0).all()
    np.testing.assert_array_equal(found.states[0, 1], found.states[0, 4])


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (60, 60), (59, 60), (3, 7)])
def test_the_interval_is_wilsons(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"episodes": 0}, {"steps": 0}, {"hold": 300}, {"film": -1}, {"batch": 0}, {"within": 0.0}]
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(PaigError, match=next(iter(wrong))):
        ControlSettings(**wrong)


def test_where_the_physics_is_not_known_there_is_no_oracle():
    space = gym.spaces.Box(-2, 2, (1,), np.float32)
    assert optimal_agent(TrueWorld(None, "pendulum"), space, 10) is None
    assert optimal_agent(TrueWorld(true_physics(), None), space, 10) is None
