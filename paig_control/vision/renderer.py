"""From poses to frames: sprites, each a content and a mask in a window of texels, laid over a background.

Pixel geometry is calibrated: a texel is a fraction of a pixel, the window's centre is the sprite's pose, and a
pixel's value is the mean over ``samples x samples`` points inside it, so a turned or shifted sprite is
anti-aliased as a camera would. Sprites that do not turn are only shifted, which is one matrix product. Sprites are
laid over one another in a set order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from paig_control.vision import compiled


class Renderer(nn.Module):
    """What draws poses ``(*B, N, 3)`` as frames ``(*B, 3, h, w)`` in [0, 1].

    Args:
        image_size: height and width of the frames, pixels.
        objects: number of things drawn N.
    """

    kind: ClassVar[str]
    """The name by which a checkpoint asks for it."""

    def __init__(self, image_size: tuple[int, int], objects: int) -> None:
        super().__init__()
        self.image_size, self.objects = image_size, objects

    def options(self) -> dict[str, Any]:
        """Plain arguments that build the same module, the number of objects apart."""
        return {"image_size": list(self.image_size)}

    def sprites(self) -> Tensor:
        """Contents and masks in [0, 1]: ``(N, 4, side, side)``."""
        raise NotImplementedError

    def scene(self) -> Tensor:
        """The background in [0, 1]: ``(3, h, w)``."""
        raise NotImplementedError


class SpriteRenderer(Renderer):
    """Learned sprites over a learned background.

    Args:
        image_size: height and width of the frames, pixels.
        objects: number of sprites N.
        window: side of the square window around each sprite's pose, pixels.
        density: texels a pixel, along each axis.
        samples: points a pixel, along each axis, at which the sprites are sampled.
        turns: whether sprites turn; if not, the angles of poses are not looked at, and rendering is ten times as fast.

    Attributes:
        order: ``(N,)``, the sprites' numbers from the lowest layer to the highest.
    """

    kind: ClassVar[str] = "sprites"

    def __init__(
        self,
        image_size: tuple[int, int],
        objects: int,
        window: int,
        density: int = 2,
        samples: int = 2,
        turns: bool = True,
    ) -> None:
        super().__init__(image_size, objects)
        self.window, self.density, self.samples, self.turns = window, density, samples, turns
        side = window * density
        self.content = nn.Parameter(torch.empty(objects, 3, side, side))
        self.mask = nn.Parameter(torch.empty(objects, 1, side, side))
        self.clear()
        self.background = nn.Parameter(torch.zeros(3, *image_size))
        self.order: Tensor
        self.register_buffer("order", torch.arange(objects))

    @torch.no_grad()
    def clear(self) -> None:
        """Have sprites begin anew: grey, and hardly there."""
        self.content.zero_()
        self.mask.fill_(-3.0)

    @torch.no_grad()
    def worth(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """What the sprites change in frames of poses ``(B, N, 3)``, squared, and how many texels do, on average.

        Both are ``(N,)``.
        """
        order = self.order.tolist()
        paint, corner = (part[order] for part in self.patches(pose))
        laid = lay(self.scene(), paint, corner)
        change = (paint[:, :, :3] - paint[:, :, 3:] * torch.stack(laid.under)).square().sum((1, 2, 3, 4))
        cover = self.density**2 * paint[:, :, 3].sum((1, 2, 3))
        own = self.order.argsort()
        return change[own] / len(pose), cover[own] / len(pose)

    def options(self) -> dict[str, Any]:
        """Image size, window, density, samples and whether sprites turn."""
        names = ("window", "density", "samples", "turns")
        return {**super().options(), **{name: getattr(self, name) for name in names}}

    def sprites(self) -> Tensor:
        """Contents and masks in [0, 1]: ``(N, 4, side, side)``."""
        return torch.cat([torch.sigmoid(self.content), torch.sigmoid(self.mask)], 1)

    def scene(self) -> Tensor:
        """The background in [0, 1]: ``(3, h, w)``."""
        return torch.sigmoid(self.background)

    @torch.no_grad()
    def renumber(self, order: Sequence[int]) -> None:
        """Make number k of the sprite that was ``order[k]``, in the layer that it had."""
        for parameter in (self.content, self.mask):
            parameter.copy_(parameter[list(order)])
        self.order.copy_(torch.tensor([list(order).index(n) for n in self.order.tolist()]))

    def widened(self, margin: int) -> SpriteRenderer:
        """The same sprites over a background that goes on for ``margin`` pixels on every side, its edge repeated."""
        height, width = (n + 2 * margin for n in self.image_size)
        wide = SpriteRenderer((height, width), self.objects, self.window, self.density, self.samples, self.turns)
        background = functional.pad(self.background[None], (margin,) * 4, mode="replicate")[0]
        wide.load_state_dict({**self.state_dict(), "background": background})
        return wide.to(self.background)

    def forward(self, pose: Tensor) -> Tensor:
        """Render poses ``(*B, N, 3)`` to frames ``(*B, 3, h, w)`` in [0, 1]."""
        frames = self.lay(self.patches(pose.reshape(-1, self.objects, 3)), self.order.tolist())
        return frames.reshape(*pose.shape[:-2], 3, *self.image_size)

    def lay(self, patches: Patches, order: Sequence[int]) -> Tensor:
        """Frames ``(B, 3, h, w)``: patches over the background, in this order."""
        quick = compiled.laid(self.scene(), *patches, order)
        if quick is not None:
            return quick
        paint, corner = patches.paint[list(order)], patches.corner[list(order)]
        frames: Tensor = Layering.apply(self.scene(), paint, corner)  # type: ignore[no-untyped-call]
        return frames

    def patches(self, pose: Tensor) -> Patches:
        """What each of the sprites at poses ``(B, N, 3)`` paints into the pixels of its window."""
        sprites = self.sprites()
        sprites = torch.cat([sprites[:, :3] * sprites[:, 3:], sprites[:, 3:]], 1)
        place, angle = pose[..., :2].transpose(0, 1), pose[..., 2].transpose(0, 1)
        start = place - self.window / 2
        corner = start.detach().floor()
        paint = self._turned(sprites, place - corner, angle) if self.turns else self._shifted(sprites, start - corner)
        return Patches(paint, corner.flip(-1).long())

    def _shifted(self, sprites: Tensor, shift: Tensor) -> Tensor:
        """Paint ``(N, B, 4, side, side)`` of sprites shifted by ``(N, B, 2)``, parts of a pixel.

        A pixel is a weighted sum of a few neighbouring texels, with the same weights all over the window: one product
        of a matrix of weights with a matrix of all neighbourhoods.
        """
        quick = compiled.shifted(sprites, shift, self.density, self.samples)
        if quick is not None:
            return quick
        half = 0.5 * self.density / self.samples
        first, last = math.floor(half - self.density - 0.5), math.ceil(self.density - 0.5 - half)
        taps = torch.arange(first, last + 1, device=shift.device)
        point = (torch.arange(self.samples, device=shift.device) + 0.5) / self.samples
        at = self.density * (point - shift[..., None]) - 0.5
        weight = (1 - (at[..., None] - taps).abs()).clamp(min=0).mean(-2)
        weight = (weight[:, :, 1, :, None] * weight[:, :, 0, None, :]).flatten(-2)
        padded = functional.pad(sprites, (-first, last + 1, -first, last + 1))
        texels = padded.unfold(-2, len(taps), self.density).unfold(-2, len(taps), self.density)
        texels = texels.permute(0, 4, 5, 1, 2, 3).reshape(self.objects, len(taps) ** 2, -1)
        return (weight @ texels).reshape(*weight.shape[:2], 4, self.window + 1, self.window + 1)

    def _turned(self, sprites: Tensor, centre: Tensor, angle: Tensor) -> Tensor:
        """Paint ``(N, B, 4, side, side)`` of sprites turned by ``(N, B)`` about a place ``(N, B, 2)`` in the window."""
        quick = compiled.turned(sprites, centre, angle, self.density, self.samples)
        if quick is not None:
            return quick
        side, batch = self.window + 1, centre.shape[1]
        fine = side * self.samples
        point = (torch.arange(fine, device=centre.device) + 0.5) / self.samples
        points = torch.stack(torch.meshgrid(point, point, indexing="xy"), -1).reshape(-1, 2)
        x, y = (points - centre.unsqueeze(-2)).unbind(-1)
        sin, cos = torch.sin(angle)[..., None], torch.cos(angle)[..., None]
        local = torch.stack([cos * x - sin * y, sin * x + cos * y], -1) * (2.0 / self.window)
        grid = local.reshape(self.objects, batch * fine, fine, 2)
        paint = functional.grid_sample(sprites, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        paint = functional.avg_pool2d(paint, self.samples)
        return paint.reshape(self.objects, 4, batch, side, side).transpose(1, 2)


class Patches(NamedTuple):
    """What sprites paint in the windows around them.

    Attributes:
        paint: ``(N, B, 4, side, side)``, ink (content times mask) and cover of each pixel.
        corner: ``(N, B, 2)``, row and column of the window's first pixel, whole numbers.
    """

    paint: Tensor
    corner: Tensor


class Layering(torch.autograd.Function):
    """Patches laid over one background, one after another: ``under * (1 - cover) + ink``.

    Only windows are touched, forwards and backwards, on a canvas with a margin in which what is outside the frame gets
    lost. There are no second derivatives.
    """

    @staticmethod
    def forward(ctx: Any, scene: Tensor, paint: Tensor, corner: Tensor) -> Tensor:
        """Frames ``(B, 3, h, w)`` of a scene ``(3, h, w)`` and :class:`Patches`, the lowest first."""
        laid = lay(scene, paint, corner)
        ctx.save_for_backward(paint, laid.corner, *laid.under)
        ctx.margin = laid.margin
        return laid.frames.contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of scene and paint."""
        paint, corner, *under = ctx.saved_tensors
        side, margin = paint.shape[-1], ctx.margin
        canvas = functional.pad(gradient, (margin,) * 4)
        windows, slopes = windows_of(canvas, side), torch.empty_like(paint)
        for n in reversed(range(len(paint))):
            at = at_corner(corner[n] + margin)
            above = windows[at]
            slopes[n, :, :3], slopes[n, :, 3:] = above, -(above * under[n]).sum(1, keepdim=True)
            windows[at] = above * (1 - paint[n, :, 3:])
        height, width = gradient.shape[-2:]
        return canvas[..., margin : margin + height, margin : margin + width].sum(0), slopes, None


