"""One moment of a session, frozen: all that the window draws. Arrays are never written to after they are handed over.

Letters as in :mod:`paig_control.types`; points are pixels of the camera's picture, x to the right and y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paig_control.physics.dynamics import Coordinate
from paig_control.viewer.commands import Whose

Frame = NDArray[np.uint8]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Constant:
    """A constant of the world or of the agent's belief.

    Attributes:
        whose: the world's, or believed.
        name: for example ``gravity``.
        unit: as printed.
        value: at this moment.
        std: error bar of the belief; None where none is known.
        low: least value that the user may set.
        high: greatest value that the user may set.
        first: value at the beginning.
        past: ``(T, 2)``, values and error bars so far, the newest last; not a number where unknown.
    """

    whose: Whose
    name: str
    unit: str
    value: float
    std: float | None
    low: float
    high: float
    first: float
    past: Array


@dataclass(frozen=True)
class Message:
    """Something that the user should know.

    Attributes:
        number: counts messages, so that the same words said again are seen as new.
        text: the words.
        wrong: whether something did not work.
    """

    number: int
    text: str
    wrong: bool


@dataclass(frozen=True)
class Imagined:
    """What the agent foresees.

    Attributes:
        path: ``(H + 1, N, 2)``, points by the plan, the present first.
        plan: the same; what turns is drawn farther from its pivot the later it is.
        film: ``(F, h, w, 3)``, uint8, some frames of it, the present first.
        times: ``(F,)``, how long after the present they are, s.
        ghost: ``(h, w, 4)``, uint8: the things of these frames alone, to be laid over the camera's picture.
        fan: ``(K, H + 1, N, 2)``, as ``plan``, by other plans that were weighed, the cheapest last.
        ranks: ``(K,)``, from 0 for the cheapest to 1 for the dearest.
        costs: least and greatest cost of the fan.
    """

    path: Array
    plan: Array
    film: Frame
    times: Array
    ghost: Frame
    fan: Array
    ranks: Array
    costs: tuple[float, float]


@dataclass(frozen=True)
class Snapshot:
    """All of a moment.

    Attributes:
        number: counts snapshots.
        step: frames since the episode began.
        dt: s between frames.
        frame: ``(h, w, 3)``, uint8, from the camera.
        found: ``(N, 2)``, points where the objects are believed to be.
        trail: ``(T, N, 2)``, where they were believed to be, the newest last.
        inks: ``(N, 3)``, a colour for each object, 0 to 255, that of its sprite.
        position: ``(N, D)``, px or rad.
        velocity: ``(N, D)``, a second.
        position_std: ``(N, D)``.
        velocity_std: ``(N, D)``.
        coordinates: N times D, what the numbers of a position are.
        goal: ``(h, w, 3)``, uint8; None where a reward is planned for.
        target: ``(N, 2)``, points where the goal has the objects.
        imagined: None before the first plan.
        action: ``(A,)``, to act next.
        bounds: ``(2, A)``.
        cost: of the plan.
        cost_past: ``(T,)``, so far.
        constants: of world and belief.
        paused: whether the session waits for the user.
        pace: how many times as fast as real it runs.
        planning: whether the agent plans.
        adapting: whether it finds constants anew; None where it cannot.
        rate: steps a second, measured.
        perceive: s that the last look took.
        plan: s that the last plan took.
        message: the newest, if there is one.
    """

    number: int
    step: int
    dt: float
    frame: Frame
    found: Array
    trail: Array
    inks: Array
    position: Array
    velocity: Array
    position_std: Array
    velocity_std: Array
    coordinates: tuple[tuple[Coordinate, ...], ...]
    goal: Frame | None
    target: Array | None
    imagined: Imagined | None
    action: Array
    bounds: Array
    cost: float | None
    cost_past: Array
    constants: tuple[Constant, ...]
    paused: bool
    pace: float
    planning: bool
    adapting: bool | None
    rate: float
    perceive: float
    plan: float
    message: Message | None
