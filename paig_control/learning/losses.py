"""PAIG's losses: squared error of [0, 1] images summed over pixels and channels, averaged over batch and frames.

Reconstruction covers input and prediction frames, prediction the frames predicted, extrapolation those after (the
definitions of the original code, so figures can be compared with it).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.models.paig import PAIG
from paig_control.types import State


class Losses(NamedTuple):
    """Reconstruction, prediction and extrapolation error per frame; the last is NaN without frames for it."""

    recons: Tensor
    pred: Tensor
    extrap: Tensor


def frame_errors(rendered: Tensor, images: Tensor) -> Tensor:
    """Squared error of each frame, ``(*B)``, of images ``(*B, 3, h, w)``."""
    return (rendered - images).square().sum((-3, -2, -1))


def paig_losses(
    model: PAIG, images: Tensor, actions: Tensor, prediction_frames: int, present: Tensor | None = None
) -> Losses:
    """The three losses on sequences of images ``(B, T, 3, h, w)`` with actions ``(B, T - 1, A)``.

    Args:
        model: the model.
        images: frames in [0, 1].
        actions: between them.
        prediction_frames: frames after the input frames that count as predicted; further ones are extrapolated.
        present: ``(B, T, N)``, which objects are seen in which frame; all of them by default.
    """
    inputs = model.input_frames
    shown = min(inputs + prediction_frames, images.shape[1])
    seen = model.see(images[:, :shown].flatten(0, 1)).unflatten(0, images[:, :shown].shape[:2])
    there = None if present is None else present[:, :shown]
    recons = frame_errors(model.render(State(seen, seen), there), images[:, :shown]).mean()
    path = model.unroll(seen, actions)[:, inputs:]
    errors = frame_errors(model.render(State(path, path)), images[:, inputs:])
    cut = shown - inputs
    return Losses(
        recons,
        errors[:, :cut].mean(),
        errors[:, cut:].mean() if errors.shape[1] > cut else torch.tensor(torch.nan),
    )
