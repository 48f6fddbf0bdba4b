"""What every physics has in common: an integrator, and a rollout.

A new system is a class with its constants and an ``acceleration``; everything else is here.

How a physics is advanced over one part of a step: splittings into kicks (of velocities) and drifts (of positions).

A scheme is a row of coefficients: drift by d0 h, kick by k0 h, drift by d1 h, kick, ... Semi-implicit Euler is of first
order and what PAIG and Gymnasium's Pendulum-v1 use; PEFRL, the position-extended Forest-Ruth-like scheme (Omelyan,
Mryglod and Folk, Computer Physics Communications 146, 2002), is of fourth order, and at a few parts a frame as good as
exact. Both are symplectic. PEFRL keeps its order only while forces do not depend on velocities; where they do, the
classical scheme of Runge and Kutta takes its place. Euler's explicit scheme is what Gymnasium's CartPole-v1 uses.
MuJoCo's own scheme is semi-implicit Euler in which friction is that of the velocities to which it leads (Todorov,
Erez and Tassa, IROS 2012, and its documentation on numerical integration).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from paig_control.errors import PaigError, nearest
from paig_control.physics.dynamics import Constant, Coordinate, Dynamics
from paig_control.types import State


class Stepped(Protocol):
    """What is advanced by a scheme: a physics.

    Attributes:
        scheme: name of it.
        substeps: parts of a frame.
        uses_velocity: whether its forces do.
    """

    scheme: str
    substeps: int
    uses_velocity: bool


class Scheme(NamedTuple):
    """Coefficients of a splitting; there may be one drift more than kicks.

    Attributes:
        drifts: fractions of the step, the first before the first kick.
        kicks: fractions of the step.
    """

    drifts: tuple[float, ...]
    kicks: tuple[float, ...]


_X, _L, _C = 0.1786178958448091, -0.2123418310626054, -0.06626458266981849

DAMPED = "damped"
"""Semi-implicit Euler, friction and drag implicit too."""
SCHEMES = {
    "euler": Scheme((0.0, 1.0), (1.0,)),
    DAMPED: Scheme((0.0, 1.0), (1.0,)),
    "pefrl": Scheme((_X, _C, 1 - 2 * (_C + _X), _C, _X), (0.5 - _L, _L, _L, 0.5 - _L)),
}


RUNGE_KUTTA, FORWARD = "rk4", "forward"
"""The classical scheme, and Euler's explicit one, in which velocities move positions before forces move them."""
CONVERGENT = ("pefrl", RUNGE_KUTTA)
"""Schemes that stand for exact motion: of these a finer step is nearer to the truth. Euler's first-order step is chosen
where the world itself is advanced by it."""


def integrate_by(physics: Stepped, name: str) -> None:
    """Choose a physics' scheme and number of parts a frame by a name such as ``euler-5`` or ``pefrl-2``.

    Where forces use velocities, ``rk4`` is taken for ``pefrl``.

    Raises:
        PaigError: for an unknown scheme or no number of parts.
    """
    scheme, _, parts = name.rpartition("-")
    known = (*SCHEMES, RUNGE_KUTTA, FORWARD)
    if scheme not in known:
        raise PaigError(f"There is no integrator {name!r}; {nearest(name, [f'{one}-5' for one in known])}")
    if not parts.isdecimal() or len(parts) > 4 or int(parts) < 1:
        raise PaigError(
            f"integrator = {name!r}: expected a scheme and its parts a frame, 1 to 9999, for example {scheme}-5."
        )
    scheme = RUNGE_KUTTA if scheme == "pefrl" and physics.uses_velocity else scheme
    physics.scheme, physics.substeps = scheme, int(parts)


