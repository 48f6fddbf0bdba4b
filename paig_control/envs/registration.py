"""The names under which Gymnasium finds our environments.

Gymnasium has no plug-in entry points, so registration happens when ``paig_control`` is imported; the modules
behind the names are imported only when an environment is made.
"""

from __future__ import annotations

import gymnasium as gym

NAMESPACE = "paig"


def register_environments() -> None:
    """Register every environment of the library; registering twice does no harm."""
    if f"{NAMESPACE}/Pixels-v0" in gym.registry:
        return
    gym.register(f"{NAMESPACE}/Pixels-v0", entry_point="paig_control.envs.pixels:Pixels")
