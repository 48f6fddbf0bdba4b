"""Several files as one: their films one after another, and files that do not belong together refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paig_control.data import unpacking
from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes, load
from paig_control.errors import PaigError
from paig_control.experiment.compose import configure


def filmed(seed: int, steps: int = 6, **kwargs: Any) -> Episodes:
    return collect("paig_control:paig/Spring-v0", 3, steps, seed, valid=0, test=2, test_steps=8, env_kwargs=kwargs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    filmed(0).save(tmp_path / "a.npz")
    filmed(1).save(tmp_path / "b.npz")
    return tmp_path


@pytest.mark.parametrize("mapped", [2**25, 1000])
def test_films_come_one_after_another(folder: Path, mapped: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAPPED", mapped)
    first, second = folder / "a.npz", folder / "b.npz"
    both = load([first, second])
    for name, array in both.arrays.items():
        assert np.array_equal(array, np.concatenate([load(one).arrays[name] for one in (first, second)]))
    assert load(folder).identity == both.identity
    assert both.meta["seeds"] == [{"seed": 0}, {"seed": 1}]
    assert both.meta["env"] == load(first).meta["env"]
    turned = load([second, first])
    assert turned.split("train").identity != both.split("train").identity


def test_films_of_unequal_length_go_with_others(folder: Path) -> None:
    short = Episodes({**filmed(1).arrays, "train_lengths": np.array([6, 3, 4])}, filmed(1).meta)
    short.save(folder / "b.npz")
    both = load(folder)
    assert both.arrays["train_lengths"].tolist() == [6, 6, 6, 6, 3, 4]
    assert "test_lengths" not in both.arrays


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: filmed(1, stiffness=2.0), "the environment that was filmed"),
        (lambda: filmed(1, size=40), "the shape of each of test_x"),
        (lambda: filmed(1, steps=7), "the shape of each of train_truth_position"),
        (lambda: dataclasses.replace(filmed(1), meta={**filmed(1).meta, "dt": 0.7}, copy=True), "the time between"),
        (
            lambda: dataclasses.replace(filmed(1), meta={**filmed(1).meta, "action_low": [-9.0] * 4}, copy=True),
            "the lower bounds",
        ),
    ],
)
def test_files_that_do_not_belong_together_are_refused(folder: Path, other: Any, said: str) -> None:
    other().save(folder / "c.npz")
    with pytest.raises(PaigError, match=rf"c.npz does not go with \S*a.npz: {said}.* is .*, there .*record it again"):
        load(folder)


def test_what_names_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PaigError, match="There is no data file in the folder"):
        load(tmp_path)
    with pytest.raises(PaigError, match="at least one file"):
        load([])
    with pytest.raises(PaigError, match=r"expected a file, several as \[a.npz,b.npz\], or a folder"):
        load(None)  # type: ignore[arg-type]


def test_the_command_line_takes_one_file_or_several() -> None:
    assert configure("train", ["data=1e5"]).data == "1e5"
    assert list(configure("train", ["data=[a b.npz,7]"]).data) == ["a b.npz", "7"]
    assert list(configure("evaluate", ["data=[a.npz,b.npz]"]).data) == ["a.npz", "b.npz"]
