"""Scenes put together of bodies, joints and forces: against SciPy, against energy, and when they are wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from conftest import state
from scipy.integrate import solve_ivp
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.physics.base import Physics, integrate_by
from paig_control.physics.check import check_physics, sample, untold
from paig_control.physics.dynamics import Constant
from paig_control.physics.force import Force
from paig_control.physics.forces import FORCES, Drag, Friction, Motor, Push, Spring, Weight
from paig_control.physics.joints import Body
from paig_control.physics.mechanism import Mechanism, Motion, scene_of
from paig_control.physics.registry import build_physics
from paig_control.physics.written import scenes
from paig_control.types import State


def end(physics: Physics, start: State, seconds: float, action: list[float]) -> np.ndarray:
    integrate_by(physics, "pefrl-20")
    steps = round(seconds / physics.dt)
    with torch.no_grad():
        path = physics.double().rollout(start, torch.tensor(action).double().expand(steps, -1))
    return np.concatenate([path.position[-1].flatten(), path.velocity[-1].flatten()])


def cartpole(t: float, y: np.ndarray, push: float, gravity: float, friction: float) -> list[float]:
    """Barto, Sutton and Anderson (1983), for a uniform pole of mass 0.3 and length 2 on a cart of mass 1; from up.

    Our x is to the right and our angle counter-clockwise, theirs is clockwise.
    """
    _, angle, speed, turn = y
    theta, omega = -angle, -turn
    half, mass, total = 1.0, 0.3, 1.3
    torque = friction * turn  # on theta: minus friction times omega
    temp = (push + mass * half * omega**2 * math.sin(theta)) / total
    inertia = half * (4 / 3 - mass * math.cos(theta) ** 2 / total)
    alpha = (gravity * math.sin(theta) - math.cos(theta) * temp + torque / (mass * half)) / inertia
    return [speed, turn, temp - mass * half * alpha * math.cos(theta) / total, -alpha]


CART = [Body("rail"), Body("hinge", on=0, mass=0.3, length=2.0)]
ARM = [Body("hinge", length=1.5, mass=0.7), Body("hinge", on=0, anchor=(0.0, -1.5), length=0.9, mass=0.4)]


@pytest.mark.parametrize("friction", [0.0, 0.05])
def test_a_rail_and_a_hinge_make_the_cartpole_of_the_literature(friction: float) -> None:
    forces: dict[str, Force] = {"weight": Weight(), "motor": Motor([0])}
    if friction:
        forces["friction"] = Friction()
    scene = Mechanism(0.1, CART, forces)
    scene.set_values({"gravity": 9.0, "actuation": 1.0, **({"friction": friction} if friction else {})})
    start = [0.3, 0.4, -0.2, 1.1]

    def flow(t: float, y: np.ndarray) -> list[float]:
        slope = cartpole(t, y, 0.8 - friction * y[2], 9.0, friction)
        return slope

    truth = solve_ivp(flow, (0, 2), start, rtol=1e-11, atol=1e-11).y[:, -1]
    np.testing.assert_allclose(end(scene, state(start[:2], start[2:]), 2.0, [0.8]), truth, atol=1e-6)


def test_two_hinges_are_the_double_pendulum_of_lagrange() -> None:
    """Accelerations from Lagrange's equations, all of whose derivatives autograd takes of nothing but two places."""
    scene = Mechanism(0.1, ARM, {"weight": Weight()}).double()
    scene.set_values({"gravity": 9.81})
    q, v = torch.tensor([0.7, -1.9]).double(), torch.tensor([1.3, 2.1]).double()

    def lagrangian(q: Tensor, v: Tensor) -> Tensor:
        def centres(q: Tensor) -> Tensor:
            up = lambda a: torch.stack([-torch.sin(a), -torch.cos(a)])  # noqa: E731
            elbow = 1.5 * up(q[0])
            return torch.stack([0.5 * elbow, elbow + 0.45 * up(q[0] + q[1])])

        mass = torch.tensor([0.7, 0.4], dtype=torch.float64)
        inertia = mass * torch.tensor([1.5, 0.9], dtype=torch.float64) ** 2 / 12
        _, speeds = torch.autograd.functional.jvp(centres, q, v, create_graph=True)
        turning = torch.stack([v[0], v[0] + v[1]])
        moving = (mass * speeds.square().sum(-1) + inertia * turning.square()).sum() / 2
        return moving + (mass * 9.81 * centres(q)[:, 1]).sum()

    hessian = torch.autograd.functional.hessian(lagrangian, (q, v))
    slope = torch.autograd.functional.jacobian(lagrangian, (q, v))[0]
    expected = torch.linalg.solve(hessian[1][1], slope - hessian[1][0] @ v)
    found = scene.acceleration(State(q[:, None], v[:, None]), torch.zeros(0)).detach()[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "bodies",
    [
        ARM,
        CART,
        [
            Body("hinge", length=1.0),
            Body("rail", on=0, direction=math.pi / 2, mass=0.5),
            Body("hinge", on=1, length=0.4),
        ],
        [Body("rail"), Body("rail", on=0, direction=math.pi / 2)],
        [Body("hinge", length=1.3, mass=0.8)],
    ],
    ids=["arm", "cart", "telescope", "crossed rails", "pendulum"],
)
def test_without_friction_energy_is_kept_on_every_tree(bodies: list[Body]) -> None:
    scene = Mechanism(0.05, bodies, {"weight": Weight()}).double()
    scene.set_values({"gravity": 4.0})
    assert check_physics(scene).conserved
    integrate_by(scene, "pefrl-4")
    start, _ = sample(scene, 1, seed=3)
    start = State(0.1 * start.position, 0.1 * start.velocity)
    with torch.no_grad():
        path = scene.rollout(start, torch.zeros(1, 60, 0).double())
        first, last = (scene.energy(State(*(x[:, t] for x in path))) for t in (0, -1))
    assert first is not None
    assert last is not None
    assert float(last - first) == pytest.approx(0.0, abs=2e-3 * (1 + abs(float(first))))


