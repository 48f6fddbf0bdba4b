"""A planner of your own: it minimises a function within bounds, and need not know of what.

Here it is random shooting, the simplest of all, and swings up a pendulum whose true physics is given to it.
Run ``python examples/own_planner.py``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import paig_control as paig
from paig_control.agents import RecedingHorizon, reward_objective
from paig_control.types import Cost, Plan, State


# [planner]
class Shooting:
    """Holds each of many random torques for eight steps, and keeps the cheapest row of them."""

    def __init__(self, horizon: int = 40, candidates: int = 400, seed: int = 0) -> None:
        self.horizon, self.candidates = horizon, candidates
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start the random numbers again."""
        self.generator = torch.Generator().manual_seed(seed)

    def plan(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> Plan:
        """Improve on ``init`` (B, H, A) within the bounds (A,)."""
        batch, horizon, size = init.shape
        drawn = torch.rand(batch, self.candidates, -(-horizon // 8), size, generator=self.generator)
        held = (low + (high - low) * drawn).repeat_interleave(8, dim=2)[:, :, :horizon]
        actions = torch.cat([init[:, None], held], dim=1)  # the former plan competes
        costs = cost(actions)
        best = costs.argmin(dim=1)
        rows = torch.arange(batch)
        return Plan(actions[rows, best], costs[rows, best], actions.std(1), actions, costs, best > 0)


# [swing]
def swing(steps: int = 120) -> Tensor:
    """Swing up from hanging; the angle from upright after each step, rad."""
    physics = paig.build_physics("pendulum", dt=0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    control = RecedingHorizon(Shooting(), physics, low=[-2.0], high=[2.0])
    state = State(torch.full((1, 1, 1), math.pi), torch.zeros(1, 1, 1))
    angles = []
    for _ in range(steps):
        state = physics.step(state, control.act(state, reward_objective("pendulum")))
        angles.append(physics.difference(state.position, torch.zeros(())))
    return torch.stack(angles).detach().flatten()


# [end]
if __name__ == "__main__":
    print("Largest angle from upright in the last second, rad:", round(float(swing()[-20:].abs().max()), 3))
