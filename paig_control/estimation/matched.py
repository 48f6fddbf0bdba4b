"""Trajectories matched: films' coordinates against rollouts, as a least-squares problem in starts, constants and gauge.

Films are worked on some after others, so that many take no more memory than some, and where a training runs on several
processes, each works on some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from paig_control import ranks
from paig_control.estimation.least_squares import damped
from paig_control.estimation.state import best_start, linearise, trajectory, unpack
from paig_control.physics.base import Physics

BELIEVED = 0.1
"""Readings trusted less, in parts of the usual trust, do not say how large an error is usual."""
FAR = 1e6
"""No residual counts for more, px or rad."""
AT_ONCE = 2**18
"""Numbers of all rollouts that a Jacobian is made of, at most, unless one film has more."""


class Matched:
    """One horizon's least-squares problem: residuals, robust weights, and the reduced normal equations.

    Args:
        physics: the engine.
        observed: coordinates ``(B, T, N, D)``.
        actions: ``(B, T - 1, A)``.
        gauge: ``(B, T, N, D, G)``.
        trust: ``(B, T, N, D)``, from 0 to 1.
    """

    def __init__(self, physics: Physics, observed: Tensor, actions: Tensor, gauge: Tensor, trust: Tensor) -> None:
        self.physics, self.observed, self.actions, self.gauge, self.trust = physics, observed, actions, gauge, trust

    def first(self, horizon: int, films: Tensor | slice = slice(None)) -> Matched:
        """The same problem on the first frames of some of the films."""
        parts = (self.observed, self.actions, self.gauge, self.trust)
        cut = [part[films, : horizon - (part is self.actions)] for part in parts]
        return Matched(self.physics, *cut)

    def some(self) -> Iterator[tuple[Matched, slice]]:
        """The same problem on some of the films at a time, and which they are."""
        batch, length = self.observed.shape[:2]
        unknown = 2 * self.physics.objects * self.physics.dims + len(self.physics.names)
        count = max(1, AT_ONCE // (2 * unknown * self.observed[0].numel()))
        for films in (slice(begin, begin + count) for begin in range(0, batch, count)):
            yield self.first(length, films), films

    def best_start(self) -> Tensor:
        """Packed start states on the right branch."""
        return torch.cat([best_start(p.physics, p.observed, p.actions, p.trust) for p, _ in self.some()])

    def _against(self, path: Tensor, shifts: Tensor) -> Tensor:
        """Residuals; where a rollout has left all bounds, it is far off, but not infinitely."""
        apart = self.physics.difference(self.observed + self.gauge.to(shifts) @ shifts, path).flatten(1)
        return torch.nan_to_num(apart, nan=FAR, posinf=FAR, neginf=-FAR).clamp(-FAR, FAR)

    @torch.no_grad()
    def residuals(self, start: Tensor, shifts: Tensor) -> Tensor:
        """Observed plus gauge minus predicted: ``(B, M)``."""

        def apart(some: Matched, own: Tensor) -> tuple[Tensor]:
            return (some._against(trajectory(some.physics, unpack(own, some.physics), some.actions), shifts),)

        return self._shared(apart, start)[0]

    def rms(self, start: Tensor, shifts: Tensor) -> float:
        """Root mean square of the residuals, each counted as it is trusted."""
        squares = self.residuals(start, shifts).square() * self.trust.flatten(1)
        return float((squares.sum() / self.trust.sum()).sqrt())

    def rms_each(self, start: Tensor, shifts: Tensor) -> Tensor:
        """The same of each film, ``(B,)``."""
        trust = self.trust.flatten(1)
        return ((self.residuals(start, shifts).square() * trust).sum(1) / trust.sum(1)).sqrt()

    def scale(self, start: Tensor, shifts: Tensor) -> float:
        """Where the loss turns from square to absolute: three robust standard deviations."""
        usual = self.residuals(start, shifts)[self.trust.flatten(1) > BELIEVED]
        return max(3 * 1.4826 * float(usual.abs().median()), 1e-6)

    def loss(self, start: Tensor, shifts: Tensor, scale: float) -> Tensor:
        """Mean pseudo-Huber loss, a number."""
        ratio = self.residuals(start, shifts) / scale
        return (self.trust.flatten(1) * (torch.sqrt(1 + ratio**2) - 1)).mean()

    def reduced(self, start: Tensor, shifts: Tensor, scale: float, damping: float) -> tuple[Tensor, ...]:
        """Normal equations in the S shared unknowns (free constants, gauge), each film's start state eliminated.

        Returns the matrix ``(B, S, S)``, the right-hand side ``(B, S)``, and ``(B, P, S + 1)``, from which the P
        numbers of a start state's step follow once the shared step is known.
        """
        hess, score, back = self._shared(lambda some, own: some._reduced(own, shifts, scale, damping), start)
        return hess, score, back

    def _shared(self, work: Callable[[Matched, Tensor], tuple[Tensor, ...]], start: Tensor) -> tuple[Tensor, ...]:
        """What work makes of all films and their start states: some at a time, and the ranks some of them each."""

        def mine(films: slice) -> tuple[Tensor, ...]:
            own = start[films]
            found = [work(p, own[some]) for p, some in self.first(self.observed.shape[1], films).some()]
            return tuple(torch.cat(parts) for parts in zip(*found, strict=True))

        return ranks.each(len(start), mine, 64)

    def _reduced(self, start: Tensor, shifts: Tensor, scale: float, damping: float) -> tuple[Tensor, Tensor, Tensor]:
        line = linearise(self.physics, start, self.actions, step=1e-3, constants=True)
        residual = self._against(line.positions, shifts)
        weight = (self.trust.flatten(1) / torch.sqrt(1 + (residual / scale) ** 2))[..., None]
        own, shared = line.by_state, torch.cat([line.by_constant, -self.gauge.to(start).flatten(1, 3)], -1)
        wild = ~(own.isfinite().all(-1) & shared.isfinite().all(-1) & (residual.abs() < FAR)).all(-1)
        own, shared = (part.masked_fill(wild[:, None, None], 0.0) for part in (own, shared))
        residual = residual.masked_fill(wild[:, None], 0.0)  # films that have left all bounds pull at nothing
        matrix = damped(own.mT @ (weight * own), damping, 1e-12)
        mixed = own.mT @ (weight * shared)
        target = own.mT @ (weight * residual[..., None])
        back = torch.linalg.solve(matrix, torch.cat([mixed, target], -1))
        hess = shared.mT @ (weight * shared) - mixed.mT @ back[..., :-1]
        score = shared.mT @ (weight * residual[..., None]) - mixed.mT @ back[..., -1:]
        return hess, score.squeeze(-1), back
