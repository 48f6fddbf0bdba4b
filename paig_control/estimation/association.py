"""Which of the found objects is which, and how the camera stands: a recorded force belongs to a numbered body.

Discovery numbers objects as it finds them. A body that is pushed accelerates along, so the objects are matched to the
forces by the correlation of their accelerations with them, whatever its sign: a force may push the other way round, and
a camera whose y is up, say, turns round one half of the force alone. Where no force tells and the physics does not
treat bodies alike (a ball between two others, one that is tied to a post), the order is taken that explains the motion
best.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from paig_control.estimation.identification import identify, scouts
from paig_control.estimation.settings import IdentifySettings
from paig_control.estimation.state import believed
from paig_control.physics.base import Physics
from paig_control.physics.check import sample

SURE = 3.0
"""A correlation counts from so many standard deviations on, which is what chance would make of it: a camera is taken
for mirrored by mistake in one of some 700 cases, if one coordinate is pushed and the other is not at all."""
MOST, FILMS, FRAMES = 120, 12, 8
"""Orders, at most, that are tried out, and on how many films and frames."""


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


@torch.no_grad()
def orders(physics: Physics) -> list[list[int]]:
    """Ways to number the bodies that are not pushed, one of each kind: those alike to the physics may change places."""
    free = [n for n in range(physics.objects) if n not in physics.pushed]
    if math.factorial(len(free)) > MOST:
        return [list(range(physics.objects))]
    tried = copy.deepcopy(physics).double()
    state, action = sample(tried, 4)
    still = tried.acceleration(state, torch.zeros_like(action))
    every, alike = [], []
    for part in itertools.permutations(free):
        order = list(range(physics.objects))
        for number, other in zip(free, part, strict=True):
            order[number] = other
        every.append(order)
        moved = tried.acceleration(type(state)(*(x[:, order] for x in state)), torch.zeros_like(action))
        if bool((moved - still[:, order]).abs().max() < 1e-9 * (1 + still.abs().max())):
            alike.append(order)
    kinds: list[list[int]] = []
    for order in every:
        if not any([order[n] for n in one] in kinds for one in alike):
            kinds.append(order)
    return kinds


def likeliest(
    physics: Physics,
    choices: Sequence[list[int]],
    coordinates: Tensor,
    actions: Tensor,
    trust: Tensor,
    settings: IdentifySettings,
) -> list[int]:
    """The order of the objects, as found, in which the physics explains best how they move, whatever its constants.

    Args:
        physics: stays as it is.
        choices: of :func:`orders`.
        coordinates: ``(B, T, N, D)``.
        actions: ``(B, T - 1, A)``.
        trust: ``(B, T, N, D)``, as :func:`~paig_control.estimation.identification.identify` takes it.
        settings: of identification, of which a short one is made.
    """
    if len(choices) == 1:
        return choices[0]
    few = scouts(len(coordinates), FILMS).to(coordinates.device)
    frames = min(FRAMES, coordinates.shape[1])
    short = replace(settings, iterations=6, integrators=settings.integrators[-1:])
    left = []
    for order in choices:
        seen, sure = (x[few, :frames][:, :, order] for x in (coordinates, trust))
        left.append(identify(copy.deepcopy(physics), seen, actions[few, : frames - 1], short, trust=sure).rms)
    return choices[min(range(len(choices)), key=left.__getitem__)]
