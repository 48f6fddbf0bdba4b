"""Several objects found without labels, on films of our own scenes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes
from paig_control.errors import PaigError
from paig_control.learning.recipe import train
from paig_control.learning.settings import (
    DiscoverSettings,
    IdentifySettings,
    RecipeSettings,
    RefineSettings,
    WarmStartSettings,
)
from paig_control.models.paig import to_images
from paig_control.physics.registry import build_physics
from paig_control.vision.pursuit import discover_planar


@pytest.fixture(scope="module")
def springs() -> Episodes:
    return collect("paig_control:paig/Spring-v0", sequences=40, steps=12, seed=2, valid=2, test=4, policy="zero")


def images(films: Episodes) -> torch.Tensor:
    return to_images(torch.from_numpy(films.split("train").frames)).flatten(0, 1)


def test_both_balls_are_found_in_every_frame_from_any_seed_and_without_colours(springs: Episodes) -> None:
    truth = springs.truth("train")
    assert truth is not None
    assert truth.position is not None
    true = truth.position.reshape(-1, 2, 2)
    grey = images(springs) * torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    for seed, frames in ((0, images(springs)), (1, images(springs)), (2, 3 * grey.mean(1, True).expand(-1, 3, -1, -1))):
        found = discover_planar(frames, 2, torch.Generator().manual_seed(seed), rounds=1, steps=60)
        places = found.coordinates.numpy()
        errors = [places - true[:, list(order)] for order in itertools.permutations(range(2))]
        best = min(errors, key=lambda e: float(np.abs(e).mean()))
        assert np.sqrt(np.mean(best**2)) < 0.05


def test_more_objects_than_move_are_refused_with_the_number_seen(springs: Episodes) -> None:
    with pytest.raises(PaigError, match="only 2 are seen to move"):
        discover_planar(images(springs), 3, torch.Generator().manual_seed(0), rounds=1, steps=20)


def test_frames_that_are_all_alike_are_refused() -> None:
    with pytest.raises(PaigError, match="Nothing moves"):
        discover_planar(torch.full((20, 3, 16, 16), 0.5), 2, torch.Generator().manual_seed(0))


def test_a_springs_constants_are_learned_from_films(springs: Episodes) -> None:
    quick = RecipeSettings(
        DiscoverSettings(frames=300, rounds=1, steps=60),
        WarmStartSettings(steps=80, batch=8),
        IdentifySettings(integrators=("pefrl-2",)),
        refine=RefineSettings(steps=4, batch=4, prediction_frames=6),
    )
    run = train(springs.split("train"), build_physics("spring", 0.3, force=False), recipe=quick)
    assert run.converged
    assert run.constants["stiffness"].value == pytest.approx(4.0, rel=0.01)
    assert run.constants["rest_length"].value == pytest.approx(12.0, rel=0.005)
