"""Films and models that versions before have written: they are read, and mean what they meant."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from paig_control.cli.main import main
from paig_control.data import episodes
from paig_control.models import checkpoint
from paig_control.models.estimators import Recurrent, VelocityNetwork
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_dynamics
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Localizer
from paig_control.vision.renderer import SpriteRenderer

ASSETS = Path(__file__).parent / "assets" / "format3"
"""Written by the version before scenes: two hasty trainings, and the films that they saw. ``expected.json`` holds the
constants that version read from its models, and the places it saw in the third frame of the first two test films."""


@pytest.mark.parametrize(("name", "near"), [("spring", 0.02), ("pendulum", 0.01)])
def test_a_model_of_before_knows_and_sees_what_it_did(name: str, near: float) -> None:
    expected = json.loads((ASSETS / "expected.json").read_text())[name]
    loaded = checkpoint.load(ASSETS / name)
    model, films = loaded.model, episodes.load(ASSETS / f"{name}.npz").split("test")
    assert model.physics.values() == pytest.approx(expected["constants"], rel=1e-6)
    assert loaded.record["physics"] == model.physics.spec
    frames, actions = torch.from_numpy(films.frames[:2]), torch.from_numpy(films.actions_for(model.physics.action_size))
    with torch.no_grad():
        state = model.infer(frames[:, :4], actions[:2, :3])
        places = model.predict(state, actions[:2]).position[:, 2].flatten()
    torch.testing.assert_close(places, torch.tensor(expected["places"]), atol=near, rtol=0)


def test_what_is_said_of_a_model_of_before_is_found_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(ASSETS / "pendulum", run)
    words = ["evaluate", f"run={run}", f"data={ASSETS / 'pendulum.npz'}", f"out={tmp_path / 'out'}", "verbosity=0"]
    assert main(words) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    before = json.loads((run / "summary.json").read_text())
    assert found["eval_recons_loss"] == pytest.approx(before["eval_recons_loss"], rel=0.05)


@pytest.mark.parametrize(
    ("estimator", "physics", "kind", "part"),
    [(VelocityNetwork, "spring", "original", "velocity"), (Recurrent, "lstm", "black_box", "foresight")],
)
def test_networks_of_before_are_found_under_the_names_that_they_had(
    tmp_path: Path, estimator: type[VelocityNetwork], physics: str, kind: str, part: str
) -> None:
    dynamics = build_dynamics(physics, 0.3, {"objects": 2, "force": False})
    model = PAIG(dynamics, Planar(2), Localizer(2), SpriteRenderer((20, 20), 2, 7), estimator=estimator)
    checkpoint.save(tmp_path, model, {})
    folder = tmp_path / "checkpoint"
    weights = load_file(folder / "weights.safetensors")
    names = {"dynamics": "physics", "estimator": part}
    split = [(name, *name.partition(".")[::2]) for name in weights]
    save_file({f"{names.get(a, a)}{'.' * bool(b)}{b}": weights[n] for n, a, b in split}, folder / "weights.safetensors")
    said = json.loads((folder / "model.json").read_text())
    said["format"], said["model"]["physics"] = 3, {"name": physics, "dt": 0.3, "objects": 2, "force": False}
    said["model"] |= {"kind": kind, "integrator": "euler-5"}
    said["model"].pop("estimator")
    said["files"]["weights.safetensors"] = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(said))
    loaded = checkpoint.load(tmp_path).model
    seen, actions = torch.rand(2, 4, 2, 2) * 20, torch.zeros(2, 7, 0)
    torch.testing.assert_close(loaded.unroll(seen, actions), model.unroll(seen, actions))
