"""PAIG's systems from 500 films each: image losses and constants, seed by seed, through the command line.

``python benchmarks/systems.py`` collects passive films, trains and evaluates on longer films that training never saw;
each seed drives data and model alike and runs in processes of its own, two seeds side by side. SpringHalf is evaluated
once more, on windows whose input frames lie in the half that its training films never show. Worst, median and best
of each figure go to the screen beside the limit; all figures, with machine and versions, to
``benchmarks/results/systems.json``.
"""

from __future__ import annotations

import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from common import arguments, choose_systems, command, judge, save, summary

from paig_control.data import episodes
from paig_control.runs import read_summary


class System(NamedTuple):
    """How a system is filmed and trained, and what it must reach.

    Attributes:
        physics: its name.
        lengths: frames of training and of test films.
        windows: input and prediction frames.
        limits: on the figures.
        options: further ones of training.
    """

    physics: str
    lengths: tuple[int, int]
    windows: tuple[int, int]
    limits: dict[str, float]
    options: tuple[str, ...] = ()


def limits(recons: float, pred: float, extrap: float, percent: float, seconds: float, mb: float) -> dict[str, float]:
    """By the names of the figures."""
    losses = {"eval_recons_loss": recons, "eval_pred_loss": pred, "eval_extrap_loss": extrap}
    return {**losses, "percent_off": percent, "cpu_seconds": seconds, "peak_mb": mb}


UNSEEN = {"unseen_half_pred_loss": 0.08, "unseen_half_localiser_rms": 0.05}
SYSTEMS = {
    "bouncing": System("bouncing", (12, 30), (4, 6), limits(0.06, 0.1, 0.5, 0.0, 120, 2000) | {"share_above_3": 0.03}),
    "spring": System("spring", (12, 30), (4, 6), limits(0.05, 0.08, 0.4, 0.2, 120, 2000)),
    "spring_half": System("spring", (12, 30), (4, 6), limits(0.03, 0.05, 0.2, 0.2, 120, 2000) | UNSEEN),
    "three_body": System("gravity", (20, 40), (4, 12), limits(0.06, 0.08, 2.0, 0.3, 250, 2000), ("physics.objects=3",)),
    "digit_spring": System("spring", (12, 30), (3, 7), limits(1.0, 2.5, 12.0, 0.5, 400, 3000)),
}


def learn(name: str, sequences: int, folder: Path, seed: int) -> tuple[Path, Path]:
    """Collect and train, as far as that is not done in the folder; data file and run."""
    system = SYSTEMS[name]
    data, run = folder / f"{name}{seed}.npz", folder / f"{name}{seed}"
    steps, test_steps = system.lengths
    if read_summary(run) is not None and data.is_file():
        if summary(run)["frames"] != sequences * steps:
            raise SystemExit(
                f"{run} was trained on other films than {sequences} of {steps} frames: take another folder."
            )
        return data, run
    films = [f"env={name}", f"sequences={sequences}", f"steps={steps}", "test=100", f"test_steps={test_steps}"]
    if not data.is_file():
        command("collect", *films, "policy=zero", f"seed={seed}", f"out={data}", "verbosity=0")
    inputs, predicted = system.windows
    windows = [f"model.input_frames={inputs}", f"recipe.refine.prediction_frames={predicted}"]
    options = [f"physics={system.physics}", *system.options, *windows, f"seed={seed}", "verbosity=0"]
    command("train", f"data={data}", *options, f"out={run}", "resume=true")
    return data, run


def one_seed(name: str, sequences: int, folder: Path, seed: int) -> dict[str, Any]:
    """Collect, train and evaluate; the figures of one row."""
    data, run = learn(name, sequences, folder, seed)
    test, predicted = folder / f"{name}{seed}_test", SYSTEMS[name].windows[1]
    command("evaluate", f"run={run}", f"data={data}", f"out={test}", "above=3", "verbosity=0")
    trained, found = summary(run), summary(test)
    row = {key: trained[key] for key in ("constants", "machine", "versions", "cpu_seconds", "peak_mb")}
    row |= {"seed": seed, **{key: found[key] for key in limits(0, 0, 0, 0, 0, 0) if key.startswith("eval")}}
    judge(row["constants"])
    row["share_above_3"] = found["extrap_share_above"]
    row["reading_rms"] = found["positions"]["reading_rms"]
    row["identity_swaps"] = found["positions"]["identity_swaps"]
    return row | (unseen_half(run, seed, predicted, folder) if name == "spring_half" else {})


