"""Springs, gravity and walls against scipy, conservation laws and their own promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from paig_control.errors import PaigError
from paig_control.physics.base import Physics, integrate_by
from paig_control.physics.registry import build_physics
from paig_control.types import State

K, REST, G = 4.0, 12.0, 60.0


def spring(substeps: int = 5, **options: bool) -> Physics:
    physics = build_physics("spring", 0.3, substeps=substeps, **options)
    physics.set_values({"stiffness": K, "rest_length": REST})
    return physics


def gravity(substeps: int = 5) -> Physics:
    physics = build_physics("gravity", 0.5, substeps=substeps)
    physics.set_values({"gravity": G})
    return physics


def state(position: list[list[float]], velocity: list[list[float]]) -> State:
    return State(torch.tensor(position, dtype=torch.float64), torch.tensor(velocity, dtype=torch.float64))


APART = state([[10.0, 14.0], [20.0, 19.0]], [[3.0, -2.0], [-1.0, 2.5]])
THREE = state([[9.0, 12.0], [22.0, 14.0], [16.0, 24.0]], [[1.0, 1.5], [-1.2, 0.3], [0.4, -1.0]])


def spring_force(x: np.ndarray) -> np.ndarray:
    d = x[0] - x[1]
    force = -K * (np.linalg.norm(d) - REST) * d / np.linalg.norm(d)
    return np.stack([force, -force])


def gravity_force(x: np.ndarray) -> np.ndarray:
    total = np.zeros_like(x)
    for i in range(3):
        for j in range(3):
            if i != j:
                d = x[j] - x[i]
                total[i] += G * d / np.linalg.norm(d) ** 3
    return total


@pytest.mark.parametrize(("make", "start", "force"), [(spring, APART, spring_force), (gravity, THREE, gravity_force)])
def test_integrator_converges_to_scipy_with_first_order(make: object, start: State, force: object) -> None:
    shape = start.position.shape

    def flow(_: float, y: np.ndarray) -> np.ndarray:
        position, velocity = y.reshape(2, *shape)
        return np.concatenate([velocity.ravel(), force(position).ravel()])  # type: ignore[operator]

    y0 = np.concatenate([start.position.numpy().ravel(), start.velocity.numpy().ravel()])
    errors = []
    for substeps in (10, 20, 40):
        physics = make(substeps)  # type: ignore[operator]
        steps = round(1.5 / physics.dt)
        truth = solve_ivp(flow, (0, steps * physics.dt), y0, rtol=1e-10, atol=1e-10).y[: y0.size // 2, -1]
        path = physics.rollout(start, torch.zeros(steps, physics.action_size, dtype=torch.float64))
        errors.append(np.abs(path.position[-1].detach().numpy().ravel() - truth).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert errors[-1] < 0.2
    assert np.all((orders > 0.8) & (orders < 1.4))


def test_the_fourth_order_scheme_beats_euler_at_less_work() -> None:
    def flow(_: float, y: np.ndarray) -> np.ndarray:
        position, velocity = y.reshape(2, 2, 2)
        return np.concatenate([velocity.ravel(), spring_force(position).ravel()])

    y0 = np.concatenate([APART.position.numpy().ravel(), APART.velocity.numpy().ravel()])
    truth = solve_ivp(flow, (0, 3.0), y0, rtol=1e-11, atol=1e-11).y[:4, -1]
    errors = {}
    for name in ("euler-8", "pefrl-1", "pefrl-2"):
        physics = spring()
        integrate_by(physics, name)
        path = physics.rollout(APART, torch.zeros(10, 4, dtype=torch.float64))
        errors[name] = np.abs(path.position[-1].detach().numpy().ravel() - truth).max()
    assert errors["pefrl-1"] < 0.05 * errors["euler-8"]
    assert 3 < np.log2(errors["pefrl-1"] / errors["pefrl-2"]) < 5


@pytest.mark.parametrize("name", ["eulr-5", "euler-0", "pefrl", "pefrl-x"])
def test_unknown_integrators_are_refused(name: str) -> None:
    with pytest.raises(PaigError, match="integrator"):
        integrate_by(spring(), name)


@pytest.mark.parametrize(("physics", "start"), [(spring(), APART), (gravity(), THREE)])
def test_inner_forces_do_not_move_the_centre_of_mass(physics: Physics, start: State) -> None:
    actions = torch.zeros(10, physics.action_size, dtype=torch.float64)
    path = physics.rollout(start, actions)
    expected = start.velocity.sum(0).expand(10, 2)
    assert torch.allclose(path.velocity.sum(1), expected, atol=1e-9)


def test_a_force_on_one_body_pushes_that_body_alone() -> None:
    physics = build_physics("spring", 0.3, actuated=[1])
    physics.set_values({"stiffness": 1e-6, "rest_length": 1.0, "actuation": 2.0})
    still = state([[10.0, 14.0], [20.0, 19.0]], [[0.0, 0.0], [0.0, 0.0]])
    path = physics.rollout(still, torch.tensor([[3.0, -1.0]], dtype=torch.float64))
    assert torch.allclose(path.velocity[0, 0], torch.zeros(2, dtype=torch.float64), atol=1e-4)
    assert path.velocity[0, 1].tolist() == pytest.approx([2.0 * 3.0 * 0.3, -2.0 * 0.3], abs=1e-4)


def test_damping_is_a_constant_only_where_it_is_asked_for() -> None:
    assert "damping" not in spring().names
    damped = spring(damping=True)
    assert "damping" in damped.names
    free = state([[10.0, 14.0], [22.0, 14.0]], [[4.0, 0.0], [4.0, 0.0]])
    path = damped.rollout(free, torch.zeros(10, 4, dtype=torch.float64))
    assert float(path.velocity[-1, 0, 0].detach()) == pytest.approx(4.0 * np.exp(-0.1 * 3.0), rel=0.01)


@pytest.mark.parametrize("physics", [spring(), gravity()])
def test_coinciding_bodies_give_numbers_in_value_and_gradient(physics: Physics) -> None:
    position = torch.full((physics.objects, 2), 16.0, dtype=torch.float64, requires_grad=True)
    path = physics.rollout(State(position, torch.zeros_like(position)), torch.zeros(4, physics.action_size).double())
    path.position.sum().backward()
    assert bool(path.position.isfinite().all())
    assert position.grad is not None
    assert bool(position.grad.isfinite().all())


@pytest.mark.parametrize("physics", [spring(), gravity(), build_physics("bouncing", 0.3)])
def test_single_precision_stays_single(physics: Physics) -> None:
    position = torch.rand(4, physics.objects, 2) * 20 + 4
    path = physics.rollout(State(position, torch.zeros_like(position)), torch.zeros(4, 3, physics.action_size))
    assert path.position.dtype == torch.float32


def test_walls_reflect_without_loss_and_hold() -> None:
    physics = build_physics("bouncing", 0.3, force=False)
    start = state([[10.0, 14.0], [20.0, 19.0]], [[7.0, -3.0], [-5.0, 6.0]])
    path = physics.rollout(start, torch.zeros(60, 0, dtype=torch.float64))
    assert bool(((path.position >= 2.0) & (path.position <= 30.0)).all())
    assert torch.allclose(path.velocity.abs(), start.velocity.abs().expand_as(path.velocity))
    # unfolded, the flight is straight
    far = start.position + 60 * 0.3 * start.velocity - 2.0
    folded = 28.0 - (torch.remainder(far, 56.0) - 28.0).abs() + 2.0
    assert torch.allclose(path.position[-1], folded, atol=1e-9)


def test_gradients_go_through_reflections() -> None:
    physics = build_physics("bouncing", 0.3, force=False)
    velocity = torch.tensor([[9.0, 0.0], [2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    path = physics.rollout(State(APART.position, velocity), torch.zeros(10, 0).double())
    path.position[-1, 0, 0].backward()
    assert velocity.grad is not None
    assert abs(float(velocity.grad[0, 0])) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: build_physics("spring", 0.3, objects=1), "at least 2"),
        (lambda: build_physics("spring", 0.3, actuated=[5]), "from 0 to 1"),
        (lambda: build_physics("gravity", 0.5, nearest=0.0), "nearest"),
        (lambda: build_physics("bouncing", 0.3, width=3.0), "diameter"),
    ],
)
def test_mistakes_are_explained(call: object, says: str) -> None:
    with pytest.raises(PaigError, match=says):
        call()  # type: ignore[operator]
