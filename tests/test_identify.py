"""Constants from noisy coordinates, with error bars that are true."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from paig_control.errors import PaigError
from paig_control.inference import trajectory
from paig_control.learning.identify import Estimate, Identified, identify
from paig_control.learning.settings import IdentifySettings
from paig_control.physics.integrators import integrate_by
from paig_control.physics.pendulum import Pendulum
from paig_control.types import State
from paig_control.vision.kinematics import Rotary

TRUTH = {"gravity": 9.0, "actuation": 1.2}


def films(seed: int, noise: float = 0.002, integrator: str = "euler-1") -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    physics = Pendulum()
    integrate_by(physics, integrator)
    physics.set_values(TRUTH)
    angle = (torch.rand(24, 1, 1, generator=g, dtype=torch.float64) * 2 - 1) * math.pi
    speed = torch.rand(24, 1, 1, generator=g, dtype=torch.float64) * 2 - 1
    actions = torch.rand(24, 19, 1, generator=g, dtype=torch.float64) * 4 - 2
    path = trajectory(physics, State(angle, speed), actions).detach()
    path = path + noise * torch.randn(path.shape, generator=g, dtype=torch.float64)
    return torch.remainder(path + math.pi, 2 * math.pi) - math.pi, actions


def fit(
    seed: int, noise: float = 0.002, integrator: str = "euler-1", settings: IdentifySettings | None = None
) -> tuple[Identified, Pendulum]:
    coordinates, actions = films(seed, noise, integrator)
    physics = Pendulum()
    return identify(physics, coordinates, actions, settings, Rotary().gauge(coordinates)), physics


def test_exact_coordinates_give_exact_constants_from_a_start_of_one() -> None:
    found, _ = fit(0, noise=0.0)
    for name, value in TRUTH.items():
        assert found.constants[name].value == pytest.approx(value, rel=1e-5)


def test_error_bars_are_as_wide_as_the_errors() -> None:
    scores = []
    for seed in range(12):
        found, _ = fit(seed, settings=IdentifySettings(integrators=("euler-1",)))
        scores += [(found.constants[n].value - v) / found.constants[n].std for n, v in TRUTH.items()]
    assert 0.6 < np.sqrt(np.mean(np.square(scores))) < 1.5
    assert np.max(np.abs(scores)) < 4


@pytest.mark.parametrize("integrator", ["euler-1", "pefrl-2"])
def test_the_integrator_that_made_the_films_is_chosen(integrator: str) -> None:
    _, physics = fit(1, integrator=integrator)
    assert f"{physics.scheme}-{physics.substeps}" == integrator


def test_outliers_bend_the_constants_little() -> None:
    coordinates, actions = films(2)
    coordinates[::6, ::5] += 0.5
    found = identify(Pendulum(), coordinates, actions)
    assert found.constants["gravity"].value == pytest.approx(TRUTH["gravity"], rel=0.01)


def test_a_constant_offset_of_the_eyes_is_found() -> None:
    coordinates, actions = films(3)
    found = identify(Pendulum(), coordinates - 0.1, actions)
    assert float(found.offset) == pytest.approx(0.1, abs=0.003)
    assert found.constants["gravity"].value == pytest.approx(TRUTH["gravity"], rel=0.01)


def test_estimates_are_printed_to_two_digits_of_their_error() -> None:
    assert str(Estimate(10.0123, 0.0312, "m/s²")) == "10.012 ± 0.031 m/s²"
    assert str(Estimate(0.99987, 0.00123, "")) == "0.9999 ± 0.0012"
    assert str(Estimate(123.4, 12.0, "px")) == "123 ± 12 px"


@pytest.mark.parametrize(("shape", "says"), [((24, 2), "at least 3"), ((1, 8), "no error bars")])
def test_too_little_data_is_refused(shape: tuple[int, int], says: str) -> None:
    with pytest.raises(PaigError, match=says):
        identify(Pendulum(), torch.zeros(*shape, 1, 1), torch.zeros(shape[0], shape[1] - 1, 1), IdentifySettings())
