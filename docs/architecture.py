"""The pictures and the table of the architecture page, made from the code.

``python docs/architecture.py`` reads which room imports which, follows one frame through the rooms while an agent
decides, draws both into ``docs/pictures``, and writes the table into ``docs/architecture.md``.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import gymnasium as gym
from matplotlib.figure import Figure

import paig_control as paig
from paig_control.learning.settings import DiscoverSettings, RecipeSettings, RefineSettings, WarmStartSettings

HERE = Path(__file__).parent
HOUSE = Path(paig.__file__).parent
PAGE = HERE / "architecture.md"
HEAD = "| room | what is in it | leans on |\n|---|---|---|\n"
RECIPE = RecipeSettings(
    discover=DiscoverSettings(rounds=1, steps=40),
    warm_start=WarmStartSettings(steps=60),
    refine=RefineSettings(steps=6, batch=4, prediction_frames=6),
)
"""A training of seconds: it is the way that is looked at."""


def home(room: str) -> Path:
    """The file that says what a room is."""
    return HOUSE / room / "__init__.py" if (HOUSE / room).is_dir() else HOUSE / f"{room}.py"


@cache
def leans() -> dict[str, list[str]]:
    """The rooms that each room imports, lowest first: a room stands above all that it leans on.

    Raises:
        CycleError: for rooms that lean on one another.
    """
    rooms = [path.name for path in HOUSE.iterdir() if (path / "__init__.py").exists() and path.name != "configs"]
    rooms += [path.stem for path in HOUSE.glob("*.py") if path.name != "__init__.py"]
    found: dict[str, set[str]] = {}
    for room in rooms:
        files = list((HOUSE / room).rglob("*.py")) or [home(room)]
        named = re.findall(r"paig_control\.(\w+)", "\n".join(line for file in files for line in imported(file)))
        found[room] = {name for name in named if name in rooms} - {room}
    storeys, order = TopologicalSorter(found), list[str]()
    storeys.prepare()
    while storeys.is_active():
        storey = sorted(storeys.get_ready())
        order += storey
        storeys.done(*storey)
    return {room: [other for other in order if other in found[room]] for room in order}


def imported(file: Path) -> list[str]:
    """Modules that a file imports, and what it takes from them."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    taken = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return plain + [f"{node.module}.{alias.name}" for node in taken for alias in node.names]


def height(room: str) -> int:
    """The storey of a room: one above the highest that it leans on."""
    return 1 + max((height(other) for other in leans()[room]), default=-1)


def needed(room: str) -> list[str]:
    """What a room leans on, without what stands beneath that anyway."""
    beneath: set[str] = set()
    for other in leans()[room]:
        beneath |= below(other)
    return [other for other in leans()[room] if other not in beneath]


def below(room: str) -> set[str]:
    """All rooms that a room leans on, at however many removes."""
    return set(leans()[room]).union(*(below(other) for other in leans()[room]))


def table() -> str:
    """The rooms, highest first."""
    rows = []
    for room, others in reversed(leans().items()):
        said = ast.get_docstring(ast.parse(home(room).read_text(encoding="utf-8"))) or ""
        said = said.partition("\n\n")[0].replace("\n", " ").replace("``", "`")
        rows.append(f"| `{room}` | {said} | {', '.join(others) or 'nothing'} |")
    return HEAD + "\n".join(rows) + "\n"


def rooms() -> Figure:
    """Rooms by storeys, and an arrow to each that a room leans on, unless one beneath it does."""
    storeys: dict[int, list[str]] = {}
    for room in leans():
        storeys.setdefault(height(room), []).append(room)
    places = {
        room: ((index + 0.5) * 10 / len(row), storey)
        for storey, row in storeys.items()
        for index, room in enumerate(row)
    }
    figure = Figure(figsize=(10, 0.95 * len(storeys)), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(0, 10), ylim=(-0.5, len(storeys) - 0.5))
    axis.axis("off")
    for room, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.4", "facecolor": "#eaf1fb" if (HOUSE / room).is_dir() else "#f4f4f4"}
        axis.text(x, y, room, ha="center", va="center", fontsize=12, bbox=box | {"edgecolor": "#47618a"}, zorder=3)
        for other in needed(room):
            top, foot = (places[other][0], places[other][1] + 0.2), (x, y - 0.2)
            bow = "arc3,rad=-0.15" if y - places[other][1] > 1 else "arc3"
            style = {"arrowstyle": "->", "color": "#8093ad", "shrinkA": 0, "shrinkB": 0, "connectionstyle": bow}
            axis.annotate("", top, foot, arrowprops=style)
    return figure


def way() -> list[str]:
    """The modules that one frame passes through while an agent decides, in the order in which it first enters them."""
    sys.path.insert(0, str(HERE.parent / "benchmarks"))
    from route import Route

    films = paig.collect("paig_control:paig/Pixels-v0", sequences=16, steps=16, seed=0)
    run = paig.train(films.split("train"), paig.build_physics("pendulum", dt=0.05), recipe=RECIPE, seed=0)
    env = gym.make("paig_control:paig/Pixels-v0")
    frame, info = env.reset(seed=0)
    space = env.action_space
    assert isinstance(space, gym.spaces.Box)
    agent = paig.MPCAgent(run.model, paig.CEM(), space.low, space.high)
    agent.reset(goal=info["goal"])
    for _ in range(run.model.input_frames + 1):
        frame = env.step(agent.act(frame))[0]
    route = Route()
    sys.setprofile(route)
    try:
        agent.act(frame)
    finally:
        sys.setprofile(None)
    return list(route.entered)


def frames_way(modules: list[str]) -> Figure:
    """A lane for each room, from left to right; a stop for each module, from top to bottom."""
    stops = [(module.partition("/")[0].removesuffix(".py"), module) for module in modules]
    lanes = list(dict.fromkeys(room for room, _ in stops))
    figure = Figure(figsize=(1.7 * len(lanes), 0.36 * len(stops) + 0.8), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(-0.5, len(lanes) - 0.2), ylim=(len(stops) - 0.5, -0.8), yticks=[])
    axis.set_xticks(range(len(lanes)), lanes, fontsize=12)
    axis.xaxis.tick_top()
    axis.grid(axis="x", color="#d5dbe4")
    axis.set_frame_on(False)
    across = [lanes.index(room) for room, _ in stops]
    axis.plot(across, range(len(stops)), "o-", color="#47618a")
    for row, (x, (_, module)) in enumerate(zip(across, stops, strict=True)):
        axis.text(x + 0.08, row, Path(module).stem, va="center", fontsize=10, bbox={"facecolor": "white", "lw": 0})
    return figure


def main() -> None:
    """Read, follow, draw, write."""
    pictures = HERE / "pictures"
    rooms().savefig(pictures / "rooms.png", dpi=100)
    frames_way(way()).savefig(pictures / "frame.png", dpi=100)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(re.escape(HEAD) + r"(?:\|.*\n)*", lambda _: table(), page), encoding="utf-8")


if __name__ == "__main__":
    main()
