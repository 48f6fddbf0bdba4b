"""``paig-control demo``: from nothing to a swung-up pendulum, in one folder."""

from __future__ import annotations

import time
from typing import Any

from omegaconf import DictConfig

from paig_control import runs
from paig_control.border import files
from paig_control.cli import collect, control, train
from paig_control.cli.output import Screen
from paig_control.experiment.compose import configure


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Collect, train, control and draw; returns the summary."""
    begin, wall = time.process_time(), time.monotonic()
    folder = runs.folder(config.out, config.overwrite)
    files.remove(folder / runs.SUMMARY)  # it would tell of another run
    common = {name: config[name] for name in ("threads", "verbosity")} | {"overwrite": True}
    data = str(folder / "episodes.npz")
    screen.say("1. Random play, filmed")
    collected = collect.run(
        _derived("collect", config, ("env", "sequences", "steps", "seed"), common | {"out": data}),
        screen,
        command,
    )
    screen.say("2. Learning where the pendulum is, what it looks like and which constants move it")
    groups = ("physics", "model", "recipe", "seed", "device")
    trained = train.run(
        _derived("train", config, groups, common | {"data": data, "out": str(folder / "train")}),
        screen,
        command,
        folder,
    )
    screen.say("3. Control from pixels")
    parts = ("env", "agent", "planner", "objective", "goal", "episodes", "film")
    paths = {"run": str(folder / "train"), "out": str(folder / "control"), "seed": config.control_seed}
    controlled = control.run(
        _derived("control", config, parts, common | paths),
        screen,
        command,
        folder,
    )
    content = {
        "train": _figures(trained),
        "control": _figures(controlled),
        "frames": collected["frames"]["train"],
        "cpu_seconds": time.process_time() - begin,
        "wall_seconds": time.monotonic() - wall,
        "peak_mb": runs.peak_mb(),
    }
    summary = runs.summary(folder / runs.SUMMARY, command, config, content)
    minutes, seconds = divmod(round(content["wall_seconds"]), 60)
    screen.say(f"Done in {minutes} min {seconds} s. To look at, in {folder}:")
    for path in sorted(folder.iterdir()):
        if path.suffix in (".gif", ".png") or path.name == runs.SUMMARY:
            screen.say(f"  {path}")
    return summary


def _derived(command: str, config: DictConfig, shared: tuple[str, ...], values: dict[str, Any]) -> DictConfig:
    """A command's configuration with parts of the demo's."""
    derived = configure(command, [])
    for name in shared:
        derived[name] = config[name]
    for name, value in values.items():
        derived[name] = value
    return derived


def _figures(summary: dict[str, Any]) -> dict[str, Any]:
    """What belongs to one part alone."""
    return {k: v for k, v in summary.items() if k not in ("command", "options", "versions", "machine")}
