"""The tree of joints walked from the root to the leaves: each body is found in frames held still with the one below.

A body on a rail is a piece of picture that other frames show elsewhere, on one line. A body on a hinge is looked for
by rays: from each place that may be the hinge, how far is there something on a ray that is not there in other frames?
The place from which rays reach farthest, frame after frame, and behind which nothing goes on, is the hinge. As far as
rays reach in nearly all frames the body is one; beyond, what hangs on it goes its own way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from paig_control.errors import PaigError
from paig_control.vision.discovery import nothing_moves, weighted_median
from paig_control.vision.linkage import Linked, turned
from paig_control.vision.matching import top

PATCH = 9
"""Side of the pieces of picture that are followed along a rail, pixels."""
TRIES = 48
"""So many pieces are tried."""
SOME = 250
"""Frames on which places are tried, at most."""
NARROW = 0.15
"""A body ends where rays end in such a part of the frames: in the others, what hangs on it lies straight ahead."""
BEYOND = 2.0
"""Pixels by which a joint may lie beyond the end of the body that it is on."""
SEEN = 0.3
"""A piece that matches by such a part of the usual, or less, is taken as out of sight."""


class Walked(NamedTuple):
    """What the walk found, about right.

    Attributes:
        kinematics: of the bodies.
        coordinates: ``(M, N, 1)``.
        sizes: ``(N,)``, about so many pixels of each body go beyond its joint.
        background: ``(3, h, w)``.
        rare: ``(M,)``, how rare each frame is, up to a factor.
    """

    kinematics: Linked
    coordinates: Tensor
    sizes: list[float]
    background: Tensor
    rare: Tensor


@torch.no_grad()
def walk(frames: Tensor, joints: Sequence[tuple[str, int | None]], generator: torch.Generator) -> Walked:
    """Find all bodies in frames ``(M, 3, h, w)``.

    Raises:
        PaigError: where nothing moves as a joint says.
    """
    height, width = frames.shape[-2:]
    rare = rarity(frames)
    background = weighted_median(frames, rare)
    moved = frames - background
    usual = float(moved.square().sum(1).sqrt().flatten(1).quantile(0.995, 1).quantile(0.75))
    if usual < 0.03:
        raise nothing_moves()
    kinematics = Linked(joints).to(frames.device)
    coordinates = frames.new_zeros(len(frames), len(joints), 1)
    middle = frames.new_tensor([width / 2, height / 2])
    views: list[Tensor] = []
    sizes: list[float] = []
    for n, (kind, on) in enumerate(joints):
        if kind == "rail":
            coordinates[:, n, 0] = _slid(frames, background, rare, kinematics, n, generator)
            sizes.append(PATCH / 2)
        else:
            view, origin = (moved, torch.zeros_like(middle)) if on is None else (views[on], middle)
            differs = (view.square().sum(1).sqrt() / (0.5 * usual)).clamp(max=1)
            body = None if on is None or joints[on][0] == "rail" else (middle, sizes[on] + BEYOND)
            found = find_hinge(differs, rare, generator, body)
            if not found.reach > 2:
                raise PaigError(
                    f"Body {n} is not seen to turn about a hinge{'' if on is None else f' on body {on}'}: expected "
                    "frames in which it does, by itself. Record with actions, or look at the tree of joints."
                )
            coordinates[:, n, 0] = found.angles
            kinematics.anchor[n] = found.place - origin
            kinematics.offset[n] = frames.new_tensor([0.0, -found.reach / 2])
            sizes.append(found.reach)
        origins, angles, _ = kinematics.frames(coordinates)
        held = hold(moved, origins[:, n], angles[:, n], middle)
        views.append(held - weighted_median(held, rare))
    return Walked(kinematics, coordinates, sizes, background, rare)


def rarity(frames: Tensor) -> Tensor:
    """How rare frames ``(M, 3, h, w)`` are, ``(M,)``: one over the density of their first six principal components."""
    small = functional.avg_pool2d(frames, 2).flatten(1)
    small = small - small.mean(0)
    values, vectors = torch.linalg.eigh((small @ small.T).double())
    place = (vectors[:, -6:] * values[-6:].clamp(min=0).sqrt()).to(frames)
    apart = torch.cdist(place, place)
    near = apart.sort(1).values[:, max(1, len(frames) // 10)].median().clamp(min=1e-6)
    return 1 / torch.exp(-0.5 * (apart / near).square()).sum(1)


def hold(pictures: Tensor, origin: Tensor, angle: Tensor, middle: Tensor) -> Tensor:
    """Pictures ``(M, 3, h, w)`` as a body sees them whose joint is at ``origin`` ``(M, 2)`` and comes to ``middle``."""
    height, width = pictures.shape[-2:]
    y, x = (torch.arange(n, device=angle.device) + 0.5 for n in (height, width))
    away = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1) - middle
    held = []
    for some, at, by in zip(pictures.split(64), origin.split(64), angle.split(64), strict=True):
        where = at[:, None, None] + turned(by[:, None, None], away.expand(len(some), -1, -1, -1))
        grid = 2 * where / where.new_tensor([width, height]) - 1
        held.append(functional.grid_sample(some, grid, align_corners=False, padding_mode="zeros"))
    return torch.cat(held)


class Hinge(NamedTuple):
    """A hinge, and what turns about it.

    Attributes:
        place: ``(2,)``, pixels.
        angles: ``(M,)``.
        reach: of what turns, pixels.
    """

    place: Tensor
    angles: Tensor
    reach: float


def find_hinge(
    differs: Tensor, rare: Tensor, generator: torch.Generator, body: tuple[Tensor, float] | None = None
) -> Hinge:
    """The hinge about which something turns that is seen in ``differs`` ``(M, h, w)``, from 0 to 1.

    It lies on the body that carries it: not farther from its joint, ``(2,)``, than it reaches.
    """
    longest = int(0.75 * max(differs.shape[1:]))
    radii = 0.75 * torch.arange(1, longest, device=differs.device)
    some = torch.multinomial(rare.cpu(), min(len(differs), SOME), generator=generator).to(differs.device)
    place = _centre(differs[some], radii, body)
    score, _, reach = (one[0] for one in _rays(differs[some], place[None], 72, radii))
    sure = reach[score > 0.25 * score.median()]
    end = float(sure.quantile(NARROW)) if len(sure) else 0.0
    radii = radii[: max(1, int((radii <= end).sum()))]
    place = _centre(differs[some], radii, body)
    return Hinge(place, _rays(differs, place[None], 144, radii)[1][0], end)


def _centre(differs: Tensor, radii: Tensor, body: tuple[Tensor, float] | None) -> Tensor:
    """The place ``(2,)`` from which rays reach farthest, to half a pixel."""
    height, width = differs.shape[1:]
    x, y = (torch.arange(1.0, n, 2.0, device=differs.device) for n in (width, height))
    tried = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    busy = functional.max_pool2d(differs.mean(0)[None], 5, 1, 2)[0]
    tried = tried[busy[tried[:, 1].long(), tried[:, 0].long()] > 0.1 * busy.max()]
    if body is not None:
        on = (tried - body[0]).norm(dim=-1) <= body[1]
        tried = tried[on] if bool(on.any()) else tried
    for finer in (1.0, 0.5, None):
        score = _rays(differs, tried, 72, radii)[0].clamp(min=-5)
        usual = score.quantile(0.5, 1, keepdim=True)
        place = tried[(score.minimum(usual).mean(1) + 0.2 * score.mean(1)).argmax()]
        if finer is not None:
            by = finer * torch.arange(-2.0, 3.0, device=differs.device)
            tried = place + torch.stack(torch.meshgrid(by, by, indexing="xy"), -1).reshape(-1, 2)
    return place


def _rays(differs: Tensor, places: Tensor, count: int, radii: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the best of so many rays from each place ``(K, 2)``: score, angle and length ``(K, M)``.

    What is there on a ray counts for it, what is not against it, and what goes on behind the place most of all.
    """
    height, width = differs.shape[1:]
    flat = functional.pad(differs, (1, 1, 1, 1)).flatten(1)  # with nothing around
    angles = torch.arange(count, device=differs.device) * (2 * math.pi / count)
    steps = torch.stack([-torch.sin(angles), -torch.cos(angles)], -1)[:, None] * radii[:, None]
    near = (radii >= 1.5) & (radii <= 4.5)
    found = []
    for place in places:
        x, y = ((place + steps).floor() + 1).long().unbind(-1)
        there = flat[:, (y.clamp(0, height + 1) * (width + 2) + x.clamp(0, width + 1)).flatten()]
        there = there.unflatten(1, x.shape)
        most, end = ((there - 0.5).cumsum(-1) * (radii[0] if len(radii) == 1 else radii[1] - radii[0])).max(-1)
        score, best = (most - 6 * there[..., near].mean(-1).roll(-(count // 2), 1)).max(1)
        found.append((score, angles[best], radii[end.gather(1, best[:, None])[:, 0]]))
    score, angle, length = (torch.stack(parts) for parts in zip(*found, strict=True))
    return score, angle, length


def _slid(
    frames: Tensor, background: Tensor, rare: Tensor, kinematics: Linked, n: int, generator: torch.Generator
) -> Tensor:
    """How far along its rail ``(M,)`` body ``n`` is, and the rail itself, of which the kinematics learns."""
    patch = _piece(frames, background, rare, generator)
    place, gain = _places(frames, background, patch, None)
    start, way = _line(place[gain > SEEN * gain.quantile(0.9)], generator)
    height, width = (size - PATCH + 1 for size in frames.shape[-2:])
    y, x = (torch.arange(size, device=frames.device) + PATCH / 2 for size in (height, width))
    off = ((y[:, None] - start[1]) * way[0] - (x - start[0]) * way[1]).abs()
    place, _ = _places(frames, background, patch, torch.where(off < 1.5, 0.0, -1e6))
    kinematics.anchor[n] = start
    kinematics.direction[n] = torch.atan2(-way[1], way[0])
    return (place - start) @ way


def _piece(frames: Tensor, background: Tensor, rare: Tensor, generator: torch.Generator) -> Tensor:
    """The piece of picture ``(3, 9, 9)`` that most frames show, each somewhere else."""
    share, half = rare.cpu(), PATCH // 2
    some = frames[torch.multinomial(share, min(len(frames), 150), generator=generator).to(frames.device)]
    chosen = frames[torch.multinomial(share, TRIES, replacement=True, generator=generator).to(frames.device)]
    energy = (chosen - background).square().sum(1)[:, half:-half, half:-half]
    at = torch.multinomial(energy.flatten(1).cpu() + 1e-12, 1, generator=generator)[:, 0].tolist()
    best, kept = -math.inf, chosen[0, :, :PATCH, :PATCH]
    for picture, place in zip(chosen, at, strict=True):
        row, column = divmod(place, energy.shape[-1])
        patch = picture[:, row : row + PATCH, column : column + PATCH]
        gain, found = _gains(some, background, patch).flatten(1).max(1)
        there = found[gain > SEEN * gain.quantile(0.9)]  # not more than one, if it is seen nowhere
        moves = len(there) > 1 and _spread(there % energy.shape[-1], there // energy.shape[-1]) > 0.5
        value = float(gain.clamp(min=-0.5 * float(gain.max())).mean())
        if moves and value > best:
            best, kept = value, patch
    if not best > 0:
        raise PaigError(
            "Nothing slides in these frames: no piece of picture is seen at different places. Expected a body on a "
            "rail. Record with actions, or look at the tree of joints."
        )
    return kept


def _spread(*places: Tensor) -> float:
    """How far numbers ``(M,)`` of several axes are from one another."""
    return float(torch.stack(places).float().std(1).norm())


def _gains(frames: Tensor, background: Tensor, patch: Tensor) -> Tensor:
    """What a patch in each place explains, and three times what it leaves against it: ``(M, h - 8, w - 8)``."""
    box, own = torch.ones_like(patch)[None], patch.square().sum()

    def apart(pictures: Tensor) -> Tensor:
        squares = functional.conv2d(pictures.square(), box) - 2 * functional.conv2d(pictures, patch[None]) + own
        return squares[:, 0].clamp(min=0)

    return apart(background[None]) - 3 * apart(frames)


def _places(frames: Tensor, background: Tensor, patch: Tensor, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Where the patch's middle is in each frame ``(M, 2)``, to parts of a pixel, and what it explains there."""
    places, gains = [], []
    for some in frames.split(64):
        score = _gains(some, background, patch)
        score = score if allowed is None else score + allowed
        best, at = score.flatten(1).max(1)
        row = torch.arange(len(some), device=frames.device)
        y = (at // score.shape[2]).clamp(1, score.shape[1] - 2)
        x = (at % score.shape[2]).clamp(1, score.shape[2] - 2)
        across = top(torch.stack([score[row, y, x + k] for k in (-1, 0, 1)]))
        down = top(torch.stack([score[row, y + k, x] for k in (-1, 0, 1)]))
        places.append(torch.stack([x + across, y + down], -1) + PATCH / 2)
        gains.append(best)
    return torch.cat(places), torch.cat(gains)


def _line(places: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A point ``(2,)`` of the line near which most places lie, and its direction, to the right."""
    best, near = -math.inf, torch.ones(len(places), dtype=torch.bool, device=places.device)
    for _ in range(400):
        one, other = places[torch.randint(len(places), (2,), generator=generator).to(places.device)]
        if (other - one).norm() < 2:
            continue
        way = (other - one) / (other - one).norm()
        off = ((places[:, 1] - one[1]) * way[0] - (places[:, 0] - one[0]) * way[1]).abs()
        if float(-off.clamp(max=1).sum()) > best:
            best, near = float(-off.clamp(max=1).sum()), off < 1
    some = places[near]
    way = torch.linalg.svd(some - some.mean(0)).Vh[0]
    return some.mean(0), way if way[0] > 1e-6 or (abs(way[0]) <= 1e-6 and way[1] < 0) else -way
