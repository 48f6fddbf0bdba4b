"""Files that are whole or not there: written under a name beside their own, which they get when all is written.

So a kill leaves at most a hidden file that the next run writes over, and a disk that is full or may not be written to
is told in one sentence, with everything as it was before.

One process at a time writes into a folder, or a file: it holds a lock that the system takes back when it dies.

The lock is a hidden file with the writer's process number in it. Where the file system knows no locks, nobody is kept
out.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from paig_control.border import files
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


PATIENCE = 4.0
"""Seconds to wait for a lock: a sweep's worker whose parent was killed ends within two."""
_HELD: dict[Path, IO[str]] = {}


@contextmanager
def claims() -> Iterator[None]:
    """Give back at the end what is claimed inside."""
    before = set(_HELD)
    try:
        yield
    finally:
        for path in _HELD.keys() - before:
            with suppress(OSError), _HELD.pop(path):
                files.remove(path)  # while it is still held, or it might be another's already


def claim(place: Path) -> None:
    """Keep others from writing into a folder that is there, or to a file in such a folder.

    Raises:
        PaigError: if another process writes there, naming it.
    """
    lock = (place / ".lock" if place.is_dir() else place.with_name(f".{place.name}.lock")).resolve()
    deadline = time.monotonic() + PATIENCE
    while lock not in _HELD:
        try:
            held, other = _try(lock)
        except OSError as error:
            raise files.unwritable(place, error) from error
        if held is not None:
            _HELD[lock] = held
        elif time.monotonic() > deadline:
            raise PaigError(
                f"{place} is being written by {other}: wait until that has ended, stop it, or choose another place."
            )
        else:
            time.sleep(0.05)


def _try(lock: Path) -> tuple[IO[str] | None, str]:
    """The locked file, or None and who has locked it."""
    file = lock.open("a+", encoding="ascii")
    try:
        _lock(file.fileno())
    except (BlockingIOError, PermissionError):
        with file:
            file.seek(0)
            number = file.read().strip()
            return None, f"process {number}" if number else "another process"
    except OSError:  # there are no locks on this file system
        pass
    if not lock.exists() or not os.path.samestat(os.fstat(file.fileno()), lock.stat()):
        file.close()  # who had it took the file away just now
        return None, "another process"
    with suppress(OSError):  # on a full disk the lock holds without its number
        os.truncate(file.fileno(), 0)
        os.write(file.fileno(), f"{os.getpid()}\n".encode())
    return file, ""


def _lock(number: int) -> None:
    """Lock an open file for this process, or raise at once."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(number, 1 << 20, os.SEEK_SET)  # far behind the text, which others are to read
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
