"""Frames where they enter: copied, since whoever hands one over may write into it again, and in three colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.errors import PaigError

CHANNELS = (1, 3, 4)
"""Grey, red-green-blue, and these with a transparency, which is left out."""


def coloured(frames: Any, what: str, lead: int = 0) -> NDArray[np.uint8]:
    """A copy ``(*B, h, w, 3)`` of frames ``(*B, h, w)`` or ``(*B, h, w, c)``, uint8; grey is copied to three channels.

    Args:
        frames: an array, or what can be made one.
        what: it is, for messages.
        lead: number of leading axes.

    Raises:
        PaigError: for another type, or other numbers of axes or channels.
    """
    try:
        given = np.asarray(frames)
    except (TypeError, ValueError):
        given = np.empty(0, dtype=object)
    if given.dtype != np.uint8:
        kind = type(frames).__name__ if given.dtype == object else f"{given.dtype} {given.shape}"
        raise PaigError(f"{what} {kind}: expected a uint8 image, values from 0 to 255, not scaled.")
    given = given[..., None] if given.ndim == lead + 2 else given
    if given.ndim != lead + 3 or given.shape[-1] not in CHANNELS or 0 in given.shape:
        hint = " (colours come last, not first)" if given.ndim == lead + 3 and given.shape[lead] in CHANNELS else ""
        raise PaigError(
            f"{what} {given.dtype} {given.shape}: expected a uint8 image of shape (height, width, 3), or in grey{hint}."
        )
    return given.repeat(3, axis=-1) if given.shape[-1] == 1 else given[..., :3].copy()
