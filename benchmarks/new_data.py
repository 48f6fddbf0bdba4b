"""New data for one spring model: test films flipped, shifted and zoomed, the last with constants found anew.

``python benchmarks/new_data.py`` collects, trains and evaluates, all from seed 0 and through the command line; with
``--run`` and ``--data`` it takes a model that is there. Figures go to the screen and, with machine and versions, to
``benchmarks/results/new_data.json``. The reproduction of PAIG that this project answers reached recons 2.05 and pred
15.40 on a mixture of such films.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from common import arguments, command, save, summary
from systems import one_seed

CASES = {"as they are": ("none", False), "flipped": ("flip", False), "shifted": ("shift", False)}
CASES |= {"zoomed": ("zoom", False), "zoomed, adapted": ("zoom", True), "all, adapted": ("all", True)}
KEPT = ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss", "positions", "augmentation", "adaptation")


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Print losses, then the constants found anew."""
    print(f"\n{'films':18} recons   pred  extrap   cut films   reading rms, px")
    for name, row in rows.items():
        losses = "  ".join(f"{row[f'eval_{loss}_loss']:6.3f}" for loss in ("recons", "pred", "extrap"))
        cut = 0 if row["augmentation"] is None else row["augmentation"]["cut_films"]
        print(f"{name:18} {losses}  {cut:8d}   {row['positions']['reading_rms']:14.3f}")
    for name, row in rows.items():
        found = row["adaptation"]
        for key in () if found is None else ("relative_errors", "relative_errors_each_film_alone"):
            for constant, error in found[key].items():
                values = "  ".join(f"{k} {100 * error[k]:.2f} %" for k in ("median", "p95", "worst", "mean"))
                print(f"{name}, {constant}{', each film alone' if key.endswith('alone') else ''}: off by {values}")


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "new_data.json")
    parser.add_argument("--run", type=Path, help="trained spring model (default: train one)")
    parser.add_argument("--data", type=Path, help="its data file (default: collect one)")
    parser.add_argument("--seed", type=int, default=0, help="of data, model and draws (default 0)")
    parser.add_argument("--sequences", type=int, default=500, help="training films (default 500)")
    options = parser.parse_args()
    if (options.run is None) != (options.data is None):
        parser.error("--run and --data go together")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run, data = options.run, options.data
        if run is None:
            one_seed("spring", options.sequences, folder, options.seed)
            run, data = folder / f"spring{options.seed}", folder / f"spring{options.seed}.npz"
        rows: dict[str, dict[str, Any]] = {}
        for index, (case, (kind, adapt)) in enumerate(CASES.items()):
            words = [f"augment={kind}", f"adapt={str(adapt).lower()}", f"seed={options.seed}", "verbosity=0"]
            command("evaluate", f"run={run}", f"data={data}", *words, f"out={folder / f'case{index}'}")
            found = summary(folder / f"case{index}")
            rows[case] = {key: found[key] for key in KEPT}
        about = {key: found[key] for key in ("seed", "constants", "machine", "versions")}
    show(rows)
    save(options.out, {**about, "films": rows})
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
