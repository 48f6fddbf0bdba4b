"""One training on several processes, on one machine or many: ``torchrun`` starts them, each a rank of a number.

Every rank does the same with the same data and draws, and so holds the same model at any time; what takes long is
shared out. :func:`each` gives every rank its rows, :func:`total` its terms of a sum, and both give all ranks all of it,
in the order of the rows and terms: the result has the same bits however many ranks there are. With one process both are
the plain thing, and nothing of torch's distributed part is imported.

Where one rank fails alone, :func:`failed` tells the others why, and all end with its words.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from paig_control.border import files
from paig_control.errors import PaigError

if TYPE_CHECKING:
    from torch import Tensor

PATIENCE = timedelta(hours=6)
"""So long a rank waits for the others, which may be slower; one that has ended is noticed at once."""
LAST_WORDS = timedelta(seconds=60)
"""So long a rank that failed waits for the first to say so, for its end ends all; then it says so itself."""
PARTS, PIXELS = 4, 2**17
"""A batch's gradient is added up from so many parts, at most, which so many ranks can share; each has at least so many
pixels, or it would not be worth while."""
_store: Any = None
"""Where ranks leave their last words; None where there is one process, or it has not joined."""
_said: str | None = None
"""Why they end, if they do before their work is done."""
_again = False
"""Whether the ranks have been started before."""


def launched() -> bool:
    """Whether ``torchrun`` has started this process, as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def first() -> bool:
    """Whether this is the rank that writes and speaks."""
    return not launched() or os.environ["RANK"] == "0"


def restarted() -> bool:
    """Whether ``torchrun`` has started the ranks anew, since one of them was killed."""
    return _again


def count() -> int:
    """Ranks that work together now."""
    return 1 if _store is None else int(os.environ["WORLD_SIZE"])


def restarts() -> bool:
    """Whether ``torchrun`` will start all ranks anew, or has, when one is killed."""
    return launched() and int(os.environ["TORCHELASTIC_MAX_RESTARTS"]) > 0


@contextmanager
def joined() -> Iterator[None]:
    """Work together with the other ranks for a while, if there are any."""
    global _store, _said, _again
    if not launched() or _store is not None:
        yield
        return
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    devices = torch.cuda.device_count()
    if devices:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % devices)
    _said = None
    store, rank, world = next(rendezvous("env://"))
    name, _again = _begin(store, rank, world)
    _store = distributed.PrefixStore(name, store)  # type: ignore[attr-defined]
    backend = "cpu:gloo,cuda:nccl" if devices else "gloo"
    distributed.init_process_group(backend, store=_store, rank=rank, world_size=world, timeout=PATIENCE)
    try:
        _again = any(_exchanged(_again or int(os.environ["TORCHELASTIC_RESTART_COUNT"]) > 0))
        yield
    except KeyboardInterrupt:
        failed("")
        raise
    except BaseException as reason:
        failed(str(reason) or type(reason).__name__)
        raise
    finally:
        _leave()


def _begin(store: Any, rank: int, world: int) -> tuple[str, bool]:
    """A name of this start that all ranks know, and whether there was one before.

    What ranks that were killed have left in the store is there still, and must not be taken for what these say.
    """
    name = uuid4().hex
    if rank:
        store.set(f"rank {rank}", name)
        store.wait([name], PATIENCE)
        start, again = store.get(name).decode().split()
        store.set(f"{start} {rank}", "")
        return start, again == "True"
    again = store.add("starts", 1) > 1
    for other in range(1, world):
        while not store.check([f"{name} {other}"]):
            if store.check([f"rank {other}"]):
                store.set(store.get(f"rank {other}").decode(), f"{name} {again}")
            time.sleep(0.02)
    return name, again


def failed(words: str) -> str:
    """Tell the other ranks why this one ends, "" if it was stopped; returns what the first to end has said."""
    global _said
    if _store is None:
        return words
    from torch import distributed

    if _said is None:
        number, _, _said = _store.compare_set("reason", "", f"{os.environ['RANK']} {words}").decode().partition(" ")
        if _said not in ("", words):
            _said = f"Process {number} of {count()}: {_said}"
        distributed.destroy_process_group()  # who waits for this rank wakes up
    return _said


def speaks() -> bool:
    """Whether it is for this rank to say why all end."""
    return first() and (_store is None or _store.compare_set("speaker", "", "0") == b"0")


def _leave() -> None:
    """End the work together; after a failure, not before the first rank has said why."""
    global _store
    from torch import distributed

    if _said is None:
        distributed.destroy_process_group()
    elif first():
        _store.set("told", "")
    elif _said:
        try:
            _store.wait(["told"], LAST_WORDS)
        except RuntimeError:  # the first is gone, or cannot be woken
            own = os.environ["RANK"]
            if _store.compare_set("speaker", "", own).decode() == own:
                print(f"error: {_said}", file=sys.stderr)
    _store = None


def _exchanged(mine: Any) -> list[Any]:
    """What each rank gives, in their order."""
    from torch import distributed

    found = [None] * count()
    with _waiting():
        distributed.all_gather_object(found, mine)
    return found


