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
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.estimation.descents import (
    SAME,
    Fit,
    Tried,
    best_of,
    better_half,
    descend_on,
    finer_than,
    gathered,
    horizons_of,
    owed_to_step,
    rivals,
    set_free,
    unknown_in,
    walk,
)
from paig_control.estimation.matched import Matched
from paig_control.estimation.settings import IdentifySettings
from paig_control.estimation.state import believed, trajectory, unpack
from paig_control.physics.base import CONVERGENT, FORWARD, RUNGE_KUTTA, Physics, integrate_by
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
        broken: films that were left out, because no constants that suit the others explain them.
        bent: ``(G - N D,)``, by how much observed coordinates are off in the other ways of the gauge.
    """

    constants: dict[str, Estimate]
    offset: Tensor
    rms: float
    history: list[dict[str, float]]
    anywhere: Tensor
    broken: int = 0
    bent: Tensor = field(default_factory=lambda: torch.zeros(0))


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
    names = list(settings.integrators)
    if physics.kinematics == "tree":  # which way pictures of links point is known roughly at first
        names += JOINTED
        settings = replace(settings, gauge_from=settings.first_horizon)
    tried: list[Tried] = []
    for index, integrator in enumerate(names):
        set_free(physics, before)
        integrate_by(physics, integrator)
        horizons = horizons_of(settings.first_horizon, length, settings.growth)
        low, high = (0.6 * (index + end) / len(names) for end in (0, 1))
        fit, history = walk(whole, few, horizons, None, settings, between(low, high, integrator))
        tried.append(Tried(integrator, physics.free.detach().clone(), fit, history))
    problem = whole.first(length, few)
    best = best_of(problem, tried)
    some = better_half(problem, best.fit)
    part = problem.first(length, some)
    tried = [one._replace(fit=one.fit.of(some)) for one in tried]
    rough = [one for one in tried if finer_than(one.integrator, physics.rubs)]
    while rough and (finer := finer_than((coarse := best_of(part, rough)).integrator, physics.rubs)) is not None:
        if finer in {one.integrator for one in rough}:
            break
        tell(0.6, finer)
        integrate_by(physics, finer)
        fit = descend_on(part, *coarse.fit[:2], unknown_in(whole, length, settings), settings.iterations)
        rough.append(Tried(finer, physics.free.detach().clone(), fit, coarse.history))
    chosen = best_of(part, [*tried, *rough])
    fit, sound = gathered(problem, best.fit.start, chosen.fit, some, settings)
    if len(sound) > len(some):  # these may tell integrators apart that the first ones did not
        chosen = rivals(part, [*tried, *rough], problem.first(length, sound), fit.of(sound), settings)
        fit, sound = gathered(problem, fit.start, chosen.fit, sound, settings)
    history, owed = chosen.history, torch.zeros_like(physics.free)
    if physics.scheme in CONVERGENT:
        tell(0.6, "integrator's step")
        owed = owed_to_step(problem.first(length, sound), fit.of(sound), settings)
    if len(few) < batch:
        horizons = horizons_of(settings.first_horizon, length, settings.growth**2)
        fit, more = walk(whole, slice(None), horizons, fit.shifts, settings, between(0.6, 1.0, "all"))
        history += more
        some, start = better_half(whole, fit), fit.start
        fit = fit.of(some)
        if len(some) < batch:
            part = whole.first(length, some)
            fit = descend_on(part, *fit[:2], unknown_in(whole, length, settings), settings.iterations)
        fit, sound = gathered(whole, start, fit, some, settings)
    rms, unknown = whole.rms(fit.start, fit.shifts), unknown_in(whole, length, settings)
    set_free(physics, physics.free.detach() - owed)
    found = _summarise(whole.first(length, sound), fit.of(sound), unknown, history)
    broken = batch - len(sound)
    return replace(found, broken=broken, rms=rms if 2 * broken > batch else found.rms)


def scouts(batch: int, most: int) -> Tensor:
    """Numbers of at most so many films out of ``batch``, evenly spread."""
    return torch.linspace(0, batch - 1, min(most, batch)).round().long()


def _summarise(problem: Matched, fit: Fit, unknown: int, history: list[dict[str, float]]) -> Identified:
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
    count, rms = physics.objects * physics.dims, problem.rms(fit.start, fit.shifts)
    offset = fit.shifts[:count].reshape(physics.objects, physics.dims)
    return Identified(constants, offset, rms, history, _anywhere(problem, fit.start), bent=fit.shifts[count:])


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
