"""What evaluation leaves: films that training never saw, and error, similarity and distance against time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from paig_control.border.files import write
from paig_control.evaluation.prediction import Prediction
from paig_control.report.curves import band, over_frames
from paig_control.report.strips import film_strip
from paig_control.report.style import COLOURS, Picture, png


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
