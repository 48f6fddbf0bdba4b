"""States from coordinates: exact where the physics is, honest where the frames cannot tell."""

from __future__ import annotations

import math

import pytest
import torch

from paig_control.estimation.state import believed, best_start, first_guess, infer, linearise, pack, trajectory, unpack
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.types import State


def pendulum() -> Physics:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    return physics


def sample(batch: int, frames: int, seed: int = 0) -> tuple[State, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    angle = (torch.rand(batch, 1, 1, generator=g, dtype=torch.float64) * 2 - 1) * math.pi
    speed = (torch.randn(batch, 1, 1, generator=g, dtype=torch.float64) * 2.5).clamp(-6, 6)
    actions = torch.rand(batch, frames - 1, 1, generator=g, dtype=torch.float64) * 4 - 2
    start = State(angle, speed)
    return start, actions, trajectory(pendulum(), start, actions).detach()


def test_exact_coordinates_give_the_exact_state_across_the_wrap_too() -> None:
    start, actions, path = sample(50, 5)
    wrapped = torch.remainder(path + math.pi, 2 * math.pi) - math.pi
    found = infer(pendulum(), wrapped, actions, steps=6)
    assert float(pendulum().difference(found.position, start.position).abs().max().detach()) < 1e-4
    assert float((found.velocity - start.velocity).abs().max().detach()) < 1e-2


def test_least_squares_beats_finite_differences_under_noise() -> None:
    start, actions, path = sample(200, 4)
    noisy = path + 0.003 * torch.randn(path.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    fitted = infer(pendulum(), noisy, actions).velocity.detach() - start.velocity
    crude = (noisy[:, 1] - noisy[:, 0]) / 0.05 - start.velocity
    assert float(fitted.square().mean().sqrt()) < 0.5 * float(crude.square().mean().sqrt())


def test_one_frame_says_nothing_of_velocity() -> None:
    found = infer(pendulum(), torch.full((3, 1, 1, 1), 0.7), torch.zeros(3, 0, 1))
    assert torch.allclose(found.position, torch.full((3, 1, 1), 0.7), atol=1e-4)
    assert float(found.velocity.abs().max().detach()) == 0.0


def test_derivatives_agree_with_autograd() -> None:
    physics = pendulum()
    start, actions, _ = sample(1, 6)
    line = linearise(physics, pack(start), actions, step=1e-4, constants=True)

    def path(vector: torch.Tensor, gravity: torch.Tensor, actuation: torch.Tensor) -> torch.Tensor:
        with physics.using({"gravity": gravity.sinh(), "actuation": actuation.sinh()}):
            return trajectory(physics, unpack(vector, physics), actions).flatten()

    free = physics.free.detach()
    exact = torch.autograd.functional.jacobian(path, (pack(start), free[0], free[1]))
    assert torch.allclose(line.by_state[0], exact[0].reshape(6, 2), atol=1e-5)
    assert torch.allclose(line.by_constant[0], torch.stack([exact[1], exact[2]], -1), atol=1e-5)


def test_gradients_reach_coordinates_and_constants() -> None:
    physics = pendulum()
    _, actions, path = sample(4, 5)
    coordinates = path.clone().requires_grad_(True)
    state = infer(physics, coordinates, actions)
    (state.position.sum() + state.velocity.sum()).backward()
    assert coordinates.grad is not None
    assert physics.free.grad is not None
    assert float(coordinates.grad.abs().min()) > 0
    assert float(physics.free.grad.abs().min()) > 0


def test_walls_hit_within_the_frames_do_not_mislead() -> None:
    physics = build_physics("bouncing", 0.3, force=False)
    g = torch.Generator().manual_seed(0)
    position = torch.rand(300, 2, 2, generator=g, dtype=torch.float64) * 28 + 2
    angle = torch.rand(300, 2, 1, generator=g, dtype=torch.float64) * 2 * math.pi
    start = State(position, 8 * torch.cat([angle.cos(), angle.sin()], -1))
    none = torch.zeros(300, 9, 0, dtype=torch.float64)
    path = trajectory(physics, start, none)

    def misled(state: State) -> float:
        wrong = (trajectory(physics, state, none) - path).abs().amax((1, 2, 3)) > 0.1
        return float(wrong.double().mean())

    assert misled(unpack(first_guess(physics, path[:, :4]), physics)) > 0.2
    assert misled(infer(physics, path[:, :4], none[:, :3])) < 0.03


@pytest.mark.parametrize(
    "physics",
    [build_physics("bouncing", 0.3, force=False), build_physics("spring", 0.3, force=False)],
    ids=["bouncing", "spring"],
)
@pytest.mark.parametrize("hidden", range(4))
def test_an_object_may_be_hidden_in_one_of_the_frames(physics: Physics, hidden: int) -> None:
    g = torch.Generator().manual_seed(hidden)
    position = torch.rand(100, 2, 2, generator=g, dtype=torch.float64) * 20 + 6
    start = State(position, torch.rand(100, 2, 2, generator=g, dtype=torch.float64) * 10 - 5)
    none = torch.zeros(100, 5, 0, dtype=torch.float64)
    path = trajectory(physics, start, none).detach()
    seen, trust = path[:, :4].clone(), torch.ones_like(path[:, :4])
    seen[:, hidden, 1] = seen[:, hidden, 0]
    trust[:, hidden, 1] = 1e-4

    def wrong(found: State) -> float:
        apart = (trajectory(physics, found, none) - path).abs().amax((1, 2, 3))
        return float((apart > 0.1).double().mean())

    assert wrong(infer(physics, seen, none[:, :3], trust)) <= 0.02
    assert wrong(infer(physics, seen, none[:, :3])) > 0.5


def test_an_object_may_be_gone_between_the_first_and_the_last_frame() -> None:
    g = torch.Generator().manual_seed(0)
    start = State(
        torch.rand(100, 2, 2, generator=g, dtype=torch.float64) * 20 + 6,
        torch.rand(100, 2, 2, generator=g, dtype=torch.float64) * 10 - 5,
    )
    physics = build_physics("spring", 0.3, force=False)
    none = torch.zeros(100, 5, 0, dtype=torch.float64)
    path = trajectory(physics, start, none).detach()
    seen, trust = path[:, :4].clone(), torch.ones_like(path[:, :4])
    seen[:, 1:3, 1] = seen[:, 1:3, 0]
    trust[:, 1:3, 1] = 1e-3
    apart = (trajectory(physics, infer(physics, seen, none[:, :3], trust), none) - path).abs().amax((1, 2, 3))
    assert float((apart > 0.5).double().mean()) <= 0.03


@pytest.mark.parametrize("frames", [2, 4, 8])
def test_state_does_not_depend_on_the_batch(frames: int) -> None:
    _, actions, path = sample(6, frames)
    together = infer(pendulum(), path, actions)
    alone = infer(pendulum(), path[2:3], actions[2:3])
    assert torch.allclose(together.velocity[2:3], alone.velocity, atol=1e-9)


@pytest.mark.parametrize("objects", [1, 2])
def test_each_world_of_a_batch_starts_on_its_own_branch(objects: int) -> None:
    physics = build_physics("bouncing", 0.3, force=False, objects=objects)
    g = torch.Generator().manual_seed(3)
    position = torch.rand(60, objects, 2, generator=g, dtype=torch.float64) * 28 + 2
    angle = torch.rand(60, objects, 1, generator=g, dtype=torch.float64) * 2 * math.pi
    none = torch.zeros(60, 3, 0, dtype=torch.float64)
    path = trajectory(physics, State(position, 8 * torch.cat([angle.cos(), angle.sin()], -1)), none)
    together = best_start(physics, path, none)
    alone = torch.cat([best_start(physics, path[i : i + 1], none[i : i + 1]) for i in range(60)])
    torch.testing.assert_close(together, alone)
    missed = (trajectory(physics, unpack(together, physics), none) - path).abs().amax((1, 2, 3)) > 1e-6
    assert float(missed.double().mean()) < 0.05


def test_what_one_world_is_trusted_says_nothing_of_another() -> None:
    _, actions, path = sample(2, 5)
    trust = torch.ones_like(path)
    trust[1] = 1e-10  # hidden throughout, and yet the best that there is
    found, alike = infer(pendulum(), path, actions, trust), infer(pendulum(), path, actions)
    torch.testing.assert_close(found.velocity, alike.velocity, rtol=0, atol=1e-6)


def test_trust_is_measured_by_what_is_trusted_at_all() -> None:
    """Where most is out of sight, what is seen counts as much as ever."""
    trust = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 6.0])
    assert believed(trust).tolist() == [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]
    assert believed(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]
