"""The benchmark of goals asks for what was promised, and does not train again what it has."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def goals(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module("goals")


@pytest.mark.parametrize(
    ("name", "oracle", "rate"),
    [
        ("spring", 1.0, 0.95),
        ("spring", 0.99, 0.95),
        ("pendulum", 0.9, 0.87),
        ("three_body", 1.0, 0.95),
        ("three_body", 0.8, 0.75),
        ("spring_one", 1.0, 0.9),
    ],
)
def test_what_is_required_follows_the_oracle(goals: ModuleType, name: str, oracle: float, rate: float) -> None:
    assert goals.required(name, oracle) == pytest.approx(rate)


def test_constants_are_judged_whatever_their_sign_and_without_an_error_bar_none_is_near(goals: ModuleType) -> None:
    found = {
        "gravity": {"value": -9.9, "truth": -10.0, "std": 0.05},
        "actuation": {"value": 1.0, "truth": 1.0, "std": None},
    }
    goals.judge(found)
    assert found["gravity"]["percent_off"] == pytest.approx(1.0)
    assert found["gravity"]["std_off"] == pytest.approx(2.0)
    assert found["actuation"]["percent_off"] == 0.0
    assert not found["actuation"]["std_off"] <= 3


def test_a_kept_model_is_taken_and_another_is_trained(
    goals: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[tuple[str, ...]] = []

    def command(*words: str) -> None:
        ran.append(words)
        options = dict(word.split("=", 1) for word in words[1:])
        if words[0] == "collect":
            Path(options["out"]).write_bytes(b"films")
        else:
            Path(options["out"]).mkdir()
            (Path(options["out"]) / "summary.json").write_text(json.dumps({"seed": options["seed"], "options": {}}))

    monkeypatch.setattr(importlib.import_module("common"), "command", command)
    assert goals.train("spring_one", 3, tmp_path) == goals.train("spring_one", 3, tmp_path) == tmp_path / "spring_one3"
    assert [words[0] for words in ran] == ["collect", "train"]
    assert "physics.actuated=[0]" in ran[1]
    assert not list(tmp_path.glob("*.npz"))
    goals.train("spring_one", 4, tmp_path)
    assert len(ran) == 4
