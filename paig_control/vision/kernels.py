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

ZERO, HALF, ONE, TWO = (np.float32(one) for one in (0, 0.5, 1, 2))


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
def copy(scene: Floats, canvas: Floats) -> None:
    """Write a scene ``(3, h, w)`` on a canvas: as loops, since Numba takes seconds to compile an array's assignment."""
    for channel in range(scene.shape[0]):
        for row in range(scene.shape[1]):
            for column in range(scene.shape[2]):
                canvas[channel, row, column] = scene[channel, row, column]


@machine
def cover(paint: Floats, corner: Whole, n: int, b: int, canvas: Floats) -> None:
    """Lay the window of sprite n in picture b, of ``(N, B, 4, size, size)``, on a canvas ``(3, h, w)``."""
    size, height, width = paint.shape[4], canvas.shape[1], canvas.shape[2]
    top, left = corner[n, b, 0], corner[n, b, 1]
    first, last = max(0, -left), min(size, width - left)
    for row in range(max(0, -top), min(size, height - top)):
        for channel in range(3):
            line, ink, veil = canvas[channel, top + row], paint[n, b, channel, row], paint[n, b, 3, row]
            for column in range(first, last):
                line[left + column] = line[left + column] * (ONE - veil[column]) + ink[column]


@machine
def lay(scene: Floats, paint: Floats, corner: Whole, order: Whole, frames: Floats) -> None:
    """Frames ``(B, 3, h, w)``: windows ``(N, B, 4, size, size)`` with first pixels ``(N, B, 2)`` laid in this order."""
    for b in range(len(frames)):
        canvas = frames[b]
        copy(scene, canvas)
        for n in order:
            cover(paint, corner, n, b, canvas)


@machine
def stack(
    scene: Floats, paint: Floats, corner: Whole, order: Whole, b: int, reach: int, canvas: Floats, under: Floats
) -> None:
    """Lay the windows of picture b on a canvas ``(3, h, w)``, and keep what is under them, ``reach`` around."""
    size, height, width = paint.shape[4], scene.shape[1], scene.shape[2]
    copy(scene, canvas)
    for n in order:
        top, left = corner[n, b, 0], corner[n, b, 1]
        for channel in range(3):
            for row in range(max(-reach, -top), min(size + reach, height - top)):
                low, line = under[n, channel, row + reach], canvas[channel, top + row]
                for column in range(max(-reach, -left), min(size + reach, width - left)):
                    low[column + reach] = line[left + column]
        cover(paint, corner, n, b, canvas)


@machine
def fresh(clear: Floats) -> None:
    """Nothing lies above any pixel ``(h, w)`` yet."""
    for row in range(clear.shape[0]):
        for column in range(clear.shape[1]):
            clear[row, column] = ONE


@machine
def shade(paint: Floats, corner: Whole, n: int, b: int, clear: Floats) -> None:
    """What the window of sprite n in picture b lets through of what lies below it, ``(h, w)``."""
    size, height, width = paint.shape[4], clear.shape[0], clear.shape[1]
    top, left = corner[n, b, 0], corner[n, b, 1]
    for row in range(max(0, -top), min(size, height - top)):
        for column in range(max(0, -left), min(size, width - left)):
            clear[top + row, left + column] *= ONE - paint[n, b, 3, row, column]


@machine
def shares(
    scene: Floats,
    paint: Floats,
    corner: Whole,
    order: Whole,
    frames: Floats,
    weight: Floats,
    gain: Floats,
    alone: Floats,
    error: Floats,
) -> None:
    """Write what sprites ``(N, M, 4, size, size)`` explain of frames ``(M, 3, h, w)``, pixels weighted by ``(h, w)``.

    By how much the error ``(M,)`` is larger without each, and what it changes when it is alone, ``(M, N)``.
    """
    objects, count, _, size = paint.shape[:4]
    height, width = weight.shape
    canvas, clear = np.empty_like(scene), np.empty((height, width), np.float32)
    under = np.empty((objects, 3, size, size), np.float32)
    for m in range(count):
        fresh(clear)
        stack(scene, paint, corner, order, m, 0, canvas, under)
        total = ZERO
        for channel in range(3):
            for row in range(height):
                for column in range(width):
                    apart = canvas[channel, row, column] - frames[m, channel, row, column]
                    canvas[channel, row, column] = apart
                    total += weight[row, column] * apart * apart
        error[m] = total
        for n in order[::-1]:
            top, left = corner[n, m, 0], corner[n, m, 1]
            more, own = ZERO, ZERO
            for channel in range(3):
                for row in range(max(0, -top), min(size, height - top)):
                    for column in range(max(0, -left), min(size, width - left)):
                        i, j = top + row, left + column
                        ink, cover = paint[n, m, channel, row, column], paint[n, m, 3, row, column]
                        change = clear[i, j] * (ink - cover * under[n, channel, row, column])
                        single = ink - cover * scene[channel, i, j]
                        more += weight[i, j] * change * (change - TWO * canvas[channel, i, j])
                        own += weight[i, j] * single * single
            gain[m, n], alone[m, n] = more, own
            shade(paint, corner, n, m, clear)


