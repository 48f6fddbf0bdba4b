"""The pictures of the concepts page: what inverse graphics is, and what each stage adds.

``python docs/pictures.py`` films Spring, learns it, and writes ``inverse_graphics.png`` and ``stages.png`` into
``docs/pictures``. Everything on them is what the model has learned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

import paig_control as paig
from paig_control.data.episodes import Sequences
from paig_control.learning.moments import Moment
from paig_control.learning.settings import ModelSettings, RecipeSettings, RefineSettings
from paig_control.learning.trainer import Run
from paig_control.report.style import COLOURS, film_strip, rollout

FOLDER = Path(__file__).parent / "pictures"
SAID = {
    "discover": "1 discovered",
    "warm_start": "eyes trained",
    "identify": "2 identified",
    "refine": "3 refined",
}


def learn(sequences: int, recipe: RecipeSettings) -> tuple[Run, Sequences, dict[str, np.ndarray]]:
    """Learn Spring; the run, films it has not seen, and what it made of the first of them after each stage."""
    films = paig.collect("paig_control:paig/Spring-v0", sequences=sequences, steps=12, seed=0, policy="zero", test=4)
    unseen, after = films.split("test"), {}

    def watch(moment: Moment) -> None:
        if moment.ended and moment.model is not None and moment.stage in SAID:
            shown = rollout(moment.model, unseen, 1)
            after.update({"camera": shown["camera"], SAID[moment.stage]: shown["model"]})

    spring = paig.build_physics("spring", dt=0.3, force=False)
    eyes = ModelSettings(eyes="network")  # whose stages are to be seen
    return paig.train(films.split("train"), spring, eyes, recipe, seed=0, watch=watch), unseen, after


@torch.no_grad()
def inverse_graphics(run: Run, unseen: Sequences) -> Figure:
    """From a frame to places and velocities, through the law to later ones, and from sprites back to a frame."""
    model, ahead = run.model, 6
    frames = torch.from_numpy(unseen.frames[:1])
    seen = model.read(frames[:, : model.input_frames])
    now = model.estimate(seen.position, torch.zeros(1, model.input_frames - 1, 0), seen.trust)
    later = model.physics.rollout(now, torch.zeros(1, ahead, 0))
    drawn = rollout(model, unseen, 1)["model"][0, model.input_frames - 1 + ahead]
    sprites = model.renderer.sprites().permute(0, 2, 3, 1).numpy()
    figure = Figure(figsize=(13, 3.3), layout="constrained")
    axes = figure.subplots(1, 5)
    axes[0].imshow(unseen.frames[0, model.input_frames - 1])
    axes[0].set_title("a frame")
    for axis, state, path in ((axes[1], now, None), (axes[2], None, later)):
        axis.set(xlim=(0, 32), ylim=(32, 0), aspect="equal")
        for n, colour in zip(range(2), COLOURS, strict=False):
            if state is not None:
                (x, y), (vx, vy) = state.position[0, n].tolist(), state.velocity[0, n].tolist()
                axis.plot(x, y, "o", color=colour)
                axis.annotate("", (x + 0.5 * vx, y + 0.5 * vy), (x, y), arrowprops={"arrowstyle": "->"})
                axis.text(x + 1, y - 1, f"{x:.1f}, {y:.1f} px", fontsize=8)
            if path is not None:
                axis.plot(*torch.cat([now.position[:, n], path.position[0, :, n]]).T, "o-", color=colour, markersize=4)
    axes[1].set_title("eyes: where things are,\nand how fast they move")
    constants = "\n".join(f"{name.replace('_', ' ')} {found}" for name, found in run.constants.items())
    axes[2].set_title(f"law: {constants}", fontsize=10)
    strip = [np.concatenate([s[..., :3], np.repeat(s[..., 3:], 3, -1)], 1) for s in sprites]
    axes[3].imshow(np.clip(np.concatenate(strip), 0, 1), interpolation="nearest")
    axes[3].set_title("looks: content and mask\nof each object")
    axes[4].imshow(drawn)
    axes[4].set_title(f"the frame {ahead} steps later,\ndrawn before it is filmed")
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


def main() -> None:
    """Learn, draw, write."""
    FOLDER.mkdir(exist_ok=True)
    run, unseen, after = learn(120, RecipeSettings(refine=RefineSettings(prediction_frames=6)))
    inverse_graphics(run, unseen).savefig(FOLDER / "inverse_graphics.png", dpi=100)
    Image.fromarray(film_strip(after, run.model.input_frames)).save(FOLDER / "stages.png", optimize=True)


if __name__ == "__main__":
    main()
