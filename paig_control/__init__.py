"""Model-predictive control from pixels with learned, interpretable physics.

Importing the package registers its environments with Gymnasium and nothing else: torch is imported only when
one of the names below is asked for. ``gym.make("paig_control:paig/Pendulum-v0")`` works from anywhere.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from paig_control.envs.registration import register_environments

if TYPE_CHECKING:
    from paig_control.agents.cem import CEM
    from paig_control.agents.gradient import CEMGradient, Gradient
    from paig_control.agents.icem import ICEM
    from paig_control.agents.mpc import MPCAgent
    from paig_control.agents.mppi import MPPI
    from paig_control.data.collection import collect
    from paig_control.learning.recipe import train
    from paig_control.models.checkpoint import load
    from paig_control.physics.registry import build_physics

__version__ = "0.1.0"
__all__ = [
    "CEM",
    "ICEM",
    "MPPI",
    "CEMGradient",
    "Gradient",
    "MPCAgent",
    "build_physics",
    "collect",
    "load",
    "train",
]

_HOMES = {
    "CEM": "agents.cem",
    "CEMGradient": "agents.gradient",
    "Gradient": "agents.gradient",
    "ICEM": "agents.icem",
    "MPPI": "agents.mppi",
    "MPCAgent": "agents.mpc",
    "build_physics": "physics.registry",
    "collect": "data.collection",
    "load": "models.checkpoint",
    "train": "learning.recipe",
}

register_environments()


def __getattr__(name: str) -> Any:
    """Import the usual names when they are first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'paig_control' has no attribute {name!r}")
    return getattr(importlib.import_module(f"paig_control.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the usual names."""
    return sorted([*globals(), *_HOMES])
