"""The agents: from frames to actions, and what they refuse."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from paig_control.agents.cem import CEM
from paig_control.agents.mpc import MPCAgent
from paig_control.agents.objectives import Goal, cost_function, goal_objective, pendulum_step_cost, reward_objective
from paig_control.agents.perception import Perception
from paig_control.agents.random import RandomAgent
from paig_control.agents.settings import AgentSettings, CEMSettings, GoalSettings
from paig_control.agents.terms import Effort, Sum
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.types import Reading, State


def true_pendulum() -> Physics:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    return physics


def picture(angle: float | np.ndarray) -> np.ndarray:
    """An image whose bytes spell the angle: perfect sight for a test, (…, 4, 2, 3)."""
    turns = np.asarray(angle, dtype=np.float64) / (2 * math.pi) % 1
    code = np.round(turns * (2**32 - 1)).astype(np.uint64)
    frame = np.zeros((*code.shape, 4, 2, 3), dtype=np.uint8)
    frame[..., 0, 1, :] = 255  # so that no angle's frame is of one colour
    for byte in range(4):
        frame[..., byte, 0, 0] = (code >> np.uint64(8 * byte)) & np.uint64(255)
    return frame


class FakeModel:
    """Reads the angle off the picture; the velocity from two angles, exact for semi-implicit Euler."""

    def __init__(self) -> None:
        self.physics: Physics = true_pendulum()
        self.image_size = (4, 2)
        self.seen: list[tuple[int, ...]] = []

    def read(self, frames: Tensor) -> Reading:
        code = sum(frames[:, byte, 0, 0].double() * 256**byte for byte in range(4))
        angle = (code / (2**32 - 1) * 2 * math.pi).float().reshape(-1, 1, 1)  # type: ignore[union-attr]
        return Reading(angle, torch.full_like(angle, 1e6))

    def read_near(self, frames: Tensor, reading: Reading, expected: Tensor) -> Reading:
        return reading

    def estimate(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> State:
        self.seen.append((coordinates.shape[1], actions.shape[1]))
        last = coordinates[:, -1]
        if coordinates.shape[1] == 1:
            return State(last, torch.zeros_like(last))
        return State(last, self.physics.difference(last, coordinates[:, -2]) / self.physics.dt)


def agent(reward: str | None = None, **settings: int) -> MPCAgent:
    return MPCAgent(FakeModel(), CEM(), [-2.0], [2.0], reward=reward, settings=AgentSettings(**settings))


def test_agent_swings_the_pendulum_up_to_a_goal_image_and_holds_it() -> None:
    physics = true_pendulum()
    state = State(
        torch.tensor([3.1, -3.0, 2.0], dtype=torch.float64).reshape(3, 1, 1),
        torch.tensor([0.5, 0.0, -0.8], dtype=torch.float64).reshape(3, 1, 1),
    )
    mpc = agent()
    mpc.reset(picture(0.0), batch=3, seed=0)
    for step in range(150):
        action = mpc.act(picture(state.position.numpy().ravel()))
        assert action.shape == (3, 1)
        assert np.abs(action).max() <= 2.0
        with torch.no_grad():
            state = physics.step(state, torch.as_tensor(action).double())
        if step >= 110:
            angle = physics.difference(state.position, torch.zeros(()))
            assert float(angle.abs().max()) < math.radians(15)
            assert float(state.velocity.abs().max()) < 1.0
    assert mpc.timing.perceive > 0
    assert mpc.timing.plan > 0


@pytest.mark.parametrize("history", [1, 3])
def test_an_episode_begins_with_a_fit_to_its_first_frames(history: int) -> None:
    mpc = agent(reward="pendulum", history=history)
    for _ in range(2):
        mpc.reset()
        for angle in (3.0, 3.1, 3.2, 3.3, 3.4):
            assert mpc.act(picture(angle)).shape == (1,)
    assert mpc.model.seen == 2 * [(k + 1, k) for k in range(history)]  # type: ignore[attr-defined]


class World:
    """The true pendulum, which is seen as a picture, and is told actions some steps late."""

    def __init__(self, angle: float, late: int = 0) -> None:
        self.physics = true_pendulum()
        self.state = State(torch.full((1, 1, 1), angle).double(), torch.zeros(1, 1, 1).double())
        self.waiting = [np.zeros(1, dtype=np.float32)] * late

    @property
    def frame(self) -> np.ndarray:
        return picture(float(self.state.position))

    @property
    def tilt(self) -> float:
        return abs(float(self.physics.difference(self.state.position, torch.zeros(()))))

    def step(self, action: np.ndarray) -> None:
        self.waiting.append(action)
        with torch.no_grad():
            self.state = self.physics.step(self.state, torch.from_numpy(self.waiting.pop(0)).double()[None])


def test_frames_that_do_not_come_or_show_nothing_leave_the_prediction_standing() -> None:
    world, mpc = World(0.3), agent()
    mpc.reset(picture(0.0), seed=0)
    black = np.zeros((4, 2, 3), np.uint8)
    last, tilts = black, []
    for step in range(40):
        frame = world.frame if step < 6 or step % 4 == 0 else (None, black, last)[step % 4 - 1]
        last = last if frame is None else frame
        action = mpc.act(frame)
        assert mpc.state is not None
        off = world.physics.difference(mpc.state.position[0].double(), world.state.position[0])
        assert float(off.abs()) < 0.02
        world.step(action)
        tilts.append(world.tilt)
    assert float(np.median(tilts[20:])) < 0.1


def test_a_frozen_camera_is_noticed_and_said_after_the_stated_number_of_frames() -> None:
    world, mpc = World(2.0), agent(patience=3)
    mpc.reset(picture(0.0), seed=0)
    for _ in range(6):
        world.step(mpc.act(world.frame))
    stuck = world.frame
    said = []
    for _ in range(8):
        before = world.state.position[0]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            world.step(mpc.act(stuck))
        said.append([str(one.message) for one in caught])
        assert all(one.filename == __file__ for one in caught)  # where the user called act
    counts = [len(one) for one in said]
    assert sum(counts) == 1
    assert "3 frames in a row were missing, of one colour, or frozen" in said[counts.index(1)][0]
    assert mpc.perception.blind[0] >= 3
    assert mpc.state is not None
    assert float(world.physics.difference(mpc.state.position[0].double(), before).abs()) < 0.05
    assert float(world.physics.difference(mpc.state.position[0].double(), torch.full((1, 1), 2.0)).abs()) > 0.3


def test_what_stands_still_is_news_though_every_frame_repeats_the_one_before() -> None:
    perception = Perception(FakeModel(), patience=3)
    perception.reset(2)
    for angle in (1.0, 1.3, 1.6, 1.9, 1.9, 1.9):  # one hangs, the other moves until its camera freezes
        perception.look(torch.from_numpy(picture(np.array([math.pi, angle]))), None, torch.zeros(2, 1))
        assert float(perception.reading.trust[0]) > 0
    assert perception.blind.tolist() == [0, 2]
    assert float(perception.reading.trust[1]) == 0


def test_of_a_batch_each_environment_may_miss_its_frame() -> None:
    worlds, mpc = [World(0.2), World(-0.2), World(0.1)], agent()
    mpc.reset(picture(0.0), batch=3, seed=0)
    tilts = []
    for step in range(40):
        missing = np.array([step % 3 == i for i in range(3)]) & (step > 3)
        frames = np.stack([w.frame for w in worlds])
        frames[missing] = picture(2.0)  # is not to be looked at
        for world, action in zip(worlds, mpc.act(frames, missing=missing), strict=True):
            world.step(action)
        tilts.append([world.tilt for world in worlds])
        assert ((mpc.perception.reading.trust[:, 0, 0] == 0).numpy() == missing).all()
    assert float(np.median(tilts[20:])) < 0.1
    with pytest.raises(PaigError, match=r"missing has shape \(2,\): expected \(3,\)"):
        mpc.act(frames, missing=[True, False])


def test_nothing_is_done_until_anything_was_seen() -> None:
    mpc = MPCAgent(FakeModel(), CEM(), [-2.0], [-0.5], reward="pendulum")
    mpc.reset(seed=0)
    assert mpc.act(None).tolist() == [-0.5]  # as near to nothing as the bounds allow
    assert mpc.act(np.full((4, 2, 3), 9, np.uint8)).tolist() == [-0.5]
    assert mpc.act(picture(3.0)).tolist() != [-0.5]


def test_planning_for_the_time_when_the_action_acts_makes_good_for_its_delay() -> None:
    tilts = {}
    for latency in (2, 3, 4):  # the delay is 3; which of the worlds is held best is chance, the median is not
        worlds, mpc = [World(angle, late=3) for angle in (-0.15, -0.1, -0.05, 0.05, 0.1, 0.15)], agent(latency=latency)
        mpc.reset(picture(0.0), batch=len(worlds), seed=0)
        held = []
        for _ in range(60):
            for world, action in zip(worlds, mpc.act(np.stack([w.frame for w in worlds])), strict=True):
                world.step(action)
            held.append([world.tilt for world in worlds])
        tilts[latency] = float(np.median(held[30:]))
    assert tilts[3] < 0.05
    assert tilts[3] < 0.6 * min(tilts[2], tilts[4])


def test_a_plan_is_followed_between_replanning_and_each_action_is_held() -> None:
    mpc = agent(reward="pendulum", replan=2, repeat=3)
    mpc.reset(seed=0)
    plans, actions = [], []
    for angle in np.linspace(3.0, 3.3, 12):
        actions.append(float(mpc.act(picture(angle))[0]))
        plans.append(mpc.plan)
    assert [i for i in range(1, 12) if plans[i] is not plans[i - 1]] == [6]
    for begun in (0, 6):
        first, second = plans[begun].actions[0, :2, 0].tolist()  # type: ignore[union-attr]
        assert actions[begun : begun + 6] == pytest.approx([first] * 3 + [second] * 3)
    assert mpc.upcoming.shape == (1, 1 + 40 * 3 - 6, 1)


def test_actions_that_are_held_cost_as_if_each_were_taken_so_often() -> None:
    state = State(torch.ones(1, 1, 1), torch.zeros(1, 1, 1))
    actions = torch.randn(1, 4, 5, 1, generator=torch.Generator().manual_seed(0))
    objective = reward_objective("pendulum")
    held = cost_function(true_pendulum(), state, objective, repeat=3)(actions)
    every = cost_function(true_pendulum(), state, objective)(actions.repeat_interleave(3, dim=2))
    torch.testing.assert_close(held, every)


def test_the_same_seed_gives_the_same_actions() -> None:
    mpc = agent(reward="pendulum")
    runs = []
    for seed in (3, 3, 4):
        mpc.reset(seed=seed)
        runs.append([float(mpc.act(picture(angle))[0]) for angle in (3.0, 3.05, 3.12)])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_two_goal_images_give_the_goal_a_velocity() -> None:
    mpc = agent()
    mpc.reset((picture(6.25), picture(0.05)))
    goal = mpc.objective.terms[0]  # type: ignore[union-attr]
    assert goal.velocity.item() == pytest.approx((0.05 - 6.25 + 2 * math.pi) / 0.05, rel=1e-4)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((5, 2, 3), np.uint8), r"shape \(5, 2, 3\): expected \(4, 2, channels\)"),
        (np.zeros((1, 4, 2, 3), np.uint8), "expected"),
        (np.zeros((4, 2, 3), np.float32), "float32: expected uint8"),
        ("frame.png", "expected"),
    ],
)
def test_a_wrong_frame_is_refused_with_what_was_expected(frame: np.ndarray, message: str) -> None:
    mpc = agent(reward="pendulum")
    mpc.reset()
    with pytest.raises(PaigError, match=message):
        mpc.act(frame)


def test_mistakes_around_an_episode_are_refused() -> None:
    mpc = agent()
    with pytest.raises(PaigError, match="before reset"):
        mpc.act(picture(0.0))
    with pytest.raises(PaigError, match="nothing to reach"):
        mpc.reset()
    with pytest.raises(PaigError, match="batch = 0"):
        mpc.reset(picture(0.0), batch=0)
    with pytest.raises(PaigError, match="goal image has shape"):
        mpc.reset(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(PaigError, match="goal's position has shape"):
        mpc.reset(State(torch.zeros(1, 2, 1), torch.zeros(1, 2, 1)))
    with pytest.raises(PaigError, match="not finite"):
        mpc.reset(State(torch.full((1, 1, 1), math.nan), torch.zeros(1, 1, 1)))
    with pytest.raises(PaigError, match=r"low has shape \(2,\)"):
        MPCAgent(FakeModel(), CEM(), [-2.0, -2.0], [2.0, 2.0])
    with pytest.raises(PaigError, match="no reward function 'pendulm'"):
        agent(reward="pendulm")


def test_goal_distance_takes_the_short_way_round_and_weighs_velocity() -> None:
    physics = true_pendulum()
    target = State(torch.full((1, 1, 1), math.pi - 0.1), torch.full((1, 1, 1), 1.0))
    states = State(torch.full((1, 2, 3, 1, 1), -math.pi + 0.1), torch.full((1, 2, 3, 1, 1), 3.0))
    actions = torch.full((1, 2, 3, 1), 2.0)
    each = 0.2**2 + 0.5**2 * 2.0**2
    goal = Goal(physics, target, time_scale=0.5, terminal=4.0)
    torch.testing.assert_close(goal(states, actions), torch.full((1, 2), each * (3 + 4)))
    both = Sum((goal, Effort(0.1)))
    torch.testing.assert_close(both(states, actions), torch.full((1, 2), each * 7 + 0.1 * 3 * 4))


def test_passing_through_a_goal_counts_where_it_comes_nearest_and_at_any_velocity() -> None:
    physics = true_pendulum()
    target = State(torch.full((1, 1, 1), math.pi - 0.1), torch.zeros(1, 1, 1))
    path = torch.tensor([[2.0, 3.0, 0.0], [-math.pi + 0.1, 0.0, 0.0]]).reshape(1, 2, 3, 1, 1)
    states = State(path, torch.full((1, 2, 3, 1, 1), 7.0))
    objective = goal_objective(physics, target, GoalSettings(once=True, effort=0.5))
    expected = torch.tensor([[(math.pi - 3.1) ** 2, 0.2**2]]) + 0.5 * 3 * 4
    torch.testing.assert_close(objective(states, torch.full((1, 2, 3, 1), 2.0)), expected)


def test_reward_is_the_one_that_pendulum_v1_pays() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    env = gymnasium.make("Pendulum-v1")
    env.reset(seed=0)
    for angle, velocity, torque in ((3.0, -2.0, 1.5), (-9.0, 7.0, -2.0), (0.1, 0.0, 0.0)):
        env.unwrapped.state = np.array([angle, velocity])
        _, reward, *_ = env.step(np.array([torque], dtype=np.float32))
        state = State(torch.tensor(angle, dtype=torch.float64).reshape(1, 1), torch.tensor(velocity).reshape(1, 1))
        assert float(pendulum_step_cost(state, torch.tensor([torque]))) == pytest.approx(-reward, rel=1e-6)


def test_a_cost_can_be_differentiated_by_the_actions_but_not_by_the_constants() -> None:
    physics = true_pendulum()
    cost = cost_function(physics, State(torch.ones(1, 1, 1), torch.zeros(1, 1, 1)), reward_objective("pendulum"))
    actions = torch.zeros(1, 2, 5, 1, requires_grad=True)
    cost(actions).sum().backward()
    assert actions.grad is not None
    assert bool((actions.grad != 0).all())
    assert physics.free.grad is None


def test_random_agent_is_seeded_fills_the_bounds_and_keeps_inside() -> None:
    random = RandomAgent([-2.0, 0.0], [2.0, 0.5], seed=1)
    random.reset(batch=1000, seed=5)
    drawn = random.act()
    assert drawn.shape == (1000, 2)
    assert drawn.dtype == np.float32
    assert (drawn >= [-2.0, 0.0]).all()
    assert (drawn <= [2.0, 0.5]).all()
    np.testing.assert_allclose(drawn.mean(axis=0), [0.0, 0.25], atol=0.15)
    np.testing.assert_allclose(drawn.std(axis=0), np.array([4.0, 0.5]) / math.sqrt(12), rtol=0.1)
    random.reset(batch=1000, seed=5)
    np.testing.assert_array_equal(random.act(), drawn)
    random.reset()
    assert random.act().shape == (2,)
    with pytest.raises(PaigError, match="low not above high"):
        RandomAgent([1.0], [0.0])


def test_settings_that_cannot_work_are_refused() -> None:
    for make in (
        lambda: CEMSettings(horizon=0),
        lambda: CEMSettings(elites=0),
        lambda: CEMSettings(elites=101),
        lambda: CEMSettings(iterations=0),
        lambda: GoalSettings(time_scale=-1.0),
        lambda: AgentSettings(history=0),
        lambda: AgentSettings(replan=0),
        lambda: AgentSettings(latency=-1),
    ):
        with pytest.raises(PaigError, match="expected"):
            make()
