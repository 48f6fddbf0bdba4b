"""Goal images as files: pictures, whose text may carry the state that they show, and NumPy arrays.

Whatever comes in becomes RGB of the model's size, and what was changed is said.
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from paig_control.border.files import whole
from paig_control.border.reading import check_file, check_size, parse_json
from paig_control.errors import PaigError, brief

Frame = NDArray[np.uint8]
Array = NDArray[np.float64]
KEY = "paig-control-state"
"""Name of the PNG's text chunk that holds the state as JSON."""
FORMATS = ("PNG", "JPEG", "JPEG2000", "GIF", "BMP", "DIB", "PPM", "TIFF", "WEBP", "AVIF", "ICO", "TGA")
"""Formats of pixels; Pillow hands others, such as PostScript, to programs that run what is in the file."""
PIXEL, MOST = 24, 600 * 10**6
"""Bytes that a pixel takes while a picture is converted, and all of them together unless more is allowed."""


def save(path: Path, image: Frame, state: Array | None) -> None:
    """Write a goal image as PNG, its state in the picture's text."""
    text = PngImagePlugin.PngInfo()
    if state is not None:
        text.add_text(KEY, json.dumps(np.asarray(state).tolist()))
    with whole(path) as new:
        Image.fromarray(image).save(new, format="PNG", pnginfo=text)


def read(path: Path, size: tuple[int, int]) -> tuple[Frame, Array | None, tuple[str, ...]]:
    """Read a goal image as RGB of ``size``, with the state it carries, if any, and what was converted.

    Raises:
        PaigError: for a file that cannot be read, is no image, or has too many pixels.
    """
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged text, and of sizes, which are checked here
            with Image.open(path, formats=FORMATS) as opened:
                check_size(
                    f"{path} ({opened.height} x {opened.width} pixels)", PIXEL * opened.width * opened.height, MOST
                )
                opened.load()
                text = getattr(opened, "text", {}).get(KEY)
                picture, notes = _rgb(opened)
    except PaigError:
        raise
    except UnidentifiedImageError:
        raise PaigError(f"{path} is not an image that can be read: expected a PNG or JPEG picture.") from None
    except Exception as error:  # the readers of some dozen formats raise what they please
        raise PaigError(
            f"{path} cannot be read ({_reason(error)}): expected a whole PNG or JPEG picture; save it again."
        ) from error
    return _fitted(picture, path, size, notes), _stored(path, text), tuple(notes)


def read_array(path: Path, size: tuple[int, int]) -> tuple[list[Frame], tuple[str, ...]]:
    """Read one goal image ``(h, w, 3)``, or two ``(2, h, w, 3)``, from a .npy file of bytes, made to fit ``size``.

    Raises:
        PaigError: for a file that cannot be read or holds anything else.
    """
    length = check_file(path)
    try:
        with path.open("rb") as file:
            shape, dtype = _header(file)
            size_said, size_there = int(dtype.itemsize) * math.prod(shape), length - file.tell()
    except Exception as error:  # a header is a Python expression, and what reads it raises what it pleases
        raise PaigError(
            f"{path} cannot be read ({_reason(error)}): expected an array as numpy.save writes it."
        ) from error
    if len(shape) not in (3, 4) or shape[-1] != 3 or 0 in shape or (len(shape) == 4 and shape[0] != 2):
        raise PaigError(
            f"{path} holds an array of shape {brief(str(shape))}: expected one image (height, width, 3), or two that "
            "follow each other, (2, height, width, 3)."
        )
    if dtype != np.uint8:
        raise PaigError(f"{path} holds {brief(str(dtype))}: expected uint8, values from 0 to 255, not scaled.")
    if size_said > size_there:
        raise PaigError(f"{path} is cut short: its header says {size_said:.3g} bytes, there are {size_there}.")
    check_size(f"{path}, {brief(str(shape))},", PIXEL * math.prod(shape[:-1]), MOST)
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PaigError(f"{path} cannot be read ({error}): expected an array as numpy.save writes it.") from error
    notes: list[str] = []
    images = [_fitted(Image.fromarray(one), path, size, notes) for one in array.reshape(-1, *shape[-3:])]
    return images, tuple(dict.fromkeys(notes))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in a .npy file, from its header alone; the data follow."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("it holds objects, which may be code")
    return tuple(int(n) for n in shape), dtype


def _reason(error: Exception) -> str:
    """What an error of others says, in one short line."""
    return brief(f"{error}".partition("\n")[0] or type(error).__name__)


def _fitted(picture: Image.Image, path: Path, size: tuple[int, int], notes: list[str]) -> Frame:
    """The picture's pixels, resized where its size is another; then that is noted."""
    height, width = size
    if picture.size != (width, height):
        shape = "" if picture.width * height == picture.height * width else ", which changes its proportions"
        notes.append(f"{path} has {picture.height} x {picture.width} pixels: resized to {height} x {width}{shape}.")
        smaller = picture.width >= width and picture.height >= height
        picture = picture.resize((width, height), Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC)
    return np.array(picture, dtype=np.uint8)


def _rgb(picture: Image.Image) -> tuple[Image.Image, list[str]]:
    """Convert to RGB, transparent parts over white."""
    notes = []
    name = Path(getattr(picture, "filename", "") or "The goal image")
    if getattr(picture, "is_animated", False):
        notes.append(f"{name} has several frames: the first one is taken.")
    if picture.mode == "RGB":
        return picture.copy(), notes
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        notes.append(f"{name} has an alpha channel: laid over white.")
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB"), notes
    notes.append(f"{name} has the mode {picture.mode}: converted to RGB.")
    if picture.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(picture, dtype=np.float32))
        scale = 257.0 if values.max(initial=0) > 255 else 1.0
        return Image.fromarray(np.clip(values / scale, 0, 255).astype(np.uint8)).convert("RGB"), notes
    return picture.convert("RGB"), notes


def _stored(path: Path, text: Any) -> Array | None:
    if text is None:
        return None
    try:
        state = np.asarray(parse_json(text), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        state = np.empty(0)
    if state.ndim != 3 or len(state) != 2 or not np.isfinite(state).all():
        raise PaigError(f"{path} carries a damaged state in its text: draw it again with `paig-control goal`.")
    return state
