"""Plan with dynamics of your own: neither our environments nor our models are needed.

A planner minimises any function from actions (batch, candidates, horizon, action size) to costs (batch, candidates).
Run ``python examples/plan_anything.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor

import paig_control as paig
from paig_control.agents import RecedingHorizon, StepFunction, goal_objective, shift
from paig_control.physics import PLANE
from paig_control.types import State

GOAL, ROCK = torch.tensor([3.0, 2.0]), torch.tensor([1.6, 0.8])


def drive(car: Tensor, action: Tensor) -> Tensor:
    """Advance cars (..., 4), which have x, y, heading and speed, by 0.1 s of steering and pushing (..., 2)."""
    heading, speed = car[..., 2], car[..., 3]
    rates = torch.stack([speed * heading.cos(), speed * heading.sin(), speed * action[..., 0], action[..., 1]], -1)
    return car + 0.1 * rates


def park(steps: int = 60) -> Tensor:
    """Drive a car to the goal and stop, clear of a rock of radius 0.5 m; where it was, (steps, 4)."""
    car, planner, track = torch.zeros(4), paig.ICEM(), []
    low, high = torch.tensor([-2.0, -3.0]), torch.tensor([2.0, 3.0])
    plan = torch.zeros(1, planner.horizon, 2)

    def cost(actions: Tensor) -> Tensor:
        imagined, total = car.expand(*actions.shape[:2], 4), torch.zeros(actions.shape[:2])
        for action in actions.unbind(2):
            imagined = drive(imagined, action)
            too_near = (0.6 - (imagined[..., :2] - ROCK).norm(dim=-1)).clamp(min=0)
            total = total + (imagined[..., :2] - GOAL).norm(dim=-1) + 0.1 * imagined[..., 3] ** 2 + 100 * too_near
        return total

    for _ in range(steps):
        plan = planner.plan(cost, shift(plan), low, high).actions
        car = drive(car, plan[0, 0])
        track.append(car)
    return torch.stack(track)


def glide(puck: State, action: Tensor) -> State:
    """Advance pucks on ice, one pushed along x and one along y."""
    velocity = 0.98 * puck.velocity + 0.1 * torch.diag_embed(action)
    return State(puck.position + 0.1 * velocity, velocity)


def shove(steps: int = 60) -> State:
    """A :class:`StepFunction` under the library's objectives and its control loop; where the pucks are in the end."""
    pucks = StepFunction(glide, [PLANE] * 2, action_size=2)
    goal = State(torch.tensor([[[1.0, 0.0], [1.0, -0.5]]]), torch.zeros(1, 2, 2))
    control = RecedingHorizon(paig.CEM(), pucks, low=[-2.0, -2.0], high=[2.0, 2.0])
    state = State(torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]), torch.zeros(1, 2, 2))
    for _ in range(steps):
        state = pucks.step(state, control.act(state, goal_objective(pucks, goal)))
    return state


if __name__ == "__main__":
    print("The car stops at", [round(x, 2) for x in park()[-1, :2].tolist()], "for", GOAL.tolist())
    print("The pucks lie at", [[round(x, 2) for x in puck] for puck in shove().position[0].tolist()])
