"""Episode files: films, actions and, under its own key, the truth.

The file is a NumPy archive that is never pickled, with the arrays of PAIG's own files (``train_x``,
``valid_x``, ``test_x``), which therefore load as they are. Everything is checked once, here, where it enters.
Training takes :meth:`Episodes.split`, which has no truth in it; only evaluation asks for
:meth:`Episodes.truth`.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from paig_control.border.files import whole
from paig_control.data import checks
from paig_control.data.joining import join, places
from paig_control.data.unpacking import let_go, passed, unpack
from paig_control.data.windows import Windows
from paig_control.errors import PaigError

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Sequences:
    """What training may see of a split.

    Attributes:
        frames: ``(S, T, h, w, 3)``, uint8.
        actions: ``(S, T - 1, A)``, float32, held from frame t to t + 1; ``None`` where nothing acts.
        dt: seconds from frame to frame, if the file says it.
        action_low: ``(A,)`` bounds of the actions, if the file says them.
        action_high: ``(A,)``.
    """

    frames: NDArray[np.uint8]
    actions: NDArray[np.float32] | None
    dt: float | None = None
    action_low: NDArray[np.float32] | None = None
    action_high: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Count the sequences."""
        return len(self.frames)

    @property
    def identity(self) -> str:
        """What tells these from other sequences, whatever file they are in; the time step is left to who uses one."""
        bounds = {"action_low": self.action_low, "action_high": self.action_high}
        return _identity({"frames": self.frames, "actions": self.actions, **bounds})

    def actions_for(self, size: int) -> NDArray[np.float32]:
        """Actions ``(S, T - 1, size)`` for a physics that takes so many numbers; zeros where nothing acts."""
        if self.actions is not None and size:
            return self.actions
        return np.zeros((len(self.frames), self.frames.shape[1] - 1, size), np.float32)


@dataclass(frozen=True)
class Truth:
    """What only evaluation may see of a split.

    Attributes:
        position: ``(S, T, N, D)``, float64, pixels or radians; ``None`` where the file has none.
        velocity: ``(S, T, N, D)``, per second.
        constants: true constants by name.
        physics: settings of the true physics.
    """

    position: NDArray[np.float64] | None
    velocity: NDArray[np.float64] | None
    constants: Mapping[str, float]
    physics: Mapping[str, Any]


