"""What every window is: opened or refused with the reason, resized, photographed, closed."""

from __future__ import annotations

from typing import Self

import pygame

from paig_control.errors import PaigError
from paig_control.viewer import theme
from paig_control.viewer.snapshot import Frame


class Canvas:
    """A window of pygame; used as a context, it is closed whatever happens.

    Args:
        title: what is run, in words.
        size: width and height in screen pixels.

    Raises:
        PaigError: where no window can be opened.
    """

    def __init__(self, title: str, size: tuple[int, int]) -> None:
        self.title = title
        theme.begin()
        try:
            pygame.display.init()
            self.surface = pygame.display.set_mode(size, pygame.RESIZABLE)
        except pygame.error as error:
            pygame.display.quit()
            raise PaigError(
                f"No window can be opened here ({error}): set SDL_VIDEODRIVER=dummy and film it, for example with "
                "record=view.gif."
            ) from error
        pygame.display.set_caption(f"paig-control · {title}")

    def events(self) -> list[pygame.event.Event]:
        """What the user did, but for changes of the window's size, which are followed here."""
        found = []
        for event in pygame.event.get():
            if event.type != pygame.VIDEORESIZE:
                found.append(event)
                continue
            size = event.w, event.h
            if size != self.surface.get_size():
                self.surface = pygame.display.set_mode(size, pygame.RESIZABLE)
            self.resized(size)
        return found

    def resized(self, size: tuple[int, int]) -> None:
        """The window has another width and height now."""
        raise NotImplementedError

    def picture(self) -> Frame:
        """What is on the window: ``(h, w, 3)``, uint8."""
        shown: Frame = pygame.surfarray.array3d(self.surface).swapaxes(0, 1)
        return shown

    def close(self) -> None:
        """Close it; twice does no harm."""
        pygame.display.quit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
