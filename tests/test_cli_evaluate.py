"""``paig-control evaluate`` on new films, with a model made by hand in place of a trained one."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from paig_control.cli.main import main
from paig_control.data.episodes import Episodes
from paig_control.models import checkpoint
from paig_control.models.paig import PAIG


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spring_films: Episodes, spring_model: PAIG) -> None:
    constants = {"stiffness": (4.0, "1/s²"), "rest_length": (12.0, "px")}
    record = {
        "constants": {name: {"value": v, "std": 0.001, "unit": u} for name, (v, u) in constants.items()},
        "residual": 0.01,
        "prediction_frames": 6,
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "load", lambda run, device: checkpoint.Loaded(spring_model, record, None))
    spring_films.save("spring.npz")


def evaluate(*words: str) -> dict[str, Any]:
    assert main(["evaluate", "data=spring.npz", "out=new", *words]) == 0
    found: dict[str, Any] = json.loads(Path("new/summary.json").read_text())
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["evaluate", "data=spring.npz", "out=refused", *words]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert not Path("refused").exists()
    return error


def test_films_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluate()
    assert found["eval_pred_loss"] < 1.0
    steps = found["per_step"]
    assert (steps["input_frames"], steps["extrapolation_from"]) == (4, 10)
    assert len(steps["ssim"]) == len(steps["squared_error"]) == 20
    mean = sum(steps["squared_error"][4:10]) / 6
    assert found["eval_pred_loss"] == pytest.approx(mean)
    assert found["positions"]["reading_rms"] < 0.05
    assert found["positions"]["identity_swaps"] == 0
    each = [(one["body"], one["unit"]) for one in found["coordinates"]]
    assert [body for body, _ in each] == list(range(len(each)))
    assert {unit for _, unit in each} <= {"px", "rad"}
    assert max(one["rms"] for one in found["coordinates"]) >= found["positions"]["reading_rms"] - 1e-9
    assert all(one["in_sight"] > 0.9 and one["rms_in_sight"] < 0.05 for one in found["coordinates"])
    assert found["augmentation"] is None
    assert found["adaptation"] is None
    assert 0 <= found["extrap_share_above"] <= 1
    assert {path.name for path in Path("new").iterdir()} == {"summary.json", "films.csv", "films.png", "accuracy.png"}
    assert "identity swaps: 0" in capsys.readouterr().out


def test_zoomed_films_with_adaptation(capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluate("augment=zoom", "adapt=true", "seed=1")
    adapted = found["adaptation"]
    assert adapted["frames"] == 10
    errors = adapted["relative_errors"]["rest_length"]
    assert errors["median"] < 0.005
    assert errors["median"] <= errors["p95"] <= errors["worst"]
    assert adapted["after_these_frames"]["eval_pred_loss"] < 3.0
    low, high = found["augmentation"]["zoom_range"]
    assert 0.8 <= low < high <= 1.25
    with open("new/films.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    for row in rows:
        assert float(row["rest_length"]) == pytest.approx(12 * float(row["zoom"]), rel=0.03)
    assert "each alone" in capsys.readouterr().out


def test_flipped_and_shifted_films_are_the_same_for_the_same_seed() -> None:
    first = evaluate("augment=all", "verbosity=0")
    again = evaluate("augment=all", "verbosity=0", "overwrite=true")
    assert first["per_step"] == again["per_step"]
    assert first["augmentation"] == again["augmentation"]
    assert first["augmentation"]["flipped"] == 16


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["augment=shfit"], "did you mean shift"),
        (["split=all"], "train, valid or test"),
        (["film=0"], "film = 0"),
        (["prediction_frames=0"], "prediction_frames = 0"),
        (["adapt=true", "adapt_frames=2"], "adapt_frames = 2"),
        (["adapt=true", "adapt_change=0"], "change = 0"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert said in refused(capsys, *words)
