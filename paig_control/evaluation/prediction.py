"""How well a model reconstructs, predicts and extrapolates films that it has never seen.

Frames are read once; from the first of them the state is inferred, and the rest is compared with what the physics
makes of it. The losses are PAIG's: squared error of [0, 1] images summed over pixels and channels. Reconstruction
covers input and prediction frames, prediction the frames predicted, extrapolation those after.

Structural similarity of images (Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Processing 13, 2004).

1 for equal images; it compares local mean, contrast and structure instead of single pixels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from paig_control.data.episodes import Sequences
from paig_control.errors import PaigError
from paig_control.learning.stages import frame_errors
from paig_control.models.paig import PAIG, to_pictures
from paig_control.types import Reading, State

C1, C2 = 0.01**2, 0.03**2
"""The paper's constants for images in [0, 1]."""


def ssim(first: Tensor, second: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Mean structural similarity ``(*B)`` of images ``(*B, C, h, w)`` in [0, 1], averaged over channels.

    Moments are taken under a normalised Gaussian window, and at places where it lies within the image. Images smaller
    than the window have a window of their own size.

    Args:
        first: images.
        second: images of the same shape.
        window: side of the window, pixels.
        sigma: standard deviation of the Gaussian, pixels.
    """
    lead, size = first.shape[:-3], first.shape[-2:]
    a, b = (x.reshape(-1, 1, *size) for x in (first, second))
    down, across = (_gaussian(min(window, n), sigma).to(a) for n in size)

    def mean(x: Tensor) -> Tensor:
        return functional.conv2d(functional.conv2d(x, down.reshape(1, 1, -1, 1)), across.reshape(1, 1, 1, -1))

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    index = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    index = index / ((mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2))
    return index.flatten(1).mean(-1).reshape(*lead, -1).mean(-1)


def _gaussian(side: int, sigma: float) -> Tensor:
    """Normalised weights ``(side,)``."""
    place = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    weights = torch.exp(-0.5 * (place / sigma) ** 2)
    return weights / weights.sum()


CHUNK = 16
"""Sequences handled at once, at most."""
PIXELS = 2**16
"""Pixels that are drawn at once, at most, unless one sequence has more."""
Tell = Callable[[float], None]


@dataclass(frozen=True)
class Prediction:
    """What came out for S sequences of T frames.

    Attributes:
        inputs: frames from which the state was inferred.
        shown: input and prediction frames; those after are extrapolation.
        path: predicted coordinates ``(S, T, N, D)``, the input frames included.
        reconstruction_error: ``(S, R)``, of frames drawn as they were read.
        error: ``(S, T)``, of frames drawn as they were predicted.
        similarity: ``(S, T)``, structural similarity of the same; NaN where it was not asked for.
    """

    inputs: int
    shown: int
    path: Tensor
    reconstruction_error: NDArray[np.float64]
    error: NDArray[np.float64]
    similarity: NDArray[np.float64]

    def per_sequence(self) -> dict[str, NDArray[np.float64] | None]:
        """PAIG's three losses of each sequence ``(S,)``; the last is ``None`` without frames for it."""
        rest = self.error[:, self.shown :]
        return {
            "eval_recons_loss": self.reconstruction_error[:, : self.shown].mean(1),
            "eval_pred_loss": self.error[:, self.inputs : self.shown].mean(1),
            "eval_extrap_loss": rest.mean(1) if rest.shape[1] else None,
        }

    def losses(self, which: NDArray[np.bool_] | None = None) -> dict[str, float | None]:
        """PAIG's three losses over all sequences or some ``(S,)``; ``None`` where there is nothing to average."""
        found: dict[str, float | None] = {}
        for name, values in self.per_sequence().items():
            kept = values if values is None or which is None else values[which]
            found[name] = None if kept is None or not len(kept) else float(kept.mean())
        return found

    def share_above(self, limit: float) -> float | None:
        """Share of the sequences whose extrapolation loss is above ``limit``."""
        extrap = self.per_sequence()["eval_extrap_loss"]
        return None if extrap is None else float((extrap > limit).mean())


def check(model: PAIG, data: Sequences, prediction_frames: int) -> None:
    """Refuse sequences that leave nothing to predict, or whose actions or images do not fit the model.

    Raises:
        PaigError: saying what was expected.
    """
    frames, actions = data.frames.shape[1], data.actions_for(model.dynamics.action_size).shape[-1]
    if tuple(data.frames.shape[2:4]) != model.image_size:
        sizes = [" x ".join(map(str, size)) for size in (data.frames.shape[2:4], model.image_size)]
        raise PaigError(f"Frames of {sizes[0]} pixels: the model was trained on {sizes[1]}, so record such films.")
    if frames <= model.input_frames:
        raise PaigError(
            f"Sequences of {frames} frames leave nothing to predict after {model.input_frames} input frames: "
            "evaluate on longer ones."
        )
    if prediction_frames < 1:
        raise PaigError(f"prediction_frames = {prediction_frames}: expected at least 1.")
    if actions != model.dynamics.action_size:
        raise PaigError(
            f"The data have actions of size {actions}, the model takes {model.dynamics.action_size}: "
            "evaluate on films of the environment that it was trained on."
        )


def read(model: PAIG, data: Sequences, tell: Tell = lambda part: None) -> Reading:
    """Coordinates and trust ``(S, T, N, D)`` in all frames.

    Raises:
        PaigError: for frames of another size than the model's.
    """
    parts = []
    for begin in range(0, len(data), CHUNK):
        parts.append(model.read(torch.from_numpy(data.frames[begin : begin + CHUNK])))
        tell(min(1.0, (begin + CHUNK) / len(data)))
    return Reading(*(torch.cat(each) for each in zip(*parts, strict=True)))


@torch.no_grad()
def predict(
    model: PAIG,
    data: Sequences,
    reading: Reading,
    prediction_frames: int,
    constants: Mapping[str, Tensor] | None = None,
    tell: Tell = lambda part: None,
    similar: bool = True,
) -> Prediction:
    """Roll out from the first frames and compare with all others.

    Args:
        model: the model.
        data: S sequences of T frames and their actions.
        reading: coordinates and trust ``(S, R, N, D)`` in them, or in as many first frames as are to be reconstructed.
        prediction_frames: frames after the input frames that count as predicted; further ones are extrapolated.
        constants: of each sequence, ``(S, 1, 1)`` by name, in place of the model's.
        tell: called with the fraction done.
        similar: whether structural similarity is worked out too, which takes longest.

    Raises:
        PaigError: as :func:`check` does.
    """
    check(model, data, prediction_frames)
    count, frames = data.frames.shape[:2]
    actions = torch.from_numpy(data.actions_for(model.dynamics.action_size))
    rows: list[tuple[Tensor, ...]] = []
    size = min(CHUNK, max(1, PIXELS // math.prod(data.frames.shape[1:4])))
    for begin in range(0, count, size):
        part = slice(begin, begin + size)
        images = model.images(torch.from_numpy(data.frames[part]))
        own = {name: value[part].to(reading.position) for name, value in (constants or {}).items()}
        seen = State(reading.position[part], reading.position[part])
        with model.dynamics.using(own):
            path = model.unroll(seen.position, actions[part].to(model.device), reading.trust[part])
        drawn = model.render(State(path, path))
        reconstructed = frame_errors(model.render(seen), images[:, : seen.position.shape[1]])
        error = frame_errors(drawn, images)
        rows.append((path, reconstructed, error, ssim(drawn, images) if similar else error * math.nan))
        tell(min(1.0, (begin + size) / count))
    path, *measured = (torch.cat(each) for each in zip(*rows, strict=True))
    figures = [each.double().cpu().numpy() for each in measured]
    shown = min(model.input_frames + prediction_frames, frames)
    return Prediction(model.input_frames, shown, path, *figures)


def evaluate_prediction(model: PAIG, data: Sequences, prediction_frames: int = 10) -> dict[str, float | None]:
    """PAIG's three losses, per frame, on the sequences of a split; the last ``None`` where they are not long enough.

    Raises:
        PaigError: for sequences that do not fit the model.
    """
    check(model, data, prediction_frames)
    first = dataclasses.replace(data, frames=data.frames[:, : model.input_frames + prediction_frames])
    return predict(model, data, read(model, first), prediction_frames, similar=False).losses()


@torch.no_grad()
def films(model: PAIG, data: Sequences, reading: Reading, prediction: Prediction, rows: int) -> dict[str, Any]:
    """Films ``(rows, T, h, w, 3)`` uint8 of the first sequences: as filmed, as read, as predicted."""
    seen, path = reading.position[:rows], prediction.path[:rows]
    return {
        "camera": model.pictures(data.frames[:rows]),
        "as read": to_pictures(model.render(State(seen, seen))),
        "predicted": to_pictures(model.render(State(path, path))),
    }
