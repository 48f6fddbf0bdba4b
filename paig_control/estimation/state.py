"""From coordinates to states: least squares through the physics.

A few frames tell where things are, each with a little noise; physics tells how they must move. The state at
the first frame is the one whose rollout passes nearest to all the observed coordinates, found by a few damped
Gauss-Newton steps on the whole batch at once. The last step alone is differentiable, with its gain held
fixed, so that gradients reach the coordinates (and the localiser behind them) and the constants. Coordinates count
as much as they are trusted, so that an object may be hidden in some of the frames.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control.estimation.least_squares import damped, descend
from paig_control.physics.base import Physics
from paig_control.types import State


class Linearised(NamedTuple):
    """A rollout and its derivatives, flattened over frames, objects and coordinates (M = T N D).

    Attributes:
        positions: ``(B, T, N, D)``.
        by_state: ``(B, M, 2 N D)``, with respect to start positions and velocities.
        by_constant: ``(B, M, C)``, with respect to the free constants.
    """

    positions: Tensor
    by_state: Tensor
    by_constant: Tensor


def history(physics: Physics, start: State, actions: Tensor) -> State:
    """States at every frame, the first included: ``(*B, T, N, D)`` for actions ``(*B, T - 1, A)``."""
    first = State(start.position.unsqueeze(-3), start.velocity.unsqueeze(-3))
    if actions.shape[-2] == 0:
        return first
    future = physics.rollout(start, actions)
    return State(torch.cat([first.position, future.position], -3), torch.cat([first.velocity, future.velocity], -3))


def trajectory(physics: Physics, start: State, actions: Tensor) -> Tensor:
    """Positions at every frame, the first included: ``(*B, T, N, D)`` for actions ``(*B, T - 1, A)``."""
    return history(physics, start, actions).position


def pack(state: State) -> Tensor:
    """A state as one vector ``(*B, 2 N D)``: positions, then velocities."""
    return torch.cat([state.position.flatten(-2), state.velocity.flatten(-2)], -1)


def unpack(vector: Tensor, physics: Physics) -> State:
    """The inverse of :func:`pack`."""
    shape = (*vector.shape[:-1], physics.objects, physics.dims)
    position, velocity = vector.chunk(2, -1)
    return State(position.reshape(shape), velocity.reshape(shape))


@torch.no_grad()
def linearise(
    physics: Physics,
    start: Tensor,
    actions: Tensor,
    step: float = 1e-2,
    constants: bool = False,
    free: Tensor | None = None,
) -> Linearised:
    """Roll out from ``start`` ``(B, 2 N D)`` and differentiate by central differences, in one batch.

    Args:
        physics: the engine.
        start: packed start states.
        actions: ``(B, T - 1, A)``.
        step: perturbation of a position; velocities are perturbed by as much as moves it that far over the
            window, free constants by the same number.
        constants: differentiate with respect to the free constants too; otherwise ``by_constant`` is empty.
        free: free constants ``(B, C)`` of each start; the physics' own for all of them if not given.
    """
    size = start.shape[-1]
    window = max(actions.shape[-2], 1) * physics.dt
    half = size // 2
    steps = torch.cat([start.new_full((half,), step), start.new_full((half,), step / max(window, step))])
    count = len(physics.names) if constants else 0
    columns = size + count
    starts = start.expand(2 * columns + 1, *start.shape).clone()
    index = torch.arange(size, device=start.device)
    starts[index, :, index] += steps[:, None]
    starts[columns + index, :, index] -= steps[:, None]
    values: dict[str, Tensor] = {}
    if count:
        own = physics.free.detach().to(start) if free is None else free
        moved = own.expand(2 * columns + 1, *start.shape[:-1], count).clone()
        index = torch.arange(count, device=start.device)
        moved[size + index, ..., index] += step
        moved[columns + size + index, ..., index] -= step
        values = physics.as_values(moved)
    with physics.using(values):
        paths = trajectory(physics, unpack(starts, physics), actions.expand(2 * columns + 1, *actions.shape))
    up, down = paths[:columns].flatten(-3), paths[columns : 2 * columns].flatten(-3)
    widths = torch.cat([steps, start.new_full((count,), step)])
    jacobian = ((up - down) / (2 * widths[:, None, None])).permute(1, 2, 0)
    return Linearised(paths[-1], jacobian[..., :size], jacobian[..., size:])


def first_guess(physics: Physics, coordinates: Tensor, frames: int = 4) -> Tensor:
    """Packed start state from the first few frames of ``(B, T, N, D)``; at rest if there is only one.

    Medians of steps and of places, so that one frame that was misread does not throw it.
    """
    if coordinates.shape[1] == 1:
        return pack(State(coordinates[:, 0], torch.zeros_like(coordinates[:, 0])))
    seen = coordinates[:, :frames]
    steps = physics.difference(seen[:, 1:], seen[:, :-1])
    step = steps.median(1, keepdim=True).values
    away = torch.cat([torch.zeros_like(step), steps.cumsum(1)], 1)
    count = torch.arange(seen.shape[1], device=seen.device, dtype=seen.dtype).reshape(-1, 1, 1)
    position = seen[:, 0] + (away - count * step).median(1).values
    return pack(State(position, step[:, 0] / physics.dt))


@torch.no_grad()
def best_start(
    physics: Physics, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None, frames: int = 4
) -> Tensor:
    """Packed start state ``(B, 2 N D)`` from which least squares finds the right branch.

    Where walls reflect, a step that crosses one tells a wrong velocity, and Gauss-Newton cannot cross back; where an
    object is hidden, what is said of its place misleads. So each pair of neighbouring frames makes a guess, or of all
    frames where something may be hidden between them, integrated back to the first frame. One more guess puts together
    for each object the one that suits it best. The guess whose rollout passes nearest to all that is trusted is taken.
    """
    guesses = [first_guess(physics, coordinates, frames)]
    if physics.walls or trust is not None:
        shown = min(coordinates.shape[1], frames)
        for t, later in itertools.combinations(range(shown), 2):
            if trust is None and later > t + 1:
                continue
            velocity = physics.difference(coordinates[:, later], coordinates[:, t]) / (physics.dt * (later - t))
            guesses.append(pack(physics.back(State(coordinates[:, t], velocity), actions[:, :t].flip(1))))
    starts = torch.stack([pack(physics.admissible(unpack(guess, physics))) for guess in guesses])
    if len(starts) == 1:
        return starts[0]

    def miss(tried: Tensor) -> Tensor:
        """Trusted distance ``(K, B, N)`` of each object's path from what was seen."""
        paths = trajectory(physics, unpack(tried, physics), actions.expand(len(tried), *actions.shape))
        distance = physics.difference(coordinates, paths).abs()
        return (distance if trust is None else distance * relative(trust)).sum((2, 4))

    apart = miss(starts)
    each = torch.arange(len(coordinates), device=coordinates.device)
    if physics.objects > 1:
        parts = unpack(starts, physics)
        which = apart.argmin(0)
        object_ = torch.arange(physics.objects, device=coordinates.device)
        mixed = State(*(part[which, each[:, None], object_] for part in parts))
        starts = torch.cat([starts, pack(mixed)[None]])
        apart = torch.cat([apart, miss(starts[-1:])])
    return starts[apart.sum(-1).argmin(0), each]


