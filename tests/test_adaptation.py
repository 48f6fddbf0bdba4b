"""Constants of each sequence from its first frames: found where they can be, honest where they cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paig_control.errors import PaigError
from paig_control.estimation.adaptation import Adapted, Prior, adapt, learned_prior, spread_prior
from paig_control.estimation.state import trajectory
from paig_control.physics.base import Physics, integrate_by
from paig_control.physics.registry import build_physics
from paig_control.types import State

FRAMES, NOISE = 10, 0.03


def spring() -> Physics:
    physics = build_physics("spring", 0.3, force=False)
    integrate_by(physics, "pefrl-2")
    physics.set_values({"stiffness": 4.0, "rest_length": 12.0})
    return physics


def sample(count: int = 40, seed: int = 0, noise: float = NOISE, circling: int = 0) -> tuple[torch.Tensor, ...]:
    """Coordinates ``(B, T, 2, 2)`` of springs under zooms ``(B,)``, with noise, and no actions; some circle."""
    g = torch.Generator().manual_seed(seed)
    angle = 2 * np.pi * torch.rand(count, generator=g, dtype=torch.float64)
    arm = 3 + 6 * torch.rand(count, 1, generator=g, dtype=torch.float64)
    arm[:circling] = 6.25
    arm = arm * torch.stack([angle.cos(), angle.sin()], -1)
    position = 16 + torch.stack([arm, -arm], 1)
    velocity = 5 * torch.randn(count, 2, 2, generator=g, dtype=torch.float64)
    around = 3.5 * torch.stack([-angle.sin(), angle.cos()], -1)  # the spring balances the centrifugal force
    velocity[:circling] = torch.stack([around, -around], 1)[:circling]
    none = torch.zeros(count, FRAMES - 1, 0, dtype=torch.float64)
    path = trajectory(spring(), State(position, velocity), none).detach()
    zoom = torch.exp(0.2 * torch.randn(count, generator=g, dtype=torch.float64)).clamp(0.8, 1.25)
    path = 16 + zoom[:, None, None, None] * (path - 16)
    return path + noise * torch.randn(path.shape, generator=g, dtype=torch.float64), none, zoom


def off(found: Adapted, zoom: torch.Tensor) -> torch.Tensor:
    return found.values["rest_length"] / (12 * zoom) - 1


def prior() -> Prior:
    return learned_prior(spring(), {"stiffness": 0.01, "rest_length": 0.01})


def test_exact_coordinates_give_the_exact_constants_of_every_sequence() -> None:
    coordinates, actions, zoom = sample(noise=0.0)
    physics = spring()
    found = adapt(physics, coordinates, actions, prior(), 1e-4)
    assert float(off(found, zoom).abs().max()) < 1e-4
    assert float((found.values["stiffness"] - 4).abs().max()) < 1e-3
    assert physics.values()["rest_length"] == pytest.approx(12.0)


def test_error_bars_are_as_wide_as_the_errors() -> None:
    scores = []
    for seed in range(2):
        coordinates, actions, zoom = sample(100, seed)
        found = adapt(spring(), coordinates, actions, prior(), 0.001)
        scores.append((found.values["rest_length"] - 12 * zoom) / found.std["rest_length"])
        scores.append((found.values["stiffness"] - 4) / found.std["stiffness"])
    score = torch.cat(scores)
    assert 0.8 < float(score.square().mean().sqrt()) < 1.25
    assert float((score.abs() < 3).double().mean()) > 0.97


def test_noise_is_found() -> None:
    coordinates, actions, _ = sample(60)
    found = adapt(spring(), coordinates, actions, prior(), 0.001)
    assert float(found.noise.median()) == pytest.approx(NOISE, rel=0.15)


def test_the_spread_over_sequences_helps_those_that_cannot_tell_alone() -> None:
    coordinates, actions, zoom = sample(60, circling=6)
    alone = adapt(spring(), coordinates, actions, prior(), 0.001)
    spread = spread_prior(alone)
    assert float(spread.width[0]) < 0.01  # stiffness is the same in all, which nobody said
    assert float(spread.width[1]) == pytest.approx(float(zoom.log().std()), rel=0.2)
    together = adapt(spring(), coordinates, actions, spread, 0.001)
    assert float(off(together, zoom)[:6].abs().mean()) < 0.5 * float(off(alone, zoom)[:6].abs().mean())
    assert float((together.values["stiffness"] / 4 - 1).abs().max()) < 0.01
    assert float((alone.values["stiffness"] / 4 - 1).abs().max()) > 0.05


def test_what_a_sequence_cannot_tell_keeps_the_priors_mean_and_width() -> None:
    at_rest = torch.tensor([[10.0, 16.0], [22.0, 16.0]], dtype=torch.float64).expand(1, FRAMES, 2, 2)
    found = adapt(spring(), at_rest, torch.zeros(1, FRAMES - 1, 0), prior(), 0.01)
    assert float(found.values["rest_length"]) == pytest.approx(12.0, rel=1e-3)
    assert float(found.values["stiffness"]) == pytest.approx(4.0, rel=0.01)
    assert float(found.std["stiffness"]) == pytest.approx(4 * 0.3, rel=0.05)
    assert float(found.std["rest_length"]) < 0.1


def test_readings_without_trust_do_not_count() -> None:
    coordinates, actions, zoom = sample(20)
    trust = torch.ones_like(coordinates)
    trust[:, 2, 0], trust[:, 7, 1] = 0.0, 0.0
    wild = coordinates.clone()
    wild[:, 2, 0], wild[:, 7, 1] = 400.0, -400.0
    true, other = (adapt(spring(), x, actions, prior(), 0.001, trust) for x in (coordinates, wild))
    assert float((true.values["rest_length"] - other.values["rest_length"]).abs().max()) < 1e-4
    assert float(off(other, zoom).abs().median()) < 0.005


def test_a_few_wild_readings_bend_the_constants_little() -> None:
    coordinates, actions, zoom = sample(20)
    coordinates[:, 5, 1] += 5.0
    found = adapt(spring(), coordinates, actions, prior(), 0.001)
    assert float(off(found, zoom).abs().median()) < 0.02


def test_a_single_window_with_actions_is_adapted_too() -> None:
    g = torch.Generator().manual_seed(0)
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 14.0, "actuation": 0.8})
    actions = 4 * torch.rand(1, 19, 1, generator=g, dtype=torch.float64) - 2
    start = State(torch.full((1, 1, 1), 2.0, dtype=torch.float64), torch.zeros(1, 1, 1, dtype=torch.float64))
    path = trajectory(physics, start, actions).detach()
    path = path + 0.002 * torch.randn(path.shape, generator=g, dtype=torch.float64)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    found = adapt(physics, path, actions, learned_prior(physics, {}), 0.001)
    for name, truth in {"gravity": 14.0, "actuation": 0.8}.items():
        assert abs(float(found.values[name]) - truth) < 3 * float(found.std[name])
        assert float(found.std[name]) < 0.1 * truth


def test_what_cannot_be_adapted_is_refused() -> None:
    with pytest.raises(PaigError, match="no constants"):
        learned_prior(build_physics("bouncing", 0.3, force=False), {})
    with pytest.raises(PaigError, match="change"):
        learned_prior(spring(), {}, 0.0)
    with pytest.raises(PaigError, match="at least 3"):
        adapt(spring(), torch.zeros(2, 2, 2, 2), torch.zeros(2, 1, 0), prior(), 0.1)
