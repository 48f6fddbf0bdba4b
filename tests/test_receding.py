"""What a plan rests on: the actions taken before it, elites that could be judged, steps that get shorter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from paig_control.agents.gradient import Gradient
from paig_control.agents.objectives import RolloutCost
from paig_control.agents.receding import RecedingHorizon
from paig_control.agents.sampling import refit
from paig_control.agents.settings import GradientSettings
from paig_control.agents.terms import Smoothness
from paig_control.physics.registry import build_physics
from paig_control.types import Cost, Plan, State

LOW, HIGH = torch.tensor([-2.0]), torch.tensor([2.0])


class Recorded:
    """Plans the same actions every time, and keeps the costs that it was given."""

    horizon = 4

    def __init__(self) -> None:
        self.costs: list[Cost] = []

    def reseed(self, seed: int) -> None:
        raise AssertionError

    def plan(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> Plan:
        self.costs.append(cost)
        actions = torch.tensor([0.5, -1.0, 1.5, 0.0]).reshape(1, 4, 1)
        return Plan(actions, cost(actions[:, None])[:, 0], actions, actions[:, None], actions[:1, :1, 0], torch.ones(1))


@pytest.mark.parametrize(("replan", "repeat", "last"), [(1, 1, 0.5), (2, 1, -1.0), (3, 2, 1.5)])
def test_a_new_plan_is_smooth_from_the_last_action_that_was_taken(replan: int, repeat: int, last: float) -> None:
    planner = Recorded()
    control = RecedingHorizon(planner, build_physics("pendulum", 0.05), [-2.0], [2.0], replan, repeat)
    state = State(torch.ones(1, 1, 1), torch.zeros(1, 1, 1))
    taken = [float(control.act(state, Smoothness(1.0))) for _ in range(replan * repeat + 1)]
    assert taken[-2] == last
    first, later = planner.costs
    assert isinstance(later, RolloutCost)
    even = torch.full((1, 1, 4, 1), 0.75)
    assert float(first(even)) == 0.0  # nothing was taken before it
    assert float(later(even)) == pytest.approx((0.75 - last) ** 2)


def test_elites_of_infinite_cost_count_only_where_there_are_no_others() -> None:
    elites = torch.tensor([[1.0, 3.0, 100.0], [1.0, 2.0, 6.0]]).reshape(2, 3, 1, 1)
    costs = torch.tensor([[0.1, 0.2, torch.inf], [torch.inf] * 3])
    mean, deviation = refit(elites, costs)
    assert mean.flatten().tolist() == pytest.approx([2.0, 3.0])
    assert deviation.flatten().tolist() == pytest.approx([1.0, (14 / 3) ** 0.5])


@pytest.mark.parametrize("edge", [0.02, 0.05])
def test_descent_that_steps_where_no_cost_is_goes_back_and_takes_half_the_step(edge: float) -> None:
    tried: list[float] = []

    def cost(actions: Tensor) -> Tensor:
        tried.append(float(actions.detach()))
        return torch.where(actions > edge, torch.nan, (actions - 1.0).square()).sum(dim=(-1, -2))

    settings = GradientSettings(1, starts=1, steps=40, learning_rate=0.5)
    plan = Gradient(settings).plan(cost, torch.zeros(1, 1, 1), LOW, HIGH)
    assert tried[1] == pytest.approx(1.0)  # half of half the bounds' width
    assert max(tried[2:]) < 0.3  # steps of the full rate would try more again
    assert 0.99 * edge < float(plan.actions) <= edge
