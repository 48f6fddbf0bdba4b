"""Refinement: everything together on pixels, with PAIG's loss, prediction + alpha x reconstruction.

Windows start at random places of random sequences. Gradients reach the localiser and the constants through the last
step of the state inference, and the sprites through the rendered frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.learning.losses import paig_losses
from paig_control.learning.optimise import Loop
from paig_control.learning.settings import RefineSettings
from paig_control.model import PAIG


def refine_loop(model: PAIG, images: Tensor, actions: Tensor, settings: RefineSettings, seed: int) -> Loop:
    """The loop over sequences of images ``(S, T, 3, h, w)`` with actions ``(S, T - 1, A)``."""
    sequences, frames = images.shape[:2]
    length = min(frames, model.input_frames + settings.prediction_frames)

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        row = torch.randint(sequences, (settings.batch, 1), generator=generator)
        first = torch.randint(frames - length + 1, (settings.batch, 1), generator=generator)
        column = first + torch.arange(length)
        batch = images[row, column]
        found = paig_losses(model, batch, actions[row, column[:, :-1]], settings.prediction_frames)
        figures = {"pred": float(found.pred.detach()), "recons": float(found.recons.detach())}
        return found.pred + settings.alpha * found.recons, {**figures, **model.physics.values()}

    rate = settings.learning_rate
    groups = [
        {"params": list(model.localizer.parameters()), "lr": rate},
        {"params": [*model.renderer.parameters(), *model.kinematics.parameters()], "lr": rate},
        {"params": list(model.dynamics()), "lr": 0.3 * rate},
    ]
    return Loop("refine", groups, loss, settings.steps, seed)
