"""Environments side by side: many single ones, or one vector of ours that simulates and paints all at once.

One environment is one lane, a vector environment is many; whoever films or plays sees only lanes. The scenes of ours
are the same bit for bit either way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit
from numpy.typing import NDArray

from paig_control.border.guarding import Guarded, attribute, check_actions, guarded, layers
from paig_control.border.opening import find, made, make, ours
from paig_control.errors import PaigError

SIDE_BY_SIDE = 64
"""Lanes by default where the environment simulates many at once."""
TRANSPARENT = {Guarded, TimeLimit, OrderEnforcing, PassiveEnvChecker}
"""Layers that leave everything as it is, but for the end of an episode."""
Vector = gym.vector.VectorEnv[Any, Any, Any]
States = list[NDArray[np.float64] | None]
"""Each lane's state ``(2, N, D)``, if it is known."""


class Lanes:
    """Environments side by side, always with a leading axis of lanes.

    Episodes begin together, in as many lanes as there are seeds, ``L``: the others wait.

    Args:
        worlds: single environments, or a vector environment of ours.
        name: of the environment, for messages.
    """

    def __init__(self, worlds: Sequence[Guarded] | Vector, name: str) -> None:
        self._vector = worlds if isinstance(worlds, gym.vector.VectorEnv) else None
        self._single: Sequence[Guarded] = () if isinstance(worlds, gym.vector.VectorEnv) else worlds
        self._all: list[Guarded | Vector] = [*self._single] if self._vector is None else [self._vector]
        self.name = name
        space = self._single[0].action_space if self._vector is None else self._vector.single_action_space
        self.count = len(self._single) if self._vector is None else self._vector.num_envs
        self.space = check_actions(space, name)
        self.time_limit = self._single[0].time_limit if self._vector is None else None
        self._ended = np.zeros(self.count, dtype=bool)
        self._frames: list[NDArray[np.uint8]] = []
        self._known: list[NDArray[np.float64] | None] = []

    @classmethod
    def make(cls, env_id: str, kwargs: Mapping[str, Any], num_envs: int | None, wanted: int) -> Lanes:
        """Make the environment; as a vector where it is one of ours, which simulate many at once."""
        if num_envs is not None and (not isinstance(num_envs, int) or isinstance(num_envs, bool) or num_envs < 1):
            raise PaigError(f"num_envs = {num_envs!r}: expected a whole number of environments, at least 1.")
        spec = find(env_id)
        count = num_envs or (min(SIDE_BY_SIDE, wanted) if ours(spec) else 1)
        if count == 1 or not ours(spec):
            return cls([make(env_id, kwargs) for _ in range(count)], spec.id)
        return cls(_vector(spec, count, kwargs), spec.id)

    @classmethod
    def beside(cls, env: gym.Env[Any, Any], another: Callable[[], gym.Env[Any, Any]], count: int) -> Lanes:
        """The environment among others like it, which all close with it; as a vector where that makes no difference.

        Args:
            env: single; a vector is made beside it.
            another: makes one more.
            count: of lanes.
        """
        world = guarded(env)
        spec = _scene(world)
        if count == 1 or spec is None:
            return cls([world, *(guarded(another()) for _ in range(count - 1))], world.name)
        lanes = cls(_vector(spec, count, {**spec.kwargs, "max_episode_steps": world.time_limit}), world.name)
        lanes._all.append(world)
        return lanes

    def check_length(self, length: int) -> None:
        """Refuse films of so many frames where episodes are cut off before.

        Raises:
            PaigError: if they are.
        """
        if self.time_limit is not None and self.time_limit < length - 1:
            inner = "env_kwargs.max_episode_steps" if self.attribute("env_id") else "max_episode_steps"
            raise PaigError(
                f"Films of {length} frames cannot be made: {self.name}'s episodes are cut off after {self.time_limit} "
                f"steps. Ask for fewer steps (and test_steps), or raise the limit, {inner} = {length} among the "
                "environment's arguments."
            )

    def paint(self, wanted: bool) -> None:
        """Switch the painting of our own environments on or off; off, their frames are black."""
        for world in self._all:
            if hasattr(world.unwrapped, "painted"):
                world.unwrapped.painted = wanted

    def reset(self, seeds: Sequence[int], goals: NDArray[np.float64] | None = None) -> tuple[NDArray[np.uint8], States]:
        """Begin an episode a seed, with goals ``(L, 2, N, D)`` or the default one: frames ``(L, h, w, 3)``, states."""
        begun = len(seeds)
        if self._vector is not None:
            options = None if goals is None else {"goal": self._filled(goals)}
            every = [*seeds, *[seeds[0]] * (self.count - begun)]
            frames, info = self._vector.reset(seed=every, options=options)  # type: ignore[arg-type]
            return frames[:begun], list(info["state"][:begun])
        given = [None] * begun if goals is None else [{"goal": goal} for goal in goals]
        both = zip(self._single[:begun], seeds, given, strict=True)
        found = [world.reset(seed=seed, options=one) for world, seed, one in both]
        self._ended = np.zeros(begun, dtype=bool)
        self._frames, self._known = [frame for frame, _ in found], [info.get("state") for _, info in found]
        return np.stack(self._frames), list(self._known)

    def step(self, actions: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float64], States, NDArray[np.bool_]]:
        """Advance by actions ``(L, A)``: frames, rewards, states, and which episodes ended.

        Those then stand still, with reward 0; in a vector all end at once, and are to be begun anew.
        """
        begun = len(actions)
        if self._vector is not None:
            frames, rewards, terminated, truncated, info = self._vector.step(self._filled(actions))
            ended = np.asarray(terminated | truncated, dtype=bool)
            return frames[:begun], rewards[:begun], list(info["state"][:begun]), ended[:begun]
        rewards = np.zeros(begun)
        for lane in np.flatnonzero(~self._ended).tolist():
            frame, rewards[lane], terminated, truncated, info = self._single[lane].step(actions[lane])
            self._frames[lane], self._known[lane] = frame, info.get("state")
            self._ended[lane] = terminated or truncated
        return np.stack(self._frames), rewards, list(self._known), self._ended.copy()

    def _filled(self, rows: NDArray[Any]) -> NDArray[Any]:
        """A row for every lane; those that wait do as the first."""
        return np.concatenate([rows, np.repeat(rows[:1], self.count - len(rows), axis=0)])

    def attribute(self, name: str) -> Any:
        """Attribute of the environment, through its wrappers; ``None`` if it has none."""
        return attribute(self._single[0], name) if self._vector is None else getattr(self._vector.unwrapped, name, None)

    def close(self) -> None:
        """Close the environments."""
        for world in self._all:
            world.close()


