"""What the benchmarks share: they run the command line, as a user would, read what it wrote, and leave figures."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def command(*words: str) -> None:
    """Run the command line in a process of its own."""
    subprocess.run([sys.executable, "-m", "paig_control.cli.main", *words], check=True)


def learned(run: Path, collect: Iterable[str], train: Iterable[str], seed: int = 0) -> Path:
    """Collect films and train a model into a folder, both by these words; the films are not kept. The folder."""
    data, common = run.with_name(f"{run.name}.npz"), (f"seed={seed}", "verbosity=0", "overwrite=true")
    command("collect", *collect, *common, f"out={data}")
    command("train", f"data={data}", *train, *common, f"out={run}")
    data.unlink()
    return run


def summary(folder: Path) -> dict[str, Any]:
    """What a command wrote into its folder."""
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return content


def judge(constants: dict[str, dict[str, float]]) -> None:
    """Add to each constant how far it is off its truth: in percent, and in its own standard deviations."""
    for constant in constants.values():
        error = constant["value"] - constant["truth"]
        percent = 100 * abs(error / constant["truth"])
        constant |= {"percent_off": percent, "std_off": deviations(error, constant["std"])}


def deviations(error: float, std: float | None) -> float:
    """How many standard deviations an error is; infinitely many where there is no error bar, as after a failed fit."""
    return abs(error) / std if std else math.inf


def figures_file(text: str) -> Path:
    """A file to write into; its folder is made at once, so that one that cannot be is known before hours of work."""
    path = Path(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def arguments(about: str | None, file: str) -> ArgumentParser:
    """Options of a benchmark: so far ``--out``, by default a file of that name among the results.

    Args:
        about: the script's own description.
        file: its name.
    """
    parser = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    said = f"file of the figures (default {file})"
    parser.add_argument("--out", type=figures_file, default=RESULTS / file, help=said)
    return parser


def choose_systems(parser: ArgumentParser, systems: Iterable[str]) -> None:
    """Add ``--systems``, by default all."""
    names = list(systems)
    parser.add_argument("--systems", nargs="+", choices=names, default=names, help="which (default all)")


def save(path: Path, results: dict[str, Any]) -> None:
    """Write the figures that there are."""
    path.write_text(json.dumps(results, indent=1) + "\n")


@contextmanager
def side_by_side(jobs: int, keep: Path | None = None) -> Iterator[tuple[ThreadPoolExecutor, Path]]:
    """Threads for so many commands at a time, a core each, and the folder to keep or, without one, a passing one."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield stack.enter_context(ThreadPoolExecutor(jobs)), folder
