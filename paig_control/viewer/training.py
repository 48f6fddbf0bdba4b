"""The training window: a watcher that draws the model while it learns, a few times a second at most.

It draws in the thread that trains, between two steps, and takes no more than a small part of the time. Nothing that is
learned depends on it, so it can be closed at any moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pygame

from paig_control.data.episodes import Sequences
from paig_control.learning.moments import Moment
from paig_control.viewer import drawing, theme, training_panels
from paig_control.viewer.canvas import Canvas
from paig_control.viewer.recording import Writer
from paig_control.viewer.theme import DESIGN
from paig_control.viewer.training_snapshot import Glance, Observer

INTERVAL, SHARE = 0.25, 0.03
"""Pictures follow one another after so many s at least, and all together take so much of the time at most."""
SLOWER = 1 / 60
"""A film's next picture is due after so much of the time so far, so that a long training makes no endless film."""
FILM_RATE = 12.0
"""Pictures a second of the film."""


class TrainingWindow(Canvas):
    """A window on a training, which it watches.

    Args:
        films: of which the first is shown, best one that training does not see.
        title: what is trained, in words.
        size: width and height in screen pixels.
        closing: what closing does, in words.
        closed: called when the user has closed the window; it may raise ``KeyboardInterrupt`` to stop training.
        film: takes every picture that is drawn, if given.

    Raises:
        PaigError: where no window can be opened.
    """

    def __init__(
        self,
        films: Sequences,
        title: str,
        closing: str,
        closed: Callable[[], None],
        size: tuple[int, int] = DESIGN,
        film: Writer | None = None,
    ) -> None:
        super().__init__(title, size)
        self.closing, self.closed, self.film, self.open, self.drawn = closing, closed, film, True, 0
        self.observer = Observer(films)
        self.layout = training_panels.Study(self.surface.get_size(), films.frames.shape[2:4])
        self._glance: Glance | None = None
        self._begin = time.monotonic()
        self._due = self._begin

    def __call__(self, moment: Moment) -> None:
        """Look, and draw if it is time to."""
        if not self.open:
            return
        self.observer.follow(moment)
        for event in self.events():
            if event.type == pygame.QUIT or (
                event.type == pygame.KEYDOWN and event.key in (pygame.K_ESCAPE, pygame.K_q)
            ):
                self.close()
                self.closed()
                return
        begin = time.monotonic()
        if moment.ended or begin >= self._due:
            self._glance = self.observer.look(moment)
            self._paint()
            if self.film is not None:
                self.film.add(self.picture())
            end = time.monotonic()
            rest = (end - begin) / SHARE if self.film is None else (end - self._begin) * SLOWER
            self._due = end + max(INTERVAL, rest)

    def resized(self, size: tuple[int, int]) -> None:
        """Lay everything out anew, with what was seen last."""
        self.layout = training_panels.Study(size, self.layout.image)
        self._paint()

    def close(self) -> None:
        """Close it, and end the film; twice does no harm."""
        if self.open and self.film is not None:
            self.film.close()
        self.open = False
        super().close()

    def _paint(self) -> None:
        now, board, layout = self._glance, self.surface, self.layout
        board.fill(theme.GROUND)
        if now is not None:
            cells = [("time", _clock(now.spent)), (f"left in {now.stage.replace('_', ' ')}", _clock(now.left))]
            drawing.heading(board, layout, self.title, cells)
            for panel in (
                training_panels.stages,
                training_panels.camera,
                training_panels.learned,
                training_panels.film,
                training_panels.constants,
                training_panels.figures,
            ):
                panel(board, layout, now)
        drawing.footer(board, layout, (("Esc", self.closing),))
        pygame.display.flip()
        self.drawn += 1


def _clock(seconds: float | None) -> str:
    """Minutes and seconds."""
    return "-" if seconds is None else "{}:{:02d}".format(*divmod(round(seconds), 60))
