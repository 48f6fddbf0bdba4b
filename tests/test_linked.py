"""Bodies on rails and hinges: where their pictures stand, and how they are found in frames, without a label."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from paig_control.data.episodes import Sequences
from paig_control.envs.painter import Rod, Sprite, paint
from paig_control.errors import PaigError
from paig_control.learning import recipe
from paig_control.learning.settings import ModelSettings, RecipeSettings
from paig_control.models import checkpoint
from paig_control.models.paig import PAIG
from paig_control.physics import build_physics
from paig_control.types import State
from paig_control.vision.alignment import chained_normal, frame_slopes
from paig_control.vision.discovery import EMPTY, GONE, Discovered, fit_sprites
from paig_control.vision.linkage import Linked
from paig_control.vision.linked import discover_linked
from paig_control.vision.matching import Matching
from paig_control.vision.posed import Posed
from paig_control.vision.registry import build_kinematics
from paig_control.vision.renderer import SpriteRenderer
from paig_control.vision.walk import find_hinge, rarity

CART: list[tuple[str, int | None]] = [("rail", None), ("hinge", 0)]
ARM: list[tuple[str, int | None]] = [("hinge", None), ("hinge", 0)]
SIZE = 40


def geometry(joints: list[tuple[str, int | None]]) -> Linked:
    """A cart in the lower half, nearer to the camera than the pole on it, or an arm of two links in the middle."""
    found = Linked(joints)
    with torch.no_grad():
        if joints == CART:
            found.anchor[:] = torch.tensor([[20.0, 27.3], [0.4, -1.0]])
            found.offset[1], found.direction[0], found.depth[0] = torch.tensor([0.0, -5.5]), 0.1, 0.05
        else:
            found.anchor[:] = torch.tensor([[20.2, 19.7], [0.0, -9.0]])
            found.offset[:] = torch.tensor([[0.0, -4.5], [0.0, -4.0]])
    return found


def films(joints: list[tuple[str, int | None]], count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Frames ``(M, 3, h, w)`` drawn by the environments' painter, and the coordinates ``(M, N, 1)`` in them."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-math.pi, math.pi, (count, 2))
    along = rng.uniform(-12, 12, count)
    return drawn(joints, np.stack([along if joints == CART else angles[:, 0], angles[:, 1]], 1)[..., None])


def drawn(joints: list[tuple[str, int | None]], position: np.ndarray) -> tuple[Tensor, Tensor]:
    pose = geometry(joints).pose(torch.from_numpy(position).float()).detach().double().numpy()
    sprites: list[Sprite] = [Rod(11.0, 1.2, (200.0, 120.0, 40.0)), Rod(8.0, 1.0, (60.0, 160.0, 220.0))]
    if joints == CART:
        sprites = [Rod(4.0, 2.0, (20.0, 20.0, 60.0)), Rod(11.0, 1.0, (200.0, 120.0, 40.0))]
        pose[:, 0, 2] += math.pi / 2
    else:
        sprites[0] = Rod(9.0, 1.2, (200.0, 120.0, 40.0))
    frames = paint(np.full((SIZE, SIZE, 3), 230.0), sprites, pose)
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(position).float()


@pytest.fixture(scope="module", params=[CART, ARM], ids=["cart", "arm"])
def found(request: pytest.FixtureRequest) -> tuple[list[tuple[str, int | None]], Discovered, Tensor]:
    frames, position = films(request.param, 160)
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    return request.param, discover_linked(frames, request.param, generator, rounds=1), position


def apart(joints: list[tuple[str, int | None]], read: Tensor, true: Tensor) -> list[Tensor]:
    """How far off coordinates are, after an offset in common."""
    off = []
    for n, (kind, _) in enumerate(joints):
        error = (read - true)[:, n, 0]
        if kind == "rail":
            off.append(error - error.median())
        else:
            turned = error - torch.atan2(error.sin().median(), error.cos().median())
            off.append(torch.remainder(turned + math.pi, 2 * math.pi) - math.pi)
    return off


def test_discovery_finds_coordinates_and_joints(
    found: tuple[list[tuple[str, int | None]], Discovered, Tensor],
) -> None:
    joints, discovered, position = found
    first, second = apart(joints, discovered.coordinates, position)
    assert first.abs().median() < (0.1 if joints == CART else 0.02)
    assert second.abs().median() < 0.03
    assert (second.abs() < 0.2).float().mean() > 0.95
    assert discovered.seen.float().mean() > 0.9
    kinematics = discovered.kinematics
    assert isinstance(kinematics, Linked)
    if joints == CART:
        assert float(kinematics.direction[0].detach()) == pytest.approx(0.1, abs=0.02)
        assert float(kinematics.depth[0].detach()) == pytest.approx(0.05, abs=0.02)
    else:
        torch.testing.assert_close(kinematics.anchor[0].detach(), torch.tensor([20.2, 19.7]), atol=0.3, rtol=0)
        assert kinematics.seats().anchor[1].tolist() == pytest.approx([0.0, -9.0], abs=0.4)


def test_sprites_show_nothing_beside_their_bodies(
    found: tuple[list[tuple[str, int | None]], Discovered, Tensor],
) -> None:
    joints, discovered, _ = found
    lengths = [(4.0, 2.0), (11.0, 1.0)] if joints == CART else [(9.0, 1.2), (8.0, 1.0)]
    for mask, (length, width) in zip(discovered.renderer.sprites()[:, 3].detach(), lengths, strict=True):
        line = (torch.arange(len(mask)) + 0.5) / discovered.renderer.density - discovered.renderer.window / 2
        x, y = torch.meshgrid(line, line, indexing="xy")
        points = torch.stack([x, y], -1).reshape(-1, 2)
        core = mask.flatten() ** 4
        points = points - (core @ points) / core.sum()
        way = torch.linalg.eigh(points.T @ (core[:, None] * points)).eigenvectors[:, 1]
        along, across = points @ way, points[:, 0] * way[1] - points[:, 1] * way[0]
        beside = (along.abs() > length / 2 + width + 1) | (across.abs() > width + 1)
        assert mask.flatten()[beside].sum() < 0.02 * mask.sum()  # 13 to 47 % of it where texels have no price


def test_closed_eyes_read_other_frames_alike(
    found: tuple[list[tuple[str, int | None]], Discovered, Tensor],
) -> None:
    joints, discovered, _ = found
    frames, position = films(joints, 60, seed=5)
    assert isinstance(discovered.kinematics, Linked)
    with torch.no_grad():
        eyes = Posed.of(discovered.renderer, discovered.kinematics, discovered.weight)
        off = apart(joints, eyes.search(frames), position)
    assert off[0].abs().median() < (0.1 if joints == CART else 0.02)
    assert (off[1].abs() < 0.2).float().mean() > 0.9


def test_what_stands_in_a_film_is_looked_past(
    found: tuple[list[tuple[str, int | None]], Discovered, Tensor],
) -> None:
    joints, discovered, _ = found
    physics = build_physics("cartpole" if joints == CART else "acrobot", 0.02)
    kinematics, renderer = discovered.kinematics, discovered.renderer
    model = PAIG(physics, kinematics, Matching(2), renderer)
    model.weight.copy_(discovered.weight)
    frames, position = films(joints, 24, seed=5)
    place = torch.arange(SIZE) + 0.5
    disc = (place - 24.0).square() + (place[:, None] - 12.0).square() < 4.5**2
    covered = torch.where(disc, torch.tensor([0.8, 0.2, 0.3])[:, None, None], frames)
    films_ = torch.stack([frames, covered]).movedim(2, -1).mul(255).round().byte()
    free, past = model.read(films_).position
    standing = model.standing(films_[1], past)
    assert standing is not None
    assert bool(standing[disc].all())
    assert standing.float().mean() < 2 * disc.float().mean()
    assert model.standing(films_[0], free) is None
    off = [one.abs().median() for one in apart(joints, past, position)]
    clear = [one.abs().median() for one in apart(joints, free, position)]
    assert off[0] < clear[0] + (0.05 if joints == CART else 0.01)
    assert off[1] < clear[1] + 0.01
    worst = apart(joints, past, position)[1].abs()
    separate = apart(joints, model.read(films_[1]).position, position)[1].abs()  # frames by themselves
    assert (worst > 0.2).float().mean() <= (separate > 0.2).float().mean()
    assert model.read(films_[:, :4]).position.shape == (2, 4, 2, 1)


def test_what_is_hidden_for_a_while_is_looked_for_between_where_it_was_and_will_be(
    found: tuple[list[tuple[str, int | None]], Discovered, Tensor],
) -> None:
    joints, discovered, _ = found
    if joints == CART:
        return
    model = PAIG(build_physics("acrobot", 0.02), discovered.kinematics, Matching(2), discovered.renderer)
    model.weight.copy_(discovered.weight)
    times = np.linspace(0, 1, 20)
    frames, position = drawn(ARM, np.stack([0.3 + 1.4 * times, 0.9 - 0.4 * times], 1)[..., None])
    pose = geometry(ARM).pose(position).detach()
    x, y = pose[10, 1, :2]  # the lower link's middle, half way
    place = torch.arange(SIZE) + 0.5
    disc = (place - x).square() + (place[:, None] - y).square() < 6.0**2
    covered = torch.where(disc, torch.tensor([0.8, 0.2, 0.3])[:, None, None], frames)
    film = covered.movedim(1, -1).mul(255).round().byte()
    reading = model.read(film[None])
    first, second = apart(ARM, reading.position[0], position)
    assert first.abs().max() < 0.15
    assert second.abs().max() < 0.15
    assert reading.trust[0, 10, 1] < 0.3 * reading.trust[0, 0, 1]


def test_a_rail_on_which_nothing_slides_and_a_hinge_about_which_nothing_turns_are_refused() -> None:
    generator = torch.Generator().manual_seed(0)
    still = torch.full((30, 3, SIZE, SIZE), 0.9)
    with pytest.raises(PaigError, match="Nothing moves in these frames"):
        discover_linked(still, CART, generator)
    blinking = still.clone()
    blinking[::2, :, 10:14, 10:14] = 0.1
    with pytest.raises(PaigError, match="Nothing slides in these frames"):
        discover_linked(blinking, CART, generator)
    with pytest.raises(PaigError, match=r"Body 0 is (not seen to turn|found in only)"):
        discover_linked(blinking, ARM, generator, rounds=0, steps=1)


def test_key_points_lead_back_to_coordinates_and_raising_moves_no_picture() -> None:
    three = [*ARM, ("hinge", 1)]
    kinematics = build_kinematics("tree", 3, three)
    assert isinstance(kinematics, Linked)
    with torch.no_grad():
        kinematics.anchor[:] = torch.tensor([[20.0, 20.0], [3.0, -8.0], [-1.0, -6.0]])
        kinematics.offset[:] = torch.tensor([[0.0, -4.0], [0.5, -3.0], [0.0, -2.0]])
    kinematics.shift(torch.tensor([[0.3], [-0.2], [0.9]]))
    position = kinematics.anywhere(50, (40, 40), torch.Generator().manual_seed(0))
    back = kinematics.coordinates(kinematics.keypoints(position))
    assert torch.remainder(back - position + 1, 2 * math.pi).allclose(torch.ones(1), atol=1e-4)
    pose = kinematics.pose(position)
    raised = position + kinematics.raise_up()
    torch.testing.assert_close(kinematics.pose(raised), pose, atol=1e-4, rtol=0)
    seats = kinematics.seats().anchor[1:]
    assert seats[:, 0].tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    assert seats[:, 1].tolist() == pytest.approx([-math.hypot(3, 8), -math.hypot(1, 6)], abs=1e-5)
    with pytest.raises(PaigError, match="There is no kinematics 'tree' for 2 objects"):
        build_kinematics("tree", 2, three)


def test_a_rail_and_a_hinge_stand_where_geometry_says() -> None:
    kinematics = geometry(CART)
    kinematics.requires_grad_(False)
    pose = kinematics.pose(torch.tensor([[5.0], [math.pi / 2]]))
    cart, nearer = ([20 + far * math.cos(0.1), 27.3 - far * math.sin(0.1)] for far in (5.0, 1.05 * 5.0))
    assert pose[0].tolist() == pytest.approx([*nearer, 0.0], abs=1e-4)
    assert pose[1].tolist() == pytest.approx([cart[0] + 0.4 - 5.5, cart[1] - 1.0, math.pi / 2], abs=1e-4)
    other = kinematics.geometry + torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    assert kinematics.pose(torch.tensor([[5.0], [0.0]]), other)[1, 0] == pytest.approx(cart[0] + 1.4, abs=1e-4)


def test_a_skeleton_leads_from_joint_to_joint_and_to_the_last_ones_end() -> None:
    position = torch.tensor([[[5.0], [math.pi / 2]]])
    kinematics = geometry(CART).requires_grad_(False)
    cart = torch.tensor([20 + 5 * math.cos(0.1), 27.3 - 5 * math.sin(0.1)])
    hinge = cart + torch.tensor([0.4, -1.0])
    expected = torch.stack([torch.stack([cart, hinge]), torch.stack([hinge, hinge - torch.tensor([11.0, 0.0])])])
    torch.testing.assert_close(kinematics.skeleton(position), expected[None], atol=1e-4, rtol=0)
    alone = Linked([("rail", None)]).requires_grad_(False)
    assert alone.skeleton(torch.zeros(3, 1, 1)).shape == (3, 0, 2, 2)
    assert build_kinematics("planar", 2).skeleton(torch.zeros(3, 2, 2)).shape == (3, 0, 2, 2)
    turned = build_kinematics("rotary", 1)
    line = turned.skeleton(torch.full((1, 1, 1), math.pi / 2)).detach()[0, 0]
    torch.testing.assert_close(line[1] - line[0], torch.tensor([-1.0, 0.0]), atol=1e-6, rtol=0)


def test_chained_slopes_are_those_of_whole_frames() -> None:
    renderer, kinematics = SpriteRenderer((SIZE, SIZE), 2, 13), geometry(ARM)
    given = torch.Generator().manual_seed(2)
    with torch.no_grad():  # smooth, and nothing at the windows' edges, so that slopes are the same a bit further on
        rough = torch.randn(2, 3, 4, 4, generator=given)
        renderer.content.copy_(functional.interpolate(rough, renderer.content.shape[-2:], mode="bicubic"))
        line = torch.linspace(-1, 1, renderer.mask.shape[-1])
        renderer.mask.copy_(6 - 16 * (line.square() + line[:, None].square()))
    frames, position = films(ARM, 6)
    weight = torch.rand(SIZE, SIZE, generator=given)

    def pose_of(flat: Tensor) -> Tensor:
        return kinematics.pose(flat[..., None])

    both = [
        slopes(renderer, pose_of, position[..., 0], frames, weight, torch.full((2,), 0.02))
        for slopes in (chained_normal, frame_slopes)
    ]
    for one, other in zip(*both, strict=True):
        assert (one - other).abs().max() < 0.03 * other.abs().max()


def test_frames_that_are_rare_count_more() -> None:
    frames, _ = films(ARM, 40)
    often = torch.cat([frames[:1].repeat(40, 1, 1, 1), frames[1:]])
    often = often + 0.01 * torch.randn(often.shape, generator=torch.Generator().manual_seed(0))
    rare = rarity(often)
    assert rare[40:].median() > 3 * rare[:40].median()


def test_bodies_of_a_tree_are_not_numbered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other order would explain their motion, too, if only badly."""
    monkeypatch.setattr(recipe, "likeliest", lambda *_: [1, 0])
    monkeypatch.setattr(recipe, "numbering", lambda *_: ([0, 1], torch.ones(2)))
    physics = build_physics("cartpole", 0.02)
    data = Sequences(np.zeros((2, 5, SIZE, SIZE, 3), np.uint8), np.ones((2, 4, 1), np.float32))
    data.frames[:, :, 3:9, 5:9] = np.arange(5, dtype=np.uint8)[None, :, None, None, None] * 50
    trainer = recipe.Staged(RecipeSettings(), data, physics, ModelSettings(), 0, torch.device("cpu"), None, None)
    renderer = SpriteRenderer((SIZE, SIZE), 2, 13)
    with torch.no_grad():
        renderer.mask[0] = 2.0
    trainer.model = PAIG(physics, geometry(CART), Matching(2), renderer)
    trainer._number()
    assert float(renderer.mask.detach()[0].mean()) == pytest.approx(2.0)


