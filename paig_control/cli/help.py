"""Help, made from the records and configurations themselves, so that it cannot say what is not so."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
import typing
from typing import Any

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from paig_control import __version__
from paig_control.experiment.compose import CONFIGS, choices, compose, register_schemas, used
from paig_control.experiment.records import GROUPS, RECORDS, Env, default, documented, record
from paig_control.experiment.schema import COMMANDS, Common

WIDTH, COLUMN = 100, 34


def overview() -> str:
    """Help of the program."""
    lines = [
        f"paig-control {__version__}: control from pixels through learned, interpretable physics",
        "",
        "usage: paig-control COMMAND [name=value ...]",
        "",
        "commands",
    ]
    lines += [entry(name, _head(kind)) for name, kind in COMMANDS.items()]
    lines += [
        "",
        "to look at what there is",
        entry("list physics", "scenes, and so for forces, planners, envs: names and what they are"),
        entry("physics show NAME", "a scene's coordinates, constants and forces, and what films can tell of it"),
        "",
        "options",
        entry("COMMAND --help", "what a command does, with every option, its meaning and its default"),
        entry("COMMAND --cfg job", "print the configuration that would be run"),
        entry("train --multirun", "sweep comma lists and ranges, for example 'seed=range(0,10)' out=runs/sweep"),
        entry("--version", "print the version"),
        "",
        "From nothing to a swung-up pendulum: paig-control demo",
    ]
    return "\n".join(lines)


def of(command: str) -> str:
    """Help of one command."""
    kind = COMMANDS[command]
    text = inspect.getdoc(kind) or ""
    story, _, rest = text.partition("Example:")
    example = rest.partition("Attributes:")[0].strip()
    head, _, body = story.strip().partition("\n")
    lines = [f"paig-control {command}: {head[0].lower()}{head[1:].rstrip('.')}", ""]
    if body.strip():
        lines += [textwrap.fill(" ".join(body.split()), WIDTH), ""]
    lines += ["example", f"  {example}", "", "options, as name=value"]
    lines += _options(kind, "", [*_own(kind), *(f.name for f in dataclasses.fields(Common))])
    register_schemas()
    GlobalHydra.instance().clear()
    with initialize_config_module(CONFIGS, version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config, chosen = compose(command, []), used(loader, command)
        for group, choice in reversed(chosen.items()):
            offered = choices(loader, group)
            more = "; or any environment's id, for example CartPole-v1" if group == "env" else ""
            lines += ["", f"{group}={choice or 'null'}  (choices: {', '.join(offered)}{more})"]
            lines += _group(group, choice, config, offered)
    return "\n".join(lines)


def _group(group: str, choice: str | None, config: DictConfig, offered: list[str]) -> list[str]:
    """Options of a configuration group, for every record that it may begin from."""
    if group == "env":
        given = OmegaConf.to_container(config.env, resolve=False)
        assert isinstance(given, dict)
        return _options(Env, "env.", None, {str(key): value for key, value in given.items()})
    lines = []
    for name in RECORDS.get(group, {}):
        if len(RECORDS[group]) > 1:
            lines.append(f"  with {group}={name}")
        lines += _options(record(group, name), f"{group}.")
    if group == "physics":
        lines.append(entry("physics.NAME=VALUE", "arguments of the physics, for example physics.length=0.5"))
    return lines


def _own(kind: type[Any]) -> list[str]:
    common = {f.name for f in dataclasses.fields(Common)}
    return [f.name for f in dataclasses.fields(kind) if f.name not in common]


def _options(
    kind: type[Any], prefix: str, order: list[str] | None = None, given: dict[str, Any] | None = None
) -> list[str]:
    """One entry a field, nested records in place; fields that a group fills are left to the group."""
    meaning, hints = documented(kind), typing.get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind)}
    lines = []
    for name in order or list(fields):
        hint, value = hints[name], (given or {}).get(name, default(fields[name]))
        if hint is Any and name in GROUPS:
            continue
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            nested = {item.name: getattr(value, item.name) for item in dataclasses.fields(hint)}
            lines += _options(hint, f"{prefix}{name}.", None, nested)
        else:
            lines.append(entry(f"{prefix}{name}={_plain(value)}", meaning.get(name, "")))
    return lines


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_plain(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}: {_plain(item)}" for key, item in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _head(kind: type[Any]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def entry(name: str, meaning: str) -> str:
    """Set a name and its meaning in two columns."""
    indent = " " * (COLUMN + 2)
    body = textwrap.wrap(meaning, WIDTH - len(indent)) or [""]
    first = f"  {name:<{COLUMN}}{body[0]}" if len(name) < COLUMN else f"  {name}\n{indent}{body[0]}"
    return "\n".join([first.rstrip(), *(indent + line for line in body[1:])])
