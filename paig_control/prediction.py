"""How well a model reconstructs, predicts and extrapolates films that it has never seen."""

from __future__ import annotations

import math

import torch

from paig_control.data.episodes import Sequences
from paig_control.errors import PaigError
from paig_control.learning.losses import paig_losses
from paig_control.model import PAIG, to_images


@torch.no_grad()
def evaluate_prediction(model: PAIG, data: Sequences, prediction_frames: int = 10) -> dict[str, float | None]:
    """The original's three losses, per frame, on the sequences of a split.

    Args:
        model: the model.
        data: frames ``(S, T, h, w, 3)`` and actions; T beyond input and prediction frames is extrapolation.
        prediction_frames: frames that count as predicted.

    Returns:
        ``eval_recons_loss``, ``eval_pred_loss`` and ``eval_extrap_loss``; the last is ``None`` where the sequences
        are not long enough.

    Raises:
        PaigError: when the sequences leave nothing to predict.
    """
    count, frames = data.frames.shape[:2]
    if frames <= model.input_frames:
        raise PaigError(
            f"Sequences of {frames} frames leave nothing to predict after {model.input_frames} input frames: "
            "evaluate on longer ones."
        )
    images = to_images(torch.from_numpy(data.frames).to(model.device))
    actions = torch.from_numpy(data.actions_for(model.physics.action_size)).to(model.device)
    rows = [
        torch.stack(paig_losses(model, i, a, prediction_frames, polish=True)) * len(i)
        for i, a in zip(images.split(16), actions.split(16), strict=True)
    ]
    recons, pred, extrap = (float(x) for x in torch.stack(rows).sum(0) / count)
    return {
        "eval_recons_loss": recons,
        "eval_pred_loss": pred,
        "eval_extrap_loss": None if math.isnan(extrap) else extrap,
    }
