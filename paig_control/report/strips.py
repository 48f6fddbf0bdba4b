"""Films as strips: frames side by side, one line a film, input frames before a gap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from paig_control.data.episodes import Sequences
from paig_control.models.paig import PAIG, to_pictures
from paig_control.report.style import INK, PAPER, Picture, enlarge
from paig_control.types import State


@torch.no_grad()
def rollout(model: PAIG, data: Sequences, rows: int) -> dict[str, Picture]:
    """Films ``(rows, T, h, w, 3)`` of the first sequences, and what the model makes of their input frames."""
    frames = data.frames[:rows]
    actions = torch.from_numpy(data.actions_for(model.dynamics.action_size)[:rows])
    seen = model.read(torch.from_numpy(frames[:, : model.input_frames]))
    path = model.unroll(seen.position, actions.to(model.device), seen.trust)
    return {"camera": frames, "model": to_pictures(model.render(State(path, path)))}


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
