"""The one error that a user's mistake raises: what was wrong, what was expected, how to mend it.

Everything that comes from outside (files, images, settings, environments) is checked where it enters and
refused with this error; the command line prints its message without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PaigError(ValueError):
    """A mistake that the user can mend; the message says how."""


def brief(text: str) -> str:
    """What was found, in no more letters than a line has room for."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def quoted(value: object) -> str:
    """A value that was found, as Python writes it, in no more letters than a line has room for."""
    return brief(repr(value))


def nearest(word: str, known: Iterable[str]) -> str:
    """Ask for the nearest known word, or name all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if not close:  # the last part of a dotted name says most
        tails = {name.rpartition(".")[2]: name for name in known}
        close = [tails[t] for t in difflib.get_close_matches(word.rpartition(".")[2], tails, n=1, cutoff=0.7)]
    if close:
        return f"did you mean {close[0]}?"
    return f"known: {', '.join(sorted({name for name in known if '.' not in name} or known))}."
