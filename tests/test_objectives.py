"""Objectives add up, their gradients are right, and a planner that minimises them does what they say."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from paig_control.agents.cem import CEM
from paig_control.agents.gradient import CEMGradient, Gradient
from paig_control.agents.image_cost import Picture, picture_objective
from paig_control.agents.objectives import Goal, Passing, cost_function, goal_objective, other_terms
from paig_control.agents.receding import RecedingHorizon
from paig_control.agents.settings import (
    CEMGradientSettings,
    CEMSettings,
    GoalSettings,
    GradientSettings,
    NoiseSettings,
    PictureSettings,
    TermSettings,
)
from paig_control.agents.step_function import StepFunction
from paig_control.agents.terms import (
    Box,
    Disc,
    Effort,
    KeepOut,
    Smoothness,
    Sum,
    Term,
    Walls,
    after,
    objective_name,
    region,
)
from paig_control.errors import PaigError
from paig_control.models.paig import PAIG
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import PLANE
from paig_control.physics.registry import build_physics
from paig_control.types import State


def puck(objects: int = 1) -> StepFunction:
    """Pushed mass points with friction, two coordinates each; a step lasts 0.1 s."""

    def step(state: State, action: Tensor) -> State:
        velocity = 0.9 * state.velocity + 0.5 * action.unflatten(-1, (objects, 2))
        return State(state.position + 0.5 * velocity, velocity)

    return StepFunction(step, [PLANE] * objects, 2 * objects)


def still(position: Tensor) -> State:
    return State(position, torch.zeros_like(position))


def at(*places: tuple[float, float]) -> State:
    """One candidate whose single object is at these places, step by step."""
    return still(torch.tensor(places).reshape(1, 1, len(places), 1, 2))


def idle(states: State) -> Tensor:
    return torch.zeros(*states.position.shape[:3], 2)


def agrees_with_differences(objective: Term, states: State, tolerance: float = 1e-4) -> None:
    """The gradient by the positions is what central differences say, in double precision."""
    place = states.position.double().requires_grad_()
    actions = torch.zeros(*place.shape[:3], 2, dtype=torch.float64)

    def cost(position: Tensor) -> Tensor:
        return objective(State(position, states.velocity.double()), actions).sum()

    (slope,) = torch.autograd.grad(cost(place), place)
    assert bool(slope.abs().max() > 0)
    for index in range(place.numel()):
        nudge = torch.zeros(place.numel(), dtype=torch.float64)
        nudge[index] = 1e-5
        nudge = nudge.reshape(place.shape)
        with torch.no_grad():
            expected = (cost(place + nudge) - cost(place - nudge)) / 2e-5
        assert float(slope.flatten()[index]) == pytest.approx(float(expected), abs=tolerance, rel=1e-3)


def test_objectives_and_functions_of_a_users_add_up() -> None:
    def lazy(states: State, actions: Tensor) -> Tensor:
        return actions.abs().sum((-1, -2))

    actions = torch.tensor([[[[1.0, -2.0], [3.0, 0.0]]]])
    states = still(torch.zeros(1, 1, 2, 1, 2))
    for total in (Effort(0.5) + lazy + Smoothness(2.0), lazy + (Effort(0.5) + Smoothness(2.0))):
        assert float(total(states, actions)) == pytest.approx(0.5 * 14 + 6 + 2 * (4 + 4))
        assert sorted(objective_name(total).split(" + ")) == ["Effort", "Smoothness", "lazy"]
    with pytest.raises(PaigError, match=r"3\.0 among"):
        Effort() + 3.0  # type: ignore[operator]
    with pytest.raises(PaigError, match="no terms"):
        Sum(())
    with pytest.raises(PaigError, match=r"objective <lambda> returned shape \(\)"):
        (Effort() + (lambda s, a: a.sum()))(states, actions)


def test_smoothness_counts_from_the_last_action_once_there_is_one() -> None:
    actions = torch.tensor([[[[1.0], [1.0], [2.0]]], [[[0.0], [0.0], [0.0]]]])
    states = still(torch.zeros(2, 1, 3, 1, 1))
    first = Effort(0.0) + Smoothness(0.5)
    assert first(states, actions).flatten().tolist() == [0.5, 0.0]
    later = after(first, torch.tensor([[3.0], [-2.0]]))
    assert later(states, actions).flatten().tolist() == [0.5 * (4 + 1), 0.5 * 4]
    assert after(first, None) is first


def test_smoothness_makes_an_agent_change_its_mind_slowly() -> None:
    physics, target = puck(), still(torch.tensor([[[6.0, -3.0]]]))
    jumps = []
    for weight in (0.0, 5.0):
        objective = goal_objective(physics, target, GoalSettings(smoothness=weight))
        control = RecedingHorizon(CEM(CEMSettings(horizon=8), 0), physics, [-2.0] * 2, [2.0] * 2)
        state, taken = still(torch.zeros(1, 1, 2)), []
        for _ in range(10):
            taken.append(control.act(state, objective))
            state = physics.step(state, taken[-1])
        jumps.append(float(torch.cat(taken).diff(dim=0).square().sum()))
    assert jumps[1] < 0.2 * jumps[0]


def test_regions_cost_their_depth_squared_also_between_frames() -> None:
    physics = puck()
    keep = KeepOut(physics, [Disc((5.0, 5.0), 2.0)], margin=0.5, penalty=10.0)
    one = at((6.0, 5.0))
    assert float(keep(one, idle(one))) == pytest.approx(10 * 1.5**2)
    out = at((8.0, 5.0), (8.0, 9.0))
    assert float(keep(out, idle(out))) == 0
    through = at(
        (1.0, 5.0), (10.0, 5.0)
    )  # looks from outside at both frames, and is 1 and 2 px from the centre between
    assert float(keep(through, idle(through))) == pytest.approx(10 * (1.5**2 + 0.5**2) / 3)
    box = KeepOut(physics, [Box((2.0, 2.0), (8.0, 4.0))], margin=1.0, penalty=1.0)
    for place, cost in (
        ((5.0, 3.0), 4.0),
        ((5.0, 4.5), 0.25),
        ((9.0, 3.0), 0.0),
        ((8.6, 4.8), 0.0),
        ((8.3, 4.4), 0.25),
    ):
        one = at(place)
        assert float(box(one, idle(one))) == pytest.approx(cost, abs=1e-5), place


def test_regions_and_walls_are_for_the_objects_chosen() -> None:
    physics = puck(2)
    states = still(torch.tensor([[5.0, 5.0], [40.0, 5.0]]).reshape(1, 1, 1, 2, 2))
    actions = torch.zeros(1, 1, 1, 4)
    disc, limits = Disc((5.0, 5.0), 1.0), ((0.0, 0.0), (30.0, 30.0))
    for objects, keep, walls in ((None, 4.0, 121.0), ([0], 4.0, 0.0), ([1], 0.0, 121.0)):
        assert float(KeepOut(physics, [disc], 1.0, 1.0, objects)(states, actions)) == pytest.approx(keep)
        assert float(Walls(physics, *limits, 1.0, 1.0, objects)(states, actions)) == pytest.approx(walls)


def test_walls_may_leave_a_side_open_and_limit_angles_the_short_way_round() -> None:
    walls = Walls(puck(), (-math.inf, 2.0), (10.0, math.inf), margin=0.0, penalty=1.0)
    one = at((-99.0, 99.0), (12.0, -1.0))
    assert float(walls(one, idle(one))) == pytest.approx(2**2 + 3**2)
    arc = Walls(build_physics("pendulum", 0.05), (2.5,), (4.0,), margin=0.0, penalty=1.0)
    states = still(torch.tensor([-math.pi, 2.0]).reshape(1, 1, 2, 1, 1))
    assert float(arc(states, torch.zeros(1, 1, 2, 1))) == pytest.approx(0.5**2, rel=1e-4)
    keep = KeepOut(build_physics("pendulum", 0.05), [region([math.pi, 0.5], 1)], margin=0.0, penalty=1.0)
    assert float(keep(states, torch.zeros(1, 1, 2, 1))) > 0.5**2


@pytest.mark.parametrize(
    "term",
    [
        KeepOut(puck(), [Disc((5.0, 5.0), 3.0)], penalty=2.0),
        KeepOut(puck(), [Box((2.0, 2.0), (9.0, 8.5))], penalty=2.0),
        Walls(puck(), (4.8, 0.0), (9.0, 4.5), penalty=2.0),
        Passing(puck(), torch.zeros(1, 1, 2), torch.ones(1, 1, 2)),
        Goal(puck(), still(torch.ones(1, 1, 2)), terminal=2.0),
    ],
)
def test_gradients_are_those_of_central_differences(term: Term) -> None:
    agrees_with_differences(term, at((4.1, 5.2), (6.3, 4.4), (2.9, 7.1)))


def test_the_middle_of_a_disc_has_a_finite_gradient() -> None:
    place = torch.tensor([5.0, 5.0]).reshape(1, 1, 1, 1, 2).requires_grad_()
    KeepOut(puck(), [Disc((5.0, 5.0), 3.0)])(still(place), torch.zeros(1, 1, 1, 2)).sum().backward()
    assert place.grad is not None
    assert bool(torch.isfinite(place.grad).all())


def test_a_ball_goes_around_a_disc_that_stands_in_its_way() -> None:
    physics, target = puck(), still(torch.tensor([[[12.0, 0.0]]]))
    nearest = []
    for keep_out in ([], [[6.0, 0.1, 2.0]]):
        objective = goal_objective(physics, target, GoalSettings(keep_out=keep_out, margin=0.3))
        planner = CEM(CEMSettings(horizon=12, warm=NoiseSettings(4, 1.0), fresh=NoiseSettings(4, 1.0)), 0)
        control = RecedingHorizon(planner, physics, [-2.0] * 2, [2.0] * 2)
        state, track = still(torch.zeros(1, 1, 2)), []
        for _ in range(25):
            state = physics.step(state, control.act(state, objective))
            track.append(state.position[0, 0])
        nearest.append(float((torch.stack(track) - torch.tensor([6.0, 0.1])).norm(dim=-1).min()))
        assert float((track[-1] - target.position[0, 0]).norm()) < 0.5
    assert nearest[0] < 1.0
    assert nearest[1] > 1.95


def test_a_moving_goal_is_passed_through_with_its_velocity() -> None:
    physics = puck()
    target = State(torch.tensor([[[6.0, 2.0]]]), torch.tensor([[[1.0, -2.0]]]))
    control = RecedingHorizon(CEMGradient(CEMGradientSettings(horizon=10), 0), physics, [-2.0] * 2, [2.0] * 2)
    state, apart = still(torch.zeros(1, 1, 2)), []
    for _ in range(15):
        state = physics.step(state, control.act(state, goal_objective(physics, target)))
        apart.append(max(float((a - b).abs().max()) for a, b in zip(state, target, strict=True)))
    assert min(apart) < 0.4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_out": [[1.0, 2.0]]}, "3 numbers for a disc"),
        ({"keep_out": [[1.0, 2.0, -3.0]]}, "positive"),
        ({"keep_out": [[1.0, 2.0, math.nan]]}, "finite"),
        ({"keep_out": [[5.0, 5.0, 1.0, 9.0]]}, r"\[left, top, right, bottom\]"),
        ({"walls": (1.0, 2.0, 3.0)}, "expected 4 numbers"),
        ({"walls": (2.0, 30.0, 30.0, 2.0)}, "no room"),
        ({"walls": (2.0, 2.0, 3.0, 30.0)}, "no room"),
        ({"walls": (0.0, 0.0, 9.0, 9.0), "objects": (1,)}, r"objects = \[1\]: expected numbers from 0 to 0"),
    ],
)
def test_regions_and_walls_that_cannot_be_meant_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(PaigError, match=message):
        other_terms(puck(), TermSettings(**settings))  # type: ignore[arg-type]


def test_settings_that_cannot_work_are_refused() -> None:
    for make in (
        lambda: TermSettings(smoothness=-1.0),
        lambda: TermSettings(margin=-1.0),
        lambda: PictureSettings(frames=0),
        lambda: PictureSettings(blurs=(0.0,)),
    ):
        with pytest.raises(PaigError, match="expected"):
            make()
    with pytest.raises(PaigError, match="finite angles"):
        Walls(build_physics("pendulum", 0.05), (-math.inf,), (1.0,))
    with pytest.raises(PaigError, match="cannot draw"):
        picture_objective(puck(), puck(), torch.zeros(1, 8, 8, 3, dtype=torch.uint8), PictureSettings())
    with pytest.raises(PaigError, match="expected \\(batch, 3"):
        Picture(lambda state: state.position, torch.zeros(8, 8, 3))


@pytest.fixture
def pushed(spring_model: PAIG) -> PAIG:
    """The model made by hand, of balls that can be pushed."""
    physics = build_physics("spring", 0.3)
    physics.set_values({"stiffness": 4.0, "rest_length": 12.0, "actuation": 1.0})
    spring_model.dynamics = physics
    return spring_model


def pictured(model: PAIG, position: Tensor, settings: PictureSettings | None = None) -> Term:
    frames = (model.render(still(position)).detach().movedim(1, -1) * 255).round().byte()
    return picture_objective(model, model.physics, frames, settings or PictureSettings())


def test_a_picture_costs_nothing_at_the_goal_and_more_the_further_away_even_where_nothing_touches(pushed: PAIG) -> None:
    goal = torch.tensor([[[8.0, 16.0], [20.0, 16.0]]])
    away = torch.tensor([0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    states = still(goal[:, None, None] + torch.stack([0 * away, away], -1)[None, :, None, None])
    with torch.no_grad():
        costs = pictured(pushed, goal)(states, torch.zeros(1, 8, 1, 4))[0]
        sharp = pictured(pushed, goal, PictureSettings(blurs=()))(states, torch.zeros(1, 8, 1, 4))[0]
    assert float(costs[0]) < 0.1
    assert bool((costs.diff() > 1.0).all())
    assert float(sharp[6] - sharp[5]) == pytest.approx(0.0, abs=1.0)  # two balls beside their goals, near or far


def test_blurred_pictures_are_compared_as_gaussian_filters_do(pushed: PAIG) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    model, goal = pushed, torch.tensor([[[9.0, 15.0], [21.0, 17.0]]])
    image, other = model.render(still(goal)).detach(), model.render(still(goal + 2.7)).detach()
    width = 0.12 * 32
    with_blur, without = (float(Picture(model.render, image, 1, blurs).error(other, image)) for blurs in ((0.12,), ()))
    blurred = ndimage.gaussian_filter(
        (other - image)[0].numpy().astype("f8"), (0, width, width), mode="reflect", truncate=8
    )
    assert with_blur - without == pytest.approx(width**2 * (blurred**2).sum(), rel=0.02)


def test_the_gradient_of_a_picture_goes_through_the_renderer(pushed: PAIG) -> None:
    model = pushed.double()
    goal = torch.tensor([[[8.0, 16.0], [20.0, 16.0]]], dtype=torch.float64)
    image = model.render(still(goal)).detach()
    place = (goal + torch.tensor([0.83, -1.37])).reshape(1, 1, 1, 2, 2).requires_grad_()
    term = Picture(model.render, image)

    def cost(position: Tensor) -> Tensor:
        return term(still(position), torch.zeros(1, 1, 1, 4, dtype=torch.float64)).sum()

    (slope,) = torch.autograd.grad(cost(place), place)
    for index in range(4):
        nudge = torch.zeros(4, dtype=torch.float64)
        nudge[index] = 1e-4
        nudge = nudge.reshape(place.shape)
        with torch.no_grad():
            expected = float(cost(place + nudge) - cost(place - nudge)) / 2e-4
        assert float(slope.flatten()[index]) == pytest.approx(expected, rel=0.01)


def test_compared_frames_are_spread_over_the_horizon_with_the_last_among_them(pushed: PAIG) -> None:
    drawn: list[Tensor] = []

    def render(state: State) -> Tensor:
        drawn.append(state.position[:, 0, 0])
        return torch.zeros(len(state.position), 3, 4, 4)

    states = still(torch.arange(7.0).reshape(1, 1, 7, 1, 1))
    for frames, steps in ((1, [6]), (3, [2, 4, 6]), (9, [0, 1, 2, 3, 4, 5, 6])):
        drawn.clear()
        cost = Picture(render, torch.ones(1, 3, 4, 4), frames, ())(states, torch.zeros(1, 1, 7, 1))
        assert torch.cat(drawn).tolist() == steps
        assert float(cost) == pytest.approx(48 * 7)  # whatever is drawn stands for the whole horizon


@pytest.mark.parametrize("kind", ["cem", "gradient", "cem_gradient"])
def test_balls_are_brought_to_a_picture(pushed: PAIG, kind: str) -> None:
    physics: Physics = pushed.physics
    goal = torch.tensor([[[22.0, 10.0], [22.0, 22.0]]])
    planner = {
        "cem": lambda: CEM(CEMSettings(horizon=3, samples=80), 0),
        "gradient": lambda: Gradient(GradientSettings(horizon=3, starts=6, steps=10), 0),
        "cem_gradient": lambda: CEMGradient(CEMGradientSettings(horizon=3, samples=60), 0),
    }[kind]()
    control = RecedingHorizon(planner, physics, [-33.0] * 4, [33.0] * 4)
    state = still(torch.tensor([[[10.0, 16.0], [16.0, 26.0]]]))
    objective = pictured(pushed, goal)
    for _ in range(10):
        with torch.no_grad():
            state = physics.step(state, control.act(state, objective))
    assert float((state.position - goal).abs().max()) < 1.0


def test_a_goal_of_coordinates_can_be_compared_as_a_picture(pushed: PAIG) -> None:
    goal = still(torch.tensor([[[8.0, 16.0], [20.0, 16.0]]]))
    term = picture_objective(pushed, pushed.physics, goal, PictureSettings())
    cost = cost_function(pushed.physics, goal, term)
    with torch.no_grad():
        assert float(cost(torch.zeros(1, 1, 2, 4))) < 1e-3
