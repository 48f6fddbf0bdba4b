"""Goals that can be reached: where random smooth actions take a start, as the world itself draws them.

A candidate is the state at the end of an episode of piecewise-linear random actions, whose strength is uniform in its
logarithm: strong ones throw bodies out of the picture, weak ones hardly change where they drift. It is refused where
something that moves is not wholly inside the picture or hides another, where it lies too near the start, and where it
cannot be held. As many actions as coordinates can hold things still, so there a goal is the place reached, at rest, if
the forces of the world leave a tenth of the action's range to correct with. With fewer actions hardly any place can be
held (two balls on a spring, one of them pushed, rest at one distance only), and a goal is the moving state reached, to
be passed through.

Goals for training and for testing come from separate streams of random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.border.action_set import rows_of
from paig_control.envs.checks import Array
from paig_control.errors import PaigError
from paig_control.seeds import whole

SPLITS = ("train", "test")
STRIDE, DECADES = 4, 3.0
"""Of random actions: steps, at least, between control points, and powers of ten over which their strength varies."""
RESERVE = 0.1
"""Part of the action's range that holding a goal must leave for correcting."""
STILL = 1e-3
"""What is held drifts in a step by less than this part of the least distance between start and goal."""
BLOCK, BLOCKS = 4, 512
"""Candidates drawn at a time for a start, and how often, before it is said to have none."""
OUTSIDE, NEAR, LOOSE = "not wholly visible", "too near the start", "cannot be held"


@dataclass(frozen=True)
class Tolerance:
    """How near the goal counts as success, in every coordinate.

    Attributes:
        position: largest distance, pixels or radians, exclusive.
        velocity: largest difference of velocity, per second, exclusive.
        angular: whether positions are angles, equal modulo 2 pi.
        distance: least distance, in the coordinate that differs most, between a start and a goal drawn for it.
        within: at a drawn goal is what is nearer to it than this in every coordinate.
    """

    position: float = float(np.deg2rad(15.0))
    velocity: float = 1.0
    angular: bool = True
    distance: float = 0.3
    within: float = 0.15

    def reached(self, state: Array, goal: Array) -> NDArray[np.bool_]:
        """Success ``(*B)`` of states ``(*B, 2, N, D)`` against goals of the same or a broadcastable shape."""
        velocity = state[..., 1, :, :] - goal[..., 1, :, :]
        return np.asarray((self.apart(state, goal) < self.position) & (np.abs(velocity).max((-2, -1)) < self.velocity))

    def apart(self, state: Array, goal: Array) -> Array:
        """Largest distance of any coordinate ``(*B)`` of states ``(*B, 2, N, D)`` from goals that broadcast to them."""
        offset = state[..., 0, :, :] - goal[..., 0, :, :]
        if self.angular:
            offset = np.remainder(offset + np.pi, 2 * np.pi) - np.pi
        return np.asarray(np.abs(offset).max((-2, -1)))


class World(Protocol):
    """What drawing goals needs of an environment."""

    action_space: gym.spaces.Space[Any]

    @property
    def tolerance(self) -> Tolerance:
        """What counts as near, and as far."""
        ...

    def simulate(self, states: Array, actions: Array) -> Array:
        """States ``(B, 2, N, D)`` at the end of actions ``(B, T, A)``."""
        ...

    def visible(self, states: Array) -> NDArray[np.bool_]:
        """Whether everything in states ``(B, 2, N, D)`` can be seen: ``(B,)``."""
        ...

    def draw(self, state: Any) -> NDArray[np.uint8]:
        """Paint a state ``(2, N, D)``."""
        ...


@dataclass(frozen=True)
class Reached:
    """Goals, one for each start.

    Attributes:
        states: ``(B, 2, N, D)``.
        pictures: ``(B, h, w, 3)``, uint8.
        held: whether the goals are at rest and can be held.
        distance: least distance between start and goal that was asked for, px or rad.
        within: how near counts as being at the goal, px or rad.
        drawn: candidates looked at, over all starts.
        refused: how many of them were refused, by reason.
    """

    states: Array
    pictures: NDArray[np.uint8]
    held: bool
    distance: float
    within: float
    drawn: int
    refused: dict[str, int]


