"""What all pictures share: colours, and pixels made large."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

mpl.use("Agg")

Picture = NDArray[np.uint8]
INK, PAPER, FAINT, ACCENT = (33, 37, 41), (250, 250, 248), (173, 181, 189), (28, 126, 214)
COLOURS = ("#1c7ed6", "#e8590c", "#2b8a3e", "#9c36b5")
DOTS = 110
"""Of every figure, an inch."""


def colours(count: int) -> list[Any]:
    """So many colours that can be told apart."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    return list(mpl.colormaps["viridis"](np.linspace(0.0, 0.92, count)))


def enlarge(image: Picture, scale: int) -> Image.Image:
    """Each pixel as a square."""
    height, width = image.shape[:2]
    return Image.fromarray(image).resize((width * scale, height * scale), Image.Resampling.NEAREST)


def plain(text: str) -> str:
    """Words from outside as they are: in figures, ``$`` would begin a formula, and half a character would fail."""
    return text.encode("utf-8", "backslashreplace").decode().replace("$", r"\$")


def png(figure: Figure | Picture) -> bytes:
    """Content of a PNG file."""
    made = io.BytesIO()
    if isinstance(figure, Figure):
        figure.savefig(made, format="png", dpi=DOTS)
    else:
        Image.fromarray(figure).save(made, "PNG")
    return made.getvalue()


def bare(axis: Axes) -> None:
    """Leave only the two lines that carry numbers."""
    axis.spines[["top", "right"]].set_visible(False)
