"""Sweeps of trainings: a folder a run, one table, one figure; what fails stops nothing, what had ended is kept."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hasty import HASTY

from paig_control.cli import sweep, train
from paig_control.cli.main import main
from paig_control.data.episodes import load
from paig_control.report.training import sweep_figure
from paig_control.runs import summary


@pytest.fixture(autouse=True)
def home(hardly_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(hardly_trained / "pend.npz", tmp_path)
    return tmp_path


def table(folder: str) -> list[dict[str, str]]:
    with open(Path(folder) / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_runs_on_joblib_reports_what_breaks_and_resumes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--multirun", "data=pend.npz", *HASTY, "out=swept", "hydra.launcher.n_jobs=2"]
    assert main([*words, "seed=1", "model.input_frames=4,8"]) == 1
    good, bad = table("swept")
    assert [(row["model.input_frames"], row["ended"]) for row in (good, bad)] == [("4", "True"), ("8", "False")]
    assert "something must be left to predict" in bad["error"]
    summary_file = home / "swept" / good["folder"] / "summary.json"
    found = json.loads(summary_file.read_text())
    assert found["seed"] == 1
    assert float(good["gravity"]) == found["constants"]["gravity"]["value"]
    assert float(good["cpu_seconds"]) == found["cpu_seconds"]
    assert (home / "swept" / "sweep.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert "Runs in swept" in said
    assert "pred" in said
    written = summary_file.stat().st_mtime_ns
    assert "overwrite=true" in refused(capsys, *words, "seed=1,2")
    assert main([*words, "seed=1", "model.input_frames=4,8", "resume=true"]) == 1
    assert summary_file.stat().st_mtime_ns == written


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_a_run_that_ended_with_other_options_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def learn(config, screen, command):  # type: ignore[no-untyped-def]
        trained.append((config.seed, config.recipe.refine.alpha))
        if config.seed == 2 and config.recipe.refine.alpha == 3.0:
            raise RuntimeError("out of luck")
        figures = {"converged": True, "cpu_seconds": 1.0, "constants": {}, "data_sha256": load("pend.npz").identity}
        figures |= dict.fromkeys(sweep.LOSSES, 0.5)
        return summary(Path(config.out) / "summary.json", command, config, figures)

    monkeypatch.setattr(train, "run", learn)
    monkeypatch.setattr(sweep._Trainings, "history", lambda self, values: {})
    words = ["train", "-m", "data=pend.npz", "seed=range(1,3)", "out=swept", "hydra/launcher=basic", "verbosity=0"]
    assert main(words) == 1
    assert trained == [(1, 3.0), (2, 3.0)]
    assert [row["error"] for row in table("swept")] == ["", "RuntimeError: out of luck"]
    assert "learn" in (Path("swept") / "seed=2" / "failed.txt").read_text()
    trained.clear()
    assert main([*words, "resume=true"]) == 1
    assert trained == [(2, 3.0)]
    trained.clear()
    assert main([*words, "resume=true", "recipe.refine.alpha=1"]) == 0
    assert trained == [(1, 1.0), (2, 1.0)]
    assert [row["error"] for row in table("swept")] == ["", ""]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=0,1", "out=runs/${seed}"], "out is the folder of the whole sweep"),
        (["seed=0,1", "out=a,b"], "out is the folder of the whole sweep"),
        (["seed=interval(0,5)"], "expected a list or a range"),
        (["seed=0,1", "recipe.refine.alpha=1,much"], "expected a number"),
        (["seed=0,1", "data=none.npz"], "no data file"),
        (["seed=0,1", "resume=true", "overwrite=true"], "choose one"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert said in refused(capsys, "train", "--multirun", "data=pend.npz", *words)
    assert [path.name for path in home.iterdir() if path.is_dir()] == []


def test_runs_have_folders_by_their_own_options() -> None:
    assert sweep.name_of({"seed": "3", "recipe.refine.learning_rate": "0.001"}) == "learning_rate=0.001,seed=3"
    assert sweep.name_of({"recipe.refine.steps": "1", "recipe.warm_start.steps": "2"}) == (
        "recipe.refine.steps=1,recipe.warm_start.steps=2"
    )
    names = {sweep.name_of({"data": value}) for value in ("a/b", "a_b", "a:b", "x" * 200, "x" * 201)}
    assert len(names) == 5
    assert all("/" not in name and len(name) < 140 for name in names)


def test_the_bold_curve_is_the_median_of_the_runs_of_a_setting() -> None:
    def history(scale: float) -> dict[str, list[dict[str, float]]]:
        warm = [{"step": float(s), "recons": 10 * scale} for s in (10, 20)]
        fine = [{"step": float(s), "recons": scale, "pred": scale / s} for s in (10, 20, 30)]
        return {"warm_start": warm, "identify": [{"horizon": 4.0}], "refine": fine}

    runs = [("a", history(scale)) for scale in (1.0, 5.0, 2.0)] + [("b", history(3.0))]
    left, right = sweep_figure(runs).axes
    bold = {line.get_label(): line for line in left.lines if line.get_linewidth() > 2}
    assert set(bold) == {"a (3 runs)", "b (1 run)"}
    np.testing.assert_allclose(bold["a (3 runs)"].get_xdata(), [10, 20, 30, 40, 50])
    np.testing.assert_allclose(bold["a (3 runs)"].get_ydata(), [20, 20, 2, 2, 2])
    assert len({line.get_color() for line in bold.values()}) == 2
    thin = [line for line in right.lines if line.get_linewidth() < 1]
    assert len(thin) == 4
    np.testing.assert_allclose(thin[1].get_ydata(), [0.5, 0.25, 5 / 30])
