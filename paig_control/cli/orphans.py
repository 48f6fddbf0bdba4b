"""The worker processes of a sweep end with the process that began them, however that ended."""

from __future__ import annotations

import os
import time
from threading import Thread

LOOKS = 0.2
"""Seconds between two looks for the parent."""


def end_with(parent: int) -> None:
    """End this process as soon as ``parent``, which began it, is gone; it may be gone already.

    A process whose parent has died gets another one, on every system but Windows; there joblib's own pipes end a worker
    when its job is done.
    """
    if os.name == "posix":
        Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOKS)
    os._exit(1)  # at once, as after a kill: all that is written is whole at every moment
