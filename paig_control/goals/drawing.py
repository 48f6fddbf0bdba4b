"""Goals: the image that an agent is shown, and the state that only the judge may know.

A goal image comes from anywhere: drawn by ``paig-control goal``, which writes the state into the picture's
text, or photographed, cropped or exported by a user. Where the picture does not carry its state, the judge looks
for the state whose drawing it is. Two images that follow each other show a goal that moves. A user may also tell
coordinates in place of a picture. Or the environment draws a goal for every episode, each within reach of its start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from paig_control.border.guarding import guarded
from paig_control.border.lanes import starts
from paig_control.border.reading import place
from paig_control.errors import PaigError
from paig_control.goals.goal_files import Array, Frame, read, read_array

if TYPE_CHECKING:
    from paig_control.types import GoalLike

ALIKE = 12.0
"""Mean absolute difference, in levels, below which a drawing counts as being of the same state."""


@dataclass(frozen=True)
class Goal:
    """A goal as read.

    Attributes:
        image: ``(h, w, 3)``, uint8, of the model's size: all that the agent sees; None where coordinates are told.
        state: ``(2, N, D)``, for the judge alone; None if it is not known.
        source: where the state comes from, in words.
        notes: what was converted, in words.
        before: ``(h, w, 3)``, uint8, the frame before the image, if the goal is shown as moving.
        told: ``(2, N, D)``, coordinates that the agent is told in place of an image.
    """

    image: Frame | None
    state: Array | None
    source: str
    notes: tuple[str, ...] = ()
    before: Frame | None = None
    told: Array | None = None

    @property
    def moves(self) -> bool:
        """Whether the agent is to pass through the goal, not to hold it."""
        return self.before is not None or (self.told is not None and bool(self.told[1].any()))


@dataclass(frozen=True)
class Targets:
    """What a batch of episodes is to reach: one target for all of them (E = 1), or one for each.

    Attributes:
        pictures: ``(E, h, w, 3)``, uint8, what the agent is shown; None plans for a reward.
        states: ``(E, 2, N, D)``, for the judge and the oracles alone; None if they are not known.
        before: ``(E, h, w, 3)``, uint8, the frames before the pictures, of goals that are shown as moving.
        told: ``(E, 2, N, D)``, coordinates that the agent is told; the pictures are then for the eye only.
    """

    pictures: Frame | None = None
    states: Array | None = None
    before: Frame | None = None
    told: Array | None = None

    @classmethod
    def of(cls, goal: Goal | None, shown: bool = True) -> Targets:
        """One goal for all episodes, which the agent may see or not."""
        if goal is None:
            return cls()
        states = None if goal.state is None else goal.state[None]
        if not shown:
            return cls(None, states)
        pictures, before = (None if frame is None else frame[None] for frame in (goal.image, goal.before))
        return cls(pictures, states, before, None if goal.told is None else goal.told[None])

    def take(self, first: int, count: int) -> Targets:
        """Targets of some of the episodes."""
        own = slice(first, first + count)
        pictures, before = (x if x is None or len(x) == 1 else x[own] for x in (self.pictures, self.before))
        states, told = (x if x is None or len(x) == 1 else x[own] for x in (self.states, self.told))
        return Targets(pictures, states, before, told)

    def aim(self) -> GoalLike | None:
        """What the agent is given: pictures, pairs of them, or coordinates; None plans for a reward."""
        if self.told is not None:
            import torch

            from paig_control.types import State

            return State(*torch.from_numpy(self.told.astype(np.float32)).unbind(1))
        if self.before is not None and self.pictures is not None:
            return self.before, self.pictures
        return self.pictures


@dataclass(frozen=True)
class Drawn:
    """Goals that the environment drew, one an episode.

    Attributes:
        targets: the goals.
        held: whether they are at rest and can be held; otherwise they move and can only be passed through.
        distance: least distance between start and goal, px or rad, in the coordinate that differs most.
        within: how near counts as being at the goal, px or rad, in every coordinate.
        candidates: states looked at.
        refused: how many of them were refused, by reason.
    """

    targets: Targets
    held: bool
    distance: float
    within: float
    candidates: int
    refused: Mapping[str, int]


def draw_many(
    env: gym.Env[Any, Any], seeds: Sequence[int], steps: int, distance: float | None = None, split: str = "test"
) -> Drawn:
    """Let the environment draw a goal for each episode that starts from ``env.reset(seed=...)``.

    Args:
        env: a single pixel environment whose states are known.
        seeds: of the episodes.
        steps: of an episode.
        distance: least distance between start and goal; None takes the world's.
        split: ``"test"``, or ``"train"`` for goals to learn from; they share none.

    Raises:
        PaigError: for an environment whose states are not known, or from whose starts no goal is found.
    """
    try:
        sample = env.get_wrapper_attr("sample_goals")
    except AttributeError:
        sample = None
    world = guarded(env)
    begun = [state for state in starts(env, seeds) if state is not None]
    if sample is None or len(begun) < len(seeds):
        raise PaigError(
            "No goals can be drawn: nothing is known of this environment's states. Show a picture instead, with "
            "goal=PICTURE.png."
        )
    found = sample(np.stack(begun), list(seeds), steps, distance, split)
    targets = Targets(np.stack([world.seen(picture) for picture in found.pictures]), found.states)
    return Drawn(targets, found.held, found.distance, found.within, found.drawn, found.refused)


def to_state(values: Any, shape: tuple[int, ...], name: str = "state") -> Array:
    """Positions then velocities as one flat list, for example ``[angle, velocity]``, to ``(2, N, D)``.

    Raises:
        PaigError: for another number of values, or one that is not a finite number.
    """
    try:
        array = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        array = np.empty(0)
    count = int(np.prod(shape))
    if array.size != count or not np.isfinite(array).all():
        raise PaigError(
            f"{name} = {values!r}: expected {count} numbers, all positions and then all velocities, for "
            f"example {name}=[{','.join(['0'] * count)}]."
        )
    return array.reshape(shape)


def find_state(env: gym.Env[Any, Any], image: Frame, candidates: Sequence[Array]) -> Array | None:
    """Find the state at rest whose drawing is most like ``image``.

    It is looked for among ``candidates`` and, where the state is one angle, around the circle. None if
    nothing drawn is alike, or if the environment cannot draw states.
    """
    try:
        draw: Callable[[Array], Frame] = env.get_wrapper_attr("draw")
        shape = np.shape(env.get_wrapper_attr("goal_state"))
        angular = bool(env.get_wrapper_attr("tolerance").angular)
    except AttributeError:
        return None

    def unlike(state: Array) -> float:
        drawn = draw(state).astype(np.float64)
        return float("inf") if drawn.shape != image.shape else float(np.abs(drawn - image).mean())

    if angular and shape == (2, 1, 1):
        circle = [np.array([[[a]], [[0.0]]]) for a in np.linspace(-np.pi, np.pi, 90, endpoint=False)]
        rough = min(circle, key=unlike)
        fine = [rough + np.array([[[d]], [[0.0]]]) for d in np.linspace(-0.07, 0.07, 29)]
        candidates = [*candidates, *fine]
    if not candidates:
        return None
    best = min(candidates, key=unlike)
    return best if unlike(best) < ALIKE else None


def resolve(
    wanted: Any,
    default: str | None,
    named: Mapping[str, Sequence[float]],
    env: gym.Env[Any, Any],
    size: tuple[int, int],
    coordinates: tuple[int, int] | None = None,
) -> Goal:
    """Find the goal that a user asks for.

    Without a wish the environment's default goal, or its own. A picture's path, or the name of one of its goals:
    ``upright.png`` is the picture if there is one, and otherwise the goal named ``upright``, drawn. A .npy file of one
    image or two. Two pictures' paths. Or coordinates: all positions, with or without all velocities.

    Args:
        wanted: as given by the user.
        default: name of the environment's default goal.
        named: the environment's goals.
        env: that draws them.
        size: height and width of the model's images.
        coordinates: objects and coordinates of each, of the model; None refuses coordinates.

    Raises:
        PaigError: for a picture that cannot be read, a name that is not known, or coordinates that do not fit.
    """
    wanted = wanted or default
    own = own_state(env)
    if wanted is None:
        if own is None:
            raise PaigError("There is no goal: give one with goal=PICTURE.png, or plan with objective=reward.")
        return Goal(env.get_wrapper_attr("draw")(own), own, "the environment's own")
    shape = () if own is None else own.shape  # of the environment's states; empty if it is not known
    if isinstance(wanted, str):
        return _read_or_drawn(wanted, named, env, size, shape)
    values = list(wanted) if isinstance(wanted, Sequence) else []
    if len(values) == 2 and all(isinstance(value, str) for value in values):
        pictures = [_picture(place(value, "goal"), size, shape) for value in values]
        notes = tuple(note for picture in pictures for note in picture.notes)
        return _moving(pictures[0], pictures[1], notes)
    if coordinates is not None and values and all(type(value) in (int, float) for value in values):
        count = coordinates[0] * coordinates[1]
        full = [*values, *[0.0] * count] if len(values) == count else values
        if len(full) != 2 * count:
            raise PaigError(
                f"goal = {values}: expected {count} numbers, the model's coordinates of all objects, or {2 * count}, "
                "their velocities after them."
            )
        told = to_state(full, (2, *coordinates), "goal")
        return Goal(None, told if told.shape == shape else None, "given as coordinates", told=told)
    raise PaigError(
        f"goal = {wanted}: expected a picture, two pictures [FIRST.png,SECOND.png], a .npy file, a goal's name, or "
        "coordinates, for example [16,22,16,10]."
    )


def own_state(env: gym.Env[Any, Any]) -> Array | None:
    """The state that is an environment's own goal; None if it has none."""
    return env.get_wrapper_attr("goal_state") if env.has_wrapper_attr("goal_state") else None


