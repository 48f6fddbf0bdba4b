"""Discovery: where the one moving thing is and what it looks like, without labels and without a network.

First the background is the median over time and the object is where the residual's energy lies; an object that
turns about a pivot draws its centre of energy on a circle. Then sprite, background and angles take turns: the
sprite is fitted with the angles held, every frame is matched against the sprite at all angles, and the pivot is
moved to where freely posed sprites say that they turn about. Nothing of colours, sizes or the scene is assumed.

What all ways of discovery share: what they find, and the fit of sprites whose poses are known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control import ranks
from paig_control.errors import PaigError
from paig_control.vision.alignment import align, pixel_weight
from paig_control.vision.kinematics import Kinematics, Rotary
from paig_control.vision.matching import CHUNK, Turning
from paig_control.vision.renderer import SpriteRenderer

BATCH = 64
"""Frames in each step of sprites' fit."""
GONE = -3.0
"""Texels whose masks are as faint (a logit), or fainter, are as good as empty."""
EMPTY = -10.0
"""The logit of a mask where nothing is."""


class Discovered(NamedTuple):
    """What discovery found.

    Attributes:
        coordinates: ``(M, N, D)``, in each frame.
        kinematics: from coordinates to poses.
        renderer: with sprites and background.
        weight: ``(h, w)``, weights of the pixels.
        seen: ``(M, N)``, whether the object is seen in that frame at all; what is said of its place else is void.
        notes: what a user should know, in words.
    """

    coordinates: Tensor
    kinematics: Kinematics
    renderer: SpriteRenderer
    weight: Tensor
    seen: Tensor
    notes: tuple[str, ...] = ()


def fit_sprites(
    renderer: SpriteRenderer,
    pose: Tensor,
    frames: Tensor,
    weight: Tensor,
    pick: Tensor,
    generator: torch.Generator,
    steps: int,
    last: bool = False,
    price: float = 0.0,
    kept: bool = False,
    ground: bool = True,
) -> None:
    """Fit sprites and background by gradient, poses held.

    Where sprites meet, a faint halo of one may mend what the other gets wrong, at the cost of the joints' places; a
    price on all that is there keeps it out. It fades rims, too, so what is left is to be fitted without it at last, as
    in the relaxed lasso (Meinshausen, Computational Statistics & Data Analysis 52, 2007).

    Args:
        renderer: fitted in place.
        pose: ``(M, N, 3)``.
        frames: ``(M, 3, h, w)`` in [0, 1].
        weight: ``(h, w)`` weights of the pixels.
        pick: ``(M,)``, how often each frame is drawn, up to a factor.
        generator: draws the minibatches.
        steps: gradient steps.
        last: whether the steps become small, so that what is left is no noise of the minibatches.
        price: of a texel that is there, in a frame's squared error.
        kept: whether texels that are as good as empty stay so.
        ground: whether the background is fitted, too.
    """
    parameters = [renderer.content, renderer.mask, *([renderer.background] if ground else [])]
    share, parts = pick.cpu(), ranks.parts(BATCH * weight.numel())
    gone = renderer.mask < (GONE if kept else -math.inf)
    with torch.no_grad():
        renderer.mask.masked_fill_(gone, EMPTY)
    optimiser = Adam(parameters)
    for step in range(steps):
        index = torch.multinomial(share, BATCH, replacement=True, generator=generator).to(frames.device)

        def loss(part: int, drawn: Tensor = index) -> Tensor:
            some = drawn[ranks.part(BATCH, part, parts)]
            found: Tensor = (weight * (renderer(pose[some]) - frames[some]).square()).sum()[None] / BATCH
            return found + price / parts * torch.sigmoid(renderer.mask).sum() if price else found

        ranks.gradient(parameters, parts, loss)
        slope = renderer.mask.grad
        assert slope is not None
        slope.masked_fill_(gone, 0.0)
        optimiser.step(0.05 * (1 + math.cos(math.pi * step / steps)) if last else 0.1)


class Adam:
    """Kingma and Ba's algorithm (ICLR 2015), for which :class:`torch.optim.Adam` would load 70 MB of a compiler.

    Args:
        parameters: moved in place.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters, self.steps = parameters, 0
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the parameters by about ``rate`` down their gradients."""
        self.steps += 1
        first, second = (1 - decay**self.steps for decay in (0.9, 0.999))
        for parameter, (mean, square) in zip(self.parameters, self.moments, strict=True):
            slope = parameter.grad
            assert slope is not None
            mean.lerp_(slope, 0.1)
            square.mul_(0.999).addcmul_(slope, slope, value=0.001)
            parameter.addcdiv_(mean, (square.sqrt() / math.sqrt(second)).add_(1e-8), value=-rate / first)


