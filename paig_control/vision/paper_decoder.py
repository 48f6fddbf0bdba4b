"""The paper's decoder: templates of the size of the image at half its resolution, moved about and blended by a softmax.

Contents, masks and background are each what a small network makes of ones, which trains faster than bare texels. A
spatial transformer moves each template so that its middle lies on the object's place; one learned scale is common to
all. Pixel geometry is this library's, not the original's, whose sampling grid spans one pixel less than its places
and so inflates every learned length. (Physics-as-Inverse-Graphics, section 3.3 and its original code.)
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from paig_control.vision.renderer import Renderer

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
