"""Numbers with which nothing can be learned: refused before any work, or the causes named where they break it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from paig_control.cli.main import main
from paig_control.data.episodes import Episodes
from paig_control.errors import PaigError
from paig_control.estimation.identification import Estimate
from paig_control.learning.recipe import Staged, train
from paig_control.learning.settings import (
    ForeseeSettings,
    PaperSettings,
    RecipeSettings,
    RefineSettings,
    WarmStartSettings,
)
from paig_control.physics.registry import build_physics

BAD = [1e3, 1.5, math.inf, math.nan, 0.0, -1e-3]


@pytest.mark.parametrize("rate", BAD)
@pytest.mark.parametrize(
    ("place", "build"),
    [
        ("recipe.warm_start", lambda rate: RecipeSettings(warm_start=WarmStartSettings(learning_rate=rate))),
        ("recipe.foresee", lambda rate: RecipeSettings(foresee=ForeseeSettings(learning_rate=rate))),
        ("recipe.refine", lambda rate: RecipeSettings(refine=RefineSettings(learning_rate=rate))),
        ("recipe", lambda rate: PaperSettings(learning_rate=rate)),
    ],
)
def test_step_sizes_that_run_away_are_refused_by_name(
    place: str, build: Callable[[float], object], rate: float
) -> None:
    build(1.0)
    with pytest.raises(PaigError, match=rf"^{place}.learning_rate = .*: expected a number above 0 and at most 1"):
        build(rate)


def test_the_command_refuses_them_before_any_work(
    films: Episodes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    films.save("films.npz")
    words = ["data=films.npz", "physics=pendulum", "recipe.refine.learning_rate=1e3", "out=run"]
    assert main(["train", *words]) == 2
    assert "recipe.refine.learning_rate = 1000.0: expected" in " ".join(capsys.readouterr().err.split())
    assert not Path("run").exists()


@pytest.mark.parametrize("dt", [0.0, -1.0, math.inf, math.nan])
def test_a_time_between_frames_that_is_none_is_refused(dt: float) -> None:
    with pytest.raises(PaigError, match=r"dt = .*: expected the positive time between two frames"):
        build_physics("pendulum", dt)


def unsolvable(trainer: Staged, stage: str) -> None:
    torch.linalg.solve(torch.zeros(2, 2), torch.ones(2))


def endless(trainer: Staged, stage: str) -> None:
    trainer.model = torch.nn.Linear(1, 1)  # type: ignore[assignment]
    torch.nn.init.constant_(trainer.model.weight, math.inf)  # type: ignore[union-attr,arg-type]


@pytest.mark.parametrize("happens", [unsolvable, endless])
def test_where_numbers_run_out_of_bounds_the_likely_causes_are_named(
    films: Episodes, quick: RecipeSettings, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Staged, str], None]
) -> None:
    monkeypatch.setattr(Staged, "perform", happens)
    with pytest.raises(
        PaigError, match=r"^discover: the numbers .* dt = 100 is .* actions as large as [12]\.\d+ .* learning_rate"
    ):
        train(films.split("train"), build_physics("pendulum", 100.0), recipe=quick)


def test_an_error_bar_without_end_can_be_printed() -> None:
    assert str(Estimate(3.58, math.inf, "N")) == "3.58 ± — N"
    assert str(Estimate(3.58, math.nan, "")) == "3.58 ± —"
