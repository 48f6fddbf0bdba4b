"""Colours, letters and lines of the window: dark and calm, one colour a meaning."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pygame
from numpy.typing import NDArray

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