def test_what_is_seen_of_a_cart_at_the_edge_is_trusted_less_and_nothing_of_one_beyond(
    found: tuple[list[tuple[str, int | None]], Discovered, Tensor],
) -> None:
    joints, discovered, _ = found
    if joints != CART:
        return
    model = PAIG(build_physics("cartpole", 0.02), discovered.kinematics, Matching(2), discovered.renderer)
    model.weight.copy_(discovered.weight)
    along = torch.tensor([0.0, 19.0, 20.0, 22.5])
    with torch.no_grad():
        middle = discovered.coordinates[:, 0].median()
        zero = float(model.kinematics.pose(torch.tensor([[[middle], [0.0]]]))[0, 0, 0]) - float(middle)
        seen = torch.stack([20 - zero + along, torch.full_like(along, 0.4)], 1)[..., None]
        images = discovered.renderer(model.kinematics.pose(seen))
        trust = model.polished(seen, images, 1).trust[:, 0, 0]
    assert trust[0] > 0
    assert trust[1] < 0.7 * trust[0]
    assert trust[2] < 0.4 * trust[0]
    assert float(trust[3]) == 0


def test_a_halo_that_costs_more_than_it_explains_fades_and_what_is_empty_stays_so() -> None:
    frames, position = films(ARM, 80)
    kinematics = geometry(ARM)
    pose, pick, weight = kinematics.pose(position).detach(), torch.ones(80), torch.ones(SIZE, SIZE)
    halos = []
    for price in (0.0, 0.01):
        torch.manual_seed(0)
        renderer = SpriteRenderer((SIZE, SIZE), 2, 21)
        draw = torch.Generator().manual_seed(0)
        fit_sprites(renderer, pose, frames, weight, pick, draw, 80)
        ring = torch.zeros(42, 42, dtype=torch.bool)
        ring[10:32, 14:28] = True
        ring[12:30, 16:26] = False  # two texels wide, around what is there
        with torch.no_grad():
            renderer.mask[0, 0, ring], renderer.content[0, :, ring] = 0.0, math.log(0.9 / 0.1)  # as the background is
        fit_sprites(renderer, pose, frames, weight, pick, draw, 80, price=price)
        mask, ground = (x.detach().clone() for x in (renderer.mask, renderer.background))
        halos.append(float(torch.sigmoid(mask[0, 0, ring]).mean()))
        fit_sprites(renderer, pose, frames, weight, pick, draw, 5, kept=True, ground=False)
        assert torch.equal(renderer.background, ground)
        assert (renderer.mask[mask < GONE] == EMPTY).all()
        assert (renderer.mask[mask > GONE] != mask[mask > GONE]).float().mean() > 0.9
    assert halos[1] < 0.02
    assert halos[0] > 3 * halos[1]


