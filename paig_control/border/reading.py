"""Files from outside, looked at before they are read: their kind, their size, and the form of what they say as JSON.

A device never ends and a pipe waits for ever; brackets without end overflow the stack, and a number in JSON may be of
any length. Here each of them is one sentence.

How large what comes from outside may be in memory: asked before it is read, so that no file can exhaust a machine.

A small file may unpack to any size, so what counts is what it would take, not what it takes on the disk. One variable
of the environment, ``PAIG_MAX_GB``, moves every such limit.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from paig_control.border.files import expanded
from paig_control.errors import PaigError, quoted

VARIABLE = "PAIG_MAX_GB"
GB = 10**9
MOST = 4 * GB
"""Bytes that one thing may take in memory, where nothing else is said; on a small machine, half of its memory."""


def allowed(limit: int | None = None) -> int:
    """Bytes that are let in: what ``PAIG_MAX_GB`` says; if it is not set, ``limit``, or ``MOST`` by default."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return min(MOST, memory() // 2) if limit is None else limit
    try:
        most = float(given)
    except ValueError:
        most = math.nan
    if not 0 < most < math.inf:
        raise PaigError(f"{VARIABLE} = {given!r}: expected a positive number of gigabytes, such as 8.")
    return int(most * GB)


def check_size(what: str, size: int, limit: int | None = None) -> None:
    """Refuse what would take more than is allowed, before it is read.

    Args:
        what: is to be read, as the message is to begin: ``"films.npz"``.
        size: bytes that it would take in memory.
        limit: bytes that such a thing may take, unless ``PAIG_MAX_GB`` is set; ``MOST`` by default.

    Raises:
        PaigError: that names the thing, its size, the limit, and how it is raised.
    """
    most = allowed(limit)
    if size > most:
        raise PaigError(
            f"{what} would take {_gb(size)} of memory, and the limit is {_gb(most)}: give something smaller, or, if "
            f"you trust it, raise the limit with {VARIABLE}={max(1, math.ceil(min(size, 10**18) / GB))}."
        )


def _gb(size: int) -> str:
    """Bytes in words; no number is so large that it could not be said."""
    if size >= 10**18:
        return "more than a billion GB"
    return f"{size / GB:.3g} GB" if size >= GB / 10 else f"{size / 10**6:.3g} MB"


def memory() -> int:
    """Bytes of the machine's memory; plenty where the system does not say it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 4 * MOST


DEEPEST = 64
"""Brackets inside one another that JSON may have."""
UNPACKED, JSON_MOST = 20, 400 * 10**6
"""Bytes that a byte of JSON may take in memory, and all of them together unless more is allowed."""


class Kind(NamedTuple):
    """A kind of single value: in words, and what is of it."""

    words: str
    holds: Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


NUMBER = Kind("a number", _number)
FINITE = Kind("a finite number", lambda value: _number(value) and math.isfinite(value))
WHOLE = Kind("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
COUNT = Kind("a whole number of at least 1", lambda value: type(value) is int and value > 0)
TEXT = Kind("a text", lambda value: isinstance(value, str))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
NOTHING = Kind("null", lambda value: value is None)
Form = Any
"""A kind; a tuple of forms, any of which will do; a list of one form, for lists; a dictionary of forms by name.

A name that ends in ``?`` may be absent, and ``*`` stands for every name.
"""


def place(text: str, what: str) -> Path:
    """The path that a user writes, ``~`` for a home folder; whether anything is there, or ever was, does not matter.

    Raises:
        PaigError: for what can be no path here: a name too long, a folder into which one may not look.
    """
    try:
        path = expanded(text)
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise PaigError(
            f"{what}={quoted(text)} can be no path here ({getattr(error, 'strerror', None) or error})."
        ) from None
    return path


def check_file(path: Path, limit: int | None = None) -> int:
    """Refuse what is no plain file, or too large to be read, before it is opened; returns its size in bytes.

    Args:
        path: of the file.
        limit: bytes it may have, as :func:`~paig_control.border.reading.check_size` takes them.

    Raises:
        PaigError: that names the file.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise PaigError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from None
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe, which may never end"
        raise PaigError(f"{path} is {kind}: expected a plain file.")
    check_size(str(path), found.st_size, limit)
    return found.st_size


def parse_json(text: str | bytes) -> Any:
    """What JSON says.

    Raises:
        ValueError: for what is no JSON, is nested more than :data:`DEEPEST` deep, or has whole numbers beyond 64 bits.
    """
    try:
        value = json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError(f"brackets are nested more than {DEEPEST} deep") from None
    _shallow(value, DEEPEST)
    return value


def read_json(path: Path, form: Form = None) -> Any:
    """What a file of JSON says, which must be of a form if one is given.

    Raises:
        PaigError: for what is no plain file, too large, no JSON, or of another form.
    """
    check_size(str(path), UNPACKED * check_file(path), JSON_MOST)
    try:
        value = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PaigError(f"{path} is damaged, or no JSON ({error}).") from None
    if form is not None:
        check_form(path, value, form)
    return value


def check_form(path: Path, value: Any, form: Form) -> None:
    """Refuse what a file says if it is not of the form.

    Raises:
        PaigError: that says what is wrong.
    """
    wrong = misfit(value, form)
    if wrong:
        raise PaigError(f"{path} is not what this library writes: {wrong}.")


def misfit(value: Any, form: Form, at: str = "it") -> str:
    """What is wrong with a value, in words; nothing if it is of the form."""
    if isinstance(form, Kind):
        return "" if form.holds(value) else f"{at} is {quoted(value)}, expected {form.words}"
    if isinstance(form, tuple):
        reasons = [misfit(value, one, at) for one in form]
        return reasons[-1] if all(reasons) else ""
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{at} is {quoted(value)}, expected a list"
        return next(filter(None, (misfit(one, form[0], f"{at}[{n}]") for n, one in enumerate(value))), "")
    if not isinstance(value, Mapping):
        return f"{at} is {quoted(value)}, expected names with values"
    lead = "" if at == "it" else f"{at}."
    for name, inner in form.items():
        key = name.removesuffix("?")
        if key == name != "*" and key not in value:
            return f"{lead}{key} is missing"
        for one in value if name == "*" else {key} & value.keys():
            if wrong := misfit(value[one], inner, f"{lead}{one if len(one) <= 40 else f'{one[:40]}...'}"):
                return wrong
    return ""


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) >= 2**64:
        raise ValueError(f"a whole number of {len(digits.lstrip('-'))} digits has more than 64 bits")
    return int(digits)


def _shallow(value: Any, left: int) -> None:
    if left < 0:
        raise ValueError(f"brackets are nested more than {DEEPEST} deep")
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            if isinstance(one, dict | list):
                _shallow(one, left - 1)
