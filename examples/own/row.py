"""An environment: three balls in a row on springs, the outer ones tied to posts."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from scipy.integrate import solve_ivp

DT, SIDE = 0.3, 32
BETWEEN, TETHER = (3.0, 7.0), (2.0, 2.0)  # stiffness, length at rest
POSTS = np.array([[5.0, 16.0], [27.0, 16.0]])
COLOURS = np.array([[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.3, 0.4, 1.0]])


def pull(one: np.ndarray, other: np.ndarray, spring: tuple[float, float]) -> np.ndarray:
    """Force of a spring on one end."""
    away = other - one
    length = float(np.hypot(*away))
    return np.asarray(spring[0] * (length - spring[1]) * away / length)


def flow(t: float, state: np.ndarray) -> np.ndarray:
    """What places and velocities (12,) change by, a second."""
    place, velocity = state.reshape(2, 3, 2)
    left, right = pull(place[0], place[1], BETWEEN), pull(place[1], place[2], BETWEEN)
    ends = pull(place[0], POSTS[0], TETHER), pull(place[2], POSTS[1], TETHER)
    return np.concatenate([velocity, np.stack([left + ends[0], right - left, ends[1] - right])]).ravel()


class Row(gym.Env[np.ndarray, np.ndarray]):
    """Swings as it was let go; nothing acts."""

    observation_space = gym.spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
    action_space = gym.spaces.Box(-1.0, 1.0, (0,), np.float32)
    dt = DT

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin somewhere near rest, moving."""
        super().reset(seed=seed)
        place = np.array([[8.0, 16.0], [16.0, 16.0], [24.0, 16.0]]) + self.np_random.uniform(-3, 3, (3, 2))
        self.state = np.concatenate([place, self.np_random.uniform(-4, 4, (3, 2))]).ravel()
        return self.picture(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance by ``DT``."""
        self.state = solve_ivp(flow, (0, DT), self.state, rtol=1e-9, atol=1e-9).y[:, -1]
        return self.picture(), 0.0, False, False, {}

    def picture(self) -> np.ndarray:
        """Draw discs of radius 2 on black, their rims smooth, each over those before it."""
        centre, picture = np.arange(SIDE) + 0.5, np.zeros((SIDE, SIDE, 3))
        for (x, y), colour in zip(self.state[:6].reshape(3, 2), COLOURS, strict=True):
            ink = np.clip(2.5 - np.hypot(centre[None] - x, centre[:, None] - y), 0, 1)[..., None]
            picture = ink * colour + (1 - ink) * picture
        return np.asarray((255 * picture).round().astype(np.uint8))


gym.register("Row-v0", entry_point=Row, max_episode_steps=1000)  # type: ignore[arg-type]
