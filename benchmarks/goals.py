"""Goal images reached in every scene: success on goals that were never shown, by models of seeds 0-4.

``python benchmarks/goals.py`` films random pushes, trains by the default recipe from the frames and the pushes alone,
and lets each model reach 100 goals that the environment draws. Each seed drives films and model alike and runs in
processes of its own, two seeds side by side; all models of a scene have the same starts and goals, and so the random
agent and the oracle, the same planner on true state and true physics, play them once. With ``--keep FOLDER`` what is
trained already is not trained again. One row a model goes to the screen beside what it must reach; all figures, with
machine and versions, to ``benchmarks/results/goals.json``.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from common import arguments, choose_systems, command, judge, learned, save, side_by_side, summary

from paig_control.runs import read_summary

FIRST = 1000
"""Seed of the first episode; the i-th has its own, and its goal."""
FIGURES = (
    *("success_rate", "success_interval", "episodes", "hold", "within", "start_distance_min", "starts_solved"),
    *("goals_held", "goals_distance", "control_hz", "perceive_ms_median", "plan_ms_median"),
)
BASELINES = tuple(f"{who}_success_{what}" for who in ("oracle", "random") for what in ("rate", "interval"))


class System(NamedTuple):
    """How a scene is filmed and trained, and what its models must reach.

    Attributes:
        env: its name.
        films: how films are taken; the pushes are gentle, so that things stay in the picture.
        training: options of training.
        below_oracle: points by which success may stay below the oracle's.
        enough: rate of success that is enough, whatever the oracle reaches; None if only the oracle counts.
    """

    env: str
    films: tuple[str, ...]
    training: tuple[str, ...]
    below_oracle: float = 0.03
    enough: float | None = 0.95


def pushed(force: float) -> tuple[str, ...]:
    """Films of bodies under random pushes of up to ``force`` px/s²."""
    return "sequences=200", "steps=12", "test=8", f"env.kwargs.max_force={force:g}"


SYSTEMS = {
    "pendulum": System("gym_pendulum", ("sequences=32", "steps=30"), ("physics=pendulum",)),
    "spring": System("spring", pushed(2), ("physics=spring",)),
    "spring_half": System("spring_half", pushed(1.5), ("physics=spring",)),
    "bouncing": System("bouncing", pushed(2), ("physics=bouncing",)),
    "digit_spring": System("digit_spring", pushed(3), ("physics=spring",)),
    "three_body": System("three_body", pushed(0.5), ("physics=gravity", "physics.objects=3"), 0.05, None),
    "spring_one": System("spring_one", pushed(3), ("physics=spring", "physics.actuated=[0]"), 0.10, None),
}


def train(name: str, seed: int, folder: Path) -> Path:
    """Collect and train, unless that is done already; the run's folder."""
    system, run = SYSTEMS[name], folder / f"{name}{seed}"
    if read_summary(run) is not None:
        return run
    return learned(run, (f"env={system.env}", *system.films), system.training, seed)


def control(name: str, run: Path, goals: int, *words: str) -> dict[str, Any]:
    """Let a trained model reach goals; what was found."""
    common = (f"run={run}", f"env={SYSTEMS[name].env}", f"goals={goals}", f"seed={FIRST}", "film=0", "verbosity=0")
    with tempfile.TemporaryDirectory() as out:
        command("control", *common, *words, f"out={out}")
        return summary(Path(out))


def one_seed(name: str, goals: int, folder: Path, seed: int, first: int) -> dict[str, Any]:
    """Train and reach goals; the figures of one row, with those of the baselines, which the first seed plays."""
    baselines = seed == first
    run = train(name, seed, folder)
    trained = summary(run)
    row = {key: trained[key] for key in ("constants", "frames", "cpu_seconds", "peak_mb", "machine", "versions")}
    judge(row["constants"])
    found = control(name, run, goals, f"baselines={str(baselines).lower()}")
    row |= {"seed": seed, **{key: found[key] for key in FIGURES}}
    row |= {f"control_{key}": found[key] for key in ("cpu_seconds", "wall_seconds")}
    return row | ({key: found[key] for key in BASELINES} if baselines else {})


def required(name: str, oracle: float) -> float:
    """Rate of success that a model of a scene must reach."""
    system = SYSTEMS[name]
    allowed = oracle - system.below_oracle
    return allowed if system.enough is None else min(system.enough, allowed) if oracle < 1 else system.enough


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """Print a scene's baselines, then a row a model."""
    first = rows[0]
    need = required(name, first["oracle_success_rate"])
    kind = f"held through the last {first['hold']} steps" if first["hold"] else "reached at some step"
    print(f"\n{name}: {first['episodes']} goals, {first['start_distance_min']:.2f} or more from the start, {kind}")
    for who in ("oracle", "random"):
        print(f"  {who:6} {shown(first, f'{who}_')}")
    for row in rows:
        constants = "  ".join(f"{key} {c['percent_off']:.3f} %" for key, c in row["constants"].items())
        missed = "" if row["success_rate"] >= need - 1e-9 else f"  MISSED {need:.0%}"
        cost = f"trained in {row['cpu_seconds']:.0f} CPU-s, {row['control_hz']:.0f} decisions/s"
        print(f"  seed {row['seed']} {shown(row)}  {cost}, off by: {constants}{missed}")


def shown(row: dict[str, Any], who: str = "") -> str:
    """Rate of success and its 95 % interval."""
    low, high = row[f"{who}success_interval"]
    return f"{row[f'{who}success_rate']:7.1%} ({low:.1%} to {high:.1%})"


def parsed(about: str | None, file: str) -> Namespace:
    """Options of a benchmark of goals: the scenes, the models, and where they are kept.

    Args:
        about: the script's own description.
        file: name of its figures.
    """
    parser = arguments(about, file)
    choose_systems(parser, SYSTEMS)
    seeds = list(range(5))
    parser.add_argument("--seeds", nargs="+", type=int, default=seeds, help="of films and models (default 0-4)")
    parser.add_argument("--goals", type=int, default=100, help="held-out goals a model (default 100)")
    parser.add_argument("--jobs", type=int, default=2, help="models side by side, a core each (default 2)")
    parser.add_argument("--keep", type=Path, help="folder of trained models, and of those that are trained now")
    return parser.parse_args()


def played(options: Namespace, row: Callable[..., dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Work on all models of all scenes; the rows of a scene as soon as they are there.

    Args:
        options: as parsed.
        row: makes the figures of a model from a scene's name, the count of goals, the folder of models and a seed.
    """
    with side_by_side(options.jobs, options.keep) as (pool, folder):
        works = [(name, partial(row, name, options.goals, folder)) for name in options.systems]
        for name, rows in [(name, pool.map(work, options.seeds)) for name, work in works]:
            yield name, list(rows)


def main() -> None:
    """Run, print and save."""
    options = parsed(__doc__, "goals.json")
    results: dict[str, Any] = {"goals": options.goals, "first_episode_seed": FIRST, "jobs": options.jobs}
    for name, rows in played(options, partial(one_seed, first=options.seeds[0])):
        results[name] = [{**{key: rows[0][key] for key in BASELINES}, **row} for row in rows]
        show(name, results[name])
        save(options.out, results)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
