"""What all panels are drawn with: captions, pictures of large pixels, fine lines over them, curves."""

from __future__ import annotations

import numpy as np
import pygame

from paig_control.viewer import theme
from paig_control.viewer.layout import Design
from paig_control.viewer.snapshot import Array, Frame
from paig_control.viewer.theme import Colour, write

FINE = 2
"""Lines over pictures are drawn so many times as large, then averaged down."""
CAPTION, BODY, SMALL = 15, 13, 12
"""Sizes of letters, in units of the design."""


def caption(
    surface: pygame.Surface, layout: Design, place: pygame.Rect, title: str, rest: str = "", kept: float = 0.0
) -> None:
    """A panel's name above it, and what it shows in fainter letters; so many units at the right are kept free."""
    y = place.top - layout.px(17)
    width = write(surface, title, (place.left, y), layout.px(CAPTION), theme.TEXT, "bold")
    room = place.width - width - layout.px(10 + kept)
    words = theme.clipped(rest, layout.px(SMALL), room)
    if words not in ("", "…"):
        write(surface, words, (place.left + width + layout.px(10), y + 1), layout.px(SMALL), theme.FAINT)


def picture(surface: pygame.Surface, place: pygame.Rect, image: Frame, dim: float = 1.0) -> None:
    """Pixels as large squares, dimmed by a factor, in a thin frame."""
    shown = image if dim == 1.0 else (image * dim).astype(np.uint8)
    small = pygame.surfarray.make_surface(shown.swapaxes(0, 1))
    surface.blit(pygame.transform.scale(small, place.size), place)
    pygame.draw.rect(surface, theme.LINE, place.inflate(2, 2), 1)


def ghosts(surface: pygame.Surface, place: pygame.Rect, ghost: Frame) -> None:
    """Half-transparent pixels ``(h, w, 4)`` over a picture."""
    small = pygame.Surface(ghost.shape[1::-1], pygame.SRCALPHA)
    pygame.surfarray.blit_array(small, np.ascontiguousarray(ghost[..., :3].swapaxes(0, 1)))
    alpha = pygame.surfarray.pixels_alpha(small)
    alpha[:] = ghost[..., 3].T
    del alpha  # unlocks the surface
    surface.blit(pygame.transform.scale(small, place.size), place)


class Sketch:
    """Fine lines over a picture, in the picture's points.

    Args:
        layout: of the window.
        place: of the picture.
    """

    def __init__(self, layout: Design, place: pygame.Rect) -> None:
        self.place, self.scale = place, FINE * layout.scale(place)
        self.unit = FINE * layout.unit
        self.canvas = pygame.Surface((FINE * place.width, FINE * place.height), pygame.SRCALPHA)

    def line(self, points: Array, colour: Colour, width: float, alpha: int = 255) -> None:
        """A line through points ``(T, 2)``."""
        at = points * self.scale
        if len(at) > 1 and np.isfinite(at).all():
            thick = max(1, round(width * self.unit))
            pygame.draw.lines(self.canvas, (*colour, alpha), False, at.tolist(), thick)
            if thick > 2:  # round joints
                for joint in at:
                    pygame.draw.circle(self.canvas, (*colour, alpha), joint.tolist(), thick / 2)

    def ring(self, point: Array, radius: float, colour: Colour, width: float, alpha: int = 255) -> None:
        """A circle about a point; its radius in units of the design, filled where ``width`` is 0."""
        if np.isfinite(point).all():
            thick = 0 if width == 0 else max(1, round(width * self.unit))
            at = (point * self.scale).tolist()
            pygame.draw.circle(self.canvas, (*colour, alpha), at, radius * self.unit, thick)

    def target(self, point: Array, radius: float, colour: Colour) -> None:
        """The mark of a goal: a broken circle."""
        for quarter in range(4):
            angle = np.pi / 2 * (quarter + np.linspace(0.16, 0.84, 12))
            round_it = np.stack([np.cos(angle), np.sin(angle)], -1) * radius * self.unit / self.scale
            self.line(point + round_it, colour, 2.2)

    def lay(self, surface: pygame.Surface) -> None:
        """Average down and lay over the picture."""
        surface.blit(pygame.transform.smoothscale(self.canvas, self.place.size), self.place)


def mark(colour: Array, frame: Frame) -> Colour:
    """An object's colour for marks that are seen upon the object and beside it."""
    far = theme.GROUND if light(frame) else theme.GOAL
    return theme.ink(0.45 * colour + 0.55 * np.array(far))


def light(frame: Frame) -> bool:
    """Whether a picture's ground is light."""
    return bool(np.median(frame) > 127)


def curve(
    surface: pygame.Surface, layout: Design, place: pygame.Rect, values: Array, low: float, high: float, colour: Colour
) -> None:
    """Values against time, the newest at the right."""
    path = points(place, values, low, high)
    if len(path) > 1:
        pygame.draw.aalines(surface, colour, False, path)
        theme.dot(surface, path[-1], layout.px(3), colour)


def points(place: pygame.Rect, values: Array, low: float, high: float) -> list[tuple[float, float]]:
    """Places on the screen of values over the width of a plot; what is not finite is left out."""
    part = (values - low) / max(high - low, 1e-12)
    x = place.left + place.width * np.linspace(0, 1, len(values)) if len(values) > 1 else [place.left]
    y = place.bottom - 2 - (place.height - 4) * np.clip(part, 0, 1)
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True) if np.isfinite(b)]
