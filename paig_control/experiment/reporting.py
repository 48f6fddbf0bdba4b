"""A report: one page that shows what runs have learned and what was done with them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from paig_control import __version__, runs
from paig_control.border import files, reading
from paig_control.data import episodes
from paig_control.errors import PaigError
from paig_control.experiment import factories

if TYPE_CHECKING:
    from paig_control.report.sources import Folder, Foretold, System, Trained

PAGE = "report.html"


def report(
    config: DictConfig, command: str, tell: Callable[[float, str], None] = lambda part, text: None
) -> dict[str, Any]:
    """Gather, measure, draw, write; returns the summary.

    Args:
        config: of the command ``report``.
        command: as it was called.
        tell: called with the part of the runs that are measured, and the name of the last.
    """
    wall = time.monotonic()
    for name in ("films", "rows"):
        if config[name] < 1:
            raise PaigError(f"{name} = {config[name]}: expected at least 1.")
    if not config.run:
        raise PaigError("A report is on runs: give at least one, for example run=runs/spring.")
    factories.use_threads(config.threads)
    given = [folder for name in config.run for folder in _runs(files.expanded(name))]
    names = _names(given)
    control = [_folder(name, "control", "episodes.csv") for name in config.control]
    evaluate = [_folder(name, "evaluate", "films.csv") for name in config.evaluate]

    from paig_control.report import page
    from paig_control.report.sections import chapter

    found: dict[str, list[Trained]] = {}
    for place, (name, folder) in enumerate(zip(names, given, strict=True)):
        system, trained = _trained(name, folder, config)
        found.setdefault(system, []).append(trained)
        tell((place + 1) / len(given), name)
    systems = _systems(found, control, evaluate)
    folder = runs.folder(config.out, config.overwrite)
    chapters = [chapter(system) for system in systems]
    count = f"{len(given)} run{'s' if len(given) > 1 else ''}"
    lead = f"{count} of {len(systems)} system{'s' if len(systems) > 1 else ''}; every picture lies beside this page."
    title = " and ".join(system.name for system in systems)
    text = page.render(f"{title}: what was learned", lead, chapters, f"paig-control {__version__}: {command}")
    pictures = [
        block
        for part in chapters
        for section in part.sections
        for block in section.blocks
        if isinstance(block, page.Image)
    ]
    files.remove(folder / runs.SUMMARY)  # it would tell of another page
    for picture in pictures:
        files.write(folder / picture.name, picture.content)
    runs.write(folder / PAGE, text)
    figures = {
        "systems": {system.name: [one.name for one in system.runs] for system in systems},
        "pictures": [picture.name for picture in pictures],
        "wall_seconds": time.monotonic() - wall,
        "peak_mb": runs.peak_mb(),
    }
    return runs.summary(folder / runs.SUMMARY, command, config, figures)


def _runs(place: Path) -> list[Path]:
    """A run's folder, or those of all runs in the folder of a sweep."""
    from paig_control.models import checkpoint

    if checkpoint.exists(place) or not place.is_dir():
        return [place]
    inside = sorted(item for item in place.iterdir() if item.is_dir() and checkpoint.exists(item))
    return inside or [place]  # loading it says what is wrong


def _names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    if len(set(parts)) < len(parts):
        raise PaigError("The same run is given twice: name each once.")
    depth = 1
    while len({path[-depth:] for path in parts}) < len(parts):
        depth += 1
    return ["/".join(path[-depth:]) for path in parts]


def _folder(name: str, command: str, holds: str) -> Folder:
    """What ``control`` or ``evaluate`` wrote."""
    from paig_control.report import sources

    place = files.expanded(name)
    summary: dict[str, Any] | None = None
    damage = ""
    try:
        summary = runs.read_summary(place, sources.CONTROL if command == "control" else sources.EVALUATE)
        reading.place(summary["options"]["run"] if summary else "", "run")
    except PaigError as error:
        damage = str(error)
    if (summary is None and not damage) or not (place / holds).is_file():
        raise PaigError(f"{command}={name} is no folder that `paig-control {command} out=...` has written to its end.")
    pictures = sorted(path for path in place.iterdir() if path.suffix in (".png", ".gif") and path.name != "goal.png")
    return sources.Folder(place.name, summary or {}, pictures, damage)


def _trained(name: str, folder: Path, config: DictConfig) -> tuple[str, Trained]:
    """A run, measured on films that it has not seen if they are there, and the system that it is of."""
    from paig_control.models import checkpoint
    from paig_control.report.sources import TRAIN, Trained, measure

    model, record, _ = checkpoint.load(folder, factories.pick_device(config.device))
    summary: dict[str, Any] | None = None
    damage = ""
    try:
        summary = runs.read_summary(folder, TRAIN)
    except PaigError as error:  # the others are shown all the same
        damage = str(error)
    path = config.data or (summary or {}).get("options", {}).get("data")
    looks = f"{model.dynamics.spec['name']}, {model.dynamics.objects} objects, {' x '.join(map(str, model.image_size))}"
    system = (summary or {}).get("filmed") or looks
    measured: Foretold | None = None
    if path is None and damage:
        missing = damage
    elif path is None:
        missing = f"{name} has not ended, so it does not say what it was trained on (give data=...)"
    elif config.data is None and not _there(path):
        missing = f"the data of {name}, {path}, are not there any more (give data=...)"
    else:
        missing = f"{path} has neither test nor validation films"
        try:
            data = episodes.load(path)
            system = data.filmed or system
            split = next((part for part in ("test", "valid") if part in data.splits), None)
            if split is not None:
                films = _first(data.split(split), config.films)
                measured = measure(model, films, split, record["prediction_frames"], config.rows)
        except PaigError as error:
            if config.data is not None:
                raise
            missing = f"{name}: {error}"
    return system, Trained(name, folder, model, record, summary, measured, missing, damage)


def _there(path: str | list[str]) -> bool:
    """Whether a file, or all of several, is where a summary says it; what can be no path is nowhere."""
    try:
        return all(reading.place(one, "data").exists() for one in ([path] if isinstance(path, str) else path))
    except PaigError:
        return False


def _first(data: episodes.Sequences, count: int) -> episodes.Sequences:
    """The first films."""
    actions = None if data.actions is None else data.actions[:count]
    return dataclasses.replace(data, frames=data.frames[:count], actions=actions)


def _systems(found: dict[str, list[Trained]], control: Sequence[Folder], evaluate: Sequence[Folder]) -> list[System]:
    """Group runs by system, and give each folder to the system whose run it measured, or to the first if it is damaged.

    Raises:
        PaigError: for a folder of a run that is not in the report.
    """
    from paig_control.report.sources import System

    first = next(iter(found.values()))

    def of(runs: Sequence[Trained], folders: Sequence[Folder]) -> list[Folder]:
        return [
            folder
            for folder in folders
            if (runs is first if folder.run is None else any(_same(folder.run, one.folder) for one in runs))
        ]

    systems = [System(name, runs, of(runs, control), of(runs, evaluate)) for name, runs in found.items()]
    placed = [folder for system in systems for folder in (*system.control, *system.evaluate)]
    for folder in (*control, *evaluate):
        if folder not in placed:
            raise PaigError(
                f"{folder.name} measured the run {folder.run}, which is not in this report: add run={folder.run}, or "
                "leave the folder out."
            )
    return systems


def _same(first: Path, second: Path) -> bool:
    """Whether two paths are the same run, though one may have been written down in another folder."""
    first, second = files.expanded(first), files.expanded(second)
    return first.resolve() == second.resolve() or (not first.exists() and first.name == second.name)
