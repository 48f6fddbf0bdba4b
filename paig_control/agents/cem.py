"""The cross-entropy method: sample plans, keep the elites, refit the proposal to them, repeat.

After Botev, Kroese, Rubinstein and L'Ecuyer, *The cross-entropy method for optimization* (2013), algorithm
3, with three additions for control in real time. The noise is smooth in time
(:mod:`~paig_control.agents.sampling`). The best plan ever evaluated stays among the candidates and is what
is returned, so a plan never costs more than the one it started from. And two searches run side by side,
because their elites must not be averaged: a warm one refines the plan given, a fresh one starts over, so
that yesterday's plan cannot hide a better one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.agents.sampling import check_problem, evaluate, refit, scales, smooth_noise, take
from paig_control.agents.settings import CEMSettings, NoiseSettings
from paig_control.types import Cost, Plan


class Search:
    """One proposal: a mean ``(B, H, A)``, a spread around it, and the best plan it has met."""

    def __init__(self, noise: NoiseSettings, mean: Tensor, half_width: Tensor) -> None:
        self.noise, self.mean, self.best = noise, mean, mean
        self.spread = (noise.spread * half_width).expand_as(mean)
        self.best_cost = mean.new_full(mean.shape[:1], torch.inf)
        self.decades = noise.decades

    def sample(self, count: int, low: Tensor, high: Tensor, generator: torch.Generator) -> Tensor:
        """Give the best plan and ``count - 1`` around the mean: ``(B, count, H, A)``, within the bounds."""
        noise = smooth_noise(count - 1, self.noise, self.mean, generator)
        if self.decades > 0:
            noise = noise * scales(count - 1, self.decades, self.mean, generator)
        drawn = self.mean[:, None] + self.spread[:, None] * noise
        return torch.cat([self.best[:, None], drawn.clamp(low, high)], dim=1)

    def improve(self, candidates: Tensor, costs: Tensor, elites: int, floor: Tensor) -> None:
        """Refit to the ``elites`` best of the candidates ``(B, K, H, A)``."""
        elite_costs, index = costs.topk(elites, dim=1, largest=False)
        elite = take(candidates, index)
        self.best, self.best_cost = elite[:, 0], elite_costs[:, 0]
        self.mean, deviation = refit(elite, elite_costs)
        self.spread = torch.maximum(deviation, floor)
        self.decades = 0.0  # the elites have chosen the scale


class CEM:
    """Cross-entropy planner with its own seeded generator.

    All problems of a batch share their noise, so a plan does not depend on the batch it sits in.
    """

    def __init__(self, settings: CEMSettings | None = None, seed: int = 0) -> None:
        self.settings = settings or CEMSettings()
        self.generator = torch.Generator().manual_seed(seed)

    @property
    def horizon(self) -> int:
        """Actions in a plan."""
        return self.settings.horizon

    def reseed(self, seed: int) -> None:
        """Start the random numbers again."""
        self.generator.manual_seed(seed)

    def plan(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> Plan:
        """Improve on ``init`` ``(B, H, A)`` within the bounds ``(A,)``.

        Raises:
            PaigError: for bounds that cross, an empty horizon, or a cost that is finite for no candidate.
        """
        s = self.settings
        check_problem(init, low, high)
        with torch.inference_mode():
            half_width = (high - low) / 2
            middle = ((low + high) / 2).expand_as(init)
            searches = [
                Search(s.warm, init.clamp(low, high), half_width),
                Search(s.fresh, middle, half_width),
            ]
            counts = [s.samples - s.samples // 2, s.samples // 2]
            for _ in range(s.iterations):
                samples = [x.sample(n, low, high, self.generator) for x, n in zip(searches, counts, strict=True)]
                candidates = torch.cat(samples, dim=1)
                costs = evaluate(cost, candidates)
                own = zip(searches, samples, torch.split(costs, counts, dim=1), strict=True)
                for search, its_samples, its_costs in own:
                    search.improve(its_samples, its_costs, s.elites, s.min_spread * half_width)
            warm, fresh = searches
            keep = warm.best_cost <= fresh.best_cost
            best = torch.where(keep[:, None, None], warm.best, fresh.best)
            spread = torch.where(keep[:, None, None], warm.spread, fresh.spread)
            best_costs = torch.where(keep, warm.best_cost, fresh.best_cost)
        # Clones made outside inference mode may take part in a later gradient.
        return Plan(best.clone(), best_costs.clone(), spread.clone(), candidates.clone(), costs.clone())
