"""Identification: the constants of physics, by matching trajectories in coordinates.

All start states, the constants and the gauge (ways in which what the localiser calls an object's place may differ
from what physics does: a constant offset, a misplaced pivot) are fitted together by Levenberg-Marquardt: each
sequence's start state is eliminated by a Schur complement, so a step costs one batched rollout. The loss is robust,
the horizon grows, and a step that raises the loss is refused, so a stage can only improve. The covariance of the
constants is the linearised jackknife over sequences (Efron and Stein 1981; CR3 of Bell and McCaffrey 2002), which
stays honest when errors within a sequence are correlated, or when a few sequences carry most of what is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.inference import best_start, linearise, trajectory, unpack
from paig_control.learning.settings import IdentifySettings
from paig_control.physics.base import Physics
from paig_control.physics.integrators import integrate_by


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
        offset: ``(N, D)``, constant to be added to the observed coordinates.
        rms: root mean square of the residuals, in coordinates' units, outliers included.
        history: one row a step: horizon, loss and the constants' values.
    """

    constants: dict[str, Estimate]
    offset: Tensor
    rms: float
    history: list[dict[str, float]]


class _Problem:
    """One horizon's least-squares problem: residuals, robust weights, and the reduced normal equations."""

    def __init__(self, physics: Physics, observed: Tensor, actions: Tensor, gauge: Tensor) -> None:
        self.physics, self.observed, self.actions, self.gauge = physics, observed, actions, gauge

    def _against(self, path: Tensor, shifts: Tensor) -> Tensor:
        return self.physics.difference(self.observed + self.gauge @ shifts, path).flatten(1)

    def residuals(self, start: Tensor, shifts: Tensor) -> Tensor:
        """Observed plus gauge minus predicted: ``(B, M)``."""
        with torch.no_grad():
            return self._against(trajectory(self.physics, unpack(start, self.physics), self.actions), shifts)

    def loss(self, start: Tensor, shifts: Tensor, scale: float) -> float:
        """Mean pseudo-Huber loss."""
        ratio = self.residuals(start, shifts) / scale
        return float((torch.sqrt(1 + ratio**2) - 1).mean())

    def reduced(self, start: Tensor, shifts: Tensor, scale: float, damping: float) -> tuple[Tensor, Tensor, Tensor]:
        """Normal equations in the shared unknowns (free constants, gauge) of each sequence, and its way back.

        Returns the matrix ``(B, S, S)`` and the right-hand side ``(B, S)`` with the start state eliminated, and
        ``(B, P, S + 1)``, from which the start state's step follows once the shared step is known.
        """
        line = linearise(self.physics, start, self.actions, step=1e-3, constants=True)
        residual = self._against(line.positions, shifts)
        weight = (1 / torch.sqrt(1 + (residual / scale) ** 2))[..., None]
        own, shared = line.by_state, torch.cat([line.by_constant, -self.gauge.flatten(1, 3)], -1)
        matrix = own.mT @ (weight * own)
        matrix = matrix + torch.diag_embed(damping * matrix.diagonal(dim1=-2, dim2=-1) + 1e-12)
        mixed = own.mT @ (weight * shared)
        target = own.mT @ (weight * residual[..., None])
        back = torch.linalg.solve(matrix, torch.cat([mixed, target], -1))
        hess = shared.mT @ (weight * shared) - mixed.mT @ back[..., :-1]
        score = shared.mT @ (weight * residual[..., None]) - mixed.mT @ back[..., -1:]
        return hess, score.squeeze(-1), back


