"""Training watched live: the window, what closing it does, and what a training that was stopped leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from paig_control import ranks, runs
from paig_control.cli import filming
from paig_control.cli.output import Screen
from paig_control.errors import PaigError, nearest

if TYPE_CHECKING:
    from paig_control.data.episodes import Sequences
    from paig_control.learning.moments import Stopped, Watch

CHOICES = {"view": ("none", "live"), "on_close": ("continue", "stop")}
OPTIONS = (*CHOICES, "record")
"""Of these nothing that is learned depends."""
KNOWING = ("refine", "conclude", "joint")
"""Stages in which the motion has been learned, or is being learned together with everything else."""


class Closed(KeyboardInterrupt):
    """The user closed the window, with on_close=stop."""


def check(config: DictConfig) -> None:
    """Refuse a window that cannot be opened, before anything is loaded.

    Raises:
        PaigError: naming what there is, or how to do without a screen.
    """
    for name, known in CHOICES.items():
        if config[name] not in known:
            raise PaigError(f"There is no {name}={config[name]}; {nearest(config[name], known)}")
    if config.view == "live":
        filming.check(config.record)
    elif config.record is not None:
        raise PaigError(f"record={config.record} films the window of training: say view=live too.")


@contextmanager
def window(config: DictConfig, films: Sequences, screen: Screen) -> Iterator[list[Watch]]:
    """Watchers that show the training, if it is to be seen: the window, open until the context ends."""
    if config.view == "none" or not ranks.first():
        yield []
        return
    from paig_control.viewer.training import FILM_RATE, TrainingWindow

    def closed() -> None:
        if config.on_close == "stop":
            raise Closed
        screen.remark("The window is closed; training goes on.")

    film = filming.film(config.record, config.overwrite, FILM_RATE)
    title = f"training   ·   {config.data}   ·   {config.out}"
    closing = "stop, and save what is learned" if config.on_close == "stop" else "close; training goes on"
    with TrainingWindow(films, title, closing, closed, film=film) as opened:
        try:
            yield [opened]
        finally:
            opened.close()
            if film is not None:
                screen.say(f"Filmed {opened.drawn} pictures of the training as {config.record}.")


def after_stop(reason: Stopped, config: DictConfig, folder: Path, command: str) -> tuple[dict[str, Any], str]:
    """Write down where a training was stopped, if any of it is on file; the summary, and what to tell the user."""
    kept = reason.kept
    if kept is None:
        early = f"Stopped in {reason.stage}, before there was anything to save"
        return {}, f"{early}: {config.out} has nothing of this training."
    from paig_control.models import checkpoint

    loaded = checkpoint.load(folder)
    usable, spent = kept.stage in KNOWING, (loaded.trainer or {})["spent"]
    physics = loaded.model.physics
    units = {constant.name: constant.unit for constant in physics.constants}
    values = physics.values() if usable else {}
    place = {"in": reason.stage, "after": list(kept.ended), "stage": kept.stage, "step": kept.step}
    figures = {
        "stopped": {**place, "usable": usable},
        "constants": {name: {"value": one, "std": math.nan, "unit": units[name]} for name, one in values.items()},
        "frames": loaded.record["frames"],
        "cpu_seconds": spent[0],
        "wall_seconds": spent[1],
        "peak_mb": runs.peak_mb(),
    }
    steps = [f"{kept.step} steps of {kept.stage}"] if kept.step else []
    without = " without overwrite=true" if config.overwrite else ""
    use = f"To use it as it is: paig-control view run={config.out} env=..., or control."
    said = (
        f"Stopped in {reason.stage}. Saved in {config.out}: what was learned by {', '.join([*kept.ended, *steps])}. "
        f"To go on from there: the same command and resume=true{without}. "
        f"{use if usable else 'It is good for that alone: how things move is not known yet.'}"
    )
    return runs.summary(folder / runs.SUMMARY, command, config, figures), said
