"""Colours, letters and lines of the window: dark and calm, one colour a meaning.

Where everything stands, for a window of any size: one design, scaled as a whole and centred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pygame
from numpy.typing import NDArray

from paig_control.viewer.commands import Point, Whose
from paig_control.viewer.snapshot import Constant

Colour = tuple[int, int, int]

GROUND: Colour = (14, 17, 22)
PANEL: Colour = (22, 26, 33)
RAISED: Colour = (33, 39, 49)
LINE: Colour = (48, 56, 69)
FAINT: Colour = (98, 110, 128)
MUTED: Colour = (146, 157, 174)
TEXT: Colour = (228, 233, 240)
WORLD: Colour = (242, 179, 94)
BELIEF: Colour = (104, 178, 255)
GOAL: Colour = (255, 255, 255)
WRONG: Colour = (255, 123, 114)
RIGHT: Colour = (110, 214, 140)
CHEAP_TO_DEAR = np.array([(255, 226, 122), (122, 209, 140), (66, 140, 178), (96, 86, 168), (74, 62, 112)], dtype=float)
"""Anchors of the colours of costs, evenly from the cheapest to the dearest."""
FACES = {"plain": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf", "figures": "DejaVuSansMono.ttf"}
"""Of the typeface that comes with matplotlib, which has the signs that units need."""


def of_rank(rank: float) -> Colour:
    """Colour of a cost by its rank, 0 for the cheapest to 1 for the dearest."""
    along = min(max(rank, 0.0), 1.0) * (len(CHEAP_TO_DEAR) - 1)
    first = min(int(along), len(CHEAP_TO_DEAR) - 2)
    mixed = CHEAP_TO_DEAR[first] + (along - first) * (CHEAP_TO_DEAR[first + 1] - CHEAP_TO_DEAR[first])
    return int(mixed[0]), int(mixed[1]), int(mixed[2])


def ink(colour: NDArray[np.float64]) -> Colour:
    """A colour ``(3,)`` from 0 to 255 as pygame wants it."""
    return int(colour[0]), int(colour[1]), int(colour[2])


def begin() -> None:
    """Make letters ready, anew if something else in the process has ended pygame."""
    if not pygame.font.get_init():
        for kept in (font, text):
            kept.cache_clear()
        pygame.font.init()


@lru_cache(maxsize=64)
def font(face: str, size: int) -> pygame.font.Font:
    """A typeface at a size in screen pixels."""
    return pygame.font.Font(Path(mpl.get_data_path()) / "fonts" / "ttf" / FACES[face], size)


@lru_cache(maxsize=1024)
def text(words: str, size: int, colour: Colour = TEXT, face: str = "plain") -> pygame.Surface:
    """Words as a picture; kept, for the same words come again."""
    return font(face, size).render(words, True, colour)


@lru_cache(maxsize=256)
def _dot(radius: int, colour: Colour) -> pygame.Surface:
    fine = 8
    large = pygame.Surface((2 * fine * (radius + 1),) * 2, pygame.SRCALPHA)
    large.fill((*colour, 0))
    pygame.draw.circle(large, colour, large.get_rect().center, fine * radius)
    return pygame.transform.smoothscale(large, (2 * (radius + 1),) * 2)


def dot(surface: pygame.Surface, at: tuple[float, float], radius: int, colour: Colour) -> None:
    """A smooth disc."""
    picture = _dot(radius, colour)
    surface.blit(picture, (round(at[0] - radius - 1), round(at[1] - radius - 1)))


def clipped(words: str, size: int, width: int, face: str = "plain") -> str:
    """Words cut to a width in screen pixels, with a mark where they are cut."""
    letters = font(face, size)
    if letters.size(words)[0] <= width:
        return words
    while words and letters.size(words + "…")[0] > width:
        words = words[:-1]
    return words + "…"


def write(
    surface: pygame.Surface,
    words: str,
    at: tuple[int, int],
    size: int,
    colour: Colour = TEXT,
    face: str = "plain",
    align: str = "left",
) -> int:
    """Write with the middle of the line at a height; ``align`` says which end stands at ``at``. Returns the width."""
    picture = text(words, size, colour, face)
    width, height = picture.get_size()
    left = at[0] - {"left": 0, "middle": width // 2, "right": width}[align]
    surface.blit(picture, (left, at[1] - height // 2))
    return width


def figure(value: float, digits: int = 3) -> str:
    """A number with so many digits that mean something, without an exponent where it can be."""
    if not np.isfinite(value):
        return "-"
    size = int(np.floor(np.log10(abs(value)))) if value else 0
    if abs(size) > 5:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(digits - 1 - size, 0)}f}"


def with_bar(value: float, std: float | None) -> str:
    """A value with its error bar, as many digits as the bar lets count, four decimals at most."""
    if std is None or not np.isfinite(std) or std <= 0:
        return figure(value)
    decimals = min(max(-int(np.floor(np.log10(std))), 0), 4)
    least = 10.0**-decimals
    bar = f"±{std:.{decimals}f}" if std >= least / 2 else f"<{least:.{decimals}f}"
    return f"{value:.{decimals}f} {bar}"


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
