"""Adaptation: the constants of a world that has changed, from a few of its frames, the eyes left as they are.

Each sequence (or window of a stream) has constants of its own. They are fitted together with its start state by
Levenberg-Marquardt on the robust misfit of the coordinates, as in identification, but one sequence alone may not tell
every constant: a normal prior around what was learned, as wide as the change that is thought possible, decides what the
coordinates leave open, and the posterior's width is the error bar. Many sequences that changed in their own ways
also tell how much each constant varies at all: that spread is a better prior than a guess (empirical Bayes; Gelman et
al., Bayesian Data Analysis, 3rd ed., sections 4.1 and 5.4), and so a sequence whose own motion cannot tell stiffness
from length leans on the others. The core, :func:`adapt`, sees coordinates and actions only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.estimation.least_squares import damped, descend
from paig_control.estimation.state import believed, best_start, linearise, pack, trajectory, unpack
from paig_control.physics.base import Physics
from paig_control.types import State

BELIEF = 20.0
"""The noise common to all sequences counts as much as so many readings of a sequence itself."""
TURN = 3.0
"""Misfit, in standard deviations, beyond which the loss grows no longer as the square."""


class Prior(NamedTuple):
    """What is believed of the free constants: mean and standard deviation, ``(C,)`` or ``(B, C)``."""

    mean: Tensor
    width: Tensor


@dataclass(frozen=True)
class Adapted:
    """What each of B sequences says.

    Attributes:
        start: state ``(B, N, D)`` at the first frame.
        free: free constants ``(B, C)``; ``physics.as_values`` makes of them what ``physics.using`` takes.
        covariance: of the free constants, ``(B, C, C)``.
        values: constants ``(B,)`` by name.
        std: their standard deviations.
        noise: standard deviation ``(B,)`` of a trusted reading about the fit, in coordinates' units.
        prior: that was used.
    """

    start: State
    free: Tensor
    covariance: Tensor
    values: dict[str, Tensor]
    std: dict[str, Tensor]
    noise: Tensor
    prior: Prior


def learned_prior(physics: Physics, std: Mapping[str, float], change: float = 0.3) -> Prior:
    """The learned constants with their error bars, widened by the relative change that is thought possible.

    Args:
        physics: with the learned constants.
        std: error bars by name, in the constants' units.
        change: standard deviation of the change of a free constant; for a positive constant, of its logarithm.

    Raises:
        PaigError: for a change that is not positive, or a physics without constants.
    """
    if not (0 < change < math.inf):
        raise PaigError(f"change = {change}: expected a positive number, 0.3 for changes of about 30 %.")
    if not physics.names:
        raise PaigError(f"{physics.label} has no constants to adapt: leave adaptation out.")
    mean = physics.free.detach().double()
    errors = torch.tensor([std.get(name, 0.0) for name in physics.names], dtype=mean.dtype, device=mean.device)
    return Prior(mean, torch.sqrt(change**2 + (errors / _slopes(physics, mean)).square().nan_to_num(0.0)))


def adapt(
    physics: Physics,
    coordinates: Tensor,
    actions: Tensor,
    prior: Prior,
    noise: float,
    trust: Tensor | None = None,
    rounds: int = 3,
    iterations: int = 15,
    progress: Callable[[float], None] | None = None,
) -> Adapted:
    """Fit start state and constants of each sequence by itself; the physics keeps its own constants.

    Args:
        physics: the engine.
        coordinates: ``(B, T, N, D)`` observed, pixels or radians.
        actions: ``(B, T - 1, A)`` between the frames.
        prior: of the free constants.
        noise: least standard deviation that is expected of the readings.
        trust: ``(B, T, N, D)``, inverse variances of the coordinates up to a common factor; all alike by default.
        rounds: times that the noise of each sequence is estimated anew.
        iterations: Levenberg-Marquardt steps in a round, at most.
        progress: called with the fraction done.

    Raises:
        PaigError: for fewer than three frames.
    """
    if coordinates.shape[1] < 3:
        raise PaigError(f"{coordinates.shape[1]} frames: at least 3 are needed to see an acceleration.")
    problem = _Problem(physics, coordinates.detach().double(), actions.detach().double(), prior, trust)
    start = best_start(physics, problem.observed, problem.actions, problem.trust)
    unknowns = torch.cat([start, problem.mean], -1)
    sigma = start.new_full(start.shape[:1], noise)
    window = 5
    while window < coordinates.shape[1]:  # constants far off lead astray over many frames, but not over a few
        unknowns = problem.first(window).descend(unknowns, sigma, math.inf, 5)
        window += max(2, window // 2)
    for index in range(rounds):  # that misfit must not pass for outliers at first
        unknowns = problem.descend(unknowns, sigma, math.inf if index == 0 else TURN, iterations)
        sigma = problem.scatter(unknowns, noise)
        if progress:
            progress((index + 1) / rounds)
    normal, _ = problem.normal(unknowns, sigma, TURN)
    size = problem.size
    jitter = 1e-12 * normal.diagonal(dim1=-2, dim2=-1) + 1e-12
    covariance = torch.linalg.inv(normal + torch.diag_embed(jitter))[:, size:, size:]
    free = unknowns[:, size:]
    std = covariance.diagonal(dim1=-2, dim2=-1).sqrt() * _slopes(physics, free)
    return Adapted(
        unpack(unknowns[:, :size], physics),
        free,
        covariance,
        {name: value[:, 0, 0] for name, value in physics.as_values(free).items()},
        dict(zip(physics.names, std.unbind(-1), strict=True)),
        sigma,
        prior,
    )


def spread_prior(found: Adapted, rounds: int = 300) -> Prior:
    """Mean and spread of the constants over sequences that were fitted one by one.

    Expectation maximisation of the normal hierarchical model: each sequence's likelihood is what its posterior says
    beyond its prior, and the spread is the variance of the constants that the likelihoods ask for, error bars apart.

    Args:
        found: of :func:`adapt`, from a prior wide enough to let sequences differ.
        rounds: of the maximisation.
    """
    before = torch.diag_embed(1 / found.prior.width.to(found.free).expand_as(found.free).square())
    after = torch.linalg.inv(found.covariance)
    told = after - before
    pull = after @ found.free[..., None] - before @ found.prior.mean.to(found.free).expand_as(found.free)[..., None]
    mean, variance = found.free.mean(0), found.free.var(0) + 1e-12
    for _ in range(rounds):
        posterior = torch.linalg.inv(told + torch.diag(1 / variance))
        each = (posterior @ (pull + (mean / variance)[:, None])).squeeze(-1)
        mean = each.mean(0)
        variance = ((each - mean).square() + posterior.diagonal(dim1=-2, dim2=-1)).mean(0).clamp(min=1e-12)
    return Prior(mean, variance.sqrt())


class _Problem:
    """Least squares of each sequence: unknowns ``(B, 2 N D + C)`` are the packed start state and the free constants."""

    def __init__(self, physics: Physics, observed: Tensor, actions: Tensor, prior: Prior, trust: Tensor | None) -> None:
        self.physics, self.observed, self.actions = physics, observed, actions
        batch, _, objects, dims = observed.shape
        self.size = 2 * objects * dims
        self.mean = prior.mean.to(observed).expand(batch, len(physics.names))
        self.precision = 1 / prior.width.to(observed).expand_as(self.mean).square()
        self.trust = None
        self.weight = observed.new_ones(batch, observed[0].numel())
        if trust is not None and bool((trust > 0).any()):
            self.trust = believed(trust).to(observed)
            self.weight = self.trust.flatten(1)

    def first(self, frames: int) -> _Problem:
        """The same problem on the first frames only."""
        part = copy(self)
        part.observed, part.actions = self.observed[:, :frames], self.actions[:, : frames - 1]
        part.weight = self.weight[:, : part.observed[0].numel()]
        return part

    def residuals(self, unknowns: Tensor) -> Tensor:
        """Observed minus predicted: ``(B, M)``."""
        with torch.no_grad(), self.physics.using(self.physics.as_values(unknowns[:, self.size :])):
            path = trajectory(self.physics, unpack(unknowns[:, : self.size], self.physics), self.actions)
        return self.physics.difference(self.observed, path).flatten(1)

    def loss(self, unknowns: Tensor, sigma: Tensor, turn: float) -> Tensor:
        """Negative logarithm of the posterior ``(B,)``, of misfits that count linearly beyond ``turn`` sigma."""
        ratio = self.residuals(unknowns) / sigma[:, None]
        misfit = ratio**2 / 2 if math.isinf(turn) else turn**2 * (torch.sqrt(1 + (ratio / turn) ** 2) - 1)
        away = self.precision * (unknowns[:, self.size :] - self.mean).square() / 2
        return (self.weight * misfit).sum(-1) + away.sum(-1)

    def normal(self, unknowns: Tensor, sigma: Tensor, turn: float) -> tuple[Tensor, Tensor]:
        """Gauss-Newton matrix ``(B, P, P)`` of the loss, and its negative gradient ``(B, P)``."""
        state, free = unknowns[:, : self.size], unknowns[:, self.size :]
        line = linearise(self.physics, state, self.actions, 1e-3, constants=True, free=free)
        jacobian = torch.cat([line.by_state, line.by_constant], -1)
        residual = self.physics.difference(self.observed, line.positions).flatten(1)
        robust = 1 / torch.sqrt(1 + (residual / (turn * sigma[:, None])) ** 2)
        weight = (self.weight * robust / sigma[:, None] ** 2)[..., None]
        believed = torch.cat([torch.zeros_like(state), self.precision], -1)
        toward = torch.cat([torch.zeros_like(state), self.precision * (self.mean - free)], -1)
        matrix = jacobian.mT @ (weight * jacobian) + torch.diag_embed(believed)
        return matrix, (jacobian.mT @ (weight * residual[..., None])).squeeze(-1) + toward

    def descend(self, unknowns: Tensor, sigma: Tensor, turn: float, iterations: int) -> Tensor:
        """The unknowns of least loss, every sequence by itself."""

        def step(at: Tensor, damping: Tensor) -> Tensor:
            matrix, downhill = self.normal(at, sigma, turn)
            move = torch.linalg.solve(damped(matrix, damping), downhill)
            moved = at + move / (2 * move[:, self.size :].abs().amax(-1, keepdim=True)).clamp(min=1.0)
            state = self.physics.admissible(unpack(moved[:, : self.size], self.physics))
            return torch.cat([pack(state), moved[:, self.size :]], -1)

        return descend(unknowns, step, iterations, lambda at: self.loss(at, sigma, turn))[0]

    def scatter(self, unknowns: Tensor, noise: float) -> Tensor:
        """Noise ``(B,)`` of each sequence: of its own residuals, and of what is common to all sequences."""
        residual = self.residuals(unknowns) * self.weight.sqrt()
        spread = torch.where(self.weight > 0.1, residual.abs(), math.nan).nanmedian(-1, keepdim=True).values
        spread = spread.nan_to_num(noise)
        total = torch.minimum(residual.abs(), 4.5 * spread).square().sum(-1)
        left = (self.weight.sum(-1) - unknowns.shape[-1]).clamp(min=0)
        common = (total / left.clamp(min=1)).sqrt().median().clamp(min=noise)
        return torch.sqrt((total + BELIEF * common**2) / (left + BELIEF))


def _slopes(physics: Physics, free: Tensor) -> Tensor:
    """Derivatives ``(*B, C)`` of the constants by their free numbers."""
    point = free.detach().clone().requires_grad_(True)
    total = torch.stack([c.to_value(point[..., i]).sum() for i, c in enumerate(physics.constants)]).sum()
    (slopes,) = torch.autograd.grad(total, point)
    return slopes
