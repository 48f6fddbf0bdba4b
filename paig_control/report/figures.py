"""Figures that set runs beside one another: constants, error against time, the eyes' heat maps, success.

Curves over the frames of a film: the median film, 80 % of them as a band, and where prediction begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from paig_control.evaluation.prediction import Prediction
from paig_control.models.paig import PAIG
from paig_control.report.sources import Trained
from paig_control.report.style import COLOURS, Picture, bare, enlarge, plain
from paig_control.vision.localizer import Localizer


def band(
    axis: Axes,
    values: NDArray[np.float64],
    colour: str,
    label: str | None = None,
    width: float = 1.5,
    alpha: float = 0.2,
) -> None:
    """Draw the median of films ``(S, T)`` as a line, and a band from their tenth to their nine tenths."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=0)
    frames = np.arange(len(middle))
    axis.fill_between(frames, low, high, color=colour, alpha=alpha, linewidth=0)
    axis.plot(frames, middle, color=colour, linewidth=width, label=label)


def over_frames(axes: Iterable[Axes], prediction: Prediction) -> None:
    """Say along what the curves of some panels run, with a line where prediction and where extrapolation begins."""
    for axis in axes:
        for edge in {prediction.inputs, prediction.shown} & set(range(1, prediction.error.shape[1])):
            axis.axvline(edge - 0.5, color="#ced4da", linewidth=0.8)
        axis.set(xlabel="frame (lines: prediction, extrapolation begin)")
        axis.legend(frameon=False)
        bare(axis)


def constants_figure(runs: Sequence[Trained]) -> Figure:
    """Every constant of every run with a bar of three standard deviations, the truth as a line where it is known."""
    names = list(dict.fromkeys(name for run in runs for name in run.constants))
    columns = min(len(names), 3)
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4.2 * columns, (1.4 + 0.32 * len(runs)) * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).flatten()
    for axis, name in zip(axes, names, strict=False):
        unit = ""
        for place, run in enumerate(runs):
            if name not in run.constants:
                continue
            found = run.constants[name]
            unit = found["unit"]
            bar = 3 * found["std"] if math.isfinite(found["std"]) else None
            axis.errorbar(found["value"], place, xerr=bar, fmt="o", color=COLOURS[0], capsize=4, markersize=5)
            if "truth" in found:
                axis.plot([found["truth"]] * 2, [place - 0.4, place + 0.4], color=COLOURS[1], linewidth=2)
        axis.set(title=plain(f"{name}{f', {unit}' if unit else ''}"), ylim=(len(runs) - 0.5, -0.5))
        axis.set_yticks(range(len(runs)), [plain(run.name)[-60:] for run in runs], fontsize=9)
        axis.ticklabel_format(axis="x", useOffset=False)
        axis.tick_params(axis="x", labelsize=8)
        axis.locator_params(axis="x", nbins=4)
        axis.margins(x=0.15)
        bare(axis)
    for axis in axes[len(names) :]:
        axis.axis("off")
    return figure


def time_figure(runs: Sequence[Trained]) -> Figure:
    """Squared error and structural similarity, frame by frame: the median film of each run, 80 % of them as a band."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    axes = figure.subplots(1, 2)
    kinds = list(dict.fromkeys(run.setting for run in runs))
    for kind, colour in zip(kinds, [*COLOURS] * len(kinds), strict=False):
        same = [run.measured.prediction for run in runs if run.setting == kind and run.measured is not None]
        for axis, name in zip(axes, ("error", "similarity"), strict=True):
            for number, one in enumerate(same):
                label = f"{kind} ({len(same)} run{'s' if len(same) > 1 else ''})" if number == 0 else None
                width = 2 if len(same) == 1 else 1
                band(axis, getattr(one, name), colour, label, width, 0.2 / len(same))
    first = next(run.measured.prediction for run in runs if run.measured is not None)
    axes[0].set(title="squared error a frame", yscale="log")
    axes[1].set(title="structural similarity (SSIM)")
    over_frames(axes, first)
    return figure


@torch.no_grad()
def heat_picture(model: PAIG, frames: NDArray[np.uint8], scale: int = 4) -> Picture | None:
    """Frames ``(M, h, w, 3)`` above the eyes' heat map of each object; ``None`` for eyes that have none."""
    if not isinstance(model.localizer, Localizer):
        return None
    logits = model.localizer.heat(model.images(torch.from_numpy(frames)))
    share = logits.flatten(-2).softmax(-1).unflatten(-1, logits.shape[-2:])
    share = (share / share.amax((-2, -1), keepdim=True)).cpu().numpy()
    hot = (mpl.colormaps["inferno"](share)[..., :3] * 255).astype(np.uint8)
    rows = [model.pictures(frames), *(hot[:, n] for n in range(hot.shape[1]))]
    gap = 3
    high, wide = (n * scale + gap for n in frames.shape[1:3])
    canvas = Image.new("RGB", (len(frames) * wide + gap, len(rows) * high + gap), "white")
    for line, row in enumerate(rows):
        for column, image in enumerate(row):
            canvas.paste(enlarge(image, scale), (gap + column * wide, gap + line * high))
    return np.asarray(canvas)


def varied(summaries: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Numeric options, by their dotted names, in which summaries differ."""
    flat = [_flat(summary["options"]) for summary in summaries]
    shared = set.intersection(*(set(one) for one in flat)) - {"seed", "threads", "verbosity", "film"}
    return {name: [one[name] for one in flat] for name in sorted(shared) if len({one[name] for one in flat}) > 1}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and all(isinstance(item, int | float) for item in value):
            found |= {f"{prefix}{key}.{n}": float(item) for n, item in enumerate(value)}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = float(value)
    return found


def success_map(options: Mapping[str, Sequence[float]], rates: Sequence[float]) -> Figure:
    """Success rates over one or two options that were varied."""
    names = list(options)
    across = sorted(set(options[names[0]]))
    down = sorted(set(options[names[1]])) if len(names) > 1 else [0.0]
    grid = np.full((len(down), len(across)), np.nan)
    for place, rate in enumerate(rates):
        row = down.index(options[names[1]][place]) if len(names) > 1 else 0
        grid[row, across.index(options[names[0]][place])] = rate
    figure = Figure(figsize=(2.5 + 0.7 * len(across), 1.6 + 0.5 * len(down)), layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow(grid, vmin=0, vmax=1, cmap="viridis", origin="lower", aspect="auto")
    axis.set_xticks(range(len(across)), [f"{value:g}" for value in across])
    axis.set_yticks(range(len(down)), [f"{value:g}" for value in down] if len(names) > 1 else [""])
    axis.set(xlabel=plain(names[0]), ylabel=plain(names[1]) if len(names) > 1 else "")
    for row, column in np.argwhere(np.isfinite(grid)):
        value = grid[row, column]
        axis.text(column, row, f"{value:.0%}", ha="center", va="center", color="white" if value < 0.6 else "black")
    figure.colorbar(shown, ax=axis, label="success")
    return figure
