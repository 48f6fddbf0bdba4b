"""What the agent asks of something that watches the constants of the physics while an episode runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from paig_control.types import Reading


class Adapter(Protocol):
    """Estimates the constants of B worlds, each by itself, frame by frame; see :mod:`paig_control.online`."""

    def reset(self, batch: int) -> None:
        """Begin episodes of ``batch`` environments with the constants that the physics has."""
        ...

    def observe(self, reading: Reading, action: Tensor | None) -> None:
        """Take in the newest frame.

        Args:
            reading: ``(B, N, D)``; the trust is 0 for what was not seen.
            action: ``(B, A)`` between the frame before and this one; None for the first.
        """
        ...

    @property
    def values(self) -> Mapping[str, Tensor]:
        """Constants ``(B, 1, 1)`` by name, for ``physics.using``."""
        ...

    @property
    def std(self) -> Mapping[str, Tensor]:
        """Their error bars ``(B, 1, 1)``."""
        ...
