"""A run goes on with its own data alone, and nothing of what it wrote is lost or doubled."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hasty
import numpy as np
import pytest
from hasty import FILMS

from paig_control.cli.main import main
from paig_control.data.episodes import Episodes, load
from paig_control.experiment import loggers
from paig_control.models import checkpoint

HASTY = [
    *hasty.HASTY,
    "model.eyes=network",
    "recipe.warm_start.steps=20",
    "recipe.refine.steps=20",
    "recipe.checkpoint_seconds=0",
    "verbosity=0",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films and a training that had ended."""
    folder = tmp_path_factory.mktemp("resume")
    assert main(["collect", *FILMS, f"out={folder / 'pend.npz'}", "verbosity=0"]) == 0
    assert main(["train", f"data={folder / 'pend.npz'}", f"out={folder / 'whole'}", "tracker=csv", *HASTY]) == 0
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def changed(change: Callable[[dict[str, Any], dict[str, Any]], None], name: str) -> None:
    """Write the films with a change."""
    films = load("pend.npz")
    arrays, meta = {key: value.copy() for key, value in films.arrays.items()}, json.loads(json.dumps(dict(films.meta)))
    change(arrays, meta)
    Episodes(arrays, meta).save(name)


def scaled_actions(arrays: dict[str, Any], meta: dict[str, Any]) -> None:
    arrays["train_u"] *= -5
    meta["action_low"], meta["action_high"] = [-100.0], [100.0]


def one_action(arrays: dict[str, Any], meta: dict[str, Any]) -> None:
    arrays["train_u"][0, 0] += 0.25


def bounds(arrays: dict[str, Any], meta: dict[str, Any]) -> None:
    meta["action_high"] = [50.0]


def one_pixel(arrays: dict[str, Any], meta: dict[str, Any]) -> None:
    arrays["train_x"][0, 0, 0, 0, 0] ^= 1


@pytest.mark.parametrize("change", [scaled_actions, one_action, bounds, one_pixel])
def test_other_data_under_the_same_name_are_not_resumed(
    change: Callable[[dict[str, Any], dict[str, Any]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    changed(change, "other.npz")
    assert main(["train", "data=other.npz", "out=whole", "resume=true", *HASTY]) == 2
    assert "another training: its data differs" in capsys.readouterr().err


def test_another_time_step_is_not_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "data=pend.npz", "dt=0.1", "out=whole", "resume=true", *HASTY]) == 2
    assert "dt differs" in capsys.readouterr().err


def test_the_same_data_in_another_file_are_resumed() -> None:
    changed(lambda arrays, meta: None, "same.npz")
    before = checkpoint.load(Path("whole")).record
    assert main(["train", "data=same.npz", "out=whole", "resume=true", *HASTY]) == 0
    assert checkpoint.load(Path("whole")).record == before


def test_identity_tells_type_and_shape_as_well() -> None:
    films = load("pend.npz").split("train")
    other = type(films)(films.frames.reshape(8, 4, 24, 24, 3), None if films.actions is None else films.actions)
    assert len({films.identity, other.identity, type(films)(films.frames, None).identity}) == 3


def test_a_checkpoint_that_knows_its_frames_alone_is_refused_in_words(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = checkpoint.load(home / "whole")
    checkpoint.save(home / "old", loaded.model, loaded.record | {"data": "0123456789abcdef"})
    assert main(["train", "data=pend.npz", "out=old", "resume=true", *HASTY]) == 2
    assert "of an older version, which did not note the actions" in capsys.readouterr().err


def test_a_sweep_takes_no_run_for_ended_that_was_trained_on_other_data(home: Path) -> None:
    changed(lambda arrays, meta: None, "swept.npz")
    words = ["train", "-m", "data=swept.npz", "seed=1,2", "out=swept", "hydra/launcher=basic", *HASTY]
    assert main(words) == 0
    summary = home / "swept" / "seed=1" / "summary.json"
    written = summary.stat().st_mtime_ns
    assert main([*words, "resume=true"]) == 0
    assert summary.stat().st_mtime_ns == written
    changed(scaled_actions, "swept.npz")
    assert main([*words, "resume=true"]) == 1
    with open(home / "swept" / "sweep.csv", newline="") as file:
        assert all("its data differs" in row["error"] for row in csv.DictReader(file))


class Kill(BaseException):
    """What no command catches."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("fatal", [2, 23, 30, 45])
def test_no_row_is_lost_or_doubled_wherever_the_kill_falls(
    fatal: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, saved = checkpoint.save, [0]

    def save(*arguments: Any) -> None:
        keep(*arguments)
        saved[0] += 1
        if saved[0] == fatal:
            raise Kill

    out = home / f"killed{fatal}"
    words = ["train", "data=pend.npz", f"out={out}", "tracker=csv", *HASTY]
    monkeypatch.setattr(checkpoint, "save", save)
    with pytest.raises(Kill):
        main(words)
    monkeypatch.setattr(checkpoint, "save", keep)
    assert main([*words, "resume=true"]) == 0
    for name in (loggers.METRICS, "tracked/constants.csv"):
        assert rows(out / name) == rows(home / "whole" / name)
    one, other = (checkpoint.load(run) for run in (out, home / "whole"))
    weights = other.model.state_dict()
    assert all(np.array_equal(value, weights[name]) for name, value in one.model.state_dict().items())
