"""What a force is: named constants and a formula, one term of the motion.

A new law is a subclass with its ``constants`` and a ``forward``::

    class Magnetic(Force):
        '''Bends the path of charged balls.'''

        constants = (Constant("field", "1/s", low=-math.inf),)
        uses_velocity = True

        def forward(self, motion, action):
            x, y = motion.speed.unbind(-1)
            return self.value("field") * torch.stack([y, -x], -1)

Units are pixels and seconds, masses one, unless a scene tells lengths and masses.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from paig_control.physics.dynamics import Constant
from paig_control.types import State

if TYPE_CHECKING:
    from paig_control.physics.mechanism import Mechanism, Motion


class Force(nn.Module):
    """One term of the motion.

    Arguments are kept as attributes of their names: from these a checkpoint makes the same force again.

    Attributes:
        constants: what is to be learned of it.
        on: ``bodies``, if :meth:`forward` gives forces ``(*B, N, 2)`` on the bodies' centres, or ``joints``, if it
            gives what acts along each coordinate, ``(*B, N, D)``.
        joints: kinds of joints that feel it; all by default.
        least: bodies that it needs.
        uses_velocity: whether it depends on velocities; then integrators for that are taken.
        walls: whether :meth:`reflect` does anything.
        driven: whether actions drive it.
        linear: whether twice its constants are twice the force and twice the potential: what divides it by a scene's
            one inertia then divides these, once.
        acts: numbers of an action that it takes, the first of those that no force before it took.
        ease: what its constants are multiplied by on the way.
    """

    constants: ClassVar[tuple[Constant, ...]] = ()
    on: ClassVar[str] = "bodies"
    joints: ClassVar[tuple[str, ...]] = ("free", "rail", "hinge")
    least: ClassVar[int] = 1
    uses_velocity: ClassVar[bool] = False
    walls: ClassVar[bool] = False
    driven: ClassVar[bool] = False
    linear: ClassVar[bool] = False
    acts: int = 0
    ease: float = 1.0
    scene: Mechanism
    names: dict[str, str]

    def __init__(self) -> None:  # without it, arguments would be nn.Module's: any
        super().__init__()

    def enter(self, scene: Mechanism, names: Mapping[str, str]) -> None:
        """Become part of a scene, in which constants are called as in ``names``.

        Raises:
            PaigError: for a scene that it does not fit.
        """
        self.__dict__["scene"], self.__dict__["names"] = scene, dict(names)
        self.ease = scene.ease if self.linear else 1.0

    def value(self, name: str, times: float = 1.0) -> Tensor:
        """A constant, differentiable, times a number; it broadcasts against ``(*B, N, D)``."""
        times *= self.ease
        return self.scene.constant(self.names[name]) if times == 1.0 else self.scene.scaled(self.names[name], times)

    def pairwise(self, name: str) -> Tensor:
        """A constant that broadcasts against ``(*B, N, N, 1)``."""
        value = self.value(name)
        return value.unsqueeze(-1) if value.dim() else value

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """The force: see ``on``.

        Args:
            motion: where things are and how they move.
            action: ``(*B, acts)``, its own numbers of the action.
        """
        raise NotImplementedError

    def potential(self, motion: Motion) -> Tensor | None:
        """Energy ``(*B,)`` of which this force is the slope, of the same :meth:`value`; None where it has none."""
        return None

    def rubbing(self) -> Tensor | None:
        """What it does against each coordinate's velocity, in proportion to that, as :meth:`value`; None if not so."""
        return None

    def reflect(self, state: State) -> State:
        """Bring a state back between walls, after it has moved."""
        return state

    def options(self) -> dict[str, Any]:
        """Arguments from which the same force is made, as plain values."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}


def spread(numbers: Sequence[int], count: int) -> Tensor:
    """The matrix ``(count, n)`` that gives each of ``n`` bodies its own number, and the others nothing."""
    found = torch.zeros(count, len(numbers))
    found[list(numbers), list(range(len(numbers)))] = 1.0
    return found
