"""The Kalman filter: a state, and constants where they are asked for, followed frame by frame through the physics.

A belief is a Gaussian, of any number of filters at once. It goes over a step by cubature points (Arasaratnam and
Haykin, IEEE Trans. Automatic Control 54, 2009) and is corrected by what is read after it. Where constants are unknown
too, one step bends a wide belief too much for that, and :meth:`Kalman.follow` corrects the unknowns *before* the step,
by Gauss-Newton steps on what is believed and what is seen, the physics linearised anew in each (Jazwinski, Stochastic
Processes and Filtering Theory, 1970, sections 8.3 and 9.7), and carries them over it. Constants count in parts of
their reference: most forces are linear in them, and so a belief that is a factor of two wide is still corrected
rightly. The noise there has the tails of Student's t: a wild reading counts little.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.estimation.state import pack, unpack
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
    """What filters believe, each of its world.

    Attributes:
        mean: ``(*B, P)``, packed states ``(2 N D)``, then relative constants ``(C)``, if any.
        covariance: ``(*B, P, P)``.
    """

    mean: Tensor
    covariance: Tensor

    def where(self, mask: Tensor, other: Belief) -> Belief:
        """``other`` where ``mask`` ``(*B,)`` says so."""
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


class Kalman:
    """The filter's laws for a physics.

    Args:
        physics: the engine; its present constants are the references.
        constants: whether they are unknown too.
    """

    def __init__(self, physics: Physics, constants: bool = True) -> None:
        self.physics = physics
        values = physics.values() if constants else {}
        names = [c for c in physics.constants if c.name in values]
        self.low = torch.tensor([0.0 if c.signed else c.low for c in names], dtype=torch.float64)
        self.reference = torch.tensor([values[c.name] for c in names], dtype=torch.float64) - self.low
        self.places = physics.objects * physics.dims
        self.size = 2 * self.places + len(values)

    def values(self, relative: Tensor) -> dict[str, Tensor]:
        """Relative constants ``(*B, C)`` as constants ``(*B, 1, 1)``, for ``physics.using``."""
        absolute = self.low + self.reference * relative
        names = self.physics.names[: len(self.reference)]
        return {name: absolute[..., i, None, None] for i, name in enumerate(names)}

    def foresee(self, belief: Belief, action: Tensor) -> Belief:
        """Beliefs ``(B, P)`` of states alone after a step under actions ``(B, A)``, as the physics has it."""
        before = belief.mean
        root = math.sqrt(before.shape[-1]) * _root(belief.covariance).mT
        points = before[:, None] + torch.cat([torch.zeros_like(root[:, :1]), root, -root], 1)
        points = self._moved(points.transpose(0, 1), action).transpose(0, 1)  # as constants of each world broadcast
        half = self.places
        turned = self.physics.difference(points[:, 1:, :half], points[:, :1, :half])
        away = torch.cat([turned, points[:, 1:, half:] - points[:, :1, half:]], -1)
        return Belief(points[:, 0], away.mT @ away / away.shape[1])

    def drift(self, belief: Belief, action: Tensor) -> Belief:
        """The same where the velocity is hardly known, and only free motion is sensible."""
        motion = torch.eye(self.size).to(belief.mean)
        motion[: self.places, self.places :] = self.physics.dt * motion[: self.places, : self.places]
        return Belief(self._moved(belief.mean, action), motion @ belief.covariance @ motion.mT)

    def corrected(self, belief: Belief, misfit: Tensor, variance: Tensor) -> Belief:
        """After positions ``(*B, N D)`` were read, ``misfit`` away from the mean: the update in Joseph's form."""
        read = torch.eye(self.places, self.size).to(misfit)
        gain, _ = _gain(belief.covariance, read, variance)
        mean = belief.mean + (gain @ misfit[..., None])[..., 0]
        keep = torch.eye(self.size).to(gain) - gain @ read
        spread = keep @ belief.covariance @ keep.mT + gain * variance[..., None, :] @ gain.mT
        return Belief(pack(self.physics.admissible(unpack(mean, self.physics))), spread)

    def unforeseen(self, before: Tensor, after: Tensor, part: float, least: Tensor | float = 0.0) -> Tensor:
        """Variances ``(*B, P)`` of what physics does not know of a step: a part of each velocity's change, and more."""
        speeds = slice(self.places, 2 * self.places)
        unsure = (part * (after - before)[..., speeds].abs() + least).square()
        none = torch.zeros_like(before[..., 2 * self.places :])
        return torch.cat([unsure * self.physics.dt**2 / 4, unsure, none], -1)

    def advance(self, mean: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Unknowns ``(B, K, P)`` after a step under actions ``(B, A)``, and the derivatives ``(B, K, P, P)``."""
        nudges = NUDGE * torch.cat([torch.zeros(1, self.size), torch.eye(self.size)]).to(mean)
        points = mean + nudges[:, None, None]
        state, relative = points[..., : 2 * self.places], points[..., 2 * self.places :]
        with torch.no_grad(), self.physics.using(self.values(relative)):
            after = self.physics.step(unpack(state, self.physics), action[:, None])
        ends = torch.cat([pack(after), relative], -1)
        return ends[0], ((ends[1:] - ends[0]) / NUDGE).permute(1, 2, 3, 0)

    def follow(self, belief: Belief, action: Tensor, seen: Tensor, variance: Tensor, drift: Tensor) -> Told:
        """Take in a frame.

        Args:
            belief: of ``(B, K)`` filters before the step.
            action: ``(B, A)`` over the step.
            seen: ``(B, N D)`` after it.
            variance: ``(B, N D)`` of the reading; infinite for what was not seen.
            drift: ``(B, K, P)``, variance of what else may have moved the unknowns before the step.
        """
        mean, covariance = belief.mean, belief.covariance + torch.diag_embed(drift)
        unseen = torch.isinf(variance)
        noise = torch.where(unseen, 1.0, variance)[:, None].expand(*mean.shape[:-1], -1)
        point, scale = mean, torch.ones_like(mean[..., :1])
        for index in range(ROUNDS):
            end, slope = self.advance(point, action)
            if index == 0:
                covariance = covariance + torch.diag_embed(self.unforeseen(mean, end, CRUDE))
            read = torch.where(unseen[:, None, :, None], 0.0, slope[..., : self.places, :])
            misfit = self.physics.difference(seen[:, None], end[..., : self.places]).masked_fill(unseen[:, None], 0.0)
            misfit = misfit + (read @ (point - mean)[..., None])[..., 0]
            if index == 0:  # a frame far from all that is expected is noisier than others
                total = read @ covariance @ read.mT + torch.diag_embed(noise)
                scale = ((TAILS + _squared(misfit, total)) / (TAILS + self.places)).clamp(min=1.0)[..., None]
            gain, expected = _gain(covariance, read, noise * scale)
            before, point = point, mean + (gain @ misfit[..., None])[..., 0]
        plain = expected + torch.diag_embed(noise)
        squared = _squared(misfit, plain)
        tail = (TAILS + self.places) / 2 * torch.log1p(squared / TAILS)
        after = slope @ (covariance - gain @ read @ covariance) @ slope.mT
        belief = Belief(end + (slope @ (point - before)[..., None])[..., 0], (after + after.mT) / 2)
        return Told(belief, -torch.linalg.slogdet(plain)[1] / 2 - tail, squared / self.places)

    def _moved(self, points: Tensor, action: Tensor) -> Tensor:
        """Packed states ``(*B, 2 N D)`` a step later; by compiled code, where there is some, in single precision."""
        actions = action.to(points).expand(*points.shape[:-1], -1)
        with self.physics.frozen():
            single = unpack(points.flatten(0, -2).float(), self.physics)
            moved = self.physics.imagined(single, actions.flatten(0, -2).float()[:, None, None])
            if moved is not None:
                return pack(moved).reshape(points.shape).to(points)
            return pack(self.physics.step(unpack(points, self.physics), actions))


def _gain(covariance: Tensor, read: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Gain ``(*B, P, M)`` of readings whose derivatives are ``(*B, M, P)``, and their variance as it was expected."""
    across = covariance @ read.mT
    expected = read @ across
    return torch.linalg.solve(expected + torch.diag_embed(variance), across.mT).mT, expected


def _squared(misfit: Tensor, covariance: Tensor) -> Tensor:
    """Squared length ``(*B)`` of a misfit ``(*B, M)`` in standard deviations."""
    solved: Tensor = torch.linalg.solve(covariance, misfit[..., None])[..., 0]
    return (misfit * solved).sum(-1)


def _root(covariance: Tensor) -> Tensor:
    """Lower triangular root; rounding that made it indefinite is made good."""
    own = covariance.diagonal(dim1=-2, dim2=-1)
    root, failed = torch.linalg.cholesky_ex(covariance + torch.diag_embed(1e-9 * own))
    return torch.where((failed > 0)[:, None, None], torch.diag_embed(own.clamp(min=0).sqrt()), root)
