"""Border checks of episode arrays: what is refused, what is converted and said."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError, quoted

MOST_ACTION = 1e15
"""Actions beyond it overflow single precision where they are squared and added up."""
_NAME = re.compile(r"(train|valid|test)_(x|u|lengths|truth_position|truth_velocity)|meta")


def wanted(name: str) -> bool:
    """Whether an array of the file is one of ours; others are left unread."""
    return _NAME.fullmatch(name) is not None


def parse_meta(array: NDArray[Any] | None) -> dict[str, Any]:
    """Return the JSON object in ``meta``."""
    if array is None:
        return {}
    try:
        value = json.loads(str(array[()]))
    except (ValueError, RecursionError):
        value = None
    if array.ndim != 0 or not isinstance(value, dict):
        raise PaigError("meta is not one JSON object: leave it out, or write it with json.dumps.")
    return value


def arrays(given: dict[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Check all arrays of a file against each other; also returns what was converted, in words."""
    if "train_x" not in given:
        raise PaigError(
            f"train_x is missing (found: {', '.join(sorted(given)) or 'nothing'}): expected films "
            "(sequences, time, height, width, 3), uint8."
        )
    checked: dict[str, NDArray[Any]] = {}
    notes: list[str] = []
    for split in ("train", "valid", "test"):
        if f"{split}_x" not in given:
            orphans = [name for name in given if name.startswith(f"{split}_")]
            if orphans:
                raise PaigError(f"{orphans[0]} has no {split}_x beside it: add the films or leave it out.")
            continue
        frames = _frames(f"{split}_x", given[f"{split}_x"], notes)
        checked[f"{split}_x"] = frames
        if f"{split}_lengths" in given:
            lengths = _lengths(f"{split}_lengths", given[f"{split}_lengths"], frames)
            checked[f"{split}_lengths"] = lengths
            given = given | _blanked(split, given, lengths)
        if f"{split}_u" in given:
            checked[f"{split}_u"] = _actions(f"{split}_u", given[f"{split}_u"], frames)
        _truth(split, given, checked)
    _agree(checked)
    for note in notes:
        warnings.warn(note, stacklevel=4)
    return checked, notes


def _frames(name: str, value: NDArray[Any], notes: list[str]) -> NDArray[np.uint8]:
    shape = "(sequences, time, height, width, 3)"
    value = np.asarray(value)
    if value.dtype.kind not in "buif":  # not NumPy's issubdtype, to which time differences are integers
        raise PaigError(f"{name} has type {value.dtype}: expected uint8 films {shape}.")
    if value.ndim == 4 and value.shape[-1] not in (3, 4):
        notes.append(f"{name} has no colour axis: taken as grey and copied to three channels.")
        value = value[..., None]
    elif value.ndim != 5:
        raise PaigError(f"{name} has shape {value.shape}: expected five axes {shape}.")
    elif value.shape[-1] == 1:
        notes.append(f"{name} has one channel: taken as grey and copied to three.")
    elif value.shape[-1] == 4:
        notes.append(f"{name} has four channels: taken as RGBA, the alpha channel is left out.")
    if value.shape[-1] not in (1, 3, 4):
        hint = " (colours come last, not first)" if value.shape[2] in (1, 3, 4) else ""
        raise PaigError(f"{name} has {value.shape[-1]} channels, shape {value.shape}: expected {shape}{hint}.")
    if 0 in value.shape:
        raise PaigError(f"{name} is empty, shape {value.shape}: expected at least one sequence of two frames.")
    if value.shape[1] < 2:
        raise PaigError(f"{name} has sequences of {value.shape[1]} frame: motion needs at least two.")
    if value.dtype != np.uint8:
        value = _to_uint8(name, value, notes)
    value = value[..., :3] if value.shape[-1] >= 3 else value.repeat(3, axis=-1)
    return np.ascontiguousarray(value, dtype=np.uint8)


