"""Values as a user types them, put into the quotes that Hydra's grammar needs.

A path may hold whatever a file system allows: letters of any script, blanks, brackets, commas, quotes. In a sweep,
commas outside of brackets and quotes part its values, and what calls one of Hydra's functions is left to Hydra.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString

PATHS = ("data", "out", "run", "goal", "record", "control", "evaluate")
"""Keys whose values are paths, or lists of them."""
_PLAIN = re.compile(r"[\w./:+-]*", re.ASCII)
_NUMBER = re.compile(r"[+-]?((\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?[\d_]+)?|inf|nan)", re.ASCII | re.IGNORECASE)
_WORD = re.compile(r"true|false", re.IGNORECASE)
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_CALL = re.compile(r"(choice|range|interval|tag|sort|shuffle|glob|str|int|float|bool)\(.*\)", re.DOTALL)


def quoted(word: str, sweep: bool = False, lists: Collection[str] = ("goal",)) -> str:
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
    listed = key.lstrip("+") in lists or not path
    parts = [part.strip() for part in split(value)] if sweep else [value]
    return f"{key}={','.join(_one(part, listed) for part in parts)}"


def _one(value: str, listed: bool) -> str:
    """One value; ``listed`` says whether it may be a list, or a number."""
    if listed and is_list(value):
        return f"[{','.join(_one(part.strip(), listed) for part in split(value[1:-1]))}]"
    kept = value.lower() == "null" or (listed and _NUMBER.fullmatch(value))
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
