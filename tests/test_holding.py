"""What can be held is where the forces of the scene and those of the actions cancel."""

from __future__ import annotations

import math

import pytest
import torch

from paig_control.goals.equilibrium import DRIFT, holding
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import ANGLE
from paig_control.physics.registry import build_physics


def known(name: str, dt: float, values: dict[str, float], **options: object) -> Physics:
    physics = build_physics(name, dt, **options)
    physics.set_values(values)
    return physics


def pendulum() -> Physics:
    return known("pendulum", 0.05, {"gravity": 10.0, "actuation": 1.0})


def spring(**options: object) -> Physics:
    return known("spring", 0.3, {"stiffness": 4.0, "rest_length": 12.0, "actuation": 1.0}, **options)


@pytest.mark.parametrize("angle", [-3.0, -2.0, -0.5, 0.0, 0.3, 0.6, 1.5, 2.0, 2.9, math.pi])
def test_a_pendulum_is_held_where_its_weight_is_within_the_torque(angle: float) -> None:
    held = holding(pendulum(), torch.tensor([[angle]]), torch.tensor([-2.0]), torch.tensor([2.0]))
    least = math.asin(0.4)  # 5 N m of weight, held sideways, against 2 N m
    assert held.possible == (abs(math.sin(angle)) <= 0.4)
    if held.possible:
        assert held.action.item() == pytest.approx(-5 * math.sin(angle), abs=1e-4)
        assert held.nearest is not None
        assert held.nearest.item() == pytest.approx(angle)
    else:
        limit = math.copysign(least if abs(angle) < math.pi / 2 else math.pi - least, angle)
        assert held.nearest is not None
        assert held.nearest.item() == pytest.approx(limit, abs=0.01)


def test_a_spring_stretched_too_far_is_let_back_to_what_the_force_holds() -> None:
    bound = torch.full((4,), 10.0)
    held = holding(spring(), torch.tensor([[10.0, 16.0], [28.0, 16.0]]), -bound, bound)
    assert not held.possible
    assert held.nearest is not None
    expected = torch.tensor([[11.75, 16.0], [26.25, 16.0]])  # 2.5 px of stretch make 10 px/s^2, and the middle stays
    torch.testing.assert_close(held.nearest, expected, atol=0.05, rtol=0)


def test_with_one_ball_to_push_only_the_rest_length_is_held() -> None:
    bound = torch.full((2,), 30.0)
    one = spring(actuated=[0])
    assert holding(one, torch.tensor([[10.0, 16.0], [22.0, 16.0]]), -bound, bound).possible
    held = holding(one, torch.tensor([[10.0, 16.0], [25.0, 16.0]]), -bound, bound)
    assert not held.possible
    assert held.nearest is not None
    assert float((held.nearest[0] - held.nearest[1]).norm()) == pytest.approx(12.0, abs=0.1)


def test_where_nothing_can_be_held_nothing_is_named() -> None:
    bound = torch.full((1,), 1e-3)
    heavy = known("gravity", 0.5, {"gravity": 1e6, "actuation": 1.0}, objects=2)
    held = holding(heavy, torch.tensor([[10.0, 10.0], [16.0, 10.0]]), -bound.expand(4), bound.expand(4))
    assert not held.possible
    assert held.nearest is None


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (-2.0, 1.0), (0.8, 2.0)])
def test_each_of_the_two_bounds_counts(low: float, high: float) -> None:
    for angle in (-0.5, -0.3, -0.1, 0.1, 0.3, 0.5):
        held = holding(pendulum(), torch.tensor([[angle]]), torch.tensor([low]), torch.tensor([high]))
        wanted = -5 * math.sin(angle)
        assert held.possible == (low <= wanted <= high)
        assert held.action.item() == pytest.approx(min(max(wanted, low), high), abs=1e-4)


@pytest.mark.parametrize("dt", [0.05, 0.02])
def test_held_is_what_drifts_less_than_the_least_in_a_step_from_rest(dt: float) -> None:
    bound = torch.tensor([2.0])
    held = holding(known("pendulum", dt, {"gravity": 10.0, "actuation": 1.0}), torch.tensor([[0.7]]), -bound, bound)
    assert held.nearest is not None
    left = 15 * math.sin(held.nearest.item()) - 3 * 2.0  # rad/s^2 that the torque does not cancel
    assert left * dt**2 / 2 == pytest.approx(DRIFT * ANGLE[0].scale, rel=0.02)