def test_masses_make_bodies_slow() -> None:
    scene = Mechanism(0.1, [Body(), Body(mass=4.0)], {"spring": Spring(), "push": Push([1])})
    now = State(torch.tensor([[0.0, 0.0], [6.0, 0.0]]), torch.zeros(2, 2))
    scene.set_values({"stiffness": 2.0, "rest_length": 4.0, "actuation": 3.0})
    found = scene.acceleration(now, torch.tensor([1.0, 2.0])).detach()
    torch.testing.assert_close(found, torch.tensor([[4.0, 0.0], [(-4.0 + 3.0) / 4, 6.0 / 4]]), rtol=1e-5, atol=1e-5)


def test_springs_join_whom_they_are_told_to_and_anchors_hold() -> None:
    row = {
        "objects": 3,
        "forces": {
            "spring": {"between": [[0, 1], [1, 2]]},
            "tether": {"kind": "anchored_spring", "bodies": [0, 2], "anchors": [[4, 16], [28, 16]]},
        },
    }
    scene = scene_of(row, 0.3)
    assert scene.names == ["spring_stiffness", "spring_rest_length", "tether_stiffness", "tether_rest_length"]
    scene.set_values(dict(zip(scene.names, (2.0, 5.0, 3.0, 1.0), strict=True)))
    place = np.array([[7.0, 16.0], [17.0, 18.0], [25.0, 14.0]])

    def pull(one: np.ndarray, other: np.ndarray, k: float, rest: float) -> np.ndarray:
        away = other - one
        return k * (np.linalg.norm(away) - rest) * away / np.linalg.norm(away)

    a, b, c = place
    expected = [
        pull(a, b, 2, 5) + pull(a, np.array([4, 16]), 3, 1),
        pull(b, a, 2, 5) + pull(b, c, 2, 5),
        pull(c, b, 2, 5) + pull(c, np.array([28, 16]), 3, 1),
    ]
    now = State(torch.tensor(place).double(), torch.zeros(3, 2).double())
    np.testing.assert_allclose(scene.double().acceleration(now, torch.zeros(0)).detach(), expected, atol=1e-5)
    assert check_physics(scene).conserved


