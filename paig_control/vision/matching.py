"""Eyes in closed form: what the renderer would draw is looked for in the frame, without a network.

Sprites that shift are tried at every pixel at once, by correlation, over the background that is there: an object is
where drawing it lowers the weighted squared error most. The one that is seen best goes first, and pixels that it covers
no longer count for the others, so that one behind it is found by what it shows (matching pursuit: Mallat and Zhang,
IEEE Trans. Signal Processing 41, 1993). A sprite that turns about a pivot is compared with its views all around,
and bodies on joints with views of poses everywhere (:mod:`~paig_control.vision.posed`).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple, Protocol, cast

import torch
from torch import Tensor
from torch.nn import functional

from paig_control.vision.kinematics import Kinematics
from paig_control.vision.localizer import Eyes, Scene
from paig_control.vision.posed import Posed
from paig_control.vision.renderer import SpriteRenderer

VIEWS = 180
"""Angles at which a sprite that turns is compared."""
WHOLE = 0.8
"""An object that explains such a part of its own energy, or a larger one, is taken to be uncovered."""
CHUNK = 64
"""Frames that are searched at once; few, so that they stay in a processor's cache."""


class Search(Protocol):
    """What looks for something in frames."""

    def search(self, images: Tensor) -> Tensor:
        """Coordinates ``(M, N, D)`` in images ``(M, 3, h, w)``."""


class Matching(Eyes):
    """Eyes that have nothing to learn: they know what the renderer draws.

    Args:
        objects: number of objects N; what they look like is the renderer's.
    """

    kind: ClassVar[str] = "closed"

    def __init__(self, objects: int) -> None:
        super().__init__()
        self._made: tuple[tuple[Tensor, ...], list[int], Search] | None = None

    def options(self) -> dict[str, Any]:
        """None."""
        return {}

    @torch.no_grad()
    def see(self, images: Tensor, scene: Scene, standing: Tensor | None = None) -> Tensor:
        """Coordinates ``(M, N, D)`` of the best match in images ``(M, 3, h, w)``, past what stands in them."""
        drawn = self._of(scene)
        if standing is not None:
            drawn = cast(Posed, drawn).past(standing)  # of bodies on joints alone it is asked
        return torch.cat([drawn.search(part) for part in images.split(CHUNK)])

    def _of(self, scene: Scene) -> Search:
        """What is searched for, made anew where the scene has changed."""
        parts = (*scene.renderer.state_dict().values(), *scene.kinematics.state_dict().values(), scene.weight)
        state = [mark for part in parts for mark in (part.data_ptr(), part._version)]
        if self._made is None or self._made[1] != state:
            assert isinstance(scene.renderer, SpriteRenderer)
            made: Search
            if scene.kinematics.chained:
                made = Posed.of(scene.renderer, scene.kinematics, scene.weight)
            else:
                kind: type[Turning | _Shifting] = Turning if scene.kinematics.turns else _Shifting
                made = kind.of(scene.renderer, scene.kinematics, scene.weight)
            self._made = parts, state, made  # parts are kept so that nothing else comes to lie at their addresses
        return self._made[2]


class Turning(NamedTuple):
    """A sprite's views all around.

    Attributes:
        angles: ``(V,)``, coordinates at which they are drawn.
        views: ``(V, 3 h w)``, weighted.
        energy: ``(V,)``, half their squares.
    """

    angles: Tensor
    views: Tensor
    energy: Tensor

    @classmethod
    def of(cls, renderer: SpriteRenderer, kinematics: Kinematics, weight: Tensor, count: int = VIEWS) -> Turning:
        """Views at so many angles."""
        angles = torch.arange(count, device=weight.device) * (2 * math.pi / count) - math.pi
        drawn = torch.cat([renderer(kinematics.pose(some[:, None, None])) for some in angles.split(CHUNK)])
        views = (drawn * weight).flatten(1)
        return cls(angles, views, (views * drawn.flatten(1)).sum(1) / 2)

    def search(self, images: Tensor) -> Tensor:
        """The best angle ``(M, 1, 1)``, by a parabola through the best three."""
        count = len(self.angles)
        cost = self.energy - images.flatten(1) @ self.views.T
        best = cost.argmin(1)
        row = torch.arange(len(images), device=images.device)
        near = torch.stack([cost[row, (best + n) % count] for n in (-1, 0, 1)])
        return (self.angles[best] + 2 * math.pi / count * top(-near))[:, None, None]


