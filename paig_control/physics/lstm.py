"""Things that move by no law that is known: motion is left to a recurrent network, the black box to be beaten.

How many things move and what acts on them is said here, so that eyes, renderer and files know it as they know any
physics; the network itself is :class:`paig_control.models.estimators.Recurrent`.
"""

from __future__ import annotations

from collections.abc import Sequence

from paig_control.errors import PaigError
from paig_control.physics.coordinates import PLANE
from paig_control.physics.dynamics import Dynamics
from paig_control.physics.force import chosen


class Lstm(Dynamics):
    """Things in the plane that move as a network says; no constants, no velocities.

    Args:
        dt: time between frames, s; the network does not use it.
        objects: number of things N.
        actuated: things on which a force acts, by number; all of them by default.
        force: whether forces act at all; without it there are no actions.
        units: of the network's memory.
    """

    kinematics = "planar"

    def __init__(
        self,
        dt: float = 0.3,
        objects: int = 2,
        actuated: Sequence[int] | None = None,
        force: bool = True,
        units: int = 100,
    ) -> None:
        if objects < 1 or units < 1:
            raise PaigError(f"objects = {objects} and units = {units}: expected at least 1 of each.")
        pushed = chosen("actuated", actuated, objects) if force else []
        super().__init__(dt, [PLANE] * objects, 2 * len(pushed), ())
        self.units = units
