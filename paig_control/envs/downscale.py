"""Exact area averaging of images.

Every small pixel is the mean of the large image over the area that it covers, whatever the ratio. Along an
axis that is the sum of the whole pixels, without the part of the first that lies before the interval and with
the part of the next that lies inside. No matrix product: threaded BLAS took 40 times longer on a busy
machine, and its sums depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError


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
    rows = _means(np.ascontiguousarray(image).reshape(height, width * 3), h)
    columns = _means(np.ascontiguousarray(rows.reshape(h, width, 3).swapaxes(0, 1)).reshape(width, h * 3), w)
    return np.ascontiguousarray(np.rint(columns).astype(np.uint8).reshape(w, h, 3).swapaxes(0, 1))


def _means(large: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Means ``(count, m)`` over equal intervals of the first axis of ``(n, m)``."""
    length = len(large)
    cuts = np.arange(count + 1) * length
    first, part = cuts // count, (cuts % count / count)[:, None]
    kind = np.uint32 if np.issubdtype(large.dtype, np.integer) else np.float64
    whole = np.add.reduceat(large, first[:-1], axis=0, dtype=kind)
    at_cuts = part * large[np.minimum(first, length - 1)]
    return np.asarray((whole - at_cuts[:-1] + at_cuts[1:]) * (count / length))
