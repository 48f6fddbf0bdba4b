"""Online adaptation: the constants of the physics, watched while an episode runs, vision untouched.

A Kalman filter follows state and constants together, the constants known as well as learning knew them: while the
world is as it was learned, they stay. Beside it run rivals that began anew a few frames ago. Some believe that the
constants have changed, and know them only within a factor of two or so; their twins believe that something was merely
pushed or lost from sight, and keep the constants. Each says how likely every new frame was, and this evidence adds up
(as in Bayesian changepoint detection: Adams and MacKay, arXiv 0710.3742, 2007). A rival takes over where the frames
since it began are far likelier under it than under the filter that it replaces, and for changed constants also than
under its twin. After a frame that cannot be, all rivals begin anew, so that none of them mixes what was with what is.
So noise does not move the constants, a change is noticed within a few frames, and what the motion does not tell is
kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.kalman import Belief, ConstantsFilter
from paig_control.physics.base import Physics
from paig_control.types import Reading

RANGE = 10.0
"""No constant changes by more than this factor at once."""
SWIFT = {False: 30.0, True: 8.0}
"""Standard deviation of a velocity of which nothing is known: px/s, or rad/s where positions are angles."""
SHOCK, CALM = 16.0, 2
"""Squared misfit, in parts of what was expected, of a frame that ends what was, if so many frames before it fitted."""
LEAST = {False: 0.01, True: 0.001}
"""Least standard deviation of a reading: px, or rad where positions are angles."""
MEMORY = 30.0
"""Frames over which the scale of the noise and the usual trust are averaged."""


@dataclass(frozen=True)
class OnlineSettings:
    """How changes are looked for.

    Attributes:
        change: relative change of a constant that is thought possible, as a standard deviation.
        least: relative standard deviation, at least, of what was learned.
        every: frames between one pair of rivals and the next.
        rivals: pairs at a time; the oldest gives way.
        settle: first frames of a rival, in which it finds the velocity; they are no evidence.
        proof: evidence by which a rival takes over, the logarithm of a ratio of likelihoods.
        roughness: unforeseen motion in a step, in parts of a reading's noise.
        wander: relative standard deviation by which constants that have changed may go on changing in a step, so that
            what the first frames made of them is not held on to.
    """

    change: float = 0.5
    least: float = 1e-3
    every: int = 4
    rivals: int = 8
    settle: int = 3
    proof: float = 12.0
    roughness: float = 0.02
    wander: float = 0.003

    def __post_init__(self) -> None:
        lowest = {"every": 1, "rivals": 1, "settle": 0, "roughness": 0, "wander": 0}
        for name, value in vars(self).items():
            if name in lowest and value < lowest[name]:
                raise PaigError(f"{name} = {value}: expected a number of at least {lowest[name]}.")
            if name not in lowest and not value > 0:
                raise PaigError(f"{name} = {value}: expected a positive number.")


class OnlineAdapter:
    """Watches the constants of B worlds, each by itself.

    Args:
        physics: with the learned constants; it keeps them.
        noise: standard deviation of a trusted reading, px or rad; more is found where there is more.
        std: error bars of the learned constants by name.
        settings: how changes are looked for.

    Raises:
        PaigError: for a physics without constants, or no noise.
    """

    def __init__(
        self,
        physics: Physics,
        noise: float,
        std: Mapping[str, float] | None = None,
        settings: OnlineSettings | None = None,
    ) -> None:
        if not physics.names:
            raise PaigError(f"{type(physics).__name__} has no constants to adapt: leave adaptation out.")
        if not (0 < noise < math.inf):
            raise PaigError(f"noise = {noise}: expected the positive standard deviation of a reading.")
        self.physics, self.settings = physics, settings or OnlineSettings()
        self.noise = max(noise, LEAST[physics.periodic])
        self.filter = ConstantsFilter(physics)
        errors = torch.tensor([(std or {}).get(name, 0.0) for name in physics.names], dtype=torch.float64)
        self.learned = (errors / self.filter.reference).clamp(min=self.settings.least)
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Begin episodes of ``batch`` environments with the learned constants."""
        filters, size = 1 + 2 * self.settings.rivals, self.filter.size
        self.belief = Belief(
            torch.zeros(batch, filters, size, dtype=torch.float64),
            torch.eye(size, dtype=torch.float64).repeat(batch, filters, 1, 1),
        )
        self.belief.mean[..., 2 * self.filter.places :] = 1.0
        self.belief.covariance[..., 2 * self.filter.places :, 2 * self.filter.places :] = torch.diag(self.learned**2)
        self.begun = torch.zeros(batch, dtype=torch.bool)
        self.age = torch.full((batch, self.settings.rivals), -1)
        self.over_first = torch.zeros(batch, self.settings.rivals, dtype=torch.float64)
        self.over_twin, self.twin_over_first = torch.zeros_like(self.over_first), torch.zeros_like(self.over_first)
        self.calm = torch.zeros(batch, dtype=torch.long)
        self.scale = torch.ones(batch, dtype=torch.float64)
        self.usual = torch.zeros(batch, 1, dtype=torch.float64)
        self.changes = torch.zeros(batch, dtype=torch.long)
        self.kind = torch.float32

    # -- what is known -----------------------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Tensor]:
        """Constants ``(B, 1, 1)`` by name, for ``physics.using``."""
        relative = self.belief.mean[:, 0, 2 * self.filter.places :]
        return {name: value.to(self.kind) for name, value in self.filter.values(relative).items()}

    @property
    def std(self) -> dict[str, Tensor]:
        """Their standard deviations ``(B, 1, 1)``."""
        variance = self.belief.covariance[:, 0].diagonal(dim1=-2, dim2=-1)[:, 2 * self.filter.places :]
        spread = variance.clamp(min=0).sqrt() * self.filter.reference
        return {name: spread[:, i, None, None].to(self.kind) for i, name in enumerate(self.physics.names)}

    # -- a frame -----------------------------------------------------------------------------------------

    @torch.no_grad()
    def observe(self, reading: Reading, action: Tensor | None) -> None:
        """Take in the newest frame.

        Args:
            reading: ``(B, N, D)``; the trust is 0 for what was not seen.
            action: ``(B, A)`` between the frame before and this one; None for the first.

        Raises:
            PaigError: for another batch than :meth:`reset` was told.
        """
        if len(reading.position) != len(self.begun):
            raise PaigError(f"{len(reading.position)} frames: expected {len(self.begun)}, as reset was told.")
        self.kind = reading.position.dtype
        seen, trust = (part.detach().cpu().double().flatten(1) for part in reading)
        variance = self._variance(trust)
        whole = ~variance.isinf().any(-1)
        if action is not None and bool(self.begun.any()):
            self._follow(seen, variance, action.detach().cpu().double())
        first = whole & ~self.begun
        if bool(first.any()):
            self.belief = self.belief.where(_only(first, 0, self.belief), self._anew(seen, variance, self.learned))
        self._spawn(whole & self.begun, seen, variance)
        self.begun = self.begun | first

    def _variance(self, trust: Tensor) -> Tensor:
        """Variances ``(B, N D)`` of readings of this trust beside the usual; infinite for none."""
        some = trust > 0
        count = some.sum(-1, keepdim=True)
        mean = torch.where(some, trust, 0.0).sum(-1, keepdim=True) / count.clamp(min=1)
        moved = torch.where(self.usual > 0, self.usual + (mean - self.usual) / MEMORY, mean)
        self.usual = torch.where(count > 0, moved, self.usual)
        part = (trust / self.usual.clamp(min=1e-30)).clamp(max=1.0)
        sigma = self.noise**2 * self.scale[:, None]
        return torch.where(part > 1e-4, sigma / part.clamp(min=1e-4), math.inf)

    def _follow(self, seen: Tensor, variance: Tensor, action: Tensor) -> None:
        """Every filter takes in the frame; evidence adds up, and where it is enough a rival takes over."""
        rivals, rough = self.settings.rivals, self.settings.roughness * self.noise
        half = self.filter.places
        drift = torch.zeros_like(self.belief.mean)
        drift[..., :half] = (self.scale * rough**2)[:, None, None]
        drift[..., half : 2 * half] = drift[..., :half] / self.physics.dt**2
        drift[:, 1 : 1 + rivals, 2 * half :] = self.settings.wander**2
        drift[:, 0, 2 * half :] = torch.where(self.changes > 0, self.settings.wander**2, 0.0)[:, None]
        before = self.belief
        told = self.filter.follow(before, action, seen, variance, drift)
        fine = told.belief.mean.isfinite().all(-1) & told.belief.covariance.isfinite().all(-1).all(-1)
        self.belief = told.belief.where(~(fine & self.begun[:, None]), before)
        likely = torch.where(fine, told.likelihood, -1e9)
        shock = self.begun & (told.surprise[:, 0] > SHOCK) & (self.calm >= CALM)
        self.calm = torch.where(told.surprise[:, 0] > SHOCK / 2, 0, self.calm + 1)
        self.age = torch.where(shock[:, None], -1, self.age)
        first, changed, pushed = likely[:, :1], likely[:, 1 : 1 + rivals], likely[:, 1 + rivals :]
        counts = self.age >= self.settings.settle
        self.age = torch.where(self.age >= 0, self.age + 1, self.age)
        self.over_first += torch.where(counts, changed - first, 0.0)
        self.over_twin += torch.where(counts, changed - pushed, 0.0)
        self.twin_over_first += torch.where(counts, pushed - first, 0.0)
        for evidence in (self.over_first, self.over_twin, self.twin_over_first):
            evidence.masked_fill_(self.age < 0, 0.0)
        self._rescale(told.surprise, variance)
        self._judge()

    def _rescale(self, surprise: Tensor, variance: Tensor) -> None:
        """The noise is as large as the filter that has the most evidence finds it, but not below the least."""
        lead = torch.cat([torch.zeros_like(self.scale)[:, None], self.over_first, self.twin_over_first], -1).argmax(-1)
        ratio = surprise.gather(1, lead[:, None])[:, 0].clamp(max=4.0)
        known = self.begun & ~variance.isinf().any(-1)
        scaled = (self.scale * (1 + (ratio - 1) / MEMORY)).clamp(min=(LEAST[self.physics.periodic] / self.noise) ** 2)
        self.scale = torch.where(known, scaled, self.scale)

    def _judge(self) -> None:
        """Let rivals take over that have the evidence."""
        proof = self.settings.proof
        sure = torch.minimum(self.over_first, self.over_twin)
        relative = self.belief.mean[:, 1 : 1 + self.settings.rivals, 2 * self.filter.places :]
        sane = ((relative > 1 / RANGE) & (relative < RANGE)).all(-1)
        sure = torch.where((self.age >= 0) & sane, sure, -math.inf)
        best = sure.argmax(-1, keepdim=True)
        changed = sure.gather(1, best)[:, 0] > proof
        moved = torch.where(self.age >= 0, self.twin_over_first, -math.inf)
        twin = moved.argmax(-1, keepdim=True)
        pushed = (moved.gather(1, twin)[:, 0] > proof) & ~changed
        winner = torch.where(changed[:, None], 1 + best, 1 + self.settings.rivals + twin)
        self.belief = self.belief.where(_only(changed | pushed, 0, self.belief), _taken(self.belief, winner))
        self.changes += changed
        self.age = torch.where(changed[:, None], -1, self.age)
        again = pushed[:, None] & (torch.arange(self.settings.rivals) == twin)
        self.twin_over_first = torch.where(again, 0.0, self.twin_over_first)

    def _spawn(self, ready: Tensor, seen: Tensor, variance: Tensor) -> None:
        """A new pair of rivals where the last is old enough, in the place of the oldest."""
        youngest = torch.where(self.age >= 0, self.age, self.settings.every).amin(-1)
        due = ready & (youngest >= self.settings.every)
        if not bool(due.any()):
            return
        free = torch.where(self.age >= 0, self.age, 1 << 30).argmax(-1, keepdim=True)
        place = due[:, None] & (torch.arange(self.settings.rivals) == free)
        count = 2 * self.filter.places
        wide = torch.full_like(self.learned, self.settings.change)
        known = self.belief.covariance[:, 0, count:, count:]
        none = torch.zeros_like(place[:, :1])
        changed = torch.cat([none, place, torch.zeros_like(place)], -1)
        self.belief = self.belief.where(changed, self._anew(seen, variance, wide))
        pushed = torch.cat([none, torch.zeros_like(place), place], -1)
        self.belief = self.belief.where(pushed, self._anew(seen, variance, self.learned, known))
        self.age = torch.where(place, 0, self.age)
        for evidence in (self.over_first, self.over_twin, self.twin_over_first):
            evidence.masked_fill_(place, 0.0)

    def _anew(self, seen: Tensor, variance: Tensor, spread: Tensor, known: Tensor | None = None) -> Belief:
        """Beliefs that know the place as it was read and nothing of the velocity, for all filters alike.

        Args:
            seen: ``(B, N D)``.
            variance: ``(B, N D)``.
            spread: ``(C,)``, standard deviations of the relative constants.
            known: ``(B, C, C)``, their covariance instead.
        """
        half = self.filter.places
        mean = self.belief.mean[:, :1].clone()
        mean[:, 0, :half] = seen
        block = torch.zeros_like(self.belief.covariance[:, :1])
        swift = torch.full_like(seen, SWIFT[self.physics.periodic] ** 2)
        place = torch.where(variance.isinf(), 1.0, variance)
        block[:, 0, : 2 * half, : 2 * half] = torch.diag_embed(torch.cat([place, swift], -1))
        block[:, 0, 2 * half :, 2 * half :] = torch.diag(spread**2) if known is None else known
        return Belief(mean, block)


def _only(worlds: Tensor, index: int, belief: Belief) -> Tensor:
    """Mask ``(B, K)`` of one filter in some worlds ``(B,)``."""
    mask = torch.zeros(belief.mean.shape[:2], dtype=torch.bool)
    mask[:, index] = worlds
    return mask


def _taken(belief: Belief, index: Tensor) -> Belief:
    """Beliefs ``(B, 1, ...)`` of the filters ``(B, 1)``."""
    world = torch.arange(len(index))
    return Belief(belief.mean[world, index[:, 0]][:, None], belief.covariance[world, index[:, 0]][:, None])
