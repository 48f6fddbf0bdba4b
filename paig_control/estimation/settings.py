"""How constants are looked for, as options of the command line too: nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from paig_control.errors import PaigError


@dataclass(frozen=True)
class IdentifySettings:
    """Stage 2: constants by trajectory matching in coordinates.

    Attributes:
        first_horizon: frames of the first window.
        growth: each window is so many times as long as the one before, up to the sequences' length.
        iterations: Levenberg-Marquardt steps at each horizon, at most.
        gauge_from: the gauge is solved along in windows of at least so many frames.
        scouts: films, at most, that look for the integrator and the way; where something is
            refined afterwards, stage 2 needs no more than these.
        films: that the last identification uses, at most, evenly spread over all.
        integrators: tried in turn, with their parts a frame, and some more: for bodies on joints, a step of first order
            in smaller parts, and with implicit friction; the likeliest is kept.
    """

    first_horizon: int = 4
    growth: float = 1.5
    iterations: int = 30
    gauge_from: int = 8
    scouts: int = 100
    films: int = 2000
    integrators: tuple[str, ...] = ("euler-1", "pefrl-2")

    def __post_init__(self) -> None:
        """Refuse samples of no film."""
        for name in ("scouts", "films"):
            if getattr(self, name) < 1:
                raise PaigError(f"recipe.identify.{name} = {getattr(self, name)}: expected at least one film.")


@dataclass(frozen=True)
class OnlineSettings:
    """How changes are looked for.

    Attributes:
        change: relative change of a constant that is thought possible, as a standard deviation.
        least: relative standard deviation, at least, of what was learned.
        every: frames between one family of rivals and the next.
        rivals: families at a time; the oldest gives way.
        settle: first frames of a rival, in which it finds the velocity; they are no evidence.
        proof: evidence by which a rival takes over, the logarithm of a ratio of likelihoods.
        several: evidence by which a change of all constants must beat a change of one.
        roughness: unforeseen motion in a step, in parts of a reading's noise.
        wander: relative standard deviation by which constants that have changed may go on changing in a step, so that
            what the first frames made of them is not held on to.
    """

    change: float = 0.5
    least: float = 1e-3
    every: int = 8
    rivals: int = 4
    settle: int = 3
    proof: float = 12.0
    several: float = 8.0
    roughness: float = 0.02
    wander: float = 0.003

    def __post_init__(self) -> None:
        lowest = {"every": 1, "rivals": 1, "settle": 0, "roughness": 0, "wander": 0, "several": 0}
        for name, value in vars(self).items():
            if name in lowest and value < lowest[name]:
                raise PaigError(f"{name} = {value}: expected a number of at least {lowest[name]}.")
            if name not in lowest and not value > 0:
                raise PaigError(f"{name} = {value}: expected a positive number.")
