"""Jobs of a sweep whose processes die, on joblib and on submitit: begun once more, and told of if they die again."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from pathlib import Path

import pytest
from hasty import HASTY

from paig_control.cli.main import main

DEADLY = """
import os, signal
from pathlib import Path
from paig_control.models import checkpoint

keep, saved = checkpoint.save, []

def save(folder, *rest):
    keep(folder, *rest)
    saved.append(folder)
    name = Path(folder).name
    tries = len(list(Path().glob(f"{name}-died*")))
    if os.getpid() != PARENT and len(saved) == 2 and tries < DEATHS.get(name, 0):
        Path(f"{name}-died{tries}").touch()
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save = save
"""
"""A module that kills its process in the middle of a training, so many times, unless it is the one that began it."""
LAUNCHERS = {
    "joblib": ["hydra.launcher.n_jobs=2"],
    "submitit_local": ["hydra/launcher=submitit_local"],
}


@pytest.fixture(autouse=True)
def home(hardly_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(hardly_trained / "pend.npz", tmp_path)
    return tmp_path


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_jobs_that_die_go_on_at_the_second_try_or_are_told_of(
    launcher: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if launcher != "joblib":
        pytest.importorskip("submitit")
    (home / "deadly.py").write_text(f"PARENT, DEATHS = {os.getpid()}, {{'seed=2': 1, 'seed=3': 9}}\n{DEADLY}")
    words = ["train", "--multirun", "data=pend.npz", "seed=1,2,3", "out=swept", "imports=[deadly]", *HASTY]
    assert main([*words, "model.eyes=network", "recipe.checkpoint_seconds=0", *LAUNCHERS[launcher]]) == 1
    assert "they are begun once more" in capsys.readouterr().err
    with open(home / "swept" / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["ended"]) for row in rows] == [("1", "True"), ("2", "True"), ("3", "False")]
    assert rows[2]["error"] == "Its process died twice, at last with exit code -9."
    assert sorted(path.name for path in home.glob("*-died*")) == ["seed=2-died0", "seed=3-died0", "seed=3-died1"]
    with open(home / "swept" / "seed=2" / "metrics.csv", newline="") as file:
        steps = [(row["stage"], int(row["step"])) for row in csv.DictReader(file)]
    assert len(steps) == len(set(steps)) > 0
    if launcher != "joblib":
        assert list((home / "swept" / ".submitit").iterdir())


def test_a_launcher_that_is_not_installed_is_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_submitit_launcher", None)
    assert main(["train", "-m", "data=pend.npz", "seed=1,2", "out=new", "hydra/launcher=submitit_slurm", *HASTY]) == 2
    assert "pip install 'paig-control[slurm]'" in capsys.readouterr().err
