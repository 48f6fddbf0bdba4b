"""``paig-control evaluate``: a trained model on films that it has not seen, as they are or as new ones made of them."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from paig_control.cli import output, world
from paig_control.cli.evaluate_screen import show
from paig_control.cli.output import Screen
from paig_control.cli.train import beside_truth
from paig_control.data import augmentation, episodes
from paig_control.errors import PaigError

if TYPE_CHECKING:
    from paig_control.adaptation import AdaptedFilms
    from paig_control.checkpoint import Loaded
    from paig_control.prediction import Prediction
    from paig_control.tracking import Tracks
    from paig_control.types import Reading


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Evaluate, summarise; returns the summary."""
    begin, wall = time.process_time(), time.monotonic()
    if config.split not in episodes.SPLITS:
        raise PaigError(f"split = {config.split}: expected train, valid or test.")
    if config.film < 1:
        raise PaigError(f"film = {config.film}: expected at least 1.")
    data = episodes.load(config.data)
    sequences, truth = data.split(config.split), data.truth(config.split)
    draws = augmentation.draw(config.augment, len(sequences), config.seed)
    world.use_threads(config.threads)

    from paig_control import checkpoint, prediction, report, tracking

    loaded = checkpoint.load(Path(config.run).expanduser(), world.pick_device(config.device))
    model = loaded.model
    frames = config.prediction_frames
    if frames is None:
        frames = loaded.record["settings"]["recipe"]["refine"]["prediction_frames"]
    size = sequences.frames.shape[2:4]
    cut = np.zeros(sequences.frames.shape[:2], dtype=bool)
    if config.augment != "none":
        if model.kinematics.name != "planar":
            raise PaigError(
                f"augment={config.augment}: what the model sees does not move freely in the plane of the picture but "
                "about a fixed axle, so a moved picture is another world. Use augment=none."
            )
        cut = augmentation.cut_frames(sequences.frames, draws)
        sequences = augmentation.augment(sequences, draws)
        truth = None if truth is None else augmentation.augment_truth(truth, draws, size)
    folder = output.folder(config.out, config.overwrite)
    adapted: AdaptedFilms | None = None
    with screen.bar("evaluate") as tick:
        reading = prediction.read(model, sequences, lambda part: tick(part, "frames", "read"))
        if config.adapt:
            adapted = _adapt(config, loaded, sequences, reading, frames, tick)
        own = None if adapted is None else model.physics.as_values(adapted.together.free)
        found = prediction.predict(model, sequences, reading, frames, own, lambda part: tick(part, "films", "predict"))
        later = None
        if adapted is not None and adapted.frames < sequences.frames.shape[1]:
            later = _later(loaded, sequences, reading, frames, adapted)
    notes = [*data.notes]
    tracks, distance = None, {}
    if truth is not None and truth.position is not None:
        if truth.position.shape == tuple(reading.position.shape):
            tracks = tracking.against_truth(model.physics, reading.position, found.path, truth.position)
            rms = {name: np.sqrt(np.square(x).mean((0, 2))) for name, x in vars(tracks).items() if np.ndim(x) == 3}
            distance = {"as read": rms["reading"], "as predicted": rms["path"]}
        else:
            notes.append(
                f"The truth has positions {truth.position.shape[2:]}, the model {tuple(reading.position.shape[2:])}: "
                "positions were not compared."
            )
    figures: dict[str, Any] = {
        "constants": beside_truth(loaded.record.get("constants", {}), data),
        **found.losses(),
        "above": config.above,
        "extrap_share_above": found.share_above(config.above),
        "per_step": _per_step(found),
        "positions": None if tracks is None else _positions(tracks, found, distance),
        "augmentation": None if config.augment == "none" else _augmentation(config.augment, draws, cut, found),
        "adaptation": None,
        "evaluated_on": config.split,
        "frames": int(sequences.frames.shape[0] * sequences.frames.shape[1]),
        "notes": notes,
    }
    if adapted is not None:
        constants = {} if truth is None else dict(truth.constants)
        figures["adaptation"] = _adaptation(adapted, loaded, constants, draws, later)
    for note in notes:
        screen.remark(note)
    show(screen, figures)
    output.write(folder / "films.csv", output.csv(_rows(draws, cut, found, adapted)))
    pictures = prediction.films(model, sequences, reading, found, config.film)
    report.save_evaluation_pictures(pictures, found, distance, folder)
    figures |= {
        "cpu_seconds": time.process_time() - begin,
        "wall_seconds": time.monotonic() - wall,
        "peak_mb": output.peak_mb(),
    }
    return output.summary(folder / output.SUMMARY, command, config, figures)


