"""The way of a command through the house is counted right, and so is what the house is made of."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")


def made(folder: Path, name: str, text: str) -> ModuleType:
    """A module of a small library in ``folder``."""
    (folder / f"{name}.py").write_text(text)
    return importlib.import_module(name)


def test_a_way_is_followed_from_module_to_module(
    benchmarks: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    route = importlib.import_module("route")
    monkeypatch.setattr(route, "HOUSE", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    made(tmp_path, "cellar_room", "def fetch(): return 1\ndef again(): return fetch() + fetch()\n")
    hall = made(tmp_path, "hall_room", "import cellar_room\ndef walk(): return cellar_room.again() + len('ab')\n")
    late = "import attic_room\n"
    (tmp_path / "attic_room.py").write_text("def build(): return 2\nbuilt = build()\n")
    way = route.Route()
    sys.setprofile(way)
    assert hall.walk() == 4
    assert hall.walk() == 4
    exec(late)
    sys.setprofile(None)
    assert dict(way.entered) == {"hall_room.py": 2, "cellar_room.py": 2}  # what runs while it is imported is no way
    assert way.moves == 4


def test_a_command_is_followed_to_its_end(tmp_path: Path) -> None:
    words = ["goal", "env=pendulum", "env.kwargs.size=24", "out=goal.png", "verbosity=0"]
    script = [sys.executable, str(Path(__file__).parents[1] / "benchmarks" / "route.py"), "--json", "way.json"]
    subprocess.run([*script, *words], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "goal.png").is_file()
    entered = json.loads((tmp_path / "way.json").read_text())["entered"]
    assert {"cli/main.py", "cli/goal.py", "envs/pendulum.py"} <= set(entered)
    assert not any(room.startswith(("vision", "learning/trainer", "cli/control")) for room in entered)


def test_figures_of_own_scenes_say_on_which_machine_they_were_measured(
    benchmarks: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = importlib.import_module("own")
    told = {"cpu_seconds": 1.0, "peak_mb": 2.0, "notes": [], "machine": {"cores": 3}, "versions": {"torch": "4"}}
    values = {name: {"value": 1.1 * truth, "std": 0.1} for name, truth in own.SCENES["row"].truth.items()}
    monkeypatch.setattr(own, "learned", lambda run, *words: run)
    monkeypatch.setattr(own, "summary", lambda run: {"constants": values, **told, "command": "train"})
    found = own.measure("row", tmp_path, 5)
    assert found.pop("constants")["spring_stiffness"]["percent_off"] == pytest.approx(10.0)
    assert found == {"seed": 5, **told}


def test_files_lines_and_names_are_counted(benchmarks: None, tmp_path: Path) -> None:
    house = importlib.import_module("house")
    for name, text in {
        "paig_control/a.py": "class ThreeBody:\n    elites = 2\n",
        "paig_control/room/__init__.py": "",
        "paig_control/room/icem.py": "x = 1\n" * 70,
        "paig_control/configs/three_body.yaml": "name: gravity\n",
        "benchmarks/b.py": "from paig_control.cli.output import a\n    from paig_control import cli\n",
        "tests/test_c.py": "elites\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = house.sizes(tmp_path)
    assert found["paig_control: files"] == 3
    assert found["paig_control: lines"] == 72
    assert found["paig_control: files of less than 60 lines"] == 1
    assert found["paig_control: modules in its root"] == 1
    assert found["benchmarks: imports of the command line"] == 2
    assert list(house.edits(tmp_path).values()) == [2, 1, 1, 0]
