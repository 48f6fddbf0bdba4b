"""What the README says is true: its commands and code blocks run, with smaller numbers."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import partial
from pathlib import Path

import pytest

import paig_control as paig
from paig_control.cli.main import main
from paig_control.cli.schema import COMMANDS
from paig_control.learning.settings import RecipeSettings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
STAGES = [
    "recipe.discover.rounds=1",
    "recipe.discover.steps=40",
    "recipe.warm_start.steps=60",
    "recipe.refine.steps=4",
    "recipe.refine.batch=4",
]
SMALLER = {
    "collect": ["sequences=16", "valid=2", "test=2"],
    "collect env=gym_pendulum": ["steps=16", "env.kwargs.size=24"],
    "train": STAGES,
    "train physics=lstm": ["recipe.foresee.steps=4"],
    "train recipe=paper": ["recipe.epochs=1"],
    "goal": ["env.kwargs.size=24"],
    "view": ["record=view.png", "seconds=0.2", "planner.samples=20", "env.kwargs.size=24"],
    "control": ["episodes=1", "steps=12", "hold=5", "planner.samples=20", "env.kwargs.size=24", "film=1"],
}


def smaller(words: list[str]) -> list[str]:
    """What every option of a rule's command asks for, the rules of more words last."""
    rules = [rule for rule in SMALLER if set(rule.split()) <= set(words)]
    if "recipe=paper" in words:
        rules.remove("train")
    return [option for rule in rules for option in SMALLER[rule]]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line.split("  #")[0].split("    #")[0] for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.strip()]


def test_every_command_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = set()
    for words in commands():
        if words[0] != "paig-control":
            continue
        name = words[1]
        less = smaller(words)
        kept = [word for word in words[2:] if word.split("=")[0] not in {option.split("=")[0] for option in less}]
        assert main([name, *kept, *less, "verbosity=0"]) == 0, words
        ran.add(name)
    assert ran == set(COMMANDS) - {"demo"}
    assert (tmp_path / "view.png").stat().st_size > 10_000
    for run in ("pend", "pend-control", "pend-reward", "pend-test", "spring-zoom", "black-box", "paper"):
        assert (tmp_path / "runs" / run / "summary.json").stat().st_size > 100


def test_every_make_target_of_the_readme_exists() -> None:
    targets = {words[1] for words in commands() if words[0] == "make"}
    assert {"demo", "test"} <= targets
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_the_python_of_the_readme_runs(
    quick: RecipeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paig, "collect", partial(paig.collect, valid=2, test=2), raising=False)
    monkeypatch.setattr(paig, "train", partial(paig.train, recipe=quick), raising=False)
    source = "\n".join(blocks("python"))
    source = source.replace("sequences=32, steps=30", "sequences=16, steps=16").replace("range(200)", "range(5)")
    exec(compile(source, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "m/s²" in said
    assert "upright:" in said


def test_every_file_that_the_readme_names_is_there() -> None:
    names = re.findall(r"\]\((docs/[^)]+)\)", README) + re.findall(r"^\| `([^`]+)`", README, flags=re.MULTILINE)
    assert len(names) > 8
    for name in names:
        assert (ROOT / name).exists(), name
