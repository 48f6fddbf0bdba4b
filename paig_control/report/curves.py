"""Curves over the frames of a film: the median film, 80 % of them as a band, and where prediction begins."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from paig_control.evaluation.prediction import Prediction
from paig_control.report.style import bare


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
