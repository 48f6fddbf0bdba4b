"""The localiser's start."""

from __future__ import annotations

import torch

from paig_control.learning.optimise import LoopState, run_loop
from paig_control.learning.settings import WarmStartSettings
from paig_control.learning.stages import warm_start_loop
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_physics
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Localizer
from paig_control.vision.renderer import SpriteRenderer


def test_an_object_is_seen_where_the_films_never_showed_it() -> None:
    """White discs of radius 2 on black, drawn by their distance from the middle; films show one corner alone."""
    torch.manual_seed(0)
    renderer = SpriteRenderer((16, 24), 1, 7, turns=False)
    texel = (torch.arange(14) + 0.5) / 2 - 3.5
    with torch.no_grad():
        renderer.content.fill_(8.0)
        renderer.mask.copy_(torch.where(texel**2 + texel[:, None] ** 2 < 4.0, 8.0, -8.0))
        renderer.background.fill_(-8.0)
    physics = build_physics("bouncing", 0.3, objects=1, height=16.0, width=24.0)
    model = PAIG(physics, Planar(1), Localizer(1), renderer)
    random = torch.Generator().manual_seed(0)
    places = 3 + 3 * torch.rand(300, 1, 2, generator=random)
    films = _discs(places)
    films = films.clone()
    films[::3] = 0.0  # from these it has gone, wherever it is said to be
    places[::3] = torch.tensor([20.0, 3.0])
    seen = (torch.arange(len(films)) % 3 > 0)[:, None]
    frames = films.mul(255).round().byte().movedim(1, -1)
    loop = warm_start_loop(model, frames, places, seen, WarmStartSettings(steps=60, batch=8), seed=0)
    run_loop(loop, model, LoopState(), lambda state: None, lambda part, text: None, lambda note: None)
    unseen = torch.stack([torch.linspace(8, 21, 40), torch.linspace(12, 4, 40)], -1)[:, None]
    with torch.no_grad():
        missed = (model.see(_discs(unseen)) - unseen).square().sum(-1).mean().sqrt()
    assert float(missed) < 0.2


def _discs(places: torch.Tensor) -> torch.Tensor:
    """Frames ``(M, 3, 16, 24)`` of discs with soft edges at ``(M, 1, 2)``."""
    x, y = torch.arange(24) + 0.5, torch.arange(16)[:, None] + 0.5
    distance = torch.hypot(x - places[..., :1], y - places[..., 1:])
    return (2.5 - distance).clamp(0, 1)[:, None].expand(-1, 3, -1, -1)
