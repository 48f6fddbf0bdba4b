"""What the benchmarks share: they run the command line, as a user would, and read what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def command(*words: str) -> None:
    """Run the command line in a process of its own."""
    subprocess.run([sys.executable, "-m", "paig_control.cli.main", *words], check=True)


def summary(folder: Path) -> dict[str, Any]:
    """What a command wrote into its folder."""
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return content


def judge(constants: dict[str, dict[str, float]]) -> None:
    """Add to each constant how far it is off its truth: in percent, and in its own standard deviations."""
    for constant in constants.values():
        error = constant["value"] - constant["truth"]
        constant |= {"percent_off": 100 * abs(error) / constant["truth"], "std_off": abs(error) / constant["std"]}
