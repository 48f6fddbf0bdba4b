"""The faces of the rooms: what each of them offers, imported when it is first asked for.

A room's ``__init__`` says what it offers as a type checker reads it, in one block under ``TYPE_CHECKING``; the same
block is read here. What has moved since the version before is answered with its new name.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

MOVED = {
    "adaptation": "estimation.adaptation",
    "agents.adapting": "estimation.online",
    "agents.dynamics": "agents.step_function",
    "agents.filter": "estimation.filter",
    "agents.foresight": "agents.value_iteration",
    "agents.goal_checks": "goals.checks",
    "agents.grid": "agents.value_iteration",
    "agents.hedging": "agents.receding",
    "agents.holding": "goals.equilibrium",
    "agents.picturing": "agents.image_cost",
    "agents.regions": "agents.terms",
    "baselines": "evaluation.baselines",
    "blackbox": "models.estimators",
    "checkpoint": "models.checkpoint",
    "claims": "border.files",
    "data.lanes": "data.rollouts",
    "disturbances": "evaluation.corruptions",
    "envs.bound": "envs.bound_bodies",
    "envs.downscale": "envs.painter",
    "envs.reaching": "envs.goal_sampling",
    "envs.shell": "envs.base",
    "envs.spring_half": "envs.spring",
    "files": "border.files",
    "frames": "border.guarding",
    "goal_files": "goals.goal_files",
    "guarding": "border.guarding",
    "inference": "estimation.state",
    "kalman": "estimation.kalman",
    "learning.discover": "learning.stages",
    "learning.foresee": "learning.stages",
    "learning.identify": "estimation.identification",
    "learning.losses": "learning.stages",
    "learning.numbering": "estimation.association",
    "learning.refine": "learning.stages",
    "learning.warm_start": "learning.stages",
    "limits": "border.reading",
    "model": "models.paig",
    "online": "estimation.online",
    "opening": "border.opening",
    "original": "models.estimators",
    "physics.integrators": "physics.base",
    "physics.lstm": "physics.dynamics",
    "physics.particles": "physics.forces",
    "physics.pendulum": "physics.mechanism",
    "playing": "evaluation.rollout",
    "prediction": "evaluation.prediction",
    "reading": "border.reading",
    "report.curves": "report.figures",
    "report.evaluation": "report.training",
    "report.strips": "report.style",
    "similarity": "evaluation.prediction",
    "tracking": "evaluation.metrics",
    "velocity": "models.estimators",
    "vision.fitting": "vision.discovery",
    "vision.layering": "vision.visibility",
    "vision.masks": "vision.paper",
    "vision.presence": "vision.visibility",
    "vision.templates": "vision.paper",
}
"""Modules of the version before, and where what they held is now."""


@cache
def offered(room: str) -> dict[str, str]:
    """Modules by the names that a room offers, as the block in its ``__init__`` says."""
    path = sys.modules[room].__file__
    assert path is not None
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    lines = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(line.module) for line in lines for alias in line.names}


def face(room: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a room."""

    def find(name: str) -> Any:
        if name.startswith("__") or name not in offered(room):
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(importlib.import_module(offered(room)[name]), name)

    def names() -> list[str]:
        return sorted([*vars(sys.modules[room]), *offered(room)])

    return find, names


class Forwarding(MetaPathFinder):
    """Answers an import of a module that has moved with where it went."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find nothing.

        Raises:
            ModuleNotFoundError: for what has moved.
        """
        old = name.removeprefix("paig_control.")
        if old != name and old in MOVED:
            raise ModuleNotFoundError(f"{name} is now paig_control.{MOVED[old]}.", name=name)
        return None
