"""Episode files as others write them: what does not fit is refused in one sentence, before any work."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paig_control.border import reading
from paig_control.cli.main import main
from paig_control.data import episodes
from paig_control.data.collection import collect
from paig_control.errors import PaigError

NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def sound() -> episodes.Episodes:
    """Four films of six frames, with actions of size 4 and truth."""
    return collect("paig_control:paig/Spring-v0", 4, 6, valid=0, test=0)


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(reading.VARIABLE, raising=False)


def refused(sound: episodes.Episodes, changes: dict[str, Any] | None = None, meta: Any = None) -> str:
    """What is said of a file that is the sound one but for these arrays and entries of meta."""
    text = meta if isinstance(meta, str) else json.dumps({**sound.meta, **(meta or {})})
    np.savez("films.npz", **{**sound.arrays, **(changes or {})}, meta=np.array(text))
    with pytest.raises(PaigError) as caught:
        episodes.load("films.npz")
    assert str(caught.value).startswith("films.npz")
    assert len(str(caught.value)) < 400
    return str(caught.value)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"env": 1}, "meta has env = 1: expected {'id': name"),
        ({"env": {"kwargs": {}}}, "meta has env = "),
        ({"env": {"id": "paig/Pixels-v0", "kwargs": []}}, "meta has env = "),
        ({"env": {"id": "paig/Pixels-v0", "kwargs": {"env_id": 3}}}, "meta has env = "),
        ({"action_low": ["a"] * 4}, "meta has action_low = ['a', 'a', 'a', 'a']: expected a list of finite numbers"),
        ({"action_low": [NAN] * 4}, "meta has action_low = [nan, nan, nan, nan]: expected a list of finite"),
        ({"action_high": [INF] * 4}, "meta has action_high = [inf"),
        ({"action_high": 1.0}, "meta has action_high = 1.0: expected a list"),
        ({"action_high": [True] * 4}, "meta has action_high = [True"),
        ({"action_high": [10**400] * 4}, "meta has action_high = [1000"),
        ({"action_low": [2.0] * 4, "action_high": [1.0] * 4}, "no lower bound is above its upper one"),
        ({"truth": {"constants": {"stiffness": "x"}, "physics": {}}}, "the constant 'stiffness' = 'x'"),
        ({"truth": {"constants": {"stiffness": NAN}}}, "the constant 'stiffness' = nan"),
        ({"truth": {"constants": {"stiffness": None}}}, "the constant 'stiffness' = None"),
        ({"truth": {"physics": {"objects": "two"}}}, "objects = 'two'"),
        ({"truth": None}, "truth is not of the form"),
        ({"dt": INF}, "dt = inf"),
        ({"dt": NAN}, "dt = nan"),
        ({"dt": True}, "dt = True"),
        ({"dt": 10**400}, "dt = 1000"),
        ("[" * 100_000, "meta is not one JSON object"),
        ('{"env":' * 100_000, "meta is not one JSON object"),
    ],
)
def test_meta_of_another_kind_is_refused_by_name(sound: episodes.Episodes, meta: Any, said: str) -> None:
    assert said in refused(sound, meta=meta)


def test_bounds_and_notes_that_are_sound_are_left_alone(sound: episodes.Episodes) -> None:
    for meta in ({"action_low": [0] * 4, "action_high": [0, 1, 1, 1]}, {"env": None}, {"seeds": "mine", "own": [1]}):
        kept = episodes.Episodes(sound.arrays, {**sound.meta, **meta})
        assert episodes.load(kept.save("films.npz")).meta == {**sound.meta, **meta}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("train_x", lambda x: x.astype("m8[s]"), "train_x has type timedelta64[s]"),
        ("train_x", lambda x: x.astype("M8[s]"), "train_x has type datetime64[s]"),
        ("train_u", lambda x: x.astype("m8[D]"), "train_u has type timedelta64[D]"),
        ("train_truth_velocity", lambda x: x.astype("m8[s]"), "train_truth_velocity has type timedelta64[s]"),
        ("train_u", lambda x: np.full(x.shape, 1e300), "train_u has actions as large as 1e+300"),
        ("train_u", lambda x: np.full(x.shape, -3e30), "train_u has actions as large as 3e+30"),
        ("train_u", lambda x: np.full(x.shape, np.iinfo(np.int64).min), "train_u has actions as large as 9.22e+18"),
        ("train_truth_position", lambda x: np.full(x.shape, np.longdouble("1e400")), "NaN or infinity"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_arrays_of_another_kind_are_refused_by_name(
    sound: episodes.Episodes, name: str, change: Any, said: str
) -> None:
    assert said in refused(sound, {name: change(sound.arrays[name])})


def test_the_command_says_it_in_one_line_and_writes_nothing(
    sound: episodes.Episodes, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(sound, meta={"truth": {"constants": {"stiffness": "x"}, "physics": {}}})
    assert main(["train", "data=films.npz", "physics=spring", "out=run"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "the constant 'stiffness' = 'x'" in " ".join(said.split())
    assert not Path("run").exists()


def test_truth_without_positions_keeps_its_constants(sound: episodes.Episodes) -> None:
    bare = {name: value for name, value in sound.arrays.items() if "truth" not in name}
    truth = episodes.Episodes(bare, sound.meta).truth("train")
    assert truth is not None
    assert truth.position is None
    assert truth.velocity is None
    assert truth.constants == sound.meta["truth"]["constants"] != {}
    assert truth.physics == sound.meta["truth"]["physics"] != {}
    unknown = episodes.Episodes(bare, {**sound.meta, "truth": {"constants": {}, "physics": {}}})
    assert unknown.truth("train") is None


def bomb(shape: tuple[int, ...], said: int = 0) -> None:
    """A small file whose array has this shape; only so many bytes of it are there."""
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("train_x.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(entry, {"descr": "|u1", "fortran_order": False, "shape": shape})
        entry.write(bytes(said))


def test_what_a_file_unpacks_to_is_known_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*rest: Any, **more: Any) -> None:
        raise AssertionError("it was read")

    bomb((10, 50, 40, 40, 3), 2_400_000)
    assert Path("bomb.npz").stat().st_size < 10_000
    assert len(episodes.load("bomb.npz").split("train")) == 10
    monkeypatch.setenv(reading.VARIABLE, "0.001")
    monkeypatch.setattr(np.lib.format, "read_array", read)
    with pytest.raises(PaigError, match=r"bomb.npz.* would take 2.4 MB of memory, and the limit is 1 MB.*PAIG_MAX_GB"):
        episodes.load("bomb.npz")


@pytest.mark.parametrize("shape", [(10**6, 10**4, 40, 40, 3), (2**62, 2**62, 2, 2, 3), (10**6, 10**5, 64, 64)])
def test_absurd_headers_are_refused_whatever_the_archive_says_of_its_size(shape: tuple[int, ...]) -> None:
    bomb(shape)
    with pytest.raises(PaigError, match=r"bomb.npz.* would take .* of memory, and the limit is"):
        episodes.load("bomb.npz")


def test_a_header_that_says_more_than_is_there_is_damage() -> None:
    bomb((10, 50, 40, 40, 3), 1000)
    with pytest.raises(PaigError, match=r"bomb.npz is damaged"):
        episodes.load("bomb.npz")


def test_arrays_of_others_may_be_as_large_as_they_like(
    sound: episodes.Episodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(reading.VARIABLE, "0.01")
    np.savez_compressed("films.npz", **sound.arrays, depth=np.zeros(10**7, np.uint8))
    assert len(episodes.load("films.npz").split("train")) == 4
