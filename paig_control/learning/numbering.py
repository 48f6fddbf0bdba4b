"""Which of the found objects is which, where actions tell: a recorded force belongs to a numbered body.

Discovery numbers objects as it finds them. A body that is pushed accelerates along, so the objects are matched to the
forces by the correlation of their accelerations with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


@torch.no_grad()
def numbering(coordinates: Tensor, actions: Tensor, actuated: Sequence[int]) -> list[int]:
    """The found object that each number belongs to.

    Args:
        coordinates: ``(B, T, N, 2)`` of the objects as found.
        actions: ``(B, T - 1, 2 n)``, forces on the actuated bodies, held between the frames.
        actuated: ``n`` numbers of bodies; the others keep the order in which they were found.
    """
    found = coordinates.shape[2]
    if not actuated or coordinates.shape[1] < 3:
        return list(range(found))
    bend = coordinates[:, 2:] - 2 * coordinates[:, 1:-1] + coordinates[:, :-2]
    most = 6 * bend.abs().flatten(0, 1).median(0).values  # a misread frame must not outweigh all others
    bend = torch.minimum(torch.maximum(bend, -most), most).double().flatten(0, 1)
    push = ((actions[:, 1:] + actions[:, :-1]) / 2).double().flatten(0, 1).unflatten(-1, (len(actuated), 2))
    along = torch.einsum("mnd,mkd->nk", bend, push)
    sizes = bend.square().sum((0, 2)).sqrt()[:, None] * push.square().sum((0, 2)).sqrt()
    objects, columns = linear_sum_assignment(-(along / sizes.clamp(min=1e-12)).cpu().numpy())
    order: dict[int, int] = {actuated[column]: int(n) for n, column in zip(objects, columns, strict=True)}
    rest = iter(n for n in range(found) if n not in order.values())
    return [order[number] if number in order else next(rest) for number in range(found)]
