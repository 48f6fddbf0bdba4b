"""The cross-entropy method: sample plans, keep the elites, refit the proposal to them, repeat.

After Botev, Kroese, Rubinstein and L'Ecuyer, *The cross-entropy method for optimization* (2013), algorithm 3.
Two additions make it serve control in real time: the noise is smooth in time (see :mod:`sampling`), and the best plan ever
evaluated is kept, goes through every iteration as a candidate and is what is returned, so a plan never
costs more than the one it started from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.agents.sampling import check_problem, evaluate, smooth_noise, take
from paig_control.agents.settings import CEMSettings
from paig_control.types import Cost, Plan


class CEM:
    """Cross-entropy planner with its own seeded generator."""

    def __init__(self, settings: CEMSettings | None = None, seed: int = 0) -> None:
        self.settings = settings or CEMSettings()
        self.generator = torch.Generator().manual_seed(seed)

    def reseed(self, seed: int) -> None:
        """Start the random numbers again."""
        self.generator.manual_seed(seed)

    def plan(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> Plan:
        s = self.settings
        check_problem(init, low, high)
        with torch.inference_mode():
            width = (high - low) / 2
            mean = init.clamp(low, high)
            spread = (s.spread * width).expand_as(mean)
            best = mean[:, None]
            for _ in range(s.iterations):
                noise = smooth_noise(s.samples - best.shape[1], s.knots, mean, self.generator)
                drawn = (mean[:, None] + spread[:, None] * noise).clamp(low, high)
                candidates = torch.cat([best, drawn], dim=1)
                costs = evaluate(cost, candidates)
                elite_costs, index = costs.topk(s.elites, dim=1, largest=False)
                elites = take(candidates, index)
                best, best_cost = elites[:, :1], elite_costs[:, 0]
                mean = s.smoothing * mean + (1 - s.smoothing) * elites.mean(dim=1)
                deviation = elites.std(dim=1, correction=0)
                spread = s.smoothing * spread + (1 - s.smoothing) * deviation
                spread = torch.maximum(spread, s.min_spread * width)
        return Plan(best[:, 0], best_cost, spread, candidates, costs)
