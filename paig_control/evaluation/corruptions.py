"""What goes wrong between the camera and the agent: frames that never arrive, noise, an object that hides.

An object that hides behind another is not painted for some frames, once an episode, at whatever moment: where it is
then, the physics alone can tell. The scene is painted anew without it, from the true state, which goes no further than
the picture. What happens in an episode comes from its own seed, whatever batch it sits in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError
from paig_control.seeds import whole

Frames = NDArray[np.uint8]
Array = NDArray[np.float64]
SETTLED = 4
"""Frames of an episode before an object may hide: what moves how is to be known by then."""


@dataclass(frozen=True)
class DisturbSettings:
    """What goes wrong between the camera and the agent.

    Attributes:
        drop: part of the frames that never arrive.
        noise: standard deviation of the noise on every pixel and colour, where 1 is from black to white.
        hide: frames in a row for which one object, whichever, hides behind another, once an episode.
    """

    drop: float = 0.0
    noise: float = 0.0
    hide: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.drop < 1:
            raise PaigError(f"disturb.drop = {self.drop}: expected a part of the frames, from 0 to below 1.")
        if not 0 <= self.noise < float("inf"):
            raise PaigError(f"disturb.noise = {self.noise}: expected a standard deviation, 0 or more, such as 0.1.")
        if self.hide < 0:
            raise PaigError(f"disturb.hide = {self.hide}: expected a number of frames, 0 or more.")

    def check(self, steps: int, objects: int) -> None:
        """Refuse to hide in episodes that are too short, or with fewer than two ``objects``; 0 if none are known."""
        if not self.hide:
            return
        if objects < 2:
            why = "there is one object only" if objects else "nothing is known of the objects' places"
            raise PaigError(f"disturb.hide = {self.hide}: expected 0 here, because {why}.")
        if self.hide + SETTLED > steps:
            raise PaigError(
                f"disturb.hide = {self.hide} in episodes of {steps} steps: expected at most {max(0, steps - SETTLED)}, "
                f"because the first {SETTLED} frames show everything."
            )

    def __bool__(self) -> bool:
        """Whether anything goes wrong."""
        return bool(self.drop or self.noise or self.hide)


class Camera:
    """Disturbs the frames of a batch of episodes.

    Args:
        settings: what goes wrong.
        seeds: of the episodes.
        steps: of an episode.
        objects: number of objects; 0 if nothing is known of them.
        draw: paints a state ``(2, N, D)``.

    Raises:
        PaigError: as :meth:`DisturbSettings.check`.
    """

    def __init__(
        self,
        settings: DisturbSettings,
        seeds: Sequence[int],
        steps: int,
        objects: int = 0,
        draw: Callable[[Array], Frames] | None = None,
    ) -> None:
        settings.check(steps, objects)
        self.settings, self.draw = settings, draw
        self.generators = [np.random.default_rng(np.random.SeedSequence([whole(seed), 2])) for seed in seeds]
        last = steps - settings.hide
        self.since = [int(rng.integers(SETTLED, last, endpoint=True)) for rng in self.generators if settings.hide]
        self.hidden = [int(rng.integers(objects)) for rng in self.generators if settings.hide]

    def __call__(self, frames: Frames, states: Array | None, step: int) -> tuple[Frames, NDArray[np.bool_]]:
        """What arrives of frames ``(B, h, w, 3)`` of true states ``(B, 2, N, D)``, and which never do ``(B,)``.

        A frame that does not arrive is black.
        """
        s, seen = self.settings, frames.copy()
        away = 10.0 * sum(frames.shape[1:3])
        for i, (since, hidden) in enumerate(zip(self.since, self.hidden, strict=True)):
            if since <= step < since + s.hide:
                assert states is not None
                assert self.draw is not None
                without = states[i].copy()
                without[0, hidden] = -away
                seen[i] = self.draw(without)
        if s.noise:
            noise = np.stack([rng.standard_normal(frames.shape[1:]) for rng in self.generators])
            seen = np.rint(np.clip(seen + 255 * s.noise * noise, 0, 255)).astype(np.uint8)
        missing = np.array([rng.random() < s.drop for rng in self.generators])
        seen[missing] = 0
        return seen, missing
