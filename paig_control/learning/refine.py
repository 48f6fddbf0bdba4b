"""Refinement: everything together on pixels, with PAIG's loss, prediction + alpha x reconstruction.

Windows start at random places of random sequences, where all objects are seen in the frames that the state is inferred
from. Gradients reach the localiser and the constants through the last step of the state inference, and the sprites
through the rendered frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.learning.losses import paig_losses
from paig_control.learning.optimise import Loop
from paig_control.learning.settings import RefineSettings
from paig_control.models.paig import PAIG


def refine_loop(
    model: PAIG, images: Tensor, actions: Tensor, seen: Tensor, settings: RefineSettings, seed: int
) -> Loop:
    """The loop over images ``(S, T, 3, h, w)``, actions ``(S, T - 1, A)`` and objects ``seen`` ``(S, T, N)``."""
    sequences, frames = images.shape[:2]
    length = min(frames, model.input_frames + settings.prediction_frames)
    known = seen.all(-1).unfold(1, model.input_frames, 1).all(-1)[:, : frames - length + 1].nonzero().cpu()
    windows = known if len(known) else torch.cartesian_prod(torch.arange(sequences), torch.arange(frames - length + 1))

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        row, first = windows[torch.randint(len(windows), (settings.batch,), generator=generator)].split(1, -1)
        column = first + torch.arange(length)
        batch = images[row, column]
        found = paig_losses(model, batch, actions[row, column[:, :-1]], settings.prediction_frames, seen[row, column])
        figures = {"pred": float(found.pred.detach()), "recons": float(found.recons.detach())}
        return found.pred + settings.alpha * found.recons, {**figures, **model.dynamics.values()}

    rate = settings.learning_rate
    groups = [
        {"params": list(model.localizer.parameters()), "lr": rate},
        {"params": [*model.renderer.parameters(), *model.kinematics.parameters()], "lr": rate},
        {"params": list(model.estimator.learns(model.dynamics)), "lr": 0.3 * rate},
    ]
    return Loop("refine", groups, loss, settings.steps, seed)
