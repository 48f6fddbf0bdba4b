"""The figures of ``paig-control evaluate``, as they stand in summary.json and films.csv.

What ``paig-control evaluate`` prints of its figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paig_control.cli.output import Screen
from paig_control.cli.train import show_constants, show_losses
from paig_control.data import augmentation

if TYPE_CHECKING:
    from paig_control.evaluation.adaptation import AdaptedFilms
    from paig_control.evaluation.metrics import Tracks
    from paig_control.evaluation.prediction import Prediction
    from paig_control.models.checkpoint import Loaded
    from paig_control.physics.dynamics import Dynamics


def per_step(found: Prediction) -> dict[str, Any]:
    """Means over the films, frame by frame."""
    return {
        "input_frames": found.inputs,
        "extrapolation_from": found.shown,
        "reconstruction_error": found.reconstruction_error.mean(0).tolist(),
        "squared_error": found.error.mean(0).tolist(),
        "ssim": found.similarity.mean(0).tolist(),
    }


def coordinates(tracks: Tracks, dynamics: Dynamics, trust: NDArray[np.float32]) -> list[dict[str, Any]]:
    """How far from the truth each body was read and predicted, in its own unit.

    Args:
        tracks: positions against truth.
        dynamics: whose coordinates they are.
        trust: of the readings, ``(S, T, N, D)``; what is trusted by a tenth of the usual or less was not in sight.
    """
    rows = []
    for body, own in enumerate(dynamics.coordinates):
        sure = trust[:, :, body].min(-1)
        seen = sure > 0.1 * np.median(sure)
        rows.append(
            {
                "body": body,
                "coordinate": ", ".join(one.name for one in own),
                "unit": own[0].unit,
                "rms": _rms(tracks.reading[..., body]),
                "in_sight": float(seen.mean()),
                "rms_in_sight": _rms(tracks.reading[..., body][seen]),
                "rms_predicted": _rms(tracks.path[..., body]),
            }
        )
    return rows


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(values).mean())) if values.size else float("nan")


def positions(tracks: Tracks, found: Prediction, distance: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Distances from the truth; pixels or radians."""
    return {
        "true_object_of_each": list(tracks.order),
        "offset_removed": list(tracks.offset),
        "reading_rms": float(np.sqrt(np.square(tracks.reading).mean())),
        "reading_rms_input_frames": float(np.sqrt(np.square(tracks.reading[:, : found.inputs]).mean())),
        "reading_rms_per_step": distance["as read"].tolist(),
        "rollout_rms_per_step": distance["as predicted"].tolist(),
        "identity_swaps": tracks.swaps,
    }


def moved(kind: str, draws: augmentation.Draws, cut: NDArray[np.bool_], found: Prediction) -> dict[str, Any]:
    """What was drawn, and what it pushed out of the picture."""
    uncut = np.logical_not(cut.any(1))
    return {
        "kind": kind,
        "zoom_range": [float(draws.zoom.min()), float(draws.zoom.max())],
        "shift_largest": float(np.hypot(*draws.shift.T).max()),
        "flipped": int((draws.flip < 0).any(1).sum()),
        "cut_frames": int(cut.sum()),
        "cut_films": int((~uncut).sum()),
        "uncut_films": found.losses(uncut),
    }


def readapted(
    adapted: AdaptedFilms,
    loaded: Loaded,
    truth: Mapping[str, float],
    draws: augmentation.Draws,
    later: Prediction | None,
) -> dict[str, Any]:
    """Constants found anew, against the truth of each film where it is known."""
    from paig_control.evaluation.metrics import constants_against_truth

    units = {constant.name: constant.unit for constant in loaded.model.dynamics.constants}
    real = {name: augmentation.scaled(truth[name], unit, draws.zoom) for name, unit in units.items() if name in truth}
    together = adapted.together
    constants = {
        name: {
            "unit": unit,
            "median_value": float(together.values[name].median()),
            "median_std": float(together.std[name].median()),
        }
        for name, unit in units.items()
    }
    return {
        "frames": adapted.frames,
        "readings_left_out": adapted.missing,
        "films_with_readings_left_out": adapted.films_missing,
        "noise_median": float(together.noise.median()),
        "constants": constants,
        "relative_errors": constants_against_truth(together, real),
        "relative_errors_each_film_alone": constants_against_truth(adapted.alone, real),
        "after_these_frames": None if later is None else later.losses(),
    }


