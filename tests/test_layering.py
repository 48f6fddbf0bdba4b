"""Sprites laid over one another: what is painted, its gradient, and which of them lies on top."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from paig_control.models.paig import to_images
from paig_control.vision import compiled
from paig_control.vision.compiled import FEW
from paig_control.vision.discovery import EMPTY
from paig_control.vision.pursuit import discover_planar
from paig_control.vision.renderer import Layering, SpriteRenderer

COLOURS = np.array([[230, 40, 40], [40, 220, 60], [60, 80, 240]], np.uint8)


def hand_painted(order: tuple[int, ...], frames: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Plates of 5 pixels at random whole places on grey, painted in this order; and their corners ``(M, N, 2)``."""
    corner = np.random.default_rng(seed).integers(0, 20, (frames, len(order), 2))
    film = np.full((frames, 24, 24, 3), 70, np.uint8)
    for n in order:
        for frame, (x, y) in zip(film, corner[:, n], strict=True):
            frame[y : y + 5, x : x + 5] = COLOURS[n]
    return film, corner


def random_renderer(turns: bool) -> SpriteRenderer:
    torch.manual_seed(0)
    renderer = SpriteRenderer((20, 26), 2, 7, turns=turns)
    for weights in renderer.parameters():
        torch.nn.init.normal_(weights)
    return renderer


def test_shifting_sprites_paints_what_turning_them_by_nothing_paints_on_and_off_the_frame() -> None:
    shifted, turned = random_renderer(turns=False), random_renderer(turns=True)
    place = torch.rand(40, 2, 2, generator=torch.Generator().manual_seed(1)) * 44 - 10
    frames, slopes = [], []
    for renderer in (shifted, turned):
        pose = torch.cat([place, torch.zeros(40, 2, 1)], -1).requires_grad_(True)
        image = renderer(pose)
        slope = torch.autograd.grad(image.square().sum(), [pose, *renderer.parameters()])
        frames.append(image.detach())
        slopes.append([slope[0][..., :2], *slope[1:]])
    assert torch.allclose(frames[0], frames[1], atol=1e-5)
    for one, other in zip(*slopes, strict=True):
        assert torch.allclose(one, other, atol=1e-4 * float(other.abs().max()))


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize(("density", "samples"), [(2, 2), (1, 3), (3, 1)])
def test_machine_code_paints_what_tensors_paint_on_and_off_the_frame(turns: bool, density: int, samples: int) -> None:
    pytest.importorskip("numba")
    torch.manual_seed(0)
    renderer = SpriteRenderer((20, 26), 2, 7, density, samples, turns)
    for weights in renderer.parameters():
        torch.nn.init.normal_(weights)
    renderer.order.copy_(torch.tensor([1, 0]))
    pose = torch.rand(FEW // 2, 2, 3, generator=torch.Generator().manual_seed(1)) * 54 - 14
    pose[0, 0, 0] = 1e4
    painted = renderer(pose).detach()
    with torch.no_grad():
        quick = renderer(pose)
    assert torch.allclose(quick, painted, atol=2e-6)
    assert not torch.allclose(quick, renderer.scene().expand_as(quick), atol=0.1)


def test_machine_code_is_asked_where_no_gradient_is_wanted_and_for_a_few_shifted_sprites(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numba = pytest.importorskip("numba")
    assert not getattr(numba.config, "DISABLE_JIT", False)
    asked: list[str] = []
    real = compiled.loops
    monkeypatch.setattr(compiled, "loops", lambda package: asked.append(package) or real(package))
    renderer = random_renderer(turns=False)
    renderer(torch.zeros(3, 2, 3))
    assert asked == []
    with torch.no_grad():
        renderer(torch.zeros(FEW // 2, 2, 3))
        assert asked == ["vision"] * 2
        renderer(torch.zeros(FEW // 2 + 1, 2, 3))
    assert asked == ["vision"] * 3


def test_layering_has_the_gradient_that_differences_show() -> None:
    random = torch.Generator().manual_seed(0)
    scene = torch.rand(3, 6, 7, generator=random, dtype=torch.double, requires_grad=True)
    paint = torch.rand(3, 2, 4, 3, 3, generator=random, dtype=torch.double, requires_grad=True)
    corner = torch.tensor([[[0, 0], [5, -2]], [[1, 1], [4, -1]], [[-40, 3], [2, 50]]])
    assert torch.autograd.gradcheck(lambda s, p: Layering.apply(s, p, corner), (scene, paint))


def test_the_order_in_which_plates_were_painted_is_found() -> None:
    for seed, order in enumerate([(2, 0, 1), (1, 2, 0)]):
        film, corner = hand_painted(order, frames=250, seed=seed)
        images = to_images(torch.from_numpy(film))
        found = discover_planar(images, 3, torch.Generator().manual_seed(seed), rounds=1, steps=60)
        far = [np.abs(corner[:, n] + 2.5 - found.coordinates[:, m].numpy()).mean() for m in range(3) for n in range(3)]
        plate = np.reshape(far, (3, 3)).argmin(1)
        assert tuple(plate[found.renderer.order.numpy()]) == order


def test_sprites_are_worth_what_they_change_of_a_picture() -> None:
    torch.manual_seed(0)
    renderer = SpriteRenderer((24, 24), 2, 9)
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter.normal_()
        line = torch.linspace(-1, 1, 18)
        renderer.mask[:, :, line.square() + line[:, None].square() > 0.8] = EMPTY  # nothing in the windows' corners
        renderer.order.copy_(torch.tensor([1, 0]))
    pose = torch.tensor([[[11.3, 12.2, 0.4], [14.0, 10.1, 2.0]], [[9.7, 13.0, 1.0], [12.5, 12.0, 0.0]]])
    change, texels = renderer.worth(pose)
    whole, masks = renderer(pose), renderer.mask.detach().clone()
    for n, beneath in ((0, [1]), (1, [])):
        with torch.no_grad():
            renderer.mask.fill_(-40.0)
            renderer.mask[beneath] = masks[beneath]
            without = renderer(pose)
            renderer.mask[n] = masks[n]
        expected = (renderer(pose) - without).square().sum((1, 2, 3)).mean()
        torch.testing.assert_close(change[n], expected.detach())
        assert float(texels[n]) == pytest.approx(float(torch.sigmoid(masks[n]).sum()), rel=0.01)
        renderer.mask.data.copy_(masks)
    torch.testing.assert_close(renderer(pose), whole)
