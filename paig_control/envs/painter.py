"""The sprite painter: batches of rods, discs and bitmaps at sub-pixel places, anti-aliased by area.

A rod is cut into thin scan lines; along a line the covered part of every pixel is exact, across the lines it
is a mean. A rod that lies more across than upright is scanned along the other axis, so no long edge ever runs
along a scan line and the ink does not depend on where the sprite is. Pixel (row i, column j) covers
[j, j+1) x [i, i+1); a pose is x to the right, y down, and the angle counter-clockwise from up.

Exact area averaging of images.

Every small pixel is the mean of the large image over the area that it covers, whatever the ratio. Along an
axis that is the sum of the whole pixels, without the part of the first that lies before the interval and with
the part of the next that lies inside. No matrix product: threaded BLAS took 40 times longer on a busy
machine, and its sums depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from paig_control.errors import PaigError


def area_average(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Shrink ``(H, W, 3)`` to ``(h, w, 3)``, uint8, rounded to the nearest.

    Raises:
        PaigError: where the image is smaller than what is asked for.
    """
    (height, width), (h, w) = image.shape[:2], size
    if height < h or width < w:
        raise PaigError(
            f"The environment renders {height} x {width} pixels, fewer than the {h} x {w} asked for: "
            "choose a smaller size."
        )
    rows = _means(np.ascontiguousarray(image).reshape(height, width * 3), h)
    columns = _means(np.ascontiguousarray(rows.reshape(h, width, 3).swapaxes(0, 1)).reshape(width, h * 3), w)
    return np.ascontiguousarray(np.rint(columns).astype(np.uint8).reshape(w, h, 3).swapaxes(0, 1))


def widened(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image ``(H, W, 3)`` in the shape, height to width, of ``size``: on both sides it goes on as at its edges."""
    (height, width), (h, w) = image.shape[:2], size
    more = (max(0, -(-width * h // w) - height), max(0, -(-height * w // h) - width))
    if not any(more):
        return image
    return np.pad(image, [(n // 2, n - n // 2) for n in (*more, 0)], mode="edge")


def _means(large: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Means ``(count, m)`` over equal intervals of the first axis of ``(n, m)``."""
    length = len(large)
    cuts = np.arange(count + 1) * length
    first, part = cuts // count, (cuts % count / count)[:, None]
    if np.issubdtype(large.dtype, np.integer):  # exact in any order, so in the fastest
        whole = np.stack([rows.sum(0, dtype=np.uint32) for rows in np.split(large, first[1:-1])])
    else:
        whole = np.add.reduceat(large, first[:-1], axis=0)
    at_cuts = part * large[np.minimum(first, length - 1)]
    means: NDArray[np.float64] = whole - at_cuts[:-1]
    means += at_cuts[1:]
    means *= count / length
    return means


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
        t: Float = np.asarray(line - middle[:, :1], np.float32)  # (B, lines)
        if self.length == 0:
            half = np.sqrt(np.maximum(self.radius**2 - t * t, 0))
            left, right = middle[:, 1:] - half, middle[:, 1:] + half
        else:
            left, right = self._edges(t, middle, along)
        pixel = np.arange(side, dtype=np.float32)
        covered = np.clip(right[..., None] - pixel, 0, 1)
        covered -= np.clip(left[..., None] - pixel, 0, 1)
        return np.asarray(covered.reshape(len(t), side, LINES, side).mean(2))

    def _edges(self, t: Float, middle: Float, along: Float) -> tuple[Float, Float]:
        """Where the rod begins and ends on lines ``(B, lines)`` at a distance ``t`` from its middle."""
        steep, slant = along[:, :1], along[:, 1:]
        lean = np.sign(steep) * slant * self.radius
        ends: list[Float] = []
        inside = np.ones(t.shape, dtype=bool)
        for sign in (-1.0, 1.0):
            place = np.clip((t + sign * lean) / steep, -0.5 * self.length, 0.5 * self.length)
            room = self.radius**2 - (t - place * steep) ** 2
            inside &= room > 0
            ends.append(np.asarray(middle[:, 1:] + place * slant + sign * np.sqrt(np.maximum(room, 0)), np.float32))
        return ends[0], np.where(inside, ends[1], ends[0])


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
        turned = bool(np.any(pose[:, 2]))
        side = int(np.ceil(np.hypot(height, width))) + 1 if turned else max(height, width) + 1
        corner = _corner(pose, side)
        if not turned and height == width:
            return _shifted(padded, pose[:, 1::-1] - 0.5 * height, corner)
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


def _shifted(padded: Float, upper_left: NDArray[np.float64], corner: NDArray[np.intp]) -> Patch:
    """Bitmap ``(k + 2, k + 2, 4)`` that is not turned: along each axis, all texels lie as far between two pixels."""
    part = (upper_left - corner).astype(np.float32)  # (B, 2), of a pixel
    down, right = part[:, 0, None, None, None], part[:, 1, None, None, None]
    rows = padded[1:] + down * (padded[:-1] - padded[1:])
    paint = rows[:, :, 1:] + right * (rows[:, :, :-1] - rows[:, :, 1:])
    return Patch(corner, paint[..., 3:], paint[..., :3])


def paint(background: NDArray[Any], sprites: Sequence[Sprite], poses: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Paint sprites over a background, the later over the earlier; each layer is rounded to whole levels.

    Args:
        background: ``(h, w, 3)``, 0 to 255.
        sprites: S of them.
        poses: ``(B, S, 3)``: x, y, angle.

    Returns:
        ``(B, h, w, 3)``, uint8.
    """
    height, width = background.shape[:2]
    batch = np.arange(len(poses))
    patches = [sprite.patch(np.asarray(poses[:, n], dtype=np.float64)) for n, sprite in enumerate(sprites)]
    margin = max((patch.alpha.shape[1] for patch in patches), default=0)  # swallows what lies outside
    canvas = np.zeros((len(poses), height + 2 * margin, width + 2 * margin, 3), dtype=np.uint8)
    inner = canvas[:, margin : margin + height, margin : margin + width]
    inner[:] = np.rint(background).astype(np.uint8)
    for corner, alpha, ink in patches:
        side = alpha.shape[1]
        row, column = (np.clip(corner[:, n] + margin, 0, margin + (height, width)[n]) for n in (0, 1))
        squares = sliding_window_view(canvas, (side, side), (1, 2), writeable=True)  # (B, ., ., 3, side, side)
        under = squares[batch, row, column].transpose(0, 2, 3, 1)
        over = np.rint(under * (1 - alpha) + ink).astype(np.uint8)
        squares[batch, row, column] = over.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(inner)
