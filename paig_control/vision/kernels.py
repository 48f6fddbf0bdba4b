"""Painting as machine code: what sprites paint into their windows, and windows laid over a background.

Numbers are those of :mod:`~paig_control.vision.renderer`, in single precision. Texels hold ink and cover side by side,
``(N, side, side, 4)``, so that the four of them are taken at once. Numba compiles this when it is first used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paig_control.machine import machine

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

ZERO, HALF, ONE = (np.float32(one) for one in (0, 0.5, 1))


@machine
def turn(texels: Floats, centre: Floats, angle: Floats, density: int, samples: int, paint: Floats) -> None:
    """Paint ``(N, B, 4, size, size)`` of sprites turned by ``(N, B)`` about places ``(N, B, 2)`` in their windows."""
    objects, side = texels.shape[0], texels.shape[1] - 2
    size, grain = paint.shape[-1], ONE / np.float32(samples)
    middle, scale, share = HALF * np.float32(side) + HALF, np.float32(density), grain * grain
    most = np.float32(side + 1)
    for n in range(objects):
        own = texels[n]
        for b in range(paint.shape[1]):
            cosine, sine = scale * np.cos(angle[n, b]), scale * np.sin(angle[n, b])
            for row in range(size):
                for column in range(size):
                    red, green, blue, cover = ZERO, ZERO, ZERO, ZERO
                    for down in range(samples):
                        dy = np.float32(row) + (np.float32(down) + HALF) * grain - centre[n, b, 1]
                        for across in range(samples):
                            dx = np.float32(column) + (np.float32(across) + HALF) * grain - centre[n, b, 0]
                            x, y = cosine * dx - sine * dy + middle, sine * dx + cosine * dy + middle
                            if x >= ZERO and y >= ZERO and x < most and y < most:
                                j, i = np.uint64(x), np.uint64(y)
                                right, below = x - np.float32(j), y - np.float32(i)
                                here, beside = own[i, j], own[i, j + np.uint64(1)]
                                under, opposite = own[i + np.uint64(1), j], own[i + np.uint64(1), j + np.uint64(1)]
                                d = right * below
                                e, c = right - d, below - d
                                a = ONE - right - c
                                red += a * here[0] + e * beside[0] + c * under[0] + d * opposite[0]
                                green += a * here[1] + e * beside[1] + c * under[1] + d * opposite[1]
                                blue += a * here[2] + e * beside[2] + c * under[2] + d * opposite[2]
                                cover += a * here[3] + e * beside[3] + c * under[3] + d * opposite[3]
                    paint[n, b, 0, row, column] = red * share
                    paint[n, b, 1, row, column] = green * share
                    paint[n, b, 2, row, column] = blue * share
                    paint[n, b, 3, row, column] = cover * share


@machine
def shift(texels: Floats, place: Floats, density: int, samples: int, paint: Floats) -> None:
    """Paint ``(N, B, 4, size, size)`` of sprites whose windows begin at ``(N, B, 2)``, parts of a pixel."""
    objects, side = texels.shape[:2]
    size = paint.shape[-1]
    first = int(np.floor(HALF * density / samples - density - HALF))
    taps = 2 - first + density
    weight = np.empty((2, taps), np.float32)
    for n in range(objects):
        for b in range(paint.shape[1]):
            for axis in range(2):
                for tap in range(taps):
                    total = ZERO
                    for part in range(samples):
                        at = density * ((np.float32(part) + HALF) / np.float32(samples) - place[n, b, axis]) - HALF
                        total += max(ZERO, ONE - abs(np.float32(at) - np.float32(first + tap)))
                    weight[axis, tap] = total / np.float32(samples)
            for row in range(size):
                for column in range(size):
                    red, green, blue, cover = ZERO, ZERO, ZERO, ZERO
                    top, left = row * density + first, column * density + first
                    for i in range(max(top, 0), min(top + taps, side)):
                        high = weight[1, i - top]
                        if high != ZERO:
                            for j in range(max(left, 0), min(left + taps, side)):
                                both = high * weight[0, j - left]
                                red += both * texels[n, i, j, 0]
                                green += both * texels[n, i, j, 1]
                                blue += both * texels[n, i, j, 2]
                                cover += both * texels[n, i, j, 3]
                    paint[n, b, 0, row, column] = red
                    paint[n, b, 1, row, column] = green
                    paint[n, b, 2, row, column] = blue
                    paint[n, b, 3, row, column] = cover


@machine
def lay(scene: Floats, paint: Floats, corner: Whole, order: Whole, frames: Floats) -> None:
    """Frames ``(B, 3, h, w)``: windows ``(N, B, 4, size, size)`` with first pixels ``(N, B, 2)`` laid in this order."""
    size, (height, width) = paint.shape[-1], scene.shape[1:]
    for b in range(len(frames)):
        frames[b] = scene
        for n in order:
            top, left = corner[n, b, 0], corner[n, b, 1]
            first, last = max(0, -left), min(size, width - left)
            for row in range(max(0, -top), min(size, height - top)):
                cover = paint[n, b, 3, row]
                for channel in range(3):
                    ink, line = paint[n, b, channel, row], frames[b, channel, top + row]
                    for column in range(first, last):
                        line[left + column] = line[left + column] * (ONE - cover[column]) + ink[column]
