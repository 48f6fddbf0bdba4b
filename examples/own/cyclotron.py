"""An environment: a charged ball in a magnetic field goes round in circles, and is pushed about."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

DT, FIELD, SIDE = 0.2, 1.5, 32


class Cyclotron(gym.Env[np.ndarray, np.ndarray]):
    """Acceleration is FIELD times the velocity turned by a right angle, and the push."""

    observation_space = gym.spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
    action_space = gym.spaces.Box(-3.0, 3.0, (2,), np.float32)
    dt = DT

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin near the middle, moving."""
        super().reset(seed=seed)
        self.place, self.velocity = SIDE / 2 + self.np_random.uniform(-4, 4, 2), self.np_random.uniform(-6, 6, 2)
        return self.picture(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance exactly: in a frame that drifts with the push, the ball goes round a circle."""
        turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
        drift = turn @ action / FIELD
        about = self.place - turn.T @ (self.velocity - drift) / FIELD
        cos, sin = np.cos(FIELD * DT), np.sin(FIELD * DT)
        self.velocity = (cos * np.eye(2) + sin * turn) @ (self.velocity - drift) + drift
        self.place = about + turn.T @ (self.velocity - drift) / FIELD + drift * DT
        return self.picture(), 0.0, False, False, {}

    def picture(self) -> np.ndarray:
        """Draw a green disc of radius 2 on black, its rim smooth."""
        centre = np.arange(SIDE) + 0.5
        ink = np.clip(2.5 - np.hypot(centre[None] - self.place[0], centre[:, None] - self.place[1]), 0, 1)
        return np.asarray((255 * ink[..., None] * [0.2, 1.0, 0.3]).round().astype(np.uint8))


gym.register("Cyclotron-v0", entry_point=Cyclotron, max_episode_steps=1000)  # type: ignore[arg-type]
