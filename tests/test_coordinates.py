"""Pixels and radians side by side in one state: every threshold counts in the scale of its own coordinate."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from paig_control.agents.objectives import goal_objective
from paig_control.agents.terms import Box, Disc, KeepOut, Walls
from paig_control.errors import PaigError
from paig_control.estimation.filter import StateFilter
from paig_control.estimation.state import history, infer
from paig_control.goals.equilibrium import holding
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import ANGLE, PLANE, Constant, Coordinate
from paig_control.types import Reading, State

RAIL = Coordinate("rail", "px")
HINGE = ANGLE[0]


class Cart(Physics):
    """A cart on a rail, pulled back by a spring, and a pendulum beside it that hangs from a wall; each is pushed."""

    def __init__(self, units: float = 1.0) -> None:
        self.units = units  # of the rail: pixels in one of them
        rail = Coordinate("rail", "px", scale=1 / units)
        super().__init__(
            0.1, 4, [[rail, HINGE]], 2, (Constant("stiffness", "1/s²"), Constant("gravity", "1/s²", start=6.0))
        )

    def acceleration(self, state: State, action: Tensor) -> Tensor:
        rail, angle = state.position.unbind(-1)
        back = -self.constant("stiffness") * (rail - 16.0 / self.units)
        swing = self.constant("gravity") * torch.sin(angle)
        return torch.stack([back, swing], -1) + action.unsqueeze(-2) / torch.tensor([self.units, 1.0]).to(action)


def estimates(physics: Physics):  # type: ignore[no-untyped-def]
    def estimate(coordinates: Tensor, actions: Tensor, trust: Tensor) -> State:
        with torch.no_grad():
            states = history(physics, infer(physics, coordinates, actions, trust), actions)
        return State(states.position[:, -1], states.velocity[:, -1])

    return estimate


def test_only_angles_go_the_short_way_round() -> None:
    cart = Cart()
    a, b = torch.tensor([[[30.0, 3.0]]]), torch.tensor([[[2.0, -3.0]]])
    expected = torch.tensor([[[28.0, 6.0 - 2 * math.pi]]])
    torch.testing.assert_close(cart.difference(a, b), expected)
    torch.testing.assert_close(cart.difference(a.flatten(1), b.flatten(1)), expected.flatten(1))
    two = Physics(0.1, 1, [(RAIL, RAIL), (RAIL, HINGE)], 0, ())
    pair = torch.tensor([[30.0, 30.0], [30.0, 3.0]])
    torch.testing.assert_close(two.difference(pair, -pair), torch.tensor([[60.0, 60.0], [60.0, 6.0 - 2 * math.pi]]))
    torch.testing.assert_close(two.difference(pair[1:], -pair[1:], [1]), torch.tensor([[60.0, 6.0 - 2 * math.pi]]))
    torch.testing.assert_close(two.difference(pair[:1], -pair[:1], [0]), torch.tensor([[60.0, 60.0]]))


def test_what_a_state_is_made_of_is_told() -> None:
    cart = Cart()
    assert (cart.objects, cart.dims) == (1, 2)
    assert cart.scale.tolist() == [[1.0, 0.1]]
    assert cart.periodic.tolist() == [[False, True]]
    assert [physics.turns_alone for physics in (cart, Physics(0.1, 1, [ANGLE], 1, ()))] == [False, True]
    with pytest.raises(PaigError, match=r"objects of \[1, 2\] coordinates"):
        Physics(0.1, 1, [PLANE, ANGLE], 0, ())
    with pytest.raises(PaigError, match="rail has scale = 0"):
        Coordinate("rail", scale=0)


def test_the_filter_is_as_right_about_each_as_it_says() -> None:
    cart, random = Cart(), torch.Generator().manual_seed(0)
    place = torch.tensor([16.0, math.pi]) + torch.tensor([4.0, 2.0]) * torch.randn(40, 1, 2, generator=random)
    pushes = torch.randn(40, 29, 2, generator=random)
    with torch.no_grad():
        truth = history(cart, State(place.double(), torch.randn(40, 1, 2, generator=random).double()), pushes.double())
    noise, values = torch.tensor([0.05, 0.005]), 3000
    belief, late = StateFilter(cart, estimates(cart), values), []
    for t in range(30):
        here = truth.position[:, t].float()
        if t:
            belief.predict(pushes[:, t - 1])
        seen = here + noise * torch.randn(here.shape, generator=random)
        belief.update(Reading(seen, (1 / (values * noise**2)).expand_as(here)))
        if t >= 8:
            off = cart.difference(belief.state.position, here), belief.state.velocity - truth.velocity[:, t].float()
            late.append(torch.stack([o / s for o, s in zip(off, belief.std, strict=True)]))
    ratio = torch.stack(late).square().mean((0, 2, 3)).sqrt()  # position and velocity, rail and hinge
    assert bool(((ratio > 0.5) & (ratio < 1.3)).all()), ratio


def test_what_cannot_be_held_is_brought_where_it_can_in_both() -> None:
    bound = torch.tensor([1.0, 2.0])
    held = holding(Cart(), torch.tensor([[20.0, 0.9]]), -bound, bound)
    assert not held.possible
    assert held.nearest is not None
    rail, angle = held.nearest[0].tolist()
    assert abs(rail - 16.0) == pytest.approx(1.0, abs=0.7)  # stiffness 1: a push of 1 holds a pixel
    assert math.sin(angle) <= 2 / 6 + 0.1
    assert holding(Cart(), torch.tensor([[16.9, 0.3]]), -bound, bound).possible


def test_one_may_be_counted_in_other_units_and_nothing_changes() -> None:
    """Metres of which ten make a pixel: scales follow, and so do held places and the costs of regions."""
    bound = torch.tensor([1.0, 2.0])
    ones, tens = Cart(), Cart(units=10.0)
    place = torch.tensor([[20.0, 0.9]])
    shrunk = torch.tensor([0.1, 1.0])
    a, b = holding(ones, place, -bound, bound), holding(tens, place * shrunk, -bound, bound)
    assert a.nearest is not None
    assert b.nearest is not None
    torch.testing.assert_close(a.nearest * shrunk, b.nearest, rtol=1e-3, atol=1e-3)


def test_regions_and_goals_know_which_number_turns() -> None:
    cart, actions = Cart(), torch.zeros(1, 1, 2, 2)

    def cost(term, rail: float, angle: float) -> float:  # type: ignore[no-untyped-def]
        place = torch.tensor([rail, angle]).expand(1, 1, 2, 1, 2)
        return float(term(State(place, torch.zeros_like(place)), actions))

    walls = Walls(cart, low=(4.0, -1.0), high=(28.0, 1.0), margin=0.0, penalty=1.0)
    assert cost(walls, 20.0, 2 * math.pi + 0.5) == pytest.approx(0.0, abs=1e-9)
    assert cost(walls, 30.0, 0.5) == pytest.approx(8.0)  # two steps, 2 px beyond, squared
    assert cost(walls, 20.0, 2 * math.pi + 1.5) == pytest.approx(0.5, abs=1e-5)
    with pytest.raises(PaigError, match="expected finite angles"):
        Walls(cart, low=(4.0, -math.inf), high=(28.0, 1.0))
    for region in (Disc((20.0, 3.1), 0.5), Box((19.5, 3.0), (20.5, 3.2))):
        out = KeepOut(cart, [region], margin=0.0, penalty=1.0)
        assert cost(out, 20.0, 3.1 - 2 * math.pi) > 0
        assert cost(out, 20.0 - 2 * math.pi, 3.1) == 0
    goal = goal_objective(cart, State(torch.tensor([[[20.0, 3.1]]]), torch.zeros(1, 1, 2)))
    assert cost(goal, 20.0, -3.1) < cost(goal, 20.0, 2.9)
    assert cost(goal, 20.0 - 2 * math.pi, 3.1) > cost(goal, 21.0, 3.1)
