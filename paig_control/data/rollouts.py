"""Running environments side by side and cutting films out of them.

One environment is one lane, a vector environment is many; the rest of the collection sees only lanes. All
lanes begin an episode together, and a lane whose episode ends before its film is full is dropped until the
next beginning, so the frame after an automatic reset is never joined to the frame before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.border.guarding import Guarded, attribute, check_actions, fit
from paig_control.border.opening import find, made, make, ours
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
    """Environments side by side, always with a leading axis of lanes.

    Args:
        worlds: single environments, or a vector environment of ours.
        name: of the environment, for messages.
    """

    def __init__(self, worlds: Sequence[Guarded] | gym.vector.VectorEnv[Any, Any, Any], name: str) -> None:
        self._vector = worlds if isinstance(worlds, gym.vector.VectorEnv) else None
        self._single: Sequence[Guarded] = () if isinstance(worlds, gym.vector.VectorEnv) else worlds
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
        endless: dict[str, Any] = {"max_episode_steps": None, **kwargs}
        mode = "vector_entry_point"
        vector = made(spec.id, kwargs, lambda: gym.make_vec(spec.id, count, vectorization_mode=mode, **endless))
        return cls(vector, spec.id)

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

    def reset(self, seeds: Sequence[int]) -> tuple[NDArray[np.uint8], list[NDArray[np.float64] | None]]:
        """Begin an episode in every lane: frames ``(L, h, w, 3)``, and each lane's state ``(2, N, D)`` if known."""
        if self._vector is not None:
            frames, info = self._vector.reset(seed=list(seeds))  # type: ignore[arg-type]
            return frames, list(info["state"])
        begun = [world.reset(seed=seed) for world, seed in zip(self._single, seeds, strict=True)]
        self._ended[:] = False
        self._frames, self._known = [frame for frame, _ in begun], [info.get("state") for _, info in begun]
        return np.stack(self._frames), list(self._known)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.uint8], list[NDArray[np.float64] | None], NDArray[np.bool_]]:
        """Advance every lane by ``(L, A)``: frames, states, and which episodes ended; those then stand still."""
        if self._vector is not None:
            frames, _, terminated, truncated, info = self._vector.step(actions)
            return frames, list(info["state"]), np.asarray(terminated | truncated, dtype=bool)
        for lane in np.flatnonzero(~self._ended).tolist():
            frame, _, terminated, truncated, info = self._single[lane].step(actions[lane])
            self._frames[lane], self._known[lane] = frame, info.get("state")
            self._ended[lane] = terminated or truncated
        return np.stack(self._frames), list(self._known), self._ended.copy()

    def attribute(self, name: str) -> Any:
        """Attribute of the environment, through its wrappers; ``None`` if it has none."""
        return attribute(self._single[0], name) if self._vector is None else getattr(self._vector.unwrapped, name, None)

    def close(self) -> None:
        """Close the environments."""
        for world in self._single if self._vector is None else (self._vector,):
            world.close()


def sources(seed: int, split: int, first: int = 0) -> Iterator[tuple[int, np.random.SeedSequence]]:
    """Seeds of a split's episodes from a number on: of the start, and of the actions."""
    for number in itertools.count(first):
        start, actions = np.random.SeedSequence(seed, spawn_key=(split, number)).spawn(2)
        yield int(start.generate_state(1)[0] >> 1), actions


def films(
    lanes: Lanes, policy: Policy, length: int, seeds: Iterator[tuple[int, np.random.SeedSequence]]
) -> Iterator[Film | None]:
    """Yield films of exactly ``length`` frames, in the order of their seeds, each from within one episode.

    ``None`` stands for a film that was lost, because its episode ended before.

    Args:
        lanes: to film.
        policy: what acts.
        length: frames of a film.
        seeds: of each episode's start, and of its actions.
    """
    while True:
        starts, own = zip(*(next(seeds) for _ in range(lanes.count)), strict=True)
        frame, state = lanes.reset(list(starts))
        drawn = _draw(lanes, own, length - 1) if policy == "random" else None
        frames, states, actions = [frame], [state], []
        whole = np.ones(lanes.count, dtype=bool)
        for step in range(length - 1):
            action = drawn[:, step] if drawn is not None else _act(policy, lanes, frames, whole)
            sent = fit(action, lanes.space, lanes.count)
            frame, state, ended = lanes.step(sent)
            frames.append(frame)
            states.append(state)
            actions.append(sent.astype(np.float32))
            if step < length - 2:
                whole &= ~ended
            if not whole.any():
                break
        shown, acted = np.stack(frames, axis=1), np.stack(actions, axis=1)
        for lane in range(lanes.count):
            if not whole[lane]:
                yield None
                continue
            known = [one for row in states if (one := row[lane]) is not None]
            yield Film(shown[lane], acted[lane], np.stack(known) if len(known) == length else None)


def unbroken(made: Iterator[Film | None], name: str, length: int) -> Iterator[Film]:
    """Leave out the films that were lost.

    Args:
        made: films, ``None`` for one that was lost.
        name: of the environment.
        length: frames of a film.

    Raises:
        PaigError: after too many of them in a row.
    """
    lost = 0
    for film in made:
        lost = lost + 1 if film is None else 0
        if film is not None:
            yield film
        elif lost >= PATIENCE:
            raise PaigError(
                f"{PATIENCE} episodes of {name} in a row ended before {length} frames were filmed: ask for fewer "
                "steps (and test_steps), or for another policy."
            )


def _draw(lanes: Lanes, sources: Sequence[np.random.SeedSequence], steps: int) -> NDArray[np.float64]:
    """Random actions ``(L, steps, A)``, uniform between the bounds, each lane's from a source of its own."""
    low, high = lanes.space.low.astype(np.float64), lanes.space.high.astype(np.float64)
    part = np.stack([np.random.default_rng(source).random((steps, len(low))) for source in sources])
    return np.asarray(low + (high - low) * part)


def _act(
    policy: Policy, lanes: Lanes, frames: list[NDArray[np.uint8]], whole: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Actions ``(L, A)`` of a policy that draws none: nothing, or what its function says."""
    shape = lanes.space.shape
    chosen = np.zeros((lanes.count, *shape))
    for lane in np.flatnonzero(whole) if callable(policy) else ():
        action = np.asarray(policy(np.stack([frame[lane] for frame in frames])), dtype=np.float64)  # type: ignore[operator]
        if action.shape != shape or not np.isfinite(action).all():
            raise PaigError(f"The policy returned {action!r}: expected finite numbers of shape {shape}.")
        chosen[lane] = action
    return chosen
