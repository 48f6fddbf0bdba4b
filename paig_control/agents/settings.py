"""Settings of planners, objectives and agents: plain frozen records, so that a configuration can be checked.

Nothing here computes and nothing imports torch; the command line turns these into its schemas. Each record
refuses values that cannot work when it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from paig_control.errors import PaigError


def _require(holds: bool, wrong: str, expected: str) -> None:
    if not holds:
        raise PaigError(f"{wrong}: expected {expected}.")


def _at_least(record: object, **lowest: float) -> None:
    """Require fields of a record not to be below these."""
    for name, low in lowest.items():
        value = getattr(record, name)
        _require(value >= low, f"{name} = {value}", f"a number not below {low}")


def _positive(record: object, *names: str) -> None:
    """Require fields of a record to be above 0."""
    for name in names:
        value = getattr(record, name)
        _require(value > 0, f"{name} = {value}", "a positive number")


@dataclass(frozen=True)
class NoiseSettings:
    """Noise that turns the mean of a search into candidates.

    Attributes:
        knots: control points of the piecewise-linear noise over the horizon; as many as the horizon is
            white noise.
        spread: standard deviation in the first iteration, as a fraction of half the width of the bounds;
            above 1 most actions are cut to the bounds, which makes bang-bang plans.
        decades: in the first iteration the candidates' noise is scaled by factors that reach down this many
            powers of ten, so that some stay close to the mean.
        crowding: the knots stand at times ``t`` where ``(t / end)^crowding`` is even; above 1 they crowd
            towards the end. Where motion is unstable early noise is amplified, and late freedom mends it.
    """

    knots: int
    spread: float
    decades: float = 0.0
    crowding: float = 2.0

    def __post_init__(self) -> None:
        _positive(self, "crowding", "spread")
        _at_least(self, knots=1, decades=0)


@dataclass(frozen=True)
class PlanSettings:
    """What every planner of the library is told.

    Attributes:
        horizon: actions in a plan.
    """

    horizon: int = 40

    def __post_init__(self) -> None:
        _at_least(self, horizon=1)


@dataclass(frozen=True)
class SearchSettings(PlanSettings):
    """What a search by sampling is told.

    Attributes:
        samples: candidates an iteration.
        iterations: rounds of sampling, and of moving to where the good ones are.
    """

    samples: int = 200
    iterations: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, samples=2, iterations=1)


@dataclass(frozen=True)
class EliteSettings(SearchSettings):
    """What a search that is refitted to its best candidates is told.

    Attributes:
        elites: best candidates that each refit takes.
    """

    elites: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        half = self.samples // 2
        _require(1 <= self.elites <= half, f"elites = {self.elites}", f"1 to half the samples = {half} candidates")


@dataclass(frozen=True)
class CEMSettings(EliteSettings):
    """The cross-entropy method over action sequences.

    The default was chosen on the true pendulum, where the fresh search finds the right number of swings and
    the warm one holds the balance.

    Attributes:
        samples: candidates an iteration, at least 4, shared between the two searches.
        elites: best candidates that each search is refitted to.
        min_spread: floor under the standard deviation, as a fraction of half the width of the bounds.
        warm: noise of the search that starts from the plan given.
        fresh: noise of the search that starts from the middle of the bounds.
    """

    min_spread: float = 0.05
    warm: NoiseSettings = field(default_factory=lambda: NoiseSettings(knots=10, spread=0.5, decades=2.0))
    fresh: NoiseSettings = field(default_factory=lambda: NoiseSettings(knots=7, spread=2.0, crowding=1.0))

    def __post_init__(self) -> None:
        _at_least(self, samples=4, min_spread=0)
        super().__post_init__()


@dataclass(frozen=True)
class ICEMSettings(EliteSettings):
    """The improved cross-entropy method: coloured noise, and elites that outlive a round and a plan.

    Attributes:
        samples: candidates drawn in the first iteration; the kept elites come on top.
        beta: the noise has the power spectrum 1 / frequency^beta over the plan; 0 is white noise, 2 wanders.
        spread: standard deviation in the first iteration, as a fraction of half the width of the bounds.
        min_spread: floor under the standard deviation, as a fraction of half the width of the bounds.
        decay: each iteration draws this many times fewer candidates than the one before, but not fewer than
            twice the elites.
        keep: fraction of the elites that takes part in the next iteration, and a step later in the next plan.
        momentum: weight of the old mean and spread in each refit.
    """

    beta: float = 2.5
    spread: float = 1.0
    min_spread: float = 0.05
    decay: float = 1.25
    keep: float = 0.3
    momentum: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, beta=0, min_spread=0, decay=1)
        _positive(self, "spread")
        _require(0 <= self.keep <= 1, f"keep = {self.keep}", "a fraction from 0 to 1")
        _require(0 <= self.momentum < 1, f"momentum = {self.momentum}", "a fraction from 0 to below 1")


@dataclass(frozen=True)
class MPPISettings(SearchSettings):
    """Model-predictive path integral control: every candidate counts, by its cost.

    Attributes:
        temperature: in units of the candidates' mean cost above the best: one that costs this much more than
            the best weighs 1/e of it. Small values follow the few best, large ones average over all.
        cooling: factor on the standard deviation from one iteration to the next; 1 is the original method.
        noise: noise around the plan.
    """

    temperature: float = 0.1
    cooling: float = 0.7
    noise: NoiseSettings = field(default_factory=lambda: NoiseSettings(knots=7, spread=1.5, crowding=1.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(self, "temperature")
        _require(0 < self.cooling <= 1, f"cooling = {self.cooling}", "a factor above 0, up to 1")


@dataclass(frozen=True)
class GradientSettings(PlanSettings):
    """Descent along the gradient of a differentiable cost, from several starts side by side.

    Attributes:
        starts: plans that descend; the first is the plan given, the others are drawn around the middle of
            the bounds.
        steps: of each descent.
        learning_rate: length of the first step of every action, as a fraction of half the width of the
            bounds; the steps shrink to nothing along half a cosine.
        noise: noise that makes the other starts.
    """

    starts: int = 16
    steps: int = 20
    learning_rate: float = 0.1
    noise: NoiseSettings = field(default_factory=lambda: NoiseSettings(knots=7, spread=2.0, crowding=1.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, starts=1, steps=1)
        _positive(self, "learning_rate")


@dataclass(frozen=True)
class CEMGradientSettings(CEMSettings):
    """The cross-entropy method, then descent from its best candidates.

    Attributes:
        polished: best candidates of the last iteration that descend, the best plan among them.
        steps: of each descent.
        learning_rate: as for the gradient planner.
    """

    polished: int = 4
    steps: int = 5
    learning_rate: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        expected = f"1 to the samples = {self.samples} candidates"
        _require(1 <= self.polished <= self.samples, f"polished = {self.polished}", expected)
        _at_least(self, steps=1)
        _positive(self, "learning_rate")


@dataclass(frozen=True)
class TermSettings:
    """What counts beside what is to be reached.

    Attributes:
        effort: weight of the squared actions.
        smoothness: weight of the squared changes from one action to the next.
        keep_out: regions that objects must not enter, discs [x,y,radius] and boxes [left,top,right,bottom] in px, for
            example [[16,16,4],[0,0,8,32]]; of angles arcs [middle,half width] in rad. Look further ahead with them, for
            example planner.horizon=10: the way around is longer than the way.
        walls: limits that objects must keep inside, the lowest of each coordinate and then the highest, for example
            [2,2,30,30]; inf and -inf are none.
        margin: distance that an object's middle keeps from regions and walls; null takes 1 px, or 0.1 rad.
        penalty: cost of being one px or rad too far for one step, which grows as the square; null takes 100, or 10000
            for angles.
        objects: numbers of the objects that regions and walls are for, for example [0]; null takes all.
    """

    effort: float = 0.0
    smoothness: float = 0.0
    keep_out: list[Any] = field(default_factory=list)
    walls: tuple[float, ...] | None = None
    margin: float | None = None
    penalty: float | None = None
    objects: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        weights = ("effort", "smoothness", "penalty", "margin")
        _at_least(self, **{name: 0 for name in weights if getattr(self, name) is not None})
        for one in self.keep_out:
            numbers = isinstance(one, Sequence) and all(isinstance(value, (int, float)) for value in one)
            _require(numbers, f"keep_out = {self.keep_out}", "a list of regions, each a list of numbers")


@dataclass(frozen=True)
class GoalSettings(TermSettings):
    """What reaching a goal means.

    Attributes:
        time_scale: seconds that turn a velocity error into a position error.
        terminal: extra weight of the last state of the horizon, in states.
        once: whether passing through the goal's position at one moment of the horizon is enough; time_scale and
            terminal then mean nothing. Where goals are drawn that cannot be held, it always is. A goal shown as moving
            is passed through, too, but with its velocity.
    """

    effort: float = 0.001
    time_scale: float = 0.3
    terminal: float = 0.0
    once: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, time_scale=0, terminal=0)


@dataclass(frozen=True)
class PictureSettings(TermSettings):
    """What being like a goal image means.

    Attributes:
        frames: imagined frames that are compared with it, evenly spaced over the horizon, the last among them; each is
            drawn for every candidate, so that they cost most of the time.
        blurs: standard deviations of the blurred copies that are compared too, in parts of the image's height. Sharp
            pixels alone say nothing of where to go while an object and its goal do not touch.
    """

    effort: float = 0.0001
    frames: int = 3
    blurs: tuple[float, ...] = (0.06, 0.12, 0.25)

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, frames=1)
        good = all(0 < blur <= 1 for blur in self.blurs)
        _require(good, f"blurs = {list(self.blurs)}", "parts of the image's height, above 0 and up to 1")


@dataclass(frozen=True)
class RewardSettings(TermSettings):
    """Plan for the environment's own reward.

    Attributes:
        reward: name of the reward function.
        beyond: steps after the horizon whose best possible reward counts too, found beforehand by value iteration on
            what was learned; for one angle, and with a shorter horizon, as experiment=return has it. 0 for none.
    """

    reward: str | None = None
    beyond: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.beyond >= 0, f"beyond = {self.beyond}", "a number of steps after the horizon, 0 for none")


@dataclass(frozen=True)
class AgentSettings:
    """The model-predictive agent.

    Attributes:
        history: first frames of an episode that are fitted by least squares; from there on a filter carries the state.
        replan: actions that are taken of a plan before the next one.
        repeat: steps for which each action of a plan is held; the horizon then reaches so many times as far.
        latency: steps between a frame and the moment when the action chosen by it begins to act.
        patience: frames in a row that do not come, or show nothing new, after which a warning is given.
        start_speed: standard deviation of the velocities with which episodes begin, px/s or rad/s, of which the first
            frame tells nothing; the first action suits them all. 0 plans as if things were at rest.
        compiled: whether plans are computed by compiled code where all forces are known and Numba is there; the plans
            are the same to the precision of the numbers.
    """

    history: int = 4
    replan: int = 1
    repeat: int = 1
    latency: int = 0
    patience: int = 10
    start_speed: float = 0.0
    compiled: bool = True

    def __post_init__(self) -> None:
        _at_least(self, history=1, replan=1, repeat=1, latency=0, patience=1, start_speed=0)
