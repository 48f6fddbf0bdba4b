"""The words of help and messages, read off the records: what a field means, and what may be put into it."""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import Any


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
