"""``paig-control collect``: film an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from paig_control import runs
from paig_control.border import files
from paig_control.cli.output import Screen
from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes
from paig_control.data.rollouts import POLICIES
from paig_control.data.windows import SHORTEST
from paig_control.errors import PaigError
from paig_control.experiment import factories


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Collect, save, summarise; returns the summary."""
    path = runs.file(config.out, ".npz", config.overwrite)
    if config.policy not in POLICIES:
        raise PaigError(f"policy = {config.policy}: expected {', '.join(POLICIES[:-1])} or {POLICIES[-1]}.")
    factories.check_arguments(config.env)
    with screen.bar("collect") as tick:
        episodes = collect(
            config.env.id,
            config.sequences,
            config.steps,
            config.seed,
            config.policy,
            valid=config.valid,
            test=config.test,
            test_steps=config.test_steps,
            num_envs=config.num_envs,
            workers=config.workers,
            env_kwargs=factories.plain(config.env.kwargs),
            progress=lambda done, total: tick(done / total, f"{done} of {total} films"),
        )
    files.remove(summary_path(path))  # it would tell of other films
    episodes.save(path)
    films = {split: episodes.split(split).frames.shape for split in episodes.splits}
    figures = {
        "data": str(path),
        "frames": {split: shape[0] * shape[1] for split, shape in films.items()},
        "sequences": {split: shape[0] for split, shape in films.items()},
        "steps": {split: shape[1] for split, shape in films.items()},
        "image": list(films["train"][2:]),
        "notes": _notes(episodes),
    }
    summary = runs.summary(summary_path(path), command, config, figures)
    screen.table(
        f"Films in {path}",
        ["split", "films", "frames of each", "frames"],
        [[split, str(s[0]), str(s[1]), str(s[0] * s[1])] for split, s in films.items()],
    )
    for note in figures["notes"]:
        screen.remark(note)
    return summary


def _notes(episodes: Episodes) -> list[str]:
    """What somebody should know of films before they are learned from."""
    hindrance, lost = episodes.meta.get("hindrance"), sum(episodes.meta.get("left_out", {}).values())
    notes = [*episodes.notes, *([hindrance] if hindrance else [])]
    if lost:
        notes.append(f"{lost} episodes that ended before {SHORTEST} frames were left out, and others taken for them.")
    if lost or any(name.endswith("_lengths") for name in episodes.arrays):
        notes.append("Where it is only the task that ends early, env.kwargs.endless=true films on.")
    return notes


def summary_path(path: Path) -> Path:
    """Name the summary that lies beside a data file."""
    return path.with_suffix(".summary.json")
