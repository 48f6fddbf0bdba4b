"""``--multirun``: a command for every combination of the values given, through Hydra's own runner and launchers.

Trainings run side by side on the joblib launcher, or on a cluster, one thread each, every run in a folder of its own
inside ``out``; a run that fails is a row of the table and does not stop the others, and ``resume=true`` leaves alone
what had ended. One table and one figure are made from what lies in the folders.

A training that is begun again, because its process died or a cluster took its machine away, goes on from its last
checkpoint. Where processes died, the sweep begins once more what had not ended, each in a process of its own, so that
one that dies again takes no other with it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import os
import pickle
import re
import secrets
import shlex
import subprocess
import sys
import traceback
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from paig_control import runs
from paig_control.border import files
from paig_control.border.files import claims
from paig_control.border.reading import FLAG, NOTHING, NUMBER
from paig_control.cli import callbacks, output
from paig_control.cli.launching import end_with, launch
from paig_control.cli.output import steady
from paig_control.errors import PaigError
from paig_control.experiment.compose import bare, configure, freed, parse
from paig_control.experiment.schema import lists

FAILED, TABLE, FIGURE, MARK = "failed.txt", "sweep.csv", "sweep.png", ".sweep"
APART = "import pickle, sys; job, *rest = pickle.load(sys.stdin.buffer); job.train(*rest)"
"""What a process that trains apart from others does."""
LOSSES = ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss")
ROW = {
    "options": {},
    "converged": FLAG,
    "constants": {"*": {"value": NUMBER, "std": NUMBER, "truth?": NUMBER}},
    "cpu_seconds": NUMBER,
    **dict.fromkeys(LOSSES, (NOTHING, NUMBER)),
}
"""The form of a run's summary, as far as the table reads it."""
Values = Mapping[str, str]
"""What a run was given beyond what all runs share: value by option."""


def run(command: str, words: list[str]) -> int:
    """Run a sweep; returns the exit code, 1 if a training failed.

    Raises:
        PaigError: for what fits no command or no launcher, before anything runs.
    """
    line = shlex.join(["paig-control", command, "--multirun", *words])
    overrides = parse(words, sweep=True, several=lists(command))
    own = [one for one in overrides if not str(one.key_or_group).startswith("hydra")]
    swept = {str(one.key_or_group): _values(one) for one in own if one.is_sweep_override()}
    shared = [str(one.input_line) for one in own if not one.is_sweep_override()]
    config = _check(command, shared, swept)
    lines = {str(one.key_or_group): freed(str(one.input_line)) for one in overrides}
    if command != "train":
        launch(command, lines, _Job(command), "basic")
        return 0
    if config.view != "none":
        raise PaigError(f"view={config.view} shows one training: leave it out with --multirun.")
    return _Trainings(config, swept, shared, line).run(lines)


def _values(one: Override) -> list[str]:
    """Values of a comma list or a range."""
    if not one.is_discrete_sweep():
        raise PaigError(f"{one.input_line}: expected a list or a range, for example seed=0,1,2 or 'seed=range(0,10)'.")
    return [str(value) for value in one.sweep_string_iterator()]


def _check(command: str, shared: list[str], swept: Mapping[str, list[str]]) -> DictConfig:
    """Compose every value once, so that a wrong one is refused before anything runs; returns the first job's."""
    first = {key: values[0] for key, values in swept.items()}
    config = configure(command, [*shared, *(f"{key}={value}" for key, value in first.items())])
    for key, values in swept.items():
        for value in values[1:]:
            configure(command, [*shared, *(f"{k}={v}" for k, v in (first | {key: value}).items())])
    return config


class _Job:
    """One job, as Hydra's launchers call it; it may be sent to another process."""

    def __init__(self, command: str) -> None:
        self.command, self.__name__, self.__module__ = command, "paig_control", __name__

    def __call__(self, config: DictConfig) -> None:
        """Run the command."""
        OmegaConf.resolve(config)
        self.execute(config, self.line())

    def line(self) -> str:
        """What one would write for this job alone."""
        from hydra.core.hydra_config import HydraConfig

        words = [str(word) for word in HydraConfig.get().overrides.task]
        return shlex.join(["paig-control", self.command, *words])

    def execute(self, config: DictConfig, line: str) -> None:
        """Run the command, in whatever process."""
        from paig_control.cli.main import execute

        with steady(), claims():
            execute(self.command, config, line)


