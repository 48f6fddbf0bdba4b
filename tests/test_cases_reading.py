"""Files, checkpoints and reports that others have written, damaged or swollen: one sentence before they are read."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory import peak_mb
from safetensors.torch import load_file, save_file

from paig_control.border import reading
from paig_control.cli import sweep
from paig_control.cli.main import main
from paig_control.data.episodes import Episodes
from paig_control.errors import PaigError
from paig_control.estimation.identification import Estimate
from paig_control.experiment.compose import configure
from paig_control.models import checkpoint
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_physics
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Localizer
from paig_control.vision.renderer import SpriteRenderer


def a_run(folder: Path, data: str = "nowhere.npz") -> Path:
    """A run that was never trained, as training would leave it."""
    torch.manual_seed(0)
    physics = build_physics("spring", 0.3, force=False)
    model = PAIG(
        physics,
        Planar(2),
        Localizer(2, channels=2),
        SpriteRenderer((32, 32), 2, window=9, density=1, samples=1, turns=False),
    )
    constants = {"stiffness": {"value": 4.01, "std": 0.02, "unit": "1/s²"}}
    record: dict[str, Any] = {"seed": 3, "frames": 48, "physics": physics.spec, "prediction_frames": 6}
    record |= {"constants": constants, "history": {"refine": [{"step": 10.0, "pred": 1.0}]}, "converged": True}
    checkpoint.save(folder, model, record, {"stage": 0})
    (folder / "summary.json").write_text(json.dumps({"options": {"data": data}, "constants": constants}))
    return folder


def sealed(run: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change what a checkpoint says, and seal it again as somebody would who means it."""
    folder = run / checkpoint.FOLDER
    description = json.loads((folder / "model.json").read_text())
    change(description)
    kept = [path for path in folder.iterdir() if path.name != "model.json" and path.is_file()]
    description["files"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}
    (folder / "model.json").write_text(json.dumps(description))
    return run


# -- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 900 + "]" * 900, '{"a":' * 200 + "1" + "}" * 200, "9" * 5000, "{"]
)
def test_json_that_would_break_its_reader_is_an_error_of_values(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested|digits|line 1"):
        reading.parse_json(text)


def test_json_as_this_library_writes_it_is_read() -> None:
    value = {"a": [1, 2.5, None, True, "ü"], "b": {"c": [[[2**63]]]}}
    assert reading.parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"n": 1}, ""),
        ({"n": 1, "more": "is not looked at", "maybe": None, "rows": [{"x": 1.0}]}, ""),
        ({}, "n is missing"),
        ([], "it is [], expected names with values"),
        ({"n": True}, "n is True, expected a whole number of at least 1"),
        ({"n": 1, "maybe": "x"}, "maybe is 'x', expected a finite number"),
        ({"n": 1, "maybe": float("inf")}, "maybe is inf, expected a finite number"),
        ({"n": 1, "rows": [{"x": 1}, {"x": "1"}]}, "rows[1].x is '1', expected a number"),
    ],
)
def test_a_misfit_is_said_with_its_place(value: Any, says: str) -> None:
    maybe = (reading.NOTHING, reading.FINITE)
    form = {"n": reading.COUNT, "maybe?": maybe, "rows?": [{"*": reading.NUMBER}]}
    assert reading.misfit(value, form) == says


def test_devices_and_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(PaigError, match=f"{name} is a device or a pipe"):
            reading.check_file(tmp_path / name)
    with pytest.raises(PaigError, match="is a folder"):
        reading.check_file(tmp_path)


@pytest.mark.parametrize("word", ["a" * 300, "a\x00b"])
def test_what_can_be_no_path_is_refused_before_any_work(word: str) -> None:
    for command, key in (("train", "out"), ("report", "run"), ("evaluate", "data")):
        with pytest.raises(PaigError, match=f"^{key}=.* can be no path here"):
            configure(command, [f"{key}={word}"])


# -- checkpoints ---------------------------------------------------------------------------------------------


