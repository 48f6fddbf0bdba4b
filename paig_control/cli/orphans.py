"""The worker processes of a sweep end with the process that began them, however that ended."""

from __future__ import annotations

import os
import time
from multiprocessing import current_process
from threading import Thread

LOOKS = 0.2
"""Seconds between two looks for the parent."""
PARENT = "PAIG_PARENT"
"""Variable of the environment: the number of the process that begins workers, which may be gone before they look."""
_watched: set[int] = set()


def end_with_parent() -> None:
    """End this process as soon as the one that began it is gone, if this is a worker of joblib's.

    A process whose parent has died gets another one, on every system but Windows; there joblib's own pipes end a worker
    when its job is done. Jobs on other machines have parents of their own.
    """
    if not current_process().name.startswith("LokyProcess"):
        return
    parent = int(os.environ.get(PARENT, os.getppid()))
    if os.name == "posix" and parent not in _watched:
        _watched.add(parent)
        Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOKS)
    os._exit(1)  # at once, as after a kill: all that is written is whole at every moment
