"""Reading the archive of an episode file: what it would take in memory is known before anything is unpacked.

Films of more than :data:`MAPPED` bytes are not read but mapped: from the file itself if they lie in it as they are,
else from a temporary file into which they are unpacked. The system then brings in what is looked at, and may let go of
it.
"""

from __future__ import annotations

import math
import mmap
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from paig_control.border import reading
from paig_control.errors import PaigError

MAPPED = 2**25
"""Films of more bytes than this are mapped."""
CHUNK = 2**20
"""Bytes that are unpacked at a time."""
PASSED = 2**24
"""Bytes of films that are looked at one after another before those that are mapped are let go of, about."""


def unpack(path: Path, wanted: Callable[[str], bool]) -> dict[str, NDArray[Any]]:
    """Arrays of the archive by their names, those that are wanted; never pickled ones.

    Raises:
        PaigError: for what is no archive, would take more than half of the machine's memory (see
            :mod:`paig_control.border.reading`), is damaged, or holds pickled objects.
    """
    try:
        with path.open("rb") as file:
            if file.read(6) == np.lib.format.MAGIC_PREFIX:
                raise PaigError(f"{path} holds one bare array: expected an .npz.")
        reading.check_size(f"{path}, unpacked,", _size(path, wanted), reading.memory() // 2)
        with np.load(path, allow_pickle=False) as archive:
            names = [name for name in archive.files if wanted(name)]
            films = {name: _mapped(path, archive.zip, f"{name}.npy") for name in names if name.endswith("_x")}
            return {name: archive[name] if (found := films.get(name)) is None else found for name in names}
    except PaigError:
        raise
    except Exception as error:  # zipfile, zlib, struct and NumPy have no common base
        if "Object arrays" in str(error):
            raise PaigError(
                f"{path} holds pickled objects, which could run code: save plain arrays with np.savez."
            ) from error
        reason = f"{type(error).__name__}: {error}"
        raise PaigError(f"{path} is damaged, or no .npz archive ({reason}): collect or copy it again.") from error


def spilled(parts: Iterable[bytes | memoryview], shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """An array of bytes, mapped from a temporary file that is gone when it is; None where there is no room for one."""
    try:
        with tempfile.TemporaryFile() as file:
            for part in parts:
                file.write(part)
            file.flush()
            return _map(file, 0, shape)
    except OSError:
        return None


def let_go(array: Any) -> None:
    """Give back the memory of an array that is mapped and that nobody has written to; it comes back when looked at."""
    while isinstance(array, np.ndarray):
        array = array.base
    if isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        array.madvise(mmap.MADV_DONTNEED)


def passed(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Parts of an array along its first axis, one after another; of one that is mapped, each is let go of behind."""
    count = max(1, PASSED // max(1, array[:1].nbytes))
    for begin in range(0, len(array), count):
        yield array[begin : begin + count]
        let_go(array)


def _mapped(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[np.uint8] | None:
    """Films of an archive, mapped; None where they are few or no plain bytes, and are to be read."""
    info = archive.getinfo(name)
    with archive.open(info) as entry:
        shape, fortran, dtype = _header(entry)
        if math.prod(shape) <= MAPPED or dtype != np.uint8 or fortran:
            return None
        begin, parts = entry.tell(), iter(lambda: entry.read(CHUNK), b"")
        if begin + math.prod(shape) != info.file_size:
            raise ValueError(f"{name} has {info.file_size} bytes for films of shape {shape}")
        if info.compress_type != zipfile.ZIP_STORED:
            return spilled(parts, shape)
        for _ in parts:  # so that damage is found here, as when it is read
            pass
    with path.open("rb") as file:
        return _map(file, _start(file, info) + begin, shape)


def _map(file: IO[bytes], begin: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """What is written to the array stays in memory: the file remains as it is."""
    return np.memmap(file, np.uint8, "c", begin, shape)


def _start(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where an entry of an archive begins: behind a header of 30 bytes and two texts, whose lengths end that header."""
    file.seek(info.header_offset + 26)
    lengths = file.read(4)
    return info.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")


def _header(entry: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape of an array, whether it lies column by column, and its type."""
    version = np.lib.format.read_magic(entry)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(entry)


def _size(path: Path, wanted: Callable[[str], bool]) -> int:
    """Bytes of the wanted arrays, and of the copy of films of other than three channels, by the headers alone."""
    total = 0
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if not wanted(name):
                continue
            with archive.open(info) as entry:
                shape, _, dtype = _header(entry)
            count = math.prod(shape)
            total += max(info.file_size, count * dtype.itemsize)
            if name.endswith("_x") and shape[-1:] != (3,):
                total += count * (1 if shape[-1:] == (4,) else 3)
    return total