def discover_rotary(
    frames: Tensor,
    generator: torch.Generator,
    rounds: int = 3,
    steps: int = 80,
    progress: Callable[[float, str], None] | None = None,
    kind: type[Rotary] = Rotary,
) -> Discovered:
    """Find one object that turns about a fixed pivot.

    Args:
        frames: ``(M, 3, h, w)`` in [0, 1], at least some tens with different angles.
        generator: the source of minibatches.
        rounds: times that sprite, angles and pivot take turns.
        steps: gradient steps on the sprite in each round.
        progress: called with the fraction done and a line of text.
        kind: of kinematics.

    Raises:
        PaigError: when all frames are alike, or what moves does not turn about a point.
    """
    tell = progress or (lambda fraction, text: None)
    tell(0.0, "background")
    background, centre, pivot, density = _circle(frames)
    kinematics = kind((float(pivot[0]), float(pivot[1])), float((centre - pivot).norm(dim=-1).median()))
    kinematics.to(frames.device)
    angles = kinematics.coordinates(centre[:, None]).detach()[:, 0]
    renderer = _blank(frames, background, pivot)
    weight = frames.new_ones(frames.shape[-2:])
    pick = 1 / density
    for index in range(rounds + 1):
        tell(index / (rounds + 1), "sprite")
        fit_sprites(
            renderer, kinematics.pose(angles[:, None]).detach(), frames, weight, pick, generator, steps, index == rounds
        )
        pick = torch.ones_like(pick)
        with torch.no_grad():
            views = Turning.of(renderer, kinematics, weight, 360)

            def search(own: slice, views: Turning = views) -> tuple[Tensor]:
                return (torch.cat([views.search(part)[:, 0] for part in frames[own].split(CHUNK)]),)

            (angles,) = ranks.each(len(frames), search, CHUNK)
        weight = pixel_weight(renderer, kinematics.pose(angles[:, None]).detach(), frames.__getitem__)
        if index < rounds:
            tell((index + 0.6) / (rounds + 1), "pivot")
            _move_pivot(renderer, kinematics, angles, frames, weight)
    width = angles.new_tensor([0.02])

    def turn(own: slice) -> tuple[Tensor, Tensor]:
        return align(renderer, lambda v: kinematics.pose(v[..., None]), angles[own], frames[own], weight, width, 2)

    angles, _ = ranks.each(len(angles), turn, CHUNK)
    tell(1.0, "done")
    seen = torch.ones(len(frames), 1, dtype=torch.bool, device=frames.device)
    return Discovered(angles[:, None], kinematics, renderer, weight, seen)


