"""Between coordinates and sprite poses: where an object's picture stands when its coordinates are given.

A ball's coordinates are its position in the image. A pendulum's coordinate is its angle, and its picture turns
about a pivot; the localiser finds a key point on it and the angle follows. Pixel (row i, column j) covers
[j, j+1) x [i, i+1), x to the right, y down; angles are counter-clockwise from up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Kinematics(nn.Module):
    """The map between coordinates ``(*B, N, D)``, sprite poses ``(*B, N, 3)`` and key points ``(*B, N, 2)``."""

    def pose(self, position: Tensor) -> Tensor:
        """Pose of each sprite: x, y in pixels and angle in radians."""
        raise NotImplementedError

    def keypoints(self, position: Tensor) -> Tensor:
        """Where in the image the localiser should see each object, pixels."""
        raise NotImplementedError

    def coordinates(self, keypoints: Tensor) -> Tensor:
        """Coordinates of objects seen at these key points; the inverse of :meth:`keypoints`."""
        raise NotImplementedError


class Rotary(Kinematics):
    """One object that turns about a learned pivot.

    Args:
        pivot: x and y of the axle, pixels.
        reach: distance of the key point from the axle, pixels.
    """

    def __init__(self, pivot: tuple[float, float] = (0.0, 0.0), reach: float = 1.0) -> None:
        super().__init__()
        self.pivot = nn.Parameter(torch.tensor(pivot))
        self.reach: Tensor
        self.register_buffer("reach", torch.tensor(float(reach)))

    def pose(self, position: Tensor) -> Tensor:
        """The sprite sits on the pivot, turned by the angle."""
        return torch.cat([self.pivot.expand(*position.shape[:-1], 2), position], -1)

    def keypoints(self, position: Tensor) -> Tensor:
        """A point at ``reach`` from the pivot, in the direction of the angle."""
        direction = torch.cat([-torch.sin(position), -torch.cos(position)], -1)
        return self.pivot + self.reach * direction

    def coordinates(self, keypoints: Tensor) -> Tensor:
        """The angle of the key point about the pivot, in (-pi, pi]."""
        offset = self.pivot - keypoints
        return torch.atan2(offset[..., :1], offset[..., 1:])
