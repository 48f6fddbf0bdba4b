"""Settings of planners, objectives and agents: plain frozen records, so that a configuration can be checked.

Nothing here computes and nothing imports torch; the command line turns these into its schemas. Each record
refuses values that cannot work when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from paig_control.errors import PaigError


def _require(holds: bool, wrong: str, expected: str) -> None:
    if not holds:
        raise PaigError(f"{wrong}: expected {expected}.")


@dataclass(frozen=True)
class CEMSettings:
    """The cross-entropy method over action sequences.

    Attributes:
        horizon: actions in a plan.
        knots: control points of the piecewise-linear noise over the horizon; as many as the horizon is white noise.
        samples: candidates an iteration.
        iterations: rounds of sampling and refitting.
        elites: best candidates that the proposal is refitted to.
        spread: standard deviation of the first proposal, as a fraction of half the width of the bounds.
        min_spread: floor under the standard deviation, same unit.
        smoothing: weight of the former mean and spread when refitting; 0 forgets them.
    """

    horizon: int = 40
    knots: int = 10
    samples: int = 200
    iterations: int = 3
    elites: int = 20
    spread: float = 1.0
    min_spread: float = 0.05
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        _require(self.horizon >= 1, f"horizon = {self.horizon}", "at least 1 action in a plan")
        _require(2 <= self.knots or self.horizon == 1, f"knots = {self.knots}", "at least 2 control points")
        _require(self.samples >= 2, f"samples = {self.samples}", "at least 2 candidates")
        _require(self.iterations >= 1, f"iterations = {self.iterations}", "at least 1")
        _require(
            1 <= self.elites <= self.samples, f"elites = {self.elites}", f"1 to samples = {self.samples} candidates"
        )
        _require(self.spread > 0, f"spread = {self.spread}", "a positive fraction of the bounds' half width")
        _require(self.min_spread >= 0, f"min_spread = {self.min_spread}", "a number not below 0")
        _require(0 <= self.smoothing < 1, f"smoothing = {self.smoothing}", "a number in [0, 1)")


@dataclass(frozen=True)
class GoalSettings:
    """What reaching a goal means.

    Attributes:
        time_scale: seconds that turn a velocity error into a position error.
        terminal: extra weight of the last state of the horizon, in states.
        effort: weight of the squared actions.
    """

    time_scale: float = 0.3
    terminal: float = 0.0
    effort: float = 0.001

    def __post_init__(self) -> None:
        for name in ("time_scale", "terminal", "effort"):
            _require(getattr(self, name) >= 0, f"{name} = {getattr(self, name)}", "a number not below 0")


@dataclass(frozen=True)
class AgentSettings:
    """The model-predictive agent.

    Attributes:
        history: frames from which the state is estimated, the present one among them.
    """

    history: int = 4

    def __post_init__(self) -> None:
        _require(self.history >= 1, f"history = {self.history}", "at least 1 frame")