class Magnetic(Force):
    """Bends the path of charged balls."""

    constants = (Constant("field", "1/s", low=-math.inf),)
    uses_velocity = True

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        x, y = motion.speed.unbind(-1)
        return self.value("field") * torch.stack([y, -x], -1)


def test_forces_that_use_velocities_keep_the_order_and_run_back() -> None:
    """A charged ball goes round in circles: after a full turn it is where it was."""
    scene = Mechanism(0.1, 1, {"magnetic": Magnetic()}).double()
    scene.set_values({"field": 2 * math.pi / 4})  # a turn in 4 s
    start = state([3.0, 5.0], [2.0, 1.0])
    start = State(*(x.reshape(1, 2) for x in start))
    errors = []
    for parts in (1, 2, 4):
        integrate_by(scene, f"pefrl-{parts}")
        assert scene.scheme == "rk4"
        with torch.no_grad():
            path = scene.rollout(start, torch.zeros(40, 0).double())
        errors.append(float((path.position[-1] - start.position).norm()))
    assert np.all(np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(4.0, abs=0.2))
    with torch.no_grad():
        back = scene.back(State(*(x[-1] for x in path)), torch.zeros(40, 0).double())
    torch.testing.assert_close(back.position, start.position, atol=1e-6, rtol=0)
    torch.testing.assert_close(back.velocity, start.velocity, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["spring", "gravity", "bouncing", "pendulum"])
def test_every_scene_of_the_library_keeps_its_promises_and_describes_itself(name: str) -> None:
    assert name in scenes()
    scene = build_physics(name, 0.3)
    found = check_physics(scene)
    assert math.isnan(found.order) if name == "bouncing" else found.order > 3
    assert untold(scene) == []
    said = dict(scene.spec)
    assert build_physics(dt=0.3, **{**said, "name": "another"}).spec == {**said, "name": "another"}


@pytest.mark.parametrize("kind", sorted(FORCES))
def test_every_force_keeps_its_promises(kind: str) -> None:
    options: dict[str, Any] = {"anchored_spring": {"anchors": [[3.0, 4.0], [20.0, 9.0]]}}.get(kind, {})
    force = FORCES[kind](**options)
    free = "free" in force.joints
    scene = Mechanism(0.1, 2 if free else CART, {kind: force})
    assert build_physics(dt=0.1, **scene.spec).spec == scene.spec
    check_physics(scene)
    if free and not force.walls and kind != "push":
        tree = Mechanism(0.1, CART, {kind: FORCES[kind](**options)})
        check_physics(tree)


class Cut(Magnetic):
    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        return super().forward(motion, action).detach()


class Silent(Magnetic):
    uses_velocity = False


class Mixing(Force):
    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        return motion.place - motion.place.mean()


class Narrow(Force):
    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        return motion.place[..., :1]


class Rough(Force):
    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        return 20.0 * torch.floor(5.0 * motion.place)


class Lossy(Spring):
    def potential(self, motion: Motion) -> Tensor:
        return 2 * super().potential(motion)


@pytest.mark.parametrize(
    ("force", "says"),
    [
        (Cut(), "without detach"),
        (Silent(), "uses_velocity = True"),
        (Mixing(), "otherwise alone than in a batch"),
        (Narrow(), "expected the same"),
        (Rough(), "not smooth"),
        (Lossy(), "not the slope of its potential"),
    ],
)
def test_a_force_that_breaks_a_promise_is_told_which(force: Force, says: str) -> None:
    with pytest.raises(PaigError, match=says):
        check_physics(Mechanism(0.3, 2, {"own": force}))


