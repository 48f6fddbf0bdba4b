"""Compiled rollouts: the same numbers as by tensors, and by tensors wherever they cannot be had."""

from __future__ import annotations

import builtins
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from paig_control import machine
from paig_control.agents import cem
from paig_control.agents.cem import CEM
from paig_control.agents.icem import ICEM
from paig_control.agents.mppi import MPPI
from paig_control.agents.objectives import Goal, cost_function, goal_objective, reward_objective
from paig_control.agents.settings import CEMSettings, GoalSettings, ICEMSettings, MPPISettings
from paig_control.agents.terms import Effort, Smoothness, Sum, Term
from paig_control.agents.value_iteration import return_terms
from paig_control.errors import PaigError
from paig_control.physics import Body, Force, Mechanism, Physics, build_physics, integrate_by
from paig_control.physics.mechanism import scene_of
from paig_control.physics.registry import names
from paig_control.types import State

pytest.importorskip("numba")

MIXED: dict[str, Any] = {
    "bodies": [{"joint": "free", "mass": 2.0, "max_speed": 9.0}, {"joint": "free"}, {"joint": "free"}],
    "forces": {
        "spring": {"between": [[0, 1]]},
        "anchored_spring": {"anchors": [[3.0, 4.0], [9.0, 9.0]], "bodies": [0, 2]},
        "attraction": {"nearest": 2.0},
        "weight": {},
        "quadratic_drag": {},
        "push": {"bodies": [2, 0]},
        "more": {"kind": "push", "bodies": [1]},
        "walls": {"width": 24.0, "radius": 1.5},
    },
}
SCENES = {
    **{n: {} for n in names() if n != "lstm" and build_physics(n, 0.1).kinematics != "tree"},  # those: test_lumped
    "damped_spring": {**{"objects": 2, "forces": {"spring": {}, "push": {}, "drag": {}}}},
    "rubbed": {
        "bodies": [{"joint": "hinge", "length": 2.0, "mass": 0.5, "max_speed": 6.0}],
        "forces": {"weight": {}, "motor": {}, "friction": {}},
    },
    "mixed": MIXED,
}


def scene(name: str, integrator: str = "euler-2") -> Mechanism:
    options = SCENES[name]
    physics = scene_of(options, 0.1) if options else build_physics(name, 0.1)
    assert isinstance(physics, Mechanism)
    integrate_by(physics, integrator)
    given = torch.Generator().manual_seed(3)
    physics.set_values({name: float(torch.rand(1, generator=given)) * 3 + 0.5 for name in physics.names})
    if hasattr(physics, "handed"):
        physics.handed.copy_(torch.tensor([1.0, -1.0]))
    return physics


def problem(physics: Physics, batch: int = 3, count: int = 21, horizon: int = 6) -> tuple[State, Tensor]:
    drawn = torch.Generator().manual_seed(5)
    shape = (batch, physics.objects, physics.dims)
    place = 2 * torch.randn(shape, generator=drawn) + torch.arange(3.0, 3.0 + 6 * physics.objects, 6)[:, None]
    state = State(place, torch.randn(shape, generator=drawn))
    return state, 2 * torch.randn((batch, count, horizon, physics.action_size), generator=drawn)


def test_implicit_drag_of_bodies_of_other_masses_is_left_to_tensors() -> None:
    drags = {"bodies": [{"joint": "free", "mass": 2.0}], "forces": {"push": {}, "drag": {}}}
    heavy, light = (scene_of({**drags, **other}, 0.1) for other in ({}, {"bodies": [{"joint": "free"}]}))
    for physics in (heavy, light):
        integrate_by(physics, "damped-1")
        state, actions = problem(physics)
        with torch.no_grad(), physics.frozen():
            assert (physics.imagined(state, actions) is None) == (physics is heavy)
        begin = State(*(x[:, None].expand(3, 21, 1, 2) for x in state))
        mass, rate = float(physics.mass), physics.values()["damping"]
        speed = (mass * begin.velocity + 0.1 * actions[:, :, :1]) / (mass + 0.1 * rate)  # actuation is one
        torch.testing.assert_close(physics.step(begin, actions[:, :, 0]).velocity, speed, rtol=1e-5, atol=1e-5)


