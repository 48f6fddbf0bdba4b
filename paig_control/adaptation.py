"""Adaptation: the constants of a world that has changed, from a few of its frames, the eyes left as they are.

Each sequence (or window of a stream) has constants of its own. They are fitted together with its start state by
Levenberg-Marquardt on the robust misfit of the coordinates, as in identification, but one sequence alone may not tell
every constant: a normal prior around what was learned, widened to the change that is thought possible, decides what
the coordinates leave open. The error bars are those of the posterior (Gelman et al., Bayesian Data Analysis, 3rd ed.,
section 4.1), so a constant about which a sequence says nothing keeps the prior's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.inference import best_start, linearise, trajectory, unpack
from paig_control.learning.losses import frame_errors
from paig_control.model import PAIG, to_images
from paig_control.physics.base import Physics
from paig_control.types import State

BELIEF = 4.0
"""The noise expected of the readings counts as much as so many readings."""


class Prior(NamedTuple):
    """What is believed of the free constants before the new frames: mean and standard deviation, ``(C,)`` or ``(B, C)``."""

    mean: Tensor
    width: Tensor


@dataclass(frozen=True)
class Adapted:
    """What a batch of B sequences says, each for itself.

    Attributes:
        start: state ``(B, N, D)`` at the first frame.
        free: free constants ``(B, C)``; ``physics.as_values`` makes of them what ``physics.using`` takes.
        free_std: their standard deviations.
        values: constants ``(B,)`` by name.
        std: their standard deviations.
        noise: standard deviation ``(B,)`` of the readings about the fit, coordinates' units.
        readings: number ``(B,)`` of coordinates that were trusted.
    """

    start: State
    free: Tensor
    free_std: Tensor
    values: dict[str, Tensor]
    std: dict[str, Tensor]
    noise: Tensor
    readings: Tensor


def learned_prior(physics: Physics, std: Mapping[str, float], change: float) -> Prior:
    """The learned constants with their error bars, widened by the relative change that is thought possible.

    Args:
        physics: with the learned constants.
        std: error bars by name, in the constants' units.
        change: standard deviation of the change of a free constant, for a positive one of its logarithm.

    Raises:
        PaigError: for a change that is not positive.
    """
    if not change > 0:
        raise PaigError(f"change = {change}: expected a positive number, 0.3 for changes of about 30 %.")
    mean = physics.free.detach().double()
    errors = torch.tensor([std.get(name, 0.0) for name in physics.names], dtype=mean.dtype, device=mean.device)
    return Prior(mean, torch.sqrt(change**2 + (errors / _slopes(physics, mean)).square()))


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
    """Fit start state and constants of each sequence by itself; the physics keeps its own.

    Args:
        physics: the engine.
        coordinates: ``(B, T, N, D)`` observed, pixels or radians.
        actions: ``(B, T - 1, A)`` between the frames.
        prior: of the free constants.
        noise: of the readings, as expected; each sequence corrects it.
        trust: ``(B, T, N)``, which readings count; all of them if not given.
        rounds: times that the noise of each sequence is estimated anew.
        iterations: Levenberg-Marquardt steps in a round, at most.
        progress: called with the fraction done.

    Raises:
        PaigError: for fewer than three frames.
    """
    if coordinates.shape[1] < 3:
        raise PaigError(f"{coordinates.shape[1]} frames: at least 3 are needed to see an acceleration.")
    problem = _Problem(physics, coordinates.detach().double(), actions.detach().double(), prior, trust)
    start = best_start(physics, problem.observed, problem.actions)
    unknowns = torch.cat([start, problem.mean], -1)
    sigma = start.new_full(start.shape[:1], noise)
    # the first rounds meet constants that may be far off, and must not take the misfit for outliers
    for index in range(rounds):
        unknowns = _descend(problem, unknowns, sigma, math.inf if index == 0 else 3.0, iterations)
        sigma = problem.scatter(unknowns, noise)
        if progress:
            progress((index + 1) / rounds)
    normal, _ = problem.normal(unknowns, sigma, 3.0)
    covariance = torch.linalg.inv(normal + torch.diag_embed(1e-12 * normal.diagonal(dim1=-2, dim2=-1) + 1e-12))
    size = start.shape[-1]
    free = unknowns[:, size:]
    free_std = covariance.diagonal(dim1=-2, dim2=-1)[:, size:].sqrt()
    values = {name: value[:, 0, 0] for name, value in physics.as_values(free).items()}
    std = dict(zip(physics.names, (free_std * _slopes(physics, free)).unbind(-1), strict=True))
    readings = problem.weight.gt(0).sum(-1)
    out = Adapted(unpack(unknowns[:, :size], physics), free, free_std, values, std, sigma, readings); object.__setattr__(out,"cov",covariance[:,size:,size:]); return out


@torch.no_grad()
def trusted(model: PAIG, frames: Tensor, coordinates: Tensor, margin: int = 1) -> Tensor:
    """Which readings ``(*B, N)`` to trust, told from the frames alone.

    An object counts as read if all that its sprite changes in the picture lies within the frame, ``margin`` pixels
    from the border because it may have grown, and if the frame looks more like the picture with it than without it.

    Args:
        model: whose eyes read the frames.
        frames: ``(*B, h, w, 3)`` uint8.
        coordinates: ``(*B, N, D)`` as read.
        margin: pixels along the border in which nothing may lie of an object that is to be trusted.
    """
    drawer = model.renderer
    room, edge = drawer.window, drawer.window + margin
    wide = drawer.widened(room)
    images = to_images(frames.to(model.device)).flatten(0, -4)
    poses = model.kinematics.pose(coordinates.to(drawer.background)).reshape(-1, drawer.objects, 3)
    rows = []
    for image, pose in zip(images.split(128), poses.split(128), strict=True):
        at = pose + pose.new_tensor([room, room, 0.0])
        whole = wide(at)
        drawn = whole[..., room:-room, room:-room]
        seen = []
        for n in range(drawer.objects):
            gone = at.clone()
            gone[:, n, :2] = -2.0 * room - max(whole.shape[-2:])
            without = wide(gone)
            within = without[..., room:-room, room:-room]
            change = frame_errors(whole[..., edge:-edge, edge:-edge], without[..., edge:-edge, edge:-edge])
            full = frame_errors(whole, without)
            explains = frame_errors(within, image) > frame_errors(drawn, image)
            seen.append((change >= 0.999 * full) & explains)
        rows.append(torch.stack(seen, -1))
    return torch.cat(rows).reshape(coordinates.shape[:-1])


class _Problem:
    """Least squares of each sequence: unknowns ``(B, 2 N D + C)`` are the packed start state and the free constants."""

    def __init__(self, physics: Physics, observed: Tensor, actions: Tensor, prior: Prior, trust: Tensor | None) -> None:
        self.physics, self.observed, self.actions = physics, observed, actions
        batch, frames, objects, dims = observed.shape
        self.size = 2 * objects * dims
        self.mean = prior.mean.to(observed).expand(batch, len(physics.names))
        self.precision = 1 / prior.width.to(observed).expand_as(self.mean).square()
        every = observed.new_ones(batch, frames, objects) if trust is None else trust.to(observed)
        self.weight = every[..., None].expand_as(observed).flatten(1)

    def residuals(self, unknowns: Tensor) -> Tensor:
        """Observed minus predicted: ``(B, M)``."""
        with torch.no_grad(), self.physics.using(self.physics.as_values(unknowns[:, self.size :])):
            path = trajectory(self.physics, unpack(unknowns[:, : self.size], self.physics), self.actions)
        return self.physics.difference(self.observed, path).flatten(1)

    def loss(self, unknowns: Tensor, sigma: Tensor, turn: float) -> Tensor:
        """Half the negative log posterior ``(B,)``, of pseudo-Huber misfits that turn linear at ``turn`` sigma."""
        ratio = self.residuals(unknowns) / sigma[:, None]
        misfit = ratio**2 / 2 if math.isinf(turn) else turn**2 * (torch.sqrt(1 + (ratio / turn) ** 2) - 1)
        away = self.precision * (unknowns[:, self.size :] - self.mean).square() / 2
        return (self.weight * misfit).sum(-1) + away.sum(-1)

    def normal(self, unknowns: Tensor, sigma: Tensor, turn: float) -> tuple[Tensor, Tensor]:
        """Gauss-Newton matrix ``(B, P, P)`` of the loss, and its negative gradient ``(B, P)``."""
        free = unknowns[:, self.size :]
        line = linearise(self.physics, unknowns[:, : self.size], self.actions, 1e-3, constants=True, free=free)
        jacobian = torch.cat([line.by_state, line.by_constant], -1)
        residual = self.physics.difference(self.observed, line.positions).flatten(1)
        robust = 1 / torch.sqrt(1 + (residual / (turn * sigma[:, None])) ** 2)
        weight = (self.weight * robust / sigma[:, None] ** 2)[..., None]
        matrix = jacobian.mT @ (weight * jacobian)
        downhill = (jacobian.mT @ (weight * residual[..., None])).squeeze(-1)
        believed = torch.cat([torch.zeros_like(unknowns[:, : self.size]), self.precision], -1)
        toward = torch.cat([torch.zeros_like(unknowns[:, : self.size]), self.mean - free], -1)
        return matrix + torch.diag_embed(believed), downhill + believed * toward

    def scatter(self, unknowns: Tensor, noise: float) -> Tensor:
        """Noise ``(B,)`` of each sequence: robust spread of its residuals, and what was expected."""
        residual = self.residuals(unknowns)
        count = self.weight.sum(-1)
        spread = torch.where(self.weight > 0, residual.abs(), math.nan).nanmedian(-1).values.nan_to_num(noise)
        clipped = residual.clamp(-(4.5 * spread)[:, None], (4.5 * spread)[:, None])
        total = (self.weight * clipped.square()).sum(-1)
        left = (count - unknowns.shape[-1]).clamp(min=0)
        return torch.sqrt((total + BELIEF * noise**2) / (left + BELIEF))


def _descend(problem: _Problem, unknowns: Tensor, sigma: Tensor, turn: float, iterations: int) -> Tensor:
    """Levenberg-Marquardt, every sequence with a damping of its own; a step that does not help is refused."""
    damping = torch.full_like(sigma, 1e-3)
    loss = problem.loss(unknowns, sigma, turn)
    for _ in range(iterations):
        matrix, downhill = problem.normal(unknowns, sigma, turn)
        diagonal = matrix.diagonal(dim1=-2, dim2=-1)
        step = torch.linalg.solve(matrix + torch.diag_embed(damping[:, None] * diagonal + 1e-9), downhill)
        step = step / step[:, problem.size :].abs().amax(-1, keepdim=True).clamp(min=0.5).mul(2) if step.shape[
            -1
        ] > problem.size else step
        tried = unknowns + step
        new = problem.loss(tried, sigma, turn)
        better = new < loss
        settled = bool(((loss - new).abs() <= 1e-6 * (1 + loss)).all())
        unknowns = torch.where(better[:, None], tried, unknowns)
        loss = torch.where(better, new, loss)
        damping = torch.where(better, damping / 5, damping * 10).clamp(1e-9, 1e6)
        if settled:
            break
    return unknowns


def _slopes(physics: Physics, free: Tensor) -> Tensor:
    """Derivatives ``(*B, C)`` of the constants by their free numbers."""
    point = free.detach().clone().requires_grad_(True)
    values = [c.to_value(point[..., i]).sum() for i, c in enumerate(physics.constants)]
    if not values:
        return torch.ones_like(free)
    (slopes,) = torch.autograd.grad(torch.stack(values).sum(), point)
    return slopes
