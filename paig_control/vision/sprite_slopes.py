"""What each sprite does to a picture, in the window around it: whatever lies outside, it does not touch.

A sprite that moves, or is taken away, changes the picture by what it paints over what lies under it, as far as what
lies above lets it through. That takes one pass through the layers from below and one from above, so the work grows
with the number of sprites, and not with the pixels times the sprites, nor with all pairs of them: of pairs only those
count whose windows overlap.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from paig_control.vision import compiled
from paig_control.vision.renderer import Patches, SpriteRenderer, at_corner, lay, windows_of


class Layered(NamedTuple):
    """Frames, and for each sprite what is in its window, ``side`` pixels wide.

    Attributes:
        frames: ``(B, 3, h, w)``, with all sprites.
        paint: ``(N, B, 4, side, side)``, ink and cover of each sprite.
        under: ``(N, B, 3, side, side)``, what it is laid over.
        through: ``(N, B, 1, side, side)``, the part of it that what lies above lets through.
        corner: ``(N, B, 2)``, of the windows.
        margin: pixels around the frame into which windows reach.
    """

    frames: Tensor
    paint: Tensor
    under: Tensor
    through: Tensor
    corner: Tensor
    margin: int

    def cut(self, images: Tensor, mode: str = "constant") -> Tensor:
        """Windows ``(N, B, C, side, side)`` of images ``(B, C, h, w)``, or of one for all; nothing is outside them."""
        canvas = functional.pad(images, (self.margin,) * 4, mode=mode).expand(self.corner.shape[1], -1, -1, -1)
        windows = windows_of(canvas, self.paint.shape[-1])
        return torch.stack([windows[at_corner(place)] for place in self.corner + self.margin])

    def change(self) -> Tensor:
        """By how much each sprite changes the frames as they are, ``(N, B, 3, side, side)``."""
        return self.through * (self.paint[:, :, :3] - self.paint[:, :, 3:] * self.under)


@torch.no_grad()
def layered(renderer: SpriteRenderer, patches: Patches) -> Layered:
    """Lay patches over the background, and see what each of them does there."""
    order = renderer.order
    paint, rank = patches.paint[order], order.argsort()
    laid = lay(renderer.scene(), paint, patches.corner[order])
    canvas = functional.pad(torch.ones_like(laid.frames[:, :1]), (laid.margin,) * 4)
    windows, through = windows_of(canvas, paint.shape[-1]), []
    for layer, place in zip(paint.flip(0), laid.corner.flip(0) + laid.margin, strict=True):
        at = at_corner(place)
        through.append(windows[at])
        windows[at] = through[-1] * (1 - layer[:, 3:])
    under, above = torch.stack(laid.under)[rank], torch.stack(through[::-1])[rank]
    return Layered(laid.frames, patches.paint, under, above, laid.corner[rank], laid.margin)


class Normal(NamedTuple):
    """The least-squares problem of a step: squared error is ``error - 2 score' move + move' matrix move``.

    Attributes:
        matrix: ``(M, P, P)``.
        score: ``(M, P)``.
        error: ``(M,)``.
    """

    matrix: Tensor
    score: Tensor
    error: Tensor


@torch.no_grad()
def sprite_slopes(renderer: SpriteRenderer, poses: Tensor, widths: Tensor, frames: Tensor, weight: Tensor) -> Normal:
    """Normal equations of the weighted pixel error, by central differences of each sprite in its window.

    Args:
        renderer: poses to frames.
        poses: ``(2 D + 1, M, N, 3)``: each coordinate, of all objects at once, moved up; each moved down; none moved.
        widths: ``(N D,)``, by how much.
        frames: ``(M, 3, h, w)`` in [0, 1].
        weight: ``(h, w)`` weights of the pixels.
    """
    nudges, count, objects = poses.shape[:3]
    paint, corner = renderer.patches(poses.flatten(0, 1))
    root = weight.sqrt()
    quick = compiled.slopes(renderer.scene(), paint, corner, renderer.order, frames, root, widths)
    if quick is not None:
        return Normal(*quick)
    corner = corner.unflatten(1, (nudges, count))
    here = corner[:, -1]
    away = corner - here[:, None]
    reach = int(away.abs().max())
    paint = _moved(paint, (away + reach).flatten(1, 2), reach).unflatten(1, (nudges, count))
    parts = layered(renderer, Patches(paint[:, -1], here - reach))
    half = nudges // 2
    slope = (paint[:, :half] - paint[:, half:-1]) / (2 * widths.reshape(objects, half, 1, 1, 1, 1))
    slope = slope[:, :, :, :3] - slope[:, :, :, 3:] * parts.under[:, None]
    slope = slope * (parts.through * parts.cut(root[None, None]))[:, None]
    slope = slope.permute(2, 0, 1, 3, 4, 5)
    residual = (frames - parts.frames) * root
    seen = parts.cut(residual).transpose(0, 1).flatten(2)
    rows = slope.flatten(3)
    score = (rows @ seen[..., None]).flatten(1)
    matrix = rows.new_zeros(count, objects, half, objects, half)
    own = torch.arange(objects, device=rows.device)
    matrix[:, own, :, own] = (rows @ rows.mT).transpose(0, 1)
    _add_pairs(matrix, slope, parts.corner)
    return Normal(matrix.flatten(3, 4).flatten(1, 2), score, residual.square().flatten(1).sum(1))


def _moved(paint: Tensor, to: Tensor, reach: int) -> Tensor:
    """Paint ``(N, B, 4, side, side)`` at corners ``(N, B, 2)`` of windows wider by ``reach`` on every side."""
    wide = paint.new_zeros(*paint.shape[:-2], *(n + 2 * reach for n in paint.shape[-2:]))
    if reach:
        windows_of(wide.flatten(0, 1), paint.shape[-1])[at_corner(to.flatten(0, 1))] = paint.flatten(0, 1)
        return wide
    return paint


def _add_pairs(matrix: Tensor, slope: Tensor, corner: Tensor) -> None:
    """Products ``(M, N, D, N, D)`` of the slopes ``(M, N, D, 3, side, side)`` of sprites whose windows overlap."""
    objects, side = slope.shape[1], slope.shape[-1]
    first, second = torch.triu_indices(objects, objects, 1, device=corner.device)
    apart = corner[first] - corner[second]
    pair, frame = (apart.abs() < side).all(-1).nonzero().unbind(1)
    if not len(pair):
        return
    one, other = first[pair], second[pair]
    inside = torch.arange(side, device=corner.device) + apart[pair, frame][..., None]  # (K, 2, side)
    there = ((inside >= 0) & (inside < side)).to(slope)
    row, column = inside.clamp(0, side - 1).unbind(1)
    each = torch.arange(len(pair), device=corner.device)[:, None, None]
    theirs = slope[frame, other].movedim((-2, -1), (1, 2))[each, row[:, :, None], column[:, None, :]]
    theirs = theirs.movedim((1, 2), (-2, -1)) * (there[:, 0, :, None] * there[:, 1, None, :])[:, None, None]
    product = slope[frame, one].flatten(2) @ theirs.flatten(2).mT
    matrix[frame, one, :, other] = product
    matrix[frame, other, :, one] = product.mT


class Share(NamedTuple):
    """What each sprite contributes to the explanation of frames, in weighted squared error.

    Attributes:
        gain: ``(M, N)``, by how much the error is larger without it.
        own: ``(M, N)``, what it changes when it is alone.
        error: ``(M,)``, with all of them.
    """

    gain: Tensor
    own: Tensor
    error: Tensor


@torch.no_grad()
def sprite_shares(renderer: SpriteRenderer, pose: Tensor, frames: Tensor, weight: Tensor) -> Share:
    """What sprites at poses ``(M, N, 3)`` explain of frames ``(M, 3, h, w)``, pixels weighted by ``(h, w)``."""
    patches = renderer.patches(pose)
    quick = compiled.shares(renderer.scene(), *patches, renderer.order, frames, weight)
    if quick is not None:
        return Share(*quick)
    parts = layered(renderer, patches)
    change, weighted = parts.change(), parts.cut(weight[None, None])
    residual = parts.frames - frames
    gain = weighted * (change.square() - 2 * change * parts.cut(residual))
    alone = parts.paint[:, :, :3] - parts.paint[:, :, 3:] * parts.cut(renderer.scene()[None])
    own = weighted * alone.square()
    error = (weight * residual.square()).sum((1, 2, 3))
    return Share(gain.sum((2, 3, 4)).T, own.sum((2, 3, 4)).T, error)


@torch.no_grad()
def sprite_inside(renderer: SpriteRenderer, pose: Tensor) -> Tensor:
    """How much of what each sprite of poses ``(M, N, 3)`` paints lies inside the frame: ``(M, N)`` from 0 to 1.

    Beyond the frame the background goes on as it is at its edge.
    """
    parts = layered(renderer, renderer.patches(pose))
    scene = renderer.scene()[None]
    alone = parts.paint[:, :, :3] - parts.paint[:, :, 3:] * parts.cut(scene, "replicate")
    energy = alone.square().sum(2, keepdim=True)
    part = (energy * parts.cut(torch.ones_like(scene[:, :1]))).sum((2, 3, 4)) / energy.sum((2, 3, 4)).clamp(min=1e-6)
    return part.T


@torch.no_grad()
def overlap(renderer: SpriteRenderer, pose: Tensor, place: int, chunk: int = 32) -> Tensor:
    """Squared difference ``(M,)`` of frames of poses ``(M, N, 3)`` if the layer at a place and the next were swapped.

    Only frames in which the windows of these two overlap are looked at, a chunk of them at once.
    """
    low, high = renderer.order[place : place + 2].tolist()
    differ = pose.new_zeros(len(pose))
    apart = (pose[:, low, :2] - pose[:, high, :2]).abs().amax(-1)
    for some in (apart < renderer.window + 2).nonzero()[:, 0].split(chunk):
        parts = layered(renderer, renderer.patches(pose[some]))
        side, (one, other) = parts.paint.shape[-1], (parts.paint[n] for n in (low, high))
        canvas = functional.pad(one, (side,) * 4)
        offset = (parts.corner[high] - parts.corner[low]).clamp(-side, side) + side
        one = windows_of(canvas, side)[at_corner(offset)]
        swapped = parts.through[high] * (other[:, :3] * one[:, 3:] - one[:, :3] * other[:, 3:])
        inside = parts.cut(torch.ones_like(parts.frames[:1, :1]))[high]
        differ[some] = (swapped * inside).square().sum((1, 2, 3))
    return differ
