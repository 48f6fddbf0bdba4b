"""Physics against a black box and the paper's recipe: error frame by frame on long films, at equal CPU-seconds.

``python benchmarks/comparison.py`` collects passive films of a system, trains the default recipe, and gives
``physics=lstm`` and ``recipe=paper`` the CPU-seconds that it took. Each model predicts longer films that training never
saw from their input frames. The curves (median over seeds) go to ``benchmarks/results/comparison.png``, all figures,
with machine and versions, to ``benchmarks/results/comparison.json``. ``--longer 10`` trains the paper's recipe once
more with ten times the CPU-seconds.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, command, save, summary
from matplotlib.figure import Figure
from systems import SYSTEMS

from paig_control.data import episodes
from paig_control.learning.stages import frame_errors
from paig_control.models import checkpoint
from paig_control.models.paig import PAIG, to_images
from paig_control.types import State

COLOURS = {"physics": "#1c7ed6", "black box": "#e8590c", "paper": "#2b8a3e", "paper, longer": "#8ce99a"}
FIGURES = ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss", "cpu_seconds", "converged")


@torch.no_grad()
def errors_by_frame(model: PAIG, data: episodes.Sequences) -> list[float]:
    """Mean squared error of each frame, the input frames' as reconstructed, all further ones as predicted from them."""
    frames = torch.from_numpy(data.frames)
    actions = torch.from_numpy(data.actions_for(model.physics.action_size))
    found = []
    for film, action in zip(frames.split(20), actions.split(20), strict=True):
        seen = model.read(film[:, : model.input_frames])
        future = model.unroll(seen.position, action, seen.trust)[:, model.input_frames :]
        path = torch.cat([seen.position, future], 1)
        found.append(frame_errors(model.render(State(path, path)), to_images(film)))
    return [float(error) for error in torch.cat(found).mean(0)]


def copying(data: episodes.Sequences, inputs: int) -> list[float]:
    """Mean squared error of each frame when the last input frame is shown for ever."""
    films = data.frames / 255.0
    still = np.square(films[:, inputs:] - films[:, inputs - 1 : inputs]).sum((2, 3, 4)).mean(0)
    return [0.0] * inputs + [float(error) for error in still]


def one_seed(system: str, seed: int, sequences: int, longer: float, folder: Path) -> dict[str, Any]:
    """Collect, train all and measure; the figures of one seed."""
    chosen = SYSTEMS[system]
    (steps, test_steps), (inputs, predicted) = chosen.lengths, chosen.windows
    path = folder / f"{system}{seed}.npz"
    films = [f"env={system}", f"sequences={sequences}", f"steps={steps}", "test=100", f"test_steps={test_steps}"]
    command("collect", *films, "policy=zero", f"seed={seed}", f"out={path}", "verbosity=0")
    common = [f"data={path}", *chosen.options, f"model.input_frames={inputs}", f"seed={seed}", "verbosity=0"]
    staged, paper = f"recipe.refine.prediction_frames={predicted}", f"recipe.prediction_frames={predicted}"

    def train(name: str, *words: str) -> float:
        command("train", *common, *words, f"out={folder / name}")
        return float(summary(folder / name)["cpu_seconds"])

    limit = train("physics", f"physics={chosen.physics}", staged)
    train("black box", "physics=lstm", staged, f"recipe.cpu_seconds={limit}")
    train("paper", f"physics={chosen.physics}", "recipe=paper", paper, f"recipe.cpu_seconds={limit}")
    names = ["physics", "black box", "paper"]
    if longer:
        names.append("paper, longer")
        words = ("recipe=paper", paper, f"recipe.cpu_seconds={longer * limit}")
        train(names[-1], f"physics={chosen.physics}", *words)
    data = episodes.load(path).split("test")
    row: dict[str, Any] = {"seed": seed, "copying": copying(data, inputs)}
    for name in names:
        found, loaded = summary(folder / name), checkpoint.load(folder / name)
        steps_taken = {stage: rows[-1]["step"] for stage, rows in found_steps(loaded.record).items()}
        row[name] = {figure: found[figure] for figure in FIGURES} | {
            "gradient_steps": steps_taken,
            "constants": {n: {k: v for k, v in c.items() if v == v} for n, c in found["constants"].items()},  # no NaN
            "error_by_frame": errors_by_frame(loaded.model, data),
        }
        row |= {"machine": found["machine"], "versions": found["versions"]}
    return row


def found_steps(record: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """Histories of the gradient stages."""
    return {stage: rows for stage, rows in record["history"].items() if rows and "step" in rows[-1]}


def draw(system: str, rows: list[dict[str, Any]], longer: float) -> Figure:
    """Draw error against frame number on a logarithmic scale, one curve a model."""
    frames, (inputs, predicted) = SYSTEMS[system].lengths[1], SYSTEMS[system].windows
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    shades = (("input", 0, inputs, "#f1f3f5"), ("prediction", inputs, inputs + predicted, "#e7f5ff"))
    for name, first, last, colour in (*shades, ("extrapolation", inputs + predicted, frames, "#fff4e6")):
        axis.axvspan(first - 0.5, last - 0.5, color=colour, zorder=0)
        axis.text((first + last - 1) / 2, 1.01, name, transform=axis.get_xaxis_transform(), ha="center", va="bottom")
    labels = {
        "physics": "physics, default recipe",
        "black box": "black box (physics=lstm)",
        "paper": "physics, the paper's recipe",
        "paper, longer": f"the paper's recipe, {longer:g} times as long",
    }
    time = np.arange(frames)
    for name, colour in COLOURS.items():
        if name in rows[0]:
            curve = np.median([row[name]["error_by_frame"] for row in rows], 0)
            label = f"{labels[name]}: {np.median([row[name]['cpu_seconds'] for row in rows]):.0f} CPU-s"
            if "joint" in rows[0][name]["gradient_steps"]:
                label += f", {np.median([row[name]['gradient_steps']['joint'] for row in rows]):.0f} steps"
            axis.plot(time, curve, color=colour, label=label, linewidth=2)
    still = np.median([row["copying"] for row in rows], 0)
    axis.plot(time[inputs:], still[inputs:], "--", color="#868e96", label="copying the last input frame")
    axis.set(xlabel="frame", ylabel="squared error a frame", yscale="log", xlim=(-0.5, frames - 0.5))
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def show(rows: list[dict[str, Any]]) -> None:
    """Print each seed's losses."""
    print("seed  model            CPU-s   recons     pred   extrap")
    for row in rows:
        for name in (name for name in COLOURS if name in row):
            found = row[name]
            losses = " ".join(f"{found[figure]:8.3g}" for figure in FIGURES[:3])
            print(f"{row['seed']:4d}  {name:15} {found['cpu_seconds']:6.0f} {losses}")


def main() -> None:
    """Run, print, draw and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", choices=SYSTEMS, default="spring", help="which (default spring)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of data and models (default 0)")
    parser.add_argument("--sequences", type=int, default=500, help="training films (default 500)")
    parser.add_argument("--longer", type=float, default=0.0, help="times as long for the paper's recipe, once more")
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"folder to write into (default {RESULTS.name})")
    options = parser.parse_args()
    rows = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as name:
            rows.append(one_seed(options.system, seed, options.sequences, options.longer, Path(name)))
    show(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    results = {"system": options.system, "sequences": options.sequences, "longer": options.longer, "seeds": rows}
    save(options.out / "comparison.json", results)
    draw(options.system, rows, options.longer).savefig(options.out / "comparison.png", dpi=110)


if __name__ == "__main__":
    main()