def starts(env: gym.Env[Any, Any], seeds: Sequence[int]) -> States:
    """The states in which episodes begin, by their seeds; the environment may be left in the last of them."""
    world = guarded(env)
    spec = _scene(world)
    if spec is None:
        return [world.reset(seed=seed)[1].get("state") for seed in seeds]
    lanes = Lanes(_vector(spec, len(seeds), spec.kwargs), world.name)
    lanes.paint(False)
    _, states = lanes.reset(seeds)
    lanes.close()
    return states


def _scene(world: Guarded) -> EnvSpec | None:
    """What makes a scene of ours that nothing but Gymnasium's own layers surround, and nobody watches."""
    *around, inner = layers(world)
    spec = inner.spec
    if spec is None or not ours(spec) or inner.render_mode is not None:
        return None
    return spec if {type(layer) for layer in around} <= TRANSPARENT else None


def _vector(spec: EnvSpec, count: int, kwargs: Mapping[str, Any]) -> Vector:
    """Make so many of a scene; its episodes last as long as they are wanted, unless the arguments say otherwise."""
    endless: dict[str, Any] = {"max_episode_steps": None, **kwargs}
    mode = "vector_entry_point"
    return made(spec.id, kwargs, lambda: gym.make_vec(spec.id, count, vectorization_mode=mode, **endless))
