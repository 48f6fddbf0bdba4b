"""The sprite painter: batches of rods, discs and bitmaps at sub-pixel places, anti-aliased by area.

A rod is cut into thin scan lines; along a line the covered part of every pixel is exact, across the lines it
is a mean. A rod that lies more across than upright is scanned along the other axis, so no long edge ever runs
along a scan line and the ink does not depend on where the sprite is. Pixel (row i, column j) covers
[j, j+1) x [i, i+1); a pose is x to the right, y down, and the angle counter-clockwise from up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
LINES = 16
"""Scan lines a pixel."""


class Patch(NamedTuple):
    """A batch of small squares of paint.

    Attributes:
        corner: ``(B, 2)``, row and column of the upper left pixel, int.
        alpha: ``(B, K, K, 1)``, covered part of each pixel, 0 to 1.
        ink: colour times covered part, ``(B, K, K, 3)``, 0 to 255.
    """

    corner: NDArray[np.intp]
    alpha: Float
    ink: Float


class Sprite(Protocol):
    """Anything that can be painted at poses ``(B, 3)``: x, y, angle."""

    def patch(self, pose: NDArray[np.float64]) -> Patch:
        """Paint of each of the poses."""
        ...


def _corner(pose: NDArray[np.float64], side: int) -> NDArray[np.intp]:
    """Upper left pixel ``(B, 2)`` (row, column) of squares of ``side`` pixels around the poses."""
    return np.floor(pose[:, 1::-1] - 0.5 * side + 0.5).astype(np.intp)


@dataclass(frozen=True)
class Rod:
    """A rod with round ends, posed by its middle; upright at angle 0. Of length 0 it is a disc.

    Attributes:
        length: between the centres of the round ends, pixels.
        radius: half the width, pixels.
        colour: (red, green, blue), 0 to 255.
    """

    length: float
    radius: float
    colour: tuple[float, float, float]

    def patch(self, pose: NDArray[np.float64]) -> Patch:
        """Paint of each of the poses ``(B, 3)``."""
        side = int(np.ceil(self.length + 2 * self.radius)) + 1
        corner = _corner(pose, side)
        middle = pose[:, 1::-1] - corner  # (B, 2), row and column inside the square
        along = np.stack([-np.cos(pose[:, 2]), -np.sin(pose[:, 2])], axis=1)  # row, column of the direction
        across = np.abs(along[:, 1]) > np.abs(along[:, 0]) if self.length > 0 else np.zeros(len(pose), dtype=bool)
        middle[across], along[across] = middle[across, ::-1], along[across, ::-1]
        alpha = self._scan(middle.astype(np.float32), along.astype(np.float32), side)
        alpha[across] = alpha[across].swapaxes(1, 2)
        alpha = alpha[..., None]
        return Patch(corner, alpha, alpha * np.asarray(self.colour, dtype=np.float32))

    def _scan(self, middle: Float, along: Float, side: int) -> Float:
        """Covered part of pixels ``(B, K, K)``; lines run along the last axis, ``|along[:, 0]| >= 0.7``.

        On a line, the rod reaches as far right as the rightmost of the discs of which it is the union. That
        disc touches the rod's right edge on this line, or is the end's where the line misses that edge.
        """
        line = (np.arange(side * LINES, dtype=np.float32) + 0.5) / LINES
        t = line - middle[:, :1]  # (B, lines)
        steep, slant = along[:, :1], along[:, 1:]
        lean = np.sign(steep) * slant * self.radius
        ends: list[Float] = []
        inside = np.ones(t.shape, dtype=bool)
        for sign in (-1.0, 1.0):
            place = np.clip((t + sign * lean) / steep, -0.5 * self.length, 0.5 * self.length)
            room = self.radius**2 - (t - place * steep) ** 2
            inside &= room > 0
            ends.append(np.asarray(middle[:, 1:] + place * slant + sign * np.sqrt(np.maximum(room, 0)), np.float32))
        left, right = ends[0], np.where(inside, ends[1], ends[0])
        pixel = np.arange(side, dtype=np.float32)
        covered = np.clip(right[..., None] - pixel, 0, 1)
        covered -= np.clip(left[..., None] - pixel, 0, 1)
        return np.asarray(covered.reshape(len(t), side, LINES, side).mean(2))


def disc(radius: float, colour: tuple[float, float, float]) -> Rod:
    """Return a disc, posed by its centre; radius in pixels."""
    return Rod(0.0, radius, colour)


@dataclass(frozen=True)
class Bitmap:
    """A picture with alpha, one texel a pixel, posed by its middle.

    Texels are interpolated bilinearly, which for a shift is the exact average over areas.

    Attributes:
        texels: ``(k, k, 4)``: colour 0 to 255 and alpha 0 to 1.
    """

    texels: Float

    def patch(self, pose: NDArray[np.float64]) -> Patch:
        """Paint of each of the poses ``(B, 3)``."""
        texels = np.asarray(self.texels, dtype=np.float32)
        premultiplied = np.concatenate([texels[..., :3] * texels[..., 3:], texels[..., 3:]], axis=-1)
        padded = np.pad(premultiplied, ((1, 1), (1, 1), (0, 0)))
        height, width = texels.shape[:2]
        side = int(np.ceil(np.hypot(height, width))) + 1 if np.any(pose[:, 2]) else max(height, width) + 1
        corner = _corner(pose, side)
        grid = np.arange(side) + 0.5
        y = (grid[:, None] - (pose[:, 1] - corner[:, 0])[:, None, None]) + 0 * grid
        x = (grid - (pose[:, 0] - corner[:, 1])[:, None, None]) + 0 * grid[:, None]
        cos, sin = (f(pose[:, 2])[:, None, None] for f in (np.cos, np.sin))
        row = np.clip(cos * y + sin * x + 0.5 * height + 0.5, 0, height + 0.999)  # in the padded picture
        column = np.clip(cos * x - sin * y + 0.5 * width + 0.5, 0, width + 0.999)
        i, j = row.astype(np.intp), column.astype(np.intp)
        down, right = (row - i).astype(np.float32)[..., None], (column - j).astype(np.float32)[..., None]
        upper = padded[i, j] * (1 - right) + padded[i, j + 1] * right
        lower = padded[i + 1, j] * (1 - right) + padded[i + 1, j + 1] * right
        paint = upper * (1 - down) + lower * down
        return Patch(corner, paint[..., 3:], paint[..., :3])


def paint(background: NDArray[Any], sprites: Sequence[Sprite], poses: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Paint sprites over a background, the later over the earlier.

    Args:
        background: ``(h, w, 3)``, 0 to 255.
        sprites: S of them.
        poses: ``(B, S, 3)``: x, y, angle.

    Returns:
        ``(B, h, w, 3)``, uint8.
    """
    height, width = background.shape[:2]
    batch = np.arange(len(poses))[:, None, None]
    # One pixel of margin all around swallows what lies outside.
    canvas = np.empty((len(poses), height + 2, width + 2, 3), dtype=np.float32)
    canvas[:, 1:-1, 1:-1] = background
    for index, sprite in enumerate(sprites):
        corner, alpha, ink = sprite.patch(np.asarray(poses[:, index], dtype=np.float64))
        offset = np.arange(alpha.shape[1]) + 1
        rows = np.clip(corner[:, 0, None] + offset, 0, height + 1)[:, :, None]
        columns = np.clip(corner[:, 1, None] + offset, 0, width + 1)[:, None, :]
        canvas[batch, rows, columns] = canvas[batch, rows, columns] * (1 - alpha) + ink
    return np.rint(canvas[:, 1:-1, 1:-1]).astype(np.uint8)
