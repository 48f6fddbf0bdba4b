"""Small films made once, the quickest recipe that still learns from them, and a model that need not learn."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it of what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

import gymnasium as gym
import pytest
import torch
from hasty import FILMS, HASTY
from spots import Spot
from torch import Tensor

from paig_control.cli.main import main
from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes
from paig_control.learning.settings import (
    DiscoverSettings,
    RecipeSettings,
    RefineSettings,
    WarmStartSettings,
)
from paig_control.models.paig import PAIG
from paig_control.physics.base import integrate_by
from paig_control.physics.registry import build_physics
from paig_control.types import State
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Eyes
from paig_control.vision.renderer import SpriteRenderer

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
def hardly_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with films, ``pend.npz``, and a run that was hardly trained on them, ``run``; to be copied."""
    folder = tmp_path_factory.mktemp("hardly_trained")
    assert main(["collect", *FILMS, f"out={folder / 'pend.npz'}", "verbosity=0"]) == 0
    assert main(["train", f"data={folder / 'pend.npz'}", f"out={folder / 'run'}", *HASTY, "verbosity=0"]) == 0
    return folder


@pytest.fixture(scope="session")
def quick() -> RecipeSettings:
    """A recipe of a few seconds."""
    return RecipeSettings(
        discover=DiscoverSettings(rounds=1, steps=40),
        warm_start=WarmStartSettings(steps=60, batch=16),
        refine=RefineSettings(steps=6, batch=4, prediction_frames=6),
        checkpoint_seconds=0.2,
    )


@pytest.fixture
def spot() -> Iterator[None]:
    """``spots/Spot-v0`` is an environment."""
    gym.register("spots/Spot-v0", entry_point=Spot, max_episode_steps=30)
    yield
    del gym.registry["spots/Spot-v0"]


CHANNELS = (2, 1, 0)
"""The first body is blue, the second green and the third red."""


class ColourCentroids(Eyes):
    """Eyes that need no training: the centroid of each body's colour."""

    def __init__(self, objects: int) -> None:
        super().__init__()
        self.channels = CHANNELS[:objects]

    def forward(self, images: Tensor) -> Tensor:
        """Key points ``(M, N, 2)`` of images ``(M, 3, h, w)``."""
        ink = images[:, self.channels] + 1e-9
        x, y = (torch.arange(n, dtype=images.dtype) + 0.5 for n in (images.shape[3], images.shape[2]))
        total = ink.sum((2, 3))
        return torch.stack([(ink.sum(2) * x).sum(-1) / total, (ink.sum(3) * y).sum(-1) / total], -1)


@pytest.fixture(scope="session")
def spring_films() -> Episodes:
    """Passive balls on a spring: 4 training and 16 test sequences."""
    return collect(
        "paig_control:paig/Spring-v0", sequences=4, steps=12, seed=5, policy="zero", valid=0, test=16, test_steps=20
    )


def discs(name: str, dt: float, size: int, constants: dict[str, float], **options: Any) -> PAIG:
    """A model made by hand: constants as given, discs of two pixels for sprites."""
    physics = build_physics(name, dt, **options)
    physics.set_values(constants)
    integrate_by(physics, "pefrl-2")
    renderer = SpriteRenderer((size, size), physics.objects, window=9, density=4, samples=2, turns=False)
    with torch.no_grad():
        place = (torch.arange(36) + 0.5) / 4 - 4.5
        inside = (place[:, None] ** 2 + place**2).sqrt() < 2.0
        renderer.mask.copy_(torch.where(inside, 20.0, -20.0).expand_as(renderer.mask))
        renderer.background.fill_(-20.0)
        renderer.content.fill_(-20.0)
        for body in range(physics.objects):
            renderer.content[body, CHANNELS[body]] = 20.0
    eyes = ColourCentroids(physics.objects)
    return PAIG(physics, Planar(physics.objects), eyes, renderer).eval()  # type: ignore[arg-type]


@pytest.fixture
def spring_model() -> PAIG:
    """A model of balls on a spring, with the true constants."""
    return discs("spring", 0.3, 32, {"stiffness": 4.0, "rest_length": 12.0}, force=False)


@pytest.fixture
def pushed_model() -> PAIG:
    """A model of balls on a spring that are pushed, with the true constants."""
    return discs("spring", 0.3, 32, {"stiffness": 4.0, "rest_length": 12.0, "actuation": 1.0})


@pytest.fixture
def bodies_model() -> PAIG:
    """A model of three bodies, with the true constants."""
    return discs("gravity", 0.5, 36, {"gravity": 60.0, "actuation": 1.0})


def state(position: list[float], velocity: list[float]) -> State:
    """One coordinate of each body, in double precision."""
    return State(torch.tensor(position).double()[:, None], torch.tensor(velocity).double()[:, None])
