"""Rollouts as machine code: known forces on free bodies or on one hinge, all candidates of a plan side by side.

Each loop runs over the K candidates, so that the processor takes several at once; numbers and their order are those of
:mod:`~paig_control.physics.forces` and :mod:`~paig_control.physics.base`, in single precision. Numba compiles this when
it is first used and keeps what it made; this file is imported by :mod:`~paig_control.physics.compiled` alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.machine import machine
from paig_control.physics.compiled import ANCHORED, DRAG, DRIVEN, QUADRATIC, SPRING, WEIGHT

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

ZERO, HALF, ONE, TWO, SIX = (np.float32(one) for one in (0, 0.5, 1, 2, 6))
SOFT, FAINT = np.float32(1e-6), np.float32(1e-12)
PER_PI = np.float32(1 / np.pi)
PI_HIGH, PI_MIDDLE, PI_LOW = np.float32(3.140625), np.float32(9.67025756835938e-4), np.float32(6.277114152908e-7)
SINE = tuple(np.float32(one) for one in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800))


@machine
def sine(angle: Any) -> Any:
    """Sine to 2e-7, of angles up to some thousands: unlike the C library's, several at once."""
    turns = np.rint(angle * PER_PI)
    rest = ((angle - turns * PI_HIGH) - turns * PI_MIDDLE) - turns * PI_LOW
    square = rest * rest
    series = SINE[0] + square * (SINE[1] + square * (SINE[2] + square * (SINE[3] + square * SINE[4])))
    value = rest + rest * square * series
    return -value if turns - TWO * np.floor(HALF * turns) > HALF else value


