"""What is known of foreign environments beyond their pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paig_control.envs import mechanisms


@dataclass(frozen=True)
class Description:
    """What one has to know of a foreign environment beyond its pixels.

    Attributes:
        state_attribute: attribute of the unwrapped environment that holds the state, if any; ``"mujoco"`` for what that
            engine holds.
        positions: where the positions are in it; a nested list for several coordinates an object.
        velocities: where the velocities are in it.
        constants: true constants; a string names an attribute, a number is itself.
        physics: settings of the physics that moves it, for the oracle.
        goal_state: state ``(2, N, D)`` of the default goal.
        reset_attributes: set with the state, so that a picture shows the state and nothing else.
        actions: ``(n, A)``, what each of n separate actions does.
        dt: seconds between frames, or the attribute that says them, where no attribute ``dt`` does.
        mechanism: more constants, those of bodies on joints in pixels, from environment and picture's height and width.
        names: of the bodies with joints that MuJoCo moves, where it is to be others than the engine's.
    """

    state_attribute: str | None = None
    positions: Sequence[Any] = ()
    velocities: Sequence[Any] = ()
    constants: Mapping[str, str | float] = field(default_factory=dict)
    physics: Mapping[str, Any] = field(default_factory=dict)
    goal_state: Any = None
    reset_attributes: Mapping[str, Any] = field(default_factory=dict)
    actions: Sequence[Sequence[float]] | None = None
    dt: float | str | None = None
    mechanism: Callable[[Any, tuple[int, int]], dict[str, float]] | None = None
    names: Sequence[str] = ()


REST = [[[0.0], [0.0]], [[0.0], [0.0]]]
"""Two coordinates at nought, at rest."""

KNOWN = {
    "Pendulum-v1": Description(
        state_attribute="state",
        positions=[0],
        velocities=[1],
        constants={"gravity": "g", "actuation": 1.0},
        physics={"name": "pendulum", "dt": 0.05, "substeps": 1, "length": 1.0, "mass": 1.0, "max_speed": 8.0},
        goal_state=[[[0.0]], [[0.0]]],
        reset_attributes={"last_u": None},  # the torque's arrow
    ),
    "CartPole-v1": Description(
        "state",
        [0, 2],
        [1, 3],
        goal_state=REST,
        actions=[[-1.0], [1.0]],
        dt="tau",
        mechanism=mechanisms.cartpole,
    ),
    "Acrobot-v1": Description(
        "state",
        [0, 1],
        [2, 3],
        goal_state=[[[math.pi], [0.0]], [[0.0], [0.0]]],
        actions=[[-1.0], [0.0], [1.0]],
        mechanism=mechanisms.acrobot,
    ),
    "dm_control/cartpole-balance": Description(goal_state=REST, names=("cart", "pole")),
    "dm_control/cartpole-swingup": Description(goal_state=REST, names=("cart", "pole")),
    "dm_control/acrobot-swingup": Description(goal_state=REST, names=("upper", "lower")),
    "dm_control/reacher-easy": Description(names=("upper", "lower")),
    "dm_control/reacher-hard": Description(names=("upper", "lower")),
    "dm_control/point_mass-easy": Description(goal_state=[[[0.0, 0.0]]] * 2),
    "InvertedPendulum-v5": Description(goal_state=REST),
    "InvertedDoublePendulum-v5": Description(goal_state=[[[0.0]] * 3] * 2),
    "MountainCar-v0": Description("state", [0], [1], actions=[[-1.0], [0.0], [1.0]]),
    "MountainCarContinuous-v0": Description("state", [0], [1]),
}
