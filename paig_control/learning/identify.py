"""Identification: the constants of physics, by matching trajectories in coordinates.

All start states, the constants and the gauge (a constant offset between what the localiser calls an object's
place and what physics does) are fitted together by Levenberg-Marquardt: each sequence's start state is
eliminated by a Schur complement, so a step costs one batched rollout. The loss is robust, the horizon grows,
and a step that raises the loss is refused, so a stage can only improve. The covariance of the constants is
the linearised jackknife over sequences (Efron and Stein 1981; the CR3 estimator of Bell and McCaffrey 2002), which
stays honest when errors within a sequence are correlated, or when a few sequences carry most of what is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.inference import first_guess, linearise, trajectory, unpack
from paig_control.learning.settings import IdentifySettings
from paig_control.physics.base import Physics


@dataclass(frozen=True)
class Estimate:
    """A constant with its error bar."""

    value: float
    std: float
    unit: str

    def __str__(self) -> str:
        """For example ``10.01 ± 0.03 m/s²``."""
        digits = 2 if not self.std > 0 else max(0, 1 - math.floor(math.log10(self.std)))
        return f"{self.value:.{digits}f} ± {self.std:.{digits}f} {self.unit}".rstrip()


@dataclass(frozen=True)
class Identified:
    """What identification found.

    Attributes:
        constants: value and standard deviation by name.
        offset: ``(N, D)``, to be added to the observed coordinates.
        start: ``(B, 2 N D)``, packed start states.
        rms: root mean square of the residuals, in coordinates' units, outliers included.
        scale: robust scale of the residuals.
        loss: the robust loss reached, a mean over residuals.
        history: one row a step: horizon, loss and the constants' values.
    """

    constants: dict[str, Estimate]
    offset: Tensor
    start: Tensor
    rms: float
    scale: float
    loss: float
    history: list[dict[str, float]]


class _Problem:
    """One horizon's least-squares problem: residuals, robust weights, and the reduced normal equations."""

    def __init__(self, physics: Physics, observed: Tensor, actions: Tensor) -> None:
        self.physics, self.observed, self.actions = physics, observed, actions

    def residuals(self, start: Tensor, offset: Tensor) -> Tensor:
        """Observed plus offset minus predicted: ``(B, M)``."""
        path = trajectory(self.physics, unpack(start, self.physics), self.actions)
        return self.physics.difference(self.observed + offset, path).flatten(1)

    def loss(self, start: Tensor, offset: Tensor, scale: float) -> float:
        """Mean pseudo-Huber loss."""
        with torch.no_grad():
            ratio = self.residuals(start, offset) / scale
            return float((torch.sqrt(1 + ratio**2) - 1).mean())

    def reduced(self, start: Tensor, offset: Tensor, scale: float, damping: float) -> tuple[Tensor, ...]:
        """Normal equations in the shared unknowns (free constants, offset), start states eliminated."""
        line = linearise(self.physics, start, self.actions, step=1e-3, constants=True)
        residual = self.physics.difference(self.observed + offset, line.positions).flatten(1)
        weight = 1 / torch.sqrt(1 + (residual / scale) ** 2)
        batch, frames = self.observed.shape[:2]
        eye = torch.eye(offset.numel(), dtype=start.dtype, device=start.device)
        by_offset = -eye.repeat(frames, 1).expand(batch, -1, -1)
        shared = torch.cat([line.by_constant, by_offset], -1)
        own = line.by_state
        ws, wo = shared * weight[..., None], own * weight[..., None]
        oo = own.mT @ wo
        oo = oo + torch.diag_embed(damping * oo.diagonal(dim1=-2, dim2=-1) + 1e-12)
        os, ss = own.mT @ ws, shared.mT @ ws
        go, gs = (wo.mT @ residual[..., None]), (ws.mT @ residual[..., None])
        back = torch.linalg.solve(oo, torch.cat([os, go], -1))
        hess = ss - os.mT @ back[..., :-1]
        score = (gs - os.mT @ back[..., -1:]).squeeze(-1)
        return hess, score, back


