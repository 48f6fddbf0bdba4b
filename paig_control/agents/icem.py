"""The improved cross-entropy method: coloured noise, and elites that outlive an iteration and a plan.

After Pinneri, Sawant, Blaes, Achterhold, Stueckler, Rolinek and Martius, *Sample-efficient cross-entropy method for
real-time planning* (2020), algorithm 1: the noise has a power-law spectrum over the plan, a fraction of the elites
takes part in the next iteration and, a step later, in the next plan, each iteration draws fewer candidates, the mean
is a candidate of the last iteration, and the best plan ever evaluated is returned.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.agents.problem import Problem, Proposal, SearchPlanner, take
from paig_control.agents.sampling import coloured_noise, refit, shift
from paig_control.agents.settings import ICEMSettings


class ICEM(SearchPlanner[ICEMSettings]):
    """Improved cross-entropy planner; remembers its last plan and the elites kept with it."""

    def __init__(self, settings: ICEMSettings | None = None, seed: int = 0) -> None:
        super().__init__(settings or ICEMSettings(), seed)
        self.last: tuple[Tensor, Tensor] | None = None

    def reseed(self, seed: int) -> None:
        """Start the random numbers again and forget the last plan."""
        super().reseed(seed)
        self.last = None

    def search(self, problem: Problem) -> Proposal:
        """Sample, refit, repeat."""
        s = self.settings
        mean, floor = problem.start, s.min_spread * problem.half_width
        spread = (s.spread * problem.half_width).expand_as(mean)
        kept = torch.cat([problem.start[:, None], self.carried(problem.start)], dim=1)
        count = float(s.samples)
        for iteration in range(s.iterations):
            noise = coloured_noise(max(round(count), 2 * s.elites), s.beta, mean, self.generator)
            drawn = problem.inside(mean[:, None] + spread[:, None] * noise)
            last = [mean[:, None]] if iteration == s.iterations - 1 else []
            candidates = torch.cat([kept, drawn, *last], dim=1)
            costs, index = problem.evaluate(candidates).topk(s.elites, dim=1, largest=False)
            elites = take(candidates, index)
            centre, deviation = refit(elites, costs)
            mean = problem.inside(s.momentum * mean + (1 - s.momentum) * centre)
            spread = torch.maximum(s.momentum * spread + (1 - s.momentum) * deviation, floor)
            kept = elites[:, : round(s.keep * s.elites)]
            count /= s.decay
        self.last = problem.best, kept
        return Proposal(spread)

    def carried(self, start: Tensor) -> Tensor:
        """Elites ``(B, k, H, A)`` of the last plan, moved on as far as the plan given has been.

        Where the plan given is not the last one some steps later, another problem is meant: they are left out,
        copies of the start in their place.
        """
        if self.last is not None and self.last[0].shape == start.shape:
            plan, elites = self.last
            for _ in range(start.shape[1]):
                plan, elites = shift(plan), shift(elites.flatten(0, 1)).reshape(elites.shape)
                same = (plan == start).flatten(1).all(dim=1)
                if bool(same.any()):
                    return torch.where(same[:, None, None, None], elites, start[:, None])
        return start[:, None][:, :0]
