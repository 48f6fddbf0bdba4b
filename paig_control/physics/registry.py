"""Physics by name: scenes that are written down in ``configs/physics``, and classes that are registered.

A checkpoint names its physics and its options. Only classes registered here, and forces that are known or were imported
by somebody else, are ever built from such names, so no file can make the library run code of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from paig_control import naming
from paig_control.errors import PaigError, nearest, quoted
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import Dynamics, Lstm
from paig_control.physics.mechanism import scene_of
from paig_control.physics.written import MOST, described, scenes

PHYSICS: dict[str, type[Dynamics]] = {}
"""Classes by name; scenes are files."""

P = TypeVar("P", bound=type[Dynamics])


def register(name: str) -> Callable[[P], P]:
    """Class decorator that makes a physics known under ``name``."""

    def add(cls: P) -> P:
        if name in scenes() or PHYSICS.get(name, cls) is not cls:
            taken = f"the scene {name}" if name in scenes() else PHYSICS[name].__name__
            raise PaigError(f"The physics name {name!r} is taken by {taken}: choose another.")
        PHYSICS[name] = cls
        return cls

    return add


def names() -> list[str]:
    """All names that :func:`build_physics` knows."""
    return sorted({*scenes(), *PHYSICS})


register("lstm")(Lstm)


def build_physics(name: str, dt: float, **options: Any) -> Physics:
    """Build a physics by name: one of the library's scenes, a class that was registered, or any scene described.

    Nothing is imported for it, whatever the options say; what ``package:Name`` names must be imported already.

    Args:
        name: for example ``pendulum``, or ``package:Name`` for a class of your own; any name where ``options`` describe
            a whole scene.
        dt: time between frames, s.
        options: of the class, or what is to be other than the scene's file says, for example ``objects=3`` or
            ``forces={"spring": {}}``, also by the short names that the file gives, for example ``length``.

    Raises:
        PaigError: for an unknown name or option, a value that does not fit, or ``lstm``, which is no physics.
    """
    return build_dynamics(name, dt, options).laws()


def build_dynamics(name: str, dt: float, options: Mapping[str, Any], imports: bool = False) -> Dynamics:
    """The same, a black box among them; what is named is imported only where a user asked for it by name."""
    if name in PHYSICS or (":" in name and "forces" not in options):
        cls = naming.find("physics", name, PHYSICS, imports)
        if not (isinstance(cls, type) and issubclass(cls, Dynamics)):
            raise PaigError(f"{name} is {quoted(cls)}: expected a subclass of paig_control.physics.base.Physics.")
        physics: Dynamics = naming.made(cls, {"dt": dt, **options}, name, MOST)
        physics.spec = {"name": name, **{key: value for key, value in options.items() if key != "substeps"}}
        return physics
    if name not in scenes() and "forces" not in options:
        raise PaigError(f"Unknown physics {quoted(name)}; {nearest(str(name), names())}")
    scene = scene_of(described(name, options), dt, imports)
    scene.spec = {"name": name, **scene.describe()}
    return scene
