"""From words on the command line to a checked configuration, through Hydra.

Hydra composes groups and checks types; this module makes its refusals short. Every override is looked at
before Hydra sees it, so that an unknown command, group choice or key is answered with the nearest right one.

Values as a user types them, put into the quotes that Hydra's grammar needs.

A path may hold whatever a file system allows: letters of any script, blanks, brackets, commas, quotes. In a sweep,
commas outside of brackets and quotes part its values, and what calls one of Hydra's functions is left to Hydra.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from hydra import compose as hydra_compose, initialize_config_module
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from paig_control.border.reading import place
from paig_control.errors import PaigError, brief, nearest
from paig_control.experiment.adoption import ADOPTED, adopted
from paig_control.experiment.records import OPEN, RECORDS, expected, record, schema
from paig_control.experiment.schema import COMMANDS, lists

PATHS = ("data", "out", "run", "goal", "record", "control", "evaluate")
"""Keys whose values are paths, or lists of them."""
LISTS = ("goal", "data")
"""Those of which a value in brackets is a list in every command."""
_PLAIN = re.compile(r"[\w./:+-]*", re.ASCII)
_NUMBER = re.compile(r"[+-]?((\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?[\d_]+)?|inf|nan)", re.ASCII | re.IGNORECASE)
_WORD = re.compile(r"true|false", re.IGNORECASE)
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_CALL = re.compile(r"(choice|range|interval|tag|sort|shuffle|glob|str|int|float|bool)\(.*\)", re.DOTALL)


def quoted(word: str, sweep: bool = False, lists: Collection[str] = LISTS) -> str:
    """Put a ``key=value`` word's path, or another text beyond ASCII, into quotes where it needs them.

    Args:
        word: as typed.
        sweep: whether commas part values.
        lists: keys of which a value in brackets is a list.
    """
    key, sign, value = word.partition("=")
    path = key.lstrip("+") in PATHS
    for_hydra = not path and (value.isascii() or value.startswith("{"))
    if not sign or for_hydra or (sweep and _CALL.fullmatch(value)):
        return word
    numbers = key.lstrip("+") == "goal" or not path

    def listed(part: str) -> bool:  # a single name in brackets is that of a file
        return not path or (key.lstrip("+") in lists and (key.lstrip("+") != "data" or "," in part))

    parts = [part.strip() for part in split(value)] if sweep else [value]
    return f"{key}={','.join(_one(part, listed(part), numbers) for part in parts)}"


def _one(value: str, listed: bool, numbers: bool) -> str:
    """One value; ``listed`` says whether it may be a list, ``numbers`` whether it may be a number."""
    if listed and is_list(value):
        return f"[{','.join(_one(part.strip(), listed, numbers) for part in split(value[1:-1]))}]"
    kept = value.lower() == "null" or (numbers and _NUMBER.fullmatch(value))
    plain = _PLAIN.fullmatch(value) and not _NUMBER.fullmatch(value) and not _WORD.fullmatch(value)
    return value if kept or plain or _QUOTED.fullmatch(value) else in_quotes(value)


def is_list(value: str) -> bool:
    """Whether a value is a list in brackets."""
    return value.startswith("[") and value.endswith("]")


def in_quotes(text: str) -> str:
    """Put a text into quotes, whatever is in it."""
    return QuotedString(text, Quote.single).with_quotes()


def bare(value: str) -> str:
    """Take a value out of its quotes."""
    if not _QUOTED.fullmatch(value):
        return value
    return str(OverridesParser.create().parse_override(f"value={value}").value())


def split(text: str) -> list[str]:
    """Part a text at commas outside of quotes and brackets; brackets that do not close count for nothing."""
    for brackets in ("([{", ""):
        parts, depth, start, at = list[str](), 0, 0, 0
        while at < len(text):
            sign = text[at]
            closed = _QUOTED.match(text, at) if not text[start:at].strip() else None
            depth += (sign in brackets) - (sign in ")]}" and depth > 0)
            if sign == "," and depth == 0:
                parts.append(text[start:at])
                start = at + 1
            at = at + 1 if closed is None else closed.end()
        if depth == 0:
            break
    return [*parts, text[start:]]


CONFIGS = "paig_control.configs"
_USED: dict[str, dict[str, str | None]] = {}


@cache
def register_schemas() -> None:
    """Tell Hydra the records behind all configurations, once in a process."""
    store = ConfigStore.instance()
    for name, kind in COMMANDS.items():
        store.store(name=f"schema_{name}", node=schema(kind))
    for group, records in RECORDS.items():
        for name in records:
            extra: dict[str, tuple[Any, Any]] = {}
            if group in ("planner", "objective", "recipe"):
                extra["name"] = (str, name)
            store.store(group=group, name=f"schema_{name}", node=schema(record(group, name), **extra))


BY_HAND = "run.physics."
"""A constant of the run's model, as it is set by hand."""


