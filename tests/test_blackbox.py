"""The black box in place of physics: the same eyes and renderer, no state, the same commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from paig_control.cli.main import main
from paig_control.errors import PaigError
from paig_control.learning.optimise import LoopState, run_loop
from paig_control.learning.settings import ForeseeSettings
from paig_control.learning.stages import foresee_loop, foreseen
from paig_control.models import checkpoint
from paig_control.models.estimators import Recurrent
from paig_control.models.paig import PAIG
from paig_control.physics.dynamics import Lstm
from paig_control.physics.registry import build_dynamics, build_physics
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Localizer
from paig_control.vision.renderer import SpriteRenderer

QUICK = [
    "recipe.discover.rounds=1",
    "recipe.discover.steps=40",
    "recipe.warm_start.steps=40",
    "recipe.foresee.steps=30",
    "recipe.refine.steps=3",
    "recipe.refine.batch=4",
    "verbosity=0",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with films of two balls and a trained black box."""
    folder = tmp_path_factory.mktemp("blackbox")
    films = ["sequences=8", "steps=12", "valid=2", "test=3", "policy=zero", "verbosity=0"]
    assert main(["collect", "env=spring", *films, f"out={folder / 'spring.npz'}"]) == 0
    assert main(["train", f"data={folder / 'spring.npz'}", "physics=lstm", *QUICK, f"out={folder / 'run'}"]) == 0
    return folder


def black_box(action_size: int = 0) -> PAIG:
    things = build_dynamics("lstm", 0.3, {"objects": 2, "actuated": list(range(action_size // 2)), "units": 32})
    torch.manual_seed(0)
    return PAIG(things, Planar(2), Localizer(2), SpriteRenderer((20, 30), 2, 7), estimator=Recurrent)


def test_input_frames_are_kept_and_the_future_does_not_look_ahead() -> None:
    model = black_box(2)
    coordinates, actions = torch.rand(3, 6, 2, 2) * 20, torch.rand(3, 9, 2)
    path = model.unroll(coordinates, actions)
    assert path.shape == (3, 10, 2, 2)
    assert torch.equal(path[:, :4], coordinates[:, :4])
    later = actions.clone()
    later[:, 6:] += 1
    changed = model.unroll(coordinates, later)
    assert torch.equal(changed[:, :7], path[:, :7])
    assert float((changed[:, 7:] - path[:, 7:]).abs().max().detach()) > 1e-4


def test_the_network_thinks_in_parts_of_the_image() -> None:
    torch.manual_seed(0)
    things = Lstm(force=False, units=16)
    small, large = Recurrent(things, (20, 30), 4), Recurrent(things, (40, 60), 4)
    large.load_state_dict(small.state_dict())
    coordinates, none = torch.rand(2, 4, 2, 2) * 20, torch.zeros(2, 6, 0)
    paths = [net.unroll(things, size * coordinates, none, None) for net, size in ((small, 1), (large, 2))]
    assert torch.allclose(2 * paths[0], paths[1], atol=1e-4)


def test_foresight_learns_to_go_on_straight() -> None:
    model = black_box()
    g = torch.Generator().manual_seed(0)
    place, velocity = torch.rand(64, 1, 2, 2, generator=g) * 10 + 8, torch.rand(64, 1, 2, 2, generator=g) - 0.5
    films = place + velocity * torch.arange(8.0).reshape(1, 8, 1, 1)
    none = torch.zeros(64, 7, 0)
    loop = foresee_loop(model, films, none, ForeseeSettings(steps=300, batch=32), 0)
    run_loop(loop, model, LoopState(), lambda s: None, lambda f, t: None, lambda n: None)
    missed, motion = foreseen(model, films, none)
    standing_still = float((films[:, 4:] - films[:, 3:4]).square().mean().sqrt())
    assert motion == pytest.approx(float(velocity.square().mean().sqrt()), rel=1e-4)
    assert missed < 0.3 * standing_still


def test_a_trained_black_box_comes_back_and_evaluates(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert main(["evaluate", "run=run", "data=spring.npz", "out=evaluated", "verbosity=0"]) == 0
    trained = json.loads(Path("run/summary.json").read_text())
    found = json.loads(Path("evaluated/summary.json").read_text())
    assert checkpoint.load(home / "run").model.estimator.kind == "recurrent"
    assert found["constants"] == {}
    for name in ("eval_recons_loss", "eval_pred_loss", "eval_extrap_loss"):
        assert found[name] == pytest.approx(trained[name])
    assert not trained["converged"]
    assert any("does not foresee" in note for note in trained["notes"])


def test_nothing_plans_with_a_black_box(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    assert main(["control", "run=run", "env=spring", "out=refused"]) == 2
    assert "no state" in capsys.readouterr().err
    assert not (home / "refused").exists()
    with pytest.raises(PaigError, match="no state"):
        black_box().estimate(torch.zeros(1, 4, 2, 2), torch.zeros(1, 3, 0))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"objects": 0}, "objects = 0"),
        ({"units": 0}, "units = 0"),
        ({"actuated": [2]}, "from 0 to 1"),
        ({"units": "many"}, "expected something like"),
    ],
)
def test_a_black_box_that_cannot_be_is_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(PaigError, match=says):
        build_dynamics("lstm", 0.3, options)


def test_physics_with_laws_is_no_black_box() -> None:
    with pytest.raises(PaigError, match="no state"):
        build_physics("lstm", 0.3)
    with pytest.raises(PaigError, match="takes physics=lstm"):
        Recurrent(build_physics("spring", 0.3), (20, 20), 4)
