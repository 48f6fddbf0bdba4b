"""Seeds where they enter: whatever Python or NumPy hands out becomes a plain whole number, or is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from paig_control.errors import PaigError

LIMIT = 2**64
"""Seeds lie below it: no generator that is used here takes more bits."""


def whole(value: Any, name: str = "seed") -> int:
    """Return a seed as an int; an array of one whole number without axes is one, too.

    Raises:
        PaigError: for anything but a whole number from 0 to 2⁶⁴ - 1.
    """
    plain = value.item() if isinstance(value, (np.integer, np.ndarray)) and np.ndim(value) == 0 else value
    if isinstance(plain, bool) or not isinstance(plain, int):
        raise PaigError(f"{name} = {value!r} is a {type(value).__name__}: expected a whole number, 0 or more.")
    if not 0 <= plain < LIMIT:
        raise PaigError(f"{name} = {plain}: expected a whole number, from 0 to {LIMIT - 1} (64 bits).")
    return plain
