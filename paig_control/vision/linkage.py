"""Kinematics of bodies on rails and hinges upon one another: how pictures follow coordinates along a tree of joints."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.quasirandom import SobolEngine

from paig_control.vision.kinematics import Kinematics, Seats


class Linked(Kinematics):
    """Bodies on rails and hinges upon one another.

    Each body's picture has a frame of its own, in which it points up. Where the next joint sits in that frame, where
    the picture's middle is from the joint that carries it, and which way rails run are the same in all frames of a
    film: its *geometry*.

    Args:
        joints: of each body the kind, and the number of the body that carries it; None for the world.

    Attributes:
        anchor: ``(N, 2)``, where joints sit: in the image, or in the picture of the body below, pixels.
        offset: ``(N, 2)``, from the joint to the picture's middle, in the body's own frame; nothing on a rail.
        direction: ``(N,)``, of rails, rad counter-clockwise from the right.
        depth: ``(N,)``, by which part farther the picture of a body on a rail moves than the joints on it; what is
            nearer to a camera seems to move farther.
        reach: ``(N,)``, from the joint to the key point, pixels.
        span: ``(2, N)``, between which coordinates lie in the films.
    """

    name = "tree"
    turns = chained = True

    def __init__(self, joints: Sequence[tuple[str, int | None]]) -> None:
        super().__init__()
        count = len(joints)
        self.joints = tuple(joints)
        self.anchor, self.offset = (nn.Parameter(torch.zeros(count, 2)) for _ in range(2))
        self.direction, self.depth = (nn.Parameter(torch.zeros(count)) for _ in range(2))
        self.reach: Tensor
        self.span: Tensor
        self.zero: Tensor
        self.register_buffer("reach", torch.ones(count))
        self.register_buffer("span", torch.tensor([[-math.pi], [math.pi]]).repeat(1, count))
        self.register_buffer("zero", torch.zeros(count, 1))

    @property
    def geometry(self) -> Tensor:
        """All numbers of it that pictures can tell, ``(G,)``, a joint's :attr:`told` after another's."""
        held = self._parts(None)
        return torch.cat([held[n, told] for n, told in enumerate(self.told)])

    @property
    def told(self) -> list[list[int]]:
        """Which of anchor and offset (two numbers each), direction and depth pictures tell of each joint.

        Of a hinge the first four, of a rail its direction, and its depth where other joints sit on it.
        """
        carrying = {on for _, on in self.joints}
        return [
            [0, 1, 2, 3] if kind == "hinge" else [4, 5] if n in carrying else [4]
            for n, (kind, _) in enumerate(self.joints)
        ]

    @property
    def geometry_widths(self) -> Tensor:
        """Perturbations of these numbers: a tenth of a pixel, a fiftieth of a radian or of all depth."""
        usual = [0.1] * 4 + [0.02] * 2
        return self.zero.new_tensor([usual[n] for told in self.told for n in told])

    @torch.no_grad()
    def build(self, geometry: Tensor) -> None:
        """Take such numbers over."""
        parts = (self.anchor, self.offset, self.direction[:, None], self.depth[:, None])
        for part, values in zip(parts, self._parts(geometry).split([2, 2, 1, 1], -1), strict=True):
            part.copy_(values)

    def _parts(self, geometry: Tensor | None) -> Tensor:
        """Anchors, offsets, directions and depths of all bodies ``(*B, N, 6)``, told or as they are."""
        held = torch.cat([self.anchor, self.offset, self.direction[:, None], self.depth[:, None]], -1)
        if geometry is None:
            return held
        held, first = held.expand(*geometry.shape[:-1], *held.shape).clone(), 0
        for n, told in enumerate(self.told):
            held[..., n, told] = geometry[..., first : first + len(told)]
            first += len(told)
        return held

    def frames(self, position: Tensor, geometry: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Joints ``(*B, N, 2)`` and angles ``(*B, N)`` of all bodies, and where their pictures' middles are.

        Args:
            position: ``(*B, N, 1)``.
            geometry: other than it is, ``(*B, G)``.
        """
        parts = self._parts(geometry)
        origins: list[Tensor] = []
        angles: list[Tensor] = []
        middles: list[Tensor] = []
        for n, value in enumerate((position - self.zero)[..., 0].unbind(-1)):
            origin, angle, middle = self._frame(n, value, origins, angles, parts)
            origins.append(origin)
            angles.append(angle)
            middles.append(middle)
        return torch.stack(origins, -2), torch.stack(angles, -1), torch.stack(middles, -2)

    def _frame(
        self,
        n: int,
        value: Tensor,
        origins: Sequence[Tensor],
        angles: Sequence[Tensor],
        parts: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Joint, angle and middle of a body at a coordinate ``(*B)``, those that carry it known."""
        (kind, on), (anchor, offset, rail) = self.joints[n], parts[..., n, :].split(2, -1)
        angle = torch.zeros_like(value) if on is None else angles[on]
        origin = turned(angle, anchor) + (0.0 if on is None else origins[on])
        if kind == "hinge":
            angle = angle + value
            return origin, angle, origin + turned(angle, offset)
        way = angle + rail[..., 0]
        moved = value[..., None] * torch.stack([torch.cos(way), -torch.sin(way)], -1)
        return origin + moved, angle, origin + (1 + rail[..., 1:]) * moved

    def pose(self, position: Tensor, geometry: Tensor | None = None) -> Tensor:
        """Sprites sit on their joints and turn with them."""
        _, angle, middle = self.frames(position, geometry)
        return torch.cat([middle, angle[..., None]], -1)

    def keypoints(self, position: Tensor) -> Tensor:
        """Of a body on a rail its joint, of one on a hinge a point at ``reach`` from it, in the picture's direction."""
        origin, angle, _ = self.frames(position)
        return origin + turned(angle, torch.stack([torch.zeros_like(self.reach), -self.reach], -1))

    def skeleton(self, position: Tensor) -> Tensor:
        """From each joint to those on its body; where a hinge carries none, as far beyond the picture's middle."""
        origin, _, middle = self.frames(position)
        lines = [(origin[..., on, :], origin[..., n, :]) for n, (_, on) in enumerate(self.joints) if on is not None]
        carrying = {on for _, on in self.joints}
        ends = [n for n, (kind, _) in enumerate(self.joints) if kind == "hinge" and n not in carrying]
        lines += [(origin[..., n, :], 2 * middle[..., n, :] - origin[..., n, :]) for n in ends]
        return torch.stack([torch.stack(line, -2) for line in lines], -3) if lines else super().skeleton(position)

    def coordinates(self, keypoints: Tensor) -> Tensor:
        """From the root to the leaves: how far along a rail, or in which direction from a hinge."""
        origins: list[Tensor] = []
        angles: list[Tensor] = []
        values = []
        parts = self._parts(None)
        for n, (kind, on) in enumerate(self.joints):
            value = torch.zeros_like(keypoints[..., n, 0])
            base, angle, _ = self._frame(n, value, origins, angles, parts)
            away = keypoints[..., n, :] - base
            if kind == "rail":
                way = angle + self.direction[n]
                value = away[..., 0] * torch.cos(way) - away[..., 1] * torch.sin(way)
            else:
                value = torch.atan2(-away[..., 0], -away[..., 1]) - (0.0 if on is None else angles[on])
                value = torch.remainder(value + math.pi, 2 * math.pi) - math.pi
            origin, angle, _ = self._frame(n, value, origins, angles, parts)
            origins.append(origin)
            angles.append(angle)
            values.append(value)
        return torch.stack(values, -1)[..., None] + self.zero

    def anywhere(self, count: int, image_size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Any angle, and along rails where things are in the films."""
        part = torch.rand(count, len(self.joints), generator=generator).to(self.span)
        return (self.span[0] + part * (self.span[1] - self.span[0]))[..., None] + self.zero

    def evenly(self, count: int) -> Tensor:
        """A Sobol sequence (USSR Computational Mathematics 7, 1967) over any angle and what rails span."""
        part = SobolEngine(len(self.joints)).draw(count).to(self.span)
        return (self.span[0] + part * (self.span[1] - self.span[0]))[..., None] + self.zero

    @property
    def widths(self) -> Tensor:
        """A tenth of a pixel, a fiftieth of a radian."""
        return self.zero.new_tensor([0.1 if kind == "rail" else 0.02 for kind, _ in self.joints])

    def gauge(self, position: Tensor) -> Tensor:
        """An offset of each coordinate: ``(*B, N, 1, N)``."""
        eye = torch.eye(len(self.joints), dtype=position.dtype, device=position.device)
        return eye[:, None].expand(*position.shape, len(self.joints))

    def shift(self, offset: Tensor) -> None:
        """Move the zeros of the coordinates."""
        self.zero += offset.to(self.zero)

    def raise_up(self) -> Tensor:
        """Turn the frames of bodies that carry others so that the first of these sits straight up.

        Returns by how much their coordinates grow, ``(N, 1)``.
        """
        tilts = self._tilts()
        more = [torch.zeros_like(tilt) for tilt in tilts]
        for n, (kind, _) in enumerate(self.joints):
            first = next((k for k, (_, on) in enumerate(self.joints) if on == n), None)
            if kind == "hinge" and first is not None:
                x, y = self.anchor[first].detach()
                more[n] = torch.atan2(-x, -y) - tilts[n]
        grown = [own if on is None else own - more[on] for own, (_, on) in zip(more, self.joints, strict=True)]
        self.shift(torch.stack(grown)[:, None])
        return torch.stack(grown)[:, None]

    def seats(self) -> Seats:
        """Where joints sit, in frames that are turned as the coordinates' zeros say."""
        tilts = self._tilts()
        anchor = torch.stack(
            [
                anchor if on is None else turned(-tilts[on], anchor)
                for anchor, (_, on) in zip(self.anchor.detach().unbind(0), self.joints, strict=True)
            ]
        )
        return Seats(anchor, self.direction.detach(), self.reach)

    def _tilts(self) -> list[Tensor]:
        """By how much the frames that coordinates mean are turned against those of the pictures."""
        found: list[Tensor] = []
        for (kind, on), zero in zip(self.joints, self.zero[:, 0], strict=True):
            below = torch.zeros_like(zero) if on is None else found[on]
            found.append(below + zero if kind == "hinge" else below)
        return found

    def settle(self, anywhere: Tensor) -> None:
        """What nothing tells, identification has left as it was."""


def turned(angle: Tensor, vector: Tensor) -> Tensor:
    """Vectors ``(*B, 2)``, x to the right and y down, turned counter-clockwise by angles ``(*B)``."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    x, y = vector.unbind(-1)
    return torch.stack([x * cos + y * sin, y * cos - x * sin], -1)
