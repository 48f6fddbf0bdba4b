"""From the camera to the state: which frames are news, what they show, and what is believed after them.

A frame that does not come, is of one colour throughout, or repeats the one before it although things should have moved,
is no news: what the physics foresees stands. Where a reading lies far from what was foreseen, the search through the
renderer starts from there as well, and what explains the frame better is taken.
"""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.estimation.filter import StateFilter
from paig_control.physics.base import Physics
from paig_control.types import Reading, State

STANDS = 0.5
"""A frame that repeats the one before it is no news if something should have moved by more scales of its coordinate."""


class Model(Protocol):
    """What seeing, and acting on it, needs of a model."""

    @property
    def physics(self) -> Physics:
        """Physics that the planner imagines with."""
        ...

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its frames, pixels."""
        ...

    def read(self, frames: Tensor) -> Reading:
        """Coordinates and their trust ``(B, N, D)`` in frames ``(B, h, w, c)``, uint8."""
        ...

    def read_near(self, frames: Tensor, reading: Reading, expected: Tensor) -> Reading:
        """The reading, or what is found from ``expected`` ``(B, N, D)`` where that explains a frame better."""
        ...

    def estimate(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> State:
        """State ``(B, N, D)`` at the last of T frames, from ``(B, T, N, D)`` and actions ``(B, T - 1, A)``.

        From one frame the velocity is zero.
        """
        ...


class Perception:
    """The belief about B worlds, from their frames and the actions taken in them.

    Args:
        model: sees.
        history: first frames that are fitted by least squares.
        patience: frames without news after which a ``RuntimeWarning`` says so.

    Attributes:
        reading: of the newest frames, ``(B, N, D)``, with no trust where they are no news.
    """

    def __init__(self, model: Model, history: int = 4, patience: int = 10) -> None:
        self.model, self.patience = model, patience
        height, width = model.image_size
        self.filter = StateFilter(model.physics, model.estimate, 3 * height * width, history)
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Begin anew with so many worlds."""
        self.batch = batch
        self.blind: NDArray[np.intp] = np.zeros(batch, dtype=np.intp)
        self.filter.reset()
        self.reading = Reading(torch.zeros(0), torch.zeros(0))
        self._last = torch.zeros(0)
        self._place = torch.zeros(0)

    @property
    def state(self) -> State:
        """What is believed ``(B, N, D)``."""
        return self.filter.state

    @property
    def known(self) -> Tensor:
        """Of which worlds ``(B,)`` anything was ever seen."""
        return self.filter.known

    @torch.no_grad()
    def look(self, frames: Tensor | None, missing: ArrayLike | None, action: Tensor) -> State:
        """Take in the newest frames.

        Args:
            frames: ``(B, h, w, c)``, uint8; None if none of them came.
            missing: ``(B,)``, whose frames did not come; what stands in their place is not looked at.
            action: ``(B, A)``, what acted since the frames before.

        Raises:
            PaigError: if ``missing`` has another length.
        """
        absent = self._absent(frames, missing)
        self.filter.predict(action)
        self.reading = self._read(frames, absent)
        self.filter.update(self.reading)
        self._place = self.state.position
        self._say(absent)
        return self.state

    def _absent(self, frames: Tensor | None, missing: ArrayLike | None) -> Tensor:
        """Which frames ``(B,)`` did not come, or show nothing."""
        if frames is None:
            return torch.ones(self.batch, dtype=torch.bool)
        absent = torch.zeros(self.batch, dtype=torch.bool)
        if missing is not None:
            given = np.asarray(missing)
            if given.shape != (self.batch,):
                raise PaigError(f"missing has shape {given.shape}: expected ({self.batch},), one for each environment.")
            absent = torch.from_numpy(given.astype(bool))
        pixels = frames.flatten(1, 2)
        return absent | (pixels == pixels[:, :1]).flatten(1).all(1)

    def _read(self, frames: Tensor | None, absent: Tensor) -> Reading:
        """What the frames show; where they are no news, what is expected, with no trust."""
        physics = self.model.physics
        expected = self.state.position if self.filter.begun else None
        if frames is not None and expected is not None and len(self._last):
            way = physics.difference(expected, self._place).abs() / physics.scale.to(expected)
            moved = way.flatten(1).amax(1) > STANDS
            absent |= moved.cpu() & (frames == self._last).flatten(1).all(1)
        place = physics.free.new_zeros(self.batch, physics.objects, physics.dims).float()
        place = place if expected is None else expected.clone()
        trust = torch.zeros_like(place)
        news = (~absent).nonzero()[:, 0]
        if frames is not None and len(news):
            place[news], trust[news] = self.model.read(frames[news])
            doubt = self.filter.astray(Reading(place, trust)).cpu().nonzero()[:, 0]
            if expected is not None and len(doubt):
                first = Reading(place[doubt], trust[doubt])
                place[doubt], trust[doubt] = self.model.read_near(frames[doubt], first, expected[doubt])
            self._last = frames if not len(self._last) else torch.where(absent[:, None, None, None], self._last, frames)
        return Reading(place, trust)

    def _say(self, absent: Tensor) -> None:
        """Count frames without news, and say it when they become many."""
        self.blind = np.where(absent.numpy(), self.blind + 1, 0)
        lost = np.flatnonzero(self.blind == self.patience)
        if len(lost):
            where = "" if self.batch == 1 else f" in environment {', '.join(map(str, lost))}"
            warnings.warn(
                f"{self.patience} frames in a row{where} were missing, of one colour, or frozen: the agent acts on "
                "what the physics foresees, which drifts from the world. Look at the camera.",
                RuntimeWarning,
                stacklevel=6,  # the caller of act, past the decorator
            )
