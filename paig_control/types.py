"""The few types that travel between the rooms of the library, with their shapes.

Letters used everywhere: B batch, T frames, K candidates, H horizon, N objects, D coordinates of each
object, A size of an action. ``*B`` stands for any number of leading axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class State(NamedTuple):
    """Where things are and how fast they move.

    Attributes:
        position: ``(*B, N, D)``, pixels or radians.
        velocity: ``(*B, N, D)``, pixels or radians per second.
    """

    position: Tensor
    velocity: Tensor


class Reading(NamedTuple):
    """Where things were seen, and how much that is to be believed.

    Attributes:
        position: ``(*B, N, D)``, pixels or radians.
        trust: ``(*B, N, D)``, inverse variance up to a common factor; nearly zero for what is hidden.
    """

    position: Tensor
    trust: Tensor


class Finding(NamedTuple):
    """What a picture shows of the objects that were read off it.

    Attributes:
        found: ``(B, N)``, whether the object is there at all.
        inside: ``(B, N)``, how much of its picture lies inside the frame, from 0 to 1.
        error: ``(B,)``, squared error that the model's own drawing leaves, summed over pixels and channels.
        usual: what its drawing left of the films that it learned from; 0 if that is not known.
    """

    found: Tensor
    inside: Tensor
    error: Tensor
    usual: float


class Plan(NamedTuple):
    """What a planner found.

    Attributes:
        actions: ``(B, H, A)``, the best action sequence found.
        cost: ``(B,)``, its cost.
        spread: ``(B, H, A)``, standard deviation of the final proposal; of the descended plans where there is none.
        candidates: ``(B, K, H, A)``, the last candidates, for display.
        candidate_costs: ``(B, K)``, their costs; infinity where a cost was not finite.
        improved: ``(B,)``, whether anything better than the start was found; where not, the plan is the start.
        effective_samples: ``(B,)``, how many candidates the plan rests on, where they are weighed (MPPI): near 1 the
            temperature is too low for the spread, near all it is too high. None for other planners.
    """

    actions: Tensor
    cost: Tensor
    spread: Tensor
    candidates: Tensor
    candidate_costs: Tensor
    improved: Tensor
    effective_samples: Tensor | None = None


Frames = NDArray[np.uint8]
"""Images as cameras give them, ``(h, w, 3)`` or ``(B, h, w, 3)``."""

GoalLike = Frames | tuple[Frames, Frames] | State
"""A goal: one image (at rest), two images a time step apart (moving as between them), or coordinates."""

Cost = Callable[[Tensor], Tensor]
"""Actions ``(B, K, H, A)`` to costs ``(B, K)``: all that a planner may know of the world."""

Objective = Callable[[State, Tensor], Tensor]
"""States ``(B, K, H, N, D)`` and actions ``(B, K, H, A)`` to costs ``(B, K)``; objectives add up."""


class Planner(Protocol):
    """Anything that minimises a cost over bounded action sequences."""

    def plan(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> Plan:
        """Improve on ``init`` ``(B, H, A)`` within the bounds ``(A,)``."""
        ...