def rows(
    draws: augmentation.Draws, cut: NDArray[np.bool_], found: Prediction, adapted: AdaptedFilms | None
) -> list[dict[str, Any]]:
    """One row a film: its map, its losses, its constants."""
    losses = {name: values for name, values in found.per_sequence().items() if values is not None}
    kinds = {} if adapted is None else {"": adapted.together, "_alone": adapted.alone}
    table = []
    for s, row in enumerate(draws.report()):
        line = {"film": s, **row, "cut_frames": int(cut[s].sum())}
        line |= {name: float(values[s]) for name, values in losses.items()}
        for suffix, each in kinds.items():
            for name, values in each.values.items():
                line |= {f"{name}{suffix}": float(values[s]), f"{name}{suffix}_std": float(each.std[name][s])}
        table.append(line)
    return table


def show(screen: Screen, figures: dict[str, Any]) -> None:
    """Print constants, losses, some steps, positions, and what new films and adaptation brought."""
    show_constants(screen, figures["constants"])
    _steps(screen, figures["per_step"], figures["positions"])
    show_losses(screen, figures)
    if figures["extrap_share_above"] is not None:
        screen.say(f"Films with an extrapolation loss above {figures['above']:g}: {figures['extrap_share_above']:.1%}")
    if figures["positions"] is not None:
        found = figures["positions"]
        each = ", ".join(f"{one['rms_in_sight']:.3g} {one['unit']}" for one in figures["coordinates"])
        screen.say(f"Read {each} from the truth (rms, in sight); identity swaps: {found['identity_swaps']}")
    if figures["augmentation"] is not None:
        new = figures["augmentation"]
        screen.say(f"augment={new['kind']}: something left the picture in {new['cut_films']} films; without these:")
        screen.say(_losses(new["uncut_films"]))
    if figures["adaptation"] is not None:
        _adaptation(screen, figures["adaptation"])


def _losses(losses: Mapping[str, float | None]) -> str:
    return "    " + ", ".join(f"{name[5:-5]} {value:.3f}" for name, value in losses.items() if value is not None)


def _steps(screen: Screen, steps: Mapping[str, Any], positions: Mapping[str, Any] | None) -> None:
    """Some of the frames."""
    lines = {
        "error as read": steps["reconstruction_error"],
        "error as predicted": steps["squared_error"],
        "SSIM as predicted": steps["ssim"],
    }
    if positions is not None:
        lines["rms as read"] = positions["reading_rms_per_step"]
        lines["rms as predicted"] = positions["rollout_rms_per_step"]
    count = len(steps["ssim"])
    shown = np.unique(np.linspace(0, count - 1, min(count, 6)).round().astype(int))
    rows = [[name, *(f"{values[t]:.3f}" for t in shown)] for name, values in lines.items()]
    screen.table("Frame by frame, mean over the films", ["frame", *(str(t) for t in shown)], rows)


def _adaptation(screen: Screen, found: Mapping[str, Any]) -> None:
    """The constants found anew, beside the truth if it is known."""
    rows = []
    for name, constant in found["constants"].items():
        middle = f"{constant['median_value']:.4g} ± {constant['median_std']:.2g} {constant['unit']}".rstrip()
        for key, text in (("relative_errors", middle), ("relative_errors_each_film_alone", "each alone")):
            errors = found[key].get(name, {})
            offs = [f"{100 * errors[k]:.2f} %" if k in errors else "" for k in ("median", "p95", "worst")]
            rows.append([name if text == middle else "", text, *offs])
    columns = ["name", "median film", "off", "95 %", "worst"]
    screen.table(f"Constants of each film from its first {found['frames']} frames", columns, rows)
    left_out, films = found["readings_left_out"], found["films_with_readings_left_out"]
    screen.say(f"{left_out} readings in {films} films were left out: the object was not wholly in the picture.")
    if found["after_these_frames"] is not None:
        screen.say("Loss a frame when only later frames are predicted:")
        screen.say(_losses(found["after_these_frames"]))
