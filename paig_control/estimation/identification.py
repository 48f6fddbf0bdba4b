"""Identification: the constants of physics, by matching trajectories in coordinates.

All start states, the constants and the gauge (ways in which what the localiser calls an object's place may differ
from what physics does: a constant offset, a misplaced pivot) are fitted together by Levenberg-Marquardt: each
sequence's start state is eliminated by a Schur complement, so a step costs one batched rollout. The loss is robust,
the horizon grows, and a step that raises the loss is refused, so a stage can only improve. The covariance of the
constants is the linearised jackknife over sequences (Efron and Stein 1981; CR3 of Bell and McCaffrey 2002), which
stays honest when errors within a sequence are correlated, or when a few sequences carry most of what is known. Many
films average noise away, but not what the eyes get wrong in all of them: see ``AVERAGED``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.estimation.least_squares import damped, descend
from paig_control.estimation.matched import Matched
from paig_control.estimation.settings import IdentifySettings
from paig_control.estimation.state import believed, trajectory, unpack
from paig_control.physics.base import CONVERGENT, DAMPED, FORWARD, RUNGE_KUTTA, Physics, integrate_by
from paig_control.physics.dynamics import Constant
from paig_control.types import State

AVERAGED = 2500
"""So many readings (numbers, not films) average their errors away, and no more: a part of each error is the same in all
films, from a sprite's shape or its faint rim over a neighbour. Of 0.0028 px rms on Spring 0.00006 px count as such."""
LINKED = 50
"""The same of bodies on joints, whose pictures partly cover one another: of 0.028 px rms on CartPole-v1 0.015 px are
the same wherever the pole leans alike, of 0.0022 rad on Acrobot-v1 0.0006 rad."""
JOINTED = (f"{RUNGE_KUTTA}-1", f"{FORWARD}-1")
"""Integrators that are tried too where bodies move on joints: what other people's environments advance them by."""
BROKEN = 6.0
"""Films whose residuals are so many times those of the usual film obey another law: something is hit, or leaves."""
PARTS = 16
"""A step of first order is thought to be made of so many parts a frame, at most."""
ODDS = {**dict.fromkeys(CONVERGENT, 1.0), DAMPED: 1.01}
"""What schemes' losses are multiplied by before they are compared: where films hardly tell them apart, exact motion is
taken, then MuJoCo's own scheme, whose constants differ from those of explicit friction."""
OTHERS = 1.02
"""The same of all others."""
SAME = 1e-6
"""Paths that are no further apart are the same: px or rad."""


@dataclass(frozen=True)
class Estimate:
    """A constant with its error bar.

    Attributes:
        value: as found.
        std: its standard deviation; NaN where none can be given.
        unit: of both.
        limit: where the films cannot tell the constant from its lower bound: what it is hardly above, instead of an
            error bar.
    """

    value: float
    std: float
    unit: str
    limit: float | None = None

    def __str__(self) -> str:
        """For example ``10.01 ± 0.03 m/s²``, ``10.01 ± — m/s²`` without an error bar, or ``< 0.02 1/s``; six digits."""
        if self.limit is not None:
            return f"< {self.limit:.2g} {self.unit}".rstrip()
        if not math.isfinite(self.std):
            return f"{self.value:.4g} ± — {self.unit}".rstrip()
        size = math.floor(math.log10(max(abs(self.value), self.std, sys.float_info.min)))
        power = 0 if -3 <= size <= 5 else size
        value, std = self.value / 10.0**power, self.std / 10.0**power
        finest = 5 - (size - power)
        digits = min(finest, 2 if not std > 0 else 1 - math.floor(math.log10(std)))
        value, digits = round(value, digits), max(digits, 0)
        shown = (
            f"{value:.{digits}f} ± {std:.{digits}f}" if round(std, digits) > 0 else f"{value:.{digits}f} ± {std:.1g}"
        )
        return f"{shown if not power else f'({shown})e{power:+d}'} {self.unit}".rstrip()


@dataclass(frozen=True)
class Identified:
    """What identification found.

    Attributes:
        constants: value and standard deviation by name.
        offset: ``(N, D)``, constant to be added to the observed coordinates.
        rms: root mean square of the residuals, in coordinates' units, outliers included.
        history: one row a step: horizon, loss and the constants' values.
        anywhere: ``(D,)``, whether all objects could stand elsewhere along this coordinate and move just the same, so
            that nothing tells the part of ``offset`` that they have in common.
        broken: films that were left out in the end, because no constants that suit the others explain them.
    """

    constants: dict[str, Estimate]
    offset: Tensor
    rms: float
    history: list[dict[str, float]]
    anywhere: Tensor
    broken: int = 0


