"""Goals: the image that an agent is shown, and the state that only the judge may know.

A goal image comes from anywhere: drawn by ``paig-control goal``, which writes the state into the picture's
text, or photographed, cropped or exported by a user. At the border it becomes an RGB image of the model's
size, and what was changed is said. Where the picture does not carry its state, the judge looks for the state
whose drawing it is. Or the environment draws one for every episode, each within reach of its start.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from paig_control.errors import PaigError

Frame = NDArray[np.uint8]
Array = NDArray[np.float64]
KEY = "paig-control-state"
"""Name of the PNG's text chunk that holds the state as JSON."""
ALIKE = 12.0
"""Mean absolute difference, in levels, below which a drawing counts as being of the same state."""


@dataclass(frozen=True)
class Goal:
    """A goal as read.

    Attributes:
        image: ``(h, w, 3)``, uint8, of the model's size: all that the agent sees.
        state: ``(2, N, D)``, for the judge alone; None if it is not known.
        source: where the state comes from, in words.
        notes: what was converted, in words.
    """

    image: Frame
    state: Array | None
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Targets:
    """What a batch of episodes is to reach: one target for all of them (E = 1), or one for each.

    Attributes:
        pictures: ``(E, h, w, 3)``, uint8, what the agent is shown; None plans for a reward.
        states: ``(E, 2, N, D)``, for the judge and the oracles alone; None if they are not known.
    """

    pictures: Frame | None = None
    states: Array | None = None

    @classmethod
    def of(cls, goal: Goal | None, shown: bool = True) -> Targets:
        """One goal for all episodes, which the agent may see or not."""
        if goal is None:
            return cls()
        return cls(goal.image[None] if shown else None, None if goal.state is None else goal.state[None])

    def take(self, first: int, count: int) -> Targets:
        """Targets of some of the episodes."""
        own = slice(first, first + count)
        pictures, states = self.pictures, self.states
        return Targets(
            pictures if pictures is None or len(pictures) == 1 else pictures[own],
            states if states is None or len(states) == 1 else states[own],
        )


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
        distance: least distance between start and goal; None takes 6 px, or 0.3 rad.
        split: ``"test"``, or ``"train"`` for goals to learn from; they share none.

    Raises:
        PaigError: for an environment whose states are not known, or from whose starts no goal is found.
    """
    try:
        sample = env.get_wrapper_attr("sample_goals")
    except AttributeError:
        sample = None
    starts = [state for state in (env.reset(seed=seed)[1].get("state") for seed in seeds) if state is not None]
    if sample is None or len(starts) < len(seeds):
        raise PaigError(
            "No goals can be drawn: nothing is known of this environment's states. Show a picture instead, with "
            "goal=PICTURE.png."
        )
    found = sample(np.stack(starts), list(seeds), steps, distance, split)
    targets = Targets(found.pictures, found.states)
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


def save(path: Path, image: Frame, state: Array | None) -> None:
    """Write a goal image as PNG, its state in the picture's text."""
    text = PngImagePlugin.PngInfo()
    if state is not None:
        text.add_text(KEY, json.dumps(np.asarray(state).tolist()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, format="PNG", pnginfo=text)
    except OSError as error:
        raise PaigError(
            f"Cannot write {path}: {error.strerror or error}. Choose a folder that you may write to."
        ) from error


def read(path: Path, size: tuple[int, int]) -> tuple[Frame, Array | None, tuple[str, ...]]:
    """Read a goal image as RGB of ``size``, with the state it carries, if any, and what was converted.

    Raises:
        PaigError: for a file that cannot be read or is no image.
    """
    try:
        with Image.open(path) as opened:
            opened.load()
            text = getattr(opened, "text", {}).get(KEY)
            picture, notes = _rgb(opened)
    except UnidentifiedImageError:
        raise PaigError(f"{path} is not an image that can be read: expected a PNG or JPEG picture.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PaigError(
            f"{path} cannot be read ({error}): expected a whole PNG or JPEG picture; save it again."
        ) from error
    height, width = size
    if picture.size != (width, height):
        shape = "" if picture.width * height == picture.height * width else ", which changes its proportions"
        notes.append(f"{path} has {picture.height} x {picture.width} pixels: resized to {height} x {width}{shape}.")
        smaller = picture.width >= width and picture.height >= height
        picture = picture.resize((width, height), Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC)
    return np.array(picture, dtype=np.uint8), _stored(path, text), tuple(notes)


def _rgb(picture: Image.Image) -> tuple[Image.Image, list[str]]:
    """Convert to RGB, transparent parts over white."""
    notes = []
    name = Path(getattr(picture, "filename", "") or "The goal image")
    if getattr(picture, "n_frames", 1) > 1:
        notes.append(f"{name} has several frames: the first one is taken.")
    if picture.mode == "RGB":
        return picture.copy(), notes
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        notes.append(f"{name} has an alpha channel: laid over white.")
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB"), notes
    notes.append(f"{name} has the mode {picture.mode}: converted to RGB.")
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, dtype=np.float64)
        scale = 257.0 if values.max(initial=0) > 255 else 1.0
        return Image.fromarray(np.clip(values / scale, 0, 255).astype(np.uint8)).convert("RGB"), notes
    return picture.convert("RGB"), notes


def _stored(path: Path, text: Any) -> Array | None:
    if text is None:
        return None
    try:
        state = np.asarray(json.loads(text), dtype=np.float64)
    except (TypeError, ValueError):
        state = np.empty(0)
    if state.ndim != 3 or len(state) != 2 or not np.isfinite(state).all():
        raise PaigError(f"{path} carries a damaged state in its text: draw it again with `paig-control goal`.")
    return state


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
    wanted: str | None,
    default: str | None,
    named: Mapping[str, Sequence[float]],
    env: gym.Env[Any, Any],
    size: tuple[int, int],
) -> Goal:
    """Find the goal that a user asks for: a picture's path, or the name of one of the environment's goals.

    ``upright.png`` is the picture if there is one, and otherwise the goal named ``upright``, drawn.

    Raises:
        PaigError: for a picture that cannot be read and a name that is not known.
    """
    wanted = wanted or default
    if wanted is None:
        raise PaigError("There is no goal: give one with goal=PICTURE.png, or plan with objective=reward.")
    path = Path(wanted).expanduser()
    try:
        shape = tuple(np.shape(env.get_wrapper_attr("goal_state")))
    except AttributeError:
        shape = ()
    states = {name: to_state(values, shape, f"goal {name}") for name, values in named.items()} if shape else {}
    if path.is_file():
        image, state, notes = read(path, size)
        source = "stored in the picture"
        if state is not None and shape and state.shape != shape:
            raise PaigError(
                f"{path} carries a state of shape {state.shape}, this environment has {shape}: draw the goal "
                "for this environment with `paig-control goal`."
            )
        if state is None:
            state = find_state(env, image, list(states.values()))
            source = "not known" if state is None else "found by drawing"
        return Goal(image, state, source, notes)
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
