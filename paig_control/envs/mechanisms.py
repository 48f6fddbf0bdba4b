"""What is true of bodies on joints that others wrote, by the names and in the pixels of a learned mechanism.

For evaluation alone, see :mod:`~paig_control.physics.lumped`: moments and inertias come from the environments' own
attributes; what an engine moves, :mod:`~paig_control.envs.engine` knows.
"""

from __future__ import annotations

from typing import Any

Size = tuple[int, int]
"""Height and width of the pictures, pixels."""


def cartpole(world: Any, size: Size) -> dict[str, float]:
    """What :mod:`~paig_control.physics.lumped` names, of CartPole-v1: its pole is uniform, twice ``length`` long."""
    metre = min(size[1] / world.screen_width, size[0] / world.screen_height) * world.screen_width
    metre /= 2 * world.x_threshold
    total = world.masscart + world.masspole
    return {
        "pole_moment": metre * world.masspole * world.length / total,
        "pole_length": metre * world.length * 4 / 3,
        "gravity": metre * world.gravity,
        "actuation": metre * world.force_mag / total,
    }


def acrobot(world: Any, size: Size) -> dict[str, float]:
    """The same of Acrobot-v1, whose links have any inertia, and whose gravity stands in its equations."""
    metre = min(size) / (2 * (world.LINK_LENGTH_1 + world.LINK_LENGTH_2 + 0.2))
    upper = world.LINK_MASS_1 * world.LINK_COM_POS_1 + world.LINK_MASS_2 * world.LINK_LENGTH_1
    lower = world.LINK_MASS_2 * world.LINK_COM_POS_2
    inertia = world.LINK_MASS_1 * world.LINK_COM_POS_1**2 + world.LINK_MASS_2 * world.LINK_LENGTH_1**2
    return {
        "upper_length": metre * (world.LINK_MOI + inertia) / upper,
        "lower_moment": lower / upper,
        "lower_length": metre * (world.LINK_MOI + world.LINK_MASS_2 * world.LINK_COM_POS_2**2) / lower,
        "gravity": metre * 9.8,
        "actuation": metre / upper,
    }
