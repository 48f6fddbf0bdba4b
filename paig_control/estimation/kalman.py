"""State and constants followed frame by frame: an iterated Kalman filter through the physics.

The unknowns are the state before the newest step and the constants, which do not move. One frame after the other
corrects them by Gauss-Newton steps on what is believed and what is seen, the physics linearised anew in each
(Jazwinski, Stochastic Processes and Filtering Theory, 1970, sections 8.3 and 9.7), and they are carried over the step.
Constants count in parts of their reference: most forces are linear in them, and so a belief that is a factor of two
wide is still corrected rightly. The noise has the tails of Student's t: a wild reading counts little. A belief is a
Gaussian for each of B worlds and K filters, and all of them are followed in one batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.estimation.state import unpack
from paig_control.physics.base import Physics

NUDGE = 1e-5
"""Step of the derivatives, in double precision."""
TAILS = 5.0
"""Degrees of freedom of the noise of a frame."""
CRUDE = 0.005
"""The physics is believed to know a step's change of velocity to this part of it."""
ROUNDS = 2
"""Gauss-Newton steps a frame."""


class Belief(NamedTuple):
    """What K filters believe of each of B worlds.

    Attributes:
        mean: ``(B, K, P)``, packed states ``(2 N D)``, then relative constants ``(C)``.
        covariance: ``(B, K, P, P)``.
    """

    mean: Tensor
    covariance: Tensor

    def where(self, mask: Tensor, other: Belief) -> Belief:
        """``other`` where ``mask`` ``(B, K)`` says so."""
        return Belief(
            torch.where(mask[..., None], other.mean, self.mean),
            torch.where(mask[..., None, None], other.covariance, self.covariance),
        )


class Told(NamedTuple):
    """What a frame told.

    Attributes:
        belief: after it.
        likelihood: ``(B, K)``, logarithm, of the frame under what was believed before, up to a common constant.
        surprise: ``(B, K)``, squared misfit of a coordinate in parts of what was expected, its mean.
    """

    belief: Belief
    likelihood: Tensor
    surprise: Tensor


class ConstantsFilter:
    """The filter's laws for a physics.

    Args:
        physics: the engine; its present constants are the references.
    """

    def __init__(self, physics: Physics) -> None:
        self.physics = physics
        values = physics.values()
        self.low = torch.tensor([0.0 if c.signed else c.low for c in physics.constants], dtype=torch.float64)
        self.reference = torch.tensor([values[c.name] for c in physics.constants], dtype=torch.float64) - self.low
        self.places = physics.objects * physics.dims
        self.size = 2 * self.places + len(values)

    def values(self, relative: Tensor) -> dict[str, Tensor]:
        """Relative constants ``(*B, C)`` as constants ``(*B, 1, 1)``, for ``physics.using``."""
        absolute = self.low + self.reference * relative
        return {name: absolute[..., i, None, None] for i, name in enumerate(self.physics.names)}

    def advance(self, mean: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Unknowns ``(B, K, P)`` after a step under actions ``(B, A)``, and the derivatives ``(B, K, P, P)``."""
        nudges = NUDGE * torch.cat([torch.zeros(1, self.size), torch.eye(self.size)]).to(mean)
        points = mean + nudges[:, None, None]
        state, relative = points[..., : 2 * self.places], points[..., 2 * self.places :]
        with torch.no_grad(), self.physics.using(self.values(relative)):
            after = self.physics.step(unpack(state, self.physics), action[:, None])
        ends = torch.cat([after.position.flatten(-2), after.velocity.flatten(-2), relative], -1)
        return ends[0], ((ends[1:] - ends[0]) / NUDGE).permute(1, 2, 3, 0)

    def follow(self, belief: Belief, action: Tensor, seen: Tensor, variance: Tensor, drift: Tensor) -> Told:
        """Take in a frame.

        Args:
            belief: before the step.
            action: ``(B, A)`` over the step.
            seen: ``(B, N D)`` after it.
            variance: ``(B, N D)`` of the reading; infinite for what was not seen.
            drift: ``(B, K, P)``, variance of what else may have moved the unknowns before the step.
        """
        mean, covariance = belief.mean, belief.covariance + torch.diag_embed(drift)
        unseen = torch.isinf(variance)
        noise = torch.where(unseen, 1.0, variance)[:, None]
        point, scale = mean, torch.ones_like(mean[..., :1])
        for index in range(ROUNDS):
            end, slope = self.advance(point, action)
            if index == 0:
                covariance = covariance + self._crude(mean, end)
            read = torch.where(unseen[:, None, :, None], 0.0, slope[..., : self.places, :])
            misfit = self.physics.difference(seen[:, None], end[..., : self.places]).masked_fill(unseen[:, None], 0.0)
            misfit = misfit + (read @ (point - mean)[..., None])[..., 0]
            across = covariance @ read.mT
            expected = read @ across
            total = expected + torch.diag_embed(noise * scale)
            if index == 0:  # a frame far from all that is expected is noisier than others
                scale = ((TAILS + _squared(misfit, total)) / (TAILS + self.places)).clamp(min=1.0)[..., None]
                total = expected + torch.diag_embed(noise * scale)
            gain = torch.linalg.solve(total, across.mT).mT
            before, point = point, mean + (gain @ misfit[..., None])[..., 0]
        plain = expected + torch.diag_embed(noise.expand_as(misfit))
        squared = _squared(misfit, plain)
        tail = (TAILS + self.places) / 2 * torch.log1p(squared / TAILS)
        after = slope @ (covariance - gain @ across.mT) @ slope.mT
        belief = Belief(end + (slope @ (point - before)[..., None])[..., 0], (after + after.mT) / 2)
        return Told(belief, -torch.linalg.slogdet(plain)[1] / 2 - tail, squared / self.places)

    def _crude(self, before: Tensor, after: Tensor) -> Tensor:
        """Covariance ``(B, K, P, P)`` of what the physics does not know of a step, as of the state before it."""
        size = self.places
        unsure = (CRUDE * (after - before)[..., size : 2 * size]).square()
        none = torch.zeros_like(before[..., 2 * size :])
        return torch.diag_embed(torch.cat([unsure * self.physics.dt**2 / 4, unsure, none], -1))


def _squared(misfit: Tensor, covariance: Tensor) -> Tensor:
    """Squared length ``(*B)`` of a misfit ``(*B, M)`` in standard deviations."""
    solved: Tensor = torch.linalg.solve(covariance, misfit[..., None])[..., 0]
    return (misfit * solved).sum(-1)
