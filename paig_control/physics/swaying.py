"""Rollouts of bodies on rails and hinges as machine code, in double precision, one after another.

The arithmetic is that of :mod:`~paig_control.physics.lumped`, which alone imports this, and of
:mod:`~paig_control.physics.base`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.machine import machine

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@machine
def sway(
    on: Whole,
    turns: Whole,
    anchor: Floats,
    way: Floats,
    moment: Floats,
    inertia: Floats,
    gravity: Any,
    rubbing: Floats,
    eased: Any,
    torque: Floats,
    x: Floats,
    v: Floats,
    room: Floats,
    a: Floats,
) -> None:
    """Write the accelerations ``(N,)`` of bodies on rails and hinges, as :mod:`~paig_control.physics.lumped` has them.

    ``on`` has the body below each, -1 for none, and ``turns`` ``(N, N)``, with which joints a body turns;
    ``room`` is ``(2 N + 4, N, 2)`` to work in.
    """
    count = len(on)
    slope, matrix = room[:count], room[count : 2 * count, :, 0]
    angle, spin, drift = room[2 * count, :, 0], room[2 * count, :, 1], room[2 * count + 1]
    across, along = room[2 * count + 2], room[2 * count + 3]
    for n in range(count):
        below = on[n]
        angle[n] = x[n] if turns[n, n] else 0.0
        spin[n] = v[n] if turns[n, n] else 0.0
        tilt, turn = 0.0, 0.0
        for k in range(count):
            for axis in range(2):
                slope[n, k, axis] = slope[below, k, axis] if below >= 0 else 0.0
        drift[n, 0], drift[n, 1] = 0.0, 0.0
        if below >= 0:
            tilt, turn = angle[below], spin[below]
            angle[n] += tilt
            spin[n] += turn
            drift[n, 0], drift[n, 1] = drift[below, 0], drift[below, 1]
            cos, sin = math.cos(tilt), math.sin(tilt)
            right, low = anchor[n, 0] * cos + anchor[n, 1] * sin, anchor[n, 1] * cos - anchor[n, 0] * sin
            drift[n, 0] -= turn * turn * right
            drift[n, 1] -= turn * turn * low
            above = below
            while above >= 0:
                if turns[above, above]:
                    slope[n, above, 0] += low
                    slope[n, above, 1] -= right
                above = on[above]
        if turns[n, n]:
            cos, sin = math.cos(angle[n]), math.sin(angle[n])
            along[n, 0], along[n, 1], across[n, 0], across[n, 1] = -sin, -cos, -cos, sin
        else:
            along[n, 0], along[n, 1], across[n, 0], across[n, 1] = 0.0, 0.0, 0.0, 0.0
            slope[n, n, 0] += math.cos(way[n])
            slope[n, n, 1] -= math.sin(way[n])
    for i in range(count):
        a[i] = torque[i] - rubbing[i] * v[i]
        for j in range(count):
            matrix[i, j] = eased * rubbing[i] if i == j else 0.0
    for n in range(count):
        for i in range(count):
            lean_i = slope[n, i, 0] * across[n, 0] + slope[n, i, 1] * across[n, 1]
            pulled = slope[n, i, 0] * along[n, 0] + slope[n, i, 1] * along[n, 1]
            a[i] += moment[n] * spin[n] * spin[n] * pulled
            if turns[n, i]:
                a[i] += moment[n] * (gravity * across[n, 1] - across[n, 0] * drift[n, 0] - across[n, 1] * drift[n, 1])
            if not turns[n, n]:
                a[i] += gravity * slope[n, i, 1]
            for j in range(count):
                if turns[n, i] and turns[n, j]:
                    matrix[i, j] += inertia[n]
                if turns[n, j]:
                    matrix[i, j] += moment[n] * lean_i
                if turns[n, i]:
                    matrix[i, j] += moment[n] * (slope[n, j, 0] * across[n, 0] + slope[n, j, 1] * across[n, 1])
                if not turns[n, n]:
                    matrix[i, j] += slope[n, i, 0] * slope[n, j, 0] + slope[n, i, 1] * slope[n, j, 1]
    for i in range(count):  # elimination; the matrix is positive definite
        for j in range(i + 1, count):
            part = matrix[j, i] / matrix[i, i]
            for k in range(i, count):
                matrix[j, k] -= part * matrix[i, k]
            a[j] -= part * a[i]
    for i in range(count - 1, -1, -1):
        for j in range(i + 1, count):
            a[i] -= matrix[i, j] * a[j]
        a[i] /= matrix[i, i]


@machine
def swing(
    on: Whole,
    turns: Whole,
    anchor: Floats,
    way: Floats,
    moments: Floats,
    inertias: Floats,
    gravities: Floats,
    rubbing: Floats,
    gains: Floats,
    drifts: Floats,
    kicks: Floats,
    h: Any,
    substeps: int,
    explicit: Any,
    eased: Any,
    position: Floats,
    velocity: Floats,
    actions: Floats,
    positions: Floats,
    velocities: Floats,
) -> None:
    """Write the states ``(R, H, N)`` after each action ``(R, H, A)`` from starts ``(R, N)``.

    Each row has moments, inertias and friction ``(R or 1, N)``, gravity ``(R or 1, 1)`` and gains ``(R or 1, N, A)``.
    Without ``kicks`` the scheme is Euler's explicit one, or else Runge and Kutta's, with substeps of ``h``.
    """
    rows, horizon, width = actions.shape
    count = position.shape[1]
    room = np.empty((2 * count + 4, count, 2))
    lines = np.empty((8, count))
    x, v, a, torque = lines[0], lines[1], lines[2], lines[3]
    slope, bend = lines[6], lines[7]
    split = len(kicks) > 0
    at, speed = (x, v) if split else (lines[4], lines[5])  # where forces are asked for
    parts, share = len(kicks) if split else 1 if explicit else 4, h if explicit else h / 6
    for row in range(rows):
        own = row if len(moments) > 1 else 0
        for n in range(count):
            x[n], v[n] = position[row, n], velocity[row, n]
        for step in range(horizon):
            for n in range(count):
                torque[n] = 0.0
                for k in range(width):
                    torque[n] += gains[own, n, k] * actions[row, step, k]
            for _ in range(substeps):
                for n in range(count):
                    slope[n], bend[n] = 0.0, 0.0
                for part in range(parts):
                    by = 0.0 if part == 0 else h if part == 3 else h / 2
                    for n in range(count):
                        if split:
                            x[n] += drifts[part] * v[n]
                        else:
                            at[n] = x[n] + by * (speed[n] if part else 0.0)
                            speed[n] = v[n] + by * (a[n] if part else 0.0)
                    sway(
                        on,
                        turns,
                        anchor,
                        way,
                        moments[own],
                        inertias[own],
                        gravities[own, 0],
                        rubbing[own],
                        eased,
                        torque,
                        at,
                        speed,
                        room,
                        a,
                    )
                    weight = 2.0 if part == 1 or part == 2 else 1.0
                    for n in range(count):
                        if split:
                            v[n] += kicks[part] * a[n]
                        else:
                            slope[n] += weight * speed[n]
                            bend[n] += weight * a[n]
                for n in range(count):
                    x[n] += drifts[parts] * v[n] if split else share * slope[n]
                    v[n] += share * bend[n]
            for n in range(count):
                positions[row, step, n], velocities[row, step, n] = x[n], v[n]
