"""The black box to be beaten: PAIG's eyes and renderer, with a recurrent network where the physics was.

The network reads the coordinates of the input frames and the actions, and then goes on from its own predictions. What
it knows of the world sits in a hidden vector, so nothing can be read off it, and no planner can start from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NoReturn

import torch
from torch import Tensor, nn

from paig_control.errors import PaigError
from paig_control.models.paig import PAIG
from paig_control.physics.base import Physics
from paig_control.physics.lstm import Lstm, no_state
from paig_control.vision.kinematics import Kinematics
from paig_control.vision.localizer import Eyes
from paig_control.vision.renderer import Renderer

STRIDES = 8
"""Displacements are measured in such a part of half the image: then they are of the order of one."""


class Foresight(nn.Module):
    """An LSTM that turns coordinates, displacements and actions, frame by frame, into the next displacement.

    Args:
        objects: number of things N, each with two coordinates.
        action_size: numbers in an action.
        units: of its memory.
        image_size: height and width of the frames, pixels; coordinates are scaled by it.
    """

    def __init__(self, objects: int, action_size: int, units: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(4 * objects + action_size, units)
        self.move = nn.Linear(units, 2 * objects)
        self.centre: Tensor
        height, width = image_size
        self.register_buffer("centre", torch.tensor([width / 2, height / 2]), persistent=False)

    def forward(self, coordinates: Tensor, actions: Tensor) -> Tensor:
        """Positions ``(B, T, N, 2)`` at all frames: the first I as given, ``(B, I, N, 2)``, then as foreseen.

        ``actions`` ``(B, T - 1, A)`` lie between all the frames.
        """
        path = list(coordinates.unbind(1))
        stride = self.centre / STRIDES
        memory: tuple[Tensor, Tensor] | None = None
        for t, action in enumerate(actions.unbind(1)):
            place, step = path[t] / self.centre - 1, (path[t] - path[max(t - 1, 0)]) / stride
            memory = self.cell(torch.cat([place.flatten(1), step.flatten(1), action], 1), memory)
            if t + 1 == len(path):
                path.append(path[t] + stride * self.move(memory[0]).unflatten(1, place.shape[1:]))
        return torch.stack(path, 1)


class BlackBox(PAIG):
    """Eyes, renderer and an LSTM between them; arguments as :class:`~paig_control.models.paig.PAIG`.

    Raises:
        PaigError: for physics with laws.
    """

    kind: ClassVar[str] = "black_box"

    def __init__(
        self,
        physics: Physics,
        kinematics: Kinematics,
        localizer: Eyes,
        renderer: Renderer,
        input_frames: int = 4,
        polish: int = 1,
    ) -> None:
        super().__init__(physics, kinematics, localizer, renderer, input_frames, polish)
        if not isinstance(physics, Lstm):
            raise PaigError(f"A black box takes physics=lstm, not {physics.label}.")
        self.foresight = Foresight(physics.objects, physics.action_size, physics.units, renderer.image_size)

    def dynamics(self) -> Iterator[nn.Parameter]:
        """What is learned about motion: the network's weights."""
        return self.foresight.parameters()

    def unroll(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> Tensor:
        """Positions at all T frames: the input frames' as they were seen, then the network's."""
        positions: Tensor = self.foresight(coordinates[:, : self.input_frames], actions)
        return positions

    def infer(self, frames: Tensor, actions: Tensor) -> NoReturn:
        """Refuse: what a black box knows is no state."""
        raise no_state()

    def estimate(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> NoReturn:
        """Refuse: what a black box knows is no state."""
        raise no_state()
