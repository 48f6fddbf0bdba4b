"""Things by their names: those of this library by short ones, anybody's as ``package:Name``.

A package is imported only where a user asked for it by name. A file that was read, a checkpoint say, may name what
is imported already, and nothing else.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from paig_control.errors import PaigError, nearest, quoted

T = TypeVar("T")


def find(what: str, text: str, known: Mapping[str, Any], imports: bool) -> Any:
    """What a name means.

    Args:
        what: is looked for, for example ``force``.
        text: of ``known``, or ``package:Name``.
        known: of this library, by name.
        imports: whether the package may be imported for it.

    Raises:
        PaigError: for a name that is not known, or a package that cannot be imported, was not, or has no such name.
    """
    if text in known:
        return known[text]
    module, sign, name = text.partition(":")
    if not sign:
        raise PaigError(f"There is no {what} {quoted(text)}; {nearest(text, known)}")
    if imports:
        imported(module)
    if module not in sys.modules:
        raise PaigError(
            f"The {what} {text} is not of this library, and no file may import it by itself: if you trust {module}, "
            f"say imports=[{module}], or import it in Python."
        )
    found = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)  # type: ignore[assignment]
    if found is None:
        raise PaigError(f"The {what} {text}: {module} has no {name}; {nearest(name, dir(sys.modules[module]))}")
    return found


def imported(module: str) -> None:
    """Import a module that a user asked for by name, one that is installed or lies in the folder where this runs.

    Raises:
        PaigError: for one that cannot be imported.
    """
    here = os.getcwd()
    try:
        if here not in sys.path:
            sys.path.append(here)  # last, so that it hides nothing
        importlib.import_module(module)
    except Exception as error:
        raise PaigError(
            f"The module {module} cannot be imported ({type(error).__name__}: {error}): install it, or run in the "
            "folder where it lies."
        ) from None


def known(given: Iterable[Any], names: Iterable[str], whose: str) -> None:
    """Refuse a name that is not known."""
    listed = list(names)
    for name in given:
        if name not in listed:
            raise PaigError(f"{whose} has no {quoted(name)}; {nearest(str(name), listed)}")


def made(cls: type[T], values: Mapping[str, Any], place: str, most: int | None = None) -> T:
    """An object of a class, from plain values, each of the kind of its default.

    Args:
        cls: whose arguments the values are.
        values: by name.
        place: where they were said.
        most: whole numbers are not larger.

    Raises:
        PaigError: for a name that is none of its arguments, one that is missing, or a value that it does not take.
    """
    parameters = inspect.signature(cls).parameters
    known(values, parameters, place)
    for name, value in values.items():
        default = parameters[name].default
        if value is None and "None" in str(parameters[name].annotation):
            continue
        if default not in (inspect.Parameter.empty, None) and not fits(value, default, most):
            limit = "" if most is None else f", and no whole number above {most}"
            raise PaigError(f"{place}.{name} = {quoted(value)}: expected something like {default!r}{limit}.")
    missing = [name for name, one in parameters.items() if one.default is one.empty and name not in values]
    if missing:
        raise PaigError(f"{place} says no {missing[0]}: {(inspect.getdoc(cls) or '').partition(chr(10))[0]}")
    try:
        return cls(**{n: tuple(v) if isinstance(parameters[n].default, tuple) else v for n, v in values.items()})
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, PaigError):
            raise
        raise PaigError(f"{place} cannot be made of {quoted(dict(values))} ({error}).") from None


def fits(value: object, default: object, most: int | None = None) -> bool:
    """Whether a plain value is of the kind of a default."""
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, str):
        return isinstance(value, str)
    if isinstance(default, list):
        return isinstance(value, list | tuple)
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and len(value) == len(default) and all(map(fits, value, default))
    if isinstance(default, int):
        return type(value) is int and (most is None or value <= most)
    return isinstance(value, int | float) and not isinstance(value, bool)
