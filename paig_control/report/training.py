"""What training leaves: sprites and background, curves, and films that it never saw beside their prediction.

What evaluation leaves: films that training never saw, and error, similarity and distance against time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from paig_control.border.files import write
from paig_control.data.episodes import Sequences
from paig_control.evaluation.prediction import Prediction
from paig_control.learning.trainer import Run
from paig_control.models.paig import PAIG
from paig_control.report.figures import band, over_frames
from paig_control.report.style import COLOURS, Picture, bare, colours, film_strip, plain, png, rollout_strip

History = Mapping[str, Sequence[Mapping[str, float]]]
"""Rows of figures by stage, in the order of the stages."""


def save_training_pictures(run: Run, folder: Path, unseen: Sequences | None = None) -> list[Path]:
    """Write ``learned.png``, ``curves.png`` and, given films that training did not see, ``rollout.png``.

    Of bodies on joints ``skeleton.png`` as well.
    """
    written = [folder / "learned.png", folder / "curves.png"]
    write(written[0], png(learned_figure(run.model)))
    write(written[1], png(curves_figure(run)))
    if unseen is not None:
        written.append(folder / "rollout.png")
        write(written[-1], png(rollout_strip(run.model, unseen)))
        skeleton = skeleton_figure(run.model, unseen)
        if skeleton is not None:
            written.append(folder / "skeleton.png")
            write(written[-1], png(skeleton))
    return written


@torch.no_grad()
def skeleton_figure(model: PAIG, data: Sequences, count: int = 6) -> Figure | None:
    """Frames of several films with the joints that were found in them; None for bodies that move freely."""
    films, length = data.frames.shape[:2]
    number = np.arange(count)
    frames = data.frames[number % films, number * (length - 1) // count]
    lines = model.kinematics.skeleton(model.read(torch.from_numpy(frames)).position).cpu().numpy()
    if not lines.shape[1]:
        return None
    figure = Figure(figsize=(2.2 * count, 2.3), layout="constrained")
    for axis, frame, drawn in zip(figure.subplots(1, count), model.pictures(frames), lines, strict=True):
        height, width = frame.shape[:2]
        axis.imshow(frame, extent=(0, width, height, 0))
        for line in drawn:
            axis.plot(*line.T, color="white", linewidth=4, alpha=0.6, solid_capstyle="round")
            axis.plot(*line.T, color=COLOURS[1], linewidth=1.6)
            axis.plot(*line[0], "o", color="white", markeredgecolor=COLOURS[1], markersize=6)
        axis.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    return figure


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
        for axis, (title, image, shades) in zip(row, shown, strict=True):
            axis.imshow(image, cmap=shades, vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(title, fontsize=10)
            axis.set_xticks([])
            axis.set_yticks([])
    return figure


def curves_figure(run: Run) -> Figure:
    """Image losses of the gradient stages, if there are any, and the constants while the window grows, or by steps."""
    names = list(run.constants)
    stages = [name for name in ("warm_start", "refine", "joint") if run.history.get(name)]
    first = 1 if stages or not names else 0
    figure = Figure(figsize=(4 * first + 3 * len(names), 3.2), layout="constrained")
    axes = figure.subplots(1, first + len(names), squeeze=False)[0]
    done = 0.0
    for stage in stages:
        rows = run.history[stage]
        for key, colour in zip(("recons", "pred"), COLOURS, strict=False):
            steps = [done + row["step"] for row in rows if key in row]
            label = None if stage == "warm_start" else key
            axes[0].plot(steps, [row[key] for row in rows if key in row], color=colour, label=label)
        done += rows[-1]["step"]
        axes[0].axvline(done, color="#ced4da", linewidth=0.8)
    if first:
        title = " | ".join(stages).replace("_", " ")
        axes[0].set(title=title, xlabel="gradient step", ylabel="squared error a frame", yscale="log")
    if axes[0].get_legend_handles_labels()[0]:
        axes[0].legend(frameon=False)
    for axis, name in zip(axes[first:], names, strict=True):
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
        bare(axis)
    return figure


def sweep_figure(runs: Sequence[tuple[str, History]]) -> Figure:
    """Learning curves of many runs: one colour a setting, a thin line a run, a bold one through their median.

    Args:
        runs: of each, its setting in words and its rows of figures by stage.
    """
    settings = list(dict.fromkeys(setting for setting, _ in runs))
    colour_of = dict(zip(settings, colours(len(settings)), strict=True))
    figure = Figure(figsize=(11, 4.2 + 0.1 * len(settings)), layout="constrained")
    panels = {"recons": "reconstruction", "pred": "prediction"}
    for axis, (key, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for setting in settings:
            curves = [curve for name, history in runs if name == setting and len(curve := _curve(history, key))]
            for curve in curves:
                axis.plot(*curve.T, color=colour_of[setting], linewidth=0.7, alpha=0.45)
            if curves:
                steps = max(curves, key=len)[:, 0]
                middle = np.median([np.interp(steps, *curve.T) for curve in curves], axis=0)
                label = f"{plain(setting)} ({len(curves)} run{'s' if len(curves) > 1 else ''})"
                axis.plot(steps, middle, color=colour_of[setting], linewidth=2.2, label=label)
        axis.set(title=title, xlabel="gradient step", yscale="log")
        bare(axis)
    figure.axes[0].set_ylabel("squared error a frame")
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _curve(history: History, key: str) -> NDArray[np.float64]:
    """Steps, counted on over the stages, and a figure of theirs: ``(rows, 2)``."""
    points, done = [], 0.0
    for rows in history.values():
        if not rows or "step" not in rows[0]:
            continue
        points += [(done + row["step"], row[key]) for row in rows if key in row and "step" in row]
        done += rows[-1].get("step", 0)
    return np.asarray(points, dtype=np.float64)


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
    write(written[0], png(film_strip(films, prediction.inputs)))
    write(written[1], png(accuracy_figure(prediction, distance)))
    return written


def accuracy_figure(prediction: Prediction, distance: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Squared error, similarity and distance from the truth, frame by frame: median, and the middle 80 % as a band."""
    panels = 2 + bool(distance)
    figure = Figure(figsize=(4.2 * panels, 3.4), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    lines = (
        (axes[0], prediction.reconstruction_error, "as read", COLOURS[1]),
        (axes[0], prediction.error, "as predicted", COLOURS[0]),
        (axes[1], prediction.similarity, "as predicted", COLOURS[0]),
    )
    for axis, values, label, colour in lines:
        band(axis, values, colour, label)
    axes[0].set(title="squared error a frame", yscale="log")
    axes[1].set(title="structural similarity")
    for (name, values), colour in zip(distance.items(), COLOURS[1::-1], strict=False):
        axes[2].plot(np.arange(len(values)), values, color=colour, label=name)
        axes[2].set(title="distance from the truth, rms", yscale="log")
    over_frames(axes, prediction)
    return figure
