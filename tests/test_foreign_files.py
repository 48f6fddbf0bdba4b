"""PAIG's own files: films that others simulated and painted, without meta, truth or actions."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from paig_control.cli.main import main

TINY = [
    "recipe.discover.frames=120",
    "recipe.discover.rounds=1",
    "recipe.discover.steps=40",
    "recipe.warm_start.steps=60",
    "recipe.warm_start.batch=16",
    "recipe.identify.integrators=[pefrl-2]",
    "recipe.identify.iterations=6",
    "recipe.refine.steps=1",
    "recipe.refine.batch=4",
    "recipe.refine.prediction_frames=6",
]

HASTY = [*TINY, "recipe.discover.frames=60", "recipe.discover.steps=5", "recipe.warm_start.steps=5"]
HASTY += ["recipe.identify.iterations=1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with thirty spring films drawn by Pillow, and what was learned from them."""
    folder = tmp_path_factory.mktemp("foreign")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        importlib.import_module("foreign_files").write(folder / "films.npz", seed=1, train=30, valid=2, test=2)
    learn(folder / "films.npz", folder / "run", TINY)
    return folder


def learn(data: Path, out: Path, recipe: list[str]) -> None:
    words = [f"data={data}", "physics=spring", "objects=2", "dt=0.3", *recipe, f"out={out}", "verbosity=0"]
    assert main(["train", *words]) == 0


def test_films_of_another_painter_teach_the_springs_constants(home: Path) -> None:
    with np.load(home / "films.npz") as films:
        assert set(films.files) == {"train_x", "valid_x", "test_x"}
        assert films["test_x"].shape == (2, 30, 32, 32, 3)
    found = json.loads((home / "run" / "summary.json").read_text())
    assert found["constants"]["stiffness"]["value"] == pytest.approx(4.0, rel=0.01)
    assert found["constants"]["rest_length"]["value"] == pytest.approx(12.0, rel=0.005)
    assert "truth" not in found["constants"]["stiffness"]
    assert found["evaluated_on"] == "test"
    assert found["eval_recons_loss"] < 0.5


def test_training_never_touches_the_films_that_test_it(home: Path) -> None:
    with np.load(home / "films.npz") as whole:
        films = dict(whole)
    films = {name: film[:8] for name, film in films.items()}
    noise = np.random.default_rng(0).integers(0, 256, films["test_x"].shape).astype(np.uint8)
    weights, losses = [], []
    for name, seen in (("whole", films["test_x"]), ("spoiled", noise)):
        np.savez(home / f"{name}.npz", **(films | {"test_x": seen}))
        learn(home / f"{name}.npz", home / name, HASTY)
        weights.append((home / name / "checkpoint" / "weights.safetensors").read_bytes())
        losses.append(json.loads((home / name / "summary.json").read_text())["eval_recons_loss"])
    assert weights[0] == weights[1]
    assert losses[1] > 5 * losses[0]


def test_the_time_between_frames_must_be_given_where_the_file_does_not_say_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", f"data={home / 'films.npz'}", "physics=spring", f"out={home / 'untimed'}"]) == 2
    assert "dt=0.05" in capsys.readouterr().err
    assert not (home / "untimed").exists()
