"""``paig-control list`` and ``paig-control physics show``: what there is, and what a scene is made of."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from paig_control.cli.help import entry
from paig_control.cli.output import Screen
from paig_control.errors import PaigError, nearest
from paig_control.physics.written import asked, scenes

if TYPE_CHECKING:
    from paig_control.physics.base import Physics
    from paig_control.physics.dynamics import Constant

USAGE = {
    "list": "paig-control list physics|forces|planners|envs",
    "physics": "paig-control physics show NAME, the name of a scene, of a YAML file or of a class, package:Name",
}


def run(words: Sequence[str]) -> int:
    """Show; returns the exit code.

    Raises:
        PaigError: for words that are not understood.
    """
    screen = Screen(1)
    if "--help" in words or "-h" in words:
        print("usage:", USAGE[words[0]])
    elif words[0] == "list" and len(words) == 2:
        if words[1] not in LISTS:
            raise PaigError(f"There is no list of {words[1]}; {nearest(words[1], LISTS)}")
        for name, about in LISTS[words[1]]():
            print(entry(name, about))
    elif words[0] == "physics" and len(words) == 3 and words[1] == "show":
        show(words[2], screen)
    else:
        raise PaigError(f"{' '.join(words)} is not understood: {USAGE[words[0]]}.")
    return 0


def _head(thing: Any) -> str:
    """What is written of a class in its first sentence."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split()).replace("``", "").rstrip(".")


def _comment(group: str, name: str) -> str:
    """First sentence of the comment on top of a configuration."""
    text = resources.files("paig_control.configs").joinpath(group, f"{name}.yaml").read_text(encoding="utf-8")
    lines = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
    return " ".join(lines).partition(". ")[0].rstrip(".")


def _physics() -> list[tuple[str, str]]:
    from paig_control.physics.registry import PHYSICS

    rows = [(name, _comment("physics", name)) for name in scenes()]
    return [*rows, *((name, _head(cls)) for name, cls in PHYSICS.items())]


def _forces() -> list[tuple[str, str]]:
    from paig_control.physics.forces import FORCES

    def about(cls: Any) -> str:
        parts = {
            "Constants": [f"{one.name} {one.unit}".rstrip() for one in cls.constants],
            "Options": list(inspect.signature(cls).parameters),
        }
        return " ".join([f"{_head(cls)}.", *(f"{word}: {', '.join(names)}." for word, names in parts.items() if names)])

    return [(name, about(cls)) for name, cls in FORCES.items()]


def _planners() -> list[tuple[str, str]]:
    from paig_control.agents.registry import PLANNERS

    return [(name, _head(cls)) for name, cls in PLANNERS.items()]


def _envs() -> list[tuple[str, str]]:
    folder = resources.files("paig_control.configs").joinpath("env")
    names = sorted(file.name.removesuffix(".yaml") for file in folder.iterdir())
    return [(name, _comment("env", name)) for name in names]


LISTS = {"physics": _physics, "forces": _forces, "planners": _planners, "envs": _envs}


def show(name: str, screen: Screen) -> None:
    """Print coordinates, forces and constants of a physics, try it out, and say what films can tell of it."""
    from paig_control.physics.check import check_physics, untold
    from paig_control.physics.registry import build_dynamics

    said = asked(name)
    dynamics = build_dynamics(str(said.pop("name")), 0.1, said, imports=True)
    if dynamics.stateless:
        raise PaigError(f"{name} has no coordinates, constants or forces: {_head(type(dynamics))}.")
    physics = dynamics.laws()
    rows = [
        [str(n), one.name, one.unit, "turns" if one.periodic else "", f"{one.scale:g}"]
        for n, row in enumerate(physics.coordinates)
        for one in row
    ]
    screen.table("Coordinates", ["body", "name", "unit", "", "scale"], rows)
    for label, force in getattr(physics, "forces", {}).items():
        actions = f" Driven by {force.acts} number{'s' * (force.acts > 1)} of the action." if force.acts else ""
        screen.say(entry(label, f"{_head(type(force))}.{actions}"))
    if physics.names:
        screen.table("Constants", ["name", "unit", "search begins at", "between"], list(_constants(physics.constants)))
    found = check_physics(physics)
    screen.say("Tried out: batched, differentiable" + (", keeps its energy." if found.conserved else "."))
    for line in told(physics, untold(physics)):
        screen.say(line)


def _constants(constants: Iterable[Constant]) -> Iterable[list[str]]:
    for one in constants:
        yield [one.name, one.unit, f"{one.start:g}", "any sign" if one.signed else f"{one.low:g} and {one.high:g}"]


def told(physics: Physics, groups: list[list[str]]) -> list[str]:
    """In words, which constants films tell, given those that they do not."""
    dark = {name for group in groups for name in group}
    clear = [name for name in physics.names if name not in dark]
    lines = [f"Films can tell {_and(clear)}, each by itself." if clear else "Films can tell no constant by itself."]
    for group in groups:
        if len(group) == 1:
            lines.append(f"Nothing that can be seen depends on {group[0]}.")
        else:
            lines.append(f"Of {_and(group)} films tell only combinations: tell one of them, or take one force less.")
    return lines if physics.names else []


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
