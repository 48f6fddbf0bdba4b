"""Where a physics stands, but no law: motion is left to a recurrent network, the black box to be beaten.

It says how many things move and what acts on them, so that eyes, renderer and files know it as they know any physics;
the network itself is :mod:`paig_control.models.recurrent`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from torch import Tensor

from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.physics.coordinates import PLANE
from paig_control.physics.force import chosen
from paig_control.types import State


def no_state() -> PaigError:
    """The error of asking a black box for a state."""
    return PaigError(
        "A black box (physics=lstm) has no state of positions and velocities: it predicts from frames alone. "
        "Plan with a model whose physics has laws, for example physics=spring."
    )


class Lstm(Physics):
    """Things in the plane that move as a network says; no constants, no velocities.

    Args:
        dt: time between frames, s; the network does not use it.
        objects: number of things N.
        actuated: things on which a force acts, by number; all of them by default.
        force: whether forces act at all; without it there are no actions.
        units: of the network's memory.
    """

    kinematics = "planar"
    stateless = True

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
        super().__init__(dt, 1, [PLANE] * objects, 2 * len(pushed), ())
        self.units = units

    def step(self, state: State, action: Tensor) -> NoReturn:
        """Refuse: position and velocity do not say what a black box does next."""
        raise no_state()
