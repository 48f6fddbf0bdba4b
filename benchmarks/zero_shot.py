"""Control under physics never seen, without training again: one model, its constants set by hand, goals all around.

``python benchmarks/zero_shot.py`` trains on films of a pendulum under gravity 10, through the command line. Then
gravity is 2, 4, ... 20 in the world and, by ``run.physics.gravity=``, in the model, and the pendulum is to be brought
from its start to each angle, 15 degrees apart, and held there through the last second, with torque enough to hold it.
The same for balls on a spring, learned at stiffness 4, at stiffness 1 to 16 and with goals at several lengths and
angles of the spring. A cell is a constant and a goal; in each, the agent plays from its pixels and the oracle (the same
planner on the true state and true physics) from the same starts. Heat maps go to ``benchmarks/results/zero_shot.png``,
figures, with machine and versions, to ``benchmarks/results/zero_shot.json``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import arguments, choose_systems, learned, save, summary
from matplotlib.figure import Figure
from trial import Changing, Constants

from paig_control.evaluation.control import ControlSettings, Judge
from paig_control.evaluation.rollout import Act, Array


class System(NamedTuple):
    """How a system is filmed, trained and played.

    Attributes:
        collect: words of that command.
        train: words of that command.
        control: words of that command.
        constant: that is set by hand.
        unit: of it.
        values: it takes.
        goals: name and state ``(2, N, D)`` of each.
        axis: what the names of the goals say.
        steps: of an episode.
        hold: last steps through which the goal is to be held.
        within: how near counts as being there, px or rad.
    """

    collect: tuple[str, ...]
    train: tuple[str, ...]
    control: tuple[str, ...]
    constant: str
    unit: str
    values: tuple[float, ...]
    goals: dict[str, Array]
    axis: str
    steps: int
    hold: int
    within: float


def spring_goal(length: float, degrees: float) -> Array:
    """Both balls at rest about the middle of the picture."""
    angle = np.deg2rad(degrees)
    arm = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    place = np.array([16.0, 16.0]) + np.stack([arm, -arm])
    return np.stack([place, np.zeros_like(place)])


SYSTEMS = {
    "pendulum": System(
        ("env=pendulum", "sequences=32", "steps=30"),
        ("physics=pendulum",),
        ("env=pendulum", "env.kwargs.max_torque=15", "planner.horizon=20"),
        "gravity",
        "m/s²",
        tuple(range(2, 21, 2)),
        {f"{degrees}": np.array([[[np.deg2rad(degrees)]], [[0.0]]]) for degrees in range(-165, 181, 15)},
        "goal angle from up, degrees",
        100,
        20,
        0.15,
    ),
    "spring": System(
        ("env=spring", "env.kwargs.max_force=3", "sequences=150", "steps=12"),
        ("physics=spring", "recipe.refine.prediction_frames=6"),
        ("env=spring", "env.kwargs.max_force=140"),
        "stiffness",
        "1/s²",
        (1.0, 2.0, 4.0, 8.0, 16.0),
        {
            f"{length}, {degrees}°": spring_goal(length, degrees)
            for length in (8, 12, 16, 20)
            for degrees in (0, 45, 90, 135)
        },
        "goal: length of the spring (px) and its angle",
        40,
        5,
        1.5,
    ),
}


def one_value(system: System, run: Path, value: float, starts: int, seed: int) -> dict[str, list[float]]:
    """Play all goals under one value of the constant: success rates of agent and oracle, goal by goal."""
    hand = (f"run.physics.{system.constant}={value}", f"env.kwargs.{system.constant}={value}")
    trial = Changing(run, [*system.control, *hand])
    goals = np.repeat(np.stack(list(system.goals.values())), starts, axis=0)
    seeds = [seed + i for i in range(len(goals))]
    env = trial.make()
    draw_goal = env.get_wrapper_attr("draw")
    pictures = np.stack([draw_goal(goal) for goal in goals])
    settings = ControlSettings(episodes=len(goals), steps=system.steps, hold=system.hold, within=system.within)
    judge = Judge(env, goals, settings)
    env.close()

    def now(t: int) -> Constants:
        return {name: np.full(len(goals), true) for name, true in trial.truth.items()}

    rates = {}
    for name in ("agent", "oracle"):
        act = seeing(trial, pictures) if name == "agent" else trial.oracle(goals, now)
        played = trial.play(act, seeds, goals, system.steps, now, painted=name == "agent")
        success = judge.success(played)
        assert success is not None
        rates[name] = success.reshape(-1, starts).mean(1).tolist()
    return rates


def seeing(trial: Changing, pictures: Any) -> Act:
    """The agent: frames alone; the true states are not looked at."""
    agent = trial.ready(False, pictures, len(pictures))
    return lambda frames, states, t: agent.act(frames)


def judged(agent: Array, oracle: Array) -> dict[str, float]:
    """Figures over all cells ``(values, goals)``: in how many the agent reaches what the oracle reaches."""
    reached = oracle >= 0.5
    return {
        "cells": int(oracle.size),
        "oracle_reaches": int(reached.sum()),
        "agent_reaches_of_these": int((agent[reached] >= 0.5).sum()),
        "share": float((agent[reached] >= 0.5).mean()) if reached.any() else 0.0,
        "agent_rate": float(agent.mean()),
        "oracle_rate": float(oracle.mean()),
    }


def draw(results: dict[str, Any], names: Sequence[str]) -> Figure:
    """Two heat maps a system, agent and oracle: constant upwards, goals along."""
    figure = Figure(figsize=(13, 3.4 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), 2, squeeze=False)
    for row, name in zip(panels, names, strict=True):
        system, found = SYSTEMS[name], results[name]
        for axis, (who, title) in zip(row, (("agent", "agent, from pixels"), ("oracle", "oracle")), strict=True):
            rates = np.array(found[who])
            picture = axis.imshow(rates, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="viridis")
            axis.set_title(f"{name}: {title}, {rates.mean():.1%}")
            axis.set_yticks(range(len(system.values)), [f"{value:g}" for value in system.values])
            axis.set_ylabel(f"{system.constant}, {system.unit}")
            every = max(1, len(system.goals) // 12)
            ticks = range(0, len(system.goals), every)
            axis.set_xticks(ticks, [list(system.goals)[tick] for tick in ticks], rotation=60, fontsize=8)
            axis.set_xlabel(system.axis)
        figure.colorbar(picture, ax=list(row), label="success")
    return figure


def one_system(
    name: str, run: Path, starts: int, seed: int, tell: Callable[[str], None] = lambda text: print(text, flush=True)
) -> dict[str, Any]:
    """All cells of a system."""
    system = SYSTEMS[name]
    rows = []
    for value in system.values:
        rows.append(one_value(system, run, value, starts, seed))
        agent, oracle = (np.mean(rows[-1][who]) for who in ("agent", "oracle"))
        tell(f"{name}, {system.constant} {value:g}: agent {agent:.1%}, oracle {oracle:.1%}")
    trained = summary(run)
    about = {key: trained[key] for key in ("constants", "frames", "machine", "versions")}
    by_agent, by_oracle = (np.array([row[who] for row in rows]) for who in ("agent", "oracle"))
    return {
        **about,
        "control": list(system.control),
        "starts": starts,
        "values": list(system.values),
        "goals": list(system.goals),
        **judged(by_agent, by_oracle),
        "agent": by_agent.tolist(),
        "oracle": by_oracle.tolist(),
    }


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "zero_shot.json")
    choose_systems(parser, SYSTEMS)
    parser.add_argument("--runs", type=Path, help="folder with trained models named as the systems (default: train)")
    parser.add_argument("--starts", type=int, default=2, help="a cell (default 2)")
    parser.add_argument("--seed", type=int, default=1000, help="of the first start (default 1000)")
    options = parser.parse_args()
    results: dict[str, Any] = {"seed": options.seed}
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.systems:
            run = (options.runs or Path(scratch)) / name
            if options.runs is None:
                learned(run, SYSTEMS[name].collect, SYSTEMS[name].train)
            results[name] = found = one_system(name, run, options.starts, options.seed)
            reached = f"{found['agent_reaches_of_these']} of {found['oracle_reaches']}"
            print(f"{name}: of the cells that the oracle reaches, the agent reaches {reached} ({found['share']:.1%})")
            save(options.out, results)
    draw(results, options.systems).savefig(options.out.with_suffix(".png"), dpi=110)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
