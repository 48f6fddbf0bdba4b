"""An objective: stay near a place."""

import torch
from torch import Tensor

from paig_control.types import State


class Centre:
    """Squared distance of every object from a place, px², summed over the plan."""

    def __init__(self, x: float = 16.0, y: float = 16.0) -> None:
        self.place = torch.tensor([x, y])

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs (B, K) of imagined states (B, K, H, N, D) and actions (B, K, H, A)."""
        return (states.position - self.place.to(states.position)).square().sum(dim=(-1, -2, -3))