def _adapt(
    config: DictConfig,
    loaded: Loaded,
    sequences: episodes.Sequences,
    reading: Reading,
    prediction_frames: int,
    tick: output.Tick,
) -> AdaptedFilms:
    """Constants of each film from its first frames."""
    from paig_control.adaptation import adapt_films, learned_prior

    model, record = loaded.model, loaded.record
    std = {name: float(found["std"]) for name, found in record["constants"].items()}
    prior = learned_prior(model.physics, std, config.adapt_change)
    frames = config.adapt_frames
    if frames is None:
        frames = min(model.input_frames + prediction_frames, sequences.frames.shape[1])
    noise = float(record["residual"])
    return adapt_films(model, sequences, reading, frames, prior, noise, lambda part: tick(part, "constants", "adapt"))


def _later(
    loaded: Loaded, sequences: episodes.Sequences, reading: Reading, prediction_frames: int, adapted: AdaptedFilms
) -> Prediction:
    """Prediction of frames that adaptation has not seen: its last frames are the input."""
    from paig_control.prediction import predict
    from paig_control.types import Reading

    model = loaded.model
    first = max(0, adapted.frames - model.input_frames)
    rest = dataclasses.replace(
        sequences,
        frames=sequences.frames[:, first:],
        actions=None if sequences.actions is None else sequences.actions[:, first:],
    )
    seen = Reading(reading.position[:, first:], reading.trust[:, first:])
    return predict(model, rest, seen, prediction_frames, model.physics.as_values(adapted.together.free))


def _per_step(found: Prediction) -> dict[str, Any]:
    """Means over the films, frame by frame."""
    return {
        "input_frames": found.inputs,
        "extrapolation_from": found.shown,
        "reconstruction_error": found.reconstruction_error.mean(0).tolist(),
        "squared_error": found.error.mean(0).tolist(),
        "ssim": found.similarity.mean(0).tolist(),
    }


def _positions(tracks: Tracks, found: Prediction, distance: dict[str, Any]) -> dict[str, Any]:
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


def _augmentation(kind: str, draws: augmentation.Draws, cut: Any, found: Prediction) -> dict[str, Any]:
    """What was drawn, and what it pushed out of the picture."""
    return {
        "kind": kind,
        "zoom_range": [float(draws.zoom.min()), float(draws.zoom.max())],
        "shift_largest": float(np.hypot(*draws.shift.T).max()),
        "flipped": int((draws.flip < 0).any(1).sum()),
        "cut_frames": int(cut.sum()),
        "cut_films": int(cut.any(1).sum()),
        "uncut_films": found.losses(~cut.any(1)),
    }


def _adaptation(
    adapted: AdaptedFilms,
    loaded: Loaded,
    truth: dict[str, float],
    draws: augmentation.Draws,
    later: Prediction | None,
) -> dict[str, Any]:
    """Constants found anew, against the truth of each film where it is known."""
    from paig_control.tracking import constants_against_truth

    units = {constant.name: constant.unit for constant in loaded.model.physics.constants}
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


def _rows(draws: augmentation.Draws, cut: Any, found: Prediction, adapted: AdaptedFilms | None) -> list[dict[str, Any]]:
    """One row a film: its map, its losses, its constants."""
    losses = {name: values for name, values in found.per_sequence().items() if values is not None}
    rows = draws.report()
    for s, row in enumerate(rows):
        row |= {"film": s, "cut_frames": int(cut[s].sum())} | {name: float(v[s]) for name, v in losses.items()}
        for name in () if adapted is None else adapted.together.values:
            both = (adapted.together, adapted.alone)  # type: ignore[union-attr]
            row |= {name: float(both[0].values[name][s]), f"{name}_std": float(both[0].std[name][s])}
            row |= {f"{name}_alone": float(both[1].values[name][s]), f"{name}_alone_std": float(both[1].std[name][s])}
    return [{"film": row.pop("film"), **row} for row in rows]
