"""A goal as a picture that the imagined frames are to be like: squared pixel error, through the model's own renderer.

Sharp pixels alone say nothing of where to go while an object and its goal do not touch, so pictures are compared
blurred, too. All blurs together are one weight for each frequency of the difference (Parseval), and only low
frequencies survive them, so a few cosines along each axis tell all that the blurred pictures do; their borders are
mirrored. Drawing takes most of the time: a few imagined frames are drawn for every candidate, not all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeGuard

import torch
from torch import Tensor

from paig_control.agents.settings import PictureSettings
from paig_control.agents.terms import Term, Walls
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import State

FAINT = 1e-3
"""Frequencies of which every blur leaves less than this are left out."""
CHUNK = 256
"""Frames drawn at once."""


class Draws(Protocol):
    """A model that can draw what it imagines."""

    @property
    def weight(self) -> Tensor:
        """How much each pixel is to be believed, ``(h, w)``."""
        ...

    def images(self, frames: Tensor) -> Tensor:
        """Frames ``(B, h, w, 3)`` uint8 as :meth:`render` draws them, ``(B, 3, h, w)``."""
        ...

    def render(self, state: State) -> Tensor:
        """Frames ``(n, 3, h, w)`` in [0, 1] of states ``(n, N, D)``; differentiable, if a planner takes gradients."""
        ...


def draws(model: object) -> TypeGuard[Draws]:
    """Whether a model can draw, its buffers and what it hands on from another included."""
    return all(hasattr(model, name) for name in ("weight", "images", "render"))


class Picture(Term):
    """Squared error of imagined frames against a goal image, summed over pixels, colours, blurs and the horizon.

    A blur of standard deviation s counts s² times (s in pixels), so that a small object far from its goal costs about
    as much under each. The frames that are compared stand for those between them.

    Args:
        render: states ``(n, N, D)`` to frames ``(n, 3, h, w)`` in [0, 1]; differentiable, if a planner takes gradients.
        goal: ``(B, 3, h, w)`` in [0, 1], or ``(1, 3, h, w)`` for all.
        frames: how many imagined frames are compared, evenly spaced over the horizon, the last among them.
        blurs: standard deviations of the blurred copies, in parts of the image's height.
        weight: ``(h, w)``, of the pixels; None weighs all alike.

    Raises:
        PaigError: for a goal that is no batch of colour images.
    """

    name = "picture"

    def __init__(
        self,
        render: Callable[[State], Tensor],
        goal: Tensor,
        frames: int = 3,
        blurs: Sequence[float] = (0.06, 0.12, 0.25),
        weight: Tensor | None = None,
    ) -> None:
        if goal.ndim != 4 or goal.shape[1] != 3 or not goal.is_floating_point():
            raise PaigError(
                f"The goal pictures have shape {tuple(goal.shape)} and type {goal.dtype}: expected (batch, 3, height, "
                "width), numbers from 0 to 1."
            )
        height, width = goal.shape[-2:]
        self.render, self.goal, self.frames = render, goal, frames
        self.root = goal.new_ones(height, width) if weight is None else weight.detach().sqrt()
        widths = [blur * height for blur in blurs]
        self.rows, self.columns = (_cosines(size, widths).to(goal) for size in (height, width))
        down, across = (_frequencies(len(basis), size) for basis, size in ((self.rows, height), (self.columns, width)))
        square = (down[:, None] ** 2 + across**2).to(goal)
        self.spectrum = sum((s**2 * (-(s**2) * square).exp() for s in widths), torch.zeros_like(square))

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        batch, candidates, horizon = actions.shape[:3]
        count = min(self.frames, horizon)
        steps = [math.ceil(horizon * (k + 1) / count) - 1 for k in range(count)]
        goal = self.goal.expand(batch, *self.goal.shape[1:])
        index = torch.arange(batch, device=goal.device).repeat_interleave(candidates * count)
        looked = State(*(part[:, :, steps].flatten(0, 2) for part in states))
        errors = [
            self.error(self.render(State(*part)), goal[which])
            for *part, which in zip(*(part.split(CHUNK) for part in looked), index.split(CHUNK), strict=True)
        ]
        return torch.cat(errors).reshape(batch, candidates, count).sum(dim=-1) * (horizon / count)

    def error(self, frames: Tensor, goal: Tensor) -> Tensor:
        """Squared errors ``(n)`` of frames ``(n, 3, h, w)``, sharp and blurred."""
        apart = self.root * (frames - goal)
        low = self.rows @ apart @ self.columns.mT
        return apart.square().sum(dim=(1, 2, 3)) + (self.spectrum * low.square()).sum(dim=(1, 2, 3))


def picture_objective(model: object, physics: Physics, goal: Tensor | State, settings: PictureSettings) -> Term:
    """Be like goal images ``(B, h, w, 3)`` uint8, or like what the model draws of a state ``(B, N, D)``.

    What has left the picture is not seen to come back, however far it is, so where coordinates are pixels the picture's
    borders are walls.

    Raises:
        PaigError: for a model that cannot draw.
    """
    if not draws(model):
        raise PaigError(
            f"{type(model).__name__} cannot draw what it imagines: expected a model with render, images and weight, "
            "or a goal in coordinates, with GoalSettings."
        )
    weight = model.weight.detach()
    with torch.no_grad():
        images = model.render(goal) if isinstance(goal, State) else model.images(goal)
    alike = Picture(model.render, images, settings.frames, settings.blurs, weight)
    if physics.dims != 2 or bool(physics.periodic.any()):
        return alike
    height, width = images.shape[-2:]
    return alike + Walls(physics, (0, 0), (width, height), margin=0.0, penalty=settings.penalty)


def _frequencies(count: int, size: int) -> Tensor:
    """Angular frequencies of the first cosines over ``size`` pixels."""
    return torch.arange(count) * (math.pi / size)


def _cosines(size: int, widths: Sequence[float]) -> Tensor:
    """Orthonormal cosines ``(m, size)``, as many as any blur of these widths leaves anything of."""
    least = min(widths, default=math.inf)
    count = min(size, math.ceil(math.sqrt(-math.log(FAINT)) / least * size / math.pi) + 1)
    place = torch.arange(size) + 0.5
    basis = (_frequencies(count, size)[:, None] * place).cos() * math.sqrt(2 / size)
    basis[0] = 1 / math.sqrt(size)
    return basis