class _Fit(NamedTuple):
    """Where a descent ended: start states, gauge, the loss's scale, the loss."""

    start: Tensor
    shifts: Tensor
    scale: float
    loss: float


class _Tried(NamedTuple):
    """An integrator, the free constants that it led to, where the scouts ended, and the way there."""

    integrator: str
    free: Tensor
    fit: _Fit
    history: list[dict[str, float]]


def identify(
    physics: Physics,
    coordinates: Tensor,
    actions: Tensor,
    settings: IdentifySettings | None = None,
    gauge: Tensor | None = None,
    trust: Tensor | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Identified:
    """Fit the constants of ``physics`` (in place, its integrator too) to observed coordinates.

    A part of the films, the scouts, walk through the growing horizons with each integrator in turn, and tell how much
    the constants owe to the chosen integrator's step; all films then go to the full horizon with what they found.
    A scheme of first order is tried in smaller and smaller parts, too, and with implicit friction where there is some.

    Args:
        physics: its constants are where the search starts.
        coordinates: ``(B, T, N, D)`` observed.
        actions: ``(B, T - 1, A)``.
        settings: horizons and steps.
        gauge: ``(B, T, N, D, G)``, ways in which all coordinates may be off together, the first N D of them
            constant offsets; those offsets alone if not given.
        trust: ``(B, T, N, D)``, inverse variances of the coordinates up to a common factor; all alike by default.
        progress: called with the fraction done and a line of text.

    Raises:
        PaigError: when there are too few frames or sequences to tell the constants.
    """
    settings = settings or IdentifySettings()
    batch, length = coordinates.shape[:2]
    if length < 3:
        raise PaigError(f"Sequences of {length} frames: at least 3 are needed to see an acceleration.")
    if batch < 2:
        raise PaigError("One sequence alone gives no error bars: at least 2 are needed, some tens are good.")
    observed, actions = coordinates.detach().double(), actions.detach().double()
    size = physics.objects * physics.dims
    if gauge is None:
        eye = torch.eye(size, dtype=observed.dtype, device=observed.device)
        gauge = eye.reshape(physics.objects, physics.dims, size).expand(*observed.shape, size)
    if trust is None:
        trust = torch.ones_like(observed)
    whole = Matched(physics, observed, actions, gauge.detach(), believed(trust).double())
    few = scouts(batch, settings.scouts).to(observed.device)
    tell = progress or (lambda fraction, text: None)

    def between(low: float, high: float, text: str) -> Callable[[float], None]:
        return lambda part: tell(low + (high - low) * part, text)

    history: list[dict[str, float]] = []
    before = physics.free.detach().clone()
    names = [*settings.integrators, *(JOINTED if physics.kinematics == "tree" else ())]
    tried: list[_Tried] = []
    for index, integrator in enumerate(names):
        _set_free(physics, before)
        integrate_by(physics, integrator)
        horizons = _horizons(settings.first_horizon, length, settings.growth)
        low, high = (0.6 * (index + end) / len(names) for end in (0, 1))
        fit, history = _walk(whole, few, horizons, None, settings, between(low, high, integrator))
        tried.append(_Tried(integrator, physics.free.detach().clone(), fit, history))
    problem = whole.first(length, few)
    rough = [one for one in tried if _finer(one.integrator, physics.rubs)]
    while rough and (finer := _finer((coarse := _best(problem, rough)).integrator, physics.rubs)) is not None:
        if finer in {one.integrator for one in rough}:
            break
        tell(0.6, finer)
        integrate_by(physics, finer)
        fit = _descend(problem, *coarse.fit[:2], _unknown(whole, length, settings), settings.iterations)
        rough.append(_Tried(finer, physics.free.detach().clone(), fit, coarse.history))
    _, _, fit, history = _best(problem, [*tried, *rough])
    owed = torch.zeros_like(physics.free)
    if physics.scheme in CONVERGENT:
        tell(0.6, "integrator's step")
        owed = _owed_to_step(whole.first(length, few), fit, settings)
    if len(few) < batch:
        horizons = _horizons(settings.first_horizon, length, settings.growth**2)
        fit, more = _walk(whole, slice(None), horizons, fit.shifts, settings, between(0.6, 1.0, "all"))
        history += more
    unknown, rms = _unknown(whole, length, settings), whole.rms(fit.start, fit.shifts)
    each = whole.rms_each(fit.start, fit.shifts)
    sound = (each <= BROKEN * each.nanmedian() + SAME).nonzero()[:, 0]
    if len(sound) < batch:
        whole = whole.first(length, sound)
        fit = _descend(whole, fit.start[sound], fit.shifts, unknown, settings.iterations)
    _set_free(physics, physics.free.detach() - owed)
    return replace(_summarise(whole, fit, unknown, history), rms=rms, broken=batch - len(sound))


def _best(problem: Matched, tried: list[_Tried]) -> _Tried:
    """The likeliest integrator, which the physics takes over with what it led to."""
    scale = min(one.fit.scale for one in tried)

    def worth(one: _Tried) -> float:
        _set_free(problem.physics, one.free)
        integrate_by(problem.physics, one.integrator)
        return float(problem.loss(one.fit.start, one.fit.shifts, scale)) * ODDS.get(problem.physics.scheme, OTHERS)

    best = min(tried, key=worth)
    worth(best)
    return best


def _finer(integrator: str, rubs: bool) -> str | None:
    """What is nearer than an integrator of first order to how an engine may step; None where nothing is."""
    scheme, _, parts = integrator.rpartition("-")
    if rubs and scheme == "euler":
        return f"{DAMPED}-{parts}"
    return f"{scheme}-{2 * int(parts)}" if scheme in ("euler", DAMPED) and 2 * int(parts) <= PARTS else None


def scouts(batch: int, most: int) -> Tensor:
    """Numbers of at most so many films out of ``batch``, evenly spread."""
    return torch.linspace(0, batch - 1, min(most, batch)).round().long()


def _set_free(physics: Physics, free: Tensor) -> None:
    with torch.no_grad():
        physics.free.copy_(free)


def _horizons(first: int, length: int, growth: float) -> list[int]:
    """Growing windows, the last one of full length."""
    horizons = [min(first, length)]
    while horizons[-1] < length:
        horizons.append(min(length, max(horizons[-1] + 1, round(horizons[-1] * growth))))
    return horizons


def _unknown(problem: Matched, horizon: int, settings: IdentifySettings) -> int:
    """Shared numbers that are solved for in a window: the constants, and the gauge where it is long enough."""
    return len(problem.physics.names) + (problem.gauge.shape[-1] if horizon >= settings.gauge_from else 0)


def _walk(
    whole: Matched,
    films: Tensor | slice,
    horizons: list[int],
    shifts: Tensor | None,
    settings: IdentifySettings,
    tell: Callable[[float], None],
) -> tuple[_Fit, list[dict[str, float]]]:
    """Fit growing horizons in turn; the gauge starts at ``shifts``, or at none."""
    start = whole.first(horizons[0], films).best_start()
    if shifts is None:
        shifts = whole.observed.new_zeros(whole.gauge.shape[-1])
    history: list[dict[str, float]] = []
    for index, horizon in enumerate(horizons):
        problem = whole.first(horizon, films)
        unknown = _unknown(whole, horizon, settings)
        tolerance = 1e-6 if horizon == horizons[-1] else 1e-3

        def walked(part: float, done: int = index) -> None:
            tell((done + part) / len(horizons))

        fit = _descend(problem, start, shifts, unknown, settings.iterations, tolerance, walked)
        start, shifts = fit.start, fit.shifts
        history.append({"horizon": float(horizon), "loss": fit.loss, **whole.physics.values()})
    return fit, history


def _owed_to_step(problem: Matched, fit: _Fit, settings: IdentifySettings) -> Tensor:
    """By how much the free constants exceed those that half the integrator's step would give, on the same films."""
    physics = problem.physics
    unknown = _unknown(problem, problem.observed.shape[1], settings)
    found, parts = physics.free.detach().clone(), physics.substeps
    physics.substeps = 2 * parts
    _descend(problem, fit.start, fit.shifts, unknown, settings.iterations)
    owed = found - physics.free.detach()
    physics.substeps = parts
    _set_free(physics, found)
    return owed


def _descend(
    problem: Matched,
    start: Tensor,
    shifts: Tensor,
    unknown: int,
    iterations: int,
    tolerance: float = 1e-6,
    tell: Callable[[float], None] = lambda part: None,
) -> _Fit:
    """Go down on one horizon; the first ``unknown`` shared numbers move, the physics' constants among them, in place.

    It ends when a step lowers the loss by less than a part ``tolerance`` of it.
    """
    physics, count = problem.physics, len(problem.physics.names)
    scale = problem.scale(start, shifts)
    low, high = start.new_tensor([c.reach for c in physics.constants]).reshape(-1, 2).unbind(-1)

    def parts(at: Tensor) -> tuple[Tensor, Tensor]:
        """Start states and gauge; the physics takes over the constants."""
        free, gauge, states = at[0].split([count, len(shifts), start.numel()])
        _set_free(physics, free.to(physics.free))
        return states.reshape(start.shape), gauge

    def step(at: Tensor, damping: Tensor) -> Tensor:
        hess, score, back = problem.reduced(*parts(at), scale, float(damping))
        total, gradient = hess.sum(0)[:unknown, :unknown], score.sum(0)[:unknown]
        shared = score.new_zeros(score.shape[1])
        shared[:unknown] = torch.linalg.solve(damped(total, damping[0], 1e-12), gradient)
        shared = shared / max(1.0, float(shared[:count].abs().max()) if count else 0.0)
        own = back[..., -1] - back[..., :-1] @ shared
        moved = at[0] + torch.cat([shared, own.flatten()])
        free = torch.minimum(torch.maximum(moved[:count], low), high)
        return torch.cat([free, moved[count:]])[None]

    def loss(at: Tensor) -> Tensor:
        return problem.loss(*parts(at), scale)[None]

    def tighten(at: Tensor) -> None:
        nonlocal scale
        scale = min(scale, problem.scale(*parts(at)))

    first = torch.cat([physics.free.detach().to(start), shifts, start.flatten()])[None]
    found, left = descend(first, step, iterations, loss, tolerance, tighten=tighten, tell=tell)
    return _Fit(*parts(found), scale, float(left))


def _summarise(problem: Matched, fit: _Fit, unknown: int, history: list[dict[str, float]]) -> Identified:
    """Error bars and the residuals' size."""
    physics = problem.physics
    hess, score, _ = problem.reduced(fit.start, fit.shifts, fit.scale, 0.0)
    hess, score = hess[:, :unknown, :unknown], score[:, :unknown]
    told = hess.sum(0).diagonal().sqrt()
    size = torch.where(told > 0, 1 / told, 0.0)
    inverse = torch.linalg.pinv(size[:, None] * (hess.sum(0) - hess) * size, hermitian=True)
    moved = size * (inverse @ (size * score)[..., None]).squeeze(-1)
    batch = score.shape[0]
    variance = moved.square().sum(0) * ((batch - 1) / batch)
    variance = variance * (1 + float(problem.trust.sum()) / (LINKED if physics.kinematics == "tree" else AVERAGED))
    constants = {}
    for i, constant in enumerate(physics.constants):
        point = physics.free[i].detach().requires_grad_(True)
        value = constant.to_value(point)
        (slope,) = torch.autograd.grad(value, point)
        std = float(slope) * math.sqrt(float(variance[i])) if float(told[i]) > 0 else math.nan
        constants[constant.name] = _estimate(constant, float(value.detach()), std)
    offset = fit.shifts[: physics.objects * physics.dims].reshape(physics.objects, physics.dims)
    return Identified(constants, offset, problem.rms(fit.start, fit.shifts), history, _anywhere(problem, fit.start))


def _estimate(constant: Constant, value: float, std: float) -> Estimate:
    """Value and error bar, or an upper limit where the bound below is as likely."""
    if not constant.signed and math.isinf(constant.high) and value - constant.low < 2 * std:
        return Estimate(value, math.nan, constant.unit, value + 2 * std)
    return Estimate(value, std, constant.unit)


@torch.no_grad()
def _anywhere(problem: Matched, start: Tensor) -> Tensor:
    """Coordinates ``(D,)`` along which the films could be played elsewhere, all objects together."""
    physics = problem.physics
    away = torch.eye(physics.dims, dtype=start.dtype, device=start.device)
    most = torch.zeros_like(away[0])
    for part, films in problem.some():
        states = unpack(start[films], physics)
        here = trajectory(physics, states, part.actions)
        moved = [trajectory(physics, State(states.position + by, states.velocity), part.actions) - by for by in away]
        most = torch.maximum(most, torch.stack([physics.difference(path, here).abs().max() for path in moved]))
    return most < SAME
