"""Foresight: a black box learns, in coordinates, to go on from the input frames as the films do.

In place of identification, where there are no constants to identify.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.learning.optimise import Loop
from paig_control.learning.settings import ForeseeSettings
from paig_control.models.paig import PAIG


def foresee_loop(model: PAIG, coordinates: Tensor, actions: Tensor, settings: ForeseeSettings, seed: int) -> Loop:
    """The loop over coordinates ``(S, T, N, D)`` as seen, with actions ``(S, T - 1, A)``; whole sequences."""
    inputs = model.input_frames

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        row = torch.randint(len(coordinates), (settings.batch,), generator=generator)
        path = model.unroll(coordinates[row], actions[row])
        miss = (path - coordinates[row])[:, inputs:].square().sum(-1).mean()
        return miss, {"pixels_off": float(miss.detach().sqrt())}

    groups = [{"params": list(model.estimator.learns(model.dynamics)), "lr": settings.learning_rate}]
    return Loop("foresee", groups, loss, settings.steps, seed)


@torch.no_grad()
def foreseen(model: PAIG, coordinates: Tensor, actions: Tensor) -> tuple[float, float]:
    """How far predictions go astray from coordinates ``(S, T, N, D)``, and how far things move between two frames.

    Both as root mean squares, in coordinates' units.
    """
    difference = model.dynamics.difference
    parts = zip(coordinates.split(256), actions.split(256), strict=True)
    path = torch.cat([model.unroll(c[:, : model.input_frames], a) for c, a in parts])
    missed = difference(path, coordinates)[:, model.input_frames :]
    steps = difference(coordinates[:, 1:], coordinates[:, :-1])
    return float(missed.square().mean().sqrt()), float(steps.square().mean().sqrt())
