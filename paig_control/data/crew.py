"""Filming on several processes: the same films, whatever their number.

A piece is some numbers in a row, whose films one process makes from their own seeds; they are taken in the order of
their numbers, as one process would have made them. A process that dies leaves its piece to another; a piece that ends
one process after the other is refused. A process is started when there is a piece for it, and imports what films need.
"""

from __future__ import annotations

import math
import multiprocessing
import pickle
import signal
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any

import gymnasium as gym

from paig_control.border.lanes import SIDE_BY_SIDE, Lanes
from paig_control.border.opening import find
from paig_control.data.rollouts import Film, Policy, films, sources
from paig_control.errors import PaigError

FEW = 4
"""Films of a piece where an environment simulates one at a time."""
DEATHS = 3
"""Processes that a piece may cost."""
GOODBYE = 5.0
"""Seconds for a process to close its environments."""
MODULE = "give it in a module that can be imported, or film in one process, workers=1."


@dataclass(frozen=True)
class Job:
    """What all pieces of a split share.

    Attributes:
        env_id: of the environment.
        kwargs: its arguments.
        policy: what acts.
        length: frames of a film.
        seed: of all films.
        split: whose seeds they are.
        num_envs: environments side by side in each process.
        size: films of a piece.
    """

    env_id: str
    kwargs: Mapping[str, Any]
    policy: Policy
    length: int
    seed: int
    split: int
    num_envs: int = 1
    size: int = 1

    def packed(self) -> bytes:
        """The job, and what is registered here under the names in it.

        Raises:
            PaigError: for what cannot be sent to another process.
        """
        specs = {name: gym.registry[name] for name in _registered([find(self.env_id).id, self.kwargs])}
        parts: dict[str, Any] = {f"What {name} is registered with": spec for name, spec in specs.items()}
        for what, part in (parts | {"The environment's arguments": self.kwargs, "The policy": self.policy}).items():
            try:
                pickle.dumps(part)
            except Exception as error:  # whatever a stranger's object raises
                raise PaigError(f"{what} cannot be sent to another process ({error}): {MODULE}") from None
        return pickle.dumps((specs, self))


