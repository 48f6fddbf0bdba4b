"""A rod on a hinge: the quick way is the same as any tree's, and its energy is in real units whatever its inertia."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from conftest import state
from torch import Tensor

from paig_control.physics.base import integrate_by
from paig_control.physics.check import check_physics
from paig_control.physics.dynamics import Constant
from paig_control.physics.force import Force
from paig_control.physics.forces import FORCES, Drag, Friction, Motor, Weight
from paig_control.physics.joints import Body
from paig_control.physics.mechanism import Mechanism, Motion
from paig_control.physics.registry import build_physics
from paig_control.types import State


def test_a_hinge_alone_is_quick_and_the_same_as_in_a_tree() -> None:
    quick = build_physics("pendulum", 0.05, length=1.3, mass=0.8)
    assert isinstance(quick, Mechanism)
    assert quick.tree is not None
    values, torque = {"gravity": 7.0, "actuation": 0.6}, torch.tensor([[1.5]])
    quick.set_values(values)
    now = State(torch.tensor([[[0.7]]]), torch.tensor([[[2.0]]]))
    places = quick.tree.places(now.position)
    weight = torch.tensor([[[0.0, 0.8 * 7.0]]])
    slow = quick.tree.accelerate(now, places, weight, 0.6 * torque[..., None])
    torch.testing.assert_close(quick.acceleration(now, torque).detach(), slow)


def test_drag_on_a_rod_acts_where_its_middle_is() -> None:
    scene = Mechanism(0.1, [Body("hinge", length=2.0)], {"drag": Drag()})
    scene.set_values({"damping": 0.6})
    found = scene.acceleration(State(torch.tensor([[0.4]]), torch.tensor([[3.0]])), torch.zeros(0))
    assert float(found.detach()) == pytest.approx(-0.6 * 3.0 * 1.0**2 / (2.0**2 / 3))  # torque by inertia


class Torsion(Force):
    """A spring in a hinge; its torque is not proportional to the angle at which it rests."""

    constants = (Constant("torsion", start=1.0), Constant("rest", start=0.5))
    on = "joints"

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        return -self.value("torsion") * (motion.position - self.value("rest"))

    def potential(self, motion: Motion) -> Tensor:
        return (self.value("torsion") * (motion.position - self.value("rest")).square() / 2).sum((-1, -2))


class Upright(Force):
    """A spring in a hinge that rests at angle zero: linear, so that its one constant is divided by the inertia."""

    constants = (Constant("upright", start=1.3),)
    on, linear = "joints", True

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        return -self.value("upright") * motion.position

    def potential(self, motion: Motion) -> Tensor:
        return (self.value("upright") * motion.position.square() / 2).sum((-1, -2))


TELLING = ["anchored_spring", "torsion", "upright", "weight"]
"""Forces on a rod that tell a potential."""


def rod(*kinds: str) -> Mechanism:
    """A rod, neither of whose measures is one, under some of :data:`TELLING`."""
    own: dict[str, type[Force]] = {**FORCES, "torsion": Torsion, "upright": Upright}
    options: dict[str, Any] = {"anchored_spring": {"anchors": [[0.9, -0.4]]}}
    forces = {kind: own[kind](**options.get(kind, {})) for kind in kinds}
    return Mechanism(0.05, [Body("hinge", length=1.4, mass=0.6)], forces).double()


@pytest.mark.parametrize("kinds", [*([kind] for kind in TELLING), TELLING[1:], TELLING], ids="-".join)
def test_a_rod_keeps_the_energy_that_its_forces_tell_whatever_its_inertia(kinds: list[str]) -> None:
    scene = rod(*kinds)
    integrate_by(scene, "pefrl-8")
    assert check_physics(scene).conserved
    with torch.no_grad():
        path = scene.rollout(state([0.7], [1.1]), torch.zeros(100, 0).double())
        kept = scene.energy(path)
        moving = 0.6 * 1.4**2 / 3 * path.velocity.square().sum((-1, -2)) / 2
    assert kept is not None
    assert float(moving.max() - moving.min()) > 0.05
    assert float(kept.max() - kept.min()) < 1e-6


def test_the_energy_of_a_rod_is_in_the_units_of_its_masses_and_constants() -> None:
    scene = rod("weight", "torsion", "upright")
    scene.set_values({"gravity": 7.0, "torsion": 2.0, "rest": 0.25, "upright": 1.5})
    found = scene.energy(state([0.8], [1.1]))
    moving, weight = 0.6 * 1.4**2 / 3 * 1.1**2 / 2, 0.6 * 7.0 * 0.7 * math.cos(0.8)
    assert found is not None
    assert float(found.detach()) == pytest.approx(moving + weight + 2.0 * 0.55**2 / 2 + 1.5 * 0.8**2 / 2, rel=1e-6)


def test_all_forces_that_tell_a_rod_a_potential_are_tried() -> None:
    telling = {kind for kind, force in FORCES.items() if force.potential is not Force.potential and force.least == 1}
    assert telling <= set(TELLING)


@pytest.mark.parametrize("dragged", [False, True])
def test_what_turns_a_rod_is_divided_by_its_inertia_whatever_else_acts(dragged: bool) -> None:
    length, mass = 1.4, 0.6
    forces: dict[str, Force] = {"weight": Weight(), "friction": Friction(), "torsion": Torsion(), "motor": Motor()}
    scene = Mechanism(0.1, [Body("hinge", length=length, mass=mass)], forces | ({"drag": Drag()} if dragged else {}))
    scene.set_values({"gravity": 7.0, "friction": 0.3, "torsion": 2.0, "rest": 0.25, "actuation": -0.8})
    scene.set_values({"damping": 0.9} if dragged else {})
    angle, speed, torque = 0.7, 1.5, 2.0
    found = scene.acceleration(State(torch.tensor([[angle]]), torch.tensor([[speed]])), torch.tensor([torque]))
    turning = mass * 7.0 * length / 2 * math.sin(angle) - 0.3 * speed - 2.0 * (angle - 0.25) - 0.8 * torque
    turning -= 0.9 * speed * (length / 2) ** 2 if dragged else 0.0
    assert float(found.detach()) == pytest.approx(turning / (mass * length**2 / 3), rel=1e-5)
