"""The filter of states and constants: what it believes after a frame is what is likeliest, found independently."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from paig_control.estimation.kalman import Belief, Kalman
from paig_control.estimation.online import OnlineAdapter
from paig_control.estimation.settings import OnlineSettings
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import Constant, Coordinate
from paig_control.physics.registry import build_physics
from paig_control.types import Reading, State


class Lifted(Physics):
    """A mass that falls no slower than at 2 px/s²."""

    def __init__(self) -> None:
        super().__init__(
            0.1, 1, [[Coordinate("y", "px")]], 1, (Constant("fall", "px/s²", start=5.0, low=2.0), Constant("push"))
        )

    def acceleration(self, state: State, action: Tensor) -> Tensor:
        return self.constant("fall") + self.constant("push") * action[..., None]


def test_relative_constants_of_one_are_those_of_the_physics_whatever_their_bounds() -> None:
    physics = Lifted()
    found = Kalman(physics).values(torch.ones(2, dtype=torch.float64))
    assert {name: float(value) for name, value in found.items()} == pytest.approx(physics.values())
    half = Kalman(physics).values(torch.full((2,), 0.5, dtype=torch.float64))
    assert {name: float(value) for name, value in half.items()} == pytest.approx({"fall": 3.5, "push": 0.5})


def likeliest(laws: Kalman, belief: Belief, action: Tensor, seen: float, noise: float) -> np.ndarray:
    """Unknowns after the step that explain belief and reading best, by a solver that knows nothing of ours."""
    mean, covariance = belief.mean[0, 0].numpy(), belief.covariance[0, 0].numpy()
    inverse = np.linalg.inv(covariance)

    def after(unknowns: np.ndarray) -> np.ndarray:
        found: np.ndarray = laws.advance(torch.from_numpy(unknowns)[None, None], action)[0][0, 0].numpy()
        return found

    def cost(unknowns: np.ndarray) -> float:
        away = unknowns - mean
        return float(away @ inverse @ away + ((after(unknowns)[0] - seen) / noise) ** 2)

    best = minimize(cost, mean, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 5000})
    return after(best.x)


@pytest.mark.parametrize("shift", [-0.6, 0.6])
def test_a_belief_wide_enough_for_the_physics_to_bend_is_corrected_as_is_likeliest(shift: float) -> None:
    physics = build_physics("pendulum", dt=0.3, substeps=20)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    laws = Kalman(physics)
    mean = torch.tensor([0.5, 1.0, 1.0, 1.0], dtype=torch.float64).expand(1, 1, 4)
    belief = Belief(mean, torch.diag(torch.tensor([0.5, 1.0, 0.5, 0.01]).double() ** 2)[None, None])
    action, noise = torch.tensor([[0.5]], dtype=torch.float64), 0.02
    seen = laws.advance(mean, action)[0][0, 0, 0] + shift
    told = laws.follow(
        belief, action, seen.reshape(1, 1), torch.full((1, 1), noise**2).double(), torch.zeros_like(mean)
    )
    best = likeliest(laws, belief, action, float(seen), noise)
    np.testing.assert_allclose(told.belief.mean[0, 0].numpy(), best, atol=0.015)


def test_of_the_families_of_rivals_the_oldest_gives_way() -> None:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    adapter = OnlineAdapter(physics, 0.003, settings=OnlineSettings(every=5, rivals=3))
    adapter.reset(1)
    for frame in range(40):
        hanging = torch.full((1, 1, 1), torch.pi)
        adapter.observe(Reading(hanging, torch.ones_like(hanging)), torch.zeros(1, 1) if frame else None)
        if frame > 20:
            youngest, *older = sorted(adapter.age[0].tolist())
            assert older == [youngest + 5, youngest + 10]
            assert youngest < 5
