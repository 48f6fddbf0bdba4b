"""What the README and the documentation say is true: their commands and code blocks run, with smaller numbers."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import partial
from pathlib import Path

import architecture
import pytest

import paig_control as paig
from paig_control.cli.main import main
from paig_control.experiment.schema import COMMANDS
from paig_control.learning.settings import RecipeSettings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if path.name != "commands.md")]
STAGES = [
    "recipe.discover.frames=150",
    "recipe.discover.rounds=1",
    "recipe.discover.steps=40",
    "recipe.warm_start.steps=60",
    "recipe.warm_start.batch=16",
    "recipe.identify.integrators=[euler-1]",
    "recipe.identify.iterations=6",
    "recipe.refine.steps=4",
    "recipe.refine.batch=4",
]
HASTY = ["recipe.discover.frames=60", "recipe.discover.steps=5", "recipe.warm_start.steps=5", "recipe.refine.steps=1"]
"""On top, where nothing is asked of the model."""
SMALLER = {
    "collect": ["sequences=16", "valid=2", "test=2"],
    "collect env=gym_pendulum": ["steps=16", "env.kwargs.size=24"],
    "train": STAGES,
    "train physics=spring": HASTY,
    "train physics=lstm": [*HASTY, "recipe.foresee.steps=4"],
    "train recipe=paper": ["recipe.epochs=1"],
    "goal": ["env.kwargs.size=24"],
    "view": ["record=view.png", "seconds=0.2", "planner.samples=20", "env.kwargs.size=24"],
    "control": ["episodes=1", "steps=12", "hold=5", "planner.samples=20", "env.kwargs.size=24", "film=1"],
    "report": ["films=2"],
}


def smaller(words: list[str]) -> list[str]:
    """What every option of a rule's command asks for, the rules of more words last."""
    rules = [rule for rule in SMALLER if set(rule.split()) <= set(words)]
    if "recipe=paper" in words:
        rules = ["train recipe=paper"]
    return list({option.split("=")[0]: option for rule in rules for option in SMALLER[rule]}.values())


def blocks(page: Path, languages: str) -> list[tuple[str, str]]:
    """Language and text of a page's code blocks, in their order."""
    return re.findall(rf"^```({languages})\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def lines(text: str) -> list[list[str]]:
    """Words of every command of a block."""
    stripped = [line.split("  #")[0].split("    #")[0] for line in text.splitlines()]
    return [shlex.split(line) for line in stripped if line.strip()]


def test_every_command_and_code_block_runs_page_by_page(
    quick: RecipeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one folder, so that a command that several pages have runs once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paig, "collect", partial(paig.collect, valid=2, test=2), raising=False)
    monkeypatch.setattr(paig, "train", partial(paig.train, recipe=quick), raising=False)
    done: set[str] = set()
    for page in PAGES:
        names: dict[str, object] = {}
        for language, text in blocks(page, "bash|python|yaml"):
            if language == "yaml":
                (tmp_path / text.removeprefix("# ").partition(":")[0]).write_text(text)
                continue
            if language == "python":
                source = text.replace("sequences=32, steps=30", "sequences=16, steps=16")
                source = source.replace('Pixels-v0")\nframe', 'Pixels-v0", size=24)\nframe')
                source = source.replace('"episodes=8"', '"episodes=1", "steps=12", "hold=5", "planner.samples=20"')
                exec(compile(source.replace("range(200)", "range(5)"), str(page), "exec"), names)
                continue
            for words in lines(text):
                if words[:2] in (["paig-control", "list"], ["paig-control", "physics"]):
                    assert main(words[1:]) == 0
                elif words[0] == "paig-control" and shlex.join(words) not in done:
                    run(words)
                    done.add(shlex.join(words))
    assert {shlex.split(line)[1] for line in done} == set(COMMANDS) - {"demo"}
    said = capsys.readouterr().out
    assert "m/s²" in said  # of the README's constants
    assert "upright:" in said
    assert "swung up:" in said
    for name in ("pend", "pend-control", "pend-reward", "pend-test", "spring-zoom", "black-box", "paper", "report"):
        assert (tmp_path / "runs" / name / "summary.json").stat().st_size > 100
    assert (tmp_path / "view.png").stat().st_size > 10_000


def run(words: list[str]) -> None:
    less = smaller(words)
    kept = [word for word in words[2:] if word.split("=")[0] not in {option.split("=")[0] for option in less}]
    assert main([words[1], *kept, *less, "verbosity=0"]) == 0, words


def test_every_block_says_in_what_language_it_is() -> None:
    known = {"bash", "python", "yaml", "text", "{toctree}", "{literalinclude}", "{eval-rst}", "{include}"}
    for page in PAGES:
        fences = re.findall(r"^```(\S*).*$", page.read_text(), flags=re.MULTILINE)
        assert set(fences[::2]) <= known, page
        assert set(fences[1::2]) <= {""}, page


def test_every_make_target_that_is_named_exists() -> None:
    named = {target for page in PAGES for target in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert {"demo", "test", "docs", "paper"} <= named
    for target in named:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_every_file_that_is_named_is_there() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        text = page.read_text()
        links = re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(
            r"^```\{(?:literal)?include\} (\S+)", text, re.MULTILINE
        )
        for link in links:
            assert (page.parent / link).exists(), f"{page.name}: {link}"
        for script in re.findall(r"`python (\S+\.py)", text):
            assert (ROOT / script).is_file(), f"{page.name}: {script}"
        inside = [name for name in re.findall(r"`([a-z_/]+\.(?:py|yaml))`", text) if "/" in name]
        for name in inside:
            assert (ROOT / name).is_file() or (ROOT / "paig_control" / name).is_file(), f"{page.name}: {name}"


def test_the_page_of_the_architecture_shows_the_house_as_it_is() -> None:
    """As ``python docs/architecture.py`` writes it."""
    assert architecture.table() in (DOCS / "architecture.md").read_text(), "run python docs/architecture.py"
    assert "| `physics` |" in architecture.table()
    assert architecture.height("cli") > architecture.height("physics") > architecture.height("errors") == 0
    assert architecture.below("errors") == set()


def test_the_readme_is_read_in_three_minutes() -> None:
    assert len(re.findall(r"\w+", re.sub(r"```.*?```", "", PAGES[0].read_text(), flags=re.DOTALL))) < 1000
