"""Eyes in closed form: places and angles against those that were drawn, and when a network takes their place."""

from __future__ import annotations

import copy
import dataclasses
import math

import pytest
import torch
from conftest import discs
from torch import Tensor
from torch.nn import functional

from paig_control.data.episodes import Episodes
from paig_control.errors import PaigError
from paig_control.learning.recipe import train
from paig_control.learning.settings import ModelSettings, RecipeSettings
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_physics
from paig_control.vision.kinematics import Rotary
from paig_control.vision.localizer import Scene
from paig_control.vision.matching import Matching
from paig_control.vision.renderer import SpriteRenderer


def three() -> PAIG:
    """Discs of three colours, the first one lowest, before a background of colours that change from place to place."""
    model = discs("gravity", 0.3, 32, {}, objects=3)
    model.localizer = Matching(3)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        coarse = torch.randn(1, 3, 4, 4, generator=random) - 1
        model.renderer.background.copy_(functional.interpolate(coarse, (32, 32), mode="bicubic")[0])
    return model


def drawn(model: PAIG, places: Tensor) -> Tensor:
    with torch.no_grad():
        return model.renderer(model.kinematics.pose(places))


def test_each_object_is_found_to_a_part_of_a_pixel_wherever_it_is() -> None:
    model = three()
    places = 1 + 30 * torch.rand(200, 3, 2, generator=torch.Generator().manual_seed(0))
    apart = (places[:, :, None] - places[:, None]).norm(dim=-1) + 100 * torch.eye(3)
    places = places[apart.flatten(1).amin(1) > 6]
    found = model.see(drawn(model, places))
    assert len(places) > 80
    assert float((found - places).abs().max()) < 0.3
    assert float((model.polished(found, drawn(model, places), 3).position - places).abs().max()) < 0.01


def test_a_dark_thing_is_not_taken_for_a_bright_one_of_which_it_would_explain_a_part() -> None:
    model = discs("gravity", 0.3, 32, {}, objects=3)
    model.localizer = Matching(3)
    with torch.no_grad():
        model.renderer.background.fill_(-8.0)
        for sprite, colour in enumerate(([4, -2, -2], [4, 0.4, -2], [4, 4, -2])):
            model.renderer.content[sprite] = torch.tensor(colour, dtype=torch.float32)[:, None, None]
    places = 4 + 24 * torch.rand(300, 3, 2, generator=torch.Generator().manual_seed(3))
    apart = (places[:, :, None] - places[:, None]).norm(dim=-1) + 100 * torch.eye(3)
    places = places[apart.flatten(1).amin(1) > 7]
    assert len(places) > 30
    assert float((model.see(drawn(model, places)) - places).norm(dim=-1).max()) < 0.3


@pytest.mark.parametrize("shift", [(2.0, 0.0), (1.5, -1.5)])
def test_an_object_behind_another_is_found_by_what_it_shows(shift: tuple[float, float]) -> None:
    model = three()
    top = 6 + 20 * torch.rand(50, 2, generator=torch.Generator().manual_seed(2))
    order = model.renderer.order.tolist()
    places = torch.full((50, 3, 2), -40.0)
    places[:, order[2]], places[:, order[0]] = top, top + torch.tensor(shift)
    places[:, order[1]] = torch.tensor([3.0, 3.0])
    images = drawn(model, places)
    found = model.see(images)
    missed = (found - places).norm(dim=-1)
    assert float(missed[:, order[2]].max()) < 0.5
    assert float(missed[:, order[0]].max()) < 2.0
    polished = model.polished(found, images, 3).position
    assert float((polished - places).norm(dim=-1).median(0).values.max()) < 0.01


def test_what_is_wholly_hidden_is_said_to_be_behind_what_hides_it_and_is_not_trusted() -> None:
    model = discs("gravity", 0.3, 32, {}, objects=3)
    model.localizer = Matching(3)
    order = model.renderer.order.tolist()
    places = torch.tensor([[16.3, 15.8]]).repeat(3, 1)
    places[order[1]] = torch.tensor([5.0, 6.0])
    images = drawn(model, places[None])
    reading = model.polished(model.see(images), images)
    assert float((reading.position[0] - places).norm(dim=-1).max()) < 2
    assert float(reading.trust[0, order[0]].max()) < 0.1 * float(reading.trust[0, order[2]].min())


def test_a_sprite_that_turns_is_seen_at_its_angle() -> None:
    physics = build_physics("pendulum", 0.05)
    renderer = SpriteRenderer((24, 24), 1, 15)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        renderer.content.copy_(torch.randn(renderer.content.shape, generator=random))
        renderer.mask.fill_(8.0)
    model = PAIG(physics, Rotary((12.0, 11.0), 5.0), Matching(1), renderer)
    angles = math.pi * (2 * torch.rand(100, 1, 1, generator=random) - 1)
    off = physics.difference(model.see(drawn(model, angles)), angles).abs()
    assert float(off.max()) < 0.02


def test_eyes_see_with_the_sprites_that_the_renderer_has_now() -> None:
    model = three()
    places = torch.tensor([[[8.0, 8.0], [16.0, 22.0], [25.0, 9.0]]])
    before = model.see(drawn(model, places))
    model.renderer.renumber([1, 2, 0])
    after = model.see(drawn(model, places[:, [1, 2, 0]]))
    assert torch.allclose(after, before[:, [1, 2, 0]], atol=1e-4)
    again = copy.deepcopy(model)
    assert torch.equal(again.see(drawn(model, places)), model.see(drawn(model, places)))


def test_a_network_learns_to_see_where_closed_eyes_overlook_something(
    films: Episodes, quick: RecipeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Matching.see

    def careless(self: Matching, images: Tensor, scene: Scene) -> Tensor:
        found = honest(self, images, scene)
        found[::10] += 2.0
        return found

    monkeypatch.setattr(Matching, "see", careless)
    recipe = dataclasses.replace(quick, refine=dataclasses.replace(quick.refine, steps=0))
    run = train(films.split("train"), build_physics("pendulum", 0.05), recipe=recipe, seed=5)
    assert run.model.localizer.learns
    assert any("a network learned to see" in note for note in run.notes)
    kept = train(
        films.split("train"), build_physics("pendulum", 0.05), ModelSettings(eyes="closed"), recipe=recipe, seed=5
    )
    assert not kept.model.localizer.learns


def test_eyes_that_there_are_not_are_refused() -> None:
    with pytest.raises(PaigError, match=r"model\.eyes = 'close': expected auto, closed or network"):
        ModelSettings(eyes="close")
