"""How a physics is advanced over one part of a step: splittings into kicks (of velocities) and drifts (of positions).

A scheme is a row of coefficients: drift by d0 h, kick by k0 h, drift by d1 h, kick, ... Semi-implicit Euler is of first
order and what PAIG and Gymnasium's Pendulum-v1 use; PEFRL, the position-extended Forest-Ruth-like scheme (Omelyan,
Mryglod and Folk, Computer Physics Communications 146, 2002), is of fourth order, and at a few parts a frame as good as
exact. Both are symplectic. PEFRL keeps its order only while forces do not depend on velocities; where they do, the
classical scheme of Runge and Kutta takes its place.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from paig_control.errors import PaigError, nearest


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

SCHEMES = {
    "euler": Scheme((0.0, 1.0), (1.0,)),
    "pefrl": Scheme((_X, _C, 1 - 2 * (_C + _X), _C, _X), (0.5 - _L, _L, _L, 0.5 - _L)),
}


RUNGE_KUTTA = "rk4"
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
    known = (*SCHEMES, RUNGE_KUTTA)
    if scheme not in known:
        raise PaigError(f"There is no integrator {name!r}; {nearest(name, [f'{one}-5' for one in known])}")
    if not parts.isdecimal() or len(parts) > 4 or int(parts) < 1:
        raise PaigError(
            f"integrator = {name!r}: expected a scheme and its parts a frame, 1 to 9999, for example {scheme}-5."
        )
    scheme = RUNGE_KUTTA if scheme == "pefrl" and physics.uses_velocity else scheme
    physics.scheme, physics.substeps = scheme, int(parts)
