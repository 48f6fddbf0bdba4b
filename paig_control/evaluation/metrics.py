"""How far from the truth objects are read and predicted, whether they keep their identity, and constants against truth.

For evaluation only. Which read object is which true one is settled once for a data set. An offset that all objects
share all the time is removed where the physics is the same everywhere and so cannot see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from paig_control.estimation.adaptation import Adapted
from paig_control.physics.dynamics import Dynamics
from paig_control.types import State


@dataclass(frozen=True)
class Tracks:
    """Positions against truth.

    Attributes:
        order: number of the true object that each read one is.
        offset: ``(D,)``, removed from all positions; zeros where the physics can see it.
        reading: distance ``(S, T, N)`` of what was read from the truth, pixels or radians.
        path: distance ``(S, T, N)`` of what was predicted.
        swaps: sequences in which the best assignment of read to true objects changes between frames.
    """

    order: tuple[int, ...]
    offset: tuple[float, ...]
    reading: NDArray[np.float64]
    path: NDArray[np.float64]
    swaps: int


def against_truth(physics: Dynamics, reading: Tensor, path: Tensor, truth: NDArray[np.float64]) -> Tracks:
    """Set readings and predictions ``(S, T, N, D)`` beside true positions of the same shape."""
    real = torch.from_numpy(truth)
    read, predicted = reading.detach().cpu().double(), path.detach().cpu().double()
    if physics.kinematics == "tree":
        real = _as_read(physics, read, real)
        errors = [physics.difference(x, real) for x in (read, predicted)]
        distances = [error.norm(dim=-1).numpy() for error in errors]
        return Tracks(tuple(range(physics.objects)), (0.0,), distances[0], distances[1], 0)
    cost = physics.difference(read[..., :, None, :], real[..., None, :, :]).square().sum(-1)
    order = [int(n) for n in linear_sum_assignment(cost.mean((0, 1)).numpy())[1]]
    real = real[..., order, :]
    errors = [physics.difference(x, real) for x in (read, predicted)]
    offset = errors[0].mean((0, 1, 2)) if same_everywhere(physics) else torch.zeros(real.shape[-1])
    distances = [(error - offset).norm(dim=-1).numpy() for error in errors]
    return Tracks(tuple(order), tuple(offset.tolist()), distances[0], distances[1], _swaps(cost.numpy()))


def _as_read(physics: Dynamics, read: Tensor, real: Tensor) -> Tensor:
    """True coordinates ``(S, T, N, 1)`` of joints from the zeros, in the unit and in the direction of what was read.

    Nothing tells a model how long a metre is, and where zero is; readings that are far off do not count for that.
    """
    found = torch.empty_like(real)
    for n in range(physics.objects):
        seen, true = read[..., n, 0], real[..., n, 0]
        if bool(physics.periodic[n, 0]):
            ways = []
            for way in (true, -true):
                off = seen - way
                turned = torch.remainder(off - off.sin().median().atan2(off.cos().median()) + torch.pi, 2 * torch.pi)
                left = turned - torch.pi
                near = left[left.abs() <= 3 * left.abs().median()]
                ways.append((float(left.abs().mean()), seen - left + near.mean()))
            found[..., n, 0] = min(ways, key=lambda one: one[0])[1]
            continue
        rows = torch.stack([true.flatten(), torch.ones_like(true).flatten()], 1)
        near = torch.ones(len(rows), dtype=torch.bool)
        for _ in range(5):
            line = torch.linalg.lstsq(rows[near], seen.flatten()[near, None]).solution[:, 0]
            left = (seen.flatten() - rows @ line).abs()
            near = left <= 3 * left.median()
        found[..., n, 0] = (rows @ line).reshape(true.shape)
    return found


@torch.no_grad()
def same_everywhere(physics: Dynamics) -> bool:
    """Whether the physics moves a scene in the same way wherever it lies: two states, one shifted, are compared.

    A black box, which has no step to compare, is taken to: nothing ever told it where the origin is.
    """
    if physics.stateless:
        return True
    generator = torch.Generator().manual_seed(0)
    shape = (8, physics.objects, physics.dims)
    position = 16 + 4 * torch.randn(shape, generator=generator, dtype=torch.float64)
    velocity = torch.randn(shape, generator=generator, dtype=torch.float64)
    shift = 40.0 * torch.rand(physics.dims, generator=generator, dtype=torch.float64)
    device, action = physics.free.device, torch.zeros(8, physics.action_size, dtype=torch.float64)
    here, there = (
        physics.laws().step(State(p.to(device), velocity.to(device)), action.to(device))
        for p in (position, position + shift)
    )
    moved = physics.difference(there.position, here.position + shift.to(device))
    return bool(torch.cat([moved, there.velocity - here.velocity]).abs().max() < 1e-6)


def _swaps(cost: NDArray[np.float64]) -> int:
    """Count the sequences of squared distances ``(S, T, N, N)`` in which the best assignment changes."""
    return sum(len({tuple(linear_sum_assignment(frame)[1]) for frame in sequence}) > 1 for sequence in cost)


def constants_against_truth(found: Adapted, truth: Mapping[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Relative errors of the constants of B sequences, and how far off they are in error bars.

    Args:
        found: by adaptation.
        truth: true values ``(B,)`` by name; constants without one are left out.

    Returns:
        By name: ``median``, ``p95`` and ``worst`` of the absolute relative errors, ``mean`` and ``mean_std`` of the
        relative errors and their standard error, and ``within_3_std``, the share within three error bars.
    """
    rows = {}
    for name, values in found.values.items():
        if name not in truth:
            continue
        error = values.cpu().numpy() / truth[name] - 1
        sigmas = np.abs(error * truth[name]) / found.std[name].cpu().numpy()
        size = np.abs(error)
        rows[name] = {
            "median": float(np.median(size)),
            "p95": float(np.quantile(size, 0.95)),
            "worst": float(size.max()),
            "mean": float(error.mean()),
            "mean_std": float(error.std() / np.sqrt(len(error))),
            "within_3_std": float((sigmas < 3).mean()),
        }
    return rows
