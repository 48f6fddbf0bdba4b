"""What a user may ask of a running session: plain records, which travel from the window's thread to the loop's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

Point = tuple[float, float]
"""A place in the camera's picture, pixels: x to the right, y down."""


class Whose(Enum):
    """Whose constants: those of the world as it is, or those that the agent believes."""

    WORLD = "world"
    BELIEF = "belief"


@dataclass(frozen=True)
class Pause:
    """Stop, or go on."""


@dataclass(frozen=True)
class Step:
    """Stop, and take a single step."""


@dataclass(frozen=True)
class Pace:
    """Run slower (-1) or faster (+1)."""

    change: int


@dataclass(frozen=True)
class Reset:
    """Begin again from the same start with all constants as they were; ``fresh`` from a new start with those set."""

    fresh: bool = False


@dataclass(frozen=True)
class MoveGoal:
    """Bring one object of the goal to another place."""

    index: int
    to: Point


@dataclass(frozen=True)
class ShowGoal:
    """Take a picture from a file as the goal."""

    path: Path


@dataclass(frozen=True)
class Kick:
    """Give the object that is nearest to a place another velocity on top of its own, pixels a second."""

    at: Point
    velocity: Point


@dataclass(frozen=True)
class SetConstant:
    """Give a constant another value; None brings back that of the beginning."""

    whose: Whose
    name: str
    value: float | None


@dataclass(frozen=True)
class SwitchPlanner:
    """Let the agent plan, or only watch."""


@dataclass(frozen=True)
class SwitchAdaptation:
    """Let the agent find the constants anew while it acts, or keep those it has."""


Command = Pause | Step | Pace | Reset | MoveGoal | ShowGoal | Kick | SetConstant | SwitchPlanner | SwitchAdaptation


def latest(commands: list[Command]) -> list[Command]:
    """Leave out moves and settings that the next command undoes: a drag asks for many places, the last one counts."""
    kept: list[Command] = []
    for command in commands:
        if kept and _subject(kept[-1]) is not None and _subject(kept[-1]) == _subject(command):
            kept.pop()
        kept.append(command)
    return kept


def _subject(command: Command) -> tuple[object, ...] | None:
    if isinstance(command, MoveGoal):
        return MoveGoal, command.index
    if isinstance(command, SetConstant):
        return SetConstant, command.whose, command.name
    return None
