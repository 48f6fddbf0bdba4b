"""Two handwritten digits on a spring over a photograph, PAIG's ``mnist_spring_color``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from paig_control.envs import checks
from paig_control.envs.bodies import GREEN, RED
from paig_control.envs.checks import Colour
from paig_control.envs.painter import Bitmap
from paig_control.envs.pictures import load_digits, load_photograph
from paig_control.envs.scene import SceneEnv
from paig_control.envs.spring import Spring
from paig_control.envs.vector import SceneVectorEnv


class DigitSpring(Spring):
    """A spring between two digits; their ink covers the photograph as much as it is dark.

    Args:
        digits: file of digits (MNIST's, or an array); ``None`` for the library's own, one of each from 0 to 9.
        digit_numbers: which two of them.
        digit_size: the digits are cut to a square of so many pixels.
        photograph: file of a photograph (CIFAR-10's binary version, an array, a picture); ``None`` for the library's.
        photograph_number: which, of a file with many.
        darken: taken off the photograph's brightness, 0 to 1.
        radius: how near the border a digit's middle may come at first, px.
        **common: as of :class:`~paig_control.envs.spring.Spring`.
    """

    def __init__(
        self,
        stiffness: float = 2.0,
        rest_length: float = 24.0,
        size: int | tuple[int, int] = 64,
        radius: float = 2.0,
        colours: Sequence[Colour] = (RED, GREEN),
        digits: str | os.PathLike[str] | None = None,
        digit_numbers: Sequence[int] = (5, 0),
        digit_size: int = 22,
        photograph: str | os.PathLike[str] | None = None,
        photograph_number: int = 0,
        darken: float = 0.2,
        **common: Any,
    ) -> None:
        self.digit_size = checks.whole("digit_size", digit_size, low=2, example=22)
        numbers = checks.pair("digit_numbers", digit_numbers)
        which = checks.whole("photograph_number", photograph_number, low=0, example=1)
        shade = 255 * checks.number("darken", darken, low=0.0, closed=True, example=0.2)
        super().__init__(
            stiffness=stiffness, rest_length=rest_length, size=size, radius=radius, colours=colours, **common
        )
        ink = load_digits(checks.path("digits", digits), numbers, self.digit_size) / np.float32(255)
        painted = checks.colours(colours, self.objects)
        self.sprites = tuple(
            Bitmap(np.dstack([np.full((*alpha.shape, 3), colour, np.float32), alpha]))
            for alpha, colour in zip(ink, painted, strict=True)
        )
        picture = load_photograph(checks.path("photograph", photograph), which, self.size)
        self.background = np.clip(picture - shade, 0.0, 255.0)

    @property
    def reach(self) -> float:
        """Half the width of a digit, px."""
        return 0.5 * self.digit_size


class DigitSpringEnv(SceneEnv):
    """Two digits on a spring as a single environment."""

    kind = DigitSpring


class DigitSpringVectorEnv(SceneVectorEnv):
    """Two digits on a spring as a vector environment."""

    kind = DigitSpring