def relative(trust: Tensor) -> Tensor:
    """Trust ``(B, T, N, D)`` in parts of the largest of each coordinate over the frames."""
    return trust / trust.amax(1, keepdim=True).clamp(min=1e-30)


def believed(trust: Tensor) -> Tensor:
    """Trust in parts of what is usual among the readings that are trusted at all, and at most 1."""
    some = trust[trust > 0]
    return (trust / some.median()).clamp(max=1.0) if len(some) else trust


def infer(
    physics: Physics,
    coordinates: Tensor,
    actions: Tensor,
    trust: Tensor | None = None,
    steps: int = 3,
    damping: float = 1e-3,
) -> State:
    """State at the first frame, the one whose rollout fits the coordinates best in least squares.

    Args:
        physics: the engine; its constants are used as they are.
        coordinates: ``(B, T, N, D)`` observed, pixels or radians.
        actions: ``(B, T - 1, A)`` between the frames.
        trust: ``(B, T, N, D)``, inverse variances of the coordinates up to a common factor; all alike by default.
        steps: Gauss-Newton steps; only the last one carries gradients, to coordinates and constants.
        damping: added to the normal matrix, relative to its diagonal; what the frames cannot tell (the velocity,
            from a single frame) stays at the first guess.
    """
    start = best_start(physics, coordinates.detach(), actions, trust)
    weight = None if trust is None else relative(trust).flatten(1).unsqueeze(-1)

    def step(at: Tensor, damping: Tensor, last: bool = False) -> Tensor:
        line = linearise(physics, at, actions)
        weighted = line.by_state if weight is None else weight * line.by_state
        gain = torch.linalg.solve(damped(weighted.mT @ line.by_state, damping), weighted.mT)
        path = trajectory(physics, unpack(at, physics), actions) if last else line.positions
        residual = physics.difference(coordinates if last else coordinates.detach(), path).flatten(1)
        moved = at + (gain @ residual.unsqueeze(-1)).squeeze(-1)
        return pack(physics.admissible(unpack(moved, physics)))

    if steps > 1:
        start, _ = descend(start, step, steps - 1, damping=damping)
    if steps:
        start = step(start, torch.full_like(start[:, 0], damping), last=True)
    return unpack(start, physics)