def _registered(value: Any) -> Iterator[str]:
    """Names of environments in arguments: one may film, or wrap, another."""
    if isinstance(value, str):
        yield from {value.rpartition(":")[2]} & gym.registry.keys()
    elif isinstance(value, (Mapping, list, tuple)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _registered(one)


def shares(count: int, workers: int, num_envs: int | None) -> tuple[int, int]:
    """Environments side by side in each process, and films of a piece: such that all processes get as many pieces.

    Args:
        count: films wanted.
        workers: processes.
        num_envs: environments side by side; ``None`` where they are best as many as the films of a piece.
    """
    unit, most = (1, SIDE_BY_SIDE) if num_envs is None else (num_envs, max(1, FEW // num_envs))
    units = math.ceil(count / unit)
    size = unit * math.ceil(units / (workers * math.ceil(units / (workers * most))))
    return num_envs or size, size


@dataclass(frozen=True)
class Piece:
    """What came of some numbers.

    Attributes:
        films: of each, ``None`` where it was lost.
        error: that ended them early.
        warnings: texts, categories, files and lines.
    """

    films: list[Film | None]
    error: Exception | None
    warnings: list[tuple[str, type[Warning], str, int]]


class Crew:
    """Processes that film; a context, at whose end they are gone.

    Args:
        workers: at most so many.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._hands: list[_Hand] = []
        self._warned: dict[Any, Any] = {}  # each warning once, whichever processes it comes from
        self._died = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        for hand in self._hands:
            hand.dismiss(at_once=kind is not None or hand.first is not None)
        for hand in self._hands:
            hand.end()

    def films(self, job: Job, wanted: int, name: str) -> Iterator[Film | None]:
        """Films in the order of their numbers, ``None`` for one that was lost, as long as they are asked for.

        Args:
            job: to do.
            wanted: films that shall not be lost; no more pieces are begun than these seem to need.
            name: of the films, for messages.

        Raises:
            PaigError: where one process would raise; and for a piece that ends one process after the other.
        """
        packed = job.packed()
        deaths, made, again = Counter[int](), dict[int, Piece](), list[int]()
        number = begun = ended = kept = 0
        while True:
            while piece := made.pop(number, None):
                yield from piece.films
                if piece.error is not None:
                    raise piece.error
                number += job.size
            while again or kept + (begun - ended) * (kept / ended if ended else 1) < wanted:
                hand = self._free()
                if hand is None:
                    break
                first = again.pop() if again else begun
                begun = max(begun, first + job.size)
                hand.begin(packed, first)
            for first, piece in self._heard(packed):
                if piece is None:
                    deaths[first] += 1
                    if deaths[first] == DEATHS:
                        raise PaigError(
                            f"{DEATHS} processes died over {name}, numbers {first} to {first + job.size - 1}: "
                            "something in the environment ends them. Look for it with workers=1, or film with another "
                            "seed."
                        )
                    again.append(first)
                else:
                    made[first], ended = piece, ended + len(piece.films)
                    kept += sum(film is not None for film in piece.films)

    def _free(self) -> _Hand | None:
        """A process that has nothing to do, started if there may be another."""
        idle = next((hand for hand in self._hands if hand.first is None), None)
        if idle is None and len(self._hands) < self.workers:
            with held_back():  # or a process might be left that nobody knows
                idle = _Hand()
                self._hands.append(idle)
        return idle

    def _heard(self, packed: bytes) -> Iterator[tuple[int, Piece | None]]:
        """Pieces of a job as they end, by their first numbers; ``None`` for one whose process died."""
        ready = wait([hand.line for hand in self._hands])
        for hand in [hand for hand in self._hands if hand.line in ready]:
            first = hand.first if hand.job is packed else None  # or nobody waits for it any more
            try:
                piece = hand.answer()
            except (EOFError, OSError):
                self._hands.remove(hand)
                self._tell_death(hand)
                piece = None
            else:
                if piece is None:
                    continue
                for text, category, file, line in piece.warnings:
                    warnings.warn_explicit(text, category, file, line, registry=self._warned)
            if first is not None:
                yield first, piece

    def _tell_death(self, hand: _Hand) -> None:
        code = hand.end()
        if not hand.ready:
            raise PaigError(
                f"A process to film in could not be started (exit code {code}). In a script, what is done with workers "
                "stands under if __name__ == '__main__':, since each process imports the script; or use workers=1."
            )
        if not self._died:
            self._died = True
            warnings.warn(f"A process that filmed died (exit code {code}); another makes its films.", stacklevel=2)


@contextmanager
def held_back() -> Iterator[None]:
    """Let an interrupt wait until this context ends."""
    if threading.current_thread() is not threading.main_thread():  # which is where an interrupt is raised
        yield
        return
    come: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: come.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if come:
            signal.raise_signal(signal.SIGINT)


class _Hand:
    """A process, as seen from the one that began it.

    Attributes:
        line: to it.
        job: that it was given last.
        first: number of its piece; ``None`` when it has none.
        ready: whether it has begun.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.job, self.ready = b"", False
        self.first: int | None = None
        self._process = context.Process(target=_work, args=(theirs,))
        self._process.start()
        theirs.close()

    def begin(self, job: bytes, first: int) -> None:
        """Give it a piece; whether it has died in the meantime is seen from its answer."""
        self.job, self.first = job, first
        with suppress(OSError):
            self.line.send((job, first))

    def answer(self) -> Piece | None:
        """Its piece; ``None`` when it is just there.

        Raises:
            EOFError: if it has died, or an OSError.
        """
        piece: Piece | None = pickle.loads(self.line.recv_bytes())
        if piece is None:
            self.ready = True
        else:
            self.first = None
        return piece

    def dismiss(self, at_once: bool) -> None:
        """Send it home, so that it closes its environments."""
        with suppress(OSError):
            if at_once:
                self._process.terminate()
            else:
                self.line.send(None)

    def end(self) -> int | None:
        """See to it that it is gone; its exit code."""
        self._process.join(GOODBYE)
        self._process.kill()
        self._process.join()
        self.line.close()
        return self._process.exitcode


def _work(line: Connection) -> None:
    """Film, in a process of a crew, what is asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that began this one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with suppress(EOFError, OSError), closing(_Stage()) as stage:
        line.send_bytes(pickle.dumps(None))
        while (order := line.recv()) is not None:
            line.send_bytes(pickle.dumps(stage.piece(*order), protocol=5))


class _Stage:
    """Where a process films: its environments stay for as long as they are the same."""

    def __init__(self) -> None:
        self._lanes: Lanes | None = None
        self._scene = b""

    def piece(self, packed: bytes, first: int) -> Piece:
        """Film a job's piece."""
        made, failed = list[Film | None](), None
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("default")
            try:
                job, lanes = self._open(packed)
                numbered = sources(job.seed, job.split, first)
                for film in islice(films(lanes, job.policy, job.length, numbered), job.size):
                    made.append(film)
            except Exception as error:
                failed = _portable(error)
        kinds = [one.category if _travels(one.category) else UserWarning for one in said]
        told = [(str(w.message), kind, w.filename, w.lineno) for w, kind in zip(said, kinds, strict=True)]
        return Piece(made, failed, told)

    def _open(self, packed: bytes) -> tuple[Job, Lanes]:
        try:
            specs, job = pickle.loads(packed)
        except Exception as error:  # whatever a stranger's module raises
            raise PaigError(f"What is filmed is not found in another process ({error}): {MODULE}") from None
        gym.registry.update(specs)
        scene = pickle.dumps((job.env_id, job.kwargs, job.num_envs))
        if self._lanes is None or scene != self._scene:
            self.close()
            self._lanes, self._scene = Lanes.make(job.env_id, job.kwargs, job.num_envs, job.num_envs), scene
        return job, self._lanes

    def close(self) -> None:
        """Close the environments."""
        if self._lanes is not None:
            self._lanes.close()


def _travels(thing: Any) -> bool:
    """Whether another process can have it."""
    try:
        pickle.loads(pickle.dumps(thing))
    except Exception:  # whatever a stranger's object raises
        return False
    return True


def _portable(error: Exception) -> Exception:
    """An error for another process, with a note of where it was raised if that is no user's mistake."""
    sent = error if _travels(error) else RuntimeError(f"{type(error).__name__}: {error}")
    if not isinstance(error, PaigError):
        sent.add_note("In the process that filmed:\n" + "".join(traceback.format_exception(error)))
    return sent
