"""Physics against scipy, against Gymnasium's own pendulum, and against its own promises."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from paig_control.errors import PaigError
from paig_control.estimation.state import trajectory
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import Constant
from paig_control.physics.registry import build_physics
from paig_control.types import State


def start(angle: float, speed: float) -> State:
    return State(torch.tensor([[angle]], dtype=torch.float64), torch.tensor([[speed]], dtype=torch.float64))


def pendulum(substeps: int = 1) -> Physics:
    physics = build_physics("pendulum", dt=0.05, substeps=substeps)
    physics.set_values({"gravity": 9.81, "actuation": 0.8})
    return physics


def reference(torques: np.ndarray, angle: float, speed: float) -> float:
    state = np.array([angle, speed])
    for torque in torques:
        solved = solve_ivp(
            lambda _, s, u=torque: [s[1], 1.5 * 9.81 * np.sin(s[0]) + 3 * 0.8 * u],
            (0, 0.05),
            state,
            rtol=1e-11,
            atol=1e-11,
        )
        state = solved.y[:, -1]
    return float(state[0])


def test_integrator_converges_to_scipy_with_first_order() -> None:
    torques = np.random.default_rng(0).uniform(-2, 2, 20)
    truth = reference(torques, 2.0, 0.5)
    errors = []
    for substeps in (8, 16, 32):
        path = pendulum(substeps).rollout(start(2.0, 0.5), torch.tensor(torques)[:, None])
        errors.append(abs(float(path.position[-1].detach()) - truth))
    assert errors[2] < 0.01
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all((orders > 0.8) & (orders < 1.3))


def test_one_substep_is_gymnasiums_own_pendulum() -> None:
    env = gym.make("Pendulum-v1")
    env.reset(seed=4)
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    angle, speed = env.unwrapped.state
    torques = np.random.default_rng(1).uniform(-2, 2, (60, 1)).astype(np.float32)
    path = physics.rollout(start(angle, speed), torch.tensor(torques).double())
    for step, torque in enumerate(torques):
        env.step(torque)
        assert float(path.position[step].detach()) == pytest.approx(env.unwrapped.state[0], abs=1e-6)
        assert float(path.velocity[step].detach()) == pytest.approx(env.unwrapped.state[1], abs=1e-6)


def test_energy_drifts_little_without_torque() -> None:
    physics = pendulum(substeps=10)
    path = physics.rollout(start(1.5, 0.0), torch.zeros(100, 1, dtype=torch.float64))
    energy = 0.5 * path.velocity**2 + 1.5 * 9.81 * torch.cos(path.position)
    assert float((energy.max() - energy.min()).detach()) < 0.5  # of a swing of 2 x 1.5 x 9.81


def test_speed_is_clipped() -> None:
    path = pendulum().rollout(start(0.1, 20.0), torch.full((3, 1), 2.0, dtype=torch.float64))
    assert float(path.velocity.detach().max()) == 8.0


def test_difference_takes_the_short_way_round() -> None:
    delta = pendulum().difference(torch.tensor(3.1), torch.tensor(-3.1))
    assert float(delta) == pytest.approx(6.2 - 2 * np.pi, abs=1e-5)


def test_constants_stay_positive_under_any_gradient_step() -> None:
    physics = build_physics("spring", 0.3, force=False)
    with torch.no_grad():
        physics.free -= 30.0
    assert all(value > 0 for value in physics.values().values())


def test_a_constant_of_either_sign_maps_there_and_back() -> None:
    constant = Constant("gain", low=-math.inf)
    value = torch.tensor([-250.0, -1.0, -1e-9, 0.0, 0.3, 1e4], dtype=torch.float64)
    assert torch.allclose(constant.to_value(constant.to_free(value)), value, rtol=1e-9, atol=0.0)


def test_bounded_constant_maps_there_and_back() -> None:
    constant = Constant("damping", "1/s", start=0.1, low=0.0, high=2.0)
    value = torch.tensor([0.01, 1.0, 1.99], dtype=torch.float64)
    assert torch.allclose(constant.to_value(constant.to_free(value)), value)
    assert float(constant.to_value(torch.tensor(50.0))) <= 2.0


def test_batched_constants_give_each_batch_its_own_physics() -> None:
    physics = pendulum()
    both = State(torch.full((2, 1, 1), 2.0, dtype=torch.float64), torch.zeros(2, 1, 1, dtype=torch.float64))
    actions = torch.zeros(2, 5, 1, dtype=torch.float64)
    with physics.using({"gravity": torch.tensor([5.0, 9.81], dtype=torch.float64).reshape(2, 1, 1)}):
        path = trajectory(physics, both, actions)
    alone = trajectory(physics, start(2.0, 0.0), actions[0])
    assert torch.allclose(path[1], alone)
    assert float((path[0] - path[1]).abs().max().detach()) > 0.1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: build_physics("pendulm", 0.05), "did you mean pendulum"),
        (lambda: build_physics("pendulum", 0.05, lenght=2.0), "did you mean length"),
        (lambda: build_physics("pendulum", 0.05, length="long"), "expected something like 1.0"),
        (lambda: build_physics("pendulum", 0.05, mass=-1.0), "positive"),
        (lambda: build_physics("pendulum", 0.0), "positive time"),
        (lambda: pendulum().set_values({"stiffness": 1.0}), "it has gravity, actuation"),
        (lambda: pendulum().set_values({"gravity": float("nan")}), "outside its bounds"),
        (lambda: build_physics("spring", 0.3).set_values({"stiffness": -1.0}), "outside its bounds"),
    ],
)
def test_mistakes_are_explained(call: object, says: str) -> None:
    with pytest.raises(PaigError, match=says):
        call()  # type: ignore[operator]


def test_constants_replaced_after_a_frozen_step_count_at_once_and_no_longer_than_their_block() -> None:
    physics, action = pendulum(), torch.zeros(1, dtype=torch.float64)

    def pull() -> float:
        return float(physics.acceleration(start(np.pi / 2, 0.0), action).detach())

    with physics.frozen():
        assert pull() == pytest.approx(1.5 * 9.81)
        with physics.using({"gravity": torch.tensor(4.0, dtype=torch.float64)}):
            assert pull() == pytest.approx(6.0)
        assert pull() == pytest.approx(1.5 * 9.81)
    physics.set_values({"gravity": 2.0})
    assert pull() == pytest.approx(3.0)
