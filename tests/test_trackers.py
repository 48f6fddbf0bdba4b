"""What follows a training on file is complete, and changes nothing that is learned."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from paig_control.cli.main import main
from paig_control.data.episodes import Episodes
from paig_control.estimation.identification import Estimate
from paig_control.experiment.loggers import Metrics, TensorBoard
from paig_control.learning.moments import Moment
from paig_control.models import checkpoint

STAGES = [
    "recipe.discover.rounds=1",
    "recipe.discover.frames=100",
    "recipe.discover.steps=20",
    "model.eyes=network",
    "recipe.warm_start.steps=30",
    "recipe.refine.steps=10",
    "recipe.refine.batch=4",
    "recipe.identify.integrators=[pefrl-2]",
    "verbosity=0",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, films: Episodes) -> Path:
    """The same training unwatched and watched."""
    folder = tmp_path_factory.mktemp("tracked")
    films.save(folder / "films.npz")
    for tracker in ("none", "csv"):
        words = [f"data={folder / 'films.npz'}", f"out={folder / tracker}", f"tracker={tracker}", *STAGES]
        assert main(["train", *words]) == 0
    return folder


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_a_watched_training_learns_what_an_unwatched_one_learns(home: Path) -> None:
    unwatched = checkpoint.load(home / "none")
    watched = checkpoint.load(home / "csv")
    assert watched.record["constants"] == unwatched.record["constants"]
    assert watched.record["history"] == unwatched.record["history"]
    for name, value in unwatched.model.state_dict().items():
        assert torch.equal(value, watched.model.state_dict()[name]), name


def test_metrics_hold_every_recorded_row_and_the_error_bars(home: Path) -> None:
    record = json.loads((home / "none" / "checkpoint" / "model.json").read_text())["record"]
    rows = table(home / "none" / "metrics.csv")
    for stage, history in record["history"].items():
        found = [row for row in rows if row["stage"] == stage and (row["step"] or row["horizon"])]
        assert len(found) == len(history)
        for row, known in zip(found, history, strict=True):
            assert {name: float(value) for name, value in row.items() if value and name != "stage"} == known
    last = rows[-1]
    assert last["stage"] == "conclude"
    for name, one in record["constants"].items():
        assert float(last[name]) == one["value"]
        assert float(last[f"{name}_std"]) == one["std"]


def test_plain_files_show_every_stage(home: Path) -> None:
    folder = home / "csv" / "tracked"
    for stage in ("discover", "warm_start", "identify", "refine", "conclude"):
        assert Image.open(folder / f"{stage}_learned.png").size > (300, 100)
        assert getattr(Image.open(folder / f"{stage}.gif"), "n_frames", 1) == 24  # as long as the test films
    rows = table(folder / "constants.csv")
    assert {row["stage"] for row in rows} == {"identify", "refine", "conclude"}
    gravity = [float(row["value"]) for row in rows if row["name"] == "gravity"]
    assert abs(gravity[-1] - 10) < 0.5


def test_tensorboard_reads_scalars_bands_pictures_and_a_film_that_plays(
    home: Path, films: Episodes, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model, record, _ = checkpoint.load(home / "none")
    constants = {name: Estimate(**one) for name, one in record["constants"].items()}
    tracker = TensorBoard(tmp_path, films.split("test"))
    for stage in ("refine", "conclude"):
        tracker(Moment((stage,), stage, 1.0, True, record["history"], {stage: constants}, model))
    events: Any = EventAccumulator(str(tmp_path), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    rows = record["history"]["refine"]
    assert [(one.step, one.value) for one in events.Scalars("refine/pred")] == [
        (row["step"], pytest.approx(row["pred"])) for row in rows
    ]
    low, value, high = (events.Scalars(f"constants/gravity{end}")[-1].value for end in ("_low", "", "_high"))
    assert low < value < high
    film = Image.open(io.BytesIO(events.Images("conclude/film")[-1].encoded_image_string))
    assert getattr(film, "n_frames", 1) == 24
    assert {"refine/learned", "refine/films"} <= set(events.Tags()["images"])


def test_what_there_is_not_is_refused_with_the_way_out(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", f"data={home / 'films.npz'}", f"out={home / 'refused'}"]
    assert main([*words, "tracker=tensorbord"]) == 2
    assert "did you mean tensorboard?" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main([*words, "tracker=tensorboard"]) == 2
    assert "pip install tensorboard" in capsys.readouterr().err
    assert not (home / "refused").exists()


def test_constants_without_error_bars_leave_their_column_out(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "metrics.csv")
    metrics(Moment(("joint",), "joint", 1.0, True, {"joint": [{"step": 1.0, "loss": 2.0}]}, {}, None))
    metrics.write({"joint": [{"step": 1.0, "loss": 2.0}]}, {"conclude": {"k": Estimate(3.0, float("nan"), "1/s²")}})
    assert (tmp_path / "metrics.csv").read_text().splitlines() == [
        "stage,step,horizon,loss,k",
        "joint,1.0,,2.0,",
        "conclude,,,,3.0",
    ]
