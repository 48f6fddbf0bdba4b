"""Any batched step function of a user's as something that the objectives and the agents can imagine with.

A planner needs none of this: it takes any function from actions to costs. This is for those who bring their own
dynamics, but want the objectives, :func:`~paig_control.agents.objectives.cost_function` and
:class:`~paig_control.agents.receding.RecedingHorizon` as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import Coordinate
from paig_control.types import State


class StepFunction(Physics):
    """A step function in the place of a physics; nothing about it is learned.

    Args:
        step: from a :class:`~paig_control.types.State` of ``(*B, N, D)`` and actions ``(*B, A)`` to the next state; in
            torch operations if a planner is to take gradients.
        coordinates: of each object: N times D of them, for example ``[PLANE] * 2`` for two places in the plane.
        action_size: A.
    """

    def __init__(
        self, step: Callable[[State, Tensor], State], coordinates: Sequence[Sequence[Coordinate]], action_size: int
    ) -> None:
        super().__init__(1.0, 1, coordinates, action_size, ())
        self.own_step = step

    def step(self, state: State, action: Tensor) -> State:
        """Advance by one action ``(*B, A)``.

        Raises:
            PaigError: if the function returns no state of the shape that it was given.
        """
        following = self.own_step(state, action)
        expected = tuple(state.position.shape)
        shapes = [tuple(getattr(part, "shape", ())) for part in following] if isinstance(following, tuple) else []
        if shapes != [expected, expected]:
            raise PaigError(
                f"The dynamics returned {shapes or type(following).__name__} for a state of {expected}: expected "
                f"State(position, velocity), both {expected}."
            )
        return State(*following)
