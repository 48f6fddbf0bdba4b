"""Scenes that a stranger wrote, ``examples/own``, learned from 200 films each through the command line.

A charged ball in a magnetic field, whose force is no part of the library, and three balls in a row on springs between
two posts, whose numbers must be found from their motion. Each seed drives data and model alike. ``python
benchmarks/own.py`` prints worst, median and best; all figures, with machine and versions, go to
``benchmarks/results/own.json``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from common import arguments, judge, learned, save, side_by_side, summary
from systems import show

OWN = Path(__file__).parents[1] / "examples" / "own"


class Scene(NamedTuple):
    """What is filmed, what it is learned as, and the truth, which its environment does not tell."""

    env: str
    physics: str
    steps: int
    truth: dict[str, float]


SCENES = {
    "cyclotron": Scene("cyclotron:Cyclotron-v0", "cyclotron.yaml", 16, {"field": 1.5, "actuation": 1.0}),
    "row": Scene(
        "row:Row-v0",
        "row.yaml",
        12,
        {"spring_stiffness": 3.0, "spring_rest_length": 7.0, "tether_stiffness": 2.0, "tether_rest_length": 2.0},
    ),
}
LIMITS = {"percent_off": 0.5, "cpu_seconds": 250.0, "peak_mb": 2000.0}


def measure(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """Film, learn and judge."""
    scene = SCENES[name]
    run = learned(
        folder / f"{name}-{seed}",
        [f"env={scene.env}", "sequences=200", f"steps={scene.steps}", "valid=4", "test=20", "num_envs=1"],
        [f"physics={scene.physics}", "threads=1"],
        seed,
    )
    found = summary(run)
    for constant, truth in scene.truth.items():
        found["constants"][constant]["truth"] = truth
    judge(found["constants"])
    kept = ("constants", "cpu_seconds", "peak_mb", "notes", "machine", "versions")
    return {"seed": seed, **{key: found[key] for key in kept}}


def main() -> None:
    """Measure, print, save."""
    parser = arguments(__doc__, "own.json")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0 on (default 5)")
    parser.add_argument("--jobs", type=int, default=2, help="side by side (default 2)")
    options = parser.parse_args()
    os.chdir(OWN)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as passing, side_by_side(options.jobs, Path(passing)) as (pool, folder):
        for name in SCENES:
            results[name] = list(pool.map(lambda seed, name=name: measure(name, folder, seed), range(options.seeds)))
            show(name, results[name], LIMITS)
            save(options.out, results)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
