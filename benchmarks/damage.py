"""Strategies for damaged inputs: bytes with faults, JSON of other kinds, headers that say what cannot be meant.

What is drawn is a folder: files by name, as bytes, or as a :class:`Link` to what is no file.
"""

from __future__ import annotations

import io
import json
import pathlib
import pickle
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

Files = Mapping[str, "bytes | Link"]


class Link(str):
    """What a file's name leads to in place of a file: a device's path, or ``pipe``."""

    __slots__ = ()


LINKS = st.sampled_from([Link("/dev/zero"), Link("/dev/urandom"), Link("pipe"), Link("/nowhere"), Link("."), Link("/")])
NUMBERS = [
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    10**30,
    10**400,
    1e308,
    -1e308,
    5e-324,
    1e-300,
    0.5,
    float("inf"),
    float("nan"),
]
WORDS = [
    "",
    "nan",
    "$\\frac{1$",
    "a" * 300,
    "\x00",
    "\ud800",
    "../../x",
    "~nobody-here",
    "/dev/zero",
    "os.system",
    "ü目标",
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(WORDS), st.integers(), st.floats()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=4), st.sampled_from(WORDS)), inner, max_size=4),
    ),
    max_leaves=8,
)
DEEP = [
    b"[" * 100_000,
    b"[" * 900 + b"]" * 900,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b"9" * 5000,
    b"",
    b"null",
    b"\xff\xfe",
]


class Bomb:
    """A pickle of it makes the file ``canary`` when it is loaded."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        """What loading runs."""
        return pathlib.Path.touch, (pathlib.Path(self.canary),)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with one to three faults: flipped, cut short, overwritten, doubled, moved, extended."""
    found = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        span = draw(st.sampled_from([1, 2, 4, 8, 64, 1000]))
        fault = draw(st.sampled_from(["flip", "flip", "flip", "cut", "fill", "double", "move", "extend", "random"]))
        if fault == "flip" and found:
            found[at] ^= 1 << draw(st.integers(0, 7))
        elif fault == "cut":
            del found[at:]
        elif fault == "fill":
            found[at : at + span] = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f"])) * span
        elif fault == "double":
            found[at:at] = found[at : at + span]
        elif fault == "move":
            found = found[at:] + found[:at]
        elif fault == "extend":
            found += draw(st.binary(max_size=64))
        else:
            found[at : at + span] = draw(st.binary(min_size=1, max_size=16))
    return bytes(found)


@st.composite
def changed(draw: st.DrawFn, whole: Any) -> Any:
    """JSON in which one or two values, somewhere in it, are of another kind, missing, or renamed."""
    found = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 2))):
        node = found
        while isinstance(node, dict | list) and node:
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = draw(st.sampled_from(keys))
            inner = node[key]
            if isinstance(inner, dict | list) and inner and draw(st.integers(0, 4)):
                node = inner
                continue
            deed = draw(st.sampled_from(["replace", "replace", "remove", "rename"]))
            if deed == "replace" or isinstance(node, list):
                node[key] = draw(VALUES)
            else:
                value = node.pop(key)
                if deed == "rename":
                    node[draw(st.sampled_from(WORDS))] = value
            break
    return found


def as_json(value: Any) -> bytes:
    """JSON as a file has it."""
    return json.dumps(value).encode()


@st.composite
def texts(draw: st.DrawFn, whole: Any) -> bytes:
    """A file of JSON, damaged in what it says or in its bytes."""
    kind = draw(st.sampled_from(["said"] * 6 + ["bytes", "bytes", "other", "deep"]))
    if kind == "said":
        return as_json(draw(changed(whole)))
    if kind == "bytes":
        return draw(damaged(as_json(whole)))
    return as_json(draw(VALUES)) if kind == "other" else draw(st.sampled_from(DEEP))


def npy(array: np.ndarray[Any, Any], pickled: bool = False) -> bytes:
    """A .npy file."""
    made = io.BytesIO()
    np.lib.format.write_array(made, array, allow_pickle=pickled)
    return made.getvalue()


