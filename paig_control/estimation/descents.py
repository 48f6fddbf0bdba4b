"""Descents of identification: growing horizons, integrators in turn, and films that obey another law left out.

A descent moves start states, constants and gauge together; see :mod:`~paig_control.estimation.identification`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.estimation.least_squares import damped, descend
from paig_control.estimation.matched import Matched
from paig_control.estimation.settings import IdentifySettings
from paig_control.physics.base import CONVERGENT, DAMPED, Physics, integrate_by

BROKEN = 6.0
"""Films whose residuals are so many times those of the usual film obey another law: something is hit, or leaves."""
ROUNDS = 5
"""Times at most that films are told apart that obey the law and that do not."""
PARTS = 16
"""A step of first order is thought to be made of so many parts a frame, at most."""
ODDS = {**dict.fromkeys(CONVERGENT, 1.0), DAMPED: 1.01}
"""What schemes' losses are multiplied by before they are compared: where films hardly tell them apart, exact motion is
taken, then MuJoCo's own scheme, whose constants differ from those of explicit friction."""
OTHERS = 1.02
"""The same of all others."""
SAME = 1e-6
"""Paths that are no further apart are the same: px or rad."""


class Fit(NamedTuple):
    """Where a descent ended: start states, gauge, the loss's scale, the loss."""

    start: Tensor
    shifts: Tensor
    scale: float
    loss: float

    def of(self, films: Tensor) -> Fit:
        """The same of some films."""
        return self._replace(start=self.start[films])


class Tried(NamedTuple):
    """An integrator, the free constants that it led to, where the scouts ended, and the way there."""

    integrator: str
    free: Tensor
    fit: Fit
    history: list[dict[str, float]]


def _sound(each: Tensor) -> Tensor:
    """Numbers of the films that are explained about as well as the usual one, by each one's residuals ``(B,)``."""
    return (each <= BROKEN * each.nanmedian() + SAME).nonzero()[:, 0]


