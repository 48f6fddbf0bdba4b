"""PAIG as it was published: the velocity comes from a network, the prediction starts at the last input frame.

Its eyes and renderer are the paper's too; no coordinate is corrected through the renderer. Trained by ``recipe=paper``,
so that it can be compared with what this library does instead. (Jaques, Burke and Hospedales, ICLR 2020.)
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from paig_control.errors import PaigError
from paig_control.estimation.state import history, trajectory
from paig_control.models.paig import PAIG
from paig_control.models.velocity import VelocityNetwork
from paig_control.physics.base import Physics
from paig_control.types import State
from paig_control.vision.kinematics import Kinematics
from paig_control.vision.localizer import Eyes
from paig_control.vision.renderer import Renderer


def glorot(module: nn.Module) -> None:
    """Start weights uniformly as Glorot and Bengio (2010) do, biases at zero: the original's framework's default."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class OriginalPAIG(PAIG):
    """The published model; arguments as :class:`~paig_control.models.paig.PAIG`.

    Raises:
        PaigError: for a single input frame, physics without laws, or of angles, of which nothing was published.
    """

    kind: ClassVar[str] = "original"

    def __init__(
        self,
        physics: Physics,
        kinematics: Kinematics,
        localizer: Eyes,
        renderer: Renderer,
        input_frames: int = 4,
        polish: int = 0,
    ) -> None:
        super().__init__(physics, kinematics, localizer, renderer, input_frames, polish)
        if physics.stateless:
            raise PaigError("recipe=paper learns physics with laws: train physics=lstm with recipe=default.")
        if physics.kinematics != "planar":
            raise PaigError(
                f"{physics.label} does not move things in the plane of the image: the paper's recipe for it "
                "was never published. Use recipe=default, or physics=spring, gravity or bouncing."
            )
        if input_frames < 2:
            raise PaigError(f"input_frames = {input_frames}: the velocity network needs at least 2 frames.")
        self.velocity = VelocityNetwork(input_frames, physics.dims)
        self.apply(glorot)

    @torch.no_grad()
    def estimate(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> State:
        """State at the last of T frames from their coordinates ``(B, T, N, D)``, whatever actions and trust were.

        The network reads the last ``input_frames``; from fewer frames, the velocity is that of the last step.
        """
        if coordinates.shape[1] >= self.input_frames:
            return State(coordinates[:, -1], self.velocity(coordinates[:, -self.input_frames :]))
        steps = coordinates[:, 1:][:, -1:] - coordinates[:, :-1][:, -1:]
        return State(coordinates[:, -1], steps.sum(1) / self.physics.dt)

    def infer(self, frames: Tensor, actions: Tensor) -> State:
        """State at the first of the frames ``(B, T, h, w, 3)``: that at the last, followed back in time."""
        last = self.estimate(self.locate(frames), actions)
        back = history(self.physics, State(last.position, -last.velocity), actions.flip(-2))
        return State(back.position[:, -1], -back.velocity[:, -1])

    def unroll(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> Tensor:
        """Positions at all T frames: the input frames' as they were seen, then the physics' from the last of them.

        ``coordinates`` ``(B, I, N, D)`` and ``actions`` ``(B, T - 1, A)`` as for :class:`~.PAIG`.

        Raises:
            PaigError: for fewer frames than the velocity network reads.
        """
        inputs = self.input_frames
        if coordinates.shape[1] < inputs:
            raise PaigError(f"{coordinates.shape[1]} input frames: the velocity network reads {inputs}.")
        seen = coordinates[:, :inputs]
        path = trajectory(self.physics, State(seen[:, -1], self.velocity(seen)), actions[:, inputs - 1 :])
        return torch.cat([seen, path[:, 1:]], 1)
