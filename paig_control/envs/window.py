"""A small window for a person to watch an environment: the only file here that imports pygame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError

LARGEST = 512
"""Screen pixels of the longer side, at most."""


class Window:
    """Shows images enlarged by a whole number, nearest neighbour; closing it by hand stops the showing.

    Args:
        size: (height, width) of the images.
        fps: images a second, at most.
        title: of the window.
    """

    def __init__(self, size: tuple[int, int], fps: int, title: str) -> None:
        try:
            import pygame
        except ImportError as error:
            raise PaigError(
                "render_mode='human' opens a window and needs pygame: pip install pygame (pygame-ce from "
                "Python 3.14 on). Without it use render_mode='rgb_array'."
            ) from error
        self._pygame: Any = pygame
        self._fps, self._scale = fps, max(1, LARGEST // max(size))
        pygame.display.init()
        try:
            self._screen = pygame.display.set_mode((size[1] * self._scale, size[0] * self._scale))
        except pygame.error as error:
            raise PaigError(
                f"No window can be opened here ({error}): use render_mode='rgb_array', or set SDL_VIDEODRIVER=dummy."
            ) from error
        pygame.display.set_caption(title)
        self._clock = pygame.time.Clock()
        self.open = True

    def show(self, image: NDArray[np.uint8]) -> None:
        """Show one image ``(h, w, 3)`` and wait as the frame rate asks."""
        if not self.open or not self._pygame.display.get_init():
            return
        for event in self._pygame.event.get():
            if event.type == self._pygame.QUIT:
                self.close()
                return
        large = image.repeat(self._scale, 0).repeat(self._scale, 1)
        self._pygame.surfarray.blit_array(self._screen, large.swapaxes(0, 1))
        self._pygame.display.flip()
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Close the window; closing twice does no harm."""
        if self.open:
            self.open = False
            self._pygame.display.quit()
