"""Descent along the gradient of the cost, through the differentiable physics.

Several plans descend side by side by Adam (Kingma and Ba, 2015), each cut back to the bounds after every step; one of
them is the plan given, and the best plan ever evaluated is returned. A step is measured in half the width of the
bounds. Where the gradient exists it is precise, and it is blind to every valley but its own: for those there are
several starts, or the cross-entropy method first (:class:`CEMGradient`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from paig_control.agents.cem import cross_entropy
from paig_control.agents.problem import Problem, Proposal, SearchPlanner, cost_name, take
from paig_control.agents.sampling import refit, smooth_noise
from paig_control.agents.settings import CEMGradientSettings, GradientSettings
from paig_control.errors import PaigError

MEAN_DECAY, SQUARE_DECAY, TINY = 0.9, 0.99, 1e-12
"""Adam's forgetting; the square's is quicker than usual, because a plan takes tens of steps, not thousands."""


def slope(problem: Problem, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Costs ``(B, K)`` and their gradient ``(B, K, H, A)`` at the candidates, inside inference mode or not.

    Raises:
        PaigError: if the cost has no gradient, or as :meth:`Problem.evaluate`.
    """
    found = None
    try:
        with torch.inference_mode(False), torch.enable_grad():
            at = candidates.clone().requires_grad_()
            raw = problem.cost(at)
            costs = problem.judge(at.detach(), raw.detach() if isinstance(raw, Tensor) else raw)
            if raw.requires_grad:
                total = torch.where(torch.isfinite(raw), raw, 0.0).sum()
                (found,) = torch.autograd.grad(total, at, allow_unused=True)
    except RuntimeError as error:
        if "nference tensor" not in str(error):
            raise
        raise PaigError(
            f"The cost {cost_name(problem.cost)} uses tensors made in torch.inference_mode, through which there is no "
            "gradient: make them under torch.no_grad, or clone them outside; or plan with planner=cem."
        ) from error
    if found is None:
        raise PaigError(
            f"The cost {cost_name(problem.cost)} has no gradient with respect to the actions: expected torch "
            "operations all the way from the actions, without detach or NumPy; or plan with planner=cem."
        )
    return costs, found


def descend(problem: Problem, candidates: Tensor, steps: int, learning_rate: float) -> None:
    """Improve candidates ``(B, K, H, A)`` inside the bounds by projected Adam; the problem remembers the best.

    The steps shrink along half a cosine. A candidate whose cost or gradient is not finite goes back to its last good
    place, forgets its momentum and halves its steps; one that was never good stays.
    """
    here = good = candidates
    mean = square = torch.zeros_like(candidates)
    rate = candidates.new_full((*candidates.shape[:2], 1, 1), learning_rate)
    for step in range(steps):
        costs, found = slope(problem, here)
        found = found * problem.half_width
        fine = torch.isfinite(costs)[..., None, None] & torch.isfinite(found).all(dim=-1, keepdim=True).all(
            dim=-2, keepdim=True
        )
        good, rate = torch.where(fine, here, good), torch.where(fine, rate, rate / 2)
        found = torch.where(fine, found, 0.0)
        mean = torch.where(fine, MEAN_DECAY * mean + (1 - MEAN_DECAY) * found, 0.0)
        square = SQUARE_DECAY * square + (1 - SQUARE_DECAY) * found.square()
        direction = mean / (1 - MEAN_DECAY ** (step + 1))
        size = (square / (1 - SQUARE_DECAY ** (step + 1))).sqrt() + TINY
        shrink = 0.5 * (1 + math.cos(math.pi * step / steps))
        move = -shrink * rate * problem.half_width * direction / size
        here = problem.inside(good + torch.where(fine, move, 0.0))
    problem.evaluate(here)


class Gradient(SearchPlanner[GradientSettings]):
    """Gradient planner; its spread is how far its descended plans lie apart."""

    def __init__(self, settings: GradientSettings | None = None, seed: int = 0) -> None:
        super().__init__(settings or GradientSettings(), seed)

    def search(self, problem: Problem) -> Proposal:
        """Descend from the plan given and from plans around the middle of the bounds."""
        s = self.settings
        noise = smooth_noise(s.starts - 1, s.noise, problem.start, self.generator)
        drawn = problem.inside(problem.middle[:, None] + s.noise.spread * problem.half_width * noise)
        descend(problem, torch.cat([problem.start[:, None], drawn], dim=1), s.steps, s.learning_rate)
        return Proposal(refit(problem.candidates, problem.costs)[1])


class CEMGradient(SearchPlanner[CEMGradientSettings]):
    """The cross-entropy method, then descent from its best candidates."""

    def __init__(self, settings: CEMGradientSettings | None = None, seed: int = 0) -> None:
        super().__init__(settings or CEMGradientSettings(), seed)

    def search(self, problem: Problem) -> Proposal:
        """Search, then polish; the best plan met is among the last candidates."""
        s = self.settings
        spread = cross_entropy(problem, s, self.generator)
        index = problem.costs.topk(s.polished, dim=1, largest=False).indices
        descend(problem, take(problem.candidates, index), s.steps, s.learning_rate)
        return Proposal(spread)