def both(physics: Physics, state: State, actions: Tensor, repeat: int = 1) -> tuple[State, State]:
    with torch.inference_mode(), physics.frozen():
        found = physics.imagined(state, actions, repeat)
        begin = State(*(x[:, None].expand(len(actions), actions.shape[1], *x.shape[1:]) for x in state))
        expected = physics.rollout(begin, actions.repeat_interleave(repeat, 2))
    assert found is not None
    return found, expected


@pytest.mark.parametrize("integrator", ["euler-1", "euler-3", "damped-2", "pefrl-2", "rk4-2"])
@pytest.mark.parametrize("name", SCENES)
def test_every_known_scene_moves_as_by_tensors(name: str, integrator: str) -> None:
    physics = scene(name, integrator)
    for batch, repeat in ((1, 1), (3, 2)):
        found, expected = both(physics, *problem(physics, batch), repeat)
        for mine, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)


def test_angles_far_from_zero_and_one_state_for_a_batch() -> None:
    physics = scene("pendulum")
    _, actions = problem(physics)
    state = State(torch.full((1, 1, 1), 300.0), torch.zeros(1, 1, 1))
    found, expected = both(physics, state, actions)
    torch.testing.assert_close(found.velocity, expected.velocity, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["pendulum", "mixed"])
def test_constants_of_each_problem(name: str) -> None:
    physics = scene(name)
    state, actions = problem(physics)
    own = {name: torch.tensor([0.7, 1.0, 2.5]).reshape(3, 1, 1, 1) for name in physics.names[:2]}
    with physics.using(own):
        found, expected = both(physics, state, actions)
    torch.testing.assert_close(found.position, expected.position, rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(found.velocity, expected.velocity, rtol=2e-5, atol=2e-5)
    once, _ = both(physics, state, actions)
    assert not torch.allclose(once.velocity, found.velocity, rtol=1e-2)


def test_what_is_no_number_stays_so() -> None:
    physics = scene("pendulum")
    state, actions = problem(physics, batch=1)
    actions[0, 3, 2] = math.nan
    found, expected = both(physics, state, actions)
    assert bool((found.position.isfinite() == expected.position.isfinite()).all())
    assert bool(found.position.isnan().any())


def test_loops_search_for_known_costs_in_single_precision_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*_: Any) -> Tensor:
        raise LookupError

    physics = scene("spring")
    state, _ = problem(physics, 1)
    bound = torch.ones(4)
    planner = CEM(CEMSettings(horizon=3, samples=20), 1)
    known = cost_function(physics, state, Effort())
    monkeypatch.setattr(cem, "compiled_cross_entropy", told)
    with pytest.raises(LookupError):
        planner.plan(known, torch.zeros(1, 3, 4), -bound, bound)
    planner.plan(cost_function(physics, state, Effort(), 1, False), torch.zeros(1, 3, 4), -bound, bound)
    planner.plan(lambda actions: known(actions), torch.zeros(1, 3, 4), -bound, bound)
    planner.plan(known, torch.zeros(1, 3, 4).double(), -bound, bound)


class Lift(Force):
    """A force of a user's."""

    def forward(self, motion: Any, action: Tensor) -> Tensor:
        return torch.ones_like(motion.place)


class Heavier(Mechanism):
    """A physics of a user's."""

    def acceleration(self, state: State, action: Tensor) -> Tensor:
        return 2 * super().acceleration(state, action)


def test_what_is_not_known_moves_by_tensors() -> None:
    cart = [Body("rail", mass=2.0), Body("hinge", on=0, length=2.0)]
    forces = build_physics("spring", 0.1)
    assert isinstance(forces, Mechanism)
    for physics in (
        Mechanism(0.1, 1, {"lift": Lift()}),
        Mechanism(0.1, cart, {}),
        Heavier(0.1, 2, dict(forces.forces)),
    ):
        state = State(*(torch.zeros(1, physics.objects, physics.dims) for _ in range(2)))
        with torch.inference_mode():
            assert physics.imagined(state, torch.zeros(1, 4, 3, physics.action_size)) is None
    physics = scene("spring")
    state, actions = problem(physics)
    wide = State(*(x.double() for x in state))
    assert physics.imagined(wide, actions.double()) is None
    with physics.using({"stiffness": torch.ones(3, 2, 1, 1)}):
        assert physics.imagined(state, actions) is None


