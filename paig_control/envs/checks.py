"""Checks of what users hand to an environment, each refusing with a message that says how to mend it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError

Array = NDArray[np.float64]


def number(name: str, value: Any, *, low: float = -math.inf, example: float = 1.0) -> float:
    """Return ``value`` as a float if it is a finite number above ``low``."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise PaigError(
            f"{name} = {value!r} is a {type(value).__name__}: expected a number, e.g. {name}={example}."
        )
    if not math.isfinite(value) or not value > low:
        bound = "a finite number" if math.isinf(low) else f"a finite number above {low:g}"
        raise PaigError(f"{name} = {value}: expected {bound}, for example {name}={example}.")
    return float(value)


def whole(name: str, value: Any, *, low: int = 1, example: int = 1) -> int:
    """Return ``value`` as an int if it is a whole number of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise PaigError(
            f"{name} = {value!r}: expected a whole number of at least {low}, for example {name}={example}."
        )
    return int(value)


def image_size(value: Any) -> tuple[int, int]:
    """Return ``(height, width)`` from one whole number or a pair of them."""
    pair = (value, value) if isinstance(value, (int, np.integer)) else value
    try:
        height, width = pair
    except (TypeError, ValueError):
        raise PaigError(
            f"size = {value!r}: expected pixels as one number or (height, width), e.g. size=32."
        ) from None
    return whole("size", height, low=4, example=32), whole("size", width, low=4, example=32)


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
        raise PaigError(
            f"The action has shape {array.shape}: {expected}; take env.action_space.sample() as a model."
        )
    if not np.isfinite(array).all():
        raise PaigError(f"The action contains NaN or infinity: {expected}; look at what the policy computed.")
    return array


def options(given: dict[str, Any] | None) -> dict[str, Any]:
    """Return the options of ``reset`` if all of their names are known."""
    given = dict(given or {})
    unknown = sorted(set(given) - {"state", "goal"})
    if unknown:
        raise PaigError(f"reset got the unknown option {unknown[0]!r}: the options are 'state' and 'goal'.")
    return given
