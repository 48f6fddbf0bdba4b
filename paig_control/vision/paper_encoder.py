"""The paper's encoder: a U-Net divides each pixel among the objects, and a small network reads a place off each share.

The layers are those of the original: three levels of eight channels and more below 40 pixels, else four of sixteen
with the masked image halved; masks by a softmax with one constant logit for the background; 200 and 200 hidden units,
shared by all objects, and a hyperbolic tangent scaled to the image. (Jaques, Burke and Hospedales,
Physics-as-Inverse-Graphics, ICLR 2020, section 3.1.)
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from paig_control.errors import PaigError
from paig_control.vision.localizer import Eyes

SMALL, LARGEST = 40, 256
"""Images below so many pixels take the shallow net; above so many, weights for every pixel are too many."""


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions with rectifiers."""
    first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


class UNet(nn.Module):
    """Rectified convolutions, max-pooling down and bilinear steps up, without normalisation.

    Args:
        channels: of the first level; doubled at each further one.
        levels: how many.
        outputs: channels out.
    """

    def __init__(self, channels: int, levels: int, outputs: int) -> None:
        super().__init__()
        wide = [channels * 2**level for level in range(levels)]
        self.down = nn.ModuleList(_pair(i, o) for i, o in zip([3, *wide], wide, strict=False))
        self.lift = nn.ModuleList(nn.Conv2d(below, 2 * channels, 3, padding=1) for below in wide[1:])
        self.up = nn.ModuleList(_pair(2 * channels + own, own) for own in wide[:-1])
        self.head = nn.Conv2d(channels, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Maps ``(M, outputs, h, w)`` of images ``(M, 3, h, w)``."""
        maps = [self.down[0](images)]
        for block in self.down[1:]:
            maps.append(block(functional.max_pool2d(maps[-1], 2)))
        low = maps.pop()
        for lift, up in zip(reversed(self.lift), reversed(self.up), strict=True):
            level = maps.pop()
            high = functional.interpolate(low, size=level.shape[-2:], mode="bilinear", align_corners=False)
            low = up(torch.cat([lift(high), level], 1))
        logits: Tensor = self.head(low)
        return logits


class MaskedLocalizer(Eyes):
    """Masks by a U-Net, places by a network on each masked image.

    Args:
        objects: number of objects N.
        image_size: height and width of the images, pixels; no others can be read.

    Raises:
        PaigError: for images that are too large or too small for weights for every pixel.
    """

    kind: ClassVar[str] = "masks"

    def __init__(self, objects: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        height, width = image_size
        if min(image_size) < 8 or max(image_size) > LARGEST:
            raise PaigError(
                f"Images of {height} x {width} pixels: the paper's networks have weights for every pixel and take "
                f"8 to {LARGEST} along each axis. Resize the films, or use recipe=default."
            )
        self.image_size = image_size
        channels, levels, self.halved = (8, 3, 1) if max(image_size) < SMALL else (16, 4, 2)
        self.unet = UNet(channels, levels, objects)
        pixels = 3 * (height // self.halved) * (width // self.halved)
        self.read = nn.Sequential(
            nn.Linear(pixels, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 2), nn.Tanh()
        )
        self.centre: Tensor
        self.register_buffer("centre", torch.tensor([width / 2, height / 2]), persistent=False)

    def options(self) -> dict[str, Any]:
        """Image size."""
        return {"image_size": list(self.image_size)}

    def masks(self, images: Tensor) -> Tensor:
        """Each object's share of each pixel, ``(M, N, h, w)``; what is missing to one is the background's."""
        images = images.contiguous(memory_format=torch.channels_last)  # thrice as fast on a CPU, as are small parts
        logits = torch.cat([self.unet(part) for part in images.split(250)])
        return torch.cat([logits, torch.ones_like(logits[:, :1])], 1).softmax(1)[:, :-1]

    def forward(self, images: Tensor) -> Tensor:
        """Key points ``(M, N, 2)``: x and y in pixels, inside the image."""
        masked = self.masks(images)[:, :, None] * images[:, None]
        if self.halved > 1:
            masked = functional.avg_pool2d(masked.flatten(1, 2), self.halved).unflatten(1, masked.shape[1:3])
        points: Tensor = self.centre + self.centre * self.read(masked.flatten(2))
        return points
