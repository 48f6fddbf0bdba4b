"""What grows and what does not: memory with the number of films, work with the number of objects.

Counted in numbers that are handled at once, never in seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_identify import films as pendulum_films
from torch.utils._python_dispatch import TorchDispatchMode

from paig_control.data import unpacking
from paig_control.data.cleaning import usable
from paig_control.data.episodes import Sequences
from paig_control.estimation import matched
from paig_control.estimation.identification import identify
from paig_control.learning import trainer
from paig_control.learning.recipe import Staged
from paig_control.learning.settings import ModelSettings, RecipeSettings
from paig_control.machine import by_tensors
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.vision.alignment import align, frame_slopes
from paig_control.vision.discovery import Adam
from paig_control.vision.renderer import SpriteRenderer
from paig_control.vision.sprite_slopes import overlap, sprite_inside, sprite_shares, sprite_slopes
from paig_control.vision.visibility import find, frame_shares, sort_layers


def test_identification_works_on_some_films_after_others_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinates, actions = pendulum_films(0)
    rolled: list[int] = []
    rollout = Physics.rollout

    def counted(self: Physics, *given: torch.Tensor) -> object:
        rolled.append(given[1].numel())
        return rollout(self, *given)

    monkeypatch.setattr(Physics, "rollout", counted)
    found = []
    for at_once in (2**18, 200):
        monkeypatch.setattr(matched, "AT_ONCE", at_once)
        rolled.clear()
        found.append((identify(build_physics("pendulum", 0.05), coordinates, actions), max(rolled)))
    (whole, many), (parts, few) = found
    assert few * 8 <= many
    for name, constant in whole.constants.items():
        assert parts.constants[name].value == pytest.approx(constant.value, rel=1e-9)
        assert parts.constants[name].std == pytest.approx(constant.std, rel=1e-6)
    assert parts.rms == pytest.approx(whole.rms, rel=1e-9)


class Counted:
    """Counts how often films are let go of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.let_go = 0
        monkeypatch.setattr(unpacking, "let_go", self)
        monkeypatch.setattr(trainer, "let_go", self)

    def __call__(self, array: NDArray[np.uint8]) -> None:
        self.let_go += 1


def test_films_are_let_go_of_behind_whoever_goes_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (12, 10, 4, 4, 3), np.uint8).repeat(4, 2).repeat(4, 3)
    data = Sequences(frames, None, 0.1)
    identity = data.identity
    counted = Counted(monkeypatch)
    monkeypatch.setattr(unpacking, "PASSED", 3 * frames[0].nbytes)
    assert data.identity == identity
    assert counted.let_go == 4
    usable(data, 4)
    assert counted.let_go == 4 + 2 * 4
    monkeypatch.setattr(trainer, "LOOKED_AT", 30)
    learner = Staged(
        RecipeSettings(), data, build_physics("spring", 0.1), ModelSettings(), 0, torch.device("cpu"), None, None
    )
    counted.let_go = 0
    parts = list(learner.some())
    assert [len(part) for part in parts] == [3] * 4
    assert torch.equal(torch.cat(parts), torch.from_numpy(frames))
    assert torch.equal(torch.cat([*learner.some(torch.tensor([7, 2]))]), torch.from_numpy(frames[[7, 2]]))
    numbers = torch.arange(0, 120, 2)
    assert torch.equal(learner.frames(numbers), torch.from_numpy(frames.reshape(-1, 16, 16, 3)[::2]))
    assert counted.let_go == 4 + 1 + 2


def steps() -> Iterator[tuple[torch.Tensor, float]]:
    generator = torch.Generator().manual_seed(0)
    for step in range(30):
        yield torch.randn(5, generator=generator), 0.1 / (1 + step)


def test_adam_goes_where_pytorchs_own_goes() -> None:
    here = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    there = copy.deepcopy(here)
    ours, theirs = Adam([here]), torch.optim.Adam([there])
    for target, rate in steps():
        here.grad = None
        (here - target).pow(4).sum().backward()
        ours.step(rate)
        theirs.param_groups[0]["lr"] = rate
        theirs.zero_grad()
        (there - target).pow(4).sum().backward()
        theirs.step()
    assert torch.allclose(here, there, rtol=1e-6, atol=0)
    assert not torch.allclose(here, torch.linspace(-1, 1, 5), atol=0.1)


def painted(objects: int, turns: bool = False, size: tuple[int, int] = (30, 36)) -> SpriteRenderer:
    """Sprites of 9 pixels, anyhow painted, in any order."""
    torch.manual_seed(objects)
    renderer = SpriteRenderer(size, objects, 9, turns=turns)
    for weights in renderer.parameters():
        torch.nn.init.normal_(weights)
    renderer.order.copy_(torch.randperm(objects))
    return renderer


def scattered(objects: int, count: int, size: tuple[int, int] = (30, 36), beyond: float = 15.0) -> torch.Tensor:
    """Poses, some of them out of the frame and some far away."""
    place = torch.rand(count, objects, 2) * (torch.tensor(size[::-1]) + 2 * beyond) - beyond
    place[0, 0] = -3000.0
    return torch.cat([place, 6 * torch.rand(count, objects, 1)], -1)


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= 1e-5 * other.abs().max())


