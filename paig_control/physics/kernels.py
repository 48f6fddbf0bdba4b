"""Rollouts as machine code: known forces on free bodies or on one hinge, all candidates of a plan side by side.

Each loop runs over the K candidates, so that the processor takes several at once; numbers and their order are those of
:mod:`~paig_control.physics.forces` and :mod:`~paig_control.physics.base`, in single precision. Numba compiles this when
it is first used and keeps what it made; this file is imported by :mod:`~paig_control.physics.compiled` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from paig_control.physics.compiled import ANCHORED, ATTRACTION, DRAG, QUADRATIC, SPRING, WEIGHT

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

ZERO, HALF, ONE, TWO, SIX = (np.float32(one) for one in (0, 0.5, 1, 2, 6))
SOFT, FAINT = np.float32(1e-6), np.float32(1e-12)
PER_PI = np.float32(1 / np.pi)
PI_HIGH, PI_MIDDLE, PI_LOW = np.float32(3.140625), np.float32(9.67025756835938e-4), np.float32(6.277114152908e-7)
SINE = tuple(np.float32(one) for one in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800))


def machine(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, once for all runs where there is a place to keep it."""
    try:
        return njit(cache=True, fastmath={"contract"}, error_model="numpy")(function)
    except RuntimeError:  # neither beside the library nor in the user's own folder
        return njit(fastmath={"contract"}, error_model="numpy")(function)


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
def lean(
    x: Floats,
    v: Floats,
    a: Floats,
    slope: Floats,
    bend: Floats,
    at: Floats,
    speed: Floats,
    time: Any,
    weight: Any,
    part: int,
) -> None:
    """Go from ``part`` to part of Runge's and Kutta's scheme: sum up the slopes of the last, and lean along them."""
    before = ONE if part == 1 else TWO
    for i in range(x.shape[0]):
        for d in range(x.shape[1]):
            for k in range(x.shape[2]):
                if part == 0:
                    at[i, d, k], speed[i, d, k] = x[i, d, k], v[i, d, k]
                    slope[i, d, k], bend[i, d, k] = v[i, d, k], ZERO
                else:
                    bend[i, d, k] += before * a[i, d, k]
                    at[i, d, k] = x[i, d, k] + time * speed[i, d, k]
                    speed[i, d, k] = v[i, d, k] + time * a[i, d, k]
                    slope[i, d, k] += weight * speed[i, d, k]


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
    """Accelerations ``a`` at places ``x`` and velocities ``v``, all ``(N, D, K)``, under actions ``u`` ``(A, K)``."""
    count, dims, size = x.shape
    for i in range(count):
        for d in range(dims):
            for k in range(size):
                a[i, d, k] = ZERO
    for law in range(len(kinds)):
        kind, first, second, third = kinds[law], numbers[law, 0], numbers[law, 1], numbers[law, 2]
        for i in range(count):
            if kind in (SPRING, ATTRACTION):
                ax, ay = a[i, 0], a[i, 1]
                for j in range(count):
                    if joined[law, i, j] == 0:
                        continue
                    xi, yi, xj, yj = x[i, 0], x[i, 1], x[j, 0], x[j, 1]
                    for k in range(size):
                        dx, dy = xj[k] - xi[k], yj[k] - yi[k]
                        length = np.sqrt(dx * dx + dy * dy + SOFT)
                        if kind == SPRING:
                            pull = first * (length - second) / length
                        else:
                            near = third if length > third else (second if length < second else length)
                            pull = first / (near * near * near)
                        ax[k] += pull * dx
                        ay[k] += pull * dy
            elif kind == ANCHORED:
                if each[law, i, 2] == 0:
                    continue
                px, py, ax, ay, xi, yi = each[law, i, 0], each[law, i, 1], a[i, 0], a[i, 1], x[i, 0], x[i, 1]
                for k in range(size):
                    dx, dy = xi[k] - px, yi[k] - py
                    length = np.sqrt(dx * dx + dy * dy + SOFT)
                    pull = first * (length - second) / length
                    ax[k] -= pull * dx
                    ay[k] -= pull * dy
            elif kind == QUADRATIC:
                ax, ay, vx, vy = a[i, 0], a[i, 1], v[i, 0], v[i, 1]
                for k in range(size):
                    drag = first * np.sqrt(vx[k] * vx[k] + vy[k] * vy[k] + FAINT)
                    ax[k] -= drag * vx[k]
                    ay[k] -= drag * vy[k]
            else:
                for d in range(dims):
                    ad, xd, vd = a[i, d], x[i, d], v[i, d]
                    if kind == WEIGHT:
                        if dims == 1:
                            for k in range(size):
                                ad[k] += first * sine(xd[k])
                        elif d == 1:
                            for k in range(size):
                                ad[k] += first * mass[i]
                    elif kind == DRAG:
                        for k in range(size):
                            ad[k] -= first * vd[k]
                    elif each[law, i, 0] >= 0:  # driven: the first of its actions
                        ud, gain = u[int(each[law, i, 0]) + d], first * (third if d else second)
                        for k in range(size):
                            ad[k] += gain * ud[k]
    for i in range(count):
        if mass[i] != ONE and dims == 2:
            for d in range(dims):
                ad = a[i, d]
                for k in range(size):
                    ad[k] /= mass[i]


