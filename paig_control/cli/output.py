"""How commands speak: tables to stdout, progress and remarks to stderr."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from paig_control.errors import PaigError


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
