"""Two versions in turns on the same films: what training and control take, and what they reach.

``python benchmarks/pairs.py --against COMMIT`` checks that commit out beside this one. Each seed drives films and
model; the films are those of ``goals.py``, taken once, and both versions train on them by their default recipes, one
after the other in processes of their own. The models of the first seed then reach goals in their own versions. Seeds
run side by side, so both versions share the machine alike. A row a seed goes to the screen, then the median ratio; all
figures, with machine and versions, to ``benchmarks/results/pairs.json``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from common import arguments, choose_systems, command, judge, save, side_by_side, summary
from goals import FIRST, SYSTEMS

ROOT = Path(__file__).parents[1]
SIDES = ("before", "now")
LOSSES = ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss")
CONTROL = ("success_rate", "oracle_success_rate", "cpu_seconds", "perceive_ms_median", "plan_ms_median")


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A folder with the files of a commit."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
        yield tree


def run_in(tree: Path, *words: str) -> None:
    """Run the command line of a version: Python takes the package of the folder that it is started in."""
    subprocess.run([sys.executable, "-m", "paig_control.cli.main", *words], cwd=tree, check=True)


def trained(tree: Path, name: str, data: Path, run: Path, seed: int) -> dict[str, Any]:
    """Figures of a training by one version."""
    words = (f"data={data}", *SYSTEMS[name].training, f"seed={seed}", "verbosity=0", f"out={run}")
    run_in(tree, "train", *words)
    found = summary(run)
    row = {key: found[key] for key in (*LOSSES, "constants", "cpu_seconds", "peak_mb", "machine", "versions")}
    judge(row["constants"])
    return row


def controlled(tree: Path, name: str, run: Path, goals: int) -> dict[str, Any]:
    """Figures of reaching goals by one version, baselines included."""
    words = (f"run={run}", f"env={SYSTEMS[name].env}", f"goals={goals}", f"seed={FIRST}", "film=0", "verbosity=0")
    run_in(tree, "control", *words, f"out={run}_control")
    found = summary(run.with_name(f"{run.name}_control"))
    return {f"control_{key}": found[key] for key in CONTROL}


def one_seed(name: str, trees: dict[str, Path], goals: int, folder: Path, first: int, seed: int) -> dict[str, Any]:
    """Both versions' figures on the films of one seed."""
    data = folder / f"{name}{seed}.npz"
    command("collect", f"env={SYSTEMS[name].env}", *SYSTEMS[name].films, f"seed={seed}", f"out={data}", "verbosity=0")
    row: dict[str, Any] = {"seed": seed}
    for side in SIDES:
        run = folder / f"{name}{seed}_{side}"
        row[side] = trained(trees[side], name, data, run, seed)
        if goals and seed == first:
            row[side] |= controlled(trees[side], name, run, goals)
    data.unlink()
    return row


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """Print a system's rows, and the medians of what the two versions take."""
    print(f"\n{name}  CPU-s before, now, ratio; losses before | now; constants, % off before | now")
    for row in rows:
        costs = [row[side]["cpu_seconds"] for side in SIDES]
        losses, off = ([f"{show_side(row[side], what)}" for side in SIDES] for what in ("losses", "constants"))
        print(f"  seed {row['seed']} {costs[0]:6.1f} {costs[1]:6.1f} {costs[1] / costs[0]:5.2f}  {' | '.join(losses)}")
        print(f"  {'':28}{' | '.join(off)}")
    ratios = [row["now"]["cpu_seconds"] / row["before"]["cpu_seconds"] for row in rows]
    print(f"  ratio: worst {max(ratios):.2f}, median {statistics.median(ratios):.2f}, best {min(ratios):.2f}")
    for row in rows:
        if "control_cpu_seconds" in row["now"]:
            for key in CONTROL:
                before, now = (row[side][f"control_{key}"] for side in SIDES)
                print(f"  control, {key:22} {before:8.3f} {now:8.3f}")
    sys.stdout.flush()


def show_side(row: dict[str, Any], what: str) -> str:
    """Losses, or how far the constants are off, of one version."""
    if what == "losses":
        return " ".join(f"{row[key]:.4f}" for key in LOSSES)
    return " ".join(
        f"{key} {one['percent_off']:.4f} ({one['std_off']:.1f} std)" for key, one in row["constants"].items()
    )


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "pairs.json")
    choose_systems(parser, [name for name in SYSTEMS if name != "spring_one"])
    parser.add_argument("--against", required=True, help="commit to compare with")
    ten = list(range(10))
    parser.add_argument("--seeds", nargs="+", type=int, default=ten, help="of films and models (default 0-9)")
    parser.add_argument("--goals", type=int, default=100, help="of the first seed's models; 0 for none (default 100)")
    parser.add_argument("--jobs", type=int, default=2, help="seeds side by side, a core each (default 2)")
    options = parser.parse_args()
    results: dict[str, Any] = {"against": options.against, "jobs": options.jobs, "goals": options.goals}
    with checked_out(options.against) as tree, side_by_side(options.jobs) as (pool, folder):
        trees = {"before": tree, "now": ROOT}
        for name in options.systems:
            work = partial(one_seed, name, trees, options.goals, folder, options.seeds[0])
            results[name] = list(pool.map(work, options.seeds))
            show(name, results[name])
            save(options.out, results)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
