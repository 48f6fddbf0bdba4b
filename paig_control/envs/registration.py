"""The names under which Gymnasium finds our environments.

Gymnasium has no plug-in entry points, so registration happens when ``paig_control`` is imported; the modules
behind the names are imported only when an environment is made.
"""

from __future__ import annotations

import gymnasium as gym

SCENES = {
    "Pendulum": ("pendulum", 200),
    "BouncingBalls": ("bouncing_balls", 200),
    "Spring": ("spring", 200),
    "SpringHalf": ("spring", 200),
    "DigitSpring": ("digit_spring", 200),
    "ThreeBody": ("three_body", 200),
}
"""Name: module of ``paig_control.envs`` and steps until an episode is truncated."""
GOAL_STEPS = {"Pendulum": 200}
"""Steps of an episode that has a goal of its own, where they are not 40."""


def register_environments() -> None:
    """Register every environment of the library; registering twice does no harm."""
    if "paig/Pixels-v0" in gym.registry:
        return
    gym.register("paig/Pixels-v0", entry_point="paig_control.envs.pixels:Pixels")
    for name, (module, steps) in SCENES.items():
        gym.register(
            f"paig/{name}-v0",
            entry_point=f"paig_control.envs.{module}:{name}Env",
            vector_entry_point=f"paig_control.envs.{module}:{name}VectorEnv",
            max_episode_steps=steps,
        )
        length = GOAL_STEPS.get(name, 40)
        gym.register(
            f"paig_goal/{name}-v0",
            entry_point="paig_control.envs.goal_env:make",
            max_episode_steps=length,
            kwargs={"scene": f"paig_control.envs.{module}:{name}Env", "steps": length},
        )
