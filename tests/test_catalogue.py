"""Scenes of one's own by their files and names, what there is to choose from, and what no file may do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from paig_control.cli.main import main
from paig_control.errors import PaigError
from paig_control.experiment.compose import configure
from paig_control.physics.forces import Walls
from paig_control.physics.mechanism import Mechanism
from paig_control.physics.registry import build_dynamics, build_physics

ROW = """
# Three balls in a row, the outer ones tied to posts.
objects: 3
forces:
  spring: {between: [[0, 1], [1, 2]]}
  tether: {kind: anchored_spring, bodies: [0, 2], anchors: [[4, 16], [28, 16]]}
  push: {}
options:
  joined: forces.spring.between
"""


def test_a_scene_of_ones_own_is_chosen_by_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "row.yaml"
    path.write_text(ROW)
    config = configure("train", [f"physics={path}", "physics.joined=[[0,2]]"])
    said = dict(config.physics)
    assert said.pop("name") == "row"
    scene = build_physics("row", 0.3, **plain(said))
    assert scene.spec["forces"]["spring"]["between"] == [[0, 2]]  # type: ignore[index]
    assert main(["physics", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "tether_stiffness" in shown
    assert "Films can tell" in shown


def plain(said: dict[str, Any]) -> dict[str, Any]:
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(OmegaConf.create(said))
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


@pytest.mark.parametrize(
    ("text", "says"),
    [("forces: [", "no YAML"), ("seed: 3", "describes no scene"), ("- 1", "describes no scene"), ("\x00", "no YAML")],
)
def test_a_file_that_is_no_scene_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "row.yaml"
    path.write_text(text)
    with pytest.raises(PaigError, match=says):
        configure("train", [f"physics={path}"])
    with pytest.raises(PaigError, match="cannot be read"):
        configure("train", [f"physics={tmp_path / 'none.yaml'}"])


@pytest.mark.parametrize("what", ["physics", "forces", "planners", "envs"])
def test_what_there_is_can_be_listed(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", what]) == 0
    shown = capsys.readouterr().out
    assert {"physics": "pendulum", "forces": "attraction", "planners": "icem", "envs": "three_body"}[what] in shown


def test_looking_is_helped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "force"]) == 2
    assert "did you mean forces" in capsys.readouterr().err
    assert main(["physics", "shwo", "spring"]) == 2
    assert "paig-control physics show NAME" in capsys.readouterr().err
    assert main(["physics", "show", "lstm"]) == 2
    assert "no coordinates" in capsys.readouterr().err
    assert main(["physics", "show", "spring"]) == 0
    assert "Films can tell stiffness, rest_length and actuation, each by itself" in capsys.readouterr().out


def test_a_file_imports_nothing_and_a_user_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bending.py").write_text("from test_scene import Magnetic as Bend\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    said = {"objects": 1, "forces": {"bend": {"kind": "bending:Bend"}}}
    with pytest.raises(PaigError, match=r"say imports=\[bending\]"):
        build_physics(dt=0.1, name="ball", **said)
    with pytest.raises(PaigError, match="no option 'imports'"):  # nor may a file say so
        build_physics(dt=0.1, name="ball", imports=True, **said)
    assert "bending" not in sys.modules
    scene = build_dynamics("ball", 0.1, said, imports=True).laws()
    assert scene.names == ["field"]
    assert isinstance(build_physics(dt=0.1, **scene.spec), Mechanism)  # imported by now
    assert not Walls().constants
