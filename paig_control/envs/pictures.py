"""Handwritten digits and photographs: the library's own, or from files that a user has.

Read are MNIST's files (``idx``, also gzipped, or Keras' ``mnist.npz``), CIFAR-10's binary version, NumPy arrays and
ordinary pictures. Pickles are not: they can run code.
"""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paig_control.envs.painter import area_average
from paig_control.errors import PaigError

Bytes = NDArray[np.uint8]
OWN = Path(__file__).with_name("assets") / "pictures.npz"
CIFAR_ROW = 1 + 3 * 32 * 32
IDX_IMAGES = bytes([0, 0, 8, 3])
"""Beginning of an ``idx`` file of unsigned bytes with three axes."""


def load_digits(path: str | None, numbers: tuple[int, ...], side: int) -> Bytes:
    """Digits ``(n, side, side)``, 0 to 255 for ink, of these numbers in the file.

    Args:
        path: file; the library's own, one of each digit from 0 to 9, if ``None``.
        numbers: which of the file's digits.
        side: they are cut, or padded with nothing, to so many pixels.
    """
    stack = _array(OWN, ("digits",), 3) if path is None else _digit_file(Path(path))
    return np.stack([_fit(_pick(stack, number, "digit_numbers", path), side) for number in numbers])


def load_photograph(path: str | None, number: int, size: tuple[int, int]) -> Bytes:
    """A photograph of ``size`` (height, width): ``(h, w, 3)``.

    Args:
        path: file; the library's own if ``None``.
        number: which, of a file with many.
        size: to which it is enlarged by interpolation or shrunk by averaging.
    """
    stack = _array(OWN, ("photograph",), 3)[None] if path is None else _photograph_file(Path(path))
    image = _pick(stack, number, "photograph_number", path)
    larger = (max(size[0], image.shape[0]), max(size[1], image.shape[1]))
    return area_average(_enlarge(image, larger), size)


def _digit_file(path: Path) -> Bytes:
    content = _read(path)
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError) as error:
            raise PaigError(f"{path} is a damaged gzip file: {error}; fetch it again.") from error
    if content[:4] == IDX_IMAGES and len(content) >= 16:
        count, height, width = (int(n) for n in np.frombuffer(content, ">u4", 3, 4))
        if len(content) != 16 + count * height * width:
            raise PaigError(f"{path} says that it holds {count} digits but is cut short: fetch it again.")
        return np.frombuffer(content, np.uint8, offset=16).reshape(count, height, width)
    if path.suffix in (".npz", ".npy"):
        return _array(path, ("x_train", "digits", "x_test"), 3)
    raise PaigError(
        f"{path} holds no digits: expected MNIST's train-images-idx3-ubyte (also .gz) or mnist.npz, or an array of "
        "uint8 (n, height, width)."
    )


def _photograph_file(path: Path) -> Bytes:
    if path.suffix in (".npz", ".npy"):
        array = _array(path, ("photograph", "x_train", "train_x", "x_test"), None)
        return array if array.ndim == 4 else array[None]
    content = _read(path)
    if path.suffix == ".bin":
        if not content or len(content) % CIFAR_ROW:
            raise PaigError(f"{path} is no file of CIFAR-10's binary version: expected rows of {CIFAR_ROW} bytes.")
        rows = np.frombuffer(content, np.uint8).reshape(-1, CIFAR_ROW)
        return np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    if content[:1] == b"\x80":
        raise PaigError(f"{path} is a pickle, which could run code: take CIFAR-10's binary version (.bin).")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))[None]
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise PaigError(f"{path} is no picture that can be read: {error}.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PaigError(f"{path} cannot be read: {error.strerror or error}.") from error


def _array(path: Path, names: tuple[str, ...], axes: int | None) -> Bytes:
    """Array of the first of these names in an ``.npz``, or of an ``.npy``; ``axes`` ``None`` means photographs."""
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            found = loaded
        else:
            with loaded:
                name = next((one for one in (*names, *loaded.files) if one in loaded.files), None)
                found = np.zeros(0) if name is None else loaded[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise PaigError(f"{path} cannot be read as a NumPy file: {error}.") from error
    fits = found.ndim == axes if axes else found.ndim in (3, 4) and found.shape[-1] == 3
    if found.dtype != np.uint8 or not fits or not found.size:
        wanted = "(n, height, width)" if axes else "(height, width, 3) or (n, height, width, 3)"
        raise PaigError(f"{path} holds {found.dtype} {found.shape}: expected uint8 {wanted}.")
    return np.asarray(found)


def _pick(stack: Bytes, number: int, name: str, path: str | None) -> Bytes:
    if not 0 <= number < len(stack):
        raise PaigError(f"{name} = {number}: {path or 'the library'} has {len(stack)}, counted from 0.")
    return np.asarray(stack[number])


def _fit(image: Bytes, side: int) -> Bytes:
    """Cut or pad ``(h, w)`` around its middle to ``(side, side)``."""
    padded = np.pad(image, [((side + 1) // 2, (side + 1) // 2)] * 2)
    y, x = ((n - side) // 2 for n in padded.shape)
    return padded[y : y + side, x : x + side]


def _enlarge(image: Bytes, size: tuple[int, int]) -> Bytes:
    """Interpolate ``(h, w, 3)`` linearly to ``size``, pixel centres on pixel centres."""
    result = image.astype(np.float64)
    for axis, wanted in enumerate(size):
        have = result.shape[axis]
        place = np.clip((np.arange(wanted) + 0.5) * have / wanted - 0.5, 0, have - 1)
        before = np.minimum(place.astype(int), max(have - 2, 0))
        part = (place - before).reshape([-1 if n == axis else 1 for n in range(3)])
        after = np.minimum(before + 1, have - 1)
        result = result.take(before, axis) * (1 - part) + result.take(after, axis) * part
    return np.rint(result).astype(np.uint8)
