"""How large what comes from outside may be in memory: asked before it is read, so that no file can exhaust a machine.

A small file may unpack to any size, so what counts is what it would take, not what it takes on the disk. One variable
of the environment, ``PAIG_MAX_GB``, moves every such limit.
"""

from __future__ import annotations

import math
import os

from paig_control.errors import PaigError

VARIABLE = "PAIG_MAX_GB"
GB = 10**9
MOST = 4 * GB
"""Bytes that one thing may take in memory, where nothing else is said; on a small machine, half of its memory."""


def allowed(limit: int | None = None) -> int:
    """Bytes that are let in: what ``PAIG_MAX_GB`` says; if it is not set, ``limit``, or ``MOST`` by default."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return min(MOST, memory() // 2) if limit is None else limit
    try:
        most = float(given)
    except ValueError:
        most = math.nan
    if not 0 < most < math.inf:
        raise PaigError(f"{VARIABLE} = {given!r}: expected a positive number of gigabytes, such as 8.")
    return int(most * GB)


def check_size(what: str, size: int, limit: int | None = None) -> None:
    """Refuse what would take more than is allowed, before it is read.

    Args:
        what: is to be read, as the message is to begin: ``"films.npz"``.
        size: bytes that it would take in memory.
        limit: bytes that such a thing may take, unless ``PAIG_MAX_GB`` is set; ``MOST`` by default.

    Raises:
        PaigError: that names the thing, its size, the limit, and how it is raised.
    """
    most = allowed(limit)
    if size > most:
        raise PaigError(
            f"{what} would take {_gb(size)} of memory, and the limit is {_gb(most)}: give something smaller, or, if "
            f"you trust it, raise the limit with {VARIABLE}={max(1, math.ceil(min(size, 10**18) / GB))}."
        )


def _gb(size: int) -> str:
    """Bytes in words; no number is so large that it could not be said."""
    if size >= 10**18:
        return "more than a billion GB"
    return f"{size / GB:.3g} GB" if size >= GB / 10 else f"{size / 10**6:.3g} MB"


def memory() -> int:
    """Bytes of the machine's memory; plenty where the system does not say it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 4 * MOST
