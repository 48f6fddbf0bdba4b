"""Choices that are not of this library, by a file or as ``package:Name``, made known to Hydra as choices of a group."""

from __future__ import annotations

import hashlib
import inspect
import re
from dataclasses import replace
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from paig_control.experiment.records import Env
from paig_control.naming import find
from paig_control.physics.written import asked

ADOPTED = "schema_own_"
"""How the names begin under which they are known; such names are not offered."""
FOREIGN = re.compile(r"^dm_control/|^(?!paig/).*-v\d+$|\.xml$")
"""Ids of environments that are not of this library."""


def adopted(one: Override) -> Override:
    """The word of a user, of which Hydra knows what it means by now.

    Raises:
        PaigError: for a file that describes no scene, or a package that cannot be imported.
    """
    group, value = str(one.key_or_group), one.value()
    if not isinstance(value, str) or group not in CONFIGS:
        return one
    node = CONFIGS[group](value)
    if node is None:
        return one
    name = f"{ADOPTED}{hashlib.sha256(repr(node).encode()).hexdigest()[:12]}"
    ConfigStore.instance().store(group=group, name=name, node=node)
    return OverridesParser.create().parse_override(f"{group}={name}")


def _physics(value: str) -> Any:
    own = ":" in value or value.endswith((".yaml", ".yml"))
    return asked(value) if own else None


def _planner(value: str) -> Any:
    """The arguments of a planner's class are its settings; how far it looks ahead is the environment's."""
    if ":" not in value:
        return None
    usual = _arguments(find("planner", value, {}, imports=True))
    usual |= {"horizon": "${env.horizon}"} if "horizon" in usual else {}
    return {"name": value, **{name: default for name, default in usual.items() if name != "seed"}}


def _objective(value: str) -> Any:
    """A function of imagined states and actions, or a class of such, whose arguments are its settings."""
    if ":" not in value:
        return None
    found = find("objective", value, {}, imports=True)
    return {"name": value, **(_arguments(found) if isinstance(found, type) else {})}


def _arguments(thing: Any) -> dict[str, Any]:
    """Names and defaults of what a class takes."""
    parameters = inspect.signature(thing).parameters
    return {name: None if one.default is one.empty else one.default for name, one in parameters.items()}


def _env(value: str) -> Any:
    """An environment of a package's own, or anybody's that can render, by its id: that is filmed by a camera."""
    if ":" in value:
        return replace(Env(), id=value)
    return replace(Env(), kwargs={"env_id": value, "size": 64}) if FOREIGN.search(value) else None


CONFIGS = {"physics": _physics, "planner": _planner, "objective": _objective, "env": _env}
"""By group: what a value stands for that is none of the group's own choices; nothing for one that is."""
