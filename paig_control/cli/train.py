"""``paig-control train``: learn a model from films, and set what was learned beside the truth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from paig_control import ranks, runs
from paig_control.border import files
from paig_control.cli import callbacks
from paig_control.cli.output import Screen, Tick
from paig_control.data import episodes
from paig_control.errors import PaigError
from paig_control.experiment import factories, loggers

if TYPE_CHECKING:
    from paig_control.learning.trainer import Run


def run(config: DictConfig, screen: Screen, command: str, pictures: Path | None = None) -> dict[str, Any]:
    """Train, evaluate, summarise; returns the summary.

    Args:
        config: of the command.
        screen: to speak to.
        command: as it was called.
        pictures: folder of the pictures, the run's own by default.
    """
    if config.resume and config.overwrite:
        raise PaigError("resume=true goes on with a run and overwrite=true begins it anew: choose one.")
    loggers.check(config.tracker)
    callbacks.check(config)
    data = episodes.load(config.data)
    model_settings = factories.settings(config.model, "model", "model")
    recipe_settings = factories.settings(config.recipe, "recipe", config.recipe.name)
    factories.use_threads(config.threads)
    sequences, identity = data.split("train"), data.identity
    data.let_go()
    dt = sequences.dt if config.dt is None else config.dt
    acted = sequences.actions is not None and bool(sequences.actions.any())
    physics = factories.model_physics(config.physics, dt, acted, config.objects)
    check_objects(physics.objects, data)
    folder = files.expanded(config.out)
    if ranks.first():
        folder = runs.folder(config.out, config.overwrite, config.resume or ranks.restarted())

    from paig_control.evaluation.prediction import evaluate_prediction
    from paig_control.learning import recipe
    from paig_control.learning.moments import Stopped
    from paig_control.report.training import save_training_pictures

    split = next((name for name in ("test", "valid") if name in data.splits), None)
    shown = data.split(split or "train")
    tracking = loggers.Tracking(config.tracker, folder, shown) if ranks.first() else None

    def learn(tick: Tick) -> Run:
        def progress(stage: str, fraction: float, text: str) -> None:
            if stage != "discover" and fraction > 0:  # it learns: only now is what was there before let go
                (folder / runs.SUMMARY).unlink(missing_ok=True)
            tick(fraction, text, stage)

        return recipe.train(
            sequences,
            physics,
            model_settings,
            recipe_settings,
            seed=config.seed,
            device=config.device,
            out=folder,
            resume=config.resume,
            progress=progress,
            watch=tracking,
        )

    try:
        with screen.bar("train") as tick, callbacks.window(config, shown, screen) as opened:
            if tracking is not None:
                tracking.watches += opened
            learned = learn(tick)
    except Stopped as reason:
        ranks.failed("")
        if tracking is None:
            return {}
        found, said = callbacks.after_stop(reason, config, folder, command)
        if not isinstance(reason.__cause__, callbacks.Closed):
            raise KeyboardInterrupt(said) from None
        screen.remark(said)
        return found
    if tracking is None:
        return {}
    tracking.end(learned)
    data.let_go()
    figures: dict[str, Any] = {
        "constants": beside_truth(learned.record["constants"], data),
        "eval_recons_loss": None,
        "eval_pred_loss": None,
        "eval_extrap_loss": None,
    }
    if split is not None:
        frames = recipe_settings.prediction_frames
        figures |= evaluate_prediction(learned.model, data.split(split), frames)
    figures |= {
        "filmed": data.filmed,
        "data_sha256": identity,
        "evaluated_on": split,
        "frames": learned.frames,
        "converged": learned.converged,
        "residual": learned.residual,
        "notes": [*data.notes, *learned.notes],
        "cpu_seconds": learned.cpu_seconds,
        "wall_seconds": learned.wall_seconds,
        "peak_mb": runs.peak_mb(),
    }
    save_training_pictures(learned, pictures or folder, None if split is None else data.split(split))
    summary = runs.summary(folder / runs.SUMMARY, command, config, figures)
    if split is None:
        screen.remark("The data have no test split: prediction was not evaluated.")
    for note in learned.notes:
        screen.remark(note)
    show_constants(screen, figures["constants"])
    show_losses(screen, figures)
    return summary


def check_objects(objects: int, data: episodes.Episodes) -> None:
    """Refuse another number of objects than the data say that they show; PAIG's own files say none."""
    known = data.truth("train")
    if known is None:
        return
    shown = known.physics.get("objects", None if known.position is None else known.position.shape[2])
    if shown not in (None, objects):
        raise PaigError(
            f"The physics moves {objects} object{'s' if objects != 1 else ''}, but the data's own notes say that the "
            f"films show {shown}: give objects={shown}, or choose another physics."
        )


def beside_truth(constants: dict[str, dict[str, Any]], data: episodes.Episodes) -> dict[str, dict[str, Any]]:
    """Learned constants, each with its true value where the data carry it."""
    known = data.truth("train")
    truth = {} if known is None else known.constants
    return {
        name: {**found, **({"truth": float(truth[name])} if name in truth else {})} for name, found in constants.items()
    }


def show_constants(screen: Screen, constants: dict[str, dict[str, Any]]) -> None:
    """Print the table of constants, learned beside true, if there are any."""
    if not constants:
        return
    from paig_control.estimation.identification import Estimate

    rows = []
    for name, found in constants.items():
        estimate = Estimate(found["value"], found["std"], found["unit"], found.get("limit"))
        row = [name, str(estimate), "", ""]
        if "truth" in found:
            error = found["value"] - found["truth"]
            sigmas = f" ({abs(error) / found['std']:.1f} std)" if found["std"] > 0 else ""
            relative = f"{100 * error / found['truth']:+.2f} %" if found["truth"] else f"{error:+.3g}"
            row[2:] = [f"{found['truth']:g} {found['unit']}".rstrip(), f"{relative}{sigmas}"]
        rows.append(row)
    screen.table("Constants", ["name", "learned", "true", "difference"], rows)


def show_losses(screen: Screen, figures: dict[str, Any]) -> None:
    """Print the losses of prediction on films that were not seen."""
    names = ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss")
    losses = {name: figures.get(name) for name in names}
    if any(value is not None and math.isfinite(value) for value in losses.values()):
        texts = [f"{name[5:-5]} {value:.3f}" for name, value in losses.items() if value is not None]
        screen.say(f"Loss a frame on the {figures.get('evaluated_on')} films: {', '.join(texts)}")
