"""Inverse graphics proper: coordinates are corrected until the rendered frame is the seen one.

A few damped Gauss-Newton steps on the squared pixel error, batched over frames, with derivatives by central
differences through the renderer. Pixels are weighted by how well the renderer explains them at all, so that what
the model does not know (a torque arrow, a shadow) pulls little. What the last step knows of the error's slope also
says how much a found place is to be trusted: not at all where an object is hidden, little where the frame is not
explained.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from paig_control import ranks
from paig_control.estimation.least_squares import damped, descend
from paig_control.vision.renderer import Renderer, SpriteRenderer
from paig_control.vision.sprite_slopes import Normal, sprite_slopes

PoseOf = Callable[[Tensor], Tensor]
FLOOR = 0.003
"""Squared error of a pixel, summed over channels, below which all pixels weigh alike."""

POSE_WIDTHS = (0.1, 0.1, 0.02)
"""By how much poses are moved to see what that changes: pixels, and radians."""
DRAWN = 128
"""Frames that are drawn at once to weigh the pixels."""
UNEXPLAINED = 0.1
"""Squared error of a frame, summed over pixels and channels, up to which all frames are trusted alike."""


@torch.no_grad()
def align(
    renderer: Renderer,
    pose_of: PoseOf,
    unknowns: Tensor,
    frames: Tensor,
    weight: Tensor,
    widths: Tensor,
    steps: int = 1,
    chunk: int = 32,
    chained: bool = False,
) -> tuple[Tensor, Tensor]:
    """Move ``unknowns`` towards the least weighted pixel error; also returns their trust ``(M, P)``.

    Trust is the inverse variance of an unknown, all others free, up to a common factor.

    Args:
        renderer: poses to frames.
        pose_of: unknowns ``(..., P)`` to poses ``(..., N, 3)``; the first P / N move the first sprite, and so on,
            unless they are chained.
        unknowns: ``(M, P)`` where the search starts; a step moves each by at most ten times its width.
        frames: ``(M, 3, h, w)`` in [0, 1].
        weight: ``(h, w)`` weights of the pixels.
        widths: ``(P,)`` perturbations of the central differences.
        steps: Gauss-Newton steps.
        chunk: frames handled at once; few, so that they stay in a processor's cache.
        chained: whether an unknown may move any of the sprites.
    """
    parts = zip(unknowns.split(chunk), frames.split(chunk), strict=True)
    normal = chained_normal if chained else _normal
    found = [_align(normal, renderer, pose_of, u, f, weight, widths, steps) for u, f in parts]
    return torch.cat([moved for moved, _ in found]), torch.cat([trust for _, trust in found])


def _align(
    normal: Callable[..., Normal],
    renderer: Renderer,
    pose_of: PoseOf,
    unknowns: Tensor,
    frames: Tensor,
    weight: Tensor,
    widths: Tensor,
    steps: int,
) -> tuple[Tensor, Tensor]:
    trust = torch.ones_like(unknowns)

    def step(at: Tensor, damping: Tensor) -> Tensor:
        nonlocal trust
        matrix, score, error = normal(renderer, pose_of, at, frames, weight, widths)
        inverse = torch.linalg.inv(damped(matrix, damping, 1e-8))
        move = (inverse @ score[..., None]).squeeze(-1)
        move = torch.minimum(torch.maximum(move, -10 * widths), 10 * widths)
        gained = (move * (2 * score - (matrix @ move[..., None]).squeeze(-1))).sum(-1)
        left = (error - gained).clamp(min=0)[:, None]
        trust = 1 / (inverse.diagonal(dim1=-2, dim2=-1) * (left + UNEXPLAINED))
        return at + move

    return descend(unknowns, step, steps)[0], trust


def _normal(renderer: Renderer, pose_of: PoseOf, at: Tensor, frames: Tensor, weight: Tensor, widths: Tensor) -> Normal:
    """Normal equations of a step: of sprites in their windows, of what else is drawn over whole frames."""
    if isinstance(renderer, SpriteRenderer):
        each = at.shape[-1] // renderer.objects
        nudges = torch.eye(each).to(widths).repeat(1, renderer.objects) * widths
        nudges = torch.cat([nudges, -nudges, torch.zeros_like(nudges[:1])])
        return sprite_slopes(renderer, pose_of(at + nudges[:, None]), widths, frames, weight)
    return frame_slopes(renderer, pose_of, at, frames, weight, widths)


def chained_normal(
    renderer: Renderer, pose_of: PoseOf, at: Tensor, frames: Tensor, weight: Tensor, widths: Tensor
) -> Normal:
    """Normal equations of unknowns that may move any sprite: those of all poses, and how poses follow the unknowns."""
    if not isinstance(renderer, SpriteRenderer):
        return frame_slopes(renderer, pose_of, at, frames, weight, widths)
    nudge = torch.diag(widths)
    ends = pose_of(at + torch.cat([nudge, -nudge])[:, None]).flatten(2)
    slope = ((ends[: len(widths)] - ends[len(widths) :]) / (2 * widths[:, None, None])).permute(1, 2, 0)
    each = widths.new_tensor(POSE_WIDTHS)
    nudges = torch.cat([torch.diag(each), -torch.diag(each), each.new_zeros(1, 3)])
    found = sprite_slopes(renderer, pose_of(at) + nudges[:, None, None], each.repeat(renderer.objects), frames, weight)
    score = (slope.mT @ found.score[..., None]).squeeze(-1)
    return Normal(slope.mT @ found.matrix @ slope, score, found.error)


def frame_slopes(
    renderer: Renderer, pose_of: PoseOf, at: Tensor, frames: Tensor, weight: Tensor, widths: Tensor
) -> Normal:
    """Normal equations by central differences of whole frames, each unknown by itself; arguments as :func:`align`'s."""
    size, root = at.shape[-1], weight.sqrt()
    nudges = torch.cat([torch.diag(widths), -torch.diag(widths), widths.new_zeros(1, size)])
    images = (renderer(pose_of(at + nudges[:, None])) * root).flatten(2)
    jacobian = ((images[:size] - images[size:-1]) / (2 * widths[:, None, None])).permute(1, 2, 0)
    residual = (frames * root).flatten(1) - images[-1]
    score = (jacobian.mT @ residual[..., None]).squeeze(-1)
    return Normal(jacobian.mT @ jacobian, score, residual.square().sum(1))


@torch.no_grad()
def pixel_weight(renderer: Renderer, pose: Tensor, images: Callable[[slice], Tensor], floor: float = FLOOR) -> Tensor:
    """Weight of each pixel, ``(h, w)`` with maximum 1: the inverse of its mean squared error plus ``floor``.

    Args:
        renderer: poses to frames.
        pose: ``(M, N, 3)``.
        images: from some of the M rows to their images ``(m, 3, h, w)`` in [0, 1].
        floor: of a pixel's error.
    """
    parts = ranks.blocks(slice(0, len(pose)), DRAWN)
    error = ranks.total(len(parts), lambda n: (renderer(pose[parts[n]]) - images(parts[n])).square().sum((0, 1)))
    weight = 1 / (error / len(pose) + floor)
    return weight / weight.max()


def unexplained(weight: Tensor) -> float:
    """Weighted squared error of a frame, on average, of which :func:`pixel_weight` made ``weight`` ``(h, w)``."""
    return float(FLOOR * (1 - weight).sum())
