"""Training: repeatable, resumable, and nothing lost when it goes wrong."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pickle
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from paig_control.data.episodes import Episodes, Sequences
from paig_control.errors import PaigError
from paig_control.evaluation.prediction import evaluate_prediction
from paig_control.learning.optimise import Loop, LoopState, run_loop
from paig_control.learning.recipe import Run, train
from paig_control.learning.settings import RecipeSettings
from paig_control.models import checkpoint
from paig_control.physics.registry import build_physics


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "whole"


@pytest.fixture(scope="session")
def run(films: Episodes, quick: RecipeSettings, folder: Path) -> Run:
    return train(films.split("train"), build_physics("pendulum", 0.05), recipe=quick, seed=5, out=folder)


def test_constants_are_learned_with_true_error_bars(run: Run) -> None:
    assert run.converged
    for name, truth in {"gravity": 10.0, "actuation": 1.0}.items():
        found = run.constants[name]
        assert found.value == pytest.approx(truth, rel=0.02)
        assert abs(found.value - truth) < 4 * found.std


def test_unseen_films_are_predicted_better_than_by_standing_still(run: Run, films: Episodes) -> None:
    test = films.split("test")
    losses = evaluate_prediction(run.model, test, prediction_frames=6)
    images = test.frames / 255.0
    still = np.square(images[:, 4:10] - images[:, 3:4]).sum((2, 3, 4)).mean()
    assert losses["eval_recons_loss"] is not None
    assert losses["eval_pred_loss"] is not None
    assert losses["eval_extrap_loss"] is not None
    assert losses["eval_recons_loss"] < 0.1 * still
    assert losses["eval_pred_loss"] < 0.1 * still
    assert losses["eval_extrap_loss"] < 0.2 * still


def test_a_killed_run_resumes_to_the_result_of_an_undisturbed_one(run: Run, films: Episodes, tmp_path: Path) -> None:
    films.save(tmp_path / "films.npz")
    script = (
        "import os, signal, sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from paig_control.data.episodes import load\n"
        "from paig_control.learning.recipe import train\n"
        "from paig_control.learning.settings import *\n"
        "from paig_control.models import checkpoint\n"
        "from paig_control.physics.registry import build_physics\n"
        "quick = RecipeSettings(DiscoverSettings(rounds=1, steps=40), WarmStartSettings(60, 16),\n"
        "    refine=RefineSettings(steps=6, batch=4, prediction_frames=6), checkpoint_seconds=0.2)\n"
        "left = int(sys.argv[1])\n"
        "def die_after_some_steps(*said):\n"
        "    global left\n"
        "    left -= checkpoint.exists(Path('run'))\n"
        "    if left == 0:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "train(load(Path('films.npz')).split('train'), build_physics('pendulum', 0.05), recipe=quick, seed=5,\n"
        "    out=Path('run'), resume=True, progress=die_after_some_steps)\n"
    )
    command = [sys.executable, "-c", script]
    steps = random.Random(os.getpid()).randint(1, 12)
    assert subprocess.run([*command, str(steps)], cwd=tmp_path, check=False).returncode == -signal.SIGKILL
    half = checkpoint.load(tmp_path / "run")
    assert half.trainer is not None
    subprocess.run([*command, "-1"], cwd=tmp_path, check=True)
    resumed = checkpoint.load(tmp_path / "run")
    for name, estimate in run.constants.items():
        assert resumed.record["constants"][name]["value"] == pytest.approx(estimate.value, rel=1e-9)
        assert resumed.record["constants"][name]["std"] == pytest.approx(estimate.std, rel=1e-6)


def test_the_checkpoint_gives_the_model_back(run: Run, folder: Path, films: Episodes) -> None:
    loaded = checkpoint.load(folder)
    frames = torch.from_numpy(films.split("test").frames[0])
    assert torch.equal(loaded.model.locate(frames), run.model.locate(frames))
    assert loaded.record["constants"]["gravity"]["value"] == run.constants["gravity"].value
    assert loaded.model.physics.substeps == run.model.physics.substeps
    assert loaded.model.physics.scheme == run.model.physics.scheme


def test_resuming_an_ended_run_gives_it_back(run: Run, films: Episodes, quick: RecipeSettings, folder: Path) -> None:
    again = train(films.split("train"), build_physics("pendulum", 0.05), recipe=quick, seed=5, out=folder, resume=True)
    assert again.constants == run.constants
    assert again.history == run.history


def test_a_run_with_other_options_or_films_is_not_resumed(
    run: Run, films: Episodes, quick: RecipeSettings, folder: Path
) -> None:
    data = films.split("train")
    with pytest.raises(PaigError, match="its seed differs"):
        train(data, build_physics("pendulum", 0.05), seed=6, out=folder, resume=True)
    with pytest.raises(PaigError, match="its physics differs"):
        train(data, build_physics("pendulum", 0.05, length=2.0), recipe=quick, seed=5, out=folder, resume=True)
    other = dataclasses.replace(data, frames=data.frames[::-1].copy())
    with pytest.raises(PaigError, match="its data differs"):
        train(other, build_physics("pendulum", 0.05), recipe=quick, seed=5, out=folder, resume=True)


def copied(folder: Path, to: Path) -> Path:
    target = to / "checkpoint"
    target.mkdir(parents=True)
    for path in (folder / "checkpoint").iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def describe(target: Path, change: dict[str, object]) -> None:
    """Write a changed description, with digests that fit."""
    path = target / "model.json"
    description = json.loads(path.read_text()) | change
    description["files"] = {p.name: checkpoint._digest(p) for p in target.iterdir() if p.name != "model.json"}
    path.write_text(json.dumps(description))


def test_a_truncated_checkpoint_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    weights = copied(folder, tmp_path) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(PaigError, match="no whole checkpoint"):
        checkpoint.load(tmp_path)


def test_the_checkpoint_before_is_found_when_the_newest_is_cut_short(run: Run, folder: Path, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    (tmp_path / "checkpoint.new").mkdir()
    (tmp_path / "checkpoint.new" / "weights.safetensors").write_bytes(b"half")
    assert checkpoint.load(tmp_path).record["seed"] == 5


def test_a_checkpoint_of_another_version_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    describe(copied(folder, tmp_path), {"format": 99})
    with pytest.raises(PaigError, match="format 99"):
        checkpoint.load(tmp_path)


def test_a_checkpoint_that_asks_for_unknown_classes_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    target = copied(folder, tmp_path)
    model = json.loads((target / "model.json").read_text())["model"]
    describe(target, {"model": model | {"physics": {"name": "os.system", "dt": 0.05}}})
    with pytest.raises(PaigError, match="Unknown physics"):
        checkpoint.load(tmp_path)


def test_a_checkpoint_with_other_arrays_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    target = copied(folder, tmp_path)
    model = json.loads((target / "model.json").read_text())["model"]
    describe(target, {"model": model | {"localizer": {"kind": "heat_maps", "channels": 4, "sharpness": 5.0}}})
    with pytest.raises(PaigError, match="do not fit"):
        checkpoint.load(tmp_path)


class Bomb:
    """What a malicious pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.system, ("touch exploded",))


