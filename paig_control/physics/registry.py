"""Physics by name: what configurations and checkpoints may ask for, and nothing else.

A checkpoint names its physics and its options; only classes registered here are ever built from such a name, so no
file can make the library run code of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

from paig_control.errors import PaigError, nearest
from paig_control.physics.base import Physics
from paig_control.physics.lstm import Lstm
from paig_control.physics.particles import Bouncing, Gravity, Spring
from paig_control.physics.pendulum import Pendulum

PHYSICS: dict[str, type[Physics]] = {}
MOST = 4096
"""Bodies, units of a memory or parts of a frame that a physics may have."""

P = TypeVar("P", bound=type[Physics])


def register(name: str) -> Callable[[P], P]:
    """Class decorator that makes a physics known under ``name``."""

    def add(cls: P) -> P:
        if PHYSICS.get(name, cls) is not cls:
            raise PaigError(f"The physics name {name!r} is taken by {PHYSICS[name].__name__}: choose another.")
        PHYSICS[name] = cls
        return cls

    return add


register("pendulum")(Pendulum)
register("spring")(Spring)
register("gravity")(Gravity)
register("bouncing")(Bouncing)
register("lstm")(Lstm)


def options_of(name: str) -> list[str]:
    """Options of a registered physics.

    Raises:
        PaigError: for an unknown name.
    """
    if name not in PHYSICS:
        raise PaigError(f"Unknown physics {name!r}; {nearest(name, list(PHYSICS))}")
    return [option for option in inspect.signature(PHYSICS[name]).parameters if option != "dt"]


def build_physics(name: str, dt: float, **options: object) -> Physics:
    """Build a registered physics.

    Args:
        name: as registered, for example ``pendulum``.
        dt: time between frames, s.
        options: arguments of the class, for example ``length``.

    Raises:
        PaigError: for an unknown name or option, or a value of the wrong type.
    """
    allowed = options_of(name)
    cls = PHYSICS[name]
    parameters = inspect.signature(cls).parameters
    for key, value in options.items():
        if key not in allowed:
            raise PaigError(f"The physics {name!r} has no option {key!r}; {nearest(key, allowed)}")
        if not _fits(value, parameters[key].default):
            raise PaigError(
                f"{name}.{key} = {value!r}: expected something like {parameters[key].default!r}, and no whole number "
                f"above {MOST}."
            )
    physics = cls(dt=dt, **options)  # type: ignore[arg-type]
    physics.spec = {"name": name, **{key: value for key, value in options.items() if key != "substeps"}}
    return physics


def _fits(value: object, default: object) -> bool:
    """Whether an option is of the kind of its default; the numbers of bodies have none."""
    if default is None:
        return value is None or (isinstance(value, list | tuple) and all(type(n) is int for n in value))
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int):
        return type(value) is int and value <= MOST
    return isinstance(value, int | float) and not isinstance(value, bool)
