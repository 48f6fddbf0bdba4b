"""The numbers that a state's positions are made of: what each is called, its unit, and how large is large.

Whatever compares positions (filters, least squares, costs, searches) counts in a coordinate's own ``scale``, so that
pixels and radians may stand side by side in one state, and no threshold asks what kind of physics it is for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from paig_control.errors import PaigError


@dataclass(frozen=True)
class Coordinate:
    """One number of a position.

    Attributes:
        name: as printed, for example ``x``.
        unit: as printed, for example ``px``.
        periodic: whether it is an angle, equal modulo 2 pi.
        scale: a difference that is clearly seen and still small, in its unit: thresholds are multiples of it.
    """

    name: str
    unit: str = ""
    periodic: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise PaigError(f"The coordinate {self.name} has scale = {self.scale}: expected a positive number.")


PLANE = (Coordinate("x", "px"), Coordinate("y", "px"))
"""A place in the picture, x to the right and y down."""
ANGLE = (Coordinate("angle", "rad", periodic=True, scale=0.1),)
"""An angle, counter-clockwise from up."""