def identify(
    physics: Physics,
    coordinates: Tensor,
    actions: Tensor,
    settings: IdentifySettings | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Identified:
    """Fit the constants of ``physics`` (in place) to observed coordinates.

    Args:
        physics: its constants are where the search starts.
        coordinates: ``(B, T, N, D)`` observed.
        actions: ``(B, T - 1, A)``.
        settings: horizons and steps.
        progress: called with the fraction done and a line of text.

    Raises:
        PaigError: when there are too few frames to see an acceleration.
    """
    settings = settings or IdentifySettings()
    if coordinates.shape[1] < 3:
        raise PaigError(f"Sequences of {coordinates.shape[1]} frames: at least 3 are needed to see an acceleration.")
    observed, actions = coordinates.detach().double(), actions.detach().double()
    before = physics.free.detach().clone()
    best: tuple[Identified, int, Tensor] | None = None
    for index, substeps in enumerate(settings.substeps):
        with torch.no_grad():
            physics.free.copy_(before)
        physics.substeps = substeps

        def tell(part: float, text: str, index: int = index) -> None:
            if progress:
                progress((index + part) / len(settings.substeps), text)

        found = _match(physics, observed, actions, settings, tell)
        if best is None or found.rms < best[0].rms:
            best = (found, substeps, physics.free.detach().clone())
    assert best is not None
    with torch.no_grad():
        physics.free.copy_(best[2])
    physics.substeps = best[1]
    return best[0]


def _match(
    physics: Physics,
    observed: Tensor,
    actions: Tensor,
    settings: IdentifySettings,
    tell: Callable[[float, str], None],
) -> Identified:
    """Growing horizons at one number of substeps."""
    length = observed.shape[1]
    horizons = [min(settings.first_horizon, length)]
    while horizons[-1] < length:
        horizons.append(min(length, max(horizons[-1] + 1, round(horizons[-1] * settings.growth))))
    start = first_guess(physics, observed)
    offset = observed.new_zeros(physics.objects, physics.dims)
    history: list[dict[str, float]] = []
    scale = 1.0
    for stage, horizon in enumerate(horizons):
        problem = _Problem(physics, observed[:, :horizon], actions[:, : horizon - 1])
        damping = 1e-3
        scale = _scale(problem.residuals(start, offset).detach())
        loss = problem.loss(start, offset, scale)
        for iteration in range(settings.iterations):
            tell((stage + iteration / settings.iterations) / len(horizons), f"{horizon} frames")
            new_loss, improved = loss, False
            hess, score, back = problem.reduced(start, offset, scale, damping)
            total, gradient = hess.sum(0), score.sum(0)
            keep = len(physics.names) + (offset.numel() if horizon >= settings.offset_from else 0)
            step = _solve(total[:keep, :keep], gradient[:keep], damping)
            step = torch.cat([step, step.new_zeros(total.shape[0] - keep)])
            largest = step[: len(physics.names)].abs().max() if physics.names else step.new_zeros(())
            step = step / max(1.0, float(largest))
            own = back[..., -1] - back[..., :-1] @ step
            free = physics.free.detach().clone()
            with torch.no_grad():
                physics.free += step[: len(free)].to(free)
            new_start, new_offset = start + own, offset + step[len(free) :].reshape(offset.shape)
            new_loss = problem.loss(new_start, new_offset, scale)
            improved = new_loss < loss
            if improved:
                gain = loss - new_loss
                start, offset, loss = new_start, new_offset, new_loss
                damping = max(damping / 5, 1e-9)
                scale = min(scale, _scale(problem.residuals(start, offset).detach()))
                loss = problem.loss(start, offset, scale)
                history.append({"horizon": float(horizon), "loss": loss, **physics.values()})
                if gain < 1e-7 * max(new_loss, 1e-12):
                    break
            else:
                with torch.no_grad():
                    physics.free.copy_(free)
                damping *= 10
                if damping > 1e3:
                    break
    return _summarise(physics, problem, start, offset, scale, loss, history)


def _scale(residual: Tensor) -> float:
    """Where the loss turns from square to absolute: three robust standard deviations."""
    return max(3 * 1.4826 * float(residual.abs().median()), 1e-6)


def _solve(matrix: Tensor, gradient: Tensor, damping: float) -> Tensor:
    """Damped solution of the reduced equations."""
    damped = matrix + torch.diag(damping * matrix.diagonal() + 1e-12)
    return torch.linalg.solve(damped, gradient)


def _summarise(
    physics: Physics, problem: _Problem, start: Tensor, offset: Tensor, scale: float, loss: float,
    history: list[dict[str, float]],
) -> Identified:
    """Error bars by the jackknife over sequences, and the residuals' size."""
    hess, score, _ = problem.reduced(start, offset, scale, 0.0)
    inverse = torch.linalg.pinv(hess.sum(0) - hess, hermitian=True)
    moved = (inverse @ score[..., None]).squeeze(-1)
    batch = score.shape[0]
    covariance = moved.mT @ moved * ((batch - 1) / batch)
    free = physics.free.detach()
    constants = {}
    for i, constant in enumerate(physics.constants):
        point = free[i].clone().requires_grad_(True)
        value = constant.to_value(point)
        (slope,) = torch.autograd.grad(value, point)
        std = float(slope) * math.sqrt(max(float(covariance[i, i]), 0.0))
        constants[constant.name] = Estimate(float(value.detach()), std, constant.unit)
    residual = problem.residuals(start, offset).detach()
    rms = float(residual.square().mean().sqrt())
    return Identified(constants, offset.detach(), start.detach(), rms, scale, loss, history)
