"""Pictures of what was learned and of what was done: people believe what they can look at.

Training leaves the sprite and background (``learned.png``), the curves (``curves.png``) and films that it never saw
beside their prediction (``rollout.png``); a sweep leaves the curves of all its runs (``sweep.png``); evaluation leaves
films that it never saw (``films.png``) and the error against time (``accuracy.png``); control leaves a film of camera,
goal and foresight side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from paig_control.data.episodes import Sequences
from paig_control.learning.trainer import Run
from paig_control.model import PAIG, to_pictures
from paig_control.types import State

if TYPE_CHECKING:
    from paig_control.playing import Film
    from paig_control.prediction import Prediction

mpl.use("Agg")

Picture = NDArray[np.uint8]
History = Mapping[str, Sequence[Mapping[str, float]]]
"""Rows of figures by stage, in the order of the stages."""
INK, PAPER, FAINT, ACCENT = (33, 37, 41), (250, 250, 248), (173, 181, 189), (28, 126, 214)
COLOURS = ("#1c7ed6", "#e8590c", "#2b8a3e", "#9c36b5")


def save_training_pictures(run: Run, folder: Path, unseen: Sequences | None = None) -> list[Path]:
    """Write ``learned.png``, ``curves.png`` and, given films that training did not see, ``rollout.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "learned.png", folder / "curves.png"]
    learned_figure(run.model).savefig(written[0], dpi=110)
    curves_figure(run).savefig(written[1], dpi=110)
    if unseen is not None:
        written.append(folder / "rollout.png")
        Image.fromarray(rollout_strip(run.model, unseen)).save(written[-1])
    return written


