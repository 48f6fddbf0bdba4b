"""The panels of figures: state, switches, sliders, cost, action, constants; none of them remembers anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pygame

from paig_control.viewer import theme
from paig_control.viewer.commands import Whose
from paig_control.viewer.drawing import BODY, CAPTION, SMALL, caption, curve, points
from paig_control.viewer.snapshot import Constant, Snapshot
from paig_control.viewer.theme import Colour, Design, Layout, write


def state(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """Positions and velocities with their standard deviations."""
    place, rows = layout.state, list(np.ndindex(now.position.shape))
    units = dict.fromkeys(one.unit for row in now.coordinates for one in row)
    caption(surface, layout, place, "State", "; ".join(f"{unit}, {unit}/s" for unit in units))
    step = min(layout.px(26), place.height // max(len(rows), 1))
    size = min(layout.px(SMALL), max(step - 2, 6))
    for index, (n, d) in enumerate(rows):
        y = place.top + index * step + step // 2
        theme.dot(surface, (place.left + layout.px(5), y), layout.px(4), theme.ink(now.inks[n]))
        one = now.coordinates[n][d]
        name = one.name if len(now.coordinates[n]) > 1 else ""
        write(surface, name, (place.left + layout.px(16), y), size, theme.MUTED)
        for column, (value, std) in enumerate(
            ((now.position[n, d], now.position_std[n, d]), (now.velocity[n, d], now.velocity_std[n, d]))
        ):
            right = place.left + layout.px(116 + 92 * column)
            decimals = 3 if one.periodic and not column else 2
            bar = write(surface, _bar(float(std), decimals), (right, y), size, theme.FAINT, "figures", "right")
            number = f"{value:.{decimals}f}"
            write(surface, number, (right - bar - layout.px(4), y), size, theme.TEXT, "figures", "right")


def _bar(std: float, decimals: int) -> str:
    return f"±{std:.{decimals if std < 10 else 0}f}"


def switches(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """Planner and adaptation, on or off."""
    for place, name, on in (
        (layout.planner, "Planner", now.planning),
        (layout.adaptation, "Adaptation", now.adapting),
    ):
        pygame.draw.rect(surface, theme.PANEL, place, border_radius=place.height // 2)
        colour = theme.TEXT if on is not None else theme.FAINT
        write(surface, name, (place.left + layout.px(16), place.centery), layout.px(BODY), colour)
        track = pygame.Rect(0, 0, layout.px(34), layout.px(18))
        track.midright = place.right - layout.px(10), place.centery
        pygame.draw.rect(surface, theme.BELIEF if on else theme.LINE, track, border_radius=track.height // 2)
        x = track.right - track.height // 2 if on else track.left + track.height // 2
        theme.dot(surface, (x, track.centery), track.height // 2 - layout.px(3), theme.TEXT)


def sliders(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """Constants that can be set: those of the world, and those that the agent believes."""
    for whose, title, rest in ((Whose.WORLD, "World", "as it is"), (Whose.BELIEF, "Belief", "of the agent")):
        area = layout.sliders[whose]
        y = area.top + layout.px(9)
        width = write(surface, title, (area.left, y), layout.px(CAPTION), _colour(whose), "bold")
        write(surface, rest, (area.left + width + layout.px(8), y + 1), layout.px(SMALL), theme.FAINT)
    for slider in layout.tracks(now.constants):
        constant, track = slider.constant, slider.track
        colour, y = _colour(constant.whose), slider.row.top + round(0.36 * slider.row.height)
        write(surface, spoken(constant.name), (track.left, y), layout.px(SMALL), theme.MUTED)
        write(surface, theme.figure(constant.value), (track.right, y), layout.px(SMALL), theme.TEXT, "figures", "right")
        pygame.draw.rect(surface, theme.LINE, track, border_radius=track.height // 2)
        x, first = slider.place(constant.value), slider.place(constant.first)
        filled = pygame.Rect(min(x, first), track.top, abs(x - first), track.height)
        pygame.draw.rect(surface, colour, filled)
        pygame.draw.rect(surface, theme.FAINT, (first - 1, track.top - layout.px(3), 2, track.height + layout.px(6)))
        theme.dot(surface, (x, track.centery), layout.px(7), colour)
        theme.dot(surface, (x, track.centery), layout.px(3), theme.GROUND)


def spoken(name: str) -> str:
    """A constant's name in words."""
    return name.replace("_", " ")


def _colour(whose: Whose) -> Colour:
    return theme.WORLD if whose is Whose.WORLD else theme.BELIEF


