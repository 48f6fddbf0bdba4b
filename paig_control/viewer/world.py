"""The user's hand on the world: an environment whose state and constants a person may see and change, not the agent.

What the hand does is asked of the environment by name, so any environment can be watched; what it cannot do is refused
with the reason.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.border.guarding import attribute, guarded
from paig_control.errors import PaigError
from paig_control.viewer.snapshot import Array, Frame


class World:
    """One environment, and what is known of it.

    Args:
        env: a single pixel environment.
        dt: s between its frames, where it does not say so itself.
    """

    def __init__(self, env: gym.Env[Any, Any], dt: float) -> None:
        self.env = guarded(env)
        self.dt: float = self.env.dt or dt
        self.frame: Frame = np.zeros(0, dtype=np.uint8)
        self.state: Array | None = None
        self.first = self.constants

    def reset(self, seed: int) -> None:
        """Begin an episode; constants are again as they were at first."""
        self.frame, info = self.env.reset(seed=seed)
        self.state = info.get("state")

    def step(self, action: NDArray[np.float32]) -> bool:
        """Take a step; whether the episode has ended. A limit of its length is not heeded."""
        self.frame, _, terminated, _, info = self.env.step(action)
        self.state = info.get("state")
        return bool(terminated)

    @property
    def constants(self) -> dict[str, float]:
        """True constants; none where they are not known."""
        return dict(self.env.truth["constants"])

    def changeable(self) -> list[str]:
        """Names of the constants that can be changed: each is set to what it is, and those that refuse are left out."""
        names = []
        for name, value in self.constants.items():
            try:
                self.change(name, value)
            except PaigError:
                continue
            names.append(name)
        return names

    def change(self, name: str, value: float) -> None:
        """Change a constant, from the next step on.

        Raises:
            PaigError: where it cannot be changed.
        """
        change = self._known("change")
        if change is None:
            raise PaigError("The constants of this environment cannot be changed while it runs.")
        change(**{name: value})

    def kick(self, position: Array, velocity: Array, periodic: NDArray[np.bool_]) -> None:
        """Add ``velocity`` ``(D,)`` to that of the object which is nearest to ``position`` ``(D,)``; some are angles.

        Raises:
            PaigError: where states are not known, or are not made of the same coordinates.
        """
        place = self._known("place")
        if place is None or self.state is None or self.state.shape[-1] != len(position):
            raise PaigError("Nothing can be kicked here: the environment does not tell its state.")
        apart = self.state[0] - position
        apart = np.where(periodic, np.remainder(apart + np.pi, 2 * np.pi) - np.pi, apart)
        state = self.state.copy()
        state[1, int(np.square(apart).sum(-1).argmin())] += velocity
        place(state)
        self.state = state

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _known(self, name: str) -> Any:
        return attribute(self.env, name)
