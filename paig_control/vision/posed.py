"""Eyes in closed form for bodies on joints: a frame is compared with views of poses everywhere, and the best goes on.

Views are drawn at coordinates spread evenly over all that may be, and compared with the frame on a coarser raster. From
the likeliest, coordinates descend through the renderer; where that ends badly, from the next likely ones.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from paig_control.vision.alignment import align, unexplained
from paig_control.vision.kinematics import Kinematics
from paig_control.vision.renderer import SpriteRenderer

VIEWS = 4096
"""Views that frames are compared with."""
RASTER = 32
"""Their shorter side, pixels, if frames are larger."""
STEPS = 3
"""Gauss-Newton steps from a view to the frame."""
BAD = 2.0
"""So many times the usual error, or more, is a bad end."""
AGAIN = 4
"""Views that are tried after one that ended badly."""
CHUNK = 64
"""Views that are drawn at once."""


class Posed(NamedTuple):
    """Views of poses everywhere.

    Attributes:
        renderer: that draws them.
        kinematics: of the bodies.
        weight: ``(h, w)``, of the pixels.
        coordinates: ``(V, N)``.
        views: ``(V, 3 h w)`` on the coarse raster, weighted.
        energy: ``(V,)``, half their squares.
    """

    renderer: SpriteRenderer
    kinematics: Kinematics
    weight: Tensor
    coordinates: Tensor
    views: Tensor
    energy: Tensor

    @classmethod
    def of(cls, renderer: SpriteRenderer, kinematics: Kinematics, weight: Tensor) -> Posed:
        """Views all over what coordinates may be."""
        coordinates = kinematics.evenly(VIEWS)[..., 0]
        drawn = [_coarse(renderer(kinematics.pose(some[..., None]))) for some in coordinates.split(CHUNK)]
        raster = torch.cat(drawn)
        views = (raster * _coarse(weight[None, None])).flatten(1)
        energy = (views * raster.flatten(1)).sum(1) / 2
        return cls(renderer, kinematics, weight, coordinates, views, energy)

    def past(self, standing: Tensor) -> Posed:
        """The same views, pixels ``(h, w)`` left out at which something else stands."""
        weight = self.weight * ~standing
        coarse, before = (_coarse(one[None, None]).expand(1, 3, -1, -1).flatten() for one in (weight, self.weight))
        kept = coarse / before.clamp(min=1e-12)
        energy = self.views.square() @ (kept / before.clamp(min=1e-12)) / 2
        return self._replace(weight=weight, views=self.views * kept, energy=energy)

    def search(self, images: Tensor) -> Tensor:
        """The best coordinates ``(M, N, 1)`` for images ``(M, 3, h, w)``."""
        cost = self.energy - _coarse(images).flatten(1) @ self.views.T
        likely = cost.topk(1 + AGAIN, largest=False).indices
        found, error = self._descended(likely[:, 0], images)
        bad = (error > BAD * unexplained(self.weight)).nonzero()[:, 0]
        for rank in range(1, 1 + AGAIN if len(bad) else 1):
            other, left = self._descended(likely[bad, rank], images[bad])
            better = left < error[bad]
            found[bad] = torch.where(better[:, None], other, found[bad])
            error[bad] = torch.minimum(left, error[bad])
        return found[..., None]

    def _descended(self, view: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Where coordinates ``(M, N)`` come to from views of these numbers, and the weighted squared errors there."""
        moved, _ = align(
            self.renderer,
            lambda flat: self.kinematics.pose(flat[..., None]),
            self.coordinates[view],
            images,
            self.weight,
            self.kinematics.widths,
            STEPS,
            chained=True,
        )
        drawn = self.renderer(self.kinematics.pose(moved[..., None]))
        return moved, (self.weight * (drawn - images).square()).flatten(1).sum(1)


def _coarse(images: Tensor) -> Tensor:
    """Images ``(M, C, h, w)`` on a raster of about :data:`RASTER` pixels."""
    times = max(1, math.ceil(min(images.shape[-2:]) / RASTER))
    return functional.avg_pool2d(images, times) if times > 1 else images
