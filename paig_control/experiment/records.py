"""The groups of a configuration: where the records stand from which each of them begins, and that of an environment.

Nothing here imports torch.

The words of help and messages, read off the records: what a field means, and what may be put into it.

Records turned into what Hydra fills in, and back: frozen and checked on our side, open and plain on Hydra's.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import types
import typing
from dataclasses import MISSING, dataclass, field
from typing import Any


def schema(kind: type[Any], **extra: tuple[Any, Any]) -> type[Any]:
    """Copy a record so that Hydra may fill it in: nothing frozen or checked, ``extra`` fields in front."""
    hints = typing.get_type_hints(kind)
    fields: list[Any] = [(name, hint, field(default=value)) for name, (hint, value) in extra.items()]
    for item in dataclasses.fields(kind):
        hint = hints[item.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            value = default(item)
            hint = schema(hint)
            plain = dataclasses.asdict(value)
            fields.append((item.name, hint, field(default_factory=_maker(hint, plain))))
        elif item.default_factory is not MISSING:
            fields.append((item.name, hint, field(default_factory=item.default_factory)))
        else:
            fields.append((item.name, hint, field(default=item.default)))
    return dataclasses.make_dataclass(kind.__name__, fields, namespace={"__doc__": kind.__doc__})


def _maker(kind: type[Any], values: dict[str, Any]) -> typing.Callable[[], Any]:
    """Build the mirrored record from the plain values of the original."""

    def make() -> Any:
        hints = typing.get_type_hints(kind)
        nested = {
            name: _maker(hints[name], value)() if dataclasses.is_dataclass(hints[name]) else value
            for name, value in values.items()
        }
        return kind(**nested)

    return make


def default(item: dataclasses.Field[Any]) -> Any:
    """Default of a record's field."""
    return item.default_factory() if item.default_factory is not MISSING else item.default


def build(kind: type[Any], values: typing.Mapping[str, Any]) -> Any:
    """Build a record from plain nested values; what it refuses is refused here."""
    hints = typing.get_type_hints(kind)
    arguments = {}
    for item in dataclasses.fields(kind):
        if item.name not in values:
            continue
        hint, value = hints[item.name], values[item.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            value = build(hint, value)
        elif typing.get_origin(hint) is tuple:
            value = tuple(value)
        arguments[item.name] = value
    return kind(**arguments)


def documented(kind: type[Any]) -> dict[str, str]:
    """Meaning of each field of a record, from its docstring and those of the records it extends."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "").partition("Attributes:")[2]
        for name, meaning in re.findall(r"^ {4}(\w+): (.*(?:\n {5,}\S.*)*)", text, re.MULTILINE):
            found[name] = " ".join(meaning.split())
    return found


def expected(hint: Any) -> str:
    """Say a type in a user's words."""
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    if isinstance(hint, types.UnionType):
        return " or ".join("null" if arm is type(None) else expected(arm) for arm in hint.__args__)
    if typing.get_origin(hint) in (list, tuple):
        return "a list of " + {int: "whole numbers", float: "numbers"}.get(hint.__args__[0], "values")
    if typing.get_origin(hint) is dict:
        return "a set of name: value"
    return words.get(hint, "another kind of value")


@dataclass
class Env:
    """An environment.

    Attributes:
        id: in Gymnasium's registry; package:id imports the package first.
        kwargs: its arguments, any that it takes, for example env.kwargs.size=48.
        goals: states by name, positions then velocities.
        goal: name of the default goal.
        reward: name of its reward function, for objective=reward and the oracle.
        steps: of an episode of control.
        horizon: actions in a plan.
        time_scale: seconds that turn a velocity error into a position error, in the goal objective.
        terminal: extra weight of the last state of a plan, in states, in the goal objective.
        effort: weight of the squared actions, in the goal objective.
        start_speed: standard deviation of the velocities with which episodes begin, of which the first frame tells
            nothing, px/s or rad/s; the first action suits them all. 0 plans as if things were at rest.
    """

    id: str = "paig/Pixels-v0"
    kwargs: dict[str, Any] = field(default_factory=dict)
    goals: dict[str, list[float]] = field(default_factory=dict)
    goal: Any = None
    reward: str | None = None
    steps: int = 200
    horizon: int = 40
    time_scale: float = 0.3
    terminal: float = 0.0
    effort: float = 0.001
    start_speed: float = 0.0


RECORDS: dict[str, dict[str, str]] = {
    "env": {"env": "paig_control.experiment.records:Env"},
    "model": {"model": "paig_control.learning.settings:ModelSettings"},
    "recipe": {
        "default": "paig_control.learning.settings:RecipeSettings",
        "paper": "paig_control.learning.settings:PaperSettings",
    },
    "agent": {"mpc": "paig_control.agents.settings:AgentSettings"},
    "planner": {
        "cem": "paig_control.agents.settings:CEMSettings",
        "icem": "paig_control.agents.settings:ICEMSettings",
        "mppi": "paig_control.agents.settings:MPPISettings",
        "gradient": "paig_control.agents.settings:GradientSettings",
        "cem_gradient": "paig_control.agents.settings:CEMGradientSettings",
    },
    "objective": {
        "goal": "paig_control.agents.settings:GoalSettings",
        "picture": "paig_control.agents.settings:PictureSettings",
        "reward": "paig_control.agents.settings:RewardSettings",
    },
}
"""Group: the records that its configurations begin from, by name."""
GROUPS = (*RECORDS, "physics")
"""Keys of commands that configurations fill."""
OPEN = ("physics", "env.kwargs", "env.goals", "constants")
"""Where a key that is not listed may be given: its owner checks it."""


def record(group: str, name: str) -> type[Any]:
    """Import the record of this name in a group."""
    module, _, attribute = RECORDS[group][name].partition(":")
    found: type[Any] = getattr(importlib.import_module(module), attribute)
    return found