def renamed(word: str) -> str:
    """Let ``run.physics.gravity=15`` stand beside ``run=FOLDER``: the constant goes where constants are kept."""
    return f"constants.{word[len(BY_HAND) :]}" if word.startswith(BY_HAND) else word


def parse(words: Sequence[str], sweep: bool = False, several: Collection[str] = ()) -> list[Override]:
    """Parse ``key=value`` words.

    Args:
        words: as typed.
        sweep: whether commas part values.
        several: keys that take lists of paths.

    Raises:
        PaigError: for a word that is none.
    """
    parser = OverridesParser.create()
    found = []
    for word in map(renamed, words):
        if "=" not in word and not word.startswith("~"):
            raise PaigError(f"{word!r} is not understood: expected name=value, for example seed=1.")
        try:
            found.append(parser.parse_override(quoted(word, sweep, (*LISTS, *several))))
        except (HydraException, ValueError, RecursionError) as error:  # numbers, and lists in lists, of thousands
            reason = brief(str(error).splitlines()[0])
            raise PaigError(
                f"{brief(word)} cannot be read ({reason}): expected name=value; put special characters in quotes, "
                'for example "\'out=\\"a, b\\"\'".'
            ) from None
    return found


def gathered(command: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split off the options that take several texts, as lists: given once, in brackets, or several times."""
    found: dict[str, list[str]] = {name: [] for name in lists(command)}
    others = []
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or key not in found:
            others.append(word)
        else:
            found[key] += map(bare, map(str.strip, split(value[1:-1]))) if is_list(value) else [bare(value)]
    return others, [f"{key}=[{','.join(map(in_quotes, values))}]" for key, values in found.items() if values]


def choices(loader: ConfigLoader, group: str) -> list[str]:
    """List what a group offers."""
    names = loader.get_group_options(group, ObjectType.CONFIG)
    return sorted(name for name in names if not name.startswith("schema_"))


def configure(command: str, words: Sequence[str]) -> DictConfig:
    """Compose and check the configuration of a command.

    Raises:
        PaigError: for anything in ``words`` that does not fit; the message names the nearest that does.
    """
    register_schemas()
    plain, several = gathered(command, words)
    given = parse(plain) + parse(several, several=lists(command))
    overrides = [one for one in given if (one.key_or_group, one.value()) != ("experiment", None)]
    GlobalHydra.instance().clear()
    with initialize_config_module(CONFIGS, version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        groups = sorted(set(loader.list_groups("")) - {"hydra"})
        own = list(used(loader, command))
        overrides = [adopted(one) for one in overrides]
        picked = [one for one in overrides if one.key_or_group in groups]
        for one in picked:
            _check_choice(command, one, own, loader)
        base = _with_groups(command, tuple(str(one.input_line) for one in picked))
        lines = [str(one.input_line) if one in picked else _line(command, one, base, own) for one in overrides]
        composed = compose(command, lines, base)
    try:
        OmegaConf.resolve(composed)
    except OmegaConfBaseException as error:
        raise PaigError(f"A ${{...}} cannot be resolved: {str(error).splitlines()[0]}") from None
    _check_paths(composed)
    return composed


def _check_paths(config: DictConfig) -> None:
    """Refuse what can be no path, such as a name too long, before anything is done; a goal may be no path at all."""
    for key in set(PATHS) - {"goal"}:
        value = config.get(key)
        for text in [value] if isinstance(value, str) else value or []:
            place(str(text), key)


def used(loader: ConfigLoader, command: str) -> dict[str, str | None]:
    """Find the groups that a command has, with the choice made by default."""
    if command not in _USED:
        primary = loader.load_configuration(command, [], RunMode.RUN)
        _USED[command] = {k: v for k, v in primary.hydra.runtime.choices.items() if "/" not in k}
    return _USED[command]


def _check_choice(command: str, one: Override, own: list[str], loader: ConfigLoader) -> None:
    """Refuse a group that the command does not have, and a choice that the group does not have."""
    group, value = str(one.key_or_group), one.value()
    if group not in own:
        raise PaigError(f"{command} has no {group}; {nearest(group, _names(_with_groups(command, ())))}")
    offered = choices(loader, group)
    if value not in offered and not str(value).startswith(ADOPTED):
        raise PaigError(f"There is no {one.input_line}; {nearest(str(value), offered)}")


def _line(command: str, one: Override, base: DictConfig, groups: list[str]) -> str:
    """Turn the override into what Hydra takes, if its key exists or stands where keys are free."""
    key, line = str(one.key_or_group), str(one.input_line).lstrip("+")
    if one.is_delete():
        raise PaigError(f"{line}: nothing can be taken out; set {key}=null where it may be empty.")
    names = _names(base)
    if key.partition(".")[0] in (*groups, *names) and freed(line) != line:
        return freed(line)
    if key not in names:
        raise PaigError(f"{command} has no {key}; {nearest(key, [*names, *groups])}")
    if one.is_sweep_override():
        raise PaigError(f"{line}: several values are a sweep, which needs --multirun.")
    return line


def freed(line: str) -> str:
    """Let Hydra add the key where keys are free."""
    bare = line.lstrip("+")
    return f"++{bare}" if any(bare.startswith(f"{place}.") for place in OPEN) else line


def _names(config: DictConfig, prefix: str = "") -> list[str]:
    """All keys, dotted."""
    names = []
    for key in config:
        name = f"{prefix}{key!s}"
        names.append(name)
        node = config._get_node(key)
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
            names += _names(node, f"{name}.")
    return names


@cache
def _with_groups(command: str, lines: tuple[str, ...]) -> DictConfig:
    """The configuration with these groups chosen and nothing else set: to be looked at, not to be changed."""
    return compose(command, list(lines))


def compose(command: str, lines: list[str], base: DictConfig | None = None) -> DictConfig:
    """Compose inside an initialised Hydra; what it refuses becomes one line."""
    try:
        return hydra_compose(command, lines)
    except (HydraException, OmegaConfBaseException) as error:
        raise PaigError(reason(error, base)) from None


def reason(error: Exception, base: DictConfig | None) -> str:
    """Make one line of what Hydra says."""
    misfit = re.match(r"In '(\w+)/(\w+)': .*\n[^\n]*\n *full_key: (\S+)", str(error))
    if misfit is not None:
        group, choice, key = misfit.groups()
        return f"{group}={choice} sets {key}, which is not there with the other choices made: leave one of them out."
    text = str(error.__cause__ or error).splitlines()[0]
    match = re.match(r"Error merging override \+*(.*?)=(.*)", str(error).splitlines()[0])
    if match is None:
        return text
    key, value = match[1], brief(match[2])
    parent = None if base is None else OmegaConf.select(base, key.rpartition(".")[0])
    node = None
    if isinstance(parent, DictConfig):
        node = parent._get_node(key.rpartition(".")[2], validate_access=False)
    if node is None:
        kinds = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
        kind = next((words for name, words in kinds.items() if name.lower()[:4] in text.lower()), "")
        return f"{key} = {value}: {f'expected {kind}' if kind else text}."
    hint = node._metadata.ref_type
    null = " or null" if node._metadata.optional and not isinstance(hint, type(Any)) else ""
    return f"{key} = {value}: expected {expected(hint)}{null}."