@pytest.fixture(params=["tensors", "machine code"])
def means(request: pytest.FixtureRequest) -> Iterator[None]:
    """By what sprites' windows are computed."""
    if request.param == "machine code":
        pytest.importorskip("numba")
    with by_tensors(request.param == "tensors"):
        yield


@pytest.mark.usefixtures("means")
@pytest.mark.parametrize(("objects", "turns"), [(1, True), (3, False), (3, True)])
def test_slopes_in_windows_are_those_of_whole_frames(objects: int, turns: bool) -> None:
    renderer, pose = painted(objects, turns), scattered(objects, 40, beyond=5.0)
    frames, weight = torch.rand(40, 3, 30, 36), torch.rand(30, 36)
    each = torch.tensor([0.1, 0.15, 0.05])
    widths = each.repeat(objects)

    def pose_of(flat: torch.Tensor) -> torch.Tensor:
        return flat.unflatten(-1, (objects, 3))

    with torch.no_grad():
        whole = frame_slopes(renderer, pose_of, pose.flatten(1), frames, weight, widths)
    nudges = torch.cat([each.diag(), -each.diag(), torch.zeros(1, 3)])
    found = sprite_slopes(renderer, pose + nudges[:, None, None], widths, frames, weight)
    for one, other in zip(found, whole, strict=True):
        assert close(one, other)
    overlapping = (whole.matrix[:, :3, 3:] != 0).flatten(1).any(1)
    assert int(overlapping.sum()) >= 3 * (objects > 1)


@pytest.mark.usefixtures("means")
@pytest.mark.parametrize("turns", [False, True])
def test_what_a_sprite_explains_in_its_window_it_explains_of_the_frame(turns: bool) -> None:
    renderer, pose = painted(3, turns), scattered(3, 40)
    frames, weight = torch.rand(40, 3, 30, 36), torch.rand(30, 36)
    with torch.no_grad():
        whole, wide = frame_shares(renderer, pose, frames, weight), renderer.widened(9)
        shifted = pose + torch.tensor([9.0, 9.0, 0.0])
        alone = torch.where(torch.eye(3, dtype=torch.bool)[:, None, :, None], shifted, -500.0)
        change = (wide(alone) - wide.scene()).square().sum(2)
    for one, other in zip(sprite_shares(renderer, pose, frames, weight), whole, strict=True):
        assert close(one, other)
    part = change[..., 9:-9, 9:-9].sum((2, 3)) / change.sum((2, 3)).clamp(min=1e-6)
    found = sprite_inside(renderer, pose)
    assert close(found, part.T)
    assert 0.1 < found.mean() < 0.9


def test_a_swap_of_layers_changes_what_redrawing_shows() -> None:
    renderer, pose = painted(4), scattered(4, 80, beyond=2.0)
    order = renderer.order.tolist()
    for place in range(3):
        other = [*order[:place], order[place + 1], order[place], *order[place + 2 :]]
        with torch.no_grad():
            patches = renderer.patches(pose)
            differ = (renderer.lay(patches, order) - renderer.lay(patches, other)).square().sum((1, 2, 3))
        assert close(overlap(renderer, pose, place), differ)
        assert (differ > 0).any()


class Work(TorchDispatchMode):
    """Counts the numbers that operations give."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and not func.is_view:
            self.numbers += found.numel()
        return found


def work(task: Callable[[SpriteRenderer, torch.Tensor, torch.Tensor], object], objects: int) -> float:
    """Numbers made a sprite: of many sprites in frames where these are seldom over one another."""
    size = (64, 64)
    renderer, pose = painted(objects, size=size), scattered(objects, 16, size, beyond=0.0)[1:]
    counted = Work()
    with counted:
        task(renderer, pose, torch.rand(15, 3, *size))
    return counted.numbers / objects


def aligned(renderer: SpriteRenderer, pose: torch.Tensor, frames: torch.Tensor) -> object:
    def pose_of(flat: torch.Tensor) -> torch.Tensor:
        place = flat.unflatten(-1, (renderer.objects, 2))
        return torch.cat([place, torch.zeros_like(place[..., :1])], -1)

    flat = pose[..., :2].flatten(1)
    return align(renderer, pose_of, flat, frames, torch.ones(64, 64), torch.full_like(flat[0], 0.1))


def found(renderer: SpriteRenderer, pose: torch.Tensor, frames: torch.Tensor) -> object:
    return find(renderer, pose, frames, torch.ones(64, 64))


@pytest.mark.parametrize("task", [aligned, found])
def test_work_grows_with_the_number_of_sprites_alone(task: Callable[..., object]) -> None:
    assert work(task, 8) < 1.3 * work(task, 2)


def test_layers_that_are_in_order_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def none(renderer: SpriteRenderer, pose: torch.Tensor, place: int, most: int) -> torch.Tensor:
        compared.append(place)
        return torch.zeros(0, dtype=torch.long)

    monkeypatch.setattr("paig_control.vision.visibility._telling", none)
    renderer = painted(6)
    order = renderer.order.clone()
    sort_layers(
        renderer, lambda v: v, torch.zeros(1, 12), torch.zeros(1, 3, 30, 36), torch.ones(30, 36), torch.ones(12)
    )
    assert compared == [0, 1, 2, 3, 4]
    assert renderer.order.equal(order)
