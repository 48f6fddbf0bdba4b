"""How much memory a test has taken."""

from __future__ import annotations

import resource


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