def unseen_half(run: Path, seed: int, predicted: int, folder: Path) -> dict[str, Any]:
    """Figures on windows whose input frames have both balls in the right half, from films of the whole pane."""
    whole, part, test = (folder / f"unseen{seed}{end}" for end in (".npz", "_part.npz", ""))
    films = ["env=spring", "env.kwargs.speed=4", "sequences=2", "test=400", "test_steps=30", "policy=zero"]
    command("collect", *films, f"seed={seed}", f"out={whole}", "verbosity=0")
    data = episodes.load(whole)
    paths = data.arrays["test_truth_position"]
    middle, frames = data.arrays["test_x"].shape[3] / 2, 4 + predicted
    chosen = [
        (film, first)
        for film, path in enumerate(paths)
        for first in range(0, len(path) - frames + 1, frames)
        if (path[first : first + 4, :, 0] > middle).all()
    ]
    rows = [[film] for film, _ in chosen]
    columns = [list(range(first, first + frames)) for _, first in chosen]
    windows = {key: value[rows, columns] for key, value in data.arrays.items() if key.startswith(("test_x", "test_t"))}
    others = {key: value for key, value in data.arrays.items() if key == "train_x"}
    episodes.Episodes({**others, **windows}, data.meta).save(part)
    command("evaluate", f"run={run}", f"data={part}", f"out={test}", "verbosity=0")
    found = summary(test)
    rms = found["positions"]["reading_rms_input_frames"]
    figures = {"unseen_half_pred_loss": found["eval_pred_loss"], "unseen_half_localiser_rms": rms}
    return figures | {"unseen_half_windows": len(chosen)}


def show(name: str, rows: list[dict[str, Any]], allowed: dict[str, float]) -> None:
    """Print worst, median and best of each figure beside its limit."""
    measures: dict[str, tuple[list[float], float | None]] = {}
    for constant in rows[0]["constants"]:
        found = [row["constants"][constant] for row in rows]
        measures[f"{constant}, % off"] = [f["percent_off"] for f in found], allowed["percent_off"]
        measures[f"{constant}, std off"] = [f["std_off"] for f in found], None
    numbers = [key for key, value in rows[0].items() if isinstance(value, int | float) and key != "seed"]
    measures |= {key: ([row[key] for row in rows], allowed.get(key)) for key in numbers}
    print(f"\n{name}, {len(rows)} seeds{'':16}  worst   median     best    limit")
    for key, (values, limit) in measures.items():
        beside = "" if limit is None else f"{limit:8.4g}{'' if max(values) <= limit else '  MISSED'}"
        print(f"  {key:28} {max(values):8.4g} {statistics.median(values):8.4g} {min(values):8.4g} {beside}")


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "systems.json")
    choose_systems(parser, SYSTEMS)
    parser.add_argument("--seeds", type=int, default=10, help="data and model seeds 0 ... (default 10)")
    parser.add_argument("--sequences", type=int, default=500, help="training films a seed (default 500)")
    parser.add_argument("--jobs", type=int, default=2, help="seeds side by side, a core each (default 2)")
    options = parser.parse_args()
    results: dict[str, Any] = {"sequences": options.sequences, "jobs": options.jobs}
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as pool:
        for name in options.systems:
            work = partial(one_seed, name, options.sequences, Path(scratch))
            results[name] = list(pool.map(work, range(options.seeds)))
            show(name, results[name], SYSTEMS[name].limits)
            save(options.out, results)
    everything = [c for name in options.systems for row in results[name] for c in row["constants"].values()]
    within = sum(c["std_off"] <= 3 for c in everything)
    print(f"\nTruth within three reported standard deviations: {within} of {len(everything)} constants")
    print(f"All figures: {options.out.name}")


if __name__ == "__main__":
    main()
