"""The camera that looks aslant at the plane in which things move, and how its pictures are straightened.

A pinhole whose optical axis goes through the picture's middle, and whose pixels are square. Frames are straightened
where they become images (:meth:`~paig_control.models.paig.PAIG.images`), so that whatever reads, draws or compares
images looks straight at the plane: a pixel there is as long along the plane as one in the middle of the frame is along
the direction that is not foreshortened.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

MOST_BENT = 0.6
"""By so much, rad, angles are taken to be bent at most: by a plane that is seen 75° aslant."""


class Camera(NamedTuple):
    """How a camera looks at the plane of motion.

    Attributes:
        tilt: angle between its optical axis and the plane's normal, rad.
        toward: where in the frame the plane recedes, rad counter-clockwise from down.
        focal: its focal length, pixels; infinite for a camera far away, or where it is not known, and negative where
            the plane recedes to the other side.
    """

    tilt: float = 0.0
    toward: float = 0.0
    focal: float = math.inf

    @classmethod
    def told(cls, tilt: float, fov: float | None, height: int) -> Camera:
        """A camera whose tilt and vertical field of view, if any, are given in degrees.

        Of a frame of this height; what is lower in it is farther away if the tilt is positive.
        """
        focal = math.inf if fov is None else height / (2 * math.tan(math.radians(fov) / 2))
        return cls(math.radians(abs(tilt)), 0.0, math.copysign(focal, tilt))

    @property
    def aslant(self) -> bool:
        """Whether there is anything to be straightened."""
        return self.tilt != 0.0

    def straight(self, images: Tensor) -> Tensor:
        """Images ``(*B, 3, h, w)`` as a camera sees them that looks straight at the plane; edges are repeated."""
        if not self.aslant:
            return images
        height, width = images.shape[-2:]
        flat = images.reshape(-1, *images.shape[-3:])
        y = torch.arange(height, device=images.device, dtype=images.dtype) + 0.5 - height / 2
        x = torch.arange(width, device=images.device, dtype=images.dtype) + 0.5 - width / 2
        seen = self.seen(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))
        grid = (seen / seen.new_tensor([width / 2, height / 2])).expand(len(flat), height, width, 2)
        drawn = functional.grid_sample(flat, grid, mode="bicubic", padding_mode="border", align_corners=False)
        return drawn.clamp(0, 1).reshape(images.shape)

    def seen(self, place: Tensor) -> Tensor:
        """Where in the frame points ``(*B, 2)`` of the plane are seen; pixels from the middle, x right and y down."""
        away = place.new_tensor(_way(self.toward))
        back = place @ away
        squeezed = place - (1 - math.cos(self.tilt)) * back[..., None] * away
        return squeezed / (1 + self.nearness * back).clamp(min=0.05)[..., None]

    @property
    def nearness(self) -> float:
        """By which part what is a pixel farther in the direction in which the plane recedes seems smaller."""
        return math.sin(self.tilt) / self.focal

    def near(self, nearness: float) -> Camera:
        """The same with a focal length by which :attr:`nearness` is this."""
        return self._replace(focal=math.sin(self.tilt) / nearness if nearness and self.aslant else math.inf)

    def turned(self, sine: float, cosine: float) -> Camera:
        """The camera, if angles ``a`` as read in its straightened images should be ``a + sine sin 2a + cosine cos 2a``.

        Angles are counter-clockwise from up. By so much an angle is off where the plane is foreshortened, to the first
        order in which a circle becomes an ellipse. The plane recedes to the same side as before, at first downwards.
        """
        bend = min(math.hypot(sine, cosine), MOST_BENT)
        frame = _squeeze(self.toward, math.cos(self.tilt)) @ _squeeze(
            math.atan2(cosine, -sine) / 2, (1 - bend) / (1 + bend)
        )
        ways, parts, _ = np.linalg.svd(frame)
        away = math.copysign(1.0, ways[:, 1] @ _way(self.toward)) * ways[:, 1]
        return Camera(math.acos(min(1.0, float(parts[1] / parts[0]))), math.atan2(*away), self.focal)

    def lean(self, sine: float, cosine: float) -> float:
        """How much too small :attr:`nearness` makes angles, if they should be ``a + sine sin a + cosine cos a``, rad.

        Where what is nearer seems larger, a circle's middle seems to be elsewhere.
        """
        return float(np.array([cosine, -sine]) @ _way(self.toward))


STRAIGHT = Camera()
"""The usual one, which looks straight at the plane."""


def _squeeze(toward: float, part: float) -> NDArray[np.float64]:
    """Lengths in one direction become such a part of what they were: ``(2, 2)``."""
    return np.eye(2) - (1 - part) * np.outer(_way(toward), _way(toward))


def _way(toward: float) -> NDArray[np.float64]:
    """One pixel in a direction counter-clockwise from down: x to the right, y down."""
    return np.array([math.sin(toward), math.cos(toward)])
