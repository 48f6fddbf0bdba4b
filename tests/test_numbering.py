"""Objects get the numbers of the bodies that recorded forces act on."""

from __future__ import annotations

import pytest
import torch

from paig_control.estimation.association import numbering
from paig_control.estimation.identification import identify
from paig_control.estimation.settings import IdentifySettings
from paig_control.estimation.state import trajectory
from paig_control.models.paig import PAIG
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.types import State
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Localizer
from paig_control.vision.renderer import SpriteRenderer


def pushed(physics: Physics, seed: int, films: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy paths under random forces."""
    g = torch.Generator().manual_seed(seed)
    spread = torch.tensor([[-6.0, 0.0], [6.0, 0.0], [0.0, 8.0]])[: physics.objects]
    place = 16 + spread + torch.randn(films, physics.objects, 2, generator=g)
    forces = 6 * torch.rand(films, 11, physics.action_size, generator=g) - 3
    path = trajectory(physics, State(place, torch.randn(place.shape, generator=g)), forces).detach()
    return path + 0.01 * torch.randn(path.shape, generator=g), forces


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_pushed_balls_are_told_apart(order: list[int]) -> None:
    physics = build_physics("spring", 0.3)
    physics.set_values({"stiffness": 4.0, "rest_length": 12.0})
    path, forces = pushed(physics, 0)
    found = path[:, :, order]
    assert torch.equal(found[:, :, numbering(found, forces, physics.pushed).order], path)


@pytest.mark.parametrize(("gain", "mirrored"), [(1.0, False), (-1.0, False), (1.0, True), (-1.0, True)])
def test_gain_and_camera_may_turn_forces_round(gain: float, mirrored: bool) -> None:
    physics = build_physics("spring", 0.3)
    physics.set_values({"stiffness": 4.0, "rest_length": 12.0, "actuation": gain})
    path, forces = pushed(physics, 2)
    seen = path * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 32.0]) if mirrored else path
    numbers = numbering(seen.flip(2), forces, physics.pushed)
    assert numbers.order == [1, 0]
    assert numbers.handed.tolist() == [1.0, -1.0 if mirrored else 1.0]
    physics.handed.copy_(numbers.handed)
    physics.set_values({"actuation": 1.0})
    found = identify(physics, seen, forces, IdentifySettings(integrators=("pefrl-2",))).constants
    assert found["actuation"].value == pytest.approx(gain, abs=0.01)
    assert found["stiffness"].value == pytest.approx(4.0, rel=0.01)


def test_without_forces_nothing_is_turned_round() -> None:
    physics = build_physics("spring", 0.3)
    path, forces = pushed(physics, 3)
    assert numbering(path, torch.zeros_like(forces), physics.pushed).handed.tolist() == [1.0, 1.0]


def test_what_is_said_of_bodies_that_are_not_seen_does_not_count() -> None:
    physics = build_physics("spring", 0.3)
    physics.set_values({"stiffness": 4.0, "rest_length": 12.0})
    path, forces = pushed(physics, 4)
    gone = torch.rand(path.shape[:3], generator=torch.Generator().manual_seed(0)) < 0.4
    places = torch.where(gone[..., None], 32 * torch.rand(path.shape, generator=torch.Generator().manual_seed(1)), path)
    trust = torch.where(gone, 1e-6, 1.0)[..., None].expand_as(path)
    assert numbering(places.flip(2), forces, physics.pushed, trust.flip(2)).order == [1, 0]


@pytest.mark.parametrize("order", [[1, 2, 0], [0, 2, 1]])
def test_bodies_without_a_force_keep_their_order(order: list[int]) -> None:
    physics = build_physics("gravity", 0.5, actuated=[2])
    physics.set_values({"gravity": 20.0})
    path, forces = pushed(physics, 1)
    path[3, 5] += 30.0  # a misread frame
    got = numbering(path[:, :, order], forces, physics.pushed).order
    assert order[got[2]] == 2
    assert got[0] < got[1]


def test_a_renumbered_model_sees_and_draws_the_same_things_under_other_numbers() -> None:
    torch.manual_seed(0)
    physics, parts = (
        build_physics("gravity", 0.5, force=False),
        (Planar(3), Localizer(3), SpriteRenderer((24, 24), 3, 9, turns=False)),
    )
    model = PAIG(physics, *parts)
    with torch.no_grad():
        parts[0].zero.normal_()
        for parameter in (parts[2].content, parts[2].mask):
            parameter.normal_()
        parts[2].order.copy_(torch.tensor([2, 0, 1]))
    images = torch.rand(4, 3, 24, 24)
    seen, order = model.see(images), [1, 2, 0]
    drawn = model.render(State(seen, seen))
    for part in parts:
        part.renumber(order)
    again = model.see(images)
    assert torch.allclose(again, seen[:, order], atol=1e-5)
    assert torch.allclose(model.render(State(again, again)), drawn, atol=1e-5)
