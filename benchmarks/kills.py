"""Kills (SIGKILL) at random moments over all commands that write: nothing saved is lost or torn, nobody lives on.

Each kill begins a command in a folder of its own, ends its main process at a random moment, and looks: every file under
its final name loads, what was complete before is there, and no process that the command began lives for more than two
seconds. At once the command is begun anew, trainings with ``resume=true``: it must end well, trainings with the
constants, the weights to the byte and the rows of ``metrics.csv`` of one that nobody disturbed. ``python
benchmarks/kills.py`` prints counts by command and writes ``benchmarks/results/kills.json``. It reads ``/proc``, so it
needs Linux.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common import arguments, save
from PIL import Image, ImageSequence

from paig_control.data import episodes
from paig_control.models import checkpoint
from paig_control.runs import machine, versions

SOON = 2.0
"""Seconds that a process may live on after the one that began it."""
EARLY = 0.15
"""Part of the kills that fall before anything is written."""
HASTY = [f"recipe.{word}" for word in ("discover.frames=24", "discover.rounds=0", "discover.steps=2")]
HASTY += [f"recipe.{word}" for word in ("warm_start.steps=60", "warm_start.batch=4", "identify.iterations=1")]
HASTY += [f"recipe.{word}" for word in ("refine.steps=60", "refine.batch=2", "checkpoint_seconds=0.05")]
SCENE = ["env=pendulum", "env.kwargs.size=24"]
FILMS = ["sequences=4", "steps=8", "valid=0", "test=1", "test_steps=10"]
PLANNED = ["objective=reward", "planner.samples=10", "planner.elites=2", "planner.iterations=1", "planner.horizon=3"]
VIEW = ["view", "run=run", *SCENE, *PLANNED, "seconds=1", "rate=8", "overwrite=true"]
CONTROL = ["steps=20", "hold=1", "baselines=false", "timing_steps=0", "episodes=2", "film=1"]
COMMANDS = {
    "collect": ["collect", *SCENE, *FILMS, "out=out/films.npz", "overwrite=true"],
    "goal": ["goal", *SCENE, "out=out/goal.png", "overwrite=true"],
    "train": ["train", "data=films.npz", "out=out", "tracker=csv", *HASTY, "model.eyes=network"],
    "sweep": ["train", "--multirun", "data=films.npz", "out=out", "seed=1,2", "hydra.launcher.n_jobs=2", *HASTY],
    "control": ["control", "run=run", *SCENE, *PLANNED, *CONTROL, "out=out", "overwrite=true"],
    "evaluate": ["evaluate", "run=run", "data=films.npz", "out=out", "overwrite=true"],
    "report": ["report", "run=run", "out=out", "overwrite=true"],
    "demo": ["demo", *SCENE, *FILMS[:2], *HASTY, *PLANNED, "episodes=1", "film=1", "out=out", "overwrite=true"],
    "view .gif": [*VIEW, "record=out/view.gif"],
    "view .mp4": [*VIEW, "record=out/view.mp4"],
    "view folder": [*VIEW, "record=out/view"],
}
RESUMED = ("train", "sweep")
"""Commands that go on, and are killed three times as often as others; those begin anew, over what was there."""


@dataclass
class Tally:
    """What came of the kills of a command."""

    kills: int = 0
    while_writing: int = 0
    after_its_end: int = 0
    lost_or_torn: list[str] = field(default_factory=list)
    went_on_wrongly: list[str] = field(default_factory=list)
    orphans: int = 0
    longest_orphan_seconds: float = 0.0


def begin(words: list[str], home: Path, *more: str) -> subprocess.Popen[str]:
    """Begin a command in a session of its own, by which all its processes are known."""
    line = [sys.executable, "-m", "paig_control.cli.main", *words, *more, "verbosity=0"]
    given = os.environ | {"OMP_NUM_THREADS": "1", "SDL_VIDEODRIVER": "dummy"}
    return subprocess.Popen(line, cwd=home, env=given, stderr=subprocess.PIPE, text=True, start_new_session=True)


def alive(session: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            status, _, _, of = (place / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of) == session and status not in "ZX":
            found.append(int(place.name))
    return found


def claimed(folder: Path) -> bool:
    """Whether a command has begun to work for this folder, or a file in it."""
    return any(folder.rglob(".*lock"))


def contents(path: Path) -> Any:
    """Read a file to its end, which fails if it is not whole; gives what must be the same in every run."""
    if path.suffix == ".npz":
        return episodes.load(path).identity
    if path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
        return None
    if path.suffix == ".csv":
        text = path.read_bytes().decode()
        head, *rows = csv.reader(io.StringIO(text, newline=""))
        assert rows, f"{path} has no rows"
        assert text.endswith("\n"), f"{path} is cut short"
        assert {len(row) for row in rows} == {len(head)}, f"{path} is cut short"
        return None if path.name == "sweep.csv" else (head, rows)
    if path.suffix in (".png", ".gif"):
        with Image.open(path) as picture:
            pictures = [frame.convert("RGB").tobytes() for frame in ImageSequence.Iterator(picture)]
        return len(pictures) if "view" in str(path) else pictures  # the window shows how quick the agent is
    if path.suffix == ".mp4":
        import imageio_ffmpeg

        return imageio_ffmpeg.count_frames_and_secs(str(path))
    if path.suffix == ".html":
        assert path.read_text(encoding="utf-8").endswith("</html>\n"), f"{path} is cut short"
    return None


def look(folder: Path) -> dict[str, Any]:
    """What lies in a folder under its final name, all of it whole; of checkpoints, constants and weights."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_dir() and path.name in (checkpoint.FOLDER, f"{checkpoint.FOLDER}.old"):
            loaded = checkpoint.load(path.parent)
            weights = {name: value.numpy().tobytes() for name, value in loaded.model.state_dict().items()}
            found["/".join([*parts[:-1], checkpoint.FOLDER])] = (loaded.record.get("constants"), weights)
        elif path.is_file() and not any(part.startswith((".", checkpoint.FOLDER)) for part in parts):
            found["/".join(parts)] = contents(path)
    return found


