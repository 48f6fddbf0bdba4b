"""One process at a time writes into a folder, or a file: it holds a lock that the system takes back when it dies.

The lock is a hidden file with the writer's process number in it. Where the file system knows no locks, nobody is kept
out.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from paig_control.border import files
from paig_control.errors import PaigError

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
