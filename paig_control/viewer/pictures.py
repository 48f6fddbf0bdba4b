"""The panels that are pictures: camera, futures, goal and the imagined film; none of them remembers anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pygame

from paig_control.physics.dynamics import ANGLE
from paig_control.viewer import theme
from paig_control.viewer.drawing import BODY, SMALL, Sketch, caption, ghosts, light, mark, picture
from paig_control.viewer.predicted import FILM
from paig_control.viewer.snapshot import Frame, Imagined, Snapshot
from paig_control.viewer.theme import Design, Layout, write

FOUND, TARGET = 8, 30
"""Radii of the marks of what was found and of what is wanted, in units of the design."""
SCALE = 150
"""Width of the scale of costs, in units of the design."""


def camera(surface: pygame.Surface, layout: Layout, now: Snapshot, with_ghosts: bool) -> None:
    """What the camera sees, where things are believed to be and were, the goal, and ghosts of what is to come."""
    caption(surface, layout, layout.camera, "Camera", "found, track, goal and ghosts of the plan")
    picture(surface, layout.camera, now.frame)
    if with_ghosts and now.imagined is not None:
        ghosts(surface, layout.camera, now.imagined.ghost)
    sketch = Sketch(layout, layout.camera)
    for index in range(len(now.found)):
        colour = mark(now.inks[index], now.frame)
        trail = now.trail[:, index]
        for t in range(1, len(trail)):
            sketch.line(trail[t - 1 : t + 1], colour, 2.4, round(50 + 205 * t / len(trail)))
        sketch.ring(now.found[index], FOUND, colour, 2.2)
    goal_marks(sketch, now, now.frame)
    sketch.lay(surface)


def goal_marks(sketch: Sketch, now: Snapshot, under: Frame) -> None:
    """Where the goal wants each object, upon a picture."""
    if now.target is not None:
        for point, colour in zip(now.target, now.inks, strict=True):
            sketch.target(point, TARGET, mark(colour, under))


def futures(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """Other plans as a fan, coloured by cost, and the plan that was chosen over them."""
    imagined = now.imagined
    count = 0 if imagined is None else len(imagined.fan)
    words = "the agent only watches"
    if count > 1:
        words = f"{count} plans, time outwards" if now.coordinates[0] == ANGLE else f"{count} plans weighed"
    caption(surface, layout, layout.futures, "Futures", words, SCALE)
    dim = 0.16 if light(now.frame) else 0.3
    picture(surface, layout.futures, now.frame, dim)
    sketch = Sketch(layout, layout.futures)
    if imagined is not None:
        for path, rank in zip(imagined.fan, imagined.ranks, strict=True):
            for index in range(path.shape[1]):
                sketch.line(path[:, index], theme.of_rank(rank), 1.8)
        for index in range(imagined.plan.shape[1]):
            sketch.line(imagined.plan[:, index], theme.TEXT, 2.6)
            sketch.ring(imagined.plan[-1, index], 4, theme.TEXT, 0)
    for index, colour in enumerate(map(theme.ink, now.inks)):
        sketch.ring(now.found[index], 6, colour, 0)
    goal_marks(sketch, now, (dim * now.frame).astype(np.uint8))
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


def film(surface: pygame.Surface, layout: Layout, now: Snapshot) -> None:
    """The imagined future as a strip of pictures."""
    place = layout.film
    caption(surface, layout, place, "Imagined", "what the model draws if the plan is followed")
    if now.imagined is not None:
        words = [f"+{time:.2f} s" if index else "now" for index, time in enumerate(now.imagined.times)]
        strip(surface, layout, place, now.imagined.film, words)


def strip(
    surface: pygame.Surface, layout: Design, place: pygame.Rect, frames: Iterable[Frame], words: Sequence[str] = ()
) -> None:
    """At most :data:`FILM` pictures beside one another, with words beneath."""
    scale = max(1, place.height // layout.image[0])
    size = scale * layout.image[1], scale * layout.image[0]
    step = size[0] + max(layout.px(8), (place.width - FILM * size[0]) // (FILM - 1))
    for index, frame in enumerate(frames):
        tile = pygame.Rect((place.left + index * step, place.top), size)
        picture(surface, tile, frame)
        if words:
            write(surface, words[index], (tile.left, tile.bottom + layout.px(11)), layout.px(SMALL), theme.FAINT)
