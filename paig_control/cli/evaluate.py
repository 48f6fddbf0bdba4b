"""``paig-control evaluate``: a trained model on films that it has not seen, as they are or as new ones made of them."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from paig_control import runs
from paig_control.border import files
from paig_control.cli import evaluate_figures, output
from paig_control.cli.evaluate_figures import show
from paig_control.cli.output import Screen
from paig_control.cli.train import beside_truth
from paig_control.data import augmentation, episodes
from paig_control.errors import PaigError
from paig_control.experiment import factories

if TYPE_CHECKING:
    from paig_control.estimation.adaptation import Prior
    from paig_control.evaluation.adaptation import AdaptedFilms
    from paig_control.evaluation.metrics import Tracks
    from paig_control.evaluation.prediction import Prediction
    from paig_control.models.checkpoint import Loaded
    from paig_control.types import Reading


@dataclass(frozen=True)
class _Films:
    """What is to be evaluated on: films and their truth, how they were moved, and which frames (S, T) were cut."""

    sequences: episodes.Sequences
    truth: episodes.Truth | None
    draws: augmentation.Draws
    cut: NDArray[np.bool_]


@dataclass(frozen=True)
class _Measured:
    """What came out; ``later`` is the prediction of frames after those of adaptation."""

    reading: Reading
    found: Prediction
    adapted: AdaptedFilms | None = None
    later: Prediction | None = None
    tracks: Tracks | None = None
    distance: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Evaluate, summarise; returns the summary."""
    begin, wall = time.process_time(), time.monotonic()
    if config.split not in episodes.SPLITS:
        raise PaigError(f"split = {config.split}: expected train, valid or test.")
    if config.film < 1:
        raise PaigError(f"film = {config.film}: expected at least 1.")
    data = episodes.load(config.data)
    draws = augmentation.draw(config.augment, len(data.split(config.split)), config.seed)
    factories.use_threads(config.threads)

    from paig_control.evaluation import prediction
    from paig_control.models import checkpoint
    from paig_control.report.training import save_evaluation_pictures

    loaded = checkpoint.load(files.expanded(config.run), factories.pick_device(config.device))
    screen.remarks(factories.set_constants(loaded, config))
    notes = list(data.notes)
    films = _films(config, loaded, data, draws, notes)
    predicted = config.prediction_frames
    if predicted is None:
        predicted = loaded.record["prediction_frames"]
    prediction.check(loaded.model, films.sequences, predicted)
    adaptation = _adaptation(config, loaded, films, predicted) if config.adapt else None
    folder = runs.folder(config.out, config.overwrite)
    with screen.bar("evaluate") as tick:
        measured = _measure(loaded, films, predicted, adaptation, tick, notes)
    found, adapted = measured.found, measured.adapted
    figures: dict[str, Any] = {
        "constants_by_hand": factories.plain(config.constants),
        "constants": beside_truth(loaded.record.get("constants", {}), data),
        **found.losses(),
        "above": config.above,
        "extrap_share_above": found.share_above(config.above),
        "per_step": evaluate_figures.per_step(found),
        "positions": None,
        "coordinates": [],
        "augmentation": None,
        "adaptation": None,
        "evaluated_on": config.split,
        "frames": films.cut.size,
        "notes": notes,
    }
    if measured.tracks is not None:
        figures["positions"] = evaluate_figures.positions(measured.tracks, found, measured.distance)
        figures["coordinates"] = evaluate_figures.coordinates(
            measured.tracks, loaded.model.dynamics, measured.reading.trust.numpy(force=True)
        )
    if config.augment != "none":
        figures["augmentation"] = evaluate_figures.moved(config.augment, draws, films.cut, found)
    if adapted is not None:
        truth = {} if films.truth is None else films.truth.constants
        figures["adaptation"] = evaluate_figures.readapted(adapted, loaded, truth, draws, measured.later)
    files.remove(folder / runs.SUMMARY)  # it would tell of other films
    runs.write(folder / "films.csv", runs.csv(evaluate_figures.rows(draws, films.cut, found, adapted)))
    shown = prediction.films(loaded.model, films.sequences, measured.reading, found, config.film)
    save_evaluation_pictures(shown, found, measured.distance, folder)
    figures |= {
        "cpu_seconds": time.process_time() - begin,
        "wall_seconds": time.monotonic() - wall,
        "peak_mb": runs.peak_mb(),
    }
    summary = runs.summary(folder / runs.SUMMARY, command, config, figures)
    for note in notes:
        screen.remark(note)
    show(screen, figures)
    return summary


