"""Model-predictive path integral control: every candidate counts, the cheaper the more.

After Williams, Wagener, Goldfain, Drews, Rehg, Boots and Theodorou, *Information theoretic MPC for model-based
reinforcement learning* (2017), algorithm 2: the plan moves by the candidates' noise, averaged with weights
``exp(-cost / temperature)``. Three things differ. The temperature is measured in the candidates' own mean distance
from the best, so that it does not depend on the unit of the cost. The cost is the objective's alone, without the
coupling of plan and noise that the derivation adds: effort is an objective. And with several iterations the noise
becomes smaller, so that an average over noise comes to rest at the optimum.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.agents.problem import Problem, Proposal, SearchPlanner
from paig_control.agents.sampling import smooth_noise
from paig_control.agents.settings import MPPISettings


class MPPI(SearchPlanner[MPPISettings]):
    """Path-integral planner; the averages are evaluated too, and the best plan ever evaluated is returned."""

    def __init__(self, settings: MPPISettings | None = None, seed: int = 0) -> None:
        super().__init__(settings or MPPISettings(), seed)

    def search(self, problem: Problem) -> Proposal:
        """Sample, average, repeat."""
        s = self.settings
        mean, spread = problem.start, (s.noise.spread * problem.half_width).expand_as(problem.start)
        for iteration in range(s.iterations):
            noise = smooth_noise(s.samples - 1, s.noise, mean, self.generator, iteration == 0)
            drawn = problem.inside(mean[:, None] + spread[:, None] * noise)
            candidates = torch.cat([mean[:, None], drawn], dim=1)
            weights = path_weights(problem.evaluate(candidates), s.temperature)
            mean = problem.inside((weights[..., None, None] * candidates).sum(dim=1))
            spread = s.cooling * spread
        problem.consider(mean)
        return Proposal(spread, 1.0 / weights.square().sum(dim=1))


def path_weights(costs: Tensor, temperature: float) -> Tensor:
    """Weights ``(B, K)`` that add up to 1, of costs ``(B, K)`` of which one at least is finite.

    The temperature is in units of the mean distance of the finite costs from the best.
    """
    excess = costs - costs.amin(dim=1, keepdim=True)
    finite = torch.isfinite(excess)
    scale = torch.where(finite, excess, 0.0).sum(dim=1, keepdim=True) / finite.sum(dim=1, keepdim=True)
    tiny = torch.finfo(costs.dtype).tiny
    return torch.softmax(-excess / (temperature * scale).clamp(min=tiny), dim=1)
