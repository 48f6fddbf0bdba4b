"""Where foreign environments keep their state, as one flat array: in an attribute, or in MuJoCo's data."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from paig_control.envs import engine
from paig_control.envs.checks import Array
from paig_control.errors import PaigError

MUJOCO = "mujoco"
"""Not the name of an attribute: generalised positions and then velocities of the engine, ``data.qpos, data.qvel``."""


def simulated(env: gym.Env[Any, Any]) -> tuple[list[list[int]], list[list[int]]] | None:
    """Where positions ``(N, D)`` and velocities are of bodies that an engine moves by N D joints.

    D is two where each body slides two ways, and one where not; None where joints have not one number each.
    """
    data = getattr(env.unwrapped, "data", None)
    parts = [getattr(data, name, None) for name in ("qpos", "qvel")]
    sizes = [np.size(part) for part in parts if isinstance(part, np.ndarray)]
    settable = callable(getattr(env.unwrapped, "set_state", None))
    if not settable or len(sizes) != 2 or sizes[0] != sizes[1] or not sizes[0]:
        return None
    model = getattr(env.unwrapped, "model", None)
    both = 2 if hasattr(model, "jnt_bodyid") and engine.free(model) else 1
    found = np.arange(2 * sizes[0]).reshape(2, -1, both).tolist()
    return found[0], found[1]


def read(env: gym.Env[Any, Any], name: str, attribute: str) -> Any:
    """An attribute of an environment, called ``name`` in messages."""
    try:
        return getattr(env.unwrapped, attribute)
    except AttributeError:
        raise PaigError(
            f"{name} has no attribute {attribute!r}: name one that it has, or leave it out "
            "(state_attribute=None, constants={})."
        ) from None


def held(env: gym.Env[Any, Any], name: str, attribute: str) -> Array:
    """A copy ``(n,)`` of what an environment holds as its state."""
    if attribute == MUJOCO:
        data = read(env, name, "data")
        return np.concatenate([data.qpos, data.qvel]).astype(np.float64)
    value = read(env, name, attribute)
    try:
        found = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise PaigError(f"{name}'s {attribute} is no flat array of numbers, as its state must be.") from None
    return found


def hold(env: gym.Env[Any, Any], name: str, attribute: str, values: Array) -> None:
    """Give an environment the state ``(n,)``."""
    if attribute == MUJOCO:
        half = len(values) // 2
        read(env, name, "set_state")(values[:half].copy(), values[half:].copy())
    else:
        setattr(env.unwrapped, attribute, values)