@contextmanager
def _waiting() -> Iterator[None]:
    """Find out why another rank has ended, where it has."""
    try:
        yield
    except RuntimeError as error:
        said = failed(f"Another process of this training is gone ({error}).")
        raise (PaigError(said) if said else KeyboardInterrupt) from error


def agreed(value: float) -> float:
    """The first rank's value."""
    return value if count() == 1 else float(_exchanged(value)[0])


def check_alike(known: Mapping[str, Any]) -> None:
    """Refuse ranks that would not do the same.

    Raises:
        PaigError: naming what differs, and who sees what.
    """
    if count() == 1:
        return
    begin, *others = _exchanged(dict(known))
    for number, other in enumerate(others, 1):
        for name, value in begin.items():
            if other[name] != value:
                raise PaigError(
                    f"The processes do not train the same: {name} is {value} for process 0 and {other[name]} for "
                    f"process {number}. Start all with the same data, options and versions, on machines of one kind."
                )


def check_shared(folder: Path) -> None:
    """Refuse a folder that is another, or none, for other ranks.

    Raises:
        PaigError: naming the ranks that do not see what the first one writes there.
    """
    if count() == 1:
        return
    place, name = _exchanged((str(folder), f".{uuid4().hex}"))[0]
    mark = folder / name
    if first():
        files.writable(folder)
        mark.touch()
    _exchanged(None)  # it is there now
    seen = _exchanged(mark.exists())
    if first():
        files.remove(mark)
    blind = [str(number) for number, sees in enumerate(seen) if not sees]
    if blind:
        raise PaigError(
            f"Process {' and '.join(blind)} of {count()} does not see what process 0 writes into {place}: to go on "
            "after a kill, all need the same folder. Choose one on a disk that all machines share."
        )


def each(rows: int, work: Callable[[slice], Sequence[Tensor]], block: int = 1) -> tuple[Tensor, ...]:
    """What ``work`` makes of all rows, each rank working on some of them.

    Args:
        rows: how many there are.
        work: from some of the rows to tensors with so many rows.
        block: so many rows, which work handles at once, stay together; every rank works on so few itself.

    Raises:
        PaigError: on all ranks, if work raises it on one.
    """
    if count() == 1 or rows <= block:
        return tuple(work(slice(0, rows)))
    import torch

    number, ranks, blocks = int(os.environ["RANK"]), count(), -(-rows // block)
    low, high = (block * (blocks * n // ranks) for n in (number, number + 1))
    mine: Any = None
    try:
        if low < high:
            done = work(slice(low, min(high, rows)))
            mine = done[0].device.type, [one.detach().cpu().clone() for one in done]
    except (PaigError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
        mine = error
    found = [given for given in _exchanged(mine) if given is not None]
    for given in found:
        if isinstance(given, Exception):
            raise given
    device = found[0][0]
    return tuple(torch.cat(parts).to(device) for parts in zip(*(tensors for _, tensors in found), strict=True))


def total(terms: int, work: Callable[[int], Tensor]) -> Tensor:
    """The sum of what ``work`` gives for each number below ``terms``, each rank working out some of them."""
    import torch
    from torch import distributed

    ranks = count() if terms > 1 else 1
    own = -(-terms // ranks)
    begin = 0 if ranks == 1 else own * int(os.environ["RANK"])
    found = [work(min(begin + n, terms - 1)) for n in range(own)]
    if ranks > 1:
        mine = torch.stack(found)
        gathered = [torch.empty_like(mine) for _ in range(ranks)]
        with _waiting():
            distributed.all_gather(gathered, mine)
        found = list(torch.cat(gathered)[:terms])
    whole = found[0]
    for one in found[1:]:
        whole = whole + one
    return whole


def blocks(rows: slice, size: int) -> list[slice]:
    """Rows in blocks of so many, to be worked on one after another."""
    return [slice(begin, min(begin + size, rows.stop)) for begin in range(rows.start, rows.stop, size)]


def parts(pixels: int) -> int:
    """Parts of a batch with so many pixels, whatever the number of ranks."""
    return max(1, min(PARTS, pixels // PIXELS))


def part(rows: int, number: int, of: int) -> slice:
    """The rows that are in a part."""
    return slice(rows * number // of, rows * (number + 1) // of)


def gradient(parameters: Sequence[Tensor], terms: int, work: Callable[[int], Tensor]) -> Tensor:
    """Leave the gradient of a loss in the parameters; returns loss and figures ``(F,)``.

    Args:
        parameters: by which it is taken.
        terms: that add up to the loss.
        work: from a term's number to its part of the loss, and of figures beside it.
    """
    import torch

    def term(number: int) -> Tensor:
        for one in parameters:
            one.grad = None
        found = work(number)
        found[0].backward()
        slopes = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        return torch.cat([found.detach(), *(one.flatten() for one in slopes)])

    found = total(terms, term)
    sizes = [one.numel() for one in parameters]
    told, slopes = found[: len(found) - sum(sizes)], found[len(found) - sum(sizes) :].split(sizes)
    for one, slope in zip(parameters, slopes, strict=True):
        one.grad = slope.view_as(one).to(one)
    return told
