"""From where things were seen to where they are, were and will be: the part of a model that knows time.

Least squares through the physics is this library's way. The paper's is a network that reads a velocity off the input
frames, and predicts from the last of them on; the black box to be beaten is a recurrent network in the place of both
physics and velocities. (Jaques, Burke and Hospedales, Physics-as-Inverse-Graphics, ICLR 2020.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from paig_control.errors import PaigError
from paig_control.estimation.state import history, infer, trajectory
from paig_control.physics.dynamics import Dynamics, no_state
from paig_control.types import Reading, State

STRIDES = 8
"""A recurrent network's displacements are measured in such a part of half the image: of the order of one."""


class Estimator(nn.Module):
    """What knows how coordinates of some frames go on.

    Args:
        dynamics: of the model; its own module, of which an estimator keeps nothing.
        image_size: height and width of the frames, pixels.
        frames: input frames I, from which is predicted.

    Raises:
        PaigError: for dynamics that it cannot serve.
    """

    kind: ClassVar[str]
    """The name by which a checkpoint asks for it."""

    def __init__(self, dynamics: Dynamics, image_size: tuple[int, int], frames: int) -> None:
        super().__init__()
        self.frames = frames

    def learns(self, dynamics: Dynamics) -> Iterator[nn.Parameter]:
        """What refinement learns about motion: the constants, by default."""
        return dynamics.parameters()

    def first(self, dynamics: Dynamics, seen: Reading, actions: Tensor) -> State:
        """State at the first of the frames that were read, ``(B, T, N, D)``, with actions ``(B, T - 1, A)`` between."""
        raise NotImplementedError

    def last(self, dynamics: Dynamics, coordinates: Tensor, actions: Tensor, trust: Tensor | None) -> State:
        """State at the last of T frames from coordinates and trust ``(B, T, N, D)`` and actions ``(B, T - 1, A)``."""
        raise NotImplementedError

    def unroll(self, dynamics: Dynamics, coordinates: Tensor, actions: Tensor, trust: Tensor | None) -> Tensor:
        """Positions at all T frames from coordinates and trust ``(B, I, N, D)``, actions ``(B, T - 1, A)`` between."""
        raise NotImplementedError


class LeastSquares(Estimator):
    """The state whose rollout passes nearest to what was seen."""

    kind: ClassVar[str] = "least_squares"

    def first(self, dynamics: Dynamics, seen: Reading, actions: Tensor) -> State:
        """See :class:`Estimator`."""
        return infer(dynamics.laws(), seen.position, actions, seen.trust)

    def last(self, dynamics: Dynamics, coordinates: Tensor, actions: Tensor, trust: Tensor | None) -> State:
        """See :class:`Estimator`."""
        physics = dynamics.laws()
        return _end(history(physics, infer(physics, coordinates, actions, trust), actions))

    def unroll(self, dynamics: Dynamics, coordinates: Tensor, actions: Tensor, trust: Tensor | None) -> Tensor:
        """See :class:`Estimator`."""
        physics, inputs = dynamics.laws(), min(self.frames, coordinates.shape[1])
        known = None if trust is None else trust[:, :inputs]
        return trajectory(physics, infer(physics, coordinates[:, :inputs], actions[:, : inputs - 1], known), actions)


