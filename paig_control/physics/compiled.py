"""Where rollouts run as machine code: what a scene is made of, as plain numbers, if all its forces are known.

A plan asks for hundreds of rollouts of a few numbers each, for which a tensor library costs more than the arithmetic.
:mod:`~paig_control.physics.kernels` does the same in loops that Numba compiles. A force or a physics of a user's own,
joints upon one another, another precision or device, and whoever wants a gradient, take the tensors as ever.

Numba was chosen by measure. 200 candidates of a pendulum, 40 steps, on one core: by tensors 0.59 ms; by
``torch.compile`` 0.20 ms, but a minute to compile and a C++ compiler on every user's machine; by Numba 0.02 ms, from
wheels alone. It compiles when the first plan is made, for some 4 s, keeps the result (beside the library, else in the
user's cache, or ``NUMBA_CACHE_DIR``; else for this process alone), and loads it in 0.3 s from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paig_control.machine import array, loops
from paig_control.physics.base import FORWARD, SCHEMES
from paig_control.physics.force import Force
from paig_control.physics.forces import (
    AnchoredSpring,
    Attraction,
    Drag,
    Driven,
    Friction,
    Motor,
    Push,
    QuadraticDrag,
    Spring,
    Walls,
    Weight,
)
from paig_control.types import State

if TYPE_CHECKING:
    from paig_control.physics.mechanism import Mechanism

SPRING, ANCHORED, ATTRACTION, WEIGHT, DRAG, QUADRATIC, DRIVEN = range(7)
"""Kinds of forces, as the kernels know them; what Numba has kept goes by the date of that file, so touch both."""
KINDS: dict[type[Force], int] = {
    Spring: SPRING,
    AnchoredSpring: ANCHORED,
    Attraction: ATTRACTION,
    Weight: WEIGHT,
    Drag: DRAG,
    QuadraticDrag: QUADRATIC,
    Friction: DRAG,
    Push: DRIVEN,
    Motor: DRIVEN,
}
"""Of these forces and of no class that extends them."""


class Laws(NamedTuple):
    """A scene of L known forces on N bodies, as arrays; see :mod:`~paig_control.physics.kernels`.

    Attributes:
        kinds: ``(L,)``, of :data:`KINDS`.
        joined: ``(L, N, N)``, which pairs of bodies feel it.
        each: ``(L, N, 3)``, of each body: the place where it is held and whether it is; or the first of the actions
            that drive it, -1 for none.
        mass: ``(N,)``.
        fastest: ``(N,)``.
        walls: ``(W, 3)``, radius, and room along x and y.
    """

    kinds: NDArray[np.int64]
    joined: NDArray[np.float32]
    each: NDArray[np.float32]
    mass: NDArray[np.float32]
    fastest: NDArray[np.float32]
    walls: NDArray[np.float32]


def laws_of(scene: Mechanism) -> Laws | None:
    """A scene as arrays; None for one that the compiled loops do not know."""
    forces = list(scene.forces.values())
    if scene.tree is not None and not scene.turning:
        return None
    if any(type(force) not in KINDS and type(force) is not Walls for force in forces):
        return None
    if any(isinstance(force, Friction) and not force.everywhere for force in forces):
        return None
    pulls, count = [force for force in forces if not force.walls], scene.objects
    joined = np.ones((len(pulls), count, count), np.float32) - np.eye(count, dtype=np.float32)
    each = np.zeros((len(pulls), count, 3), np.float32)
    column = 0
    for law, force in enumerate(pulls):
        if isinstance(force, Spring) and force.between is not None:
            joined[law] = force.joined[..., 0].numpy(force=True)
        elif isinstance(force, AnchoredSpring):
            each[law] = torch.cat([force.points, force.held], -1).numpy(force=True)
        elif isinstance(force, Driven):
            each[law, :, 0] = -1
            for place, number in enumerate(force.whom):
                each[law, number, 0] = column + place * force.count
        column += force.acts
    walls = [[force.radius, *force.room.tolist()] for force in forces if isinstance(force, Walls)]
    fastest = [body.max_speed for body in scene.bodies]
    return Laws(
        np.array([KINDS[type(force)] for force in pulls], np.int64),
        joined,
        each,
        np.array([body.mass for body in scene.bodies], np.float32),
        np.array(fastest, np.float32),
        np.array(walls, np.float32).reshape(-1, 3),
    )


def rolled(scene: Mechanism, laws: Laws, state: State, actions: Tensor, repeat: int) -> State | None:
    """States ``(B, K, H repeat, N, D)`` under candidates ``(B, K, H, A)``; None for numbers of another kind.

    Args:
        scene: that imagines, its constants frozen.
        laws: of it.
        state: ``(B, N, D)`` or ``(1, N, D)``.
        actions: each held for ``repeat`` steps.
        repeat: steps.
    """
    single = all(x.dtype == torch.float32 and x.device.type == "cpu" for x in (*state, actions))
    single &= scene.scheme != FORWARD and (scene.eased is None or not scene.divides)
    batch = len(actions)
    numbers = scene.once(("numbers", batch), lambda: constants(scene, batch)) if single else None
    found = loops("physics") if numbers is not None else None
    if found is None:
        return None
    h = scene.dt / scene.substeps
    drifts, kicks = SCHEMES.get(scene.scheme, ((), ()))
    batch, size, horizon = actions.shape[:3]
    shape = (batch, horizon * repeat, scene.objects * scene.dims, size)
    places, speeds = np.empty(shape, np.float32), np.empty(shape, np.float32)
    found.roll(
        *laws[:1],
        numbers,
        *laws[1:],
        *(np.array([part * h for part in parts], np.float32) for parts in (drifts, kicks)),
        np.float32(h),
        scene.substeps,
        repeat,
        *(array(x.flatten(1)) for x in state),
        array(actions),
        places,
        speeds,
    )
    apart = (scene.objects, scene.dims)
    return State(*(torch.from_numpy(x).permute(0, 3, 1, 2).unflatten(-1, apart) for x in (places, speeds)))


def constants(scene: Mechanism, batch: int) -> NDArray[np.float32] | None:
    """Constants ``(B or 1, L, 3)`` as each kind takes them; None if they are not one for each problem."""
    rows: list[list[float | Tensor]] = []
    for force in scene.forces.values():
        if not force.walls:
            times = scene.lever if KINDS[type(force)] == WEIGHT else 1.0
            row: list[float | Tensor] = [force.value(one.name, times) for one in force.constants]
            if isinstance(force, Attraction):
                row += [force.nearest, force.farthest]
            elif isinstance(force, Driven):  # which way the two axes count
                row += scene.handed.tolist() if isinstance(force, Push) else [1.0, 1.0]
            rows.append(row)
    several = [x for row in rows for x in row if isinstance(x, Tensor) and x.numel() > 1]
    if any(x.shape != (batch, 1, 1, 1) for x in several):
        return None
    found = np.zeros((batch if several else 1, len(rows), 3), np.float32)
    for law, row in enumerate(rows):
        for place, x in enumerate(row):
            found[:, law, place] = array(x.reshape(-1)) if isinstance(x, Tensor) and x.numel() > 1 else float(x)
    if scene.eased is not None:
        found[..., 0] /= 1 + array(scene.eased.reshape(-1))[:, None]  # in each kind the force's strength
    return found
