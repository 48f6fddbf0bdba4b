"""A planner: random shooting, the simplest of all."""

import torch
from torch import Tensor

from paig_control.types import Cost, Plan


class Shooting:
    """Tries random plans, each held for a while, and keeps the cheapest."""

    def __init__(self, horizon: int = 20, samples: int = 300, hold: int = 4, seed: int = 0) -> None:
        self.horizon, self.samples, self.hold = horizon, samples, hold
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start the random numbers again."""
        self.generator = torch.Generator().manual_seed(seed)

    def plan(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> Plan:
        """Improve on ``init`` (B, H, A) within the bounds (A,)."""
        batch, horizon, size = init.shape
        drawn = torch.rand(batch, self.samples, -(-horizon // self.hold), size, generator=self.generator)
        held = (low + (high - low) * drawn.to(low)).repeat_interleave(self.hold, dim=2)[:, :, :horizon]
        actions = torch.cat([init[:, None], held], dim=1)  # the former plan competes
        costs = cost(actions)
        best, rows = costs.argmin(dim=1), torch.arange(batch)
        return Plan(actions[rows, best], costs[rows, best], actions.std(1), actions, costs, best > 0)
