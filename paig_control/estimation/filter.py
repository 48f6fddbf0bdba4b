"""The state filter: what the model foresees and what the frame shows, each counted by how sure it is.

A belief over positions and velocities goes through the physics and is corrected by what is read off each frame, by its
trust, so that an object that is hidden, or a frame that does not come, leaves the prediction standing. An episode
begins with a least-squares fit to its first frames. A reading far from what was foreseen is an outlier the first time;
if the next one says so again, the belief was wrong, and is widened until it can follow.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import torch
from torch import Tensor

from paig_control.estimation.kalman import Belief, Kalman
from paig_control.estimation.state import pack, unpack
from paig_control.physics.base import Physics
from paig_control.types import Reading, State

NOISE = 0.01
"""Least standard deviation of a reading, in scales of the coordinate."""
PACE = 5.0
"""Standard deviation of the motion in a frame, before anything is known of it, in scales of the coordinate."""
CRUDE = 0.01
"""The physics is believed to know a step's change of velocity to this part of it."""
CREEP = 0.1
"""What else may change in a step, in parts of a reading's least standard deviation."""
GATE = 25.0
"""Squared distance of a reading from what was foreseen, in variances, beyond which the two do not agree."""
UNSEEN = 1e6
"""Variance of the reading of what is not seen at all."""


class Estimates(Protocol):
    """A function from the first frames' readings to a state, see :meth:`paig_control.models.paig.PAIG.estimate`."""

    def __call__(self, coordinates: Tensor, actions: Tensor, trust: Tensor) -> State:
        """State ``(B, N, D)`` at the last of T frames, from ``(B, T, N, D)`` and actions ``(B, T - 1, A)``."""
        ...


class StateFilter:
    """Belief of B worlds, in double precision.

    Args:
        physics: foresees.
        estimate: fits a state to the first frames.
        values: colour values of a frame; the variance of a reading is one over its trust times this.
        history: number of first frames that are fitted by least squares.
    """

    def __init__(self, physics: Physics, estimate: Estimates, values: int, history: int = 4) -> None:
        self.physics, self.estimate, self.values = physics, estimate, values
        self.kalman = Kalman(physics, constants=False)
        self.noise = NOISE * physics.scale.flatten()
        self._first: deque[tuple[Reading, Tensor]] = deque(maxlen=history)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.belief: Belief | None = None
        self.known = self._astray = torch.zeros(0)
        self._action = torch.zeros(0)
        self._first.clear()
        self._starting = True

    @property
    def begun(self) -> bool:
        """Whether there is any belief yet."""
        return self.belief is not None

    @property
    def state(self) -> State:
        """Most likely state ``(B, N, D)``, single precision; nothing before the first update."""
        return unpack(self._sure.mean.float(), self.physics)

    @property
    def std(self) -> State:
        """Standard deviations ``(B, N, D)`` of positions and velocities."""
        return unpack(self._sure.covariance.diagonal(dim1=-2, dim2=-1).sqrt().float(), self.physics)

    @torch.no_grad()
    def predict(self, action: Tensor) -> None:
        """Foresee the next frame's state, under the action ``(B, A)`` between the frames; nothing before the first."""
        if self.belief is None:
            return
        self._action = action
        before = self.belief.mean
        foresee = self.kalman.drift if self._starting else self.kalman.foresee
        mean, spread = foresee(self.belief, action)
        unsure = self.kalman.unforeseen(before, mean, CRUDE, CREEP * self.noise / self.physics.dt)
        self.belief = Belief(mean, spread + torch.diag_embed(unsure))

    def astray(self, reading: Reading) -> Tensor:
        """Whether any object of each world ``(B,)`` is read far from where it was foreseen."""
        if self.belief is None:
            return torch.zeros(reading.position.shape[0], dtype=torch.bool, device=reading.position.device)
        return (self._distance(reading) > GATE).any(-1)

    @torch.no_grad()
    def update(self, reading: Reading) -> None:
        """Take in what was read ``(B, N, D)``; trust 0 for what was not seen."""
        shape = reading.position.shape
        here, variance = reading.position.double(), self._variance(reading)
        seen = (reading.trust > 0).flatten(1).any(-1)
        if self.belief is None:
            pace = (PACE / self.physics.dt * self.physics.scale.flatten()).square().expand_as(variance)
            still = pack(State(here, torch.zeros_like(here)))
            self.belief = Belief(still, torch.diag_embed(torch.cat([variance, pace], -1)))
            self._astray = torch.zeros(shape[:2], dtype=torch.long, device=here.device)
            self._action = here.new_zeros(shape[0], self.physics.action_size)
            self.known = seen
        else:
            self.known = self.known | seen
            distance = self._distance(reading)
            self._astray = torch.where(distance > GATE, self._astray + 1, 0)
            excess = distance / GATE
            once = torch.where(self._astray == 1, excess, 1.0)
            again = torch.where(self._astray > 1, excess, 1.0).amax(-1)
            variance = variance * once[..., None].expand(shape).flatten(1)
            wide = Belief(self.belief.mean, self.belief.covariance * again[:, None, None])
            misfit = self.physics.difference(here, self._foreseen()).flatten(1)
            self.belief = self.kalman.corrected(wide, misfit, variance)
        if self._starting:
            self._first.append((reading, self._action))
            self.belief = Belief(self._fitted(), self.belief.covariance)
            self._starting = len(self._first) < (self._first.maxlen or 0)

    def _fitted(self) -> Tensor:
        """Least squares through all frames so far."""
        readings, actions = zip(*self._first, strict=True)
        coordinates, trust = (torch.stack([one[part] for one in readings], 1) for part in (0, 1))
        between = torch.stack(actions, 1)[:, 1:].to(coordinates)
        return pack(self.estimate(coordinates, between, trust)).double()

    def _distance(self, reading: Reading) -> Tensor:
        """Squared distance ``(B, N)`` of each object from where it was foreseen, in variances."""
        apart = self.physics.difference(reading.position.double(), self._foreseen())
        size = apart[0].numel()
        total = self._sure.covariance[:, :size, :size] + torch.diag_embed(self._variance(reading))
        dims = self.physics.dims
        own = torch.stack([total[:, i : i + dims, i : i + dims] for i in range(0, size, dims)], 1)
        distance: Tensor = (apart * torch.linalg.solve(own, apart)).sum(-1)
        return distance

    @property
    def _sure(self) -> Belief:
        assert self.belief is not None
        return self.belief

    def _foreseen(self) -> Tensor:
        return unpack(self._sure.mean, self.physics).position

    def _variance(self, reading: Reading) -> Tensor:
        """Variances ``(B, N D)`` of a reading."""
        each = 1 / (reading.trust.double() * self.values).clamp(min=1 / UNSEEN)
        return each.flatten(1) + self.noise**2
