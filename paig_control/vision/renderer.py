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
        count = (window + 1) * samples
        fine = (torch.arange(count) + 0.5) / samples
        self.points: Tensor
        grid = torch.stack(torch.meshgrid(fine, fine, indexing="xy"), -1)
        self.register_buffer("points", grid.reshape(-1, 2), persistent=False)

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
        """Ink (content times mask) and cover of each sprite, ``(B, N, 4, h, w)``, for poses ``(B, N, 3)``.

        Only the window's pixels are sampled; the patches are then put into empty frames.
        """
        batch, side = pose.shape[0], self.window + 1
        sprites = self.sprites()
        sprites = torch.cat([sprites[:, :3] * sprites[:, 3:], sprites[:, 3:]], 1)
        corner = (pose[..., :2].detach() - self.window / 2).floor()
        x, y = (self.points + (corner - pose[..., :2]).unsqueeze(-2)).unbind(-1)
        sin, cos = torch.sin(pose[..., 2:]), torch.cos(pose[..., 2:])
        local = torch.stack([cos * x - sin * y, sin * x + cos * y], -1) * (2.0 / self.window)
        fine = side * self.samples
        grid = local.transpose(0, 1).reshape(self.objects, batch * fine, fine, 2)
        patches = functional.grid_sample(sprites, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        patches = functional.avg_pool2d(patches, self.samples)
        patches = patches.reshape(self.objects, 4, batch, side * side).permute(2, 0, 1, 3)
        return self._put(patches, corner)

    def _put(self, patches: Tensor, corner: Tensor) -> Tensor:
        """Frames ``(B, N, 4, h, w)`` that are empty but for patches ``(B, N, 4, side²)`` at their corners."""
        side = self.window + 1
        height, width = (n + 2 * side for n in self.image_size)
        limit = torch.tensor([width - side, height - side], device=corner.device)
        column, row = torch.minimum((corner.long() + side).clamp(min=0), limit).unbind(-1)
        inside = torch.arange(side, device=corner.device)
        index = (row[..., None, None] + inside[:, None]) * width + column[..., None, None] + inside
        index = index.flatten(-2).unsqueeze(2).expand_as(patches)
        layers = patches.new_zeros(*patches.shape[:3], height * width).scatter(-1, index, patches)
        return layers.unflatten(-1, (height, width))[..., side:-side, side:-side]
