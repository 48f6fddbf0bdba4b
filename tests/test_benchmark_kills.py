"""The benchmark of kills in short: nothing saved is lost or torn, what was killed goes on, what is torn is seen."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hasty import HASTY
from PIL import Image

from paig_control.cli.main import main
from paig_control.data.episodes import Episodes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module("kills")


def test_a_killed_collection_and_a_killed_training_lose_nothing_and_leave_nobody(
    kills: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ["model.eyes=network", "recipe.warm_start.steps=15", "recipe.refine.steps=15"]
    monkeypatch.setitem(kills.COMMANDS, "train", [*kills.COMMANDS["train"], *few])
    *_, tallies = kills.trials(2, 1, ["collect", "train"])
    for tally in tallies.values():
        assert tally.kills == 1
        assert tally.lost_or_torn == []
        assert tally.went_on_wrongly == []
        assert tally.longest_orphan_seconds < 15  # two, where nothing else keeps the machine busy


@pytest.mark.parametrize("begun", [False, True])
def test_a_killed_sweep_takes_its_workers_along_and_is_gone_on_with(
    begun: bool, kills: ModuleType, hardly_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(hardly_trained / "pend.npz", tmp_path)
    words = ["train", "--multirun", "data=pend.npz", "out=swept", "seed=1,2", *HASTY, "model.eyes=network"]
    victim = kills.begin([*words, "hydra.launcher.n_jobs=2"], tmp_path)
    locks, processes = (2, 2) if begun else (0, 4)  # two locks: its own, and a worker's; joblib has two helpers
    while victim.poll() is None and (
        len(list((tmp_path / "swept").rglob(".*lock"))) < locks or len(kills.alive(victim.pid)) < processes
    ):
        time.sleep(0.01)
    assert len(kills.alive(victim.pid)) > 1
    victim.kill()
    victim.communicate()
    for _ in range(300):  # of a tenth of a second; the workers have work for longer
        if not kills.alive(victim.pid):
            break
        time.sleep(0.1)
    assert not kills.alive(victim.pid)
    monkeypatch.chdir(tmp_path)
    assert main([*words, "hydra/launcher=basic", "resume=true"]) == 0
    assert len(list((tmp_path / "swept").glob("seed=*/summary.json"))) == 2


def test_a_worker_ends_though_its_parent_was_gone_before_it_looked() -> None:
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    script = f"import time; from paig_control.cli.sweep import end_with; end_with({gone.pid}); time.sleep(300)"
    assert subprocess.run([sys.executable, "-c", script], timeout=120).returncode == 1


def test_what_is_torn_is_seen(kills: ModuleType, tmp_path: Path) -> None:
    Episodes({"train_x": np.zeros((2, 3, 8, 8, 3), np.uint8)}).save(tmp_path / "a.npz")
    Image.new("RGB", (64, 64)).save(tmp_path / "b.png")
    (tmp_path / "c.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "d.json").write_text('{"a": 1}')
    (tmp_path / ".e.new.json").write_text('{"a"')
    whole = kills.look(tmp_path)
    assert set(whole) == {"a.npz", "b.png", "c.csv", "d.json"}
    for name in whole:
        path = tmp_path / name
        kept = path.read_bytes()
        path.write_bytes(kept[: len(kept) // 2])
        with pytest.raises((AssertionError, OSError, ValueError)):
            kills.look(tmp_path)
        path.write_bytes(kept)