def better_half(problem: Matched, fit: Fit) -> Tensor:
    """Numbers of all films, if all are sound, else of the half that is explained best."""
    each, count = problem.rms_each(fit.start, fit.shifts), len(fit.start)
    sound = _sound(each)
    return sound if len(sound) == count else each.nan_to_num(math.inf).argsort()[: -(-count // 2)].sort().values


def gathered(problem: Matched, start: Tensor, fit: Fit, some: Tensor, settings: IdentifySettings) -> tuple[Fit, Tensor]:
    """A fit to the sound films, found from a fit to some of them as the least trimmed squares are; and their numbers.

    ``start`` has a start state of every film, from which those are looked for that the constants say (Rousseeuw and
    Van Driessen, Data Mining and Knowledge Discovery 12, 2006).
    """
    length = problem.observed.shape[1]
    for _ in range(ROUNDS):
        start = start.index_copy(0, some, fit.start)
        if len(some) < len(start):
            start = descend_on(problem, start, fit.shifts, 0, settings.iterations).start
        sound = _sound(problem.rms_each(start, fit.shifts))
        if torch.equal(sound, some):
            break
        some, unknown = sound, unknown_in(problem, length, settings)
        fit = descend_on(problem.first(length, some), start[some], fit.shifts, unknown, settings.iterations)
    return fit._replace(start=start.index_copy(0, some, fit.start)), some


def best_of(problem: Matched, tried: list[Tried]) -> Tried:
    """The likeliest integrator, which the physics takes over with what it led to."""
    scale = min(one.fit.scale for one in tried)

    def worth(one: Tried) -> float:
        set_free(problem.physics, one.free)
        integrate_by(problem.physics, one.integrator)
        return float(problem.loss(one.fit.start, one.fit.shifts, scale)) * ODDS.get(problem.physics.scheme, OTHERS)

    best = min(tried, key=worth)
    worth(best)
    return best


def rivals(part: Matched, tried: list[Tried], problem: Matched, fit: Fit, settings: IdentifySettings) -> Tried:
    """The likeliest of the integrators that explain a part best, one by each scheme, fitted to the problem's films."""
    schemes = dict.fromkeys(one.integrator.rpartition("-")[0] for one in tried)
    fitted = []
    for scheme in schemes:
        one = best_of(part, [one for one in tried if one.integrator.rpartition("-")[0] == scheme])
        unknown = unknown_in(problem, problem.observed.shape[1], settings)
        found = descend_on(problem, fit.start, one.fit.shifts, unknown, settings.iterations)
        fitted.append(one._replace(free=problem.physics.free.detach().clone(), fit=found))
    return best_of(problem, fitted)


def finer_than(integrator: str, rubs: bool) -> str | None:
    """What is nearer than an integrator of first order to how an engine may step; None where nothing is."""
    scheme, _, parts = integrator.rpartition("-")
    if rubs and scheme == "euler":
        return f"{DAMPED}-{parts}"
    return f"{scheme}-{2 * int(parts)}" if scheme in ("euler", DAMPED) and 2 * int(parts) <= PARTS else None


def set_free(physics: Physics, free: Tensor) -> None:
    """Have the physics take over free constants."""
    with torch.no_grad():
        physics.free.copy_(free)


def horizons_of(first: int, length: int, growth: float) -> list[int]:
    """Growing windows, the last one of full length."""
    horizons = [min(first, length)]
    while horizons[-1] < length:
        horizons.append(min(length, max(horizons[-1] + 1, round(horizons[-1] * growth))))
    return horizons


def unknown_in(problem: Matched, horizon: int, settings: IdentifySettings) -> int:
    """Shared numbers that are solved for in a window: the constants, and the gauge where it is long enough."""
    return len(problem.physics.names) + (problem.gauge.shape[-1] if horizon >= settings.gauge_from else 0)


def walk(
    whole: Matched,
    films: Tensor | slice,
    horizons: list[int],
    shifts: Tensor | None,
    settings: IdentifySettings,
    tell: Callable[[float], None],
) -> tuple[Fit, list[dict[str, float]]]:
    """Fit growing horizons in turn; the gauge starts at ``shifts``, or at none."""
    start = whole.first(horizons[0], films).best_start()
    if shifts is None:
        shifts = whole.observed.new_zeros(whole.gauge.shape[-1])
    history: list[dict[str, float]] = []
    for index, horizon in enumerate(horizons):
        problem = whole.first(horizon, films)
        unknown = unknown_in(whole, horizon, settings)
        tolerance = 1e-6 if horizon == horizons[-1] else 1e-3

        def walked(part: float, done: int = index) -> None:
            tell((done + part) / len(horizons))

        fit = descend_on(problem, start, shifts, unknown, settings.iterations, tolerance, walked)
        start, shifts = fit.start, fit.shifts
        history.append({"horizon": float(horizon), "loss": fit.loss, **whole.physics.values()})
    return fit, history


def owed_to_step(problem: Matched, fit: Fit, settings: IdentifySettings) -> Tensor:
    """By how much the free constants exceed those that half the integrator's step would give, on the same films."""
    physics = problem.physics
    unknown = unknown_in(problem, problem.observed.shape[1], settings)
    found, parts = physics.free.detach().clone(), physics.substeps
    physics.substeps = 2 * parts
    descend_on(problem, fit.start, fit.shifts, unknown, settings.iterations)
    owed = found - physics.free.detach()
    physics.substeps = parts
    set_free(physics, found)
    return owed


def descend_on(
    problem: Matched,
    start: Tensor,
    shifts: Tensor,
    unknown: int,
    iterations: int,
    tolerance: float = 1e-6,
    tell: Callable[[float], None] = lambda part: None,
) -> Fit:
    """Go down on one horizon; the first ``unknown`` shared numbers move, the physics' constants among them, in place.

    It ends when a step lowers the loss by less than a part ``tolerance`` of it.
    """
    physics, count = problem.physics, len(problem.physics.names)
    scale = problem.scale(start, shifts)
    low, high = start.new_tensor([c.reach for c in physics.constants]).reshape(-1, 2).unbind(-1)

    def parts(at: Tensor) -> tuple[Tensor, Tensor]:
        """Start states and gauge; the physics takes over the constants."""
        free, gauge, states = at[0].split([count, len(shifts), start.numel()])
        set_free(physics, free.to(physics.free))
        return states.reshape(start.shape), gauge

    def step(at: Tensor, damping: Tensor) -> Tensor:
        hess, score, back = problem.reduced(*parts(at), scale, float(damping))
        total, gradient = hess.sum(0)[:unknown, :unknown], score.sum(0)[:unknown]
        shared = score.new_zeros(score.shape[1])
        if unknown:
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
    return Fit(*parts(found), scale, float(left))
