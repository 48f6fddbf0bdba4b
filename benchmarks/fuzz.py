"""Damaged inputs by the ten thousand: each must end in success or in one clear sentence, and no code in it may run.

``make fuzz`` (``make fuzz SECONDS=60``) draws from the families in ``families.py`` in turn until the time is over,
and prints for each how many were taken and how many refused. Whatever else happens (another exception, a hang, code
that ran, more than 1 GB of memory) is kept in a folder of its own; ``python benchmarks/fuzz.py --replay FOLDER`` shows
it again.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from damage import Files
from families import Family, families
from hypothesis import HealthCheck, Phase, given, seed, settings

from paig_control.errors import PaigError

MOST_MB = 1000
"""Resident memory of the whole process, torch and all."""
TIMERS = ((signal.ITIMER_PROF, signal.SIGPROF, 30), (signal.ITIMER_REAL, signal.SIGALRM, 300))
"""Seconds of work for one input, and of waiting."""


class HangError(BaseException):
    """An input that takes too long; no ``except Exception`` hides it."""


def _late(*_: Any) -> None:
    raise HangError("it came to no end")


def write(files: Files, folder: Path) -> None:
    """Put an input on disk."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(content)


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Fuzz:
    """A run over families.

    Args:
        place: folder for inputs that fail.
        scratch: folder for the inputs.
    """

    def __init__(self, place: Path, scratch: Path) -> None:
        self.place, self.scratch, self.canary = place, scratch, scratch / "canary"
        (scratch / "home").mkdir(parents=True)
        self.families = families(scratch / "home", str(self.canary))
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in self.families}
        self.spent: dict[str, float] = dict.fromkeys(self.families, 0.0)
        self.failures: list[str] = []

    def round(self, name: str, number: int, batch: int | None = None) -> None:
        """A batch of inputs of a family, drawn by this number."""
        family = self.families[name]
        quiet = settings(
            max_examples=batch or family.batch,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )

        @seed(number)
        @quiet
        @given(family.draws)
        def draw(files: Files) -> None:
            self.one(name, family, files)

        draw()

    def one(self, name: str, family: Family, files: Files) -> None:
        """One input, on disk and used; what it ends in is counted."""
        folder = self.scratch / "input"
        shutil.rmtree(folder, ignore_errors=True)
        write(files, folder)
        before, began, said = peak_mb(), time.process_time(), ""
        for timer, late, patience in TIMERS:
            signal.signal(late, _late)
            signal.setitimer(timer, patience)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                family.use(folder)
            outcome = "accepted"
        except PaigError:
            outcome = "refused"
        except (Exception, HangError):
            outcome, said = "failed", traceback.format_exc()
        finally:
            for timer, _, _ in TIMERS:
                signal.setitimer(timer, 0)
        if self.canary.exists():
            self.canary.unlink()
            outcome, said = "failed", f"code in the file has run\n{said}"
        elif before <= MOST_MB < peak_mb():
            outcome, said = "failed", f"memory grew from {before:.0f} to {peak_mb():.0f} MB\n{said}"
        self.counts[name].update(["inputs", outcome])
        self.spent[name] += time.process_time() - began
        if said:
            self.keep(name, files, said)

    def keep(self, name: str, files: Files, said: str) -> None:
        """Put an input that failed aside, unless one like it is there."""
        where = [
            line.strip() for line in said.splitlines() if "paig_control" in line and line.lstrip().startswith("File")
        ]
        last = f"{name}: {said.strip().splitlines()[-1][:120]} at {where[-1] if where else 'the outside'}"
        if last in self.failures:
            return
        self.failures.append(last)
        folder = self.place / f"{name}-{len(self.failures)}"
        shutil.rmtree(folder, ignore_errors=True)
        write(files, folder / "input")
        (folder / "error.txt").write_text(said, errors="backslashreplace")

    def table(self) -> str:
        """Counts by family."""
        columns = ("inputs", "accepted", "refused", "failed")
        lines = [f"{'family':<12}" + "".join(f"{name:>10}" for name in (*columns, "CPU s"))]
        whole: Counter[str] = sum(self.counts.values(), Counter())
        for name, found in {**self.counts, "all": whole}.items():
            spent = self.spent[name] if name in self.spent else sum(self.spent.values())
            lines.append(f"{name:<12}" + "".join(f"{found[column]:>10}" for column in columns) + f"{spent:>10.0f}")
        return "\n".join(lines)


def replay(folder: Path, found: Mapping[str, Family]) -> None:
    """Use an input that was kept; its traceback is the user's to read."""
    found[folder.name.rpartition("-")[0]].use(folder / "input")


def main() -> int:
    """Fuzz for a while, or replay; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1200, help="how long (default 1200)")
    parser.add_argument("--seed", type=int, default=0, help="of the first draw (default 0)")
    parser.add_argument("--only", nargs="*", default=[], help="families, all by default")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="folder of failures (default runs/fuzz)")
    parser.add_argument("--replay", type=Path, help="a folder of a failure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        fuzz = Fuzz(options.out, Path(name))
        if options.replay:
            replay(options.replay, fuzz.families)
            return 0
        held = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (4 * 2**30, held[1]))  # a net beneath the watch
        end, number = time.monotonic() + options.seconds, options.seed
        while time.monotonic() < end:
            for family in options.only or fuzz.families:
                if time.monotonic() < end:
                    fuzz.round(family, number)
            number += 1
    print(fuzz.table())
    print(f"{time.process_time():.0f} CPU seconds in all, at most {peak_mb():.0f} MB of memory")
    for failure in fuzz.failures:
        print(f"failed: {failure}")
    if fuzz.failures:
        print(f"{len(fuzz.failures)} kinds of failures are in {options.out}")
    return int(bool(fuzz.failures))


if __name__ == "__main__":
    sys.exit(main())
