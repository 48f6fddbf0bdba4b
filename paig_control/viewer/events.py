"""What the user does with mouse and keys, as commands; and what only changes the view.

What a user may ask of a running session: plain records, which travel from the window's thread to the loop's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pygame

from paig_control.viewer import events
from paig_control.viewer.snapshot import Snapshot
from paig_control.viewer.theme import Layout, Slider

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


KEYS = (
    ("Space", "pause"),
    ("→", "one step"),
    ("[ ]", "pace"),
    ("R", "begin again"),
    ("N", "new start"),
    ("P", "planner"),
    ("A", "adaptation"),
    ("G", "ghosts"),
    ("H", "help"),
    ("Esc", "close"),
)
MOUSE = (
    ("Drag a goal", "move it; the agent goes there"),
    ("Drop a picture", "take it as the goal"),
    ("Right-drag", "kick an object"),
    ("Drag a slider", "change the world, or what the agent believes of it"),
    ("Right-click a slider", "back to the value of the beginning"),
)
KICK_STEPS = 5.0
"""A kicked object goes as far as the arrow is long in so many steps."""
NEAR = 5.0
"""What is grasped is no farther than this, px."""
_COMMANDS: dict[int, Command] = {
    pygame.K_SPACE: events.Pause(),
    pygame.K_RIGHT: events.Step(),
    pygame.K_LEFTBRACKET: events.Pace(-1),
    pygame.K_RIGHTBRACKET: events.Pace(1),
    pygame.K_r: events.Reset(),
    pygame.K_n: events.Reset(fresh=True),
    pygame.K_p: events.SwitchPlanner(),
    pygame.K_a: events.SwitchAdaptation(),
}


@dataclass(frozen=True)
class Arrow:
    """A kick that is being drawn, in points of the picture."""

    start: Point
    end: Point


class Hands:
    """Follows the mouse over several events.

    Attributes:
        ghosts: whether the imagined future is laid over the camera's picture.
        help: whether the help is shown.
        closing: whether the user wants to leave.
        held: number of the goal's object that is being dragged.
        arrow: of the kick that is being drawn.
    """

    def __init__(self) -> None:
        self.ghosts, self.help, self.closing = True, False, False
        self.held: int | None = None
        self.arrow: Arrow | None = None
        self._where: pygame.Rect | None = None
        self._slider: Slider | None = None

    @property
    def sliding(self) -> Slider | None:
        """The slider that is being dragged."""
        return self._slider

    def handle(self, event: pygame.event.Event, layout: Layout, now: Snapshot) -> list[Command]:
        """What an event asks for."""
        if event.type == pygame.QUIT:
            self.closing = True
        elif event.type == pygame.KEYDOWN:
            return self._key(event.key)
        elif event.type == pygame.DROPFILE:
            return [events.ShowGoal(Path(event.file))]
        elif event.type == pygame.MOUSEBUTTONDOWN:
            return self._press(event.button, event.pos, layout, now)
        elif event.type == pygame.MOUSEMOTION:
            return self._move(event.pos, layout)
        elif event.type == pygame.MOUSEBUTTONUP:
            return self._release(event.button, now)
        return []

    def _key(self, key: int) -> list[Command]:
        if key in (pygame.K_ESCAPE, pygame.K_q):
            self.closing = not self.help
            self.help = False
        elif key in (pygame.K_h, pygame.K_F1):
            self.help = not self.help
        elif key == pygame.K_g:
            self.ghosts = not self.ghosts
        elif key in _COMMANDS:
            return [_COMMANDS[key]]
        return []

    def _press(self, button: int, at: tuple[int, int], layout: Layout, now: Snapshot) -> list[Command]:
        if self.help:
            self.help = False
            return []
        for slider in layout.tracks(now.constants):
            if slider.row.collidepoint(at):
                return self._grasp(slider, button, at)
        if button == 1 and layout.planner.collidepoint(at):
            return [events.SwitchPlanner()]
        if button == 1 and layout.adaptation.collidepoint(at):
            return [events.SwitchAdaptation()]
        for where in (layout.camera, layout.futures, layout.goal):
            if where.collidepoint(at):
                point = layout.inside(where, at)
                if button == 3:
                    self._where, self.arrow = where, Arrow(point, point)
                elif button == 1 and now.target is not None:
                    apart = ((now.target - point) ** 2).sum(1) ** 0.5
                    near = int(apart.argmin())
                    if apart[near] <= NEAR:
                        self._where, self.held = where, near
        return []

    def _grasp(self, slider: Slider, button: int, at: tuple[int, int]) -> list[Command]:
        constant = slider.constant
        if button == 3:
            return [events.SetConstant(constant.whose, constant.name, None)]
        if button != 1:
            return []
        self._slider = slider
        return [events.SetConstant(constant.whose, constant.name, slider.value(at[0]))]

    def _move(self, at: tuple[int, int], layout: Layout) -> list[Command]:
        if self._slider is not None:
            constant = self._slider.constant
            return [events.SetConstant(constant.whose, constant.name, self._slider.value(at[0]))]
        if self._where is None:
            return []
        point = layout.inside(self._where, at)
        if self.arrow is not None:
            self.arrow = Arrow(self.arrow.start, point)
        elif self.held is not None:
            return [events.MoveGoal(self.held, point)]
        return []

    def _release(self, button: int, now: Snapshot) -> list[Command]:
        asked: list[Command] = []
        if button == 3 and self.arrow is not None:
            (x0, y0), (x1, y1) = self.arrow.start, self.arrow.end
            time = KICK_STEPS * now.dt
            asked = [events.Kick((x0, y0), ((x1 - x0) / time, (y1 - y0) / time))]
        if button in (1, 3):
            self._where = self._slider = self.held = self.arrow = None
        return asked
