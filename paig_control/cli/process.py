"""One run of one command, whether called by itself or by a sweep."""

from __future__ import annotations

import importlib

from omegaconf import DictConfig

from paig_control.cli.output import Screen
from paig_control.naming import imported
from paig_control.seeds import whole


def execute(command: str, config: DictConfig, line: str) -> None:
    """Run one command with its configuration; ``line`` is what the user wrote."""
    for name in ("seed", "control_seed"):
        if name in config:
            whole(config[name], name)
    for module in config.imports:
        imported(str(module))
    screen = Screen(config.verbosity)
    with screen.warnings():
        importlib.import_module(f"paig_control.cli.{command}").run(config, screen, line)