class VelocityNetwork(Estimator):
    """The paper's: a small network reads an object's velocity off its places in the input frames.

    It knows neither the time step nor the laws; two layers of 100 units with hyperbolic tangents, the same for all
    objects, as in the original. The prediction starts at the last input frame.
    """

    kind: ClassVar[str] = "velocity_network"

    def __init__(self, dynamics: Dynamics, image_size: tuple[int, int], frames: int) -> None:
        super().__init__(dynamics, image_size, frames)
        if dynamics.stateless:
            raise PaigError("recipe=paper learns physics with laws: train physics=lstm with recipe=default.")
        if dynamics.kinematics != "planar":
            raise PaigError(
                f"{dynamics.label} does not move things in the plane of the image: the paper's recipe for it "
                "was never published. Use recipe=default, or physics=spring, gravity or bouncing."
            )
        if frames < 2:
            raise PaigError(f"input_frames = {frames}: the velocity network needs at least 2 frames.")
        dims = dynamics.dims
        self.layers = nn.Sequential(
            nn.Linear(frames * dims, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, dims)
        )

    def forward(self, coordinates: Tensor) -> Tensor:
        """Velocities ``(*B, N, D)`` in the last frame, per second, from coordinates ``(*B, I, N, D)``."""
        velocity: Tensor = self.layers(coordinates.movedim(-3, -2).flatten(-2))
        return velocity

    def first(self, dynamics: Dynamics, seen: Reading, actions: Tensor) -> State:
        """That at the last frame, followed back in time."""
        last = self.last(dynamics, seen.position, actions, None)
        back = _end(history(dynamics.laws(), State(last.position, -last.velocity), actions.flip(-2)))
        return State(back.position, -back.velocity)

    def last(self, dynamics: Dynamics, coordinates: Tensor, actions: Tensor, trust: Tensor | None) -> State:
        """Read off the last input frames, whatever actions and trust; from fewer, the velocity of the last step."""
        if coordinates.shape[1] >= self.frames:
            return State(coordinates[:, -1], self(coordinates[:, -self.frames :]))
        steps = coordinates[:, 1:][:, -1:] - coordinates[:, :-1][:, -1:]
        return State(coordinates[:, -1], steps.sum(1) / dynamics.dt)

    def unroll(self, dynamics: Dynamics, coordinates: Tensor, actions: Tensor, trust: Tensor | None) -> Tensor:
        """The input frames' positions as they were seen, then the physics' from the last of them.

        Raises:
            PaigError: for fewer frames than the network reads.
        """
        if coordinates.shape[1] < self.frames:
            raise PaigError(f"{coordinates.shape[1]} input frames: the velocity network reads {self.frames}.")
        seen = coordinates[:, : self.frames]
        path = trajectory(dynamics.laws(), State(seen[:, -1], self(seen)), actions[:, self.frames - 1 :])
        return torch.cat([seen, path[:, 1:]], 1)


class Recurrent(Estimator):
    """The black box: an LSTM turns coordinates, displacements and actions, frame by frame, into the next displacement.

    It reads the input frames and goes on from its own predictions. What it knows of the world sits in a hidden vector,
    so nothing can be read off it, and no planner can start from it.
    """

    kind: ClassVar[str] = "recurrent"

    def __init__(self, dynamics: Dynamics, image_size: tuple[int, int], frames: int) -> None:
        super().__init__(dynamics, image_size, frames)
        units = getattr(dynamics, "units", 0)
        if not units:
            raise PaigError(f"A black box takes physics=lstm, not {dynamics.label}.")
        self.cell = nn.LSTMCell(4 * dynamics.objects + dynamics.action_size, units)
        self.move = nn.Linear(units, 2 * dynamics.objects)
        self.centre: Tensor
        height, width = image_size
        self.register_buffer("centre", torch.tensor([width / 2, height / 2]), persistent=False)

    def learns(self, dynamics: Dynamics) -> Iterator[nn.Parameter]:
        """The network's weights."""
        return self.parameters()

    def first(self, dynamics: Dynamics, seen: Reading, actions: Tensor) -> State:
        """Refuse: what a black box knows is no state."""
        raise no_state()

    def last(self, dynamics: Dynamics, coordinates: Tensor, actions: Tensor, trust: Tensor | None) -> State:
        """Refuse: what a black box knows is no state."""
        raise no_state()

    def unroll(self, dynamics: Dynamics, coordinates: Tensor, actions: Tensor, trust: Tensor | None) -> Tensor:
        """The input frames' positions as they were seen, then the network's."""
        path = list(coordinates[:, : self.frames].unbind(1))
        stride = self.centre / STRIDES
        memory: tuple[Tensor, Tensor] | None = None
        for t, action in enumerate(actions.unbind(1)):
            place, step = path[t] / self.centre - 1, (path[t] - path[max(t - 1, 0)]) / stride
            memory = self.cell(torch.cat([place.flatten(1), step.flatten(1), action], 1), memory)
            if t + 1 == len(path):
                path.append(path[t] + stride * self.move(memory[0]).unflatten(1, place.shape[1:]))
        return torch.stack(path, 1)


ESTIMATORS: dict[str, type[Estimator]] = {one.kind: one for one in (LeastSquares, VelocityNetwork, Recurrent)}


def _end(states: State) -> State:
    """The last of states ``(B, T, N, D)``."""
    return State(states.position[:, -1], states.velocity[:, -1])
