"""What the user does with mouse and keys, as commands; and what only changes the view."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pygame

from paig_control.viewer import commands
from paig_control.viewer.commands import Command, Point
from paig_control.viewer.snapshot import Snapshot
from paig_control.viewer.theme import Layout, Slider

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
    pygame.K_SPACE: commands.Pause(),
    pygame.K_RIGHT: commands.Step(),
    pygame.K_LEFTBRACKET: commands.Pace(-1),
    pygame.K_RIGHTBRACKET: commands.Pace(1),
    pygame.K_r: commands.Reset(),
    pygame.K_n: commands.Reset(fresh=True),
    pygame.K_p: commands.SwitchPlanner(),
    pygame.K_a: commands.SwitchAdaptation(),
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
            return [commands.ShowGoal(Path(event.file))]
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
            return [commands.SwitchPlanner()]
        if button == 1 and layout.adaptation.collidepoint(at):
            return [commands.SwitchAdaptation()]
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
            return [commands.SetConstant(constant.whose, constant.name, None)]
        if button != 1:
            return []
        self._slider = slider
        return [commands.SetConstant(constant.whose, constant.name, slider.value(at[0]))]

    def _move(self, at: tuple[int, int], layout: Layout) -> list[Command]:
        if self._slider is not None:
            constant = self._slider.constant
            return [commands.SetConstant(constant.whose, constant.name, self._slider.value(at[0]))]
        if self._where is None:
            return []
        point = layout.inside(self._where, at)
        if self.arrow is not None:
            self.arrow = Arrow(self.arrow.start, point)
        elif self.held is not None:
            return [commands.MoveGoal(self.held, point)]
        return []

    def _release(self, button: int, now: Snapshot) -> list[Command]:
        asked: list[Command] = []
        if button == 3 and self.arrow is not None:
            (x0, y0), (x1, y1) = self.arrow.start, self.arrow.end
            time = KICK_STEPS * now.dt
            asked = [commands.Kick((x0, y0), ((x1 - x0) / time, (y1 - y0) / time))]
        if button in (1, 3):
            self._where = self._slider = self.held = self.arrow = None
        return asked
