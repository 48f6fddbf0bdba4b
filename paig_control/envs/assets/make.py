"""Makes ``pictures.npz``: handwritten digits and a photograph, from what two public packages carry.

Run ``pip install scikit-learn scikit-image`` and then this file. Of each digit, the example whose ink is nearest to
the mean of its kind is taken, cut to its ink, enlarged smoothly and sharpened back to a pen's stroke.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE, PHOTOGRAPH = 22, 64


def digits() -> NDArray[np.uint8]:
    """One of each digit, ``(10, 22, 22)``."""
    found = importlib.import_module("sklearn.datasets").load_digits()
    return np.stack([_stroke(_typical(found.images[found.target == digit])) for digit in range(10)])


def _typical(images: NDArray[Any]) -> NDArray[Any]:
    """Return the image nearest to the mean of ``(n, 8, 8)``."""
    return np.asarray(images[np.square(images - images.mean(0)).sum((1, 2)).argmin()])


def _stroke(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Enlarge ``(8, 8)`` to ``(22, 22)``: the ink 18 pixels high, edges one pixel soft."""
    ndimage = importlib.import_module("scipy.ndimage")
    rows, columns = (np.flatnonzero(image.max(axis) > 4) for axis in (1, 0))
    ink = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / 16.0, 1)
    scale = (SIDE - 4) / max(len(rows), len(columns))
    large = ndimage.zoom(ink, scale, order=3, mode="grid-constant", grid_mode=True)
    sharp = np.clip((large - 0.5) * 2.2 + 0.5, 0.0, 1.0)
    canvas = np.zeros((3 * SIDE, 3 * SIDE))
    y, x = ((3 * SIDE - n) // 2 for n in sharp.shape)
    canvas[y : y + sharp.shape[0], x : x + sharp.shape[1]] = sharp
    return np.rint(255 * canvas[SIDE : 2 * SIDE, SIDE : 2 * SIDE]).astype(np.uint8)


def photograph() -> NDArray[np.uint8]:
    """Chelsea the cat, the middle square, ``(64, 64, 3)``."""
    image = importlib.import_module("skimage.data").chelsea()
    side = min(image.shape[:2])
    y, x = ((n - side) // 2 for n in image.shape[:2])
    area_average = importlib.import_module("paig_control.envs.painter").area_average
    return np.asarray(area_average(image[y : y + side, x : x + side], (PHOTOGRAPH, PHOTOGRAPH)))


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_name("pictures.npz"), digits=digits(), photograph=photograph())
