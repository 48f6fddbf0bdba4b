"""What planners by sampling share: noise that is smooth in time, refits to the elites, the warm start.

A proposal is a mean and a spread for every action of the plan; candidates are ``mean + spread * noise``,
cut to the bounds. What the noise looks like over time decides how much of the plan space a few hundred
candidates reach: it is piecewise linear between few knots, or coloured. One noise serves every problem of a
batch, so a plan does not depend on the batch it sits in.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from paig_control.agents.settings import NoiseSettings


@lru_cache(maxsize=64)
def knot_weights(knots: int, horizon: int, crowding: float, like: tuple[torch.dtype, torch.device]) -> list[Tensor]:
    """For each step of a plan the knots before and after it ``(H,)`` and their weights ``(H, 1)``.

    The squares of the weights add up to 1. Knots stand where ``(t / end)^crowding`` is even.
    """
    with torch.inference_mode(False):
        time = torch.linspace(0, 1, horizon, dtype=like[0], device=like[1])
        place = time.pow(crowding) * (knots - 1)
        before = place.floor().clamp(max=max(knots - 2, 0)).long()
        weight = (place - before)[:, None]
        norm = (weight.square() + (1 - weight).square()).sqrt()
        return [before, (before + 1).clamp(max=knots - 1), (1 - weight) / norm, weight / norm]


def between_knots(values: Tensor, horizon: int, crowding: float = 1.0) -> Tensor:
    """Piecewise-linear sequences ``(count, H, A)`` through ``values`` ``(count, knots, A)``.

    Independent values of variance 1 give every step the variance 1: the sequence is scaled where they mix.
    Written without a matrix product, whose threads cost more than the work at these sizes.
    """
    if values.shape[1] == horizon:
        return values
    kind = (values.dtype, values.device)
    before, after, weight, rest = knot_weights(values.shape[1], horizon, crowding, kind)
    return values.index_select(1, before) * weight + values.index_select(1, after) * rest


def knot_noise(count: int, knots: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw normal noise ``(count, knots, A)`` at the knots, no more than H, of plans like ``(B, H, A)``."""
    horizon, size = like.shape[-2:]
    shape = (count, min(knots, horizon), size)
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)


def smooth_noise(
    count: int, noise: NoiseSettings, like: Tensor, generator: torch.Generator, first: bool = True
) -> Tensor:
    """Draw normal noise ``(count, H, A)``, piecewise linear, for plans like ``(B, H, A)``.

    Its standard deviation is 1, but in the ``first`` iteration it is scaled down by up to ``noise.decades``.
    """
    smooth = between_knots(knot_noise(count, noise.knots, like, generator), like.shape[-2], noise.crowding)
    return smooth * scales(count, noise.decades, like, generator) if first and noise.decades > 0 else smooth


def coloured_noise(count: int, beta: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw normal noise ``(count, H, A)`` of variance 1 with the power spectrum ``1 / frequency^beta``.

    After Timmer and Koenig, *On generating power law noise*, Astronomy and Astrophysics 300 (1995): independent
    normal Fourier coefficients, scaled. The mean over the plan has the power of the lowest frequency.
    """
    horizon, size = like.shape[-2:]
    shape = (2, count, horizon // 2 + 1, size)
    drawn = torch.randn(shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)
    frequency = torch.arange(horizon // 2 + 1, dtype=like.dtype, device=like.device).clamp(min=1.0)
    scale = frequency.pow(-beta / 2)
    paired = torch.ones_like(scale)  # all but the mean and the highest frequency of an even number have a phase
    paired[0] = 0.0
    if horizon % 2 == 0:
        paired[-1] = 0.0
    scale = scale / (scale.square() * (1.0 + paired)).sum().sqrt() / (1.0 + paired).sqrt()
    coefficients = torch.complex(drawn[0] * scale[:, None], drawn[1] * (scale * paired)[:, None])
    noise: Tensor = torch.fft.irfft(coefficients, n=horizon, dim=1, norm="forward")
    return noise


def scales(count: int, decades: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Factors ``(count, 1, 1)`` from ``10^-decades`` to 1, uniform in their logarithm."""
    drawn = torch.rand((count, 1, 1), generator=generator, dtype=like.dtype, device=generator.device)
    return torch.pow(10.0, -decades * drawn).to(like.device)


def refit(elites: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``(B, H, A)`` of elites ``(B, k, H, A)``, those of infinite cost left out.

    One elite has the deviation 0, not NaN. Where every cost is infinite, all count.
    """
    weight = torch.isfinite(costs)
    weight = (weight | ~weight.any(dim=1, keepdim=True)).to(elites.dtype)[..., None, None]
    weight = weight / weight.sum(dim=1, keepdim=True)
    mean = (weight * elites).sum(dim=1)
    variance = (weight * (elites - mean[:, None]).square()).sum(dim=1)
    return mean, variance.sqrt()


def shift(actions: Tensor, steps: int = 1) -> Tensor:
    """Warm start: the plan ``(B, H, A)`` some steps later, its last action repeated."""
    steps = min(steps, actions.shape[1])
    return torch.cat([actions[:, steps:], actions[:, -1:].expand(-1, steps, -1)], dim=1)
