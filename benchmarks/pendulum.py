"""Pendulum-v1 from pixels: constants on ten seeds, then swing-up from sixty starts.

Each seed drives data and model alike and runs in a process of its own, through the command line, as a user would
run it: ``python benchmarks/pendulum.py``. Worst, median and best go to the screen; all figures, with machine and
versions, to ``benchmarks/results/pendulum.json``.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from common import arguments, command, deviations, save, summary

TRUTH = {"gravity": 10.0, "actuation": 1.0}


def one_seed(seed: int, sequences: int, steps: int, folder: Path) -> dict[str, Any]:
    """Collect and train; the figures of one row."""
    data, run = folder / f"{seed}.npz", folder / f"run{seed}"
    command("collect", "env=gym_pendulum", f"sequences={sequences}", f"steps={steps}", f"seed={seed}", f"out={data}")
    command("train", f"data={data}", "physics=pendulum", f"seed={seed}", f"out={run}", "verbosity=0")
    found = summary(run)
    row: dict[str, Any] = {"seed": seed, "frames": found["frames"], "machine": found["machine"]}
    row["versions"] = found["versions"]
    for name, truth in TRUTH.items():
        estimate = found["constants"][name]
        row[name], row[f"{name}_std"] = estimate["value"], estimate["std"]
        row[f"{name}_percent"] = 100 * (estimate["value"] / truth - 1)
        row[f"{name}_sigmas"] = deviations(estimate["value"] - truth, estimate["std"])
    for key in ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss", "cpu_seconds", "wall_seconds", "peak_mb"):
        row[key] = found[key]
    return row


def show(rows: list[dict[str, Any]]) -> None:
    """Print every row, then worst, median and best."""
    print("\nseed  gravity (m/s²)          actuation              recons  pred   extrap  CPU-s  peak MB")
    for r in rows:
        constants = "  ".join(
            f"{r[n]:8.4f} ± {r[f'{n}_std']:.4f} ({r[f'{n}_percent']:+.2f} %)".ljust(22) for n in TRUTH
        )
        losses = "  ".join(f"{r[f'eval_{n}_loss']:5.3f}" for n in ("recons", "pred", "extrap"))
        print(f"{r['seed']:4d}  {constants}  {losses}  {r['cpu_seconds']:5.0f}  {r['peak_mb']:6.0f}")
    measures = {f"{n}, % off": [abs(r[f"{n}_percent"]) for r in rows] for n in TRUTH}
    measures |= {f"{n}, std off": [r[f"{n}_sigmas"] for r in rows] for n in TRUTH}
    measures |= {
        key: [r[key] for r in rows] for key in ("eval_pred_loss", "eval_extrap_loss", "cpu_seconds", "peak_mb")
    }
    print(f"\n{'':20}   worst  median    best")
    for name, values in measures.items():
        print(f"{name:20} {max(values):7.3g} {statistics.median(values):7.3g} {min(values):7.3g}")


def control(folder: Path, seed: int) -> dict[str, dict[str, Any]]:
    """Swing-up to the goal image, and Pendulum-v1's own reward, from the 60 shared starts."""
    goal = folder / "upright.png"
    command("goal", "env=gym_pendulum", "state=[0,0]", f"out={goal}")
    common = ("control", f"run={folder / f'run{seed}'}", "env=gym_pendulum", "episodes=60", "seed=1000", "film=0")
    command(*common, f"goal={goal}", f"out={folder / 'goal'}")
    command(*common, "experiment=return", f"out={folder / 'reward'}")
    found = {name: summary(folder / name) for name in ("goal", "reward")}
    return {name: {key: f[key] for key in f if key not in ("command", "options")} for name, f in found.items()}


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "pendulum.json")
    parser.add_argument("--seeds", type=int, default=10, help="data and model seeds 0 ... (default 10)")
    parser.add_argument("--sequences", type=int, default=32, help="films a seed (default 32)")
    parser.add_argument("--steps", type=int, default=30, help="frames a film (default 30)")
    parser.add_argument("--no-control", action="store_true", help="constants only")
    parser.add_argument("--control-only", action="store_true", help="keep the constants that are on file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = range(1 if options.control_only else options.seeds)
        rows = [one_seed(s, options.sequences, options.steps, folder) for s in seeds]
        if options.control_only:
            rows = json.loads(options.out.read_text())["constants"]
        show(rows)
        result: dict[str, Any] = {"sequences": options.sequences, "steps": options.steps, "constants": rows}
        if not options.no_control:
            result["control"] = control(folder, 0)
    save(options.out, result)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
