"""Spring films in PAIG's own format that this library neither simulated nor painted, learned through the command line.

The films are made here as the original makes them: semi-implicit Euler in ten parts a frame; discs drawn by Pillow
ten times as large, on whole pixels, and averaged down; films that touch a wall are drawn anew.
The file holds ``train_x``, ``valid_x`` and ``test_x`` and nothing else. ``python benchmarks/foreign_files.py``
prints seed by seed and worst, median and best, and writes ``benchmarks/results/foreign_files.json``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, command, judge, save, summary
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from systems import limits, show

STIFFNESS, REST_LENGTH, SPEED, DT = 4.0, 12.0, 8.0, 0.3
TRUTH = {"stiffness": STIFFNESS, "rest_length": REST_LENGTH}
SIZE, RADIUS, SCALE, SUBSTEPS = 32, 2, 10, 10
COLOURS = ((0, 0, 255), (0, 255, 0))
LIMITS = limits(0.05, 0.2, 1.5, 0.3, 120, 2000)
LENGTHS = {"train": 12, "valid": 12, "test": 30}

Array = NDArray[np.float64]


def fly(position: Array, velocity: Array, frames: int) -> Array:
    """Places ``(B, frames, 2, 2)`` of two balls on a spring from states ``(B, 2, 2)``."""
    path = [position]
    for _ in range(frames - 1):
        for _ in range(SUBSTEPS):
            apart = position[:, 0] - position[:, 1]
            length = np.linalg.norm(apart, axis=1, keepdims=True)
            pull = -STIFFNESS * (length - REST_LENGTH) * apart / length
            velocity = velocity + DT / SUBSTEPS * np.stack([pull, -pull], axis=1)
            position = position + DT / SUBSTEPS * velocity
        path.append(position)
    return np.stack(path, axis=1)


def paths(count: int, frames: int, rng: np.random.Generator) -> Array:
    """Places ``(count, frames, 2, 2)`` of films in which no ball touches a wall."""
    kept: list[Array] = []
    while sum(map(len, kept)) < count:
        margin = RADIUS + 0.5 * REST_LENGTH
        centre = rng.uniform(margin, SIZE - margin, (2000, 1, 2))
        turn = rng.uniform(0, 2 * np.pi, (2000, 3, 1))
        facing = np.concatenate([np.cos(turn), np.sin(turn)], axis=2)
        arm = 0.5 * REST_LENGTH * rng.uniform(0.5, 1.5, (2000, 1, 1)) * facing[:, :1]
        path = fly(centre + np.concatenate([arm, -arm], axis=1), SPEED * facing[:, 1:], frames)
        kept.append(path[((path > RADIUS) & (path < SIZE - RADIUS)).all((1, 2, 3))])
    return np.concatenate(kept)[:count]


def draw(places: Array) -> NDArray[np.uint8]:
    """One frame of discs at ``(2, 2)``, by Pillow."""
    image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE))
    pen = ImageDraw.Draw(image)
    for place, colour in zip(places, COLOURS, strict=True):
        (x, y), reach = np.rint(place * SCALE), RADIUS * SCALE
        pen.ellipse((x - reach, y - reach, x + reach - 1, y + reach - 1), fill=colour)
    return np.asarray(image.reduce(SCALE))


def write(path: Path, seed: int, train: int = 500, valid: int = 50, test: int = 100) -> None:
    """Write a file as PAIG's generators do."""
    rng = np.random.default_rng(seed)
    films: dict[str, Any] = {}
    for split, count in (("train", train), ("valid", valid), ("test", test)):
        moves = paths(count, LENGTHS[split], rng)
        films[f"{split}_x"] = np.stack([np.stack([draw(places) for places in film]) for film in moves])
    np.savez_compressed(path, **films)


def one_seed(seed: int, sequences: int, folder: Path) -> dict[str, Any]:
    """Make the films and train; the figures of one row."""
    data, run = folder / f"{seed}.npz", folder / f"run{seed}"
    write(data, seed, sequences)
    windows = ["model.input_frames=4", "recipe.refine.prediction_frames=6"]
    given = ["physics=spring", "objects=2", f"dt={DT}", *windows, f"seed={seed}", "verbosity=0"]
    command("train", f"data={data}", *given, f"out={run}")
    found = summary(run)
    row = {key: found[key] for key in ("constants", "machine", "versions", *LIMITS) if key in found}
    for name, constant in row["constants"].items():
        constant["truth"] = TRUTH[name]
    judge(row["constants"])
    return {"seed": seed, **row}


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "foreign_files.json")
    parser.add_argument("--seeds", type=int, default=3, help="film and model seeds 0 ... (default 3)")
    parser.add_argument("--sequences", type=int, default=500, help="training films a seed (default 500)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = [one_seed(seed, options.sequences, Path(name)) for seed in range(options.seeds)]
    show("spring films drawn by Pillow", rows, LIMITS)
    save(options.out, {"sequences": options.sequences, "spring": rows})
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
