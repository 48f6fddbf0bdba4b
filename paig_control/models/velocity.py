"""The paper's way to a velocity: a small network reads it off an object's places in the input frames.

Beside :mod:`paig_control.estimation.state`, which asks the physics instead. The network knows neither the time step
nor the laws; two layers of 100 units with hyperbolic tangents, the same for all objects, as in the original.
"""

from __future__ import annotations

from torch import Tensor, nn


class VelocityNetwork(nn.Module):
    """Places of one object in a few frames to its velocity in the last of them.

    Args:
        frames: how many frames I are read.
        dims: coordinates D of an object.
    """

    def __init__(self, frames: int, dims: int) -> None:
        super().__init__()
        self.frames = frames
        self.layers = nn.Sequential(
            nn.Linear(frames * dims, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, dims)
        )

    def forward(self, coordinates: Tensor) -> Tensor:
        """Velocities ``(*B, N, D)``, per second, from coordinates ``(*B, I, N, D)``."""
        velocity: Tensor = self.layers(coordinates.movedim(-3, -2).flatten(-2))
        return velocity
