"""Sampling and refit as machine code; see :mod:`~paig_control.agents.compiled`, which alone imports this."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.machine import machine
from paig_control.physics.kernels import ONE, ZERO, Floats, Whole

Flags = NDArray[np.bool_]

TURN = np.float32(2 * np.pi)


@machine
def draw(
    noise: Floats,
    scale: Floats,
    mean: Floats,
    spread: Floats,
    best: Floats,
    before: Whole,
    after: Whole,
    weight: Floats,
    rest: Floats,
    low: Floats,
    high: Floats,
    found: Floats,
    first: int,
) -> None:
    """Write candidates, ``(B, K, H, A)`` from ``first`` on: the best, and ``mean + spread * noise`` within the bounds.

    The noise ``(count, knots, A)``, times ``scale`` ``(count, 1, 1)`` if there is any, is taken between its knots; see
    :func:`~paig_control.agents.sampling.between_knots`.
    """
    count, _, size = noise.shape
    horizon = len(weight)
    for b in range(len(mean)):
        for t in range(horizon):
            for n in range(size):
                found[b, first, t, n] = best[b, t, n]
        for k in range(count):
            factor = scale[k, 0, 0] if len(scale) else ONE
            for t in range(horizon):
                for n in range(size):
                    smooth = noise[k, before[t], n] * weight[t] + noise[k, after[t], n] * rest[t]
                    action = mean[b, t, n] + spread[b, t, n] * (smooth * factor)
                    found[b, first + 1 + k, t, n] = min(max(action, low[n]), high[n])


@machine
def choose(
    candidates: Floats,
    given: Floats,
    judged: Floats,
    split: int,
    elites: int,
    floor: Floats,
    mean: Floats,
    spread: Floats,
    best: Floats,
    costs: Floats,
    top: Floats,
    top_cost: Floats,
) -> int:
    """Judge candidates ``(B, K, H, A)``, the first ``split`` those of one search; how many problems have no plan yet.

    Costs ``(B, K)`` are ``judged`` infinite where they are not finite. Of each search the elites' ``mean`` and
    ``spread`` ``(2, B, H, A)``, not below ``floor`` ``(A,)``, and the ``best`` with its ``costs`` ``(2, B)`` are
    written, those of infinite cost left out unless all are; and the best of all times, ``top`` ``(B, H, A)``.
    """
    batch, size, horizon, width = candidates.shape
    chosen, weight = np.empty(elites, np.int64), np.empty(elites, np.float32)
    lost = 0
    for b in range(batch):
        for search in range(2):
            count, finite = 0, 0
            for k in range(split if search else 0, size if search else split):
                cost = given[b, k] if np.isfinite(given[b, k]) else np.float32(np.inf)
                judged[b, k] = cost
                if count == elites and cost >= judged[b, chosen[count - 1]]:
                    continue
                place = min(count, elites - 1)
                while place > 0 and judged[b, chosen[place - 1]] > cost:
                    chosen[place] = chosen[place - 1]
                    place -= 1
                chosen[place] = k
                count = min(count + 1, elites)
            for k in range(elites):
                finite += np.isfinite(judged[b, chosen[k]])
            for k in range(elites):
                part = ONE / np.float32(finite if finite else elites)
                weight[k] = part if finite == 0 or np.isfinite(judged[b, chosen[k]]) else ZERO
            first = chosen[0]
            costs[search, b] = judged[b, first]
            better = judged[b, first] < top_cost[b]
            if better:
                top_cost[b] = judged[b, first]
            for t in range(horizon):
                for n in range(width):
                    best[search, b, t, n] = candidates[b, first, t, n]
                    if better:
                        top[b, t, n] = candidates[b, first, t, n]
                    middle, square = ZERO, ZERO
                    for k in range(elites):
                        middle += weight[k] * candidates[b, chosen[k], t, n]
                    for k in range(elites):
                        away = candidates[b, chosen[k], t, n] - middle
                        square += weight[k] * (away * away)
                    mean[search, b, t, n] = middle
                    spread[search, b, t, n] = max(np.sqrt(square), floor[n])
        lost += np.isinf(top_cost[b])
    return lost


@machine
def apart(
    position: Floats,
    velocity: Floats,
    there: Floats,
    pace: Floats,
    weight: Floats,
    turns: Flags,
    square: Any,
    terminal: Any,
    costs: Floats,
) -> None:
    """Write how far paths ``(B, H, N D, K)`` are from a goal ``(B or 1, N D)``: costs ``(B, K)``.

    A velocity counts ``square`` times, the last state ``terminal`` times more, each coordinate by its ``weight``; of
    those that are angles, ``turns``, the short way round.
    """
    batch, horizon, rows, size = position.shape
    for b in range(batch):
        goal, total = min(b, len(there) - 1), costs[b]
        for k in range(size):
            total[k] = ZERO
        for t in range(horizon):
            last = terminal if t == horizon - 1 else ZERO
            for row in range(rows):
                times, place, speed = weight[row] * (ONE + last), there[goal, row], pace[goal, row]
                around = TURN if turns[row] else ZERO
                for k in range(size):
                    away, faster = position[b, t, row, k] - place, velocity[b, t, row, k] - speed
                    away -= around * np.rint(away / TURN)
                    total[k] += times * (away * away + square * (faster * faster))
