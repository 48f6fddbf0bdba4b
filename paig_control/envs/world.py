"""Anybody's mechanism, written down for MuJoCo: ``crane.xml`` is an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks, suite
from paig_control.envs.engine import Camera
from paig_control.errors import PaigError, quoted

SUFFIX = ".xml"


class World(gym.Env[NDArray[np.float64], NDArray[np.float64]]):
    """What a file in MuJoCo's format MJCF describes, moved and rendered by that engine.

    Episodes begin at rest, with hinges turned anyhow and bodies on rails anywhere on the inner half of where they may
    be, as far as the file gives a range; else where the file has them. Actions are controls of the actuators, within
    their ranges, or from -1 to 1.

    Args:
        path: of the file.
        height: of the rendered pictures, pixels; they are averaged down from there.
        width: likewise.
        camera: number or name of a camera in the file.
        interval: seconds between two frames, of as many steps of the engine's as are nearest to it.
        render_mode: ``"rgb_array"``.

    Raises:
        PaigError: without MuJoCo, for a file that it refuses, and for one without a camera or without anything to move.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        path: str,
        height: int = 192,
        width: int = 192,
        camera: int | str = 0,
        interval: float = 0.02,
        render_mode: str = "rgb_array",
    ) -> None:
        mujoco = suite.engine_of(path, "mujoco")
        if not Path(path).is_file():
            raise PaigError(f"There is no file {path}: expected a mechanism in MuJoCo's format MJCF.")
        try:
            self.model = mujoco.MjModel.from_xml_path(path)
        except ValueError as error:
            raise PaigError(f"MuJoCo refuses {path}: {error}") from error
        if not (self.model.nq and self.model.ncam):
            missing = "joint, so nothing moves" if not self.model.nq else "camera: give it one that sees all of it"
            raise PaigError(f"{path} has no {missing}.")
        self.frame = (checks.whole("height", height), checks.whole("width", width))
        cameras = [self.model.camera(number).name for number in range(self.model.ncam)]
        if camera not in [*range(self.model.ncam), *cameras]:
            raise PaigError(
                f"{path} has no camera {quoted(camera)}: expected a number below {len(cameras)}, or a name."
            )
        self.camera, self.render_mode = camera, render_mode
        step = float(self.model.opt.timestep)
        self._steps = max(1, round(checks.number("interval", interval, low=0.0) / step))
        self.dt = self._steps * step
        self._lib, self.data = mujoco, mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, self.data)
        self._renderer: Any = None
        bounds = np.where(self.model.actuator_ctrllimited[:, None], self.model.actuator_ctrlrange, [[-1.0, 1.0]])
        self.action_space = gym.spaces.Box(bounds[:, 0], bounds[:, 1], dtype=np.float64)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (self.model.nq + self.model.nv,), np.float64)

    def set_state(self, qpos: NDArray[np.float64], qvel: NDArray[np.float64]) -> None:
        """Put the engine into a state."""
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        self._lib.mj_forward(self.model, self.data)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self._lib.mj_resetData(self.model, self.data)
        for joint in range(self.model.njnt):
            low, high = self.model.jnt_range[joint]
            place = self.model.jnt_qposadr[joint]
            if self.model.jnt_limited[joint]:
                self.data.qpos[place] = self.np_random.uniform((3 * low + high) / 4, (low + 3 * high) / 4)
            elif self.model.jnt_type[joint] == int(self._lib.mjtJoint.mjJNT_HINGE):
                self.data.qpos[place] = self.np_random.uniform(-np.pi, np.pi)
        self._lib.mj_forward(self.model, self.data)
        return self._observed(), {}

    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """Hold an action for the interval."""
        self.data.ctrl[:] = action
        self._lib.mj_step(self.model, self.data, self._steps)
        self._lib.mj_forward(self.model, self.data)  # what is rendered lies where the state says
        return self._observed(), 0.0, False, False, {}

    def render(self) -> Any:
        """What the camera sees, ``(height, width, 3)``."""
        if self._renderer is None:
            self._renderer = self._lib.Renderer(self.model, *self.frame)
        self._renderer.update_scene(self.data, self.camera)
        return self._renderer.render()

    @property
    def view(self) -> Camera:
        """How it is filmed."""
        return Camera.fixed(self.model, self.data, self.camera)

    def _observed(self) -> NDArray[np.float64]:
        return np.concatenate([self.data.qpos, self.data.qvel])

    def close(self) -> None:
        """Let go of the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
