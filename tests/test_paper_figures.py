"""The table and figures of ``make paper`` show what finished runs say, and finished runs are not trained again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from paig_control.data.episodes import Episodes
from paig_control.models import checkpoint
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_physics
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Localizer
from paig_control.vision.renderer import SpriteRenderer


@pytest.fixture(scope="module")
def paper() -> Any:
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        import paper as module  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, spring_films: Episodes) -> Path:
    """Finished runs of Spring with seeds 0 and 1, as training leaves them, untrained."""
    home = tmp_path_factory.mktemp("paper")
    for seed, stiffness in ((0, 4.02), (1, 3.96)):
        torch.manual_seed(seed)
        renderer = SpriteRenderer((32, 32), 2, window=9, density=4, samples=2, turns=False)
        model = PAIG(build_physics("spring", 0.3, force=False), Planar(2), Localizer(2), renderer)
        checkpoint.save(home / f"spring{seed}", model, {"seed": seed})
        found = {"stiffness": {"value": stiffness, "std": 0.02, "unit": "1/s²", "truth": 4.0}}
        summary = {"options": {}, "frames": 4 * 12, "constants": found, "machine": {}, "versions": {}}
        (home / f"spring{seed}" / "summary.json").write_text(json.dumps(summary))
        spring_films.save(home / f"spring{seed}.npz")
    return home


def test_finished_runs_become_table_and_figures_at_once(
    paper: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--systems", "spring", "--seeds", "2", "--sequences", "4", "--runs", str(folder), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["paper.py", *words])
    paper.main()
    row = (tmp_path / "table.md").read_text().splitlines()[-1]
    assert row == "| Two balls on a spring | stiffness | 4 1/s² | 3.990 ± 0.020 1/s² | 1.0000 % | 2.0 |"
    for name in ("rollouts.png", "contents.png"):
        assert (tmp_path / name).stat().st_size > 1000


def test_runs_on_other_films_are_not_taken_for_these(paper: ModuleType, folder: Path) -> None:
    with pytest.raises(SystemExit, match="other films than 5"):
        paper.learn("spring", 5, folder, 0)
