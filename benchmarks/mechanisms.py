"""Carts, poles and double pendulums that nobody here wrote: learned from their pixels, beside the engines' own numbers.

``python benchmarks/mechanisms.py`` films random play of each environment (3,000 frames of 64 x 64), trains by the
default recipe from frames and actions alone, and evaluates on 100 films that were held out: coordinates in all their
frames, and how far off joints are a second (acrobots: half of one) after the first four. Each seed drives films and
model alike. A row a seed goes to the screen, then worst, median and best of the seeds; all figures, with machine and
versions, to ``benchmarks/results/mechanisms.json``. dm_control's come with
``pip install 'paig-control[dm_control]'``.
"""

from __future__ import annotations

import math
import statistics
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import arguments, choose_systems, command, judge, save, side_by_side, summary

from paig_control.data import episodes
from paig_control.evaluation.metrics import against_truth
from paig_control.evaluation.prediction import predict, read
from paig_control.models import checkpoint
from paig_control.runs import read_summary

UNSEEN = 100
"""Held-out films."""


class System(NamedTuple):
    """How an environment is filmed and learned.

    Attributes:
        env: its id.
        physics: the scene.
        words: of filming, beside the number of films.
        training: options of training.
        films: how many.
        steps: frames of each.
        dt: seconds between two frames.
        ahead: seconds for which joints are foreseen.
    """

    env: str
    physics: str
    words: tuple[str, ...] = ("env.kwargs.endless=true",)
    training: tuple[str, ...] = ()
    films: int = 40
    steps: int = 75
    dt: float = 0.04
    ahead: float = 1.0

    @property
    def foreseen(self) -> int:
        """Frames after the first four."""
        return math.ceil(self.ahead / self.dt - 1e-9)


SYSTEMS = {
    "cartpole": System("CartPole-v1", "cartpole", dt=0.02),
    "acrobot": System("Acrobot-v1", "acrobot", dt=0.2, ahead=0.5),
    "dm_cartpole": System("dm_control/cartpole-swingup", "cartpole", ("env.kwargs.skip=2",)),
    "dm_point_mass": System("dm_control/point_mass-easy", "point_mass", ("env.kwargs.skip=2",)),
    "dm_acrobot": System(
        "dm_control/acrobot-swingup", "acrobot", ("env.kwargs.skip=2",), ("physics.friction=true",), ahead=0.5
    ),
    "dm_pendulum": System(
        "dm_control/pendulum-swingup",
        "pendulum",
        ("env.kwargs.skip=2",),
        ("physics.friction=true", "model.camera=oblique"),
    ),
    "dm_reacher": System("dm_control/reacher-easy", "reacher", ("env.kwargs.skip=2",)),
}


def one_seed(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """Film, train and evaluate; the figures of one row."""
    system, place = SYSTEMS[name], folder / f"{name}{seed}"
    common = (f"seed={seed}", "verbosity=0", "overwrite=true")
    data = place.with_suffix(".npz")
    unseen = (f"test={UNSEEN}", f"test_steps={4 + system.foreseen}")
    counts = (f"sequences={system.films}", f"steps={system.steps}", *unseen, "valid=2")
    if read_summary(place) is None:
        command("collect", f"env={system.env}", *system.words, *counts, *common, f"out={data}")
        command("train", f"data={data}", f"physics={system.physics}", *system.training, *common, f"out={place}")
    command("evaluate", f"run={place}", f"data={data}", "verbosity=0", "overwrite=true", f"out={place}_films")
    trained, found = summary(place), summary(Path(f"{place}_films"))
    judge(found["constants"])
    kept = ("frames", "cpu_seconds", "peak_mb", "machine", "versions", "notes")
    losses = ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss")
    row = {"seed": seed, "constants": found["constants"], "coordinates": found["coordinates"]}
    row["foreseen"] = foresight(place, data, system.foreseen)
    return row | {key: trained[key] for key in (*kept, *losses) if key in trained}


def foresight(run: Path, data: Path, after: int) -> list[float]:
    """How far off each joint is, so many frames after the first four of held-out films: the median over films."""
    model, films = checkpoint.load(run).model, episodes.load(data)
    test, truth = films.split("test"), films.truth("test")
    assert truth is not None
    assert truth.position is not None
    reading = read(model, test)
    path = predict(model, test, reading, after, similar=False).path
    apart = against_truth(model.dynamics, reading.position, path, truth.position).path
    return [float(x) for x in np.median(apart[:, 3 + after], 0)]


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """Print an environment's rows, and worst, median and best."""
    print(f"\n{name}: {SYSTEMS[name].env}, {SYSTEMS[name].films * SYSTEMS[name].steps} frames")
    for row in rows:
        read = "  ".join(f"{one['rms_in_sight']:.4f} {one['unit']}" for one in row["coordinates"])
        off = "  ".join(
            f"{key} {c['percent_off']:.2f} % ({c['std_off']:.1f} std)" for key, c in row["constants"].items()
        )
        print(f"  seed {row['seed']}  read within {read}; off by {off}; {row['cpu_seconds']:.0f} CPU-s")
        ahead = "  ".join(
            f"{off:.4f} {one['unit']}" for off, one in zip(row["foreseen"], row["coordinates"], strict=True)
        )
        print(f"          foreseen {SYSTEMS[name].ahead:g} s ahead within {ahead}")
    figures = {
        f"body {n}": [row["coordinates"][n]["rms_in_sight"] for row in rows] for n in range(len(rows[0]["coordinates"]))
    }
    figures |= {f"{key}, %": [row["constants"][key]["percent_off"] for row in rows] for key in rows[0]["constants"]}
    figures["CPU-seconds"] = [row["cpu_seconds"] for row in rows]
    for what, values in figures.items():
        print(f"  {what:18} worst {max(values):.4g}, median {statistics.median(values):.4g}, best {min(values):.4g}")
    bars = [c["std_off"] <= 3 for row in rows for c in row["constants"].values()]
    print(f"  within three error bars: {sum(bars)} of {len(bars)}", flush=True)


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "mechanisms.json")
    choose_systems(parser, SYSTEMS)
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=list(range(10)), help="of films and models (default 0-9)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="seeds side by side, a core each (default 2)")
    parser.add_argument("--keep", type=Path, help="folder in which films and models stay, and are found again")
    options = parser.parse_args()
    engines = [name for name in options.systems if SYSTEMS[name].env.startswith("dm_control/")]
    if engines and find_spec("dm_control") is None:
        parser.error(f"{' and '.join(engines)}: expected dm_control, pip install 'paig-control[dm_control]'.")
    results: dict[str, Any] = {"jobs": options.jobs}
    with side_by_side(options.jobs, options.keep) as (pool, folder):
        for name in options.systems:
            results[name] = list(pool.map(partial(one_seed, name, folder), options.seeds))
            show(name, results[name])
            save(options.out, results)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
