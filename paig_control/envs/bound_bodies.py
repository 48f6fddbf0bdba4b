"""Bodies bound by forces: integrated finely, and started so that they keep clear of the image's border.

PAIG's films of springs and gravity hold no wall: a film in which a body touches the border is drawn anew. So a
start is a draw that, left alone, stays clear for ``clear_steps`` steps. That is rare (one in ten to one in a
hundred), hence many candidates are drawn at once, the hopeless are dropped by their centre of mass, which no
inner force accelerates, and the others are simulated side by side. Once pushed, a body may leave the image and
come back.

Inside this file the batch is the last axis, ``(N, 2, B)``, which makes NumPy's loops long.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks
from paig_control.envs.bodies import Bodies
from paig_control.envs.checks import Array
from paig_control.errors import PaigError

TRIES = 50_000
"""Starts drawn for an episode before the scene is said to have none."""
SCREEN, SLACK = 6, 0.25
"""Candidates are looked through in sub-steps so much longer and with so much leniency, px; the chosen exactly."""


def nystrom(acceleration: Callable[[Array], Array], position: Array, velocity: Array, h: float) -> tuple[Array, Array]:
    """One step of Nyström's method of order five for ``x'' = a(x)``.

    Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.14.
    """
    drift = h * velocity
    hh = h * h
    a1 = acceleration(position)
    a2 = acceleration(position + drift / 5 + hh / 50 * a1)
    a3 = acceleration(position + 2 / 3 * drift + hh / 27 * (7 * a2 - a1))
    a4 = acceleration(position + drift + hh / 70 * (21 * a1 - 4 * a2 + 18 * a3))
    return (
        position + drift + hh / 336 * (14 * a1 + 100 * a2 + 54 * a3),
        velocity + h / 336 * (14 * a1 + 125 * a2 + 162 * a3 + 35 * a4),
    )


class BoundBodies(Bodies):
    """Bodies under forces between them.

    Args:
        substeps: integration steps a frame.
        clear_steps: a start, left alone, keeps clear of the border for so many steps.
        **common: as of :class:`~paig_control.envs.bodies.Bodies`.
    """

    draws: ClassVar[int]
    """Uniform random numbers that a start is made from."""
    draws_at_once: ClassVar[int] = 32
    """Starts drawn at a time for an episode."""

    def __init__(self, substeps: int = 6, clear_steps: int = 30, **common: Any) -> None:
        super().__init__(**common)
        self.substeps = checks.whole("substeps", substeps, example=6)
        self.clear_steps = checks.whole("clear_steps", clear_steps, low=0, example=30)

    @abstractmethod
    def forces(self, position: Array) -> Array:
        """Forces ``(N, 2, B)`` of the bodies at ``(N, 2, B)`` on one another."""

    @abstractmethod
    def candidates(self, uniform: Array) -> tuple[Array, Array]:
        """Positions and velocities ``(N, 2, B)`` made from numbers ``(draws, B)`` between 0 and 1."""

    def clear(self, position: Array, step: int, slack: float = 0.0) -> NDArray[np.bool_]:
        """Whether all bodies ``(n, 2, B)`` are clear of the border, give or take ``slack`` px, at a film's step."""
        low, high = self.radius - slack, self.extent[:, None] - self.radius + slack
        return np.asarray(((position > low) & (position < high)).all((0, 1)))

    def transition(self, state: Array, action: Array) -> Array:
        """Advance states ``(B, 2, N, 2)`` by ``dt`` under actions ``(B, A)``."""
        position, velocity, push = (
            np.ascontiguousarray(np.moveaxis(part, 0, -1)) for part in (state[:, 0], state[:, 1], self.pushes(action))
        )
        for _ in range(self.substeps):
            position, velocity = nystrom(
                lambda place: self.forces(place) + push, position, velocity, self.dt / self.substeps
            )
        return np.ascontiguousarray(np.moveaxis(np.stack([position, velocity]), -1, 0))

    # -- starts ------------------------------------------------------------------------------------------

    def initial(self, rng: np.random.Generator) -> Array:
        """Draw a start ``(2, N, 2)`` that stays clear."""
        start: Array = self.initials([rng])[0]
        return start

    def initials(self, rngs: Sequence[np.random.Generator]) -> Array:
        """Draw a start ``(B, 2, N, 2)`` from each generator: the first of its candidates that stays clear.

        Raises:
            PaigError: where no start stays clear in many tries.
        """
        starts = np.zeros((len(rngs), 2, self.count, 2))
        waiting = np.arange(len(rngs))
        for _ in range(TRIES // self.draws_at_once):
            if not len(waiting):
                return starts
            uniform = np.concatenate([rngs[int(n)].random((self.draws_at_once, self.draws)) for n in waiting])
            position, velocity = self.candidates(np.ascontiguousarray(uniform.T))
            likely = np.flatnonzero(self._hopeful(position, velocity))
            likely = likely[self._stays(position[..., likely], velocity[..., likely], SCREEN, SLACK)]
            lucky, first = np.unique(likely // self.draws_at_once, return_index=True)
            position, velocity = position[..., likely[first]], velocity[..., likely[first]]
            sure = self._stays(position, velocity)
            starts[waiting[lucky[sure]]] = np.moveaxis(np.stack([position[..., sure], velocity[..., sure]]), -1, 0)
            waiting = np.delete(waiting, lucky[sure])
        raise PaigError(
            f"No start of {type(self).__name__} stays clear of the border for clear_steps = {self.clear_steps} steps "
            f"in {TRIES} tries: take a larger size, a lower speed or fewer clear_steps."
        )

    def _stays(self, position: Array, velocity: Array, coarser: int = 1, slack: float = 0.0) -> NDArray[np.intp]:
        """Which of the starts ``(N, 2, B)`` stay clear, give or take ``slack``: their numbers, ascending."""
        substeps = max(min(2, self.substeps), self.substeps // coarser)
        alive = np.arange(position.shape[-1])
        for step in range(1, self.clear_steps + 1):
            if not len(alive):
                break
            kept = np.ones(len(alive), dtype=bool)
            for _ in range(substeps):
                position, velocity = nystrom(self.forces, position, velocity, self.dt / substeps)
                kept &= self.clear(position, step, slack)
            if not kept.all():
                alive, position, velocity = alive[kept], position[..., kept], velocity[..., kept]
        return alive

    def _hopeful(self, position: Array, velocity: Array) -> NDArray[np.bool_]:
        """Whether the start is clear, and the centre of mass at all :attr:`checkpoints`: ``(B,)``."""
        hopeful = self.clear(position, 0)
        centre, drift = position.mean(0, keepdims=True), velocity.mean(0, keepdims=True)
        for step in self.checkpoints:
            hopeful &= self.clear(centre + step * self.dt * drift, step)
        return hopeful

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Steps at which the centre of mass is looked at first; it lies between the bodies, so it must be clear."""
        return (self.clear_steps,)


def direction(uniform: Array) -> Array:
    """Unit vectors ``(2, B)``, uniform over the circle, from numbers ``(B,)`` between 0 and 1."""
    angle = 2 * np.pi * uniform
    return np.stack([np.cos(angle), np.sin(angle)])
