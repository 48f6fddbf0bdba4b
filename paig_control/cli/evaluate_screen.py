"""What ``paig-control evaluate`` prints of its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paig_control.cli.output import Screen
from paig_control.cli.train import show_constants, show_losses


def show(screen: Screen, figures: dict[str, Any]) -> None:
    """Print constants, losses, some steps, positions, and what new films and adaptation brought."""
    show_constants(screen, figures["constants"])
    _steps(screen, figures["per_step"], figures["positions"])
    show_losses(screen, figures)
    if figures["extrap_share_above"] is not None:
        screen.say(f"Films with an extrapolation loss above {figures['above']:g}: {figures['extrap_share_above']:.1%}")
    if figures["positions"] is not None:
        found = figures["positions"]
        screen.say(f"Read {found['reading_rms']:.3g} from the truth (rms); identity swaps: {found['identity_swaps']}")
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
