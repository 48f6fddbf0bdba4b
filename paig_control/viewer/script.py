"""A user made of events, for tests and pictures: what a hand would do, without a hand."""

from __future__ import annotations

from typing import Any

import pygame

from paig_control.viewer.commands import Point, Whose
from paig_control.viewer.recording import Lockstep
from paig_control.viewer.snapshot import Frame, Snapshot
from paig_control.viewer.theme import Slider
from paig_control.viewer.window import Window

LEFT, RIGHT = 1, 3
"""Buttons of the mouse."""


class Script:
    """Posts events to a window whose session goes on in lockstep.

    Args:
        window: on ``source``.
        source: of its snapshots.
        rate: pictures that are drawn a second.
    """

    def __init__(self, window: Window, source: Lockstep, rate: float = 20.0) -> None:
        self.window, self.source, self.period, self.clock = window, source, 1 / rate, 0.0

    @property
    def now(self) -> Snapshot:
        """The newest snapshot."""
        return self.source.latest

    def wait(self, seconds: float) -> None:
        """Let time go by, drawing."""
        for _ in range(max(1, round(seconds / self.period))):
            self.clock += self.period
            self.source.go_on(self.clock)
            self.draw()

    def draw(self) -> Frame:
        """Draw one picture ``(h, w, 3)``, after what was posted is done; no time goes by."""
        self.window.frame(self.clock)
        return self.window.picture()

    def key(self, key: int) -> None:
        """Press a key."""
        self.post(pygame.KEYDOWN, key=key)

    def drop(self, path: str) -> None:
        """Drop a file on the window."""
        self.post(pygame.DROPFILE, file=path)

    def press(self, button: int, at: tuple[int, int]) -> None:
        """Press a button of the mouse, somewhere on the screen."""
        self.post(pygame.MOUSEBUTTONDOWN, button=button, pos=at)

    def move(self, at: tuple[int, int]) -> None:
        """Move the mouse."""
        self.post(pygame.MOUSEMOTION, pos=at, rel=(0, 0), buttons=(1, 0, 0))

    def release(self, button: int, at: tuple[int, int]) -> None:
        """Let a button go."""
        self.post(pygame.MOUSEBUTTONUP, button=button, pos=at)

    def drag(self, button: int, start: tuple[int, int], end: tuple[int, int], moves: int = 5) -> None:
        """Press, move in a straight line, let go."""
        self.press(button, start)
        for index in range(1, moves + 1):
            self.move(tuple(round(a + index / moves * (b - a)) for a, b in zip(start, end, strict=True)))  # type: ignore[arg-type]
        self.release(button, end)

    def on_camera(self, point: Point) -> tuple[int, int]:
        """Where on the screen a point of the camera's picture is."""
        place = self.window.layout.camera
        scale = self.window.layout.scale(place)
        return round(place.left + scale * point[0]), round(place.top + scale * point[1])

    def slider(self, whose: Whose, name: str) -> Slider:
        """The slider of a constant, as it is now."""
        found = self.window.layout.tracks(self.now.constants)
        return next(one for one in found if one.constant.whose is whose and one.constant.name == name)

    def slide(self, whose: Whose, name: str, value: float) -> None:
        """Drag a constant's slider to a value."""
        slider = self.slider(whose, name)
        y = slider.track.centery
        self.drag(LEFT, (slider.place(slider.constant.value), y), (slider.place(value), y))

    def post(self, kind: int, **values: Any) -> None:
        """Post an event, and let the window see it."""
        pygame.event.post(pygame.event.Event(kind, **values))
        self.draw()