@dataclass(frozen=True)
class Episodes:
    """A data file: arrays by their name in the file, and what is known about them.

    Attributes:
        arrays: ``{split}_x`` and, where there are any, ``{split}_u``, ``{split}_truth_position``,
            ``{split}_truth_velocity`` and, for films that end when they will, ``{split}_lengths`` ``(S,)``: how many of
            each one's frames were filmed, what follows counts for nothing; already checked.
        meta: ``env`` (id and kwargs), ``dt``, ``action_low``, ``action_high``, ``actions`` (the rows of a set of them),
            ``seeds``, ``policy``, ``version``, ``truth`` (constants, physics, and ``pixels``, ``(N, D, D)``, the way to
            which a unit of true coordinates leads in the picture's, if they are others, beside them their zero, if
            that is another) and ``hindrance``, why what moves cannot be learned, or what it takes, if an engine
            says so; ``left_out``, by split, episodes of which hardly a frame was filmed; empty for PAIG's own files.
        notes: what had to be converted in loading, in words.
        copy: whether what is given is copied, so that whoever gave it may change it; without, it is this object's now.
    """

    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    copy: InitVar[bool] = True

    def __post_init__(self, copy: bool) -> None:
        """Check every array against every other; the checked arrays replace the given ones."""
        given = dict(self.arrays)
        checked, notes = checks.arrays(given)
        checks.meta(self.meta, checked)
        if copy:
            kept = {name: array.copy() for name, array in checked.items() if np.may_share_memory(array, given[name])}
            checked |= kept
            object.__setattr__(self, "meta", deepcopy(dict(self.meta)))
        object.__setattr__(self, "arrays", checked)
        for split in self.splits:
            if (windows := self._windows(split)) is not None:
                lengths = checked[f"{split}_lengths"]
                notes.append(
                    f"{split}_x has {len(lengths)} films of {lengths.min()} to {lengths.max()} frames: taken as "
                    f"{len(windows.pieces)} of {windows.length}."
                )
        object.__setattr__(self, "notes", (*self.notes, *notes))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the file has, of train, valid and test."""
        return tuple(split for split in SPLITS if f"{split}_x" in self.arrays)

    @property
    def filmed(self) -> str | None:
        """The environment that was filmed, if the file says it: its name, and that of one that it wraps."""
        env = self.meta.get("env")
        if env is None:
            return None
        name = str(env["id"]).rpartition(":")[2].rpartition("/")[2]
        wrapped = env.get("kwargs", {}).get("env_id", "Pendulum-v1") if name.startswith("Pixels") else None
        return name if wrapped is None else f"{wrapped} through {name}"

    @property
    def identity(self) -> str:
        """What tells this file's content from any other's."""
        return _identity({**self.arrays, "meta": np.array(json.dumps(dict(self.meta), sort_keys=True))})

    def let_go(self) -> None:
        """Give back the memory of films that are mapped; they are read again, from the disk, when they are looked at.

        For who has written nothing into them.
        """
        for array in self.arrays.values():
            let_go(array)

    def _windows(self, split: str) -> Windows | None:
        """How films of unequal length are cut; None where they are all of one."""
        lengths = self.arrays.get(f"{split}_lengths")
        whole = lengths is None or bool((lengths == self.arrays[f"{split}_x"].shape[1]).all())
        return None if lengths is None or whole else Windows.of(lengths)

    def _require(self, split: str) -> None:
        if split not in self.splits:
            raise PaigError(f"The data has no split {split!r}: it has {', '.join(self.splits)}.")

    def split(self, split: str) -> Sequences:
        """Frames and actions of ``"train"``, ``"valid"`` or ``"test"``, without any truth.

        Films of unequal length come as windows of one; what is left over at their ends is left out.
        """
        self._require(split)
        frames, actions, windows = self.arrays[f"{split}_x"], self.arrays.get(f"{split}_u"), self._windows(split)
        if windows is not None:
            frames, actions = windows.cut(frames), None if actions is None else windows.cut(actions, 1)
        low, high = (self.meta.get(name) for name in ("action_low", "action_high"))
        return Sequences(
            frames=frames,
            actions=actions,
            dt=self.meta.get("dt"),
            action_low=None if low is None else np.asarray(low, dtype=np.float32),
            action_high=None if high is None else np.asarray(high, dtype=np.float32),
        )

    def truth(self, split: str) -> Truth | None:
        """Return true states and constants, for evaluation only; ``None`` if the file has no truth.

        Of films of unequal length those of the windows of :meth:`split`.
        """
        self._require(split)
        position, velocity = (self.arrays.get(f"{split}_truth_{what}") for what in ("position", "velocity"))
        known = self.meta.get("truth", {})
        if position is None and not known.get("constants"):
            return None
        if position is not None and (windows := self._windows(split)) is not None:
            position, velocity = windows.cut(position), None if velocity is None else windows.cut(velocity)
        if position is not None and "pixels" in known:
            unit, zero = np.split(np.asarray(known["pixels"], dtype=float), [position.shape[-1]], -1)
            position = np.einsum("nij,stnj->stni", unit, position) + zero.sum(-1)
            velocity = None if velocity is None else np.einsum("nij,stnj->stni", unit, velocity)
        return Truth(
            position,
            velocity,
            dict(known.get("constants", {})),
            dict(known.get("physics", {})),
        )

    def save(self, path: str | Path) -> Path:
        """Write the file under a temporary name and rename it, so that a kill leaves no half file."""
        path = Path(path)
        arrays: dict[str, Any] = dict(self.arrays)
        if self.meta:
            arrays["meta"] = np.array(json.dumps(dict(self.meta)))
        with whole(path) as new, new.open("wb") as file:
            _write(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        return path


def _identity(arrays: Mapping[str, NDArray[Any] | None]) -> str:
    """SHA-256 over names, types, shapes and bytes of arrays, in any order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        value = arrays[name]
        kind = None if value is None else (value.dtype.str, value.shape)
        digest.update(repr((name, kind)).encode())
        for part in passed(np.ascontiguousarray(() if value is None else value).reshape(-1).view(np.uint8)):
            digest.update(part.data)
    return digest.hexdigest()


def _write(file: IO[bytes], arrays: Mapping[str, Any]) -> None:
    """What NumPy's ``savez_compressed`` writes, packed a little less hard and in two thirds of the time."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(value), allow_pickle=False)


def load(path: str | Path | Sequence[str | Path]) -> Episodes:
    """Read and check a data file, or several of one world, whose films then come one after another.

    Args:
        path: of the file, of several, or of a folder, which stands for its .npz files by name.

    Raises:
        PaigError: for a missing, damaged, pickled or too large file, for arrays of the wrong shape, type or range, and
            for files that do not belong together.
    """
    paths = places(path)
    found = [_load(one) for one in paths]
    if len(found) == 1:
        return found[0]
    arrays, meta = join(paths, [(one.arrays, one.meta) for one in found])
    return Episodes(arrays, meta, tuple(note for one in found for note in one.notes), copy=False)


def _load(path: Path) -> Episodes:
    if not path.is_file():
        raise PaigError(f"There is no data file {path}: make one with `paig-control collect out={path}`.")
    arrays = unpack(path, checks.wanted)
    try:
        return Episodes(arrays, checks.parse_meta(arrays.pop("meta", None)), copy=False)
    except PaigError as error:
        raise PaigError(f"{path}: {error}") from error