class _Training(_Job):
    """One training of a sweep: quiet, in a folder of its own, and never the end of the others.

    Args:
        swept: options that differ between the runs.
        total: number of runs.
        token: of this sweep, which a run's folder has once this sweep has begun it.
        again: names of the runs that have died and are begun again; ``None`` at first, when all are begun.
    """

    def __init__(self, swept: Sequence[str], total: int, token: str, again: Collection[str] | None = None) -> None:
        super().__init__("train")
        self.swept, self.total, self.token, self.again = list(swept), total, token, again

    def __call__(self, config: DictConfig) -> None:
        """Train, unless that is done; what goes wrong is written into the run's folder."""
        from hydra.core.hydra_config import HydraConfig

        given = dict(str(word).lstrip("+").split("=", 1) for word in HydraConfig.get().overrides.task)
        values = {key: given[key] for key in self.swept}
        place = files.expanded(config.out) / name_of(values)
        if self.again is not None and place.name not in self.again:
            return
        speak, number = config.verbosity > 0, HydraConfig.get().job.num + 1
        config.out, config.verbosity = str(place), 0
        OmegaConf.resolve(config)
        said = self.train(config, self.line()) if self.again is None else self._train_apart(config, self.line())
        if speak:
            print(f"{number:4d} of {self.total}  {place.name}: {said}", file=sys.stderr, flush=True)

    def train(self, config: DictConfig, line: str, parent: int | None = None) -> str:
        """Train, in this process, which ends with ``parent`` if that is given; says what came of it."""
        if parent is not None:
            end_with(parent)
        place = Path(config.out)
        try:
            if mark(place) == self.token:  # it was begun before: by a process that died, or was sent away
                config.resume, config.overwrite = True, False
            if config.resume and ended(place, config):
                said = "had ended"
            else:
                runs.write(place / MARK, self.token)
                files.remove(place / FAILED)
                self.execute(config, line)
                said = "done"
        except Exception as error:  # whatever it is, the other runs go on
            said = self._failed(place, str(error) if isinstance(error, PaigError) else traceback.format_exc())
        runs.write(place / MARK, done(self.token))
        return said

    def _train_apart(self, config: DictConfig, line: str) -> str:
        """Train in a process of its own, and write down if that dies."""
        place = Path(config.out)
        plain = OmegaConf.create(OmegaConf.to_container(config))  # the records behind it cannot be pickled
        packed = pickle.dumps((self, plain, line, os.getpid()))
        code = subprocess.run([sys.executable, "-c", APART], input=packed, check=False).returncode
        if mark(place) != done(self.token):
            return self._failed(place, f"Its process died twice, at last with exit code {code}.")
        why = failure(place)
        return "ended at the second try" if why is None else f"failed: {why}"

    def _failed(self, place: Path, why: str) -> str:
        runs.write(place / FAILED, why + "\n")
        return f"failed: {last_line(why)}"


def mark(place: Path) -> str:
    """How far a sweep has come with a run: its token when it was begun, and the same :func:`done`."""
    path = place / MARK
    return path.read_text(encoding="utf-8") if path.exists() else ""


def done(token: str) -> str:
    """The mark of a run that came to an end, whether it failed or not."""
    return f"{token} done"


def failure(place: Path) -> str | None:
    """Why a run failed, in a line; None if it did not."""
    path = place / FAILED
    return last_line(path.read_text(encoding="utf-8")) if path.exists() else None


def name_of(values: Values) -> str:
    """Name of a run's folder: its own options in the order of the alphabet, the last part of a key if that is clear."""
    tails = [key.rpartition(".")[2] for key in values]
    keys = {key: tail if tails.count(tail) == 1 else key for key, tail in zip(values, tails, strict=True)}
    full = ",".join(f"{keys[key]}={bare(values[key])}" for key in sorted(values)) or "run"
    clean = re.sub(r"[^\w.,=+-]", "_", full).encode()[:120].decode(errors="ignore")  # names are limited in bytes
    return clean if clean == full else f"{clean}-{hashlib.sha256(full.encode(errors='surrogatepass')).hexdigest()[:8]}"


def ended(place: Path, config: DictConfig) -> bool:
    """Whether this very training, with these options on these data, has ended in its folder."""
    from paig_control.data import episodes

    try:
        found = runs.read_summary(place)
    except PaigError:  # what cannot be read is trained again
        found = None
    if found is None or found.get("data_sha256") != episodes.load(config.data).identity:
        return False
    wanted = OmegaConf.to_container(config, resolve=True)
    assert isinstance(wanted, dict)
    aside = ("out", "overwrite", "resume", "threads", "tracker", "verbosity", *callbacks.OPTIONS)
    return all(found["options"].get(k) == v for k, v in wanted.items() if k not in aside)


def last_line(text: str) -> str:
    """The last line of a message, which in a traceback says what it was."""
    return text.strip().splitlines()[-1]


