"""``--multirun``: a command for every combination of the values given, through Hydra's own runner and launchers.

Hydra's folders and log files are switched off. Trainings run side by side on the joblib launcher, one thread each,
every run in a folder of its own inside ``out``; a run that fails is a row of the table and does not stop the others,
and ``resume=true`` leaves alone what had ended. One table and one figure are made from what lies in the folders.

The worker processes of a sweep end with the process that began them, however that ended.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import os
import re
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from paig_control import runs
from paig_control.border import files
from paig_control.border.files import claims
from paig_control.border.reading import FLAG, NOTHING, NUMBER
from paig_control.cli import callbacks, output
from paig_control.cli.output import steady
from paig_control.errors import PaigError
from paig_control.experiment.compose import bare, configure, freed, in_quotes, parse, reason
from paig_control.experiment.schema import lists

LOOKS = 0.2
"""Seconds between two looks for the parent."""


def end_with(parent: int) -> None:
    """End this process as soon as ``parent``, which began it, is gone; it may be gone already.

    A process whose parent has died gets another one, on every system but Windows; there joblib's own pipes end a worker
    when its job is done.
    """
    if os.name == "posix":
        Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOKS)
    os._exit(1)  # at once, as after a kill: all that is written is whole at every moment


FAILED, TABLE, FIGURE = "failed.txt", "sweep.csv", "sweep.png"
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
    if command != "train":
        _launch(command, overrides, _Job(command), {})
        return 0
    if config.view != "none":
        raise PaigError(f"view={config.view} shows one training: leave it out with --multirun.")
    return _Trainings(config, swept, shared, line).run(overrides)


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


def _launch(command: str, overrides: Sequence[Override], job: _Job, defaults: Mapping[str, str]) -> None:
    """Hand the jobs to Hydra."""
    import hydra
    from hydra.errors import HydraException

    with tempfile.TemporaryDirectory() as scratch:
        quiet = {
            "hydra.sweep.dir": in_quotes(scratch),
            "hydra.sweep.subdir": ".",
            "hydra.output_subdir": "null",
            "hydra/job_logging": "none",
            "hydra/hydra_logging": "none",
            **defaults,
        }
        given = {one.key_or_group for one in overrides}
        words = [f"{key}={value}" for key, value in quiet.items() if key not in given]
        words += [freed(str(one.input_line)) for one in overrides]
        configs = str(Path(__file__).parents[1] / "configs")
        before, sys.argv = sys.argv, ["paig-control", "--multirun", *words]
        try:
            with _environment(HYDRA_FULL_ERROR="1", OMP_NUM_THREADS="1"), _watchful_workers():
                hydra.main(version_base="1.3", config_path=configs, config_name=command)(job)()
        except HydraException as error:
            raise PaigError(reason(error, None)) from None
        finally:
            sys.argv = before


@contextmanager
def _watchful_workers() -> Iterator[None]:
    """Let joblib's workers look for their parent from their first moment on, and not from their first job on."""
    from joblib import parallel, register_parallel_backend  # type: ignore[import-untyped]

    usual = parallel.BACKENDS["loky"]
    register_parallel_backend("loky", partial(usual, initializer=end_with, initargs=(os.getpid(),)))
    try:
        yield
    finally:
        register_parallel_backend("loky", usual)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables of the environment for a while; the processes of the jobs inherit them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Job:
    """One job, as Hydra's launchers call it; it may be sent to another process."""

    def __init__(self, command: str) -> None:
        self.command, self.__name__, self.__module__ = command, "paig_control", __name__

    def __call__(self, config: DictConfig) -> None:
        """Run the command."""
        from hydra.core.hydra_config import HydraConfig

        from paig_control.cli.main import execute

        words = [str(word) for word in HydraConfig.get().overrides.task]
        OmegaConf.resolve(config)
        with steady(), claims():
            execute(self.command, config, shlex.join(["paig-control", self.command, *words]))


class _Training(_Job):
    """One training of a sweep: quiet, in a folder of its own, and never the end of the others.

    Args:
        swept: options that differ between the runs.
        total: number of runs.
    """

    def __init__(self, swept: Sequence[str], total: int) -> None:
        super().__init__("train")
        self.swept, self.total = list(swept), total

    def __call__(self, config: DictConfig) -> None:
        """Train, unless that is done; what goes wrong is written into the run's folder."""
        from hydra.core.hydra_config import HydraConfig

        given = dict(str(word).lstrip("+").split("=", 1) for word in HydraConfig.get().overrides.task)
        values = {key: given[key] for key in self.swept}
        place = files.expanded(config.out) / name_of(values)
        speak, number = config.verbosity > 0, HydraConfig.get().job.num + 1
        config.out, config.verbosity = str(place), 0
        OmegaConf.resolve(config)
        try:
            if config.resume and ended(place, config):
                said = "had ended"
            else:
                files.remove(place / FAILED)
                super().__call__(config)
                said = "done"
        except Exception as error:  # whatever it is, the other runs go on
            said = str(error) if isinstance(error, PaigError) else traceback.format_exc()
            runs.write(place / FAILED, said + "\n")
            said = f"failed: {last_line(said)}"
        if speak:
            print(f"{number:4d} of {self.total}  {place.name}: {said}", file=sys.stderr, flush=True)


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

    def run(self, overrides: Sequence[Override]) -> int:
        """Run them all, then write and print what came out; the exit code."""
        job = _Training(list(self.swept), len(self.runs))
        try:
            _launch("train", overrides, job, {"hydra/launcher": "joblib"})
        except PaigError:
            raise
        except Exception as error:  # a process that was killed takes joblib's pool with it
            self.conclude()
            raise PaigError(
                f"The sweep was broken off ({type(error).__name__}: {last_line(str(error) or 'no reason given')}). "
                "What had ended is kept: go on with the same command and resume=true."
            ) from error
        return self.conclude()

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
        if (place / FAILED).exists():
            return row | {"error": last_line((place / FAILED).read_text(encoding="utf-8"))}
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