class Trials:
    """Kills of commands, each measured beforehand.

    Args:
        home: folder of films, a run and, for each command, what it leaves undisturbed.
        names: of the commands.
        seed: of the moments.
    """

    def __init__(self, home: Path, names: list[str], seed: int) -> None:
        self.home, self.random = home, random.Random(seed)
        self.ends(COMMANDS["collect"], "out=films.npz")
        if any("run=run" in COMMANDS[name] for name in names):
            self.ends(COMMANDS["train"], "out=run")
        self.whole: dict[str, dict[str, Any]] = {}
        self.times = {name: self._time(name) for name in names}
        self.tallies = {name: Tally() for name in names}

    def ends(self, words: list[str], *more: str) -> None:
        """Run a command to its end; the last of two words for one option counts."""
        given = {word.partition("=")[0]: word for word in [*words, *more]}
        running = begin(list(given.values()), self.home)
        said = running.communicate()[1]
        assert running.returncode == 0, said

    def _time(self, name: str) -> tuple[float, float]:
        """Seconds until a command begins to write, and until it has written; what it leaves is kept to compare with."""
        start, times = time.monotonic(), list[float]()
        running = begin(COMMANDS[name], self.home)
        while running.poll() is None:
            if claimed(self.home / "out"):
                times.append(time.monotonic() - start)
            time.sleep(0.01)
        assert running.returncode == 0, running.communicate()[1]
        self.whole[name] = look(self.home / "out")
        shutil.move(self.home / "out", self.home / name)
        return times[0], times[-1]

    def kill(self, name: str) -> None:
        """Kill a command once, look, and let it go on or begin anew."""
        tally, (writes, end) = self.tallies[name], self.times[name]
        out, before = self.home / "out", {}
        if name not in RESUMED and self.random.random() < 0.5:  # over what an earlier one has left
            shutil.copytree(self.home / name, out)
            before = self.whole[name]
        early = self.random.random() < EARLY
        moment = self.random.uniform(0.0, writes if early else end - writes)
        victim = begin(COMMANDS[name], self.home)
        while not early and not claimed(out) and victim.poll() is None:
            time.sleep(0.01)
        time.sleep(moment)
        tally.kills += 1
        tally.after_its_end += victim.poll() is not None
        tally.while_writing += victim.poll() is None and claimed(out)
        victim.send_signal(signal.SIGKILL)
        died = time.monotonic()
        victim.wait()  # and not for the end of its words, which its children could go on with
        try:
            found = look(out)
            gone = [key for key in before if key not in found and not key.endswith("summary.json")]
            tally.lost_or_torn += [f"{key} is gone" for key in gone]
        except Exception as error:  # whatever makes a file unreadable
            tally.lost_or_torn.append(f"{type(error).__name__}: {error}")
        again = begin(COMMANDS[name], self.home, *(["resume=true"] if name in RESUMED else []))
        self._orphans(victim.pid, died, tally)
        victim.communicate()
        said = again.communicate()[1]
        if again.returncode != 0:
            tally.went_on_wrongly.append(said.strip()[-500:])
        else:
            after = look(out)
            differs = [key for key, value in self.whole[name].items() if after.get(key, "missing") != value]
            tally.went_on_wrongly += [f"{key} differs" for key in differs]
        shutil.rmtree(out, ignore_errors=True)

    def _orphans(self, session: int, died: float, tally: Tally) -> None:
        """Wait for what a killed command has left running, and end it where that takes too long."""
        while alive(session) and time.monotonic() < died + 30:
            time.sleep(0.02)
        lived = time.monotonic() - died
        for process in alive(session):
            os.kill(process, signal.SIGKILL)
        tally.orphans += lived > SOON
        tally.longest_orphan_seconds = max(tally.longest_orphan_seconds, lived)


def trials(kills: int, seed: int, names: list[str]) -> Iterator[dict[str, Tally]]:
    """So many kills, spread over commands; the tallies after each."""
    with tempfile.TemporaryDirectory() as place:
        run = Trials(Path(place), names, seed)
        turns = [name for name in names for _ in range(3 if name in RESUMED else 1)]
        for number in range(kills):
            run.kill(turns[number % len(turns)])
            yield run.tallies


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "kills.json")
    parser.add_argument("--kills", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="which (default all)")
    options = parser.parse_args()
    about = {"seed": options.seed, "machine": machine(), "versions": versions()}
    tallies: dict[str, Tally] = {}
    for tallies in trials(options.kills, options.seed, options.commands):
        done = sum(one.kills for one in tallies.values())
        print(f"\r{done:4d} of {options.kills}", end="", file=sys.stderr, flush=True)
        save(options.out, {"kills": done, **about, "commands": {name: asdict(one) for name, one in tallies.items()}})
    print(f"\n{'command':<12} {'kills':>5} {'writing':>8} {'lost or torn':>13} {'went on wrongly':>16} {'orphans':>8}")
    for name, one in tallies.items():
        wrong = (len(one.lost_or_torn), len(one.went_on_wrongly), one.orphans)
        print(f"{name:<12} {one.kills:>5} {one.while_writing:>8} {wrong[0]:>13} {wrong[1]:>16} {wrong[2]:>8}")
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
