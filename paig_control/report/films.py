"""Films that play, as GIFs: camera, goal and foresight of an episode, or films beside one another."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from paig_control.border.files import write
from paig_control.evaluation.rollout import Film
from paig_control.report.style import ACCENT, FAINT, INK, PAPER, Picture, enlarge


def save_control_film(film: Film, path: Path, scale: int = 6, every: int = 1) -> Path:
    """Write a GIF: camera, goal (if one was shown) and what the agent foresaw, with time and action beneath.

    Args:
        film: the episode.
        path: of the GIF.
        scale: screen pixels a pixel.
        every: only each so-many-th frame.
    """
    pictures = [film_frame(film, t, scale) for t in range(0, len(film.camera), every)]
    write(path, gif(pictures, (film.dt or 0.05) * every))
    return path


def gif(pictures: Sequence[Image.Image], seconds: float) -> bytes:
    """Make a GIF that repeats, ``seconds`` a picture, at most 50 pictures a second."""
    palette = pictures[len(pictures) // 2].quantize(64)
    shown = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    made, duration = io.BytesIO(), max(round(1000 * seconds), 20)
    shown[0].save(made, "GIF", save_all=True, append_images=shown[1:], duration=duration, loop=0, optimize=True)
    return made.getvalue()


def side_by_side(films: Mapping[str, Picture], inputs: int, shown: int, dt: float, scale: int = 5) -> bytes:
    """Make a GIF of films ``(T, h, w, 3)`` beside one another by name, saying what each frame is.

    Args:
        films: of equal size and length.
        inputs: frames from which the state was inferred.
        shown: input and prediction frames.
        dt: seconds between frames; the film plays slower than 10 frames a second, so that it can be followed.
        scale: screen pixels a pixel.
    """
    pictures = []
    for t in range(len(next(iter(films.values())))):
        canvas, base = _panels([(name, film[t]) for name, film in films.items()], scale)
        part = "input" if t < inputs else "prediction" if t < shown else "extrapolation"
        text = f"t = {t * dt:4.1f} s  frame {t}, {part}"
        ImageDraw.Draw(canvas).text((14, base - 8), text, INK, ImageFont.load_default(size=14))
        pictures.append(canvas)
    return gif(pictures, max(dt, 0.1))


def film_frame(film: Film, t: int, scale: int = 6) -> Image.Image:
    """One picture of the film."""
    panels = [("camera", film.camera[t])]
    if film.goal is not None:
        panels.append(("goal", film.goal))
    ahead = film.ahead * (film.dt or 0.05)
    panels.append((f"foreseen {ahead:.1f} s before", film.imagined[t]))
    canvas, base = _panels(panels, scale)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    pen.text((14, base - 8), f"t = {t * (film.dt or 0.05):4.1f} s", INK, font)
    _bars(pen, film.action[t], np.abs(film.action).max(0), (112, base), canvas.width - 12)
    return canvas


def _panels(panels: Sequence[tuple[str, Picture]], scale: int) -> tuple[Image.Image, int]:
    """Images under their titles, and room for a line beneath, whose middle is the second result."""
    height, width = (n * scale for n in panels[0][1].shape[:2])
    gap, head, foot = 12, 30, 34
    canvas = Image.new("RGB", (gap + len(panels) * (width + gap), head + height + foot), PAPER)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for index, (title, image) in enumerate(panels):
        left = gap + index * (width + gap)
        pen.text((left + 2, 8), title, INK, font)
        canvas.paste(enlarge(image, scale), (left, head))
        pen.rectangle((left - 1, head - 1, left + width, head + height), outline=FAINT)
    return canvas, head + height + foot // 2


def _bars(
    pen: ImageDraw.ImageDraw, action: NDArray[np.float32], most: NDArray[np.float32], at: tuple[int, int], right: int
) -> None:
    """Each part of the action as a bar from a middle line."""
    font = ImageFont.load_default(size=14)
    pen.text((at[0], at[1] - 8), "action", INK, font)
    left, room = at[0] + 56, (right - at[0] - 56) // max(len(action), 1)
    for index, (value, top) in enumerate(zip(action, most, strict=True)):
        middle, half = left + index * room + room // 2, room // 2 - 6
        end = middle + round(half * float(value) / max(float(top), 1e-9))
        pen.line((middle - half, at[1], middle + half, at[1]), FAINT)
        pen.rectangle((min(middle, end), at[1] - 5, max(middle, end), at[1] + 5), ACCENT)
        pen.line((middle, at[1] - 8, middle, at[1] + 8), INK)