def test_a_checkpoint_of_any_other_format_is_refused(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    for other in (
        checkpoint.FORMAT + 1,
        checkpoint.LOGARITHMS - 1,
        str(checkpoint.FORMAT),
        True,
        None,
        [checkpoint.FORMAT],
    ):
        sealed(run, lambda said, other=other: said.update(format=other))
        with pytest.raises(PaigError, match=f"this version reads format {checkpoint.FORMAT}"):
            checkpoint.load(run)
    sealed(run, lambda said: said.update(format=checkpoint.FORMAT))
    assert checkpoint.load(run).record["seed"] == 3


def as_written(said: dict[str, Any], written: int) -> None:
    """Make a description one of a format before."""
    said["format"] = written
    if written < checkpoint.FORMAT:
        said["model"]["kind"] = {one: kind for kind, one in checkpoint.KINDS.items()}[said["model"].pop("estimator")]


def test_a_checkpoint_of_the_format_before_means_what_it_meant(tmp_path: Path) -> None:
    """In which every constant was kept as its logarithm, and nothing said whether the camera mirrors."""
    physics = build_physics("spring", 0.3)
    constants = {"stiffness": 4.25, "rest_length": 11.5, "actuation": 0.75}
    model = PAIG(physics, Planar(2), Localizer(2, channels=2), SpriteRenderer((16, 16), 2, 9, turns=False))
    checkpoint.save(tmp_path, model, {})
    path = tmp_path / checkpoint.FOLDER / "weights.safetensors"
    weights = load_file(path)
    del weights["dynamics.free"], weights["dynamics.handed"]
    weights["physics.free"] = torch.tensor(list(constants.values()), dtype=torch.float64).log()
    save_file(weights, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sealed(tmp_path, lambda said: as_written(said, 2) or said["files"].update({path.name: digest}))
    loaded = checkpoint.load(tmp_path).model
    assert loaded.physics.values() == pytest.approx(constants, rel=1e-12)
    assert loaded.physics.handed.tolist() == [1.0, 1.0]
    assert torch.equal(loaded.renderer.content, model.renderer.content)


@pytest.mark.parametrize(
    ("part", "option", "value"),
    [
        ("localizer", "channels", 4096),
        ("renderer", "image_size", [4096, 4096]),
        ("renderer", "window", 4000),
        ("physics", "objects", 10**9),
        ("localizer", "channels", 10**15),
    ],
)
def test_a_description_that_asks_for_a_giant_takes_no_memory(
    tmp_path: Path, part: str, option: str, value: object
) -> None:
    run, before = a_run(tmp_path), peak_mb()
    sealed(run, lambda said: said["model"][part].update({option: value}))
    with pytest.raises(
        PaigError, match=r"do not fit the model|cannot be meant|no whole number above|number from 1 to 4096"
    ):
        checkpoint.load(run)
    assert peak_mb() < before + 200


@pytest.mark.parametrize("part", ["model", "record"])
def test_a_description_imports_nothing_whatever_it_says(tmp_path: Path, part: str) -> None:
    asks = {"imports": True, "objects": 2, "forces": {"spring": {}, "own": {"kind": "antigravity:Force"}}}
    for written in (checkpoint.FORMAT, checkpoint.NAMED):
        run = a_run(tmp_path / str(written))
        sealed(run, lambda said, written=written: as_written(said, written))
        sealed(run, lambda said: said[part]["physics"].update(asks))
        if (part, written) == ("record", checkpoint.FORMAT):
            checkpoint.load(run)  # a note, of which nothing is made
        else:
            with pytest.raises(PaigError, match="no option 'imports'"):
                checkpoint.load(run)
        sealed(run, lambda said: said[part]["physics"].pop("imports"))
        if (part, written) != ("record", checkpoint.FORMAT):
            with pytest.raises(PaigError, match=r"say imports=\[antigravity\]"):
                checkpoint.load(run)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("model", "input_frames"), float("inf")),
        (("model", "physics", "dt"), float("inf")),
        (("model", "physics", "dt"), None),
        (("model", "renderer"), []),
        (("model", "renderer", "image_size"), [32]),
        (("model", "localizer", "sharpness"), "5"),
        (("model", "integrator"), "pefrl-²"),
        (("record",), []),
        (("record", "constants", "stiffness", "value"), float("inf")),
        (("record", "constants", "stiffness"), {}),
        (("record", "history", "refine"), [[1.0]]),
        (("record", "notes"), "a note"),
        (("record", "prediction_frames"), 1e9),
    ],
)
def test_what_a_sealed_checkpoint_says_wrongly_is_named(tmp_path: Path, place: tuple[str, ...], value: object) -> None:
    def change(said: dict[str, Any]) -> None:
        for name in place[:-1]:
            said = said[name]
        said[place[-1]] = value

    run = sealed(a_run(tmp_path), change)
    with pytest.raises(PaigError, match=r"not what this library writes|does not describe a model|expected a scheme"):
        checkpoint.load(run)


@pytest.mark.parametrize(
    "name", ["estimator", "physics", "integrator", "kinematics", "localizer", "renderer", "polish"]
)
def test_what_a_description_lacks_is_named(tmp_path: Path, name: str) -> None:
    run = sealed(a_run(tmp_path), lambda said: said["model"].pop(name))
    with pytest.raises(PaigError, match=f"model.{name} is missing"):
        checkpoint.load(run)


