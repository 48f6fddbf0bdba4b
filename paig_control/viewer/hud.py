"""What surrounds the panels and lies over them: header, keys, messages, help, the arrow of a kick."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pygame

from paig_control.viewer import theme
from paig_control.viewer.drawing import BODY, SMALL
from paig_control.viewer.layout import Design, Layout
from paig_control.viewer.snapshot import Array, Snapshot
from paig_control.viewer.theme import write


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
