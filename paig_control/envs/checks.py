"""Checks of what users hand to an environment, each refusing with a message that says how to mend it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError

Array = NDArray[np.float64]
Colour = tuple[float, float, float]


def number(name: str, value: Any, *, low: float = -math.inf, closed: bool = False, example: float = 1.0) -> float:
    """Return ``value`` as a float if it is a finite number above ``low``, or at it where that is ``closed``."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise PaigError(f"{name} = {value!r} is a {type(value).__name__}: expected a number, e.g. {name}={example}.")
    if not math.isfinite(value) or value < low or (value == low and not closed):
        side = f" {'of at least' if closed else 'above'} {low:g}"
        bound = "a finite number" + ("" if math.isinf(low) else side)
        raise PaigError(f"{name} = {value}: expected {bound}, for example {name}={example}.")
    return float(value)


def whole(name: str, value: Any, *, low: int = 1, example: int = 1) -> int:
    """Return ``value`` as an int if it is a whole number of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise PaigError(f"{name} = {value!r}: expected a whole number of at least {low}, for example {name}={example}.")
    return int(value)


def image_size(value: Any) -> tuple[int, int]:
    """Return ``(height, width)`` from one whole number or a pair of them."""
    pair = (value, value) if isinstance(value, (int, np.integer)) else value
    try:
        height, width = pair
    except (TypeError, ValueError):
        raise PaigError(f"size = {value!r}: expected pixels as one number or (height, width), e.g. size=32.") from None
    return whole("size", height, low=4, example=32), whole("size", width, low=4, example=32)


def colour(name: str, value: Any) -> Colour:
    """Return a colour if it is three numbers from 0 to 255."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (3,) or not ((array >= 0) & (array <= 255)).all():
        raise PaigError(f"{name} = {value!r}: expected (red, green, blue) from 0 to 255, e.g. (204, 77, 77).")
    return float(array[0]), float(array[1]), float(array[2])


def colours(value: Any, count: int | None = None) -> tuple[Colour, ...]:
    """Return one colour for each body; ``count`` of them where the scene has so many."""
    try:
        given = tuple(value)
    except TypeError:
        given = ()
    if not given or (count is not None and len(given) != count):
        wanted = "one or more" if count is None else str(count)
        raise PaigError(f"colours = {value!r}: expected {wanted} colours (red, green, blue), one for each body.")
    return tuple(colour("colours", one) for one in given)


def bodies(name: str, value: Any, count: int) -> tuple[int, ...]:
    """Return different body numbers below ``count``; all of them for ``None``."""
    if value is None:
        return tuple(range(count))
    try:
        given = [whole(name, one, low=0, example=0) for one in value]
    except TypeError:
        given = []
    if not given or len(set(given)) < len(given) or max(given) >= count:
        raise PaigError(
            f"{name} = {value!r}: expected different numbers of bodies from 0 to {count - 1}, e.g. {name}=[0], "
            "or None for all."
        )
    return tuple(given)


def pair(name: str, value: Any) -> tuple[int, int]:
    """Return two whole numbers of at least 0."""
    try:
        first, second = value
    except (TypeError, ValueError):
        raise PaigError(f"{name} = {value!r}: expected two whole numbers, for example (0, 1).") from None
    return whole(name, first, low=0), whole(name, second, low=0)


def path(name: str, value: Any) -> str | None:
    """Return the path of a file, or ``None``."""
    if value is None or isinstance(value, (str, os.PathLike)):
        return None if value is None else str(os.fspath(value))
    raise PaigError(f"{name} = {value!r}: expected the path of a file.")


def state(name: str, value: Any, objects: int, dims: int) -> Array:
    """Return a state ``(2, N, D)`` (position, velocity) as float64."""
    expected = f"expected a finite array of shape (2, {objects}, {dims}): position, then velocity"
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise PaigError(f"{name} is not an array of numbers: {expected}; got {value!r}.") from None
    if array.shape != (2, objects, dims):
        raise PaigError(f"{name} has shape {array.shape}: {expected}.")
    if not np.isfinite(array).all():
        raise PaigError(f"{name} contains NaN or infinity: {expected}.")
    return array


def actions(value: Any, shape: tuple[int, ...]) -> Array:
    """Return an action or a batch of them as float64 of exactly ``shape``."""
    expected = f"expected finite numbers of shape {shape}"
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise PaigError(f"The action {value!r} is not an array of numbers: {expected}.") from None
    if array.shape != shape:
        raise PaigError(f"The action has shape {array.shape}: {expected}; take env.action_space.sample() as a model.")
    if not np.isfinite(array).all():
        raise PaigError(f"The action contains NaN or infinity: {expected}; look at what the policy computed.")
    return array


def constants(given: Mapping[str, Any], known: Mapping[str, float]) -> dict[str, float]:
    """Return other values of true constants if all of their names are known."""
    for name in given:
        if name not in known:
            there = f"those that can be changed are {', '.join(known)}" if known else "none can be changed"
            raise PaigError(f"There is no constant {name!r} to change: {there}.")
    return {name: number(name, value, example=known[name]) for name, value in given.items()}


def options(given: dict[str, Any] | None) -> dict[str, Any]:
    """Return the options of ``reset`` if all of their names are known."""
    given = dict(given or {})
    unknown = sorted(set(given) - {"state", "goal"})
    if unknown:
        raise PaigError(f"reset got the unknown option {unknown[0]!r}: the options are 'state' and 'goal'.")
    return given
