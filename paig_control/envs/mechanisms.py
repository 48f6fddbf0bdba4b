"""What is true of bodies on joints that others wrote, by the names and in the pixels of a learned mechanism.

For evaluation alone, see :mod:`~paig_control.physics.lumped`: moments and inertias come from the environments' own
attributes, or from the mass matrix, the weights and the motors of the engine that moves them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def simulated_cartpole(world: Any, size: Size) -> dict[str, float]:
    """The same of dm_control's cartpole, by its engine."""
    engine = _Engine(world)
    total, moment, inertia = engine.mass(0.0, 0.0)[[0, 0, 1], [0, 1, 1]]
    metre = engine.metre(size)
    return {
        "pole_moment": metre * abs(moment) / total,
        "pole_length": metre * inertia / abs(moment),
        "gravity": metre * engine.gravity,
        "actuation": metre * engine.gain(0) / total,
    }


def simulated_acrobot(world: Any, size: Size) -> dict[str, float]:
    """The same of dm_control's acrobot, by its engine."""
    engine = _Engine(world)
    straight, folded = engine.mass(0.0, 0.0), engine.mass(0.0, math.pi)
    both, lower = np.abs(engine.weight(math.pi / 2, 0.0)) / engine.gravity
    upper, metre = both - lower, engine.metre(size)
    return {
        "upper_length": metre * ((straight[0, 0] + folded[0, 0]) / 2 - straight[1, 1]) / upper,
        "lower_moment": lower / upper,
        "lower_length": metre * straight[1, 1] / lower,
        "gravity": metre * engine.gravity,
        "actuation": metre * engine.gain(1) / upper,
        "friction": metre * engine.damping / upper,
    }


class _Engine:
    """MuJoCo, asked on a copy of what it holds.

    Args:
        world: an environment of dm_control's suite.
    """

    def __init__(self, world: Any) -> None:
        import mujoco

        self._lib, self._model = mujoco, world.world.physics.model.ptr
        self._data, self._view = mujoco.MjData(self._model), world.view
        self.gravity = float(np.linalg.norm(self._model.opt.gravity))
        self.damping = float(self._model.dof_damping[0])

    def _set(self, *position: float, control: float = 0.0) -> Any:
        self._data.qpos[:], self._data.qvel[:], self._data.ctrl[:] = position, 0.0, control
        self._lib.mj_forward(self._model, self._data)
        return self._data

    def mass(self, *position: float) -> NDArray[np.float64]:
        """The mass matrix."""
        data, full = self._set(*position), np.zeros((len(position), len(position)))
        for row, way in zip(full, np.eye(len(position)), strict=True):
            self._lib.mj_mulM(self._model, data, row, way)
        return full

    def weight(self, *position: float) -> NDArray[np.float64]:
        """What gravity does in each joint."""
        return np.array(self._set(*position).qfrc_bias)

    def gain(self, joint: int) -> float:
        """What an action of one does in a joint."""
        return float(self._set(0.0, 0.0, control=1.0).qfrc_actuator[joint])

    def metre(self, size: Size) -> float:
        """Pixels, where the first joint is."""
        height, width, camera = self._view
        data = self._set(0.0, 0.0)
        number = self._model.camera(camera).id
        away = (data.cam_xpos[number] - data.xanchor[0]) @ data.cam_xmat[number].reshape(3, 3)[:, 2]
        seen = 2 * away * math.tan(math.radians(self._model.cam_fovy[number]) / 2)
        return float(min(size[0] / height, size[1] / width) * height / seen)
