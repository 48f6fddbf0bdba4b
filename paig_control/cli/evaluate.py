"""``paig-control evaluate``: a trained model on films that it has not seen."""

from __future__ import annotations

import time
from typing import Any

from omegaconf import DictConfig

from paig_control.cli import output, world
from paig_control.cli.output import Screen
from paig_control.cli.train import beside_truth, show_constants, show_losses
from paig_control.data import episodes
from paig_control.errors import PaigError


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Evaluate, summarise; returns the summary."""
    begin, wall = time.process_time(), time.monotonic()
    if config.split not in episodes.SPLITS:
        raise PaigError(f"split = {config.split}: expected train, valid or test.")
    data = episodes.load(config.data)
    sequences = data.split(config.split)
    world.use_threads(config.threads)

    from pathlib import Path

    from paig_control import checkpoint
    from paig_control.prediction import evaluate_prediction

    loaded = checkpoint.load(Path(config.run).expanduser(), world.pick_device(config.device))
    folder = output.folder(config.out, config.overwrite)
    frames = config.prediction_frames
    if frames is None:
        frames = loaded.record["prediction_frames"]
    figures: dict[str, Any] = {
        "constants": beside_truth(loaded.record.get("constants", {}), data),
        **evaluate_prediction(loaded.model, sequences, frames),
        "evaluated_on": config.split,
        "frames": int(sequences.frames.shape[0] * sequences.frames.shape[1]),
        "notes": list(data.notes),
    }
    show_constants(screen, figures["constants"])
    show_losses(screen, figures)
    figures |= {
        "cpu_seconds": time.process_time() - begin,
        "wall_seconds": time.monotonic() - wall,
        "peak_mb": output.peak_mb(),
    }
    return output.summary(folder / output.SUMMARY, command, config, figures)
