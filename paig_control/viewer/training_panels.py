"""The panels of the training window; none of them remembers anything."""

from __future__ import annotations

import numpy as np
import pygame

from paig_control.viewer import theme
from paig_control.viewer.drawing import BODY, SMALL, Sketch, caption, curve, mark, picture
from paig_control.viewer.panels import over_time, spoken
from paig_control.viewer.pictures import FOUND, strip
from paig_control.viewer.theme import Design, write
from paig_control.viewer.training_snapshot import Glance

INKS = {"recons": theme.BELIEF, "pred": theme.WORLD, "pixels_off": theme.RIGHT}
SPOKEN = {"recons": "reconstruction", "pred": "prediction", "pixels_off": "off by, px"}


class Study(Design):
    """Where everything stands in the training window."""

    def __init__(self, size: tuple[int, int], image: tuple[int, int]) -> None:
        super().__init__(size, image)
        self.stages = self.rect(32, 78, 1216, 30)
        self.camera, self.drawn = self.picture(32, 148, 352), self.picture(416, 148, 352)
        self.background = self.picture(812, 148, 160)
        self.objects = self.rect(996, 148, 252, 160)
        self.constants = self.rect(812, 346, 436, 190)
        self.film, self.foreseen = self.rect(32, 542, 736, 96), self.rect(32, 642, 736, 96)
        self.figures = self.rect(812, 582, 436, 156)


def stages(surface: pygame.Surface, layout: Study, now: Glance) -> None:
    """All stages, those that are done filled, the one that goes on as far as it is done."""
    place, gap = layout.stages, layout.px(8)
    width = (place.width - gap * (len(now.stages) - 1)) / max(len(now.stages), 1)
    at = now.stages.index(now.stage)
    for index, name in enumerate(now.stages):
        box = pygame.Rect(round(place.left + index * (width + gap)), place.top, round(width), place.height)
        pygame.draw.rect(surface, theme.PANEL, box, border_radius=layout.px(6))
        done = now.done if index == at else float(index < at)
        if done > 0:
            filled = pygame.Rect(box.topleft, (max(round(done * box.width), 2 * layout.px(6)), box.height))
            colour = (36, 62, 92) if index == at else theme.RAISED
            pygame.draw.rect(surface, colour, filled, border_radius=layout.px(6))
        ink = theme.TEXT if index == at else theme.MUTED if index < at else theme.FAINT
        words = f"{spoken(name)}  {100 * now.done:.0f} %" if index == at else spoken(name)
        write(surface, words, box.center, layout.px(BODY), ink, "bold" if index == at else "plain", "middle")


def camera(surface: pygame.Surface, layout: Study, now: Glance) -> None:
    """A frame with what is found in it, and beside it the frame drawn again."""
    caption(surface, layout, layout.camera, "Camera", "and where the eyes see something")
    picture(surface, layout.camera, now.frame)
    caption(surface, layout, layout.drawn, "Drawn again", "from what the eyes see")
    if now.looks is None:
        _wait(surface, layout, layout.drawn, "Looking for what moves.")
        return
    picture(surface, layout.drawn, now.looks.drawn)
    sketch = Sketch(layout, layout.camera)
    for point, ink in zip(now.looks.found, now.looks.inks, strict=True):
        sketch.ring(point, FOUND, mark(ink, now.frame), 2.2)
    sketch.lay(surface)


def learned(surface: pygame.Surface, layout: Study, now: Glance) -> None:
    """The background, and of every object its content above its mask."""
    caption(surface, layout, layout.background, "Background")
    caption(surface, layout, layout.objects, "Objects", "content above mask")
    if now.looks is None:
        for place in (layout.background, layout.objects):
            _wait(surface, layout, place, "")
        return
    picture(surface, layout.background, now.looks.background)
    gap, count = layout.px(8), len(now.looks.contents)
    side = min((layout.objects.height - gap) // 2, layout.objects.width // count - gap)
    for index, pair in enumerate(zip(now.looks.contents, now.looks.masks, strict=True)):
        for row, image in enumerate(pair):
            corner = layout.objects.left + index * (side + gap), layout.objects.top + row * (side + gap)
            picture(surface, pygame.Rect(corner, (side, side)), image)


def film(surface: pygame.Surface, layout: Study, now: Glance) -> None:
    """A film above what is foreseen from its first frames."""
    foreseen = None if now.looks is None else now.looks.foreseen
    words = "a film, and below it what the model makes of its first frames alone"
    caption(surface, layout, layout.film, "Foresight", words)
    strip(surface, layout, layout.film, now.film)
    if foreseen is None:
        _wait(surface, layout, layout.foreseen, "Nothing is known of motion yet.")
    else:
        strip(surface, layout, layout.foreseen, foreseen, [f"{t:.1f} s" for t in now.times])


def constants(surface: pygame.Surface, layout: Study, now: Glance) -> None:
    """The constants as they are learned."""
    caption(surface, layout, layout.constants, "Constants", "in this stage; with two std where identified")
    if now.looks is None or now.looks.foreseen is None:
        _wait(surface, layout, layout.constants, "Not looked for yet.")
    else:
        over_time(surface, layout, layout.constants, now.constants, 2e-4)


def figures(surface: pygame.Surface, layout: Study, now: Glance) -> None:
    """What the gradient steps bring down, from the first to the last, by powers of ten."""
    place = layout.figures
    caption(surface, layout, place, "Loss", "squared error a frame, logarithmic")
    if not now.figures:
        _wait(surface, layout, place, "No gradient step yet.")
        return
    pygame.draw.rect(surface, theme.PANEL, place, border_radius=layout.px(4))
    plot = place.inflate(-layout.px(16), -layout.px(20))
    heights = {name: np.log10(np.maximum(values, 1e-9)) for name, values in now.figures.items()}
    known = np.concatenate([one[np.isfinite(one)] for one in heights.values()])
    x = place.right - layout.px(10)
    for name, values in now.figures.items():
        thin = heights[name][:: max(1, len(values) // 500)]
        curve(surface, layout, plot, thin, float(known.min()), float(known.max()), INKS[name])
    for name in reversed(list(now.figures)):
        last = now.figures[name][np.isfinite(now.figures[name])][-1]
        y = place.bottom + layout.px(13)
        x -= write(surface, theme.figure(last), (x, y), layout.px(SMALL), INKS[name], "figures", "right") + layout.px(6)
        x -= write(surface, SPOKEN[name], (x, y), layout.px(SMALL), theme.MUTED, align="right") + layout.px(14)


def _wait(surface: pygame.Surface, layout: Study, place: pygame.Rect, words: str) -> None:
    """What is not there yet."""
    pygame.draw.rect(surface, theme.PANEL, place, border_radius=layout.px(6))
    write(surface, words, place.center, layout.px(BODY), theme.FAINT, align="middle")