def _to_uint8(name: str, value: NDArray[Any], notes: list[str]) -> NDArray[np.uint8]:
    low, high = float(value.min()), float(value.max())
    if not np.isfinite(value).all():
        raise PaigError(f"{name} contains NaN or infinity: expected uint8 films, 0 to 255.")
    if np.issubdtype(value.dtype, np.floating) or value.dtype == bool:
        if low < 0 or high > 1:
            raise PaigError(
                f"{name} is {value.dtype} with values from {low:g} to {high:g}: expected uint8 (0 to 255), "
                "or numbers from 0 to 1. Divide by the largest value, or save it as uint8."
            )
        notes.append(f"{name} is {value.dtype} from 0 to 1: converted to uint8.")
        return np.rint(value.astype(np.float64) * 255).astype(np.uint8)
    if low < 0 or high > 255:
        raise PaigError(f"{name} is {value.dtype} with values from {low:g} to {high:g}: expected 0 to 255.")
    notes.append(f"{name} is {value.dtype}: converted to uint8.")
    return value.astype(np.uint8)


def _numbers(name: str, value: NDArray[Any]) -> None:
    value = np.asarray(value)
    if value.dtype.kind not in "uif":
        raise PaigError(f"{name} has type {value.dtype}: expected numbers.")
    if not np.isfinite(value).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise PaigError(f"{name} contains NaN or infinity (first at {where}): leave those sequences out.")


