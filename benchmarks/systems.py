"""PAIG's systems from 500 films each: image losses and constants, seed by seed, through the command line.

``python benchmarks/systems.py --systems spring three_body --seeds 10`` collects passive films, trains and evaluates on
longer films that training never saw; each seed drives data and model alike. Worst, median and best go to the screen,
all figures, with machine and versions, to ``benchmarks/results/systems.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from pendulum import command, summary

RESULTS = Path(__file__).parent / "results" / "systems.json"
SYSTEMS = {
    # environment: physics, training frames, test frames, input frames, prediction frames, further options
    "spring": ("spring", 12, 30, 4, 6, []),
    "spring_half": ("spring", 12, 30, 4, 6, []),
    "three_body": ("gravity", 20, 40, 4, 12, ["physics.objects=3"]),
    "bouncing": ("bouncing", 12, 30, 4, 6, []),
    "digit_spring": ("spring", 12, 30, 3, 7, []),
}
MEASURES = ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss", "cpu_seconds", "peak_mb")


def one_seed(system: str, seed: int, sequences: int, folder: Path) -> dict[str, Any]:
    """Collect and train; the figures of one row."""
    physics, steps, test_steps, inputs, predicted, options = SYSTEMS[system]
    data, run = folder / f"{system}{seed}.npz", folder / f"{system}{seed}"
    films = [f"env={system}", f"sequences={sequences}", f"steps={steps}", "test=100", f"test_steps={test_steps}"]
    command("collect", *films, "policy=zero", f"seed={seed}", f"out={data}", "verbosity=0")
    windows = [f"model.input_frames={inputs}", f"recipe.refine.prediction_frames={predicted}"]
    options = [f"physics={physics}", *options, *windows, f"seed={seed}", "verbosity=0"]
    command("train", f"data={data}", *options, f"out={run}")
    found = summary(run)
    row = {"seed": seed, "constants": found["constants"], "machine": found["machine"], "versions": found["versions"]}
    return row | {name: found[name] for name in MEASURES}


def show(system: str, rows: list[dict[str, Any]]) -> None:
    """Print worst, median and best of each figure."""
    measures: dict[str, list[float]] = {name: [row[name] for row in rows] for name in MEASURES}
    for name, first in rows[0]["constants"].items():
        found = [row["constants"][name] for row in rows]
        measures[f"{name}, % off"] = [100 * abs(f["value"] / first["truth"] - 1) for f in found]
        measures[f"{name}, std off"] = [abs(f["value"] - first["truth"]) / f["std"] for f in found]
    print(f"\n{system}, {len(rows)} seeds{'':12}  worst   median     best")
    for name, values in measures.items():
        print(f"  {name:24} {max(values):8.4g} {statistics.median(values):8.4g} {min(values):8.4g}")


def main() -> None:
    """Run, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), help="which (default all)")
    parser.add_argument("--seeds", type=int, default=10, help="data and model seeds 0 ... (default 10)")
    parser.add_argument("--sequences", type=int, default=500, help="training films a seed (default 500)")
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"file of the figures (default {RESULTS.name})")
    options = parser.parse_args()
    results: dict[str, Any] = {"sequences": options.sequences}
    with tempfile.TemporaryDirectory() as name:
        for system in options.systems:
            rows = [one_seed(system, seed, options.sequences, Path(name)) for seed in range(options.seeds)]
            show(system, rows)
            results[system] = rows
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
