"""How commands speak: tables to stdout, progress and remarks to stderr.

The streams that a command speaks to: printing never fails, whatever they cannot spell, and whether they are there.

A console may know neither ``±`` nor the letters of a path, the reader of a pipe may leave, the disk behind ``> log``
may be full: none of that is a reason to lose work.
"""

from __future__ import annotations

import codecs
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from paig_control.errors import PaigError

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


class Tick(Protocol):
    """Moves a progress bar: the fraction done, a text beside it, and the part where there are several."""

    def __call__(self, fraction: float, text: str = "", part: str | None = None) -> None:
        """Move the bar."""
        ...


class Screen:
    """Where a command speaks: tables to stdout, progress and remarks to stderr.

    Args:
        verbosity: 0 prints errors only, 1 progress and tables, 2 every warning too.
    """

    def __init__(self, verbosity: int = 1) -> None:
        if verbosity not in (0, 1, 2):
            raise PaigError(f"verbosity = {verbosity}: expected 0, 1 or 2.")
        self.verbosity = verbosity
        plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}  # names may look like markup
        self.out = Console(quiet=verbosity == 0, **plain)
        self.err = Console(quiet=verbosity == 0, **plain, stderr=True)

    def say(self, text: str) -> None:
        """Print a line to stdout."""
        self.out.print(text, soft_wrap=True)

    def remark(self, text: str) -> None:
        """Print something that the user should know to stderr."""
        self.err.print(f"note: {text}", style="yellow", soft_wrap=True)

    def remarks(self, texts: Iterable[str]) -> None:
        """Print some."""
        for text in texts:
            self.remark(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        table = Table(title=title, title_justify="left")
        for index, column in enumerate(columns):
            table.add_column(column, justify="left" if index == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self.out.print(table)

    @contextmanager
    def bar(self, name: str) -> Iterator[Tick]:
        """Show a progress bar, or one for each part."""
        with Progress(
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=self.err,
            disable=self.verbosity == 0 or not self.err.is_terminal,
        ) as progress:
            tasks: dict[str, Any] = {}
            last: dict[str, Any] = {}
            finished: set[str] = set()
            silent = not self.err.is_terminal  # in a log, one line a part instead of a bar

            def update(fraction: float, text: str = "", part: str | None = None) -> None:
                part = part or name
                if part not in tasks:
                    tasks[part] = progress.add_task(part, total=1.0, text="")
                    last["text"], last["began"] = "", time.monotonic()
                progress.update(tasks[part], completed=fraction, text=text)
                last["text"] = text or last["text"]
                if silent and fraction >= 1 and part not in finished:
                    finished.add(part)
                    self.err.print(
                        f"{part:<12} {time.monotonic() - last['began']:4.0f} s  {last['text']}", markup=False
                    )

            yield update

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Turn the library's warnings into remarks; those of others are shown only if all are wanted."""
        with warnings.catch_warnings():
            warnings.simplefilter("always" if self.verbosity == 2 else "default")
            told: set[str] = set()

            def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
                text = str(message)
                if (self.verbosity == 2 or category is UserWarning) and text not in told:
                    told.add(text)
                    self.remark(text)

            warnings.showwarning = show
            yield