def _actions(name: str, value: NDArray[Any], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    _numbers(name, value)
    sequences, time = frames.shape[:2]
    if value.ndim != 3 or value.shape[:2] != (sequences, time - 1) or value.shape[2] == 0:
        raise PaigError(
            f"{name} has shape {value.shape}: expected ({sequences}, {time - 1}, action size), one action "
            f"between every two of the {time} frames of the {sequences} sequences."
        )
    largest = max(float(value.max()), -float(value.min()))
    if largest > MOST_ACTION:
        raise PaigError(
            f"{name} has actions as large as {largest:.3g}: expected none beyond {MOST_ACTION:.0e}, which single "
            "precision still squares. Give them in units in which they are near 1."
        )
    return np.ascontiguousarray(value, dtype=np.float32)


def _lengths(name: str, value: NDArray[Any], frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    sequences, time = frames.shape[:2]
    value = np.asarray(value)
    if value.dtype.kind not in "ui" or value.shape != (sequences,):
        raise PaigError(
            f"{name} is {value.dtype} of shape {value.shape}: expected whole numbers ({sequences},), how many of the "
            f"{time} frames of each film were filmed."
        )
    wrong = np.flatnonzero((value < 2) | (value > time))
    if len(wrong):
        raise PaigError(
            f"{name} has {value[wrong[0]]} at {wrong[0]}: expected from 2 to {time} frames, of which the films have "
            "room. Leave shorter films out."
        )
    return value.astype(np.int64)


def _blanked(split: str, given: Mapping[str, NDArray[Any]], lengths: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Actions and truth of a split, nothing after the ends of its films, whatever they are filled with."""
    found = {}
    for what, shorter in (("u", 1), ("truth_position", 0), ("truth_velocity", 0)):
        value = np.asarray(given.get(f"{split}_{what}", 0))
        if value.ndim > 2 and len(value) == len(lengths) and value.dtype.kind in "uif":
            after = np.arange(value.shape[1]) >= (lengths - shorter)[:, None]
            found[f"{split}_{what}"] = np.where(after[(..., *[None] * (value.ndim - 2))], 0, value)
    return found


def _truth(split: str, given: Mapping[str, NDArray[Any]], checked: dict[str, NDArray[Any]]) -> None:
    names = [name for part in ("position", "velocity") if (name := f"{split}_truth_{part}") in given]
    sequences, time = checked[f"{split}_x"].shape[:2]
    for name in names:
        value = given[name]
        _numbers(name, value)
        if value.ndim != 4 or value.shape[:2] != (sequences, time) or 0 in value.shape:
            raise PaigError(
                f"{name} has shape {value.shape}: expected ({sequences}, {time}, objects, coordinates), one "
                "state for every frame."
            )
        with np.errstate(over="ignore"):
            checked[name] = np.ascontiguousarray(value, dtype=np.float64)
        _numbers(name, checked[name])
    if len(names) == 2 and given[names[0]].shape != given[names[1]].shape:
        raise PaigError(f"{names[0]} {given[names[0]].shape} and {names[1]} {given[names[1]].shape} differ in shape.")


def _agree(checked: Mapping[str, NDArray[Any]]) -> None:
    """Refuse splits that cannot belong to the same world."""
    for split in ("valid", "test"):
        if f"{split}_x" not in checked:
            continue
        if checked[f"{split}_x"].shape[2:] != checked["train_x"].shape[2:]:
            raise PaigError(
                f"{split}_x has images {checked[f'{split}_x'].shape[2:]} and train_x "
                f"{checked['train_x'].shape[2:]}: all splits need the same size."
            )
        if (f"{split}_u" in checked) != ("train_u" in checked):
            raise PaigError(f"Only one of train_u and {split}_u is there: give actions for all splits or for none.")
        if "train_u" in checked and checked[f"{split}_u"].shape[2] != checked["train_u"].shape[2]:
            raise PaigError(f"{split}_u and train_u have different action sizes.")


def meta(value: Mapping[str, Any], checked: Mapping[str, NDArray[Any]]) -> None:
    """Check the entries of ``meta`` that the library reads."""
    if not isinstance(value, Mapping):
        raise PaigError(f"meta is a {type(value).__name__}: expected a dictionary.")
    try:
        json.dumps(dict(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise PaigError(
            f"meta cannot be written as JSON ({error}): use numbers, strings, lists and dictionaries."
        ) from None
    dt = value.get("dt")
    if dt is not None and not (_finite(dt) and dt > 0):
        raise PaigError(f"meta has dt = {quoted(dt)}: expected the positive time between two frames, in seconds.")
    _env(value.get("env"))
    _known(value.get("truth", {}), checked)
    bounds = {name: value.get(name) for name in ("action_low", "action_high")}
    for name, bound in bounds.items():
        if bound is not None and not (isinstance(bound, list | tuple) and bound and all(map(_finite, bound))):
            raise PaigError(
                f"meta has {name} = {quoted(bound)}: expected a list of finite numbers, one for each number of an "
                "action, or leave it out."
            )
        if bound is not None and "train_u" in checked and np.shape(bound) != checked["train_u"].shape[2:]:
            raise PaigError(
                f"meta's {name} = {quoted(bound)} does not fit actions of size {checked['train_u'].shape[2]}."
            )
    low, high = bounds.values()
    if low and high and (len(low) != len(high) or any(a > b for a, b in zip(low, high, strict=True))):
        raise PaigError(
            f"meta has action_low = {quoted(low)} and action_high = {quoted(high)}: expected that no lower "
            "bound is above its upper one."
        )


def _env(env: Any) -> None:
    """Refuse a note of what was filmed that is not of our form."""
    if env is None:
        return
    kwargs = env.get("kwargs", {}) if isinstance(env, Mapping) else None
    if not (
        isinstance(env, Mapping)
        and isinstance(env.get("id"), str)
        and isinstance(kwargs, Mapping)
        and isinstance(kwargs.get("env_id", ""), str)
    ):
        raise PaigError(f"meta has env = {quoted(env)}: expected {{'id': name, 'kwargs': {{...}}}}, or leave it out.")


def _known(truth: Any, checked: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a truth that is not of our form, or whose constants or units are no numbers."""
    if not isinstance(truth, Mapping) or not all(
        isinstance(truth.get(key, {}), Mapping) for key in ("constants", "physics")
    ):
        raise PaigError("meta's truth is not of the form {'constants': {name: value}, 'physics': {...}}.")
    for name, constant in truth.get("constants", {}).items():
        if not _finite(constant):
            raise PaigError(
                f"meta's truth has the constant {quoted(name)} = {quoted(constant)}: expected a finite number."
            )
    for name in (f"{split}_truth_position" for split in ("train", "valid", "test") if "pixels" in truth):
        objects, dims = checked[name].shape[2:] if name in checked else (0, 0)
        if objects and not any(_table(truth["pixels"], (objects, dims, dims + more)) for more in (0, 1)):
            raise PaigError(
                f"meta's truth has pixels = {quoted(truth['pixels'])}: expected what a unit of each of {dims} "
                f"coordinates of {objects} objects is, ({objects}, {dims}, {dims}) finite numbers, or with their zeros "
                f"({objects}, {dims}, {dims + 1})."
            )
    objects = truth.get("physics", {}).get("objects")
    if objects is not None and not (_finite(objects) and objects == int(objects) > 0):
        raise PaigError(f"meta's truth has objects = {quoted(objects)}: expected how many the films show.")


def _table(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether these are finite numbers of a shape, as JSON has them."""
    if not shape:
        return _finite(value)
    return isinstance(value, list) and len(value) == shape[0] and all(_table(one, shape[1:]) for one in value)


def _finite(value: Any) -> bool:
    """Whether this is one number that single precision holds, as JSON has them."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 3.4e38
