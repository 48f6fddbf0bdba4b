"""Several data files as one: which are meant, whether they are of one world, and their films one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.border import files
from paig_control.data import unpacking
from paig_control.errors import PaigError, quoted

Arrays = Mapping[str, NDArray[Any]]
SAME = {
    "env": "the environment that was filmed",
    "dt": "the time between two frames",
    "action_low": "the lower bounds of the actions",
    "action_high": "the upper bounds of the actions",
    "actions": "which separate actions there are",
    "truth": "the truth about the scene",
}
"""Entries of ``meta`` in which files that belong together agree."""


def places(given: Any) -> list[Path]:
    """The files that are meant by a path, a list of paths, or a folder, which stands for its .npz files by name.

    Raises:
        PaigError: for a folder without any, and for what is no path.
    """
    found: list[Path] = []
    for one in [given] if isinstance(given, str | Path) else given if isinstance(given, Sequence) else [None]:
        if not isinstance(one, str | Path):
            raise PaigError(f"data = {quoted(given)}: expected a file, several as [a.npz,b.npz], or a folder.")
        path = files.expanded(one)
        inside = sorted(path.glob("*.npz")) if path.is_dir() else [path]
        if not inside:
            raise PaigError(f"There is no data file in the folder {path}: expected .npz files, as collect writes them.")
        found += inside
    if not found:
        raise PaigError("data = []: expected at least one file.")
    return found


def join(paths: Sequence[Path], given: Sequence[tuple[Arrays, Mapping[str, Any]]]) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and meta of all files as of one; what files only note of their making is listed, where it differs.

    Raises:
        PaigError: that names a file that does not belong to the first one, and in what it differs.
    """
    given = [(_with_lengths(arrays, given), meta) for arrays, meta in given]
    first = given[0]
    for path, other in zip(paths[1:], given[1:], strict=True):
        for what, (one, two) in _compared(first, other).items():
            if one != two:
                raise PaigError(
                    f"{path} does not go with {paths[0]}: {what} is {quoted(two)}, there {quoted(one)}. Leave the "
                    "file out and train on it alone, or record it again as the other."
                )
    arrays = {name: _stacked([arrays[name] for arrays, _ in given]) for name in first[0]}
    meta: dict[str, Any] = {}
    for name in dict.fromkeys(name for _, one in given for name in one):
        values = [one.get(name) for _, one in given]
        meta[name] = values[0] if all(value == values[0] for value in values) else values
    return arrays, meta


def _with_lengths(arrays: Arrays, all_: Sequence[tuple[Arrays, Mapping[str, Any]]]) -> Arrays:
    """Arrays of a file, with the lengths of its films where another file says those of its own."""
    said = {name for other, _ in all_ for name in other if name.endswith("_lengths")} - arrays.keys()
    films = {name: arrays.get(name.replace("_lengths", "_x")) for name in said}
    return {**arrays, **{name: np.full(len(x), x.shape[1]) for name, x in films.items() if x is not None}}


def _compared(one: tuple[Arrays, Mapping[str, Any]], two: tuple[Arrays, Mapping[str, Any]]) -> dict[str, Any]:
    """What must be alike in two files, in words, as pairs."""
    names = {"which arrays there are": (sorted(one[0]), sorted(two[0]))}
    shapes = {
        f"the shape of each of {name}": (list(one[0][name].shape[1:]), list(two[0][name].shape[1:]))
        for name in sorted(one[0].keys() & two[0].keys())
    }
    return names | shapes | {what: (one[1].get(name), two[1].get(name)) for name, what in SAME.items()}


def _stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Along the first axis; mapped where it is films of many bytes."""
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    large = parts[0].dtype == np.uint8 and sum(part.nbytes for part in parts) > unpacking.MAPPED
    found = unpacking.spilled((part.reshape(-1).data for part in parts), shape) if large else None
    return np.concatenate(parts) if found is None else found
