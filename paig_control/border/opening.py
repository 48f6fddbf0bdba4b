"""Environments by their names: found, made and guarded here, whatever a stranger's module or constructor does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from paig_control.border.guarding import Guarded
from paig_control.errors import PaigError, nearest
from paig_control.naming import imported

T = TypeVar("T")


def find(env_id: str) -> EnvSpec:
    """What Gymnasium knows of an id ``module:name``; the module is imported first.

    Raises:
        PaigError: for an unknown name, or a module that cannot be imported.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        imported(module)
    try:
        spec: EnvSpec = gym.spec(name)
    except gym.error.Error as error:
        hint = nearest(name, [key for key in gym.registry if not key.startswith(("phys2d", "tabular"))])
        hint = hint if hint.startswith("did") else "look at gymnasium.pprint_registry()."
        raise PaigError(f"Gymnasium cannot make {name!r} ({error}); {hint}") from error
    return spec


def ours(spec: EnvSpec) -> bool:
    """Whether it is a scene of this library, which simulates many at once and knows no end."""
    return spec.namespace == "paig" and spec.vector_entry_point is not None


def made(name: str, arguments: Mapping[str, Any], make: Callable[[], T]) -> T:
    """Let Gymnasium make an environment.

    Raises:
        PaigError: for whatever it refuses.
    """
    try:
        return make()
    except PaigError:
        raise
    except gym.error.Error as error:
        raise PaigError(f"Gymnasium cannot make {name!r}: {error}") from error
    except ImportError as error:
        raise PaigError(f"{name} needs a package that cannot be imported: {error}") from error
    except TypeError as error:
        raise PaigError(f"{name} refuses its arguments {dict(arguments)}: {error}") from error
    except Exception as error:
        raise PaigError(f"{name} cannot be made ({type(error).__name__}: {error}).") from error


def make(env_id: str, arguments: Mapping[str, Any], camera: str | None = None) -> Guarded:
    """Make a single pixel environment, guarded; episodes of our own scenes last as long as they are wanted.

    Raises:
        PaigError: for an unknown id, arguments that it refuses, and for what is no pixel environment.
    """
    spec = find(env_id)
    endless = {"max_episode_steps": -1} if ours(spec) else {}
    env = made(spec.id, arguments, lambda: gym.make(spec.id, disable_env_checker=True, **{**endless, **arguments}))
    return Guarded(env, spec.id, camera or f"'paig/Pixels-v0' with env_kwargs={{'env_id': {spec.id!r}}}")
