"""Goals that others have made, damaged or swollen: one sentence before they are read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from memory import peak_mb
from PIL import Image, PngImagePlugin

from paig_control.errors import PaigError
from paig_control.goals import drawing, goal_files

STATE = np.array([[[0.5]], [[0.0]]])


@pytest.fixture(scope="module")
def env() -> gym.Env[Any, Any]:
    return gym.make("paig/Pendulum-v0", disable_env_checker=True)


def shown(path: Path, env: gym.Env[Any, Any]) -> drawing.Goal:
    return drawing.resolve(str(path), None, {}, env, (32, 32))


def png(height: int, width: int) -> bytes:
    """A PNG whose header says a size, with hardly any data in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(13000, 13000), (100, 2_000_000), (60000, 60000)])
def test_a_giant_picture_is_refused_by_its_header(
    tmp_path: Path, env: gym.Env[Any, Any], size: tuple[int, int]
) -> None:
    (tmp_path / "giant.png").write_bytes(png(*size))
    before = peak_mb()
    with pytest.raises(PaigError, match=r"giant.png.*(limit|exceeds)"):
        shown(tmp_path / "giant.png", env)
    assert peak_mb() < before + 100


def test_the_limit_of_pictures_can_be_moved(
    tmp_path: Path, env: gym.Env[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (600, 500)).save(tmp_path / "large.png")
    assert shown(tmp_path / "large.png", env).image is not None
    monkeypatch.setenv("PAIG_MAX_GB", "0.005")
    with pytest.raises(PaigError, match=r"500 x 600 pixels\) would take 7.2 MB.*PAIG_MAX_GB"):
        shown(tmp_path / "large.png", env)


HEADERS = {
    "memory": b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1000000, 3), }",
    "overflow": b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 9, 3), }",
    "negative": b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 9, 3), }",
    "token": b"{'descr': '|u1', 'shape': (1L, 'fortran_order': (",
    "recursion": b"-" * 9000 + b"1",
    "objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (8, 8, 3), }",
    "records": b"{'descr': [('a', '<f8', (99999, 99999))], 'fortran_order': False, 'shape': (8, 8, 3), }",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HEADERS)
def test_an_array_with_an_absurd_header_is_refused_by_it(tmp_path: Path, env: gym.Env[Any, Any], name: str) -> None:
    header = HEADERS[name] + b"\n"
    path = tmp_path / "goal.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(192))
    before = peak_mb()
    with pytest.raises(PaigError, match=r"goal\.npy"):
        shown(path, env)
    assert peak_mb() < before + 100


def test_an_archive_under_the_name_of_an_array_is_refused(tmp_path: Path, env: gym.Env[Any, Any]) -> None:
    np.savez(tmp_path / "a.npz", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "whole.npy").write_bytes((tmp_path / "a.npz").read_bytes())
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npz").read_bytes()[:100])
    for name in ("whole.npy", "cut.npy"):
        with pytest.raises(PaigError, match=f"{name} cannot be read"):
            shown(tmp_path / name, env)


AVIF = bytes.fromhex("0000001c667479706176696600000000617669666d696631") + b"miaf" + bytes(40)


@pytest.mark.parametrize(
    "content",
    [
        AVIF,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        b"II*\x00\x08\x00\x00\x00\xff\xff",
        b"GIF89a",
    ],
)
def test_pictures_of_other_kinds_end_in_one_sentence(tmp_path: Path, env: gym.Env[Any, Any], content: bytes) -> None:
    (tmp_path / "goal.png").write_bytes(content)
    with pytest.raises(PaigError, match=r"goal\.png"):
        shown(tmp_path / "goal.png", env)


def test_postscript_is_never_run(tmp_path: Path, env: gym.Env[Any, Any]) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "goal.eps")
    assert Image.open(tmp_path / "goal.eps").format == "EPS"
    with pytest.raises(PaigError, match="not an image that can be read"):
        shown(tmp_path / "goal.eps", env)


@pytest.mark.parametrize(
    "said", ["[" * 50_000, "[[[1e999]],[[0]]]", "[[[" + "9" * 400 + "]],[[0]]]", "{}", '[[["a"]],[[0]]]']
)
def test_a_state_that_is_none_is_damaged(tmp_path: Path, env: gym.Env[Any, Any], said: str) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text(goal_files.KEY, said, zip=True)
    Image.new("RGB", (32, 32)).save(tmp_path / "goal.png", pnginfo=text)
    with pytest.raises(PaigError, match="damaged state"):
        shown(tmp_path / "goal.png", env)


@pytest.mark.parametrize("word", ["a" * 300 + ".png", "a\x00.png"])
def test_a_goal_that_can_be_no_path_is_refused(env: gym.Env[Any, Any], word: str) -> None:
    for wanted in (word, [word, word]):
        with pytest.raises(PaigError, match="can be no path here"):
            drawing.resolve(wanted, None, {}, env, (32, 32))


@pytest.mark.parametrize(("levels", "known"), [(0, True), (8, True), (16, False), (25, False)])
def test_the_judge_knows_a_drawing_only_by_its_likeness(
    tmp_path: Path, env: gym.Env[Any, Any], levels: int, known: bool
) -> None:
    drawn = env.get_wrapper_attr("draw")(STATE).astype(int)
    faded = np.where(drawn > 127, drawn - levels, drawn + levels).astype(np.uint8)
    assert np.abs(faded.astype(int) - drawn).mean() == levels
    Image.fromarray(faded).save(tmp_path / "faded.png")
    assert (shown(tmp_path / "faded.png", env).state is not None) is known
