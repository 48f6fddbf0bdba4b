"""Files that are whole or not there: written under a name beside their own, which they get when all is written.

So a kill leaves at most a hidden file that the next run writes over, and a disk that is full or may not be written to
is told in one sentence, with everything as it was before.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paig_control.errors import PaigError


def expanded(path: str | Path) -> Path:
    """A path, a leading ``~`` read as the home of a user, if there is such a user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def unwritable(path: Path, error: OSError) -> PaigError:
    """The sentence for what the system did not let us write."""
    return PaigError(
        f"Cannot write {path}: {error.strerror or error}. What was there before is whole. Choose a folder that you may "
        "write to, or free some space."
    )


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write a file under, or to make a folder under; it gets its own name at the end, or vanishes.

    Raises:
        PaigError: where the system does not let it be written.
    """
    new = path.with_name(f".{path.stem}.new{path.suffix}")  # libraries tell the form of a file by its suffix
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(new)
        yield new
        os.replace(new, path)
    except OSError as error:
        remove(new)
        raise unwritable(path, error) from error
    except BaseException:
        remove(new)
        raise


def writable(folder: Path) -> None:
    """Make a folder, and see that it can be written into.

    Raises:
        PaigError: where the system does not let it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PaigError(
            f"Cannot write into {folder}: {error.strerror or error}. Choose a folder that you may write to."
        ) from error


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, and see to it that it is on the disk.

    Raises:
        PaigError: where the system does not let it be written.
    """
    with whole(path) as new, new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Take away a file or a folder, if it is there and that can be done."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
