"""Engines that render without a screen, where they are installed and there is something to render with."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

from paig_control.envs import suite
from paig_control.errors import PaigError


def needed(module: str) -> None:
    """Import an engine so that it needs no screen, or skip the test."""
    suite.render_unseen()
    pytest.importorskip(module, reason=f"needs pip install 'paig-control[{module}]'")


def begun(module: str, env_id: str, **kwargs: Any) -> tuple[Any, Any, dict[str, Any]]:
    """An engine's environment, the first frame of episode 1 and what is told of it; or the test is skipped."""
    needed(module)
    try:
        env: Any = gym.make("paig/Pixels-v0", env_id=env_id, **kwargs).unwrapped
        return env, *env.reset(seed=1)
    except PaigError as error:
        if suite.UNSEEN not in str(error):
            raise
        pytest.skip(str(error))