def test_code_in_a_checkpoint_is_refused_and_not_run(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = copied(folder, tmp_path)
    (target / "trainer.pt").write_bytes(pickle.dumps(Bomb(), protocol=2))
    describe(target, {})
    with pytest.raises(PaigError, match="more than arrays and names"):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_a_loss_that_stops_being_finite_is_undone_with_a_smaller_step() -> None:
    model = nn.Linear(1, 1, bias=False)
    poisoned = [True]

    def loss(step: int, generator: torch.Generator, part: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        value = (model.weight - 3).square().sum()
        if step == 60 and poisoned.pop() if poisoned else False:
            value = value * math.nan
        return value, {}

    notes: list[str] = []
    state = LoopState()
    loop = Loop("refine", [{"params": list(model.parameters()), "lr": 0.1}], loss, 300, 0)
    run_loop(loop, model, state, lambda s: None, lambda f, t: None, notes.append)
    assert state.restored == 1
    assert state.shrink == pytest.approx(1 / 3)
    assert "went back to step 50" in notes[0]
    assert float(model.weight.detach()) == pytest.approx(3.0, abs=0.1)


def test_a_loss_that_never_is_finite_is_given_up_with_advice() -> None:
    model = nn.Linear(1, 1)
    loop = Loop(
        "refine",
        [{"params": list(model.parameters()), "lr": 0.1}],
        lambda s, g, p: (model.weight.sum() * math.inf, {}),
        5,
        0,
    )
    with pytest.raises(PaigError, match="learning_rate"):
        run_loop(loop, model, LoopState(), lambda s: None, lambda f, t: None, lambda n: None)


def test_training_sees_no_truth() -> None:
    assert {f.name for f in dataclasses.fields(Sequences)} == {"frames", "actions", "dt", "action_low", "action_high"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"actions": np.ones((2, 7, 3), np.float32)}, "actions of size 3"),
        ({"frames": np.zeros((2, 4, 16, 16, 3), np.uint8), "actions": None}, "something must be left"),
        ({"frames": np.zeros((2, 8, 16, 16, 3), np.uint8), "actions": None}, "Nothing moves"),
    ],
)
def test_data_that_cannot_teach_are_refused(change: dict[str, object], says: str) -> None:
    whole = Sequences(np.zeros((2, 8, 16, 16, 3), np.uint8), np.zeros((2, 7, 1), np.float32))
    with pytest.raises(PaigError, match=says):
        train(dataclasses.replace(whole, **change), build_physics("pendulum", 0.05))  # type: ignore[arg-type]