@machine
def slopes(
    scene: Floats,
    paint: Floats,
    corner: Whole,
    order: Whole,
    frames: Floats,
    root: Floats,
    widths: Floats,
    reach: int,
    matrix: Floats,
    score: Floats,
    error: Floats,
) -> None:
    """Write the normal equations ``(M, P, P)``, ``(M, P)`` and ``(M,)`` of frames ``(M, 3, h, w)``.

    Paint ``(N, K M, 4, size, size)`` and the corners ``(N, K M, 2)`` of its windows are of K poses: with each of a
    sprite's coordinates moved up, each moved down, and none moved. ``root`` ``(h, w)`` are the weights' square roots,
    ``widths`` ``(P,)`` the moves; no corner is more than ``reach`` pixels from the one where none is moved.
    """
    objects, size, count = paint.shape[0], paint.shape[4], frames.shape[0]
    half, side, height, width = len(widths) // objects, size + 2 * reach, scene.shape[1], scene.shape[2]
    canvas, clear = np.empty_like(scene), np.empty((height, width), np.float32)
    under = np.empty((objects, 3, side, side), np.float32)
    for m in range(count):
        slope = np.zeros((objects, half, 3, side, side), np.float32)
        still = 2 * half * count + m
        fresh(clear)
        stack(scene, paint, corner, order, still, reach, canvas, under)
        for n in order[::-1]:
            top, left = corner[n, still, 0] - reach, corner[n, still, 1] - reach
            for d in range(half):
                for sign in range(2):
                    k = (d + sign * half) * count + m
                    down, across = corner[n, k, 0] - top, corner[n, k, 1] - left
                    factor = (ONE - TWO * np.float32(sign)) / (TWO * widths[n * half + d])
                    first, last = max(0, -left - across), min(size, width - left - across)
                    for row in range(max(0, -top - down), min(size, height - top - down)):
                        for channel in range(3):
                            line, low = slope[n, d, channel, row + down], under[n, channel, row + down]
                            ink, veil = paint[n, k, channel, row], paint[n, k, 3, row]
                            for column in range(first, last):
                                change = ink[column] - veil[column] * low[column + across]
                                line[column + across] += factor * change
                for row in range(max(0, -top), min(side, height - top)):
                    for column in range(max(0, -left), min(side, width - left)):
                        seen = clear[top + row, left + column] * root[top + row, left + column]
                        for channel in range(3):
                            slope[n, d, channel, row, column] *= seen
            shade(paint, corner, n, still, clear)
        total = ZERO
        for row in range(height):
            for channel in range(3):
                for column in range(width):
                    left_over = (frames[m, channel, row, column] - canvas[channel, row, column]) * root[row, column]
                    canvas[channel, row, column] = left_over
                    total += left_over * left_over
        error[m] = total
        for n in range(objects):
            top, left = corner[n, still, 0] - reach, corner[n, still, 1] - reach
            for d in range(half):
                total = ZERO
                for channel in range(3):
                    for row in range(max(0, -top), min(side, height - top)):
                        for column in range(max(0, -left), min(side, width - left)):
                            total += slope[n, d, channel, row, column] * canvas[channel, top + row, left + column]
                score[m, n * half + d] = total
            for other in range(n + 1):
                down = top - corner[other, still, 0] + reach
                across = left - corner[other, still, 1] + reach
                for d in range(half):
                    for e in range(half):
                        total = ZERO
                        for channel in range(3):
                            for row in range(max(0, -down), min(side, side - down)):
                                mine, theirs = slope[n, d, channel, row], slope[other, e, channel, row + down]
                                for column in range(max(0, -across), min(side, side - across)):
                                    total += mine[column] * theirs[column + across]
                        matrix[m, n * half + d, other * half + e] = total
                        matrix[m, other * half + e, n * half + d] = total
