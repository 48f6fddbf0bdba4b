"""The parts of the window, each drawn from a snapshot onto a surface; none of them remembers anything."""

from __future__ import annotations

import numpy as np
import pygame
from numpy.typing import NDArray

from paig_control.viewer import theme
from paig_control.viewer.commands import Whose
from paig_control.viewer.layout import Layout
from paig_control.viewer.snapshot import Array, Constant, Frame, Imagined, Snapshot
from paig_control.viewer.theme import Colour, write

FINE = 2
"""Lines over pictures are drawn so many times as large, then averaged down."""
CAPTION, BODY, SMALL = 15, 13, 12
"""Sizes of letters, in units of the design."""


def caption(surface: pygame.Surface, layout: Layout, place: pygame.Rect, title: str, rest: str = "") -> None:
    """A panel's name above it, and what it shows in fainter letters."""
    y = place.top - layout.px(17)
    width = write(surface, title, (place.left, y), layout.px(CAPTION), theme.TEXT, "bold")
    room = place.width - width - layout.px(10)
    words = theme.clipped(rest, layout.px(SMALL), room)
    if len(words) > 3:
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

    def __init__(self, layout: Layout, place: pygame.Rect) -> None:
        self.place, self.scale = place, FINE * layout.scale(place)
        self.unit = FINE * layout.unit
        self.canvas = pygame.Surface((FINE * place.width, FINE * place.height), pygame.SRCALPHA)

    def line(self, points: Array, colour: Colour, width: float, alpha: int = 255) -> None:
        """A line through points ``(T, 2)``."""
        at = points * self.scale
        if len(at) > 1 and np.isfinite(at).all():
            pygame.draw.lines(self.canvas, (*colour, alpha), False, at.tolist(), max(1, round(width * self.unit)))

    def ring(self, point: Array, radius: float, colour: Colour, width: float, alpha: int = 255) -> None:
        """A circle about a point; its radius in units of the design, filled where ``width`` is 0."""
        if np.isfinite(point).all():
            thick = 0 if width == 0 else max(1, round(width * self.unit))
            at = (point * self.scale).tolist()
            pygame.draw.circle(self.canvas, (*colour, alpha), at, radius * self.unit, thick)

    def target(self, point: Array, radius: float, colour: Colour) -> None:
        """The mark of a goal: a broken circle."""
        if not np.isfinite(point).all():
            return
        x, y = (point * self.scale).tolist()
        reach = radius * self.unit
        box = pygame.Rect(0, 0, 2 * reach, 2 * reach)
        box.center = round(x), round(y)
        for quarter in range(4):
            begin = np.pi / 2 * quarter + 0.25
            pygame.draw.arc(self.canvas, colour, box, begin, begin + np.pi / 2 - 0.5, max(2, round(1.8 * self.unit)))

    def lay(self, surface: pygame.Surface) -> None:
        """Average down and lay over the picture."""
        surface.blit(pygame.transform.smoothscale(self.canvas, self.place.size), self.place)


def camera(surface: pygame.Surface, layout: Layout, now: Snapshot, with_ghosts: bool) -> None:
    """What the camera sees, where things are believed to be and were, the goal, and ghosts of what is to come."""
    caption(surface, layout, layout.camera, "Camera", "found, track, goal and ghosts of the plan")
    picture(surface, layout.camera, now.frame)
    if with_ghosts and now.imagined is not None:
        ghosts(surface, layout.camera, now.imagined.ghost)
    sketch = Sketch(layout, layout.camera)
    for index, colour in enumerate(map(theme.ink, now.inks)):
        trail = now.trail[:, index]
        for t in range(1, len(trail)):
            sketch.line(trail[t - 1 : t + 1], colour, 2.0, round(30 + 190 * t / len(trail)))
        sketch.ring(now.found[index], 7, theme.GROUND, 4.0, 160)
        sketch.ring(now.found[index], 7, colour, 2.0)
    goal_marks(sketch, now)
    sketch.lay(surface)


def goal_marks(sketch: Sketch, now: Snapshot) -> None:
    """Where the goal wants each object."""
    if now.target is not None:
        for point, colour in zip(now.target, now.inks, strict=True):
            sketch.target(point, 15, theme.ink(0.5 * colour + 0.5 * np.array(theme.GOAL)))