class _Shifting(NamedTuple):
    """Sprites, each in the middle of a square of an odd side, and their spectra.

    Attributes:
        kinematics: from places to coordinates.
        weight: ``(h, w)``, of the pixels.
        paint: ``(N, 4, side, side)``, ink (content times mask) and cover.
        ink: ``(N, 4, H, F)``, of the paint.
        energy: ``(N, 5, H, F)``, of ink squared (summed over channels), ink times cover, and cover squared.
        background: ``(3, h, w)``.
        own: ``(N, h, w)``, weighted energy of the difference from the background when centred at each pixel.
    """

    kinematics: Kinematics
    weight: Tensor
    paint: Tensor
    ink: Tensor
    energy: Tensor
    background: Tensor
    own: Tensor

    @classmethod
    def of(cls, renderer: SpriteRenderer, kinematics: Kinematics, weight: Tensor) -> _Shifting:
        """What the renderer paints, over its background."""
        side = renderer.window + 1 + renderer.window % 2
        middle = weight.new_tensor([side + 0.5, side + 0.5, 0.0])
        patches = renderer.patches(middle.expand(1, renderer.objects, 3))
        first = side - side // 2 - patches.corner[:, 0]  # of the square, in each window with room around
        wide = functional.pad(patches.paint[:, 0], (side,) * 4)
        cut = [w[:, r : r + side, c : c + side] for w, (r, c) in zip(wide, (first + side).tolist(), strict=True)]
        paint, background = torch.stack(cut), renderer.scene()
        ink, cover = paint[:, :3], paint[:, 3:]
        squares = torch.cat([ink.square().sum(1, keepdim=True), ink * cover, cover.square()], 1)
        drawn, energy = (spectra_of(one, renderer.image_size) for one in (paint, squares))
        made = cls(kinematics, weight, paint, drawn, energy, background, background)
        return made._replace(own=made._energy(weight[None])[0].clamp(min=1e-9))

    def search(self, images: Tensor) -> Tensor:
        """Best places as coordinates ``(M, N, 2)``."""
        count, objects = len(images), len(self.paint)
        row = torch.arange(count, device=images.device)
        weight = self.weight.expand(count, -1, -1)
        left = (images - self.background) * self.weight
        places = images.new_zeros(count, objects, 2)
        found = torch.zeros(count, objects, dtype=torch.bool, device=images.device)
        for index in range(objects):
            gain = self._gain(left) - self.own
            most, at = gain.flatten(2).max(2)
            own = self.own.flatten(1).expand(count, -1, -1).gather(2, at[..., None])[..., 0]
            like = self._likeness((most + own) / 2, own, left, at) if index + 1 < objects else most
            which = like.masked_fill(found, -math.inf).argmax(1)
            best = gain[row, which]
            covered = ((most / own)[row, which] < WHOLE).nonzero()[:, 0] if index else row[:0]
            if len(covered):  # pixels under what was found before say nothing
                gain = self._gain(left[covered]) - self._energy(weight[covered])
                total = gain.flatten(2).amax(2).masked_fill(found[covered], -math.inf)
                which[covered] = total.argmax(1)
                best[covered] = gain[row[: len(covered)], which[covered]]
            places[row, which], corner = peak(best)
            found[row, which] = True
            if index + 1 < objects:
                left, weight = self._paint_out(left, weight, which, corner)
        return self.kinematics.coordinates(places)

    def _likeness(self, product: Tensor, own: Tensor, left: Tensor, at: Tensor) -> Tensor:
        """How much like each sprite that is which lies under it, ``(M, N)``: 1 where they are the same.

        It is the squared correlation, less where one is stronger than the other. What a sprite explains does not tell:
        a dark one explains much of a bright thing of another colour.

        Args:
            product: of each sprite with residuals, ``(M, N)``.
            own: energy of each sprite there.
            left: residuals ``(M, 3, h, w)``.
            at: numbers of pixels ``(M, N)``.
        """
        side, width, (count, objects) = self.paint.shape[-1], left.shape[-1], at.shape
        energy = functional.pad((left.square() / self.weight.clamp(min=1e-9)).sum(1, keepdim=True), (side // 2,) * 4)
        _, channel, row, column = window((at // width).flatten(), (at % width).flatten(), side, 1)
        frame = torch.arange(count, device=at.device).repeat_interleave(objects)[:, None, None, None]
        under = energy[frame, channel, row, column].unflatten(0, (count, objects))[:, :, 0] * self.paint[:, 3]
        strength = (product / own).clamp(min=1e-6)
        alike: Tensor = product * strength / under.sum((-2, -1)).clamp(min=1e-9)
        return alike * torch.minimum(strength, 1 / strength)

    def _gain(self, left: Tensor) -> Tensor:
        """Twice the product ``(M, N, h, w)`` of each sprite with weighted residuals ``(M, 3, h, w)``."""
        maps = torch.cat([left, -(left * self.background).sum(1, keepdim=True)], 1)
        return 2 * correlate(maps, self.ink, self.paint.shape[-1])

    def _energy(self, weight: Tensor) -> Tensor:
        """Weighted energy ``(M, N, h, w)`` of each sprite's difference from the background, weights ``(M, h, w)``."""
        ground = self.background
        maps = torch.cat([torch.ones_like(ground[:1]), -2 * ground, ground.square().sum(0, keepdim=True)])
        return correlate(weight[:, None] * maps, self.energy, self.paint.shape[-1])

    def _paint_out(self, left: Tensor, weight: Tensor, which: Tensor, corner: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals and weights where the sprites ``which`` ``(M,)`` do not cover what is at corners ``(M, 2)``."""
        side, (height, width) = self.paint.shape[-1], weight.shape[-2:]
        canvas = functional.pad(torch.cat([left, weight[:, None]], 1), (side // 2,) * 4)
        canvas[window(corner[:, 0], corner[:, 1], side, 4)] *= 1 - self.paint[which, 3:]
        kept = canvas[..., side // 2 : side // 2 + height, side // 2 : side // 2 + width]
        return kept[:, :3], kept[:, 3]


def correlate(maps: Tensor, spectra: Tensor, side: int) -> Tensor:
    """``(M, N, h, w)`` from maps ``(M, C, h, w)`` and patches, centred at each pixel, by Fourier transforms.

    For large patches that is several times as fast as a convolution.

    Args:
        maps: in which they are looked for.
        spectra: ``(N, C, H, F)`` of the patches, as :func:`spectra_of` gives them.
        side: of the patches, odd.
    """
    height, width = maps.shape[-2:]
    size = _roomy((height, width), side)
    seen = torch.fft.rfft2(functional.pad(maps, (side // 2,) * 4), s=size)
    product = seen[:, None, 0] * spectra[:, 0]
    for channel in range(1, maps.shape[1]):
        product.addcmul_(seen[:, None, channel], spectra[:, channel])
    found: Tensor = torch.fft.irfft2(product, s=size)[..., :height, :width]
    return found


def spectra_of(patches: Tensor, size: tuple[int, int]) -> Tensor:
    """Conjugate spectra ``(N, C, H, F)`` of patches ``(N, C, side, side)``, for maps of this height and width."""
    found: Tensor = torch.fft.rfft2(patches, s=_roomy(size, patches.shape[-1])).conj()
    return found


def _roomy(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width with a margin of half a patch around, and a little more where a transform is quicker then."""
    return _quick(size[0] + 2 * (side // 2)), _quick(size[1] + 2 * (side // 2))


def _quick(length: int) -> int:
    """The least number from here on without a prime factor above 5 (SciPy's ``next_fast_len``, which loads slowly)."""
    rest = length
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return length if rest == 1 else _quick(length + 1)


def window(row: Tensor, column: Tensor, side: int, channels: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Index of the windows with these first rows and columns ``(M,)`` in maps ``(M, C, h, w)``."""
    inside = torch.arange(side, device=row.device)
    frame = torch.arange(len(row), device=row.device)[:, None, None, None]
    channel = torch.arange(channels, device=row.device)[None, :, None, None]
    return frame, channel, (row[:, None] + inside)[:, None, :, None], (column[:, None] + inside)[:, None, None, :]


def peak(score: Tensor) -> tuple[Tensor, Tensor]:
    """Where scores ``(M, h, w)`` are highest: x and y to parts of a pixel ``(M, 2)``, and row and column ``(M, 2)``."""
    best = score.flatten(1).argmax(1)
    row, column = best // score.shape[-1], best % score.shape[-1]
    each = torch.arange(len(score), device=score.device)
    padded = functional.pad(score, (1, 1, 1, 1), mode="replicate")
    across = torch.stack([padded[each, row + 1, column + n] for n in range(3)])
    down = torch.stack([padded[each, row + n, column + 1] for n in range(3)])
    place = torch.stack([column + 0.5 + top(across), row + 0.5 + top(down)], -1)
    return place, torch.stack([row, column], -1)


def top(near: Tensor) -> Tensor:
    """Where a parabola through three values ``(3, M)`` a step apart is highest, from the middle one, in steps."""
    low, here, high = near
    shift: Tensor = (0.5 * (high - low) / (2 * here - low - high).clamp(min=1e-9)).clamp(-0.5, 0.5)
    return shift
