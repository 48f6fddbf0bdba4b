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

from paig_control.agents.compiled import compiled_cross_entropy, loops_for
from paig_control.agents.problem import Problem, Proposal, SearchPlanner, take
from paig_control.agents.sampling import refit, smooth_noise
from paig_control.agents.settings import CEMSettings, NoiseSettings


class Search:
    """One proposal: a mean ``(B, H, A)``, a spread around it, and the best plan it has met."""

    def __init__(self, noise: NoiseSettings, mean: Tensor, problem: Problem) -> None:
        self.noise, self.mean, self.best, self.problem = noise, mean, mean, problem
        self.spread = (noise.spread * problem.half_width).expand_as(mean)
        self.best_cost = problem.best_cost
        self.first = True

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Give the best plan and ``count - 1`` around the mean: ``(B, count, H, A)``, within the bounds."""
        noise = smooth_noise(count - 1, self.noise, self.mean, generator, self.first)
        drawn = self.mean[:, None] + self.spread[:, None] * noise
        return torch.cat([self.best[:, None], self.problem.inside(drawn)], dim=1)

    def improve(self, candidates: Tensor, costs: Tensor, elites: int, floor: Tensor) -> None:
        """Refit to the ``elites`` best of the candidates ``(B, K, H, A)``."""
        elite_costs, index = costs.topk(elites, dim=1, largest=False)
        elite = take(candidates, index)
        self.best, self.best_cost = elite[:, 0], elite_costs[:, 0]
        self.mean, deviation = refit(elite, elite_costs)
        self.spread = torch.maximum(deviation, floor)
        self.first = False  # the elites have chosen the scale


def cross_entropy(problem: Problem, s: CEMSettings, generator: torch.Generator) -> Tensor:
    """Run both searches; the spread ``(B, H, A)`` of the better one."""
    loops = loops_for(problem)
    if loops is not None:
        return compiled_cross_entropy(problem, s, generator, loops)
    searches = [Search(s.warm, problem.start, problem), Search(s.fresh, problem.middle, problem)]
    counts = [s.samples - s.samples // 2, s.samples // 2]
    for _ in range(s.iterations):
        samples = [search.sample(n, generator) for search, n in zip(searches, counts, strict=True)]
        costs = problem.evaluate(torch.cat(samples, dim=1)).split(counts, dim=1)
        for search, its_samples, its_costs in zip(searches, samples, costs, strict=True):
            search.improve(its_samples, its_costs, s.elites, s.min_spread * problem.half_width)
    warm, fresh = searches
    return torch.where((warm.best_cost <= fresh.best_cost)[:, None, None], warm.spread, fresh.spread)


class CEM(SearchPlanner[CEMSettings]):
    """Cross-entropy planner."""

    def __init__(self, settings: CEMSettings | None = None, seed: int = 0) -> None:
        super().__init__(settings or CEMSettings(), seed)

    def search(self, problem: Problem) -> Proposal:
        """Run both searches."""
        return Proposal(cross_entropy(problem, self.settings, self.generator))
