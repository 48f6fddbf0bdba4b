"""Exact area averaging of images.

Every small pixel is the mean of the large image over the area that it covers, whatever the ratio: along each
axis this is a matrix of overlaps, so a picture is shrunk by two small matrix products.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError


@lru_cache(maxsize=32)
def overlap(large: int, small: int) -> NDArray[np.float32]:
    """Matrix ``(small, large)`` whose row i averages over the interval that small pixel i covers."""
    edges = np.linspace(0.0, large, small + 1)
    left, right = edges[:-1, None], edges[1:, None]
    cells = np.arange(large)
    covered = np.clip(np.minimum(right, cells + 1) - np.maximum(left, cells), 0.0, None)
    matrix: NDArray[np.float32] = (covered * (small / large)).astype(np.float32)
    return matrix


def area_average(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Shrink ``(H, W, 3)`` to ``(h, w, 3)``, uint8, rounded to the nearest.

    Raises:
        PaigError: where the image is smaller than what is asked for.
    """
    (height, width), (h, w) = image.shape[:2], size
    if height < h or width < w:
        raise PaigError(
            f"The environment renders {height} x {width} pixels, fewer than the {h} x {w} asked for: "
            "choose a smaller size."
        )
    rows = overlap(height, h) @ np.ascontiguousarray(image, dtype=np.float32).reshape(height, width * 3)
    small = np.matmul(overlap(width, w), rows.reshape(h, width, 3))
    return np.asarray(np.rint(small), dtype=np.uint8)
