"""Structural similarity of images (Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Processing 13, 2004).

1 for equal images; it compares local mean, contrast and structure instead of single pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

C1, C2 = 0.01**2, 0.03**2
"""The paper's constants for images in [0, 1]."""


def ssim(first: Tensor, second: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Mean structural similarity ``(*B)`` of images ``(*B, C, h, w)`` in [0, 1], averaged over channels.

    Moments are taken under a normalised Gaussian window, and at places where it lies within the image. Images smaller
    than the window have a window of their own size.

    Args:
        first: images.
        second: images of the same shape.
        window: side of the window, pixels.
        sigma: standard deviation of the Gaussian, pixels.
    """
    lead, size = first.shape[:-3], first.shape[-2:]
    a, b = (x.reshape(-1, 1, *size) for x in (first, second))
    down, across = (_gaussian(min(window, n), sigma).to(a) for n in size)

    def mean(x: Tensor) -> Tensor:
        return functional.conv2d(functional.conv2d(x, down.reshape(1, 1, -1, 1)), across.reshape(1, 1, 1, -1))

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    index = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    index = index / ((mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2))
    return index.flatten(1).mean(-1).reshape(*lead, -1).mean(-1)


def _gaussian(side: int, sigma: float) -> Tensor:
    """Normalised weights ``(side,)``."""
    place = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    weights = torch.exp(-0.5 * (place / sigma) ** 2)
    return weights / weights.sum()
