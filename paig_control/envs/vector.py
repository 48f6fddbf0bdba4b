"""The vector shell: many episodes of a scene simulated and painted at once.

It behaves as Gymnasium's ``SyncVectorEnv`` of the single environments, episode for episode and bit for bit:
one generator an environment, seeds ``seed + i`` or one given for each, and automatic reset in the step after
an episode ended (``AutoresetMode.NEXT_STEP``; that step ignores its action and has reward 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from paig_control import seeds
from paig_control.envs import checks
from paig_control.envs.base import Image
from paig_control.envs.checks import Array
from paig_control.envs.scene import Scene, SceneWorld, build
from paig_control.errors import PaigError

Step = tuple[Image, Array, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class SceneVectorEnv(SceneWorld, VectorEnv[Image, Array, Any]):
    """Vector environment of a scene; further arguments are the scene's.

    ``reset(seed=...)`` takes one seed or one for each environment; ``options`` may hold a ``state`` and a
    ``goal``, each ``(2, N, D)`` for all or ``(num_envs, 2, N, D)``.

    Args:
        num_envs: number of episodes side by side.
        max_episode_steps: an episode is truncated after so many steps; ``None`` for never.
        render_mode: ``None`` or ``"rgb_array"``.
        autoreset_mode: only ``AutoresetMode.NEXT_STEP``.
        **arguments: of the scene.
    """

    kind: ClassVar[type[Scene]]
    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": 20,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    painted: bool = True
    """False leaves the images black, as in the single environments."""

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **arguments: Any,
    ) -> None:
        if autoreset_mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.NEXT_STEP.value):
            raise PaigError(f"autoreset_mode = {autoreset_mode}: only AutoresetMode.NEXT_STEP is supported.")
        if render_mode not in (None, "rgb_array"):
            raise PaigError(
                f"render_mode = {render_mode!r}: a vector has None or 'rgb_array'; watch a single "
                "environment with gym.make(id, render_mode='human')."
            )
        self.num_envs = checks.whole("num_envs", num_envs)
        self.render_mode = render_mode
        self.scene = build(self.kind, arguments)
        self._limit = max_episode_steps
        self.single_observation_space = gym.spaces.Box(0, 255, (*self.scene.size, 3), np.uint8)
        self.single_action_space = self.scene.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        shape = (self.num_envs, *self.scene.goal_state.shape)
        self._state: Array = np.zeros(shape)
        self._default: Array = np.broadcast_to(self.scene.goal_state, shape)
        self._goal = self._default
        self._goal_image: Image = np.zeros((self.num_envs, *self.scene.size, 3), dtype=np.uint8)
        self._image: Image | None = None
        self._steps = np.zeros(self.num_envs, dtype=int)
        self._ended = np.zeros(self.num_envs, dtype=bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Image, dict[str, Any]]:
        """Begin an episode in every environment."""
        for index, one in enumerate(self._seeds(seed)):
            if one is not None or self._generators[index] is None:
                self._generators[index] = gym.utils.seeding.np_random(one)[0]
        given = checks.options(options)
        everywhere = np.ones(self.num_envs, dtype=bool)
        self._begin(everywhere, self._spread("options['state']", given["state"]) if "state" in given else None)
        self._set_goal(everywhere, self._spread("options['goal']", given["goal"]) if "goal" in given else None)
        return self._observe(), self._info()

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if not isinstance(seed, Sequence) and not np.ndim(seed):
            first = seeds.whole(seed)
            return [seeds.whole(first + index) for index in range(self.num_envs)]
        seed = list(seed)  # type: ignore[arg-type]
        if len(seed) != self.num_envs:
            raise PaigError(f"reset got {len(seed)} seeds for {self.num_envs} environments: give one for each.")
        return [None if one is None else seeds.whole(one) for one in seed]

    def _spread(self, name: str, value: Any) -> Array:
        """Return states ``(num_envs, 2, N, D)`` from one for all or one for each."""
        if np.ndim(value) == 4:
            if len(value) != self.num_envs:
                raise PaigError(f"{name} has {len(value)} states for {self.num_envs} environments.")
            return np.stack([self.scene.check_state(name, one) for one in value])
        return np.repeat(self.scene.check_state(name, value)[None], self.num_envs, axis=0)

    def _begin(self, which: NDArray[np.bool_], state: Array | None = None) -> None:
        """Begin an episode in some of the environments, from drawn starts where no ``state`` is given."""
        if state is None:
            generators = [self._generators[index] for index in np.flatnonzero(which)]
            state = self.scene.initials([one for one in generators if one is not None])
        self._state[which] = state
        self._steps[which] = 0
        self._ended[which] = False

    def _set_goal(self, which: NDArray[np.bool_], goal: Array | None) -> None:
        """Give some of the environments a goal, the default one if none is given."""
        wanted = self._default if goal is None else goal
        self._goal = np.where(which[:, None, None, None], wanted, self._goal)
        shared = bool((wanted == wanted[0]).all())
        images = self.scene.paint(wanted[:1] if shared else wanted)
        self._goal_image = np.where(which[:, None, None, None], images, self._goal_image)

    def step(self, actions: Any) -> Step:
        """Advance every environment by its action; those that had ended begin anew instead."""
        if self._image is None:
            raise PaigError("step was called before reset: begin with envs.reset(seed=0).")
        anew = self._ended.copy()
        before, clipped = self._state, self.scene.clip(actions, (self.num_envs,))
        self._state = self.scene.transition(before, clipped)
        reward = np.asarray(self.scene.reward(before, clipped, self._state, self._goal), dtype=np.float64)
        self._steps += 1
        if anew.any():
            self._begin(anew)
            self._set_goal(anew, None)
            reward[anew] = 0.0
        truncated = np.zeros(self.num_envs, dtype=bool) if self._limit is None else self._steps >= self._limit
        self._ended = truncated.copy()
        return self._observe(), reward, np.zeros(self.num_envs, dtype=bool), truncated, self._info()

    def _observe(self) -> Image:
        """Images of the running episodes."""
        self._image = self.scene.paint(self._state) if self.painted else np.zeros_like(self._goal_image)
        return self._image.copy()

    def _info(self) -> dict[str, Any]:
        """Build the arrays of all environments, each with Gymnasium's mask of who has it."""
        info: dict[str, Any] = {
            "state": self._state.copy(),
            "goal": self._goal_image.copy(),
            "goal_state": self._goal.copy(),
            "success": self.scene.tolerance.reached(self._state, self._goal),
        }
        return info | {f"_{name}": np.ones(self.num_envs, dtype=bool) for name in info}

    def render(self) -> tuple[Image, ...] | None:
        """Return the present images."""
        return None if self.render_mode is None or self._image is None else tuple(self._image.copy())
