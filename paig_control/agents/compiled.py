"""The cross-entropy method in compiled loops, for plans in single precision on this processor.

Beside a compiled rollout (:mod:`paig_control.physics.compiled`) the search itself would cost most: dozens of small
tensors an iteration. Random numbers come from the planner's own generator, in the same order, and plans are the same.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paig_control.agents.problem import Problem, safe_costs
from paig_control.agents.sampling import knot_noise, knot_weights, scales
from paig_control.agents.settings import CEMSettings, NoiseSettings
from paig_control.machine import array, loops
from paig_control.types import State


def loops_for(problem: Problem) -> ModuleType | None:
    """The compiled loops, for a cost that asks for them and plans of a kind that they take."""
    start = problem.start
    if not getattr(problem.cost, "compiled", False) or start.dtype != torch.float32 or start.device.type != "cpu":
        return None
    return loops("agents")


@lru_cache(maxsize=64)
def between(noise: NoiseSettings, horizon: int) -> list[NDArray[Any]]:
    """For each step of a plan the knots before and after it, and their weights, all ``(H,)``."""
    with torch.inference_mode(False):
        step = torch.arange(horizon)
        own = [step, step, torch.ones(horizon), torch.zeros(horizon)]  # a knot for every step
        kind = torch.float32, torch.device("cpu")
        few = noise.knots < horizon
        return [
            array(x).reshape(-1) for x in (knot_weights(noise.knots, horizon, noise.crowding, kind) if few else own)
        ]


def compiled_cross_entropy(problem: Problem, s: CEMSettings, generator: torch.Generator, loops: ModuleType) -> Tensor:
    """As :func:`~paig_control.agents.cem.cross_entropy`: both searches, and the spread of the better one."""
    batch, horizon, size = problem.start.shape
    low, high, half = (array(x) for x in (problem.low, problem.high, problem.half_width))
    mean = np.stack([array(problem.start), array(problem.middle)])
    best, spread = mean.copy(), np.empty_like(mean)
    spread[0], spread[1] = s.warm.spread * half, s.fresh.spread * half
    costs, top, top_cost = np.empty((2, batch), np.float32), mean[0].copy(), array(problem.best_cost).copy()
    floor, judged = np.float32(s.min_spread) * half, np.empty((batch, s.samples), np.float32)
    counts = s.samples - s.samples // 2, s.samples // 2
    for iteration in range(s.iterations):
        candidates = torch.empty(batch, s.samples, horizon, size)
        drawn = candidates.numpy()
        for search, noise in enumerate((s.warm, s.fresh)):
            count, first = counts[search] - 1, search * counts[0]
            normal = knot_noise(count, noise.knots, problem.start, generator)
            scaled = iteration == 0 and noise.decades > 0
            scale = array(scales(count, noise.decades, problem.start, generator)) if scaled else UNSCALED
            row = mean[search], spread[search], best[search]
            loops.draw(array(normal), scale, *row, *between(noise, horizon), low, high, drawn, first)
        found = problem.cost(candidates)
        if not isinstance(found, Tensor) or found.shape != candidates.shape[:2]:
            safe_costs(problem.cost, found, candidates, problem.best_cost.isinf())
        given = array(found.to(torch.float32))
        if loops.choose(drawn, given, judged, counts[0], s.elites, floor, mean, spread, best, costs, top, top_cost):
            safe_costs(problem.cost, found, candidates, torch.from_numpy(top_cost).isinf())
        if iteration == 0:
            problem.start_cost = torch.from_numpy(judged[:, 0].copy())
    problem.candidates, problem.costs = candidates, torch.from_numpy(judged)
    problem.best, problem.best_cost = torch.from_numpy(top), torch.from_numpy(top_cost)
    warm = costs[0] <= costs[1]
    return torch.from_numpy(np.where(warm[:, None, None], spread[0], spread[1]))


def apart(
    states: State, target: State, weight: Tensor, turns: Tensor, square: float, terminal: float = 0.0
) -> Tensor | None:
    """How far paths are from a goal, ``(B, K)``, as the kernel of this name has it; None where tensors are to be taken.

    Args:
        states: ``(B, K, H, N, D)``.
        target: ``(B or 1, N, D)``.
        weight: ``(N, D)``, of the coordinates.
        turns: ``(N, D)``, which of them are angles.
        square: by which a squared velocity counts.
        terminal: extra weight of the last state.
    """
    single = all(x.dtype == torch.float32 and x.device.type == "cpu" for x in (*states, *target))
    found = loops("agents") if single and states.position.dim() == 5 and not torch.is_grad_enabled() else None
    if found is None:
        return None
    paths = (array(x.flatten(-2).permute(0, 2, 3, 1)) for x in states)
    goals = (array(x.flatten(1)) for x in target)
    costs = np.empty(states.position.shape[:2], np.float32)
    each = array(weight).reshape(-1).astype(np.float32), array(turns).reshape(-1)
    found.apart(*paths, *goals, *each, np.float32(square), np.float32(terminal), costs)
    return torch.from_numpy(costs)


UNSCALED = np.zeros((0, 1, 1), np.float32)
"""No factors: noise as it is."""
