"""Online adaptation: the constants of the physics, watched while an episode runs, vision untouched.

A Kalman filter follows state and constants together, the constants known as well as learning knew them: while the
world is as it was learned, they stay. Beside it run families of rivals that began anew a few frames ago. One member
believes that something was merely pushed or lost from sight, and keeps the constants; for each constant there is one
that believes that this one alone has changed, and knows it only within a factor of two or so; the last believes it of
all of them. Each says how likely every new frame was, and this evidence adds up (as in Bayesian changepoint detection:
Adams and MacKay, arXiv 0710.3742, 2007). A family takes over where the frames since it began are far likelier under
one of its members than under the filter that leads, and for changed constants also than under the member that was
pushed. Then its members go on side by side, and the likeliest leads: what two explanations tell apart may come later
than what tells them from no change at all, and a single constant is found from little motion where all of them are not.
After a frame that cannot be, all rivals begin anew, so that none of them mixes what was with what is.
So noise does not move the constants, a change is noticed within a few frames, and what the motion does not tell is
kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.estimation.kalman import Belief, Kalman
from paig_control.estimation.settings import OnlineSettings
from paig_control.physics.base import Physics
from paig_control.types import Reading

RANGE = 10.0
"""No constant changes by more than this factor at once."""
SWIFT = 80.0
"""Standard deviation of a velocity of which nothing is known, in scales of the coordinate a second."""
SHOCK, CALM = 16.0, 2
"""Squared misfit, in parts of what was expected, of a frame that ends what was, if so many frames before it fitted."""
LEAST = 0.01
"""Least standard deviation of a reading, in scales of the coordinate."""
FAINT, STEEP = 1e-4, 3.0
"""Trust, in parts of the usual, below which nothing is seen, and the power by which the variance grows as trust falls.

