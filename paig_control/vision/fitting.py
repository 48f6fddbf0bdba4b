"""What all ways of discovery share: what they find, and the fit of sprites whose poses are known."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.vision.kinematics import Kinematics
from paig_control.vision.renderer import SpriteRenderer


class Discovered(NamedTuple):
    """What discovery found.

    Attributes:
        coordinates: ``(M, N, D)``, in each frame.
        kinematics: from coordinates to poses.
        renderer: with sprites and background.
        weight: ``(h, w)``, weights of the pixels.
        seen: ``(M, N)``, whether the object is seen in that frame at all; what is said of its place else is void.
        notes: what a user should know, in words.
    """

    coordinates: Tensor
    kinematics: Kinematics
    renderer: SpriteRenderer
    weight: Tensor
    seen: Tensor
    notes: tuple[str, ...] = ()


def fit_sprites(
    renderer: SpriteRenderer,
    pose: Tensor,
    frames: Tensor,
    weight: Tensor,
    pick: Tensor,
    generator: torch.Generator,
    steps: int,
) -> None:
    """Fit sprites and background by gradient, poses held.

    Args:
        renderer: fitted in place.
        pose: ``(M, N, 3)``.
        frames: ``(M, 3, h, w)`` in [0, 1].
        weight: ``(h, w)`` weights of the pixels.
        pick: ``(M,)``, how often each frame is drawn, up to a factor.
        generator: draws the minibatches.
        steps: gradient steps.
    """
    optimiser = torch.optim.Adam(renderer.parameters(), lr=0.1)
    share = pick.cpu()
    for _ in range(steps):
        index = torch.multinomial(share, 64, replacement=True, generator=generator).to(frames.device)
        loss = (weight * (renderer(pose[index]) - frames[index]).square()).sum((1, 2, 3)).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