def learned_figure(model: PAIG) -> Figure:
    """Background and pixel weights, then content, mask and sprite of every object."""
    with torch.no_grad():
        sprites = model.renderer.sprites().cpu().permute(0, 2, 3, 1).numpy()
        background = model.renderer.scene().cpu().permute(1, 2, 0).numpy()
    weight = model.weight.cpu().numpy()
    figure = Figure(figsize=(10, 2.5 * len(sprites)), layout="constrained")
    axes = figure.subplots(len(sprites), 5, squeeze=False)
    for row, sprite in zip(axes, sprites, strict=True):
        content, mask = sprite[..., :3], sprite[..., 3:]
        shown = (
            ("background", background, None),
            ("content", content, None),
            ("mask", mask[..., 0], "gray"),
            ("sprite on grey", content * mask + 0.8 * (1 - mask), None),
            ("trust in each pixel", weight, "viridis"),
        )
        for axis, (title, image, colours) in zip(row, shown, strict=True):
            axis.imshow(image, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(title, fontsize=10)
            axis.set_xticks([])
            axis.set_yticks([])
    return figure


def curves_figure(run: Run) -> Figure:
    """Image losses of the gradient stages, and the constants while the window grows, or step by step."""
    names = list(run.constants)
    figure = Figure(figsize=(4 + 3 * len(names), 3.2), layout="constrained")
    axes = figure.subplots(1, 1 + len(names), squeeze=False)[0]
    done = 0.0
    stages = [name for name in ("warm_start", "refine", "joint") if run.history.get(name)]
    for stage in stages:
        rows = run.history[stage]
        for key, colour in zip(("recons", "pred"), COLOURS, strict=False):
            steps = [done + row["step"] for row in rows if key in row]
            label = None if stage == "warm_start" else key
            axes[0].plot(steps, [row[key] for row in rows if key in row], color=colour, label=label)
        done += rows[-1]["step"]
        axes[0].axvline(done, color="#ced4da", linewidth=0.8)
    axes[0].set(
        title=" | ".join(stages).replace("_", " "), xlabel="gradient step", ylabel="squared error a frame", yscale="log"
    )
    if axes[0].get_legend_handles_labels()[0]:
        axes[0].legend(frameon=False)
    for axis, name in zip(axes[1:], names, strict=True):
        estimate = run.constants[name]
        along, rows = "horizon", run.history.get("conclude", [])
        if not rows:
            along, rows = "step", run.history.get("joint", [])
        axis.plot([r[along] for r in rows], [r[name] for r in rows], "o-", color=COLOURS[0], markersize=4)
        last = [rows[-1][along]] if rows else [0.0]
        if math.isfinite(estimate.std):
            axis.errorbar(last, [estimate.value], yerr=[3 * estimate.std], capsize=4, color=COLOURS[1])
        xlabel = "frames in the window (bar: 3 std)" if along == "horizon" else "gradient step"
        axis.set(title=f"{name}: {estimate}", xlabel=xlabel)
        axis.title.set_fontsize(10)
        axis.ticklabel_format(useOffset=False)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def sweep_figure(runs: Sequence[tuple[str, History]]) -> Figure:
    """Learning curves of many runs: one colour a setting, a thin line a run, a bold one through their median.

    Args:
        runs: of each, its setting in words and its rows of figures by stage.
    """
    settings = list(dict.fromkeys(setting for setting, _ in runs))
    colours = dict(zip(settings, _colours(len(settings)), strict=True))
    figure = Figure(figsize=(11, 4.2 + 0.1 * len(settings)), layout="constrained")
    panels = {"recons": "reconstruction", "pred": "prediction"}
    for axis, (key, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for setting in settings:
            curves = [curve for name, history in runs if name == setting and len(curve := _curve(history, key))]
            for curve in curves:
                axis.plot(*curve.T, color=colours[setting], linewidth=0.7, alpha=0.45)
            if curves:
                steps = max(curves, key=len)[:, 0]
                middle = np.median([np.interp(steps, *curve.T) for curve in curves], axis=0)
                label = f"{setting} ({len(curves)} run{'s' if len(curves) > 1 else ''})"
                axis.plot(steps, middle, color=colours[setting], linewidth=2.2, label=label)
        axis.set(title=title, xlabel="gradient step", yscale="log")
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("squared error a frame")
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _colours(count: int) -> list[Any]:
    """So many colours that can be told apart."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    return list(mpl.colormaps["viridis"](np.linspace(0.0, 0.92, count)))


def _curve(history: History, key: str) -> NDArray[np.float64]:
    """Steps, counted on over the stages, and a figure of theirs: ``(rows, 2)``."""
    points, done = [], 0.0
    for rows in history.values():
        if not rows or "step" not in rows[0]:
            continue
        points += [(done + row["step"], row[key]) for row in rows if key in row]
        done += rows[-1]["step"]
    return np.asarray(points, dtype=np.float64)


@torch.no_grad()
def rollout_strip(model: PAIG, data: Sequences, rows: int = 3) -> Picture:
    """Camera above prediction, for the first ``rows`` sequences."""
    frames = data.frames[:rows]
    actions = torch.from_numpy(data.actions_for(model.physics.action_size)[:rows])
    seen = model.read(torch.from_numpy(frames[:, : model.input_frames]))
    path = model.unroll(seen.position, actions.to(model.device), seen.trust)
    drawn = to_pictures(model.render(State(path, path)))
    return film_strip({"camera": frames, "model": drawn}, model.input_frames)


def film_strip(films: Mapping[str, Picture], inputs: int, columns: int = 12, scale: int = 3) -> Picture:
    """Films ``(R, T, h, w, 3)`` under one another by name, for each of R sequences; input frames are before a gap."""
    rows, length, *size = next(iter(films.values())).shape[:4]
    future = np.unique(np.linspace(inputs, length - 1, max(columns - inputs, 1)).round().astype(int))
    font = ImageFont.load_default(size=13)
    tile = size[0] * scale, size[1] * scale
    width = (inputs + len(future)) * (tile[1] + 3) + 24 + 90
    high = len(films) * (tile[0] + 3) + 12
    canvas = Image.new("RGB", (width, 26 + rows * high), PAPER)
    pen = ImageDraw.Draw(canvas)
    for row in range(rows):
        top = 26 + row * high
        for line, (name, film) in enumerate(films.items()):
            pen.text((8, top + line * (tile[0] + 3) + tile[0] // 2 - 8), name, INK, font)
            for column, t in enumerate([*range(inputs), *future.tolist()]):
                left = 80 + column * (tile[1] + 3) + (20 if column >= inputs else 0)
                canvas.paste(enlarge(film[row, t], scale), (left, top + line * (tile[0] + 3)))
                if row == 0 and line == 0:
                    pen.text((left, 6), f"t={t}" if column >= inputs else f"seen {t}", INK, font)
    return np.asarray(canvas)


def save_evaluation_pictures(
    films: Mapping[str, Picture], prediction: Prediction, distance: Mapping[str, NDArray[np.float64]], folder: Path
) -> list[Path]:
    """Write ``films.png``, the films under one another, and ``accuracy.png``, the curves against time.

    Args:
        films: ``(R, T, h, w, 3)`` by name.
        prediction: of the sequences.
        distance: root mean square distance ``(T,)`` from the truth by name; empty where there is no truth.
        folder: to write into.
    """
    written = [folder / "films.png", folder / "accuracy.png"]
    Image.fromarray(film_strip(films, prediction.inputs)).save(written[0])
    accuracy_figure(prediction, distance).savefig(written[1], dpi=110)
    return written


def accuracy_figure(prediction: Prediction, distance: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Squared error, similarity and distance from the truth, frame by frame: median, and the middle 80 % as a band."""
    panels = 2 + bool(distance)
    figure = Figure(figsize=(4.2 * panels, 3.4), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    frames = np.arange(prediction.error.shape[1])
    lines = (
        (axes[0], prediction.reconstruction_error, "as read", COLOURS[1]),
        (axes[0], prediction.error, "as predicted", COLOURS[0]),
        (axes[1], prediction.similarity, "as predicted", COLOURS[0]),
    )
    for axis, values, label, colour in lines:
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=0)
        axis.fill_between(frames, low, high, color=colour, alpha=0.2, linewidth=0)
        axis.plot(frames, middle, color=colour, label=label)
    axes[0].set(title="squared error a frame", yscale="log")
    axes[1].set(title="structural similarity")
    for (name, values), colour in zip(distance.items(), COLOURS[1::-1], strict=False):
        axes[2].plot(frames, values, color=colour, label=name)
        axes[2].set(title="distance from the truth, rms", yscale="log")
    for axis in axes:
        for edge in {prediction.inputs, prediction.shown} & set(range(1, len(frames))):
            axis.axvline(edge - 0.5, color="#ced4da", linewidth=0.8)
        axis.set(xlabel="frame (lines: prediction, extrapolation begin)")
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def save_control_film(film: Film, path: Path, scale: int = 6, every: int = 1) -> Path:
    """Write a GIF: camera, goal (if one was shown) and what the agent foresaw, with time and action beneath.

    Args:
        film: the episode.
        path: of the GIF.
        scale: screen pixels a pixel.
        every: only each so-many-th frame.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [film_frame(film, t, scale) for t in range(0, len(film.camera), every)]
    palette = pictures[len(pictures) // 2].quantize(64)
    shown = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    duration = round(1000 * (film.dt or 0.05) * every)
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=max(duration, 20), loop=0, optimize=True)
    return path


def film_frame(film: Film, t: int, scale: int = 6) -> Image.Image:
    """One picture of the film."""
    panels = [("camera", film.camera[t])]
    if film.goal is not None:
        panels.append(("goal", film.goal))
    ahead = film.ahead * (film.dt or 0.05)
    panels.append((f"foreseen {ahead:.1f} s before", film.imagined[t]))
    height, width = (n * scale for n in film.camera.shape[1:3])
    gap, head, foot = 12, 30, 34
    canvas = Image.new("RGB", (gap + len(panels) * (width + gap), head + height + foot), PAPER)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for index, (title, image) in enumerate(panels):
        left = gap + index * (width + gap)
        pen.text((left + 2, 8), title, INK, font)
        canvas.paste(enlarge(image, scale), (left, head))
        pen.rectangle((left - 1, head - 1, left + width, head + height), outline=FAINT)
    base = head + height + foot // 2
    pen.text((gap + 2, base - 8), f"t = {t * (film.dt or 0.05):4.1f} s", INK, font)
    _bars(pen, film.action[t], np.abs(film.action).max(0), (gap + 100, base), canvas.width - gap)
    return canvas


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


def enlarge(image: Picture, scale: int) -> Image.Image:
    """Each pixel as a square."""
    height, width = image.shape[:2]
    return Image.fromarray(image).resize((width * scale, height * scale), Image.Resampling.NEAREST)
