"""Jobs of a sweep whose processes die, on joblib and on submitit: begun once more, and told of if they die again."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hasty import HASTY

import paig_control
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
    if len(saved) == 2 and tries < DEATHS.get(name, 0):
        Path(f"{name}-died{tries}").touch()
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save = save
"""
"""A module that kills its process in the middle of a training, so many times."""


@pytest.fixture(autouse=True)
def home(hardly_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(hardly_trained / "pend.npz", tmp_path)
    return tmp_path


def swept(home: Path, seeds: str, deaths: dict[str, int], launcher: str) -> tuple[int, list[dict[str, str]]]:
    """Exit code and table of a sweep, in a process whose workers nobody has used before."""
    (home / "deadly.py").write_text(f"DEATHS = {deaths}\n{DEADLY}")
    words = ["train", "--multirun", "data=pend.npz", f"seed={seeds}", "out=swept", "imports=[deadly]", *HASTY]
    words += ["model.eyes=network", "recipe.checkpoint_seconds=0", launcher]
    places = os.environ | {"PYTHONPATH": str(Path(paig_control.__file__).parents[1])}
    command = [sys.executable, "-m", "paig_control.cli.main", *words]
    ended = subprocess.run(command, env=places, capture_output=True, text=True, check=False)
    assert "they are begun once more" in ended.stderr, ended.stderr
    with open(home / "swept" / "sweep.csv", newline="") as file:
        return ended.returncode, list(csv.DictReader(file))


def test_a_process_that_dies_takes_nothing_of_a_sweep_along(home: Path) -> None:
    code, rows = swept(home, "1,2", {"seed=2": 1}, "hydra.launcher.n_jobs=2")
    assert [(row["seed"], row["ended"]) for row in rows] == [("1", "True"), ("2", "True")]
    assert code == 0
    assert (home / "seed=2-died0").exists()


def test_jobs_that_die_go_on_at_the_second_try_or_are_told_of(home: Path) -> None:
    pytest.importorskip("submitit")
    code, rows = swept(home, "1,2,3", {"seed=2": 1, "seed=3": 9}, "hydra/launcher=submitit_local")
    assert [(row["seed"], row["ended"]) for row in rows] == [("1", "True"), ("2", "True"), ("3", "False")]
    assert rows[2]["error"] == "Its process died twice, at last with exit code -9."
    assert code == 1
    assert sorted(path.name for path in home.glob("*-died*")) == ["seed=2-died0", "seed=3-died0", "seed=3-died1"]
    with open(home / "swept" / "seed=2" / "metrics.csv", newline="") as file:
        steps = [(row["stage"], row["step"]) for row in csv.DictReader(file) if row["step"]]
    assert len(steps) == len(set(steps)) > 0
    assert list((home / "swept" / ".submitit").iterdir())


def test_a_launcher_that_is_not_installed_is_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_submitit_launcher", None)
    assert main(["train", "-m", "data=pend.npz", "seed=1,2", "out=new", "hydra/launcher=submitit_slurm", *HASTY]) == 2
    assert "pip install 'paig-control[slurm]'" in capsys.readouterr().err
