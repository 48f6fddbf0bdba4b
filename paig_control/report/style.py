"""What all pictures share: colours, and pixels made large.

Films as strips: frames side by side, one line a film, input frames before a gap.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from paig_control.data.episodes import Sequences
from paig_control.models.paig import PAIG, to_pictures
from paig_control.types import State

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


@torch.no_grad()
def rollout(model: PAIG, data: Sequences, rows: int) -> dict[str, Picture]:
    """Films ``(rows, T, h, w, 3)`` of the first sequences, and what the model makes of their input frames."""
    frames = data.frames[:rows]
    actions = torch.from_numpy(data.actions_for(model.dynamics.action_size)[:rows])
    seen = model.read(torch.from_numpy(frames[:, : model.input_frames]))
    path = model.unroll(seen.position, actions.to(model.device), seen.trust)
    return {"camera": model.pictures(frames), "model": to_pictures(model.render(State(path, path)))}


def rollout_strip(model: PAIG, data: Sequences, rows: int = 3) -> Picture:
    """Camera above prediction, for the first ``rows`` sequences."""
    return film_strip(rollout(model, data, rows), model.input_frames)


def film_strip(films: Mapping[str, Picture], inputs: int, columns: int = 12, scale: int = 3) -> Picture:
    """Films ``(R, T, h, w, 3)`` under one another by name, for each of R sequences; input frames are before a gap."""
    rows, length, *size = next(iter(films.values())).shape[:4]
    future = np.unique(np.linspace(inputs, length - 1, max(columns - inputs, 1)).round().astype(int))
    font = ImageFont.load_default(size=13)
    tile = size[0] * scale, size[1] * scale
    margin = max(80, 16 + round(max(font.getlength(name) for name in films)))
    width = margin + (inputs + len(future)) * (tile[1] + 3) + 34
    high = len(films) * (tile[0] + 3) + 12
    canvas = Image.new("RGB", (width, 26 + rows * high), PAPER)
    pen = ImageDraw.Draw(canvas)
    for row in range(rows):
        top = 26 + row * high
        for line, (name, film) in enumerate(films.items()):
            pen.text((8, top + line * (tile[0] + 3) + tile[0] // 2 - 8), name, INK, font)
            for column, t in enumerate([*range(inputs), *future.tolist()]):
                left = margin + column * (tile[1] + 3) + (20 if column >= inputs else 0)
                canvas.paste(enlarge(film[row, t], scale), (left, top + line * (tile[0] + 3)))
                if row == 0 and line == 0:
                    pen.text((left, 6), f"t={t}" if column >= inputs else f"seen {t}", INK, font)
    return np.asarray(canvas)
