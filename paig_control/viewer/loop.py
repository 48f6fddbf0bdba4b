"""The session in a thread of its own, at the world's rate: commands go in, the newest snapshot comes out."""

from __future__ import annotations

import threading
import time
from collections import deque

from paig_control.viewer.commands import Command, latest
from paig_control.viewer.session import Session
from paig_control.viewer.snapshot import Snapshot

LATE = 0.25
"""A loop that is later than this, s, does not hurry to make up for it."""


class Loop:
    """Runs a session; used as a context, it is closed and its thread joined whatever happens.

    Args:
        session: from now on only to be touched by way of this loop.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.latest: Snapshot = session.snapshot()
        self.error: BaseException | None = None
        self._asked: deque[Command] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="control loop", daemon=True)

    def __enter__(self) -> Loop:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def ask(self, command: Command) -> None:
        """Hand in a command; it is obeyed before the next step."""
        with self._news:
            self._asked.append(command)
            self._news.notify()

    def close(self) -> None:
        """Stop after the step that is being taken; twice does no harm."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while True:
                asked = self._wait(due)
                if asked is None:
                    return
                for command in latest(asked):
                    self._session.obey(command)
                now = time.monotonic()
                interval = self._session.world.dt / self._session.pace
                due = min(due, now + interval)
                if self._session.paused:
                    due = now
                elif now >= due:
                    self._session.advance(now)
                    due = max(due + interval, now - LATE)
                self.latest = self._session.snapshot()
        except BaseException as error:  # for the window's thread, which raises it
            self.error = error

    def _wait(self, due: float) -> list[Command] | None:
        """Wait for commands, or until the next step is due; None to end."""
        with self._news:
            while not (self._closing or self._asked):
                left = None if self._session.paused else due - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._news.wait(left)
            asked = list(self._asked)
            self._asked.clear()
            return None if self._closing else asked