class _Trainings:
    """The trainings of a sweep, their table and their figure."""

    def __init__(self, config: DictConfig, swept: Mapping[str, list[str]], shared: Sequence[str], line: str) -> None:
        from paig_control.data import episodes

        if "out" in swept or any(word.startswith("out=") and "${" in word for word in shared):
            raise PaigError(
                "out is the folder of the whole sweep, in which every run gets one of its own, named after its "
                "options: give one plain folder, for example out=runs/sweep."
            )
        if config.resume and config.overwrite:
            raise PaigError("resume=true goes on with a sweep and overwrite=true begins it anew: choose one.")
        episodes.load(config.data)  # refused here once, not in every run
        self.config, self.swept, self.line = config, swept, line
        self.runs = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
        self.folder = runs.folder(config.out, config.overwrite, config.resume)

    def run(self, lines: dict[str, str]) -> int:
        """Run them all, those that died once more, then write and print what came out; the exit code."""
        token = secrets.token_hex(8)
        names = list(self.swept)
        try:
            with suppress(BrokenExecutor):  # a process that was killed takes joblib's pool with it
                self._launch(lines, _Training(names, len(self.runs), token))
            left = [values for values in self.runs if mark(self.place(values)) != done(token)]
            if left:
                output.Screen(self.config.verbosity).remark(
                    f"{len(left)} of {len(self.runs)} runs did not end, since processes died: they are begun once "
                    "more, and go on from their last checkpoints."
                )
                chosen = {key: list(dict.fromkeys(values[key] for values in left)) for key in names}
                fewer = lines | {key: freed(f"{key}={','.join(some)}") for key, some in chosen.items()}
                again = [self.place(values).name for values in left]
                self._launch(fewer, _Training(names, len(self.runs), token, again))
        except PaigError:
            raise
        except Exception as error:  # a launcher that fails, or a process that began others and was killed
            self.conclude()
            raise PaigError(
                f"The sweep was broken off ({type(error).__name__}: {last_line(str(error) or 'no reason given')}). "
                "What had ended is kept: go on with the same command and resume=true."
            ) from error
        return self.conclude()

    def _launch(self, lines: Mapping[str, str], job: _Training) -> None:
        launch("train", lines, job, "joblib", self.folder.resolve())

    def conclude(self) -> int:
        """Write table, figure and summary; the exit code."""
        from paig_control.report.style import png
        from paig_control.report.training import sweep_figure

        rows = [self.row(values) for values in self.runs]
        files.remove(self.folder / runs.SUMMARY)  # it would tell of other runs
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
        runs.write(self.folder / TABLE, text.getvalue())
        curves = [(self.setting(v), self.history(v)) for v, row in zip(self.runs, rows, strict=True) if row["ended"]]
        if curves:
            files.write(self.folder / FIGURE, png(sweep_figure(curves)))
        runs.summary(self.folder / runs.SUMMARY, self.line, self.config, {"runs": rows})
        self.show(rows)
        return int(not all(row["ended"] for row in rows))

    def place(self, values: Values) -> Path:
        """Folder of a run."""
        return self.folder / name_of(values)

    def row(self, values: Values) -> dict[str, Any]:
        """What is known about a run."""
        place = self.place(values)
        row: dict[str, Any] = {
            **{key: bare(value) for key, value in values.items()},
            "folder": place.name,
            "ended": False,
            "error": "",
        }
        try:
            found = runs.read_summary(place, ROW)
        except PaigError as error:
            return row | {"error": str(error)}
        why = failure(place)
        if why is not None:
            return row | {"error": why}
        if found is None:
            return row | {"error": "did not end"}
        row |= {"ended": True, "converged": found["converged"]} | {name: found[name] for name in LOSSES}
        for name, one in found["constants"].items():
            row |= {name: one["value"], f"{name}_std": one["std"]}
            row |= {f"{name}_truth": one["truth"]} if "truth" in one else {}
        return row | {"cpu_seconds": found["cpu_seconds"]}

    def setting(self, values: Values) -> str:
        """What tells a run from others but its seed."""
        named = ", ".join(f"{key} = {bare(value)}" for key, value in values.items() if key != "seed") or "all seeds"
        return named.replace("$", r"\$")  # or the figure would read mathematics between two of them

    def history(self, values: Values) -> dict[str, list[dict[str, float]]]:
        """Rows of figures by stage."""
        from paig_control.models import checkpoint

        history: dict[str, list[dict[str, float]]] = checkpoint.load(self.place(values)).record["history"]
        return history

    def show(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Print the table: a row a run."""
        screen = output.Screen(self.config.verbosity)
        names = [name[:-4] for name in dict.fromkeys(n for row in rows for n in row) if name.endswith("_std")]
        lines = []
        for row in rows:
            cells = [row[key] for key in self.swept]
            if row["ended"]:
                cells += [_number(row[name]) for name in LOSSES]
                cells += [f"{row[name]:.5g}" if name in row else "" for name in names]
                cells += [f"{row['cpu_seconds']:.0f}", "" if row["converged"] else "not converged"]
            else:
                cells += [""] * (len(LOSSES) + len(names) + 1) + [row["error"]]
            lines.append(cells)
        heads = [key.rpartition(".")[2] for key in self.swept]
        heads += ["recons", "pred", "extrap", *names, "CPU s", "remarks"]
        screen.table(f"Runs in {self.folder}", heads, lines)
        drawn = f", the learning curves in {self.folder / FIGURE}" if any(row["ended"] for row in rows) else ""
        screen.say(f"The table is in {self.folder / TABLE}{drawn}.")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
