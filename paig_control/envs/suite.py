"""Environments of dm_control's suite, as Gymnasium's are: ``dm_control/cartpole-swingup``.

The simulation is dm_control's own, unmodified; here it gets Gymnasium's form, and MuJoCo's state for whoever evaluates.
"""

from __future__ import annotations

import os
import sys
from ctypes.util import find_library
from importlib import import_module
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks
from paig_control.envs.engine import Camera
from paig_control.errors import PaigError, nearest

PREFIX = "dm_control/"
RENDERERS = {"egl": "EGL", "osmesa": "OSMesa"}
"""What MuJoCo renders with where there is no screen, by the library that each needs."""
UNSEEN = (
    "Without a screen MuJoCo renders with MUJOCO_GL=egl (the library libEGL), or MUJOCO_GL=osmesa (libOSMesa, "
    "in Debian's package libosmesa6)."
)


def render_unseen() -> None:
    """Have MuJoCo render without a screen where there is none, unless MUJOCO_GL says how; before it is imported."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and not screen and "MUJOCO_GL" not in os.environ and "mujoco" not in sys.modules:
        found = next((name for name, library in RENDERERS.items() if find_library(library)), None)
        if found is not None:
            os.environ["MUJOCO_GL"] = found


def hint() -> str:
    """How MuJoCo renders, where it is that which may have failed."""
    return f" {UNSEEN}" if "mujoco" in sys.modules or "MUJOCO_GL" in os.environ else ""


def engine_of(name: str, module: str) -> Any:
    """The module that moves and renders an environment, imported so that it needs no screen.

    Raises:
        PaigError: where it cannot be imported.
    """
    render_unseen()
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        said = f"({error}): pip install 'paig-control[{package}]'."
        raise PaigError(f"{name} needs {package}, which cannot be imported {said}") from error
    except Exception as error:  # whatever a library for rendering raises that is not there
        said = f"({type(error).__name__}: {error}). {UNSEEN}"
        raise PaigError(f"{name} needs {package}, which cannot be imported {said}") from error


class Suite(gym.Env[NDArray[np.float64], NDArray[np.float64]]):
    """A task of the suite, rendered by one of its cameras.

    Args:
        env_id: ``dm_control/DOMAIN-TASK``.
        height: of the rendered pictures, pixels; they are averaged down from there.
        width: likewise.
        camera: number or name of the camera.
        task_kwargs: of the task, as dm_control takes them.
        render_mode: ``"rgb_array"``.

    Raises:
        PaigError: without dm_control, or for a task that it does not have.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        env_id: str,
        height: int = 192,
        width: int = 192,
        camera: int | str = 0,
        task_kwargs: dict[str, Any] | None = None,
        render_mode: str = "rgb_array",
    ) -> None:
        suite = engine_of(env_id, "dm_control.suite")
        domain, _, task = env_id.removeprefix(PREFIX).partition("-")
        offered = [f"{PREFIX}{one}-{other}" for one, other in suite.ALL_TASKS]
        if (domain, task) not in suite.ALL_TASKS:
            raise PaigError(f"dm_control has no task {env_id!r}; {nearest(env_id, offered)}")
        self.frame, self.camera = (checks.whole("height", height), checks.whole("width", width)), camera
        self.render_mode = render_mode
        self.world: Any = suite.load(domain, task, task_kwargs=task_kwargs)
        wanted = self.world.action_spec()
        low, high = (np.asarray(bound, np.float64) for bound in (wanted.minimum, wanted.maximum))
        self.action_space = gym.spaces.Box(low, high, wanted.shape, np.float64)
        self.dt = float(self.world.control_timestep())
        size = sum(int(np.prod(spec.shape)) for spec in self.world.observation_spec().values())
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float64)

    @property
    def data(self) -> Any:
        """What the engine holds."""
        return self.world.physics.data._data

    def set_state(self, qpos: NDArray[np.float64], qvel: NDArray[np.float64]) -> None:
        """Put the engine into a state."""
        with self.world.physics.reset_context():
            self.world.physics.data.qpos[:], self.world.physics.data.qvel[:] = qpos, qvel

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Begin an episode; a seed starts the task's random numbers again."""
        super().reset(seed=seed)
        if seed is not None:
            self.world.task.random.seed(seed % 2**32)
        return self._observed(self.world.reset()), {}

    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """Advance by a control step."""
        found = self.world.step(action)
        ended = bool(found.last())
        return self._observed(found), float(found.reward or 0.0), ended and found.discount == 0, ended, {}

    def render(self) -> Any:
        """What the camera sees, ``(height, width, 3)``."""
        return self.world.physics.render(*self.frame, camera_id=self.camera)

    @property
    def model(self) -> Any:
        """What the engine moves."""
        return self.world.physics.model.ptr

    @property
    def view(self) -> Camera:
        """How it is filmed."""
        return Camera.fixed(self.model, self.data, self.camera)

    def _observed(self, found: Any) -> NDArray[np.float64]:
        return np.concatenate([np.ravel(part) for part in found.observation.values()])

    def close(self) -> None:
        """Let go of the engine."""
        self.world.close()