def _films(
    config: DictConfig, loaded: Loaded, data: episodes.Episodes, draws: augmentation.Draws, notes: list[str]
) -> _Films:
    """Films of the split, moved as drawn."""
    sequences, truth = data.split(config.split), data.truth(config.split)
    if config.augment == "none":
        return _Films(sequences, truth, draws, np.zeros(sequences.frames.shape[:2], dtype=bool))
    if loaded.model.kinematics.name != "planar":
        raise PaigError(
            f"augment={config.augment}: what the model sees does not move freely in the plane of the picture but "
            "about a fixed axle, so a moved picture is another world. Use augment=none."
        )
    if loaded.model.dynamics.walls and config.augment != "flip":
        notes.append("The picture moves but the walls of the physics do not: reflections are foreseen where they were.")
    size = (sequences.frames.shape[2], sequences.frames.shape[3])
    return _Films(
        augmentation.augment(sequences, draws),
        None if truth is None else augmentation.augment_truth(truth, draws, size),
        draws,
        augmentation.cut_frames(sequences.frames, draws),
    )


def _adaptation(config: DictConfig, loaded: Loaded, films: _Films, predicted: int) -> tuple[Prior, int]:
    """The prior around the learned constants, and the number of first frames to use."""
    from paig_control.estimation.adaptation import learned_prior
    from paig_control.evaluation.adaptation import check_frames

    length = films.sequences.frames.shape[1]
    frames = config.adapt_frames
    if frames is None:
        frames = min(loaded.model.input_frames + predicted, length)
    check_frames(frames, length)
    std = {name: float(found["std"]) for name, found in loaded.record["constants"].items()}
    return learned_prior(loaded.model.physics, std, config.adapt_change), frames


def _measure(
    loaded: Loaded,
    films: _Films,
    predicted: int,
    adaptation: tuple[Prior, int] | None,
    tick: output.Tick,
    notes: list[str],
) -> _Measured:
    """Read, adapt if that is wanted, predict, and set beside the truth."""
    from paig_control.evaluation.adaptation import adapt_films
    from paig_control.evaluation.metrics import against_truth
    from paig_control.evaluation.prediction import predict, read

    model, sequences, truth = loaded.model, films.sequences, films.truth
    reading = read(model, sequences, lambda part: tick(part, "frames", "read"))
    adapted, later, constants = None, None, None
    if adaptation is not None:
        prior, frames = adaptation
        noise = float(loaded.record["residual"])
        adapted = adapt_films(
            model, sequences, reading, frames, prior, noise, lambda part: tick(part, "films", "adapt")
        )
        constants = model.physics.as_values(adapted.together.free)
        if frames < sequences.frames.shape[1]:  # its last frames are the input
            rest, seen = _from(max(0, frames - model.input_frames), sequences, reading)
            later = predict(model, rest, seen, predicted, constants)
    found = predict(model, sequences, reading, predicted, constants, lambda part: tick(part, "films", "predict"))
    if truth is None or truth.position is None:
        return _Measured(reading, found, adapted, later)
    if truth.position.shape != tuple(reading.position.shape):
        wrong = f"{truth.position.shape[2:]}, the model {tuple(reading.position.shape[2:])}"
        notes.append(f"The truth has positions {wrong}: they were not compared.")
        return _Measured(reading, found, adapted, later)
    tracks = against_truth(model.dynamics, reading.position, found.path, truth.position)
    distances = {"as read": tracks.reading, "as predicted": tracks.path}
    rms = {name: np.sqrt(np.square(distance).mean((0, 2))) for name, distance in distances.items()}
    return _Measured(reading, found, adapted, later, tracks, rms)


def _from(first: int, sequences: episodes.Sequences, reading: Reading) -> tuple[episodes.Sequences, Reading]:
    """Films and their reading without the first frames."""
    from paig_control.types import Reading

    actions = None if sequences.actions is None else sequences.actions[:, first:]
    rest = dataclasses.replace(sequences, frames=sequences.frames[:, first:], actions=actions)
    return rest, Reading(reading.position[:, first:], reading.trust[:, first:])
