"""Least squares by damped Gauss-Newton steps: the one descent of this library, whatever is fitted to whatever.

A problem says where a step of a given damping leads, which is a solution of its own normal equations, however it gets
them. Where it also says how large its loss is, the descent is Levenberg and Marquardt's: a step that does not help is
refused and the damping raised, so that things can only get better (Nocedal and Wright, Numerical Optimization, 10.3).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LOWEST, HIGHEST = 1e-9, 1e3
"""Damping, in parts of the normal matrix' diagonal; where more is asked for, no step helps any more."""

Step = Callable[[Tensor, Tensor], Tensor]
"""From unknowns ``(B, P)`` and dampings ``(B,)`` to where the steps lead."""
Loss = Callable[[Tensor], Tensor]
"""Losses ``(B,)`` of unknowns ``(B, P)``."""


def damped(matrix: Tensor, damping: float | Tensor, floor: float = 1e-9) -> Tensor:
    """Normal matrices ``(*B, P, P)`` with a part ``damping``, a number or ``(*B,)``, of their diagonals added to them.

    What nothing tells stays where it is, thanks to ``floor``.
    """
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    part = damping[..., None] if isinstance(damping, Tensor) else damping
    return matrix + torch.diag_embed(part * diagonal + floor)


def descend(
    at: Tensor,
    step: Step,
    iterations: int,
    loss: Loss | None = None,
    tolerance: float = 1e-6,
    enough: float = 0.0,
    tighten: Callable[[Tensor], None] | None = None,
    tell: Callable[[float], None] = lambda part: None,
    damping: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """Go down from ``at`` ``(B, P)``, each of B problems by itself; returns where it ended, and the losses ``(B,)``.

    Args:
        at: unknowns to start from.
        step: where a step of a damping leads; bounds are the problem's own affair.
        iterations: steps, at most.
        loss: by which steps are judged; without it all are taken, with the damping as it is.
        tolerance: a problem has come to its end when a step lowers its loss by less than such a part.
        enough: a loss below which it has, too.
        tighten: called with the unknowns after steps that helped: the loss itself may change then.
        tell: called with the fraction done.
        damping: to begin with.
    """
    dampings = torch.full_like(at[:, 0], damping)
    if loss is None:
        for _ in range(iterations):
            at = step(at, dampings)
        return at, torch.full_like(dampings, torch.nan)
    left = loss(at)
    ended = left <= enough
    for iteration in range(iterations):
        if bool(ended.all()):
            break
        tell(iteration / iterations)
        tried = step(at, dampings)
        new = loss(tried)
        better = (new < left) & ~ended
        ended = ended | (better & (left - new < tolerance * new)) | (dampings > HIGHEST)
        at, left = torch.where(better[:, None], tried, at), torch.where(better, new, left)
        dampings = torch.where(better, dampings / 5, dampings * 10).clamp(min=LOWEST)
        if tighten is not None and bool(better.any()):
            tighten(at)
            left = loss(at)
        ended = ended | (left <= enough)
    return at, left
