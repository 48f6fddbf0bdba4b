"""``paig-control view``: the live window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from paig_control.cli import filming
from paig_control.cli.output import Screen
from paig_control.errors import PaigError
from paig_control.experiment.trial import Trial

if TYPE_CHECKING:
    from paig_control.viewer.session import Session


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Open the window, or film it; returns how many frames were drawn and steps taken."""
    _check(config)

    from paig_control.viewer.recording import Lockstep, record
    from paig_control.viewer.window import Window

    target = filming.film(config.record, config.overwrite, config.rate)
    trial = Trial(config)
    try:
        session = trial.session()
    finally:
        screen.remarks(trial.notes)
    world = config.env.kwargs.get("env_id", config.env.id)
    title, size = f"{world}   ·   {config.run}", (int(config.width), int(config.height))
    try:
        if target is None:
            drawn, steps = live(session, title, size)
        else:
            source = Lockstep(session)
            with Window(source, title, size) as window:
                record(source, window, target, config.seconds, config.rate)
            drawn, steps = round(config.seconds * config.rate), source.latest.step
            screen.say(f"Filmed {config.seconds:g} s as {config.record}.")
    finally:
        session.close()
    return {"drawn": drawn, "steps": steps}


def live(session: Session, title: str, size: tuple[int, int]) -> tuple[int, int]:
    """Show a session until the user closes the window; returns frames drawn and steps of the last episode."""
    from paig_control.viewer.loop import Loop
    from paig_control.viewer.window import Window, show

    with Loop(session) as loop, Window(loop, title, size) as window:
        beat = show(window, loop)
    return beat.drawn, loop.latest.step


def _check(config: DictConfig) -> None:
    for name in ("width", "height", "seconds", "rate"):
        if not config[name] > 0:
            raise PaigError(f"{name} = {config[name]}: expected a positive number.")
    filming.check(config.record)
