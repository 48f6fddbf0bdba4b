"""Goals reached although frames are lost, noisy, or hide an object: how far success falls.

``python benchmarks/robustness.py`` lets the models of ``benchmarks/goals.py`` reach the same goals with nothing
disturbed, with 10 % of the frames dropped, with pixel noise of standard deviation 0.1, and with one object hidden
behind another for five frames of each episode (a pendulum has nothing to hide behind). With ``--keep FOLDER`` the
models that are there are taken. One row a model goes to the screen; all figures, with machine and versions, to
``benchmarks/results/robustness.json``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import save, summary
from goals import control, parsed, played, train

CASES = {
    "undisturbed": (),
    "10 % dropped": ("disturb.drop=0.1",),
    "noise 0.1": ("disturb.noise=0.1",),
    "hidden for 5": ("disturb.hide=5",),
}
FALL = 0.05
"""Points by which success may fall."""


def one_seed(name: str, goals: int, folder: Path, seed: int) -> dict[str, Any]:
    """Train and reach goals under each disturbance; the figures of one row."""
    run = train(name, seed, folder)
    row: dict[str, Any] = {"seed": seed, **{key: summary(run)[key] for key in ("machine", "versions")}}
    for case, words in CASES.items():
        if name == "pendulum" and case.startswith("hidden"):
            continue
        found = control(name, run, goals, "baselines=false", "timing_steps=0", *words)
        row[case] = {key: found[key] for key in ("success_rate", "success_interval", "episodes", "cpu_seconds")}
    return row


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """Print a row a model: success in each case, and by how much it fell."""
    for row in rows:
        whole = row["undisturbed"]["success_rate"]
        cells = [f"{name:12} {row['seed']:4d} {whole:12.1%}"]
        for rate in (row[case]["success_rate"] if case in row else None for case in list(CASES)[1:]):
            text = "" if rate is None else f"{rate:.1%}{'' if rate >= whole - FALL - 1e-9 else ' FELL'}"
            cells.append(f"{text:>14}")
        print("".join(cells), flush=True)


def main() -> None:
    """Run, print and save."""
    options = parsed(__doc__, "robustness.json")
    results: dict[str, Any] = {"goals": options.goals, "jobs": options.jobs}
    print(f"{'scene':12} {'seed':4} {'undisturbed':>12}{''.join(f'{case:>14}' for case in list(CASES)[1:])}")
    for name, rows in played(options, one_seed):
        results[name] = rows
        show(name, rows)
        save(options.out, results)
    print(f"All figures: {options.out.name}")


if __name__ == "__main__":
    main()
