"""``paig-control report``: one page that shows what runs have learned and what was done with them."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from paig_control.border import files
from paig_control.cli.output import Screen
from paig_control.experiment.reporting import PAGE, report


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Write the page and say where it is; returns the summary."""
    with screen.bar("measure") as tick:
        summary = report(config, command, tick)
    count = sum(map(len, summary["systems"].values()))
    page, pictures = files.expanded(config.out) / PAGE, len(summary["pictures"])
    screen.say(f"{count} run{'s' if count > 1 else ''}, {pictures} pictures and films: open {page}")
    return summary
