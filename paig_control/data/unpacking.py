"""Reading the archive of an episode file: what it would take in memory is known before anything is unpacked."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.border import reading
from paig_control.errors import PaigError


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
        reading.check_size(f"{path}, unpacked and as training holds it,", _size(path, wanted), reading.memory() // 2)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if wanted(name)}
    except PaigError:
        raise
    except Exception as error:  # zipfile, zlib, struct and NumPy have no common base
        if "Object arrays" in str(error):
            raise PaigError(
                f"{path} holds pickled objects, which could run code: save plain arrays with np.savez."
            ) from error
        reason = f"{type(error).__name__}: {error}"
        raise PaigError(f"{path} is damaged, or no .npz archive ({reason}): collect or copy it again.") from error


def _size(path: Path, wanted: Callable[[str], bool]) -> int:
    """Bytes of the wanted arrays, and of four more for each number of the training films, by the headers alone."""
    total = 0
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if not wanted(name):
                continue
            with archive.open(info) as entry:
                version = np.lib.format.read_magic(entry)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(entry)
            count = math.prod(shape)
            total += max(info.file_size, count * dtype.itemsize)
            if name == "train_x":
                total += 4 * count * (1 if shape[-1:] in ((3,), (4,)) else 3)
    return total