def test_a_model_of_joints_is_what_it_was_when_it_is_read_back(
    found: tuple[list[tuple[str, int | None]], Discovered, Tensor], tmp_path: Path
) -> None:
    joints, discovered, _ = found
    physics = build_physics("cartpole" if joints == CART else "acrobot", 0.02)
    seats = discovered.kinematics.seats()
    assert seats is not None
    physics.seat(*seats)
    model = PAIG(physics, discovered.kinematics, Matching(2), discovered.renderer)
    model.weight.copy_(discovered.weight)
    checkpoint.save(tmp_path, model, {})
    read = checkpoint.load(tmp_path).model
    frames, position = films(joints, 12, seed=7)
    pictures = (frames.permute(0, 2, 3, 1) * 255).round().to(torch.uint8)
    torch.testing.assert_close(read.locate(pictures), model.locate(pictures))
    state, actions = State(position.double(), position.double()), torch.ones(12, 4, 1).double()
    path = model.predict(state, actions)
    torch.testing.assert_close(read.predict(state, actions), path)
    moved = build_physics("cartpole" if joints == CART else "acrobot", 0.02)  # whose joints are elsewhere
    moved.load_state_dict({**physics.state_dict(), "tree.anchor": torch.full((2, 2), 3.0)})
    same = torch.equal(moved.rollout(state, actions).position, path.position)
    assert same == (joints == CART)  # where a pole sits on a cart does not count


def test_a_hinge_is_looked_for_on_the_body_that_carries_it() -> None:
    """Two rods turn: the longer one is found, unless the joint has to lie near the shorter one's."""
    rng, generator = np.random.default_rng(2), torch.Generator().manual_seed(2)
    angles = rng.uniform(-math.pi, math.pi, (80, 2))
    places = np.array([[13.0, 13.0], [29.0, 30.0]])
    half = np.array([5.5, 3.5])
    way = np.stack([-np.sin(angles), -np.cos(angles)], -1)
    pose = np.concatenate([places + half[:, None] * way, angles[..., None]], -1)
    rods = [Rod(11.0, 1.2, (255.0, 255.0, 255.0)), Rod(7.0, 1.2, (255.0, 255.0, 255.0))]
    differs = torch.from_numpy(paint(np.zeros((SIZE, SIZE, 3)), rods, pose)[..., 0]).float() / 255
    even = torch.ones(80)
    anywhere = find_hinge(differs, even, generator)
    bound = find_hinge(differs, even, generator, (torch.tensor([27.0, 28.0]), 5.0))
    assert (anywhere.place - torch.tensor([13.0, 13.0])).abs().max() < 1
    assert (bound.place - torch.tensor([29.0, 30.0])).abs().max() < 1