def _picture(path: Path, size: tuple[int, int], shape: tuple[int, ...]) -> Goal:
    """A picture, with the state that it carries."""
    image, state, notes = read(path, size)
    if state is not None and shape and state.shape != shape:
        raise PaigError(
            f"{path} carries a state of shape {state.shape}, this environment has {shape}: draw the goal "
            "for this environment with `paig-control goal`."
        )
    return Goal(image, state, "not known" if state is None else "stored in the picture", notes)


def _moving(first: Goal, second: Goal, notes: tuple[str, ...]) -> Goal:
    """Two pictures as one goal; a state at rest that the second may carry is not its state."""
    known = second.state is not None and bool(second.state[1].any())
    state, source = (second.state, second.source) if known else (None, "not known")
    return Goal(second.image, state, source, notes, before=first.image)


def _read_or_drawn(
    wanted: str,
    named: Mapping[str, Sequence[float]],
    env: gym.Env[Any, Any],
    size: tuple[int, int],
    shape: tuple[int, ...],
) -> Goal:
    path = place(wanted, "goal")
    states = {name: to_state(values, shape, f"goal {name}") for name, values in named.items()} if shape else {}
    if path.suffix == ".npy" and path.exists() and not path.is_dir():
        images, notes = read_array(path, size)
        if len(images) == 2:
            first, second = (Goal(image, None, "not known") for image in images)
            return _moving(first, second, notes)
        goal = Goal(images[0], None, "not known", notes)
    elif path.exists() and not path.is_dir():
        goal = _picture(path, size, shape)
    else:
        return _drawn(wanted, path, states, env)
    if goal.state is None and goal.image is not None:
        state = find_state(env, goal.image, list(states.values()))
        return goal if state is None else replace(goal, state=state, source="found by drawing")
    return goal


def _drawn(wanted: str, path: Path, states: Mapping[str, Array], env: gym.Env[Any, Any]) -> Goal:
    """The environment's goal of this name."""
    if path.is_dir():
        raise PaigError(f"The goal {wanted} is a folder: expected a picture.")
    name = path.stem if path.name == wanted and path.suffix.lower() in ("", ".png") else ""
    if name not in states:
        known = f" or one of {', '.join(states)}" if states else ""
        raise PaigError(
            f"There is no goal picture {wanted}: expected a picture's path{known}. Draw one with "
            f"`paig-control goal state=[...] out={path.stem or 'goal'}.png`."
        )
    image = env.get_wrapper_attr("draw")(states[name])
    note = () if wanted == name else (f"There is no file {wanted}: the goal {name!r} was drawn instead.",)
    return Goal(image, states[name], f"named {name}", note)
