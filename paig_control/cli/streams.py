"""The streams that a command speaks to: printing never fails, whatever they cannot spell, and whether they are there.

A console may know neither ``±`` nor the letters of a path, the reader of a pipe may leave, the disk behind ``> log``
may be full: none of that is a reason to lose work.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

SPELLED = {
    "±": "+-",
    "²": "^2",
    "³": "^3",
    "·": "*",
    "°": " deg",
    "—": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "…": "...",
}
"""How signs are written where they cannot be; other characters become their code, as in ``l\\xe4ufe``."""
ERRORS = "paig_control.spelled"


def _spell(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(SPELLED.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end


codecs.register_error(ERRORS, _spell)


class Steady:
    """A stream that swallows what it can no longer pass on; ``lost`` says why it could not.

    Args:
        stream: to write to; everything but writing is left to it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: Exception | None = None

    def write(self, text: str) -> int:
        """Write, or do nothing where nobody listens."""
        try:
            if self.lost is None:
                self._stream.write(text)
        except (OSError, ValueError) as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        try:
            if self.lost is None:
                self._stream.flush()
        except (OSError, ValueError) as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        """Send what is still held back to nowhere, or it would fail once more when Python ends."""
        self.lost = error
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's."""
        return getattr(self._stream, name)


@contextmanager
def steady() -> Iterator[Steady]:
    """Let ``print`` and everything else write through steady streams for a while; gives that of stdout."""
    found = [sys.stdout or _nowhere(), sys.stderr or _nowhere()]
    before = [getattr(stream, "errors", None) for stream in found]
    for stream in found:
        _reconfigure(stream, ERRORS)
    made = [Steady(stream) for stream in found]
    sys.stdout, sys.stderr = cast(list[TextIO], made)
    try:
        yield made[0]
    finally:
        for stream in made:
            stream.flush()
        sys.stdout, sys.stderr = found
        for stream, errors in zip(found, before, strict=True):
            _reconfigure(stream, errors)


def _nowhere() -> TextIO:
    """In place of a stream that was closed from the start."""
    return open(os.devnull, "w", encoding="utf-8")


def _reconfigure(stream: TextIO, errors: str | None) -> None:
    """Set what a stream does with characters that it lacks, if it is one that can."""
    with suppress(OSError, ValueError):
        if errors is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)
