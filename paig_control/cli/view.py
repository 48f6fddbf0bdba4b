"""``paig-control view``: the live window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from paig_control import files, goals
from paig_control.cli import adapting, control, filming
from paig_control.cli.output import Screen
from paig_control.errors import PaigError
from paig_control.experiment import factories

if TYPE_CHECKING:
    from paig_control.checkpoint import Loaded
    from paig_control.viewer.session import Session


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Open the window, or film it; returns how many frames were drawn and steps taken."""
    factories.use_threads(config.threads)
    _check(config)

    from paig_control import checkpoint
    from paig_control.viewer.recording import Lockstep, record
    from paig_control.viewer.window import Window

    target = filming.film(config.record, config.overwrite, config.rate)
    loaded = checkpoint.load(files.expanded(config.run), factories.pick_device(config.device))
    session = make_session(config, loaded, screen)
    title, size = f"{config.env.id}   ·   {config.run}", (int(config.width), int(config.height))
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


def make_session(config: DictConfig, loaded: Loaded, screen: Screen) -> Session:
    """World and agent as the configuration describes them.

    Raises:
        PaigError: for a model and an environment that do not fit, or a goal that cannot be read.
    """
    from paig_control.viewer.session import Learned, Session
    from paig_control.viewer.world import World

    for remark in factories.set_constants(loaded, config):
        screen.remark(remark)
    env = factories.make_env(config.env)
    try:
        control.check_fit(env, loaded, config, screen)
        agent, _ = control.make_agent(env, loaded, config, once=False)
        goal = None if config.objective.name == "reward" else control.find_goal(env, loaded, config)
        for note in () if goal is None else goal.notes:
            screen.remark(note)
        physics = loaded.model.physics
        errors = {name: float(found["std"]) for name, found in loaded.record.get("constants", {}).items()}
        learned = Learned(errors, (lambda: adapting.online(loaded, config)) if physics.names else None)
        aim, picture = goals.Targets.of(goal).aim(), None if goal is None else goal.image
        return Session(World(env, physics.dt), agent, loaded.model, learned, aim, picture, int(config.seed))
    except BaseException:
        env.close()
        raise


def _check(config: DictConfig) -> None:
    adapting.check(config)
    for name in ("width", "height", "seconds", "rate"):
        if not config[name] > 0:
            raise PaigError(f"{name} = {config[name]}: expected a positive number.")
    filming.check(config.record)
