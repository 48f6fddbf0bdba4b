"""Between coordinates and sprite poses: where an object's picture stands when its coordinates are given.

A ball's coordinates are its place. A pendulum's coordinate is its angle, and its picture turns about a pivot; the
localiser finds a key point on it and the angle follows. Pixel (row i, column j) covers [j, j+1) x [i, i+1), x to the
right, y down; angles are counter-clockwise from up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

SOLVED = 12
"""Times that a bent angle is looked for from where it was; each time it is about a fifth as far off."""


class Seats(NamedTuple):
    """Where joints sit, in pixels.

    Attributes:
        anchor: ``(N, 2)``, on the body below, in its frame; of a body on the world in the image.
        direction: ``(N,)``, of rails.
        reach: ``(N,)``, from each joint to the middle of its body.
    """

    anchor: Tensor
    direction: Tensor
    reach: Tensor


class Kinematics(nn.Module):
    """The map between coordinates ``(*B, N, D)``, sprite poses ``(*B, N, 3)`` and key points ``(*B, N, 2)``.

    Attributes:
        name: by which it is built.
        turns: whether pictures turn.
        chained: whether coordinates move other pictures than their own object's.
    """

    name: str
    turns: bool
    chained: bool = False

    def pose(self, position: Tensor) -> Tensor:
        """Pose of each sprite: x, y in pixels and angle in radians."""
        raise NotImplementedError

    def keypoints(self, position: Tensor) -> Tensor:
        """Where in the image the localiser should see each object, pixels."""
        raise NotImplementedError

    def coordinates(self, keypoints: Tensor) -> Tensor:
        """Coordinates of objects seen at these key points; the inverse of :meth:`keypoints`."""
        raise NotImplementedError

    def axle(self) -> Tensor | None:
        """The point ``(2,)`` about which all pictures turn, pixels, if there is one."""
        return None

    def renumber(self, order: Sequence[int]) -> None:
        """Make number k of the object that was ``order[k]``."""

    def seats(self) -> Seats | None:
        """Where joints sit, if there are any that the dynamics has to know of."""
        return None

    def skeleton(self, position: Tensor) -> Tensor:
        """Lines ``(*B, L, 2, 2)`` in pixels, from joint to joint or to a body's end; none of what moves freely."""
        return position.new_zeros(*position.shape[:-2], 0, 2, 2)

    def anywhere(self, count: int, image_size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Random coordinates ``(count, N, D)`` all over a frame of this height and width."""
        raise NotImplementedError

    def evenly(self, count: int) -> Tensor:
        """So many coordinates ``(count, N, D)``, spread evenly over all that things may have; of chained ones alone."""
        raise NotImplementedError

    @property
    def widths(self) -> Tensor:
        """Perturbations ``(N D,)`` of coordinates in searches through the renderer; of chained ones alone."""
        raise NotImplementedError

    def gauge(self, position: Tensor) -> Tensor:
        """Ways ``(*B, N, D, G)`` in which all observed positions may be off together, for identification.

        The first N D of them are the constant offsets, one a coordinate.
        """
        raise NotImplementedError

    def shift(self, offset: Tensor) -> None:
        """Add a constant ``(N, D)`` to all coordinates from now on, pictures staying where they are."""
        raise NotImplementedError

    def bend(self, ways: Tensor) -> None:
        """Be told how far positions are off in the :meth:`gauge`'s other ways ``(G - N D,)``; most leave that alone."""

    def settle(self, anywhere: Tensor) -> None:
        """Take back what all shifts had in common along the coordinates ``(D,)`` of which nothing tells the zero."""
        raise NotImplementedError


class Rotary(Kinematics):
    """One object that turns about a learned pivot.

    Args:
        pivot: x and y of the axle, pixels.
        reach: distance of the key point from the axle, pixels.
    """

    name = "rotary"
    turns = True

    def __init__(self, pivot: tuple[float, float] = (0.0, 0.0), reach: float = 1.0) -> None:
        super().__init__()
        self.pivot = nn.Parameter(torch.tensor(pivot))
        self.reach: Tensor
        self.zero: Tensor
        self.register_buffer("reach", torch.tensor(float(reach)))
        self.register_buffer("zero", torch.tensor(0.0))

    def pose(self, position: Tensor) -> Tensor:
        """The sprite sits on the pivot, turned by the angle."""
        return torch.cat([self.pivot.expand(*position.shape[:-1], 2), self._drawn(position)], -1)

    def keypoints(self, position: Tensor) -> Tensor:
        """A point at ``reach`` from the pivot, in the direction of the angle."""
        angle = self._drawn(position)
        return self.pivot + self.reach * torch.cat([-torch.sin(angle), -torch.cos(angle)], -1)

    def skeleton(self, position: Tensor) -> Tensor:
        """From the pivot to the key point."""
        tip = self.keypoints(position)
        return torch.stack([self.pivot.expand_as(tip), tip], -2)

    def axle(self) -> Tensor:
        """The pivot."""
        return self.pivot

    def coordinates(self, keypoints: Tensor) -> Tensor:
        """The angle of the key point about the pivot."""
        offset = self.pivot - keypoints
        return self._meant(torch.atan2(offset[..., :1], offset[..., 1:]))

    def _drawn(self, position: Tensor) -> Tensor:
        """The picture's angle at a coordinate."""
        return position - self.zero

    def _meant(self, angle: Tensor) -> Tensor:
        """The coordinate at an angle of the picture."""
        return angle + self.zero

    def anywhere(self, count: int, image_size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Any angle."""
        return (2 * math.pi * (torch.rand(count, 1, 1, generator=generator) - 0.5)).to(self.zero) + self.zero

    def gauge(self, position: Tensor) -> Tensor:
        """A constant, and the first harmonic that a misplaced pivot causes: ``(*B, 1, 1, 3)``."""
        return torch.stack([torch.ones_like(position), torch.sin(position), torch.cos(position)], -1)

    def shift(self, offset: Tensor) -> None:
        """Move the zero of the angle."""
        self.zero += offset.reshape(()).to(self.zero)

    def settle(self, anywhere: Tensor) -> None:
        """Without a direction that counts, the picture as it was found is the zero."""
        self.zero.masked_fill_(anywhere.reshape(()).to(self.zero.device), 0.0)


class Aslant(Rotary):
    """The same, seen aslant by a camera that is known roughly: angles are off as the motion says, all around alike.

    Attributes:
        bent: ``(4,)``, by which parts of sine, cosine, and of twice the angle, coordinates exceed the picture's angle.
    """

    def __init__(self, pivot: tuple[float, float] = (0.0, 0.0), reach: float = 1.0) -> None:
        super().__init__(pivot, reach)
        self.bent: Tensor
        self.register_buffer("bent", torch.zeros(4))

    def _drawn(self, position: Tensor) -> Tensor:
        angle = position - self.zero
        for _ in range(SOLVED):
            angle = position - self.zero - self._beyond(angle)
        return angle

    def _meant(self, angle: Tensor) -> Tensor:
        return angle + self._beyond(angle) + self.zero

    def _beyond(self, angle: Tensor) -> Tensor:
        return (_harmonics(angle) * self.bent).sum(-1)

    def gauge(self, position: Tensor) -> Tensor:
        """A constant, and the harmonics of a plane that is foreshortened: ``(*B, 1, 1, 5)``."""
        return torch.cat([torch.ones_like(position)[..., None], _harmonics(position)], -1)

    def bend(self, ways: Tensor) -> None:
        """Have coordinates exceed the angle by so much more, to the first order."""
        more = ways.to(self.bent).reshape(2, 2)
        turn = torch.stack([self.zero, 2 * self.zero])
        sine, cosine = more.unbind(-1)
        cos, sin = turn.cos(), turn.sin()
        self.bent += torch.stack([sine * cos - cosine * sin, sine * sin + cosine * cos], -1).flatten()


def _harmonics(angle: Tensor) -> Tensor:
    """Sine and cosine of angles ``(*B)`` and of their doubles, ``(*B, 4)``."""
    return torch.stack([angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()], -1)


class Planar(Kinematics):
    """Objects whose coordinates are their places in the image.

    Args:
        objects: number of objects N.
    """

    name = "planar"
    turns = False

    def __init__(self, objects: int = 1) -> None:
        super().__init__()
        self.zero: Tensor
        self.register_buffer("zero", torch.zeros(objects, 2))

    def pose(self, position: Tensor) -> Tensor:
        """The sprite sits at the place, upright."""
        return torch.cat([position - self.zero, torch.zeros_like(position[..., :1])], -1)

    def keypoints(self, position: Tensor) -> Tensor:
        """The place itself."""
        return position - self.zero

    def coordinates(self, keypoints: Tensor) -> Tensor:
        """The key point itself."""
        return keypoints + self.zero

    def renumber(self, order: Sequence[int]) -> None:
        """Make number k of the object that was ``order[k]``."""
        self.zero.copy_(self.zero[list(order)])

    def anywhere(self, count: int, image_size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Any place in the frame, each object by itself."""
        part = torch.rand(count, *self.zero.shape, generator=generator)
        return (part * torch.tensor(image_size[::-1])).to(self.zero) + self.zero

    def gauge(self, position: Tensor) -> Tensor:
        """An offset of each coordinate of each object: ``(*B, N, 2, 2 N)``."""
        count = self.zero.numel()
        eye = torch.eye(count, dtype=position.dtype, device=position.device)
        return eye.reshape(*self.zero.shape, count).expand(*position.shape, count)

    def shift(self, offset: Tensor) -> None:
        """Move the point of each picture that counts as its place."""
        self.zero += offset.to(self.zero)

    def settle(self, anywhere: Tensor) -> None:
        """The points that count as places are then the pictures' middles, on an average over the objects."""
        self.zero -= torch.where(anywhere.to(self.zero.device), self.zero.mean(0), 0.0)
