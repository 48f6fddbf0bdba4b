"""Online adaptation on the command line: what watches the constants, and what is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paig_control.cli.output import Screen

if TYPE_CHECKING:
    from paig_control.evaluation.control import Measured
    from paig_control.models.checkpoint import Loaded


def figures(loaded: Loaded, measured: Measured) -> dict[str, dict[str, Any]]:
    """Constants at the end of the episodes: before, then median, its error bar and range of the estimates."""
    found = {}
    for constant in loaded.model.physics.constants:
        estimates, errors = (
            np.array([row[f"{constant.name}_{part}"] for row in measured.rows]) for part in ("estimate", "std")
        )
        found[constant.name] = {
            "before": loaded.model.physics.values()[constant.name],
            "median": float(np.median(estimates)),
            "median_std": float(np.median(errors)),
            "range": [float(estimates.min()), float(estimates.max())],
            "unit": constant.unit,
        }
    return found


def show(screen: Screen, found: dict[str, dict[str, Any]]) -> None:
    """Print what the adapter made of the constants."""
    rows = []
    for name, one in found.items():
        low, high = one["range"]
        middle = f"{one['median']:.4g} ± {one['median_std']:.2g} {one['unit']}".rstrip()
        rows.append([name, f"{one['before']:.4g}", middle, f"{low:.4g} to {high:.4g}"])
    screen.table("Constants at the end of the episodes", ["name", "before", "median episode", "all episodes"], rows)
