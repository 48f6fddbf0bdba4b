"""Things by their names: those of this library by short ones, anybody's as ``package:Name``.

A package is imported only where a user asked for it by name. A file that was read, a checkpoint say, may name what
is imported already, and nothing else.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from paig_control.errors import PaigError, nearest, quoted


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