class Laid(NamedTuple):
    """Patches that were laid over a background.

    Attributes:
        frames: ``(B, 3, h, w)``.
        under: of each patch, ``(B, 3, side, side)``, what it was laid over.
        corner: ``(N, B, 2)``, of windows that are nowhere near the frame brought to its border.
        margin: pixels around the frame into which windows reach, at most.
    """

    frames: Tensor
    under: list[Tensor]
    corner: Tensor
    margin: int


def lay(scene: Tensor, paint: Tensor, corner: Tensor) -> Laid:
    """Lay :class:`Patches`, the lowest first, over a scene ``(3, h, w)``."""
    side, (height, width) = paint.shape[-1], scene.shape[-2:]
    limit = torch.tensor([height, width], device=corner.device)
    corner = torch.minimum(corner.clamp(min=-side), limit)
    margin = max(0, int(-corner.amin()), int((corner + side - limit).amax())) if corner.numel() else 0
    canvas = functional.pad(scene, (margin,) * 4).repeat(paint.shape[1], 1, 1, 1)
    windows, under = windows_of(canvas, side), []
    for layer, place in zip(paint, corner + margin, strict=True):
        at = at_corner(place)
        under.append(windows[at])
        windows[at] = under[-1] * (1 - layer[:, 3:]) + layer[:, :3]
    return Laid(canvas[..., margin : margin + height, margin : margin + width], under, corner, margin)


def windows_of(canvas: Tensor, side: int) -> Tensor:
    """A view ``(B, rows, columns, C, side, side)`` of all square windows of a canvas ``(B, C, H, W)``."""
    return canvas.unfold(-2, side, 1).unfold(-2, side, 1).permute(0, 2, 3, 1, 4, 5)


def at_corner(corner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index of those of the windows whose first row and column are ``(B, 2)``, one on each canvas."""
    return torch.arange(len(corner), device=corner.device), corner[:, 0], corner[:, 1]
