"""What a run leaves: its folder, its summary, its tables, and on what machine it was."""

from __future__ import annotations

import io
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from csv import DictWriter
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from paig_control import __version__
from paig_control.border import files
from paig_control.border.files import claim
from paig_control.border.reading import Form, check_form, read_json
from paig_control.errors import PaigError

SUMMARY = "summary.json"
ENDED: Form = {"options": {}}
"""What every summary says at least."""


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