HEADERS = [
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1000000, 3), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 3), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 32, 3), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1e9, 2, 3), }",
    "{'descr': '|V2147483647', 'fortran_order': False, 'shape': (8, 8, 3), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (8, 8, 3), }",
    "{'descr': [('a', '<f8', (100000, 100000))], 'fortran_order': False, 'shape': (8, 8, 3), }",
    "{'descr': '|u1', 'fortran_order': 7, 'shape': 3, }",
    "{'descr': '|u1', 'shape': (8, 8, 3), 'fortran_order': (1L, }",
    "{'descr': '|u1', 'shape': " + "(" * 150 + ")" * 150 + "}",
    "__import__('os').getcwd()",
    "-" * 9000 + "1",
    "'''",
    "\x00\x00",
    "",
]


@st.composite
def headed(draw: st.DrawFn, data: bytes) -> bytes:
    """A .npy file whose header says something else than the data are."""
    header = draw(st.sampled_from(HEADERS)).encode() + b"\n"
    major = draw(st.sampled_from([1, 1, 1, 2, 3, 9]))
    length = struct.pack("<H" if major == 1 else "<I", draw(st.sampled_from([len(header), 0, 65535, len(header) - 1])))
    return b"\x93NUMPY" + bytes([major, 0]) + length + header + data


SHAPES = [
    (),
    (0,),
    (4,),
    (8, 8),
    (2, 3, 8, 8, 3),
    (1, 2, 8, 8, 3),
    (4, 6, 8, 8, 3),
    (4, 5, 1),
    (4, 5, 2),
    (4, 6, 2, 2),
    (8, 8, 3),
    (2, 8, 8, 3),
]
TYPES = [*["u1"] * 9, "u1", "i8", "f4", "f8", "f2", "c16", "?", "U3", "S2", "m8[s]", "M8[D]", "V4", "u8"]


@st.composite
def arrays(draw: st.DrawFn, canary: str) -> bytes:
    """A .npy file of any small array, or of pickled objects, or with a header that lies."""
    if draw(st.integers(0, 5)) == 0:
        return npy(np.array([Bomb(canary), None], dtype=object), pickled=True)
    array = np.zeros(draw(st.sampled_from(SHAPES)), dtype=draw(st.sampled_from(TYPES)))
    if array.dtype.kind == "f" and array.size:
        array.flat[0] = draw(st.sampled_from([float("nan"), float("inf"), 6e4, -1.0, 0.5]))
    whole = npy(array)
    if draw(st.integers(0, 2)) == 0:
        return draw(headed(array.tobytes()))
    return draw(damaged(whole)) if draw(st.integers(0, 2)) == 0 else whole


def archive(files: Mapping[str, bytes], packed: bool = True) -> bytes:
    """A ZIP archive, as .npz files are."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return made.getvalue()


def bomb(name: str, header: bytes, size: int) -> bytes:
    """An archive of one entry that unpacks to ``size`` zeros after its header, a thousandth as large itself."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed, check, left = packer.compress(header), zlib.crc32(header), size
    while left:
        part = bytes(min(left, 1 << 20))
        packed, check, left = packed + packer.compress(part), zlib.crc32(part, check), left - len(part)
    packed += packer.flush()
    total, inside = len(header) + size, name.encode()
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, check, len(packed), total, len(inside), 0)
    local = b"PK\x03\x04" + common + inside + packed
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + inside
    return local + central + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def png_of(height: int, width: int, text: bytes = b"") -> bytes:
    """A PNG whose header says a size, with hardly any data in it, and a text chunk if one is given."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    said = chunk(b"zTXt", text) if text else b""
    return b"\x89PNG\r\n\x1a\n" + head + said + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


def pickled(canary: str) -> bytes:
    """A pickle that would run code."""
    return pickle.dumps(Bomb(canary), protocol=2)
