"""From poses to frames: sprites, each a content and a mask in a window of texels, laid over a background.

Pixel geometry is calibrated: a texel is a fraction of a pixel, the window's centre is the sprite's pose, and a
pixel's value is the mean over ``samples x samples`` points inside it, so a turned or shifted sprite is
anti-aliased as a camera would. Sprites are laid over one another in their order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SpriteRenderer(nn.Module):
    """Learned sprites over a learned background.

    Args:
        image_size: height and width of the frames, pixels.
        objects: number of sprites N.
        window: side of the square window around each sprite's pose, pixels.
        density: texels a pixel, along each axis.
        samples: points a pixel, along each axis, at which the sprites are sampled.
    """

    def __init__(
        self, image_size: tuple[int, int], objects: int, window: int, density: int = 2, samples: int = 2
    ) -> None:
        super().__init__()
        self.image_size, self.objects, self.window = image_size, objects, window
        self.density, self.samples = density, samples
        side = window * density
        self.content = nn.Parameter(torch.zeros(objects, 3, side, side))
        self.mask = nn.Parameter(torch.full((objects, 1, side, side), -3.0))
        self.background = nn.Parameter(torch.zeros(3, *image_size))
        height, width = image_size
        fine = [(torch.arange(n * samples) + 0.5) / samples for n in image_size]
        self.points: Tensor
        grid = torch.stack(torch.meshgrid(fine[1], fine[0], indexing="xy"), -1)
        self.register_buffer("points", grid.reshape(-1, 2), persistent=False)
        self._fine = (height * samples, width * samples)

    def sprites(self) -> Tensor:
        """Contents and masks in [0, 1]: ``(N, 4, side, side)``."""
        return torch.cat([torch.sigmoid(self.content), torch.sigmoid(self.mask)], 1)

    def scene(self) -> Tensor:
        """The background in [0, 1]: ``(3, h, w)``."""
        return torch.sigmoid(self.background)

    def forward(self, pose: Tensor) -> Tensor:
        """Render poses ``(*B, N, 3)`` to frames ``(*B, 3, h, w)`` in [0, 1]."""
        lead = pose.shape[:-2]
        layers = self._layers(pose.reshape(-1, self.objects, 3))
        frame = self.scene().expand(layers.shape[0], -1, -1, -1)
        for n in range(self.objects):
            ink, cover = layers[:, n, :3], layers[:, n, 3:]
            frame = frame * (1 - cover) + ink
        return frame.reshape(*lead, 3, *self.image_size)

    def _layers(self, pose: Tensor) -> Tensor:
        """Ink (content times mask) and cover of each sprite, ``(B, N, 4, h, w)``, for poses ``(B, N, 3)``."""
        batch = pose.shape[0]
        sprites = self.sprites()
        sprites = torch.cat([sprites[:, :3] * sprites[:, 3:], sprites[:, 3:]], 1)
        offset = self.points - pose[..., None, :2]
        sin, cos = torch.sin(pose[..., 2:]), torch.cos(pose[..., 2:])
        x, y = offset.unbind(-1)
        local = torch.stack([cos * x - sin * y, sin * x + cos * y], -1) * (2.0 / self.window)
        grid = local.transpose(0, 1).reshape(self.objects, batch * self._fine[0], self._fine[1], 2)
        layers = functional.grid_sample(sprites, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        layers = layers.reshape(self.objects, 4, batch, *self._fine).permute(2, 0, 1, 3, 4).flatten(0, 1)
        layers = functional.avg_pool2d(layers, self.samples)
        return layers.reshape(batch, self.objects, 4, *self.image_size)
