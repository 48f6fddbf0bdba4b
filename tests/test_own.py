"""What a stranger writes in a folder of their own works by its name: environment, force, scene and planner."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from paig_control.data import episodes
from paig_control.errors import PaigError
from paig_control.estimation.association import likeliest, orders
from paig_control.estimation.settings import IdentifySettings
from paig_control.estimation.state import trajectory
from paig_control.experiment.compose import configure
from paig_control.experiment.trial import trial
from paig_control.physics.registry import build_physics
from paig_control.physics.written import read_scene
from paig_control.types import State

QUICK = [
    "model.channels=2",
    "recipe.discover.frames=200",
    "recipe.discover.steps=30",
    "recipe.warm_start.steps=60",
    "recipe.refine.steps=0",
]
OWN = Path(__file__).parents[1] / "examples" / "own"


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The console script, in a process of its own that knows of this folder alone where it is."""
    script = Path(sys.executable).with_name("paig-control")
    return subprocess.run([script, *words, "verbosity=0"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a trained run of the charged ball, and a picture of it for a goal."""
    place = tmp_path_factory.mktemp("strange") / "own"
    shutil.copytree(OWN, place)
    made = call(place, "collect", "env=cyclotron:Cyclotron-v0", "sequences=16", "steps=16", "test=4", "out=films.npz")
    assert made.returncode == 0, made.stderr
    learned = call(place, "train", "data=films.npz", "physics=cyclotron.yaml", *QUICK, "out=run")
    assert learned.returncode == 0, learned.stderr
    Image.fromarray(episodes.load(place / "films.npz").split("test").frames[0, 0]).save(place / "goal.png")
    return place


def test_a_force_and_a_scene_of_ones_own_are_learned_in_an_environment_of_ones_own(folder: Path) -> None:
    constants = json.loads((folder / "run" / "summary.json").read_text())["constants"]
    assert constants["field"]["value"] == pytest.approx(1.5, rel=0.005)
    assert constants["actuation"]["value"] == pytest.approx(1.0, rel=0.02)


def test_a_planner_of_ones_own_controls_a_run_whose_force_is_trusted(folder: Path) -> None:
    words = ("control", "run=run", "env=cyclotron:Cyclotron-v0", "goal=goal.png", "planner=shooting:Shooting")
    few = ("planner.samples=40", "env.horizon=6", "steps=12", "episodes=2", "out=ctl")
    refused = call(folder, *words, *few)
    assert refused.returncode == 2
    assert "say imports=[magnetic]" in refused.stderr
    done = call(folder, *words, *few, "imports=[magnetic]")
    assert done.returncode == 0, done.stderr
    said = json.loads((folder / "ctl" / "summary.json").read_text())
    assert said["options"]["planner"] == {"name": "shooting:Shooting", "horizon": 6, "samples": 40, "hold": 4}


def test_an_objective_of_ones_own_is_planned_for_and_its_arguments_are_options(folder: Path) -> None:
    words = ("control", "run=run", "env=cyclotron:Cyclotron-v0", "imports=[magnetic]", "objective=centre:Centre")
    few = ("planner.samples=60", "env.horizon=10", "steps=25", "episodes=4", "film=0", "batch=4")
    done = call(folder, *words, *few, "objective.x=9", "out=at")
    assert done.returncode == 0, done.stderr
    said = json.loads((folder / "at" / "summary.json").read_text())
    assert said["objective"] == "centre:Centre"
    assert said["options"]["objective"] == {"name": "centre:Centre", "x": 9, "y": 16.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path, str(folder)])
        own = trial(folder / "run", *words[2:], *few, "objective.x=9")
        agent = own.task().agent
        env = own.open()
        frame, _ = env.reset(seed=0)
        agent.reset()
        for _ in range(25):
            frame = env.step(agent.act(frame))[0]
        env.close()
    assert agent.state is not None
    assert float((agent.state.position[0, 0] - torch.tensor([9.0, 16.0])).abs().max()) < 3.0


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("seed=-1", "seed = -1: expected a whole number"),
        ("imports=[nowhere_at_all]", "nowhere_at_all cannot be imported"),
        ("disturb.drop=1", r"disturb\.drop = 1"),
    ],
)
def test_a_trial_in_python_is_refused_before_its_model_is_looked_for(word: str, says: str) -> None:
    with pytest.raises(PaigError, match=says):
        trial("no-run-at-all", "env=pendulum", word)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["objective=centre:Center"], "did you mean Centre"),
        (["objective=centre:Centre", "objective.z=3"], r"objective\.z"),
        (["planner=shooting:Shooting", "planner.sampels=3"], r"did you mean planner\.samples"),
        (["planner=shooting:Shoting"], "did you mean Shooting"),
        (["planner=nowhere_at_all:P"], "cannot be imported"),
        (["physics=magnetic:Magnetic"], "control has no physics"),
    ],
)
def test_names_that_are_not_there_are_told(words: list[str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(OWN)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(PaigError, match=says):
        configure("control", words)


def test_balls_that_the_physics_does_not_treat_alike_are_numbered_by_their_motion() -> None:
    row = build_physics(dt=0.3, **read_scene(OWN / "row.yaml")).double()
    assert len(orders(row)) == 6
    truth = {"spring_stiffness": 3.0, "spring_rest_length": 7.0, "tether_stiffness": 2.0, "tether_rest_length": 2.0}
    row.set_values(truth)
    random = np.random.default_rng(0)
    place = torch.tensor([[8.0, 16.0], [16.0, 16.0], [24.0, 16.0]]) + torch.tensor(random.uniform(-3, 3, (16, 3, 2)))
    start = State(place.double(), torch.tensor(random.uniform(-4, 4, (16, 3, 2))))
    with torch.no_grad():
        path = trajectory(row, start, torch.zeros(16, 11, 0).double())
    fresh = build_physics(dt=0.3, **read_scene(OWN / "row.yaml"))
    before = fresh.values()
    mixed = [1, 2, 0]
    seen = path[:, :, mixed]
    order = likeliest(fresh, orders(fresh), seen, torch.zeros(16, 11, 0), torch.ones_like(seen), IdentifySettings())
    assert [mixed[n] for n in order] == [0, 1, 2]
    assert fresh.values() == before


@pytest.mark.parametrize("name", ["spring", "gravity", "bouncing", "pendulum"])
def test_bodies_that_are_alike_need_no_order(name: str) -> None:
    assert len(orders(build_physics(name, 0.3, force=False))) == 1
    pushed = build_physics("spring", 0.3, actuated=[1], objects=3)
    assert len(orders(pushed)) == 1
