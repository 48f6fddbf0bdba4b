"""Which of the found objects is which, and how the camera stands: a recorded force belongs to a numbered body.

Discovery numbers objects as it finds them. A body that is pushed accelerates along, so the objects are matched to the
forces by the correlation of their accelerations with them, whatever its sign: a force may push the other way round, and
a camera whose y is up, say, turns round one half of the force alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from paig_control.inference import believed

SURE = 3.0
"""A correlation counts from so many standard deviations on, which is what chance would make of it: a camera is taken
for mirrored by mistake in one of some 700 cases, if one coordinate is pushed and the other is not at all."""


class Numbers(NamedTuple):
    """What the actions tell of the objects.

    Attributes:
        order: the found object that each number belongs to.
        handed: ``(2,)``, ones; the second is -1 where the camera mirrors.
    """

    order: list[int]
    handed: Tensor


@torch.no_grad()
def numbering(coordinates: Tensor, actions: Tensor, actuated: Sequence[int], trust: Tensor | None = None) -> Numbers:
    """Match found objects to the forces.

    Args:
        coordinates: ``(B, T, N, 2)`` of the objects as found.
        actions: ``(B, T - 1, 2 n)``, forces on the actuated bodies, held between the frames.
        actuated: ``n`` numbers of bodies; the others keep the order in which they were found.
        trust: ``(B, T, N, 2)``, how much each place is to be believed, up to a factor; all alike by default.
    """
    found = coordinates.shape[2]
    if not actuated or coordinates.shape[1] < 3:
        return Numbers(list(range(found)), torch.ones(2))
    bend = coordinates[:, 2:] - 2 * coordinates[:, 1:-1] + coordinates[:, :-2]
    most = 6 * bend.abs().flatten(0, 1).median(0).values  # a misread frame must not outweigh all others
    bend = torch.minimum(torch.maximum(bend, -most), most).double().flatten(0, 1)
    if trust is not None:
        trust = believed(trust)
        least = torch.minimum(torch.minimum(trust[:, 2:], trust[:, 1:-1]), trust[:, :-2])
        bend = bend * least.double().flatten(0, 1)
    push = ((actions[:, 1:] + actions[:, :-1]) / 2).double().flatten(0, 1).unflatten(-1, (len(actuated), 2))
    sizes = bend.square().sum(0).sqrt()[:, None] * push.square().sum(0).sqrt()
    alike = torch.einsum("mnd,mkd->nkd", bend, push) / sizes.clamp(min=1e-12)
    objects, columns = linear_sum_assignment(-alike.abs().sum(-1).cpu().numpy())
    across, along = alike[objects, columns].mean(0).tolist()
    mirrored = across * along < 0 and min(abs(across), abs(along)) > SURE / math.sqrt(len(bend))
    order: dict[int, int] = {actuated[column]: int(n) for n, column in zip(objects, columns, strict=True)}
    rest = iter(n for n in range(found) if n not in order.values())
    numbers = [order[number] if number in order else next(rest) for number in range(found)]
    return Numbers(numbers, torch.tensor([1.0, -1.0 if mirrored else 1.0]))