def cost(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """The cost of each step's plan so far."""
    place = layout.cost
    words = "" if now.cost is None else theme.figure(now.cost)
    caption(surface, layout, place, "Cost of the plan", words)
    pygame.draw.line(surface, theme.LINE, place.bottomleft, place.bottomright)
    past = now.cost_past[np.isfinite(now.cost_past)]
    if len(past) > 1:
        height = np.log10(np.maximum(past, 1e-3 * max(past.max(), 1e-9)))
        curve(surface, layout, place, height, float(height.min()), float(height.max()), theme.TEXT)


def action(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """What the agent does, each part of it from a middle line, within its bounds."""
    place = layout.action
    caption(surface, layout, place, "Action", "within its bounds")
    count = len(now.action)
    gap = layout.px(12)
    width = (place.width - gap * (count - 1)) / count
    for index, value in enumerate(now.action):
        low, high = now.bounds[:, index]
        left = round(place.left + index * (width + gap))
        row = pygame.Rect(left, place.centery - layout.px(4), round(width), layout.px(8))
        pygame.draw.rect(surface, theme.RAISED, row, border_radius=row.height // 2)
        still = min(max(0.0, low), high)
        middle, end = (row.left + row.width * (at - low) / max(high - low, 1e-9) for at in (still, value))
        pygame.draw.rect(surface, theme.TEXT, (min(middle, end), row.top, max(abs(end - middle), 1), row.height))
        pygame.draw.line(surface, theme.FAINT, (middle, row.top - layout.px(4)), (middle, row.bottom + layout.px(3)))


def constants(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """What the agent believes of each constant over time, with error bars, beside the world's."""
    caption(surface, layout, layout.constants, "Constants", "belief with two std, and the world's")
    over_time(surface, layout, layout.constants, now.constants)


def over_time(
    surface: pygame.Surface, layout: Design, place: pygame.Rect, known: Sequence[Constant], margin: float = 0.02
) -> None:
    """What is believed of each constant over time, with error bars, beside the world's where that is known.

    Above and below, so much of the value is shown at least.
    """
    believed = [one for one in known if one.whose is Whose.BELIEF]
    world = {one.name: one for one in known if one.whose is Whose.WORLD}
    if not believed:
        write(surface, "This physics has none.", (place.left, place.top + layout.px(14)), layout.px(BODY), theme.FAINT)
    step = min(place.height // max(len(believed), 1), layout.px(100))
    for index, one in enumerate(believed):
        row = pygame.Rect(place.left, place.top + index * step, place.width, step)
        _constant(surface, layout, row, one, world.get(one.name), margin)


def _constant(
    surface: pygame.Surface, layout: Design, row: pygame.Rect, belief: Constant, world: Constant | None, least: float
) -> None:
    words = layout.px(132)
    y = row.top + row.height // 2
    write(surface, spoken(belief.name), (row.left, y - layout.px(16)), layout.px(BODY), theme.MUTED)
    value = f"{theme.with_bar(belief.value, belief.std)}"
    write(surface, value, (row.left, y + layout.px(3)), layout.px(BODY), theme.BELIEF, "figures")
    text = belief.unit if world is None else f"{theme.figure(world.value, 4)} {belief.unit}".strip()
    colour = theme.FAINT if world is None else theme.WORLD
    write(surface, text, (row.left, y + layout.px(21)), layout.px(SMALL), colour, "figures")
    plot = pygame.Rect(row.left + words, row.top + layout.px(6), row.width - words, row.height - layout.px(12))
    pygame.draw.rect(surface, theme.PANEL, plot, border_radius=layout.px(4))
    plot = plot.inflate(-layout.px(10), -layout.px(8))
    values, std = belief.past[:, 0], np.nan_to_num(belief.past[:, 1])
    low, high = (values - 2 * std).min(), (values + 2 * std).max()
    truth = None if world is None else world.past[:, 0]
    if truth is not None:
        low, high = min(low, truth.min()), max(high, truth.max())
    margin = max(0.15 * (high - low), least * abs(belief.value))
    low, high = float(low - margin), float(high + margin)
    band = [*points(plot, values + 2 * std, low, high), *points(plot, values - 2 * std, low, high)[::-1]]
    if len(band) > 3:
        pygame.draw.polygon(surface, (36, 62, 92), band)
    if truth is not None:
        curve(surface, layout, plot, truth, low, high, theme.WORLD)
    curve(surface, layout, plot, values, low, high, theme.BELIEF)
