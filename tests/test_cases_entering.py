"""What callers hand over where it enters: seeds of every kind, frames and bounds that change later, grey frames."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import paig_control as paig
from paig_control import seeds
from paig_control.agents.random import RandomAgent
from paig_control.agents.settings import CEMSettings
from paig_control.border.guarding import guarded
from paig_control.data.augmentation import draw
from paig_control.data.collection import collect
from paig_control.envs.goal_sampling import generators
from paig_control.errors import PaigError
from paig_control.evaluation.baselines import random_agent
from paig_control.evaluation.control import ControlSettings
from paig_control.evaluation.corruptions import Camera, DisturbSettings
from paig_control.goals.drawing import draw_many
from paig_control.types import State

FIVE = [5, np.int64(5), np.uint8(5), np.array(5), np.array([5])[0]]
NO_SEEDS = [-1, np.int64(-1), 2**64, 10**30, 5.0, np.float64(5), True, np.True_, "5", np.array([5]), [5]]


@pytest.mark.parametrize("value", [*FIVE, np.uint64(5)])
def test_a_seed_of_any_whole_type_becomes_an_int(value):
    assert seeds.whole(value) == 5
    assert type(seeds.whole(value)) is int


def test_seeds_of_64_bits_are_taken():
    assert seeds.whole(np.uint64(2**64 - 1)) == 2**64 - 1


def planner(seed):
    """What CEM draws from this seed."""
    one = paig.CEM(CEMSettings(samples=8, elites=2, iterations=1), seed)
    return one.plan(lambda x: x.square().sum((2, 3)), torch.zeros(1, 2, 1), torch.tensor([-1.0]), torch.tensor([1.0]))[
        3
    ]


def reseeded(seed):
    one = paig.ICEM(seed=0)
    one.reseed(seed)
    return one.generator.get_state()


def resown(seed):
    agent = RandomAgent([-1], [1])
    agent.reset(seed=seed)
    return agent.act()


BOX = gym.spaces.Box(-1, 1, (1,), np.float32)
TAKERS = {
    "collect": lambda s: collect("paig/Pendulum-v0", 1, 2, s, valid=0, test=0, env_kwargs={"size": 8}).arrays[
        "train_u"
    ],
    "scene": lambda s: gym.make("paig/Spring-v0").reset(seed=s)[0],
    "camera": lambda s: gym.make("paig/Pixels-v0").reset(seed=s)[0],
    "goals": lambda s: gym.make("paig_goal/Spring-v0").reset(seed=s)[0]["desired_goal"],
    "vector": lambda s: gym.make_vec("paig/Spring-v0", 2, vectorization_mode="vector_entry_point").reset(seed=s)[0],
    "each": lambda s: gym.make_vec("paig/Spring-v0", 2, vectorization_mode="vector_entry_point").reset(seed=[s, s])[0],
    "planner": planner,
    "reseed": reseeded,
    "random agent": lambda s: RandomAgent([-1], [1], s).act(),
    "random agent's reset": resown,
    "baseline": lambda s: random_agent(BOX, [s])(None, None, 0),
    "disturbance": lambda s: Camera(DisturbSettings(noise=0.1), [s], 9)(np.zeros((1, 4, 4, 3), np.uint8), None, 0)[0],
    "drawn goals": lambda s: generators([s], "test")[0].random(),
    "augmentation": lambda s: draw("all", 3, s).shift,
    "control": lambda s: ControlSettings(seed=s).seed,
}


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
def test_wherever_a_seed_enters_it_may_be_numpys(taker):
    for value in FIVE[1:3]:
        np.testing.assert_array_equal(taker(value), taker(5))


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
@pytest.mark.parametrize("value", [-1, 2**64, 5.5, True], ids=str)
def test_wherever_a_seed_enters_what_is_none_is_refused_by_name(taker, value):
    with pytest.raises(PaigError, match=r"seed = .*: expected a whole number"):
        taker(value)


@pytest.mark.parametrize("value", NO_SEEDS, ids=str)
def test_what_is_no_seed_is_refused(value):
    with pytest.raises(PaigError, match=r"mine = .*: expected a whole number"):
        seeds.whole(value, "mine")


def test_training_takes_numpys_seeds_and_refuses_others_before_any_work(spring_films):
    physics = paig.build_physics("spring", dt=0.3)
    for value, words in ((2**64, "64 bits"), (1.0, "is a float"), (np.int64(-3), "seed = -3")):
        with pytest.raises(PaigError, match=words):
            paig.train(spring_films.split("train"), physics, seed=value)


def test_the_command_line_refuses_a_seed_by_name(capsys, tmp_path):
    from paig_control.cli.main import main

    for word in ("seed=-1", f"seed={2**70}"):
        assert main(["collect", "env=spring", word, f"out={tmp_path / 'a.npz'}"]) == 2
        assert f"seed = {word[5:]}: expected a whole number" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# -- frames and goals -------------------------------------------------------------------------------------------------


def acted(model, goal, frames, shade=lambda frame: frame, reuse=False):
    """What an agent does that is shown these frames, in an array of their own or in one that is written anew."""
    agent = paig.MPCAgent(
        model, paig.CEM(CEMSettings(samples=16, elites=4, iterations=1, horizon=4)), [-2] * 4, [2] * 4
    )
    buffer = shade(goal).copy()
    agent.reset(buffer, seed=0, examine=False)
    actions = []
    for frame in frames:
        shown = shade(frame).copy()
        if reuse:
            buffer[:] = shown
            shown = buffer
        actions.append(agent.act(shown))
    return np.stack(actions)


@pytest.fixture
def shown():
    """A goal, and frames of balls that fly together, so that a frame which seems to repeat is taken for frozen."""
    env = gym.make("paig/Spring-v0")
    frame, info = env.reset(seed=0, options={"state": [[[6.0, 16.0], [26.0, 16.0]], [[0.0, 0.0], [0.0, 0.0]]]})
    return info["goal"], [frame, *(env.step(np.zeros(4))[0] for _ in range(4))]


def test_an_agent_keeps_neither_its_frames_nor_its_goal_by_reference(pushed_model, shown):
    np.testing.assert_array_equal(acted(pushed_model, *shown, reuse=True), acted(pushed_model, *shown))


@pytest.mark.parametrize("lead", [0, 1])
@pytest.mark.parametrize("channels", [0, 1, 4])
def test_an_agent_sees_grey_frames_as_films_of_them_are_learned(pushed_model, shown, lead, channels):
    pushed_model.localizer.channels = (0, 1)
    goal, frames = shown
    agents = []
    for grey in (True, False):
        agent = paig.MPCAgent(pushed_model, paig.CEM(CEMSettings(samples=8, elites=2)), [-2] * 4, [2] * 4)
        agent.reset(goal, batch=1 if lead else None, seed=0, examine=False)
        for frame in frames[:2]:
            shade = frame[..., 2]
            if grey and channels == 1:
                shade = shade[..., None]
            elif not grey or channels == 4:
                shade = np.stack([shade] * 3 + [shade] * (channels == 4 and grey), -1)
            action = agent.act(shade[None] if lead else shade)
        agents.append(action)
    np.testing.assert_array_equal(*agents)


def test_bounds_and_coordinates_that_change_afterwards_change_nothing(pushed_model):
    low, high = np.full(4, -2, np.float32), np.full(4, 2, np.float32)
    agent = paig.MPCAgent(pushed_model, paig.CEM(), low, high)
    goal = State(torch.tensor([[[8.0, 8.0], [20.0, 20.0]]]), torch.zeros(1, 2, 2))
    agent.reset(goal)
    at = goal.position[:, None].clone(), goal.velocity[:, None].clone()
    before = agent.objective(State(*at), torch.zeros(1, 1, 1, 4))
    random = RandomAgent(low, high)
    for array in (low, high, *goal):
        array[:] = 7
    assert torch.equal(agent.objective(State(*at), torch.zeros(1, 1, 1, 4)), before)
    assert agent.control.low.tolist() == [-2] * 4
    assert random.high.tolist() == [2] * 4


def test_a_goal_that_changes_afterwards_is_not_the_environments():
    env = gym.make("paig/Pendulum-v0").unwrapped
    env.reset(seed=0)
    goal = np.array([[[1.0]], [[0.0]]])
    env.set_goal(goal)
    goal[:] = 3
    assert env.goal_state.ravel().tolist() == [1.0, 0.0]


def test_without_actions_nothing_is_controlled(spring_model):
    with pytest.raises(PaigError, match="There are no actions, so nothing can be controlled"):
        paig.MPCAgent(spring_model, paig.CEM(), [], [])


@pytest.mark.parametrize("planner", [paig.CEM, paig.ICEM, paig.MPPI, paig.Gradient, paig.CEMGradient])
def test_an_action_whose_bounds_meet_is_planned_as_what_it_is(planner):
    low, high = torch.tensor([-1.0, 0.25]), torch.tensor([1.0, 0.25])
    init = torch.zeros(1, planner().horizon, 2)
    plan = planner().plan(lambda actions: (actions - 0.5).square().sum((2, 3)), init, low, high)
    assert (plan.actions[..., 1] == 0.25).all()
    assert (plan.actions[..., 0] - 0.5).square().mean() < 0.1


@pytest.mark.parametrize("keep_dim", [True, False])
def test_goals_are_drawn_in_the_shades_in_which_the_environment_is_seen(keep_dim):
    inner = gym.make("paig/Pendulum-v0", disable_env_checker=True)
    env = guarded(gym.wrappers.GrayscaleObservation(inner, keep_dim=keep_dim))
    state = np.array([[[1.0]], [[0.0]]])
    frame, _ = env.reset(seed=0, options={"state": state})
    assert np.ptp(frame, axis=-1).max() == 0
    np.testing.assert_array_equal(env.get_wrapper_attr("draw")(state), frame)
    drawn = draw_many(env, [0, 1], 20).targets
    np.testing.assert_array_equal(drawn.pictures, [env.reset(options={"state": one})[0] for one in drawn.states])


# -- scenes in which nothing is seen --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kwargs", "words"),
    [
        ("Spring", {"radius": 0.01}, "radius = 0.01: expected a finite number of at least 0.5"),
        ("ThreeBody", {"radius": 0.4}, "radius = 0.4"),
        ("BouncingBalls", {"colours": [(255, 0, 0), (0, 0, 0)]}, "Object 1 of BouncingBalls cannot be seen"),
        ("Pendulum", {"rod_colour": (255, 255, 255)}, "Object 0 of Pendulum cannot be seen"),
    ],
)
def test_a_scene_in_which_something_cannot_be_seen_is_refused(name, kwargs, words):
    with pytest.raises(PaigError, match=words):
        gym.make(f"paig/{name}-v0", **kwargs)
    with pytest.raises(PaigError, match=words):
        gym.make_vec(f"paig/{name}-v0", 2, vectorization_mode="vector_entry_point", **kwargs)


def test_the_smallest_bodies_are_seen():
    frame = gym.make("paig/Spring-v0", radius=0.5).reset(seed=0)[0]
    assert frame[..., 2].any()
    assert frame[..., 1].any()
