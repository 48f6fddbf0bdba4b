"""From frames to key points: a small U-Net, one heat map an object, and the mean place under each map.

Group normalisation and SiLU keep all heads alive where a plain ReLU net loses some. The spatial softmax is taken over
pixel centres at +0.5, so a key point is in the same pixel geometry as renderer and environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from paig_control.vision.kinematics import Kinematics
from paig_control.vision.renderer import Renderer


class Scene(Protocol):
    """What eyes may know of what they look at: the other parts of a model."""

    @property
    def renderer(self) -> Renderer:
        """What is drawn for given poses."""
        ...

    @property
    def kinematics(self) -> Kinematics:
        """From coordinates to poses."""
        ...

    @property
    def weight(self) -> Tensor:
        """Of the pixels, ``(h, w)``."""
        ...


class Eyes(nn.Module):
    """What finds objects in images: a network finds key points ``(M, N, 2)``, x and y in pixels."""

    kind: ClassVar[str]
    """The name by which a checkpoint asks for it."""

    @property
    def learns(self) -> bool:
        """Whether there is anything in them to be learned."""
        return any(True for _ in self.parameters())

    def see(self, images: Tensor, scene: Scene, standing: Tensor | None = None) -> Tensor:
        """Coordinates ``(M, N, D)`` of the objects in images ``(M, 3, h, w)`` in [0, 1].

        At pixels ``standing`` ``(h, w)`` something else stands before them.
        """
        if standing is not None:
            images = torch.where(standing, scene.renderer.scene(), images)
        return scene.kinematics.coordinates(self(images))

    def renumber(self, order: Sequence[int]) -> None:
        """Make number k of the object that was ``order[k]``."""

    def options(self) -> dict[str, Any]:
        """Plain arguments that build the same module, the number of objects apart."""
        raise NotImplementedError


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate"),
        nn.GroupNorm(min(4, outputs), outputs),
        nn.SiLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, padding_mode="replicate"),
        nn.GroupNorm(min(4, outputs), outputs),
        nn.SiLU(),
    )


class Localizer(Eyes):
    """U-Net with a spatial soft-argmax.

    Args:
        objects: number of heat maps N.
        channels: of the first of three levels.
        sharpness: factor on the logits.
    """

    kind: ClassVar[str] = "heat_maps"

    def __init__(self, objects: int, channels: int = 8, sharpness: float = 5.0) -> None:
        super().__init__()
        self.channels, self.sharpness = channels, sharpness
        self.first = _block(3, channels)
        self.second = _block(channels, 2 * channels)
        self.third = _block(2 * channels, 4 * channels)
        self.up_second = _block(6 * channels, 2 * channels)
        self.up_first = _block(3 * channels, channels)
        self.head = nn.Conv2d(channels, objects, 1)

    def options(self) -> dict[str, Any]:
        """Channels and sharpness."""
        return {"channels": self.channels, "sharpness": self.sharpness}

    @torch.no_grad()
    def renumber(self, order: Sequence[int]) -> None:
        """Make number k of the object that was ``order[k]``."""
        self.head.weight.copy_(self.head.weight[list(order)])
        assert self.head.bias is not None
        self.head.bias.copy_(self.head.bias[list(order)])

    def heat(self, frames: Tensor) -> Tensor:
        """Logits ``(M, N, h, w)`` of frames ``(M, 3, h, w)`` in [0, 1]; any size of at least 8 pixels."""
        height, width = frames.shape[-2:]
        frames = functional.pad(frames, (0, -width % 4, 0, -height % 4), mode="replicate") - 0.5
        first = self.first(frames)
        second = self.second(functional.avg_pool2d(first, 2))
        third = self.third(functional.avg_pool2d(second, 2))
        second = self.up_second(torch.cat([_double(third), second], 1))
        first = self.up_first(torch.cat([_double(second), first], 1))
        logits: Tensor = self.head(first)
        return self.sharpness * logits[..., :height, :width]

    def forward(self, frames: Tensor) -> Tensor:
        """Key points ``(M, N, 2)``: x and y in pixels."""
        return soft_argmax(self.heat(frames))


def _double(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


def soft_argmax(logits: Tensor) -> Tensor:
    """Mean pixel centre ``(..., 2)`` under the softmax of logits ``(..., h, w)``."""
    height, width = logits.shape[-2:]
    share = logits.flatten(-2).softmax(-1).unflatten(-1, (height, width))
    x = torch.arange(width, device=logits.device, dtype=logits.dtype) + 0.5
    y = torch.arange(height, device=logits.device, dtype=logits.dtype) + 0.5
    return torch.stack([(share.sum(-2) * x).sum(-1), (share.sum(-1) * y).sum(-1)], -1)


def heat_target_loss(logits: Tensor, keypoints: Tensor, seen: Tensor, spread: float = 1.0) -> Tensor:
    """Cross-entropy of heat maps ``(M, N, h, w)`` against normal blobs of ``spread`` pixels at ``(M, N, 2)``.

    The mean over those that are ``seen`` ``(M, N)``.
    """
    height, width = logits.shape[-2:]
    x = torch.arange(width, device=logits.device) + 0.5
    y = torch.arange(height, device=logits.device) + 0.5
    dx, dy = x - keypoints[..., :1], y - keypoints[..., 1:]
    blob = (-0.5 * (dx.square()[..., None, :] + dy.square()[..., :, None]) / spread**2).flatten(-2).softmax(-1)
    return -(blob * logits.flatten(-2).log_softmax(-1)).sum(-1)[seen].mean()
