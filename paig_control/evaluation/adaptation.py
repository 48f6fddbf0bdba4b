"""The constants of films anew, each from its first frames, whatever the model was trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from paig_control.data.episodes import Sequences
from paig_control.errors import PaigError
from paig_control.estimation.adaptation import Adapted, Prior, adapt, spread_prior
from paig_control.models.paig import PAIG
from paig_control.types import Reading
from paig_control.vision.renderer import SpriteRenderer
from paig_control.vision.visibility import present


@dataclass(frozen=True)
class AdaptedFilms:
    """What the first frames of films say.

    Attributes:
        alone: each film by itself, from the prior around the learned constants.
        together: each film with a prior from the spread over all; the same as ``alone`` for fewer than eight films.
        missing: number of readings in these frames that were left out, of objects not wholly in the picture.
        films_missing: films in which there are such.
        frames: that were used.
    """

    alone: Adapted
    together: Adapted
    missing: int
    films_missing: int
    frames: int


def check_frames(frames: int, length: int) -> None:
    """Refuse a number of first frames that films of so many frames do not have, or that tells nothing.

    Raises:
        PaigError: saying what was expected.
    """
    if not 3 <= frames <= length:
        raise PaigError(f"adapt_frames = {frames}: expected 3 to {length}, the length of the films.")


def adapt_films(
    model: PAIG,
    data: Sequences,
    reading: Reading,
    frames: int,
    prior: Prior,
    noise: float,
    tell: Callable[[float], None] = lambda part: None,
) -> AdaptedFilms:
    """Constants of each film from its first frames.

    Args:
        model: whose eyes and physics are used, both left as they are.
        data: S films of T frames and their actions.
        reading: coordinates and trust ``(S, T, N, D)`` in them.
        frames: first frames that are used.
        prior: of the free constants.
        noise: least standard deviation that is expected of the readings.
        tell: called with the fraction done.

    Raises:
        PaigError: for too few or too many frames, or a model whose sprites have no places of their own.
    """
    check_frames(frames, data.frames.shape[1])
    if not isinstance(model.renderer, SpriteRenderer):
        raise PaigError("A model of the paper's recipe cannot be adapted: train with recipe=default, or adapt=false.")
    count = len(data)
    images = model.images(torch.from_numpy(data.frames[:, :frames])).flatten(0, 1)
    poses = model.kinematics.pose(reading.position[:, :frames]).flatten(0, 1)
    there = present(model.renderer, poses, images).unflatten(0, (count, frames))
    tell(0.3)
    actions = torch.from_numpy(data.actions_for(model.physics.action_size)[:, : frames - 1]).to(model.device)
    seen, trusted = reading.position[:, :frames], reading.trust[:, :frames] * there[..., None]
    alone = adapt(model.physics, seen, actions, prior, noise, trusted, progress=lambda part: tell(0.3 + 0.3 * part))
    together = alone
    if count >= 8:
        spread = spread_prior(alone)
        together = adapt(
            model.physics, seen, actions, spread, noise, trusted, progress=lambda part: tell(0.7 + 0.3 * part)
        )
    gone = ~there
    return AdaptedFilms(alone, together, int(gone.sum()), int(gone.flatten(1).any(1).sum()), frames)