def futures(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """Other plans as a fan, coloured by cost, and the plan that was chosen over them."""
    imagined = now.imagined
    count = 0 if imagined is None else len(imagined.fan)
    words = f"{count} of the plans weighed" if count > 1 else "the agent only watches"
    caption(surface, layout, layout.futures, "Futures", words)
    picture(surface, layout.futures, now.frame, 0.3)
    sketch = Sketch(layout, layout.futures)
    if imagined is not None:
        for path, rank in zip(imagined.fan, imagined.ranks, strict=True):
            for index in range(path.shape[1]):
                sketch.line(path[:, index], theme.of_rank(rank), 1.4, 235)
        for index in range(imagined.path.shape[1]):
            sketch.line(imagined.path[:, index], theme.TEXT, 2.6)
            sketch.ring(imagined.path[-1, index], 4, theme.TEXT, 0)
    for index, colour in enumerate(map(theme.ink, now.inks)):
        sketch.ring(now.found[index], 6, colour, 0)
    goal_marks(sketch, now)
    sketch.lay(surface)
    if imagined is not None and count > 1:
        _scale(surface, layout, imagined)


def _scale(surface: pygame.Surface, layout: Layout, imagined: Imagined) -> None:
    """Which colour is which cost, at the end of the caption's line."""
    place, y = layout.futures, layout.futures.top - layout.px(17)
    words = [theme.figure(cost) for cost in imagined.costs]
    right = place.right
    right -= write(surface, words[1], (right, y), layout.px(SMALL), theme.FAINT, align="right") + layout.px(6)
    width = layout.px(60)
    for x in range(width):
        surface.fill(theme.of_rank(x / width), (right - width + x, y - layout.px(3), 1, layout.px(6)))
    write(surface, words[0], (right - width - layout.px(6), y), layout.px(SMALL), theme.FAINT, align="right")


def goal(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """The picture of the goal."""
    caption(surface, layout, layout.goal, "Goal", "drag it")
    if now.goal is None:
        pygame.draw.rect(surface, theme.PANEL, layout.goal, border_radius=layout.px(6))
        write(surface, "a reward", layout.goal.center, layout.px(BODY), theme.FAINT, align="middle")
        return
    picture(surface, layout.goal, now.goal)


def state(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """Positions and velocities with their standard deviations."""
    place, unit = layout.state, "rad" if now.angular else "px"
    caption(surface, layout, place, "State", f"{unit}, {unit}/s")
    names = [""] if now.position.shape[1] == 1 else ["x", "y", "z"][: now.position.shape[1]]
    rows = [(n, d) for n in range(len(now.position)) for d in range(len(names))]
    step = min(layout.px(26), place.height // max(len(rows), 1))
    size = min(layout.px(SMALL), max(step - 2, 6))
    for index, (n, d) in enumerate(rows):
        y = place.top + index * step + step // 2
        pygame.draw.circle(surface, theme.ink(now.inks[n]), (place.left + layout.px(5), y), layout.px(4))
        write(surface, names[d], (place.left + layout.px(16), y), size, theme.MUTED)
        for column, (value, std) in enumerate(
            ((now.position[n, d], now.position_std[n, d]), (now.velocity[n, d], now.velocity_std[n, d]))
        ):
            right = place.left + layout.px(124 + 92 * column)
            bar = write(surface, _bar(std), (right, y), size, theme.FAINT, "figures", "right")
            number = f"{value:.2f}"
            write(surface, number, (right - bar - layout.px(4), y), size, theme.TEXT, "figures", "right")


def _bar(std: float) -> str:
    return f"±{std:.2f}" if std < 10 else f"±{std:.0f}"


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
        pygame.draw.circle(surface, theme.TEXT, (x, track.centery), track.height // 2 - layout.px(3))


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
        pygame.draw.circle(surface, colour, (x, track.centery), layout.px(7))
        pygame.draw.circle(surface, theme.GROUND, (x, track.centery), layout.px(3))


def spoken(name: str) -> str:
    """A constant's name in words."""
    return name.replace("_", " ")


def _colour(whose: Whose) -> Colour:
    return theme.WORLD if whose is Whose.WORLD else theme.BELIEF


def film(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """The imagined future as a strip of pictures."""
    place = layout.film
    caption(surface, layout, place, "Imagined", "what the model draws if the plan is followed")
    frames = () if now.imagined is None else now.imagined.film
    scale = max(1, place.height // layout.image[0])
    size = scale * layout.image[1], scale * layout.image[0]
    step = size[0] + max(layout.px(8), (place.width - 6 * size[0]) // 5)
    for index, frame in enumerate(frames):
        tile = pygame.Rect((place.left + index * step, place.top), size)
        picture(surface, tile, frame)
        assert now.imagined is not None
        words = f"+{theme.figure(float(now.imagined.times[index]), 2)} s"
        write(surface, words, (tile.left, tile.bottom + layout.px(11)), layout.px(SMALL), theme.FAINT)


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


def curve(
    surface: pygame.Surface, layout: Layout, place: pygame.Rect, values: Array, low: float, high: float, colour: Colour
) -> None:
    """Values against time, the newest at the right."""
    points = _points(place, values, low, high)
    if len(points) > 1:
        pygame.draw.aalines(surface, colour, False, points)
        pygame.draw.circle(surface, colour, points[-1], layout.px(3))


def _points(place: pygame.Rect, values: Array, low: float, high: float) -> list[tuple[float, float]]:
    part = (values - low) / max(high - low, 1e-12)
    x = place.left + place.width * np.linspace(0, 1, len(values)) if len(values) > 1 else [place.left]
    y = place.bottom - 2 - (place.height - 4) * np.clip(part, 0, 1)
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True) if np.isfinite(b)]


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
    place = layout.constants
    caption(surface, layout, place, "Constants", "belief with two standard deviations, and the world's")
    believed = [one for one in now.constants if one.whose is Whose.BELIEF]
    world = {one.name: one for one in now.constants if one.whose is Whose.WORLD}
    if not believed:
        write(surface, "This physics has none.", (place.left, place.top + layout.px(14)), layout.px(BODY), theme.FAINT)
    step = min(place.height // max(len(believed), 1), layout.px(100))
    for index, one in enumerate(believed):
        row = pygame.Rect(place.left, place.top + index * step, place.width, step)
        _constant(surface, layout, row, one, world.get(one.name))


def _constant(
    surface: pygame.Surface, layout: Layout, row: pygame.Rect, belief: Constant, world: Constant | None
) -> None:
    words = layout.px(132)
    y = row.top + row.height // 2
    write(surface, spoken(belief.name), (row.left, y - layout.px(16)), layout.px(BODY), theme.MUTED)
    value = f"{theme.with_bar(belief.value, belief.std)}"
    write(surface, value, (row.left, y + layout.px(3)), layout.px(BODY), theme.BELIEF, "figures")
    if world is not None:
        text = f"{theme.figure(world.value, 4)} {belief.unit}".strip()
        write(surface, text, (row.left, y + layout.px(21)), layout.px(SMALL), theme.WORLD, "figures")
    plot = pygame.Rect(row.left + words, row.top + layout.px(6), row.width - words, row.height - layout.px(12))
    pygame.draw.rect(surface, theme.PANEL, plot, border_radius=layout.px(4))
    plot = plot.inflate(-layout.px(10), -layout.px(8))
    values, std = belief.past[:, 0], np.nan_to_num(belief.past[:, 1])
    low, high = (values - 2 * std).min(), (values + 2 * std).max()
    truth = None if world is None else world.past[:, 0]
    if truth is not None:
        low, high = min(low, truth.min()), max(high, truth.max())
    margin = max(0.15 * (high - low), 0.02 * abs(belief.value))
    low, high = float(low - margin), float(high + margin)
    band = [*_points(plot, values + 2 * std, low, high), *_points(plot, values - 2 * std, low, high)[::-1]]
    if len(band) > 3:
        pygame.draw.polygon(surface, (36, 62, 92), band)
    if truth is not None:
        curve(surface, layout, plot, truth, low, high, theme.WORLD)
    curve(surface, layout, plot, values, low, high, theme.BELIEF)


def header(surface: pygame.Surface, layout: Layout, now: Snapshot, title: str, drawn: float | None) -> None:
    """Name, what is run, time and rates."""
    place = layout.header
    x = place.left
    x += write(surface, "paig-control", (x, place.centery), layout.px(21), theme.TEXT, "bold") + layout.px(16)
    right = place.right
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


def footer(surface: pygame.Surface, layout: Layout, keys: tuple[tuple[str, str], ...]) -> None:
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


def arrow(surface: pygame.Surface, start: NDArray[np.float64], end: NDArray[np.float64], width: int) -> None:
    """An arrow between two places on the screen."""
    pygame.draw.line(surface, theme.WORLD, start.tolist(), end.tolist(), width)
    along = end - start
    length = float(np.hypot(*along))
    if length > 1:
        along = along / length
        across = np.array([-along[1], along[0]])
        head = [end, end - 4 * width * along + 2.2 * width * across, end - 4 * width * along - 2.2 * width * across]
        pygame.draw.polygon(surface, theme.WORLD, [point.tolist() for point in head])
