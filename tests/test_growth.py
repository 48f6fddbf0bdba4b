"""What grows and what does not: memory with the number of films, work with the number of objects.

Counted in numbers that are handled at once, never in seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_identify import films as pendulum_films

from paig_control.data import unpacking
from paig_control.data.cleaning import usable
from paig_control.data.episodes import Sequences
from paig_control.estimation import identification
from paig_control.estimation.identification import identify
from paig_control.learning import trainer
from paig_control.learning.recipe import Staged
from paig_control.learning.settings import ModelSettings, RecipeSettings
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.vision.discovery import Adam


def test_identification_works_on_some_films_after_others_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinates, actions = pendulum_films(0)
    rolled: list[int] = []
    rollout = Physics.rollout

    def counted(self: Physics, *given: torch.Tensor) -> object:
        rolled.append(given[1].numel())
        return rollout(self, *given)

    monkeypatch.setattr(Physics, "rollout", counted)
    found = []
    for at_once in (2**18, 200):
        monkeypatch.setattr(identification, "AT_ONCE", at_once)
        rolled.clear()
        found.append((identify(build_physics("pendulum", 0.05), coordinates, actions), max(rolled)))
    (whole, many), (parts, few) = found
    assert few * 8 <= many
    for name, constant in whole.constants.items():
        assert parts.constants[name].value == pytest.approx(constant.value, rel=1e-9)
        assert parts.constants[name].std == pytest.approx(constant.std, rel=1e-6)
    assert parts.rms == pytest.approx(whole.rms, rel=1e-9)


class Counted:
    """Counts how often films are let go of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.let_go = 0
        monkeypatch.setattr(unpacking, "let_go", self)
        monkeypatch.setattr(trainer, "let_go", self)

    def __call__(self, array: NDArray[np.uint8]) -> None:
        self.let_go += 1


def test_films_are_let_go_of_behind_whoever_goes_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (12, 10, 4, 4, 3), np.uint8).repeat(4, 2).repeat(4, 3)
    data = Sequences(frames, None, 0.1)
    identity = data.identity
    counted = Counted(monkeypatch)
    monkeypatch.setattr(unpacking, "PASSED", 3 * frames[0].nbytes)
    assert data.identity == identity
    assert counted.let_go == 4
    usable(data, 4)
    assert counted.let_go == 4 + 2 * 4
    monkeypatch.setattr(trainer, "LOOKED_AT", 30)
    learner = Staged(
        RecipeSettings(), data, build_physics("spring", 0.1), ModelSettings(), 0, torch.device("cpu"), None, None
    )
    counted.let_go = 0
    parts = list(learner.some())
    assert [len(part) for part in parts] == [3] * 4
    assert torch.equal(torch.cat(parts), torch.from_numpy(frames))
    assert torch.equal(torch.cat([*learner.some(torch.tensor([7, 2]))]), torch.from_numpy(frames[[7, 2]]))
    numbers = torch.arange(0, 120, 2)
    assert torch.equal(learner.frames(numbers), torch.from_numpy(frames.reshape(-1, 16, 16, 3)[::2]))
    assert counted.let_go == 4 + 1 + 2


def steps() -> Iterator[tuple[torch.Tensor, float]]:
    generator = torch.Generator().manual_seed(0)
    for step in range(30):
        yield torch.randn(5, generator=generator), 0.1 / (1 + step)


def test_adam_goes_where_pytorchs_own_goes() -> None:
    here = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    there = copy.deepcopy(here)
    ours, theirs = Adam([here]), torch.optim.Adam([there])
    for target, rate in steps():
        ours.step((here - target).pow(4).sum(), rate)
        theirs.param_groups[0]["lr"] = rate
        theirs.zero_grad()
        (there - target).pow(4).sum().backward()
        theirs.step()
    assert torch.allclose(here, there, rtol=1e-6, atol=0)
    assert not torch.allclose(here, torch.linspace(-1, 1, 5), atol=0.1)