@machine
def kick(v: Floats, a: Floats, time: Any, fastest: Floats) -> None:
    """``v += time * a``, all ``(N, D, K)``, clipped to ``fastest`` ``(N,)``; what is no number stays so."""
    for i in range(v.shape[0]):
        most = fastest[i]
        for d in range(v.shape[1]):
            vd, ad = v[i, d], a[i, d]
            for k in range(len(vd)):
                fast = vd[k] + time * ad[k]
                vd[k] = most if fast > most else (-most if fast < -most else fast)


@machine
def drift(x: Floats, v: Floats, by: Floats, time: Any, walls: Floats) -> None:
    """``x += time * by``, all ``(N, D, K)``, folded back between walls, of each of ``(W, 3)`` radius and room."""
    for i in range(x.shape[0]):
        for d in range(x.shape[1]):
            xd, vd, byd = x[i, d], v[i, d], by[i, d]
            for k in range(len(xd)):
                xd[k] += time * byd[k]
            for wall in range(len(walls)):
                radius, room = walls[wall, 0], walls[wall, 1 + d]
                around = TWO * room
                for k in range(len(xd)):
                    place = xd[k] - radius
                    along = place - around * np.floor(place / around)
                    back = along > room
                    xd[k] = radius + (around - along if back else along)
                    vd[k] = -vd[k] if back else vd[k]


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
    """Write the states after each action, ``(B, H repeat, N, D, K)``, under actions ``(B, K, H, A)``.

    Starts are ``(B or 1, N, D)`` and the constants of the forces ``(B or 1, L, 3)``; without ``kicks`` the scheme is
    that of Runge and Kutta, with substeps of ``h``.
    """
    batch, size, horizon, width = actions.shape
    count, dims = position.shape[1:]
    room = np.empty((7, count, dims, size), np.float32)
    x, v, a, slope, bend = room[0], room[1], room[2], room[3], room[4]
    classical = len(kicks) == 0
    at, speed = (room[5], room[6]) if classical else (x, v)  # where forces are asked for
    parts = 4 if classical else len(kicks)
    u = np.empty((width, size), np.float32)
    for b in range(batch):
        own = numbers[min(b, len(numbers) - 1)]
        start = min(b, len(position) - 1)
        for i in range(count):
            for d in range(dims):
                for k in range(size):
                    x[i, d, k] = position[start, i, d]
                    v[i, d, k] = velocity[start, i, d]
        for step in range(horizon):
            for k in range(size):
                for n in range(width):
                    u[n, k] = actions[b, k, step, n]
            for held in range(repeat):
                for _ in range(substeps):
                    if not classical and drifts[0] != 0:
                        drift(x, v, v, drifts[0], walls)
                    for part in range(parts):
                        if classical:
                            time = h if part == 3 else HALF * h
                            weight = ONE if part == 0 or part == 3 else TWO
                            lean(x, v, a, slope, bend, at, speed, time, weight, part)
                        accelerate(kinds, own, joined, each, mass, u, at, speed, a)
                        if not classical:
                            kick(v, a, kicks[part], fastest)
                            drift(x, v, v, drifts[part + 1], walls)
                    if classical:
                        for i in range(count):
                            for d in range(dims):
                                for k in range(size):
                                    bend[i, d, k] += a[i, d, k]
                        kick(v, bend, h / SIX, fastest)
                        drift(x, v, slope, h / SIX, walls)
                seen, sped = positions[b, step * repeat + held], velocities[b, step * repeat + held]
                for i in range(count):
                    for d in range(dims):
                        for k in range(size):
                            seen[i, d, k] = x[i, d, k]
                            sped[i, d, k] = v[i, d, k]
