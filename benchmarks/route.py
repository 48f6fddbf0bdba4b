"""The way of one command through the house: every module of the library whose code it enters, in order.

``python benchmarks/route.py goal env=pendulum out=goal.png`` runs what ``paig-control goal ...`` would and then prints
the modules in the order in which they were first entered, beside how often each was, and how often the way led from
one module into another. ``--json FILE`` writes the same. Followed is what runs in the process itself, by a hook that
makes it slower; what a module does as it is imported is not counted.
"""

from __future__ import annotations

import json
import runpy
import sys
from argparse import REMAINDER, ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import paig_control

HOUSE = Path(paig_control.__file__).parent


class Route:
    """Takes note of calls into the library.

    Attributes:
        entered: how often each module was, in order.
        moves: calls and returns from one module of the library into another.
    """

    def __init__(self) -> None:
        self.entered: Counter[str] = Counter()
        self.moves = 0
        self._inside: list[str] = []
        self._importing = 0
        self._rooms: dict[CodeType, str | None] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """As :func:`sys.setprofile` calls it."""
        if event not in ("call", "return"):
            return
        room = self._room(frame.f_code)
        if room is None:
            return
        if frame.f_code.co_name == "<module>":
            if frame.f_globals["__name__"] != "__main__":
                self._importing += 1 if event == "call" else -1
        elif not self._importing and event == "call":
            self._move(room, room)
            self._inside.append(room)
        elif not self._importing and self._inside:
            self._inside.pop()
            self._move(room, None)

    def _move(self, room: str, into: str | None) -> None:
        """Count a call into a room, or a return from one, if it is from another or to another."""
        if self._inside and self._inside[-1] == room:
            return
        self.moves += bool(self._inside)
        if into is not None:
            self.entered[into] += 1

    def _room(self, code: CodeType) -> str | None:
        """The module of a piece of code, if it is the library's."""
        if code not in self._rooms:
            path = Path(code.co_filename)
            self._rooms[code] = str(path.relative_to(HOUSE)) if path.is_relative_to(HOUSE) else None
        return self._rooms[code]


def followed(words: list[str]) -> Route:
    """Run a command to its end and return its way."""
    route, before = Route(), sys.argv
    sys.argv = ["paig-control", *words]
    sys.setprofile(route)
    try:
        runpy.run_module("paig_control.cli.main", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
        sys.argv = before
    return route


def main() -> None:
    """Run, print and, if asked to, write."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the way")
    parser.add_argument("words", nargs=REMAINDER, help="a command and its options")
    options = parser.parse_args()
    route = followed(options.words)
    for number, (room, count) in enumerate(route.entered.items(), 1):
        print(f"{number:4d}. {room:32} {count:8d}")
    print(f"{len(route.entered)} modules, {route.moves} moves from one into another")
    if options.json:
        options.json.write_text(json.dumps({"entered": route.entered, "moves": route.moves}))


if __name__ == "__main__":
    main()
