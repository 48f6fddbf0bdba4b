"""Records turned into what Hydra fills in, and back: frozen and checked on our side, open and plain on Hydra's."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import MISSING, field
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
