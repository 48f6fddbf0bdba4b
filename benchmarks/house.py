"""How large the house is, what one command passes through, and how many files a new thing touches.

``python benchmarks/house.py`` counts in this checkout; with ``--against COMMIT`` in that one too, side by side, so
that a change of the structure can be judged. Routes are followed by ``route.py`` as they are run: a collection, a
training that hardly learns, control of its model and an evaluation; a room is a folder, or a module in the root. What
a new scene, planner or option touches is what those that are there touch: the files that name them. All figures go to
``benchmarks/results/house.json``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from common import arguments, save

ROOT = Path(__file__).parents[1]
PARTS = ("paig_control", "benchmarks", "tests")
SHORT = 60
"""Lines below which a file is short."""
NAMED = {
    "scene (three bodies)": r"three_?body",
    "planner (iCEM)": r"icem",
    "setting of a planner (elites)": r"\belites\b",
    "setting of the agent (patience)": r"\bpatience\b",
}
SCENE = ["env=pendulum", "env.kwargs.size=24"]
HASTY = ["discover.frames=24", "discover.rounds=0", "discover.steps=2", "warm_start.steps=2", "warm_start.batch=4"]
HASTY += ["identify.iterations=1", "refine.steps=2", "refine.batch=2"]
CONTROL = ["goal=[0.1]", "planner.samples=10", "planner.elites=2", "steps=4", "hold=1", "episodes=1", "timing_steps=2"]
ROUTES = {
    "collect": [*SCENE, "sequences=4", "steps=8", "valid=0", "test=1", "test_steps=10", "out=films.npz"],
    "train": ["data=films.npz", *(f"recipe.{word}" for word in HASTY), "out=run"],
    "control": ["run=run", *SCENE, *CONTROL, "out=control"],
    "evaluate": ["run=run", "data=films.npz", "out=evaluate"],
}


def sizes(root: Path) -> dict[str, int]:
    """Files and lines of each part, and what the library's are like."""
    found: dict[str, int] = {}
    for part in PARTS:
        lengths = [len(path.read_text().splitlines()) for path in sorted((root / part).rglob("*.py"))]
        found |= {f"{part}: files": len(lengths), f"{part}: lines": sum(lengths)}
        if part == "paig_control":
            found[f"{part}: files of less than {SHORT} lines"] = sum(1 < length < SHORT for length in lengths)
            found[f"{part}: modules in its root"] = len(list((root / part).glob("*.py")))
    texts = [path.read_text() for path in (root / "benchmarks").glob("*.py")]
    found["benchmarks: imports of the command line"] = sum(
        len(re.findall(r"^\s*(?:from|import) paig_control\.cli|^\s*from paig_control import cli", text, re.MULTILINE))
        for text in texts
    )
    return found


def edits(root: Path) -> dict[str, int]:
    """Files of the library, its settings among them, that name what is there."""
    paths = [path for path in (root / "paig_control").rglob("*") if path.suffix in (".py", ".yaml")]
    texts = [path.read_text() + path.name for path in paths]
    return {
        f"to add a {what}: files": sum(bool(re.search(word, text, re.IGNORECASE)) for text in texts)
        for what, word in NAMED.items()
    }


def routes(root: Path) -> dict[str, int]:
    """Rooms and modules that each command passes through, and its moves from one module into another."""
    found: dict[str, int] = {}
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as place:
        for name, words in ROUTES.items():
            route = [sys.executable, str(ROOT / "benchmarks" / "route.py"), "--json", "route.json"]
            subprocess.run(
                [*route, name, *words, "verbosity=0"], cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL
            )
            way = json.loads((Path(place) / "route.json").read_text())
            rooms = {room(Path(module)) for module in way["entered"]}
            found |= {f"{name}: rooms": len(rooms), f"{name}: modules": len(way["entered"])}
            found |= {f"{name}: moves": way["moves"]}
    return found


def room(module: Path) -> str:
    """The folder that a module of the library lies in; one in its root is a room by itself."""
    return module.parts[0]


def count(root: Path) -> dict[str, int]:
    """All figures of a checkout."""
    return sizes(root) | edits(root) | routes(root)


def at(commit: str) -> tuple[str, dict[str, int]]:
    """The figures of a commit, and its whole name."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run([*git, "rev-parse", "--verify", f"{commit}^{{commit}}"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place) / "tree"
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            return name.stdout.decode().strip(), count(tree)
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=True)


def main() -> None:
    """Count, print and save."""
    parser = arguments(__doc__, "house.json")
    parser.add_argument("--against", metavar="COMMIT", help="count in this commit as well")
    options = parser.parse_args()
    result: dict[str, object] = {}
    columns: dict[str, dict[str, int]] = {}
    if options.against:
        result["commit"], columns["before"] = at(options.against)
    columns["now"] = count(ROOT)
    print(f"\n{'':50}" + "".join(f"{name:>10}" for name in columns))
    for figure in columns["now"]:
        print(f"{figure:50}" + "".join(f"{column[figure]:10d}" for column in columns.values()))
    save(options.out, result | columns)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
