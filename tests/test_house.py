"""The house rules: which room may import which, and what importing the package costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError
from pathlib import Path

import pytest
from architecture import imported, leans

import paig_control

ROOT = Path(paig_control.__file__).parent
RANK = {
    "errors": 0,
    "seeds": 0,
    "naming": 0,
    "machine": 0,
    "faces": 0,
    "border": 1,
    "ranks": 2,
    "runs": 2,
    "types": 1,
    "physics": 2,
    "estimation": 3,
    "data": 3,
    "goals": 4,
    "vision": 4,
    "agents": 5,
    "models": 5,
    "learning": 6,
    "evaluation": 7,
    "report": 8,
    "viewer": 8,
    "experiment": 9,
    "cli": 10,
}


SEEN = {"Eyes", "Localizer", "MaskedLocalizer", "Renderer", "SpriteRenderer", "TemplateRenderer"}
"""Eyes and renderers: what only some of them have is asked of those."""


def imports(path: Path) -> set[str]:
    """Rooms of the package that a file imports."""
    parts = [module.split(".") for module in imported(path)]
    names = {part[1] for part in parts if part[0] == "paig_control" and len(part) > 1}
    return {name for name in names if (ROOT / name).is_dir() or (ROOT / f"{name}.py").exists()}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def files() -> list[Path]:
    return [p for p in sorted(ROOT.rglob("*.py")) if p != ROOT / "__init__.py"]


def test_imports_run_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files()
        for name in imports(path)
        if room(path) not in ("envs", "configs") and name != "envs" and RANK[name] > RANK[room(path)]
    ]
    assert wrong == []


def test_rooms_that_lean_on_one_another_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hall.py").write_text("from paig_control.attic import stairs\n")
    (tmp_path / "attic.py").write_text("import paig_control.hall\n")
    monkeypatch.setattr("architecture.HOUSE", tmp_path)
    with pytest.raises(CycleError, match="cycle"):
        leans.__wrapped__()


def test_environments_stand_alone_and_nothing_reaches_into_them() -> None:
    for path in files():
        if room(path) == "envs":
            assert imports(path) <= {"envs", "errors", "seeds", "border"}, path
            assert "import torch" not in path.read_text(), path
        else:
            assert "envs" not in imports(path), path


def test_agents_do_not_know_data_or_learning() -> None:
    for path in files():
        if room(path) == "agents":
            own = {"agents", "machine", "faces", "errors", "seeds", "types"}
            allowed = own | {"border", "physics", "estimation", "goals"}
            assert imports(path) <= allowed, path


def test_benchmarks_do_as_users_do_and_know_nothing_of_the_command_line() -> None:
    for path in sorted((ROOT.parent / "benchmarks").glob("*.py")):
        assert not [m for m in imported(path) if m.split(".")[:2] == ["paig_control", "cli"]], path


def test_importing_the_package_imports_neither_torch_nor_pygame() -> None:
    code = "import sys, paig_control; print([m for m in ('torch', 'pygame', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_only_windows_import_pygame() -> None:
    drawing = [p for p in files() if "import pygame" in p.read_text()]
    assert {room(p) for p in drawing} == {"envs", "viewer"}
    assert [p.name for p in drawing if room(p) == "envs"] == ["window.py"]


def test_no_file_has_grown_past_four_hundred_lines() -> None:
    assert [str(p) for p in files() if len(p.read_text().splitlines()) > 400] == []


def test_nobody_asks_of_what_kind_a_model_a_physics_or_kinematics_is_but_the_file_that_has_the_kind() -> None:
    kinds = {"PAIG": "models/paig.py"}
    for folder, base in (("physics", "Dynamics|Physics|Mechanism"), ("vision", "Kinematics"), ("models", "Estimator")):
        for path in (ROOT / folder).glob("*.py"):
            found = re.findall(rf"^class (\w+)\((?:nn\.Module|{base})\)", path.read_text(), re.MULTILINE)
            kinds |= {name: str(path.relative_to(ROOT)) for name in found}
    assert {"Physics", "Mechanism", "Lstm", "Dynamics", "Planar", "LeastSquares"} <= kinds.keys()
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
                asked = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)} & kinds.keys()
                here = str(path.relative_to(ROOT))
                assert {n for n in asked if kinds[n] != here and n not in SEEN} == set(), f"{here}:{node.lineno}"


def test_there_is_one_descent_and_one_kalman_filter() -> None:
    """Damped normal equations are solved by steps, which only the one descent repeats and judges."""
    judging = [p.name for p in files() if re.search(r"dampings? (/|\*) \d|damping (/|\*)= ", p.read_text())]
    assert judging == ["least_squares.py"]
    gains = [p.name for p in files() if re.search(r"linalg\.solve\(.*mT\)\.mT", p.read_text())]
    assert gains == ["kalman.py"]
