"""Rails and hinges of which nothing is told: what their motion tells of their masses, and no more.

However a link's mass lies about its hinge, only its moment (mass times the distance of the centre of mass) and its
inertia about the hinge count, with the masses of all that hangs on it added where it hangs; and of a rail's body only
its mass, again with what hangs on it. These are the base parameters of Gautier and Khalil (IEEE Trans. Robotics and
Automation 6, 1990). Their common factor cannot be told either, so the first body's moment, or its mass on a rail, is
one: then there are of every link a ``length``, inertia over moment, which is that of a point on a thread that swings
alike, and of each but the first a ``moment``. Where gravity does nothing, as to what is seen from above, the first
hinge's moment does not show: then its inertia is one, and it has no length. Lengths between joints are the picture's,
in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from paig_control.errors import PaigError
from paig_control.machine import array, loops
from paig_control.physics.dynamics import Constant
from paig_control.physics.joints import Body, solved
from paig_control.types import State


class Swung(NamedTuple):
    """How links stand.

    Attributes:
        along: ``(*B, N, 2)``, from each hinge towards the centre of mass, a unit long; nothing on a rail.
        across: ``(*B, N, 2)``, how that changes as the link turns.
        arms: ``(*B, N, 2)``, from the joint below to each joint, where that turns; else nothing.
        slope: ``(*B, N, N, 2)``, derivatives of the joints' places by the coordinates.
    """

    along: Tensor
    across: Tensor
    arms: Tensor
    slope: Tensor


class Inertia(NamedTuple):
    """How hard bodies are to move.

    Attributes:
        moment: ``(*B, N)``, mass times the distance of its centre from the hinge; of a rail's body its mass.
        turning: ``(*B, N)``, about the hinge; nothing on a rail.
    """

    moment: Tensor
    turning: Tensor


class Pulls(NamedTuple):
    """What acts in the joints.

    Attributes:
        gravity: a number, or one for each problem, as the others.
        friction: ``(*B, N)``, in each joint.
        gains: ``(*B, N, A)``, what each number of an action does in each joint.
    """

    gravity: Tensor
    friction: Tensor
    gains: Tensor


class Stepping(NamedTuple):
    """How a step is made.

    Attributes:
        parts: drifts and kicks, in seconds.
        step: s.
        substeps: a frame.
        explicit: without kicks, whether by Euler's explicit scheme, and not by Runge and Kutta's.
        eased: for how many seconds friction adds to inertia.
    """

    parts: tuple[Sequence[float], Sequence[float]]
    step: float
    substeps: int
    explicit: bool
    eased: float


class Lumped(nn.Module):
    """A tree of bodies on rails and hinges whose inertia is to be learned, one coordinate a body.

    Args:
        bodies: already checked.
        constant: the scene's constants by name.
        weighed: whether gravity acts.

    Attributes:
        anchor: ``(N, 2)``, where each joint sits on the link below it, pixels, in that link's own frame.
    """

    def __init__(self, bodies: Sequence[Body], constant: Callable[[str], Tensor], weighed: bool) -> None:
        super().__init__()
        self.weighed = weighed
        self.bodies, count = tuple(bodies), len(bodies)
        self.__dict__["_constant"] = constant
        self.names = names_of(bodies)
        turns, under, carried = (torch.zeros(count, count, dtype=torch.float64) for _ in range(3))
        for number, body in enumerate(bodies):
            if body.on is not None:
                turns[number], carried[number], under[number] = turns[body.on], carried[body.on], turns[body.on]
            carried[number, number] = 1.0
            turns[number, number] = float(body.joint == "hinge")
        self.turns: Tensor
        self.under: Tensor
        self.carried: Tensor
        self.rails: Tensor
        self.register_buffer("turns", turns, persistent=False)
        self.register_buffer("under", under, persistent=False)
        self.register_buffer("carried", carried, persistent=False)
        self.register_buffer("anchor", torch.tensor([body.anchor for body in bodies], dtype=torch.float64))
        self.register_buffer("direction", torch.tensor([body.direction for body in bodies], dtype=torch.float64))
        self.anchor: Tensor
        self.direction: Tensor

    def places(self, position: Tensor) -> Swung:
        """How the links stand at coordinates ``(*B, N, 1)``."""
        q = position[..., 0]
        angle, below = (q @ way.to(q).T for way in (self.turns, self.under))
        hinged, x, y = self.turns.diagonal().to(q), *self.anchor.to(q).unbind(-1)
        sin, cos = torch.sin(angle) * hinged, torch.cos(angle) * hinged
        along, across = torch.stack([-sin, -cos], -1), torch.stack([-cos, sin], -1)
        sin, cos = torch.sin(below), torch.cos(below)
        arms = torch.stack([x * cos + y * sin, y * cos - x * sin], -1)
        turned = torch.stack([arms[..., 1], -arms[..., 0]], -1)
        slope = torch.einsum("nm,mk,...mc->...nkc", self.carried.to(q), self.under.to(q), turned)
        way = self.direction.to(q)
        rails = torch.stack([torch.cos(way), -torch.sin(way)], -1) * (1 - hinged)[:, None]
        return Swung(along, across, arms, slope + self.carried.to(q)[..., None] * rails)

    def _inertia(self, at: Tensor) -> Inertia:
        """What the constants say, in the kind of ``at``."""
        one = at.new_ones(())
        moments, lengths = [one], [0 * one]
        for number, (name, body) in enumerate(zip(self.names, self.bodies, strict=True)):
            if number:
                moments.append(self._value(f"{name}_moment"))
                lengths.append(0 * one)
            if body.joint == "hinge":
                lengths[-1] = self._value(f"{name}_length") if number or self.weighed else one
        moment, length = (torch.stack(torch.broadcast_tensors(*parts), -1).to(at) for parts in (moments, lengths))
        return Inertia(moment, moment * length)

    def _value(self, name: str) -> Tensor:
        """A constant that broadcasts against ``(*B)``."""
        return flat(self.__dict__["_constant"](name))

    def accelerate(
        self, state: State, places: Swung, bodies: Tensor | None, joints: Tensor | None, eased: Tensor | None = None
    ) -> Tensor:
        """Acceleration ``(*B, N, 1)`` under forces ``(*B, N, 1)`` in joints; ``eased`` as in a tree of told lengths."""
        v, moment = state.velocity[..., 0], self._inertia(places.along).moment
        spin, below = (v @ way.to(v).T for way in (self.turns, self.under))
        drift = -torch.einsum("nm,...mc->...nc", self.carried.to(v), below.square()[..., None] * places.arms)
        torque = moment * (places.across * drift).sum(-1)
        thrust = (spin.square() * moment)[..., None] * places.along
        total = torch.einsum("...nkc,...nc->...k", places.slope, thrust) - torque @ self.turns.to(v)
        total = total if joints is None else total + joints[..., 0]
        return solved(self._matrix(places), total, eased)

    def _matrix(self, places: Swung) -> Tensor:
        """The mass matrix ``(*B, N, N)``."""
        moment, inertia = self._inertia(places.along)
        turns, sliding = self.turns.to(moment), 1 - self.turns.diagonal().to(moment)
        bound = (moment[..., None] * (places.slope * places.across[..., None, :]).sum(-1)).mT @ turns
        turning = (turns.T * inertia[..., None, :]) @ turns
        slid = torch.einsum("...nkc,...nlc,n->...kl", places.slope, places.slope, sliding)
        return turning + bound + bound.mT + slid

    def rolled(self, state: State, actions: Tensor, pulls: Pulls, scheme: Stepping) -> State | None:
        """States ``(*B, H, N, 1)`` under actions ``(*B, H, A)`` by compiled code; None where there is none for them."""
        one = state.position.new_zeros(())
        moment, inertia = self._inertia(one)
        parts, gains = [moment, inertia, pulls.gravity[..., None], pulls.friction], pulls.gains
        given = (*state, actions, *parts, gains)
        if any(x.device.type != "cpu" or (torch.is_grad_enabled() and x.requires_grad) for x in given):
            return None
        found = loops("physics", "swaying")
        if found is None:
            return None
        batch, (horizon, width), count = actions.shape[:-2], actions.shape[-2:], len(self.bodies)
        each = batch if any(x.dim() > 1 for x in parts) or gains.dim() > 2 else ()
        shared = [_rows(x, each, x.shape[-1:]) for x in parts]
        shared.append(_rows(gains, each, gains.shape[-2:]))
        starts = [_rows(x[..., 0].expand(*batch, count), batch, (count,)) for x in state]
        places, speeds = (np.empty((len(starts[0]), horizon, count)) for _ in range(2))
        found.swing(
            np.array([-1 if body.on is None else body.on for body in self.bodies]),
            array(self.turns).astype(np.int64),
            array(self.anchor),
            array(self.direction),
            *shared,
            *(np.array(parts) for parts in scheme.parts),
            *scheme[1:],
            *starts,
            _rows(actions, batch, (horizon, width)),
            places,
            speeds,
        )
        return State(*(torch.from_numpy(x).reshape(*batch, horizon, count, 1).to(one) for x in (places, speeds)))

    def down(self, places: Swung) -> Tensor:
        """What gravity does along each coordinate, ``(*B, N, 1)``."""
        moment = self._inertia(places.along).moment
        sliding = 1 - self.turns.diagonal().to(moment)
        turning = (moment * places.across[..., 1]) @ self.turns.to(moment)
        return (turning + torch.einsum("...nk,n->...k", places.slope[..., 1], sliding)).unsqueeze(-1)

    def depth(self, position: Tensor, places: Swung) -> Tensor:
        """Moments of all bodies downwards ``(*B,)``: what gravity is the slope of."""
        moment = self._inertia(places.along).moment
        sunk = torch.einsum("...nk,...k->...n", places.slope[..., 1], position[..., 0])
        return (moment * places.along[..., 1] + (1 - self.turns.diagonal().to(moment)) * sunk).sum(-1)

    def energy(self, state: State) -> Tensor:
        """Energy of motion ``(*B,)``."""
        v = state.velocity[..., 0]
        twice: Tensor = torch.einsum("...i,...ij,...j->...", v, self._matrix(self.places(state.position)), v)
        return twice / 2


def lumped(tree: nn.Module | None) -> Lumped | None:
    """The tree, if its inertia is to be learned."""
    return tree if isinstance(tree, Lumped) else None


def names_of(bodies: Sequence[Body]) -> list[str]:
    """What bodies are called."""
    return [body.name or f"body_{number}" for number, body in enumerate(bodies)]


def is_lumped(bodies: Sequence[Body]) -> bool:
    """Whether inertia is to be learned.

    Raises:
        PaigError: where it is only in part, or cannot be.
    """
    open_ = [number for number, body in enumerate(bodies) if body.length is None]
    if not open_:
        return False
    if len(bodies) == 1:
        raise PaigError("A hinge alone has no length: nothing else tells it from gravity and torques, so tell it.")
    for number, body in enumerate(bodies):
        if body.joint == "hinge" and body.length is not None:
            raise PaigError(f"Body {number} has a length, body {open_[0]} has none: tell all hinges' lengths, or none.")
        if body.joint == "rail" and number:
            raise PaigError(f"Body {number} is a rail above another body: where lengths are not told, a rail is first.")
        if (body.mass, body.max_speed) != (1.0, math.inf):
            raise PaigError(f"Body {number} has a mass or max_speed: where lengths are not told, leave them out.")
    return True


def inertia_of(bodies: Sequence[Body], weighed: bool) -> list[Constant]:
    """What is to be learned of bodies whose lengths are not told."""
    found, unit = [], "px" if bodies[0].joint == "rail" else "" if weighed else "1/px"
    for number, (name, body) in enumerate(zip(names_of(bodies), bodies, strict=True)):
        if number:
            found.append(Constant(f"{name}_moment", unit))
        if body.joint == "hinge" and (number or weighed):
            found.append(Constant(f"{name}_length", "px", start=10.0))
    return found


def begun(bodies: Sequence[Body], reach: Sequence[float], weighed: bool) -> dict[str, float]:
    """Where a search for what :func:`inertia_of` names may begin; bodies' middles are so far from their joints.

    The mass matrix has to be positive definite there, and steps that lead out of where it is are refused.
    """
    found = {}
    for number, (name, body, middle) in enumerate(zip(names_of(bodies), bodies, reach, strict=True)):
        if number:
            part = 0.3 if weighed else 0.3 / (2 * reach[0])
            found[f"{name}_moment"] = 0.1 * middle if bodies[0].joint == "rail" else part
        if body.joint == "hinge" and (number or weighed):
            found[f"{name}_length"] = 2 * middle
    return found


def flat(value: Tensor) -> Tensor:
    """A constant that broadcasts against ``(*B, N, D)``, as one that does against ``(*B)``."""
    return value[..., 0, 0] if value.dim() else value


def _rows(values: Tensor, batch: Sequence[int], own: Sequence[int]) -> NDArray[np.float64]:
    """Values ``(*B, ...)`` as rows ``(R, ...)`` of numbers, one for each of a batch; a single row without one."""
    return array(values.expand(*batch, *own).reshape(-1, *own).double())