def objectives(physics: Physics, batch: int) -> list[Any]:
    place = torch.full((batch, physics.objects, physics.dims), 2.0)
    still, moving = State(place, 0 * place), State(place, place)
    last = torch.ones(batch, physics.action_size)
    found: list[Any] = [
        goal_objective(physics, still, GoalSettings(terminal=2.0)),
        goal_objective(physics, moving, GoalSettings(effort=0.0)),
        goal_objective(physics, still, GoalSettings(once=True, smoothness=0.1)).after(last),
        goal_objective(physics, still, GoalSettings(keep_out=[[1.0] * physics.dims + [0.5]])),
        Sum((Effort(0.5), Smoothness(0.2), lambda states, actions: states.velocity.square().sum((-1, -2, -3)))),
    ]
    if physics.turns_alone:
        bound = torch.full((1,), 2.0)
        found += [reward_objective("pendulum"), Sum(return_terms("pendulum", physics, -bound, bound, 5))]
    return found


@pytest.mark.parametrize("name", ["pendulum", "spring", "gravity"])
def test_costs_are_those_of_the_tensors(name: str) -> None:
    physics = scene(name)
    for batch, repeat in ((1, 1), (3, 2)):
        state, actions = problem(physics, batch)
        for objective in objectives(physics, batch):
            with torch.inference_mode():
                fast, slow = (cost_function(physics, state, objective, repeat, on)(actions) for on in (True, False))
            torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["pendulum", "spring"])
@pytest.mark.parametrize("goals", [1, 3])
def test_a_goal_is_as_far_as_by_tensors(name: str, goals: int) -> None:
    physics = scene(name)
    state, actions = problem(physics)
    with torch.no_grad():
        states = physics.rollout(State(*(x[:, None].expand(-1, 5, -1, -1) for x in state)), actions[:, :5])
    states = State(9 * states.position, states.velocity)  # angles of several turns
    target = State(*(2 * x[:goals] for x in state))
    goal = Goal(physics, target, time_scale=0.7, terminal=3.0)
    with torch.no_grad():
        fast = goal(states, actions[:, :5])
        near = Goal(physics, State(states.position[:goals, 0, 0], target.velocity), 0.0)(states, actions)
    torch.testing.assert_close(fast, goal(states, actions[:, :5]), rtol=1e-4, atol=1e-3)
    assert fast.shape == (3, 5)
    if name == "pendulum":  # however often it went round
        away = states.position - states.position[:goals, :1, :1]
        around = torch.atan2(away.sin(), away.cos()).square().sum((-1, -2, -3))
        torch.testing.assert_close(near, around, rtol=1e-4, atol=1e-3)


def test_a_return_is_that_of_the_tensors() -> None:
    _, actions = problem(scene("pendulum"))
    states = State(9 * torch.randn(3, 21, 6, 1, 1), 3 * torch.randn(3, 21, 6, 1, 1))
    objective = reward_objective("pendulum")
    with torch.no_grad():
        fast = objective(states, actions)
    torch.testing.assert_close(fast, objective(states, actions), rtol=1e-4, atol=1e-3)  # with gradients: by tensors


def test_constants_are_worked_out_once_where_they_are_frozen() -> None:
    physics, made = scene("spring"), []

    def make() -> int:
        made.append(physics.constant("stiffness").item())
        return len(made)

    assert [physics.once("key", make), physics.once("key", make)] == [1, 2]
    with physics.frozen():
        assert not physics.constant("stiffness").requires_grad
        assert [physics.once("key", make), physics.once("key", make)] == [3, 3]
        with physics.frozen(), physics.using({}):
            assert physics.once("key", make) == 3
        with torch.inference_mode():
            made_there = physics.once("there", lambda: 2 * physics.constant("stiffness"))
        with torch.inference_mode(), physics.frozen():
            assert not physics.once("there too", lambda: physics.constant("stiffness") + 1).is_inference()
        assert not made_there.is_inference()
        with physics.using({"stiffness": torch.tensor(7.0)}):
            assert physics.once("key", make) == 4
            with physics.frozen():
                assert [physics.once("key", make), physics.once("key", make)] == [5, 5]
        assert physics.once("key", make) == 3
    assert made[3:] == [7.0, 7.0]
    assert physics.once("key", make) == 6
    with torch.inference_mode(), physics.frozen():
        assert not physics.constant("stiffness").is_inference()