Trust says how a reading scatters, but where balls pass before one another they are also drawn aside: on recorded
episodes the error grew as the power 1.5 of the trust that was lost, not 0.5, up to half a pixel.
"""
WILD = 0.5
"""Largest standard deviation of a reading of what is seen at all, in scales of the coordinate."""
MEMORY = 30.0
"""Frames over which the scale of the noise and the usual trust are averaged, and a change is still fresh."""


class OnlineAdapter:
    """Watches the constants of B worlds, each by itself.

    Args:
        physics: with the learned constants; it keeps them.
        noise: standard deviation of a trusted reading, px or rad; more is found where there is more.
        std: error bars of the learned constants by name; NaN for one of which little is known.
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
            raise PaigError(f"{physics.label} has no constants to adapt: leave adaptation out.")
        if not (0 < noise < math.inf):
            raise PaigError(f"noise = {noise}: expected the positive standard deviation of a reading.")
        self.physics, self.settings = physics, settings or OnlineSettings()
        self.unit = physics.scale.flatten().cpu()
        self.noise = (LEAST * self.unit).clamp(min=noise)
        self.filter = Kalman(physics)
        errors = torch.tensor([(std or {}).get(name, 0.0) for name in physics.names], dtype=torch.float64)
        if not bool((self.filter.reference != 0).all()):
            raise PaigError(
                "A constant of 0 cannot be adapted online, where changes are factors: set it to another value."
            )
        self.learned = (errors / self.filter.reference.abs()).nan_to_num(self.settings.change)
        self.learned = self.learned.clamp(min=self.settings.least)
        alone = torch.eye(len(self.learned), dtype=torch.bool)
        kinds = [torch.zeros_like(alone[:1]), alone, torch.ones_like(alone[:1])]
        self.open = torch.cat(kinds if len(alone) > 1 else kinds[:2])
        self.single = self.open.sum(-1) == 1
        self.handicap = torch.where(self.open.sum(-1) > 1, self.settings.several, 0.0).double()
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Begin episodes of ``batch`` environments with the learned constants."""
        members, constants = self.open.shape
        families, half = 1 + self.settings.rivals, 2 * self.filter.places
        self.belief = Belief(
            torch.zeros(batch, families * members, self.filter.size, dtype=torch.float64),
            torch.eye(self.filter.size, dtype=torch.float64).repeat(batch, families * members, 1, 1),
        )
        self.belief.mean[..., half:] = 1.0
        self.belief.covariance[..., half:, half:] = torch.diag(self.learned**2)
        self.loose = torch.zeros(batch, families * members, constants, dtype=torch.bool)
        self.lead = torch.zeros(batch, dtype=torch.long)
        self.evidence = torch.full((batch, families, members), -math.inf, dtype=torch.float64)
        self.evidence[:, 0, 0] = 0.0
        self.age = torch.full((batch, self.settings.rivals), -1)
        self.settled = self._constants(torch.zeros(batch, 1, dtype=torch.long))
        self.since = torch.zeros(batch, dtype=torch.long)
        self.begun = torch.zeros(batch, dtype=torch.bool)
        self.calm = torch.zeros(batch, dtype=torch.long)
        self.scale = torch.ones(batch, dtype=torch.float64)
        self.usual = torch.zeros(batch, 1, dtype=torch.float64)
        self.changes = torch.zeros(batch, dtype=torch.long)
        self.kind = torch.float32

    # -- what is known -----------------------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Tensor]:
        """Constants ``(B, 1, 1)`` by name, for ``physics.using``."""
        relative = self._constants(self.lead[:, None]).mean[:, 0]
        return {name: value.to(self.kind) for name, value in self.filter.values(relative).items()}

    @property
    def std(self) -> dict[str, Tensor]:
        """Their standard deviations ``(B, 1, 1)``."""
        variance = self._constants(self.lead[:, None]).covariance[:, 0].diagonal(dim1=-2, dim2=-1)
        spread = variance.clamp(min=0).sqrt() * self.filter.reference.abs()
        return {name: spread[:, i, None, None].to(self.kind) for i, name in enumerate(self.physics.names)}

    def _constants(self, index: Tensor) -> Belief:
        """What the filters ``(B, M)`` believe of the relative constants alone."""
        half, believed = 2 * self.filter.places, _taken(self.belief, index)
        return Belief(believed.mean[..., half:], believed.covariance[..., half:, half:])

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
            only = first[:, None] & (torch.arange(self.belief.mean.shape[1]) == 0)
            self.belief = self.belief.where(only, self._anew(seen, variance, self.settled))
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
        each = (sigma / part.clamp(min=FAINT) ** STEEP).minimum((WILD * self.unit) ** 2)
        return torch.where(part > FAINT, each, math.inf)

    def _follow(self, seen: Tensor, variance: Tensor, action: Tensor) -> None:
        """Every filter takes in the frame; evidence adds up, and where it is enough another leads."""
        rough, half = self.settings.roughness * self.noise, self.filter.places
        drift = torch.zeros_like(self.belief.mean)
        drift[..., :half] = (self.scale[:, None] * rough**2)[:, None]
        drift[..., half : 2 * half] = drift[..., :half] / self.physics.dt**2
        drift[..., 2 * half :] = self.settings.wander**2 * self.loose
        told = self.filter.follow(self.belief, action, seen, variance, drift)
        fine = told.belief.mean.isfinite().all(-1) & told.belief.covariance.isfinite().all(-1).all(-1)
        self.belief = told.belief.where(~(fine & self.begun[:, None]), self.belief)
        likely, lead = torch.where(fine, told.likelihood, -1e9), self.lead[:, None]
        gain = (likely - likely.gather(1, lead)).unflatten(1, self.evidence.shape[1:])
        counts = torch.cat([self.begun[:, None], self.age >= self.settings.settle], 1)
        self.evidence = self.evidence + torch.where(counts[..., None], gain, 0.0)
        self.age = torch.where(self.age >= 0, self.age + 1, self.age)
        self._rescale(told.surprise, variance)
        surprise = told.surprise.gather(1, lead)[:, 0]
        shock = self.begun & (surprise > SHOCK) & (self.calm >= CALM)
        self.calm = torch.where(surprise > SHOCK / 2, 0, self.calm + 1)
        self._dismiss(shock[:, None].expand_as(self.age))
        self._judge()

    def _rescale(self, surprise: Tensor, variance: Tensor) -> None:
        """The noise is as large as the filter that has the most evidence finds it, but not below the least."""
        best = self.evidence.flatten(1).argmax(-1, keepdim=True)
        ratio = surprise.gather(1, best)[:, 0].clamp(max=4.0)
        known = self.begun & ~variance.isinf().any(-1)
        least = float((LEAST * self.unit / self.noise).amax() ** 2)
        scaled = (self.scale * (1 + (ratio - 1) / MEMORY)).clamp(min=least)
        self.scale = torch.where(known, scaled, self.scale)

    def _dismiss(self, rivals: Tensor) -> None:
        """Families of rivals ``(B, R)`` give way."""
        self.age = torch.where(rivals, -1, self.age)
        self.evidence[:, 1:].masked_fill_(rivals[..., None], -math.inf)

    def _judge(self) -> None:
        """Let a family take over that has the evidence, and its likeliest member lead."""
        proof, world = self.settings.proof, torch.arange(len(self.lead))
        relative = self.belief.mean[..., 2 * self.filter.places :].unflatten(1, self.evidence.shape[1:])
        sane = ((relative > 1 / RANGE) & (relative < RANGE)).all(-1)
        score = torch.where(sane, self.evidence, -math.inf) - self.handicap
        pushed = score[:, 1:, 0]
        other = score[:, 1:, 1:].amax(-1) + self.handicap[self.lead][:, None] - pushed.clamp(min=0.0)
        wins = torch.where((other > proof).any(-1, keepdim=True), other, pushed)
        over, family = wins.amax(-1) > proof, 1 + wins.argmax(-1)
        self._succeed(over, family)
        score = torch.where(over[:, None], score[world, family], score[:, 0])
        score[:, 1:] -= proof
        lead = score.argmax(-1)
        altered = (lead > 0) & ((lead != self.lead) | over)
        self.lead, self.changes = lead, self.changes + altered
        self.evidence[:, 0] -= self.evidence[world, 0, lead][:, None]
        self.since = torch.where(altered, 0, self.since + 1)
        self.settled = self.settled.where((self.since > MEMORY)[:, None], self._constants(lead[:, None]))

    def _succeed(self, worlds: Tensor, family: Tensor) -> None:
        """A family ``(B,)`` takes the first place in some worlds ``(B,)``; those that began before it give way.

        Those that began after it stay, and are to prove themselves against it from now on: the winner may have begun
        before the change and carry what was then.
        """
        members, world = len(self.open), torch.arange(len(worlds))
        source = torch.arange(self.belief.mean.shape[1]).repeat(len(worlds), 1)
        source[:, :members] += torch.where(worlds, family * members, 0)[:, None]
        self.belief, self.loose = _taken(self.belief, source), self.loose[world[:, None], source]
        first = torch.where(worlds[:, None], self.evidence[world, family], self.evidence[:, 0])
        level = self.evidence[:, 1:] - self.evidence[:, 1:].amax(-1, keepdim=True).clamp(min=-1e12)
        others = torch.where(worlds[:, None, None], level, self.evidence[:, 1:])
        self.evidence = torch.cat([first[:, None], others], 1)
        self._dismiss(worlds[:, None] & (self.age >= self.age.gather(1, family[:, None] - 1)))

    def _spawn(self, ready: Tensor, seen: Tensor, variance: Tensor) -> None:
        """A new family of rivals where the last is old enough, in the place of the oldest.

        Changes of one constant begin with what was believed before a change that is still fresh: if it was taken for
        another one than it was, they mend it.
        """
        youngest = torch.where(self.age >= 0, self.age, self.settings.every).amin(-1)
        due = ready & (youngest >= self.settings.every)
        if not bool(due.any()):
            return
        free = torch.where(self.age >= 0, self.age, 1 << 30).argmax(-1, keepdim=True)
        place = due[:, None] & (torch.arange(self.settings.rivals) == free)
        members, families = len(self.open), 1 + self.settings.rivals
        now, before = self._constants(self.lead[:, None]), self.settled
        known = Belief(
            *(torch.cat([parts[int(alone)] for alone in self.single], 1) for parts in zip(now, before, strict=True))
        )
        closed = (~self.open).to(known.mean)
        wide = torch.diag_embed((self.settings.change * known.mean * self.open).square())
        spread = known.covariance * closed[:, :, None] * closed[:, None, :] + wide
        fresh = self._anew(seen, variance, Belief(known.mean, spread))
        which = torch.cat([torch.zeros_like(place[:, :1]), place], -1).repeat_interleave(members, 1)
        every = Belief(fresh.mean.repeat(1, families, 1), fresh.covariance.repeat(1, families, 1, 1))
        self.belief = self.belief.where(which, every)
        kept = self.loose[torch.arange(len(due)), self.lead][:, None] & (self.open.sum(-1) == 0)[:, None]
        self.loose = torch.where(which[..., None], (kept | self.open).repeat(1, families, 1), self.loose)
        self.age = torch.where(place, 0, self.age)
        self.evidence[:, 1:].masked_fill_(place[..., None], 0.0)

    def _anew(self, seen: Tensor, variance: Tensor, constants: Belief) -> Belief:
        """Beliefs ``(B, M, ...)`` that know the place as it was read and nothing of the velocity.

        Args:
            seen: ``(B, N D)``.
            variance: ``(B, N D)``.
            constants: what they believe of the relative constants, ``(B, M, ...)``.
        """
        half, count = self.filter.places, constants.mean.shape[1]
        mean = _taken(self.belief, self.lead[:, None].expand(-1, count)).mean
        mean[..., :half] = seen[:, None]
        mean[..., 2 * half :] = constants.mean
        swift = (SWIFT * self.unit).square().expand_as(seen)
        place = torch.where(variance.isinf(), 1.0, variance)
        block = mean.new_zeros(*mean.shape, self.filter.size)
        block[..., : 2 * half, : 2 * half] = torch.diag_embed(torch.cat([place, swift], -1))[:, None]
        block[..., 2 * half :, 2 * half :] = constants.covariance
        return Belief(mean, block)


def _taken(belief: Belief, index: Tensor) -> Belief:
    """Beliefs ``(B, M, ...)`` of the filters ``(B, M)``."""
    world = torch.arange(len(index))[:, None]
    return Belief(belief.mean[world, index], belief.covariance[world, index])
