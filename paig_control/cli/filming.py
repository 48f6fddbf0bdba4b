"""What commands that open a window share: whether one can be opened, and the film that is made of it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from paig_control.border import files
from paig_control.border.files import claim
from paig_control.errors import PaigError

if TYPE_CHECKING:
    from paig_control.viewer.recording import Writer


def check(record: str | None) -> None:
    """Refuse a window that cannot be opened, or that nobody would see.

    Raises:
        PaigError: saying what to install, or to film it.
    """
    if find_spec("pygame") is None:
        raise PaigError("The window needs pygame: pip install pygame (pygame-ce from Python 3.14 on).")
    if record is None and os.environ.get("SDL_VIDEODRIVER") == "dummy":
        raise PaigError(
            "There is no screen here: film the window instead, for example record=view.gif (with SDL_VIDEODRIVER=dummy "
            "where it is not set yet)."
        )


def film(record: str | None, overwrite: bool, rate: float) -> Writer | None:
    """What films the window, at so many pictures a second, if a film is wanted.

    Raises:
        PaigError: for a name that is taken or has no known form, a form that needs what is not installed, or where
            nothing can be written.
    """
    if record is None:
        return None
    from paig_control.viewer.recording import writer

    path = files.expanded(record)
    taken = path.is_file() or (path.is_dir() and any(path.iterdir()))
    if taken and not overwrite:
        raise PaigError(f"{record} is there already: choose another record=..., or say overwrite=true.")
    files.writable(path.parent if path.suffix else path)
    claim(path)
    return writer(path, rate)