def test_a_gradient_is_there_where_it_is_wanted() -> None:
    physics = scene("spring")
    state, actions = problem(physics)
    objective = objectives(physics, 3)[0]
    cost_function(physics, state, objective)(actions.requires_grad_()).sum().backward()
    assert actions.grad is not None
    assert bool(actions.grad.any())


@pytest.mark.parametrize("name", ["pendulum", "spring"])
@pytest.mark.parametrize("kind", ["cem", "icem", "mppi"])
def test_plans_are_the_same(name: str, kind: str) -> None:
    physics = scene(name)
    state, _ = problem(physics, 2)
    bound = torch.full((physics.action_size,), 2.0)
    init = torch.zeros(2, 8, physics.action_size)
    plans = []
    for on in (True, False):
        planner = {
            "cem": lambda: CEM(CEMSettings(horizon=8), 1),
            "icem": lambda: ICEM(ICEMSettings(horizon=8), 1),
            "mppi": lambda: MPPI(MPPISettings(horizon=8), 1),
        }[kind]()
        plans.append(planner.plan(cost_function(physics, state, objectives(physics, 2)[0], 1, on), init, -bound, bound))
    fast, slow = plans
    torch.testing.assert_close(fast.cost, slow.cost, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(fast.actions, slow.actions, rtol=0.0, atol=0.02)


def test_a_plan_is_the_same_where_some_costs_are_infinite_and_searches_are_odd() -> None:
    physics = scene("spring")
    state, _ = problem(physics, 2)
    bound = torch.full((4,), 2.0)

    def steep(states: State, actions: Tensor) -> Tensor:
        cost = states.velocity.square().sum((-1, -2, -3))
        return torch.where(actions[..., 0, 0] > 0.5, torch.nan, cost)

    for rounds in (1, 4):
        settings = CEMSettings(horizon=3, samples=41, elites=13, iterations=rounds)
        fast, slow = (
            CEM(settings, 1).plan(cost_function(physics, state, steep, 2, on), torch.ones(2, 3, 4), -bound, bound)
            for on in (True, False)
        )
        assert rounds > 1 or bool(slow.candidate_costs.isinf().any())
        for mine, theirs in zip(fast[:6], slow[:6], strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("value", "wrong"), [(torch.nan, "not finite for any of 20"), (None, "returned shape")])
def test_costs_that_cannot_be_are_refused_as_ever(value: float | None, wrong: str) -> None:
    physics = scene("spring")
    state, _ = problem(physics, 2)
    bound, shape = torch.ones(4), (2, 20) if value is not None else (2, 5)

    def odd(states: State, actions: Tensor) -> Tensor:
        return actions.new_full(shape, value or 0.0)

    for on in (True, False):
        with pytest.raises(PaigError, match=wrong):
            CEM(CEMSettings(horizon=3, samples=20), 1).plan(
                cost_function(physics, state, odd, 1, on), torch.zeros(2, 3, 4), -bound, bound
            )


def test_a_library_that_nobody_may_write_to_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    def nowhere(cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", nowhere)
    assert machine.machine(abs)(-2) == 2


def test_without_numba_it_is_said_once_and_plans_are_made_by_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("numba"):
            raise ImportError("No module named 'numba'")
        return real(name, *rest)

    physics = scene("spring")
    state, actions = problem(physics)
    objective = objectives(physics, 3)[0]
    machine._loops.cache_clear()
    machine.compiles.cache_clear()
    try:
        monkeypatch.setattr(builtins, "__import__", missing)
        with torch.inference_mode():
            with pytest.warns(
                RuntimeWarning, match="by tensors, because Numba cannot be imported.*expected an installed numba"
            ) as said:
                costs = [cost_function(physics, state, objective)(actions) for _ in range(3)]
            assert len(said) == 1
            torch.testing.assert_close(costs[0], cost_function(physics, state, objective, 1, False)(actions))
    finally:
        monkeypatch.undo()
        machine._loops.cache_clear()
        machine.compiles.cache_clear()


def test_switched_off_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    physics = scene("spring")
    state, actions = problem(physics)
    monkeypatch.setattr(Mechanism, "imagined", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(machine, "_loops", lambda package: pytest.fail(f"asked for {package}"))
    terms: list[Term] = [Effort(), Goal(physics, state)]
    with torch.inference_mode():
        for term in terms:
            cost_function(physics, state, term, 1, False)(actions)