def smooth_actions(rng: np.random.Generator, count: int, steps: int, low: Array, high: Array) -> Array:
    """Random actions ``(count, steps, A)`` within the bounds ``(A,)``, linear in time between knots."""
    knots = rng.integers(2, max(2, steps // STRIDE) + 1, count)
    values = rng.uniform(-1.0, 1.0, (count, int(knots.max()), len(low)))
    values = values * 10.0 ** -rng.uniform(0.0, DECADES, (count, 1, 1))
    place = np.linspace(0.0, knots - 1.0, steps).T
    left = np.minimum(place.astype(int), knots[:, None] - 2)
    share, row = (place - left)[..., None], np.arange(count)[:, None]
    between = (1.0 - share) * values[row, left] + share * values[row, left + 1]
    return np.asarray((low + high) / 2 + (high - low) / 2 * between)


def bounds(world: World) -> tuple[Array, Array]:
    """Lowest and highest action ``(A,)``."""
    space = world.action_space
    assert isinstance(space, gym.spaces.Box)
    return space.low.astype(np.float64), space.high.astype(np.float64)


def holdable(world: World, states: Array, drift: float) -> NDArray[np.bool_]:
    """Whether a constant action, with something in reserve, keeps states at rest ``(B, 2, N, D)`` where they are.

    The action is found by Newton's method on the velocity after one step, its derivative by differences.

    Args:
        world: that the states belong to.
        states: at rest.
        drift: the most that anything may move, or be about to move, in a step.
    """
    low, high = bounds(world)
    middle, half = (low + high) / 2, (high - low) / 2
    count, size = len(states), len(low)

    def after(actions: Array) -> Array:
        return world.simulate(states, actions[:, None])

    def speed(actions: Array) -> Array:
        return np.asarray(after(actions)[:, 1].reshape(count, -1))

    action = np.broadcast_to(middle, (count, size)).copy()
    now = speed(action)
    nudges = 0.1 * np.diag(half)
    slope = np.stack([(speed(action + nudge) - now) / (nudge.sum() or 1.0) for nudge in nudges], axis=-1)
    inverse = np.linalg.pinv(slope)
    for _ in range(4):
        action = action - (inverse @ now[..., None])[..., 0]
        now = speed(action)
    end = after(action)
    step = np.abs(end[:, 0] - states[:, 0]).reshape(count, -1).max(1)
    about = np.abs(end[:, 1]).reshape(count, -1).max(1) * (step_time(world) or 1.0)
    possible = (np.abs(action - middle) <= (1.0 - RESERVE) * half).all(1)
    return np.asarray(possible & (step < drift) & (about < drift))


def step_time(world: World) -> float | None:
    """Seconds between frames, if the world says it."""
    value = getattr(world, "dt", None)
    return None if value is None else float(value)


def generators(seeds: Sequence[int], split: str) -> list[np.random.Generator]:
    """Generators of the goals of episodes, by their seeds; those of another split share nothing with them."""
    if split not in SPLITS:
        raise PaigError(f"split = {split!r}: expected {' or '.join(map(repr, SPLITS))}.")
    stream = SPLITS.index(split)
    return [
        np.random.default_rng(np.random.SeedSequence([whole(seed), stream], spawn_key=(len(SPLITS),))) for seed in seeds
    ]


def reach(
    world: World, starts: Array, rngs: Sequence[np.random.Generator], steps: int, distance: float | None = None
) -> Reached:
    """Draw a goal for each start ``(B, 2, N, D)``, from its own generator.

    Args:
        world: that the starts belong to.
        starts: of the episodes.
        rngs: one for each start.
        steps: of an episode.
        distance: the least between start and goal, in the coordinate that differs most; None takes the world's.

    Raises:
        PaigError: for a start from which no goal is found in many tries.
    """
    if steps < 1:
        raise PaigError(f"steps = {steps}: expected an episode of at least 1 step, to reach a goal in.")
    distance = world.tolerance.distance if distance is None else distance
    if not (np.isfinite(distance) and distance > 0):
        raise PaigError(f"distance = {distance}: expected a positive distance between start and goal.")
    low, high = bounds(world)
    held = len(low) >= int(np.prod(starts.shape[2:])) and rows_of(world.action_space) is None
    goals, waiting = np.zeros_like(starts), np.arange(len(starts))
    reasons: list[str] = []
    for _ in range(BLOCKS):
        if not len(waiting):
            break
        actions = np.concatenate([smooth_actions(rngs[int(i)], BLOCK, steps, low, high) for i in waiting])
        begun = np.repeat(starts[waiting], BLOCK, axis=0)
        ends = world.simulate(begun, actions)
        if held:
            ends[:, 1] = 0.0
        why = np.full(len(ends), "", dtype=object)
        why[~world.visible(ends)] = OUTSIDE
        why[(why == "") & (world.tolerance.apart(ends, begun) < distance)] = NEAR
        fine = np.flatnonzero(why == "")
        if held and len(fine):
            why[fine[~holdable(world, ends[fine], STILL * distance)]] = LOOSE
        lucky = np.zeros(len(waiting), dtype=bool)
        for row, (start, said) in enumerate(zip(waiting, why.reshape(-1, BLOCK), strict=True)):
            good = np.flatnonzero(said == "")
            lucky[row] = bool(len(good))
            if lucky[row]:
                goals[start] = ends[row * BLOCK + good[0]]
            reasons += [*(said[: good[0]] if lucky[row] else said), *([""] if lucky[row] else [])]
        waiting = waiting[~lucky]
    counts = {name: reasons.count(name) for name in (OUTSIDE, NEAR, LOOSE)}
    if len(waiting):
        raise PaigError(
            f"No goal {distance:g} away was found for {len(waiting)} of {len(starts)} starts by {BLOCK * BLOCKS} "
            f"random plays of {steps} steps ({', '.join(f'{n} {name}' for name, n in counts.items())}): lower the "
            "distance, or play longer or shorter episodes."
        )
    pictures = np.stack([world.draw(goal) for goal in goals])
    return Reached(goals, pictures, held, distance, world.tolerance.within, len(reasons), counts)
