"""Frames a second of collection on one core: simulate, paint and store, for every environment.

Beside them, in the same run, stands what one would write without this library: a loop over Gymnasium's own Pendulum-v1,
its ``rgb_array`` scaled down by Pillow, saved in the same format. Times are of the processor, the best of some
repeats each. ``python benchmarks/collection.py`` prints a table and writes ``benchmarks/results/collection.json``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from common import arguments, save
from PIL import Image

from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes
from paig_control.runs import machine, versions

BATCH = 256
SCENES = {"Pendulum": 12, "BouncingBalls": 12, "Spring": 12, "SpringHalf": 12, "ThreeBody": 20, "DigitSpring": 12}
"""Name: frames of a training film."""


def by_hand(films: int, frames: int = 12, size: int = 32) -> Episodes:
    """Film Gymnasium's own pendulum under random torques, one frame after another."""
    env = gym.make("Pendulum-v1", render_mode="rgb_array")
    kept = []
    for film in range(films):
        env.reset(seed=film)
        env.action_space.seed(film)
        for step in range(frames):
            if step:
                env.step(env.action_space.sample())
            picture = Image.fromarray(np.asarray(env.render()))
            kept.append(np.asarray(picture.resize((size, size), Image.Resampling.BOX)))
    env.close()
    return Episodes({"train_x": np.stack(kept).reshape(films, frames, size, size, 3)})


def scene(name: str, policy: Any, films: int, frames: int) -> Episodes:
    """Film one of the library's scenes in batches of :data:`BATCH`."""
    return collect(f"paig/{name}-v0", films, frames, policy=policy, valid=0, test=0, num_envs=BATCH)


def measure(film: Callable[[], Episodes], repeats: int) -> dict[str, Any]:
    """Frames a second of filming and saving."""
    best, shape = 0.0, tuple[int, ...]()
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.process_time()
            episodes = film()
            episodes.save(Path(folder) / "films.npz")
            shape = episodes.arrays["train_x"].shape
            best = max(best, shape[0] * shape[1] / (time.process_time() - begin))
    return {"frames_per_second": best, "films": shape[0], "frames": shape[1], "image": list(shape[2:4])}


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "collection.json")
    parser.add_argument("--films", type=int, default=2048, help="films of each scene (default 2048)")
    parser.add_argument("--by-hand", type=int, default=40, help="films of Gymnasium's pendulum (default 40)")
    parser.add_argument("--repeats", type=int, default=3, help="of each, the best counts (default 3)")
    options = parser.parse_args()
    measure(partial(by_hand, 2), 1)  # imports and first calls are not timed
    base = measure(partial(by_hand, options.by_hand), options.repeats)
    rows = {}
    for name, frames in SCENES.items():
        measure(partial(scene, name, "zero", BATCH, frames), 1)
        for policy in ("zero", "random"):
            row = measure(partial(scene, name, policy, options.films, frames), options.repeats)
            rows[f"{name}, {policy}"] = row | {"times": row["frames_per_second"] / base["frames_per_second"]}
    again = measure(partial(by_hand, options.by_hand), options.repeats)
    print(f"{'environment, policy':24} image    film   frames/s  times Gymnasium's pendulum")
    for name, row in {"Pendulum-v1 by hand": base, **rows, "Pendulum-v1 once more": again}.items():
        times = f"{row['times']:8.0f}" if "times" in row else ""
        height, width = row["image"]
        print(f"{name:24} {height} x {width}  {row['frames']:3d}  {row['frames_per_second']:10.0f}  {times}")
    result = {"batch": BATCH, "by_hand": [base, again], "scenes": rows, "machine": machine(), "versions": versions()}
    save(options.out, result)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