def identify(
    physics: Physics,
    coordinates: Tensor,
    actions: Tensor,
    settings: IdentifySettings | None = None,
    gauge: Tensor | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Identified:
    """Fit the constants of ``physics`` (in place, its integrator too) to observed coordinates.

    Args:
        physics: its constants are where the search starts.
        coordinates: ``(B, T, N, D)`` observed.
        actions: ``(B, T - 1, A)``.
        settings: horizons and steps.
        gauge: ``(B, T, N, D, G)``, ways in which all coordinates may be off together, the first N D of them
            constant offsets; those offsets alone if not given.
        progress: called with the fraction done and a line of text.

    Raises:
        PaigError: when there are too few frames or sequences to tell the constants.
    """
    settings = settings or IdentifySettings()
    if coordinates.shape[1] < 3:
        raise PaigError(f"Sequences of {coordinates.shape[1]} frames: at least 3 are needed to see an acceleration.")
    if coordinates.shape[0] < 2:
        raise PaigError("One sequence alone gives no error bars: at least 2 are needed, some tens are good.")
    observed, actions = coordinates.detach().double(), actions.detach().double()
    size = physics.objects * physics.dims
    if gauge is None:
        eye = torch.eye(size, dtype=observed.dtype, device=observed.device)
        gauge = eye.reshape(physics.objects, physics.dims, size).expand(*observed.shape, size)
    before = physics.free.detach().clone()
    best: tuple[Identified, str, Tensor] | None = None
    for index, integrator in enumerate(settings.integrators):
        with torch.no_grad():
            physics.free.copy_(before)
        integrate_by(physics, integrator)

        def tell(part: float, text: str, index: int = index) -> None:
            if progress:
                progress((index + part) / len(settings.integrators), text)

        found = _match(physics, observed, actions, gauge.detach().double(), settings, tell)
        if best is None or found.rms < best[0].rms:
            best = (found, integrator, physics.free.detach().clone())
    assert best is not None
    with torch.no_grad():
        physics.free.copy_(best[2])
    integrate_by(physics, best[1])
    return best[0]


def _match(
    physics: Physics,
    observed: Tensor,
    actions: Tensor,
    gauge: Tensor,
    settings: IdentifySettings,
    tell: Callable[[float, str], None],
) -> Identified:
    """Growing horizons with one integrator."""
    length = observed.shape[1]
    horizons = [min(settings.first_horizon, length)]
    while horizons[-1] < length:
        horizons.append(min(length, max(horizons[-1] + 1, round(horizons[-1] * settings.growth))))
    first = horizons[0]
    start = best_start(physics, observed[:, :first], actions[:, : first - 1])
    shifts = observed.new_zeros(gauge.shape[-1])
    history: list[dict[str, float]] = []
    for stage, horizon in enumerate(horizons):
        tell(stage / len(horizons), f"{horizon} frames")
        problem = _Problem(physics, observed[:, :horizon], actions[:, : horizon - 1], gauge[:, :horizon])
        unknown = len(physics.names) + (len(shifts) if horizon >= settings.gauge_from else 0)
        start, shifts, scale, loss = _descend(problem, start, shifts, unknown, settings.iterations)
        history.append({"horizon": float(horizon), "loss": loss, **physics.values()})
    return _summarise(problem, start, shifts, scale, unknown, history)


def _descend(
    problem: _Problem, start: Tensor, shifts: Tensor, unknown: int, iterations: int
) -> tuple[Tensor, Tensor, float, float]:
    """Levenberg-Marquardt on one horizon; the first ``unknown`` shared numbers move. Refuses steps that do not help."""
    physics, count = problem.physics, len(problem.physics.names)
    damping = 1e-3
    scale = _scale(problem.residuals(start, shifts))
    loss = problem.loss(start, shifts, scale)
    for _ in range(iterations):
        hess, score, back = problem.reduced(start, shifts, scale, damping)
        total, gradient = hess.sum(0)[:unknown, :unknown], score.sum(0)[:unknown]
        step = score.new_zeros(score.shape[1])
        damped = total + torch.diag(damping * total.diagonal() + 1e-12)
        step[:unknown] = torch.linalg.solve(damped, gradient)
        step = step / max(1.0, float(step[:count].abs().max()) if count else 0.0)
        new_start = start + back[..., -1] - back[..., :-1] @ step
        new_shifts = shifts + step[count:]
        free = physics.free.detach().clone()
        with torch.no_grad():
            physics.free.add_(step[:count].to(free))
        new_loss = problem.loss(new_start, new_shifts, scale)
        if new_loss < loss:
            small = loss - new_loss < 1e-7 * new_loss
            start, shifts, damping = new_start, new_shifts, max(damping / 5, 1e-9)
            scale = min(scale, _scale(problem.residuals(start, shifts)))
            loss = problem.loss(start, shifts, scale)
            if small:
                break
        else:
            with torch.no_grad():
                physics.free.copy_(free)
            damping *= 10
            if damping > 1e3:
                break
    return start, shifts, scale, loss


def _scale(residual: Tensor) -> float:
    """Where the loss turns from square to absolute: three robust standard deviations."""
    return max(3 * 1.4826 * float(residual.abs().median()), 1e-6)


def _summarise(
    problem: _Problem,
    start: Tensor,
    shifts: Tensor,
    scale: float,
    unknown: int,
    history: list[dict[str, float]],
) -> Identified:
    """Error bars by the jackknife over sequences, and the residuals' size."""
    physics = problem.physics
    hess, score, _ = problem.reduced(start, shifts, scale, 0.0)
    hess, score = hess[:, :unknown, :unknown], score[:, :unknown]
    inverse = torch.linalg.pinv(hess.sum(0) - hess, hermitian=True)
    moved = (inverse @ score[..., None]).squeeze(-1)
    batch = score.shape[0]
    variance = moved.square().sum(0) * ((batch - 1) / batch)
    constants = {}
    for i, constant in enumerate(physics.constants):
        point = physics.free[i].detach().requires_grad_(True)
        value = constant.to_value(point)
        (slope,) = torch.autograd.grad(value, point)
        std = float(slope) * math.sqrt(float(variance[i]))
        constants[constant.name] = Estimate(float(value.detach()), std, constant.unit)
    offset = shifts[: physics.objects * physics.dims].reshape(physics.objects, physics.dims)
    rms = float(problem.residuals(start, shifts).square().mean().sqrt())
    return Identified(constants, offset, rms, history)