def test_what_films_cannot_tell_apart_is_said() -> None:
    twice = Mechanism(0.1, 2, {"spring": Spring(), "air": Drag(), "oil": Drag()})
    assert untold(twice) == [["air_damping", "oil_damping"]]
    hung = Mechanism(0.1, [Body("rail")], {"weight": Weight(), "motor": Motor()})
    assert untold(hung) == [["gravity"]]  # a level rail does not feel it


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"objects": 2, "forces": {"sprng": {}}}, "no force 'sprng'; did you mean spring"),
        ({"objects": 2, "forces": {"spring": {"betwen": []}}}, "forces.spring has no 'betwen'; did you mean between"),
        ({"objects": 2, "forces": {"spring": {"between": [[0, 2]]}}}, "different numbers from 0 to 1"),
        ({"objects": 2, "forces": {"spring": {"between": [[0]]}}}, "pairs of bodies"),
        ({"objects": 1, "forces": {"spring": {}}}, "needs at least 2"),
        ({"objects": 1, "forces": {"motor": {}}}, "Body 0 is free and cannot feel the force motor"),
        ({"bodies": [{"joint": "hinge", "length": 1.0}], "forces": {"walls": {}}}, "on a hinge and cannot feel"),
        ({"bodies": [{"joint": "hinge", "on": 1, "length": 1.0}, {"joint": "rail"}], "forces": {}}, "comes before it"),
        ({"bodies": [{"joint": "hinge"}], "forces": {}}, "length = 0"),
        ({"bodies": [{"joint": "rope"}], "forces": {}}, "joint = 'rope'"),
        ({"bodies": [{"joint": "rail"}, {"joint": "free"}], "forces": {}}, "all of them free, or none"),
        ({"bodies": [{"joint": "rail"}, {"joint": "free", "on": 0}], "forces": {}}, "free body moves in the world"),
        ({"bodies": [{"jont": "free"}], "forces": {}}, "bodies.0 has no 'jont'; did you mean joint"),
        ({"bodies": 3, "forces": {}}, "expected a list of bodies"),
        ({"bodies": [{"joint": "rail", "anchor": [1]}], "forces": {}}, "anchor = .1.: expected something like"),
        ({"objects": 2, "bodies": [{"joint": "free"}], "forces": {}}, "leave objects out"),
        ({"objects": 0, "forces": {}}, "whole number from 1 to"),
        ({"objects": 10**9, "forces": {}}, "whole number from 1 to"),
        ({"objects": 2, "forces": ["spring"]}, "names with arguments"),
        ({"objects": 2, "forces": {"spring": 3}}, "forces.spring = 3"),
        ({"objects": 2, "forces": {"anchored_spring": {}}}, "says no anchors"),
        ({"objects": 2, "forces": {"anchored_spring": {"anchors": [[1, 2]]}}}, "x and y for each"),
        ({"objects": 2, "forces": {"walls": {"width": "wide"}}}, "forces.walls.width = 'wide'"),
        ({"objects": 2, "forces": {"push": {"bodies": []}}}, "push of no bodies"),
        ({"bodies": [{"joint": "rail"}], "forces": {"motor": {"bodies": []}}}, "motor of no bodies"),
        ({"objects": 2, "forces": {"m": {"kind": "nowhere_at_all:Force"}}}, "no file may import it"),
        ({"objects": 2, "forces": {"m": {"kind": "sys:path"}}}, "expected a subclass"),
        ({"objects": 2, "bodies": 3, "forces": {}}, "expected a list of bodies"),
        ({"objects": 2, "substeps": "x", "forces": {}}, "substeps = 'x'"),
        ({"objects": 2, "forces": {"spring": {"between": 5}}}, "cannot be put together"),
        ({"bodies": [{"joint": "rail", "on": "x"}], "forces": {}}, "cannot be put together"),
        ({"objects": 2, "force": {}, "springs": {}}, "no 'springs'; known: bodies"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_by_name(said: dict[str, Any], says: str) -> None:
    with pytest.raises(PaigError, match=says):
        scene_of(said, 0.3)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"options": 3}, "options = 3"), ({"options": {"a": "bodies.7.mass"}, "a": 1.0}, "a stands for bodies.7.mass")],
)
def test_a_short_name_that_stands_for_nothing_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(PaigError, match=says):
        build_physics("pendulum", 0.1, **options)


def test_what_actions_drive_is_left_out_where_nothing_acts() -> None:
    assert build_physics("spring", 0.3, force=False).names == ["stiffness", "rest_length"]
    assert build_physics("pendulum", 0.05, force=False).action_size == 0
    assert Mechanism(0.1, CART, {"motor": Motor([0]), "walls": Motor([1])}).action_size == 2
