"""Goals at the border: what does not show every object, or lies outside the picture, is refused; what does is not."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

import paig_control  # noqa: F401
from paig_control.agents.cem import CEM
from paig_control.agents.image_cost import draws
from paig_control.agents.mpc import MPCAgent
from paig_control.agents.objectives import Goal, Passing
from paig_control.agents.settings import CEMSettings, GoalSettings, PictureSettings, TermSettings
from paig_control.agents.terms import KeepOut
from paig_control.errors import PaigError
from paig_control.goals.checks import examines
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_physics
from paig_control.types import State

APART = np.array([[[10.0, 16.0], [22.0, 16.0]], [[0.0, 0.0], [0.0, 0.0]]])


@pytest.fixture(scope="module")
def env():
    return gym.make("paig/Spring-v0", disable_env_checker=True)


@pytest.fixture
def agent(spring_model: PAIG) -> MPCAgent:
    physics = build_physics("spring", 0.3)
    physics.set_values({"stiffness": 4.0, "rest_length": 12.0, "actuation": 1.0})
    spring_model.dynamics = physics
    return MPCAgent(spring_model, CEM(CEMSettings(horizon=2, samples=20)), [-33.0] * 4, [33.0] * 4)


def drawn(env, *moves: tuple[int, float, float]) -> np.ndarray:
    """The scene with balls moved to other places."""
    state = APART.copy()
    for ball, x, y in moves:
        state[0, ball] = x, y
    return env.get_wrapper_attr("draw")(state)


def test_goals_that_the_environment_draws_are_never_refused(agent, env):
    starts = np.stack([env.reset(seed=seed)[1]["state"] for seed in range(40)])
    pictures = env.get_wrapper_attr("sample_goals")(starts, range(40), 40).pictures
    agent.reset(pictures, batch=40)


def test_pictures_without_every_object_are_refused_by_the_number_of_the_object(agent, env):
    rng = np.random.default_rng(0)
    bad = {
        "object 1 is not found": drawn(env, (1, -20.0, -20.0)),
        "objects 0 and 1 are not found": np.zeros((32, 32, 3), np.uint8),
        "not found": rng.integers(0, 256, (32, 32, 3), dtype=np.uint8),
        "found: drawn": 255 - drawn(env),
        "object 0 is cut by the border": drawn(env, (0, 0.8, 16.0)),
    }
    for message, picture in bad.items():
        with pytest.raises(PaigError, match=message):
            agent.reset(picture)
    with pytest.raises(PaigError, match="number 1, object 1 is not found"):
        agent.reset(np.stack([drawn(env), bad["object 1 is not found"]]), batch=2)
    agent.reset(bad["object 1 is not found"], examine=False)


def test_what_the_model_cannot_explain_is_measured_against_its_training(agent, env):
    model = agent.model
    images = torch.from_numpy(drawn(env)[None])
    assert model.examine(images, model.locate(images)).usual == 0  # never learned
    model.weight.fill_(0.5)
    finding = model.examine(images, model.locate(images))
    assert finding.usual == pytest.approx(0.003 * 0.5 * 32 * 32)
    assert bool(finding.found.all())
    assert float(finding.inside.min()) > 0.999


def test_coordinates_may_be_told_as_arrays_and_must_lie_in_the_picture(agent):
    agent.reset(State(APART[:1], APART[1:]))
    goal = agent.objective.terms[0]
    assert isinstance(goal, Goal)
    torch.testing.assert_close(goal.target.position, torch.from_numpy(APART[:1]).float())
    outside = APART.copy()
    outside[0, 1] = 40.0, 16.0
    with pytest.raises(PaigError, match=r"object 1 is outside the picture, at \[40, 16\]"):
        agent.reset(State(outside[:1], outside[1:]))
    with pytest.raises(PaigError, match=r"position has shape \(2, 2\)"):
        agent.reset(State(APART[0], APART[1]))
    with pytest.raises(PaigError, match="no numbers"):
        agent.reset(State("left", "right"))


def test_two_frames_are_a_goal_to_be_passed_with_their_velocity(agent, env):
    agent.reset((drawn(env, (0, 9.0, 16.0), (1, 21.0, 16.0)), drawn(env)))
    goal = agent.objective.terms[0]
    assert isinstance(goal, Passing)
    torch.testing.assert_close(goal.velocity[0], torch.tensor([[3.33, 0.0], [3.33, 0.0]]), atol=0.05, rtol=0)
    agent.goal_settings = PictureSettings()
    with pytest.raises(PaigError, match="expected one image"):
        agent.reset((drawn(env), drawn(env)))


def test_an_agent_counts_what_its_settings_and_its_user_add(agent, env):
    def lazy(states, actions):
        return actions.abs().sum((-1, -2))

    settings = GoalSettings(effort=0.0, smoothness=0.1, keep_out=[[16.0, 16.0, 2.0]])
    for chosen, first in ((settings, Goal), (TermSettings(keep_out=[[16.0, 16.0, 2.0]]), Goal)):
        own = MPCAgent(agent.model, agent.control.planner, [-33.0] * 4, [33.0] * 4, None, chosen, extra=lazy)
        own.reset(drawn(env))
        terms = own.objective.terms
        assert isinstance(terms[0], first)
        assert sum(isinstance(term, KeepOut) for term in terms) == 1
        assert terms[-1] is lazy
        own.reset()
        assert own.act(drawn(env)).shape == (4,)


class Wrapped:
    """A model in another's hands, which passes on all that it is asked for."""

    def __init__(self, model: PAIG) -> None:
        self.model = model

    def __getattr__(self, name: str):
        return getattr(self.model, name)


def test_what_a_model_passes_on_from_another_is_its_own(spring_model: PAIG):
    model = Wrapped(spring_model)
    assert examines(model)
    assert draws(model)
    assert draws(spring_model)  # its weights are a buffer
    assert not examines(spring_model.physics)
    assert not draws(spring_model.renderer)
