"""``paig-control control``: an agent on a trained model acts from pixels, beside what is possible."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from paig_control import runs
from paig_control.border import files
from paig_control.cli import adapting
from paig_control.cli.output import Screen
from paig_control.experiment import factories
from paig_control.experiment.trial import Trial
from paig_control.goals import drawing, goal_files

if TYPE_CHECKING:
    from paig_control.agents.mpc import MPCAgent
    from paig_control.evaluation.control import ControlSettings, Measured
    from paig_control.models.paig import PAIG

STRANGE = 10.0
"""Times the usual error in training that a goal image may leave before it is said."""


def run(config: DictConfig, screen: Screen, command: str, pictures: Path | None = None) -> dict[str, Any]:
    """Control, measure, summarise; returns the summary.

    Args:
        config: of the command.
        screen: to speak to.
        command: as it was called.
        pictures: folder of the films, ``out`` by default.
    """
    wall = time.monotonic()
    trial = Trial(config)
    try:
        task = trial.task()
    finally:
        screen.remarks(trial.notes)
    goal, drawn, control, agent = task.goal, task.drawn, task.control, task.agent
    shown = trial.shown
    if goal is not None and shown:
        screen.remarks(goal.notes)
        agent.reset(task.targets.aim())
        _warn(screen, agent, trial.model, goal)
    if drawn is not None:
        _tell(screen, drawn, control)
    elif task.targets.states is None:
        screen.remark("The goal's state is not known, so success is not measured: give it with goal_state=[...].")
    folder = runs.folder(config.out, config.overwrite)
    with screen.bar("control") as tick:
        measured = trial.measure(task, lambda done, total: tick(done / total, f"{done} of {total} frames"))
    figures: dict[str, Any] = {
        **measured.summary,
        "objective": config.objective.name,
        "within": control.within,
        "hold": control.hold,
        "steps": control.steps,
        **(_one(goal) if drawn is None else _many(drawn)),
        "constants_by_hand": factories.plain(config.constants),
        "adaptation": adapting.figures(trial.loaded, measured) if agent.adapter is not None else None,
        "notes": [] if goal is None else list(goal.notes),
        "wall_seconds": time.monotonic() - wall,
        "peak_mb": runs.peak_mb(),
    }
    files.remove(folder / runs.SUMMARY)  # it would tell of other episodes
    if goal is not None and goal.image is not None and shown:
        goal_files.save(folder / "goal.png", goal.image, goal.state)
    runs.write(folder / "episodes.csv", runs.csv(measured.rows))
    if measured.films:
        from paig_control.report.films import save_control_film

        for index, film in enumerate(measured.films):
            save_control_film(film, (pictures or folder) / f"film{index or ''}.gif")
    summary = runs.summary(folder / runs.SUMMARY, command, config, figures)
    show(screen, measured)
    if figures["adaptation"] is not None:
        adapting.show(screen, figures["adaptation"])
    return summary


def _tell(screen: Screen, drawn: drawing.Drawn, control: ControlSettings) -> None:
    """Say what the goals are, and what success is."""
    refused = ", ".join(f"{count} {reason}" for reason, count in drawn.refused.items())
    kind = "at rest" if drawn.held else "moving, because not everything can be pushed,"
    success = f"held through the last {control.hold} steps" if control.hold else "reached at some step"
    screen.say(
        f"{control.episodes} goals {kind} at least {drawn.distance:g} from the start, out of {drawn.candidates} states "
        f"reached by random play ({refused}). Success: nearer than {control.within:g}, {success}."
    )


def _warn(screen: Screen, agent: MPCAgent, model: PAIG, goal: drawing.Goal) -> None:
    """Say it if the goal image shows more than was learned, or if by what was learned the goal cannot be held."""
    import torch

    from paig_control.goals.equilibrium import holding

    place = None if goal.told is None else torch.from_numpy(goal.told[0]).float()
    if place is None and goal.image is not None:
        frames = torch.from_numpy(goal.image[None])
        place = model.read(frames).position[0]
        finding = model.examine(frames, place[None])
        if finding.usual > 0 and float(finding.error) > STRANGE * finding.usual:
            screen.remark(
                f"The goal image shows more than the model can explain: squared error {float(finding.error):.2g}, in "
                f"training {finding.usual:.2g}. Every object was found."
            )
    if place is None or goal.moves or getattr(agent.goal_settings, "once", False):
        return
    held = holding(model.physics, place, agent.control.low, agent.control.high)
    if not held.possible:
        screen.remark(str(held))


def _one(goal: drawing.Goal | None) -> dict[str, Any]:
    return {
        "goal_state": None if goal is None or goal.state is None else goal.state.tolist(),
        "goal_state_source": None if goal is None else goal.source,
    }


def _many(drawn: drawing.Drawn) -> dict[str, Any]:
    return {
        "goals_held": drawn.held,
        "goals_distance": drawn.distance,
        "goals_candidates": drawn.candidates,
        "goals_refused": dict(drawn.refused),
    }


def show(screen: Screen, measured: Measured) -> None:
    """Print return and success, with its 95 % interval, of the agent beside the baselines."""
    found = measured.summary

    def row(title: str, mean: str, rate: str | None = None) -> list[str]:
        cells = [title, "" if found[mean] is None else f"{found[mean]:.1f}", "", ""]
        if rate is not None and found[f"{rate}_rate"] is not None:
            low, high = found[f"{rate}_interval"]
            cells[2:] = f"{found[f'{rate}_rate']:.1%}", f"{low:.1%} to {high:.1%}"
        return cells

    rows = [
        row("agent, from pixels", "return_mean", "success"),
        row("same planner, true state", "planner_oracle_return_mean", "oracle_success"),
        row("best return possible", "oracle_return_mean"),
        row("random", "random_return_mean", "random_success"),
    ]
    head = ["", "mean return", "success", "95 % interval"]
    screen.table(f"{found['episodes']} episodes", head, [cells for cells in rows if any(cells[1:])])
    if found["control_ms_median"] is not None:
        screen.say(f"One decision takes {found['control_ms_median']:.1f} ms ({found['control_hz']:.0f} a second)")
