"""Running environments side by side and cutting films out of them.

One environment is one lane, a vector environment is many; the rest of the collection sees only lanes. All
lanes begin an episode together, and a lane whose episode ends before its film is full is dropped until the
next beginning, so the frame after an automatic reset is never joined to the frame before it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError

Policy = Literal["random", "zero"] | Callable[[NDArray[np.uint8]], Any]
"""``"random"``, ``"zero"``, or a function of the frames so far ``(t, h, w, 3)`` to an action ``(A,)``."""

SIDE_BY_SIDE = 64
"""Lanes by default where the environment simulates many at once."""
PATIENCE = 50
"""Films in a row that may be lost to early endings before the collection gives up."""


@dataclass(frozen=True)
class Film:
    """One episode's piece.

    Attributes:
        frames: ``(T, h, w, 3)``, uint8.
        actions: ``(T - 1, A)``, float32.
        states: ``(T, 2, N, D)``, float64, if the environment tells them.
    """

    frames: NDArray[np.uint8]
    actions: NDArray[np.float32]
    states: NDArray[np.float64] | None


class Lanes:
    """One environment or a vector of them, always with a leading axis of lanes.

    Args:
        env: the environment.
        count: number of lanes; ``None`` for a single environment.
        name: of the environment, for messages.
    """

    def __init__(self, env: Any, count: int | None, name: str) -> None:
        self.env, self.name, self.count = env, name, count or 1
        self._vector = count is not None
        space = env.single_observation_space if self._vector else env.observation_space
        action = env.single_action_space if self._vector else env.action_space
        if not (isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3):
            raise PaigError(
                f"{name} does not observe images but {space}. Any environment with 'rgb_array' can be filmed "
                f"through 'paig/Pixels-v0' with env_kwargs={{'env_id': {name!r}}}."
            )
        if not isinstance(action, gym.spaces.Box) or len(action.shape) != 1:
            raise PaigError(f"{name} has the action space {action}: expected a Box with one axis.")
        if not action.is_bounded():
            raise PaigError(
                f"{name}'s actions are unbounded ({action}): finite bounds are needed, to draw random "
                "actions and to plan. Wrap it in gymnasium.wrappers.RescaleAction or ClipAction with bounds."
            )
        self.low, self.high = action.low.astype(np.float32), action.high.astype(np.float32)

    @classmethod
    def make(cls, env_id: str, kwargs: Mapping[str, Any], num_envs: int | None, wanted: int) -> Lanes:
        """Make the environment, as a vector where it simulates many at once or ``num_envs`` asks for it.

        Our own vector environments take one seed a lane; of others this cannot be known, so they run in
        Gymnasium's ``sync`` mode, which does.
        """
        if num_envs is not None and (not isinstance(num_envs, int) or isinstance(num_envs, bool) or num_envs < 1):
            raise PaigError(f"num_envs = {num_envs!r}: expected a whole number of environments, at least 1.")
        module, _, env_id = env_id.rpartition(":")
        try:
            if module:
                importlib.import_module(module)
            spec = gym.spec(env_id)
            many = spec.vector_entry_point is not None and spec.namespace == "paig"
            count = num_envs or (min(SIDE_BY_SIDE, wanted) if many else 1)
            if count == 1:
                return cls(gym.make(env_id, **kwargs), None, env_id)
            mode = "vector_entry_point" if many else "sync"
            return cls(gym.make_vec(env_id, count, vectorization_mode=mode, **kwargs), count, env_id)
        except gym.error.Error as error:
            raise PaigError(f"Gymnasium cannot make {env_id!r}: {error}") from error
        except ImportError as error:
            raise PaigError(f"{env_id} needs a package that cannot be imported: {error}") from error
        except TypeError as error:
            raise PaigError(f"{env_id} refuses its arguments {dict(kwargs)}: {error}") from error

    def reset(self, seeds: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
        """Begin an episode in every lane: frames ``(L, h, w, 3)`` and states ``(L, 2, N, D)``."""
        if self._vector:
            frames, info = self.env.reset(seed=seeds)
            return frames, _states(info)
        frame, info = self.env.reset(seed=seeds[0])
        state = _states(info)
        return frame[None], None if state is None else state[None]

    def step(self, actions: NDArray[np.float32]) -> tuple[Any, NDArray[np.float64] | None, NDArray[np.bool_]]:
        """Advance every lane by ``(L, A)``: frames, states, and which episodes ended."""
        if self._vector:
            frames, _, terminated, truncated, info = self.env.step(actions)
            return frames, _states(info), np.asarray(terminated | truncated, dtype=bool)
        frame, _, terminated, truncated, info = self.env.step(actions[0])
        state = _states(info)
        return frame[None], None if state is None else state[None], np.array([terminated or truncated])

    def attribute(self, name: str) -> Any:
        """Attribute of the environment, through its wrappers; ``None`` if it has none."""
        try:
            if not self._vector:
                return self.env.get_wrapper_attr(name)
            if isinstance(self.env, gym.vector.SyncVectorEnv):
                return self.env.get_attr(name)[0]
            return getattr(self.env.unwrapped, name)
        except AttributeError:
            return None

    def close(self) -> None:
        """Close the environments."""
        self.env.close()


def _states(info: Mapping[str, Any]) -> NDArray[np.float64] | None:
    state = info.get("state")
    return None if state is None else np.array(state, dtype=np.float64)


def films(
    lanes: Lanes, policy: Policy, length: int, seeds: Iterator[tuple[int, np.random.SeedSequence]]
) -> Iterator[Film]:
    """Yield films of exactly ``length`` frames, in the order of their seeds, each from within one episode.

    Args:
        lanes: to film.
        policy: what acts.
        length: frames of a film.
        seeds: of each episode's start, and of its actions.
    """
    lost = 0
    while True:
        starts, sources = zip(*(next(seeds) for _ in range(lanes.count)), strict=True)
        frame, state = lanes.reset(list(starts))
        drawn = _draw(lanes, sources, length - 1) if policy == "random" else None
        frames, states, actions = [frame], [state], []
        whole = np.ones(lanes.count, dtype=bool)
        for step in range(length - 1):
            action = drawn[:, step] if drawn is not None else _act(policy, lanes, frames, whole)
            frame, state, ended = lanes.step(action)
            frames.append(frame)
            states.append(state)
            actions.append(action)
            if step < length - 2:
                whole &= ~ended
            if not whole.any():
                break
        shown, acted = np.stack(frames, axis=1), np.stack(actions, axis=1)
        known = [state for state in states if state is not None]
        told = np.stack(known, axis=1) if len(known) == length else None
        for lane in range(lanes.count):
            lost = 0 if whole[lane] else lost + 1
            if whole[lane]:
                yield Film(shown[lane], acted[lane], None if told is None else told[lane])
            elif lost >= PATIENCE:
                raise PaigError(
                    f"{PATIENCE} episodes of {lanes.name} in a row ended before {length} frames were "
                    "filmed: ask for fewer steps (and test_steps), or for another policy."
                )


def _draw(lanes: Lanes, sources: Sequence[np.random.SeedSequence], steps: int) -> NDArray[np.float32]:
    """Random actions ``(L, steps, A)``, uniform between the bounds, each lane's from a source of its own."""
    part = np.stack([np.random.default_rng(source).random((steps, len(lanes.low))) for source in sources])
    low, high = lanes.low.astype(np.float64), lanes.high.astype(np.float64)
    return _bounded(low + (high - low) * part, lanes)


def _act(
    policy: Policy, lanes: Lanes, frames: list[NDArray[np.uint8]], whole: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Actions ``(L, A)`` of a policy that draws none: nothing, or what its function says, inside the bounds."""
    chosen = np.zeros((lanes.count, len(lanes.low)))
    for lane in np.flatnonzero(whole) if callable(policy) else ():
        action = np.asarray(policy(np.stack([frame[lane] for frame in frames])), dtype=np.float64)  # type: ignore[operator]
        if action.shape != lanes.low.shape or not np.isfinite(action).all():
            raise PaigError(f"The policy returned {action!r}: expected finite numbers of shape {lanes.low.shape}.")
        chosen[lane] = action
    return _bounded(chosen, lanes)


def _bounded(actions: NDArray[np.float64], lanes: Lanes) -> NDArray[np.float32]:
    return np.clip(actions.astype(np.float32), lanes.low, lanes.high)
