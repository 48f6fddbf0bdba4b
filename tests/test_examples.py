"""The examples do what they say, and dynamics of a user's own are checked where they enter."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from paig_control.agents.step_function import StepFunction
from paig_control.errors import PaigError
from paig_control.learning.settings import RecipeSettings
from paig_control.physics.dynamics import PLANE
from paig_control.types import State

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def anything() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "plan_anything.py"))


def test_a_car_of_ones_own_is_driven_round_the_rock_to_its_goal(anything: dict[str, Any]) -> None:
    track, goal, rock = anything["park"](), anything["GOAL"], anything["ROCK"]
    assert float((track[-1, :2] - goal).norm()) < 0.15
    assert float((track[:, :2] - rock).norm(dim=-1).min()) > 0.5
    assert float((0.5 * goal - rock).norm()) < 0.5  # the straight way leads through it


def test_objectives_and_control_work_with_dynamics_of_ones_own(anything: dict[str, Any]) -> None:
    end = anything["shove"]()
    torch.testing.assert_close(end.position, torch.tensor([[[1.0, 0.0], [1.0, -0.5]]]), rtol=0, atol=0.05)
    torch.testing.assert_close(end.velocity, torch.zeros(1, 2, 2), rtol=0, atol=0.1)


def test_dynamics_that_return_another_shape_are_refused() -> None:
    def forgets(state: State, action: Tensor) -> Any:
        return state.position

    def mixes(state: State, action: Tensor) -> State:
        return State(state.position, action)

    state = State(torch.zeros(3, 1, 2), torch.zeros(3, 1, 2))
    for step, message in ((forgets, "returned Tensor for a state of"), (mixes, r"\(3, 2\)\] for a state of")):
        with pytest.raises(PaigError, match=message):
            StepFunction(step, [PLANE], action_size=2).step(state, torch.zeros(3, 2))


def test_a_world_and_a_law_of_ones_own_are_learned_from_pixels(quick: RecipeSettings) -> None:
    run = runpy.run_path(str(EXAMPLES / "own_world.py"))["learn"](16, quick)
    for name, truth in {"stiffness": 0.05, "actuation": 1.0}.items():
        assert run.constants[name].value == pytest.approx(truth, rel=0.05)
        assert run.constants[name].std < 0.05 * truth


def test_a_planner_of_ones_own_swings_up() -> None:
    angles = runpy.run_path(str(EXAMPLES / "own_planner.py"))["swing"]()
    assert abs(float(angles[0])) > 0.9 * math.pi  # it hangs
    assert float(angles[-20:].abs().median()) < 0.2  # random plans tremble: the largest angle is chance


def test_a_softer_spring_is_imagined_as_asked(quick: RecipeSettings, tmp_path: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "what_if.py"))
    stiffness, apart = example["soften"](tmp_path / "film.gif", 0.25, 16, quick)
    assert stiffness == pytest.approx(4.0, rel=0.05)
    assert apart > 3
    assert getattr(Image.open(tmp_path / "film.gif"), "n_frames", 1) == 24
