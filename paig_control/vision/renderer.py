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
        """Render poses ``(*B, N, 3)`` to frames ``(*B, 3, h, w)`` in [0, 1].

        Only the windows' pixels are sampled and laid, one sprite after another, over a background with a margin in
        which what is outside the frame gets lost.
        """
        lead, flat = pose.shape[:-2], pose.reshape(-1, self.objects, 3)
        corner = (flat[..., :2].detach() - self.window / 2).floor()
        patches, index = self._patches(flat, corner), self._index(corner)
        side = self.window + 1
        canvas = functional.pad(self.scene(), (side, side, side, side))
        size = canvas.shape[-2:]
        canvas = canvas.flatten(1).expand(len(flat), -1, -1).clone()
        for n in range(self.objects):
            where = index[:, n, None].expand(-1, 3, -1)
            under = canvas.gather(-1, where)
            put = canvas.scatter if torch.is_grad_enabled() else canvas.scatter_
            canvas = put(-1, where, under * (1 - patches[:, n, 3:]) + patches[:, n, :3])
        frames = canvas.unflatten(-1, size)[..., side:-side, side:-side]
        laid: Tensor = frames.reshape(*lead, 3, *self.image_size)
        return laid

    def _patches(self, pose: Tensor, corner: Tensor) -> Tensor:
        """Ink (content times mask) and cover of each sprite in the pixels of its window: ``(B, N, 4, side²)``."""
        batch, side = pose.shape[0], self.window + 1
        sprites = self.sprites()
        sprites = torch.cat([sprites[:, :3] * sprites[:, 3:], sprites[:, 3:]], 1)
        x, y = (self.points + (corner - pose[..., :2]).unsqueeze(-2)).unbind(-1)
        sin, cos = torch.sin(pose[..., 2:]), torch.cos(pose[..., 2:])
        local = torch.stack([cos * x - sin * y, sin * x + cos * y], -1) * (2.0 / self.window)
        fine = side * self.samples
        grid = local.transpose(0, 1).reshape(self.objects, batch * fine, fine, 2)
        patches = functional.grid_sample(sprites, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        patches = functional.avg_pool2d(patches, self.samples)
        return patches.reshape(self.objects, 4, batch, side * side).permute(2, 0, 1, 3)

    def _index(self, corner: Tensor) -> Tensor:
        """Where the windows' pixels lie in the flattened frame with its margin: ``(B, N, side²)``."""
        side = self.window + 1
        height, width = (n + 2 * side for n in self.image_size)
        limit = torch.tensor([width - side, height - side], device=corner.device)
        column, row = torch.minimum((corner.long() + side).clamp(min=0), limit).unbind(-1)
        inside = torch.arange(side, device=corner.device)
        index = (row[..., None, None] + inside[:, None]) * width + column[..., None, None] + inside
        return index.flatten(-2)