def test_what_a_record_lacks_is_named_where_it_is_asked_for(tmp_path: Path) -> None:
    run = sealed(a_run(tmp_path), lambda said: said["record"].pop("prediction_frames"))
    record = checkpoint.load(run).record
    assert record["frames"] == 48
    assert record.get("prediction_frames") is None
    with pytest.raises(PaigError, match="no prediction_frames"):
        record["prediction_frames"]


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "trainer.pt"])
@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_a_checkpoint_that_leads_to_a_device_is_not_read(tmp_path: Path, name: str, target: str) -> None:
    file = a_run(tmp_path) / checkpoint.FOLDER / name
    file.unlink()
    os.mkfifo(file) if target == "pipe" else file.symlink_to(target)
    with pytest.raises(PaigError, match="no whole checkpoint"):
        checkpoint.load(tmp_path)


def test_a_trainers_state_that_swells_is_refused_by_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, before = a_run(tmp_path), peak_mb()
    with zipfile.ZipFile(run / checkpoint.FOLDER / "trainer.pt", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/9", bytes(30 * 10**6))
    sealed(run, lambda said: None)
    monkeypatch.setenv("PAIG_MAX_GB", "0.02")
    with pytest.raises(PaigError, match=r"trainer.pt would take 30\S* MB.*PAIG_MAX_GB"):
        checkpoint.load(run)
    assert peak_mb() < before + 200


def test_an_error_bar_without_end_is_none() -> None:
    assert str(Estimate(4.0, float("inf"), "m")) == str(Estimate(4.0, float("nan"), "m")) == "4 ± — m"


# -- reports -------------------------------------------------------------------------------------------------


def left(folder: Path, content: str, holds: str) -> Path:
    """What a command would have left, with this summary."""
    folder.mkdir()
    (folder / holds).write_text("x\n")
    (folder / "summary.json").write_text(content)
    return folder


def test_a_report_says_what_is_damaged_and_shows_the_others(
    tmp_path: Path, spring_films: Episodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = np.zeros((8, 8, 3), np.uint8)  # slow, and not looked at here
    monkeypatch.setattr("paig_control.report.sections.learned_figure", lambda model: blank)
    data = str(spring_films.save(tmp_path / "films.npz"))
    good = a_run(tmp_path / "$\\frac{1$", data)
    empty, foreign, unpaired = (a_run(tmp_path / name, data) for name in ("empty", "foreign", "un$paired"))
    (empty / "summary.json").write_text("")
    (foreign / "summary.json").write_text('{"options": 3}')
    found = json.loads((unpaired / "summary.json").read_text())
    found["constants"] = {"$a_{$": {"value": 1.0, "std": float("inf"), "unit": "$\\"}}
    (unpaired / "summary.json").write_text(json.dumps(found))
    ended = {"options": {"run": str(good)}, "episodes": 20, "success_rate": 0.25, "success_interval": [0.1, 0.4]}
    control = left(tmp_path / "control", json.dumps(ended), "episodes.csv")
    (control / "film.gif").symlink_to("/dev/zero")
    (control / "metrics.csv").symlink_to("/dev/zero")
    os.mkfifo(control / "pipe.png")
    short = left(tmp_path / "short", json.dumps(ended | {"success_interval": [0.1]}), "episodes.csv")
    other = left(tmp_path / "other", json.dumps(ended), "films.csv")
    words = [f"run={run}" for run in (good, empty, foreign, unpaired)]
    words += [f"control={control}", f"control={short}", f"evaluate={other}", "films=1", "rows=1"]
    assert main(["report", *words, f"out={tmp_path / 'page'}", "verbosity=0"]) == 0
    text = (tmp_path / "page" / "report.html").read_text()
    for said in (
        "empty/summary.json is damaged, or no JSON",
        "foreign/summary.json is not what this library writes: options is 3",
        "short is left out",
        "success_interval is [0.1], expected two numbers",
        "other is left out",
        "positions is missing",
        "film.gif is a device or a pipe",
        "pipe.png is a device or a pipe",
        "10.0% to 40.0%",
        "$\\frac{1$",
        "$a_{$",
    ):
        assert said in text
    assert set(json.loads((tmp_path / "page" / "summary.json").read_text())["systems"]["Spring-v0"]) >= {"un$paired"}


def test_a_sweep_says_which_of_its_summaries_is_damaged(tmp_path: Path) -> None:
    table = sweep._Trainings.__new__(sweep._Trainings)
    table.folder = tmp_path
    run = a_run(tmp_path / "seed=1")
    for content in ("", "[]", '{"options": {}}', '{"options": {}, "converged": 1, "constants": {}, "cpu_seconds": 1}'):
        (run / "summary.json").write_text(content)
        row = table.row({"seed": "1"})
        assert not row["ended"]
        assert "seed=1/summary.json" in row["error"]
