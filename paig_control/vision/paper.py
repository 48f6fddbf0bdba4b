"""The paper's encoder: a U-Net divides each pixel among the objects, and a small network reads a place off each share.

The layers are those of the original: three levels of eight channels and more below 40 pixels, else four of sixteen
with the masked image halved; masks by a softmax with one constant logit for the background; 200 and 200 hidden units,
shared by all objects, and a hyperbolic tangent scaled to the image. (Jaques, Burke and Hospedales,
Physics-as-Inverse-Graphics, ICLR 2020, section 3.1.)

The paper's decoder: templates of the size of the image at half its resolution, moved about and blended by a softmax.

Contents, masks and background are each what a small network makes of ones, which trains faster than bare texels. A
spatial transformer moves each template so that its middle lies on the object's place; one learned scale is common to
all. Pixel geometry is this library's, not the original's, whose sampling grid spans one pixel less than its places
and so inflates every learned length. (Physics-as-Inverse-Graphics, section 3.3 and its original code.)
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from paig_control.errors import PaigError
from paig_control.vision.localizer import Eyes
from paig_control.vision.renderer import Renderer

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


OUTSIDE = -5.0
"""Logit of a mask beyond its template's border; the background's is 1 everywhere."""


class Grown(nn.Module):
    """A learned array as the answer of a small network to ones.

    Args:
        shape: of the array.
    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape
        self.hidden = nn.Linear(10, 200)
        self.out = nn.Linear(200, int(torch.Size(shape).numel()))

    def forward(self) -> Tensor:
        """The array."""
        ones = self.hidden.weight.new_ones(10)
        array: Tensor = self.out(torch.tanh(self.hidden(ones))).reshape(self.shape)
        return array


class TemplateRenderer(Renderer):
    """Templates over a learned background.

    Args:
        image_size: height and width of the frames, pixels.
        objects: number of templates N.
    """

    kind: ClassVar[str] = "templates"

    def __init__(self, image_size: tuple[int, int], objects: int) -> None:
        super().__init__(image_size, objects)
        height, width = image_size
        self.content = Grown(objects, 3, height // 2, width // 2)
        self.mask = Grown(objects, 1, height // 2, width // 2)
        self.background = Grown(3, height, width)
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.pixels: Tensor
        x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
        self.register_buffer("pixels", torch.stack(torch.meshgrid(x, y, indexing="xy"), -1), persistent=False)
        self.centre: Tensor
        self.register_buffer("centre", torch.tensor([width / 2, height / 2]), persistent=False)

    def sprites(self) -> Tensor:
        """Contents and masks in [0, 1], ``(N, 4, h / 2, w / 2)``: a mask alone against the background."""
        return torch.cat([torch.sigmoid(self.content()), torch.sigmoid(self.mask() - 1)], 1)

    def scene(self) -> Tensor:
        """The background in [0, 1]: ``(3, h, w)``."""
        return torch.sigmoid(self.background())

    def forward(self, pose: Tensor) -> Tensor:
        """Render poses ``(*B, N, 3)`` to frames ``(*B, 3, h, w)`` in [0, 1]; templates do not turn."""
        lead, places = pose.shape[:-2], pose.reshape(-1, self.objects, 3)[..., :2]
        height, width = self.image_size
        local = (self.pixels - places[..., None, None, :]) * (torch.exp(self.log_scale) / self.centre)
        grid = local.transpose(0, 1).reshape(self.objects, -1, width, 2)
        templates = torch.cat([self.mask() - OUTSIDE, torch.sigmoid(self.content())], 1)
        moved = functional.grid_sample(templates, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        moved = moved.unflatten(2, (-1, height)).permute(2, 0, 1, 3, 4)
        logits = torch.cat([moved[:, :, :1] + OUTSIDE, torch.ones_like(moved[:, :1, :1])], 1)
        contents = torch.cat([moved[:, :, 1:], self.scene().expand(len(moved), 1, -1, -1, -1)], 1)
        return (logits.softmax(1) * contents).sum(1).reshape(*lead, 3, height, width)
