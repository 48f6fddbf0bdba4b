"""Small films of our own pendulum, made once, and the quickest recipe that still learns from them."""

from __future__ import annotations

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import pytest
import torch

from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes
from paig_control.learning.settings import (
    DiscoverSettings,
    RecipeSettings,
    RefineSettings,
    WarmStartSettings,
)

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def films() -> Episodes:
    """Twenty-four sequences of twenty frames, 24 x 24 pixels, with actions and (for scoring alone) truth."""
    return collect(
        "paig_control:paig/Pendulum-v0",
        sequences=24,
        steps=20,
        seed=3,
        valid=2,
        test=4,
        test_steps=24,
        env_kwargs={"size": 24},
    )


@pytest.fixture(scope="session")
def quick() -> RecipeSettings:
    """A recipe of a few seconds."""
    return RecipeSettings(
        discover=DiscoverSettings(rounds=1, steps=40),
        warm_start=WarmStartSettings(steps=60, batch=16),
        refine=RefineSettings(steps=6, batch=4, prediction_frames=6),
        checkpoint_seconds=0.2,
    )