def _circle(frames: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Background, energy centroids ``(M, 2)``, the centre of their circle and the density of their angles.

    A median over time goes wrong where the object rests in most frames, so it is taken again with the frames
    weighted by how rare their angle is.
    """
    height, width = frames.shape[-2:]
    x = torch.arange(width, device=frames.device) + 0.5
    y = torch.arange(height, device=frames.device) + 0.5
    background = median(frames)
    density = torch.ones(len(frames), device=frames.device)
    for _ in range(3):
        energy = _energy(frames, background)
        peak = float(energy.max())
        if peak < 1e-3:
            raise nothing_moves()
        energy = (energy - 0.1 * peak).clamp(min=0) + 1e-9 * energy
        total = energy.sum((1, 2)) + 1e-12
        centre = torch.stack([(energy * x).sum((1, 2)), (energy * y[:, None]).sum((1, 2))], -1) / total[:, None]
        rare = (1 / density).sqrt()[:, None]
        rows = torch.cat([2 * centre, torch.ones_like(centre[:, :1])], 1)
        squares = centre.square().sum(1, keepdim=True)
        solution = torch.linalg.lstsq((rows * rare).double(), (squares * rare).double()).solution[:, 0]
        pivot = solution[:2].to(frames)
        arm = centre - pivot
        radius = arm.norm(dim=-1)
        if not float(radius.median()) > 0.5 or float(pivot.abs().max()) > 2 * max(height, width):
            raise PaigError(
                "What moves in these frames does not turn about a point: its centre stays in place or runs on a line. "
                "Expected one object that turns about a fixed pivot and is seen at many angles."
            )
        angle = torch.atan2(-arm[:, 0], -arm[:, 1])
        density = torch.exp(20 * (torch.cos(angle[:, None] - angle) - 1)).sum(1)
        background = weighted_median(frames, 1 / density)
    return background, centre, pivot, density


def nothing_moves() -> PaigError:
    """What to say of frames that are all alike."""
    return PaigError("Nothing moves in these frames: all are alike. Record with actions, or from other starts.")


def median(frames: Tensor) -> Tensor:
    """Median ``(3, h, w)`` over the first axis; a few rows of pixels at a time."""

    def rows(own: slice) -> tuple[Tensor]:
        return (torch.cat([part.median(0).values for part in frames[..., own, :].split(8, -2)], -2).movedim(-2, 0),)

    return ranks.each(frames.shape[-2], rows, 8)[0].movedim(0, -2)


def _energy(frames: Tensor, background: Tensor) -> Tensor:
    """Squared difference of frames ``(M, 3, h, w)`` from the background, ``(M, h, w)``."""
    return torch.cat([(part - background).square().sum(1) for part in frames.split(32)])


def weighted_median(frames: Tensor, weight: Tensor) -> Tensor:
    """Median over the first axis, each frame counted by its weight; a few rows of pixels at a time."""

    def rows(own: slice) -> tuple[Tensor]:
        found = []
        for part in frames[..., own, :].split(8, -2):
            values, order = part.sort(0)
            reached = weight[order].cumsum(0) >= 0.5 * weight.sum()
            found.append(values.gather(0, reached.float().argmax(0, keepdim=True))[0])
        return (torch.cat(found, -2).movedim(-2, 0),)

    return ranks.each(frames.shape[-2], rows, 8)[0].movedim(0, -2)


def _blank(frames: Tensor, background: Tensor, pivot: Tensor) -> SpriteRenderer:
    """A renderer whose window holds all that moves about the pivot."""
    height, width = frames.shape[-2:]
    x = torch.arange(width, device=frames.device) + 0.5 - pivot[0]
    y = torch.arange(height, device=frames.device) + 0.5 - pivot[1]
    distance = torch.sqrt(x**2 + y[:, None] ** 2).flatten()
    energy = _energy(frames, background).mean(0).flatten()
    order = distance.argsort()
    share = energy[order].cumsum(0) / energy.sum()
    radius = float(distance[order][(share < 0.995).sum().clamp(max=len(order) - 1)]) + 1.5
    renderer = SpriteRenderer((height, width), 1, 2 * math.ceil(radius) + 1).to(frames.device)
    with torch.no_grad():
        renderer.background.copy_(torch.logit(background.clamp(0.02, 0.98)))
    return renderer


@torch.no_grad()
def _move_pivot(
    renderer: SpriteRenderer,
    kinematics: Rotary,
    angles: Tensor,
    frames: Tensor,
    weight: Tensor,
    most: int = 400,
) -> None:
    """Pose the sprite freely in each frame; its origin circles about the true pivot, which a robust fit finds."""
    stride = max(1, len(frames) // most)
    pose = kinematics.pose(angles[::stride, None])[:, 0]
    widths = pose.new_tensor([0.1, 0.1, 0.02])
    some = frames[::stride]

    def move(own: slice) -> tuple[Tensor, Tensor]:
        return align(renderer, lambda v: v[..., None, :], pose[own], some[own], weight, widths, 2)

    pose, _ = ranks.each(len(pose), move, CHUNK)
    sin, cos = pose[:, 2].sin(), pose[:, 2].cos()
    one, zero = torch.ones_like(sin), torch.zeros_like(sin)
    rows = torch.cat([torch.stack([one, zero, cos, sin], 1), torch.stack([zero, one, -sin, cos], 1)]).double()
    target = torch.cat([pose[:, 0], pose[:, 1]]).double()
    robust = torch.ones_like(target)
    solution = target[:4]
    for _ in range(5):
        solution = torch.linalg.lstsq(rows * robust[:, None], (target * robust)[:, None]).solution[:, 0]
        robust = (1 + ((target - rows @ solution) / 0.05) ** 2) ** -0.25
    kinematics.pivot.copy_(solution[:2])