class Physics(Dynamics):
    """Base class of the physics engines: dynamics with laws.

    A subclass names its constants and writes :meth:`acceleration`. The state is advanced in ``substeps`` equal parts
    of ``dt``, the action held over the step; at first by semi-implicit Euler (Hairer, Lubich and Wanner, Geometric
    Numerical Integration, I.1.2), or as :func:`~paig_control.physics.base.integrate_by` says.
    """

    stateless = False
    uses_velocity: bool = False
    """Whether the acceleration depends on velocities: then integrators for that are taken."""
    rubs: bool = False
    """Whether friction or drag acts that a scheme may take implicitly."""
    pushed: tuple[int, ...] = ()
    """Objects on which forces in the plane act, two numbers of an action each."""
    handed: Tensor
    """``(2,)``, where objects are pushed: -1 for an axis along which the camera mirrors."""

    def __init__(
        self,
        dt: float,
        substeps: int,
        coordinates: Sequence[Sequence[Coordinate]],
        action_size: int,
        constants: Sequence[Constant],
    ) -> None:
        super().__init__(dt, coordinates, action_size, constants)
        if substeps < 1:
            raise PaigError(f"substeps = {substeps}: expected at least 1.")
        self.substeps, self.scheme = substeps, "euler"

    def laws(self) -> Physics:
        """Itself."""
        return self

    @property
    def integrator(self) -> str:
        """Scheme and parts of a step."""
        return f"{self.scheme}-{self.substeps}"

    def acceleration(self, state: State, action: Tensor) -> Tensor:
        """Acceleration ``(*B, N, D)`` of every coordinate, given the action ``(*B, A)``."""
        raise NotImplementedError

    def limit(self, velocity: Tensor) -> Tensor:
        """Limit a velocity, before it moves anything; nothing by default."""
        return velocity

    def reflect(self, state: State) -> State:
        """Bring a state back between walls, after it has moved; nothing by default."""
        return state

    def admissible(self, state: State) -> State:
        """The nearest state that the physics allows."""
        return self.reflect(State(state.position, self.limit(state.velocity)))

    def energy(self, state: State) -> Tensor | None:
        """Energy ``(*B,)`` that is kept where nothing acts; None where none is."""
        return None

    def step(self, state: State, action: Tensor) -> State:
        """Advance by ``dt`` under a constant action ``(*B, A)``."""
        return self.advance(state, action, self.dt)

    def back(self, state: State, actions: Tensor) -> State:
        """The state from which these actions ``(*B, H, A)``, the last one first, have led to ``state``, about."""
        for action in actions.unbind(-2):
            state = self.advance(state, action, -self.dt)
        return state

    def advance(self, state: State, action: Tensor, duration: float) -> State:
        """Advance by any time under a constant action; a negative one goes back."""
        h = duration / self.substeps
        if self.scheme == RUNGE_KUTTA:
            for _ in range(self.substeps):
                state = self._runge_kutta(state, action, h)
            return state
        if self.scheme == FORWARD:
            for _ in range(self.substeps):
                pull = self.acceleration(state, action)
                velocity = self.limit(torch.add(state.velocity, pull, alpha=h))
                state = self.reflect(State(torch.add(state.position, state.velocity, alpha=h), velocity))
            return state
        drifts, kicks = SCHEMES[self.scheme]
        for _ in range(self.substeps):
            position, velocity = state
            if drifts[0]:
                position, velocity = self.reflect(State(torch.add(position, velocity, alpha=drifts[0] * h), velocity))
            for drift, kick in zip(drifts[1:], kicks, strict=True):
                force = self.acceleration(State(position, velocity), action)
                velocity = self.limit(torch.add(velocity, force, alpha=kick * h))
                position, velocity = self.reflect(State(torch.add(position, velocity, alpha=drift * h), velocity))
            state = State(position, velocity)
        return state

    def _runge_kutta(self, state: State, action: Tensor, h: float) -> State:
        """One part of a step by the classical scheme of Runge and Kutta, of fourth order for any force."""
        velocity, pull = state.velocity, self.acceleration(state, action)
        position_slope, velocity_slope = velocity, pull
        for part, weight in ((h / 2, 2.0), (h / 2, 2.0), (h, 1.0)):
            speed = torch.add(state.velocity, pull, alpha=part)
            pull = self.acceleration(State(torch.add(state.position, velocity, alpha=part), speed), action)
            velocity = speed
            position_slope = torch.add(position_slope, velocity, alpha=weight)
            velocity_slope = torch.add(velocity_slope, pull, alpha=weight)
        position = torch.add(state.position, position_slope, alpha=h / 6)
        return self.admissible(State(position, torch.add(state.velocity, velocity_slope, alpha=h / 6)))

    def rollout(self, state: State, actions: Tensor) -> State:
        """States after each of the actions ``(*B, H, A)``: a :class:`State` of ``(*B, H, N, D)``."""
        positions, velocities = [], []
        for action in actions.unbind(-2):
            state = self.step(state, action)
            positions.append(state.position)
            velocities.append(state.velocity)
        return State(torch.stack(positions, -3), torch.stack(velocities, -3))

    def imagined(self, state: State, actions: Tensor, repeat: int = 1) -> State | None:
        """States ``(B, K, H repeat, N, D)`` of candidates ``(B, K, H, A)`` from ``(B or 1, N, D)``.

        Without gradient, by compiled code (:mod:`~paig_control.physics.compiled`); None where there is none for it.
        """
        return None
