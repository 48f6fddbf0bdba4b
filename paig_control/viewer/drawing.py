"""What all panels are drawn with: captions, pictures of large pixels, fine lines over them, curves.

What surrounds the panels and lies over them: header, keys, messages, help, the arrow of a kick.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pygame

from paig_control.viewer import theme
from paig_control.viewer.snapshot import Array, Frame, Snapshot
from paig_control.viewer.theme import Colour, Design, Layout, write

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


def header(surface: pygame.Surface, layout: Layout, now: Snapshot, title: str, drawn: float | None) -> None:
    """Name, what is run, time and rates."""
    right = layout.header.right
    right -= _pill(surface, layout, now, right) + layout.px(22)
    wanted = now.pace / now.dt
    cells = [
        ("time", f"{now.step * now.dt:.1f} s"),
        ("control", f"{theme.figure(now.rate, 2)} of {theme.figure(wanted, 2)} Hz"),
        ("look", f"{1000 * now.perceive:.0f} ms"),
        ("plan", f"{1000 * now.plan:.0f} ms"),
    ]
    if drawn is not None:
        cells.append(("draws", f"{drawn:.0f} fps"))
    heading(surface, layout, title, cells, right)


def heading(
    surface: pygame.Surface, layout: Design, title: str, cells: Sequence[tuple[str, str]], right: int | None = None
) -> None:
    """Name, what is run, and names with figures that end at ``right``, by default at the edge."""
    place = layout.header
    right = place.right if right is None else right
    x = place.left
    x += write(surface, "paig-control", (x, place.centery), layout.px(21), theme.TEXT, "bold") + layout.px(16)
    for name, words in reversed(cells):
        width = write(surface, words, (right, place.centery), layout.px(BODY), theme.TEXT, "figures", "right")
        right -= max(width, layout.px(44)) + layout.px(7)
        right -= write(surface, name, (right, place.centery), layout.px(SMALL), theme.FAINT, align="right")
        right -= layout.px(18)
    rest = theme.clipped(title, layout.px(BODY), right - x)
    write(surface, rest, (x, place.centery + 1), layout.px(BODY), theme.MUTED)


def _pill(surface: pygame.Surface, layout: Layout, now: Snapshot, right: int) -> int:
    words, colour = ("paused", theme.WORLD) if now.paused else (f"running {now.pace:g}x", theme.RIGHT)
    width = theme.font("bold", layout.px(BODY)).size(words)[0] + layout.px(28)
    box = pygame.Rect(right - width, layout.header.centery - layout.px(14), width, layout.px(28))
    pygame.draw.rect(surface, theme.PANEL, box, border_radius=box.height // 2)
    write(surface, words, box.center, layout.px(BODY), colour, "bold", "middle")
    return width


def footer(surface: pygame.Surface, layout: Design, keys: tuple[tuple[str, str], ...]) -> None:
    """The keys, in one line."""
    x, y = layout.footer.left, layout.footer.centery
    for key, meaning in keys:
        width = theme.font("bold", layout.px(SMALL)).size(key)[0] + layout.px(12)
        cap = pygame.Rect(x, y - layout.px(10), width, layout.px(20))
        pygame.draw.rect(surface, theme.RAISED, cap, border_radius=layout.px(4))
        write(surface, key, cap.center, layout.px(SMALL), theme.TEXT, "bold", "middle")
        x += width + layout.px(7)
        x += write(surface, meaning, (x, y), layout.px(SMALL), theme.MUTED) + layout.px(18)


def lines(words: str, size: int, width: int) -> list[str]:
    """Words in lines of a width in screen pixels."""
    found = [""]
    for word in words.split():
        longer = f"{found[-1]} {word}".strip()
        if theme.font("plain", size).size(longer)[0] <= width or not found[-1]:
            found[-1] = longer
        else:
            found.append(word)
    return found


def toast(surface: pygame.Surface, layout: Layout, words: str, wrong: bool, alpha: float) -> None:
    """A message over the lower edge of the pictures, as visible as ``alpha`` says."""
    size, pad = layout.px(14), layout.px(16)
    written = lines(words, size, layout.px(640))
    width = max(theme.font("plain", size).size(line)[0] for line in written) + 2 * pad
    step = layout.px(21)
    box = pygame.Surface((width, len(written) * step + 2 * layout.px(10)), pygame.SRCALPHA)
    pygame.draw.rect(box, (*theme.RAISED, 245), box.get_rect(), border_radius=layout.px(8))
    pygame.draw.rect(box, theme.WRONG if wrong else theme.LINE, box.get_rect(), 1, border_radius=layout.px(8))
    for index, line in enumerate(written):
        write(box, line, (pad, layout.px(10) + index * step + step // 2), size, theme.WRONG if wrong else theme.TEXT)
    box.set_alpha(round(255 * alpha))
    middle = (layout.camera.left + layout.futures.right) // 2
    surface.blit(box, box.get_rect(midbottom=(middle, layout.camera.bottom - layout.px(18))))


def card(surface: pygame.Surface, layout: Layout, sections: dict[str, tuple[tuple[str, str], ...]]) -> None:
    """Help over everything: names and meanings in sections."""
    veil = pygame.Surface(surface.get_size(), pygame.SRCALPHA)
    veil.fill((*theme.GROUND, 205))
    surface.blit(veil, (0, 0))
    box = layout.rect(330, 128, 620, 560)
    pygame.draw.rect(surface, theme.PANEL, box, border_radius=layout.px(12))
    pygame.draw.rect(surface, theme.LINE, box, 1, border_radius=layout.px(12))
    y = box.top + layout.px(34)
    for title, rows in sections.items():
        write(surface, title, (box.left + layout.px(36), y), layout.px(17), theme.TEXT, "bold")
        y += layout.px(34)
        for name, meaning in rows:
            write(surface, name, (box.left + layout.px(36), y), layout.px(BODY), theme.BELIEF)
            write(surface, meaning, (box.left + layout.px(216), y), layout.px(BODY), theme.MUTED)
            y += layout.px(27)
        y += layout.px(20)


def arrow(surface: pygame.Surface, start: Array, end: Array, width: int) -> None:
    """An arrow between two places on the screen."""
    pygame.draw.line(surface, theme.WORLD, start.tolist(), end.tolist(), width)
    along = end - start
    length = float(np.hypot(*along))
    if length > 1:
        along = along / length
        across = np.array([-along[1], along[0]])
        head = [end, end - 4 * width * along + 2.2 * width * across, end - 4 * width * along - 2.2 * width * across]
        pygame.draw.polygon(surface, theme.WORLD, [point.tolist() for point in head])
