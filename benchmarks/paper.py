"""What PAIG's authors showed, anew: learned against true constants, long rollouts, learned contents and masks.

``make paper``, or ``python benchmarks/paper.py``, trains the five systems as ``benchmarks/systems.py`` does, two runs
side by side, and writes ``table.md``, ``rollouts.png`` and ``contents.png`` into ``docs/paper``. Runs that ended in
the folder given by ``--runs`` are not trained again, so from finished runs it takes seconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import choose_systems, judge, save, summary
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from systems import SYSTEMS, learn

from paig_control.data import episodes
from paig_control.estimation.identification import Estimate
from paig_control.models import checkpoint
from paig_control.report.style import INK, PAPER, film_strip, rollout

ROOT = Path(__file__).parents[1]
TITLES = {
    "bouncing": "Bouncing balls",
    "spring": "Two balls on a spring",
    "spring_half": "The same, filmed in the left half alone",
    "three_body": "Three bodies under gravity",
    "digit_spring": "Two digits on a spring, over a photograph",
}
Runs = dict[str, list[tuple[Path, Path]]]
"""Data file and run of every seed, by system."""


def table(runs: Runs) -> str:
    """Learned beside true constants: medians over the seeds, and how far the worst is off."""
    lines = [
        "| system | constant | true | learned | off by, worst | in standard deviations, worst |",
        "|---|---|---|---|---|---|",
    ]
    for name, pairs in runs.items():
        found: dict[str, list[dict[str, Any]]] = {}
        for _, run in pairs:
            constants = summary(run)["constants"]
            judge(constants)
            for constant, one in constants.items():
                found.setdefault(constant, []).append(one)
        if not found:
            lines.append(f"| {TITLES[name]} | none to learn | | | |")
        for constant, each in found.items():
            middle, std = (statistics.median(one[key] for one in each) for key in ("value", "std"))
            off, far = (max(one[key] for one in each) for key in ("percent_off", "std_off"))
            unit = each[0]["unit"]
            cells = [f"{each[0]['truth']:g} {unit}", str(Estimate(middle, std, unit)), f"{off:.4f} %", f"{far:.1f}"]
            lines.append(f"| {TITLES[name]} | {constant} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def rollouts(runs: Runs) -> Image.Image:
    """A film of each system that training never saw, above what the model makes of its input frames alone."""
    strips = []
    for name, ((data, run), *_) in runs.items():
        model = checkpoint.load(run).model
        shown = rollout(model, episodes.load(data).split("test"), 1)
        columns, scale = (13, 3) if shown["camera"].shape[2] < 64 else (10, 2)
        strips.append((name, Image.fromarray(film_strip(shown, model.input_frames, columns, scale))))
    gap, pen_size = 34, 17
    wide, high = max(one.width for _, one in strips), sum(one.height + gap for _, one in strips)
    canvas = Image.new("RGB", (wide, high), PAPER)
    pen, top = ImageDraw.Draw(canvas), 0
    for name, strip in strips:
        inputs, predicted = SYSTEMS[name].windows
        text = f"{TITLES[name]}: seen 0-{inputs - 1}, trained to predict up to {inputs + predicted - 1}"
        pen.text((8, top + 10), text, INK, ImageFont.load_default(size=pen_size))
        canvas.paste(strip, (0, top + gap))
        top += strip.height + gap
    return canvas


@torch.no_grad()
def contents(runs: Runs) -> Figure:
    """Background, and content and mask of every object, as the first run of each system has learned them."""
    models = {name: checkpoint.load(pairs[0][1]).model for name, pairs in runs.items()}
    columns = 1 + 2 * max(model.physics.objects for model in models.values())
    figure = Figure(figsize=(1.6 * columns, 1.85 * len(models)), layout="constrained")
    axes = figure.subplots(len(models), columns, squeeze=False)
    for row, (name, model) in zip(axes, models.items(), strict=True):
        sprites = model.renderer.sprites().permute(0, 2, 3, 1).numpy()
        pictures = [("background", model.renderer.scene().permute(1, 2, 0).numpy())]
        for number, sprite in enumerate(sprites):
            pictures += [(f"content {number}", sprite[..., :3]), (f"mask {number}", sprite[..., 3])]
        for axis in row:
            axis.axis("off")
        for axis, (title, picture) in zip(row, pictures, strict=False):
            axis.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(title, fontsize=9)
        row[0].text(-0.08, 0.5, name, transform=row[0].transAxes, rotation=90, va="center", ha="right", fontsize=10)
    return figure


def main() -> None:
    """Train what is not there, then draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "paper", help="folder of data and runs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "paper", help="folder of table and figures")
    choose_systems(parser, SYSTEMS)
    parser.add_argument("--seeds", type=int, default=3, help="data and model seeds 0 ... (default 3)")
    parser.add_argument("--sequences", type=int, default=500, help="training films a run (default 500)")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side, a core each (default 2)")
    options = parser.parse_args()
    begin = time.monotonic()
    for folder in (options.runs, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    jobs = [(name, seed) for name in options.systems for seed in range(options.seeds)]
    with ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(lambda job: learn(job[0], options.sequences, options.runs, job[1]), jobs))
    runs: Runs = {name: [] for name in options.systems}
    for (name, _), pair in zip(jobs, found, strict=True):
        runs[name].append(pair)
    text = table(runs)
    (options.out / "table.md").write_text(text)
    rollouts(runs).save(options.out / "rollouts.png", optimize=True)
    contents(runs).savefig(options.out / "contents.png", dpi=110)
    seconds = time.monotonic() - begin
    made = {name: getattr(options, name) for name in ("systems", "seeds", "sequences")} | {"seconds": round(seconds, 1)}
    made |= {key: summary(found[0][1])[key] for key in ("machine", "versions")}
    save(options.out / "made.json", made)
    print(text)
    print(f"Table and figures are in {options.out}; that took {seconds:.0f} s.")


if __name__ == "__main__":
    main()
