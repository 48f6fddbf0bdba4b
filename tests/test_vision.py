"""One pixel geometry from sprite to key point, and discovery without labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from paig_control.data.episodes import Episodes
from paig_control.errors import PaigError
from paig_control.learning.optimise import step_generator
from paig_control.models.paig import PAIG, to_images
from paig_control.vision.alignment import align
from paig_control.vision.discovery import discover_rotary
from paig_control.vision.kinematics import Planar, Rotary
from paig_control.vision.localizer import Localizer, soft_argmax
from paig_control.vision.renderer import Patches, SpriteRenderer
from paig_control.vision.visibility import find, found_at, present, shown


def disc_renderer(size: int = 24, radius: float = 3.0, objects: int = 1) -> SpriteRenderer:
    """White discs on black, the later ones darker, their texels drawn by hand."""
    renderer = SpriteRenderer((size, size), objects, window=11, density=4, samples=4)
    texel = (torch.arange(44) + 0.5) / 4 - 5.5
    inside = (texel**2 + texel[:, None] ** 2) < radius**2
    with torch.no_grad():
        renderer.content.fill_(12.0)
        renderer.content[1:] = 0.5
        renderer.mask.copy_(torch.where(inside, 12.0, -12.0))
        renderer.background.fill_(-12.0)
    return renderer


def ink_centre(image: torch.Tensor) -> tuple[float, float]:
    ink = image.sum(0)
    at = torch.arange(ink.shape[0]) + 0.5
    return float((ink * at).sum() / ink.sum()), float((ink * at[:, None]).sum() / ink.sum())


def test_sprite_drawn_at_a_place_is_found_there_to_a_fiftieth_of_a_pixel() -> None:
    renderer = disc_renderer()
    for x, y in np.random.default_rng(0).uniform(7, 17, (20, 2)):
        image = renderer(torch.tensor([[x, y, 0.3]], dtype=torch.float32)).detach()
        assert ink_centre(image) == pytest.approx((x, y), abs=0.02)


def test_sprite_covers_its_area() -> None:
    image = disc_renderer()(torch.tensor([[11.3, 12.9, 0.0]])).detach()
    assert float(image[0].sum()) == pytest.approx(math.pi * 9, rel=0.02)


def test_positive_angles_turn_counter_clockwise_from_up() -> None:
    renderer = disc_renderer(radius=5.0)
    with torch.no_grad():
        renderer.mask[..., 22:, :] = -12.0  # only the upper half is left
    for angle, expected in ((0.0, (12, 10)), (math.pi / 2, (10, 12)), (math.pi, (12, 14))):
        centre = ink_centre(renderer(torch.tensor([[12.0, 12.0, angle]])).detach())
        assert centre == pytest.approx(expected, abs=0.3)


def test_alignment_recovers_a_displaced_sprite() -> None:
    renderer = disc_renderer()
    truth = torch.tensor([[10.3, 13.2], [12.1, 9.7]])

    def pose_of(v: torch.Tensor) -> torch.Tensor:
        return torch.cat([v, torch.zeros_like(v[..., :1])], -1)[..., None, :]

    frames = renderer(pose_of(truth)).detach()
    found, _ = align(renderer, pose_of, truth + 0.4, frames, torch.ones(24, 24), torch.tensor([0.1, 0.1]), steps=4)
    assert torch.allclose(found, truth, atol=0.005)


def test_what_is_hidden_or_not_explained_is_not_trusted() -> None:
    renderer = disc_renderer(objects=2)
    places = torch.tensor([[[6.0, 7.0], [16.0, 15.0]], [[12.0, 12.0], [12.2, 12.1]], [[6.0, 7.0], [16.0, 15.0]]])

    def pose_of(v: torch.Tensor) -> torch.Tensor:
        places = v.unflatten(-1, (2, 2))
        return torch.cat([places, torch.zeros_like(places[..., :1])], -1)

    flat = places.flatten(1)
    frames = renderer(pose_of(flat)).detach()
    frames[2, :, 4:12, 4:12] = 0.5
    _, trust = align(renderer, pose_of, flat, frames, torch.ones(24, 24), torch.full((4,), 0.1), steps=1)
    apart, over, spoiled = trust.unflatten(-1, (2, 2)).amin(-1)
    assert apart.min() > 0.3 * apart.max()  # the second one has less contrast
    assert over[0] < 0.3 * apart[0]
    assert spoiled.max() < 0.2 * apart.min()


def test_how_much_of_an_object_is_seen() -> None:
    renderer = disc_renderer(objects=2)
    places = torch.tensor([[[6.0, 7.0], [16.0, 15.0]], [[12.0, 12.0], [15.0, 12.0]], [[12.0, 12.0], [12.0, 12.0]]])
    poses = torch.cat([places, torch.zeros(3, 2, 1)], -1)
    frames = renderer(poses).detach()
    part = shown(renderer, poses, frames, torch.ones(24, 24))
    assert part[0].min() > 0.95
    assert 0.2 < part[1, 0] < 0.6 < part[1, 1]  # the covering one hides a brighter one
    assert part[2, 0] < 0.05  # the rim alone shines through
    frames[0] = renderer(torch.tensor([[-20.0, 7.0, 0.0], [16.0, 15.0, 0.0]])).detach()
    part = shown(renderer, poses, frames, torch.ones(24, 24))
    assert part[0, 0] == 0.0  # it is not there at all
    assert part[0, 1] > 0.95


def test_soft_argmax_speaks_of_pixel_centres() -> None:
    logits = torch.full((1, 1, 9, 12), -50.0)
    logits[0, 0, 2, 7] = 50.0
    assert soft_argmax(logits)[0, 0].tolist() == pytest.approx([7.5, 2.5])


def test_localizer_takes_sizes_that_are_no_multiple_of_four() -> None:
    points = Localizer(2)(torch.rand(3, 3, 21, 30))
    assert points.shape == (3, 2, 2)
    assert bool(((points > 0) & (points < torch.tensor([30.0, 21.0]))).all())


def test_rotary_coordinates_invert_key_points_after_a_shift_too() -> None:
    kinematics = Rotary((16.0, 15.0), reach=4.0)
    angle = torch.linspace(-3, 3, 13)[:, None, None]
    assert torch.allclose(kinematics.coordinates(kinematics.keypoints(angle)), angle, atol=1e-5)
    before = kinematics.keypoints(angle)
    kinematics.shift(torch.tensor([[0.2]]))
    assert torch.allclose(kinematics.coordinates(before), angle + 0.2, atol=1e-5)
    assert torch.allclose(kinematics.keypoints(angle + 0.2), before, atol=1e-5)


def test_where_nothing_tells_the_zero_places_are_the_middles_of_the_pictures() -> None:
    planar, rotary = Planar(2), Rotary()
    planar.shift(torch.tensor([[5.0, 3.0], [7.0, 2.0]]))
    planar.settle(torch.tensor([True, False]))
    assert planar.zero.tolist() == [[-1.0, 3.0], [1.0, 2.0]]
    rotary.shift(torch.tensor([[0.2]]))
    rotary.settle(torch.tensor([False]))
    assert float(rotary.zero) == pytest.approx(0.2)
    rotary.settle(torch.tensor([True]))
    assert float(rotary.zero) == 0.0


def test_discovery_finds_the_angle_of_every_frame(films: Episodes) -> None:
    images = to_images(torch.from_numpy(films.split("train").frames)).flatten(0, 1)
    found = discover_rotary(images, step_generator(0, "discover", 0), rounds=1, steps=40)
    truth = films.truth("train")
    assert truth is not None
    assert truth.position is not None
    error = found.coordinates[:, 0, 0].numpy() - truth.position.ravel()
    error = (error + np.pi) % (2 * np.pi) - np.pi
    assert np.sqrt(np.mean(error**2)) < 0.01
    assert found.kinematics.pivot.tolist() == pytest.approx([12.0, 12.0], abs=0.03)


def test_discovery_refuses_what_does_not_move() -> None:
    with pytest.raises(PaigError, match="Nothing moves"):
        discover_rotary(torch.full((20, 3, 16, 16), 0.5), step_generator(0, "discover", 0))


def test_discovery_refuses_what_runs_on_a_line() -> None:
    x = torch.linspace(4, 20, 60)
    pose = torch.stack([x, torch.full_like(x, 12.0), torch.zeros_like(x)], -1)[:, None]
    with pytest.raises(PaigError, match="does not turn about a point"):
        discover_rotary(disc_renderer(radius=2.0)(pose).detach(), step_generator(0, "discover", 0))


@pytest.mark.parametrize("samples", [1, 2, 4])
def test_sprites_turn_about_the_very_place_and_unturned_lie_where_those_do_that_never_turn(samples: int) -> None:
    torch.manual_seed(0)
    turning = SpriteRenderer((21, 21), 1, window=9, density=2, samples=samples)
    fixed = SpriteRenderer((21, 21), 1, window=9, density=2, samples=samples, turns=False)
    with torch.no_grad():
        turning.content.normal_()
        texel = (torch.arange(18) + 0.5) / 2 - 4.5
        turning.mask.normal_().masked_fill_(texel**2 + texel[:, None] ** 2 > 9, -20.0)
        turning.background.fill_(-1.0)
    fixed.load_state_dict(turning.state_dict())
    place = torch.tensor([[10.3, 11.1, 0.0]])
    torch.testing.assert_close(turning(place), fixed(place), rtol=0, atol=1e-5)
    for angle in (0.0, 0.4, 2.0):
        here, quarter = (turning(torch.tensor([[10.5, 10.5, a]])) for a in (angle, angle + math.pi / 2))
        torch.testing.assert_close(quarter, here.rot90(1, (-2, -1)), rtol=0, atol=1e-4)


def test_a_step_of_alignment_is_at_most_ten_widths() -> None:
    renderer = disc_renderer()
    truth, widths = torch.tensor([[10.3, 13.2]]), torch.tensor([0.02, 0.01])

    def pose_of(v: torch.Tensor) -> torch.Tensor:
        return torch.cat([v, torch.zeros_like(v[..., :1])], -1)[..., None, :]

    frames, start = renderer(pose_of(truth)).detach(), truth + 1.5
    found, _ = align(renderer, pose_of, start, frames, torch.ones(24, 24), widths, steps=1)
    torch.testing.assert_close(found, start - 10 * widths)


def test_what_is_whole_keeps_its_margin_to_the_border_and_is_seen() -> None:
    renderer = disc_renderer()
    poses = torch.tensor([[3.4, 12.0, 0.0], [4.6, 12.0, 0.0], [12.0, 20.6, 0.0], [2.0, 12.0, 0.0]])[:, None]
    images = renderer(poses).detach()
    assert present(renderer, poses, images, margin=0).flatten().tolist() == [True, True, True, False]
    assert present(renderer, poses, images, margin=1).flatten().tolist() == [False, True, False, False]
    assert not present(renderer, poses, torch.zeros_like(images), margin=0).any()


def test_objects_are_looked_for_in_a_few_images_at_once_however_many_there_are(
    spring_model: PAIG, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer, weight, drawn = spring_model.renderer, spring_model.weight, []
    place = torch.rand(50, 2, 2, generator=torch.Generator().manual_seed(0)) * 40 - 4  # some of them outside
    poses = spring_model.kinematics.pose(place)
    with torch.no_grad():
        images = renderer(poses)
    at_once = find(renderer, poses, images, weight, chunk=50)
    patches = SpriteRenderer.patches

    def noted(self: SpriteRenderer, pose: torch.Tensor) -> Patches:
        drawn.append(len(pose))
        return patches(self, pose)

    monkeypatch.setattr(SpriteRenderer, "patches", noted)
    few = find(renderer, poses, images, weight, chunk=4)
    assert max(drawn) == 4
    torch.testing.assert_close(few.inside, at_once.inside)
    torch.testing.assert_close(few.error, at_once.error)
    assert few.found.equal(at_once.found)
    assert few.found.equal(found_at(renderer, poses, images, weight))
    assert 0 < few.found.float().mean() < 1