@machine
def accelerate(
    kinds: Whole,
    numbers: Floats,
    joined: Floats,
    each: Floats,
    mass: Floats,
    u: Floats,
    x: Floats,
    v: Floats,
    a: Floats,
) -> None:
    """Accelerations ``a`` at places ``x`` and velocities ``v``, all ``(N D, K)``, under actions ``u`` ``(A, K)``."""
    rows, size = x.shape
    count = len(mass)
    dims = rows // count
    for row in range(rows):
        for k in range(size):
            a[row, k] = ZERO
    for law in range(len(kinds)):
        kind, first, second, third = kinds[law], numbers[law, 0], numbers[law, 1], numbers[law, 2]
        for row in range(rows):
            i, d = row // dims, row % dims
            xi, vi, ai = x[row], v[row], a[row]
            if kind == WEIGHT:
                if dims == 1:
                    for k in range(size):
                        ai[k] += first * sine(xi[k])
                elif d == 1:
                    for k in range(size):
                        ai[k] += first * mass[i]
            elif kind == DRAG:
                for k in range(size):
                    ai[k] -= first * vi[k]
            elif kind == DRIVEN:
                if each[law, i, 0] >= 0:  # the first of its actions
                    ui, gain = u[int(each[law, i, 0]) + d], first * (third if d else second)
                    for k in range(size):
                        ai[k] += gain * ui[k]
            elif d == 0:
                yi, wi, bi = x[row + 1], v[row + 1], a[row + 1]
                if kind == QUADRATIC:
                    for k in range(size):
                        drag = first * np.sqrt(vi[k] * vi[k] + wi[k] * wi[k] + FAINT)
                        ai[k] -= drag * vi[k]
                        bi[k] -= drag * wi[k]
                elif kind == ANCHORED:
                    if each[law, i, 2] != 0:
                        px, py = each[law, i, 0], each[law, i, 1]
                        for k in range(size):
                            dx, dy = px - xi[k], py - yi[k]
                            length = np.sqrt(dx * dx + dy * dy + SOFT)
                            pull = first * (length - second) / length
                            ai[k] += pull * dx
                            bi[k] += pull * dy
                else:
                    for j in range(count):
                        if joined[law, i, j] != 0:
                            xj, yj = x[2 * j], x[2 * j + 1]
                            for k in range(size):
                                dx, dy = xj[k] - xi[k], yj[k] - yi[k]
                                length = np.sqrt(dx * dx + dy * dy + SOFT)
                                if kind == SPRING:
                                    pull = first * (length - second) / length
                                else:
                                    near = third if length > third else (second if length < second else length)
                                    pull = first / (near * near * near)
                                ai[k] += pull * dx
                                bi[k] += pull * dy
    if dims == 2:
        for row in range(rows):
            if mass[row // 2] != ONE:
                for k in range(size):
                    a[row, k] /= mass[row // 2]


@machine
def lean(x: Floats, v: Floats, a: Floats, slope: Floats, at: Floats, speed: Floats, h: Any, part: int) -> None:
    """Where this ``part`` of Runge's and Kutta's scheme asks for forces: along the slopes of the last."""
    time, weight = (h, ONE) if part == 3 else (HALF * h, TWO)
    for row in range(len(x)):
        for k in range(x.shape[1]):
            if part == 0:
                at[row, k], speed[row, k], slope[row, k] = x[row, k], v[row, k], v[row, k]
            else:
                at[row, k] = x[row, k] + time * speed[row, k]
                speed[row, k] = v[row, k] + time * a[row, k]
                slope[row, k] += weight * speed[row, k]


@machine
def kick(v: Floats, a: Floats, time: Any, fastest: Floats) -> None:
    """``v += time * a``, both ``(N D, K)``, clipped to ``fastest`` ``(N,)``; what is no number stays so."""
    rows, size = v.shape
    for row in range(rows):
        most, vi, ai = fastest[row * len(fastest) // rows], v[row], a[row]
        for k in range(size):
            fast = vi[k] + time * ai[k]
            vi[k] = most if fast > most else (-most if fast < -most else fast)


@machine
def drift(x: Floats, v: Floats, by: Floats, time: Any, walls: Floats) -> None:
    """``x += time * by``, all ``(N D, K)``, folded back between walls, each of ``(W, 3)`` a radius, and room."""
    rows, size = x.shape
    for row in range(rows):
        xi, vi, bi = x[row], v[row], by[row]
        for k in range(size):
            xi[k] += time * bi[k]
        for wall in range(len(walls)):
            radius, room = walls[wall, 0], walls[wall, 1 + row % 2]
            around = TWO * room
            for k in range(size):
                place = xi[k] - radius
                along = place - around * np.floor(place / around)
                back = along > room
                xi[k] = radius + (around - along if back else along)
                vi[k] = -vi[k] if back else vi[k]


@machine
def roll(
    kinds: Whole,
    numbers: Floats,
    joined: Floats,
    each: Floats,
    mass: Floats,
    fastest: Floats,
    walls: Floats,
    drifts: Floats,
    kicks: Floats,
    h: Any,
    substeps: int,
    repeat: int,
    position: Floats,
    velocity: Floats,
    actions: Floats,
    positions: Floats,
    velocities: Floats,
) -> None:
    """Write the states after each action, ``(B, H repeat, N D, K)``, under actions ``(B, K, H, A)``.

    Starts are ``(B or 1, N D)`` and the constants of the forces ``(B or 1, L, 3)``; without ``kicks`` the scheme is
    that of Runge and Kutta, with substeps of ``h``.
    """
    batch, size, horizon, width = actions.shape
    rows = position.shape[1]
    room = np.empty((7, rows, size), np.float32)
    x, v, a, slope, bend = room[0], room[1], room[2], room[3], room[4]
    classical = len(kicks) == 0
    at, speed = (room[5], room[6]) if classical else (x, v)  # where forces are asked for
    parts = 4 if classical else len(kicks)
    u = np.empty((width, size), np.float32)
    for b in range(batch):
        own = numbers[min(b, len(numbers) - 1)]
        start = min(b, len(position) - 1)
        for row in range(rows):
            for k in range(size):
                x[row, k] = position[start, row]
                v[row, k] = velocity[start, row]
        for step in range(horizon * repeat):
            for k in range(size):
                for n in range(width):
                    u[n, k] = actions[b, k, step // repeat, n]
            for _ in range(substeps):
                for part in range(parts):
                    if classical:
                        lean(x, v, a, slope, at, speed, h, part)
                    elif drifts[part] != 0:
                        drift(x, v, v, drifts[part], walls)
                    accelerate(kinds, own, joined, each, mass, u, at, speed, a)
                    if classical:
                        weight = TWO if part == 1 or part == 2 else ONE
                        for row in range(rows):
                            for k in range(size):
                                bend[row, k] = (bend[row, k] if part else ZERO) + weight * a[row, k]
                    if part == 3 or not classical:
                        kick(v, bend if classical else a, h / SIX if classical else kicks[part], fastest)
                drift(x, v, slope if classical else v, h / SIX if classical else drifts[parts], walls)
            for row in range(rows):
                for k in range(size):
                    positions[b, step, row, k] = x[row, k]
                    velocities[b, step, row, k] = v[row, k]
