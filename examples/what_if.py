"""Ask a learned model what would be if the spring were softer: constants can be read, and changed.

Run ``python examples/what_if.py``; it leaves ``what_if.gif``.
"""

from __future__ import annotations

from pathlib import Path

import torch

import paig_control as paig
from paig_control.learning import RecipeSettings, RefineSettings
from paig_control.models import to_pictures
from paig_control.report import side_by_side
from paig_control.types import State

RECIPE = RecipeSettings(refine=RefineSettings(prediction_frames=6))


def soften(
    path: Path, factor: float = 0.25, sequences: int = 60, recipe: RecipeSettings = RECIPE
) -> tuple[float, float]:
    """Learn Spring, film it as it is and with a softer spring; the learned stiffness and how far the films part, px."""
    films = paig.collect("paig_control:paig/Spring-v0", sequences=sequences, steps=12, seed=0, policy="zero", test=4)
    spring = paig.build_physics("spring", dt=0.3, force=False)
    run = paig.train(films.split("train"), spring, recipe=recipe, seed=0)
    model, unseen = run.model, films.split("test")
    stiffness = run.constants["stiffness"].value
    frames = torch.from_numpy(unseen.frames[:1])
    seen = model.read(frames[:, : model.input_frames])
    with torch.no_grad():
        paths = []
        for k in (stiffness, factor * stiffness):
            start = model.estimate(seen.position, torch.zeros(1, model.input_frames - 1, 0), seen.trust)
            with model.physics.using({"stiffness": torch.tensor(k)}):
                paths.append(model.physics.rollout(start, torch.zeros(1, 24, 0)).position)
        shown = [to_pictures(model.render(State(way, way)))[0] for way in paths]
    film = side_by_side({"as learned": shown[0], f"{factor:g} x stiffness": shown[1]}, 0, 24, 0.3)
    path.write_bytes(film)
    return stiffness, float((paths[0] - paths[1]).norm(dim=-1).max())


if __name__ == "__main__":
    learned, apart = soften(Path("what_if.gif"))
    print(f"learned stiffness {learned:.3f} 1/s²; with a quarter of it the balls come up to {apart:.1f} px elsewhere")
