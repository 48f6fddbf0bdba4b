"""The localiser's start: it learns to see what discovery found.

Cross-entropy of its heat maps on the found key points, fading out between 40 % and 80 % of the steps, and the
reconstruction error of what it sees; the renderer learns along. Beside the films it sees as many frames that the
renderer draws with the objects anywhere, so it also knows them where the films never show them, at the borders and
over one another.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.learning.losses import frame_errors
from paig_control.learning.optimise import Loop
from paig_control.learning.settings import WarmStartSettings
from paig_control.models.paig import PAIG
from paig_control.types import State
from paig_control.vision.localizer import Localizer, heat_target_loss, soft_argmax


def warm_start_loop(
    model: PAIG, images: Tensor, coordinates: Tensor, seen: Tensor, settings: WarmStartSettings, seed: int
) -> Loop:
    """The loop over images ``(M, 3, h, w)`` with found coordinates ``(M, N, D)`` of the objects seen ``(M, N)``."""
    eyes = model.localizer
    assert isinstance(eyes, Localizer)

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        index = torch.randint(len(images), (settings.batch,), generator=generator).to(images.device)
        batch = images[index]
        drawn = model.kinematics.anywhere(settings.batch, model.image_size, generator)
        with torch.no_grad():
            drawing = model.render(State(drawn, drawn))
            target = model.kinematics.keypoints(torch.cat([coordinates[index], drawn]))
        heat = eyes.heat(torch.cat([batch, drawing]))
        points = soft_argmax(heat)
        there = torch.cat([seen[index], torch.ones_like(seen[index])])
        told = model.kinematics.coordinates(points[: settings.batch])
        recons = frame_errors(model.render(State(told, told), seen[index]), batch).mean()
        fade = min(1.0, max(0.0, (0.8 - step / settings.steps) / 0.4))
        miss = (points - target).square().sum(-1)[there].mean()
        total = recons + miss + fade * heat_target_loss(heat, target, there)
        return total, {"recons": float(recons.detach()), "pixels_off": float(miss.detach().sqrt())}

    rate = settings.learning_rate
    groups = [
        {"params": list(model.localizer.parameters()), "lr": rate},
        {"params": list(model.renderer.parameters()), "lr": rate},
    ]
    return Loop("warm_start", groups, loss, settings.steps, seed)
