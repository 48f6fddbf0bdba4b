"""Goal-conditioned reinforcement learning on the same scenes: dictionary observations as in gymnasium-robotics.

``observation``, ``achieved_goal`` and ``desired_goal`` stand side by side, and ``compute_reward(achieved, desired,
info)`` gives the reward of any pair of goals, so that a library can relabel what it has played (hindsight experience
replay: Andrychowicz et al. 2017). With ``observation="state"`` or ``goal="state"`` a learner is handed the truth,
which is right for a baseline that learns from true states and for nothing else; ``"image"`` shows pixels only.

A goal is drawn for every episode as in :mod:`~paig_control.envs.goal_sampling`, by default from the stream for
training, which shares nothing with the goals that ``paig-control control goals=...`` measures on.
"""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks, goal_sampling
from paig_control.envs.base import PixelEnv
from paig_control.envs.checks import Array
from paig_control.errors import PaigError

VIEWS = ("state", "image")
REWARDS = ("sparse", "dense")


class GoalEnv(gym.Wrapper[dict[str, Any], Any, Any, Any]):
    """A pixel environment whose episodes each have a goal of their own.

    States are laid out as all positions, then all velocities; goals are positions alone. An angle is given as its
    cosine and its sine, which have no jump. Images are ``(h, w, 3)``, uint8.

    Rewards, of the state after the step: ``sparse`` is 0 at the goal, nearer than ``within`` in every coordinate, and
    else -1; ``dense`` is minus the distance, px or rad; for goals as images it is minus the squared error of images in
    [0, 1], summed over pixels and colours, PAIG's loss, and ``sparse`` is refused, as images at a distance do not tell
    it. ``info["success"]`` is being at the goal by the truth, whatever is observed.

    Args:
        env: whose states are known.
        observation: ``"image"`` or ``"state"``.
        goal: ``"state"`` or ``"image"``.
        reward: ``"sparse"`` or ``"dense"``; ``None`` takes ``"sparse"``, and ``"dense"`` for goals as images.
        steps: of the random play that a goal is reached by, as long as an episode should be.
        distance: least distance between start and goal; ``None`` takes the environment's.
        within: how near is at the goal; ``None`` takes the environment's.
        split: ``"train"``, or ``"test"`` for the goals of an evaluation.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        observation: str = "image",
        goal: str = "state",
        reward: str | None = None,
        steps: int = 40,
        distance: float | None = None,
        within: float | None = None,
        split: str = "train",
    ) -> None:
        super().__init__(env)
        inner = env.unwrapped
        if not isinstance(inner, PixelEnv) or inner.goal_state is None:
            raise PaigError(f"{inner} has no goals: expected an environment of this library whose states are known.")
        self._inner, self._shape = inner, inner.goal_state.shape[1:]
        self.observes = _one_of("observation", observation, VIEWS)
        self.aims = _one_of("goal", goal, VIEWS)
        self.reward = _one_of("reward", reward or ("dense" if goal == "image" else "sparse"), REWARDS)
        if (self.aims, self.reward) == ("image", "sparse"):
            raise PaigError("reward = 'sparse' with goal = 'image': expected reward='dense', or goal='state'.")
        self.split = _one_of("split", split, goal_sampling.SPLITS)
        self.steps = checks.whole("steps", steps, example=40)
        self.distance = inner.tolerance.distance if distance is None else checks.number("distance", distance, low=0.0)
        self.within = inner.tolerance.within if within is None else checks.number("within", within, low=0.0)
        places = int(np.prod(self._shape)) * (2 if inner.tolerance.angular else 1)
        sizes = {"state": places + int(np.prod(self._shape)), "goal": places}
        image = env.observation_space
        self.observation_space = gym.spaces.Dict(
            {
                "observation": image if self.observes == "image" else _numbers(sizes["state"]),
                "achieved_goal": image if self.aims == "image" else _numbers(sizes["goal"]),
                "desired_goal": image if self.aims == "image" else _numbers(sizes["goal"]),
            }
        )
        self._desired: NDArray[Any] = np.zeros(0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode with a goal of its own; ``options`` may hold a ``state`` and a ``goal``, ``(2, N, D)``."""
        frame, info = self.env.reset(seed=seed, options=options)
        if "goal" not in (options or {}):
            number = int(self._inner.np_random.integers(2**31))
            drawn = self._inner.sample_goals(info["state"][None], [number], self.steps, self.distance, self.split)
            self._inner.set_goal(drawn.states[0])
        goal = np.asarray(self._inner.goal_state)
        self._desired = self._inner.draw(goal) if self.aims == "image" else self._places(goal)
        return self._observe(frame, info), self._told(info)

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Advance by one action; the reward is that of :meth:`compute_reward`."""
        frame, _, terminated, truncated, info = self.env.step(action)
        seen, told = self._observe(frame, info), self._told(info)
        reward = self.compute_reward(seen["achieved_goal"], seen["desired_goal"], told)
        return seen, float(reward), terminated, truncated, told

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """Reward ``(*B)`` of being at goals ``(*B, ...)`` where others were wanted; ``info`` is not looked at."""
        if self.aims == "image":
            error = np.asarray(achieved_goal, np.float64) / 255 - np.asarray(desired_goal, np.float64) / 255
            return -np.square(error).sum((-3, -2, -1))
        apart = self._apart(np.asarray(achieved_goal, np.float64), np.asarray(desired_goal, np.float64))
        return -apart if self.reward == "dense" else -(apart >= self.within).astype(np.float64)

    def _apart(self, one: Array, other: Array) -> Array:
        """Largest distance of any coordinate ``(*B)`` between goals ``(*B, n)``."""
        if self._inner.tolerance.angular:
            half = one.shape[-1] // 2
            turns = [np.arctan2(goal[..., half:], goal[..., :half]) for goal in (one, other)]
            offset = np.remainder(turns[0] - turns[1] + np.pi, 2 * np.pi) - np.pi
        else:
            offset = one - other
        return np.asarray(np.abs(offset).max(-1))

    def _places(self, state: Array) -> Array:
        """Positions ``(n,)`` of a state ``(2, N, D)``; cosines and sines of angles."""
        place = state[0].ravel()
        return np.concatenate([np.cos(place), np.sin(place)]) if self._inner.tolerance.angular else place.copy()

    def _observe(self, frame: Any, info: dict[str, Any]) -> dict[str, Any]:
        state = info["state"]
        return {
            "observation": frame
            if self.observes == "image"
            else np.concatenate([self._places(state), state[1].ravel()]),
            "achieved_goal": frame.copy() if self.aims == "image" else self._places(state),
            "desired_goal": self._desired.copy(),
        }

    def _told(self, info: dict[str, Any]) -> dict[str, Any]:
        """What the environment tells, of this goal."""
        goal = np.asarray(self._inner.goal_state)
        apart = self._inner.tolerance.apart(info["state"], goal)
        told = {key: value for key, value in info.items() if key != "goal"}
        return told | {"goal_state": goal.copy(), "success": bool(apart < self.within)}


def make(scene: str, render_mode: str | None = None, **arguments: Any) -> GoalEnv:
    """Make the goal environment of a scene ``module:class``; arguments are :class:`GoalEnv`'s and the scene's."""
    module, _, name = scene.partition(":")
    own = {key: arguments.pop(key) for key in list(arguments) if key in OPTIONS}
    env = getattr(importlib.import_module(module), name)(render_mode=render_mode, **arguments)
    return GoalEnv(env, **own)


OPTIONS = ("observation", "goal", "reward", "steps", "distance", "within", "split")
"""Arguments of :class:`GoalEnv`; all others are the scene's."""


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise PaigError(f"{name} = {value!r}: expected {' or '.join(repr(one) for one in known)}.")
    return str(value)


def _numbers(count: int) -> gym.spaces.Box:
    return gym.spaces.Box(-np.inf, np.inf, (count,), np.float64)
