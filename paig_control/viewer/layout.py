"""Where everything stands, for a window of any size: one design, scaled as a whole and centred."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pygame

from paig_control.viewer.commands import Point, Whose
from paig_control.viewer.snapshot import Constant

DESIGN = (1280, 800)
"""Width and height at which one unit is one screen pixel."""
LEAST = (640, 400)
"""Width and height below which nothing gets smaller."""


class Design:
    """Rectangles in screen pixels, of a design whose size is :data:`DESIGN`.

    Args:
        size: width and height of the window.
        image: height and width of the camera's pictures.
    """

    def __init__(self, size: tuple[int, int], image: tuple[int, int]) -> None:
        self.size, self.image = size, image
        wide, high = (max(one, least) for one, least in zip(size, LEAST, strict=True))
        self.unit = min(wide / DESIGN[0], high / DESIGN[1])
        self._left = max((size[0] - DESIGN[0] * self.unit) / 2, 0.0)
        self._top = max((size[1] - DESIGN[1] * self.unit) / 2, 0.0)
        self.header, self.footer = self.rect(32, 24, 1216, 40), self.rect(32, 768, 1216, 22)

    def px(self, units: float) -> int:
        """A length of the design in screen pixels, at least one."""
        return max(1, round(units * self.unit))

    def rect(self, left: float, top: float, width: float, height: float) -> pygame.Rect:
        """A rectangle of the design."""
        x, y = self._left + left * self.unit, self._top + top * self.unit
        return pygame.Rect(round(x), round(y), round(width * self.unit), round(height * self.unit))

    def picture(self, left: float, top: float, side: float) -> pygame.Rect:
        """A picture's place: pixels as squares of a whole number of screen pixels, as many as fit in a square."""
        square = self.rect(left, top, side, side)
        scale = max(1, min(square.width // self.image[1], square.height // self.image[0]))
        return pygame.Rect(square.topleft, (scale * self.image[1], scale * self.image[0]))

    def scale(self, picture: pygame.Rect) -> int:
        """Screen pixels a pixel of a picture."""
        return picture.width // self.image[1]

    def inside(self, picture: pygame.Rect, at: tuple[int, int]) -> Point:
        """A place on the screen as a point of the picture that is shown there."""
        scale = self.scale(picture)
        return (at[0] - picture.left) / scale, (at[1] - picture.top) / scale


class Layout(Design):
    """Of the window on a session."""

    def __init__(self, size: tuple[int, int], image: tuple[int, int]) -> None:
        super().__init__(size, image)
        self.camera, self.futures = self.picture(32, 116, 384), self.picture(440, 116, 384)
        self.goal = self.picture(860, 116, 160)
        self.state = self.rect(1040, 116, 208, 160)
        self.planner, self.adaptation = self.rect(860, 298, 186, 34), self.rect(1062, 298, 186, 34)
        self.sliders = {Whose.WORLD: self.rect(860, 352, 186, 150), Whose.BELIEF: self.rect(1062, 352, 186, 150)}
        self.film = self.rect(32, 552, 792, 118)
        self.cost, self.action = self.rect(32, 716, 384, 36), self.rect(440, 716, 384, 36)
        self.constants = self.rect(860, 546, 388, 206)

    def tracks(self, constants: Sequence[Constant]) -> list[Slider]:
        """Sliders of the constants that can be set."""
        found = []
        for whose, area in self.sliders.items():
            own = [one for one in constants if one.whose is whose and one.high != one.low]
            step = min((area.height - self.px(26)) / max(len(own), 1), 46 * self.unit)
            for index, one in enumerate(own):
                top = area.top + self.px(26) + index * step
                row = pygame.Rect(area.left, round(top), area.width, round(step))
                track = pygame.Rect(area.left, round(top + 0.66 * step), area.width, self.px(4))
                found.append(Slider(one, row, track))
        return found


@dataclass(frozen=True)
class Slider:
    """A constant's row and the track in it; the middle is the value of the beginning, and equal ways equal factors."""

    constant: Constant
    row: pygame.Rect
    track: pygame.Rect

    def place(self, value: float) -> int:
        """Where on the screen a value is."""
        low, high = self.constant.low, self.constant.high
        part = math.log(min(max(value / low, 1.0), high / low)) / math.log(high / low)
        return round(self.track.left + part * self.track.width)

    def value(self, x: int) -> float:
        """The value at a place on the screen."""
        low, high = self.constant.low, self.constant.high
        part = min(max((x - self.track.left) / self.track.width, 0.0), 1.0)
        return float(low * (high / low) ** part)
