"""The state filter: as sure as it may be, and not led astray."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from paig_control.estimation.filter import NOISE, Estimates, StateFilter
from paig_control.estimation.state import history, infer
from paig_control.physics.base import Physics
from paig_control.physics.registry import build_physics
from paig_control.types import Reading, State

VALUES = 3000
SURE = 1 / (VALUES * 1e-6)
"""Trust of a reading with a standard deviation of 0.001, far below the least that is assumed."""


def spring() -> Physics:
    physics = build_physics("spring", dt=0.3, force=True)
    physics.set_values({"stiffness": 4.0, "rest_length": 6.0, "actuation": 1.0})
    return physics


def pendulum() -> Physics:
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    return physics


def estimator(physics: Physics) -> Estimates:
    def estimate(coordinates: Tensor, actions: Tensor, trust: Tensor) -> State:
        with torch.no_grad():
            states = history(physics, infer(physics, coordinates, actions, trust), actions)
        return State(states.position[:, -1], states.velocity[:, -1])

    return estimate


def make(physics: Physics) -> StateFilter:
    return StateFilter(physics, estimator(physics), VALUES)


def film(physics: Physics, worlds: int, steps: int, seed: int = 0) -> tuple[State, Tensor]:
    """True states ``(B, T, N, D)`` under random actions ``(B, T - 1, A)``."""
    random = torch.Generator().manual_seed(seed)
    shape = (worlds, physics.objects, physics.dims)
    if physics.turns_alone:
        start = State(torch.rand(shape, generator=random) * 6, torch.randn(shape, generator=random))
    else:
        place = torch.tensor([[11.0, 14.0], [21.0, 17.0]])
        start = State(place + torch.randn(shape, generator=random), 2 * torch.randn(shape, generator=random))
    actions = torch.rand(worlds, steps - 1, physics.action_size, generator=random) * 2 - 1
    with torch.no_grad():
        return history(physics, State(*(x.double() for x in start)), actions.double()), actions


def run(
    physics: Physics, truth: State, actions: Tensor, noise: float, seed: int = 1, hidden: range | None = None
) -> tuple[StateFilter, Tensor, Tensor]:
    """Filter readings of the truth with noise; errors and their claimed standard deviations ``(T, B, 2, N, D)``."""
    random = torch.Generator().manual_seed(seed)
    belief = make(physics)
    errors, stds = [], []
    for t in range(truth.position.shape[1]):
        here = truth.position[:, t].float()
        trust = torch.full_like(here, 1 / (VALUES * noise**2))
        seen = here + noise * torch.randn(here.shape, generator=random)
        if hidden is not None and t in hidden:
            seen[:, 0], trust[:, 0] = seen[:, 1] + 0.3, 0.0
        if t:
            belief.predict(actions[:, t - 1])
        belief.update(Reading(seen, trust))
        state = belief.state
        position = physics.difference(state.position, here)
        errors.append(torch.stack([position, state.velocity - truth.velocity[:, t].float()], 1))
        stds.append(torch.stack(list(belief.std), 1))
    return belief, torch.stack(errors), torch.stack(stds)


@pytest.mark.parametrize("physics", [spring(), pendulum()], ids=["spring", "pendulum"])
def test_errors_are_as_large_as_the_filter_says(physics: Physics) -> None:
    truth, actions = film(physics, 40, 30)
    _, errors, stds = run(physics, truth, actions, noise=5 * NOISE * float(physics.scale[0, 0]))
    ratio = (errors / stds)[8:].square().mean((0, 1, 3, 4)).sqrt()
    assert bool(((ratio > 0.5) & (ratio < 1.3)).all()), ratio


@pytest.mark.parametrize("physics", [spring(), pendulum()], ids=["spring", "pendulum"])
def test_it_knows_more_than_the_last_four_frames_tell(physics: Physics) -> None:
    noise = 5 * NOISE * float(physics.scale[0, 0])
    truth, actions = film(physics, 40, 30)
    _, errors, _ = run(physics, truth, actions, noise)
    random = torch.Generator().manual_seed(1)
    seen = truth.position[:, -4:] + noise * torch.randn(truth.position[:, -4:].shape, generator=random)
    window = estimator(physics)(seen.float(), actions[:, -3:], torch.ones_like(seen).float())
    alone = (window.velocity - truth.velocity[:, -1]).square().mean().sqrt()
    assert float(errors[-1, :, 1].square().mean().sqrt()) < 0.6 * float(alone)


def test_what_is_hidden_is_foreseen() -> None:
    physics = spring()
    truth, actions = film(physics, 10, 25)
    _, errors, stds = run(physics, truth, actions, noise=0.02, hidden=range(12, 17))
    assert float(errors[16, :, 0].abs().max()) < 0.15
    assert float(stds[16, :, 0, 0].mean()) > 1.3 * float(stds[16, :, 0, 1].mean())
    assert float(errors[20, :, 0].abs().max()) < 0.05


def test_one_wrong_reading_hardly_moves_it_but_a_kick_is_followed() -> None:
    physics = spring()
    truth, actions = film(physics, 1, 30)
    belief, _, _ = run(physics, State(*(x[:, :15] for x in truth)), actions, noise=0.01)

    def see(t: int, shift: float) -> float:
        belief.predict(actions[:, t - 1])
        place = truth.position[:, t].float()
        moved = place.clone()
        moved[:, 0, 0] += shift
        belief.update(Reading(moved, torch.full_like(moved, SURE)))
        return float((belief.state.position - place)[0, 0, 0])

    assert abs(see(15, 4.0)) < 0.5
    assert abs(see(16, 0.0)) < 0.1
    assert see(17, 4.0) < 0.5
    assert see(18, 4.0) == pytest.approx(4.0, abs=0.3)
    assert see(19, 4.0) == pytest.approx(4.0, abs=0.3)


def test_balls_are_followed_around_walls() -> None:
    physics = build_physics("bouncing", dt=1.0, width=32, height=32, radius=2.0)
    random = torch.Generator().manual_seed(0)
    place = torch.tensor([[8.0, 8.0], [24.0, 22.0]]).double().expand(20, 2, 2)
    start = State(place, 3 * torch.randn(20, 2, 2, generator=random).double())
    actions = torch.zeros(20, 29, physics.action_size)
    with torch.no_grad():
        truth = history(physics, start, actions.double())
    _, errors, _ = run(physics, truth, actions, noise=0.01)
    assert float(errors[10:, :, 0].abs().max()) < 0.2


def test_worlds_do_not_disturb_one_another() -> None:
    physics = spring()
    truth, actions = film(physics, 6, 12)
    _, together, _ = run(physics, truth, actions, noise=1e-9)
    _, alone, _ = run(physics, State(*(x[2:3] for x in truth)), actions[2:3], noise=1e-9)
    torch.testing.assert_close(together[:, 2:3], alone, atol=1e-5, rtol=0)
