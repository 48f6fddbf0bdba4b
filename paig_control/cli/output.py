"""What commands share in talking and writing: the screen, the output folder, the summary."""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from csv import DictWriter
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from paig_control import __version__, files
from paig_control.cli.claims import claim
from paig_control.errors import PaigError
from paig_control.reading import Form, check_form, read_json

SUMMARY = "summary.json"
ENDED: Form = {"options": {}}
"""What every summary says at least."""


class Tick(Protocol):
    """Moves a progress bar: the fraction done, a text beside it, and the part where there are several."""

    def __call__(self, fraction: float, text: str = "", part: str | None = None) -> None:
        """Move the bar."""
        ...


class Screen:
    """Where a command speaks: tables to stdout, progress and remarks to stderr.

    Args:
        verbosity: 0 prints errors only, 1 progress and tables, 2 every warning too.
    """

    def __init__(self, verbosity: int = 1) -> None:
        if verbosity not in (0, 1, 2):
            raise PaigError(f"verbosity = {verbosity}: expected 0, 1 or 2.")
        self.verbosity = verbosity
        plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}  # names may look like markup
        self.out = Console(quiet=verbosity == 0, **plain)
        self.err = Console(quiet=verbosity == 0, **plain, stderr=True)

    def say(self, text: str) -> None:
        """Print a line to stdout."""
        self.out.print(text, soft_wrap=True)

    def remark(self, text: str) -> None:
        """Print something that the user should know to stderr."""
        self.err.print(f"note: {text}", style="yellow", soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        table = Table(title=title, title_justify="left")
        for index, column in enumerate(columns):
            table.add_column(column, justify="left" if index == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self.out.print(table)

    @contextmanager
    def bar(self, name: str) -> Iterator[Tick]:
        """Show a progress bar, or one for each part."""
        with Progress(
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=self.err,
            disable=self.verbosity == 0 or not self.err.is_terminal,
        ) as progress:
            tasks: dict[str, Any] = {}
            last: dict[str, Any] = {}
            finished: set[str] = set()
            silent = not self.err.is_terminal  # in a log, one line a part instead of a bar

            def update(fraction: float, text: str = "", part: str | None = None) -> None:
                part = part or name
                if part not in tasks:
                    tasks[part] = progress.add_task(part, total=1.0, text="")
                    last["text"], last["began"] = "", time.monotonic()
                progress.update(tasks[part], completed=fraction, text=text)
                last["text"] = text or last["text"]
                if silent and fraction >= 1 and part not in finished:
                    finished.add(part)
                    self.err.print(
                        f"{part:<12} {time.monotonic() - last['began']:4.0f} s  {last['text']}", markup=False
                    )

            yield update

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Turn the library's warnings into remarks; those of others are shown only if all are wanted."""
        with warnings.catch_warnings():
            warnings.simplefilter("always" if self.verbosity == 2 else "default")
            told: set[str] = set()

            def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
                text = str(message)
                if (self.verbosity == 2 or category is UserWarning) and text not in told:
                    told.add(text)
                    self.remark(text)

            warnings.showwarning = show
            yield


def folder(path: str, overwrite: bool, resume: bool = False) -> Path:
    """Make an output folder, empty unless ``overwrite`` or ``resume`` says otherwise; nothing in it is deleted.

    Raises:
        PaigError: if it already holds something, cannot be made, or another process writes into it.
    """
    if not path:
        raise PaigError("out is empty: expected a folder to write into, for example out=runs/a.")
    place = files.expanded(path)
    if place.exists() and not place.is_dir():
        raise PaigError(f"out={path} is a file: expected a folder to write into.")
    held = [item.name for item in place.iterdir() if not item.name.startswith(".")] if place.is_dir() else []
    if held and not (overwrite or resume):
        raise PaigError(
            f"The folder {path} already holds {', '.join(sorted(held)[:3])}{' ...' if len(held) > 3 else ''}: "
            "choose another out=..., or write over it with overwrite=true."
        )
    files.writable(place)
    claim(place)
    return place


def file(path: str, suffix: str, overwrite: bool) -> Path:
    """Check an output file.

    Raises:
        PaigError: if it exists and may not be written over, has another suffix, or cannot be written.
    """
    place = files.expanded(path)
    if place.suffix.lower() != suffix:
        raise PaigError(f"out={path}: expected a file name that ends in {suffix}, for example out=name{suffix}.")
    if place.is_dir():
        raise PaigError(f"out={path} is a folder: expected a file name.")
    if place.exists() and not overwrite:
        raise PaigError(f"The file {path} is there already: choose another out=..., or say overwrite=true.")
    files.writable(place.parent)
    claim(place)
    return place


def summary(path: Path, command: str, config: DictConfig, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Write what ran and what came out as JSON, whole or not at all; returns it."""
    content = {
        "command": command,
        "options": OmegaConf.to_container(config, resolve=True),
        "seed": config.get("seed"),
        **figures,
        "versions": versions(),
        "machine": machine(),
    }
    write(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=True) + "\n")
    return content


def read_summary(place: Path, form: Form = ENDED) -> dict[str, Any] | None:
    """What a command wrote into its folder; ``None`` if it has not ended, or was stopped.

    Raises:
        PaigError: for a file that is damaged, or of another form than expected.
    """
    path = place / SUMMARY
    if not path.exists():
        return None
    content: dict[str, Any] = read_json(path, {})
    if "stopped" in content:
        return None
    check_form(path, content, form)
    return content


def write(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; bytes of a path that are no letters become codes, as JSON has them."""
    files.write(path, text.encode("utf-8", "backslashreplace"))


def csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as a table with a header."""
    text = io.StringIO()
    writer = DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def versions() -> dict[str, str]:
    """Versions of the library and of what its results depend on."""
    found = {"paig-control": __version__, "python": platform.python_version()}
    for name in ("torch", "numpy", "gymnasium"):
        found[name] = metadata.version(name)
    return found


def machine() -> dict[str, Any]:
    """Describe the kind of machine, without its name."""
    return {"system": platform.system(), "architecture": platform.machine(), "cores": os.cpu_count()}


def peak_mb() -> float | None:
    """Largest resident memory of this process so far, MB; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
