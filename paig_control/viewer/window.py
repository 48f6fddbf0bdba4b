"""The window: draws the newest snapshot sixty times a second and passes on what the user does.

What changes with a snapshot is drawn once for it; what moves between snapshots is drawn over that in every frame.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
import pygame

from paig_control.viewer import drawing, panels, pictures, theme
from paig_control.viewer.canvas import Canvas
from paig_control.viewer.commands import Command
from paig_control.viewer.events import KEYS, MOUSE, Hands
from paig_control.viewer.loop import Loop
from paig_control.viewer.snapshot import Message, Snapshot
from paig_control.viewer.theme import DESIGN, Layout

SHOWN = 6.0
"""s that a message is shown."""


class Source(Protocol):
    """A session, by way of whatever runs it."""

    @property
    def latest(self) -> Snapshot:
        """The newest snapshot."""
        ...

    def ask(self, command: Command) -> None:
        """Hand in a command."""
        ...


class Beat:
    """Sixty frames a second, each begun on the beat, as a screen shows them.

    Args:
        rate: frames a second.
        clock: tells the time, s.
        sleep: waits so many s.

    Attributes:
        drawn: frames so far.
        dropped: beats for which no new frame was ready.
    """

    def __init__(
        self,
        rate: float = 60.0,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.period, self.drawn, self.dropped = 1 / rate, 0, 0
        self._clock, self._sleep = clock, sleep
        self._next = clock() + self.period
        self._ends: deque[float] = deque(maxlen=60)

    def wait(self) -> None:
        """Wait for the next beat; those that went by since the last are lost."""
        now = self._clock()
        self.drawn += 1
        late = math.ceil((now - self._next) / self.period)
        if late > 0:
            self.dropped += late
            self._next += late * self.period
        self._sleep(max(self._next - now, 0.0))
        self._ends.append(self._clock())
        self._next += self.period

    @property
    def rate(self) -> float:
        """Frames a second, over the last sixty."""
        return (len(self._ends) - 1) / (self._ends[-1] - self._ends[0]) if len(self._ends) > 1 else 0.0


class Window(Canvas):
    """A window on a session.

    Args:
        source: of snapshots, and for commands.
        title: what is run, in words.
        size: width and height in screen pixels.

    Raises:
        PaigError: where no window can be opened.
    """

    def __init__(self, source: Source, title: str, size: tuple[int, int] = DESIGN) -> None:
        super().__init__(title, size)
        self.source, self.hands = source, Hands()
        self.layout = Layout(self.surface.get_size(), source.latest.frame.shape[:2])
        self._board = pygame.Surface(self.surface.get_size())
        self._key: tuple[object, ...] = ()
        self._since = (-1, 0.0)
        self._told: tuple[Message | None, float] = (source.latest.message, -SHOWN)

    @property
    def open(self) -> bool:
        """Whether the user has not closed it."""
        return not self.hands.closing

    def frame(self, clock: float, rate: float | None = None) -> None:
        """Pass on what the user did and draw.

        Args:
            clock: s, by which what moves between snapshots moves.
            rate: frames a second to show; None while recording.
        """
        for event in self.events():
            for command in self.hands.handle(event, self.layout, self.source.latest):
                self.source.ask(command)
        self._draw(self.source.latest, clock, rate)
        pygame.display.flip()

    def close(self) -> None:
        """Close it; twice does no harm."""
        self.hands.closing = True
        super().close()

    def resized(self, size: tuple[int, int]) -> None:
        """Lay everything out anew."""
        self.layout = Layout(size, self.layout.image)
        self._board = pygame.Surface(size)
        self._key = ()

    # -- drawing -----------------------------------------------------------------------------------------

    def _draw(self, now: Snapshot, clock: float, rate: float | None) -> None:
        key = now.number, self.hands.ghosts
        if key != self._key:
            self._key = key
            self._fill(now)
        if now.step != self._since[0]:
            self._since = now.step, clock
        if now.message is not None and now.message != self._told[0]:
            self._told = now.message, clock
        self.surface.blit(self._board, (0, 0))
        drawing.header(self.surface, self.layout, now, self.title, rate)
        self._moving(now, clock)
        message, when = self._told
        left = SHOWN - (clock - when)
        if message is not None and left > 0:
            drawing.toast(self.surface, self.layout, message.text, message.wrong, min(1.0, 2 * left))
        if self.hands.help:
            drawing.card(self.surface, self.layout, {"Keys": KEYS, "Mouse": MOUSE})

    def _fill(self, now: Snapshot) -> None:
        """What stays as it is until the next snapshot."""
        board, layout = self._board, self.layout
        board.fill(theme.GROUND)
        pictures.camera(board, layout, now, self.hands.ghosts)
        for panel in (
            pictures.futures,
            pictures.goal,
            panels.state,
            panels.switches,
            panels.sliders,
            pictures.film,
            panels.cost,
            panels.action,
            panels.constants,
        ):
            panel(board, layout, now)
        drawing.footer(board, layout, KEYS)

    def _moving(self, now: Snapshot, clock: float) -> None:
        """The model's idea of where things are between two frames, and what the user's hand is at."""
        layout, scale = self.layout, self.layout.scale(self.layout.camera)
        corner = np.array(layout.camera.topleft)
        if now.imagined is not None and not now.paused:
            part = min((clock - self._since[1]) * now.pace / now.dt, 1.0)
            here = now.imagined.path[0] + part * (now.imagined.path[1] - now.imagined.path[0])
            for x, y in corner + scale * here:
                if layout.camera.collidepoint(at := (float(x), float(y))):
                    theme.dot(self.surface, at, layout.px(3), theme.TEXT)
        if self.hands.arrow is not None:
            ends = [corner + scale * np.array(point) for point in (self.hands.arrow.start, self.hands.arrow.end)]
            drawing.arrow(self.surface, ends[0], ends[1], layout.px(4))


def show(window: Window, loop: Loop, seconds: float = math.inf) -> Beat:
    """Draw until the user closes the window, or for so long; the loop's error is raised here.

    Returns the beat, which has counted.
    """
    beat, begin = Beat(), time.perf_counter()
    while window.open and loop.error is None and (clock := time.perf_counter() - begin) < seconds:
        window.frame(clock, beat.rate)
        beat.wait()
    if loop.error is not None:
        raise loop.error
    return beat
