"""A world of your own and a law of your own: film it, learn its constants, from pixels.

Any Gymnasium environment that observes uint8 images and takes a bounded Box of actions can be filmed.
Run ``python examples/own_world.py``.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from torch import Tensor

import paig_control as paig
from paig_control.learning import RecipeSettings, Run
from paig_control.physics import Constant, Force, Mechanism, Motion, Push

DT, MIDDLE = 0.2, 12.0


# [world]
class Tethered(gym.Env[np.ndarray, np.ndarray]):
    """A puck on a rubber band: drawn to the middle the harder the farther it is (third power), and pushed."""

    observation_space = gym.spaces.Box(0, 255, (24, 24, 3), np.uint8)
    action_space = gym.spaces.Box(-3.0, 3.0, (2,), np.float32)
    dt = DT

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin somewhere, moving."""
        super().reset(seed=seed)
        self.place = MIDDLE + self.np_random.uniform(-5, 5, 2)
        self.velocity = self.np_random.uniform(-4, 4, 2)
        return self.picture(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance by ``DT``, in twenty small parts."""
        for _ in range(20):
            away = self.place - MIDDLE
            self.velocity = self.velocity + DT / 20 * (action - 0.05 * away**3)
            self.place = self.place + DT / 20 * self.velocity
        return self.picture(), 0.0, False, False, {}

    def picture(self) -> np.ndarray:
        """Draw an orange disc of radius 2 on grey, its rim smooth."""
        centre = np.arange(24) + 0.5
        apart = np.hypot(centre[None] - self.place[0], centre[:, None] - self.place[1])
        ink = np.clip(2.5 - apart, 0, 1)[..., None]
        colours: np.ndarray = ink * [1.0, 0.5, 0.0] + (1 - ink) * [0.2, 0.2, 0.2]
        return (255 * colours).round().astype(np.uint8)


# [law]
class Band(Force):
    """The law, up to its constant: drawn to the middle by stiffness times the distance's third power."""

    constants = (Constant("stiffness", "1/(px² s²)"),)

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Force ``(*B, N, 2)`` on the bodies."""
        return -self.value("stiffness") * (motion.place - MIDDLE) ** 3


# [learn]
def learn(sequences: int = 48, recipe: RecipeSettings | None = None) -> Run:
    """Film random play and learn."""
    gym.register("Tethered-v0", entry_point=Tethered, max_episode_steps=200)  # type: ignore[arg-type]
    films = paig.collect("Tethered-v0", sequences=sequences, steps=16, seed=0, valid=0, test=4)
    return paig.train(films.split("train"), Mechanism(DT, 1, {"band": Band(), "push": Push()}), recipe=recipe, seed=0)


# [end]
if __name__ == "__main__":
    for name, found in learn().constants.items():
        print(f"{name}: {found}")
