"""A world and an agent in turn, obeying a user's commands: all of the live window but the window.

One step at a time and in one thread, so that it can be tested, and recorded picture by picture, without a screen or a
clock. What there is to see is handed out as a :class:`~paig_control.viewer.snapshot.Snapshot`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from paig_control.agents.mpc import MPCAgent
from paig_control.agents.receding import SeededPlanner
from paig_control.errors import PaigError
from paig_control.estimation.online import OnlineAdapter
from paig_control.goals import goal_files
from paig_control.goals.equilibrium import holding
from paig_control.models.paig import PAIG, to_pictures
from paig_control.physics.dynamics import PLANE
from paig_control.seeds import whole
from paig_control.types import Cost, GoalLike, Plan, State
from paig_control.viewer import commands
from paig_control.viewer.commands import Command, Whose
from paig_control.viewer.predicted import imagine, inks, points
from paig_control.viewer.snapshot import Array, Constant, Frame, Imagined, Message, Snapshot
from paig_control.viewer.world import World

PACES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""How many times as fast as real a session may run."""
SPAN = 4.0
"""Constants can be set to the first value, this many times smaller or greater."""
PAST, TRAIL = 240, 24
"""Steps of which figures, and places, are kept."""
REACH = 5.0
"""What is farther than this from an object, px, does not touch it."""


class Resting:
    """A planner that does nothing: the agent only watches.

    Args:
        horizon: actions in a plan.
    """

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon

    def reseed(self, seed: int) -> None:
        """Nothing here is random."""

    def plan(self, cost: Cost, init: Tensor, low: Tensor, high: Tensor) -> Plan:
        """No action ``(B, H, A)``, or as little as the bounds allow."""
        still = torch.zeros_like(init).clamp(low, high)
        candidates = still[:, None]
        with torch.no_grad():
            costs = cost(candidates)
        unchanged = torch.zeros(len(still), dtype=torch.bool)
        return Plan(still, costs[:, 0], torch.zeros_like(still), candidates, costs, unchanged)


@dataclass(frozen=True)
class Learned:
    """What learning left beside the model.

    Attributes:
        std: error bars of the constants by name.
        adapter: makes what finds the constants anew; None where nothing can.
    """

    std: Mapping[str, float]
    adapter: Callable[[], OnlineAdapter] | None = None


class Session:
    """A running episode.

    Args:
        world: to act in.
        agent: of a single world.
        model: that the agent sees and imagines with.
        learned: what is known of the model's constants.
        goal: what to reach, as the agent takes it; None plans for the agent's reward.
        picture: of the goal, ``(h, w, 3)``, uint8.
        seed: of the first episode.

    Raises:
        PaigError: for a goal that does not fit.
    """

    def __init__(
        self,
        world: World,
        agent: MPCAgent,
        model: PAIG,
        learned: Learned,
        goal: GoalLike | None,
        picture: Frame | None,
        seed: int,
    ) -> None:
        self.world, self.agent, self.model, self.learned, self.seed = world, agent, model, learned, whole(seed)
        self.paused, self._pace = False, PACES.index(1.0)
        self.planner: SeededPlanner = agent.control.planner
        self._units = {constant.name: constant.unit for constant in model.physics.constants}
        self._first = {Whose.BELIEF: model.physics.values(), Whose.WORLD: world.constants}
        self._inks = inks(model)
        self._number, self._message = 0, None if goal is not None else Message(0, "Planning for a reward.", False)
        self.goal, self.target = picture, goal if isinstance(goal, State) else None
        if picture is not None and self.target is None:
            self.target = self._look(picture)
        self._changeable: list[str] = []
        self._aim = goal
        self._settling = 0
        self._stepped = math.nan
        self._begin()
        self._changeable = world.changeable()

    # -- time --------------------------------------------------------------------------------------------

    @property
    def pace(self) -> float:
        """How many times as fast as real it runs."""
        return PACES[self._pace]

    def advance(self, now: float) -> None:
        """Take the step that was chosen, look, and choose the next.

        Args:
            now: s, by the clock that steps are counted by.
        """
        self._intervals.append(now - self._stepped)
        self._stepped = now
        if self.world.step(self._action):
            self.tell("The episode ended; a new one begins.")
            self._begin()
            return
        self._step += 1
        self._act()
        if self._settling:
            self._settling -= 1
            if not self._settling:
                self._check_goal()

    def _begin(self) -> None:
        self._step, self._stepped = 0, math.nan
        self._intervals: deque[float] = deque(maxlen=20)
        self._trail: deque[Array] = deque(maxlen=TRAIL)
        self._costs: deque[float] = deque(maxlen=PAST)
        self._past: dict[tuple[Whose, str], deque[tuple[float, float]]] = {}
        self._imagined: Imagined | None = None
        self.world.reset(self.seed)
        self.agent.reset(self._aim, seed=self.seed)
        self._act()

    def _act(self) -> None:
        former = self.agent.plan
        self._action = self.agent.act(self.world.frame)
        assert self.agent.state is not None
        self._trail.append(points(self.model, self.agent.state.position[0]))
        self._imagined = imagine(self.agent, self.model, self._imagined, self.agent.plan is not former)
        self._costs.append(float("nan") if self.agent.plan is None else float(self.agent.plan.cost[0]))
        for whose, name, value, std in self._constants():
            past = self._past.setdefault((whose, name), deque(maxlen=PAST))
            past.append((value, float("nan") if std is None else std))

    # -- commands ----------------------------------------------------------------------------------------

    def obey(self, command: Command) -> None:
        """Do what a user asks; what cannot be done is told in the next snapshot, and nothing is lost."""
        try:
            self._obey(command)
        except PaigError as error:
            self.tell(str(error), wrong=True)

    def tell(self, text: str, wrong: bool = False) -> None:
        """Say something to the user."""
        self._message = Message(0 if self._message is None else self._message.number + 1, text, wrong)

    def _obey(self, command: Command) -> None:
        match command:
            case commands.Pause():
                self.paused, self._stepped = not self.paused, math.nan
            case commands.Step():
                self.paused = True
                self.advance(math.nan)
            case commands.Pace(change):
                self._pace = min(max(self._pace + change, 0), len(PACES) - 1)
                self._intervals.clear()
                self._stepped = math.nan
            case commands.Reset(fresh):
                self._reset(fresh)
            case commands.MoveGoal(index, to):
                self._move_goal(index, to)
            case commands.ShowGoal(path):
                self._show_goal(*self._read(path))
            case commands.Kick(at, velocity):
                self._kick(at, velocity)
            case commands.SetConstant(whose, name, value):
                self._set(whose, name, value)
            case commands.SwitchPlanner():
                self._switch_planner()
            case commands.SwitchAdaptation():
                self._switch_adaptation()

    def _reset(self, fresh: bool) -> None:
        kept = self.world.constants
        if fresh:
            self.seed += 1
        else:
            self.model.physics.set_values(self._first[Whose.BELIEF])
            if self.agent.adapter is not None:
                self.agent.adapter = self._adapter()
        self._begin()
        if fresh:
            for name in self._changeable:
                self.world.change(name, kept[name])

    def _move_goal(self, index: int, to: commands.Point) -> None:
        if self.target is None:
            raise PaigError("There is no goal to move: the agent plans for a reward.")
        height, width = self.model.image_size
        keypoints = self.model.kinematics.keypoints(self.target.position)
        keypoints[:, index] = torch.tensor([min(max(to[0], 0.0), width), min(max(to[1], 0.0), height)])
        position = self.model.kinematics.coordinates(keypoints)
        target = State(position, torch.zeros_like(position))
        with torch.no_grad():
            picture = to_pictures(self.model.render(target))[0]
        self._aim_at(target, target, picture)

    def _read(self, path: Any) -> tuple[Frame, tuple[str, ...]]:
        picture, _, notes = goal_files.read(path, self.model.image_size)
        return picture, notes

    def _show_goal(self, picture: Frame, notes: tuple[str, ...]) -> None:
        self._aim_at(picture, self._look(picture), self.model.pictures(picture))
        self.tell(" ".join(notes) or "That is the goal now.")

    def _aim_at(self, goal: GoalLike, target: State, picture: Frame) -> None:
        self.agent.aim(goal)
        self._aim, self.target, self.goal = goal, target, picture
        self._settling = 2  # steps in which it is left where it is, before anything is said of it

    def _check_goal(self) -> None:
        """Say it if by what is believed the goal cannot be held."""
        if self.target is None or getattr(self.agent.goal_settings, "once", False):
            return
        found = {} if self.agent.adapter is None else self.agent.adapter.values
        with self.model.physics.using(found):
            held = holding(self.model.physics, self.target.position[0], self.agent.control.low, self.agent.control.high)
        if not held.possible:
            self.tell(str(held))

    def _kick(self, at: commands.Point, velocity: commands.Point) -> None:
        state = self.agent.state
        assert state is not None
        kinematics = self.model.kinematics
        keypoints = kinematics.keypoints(state.position)[0].detach()
        distance = (keypoints - torch.tensor(at)).square().sum(-1).sqrt()
        index = int(distance.argmin())
        if float(distance[index]) > REACH:
            raise PaigError("Nothing is there to kick: begin on an object.")
        small, pushed = 1e-2, keypoints[None].clone()
        pushed[0, index] += small * torch.tensor(velocity) / max(1.0, float(np.hypot(*velocity)))
        before, after = (kinematics.coordinates(one).detach()[0, index] for one in (keypoints[None], pushed))
        scale = max(1.0, float(np.hypot(*velocity))) / small
        physics = self.model.physics
        change = physics.difference(after[None], before[None], [index])[0].double().numpy() * scale
        flat = physics.coordinates[index] == PLANE  # a common offset of all places that are learned is not in keypoints
        place = keypoints[index] if flat else state.position[0, index]
        self.world.kick(place.double().numpy(), change, physics.periodic[index].numpy())
        self.tell("Kicked.")

    def _set(self, whose: Whose, name: str, value: float | None) -> None:
        value = self._first[whose][name] if value is None else value
        if whose is Whose.WORLD:
            self.world.change(name, value)
            return
        self.model.physics.set_values({name: value})
        if self.agent.adapter is not None:
            self.agent.adapter = self._adapter()

    def _switch_planner(self) -> None:
        resting = isinstance(self.agent.control.planner, Resting)
        self.agent.control.planner = self.planner if resting else Resting(self.planner.horizon)
        self.agent.control.reset()
        self.tell("The agent plans again." if resting else "The agent only watches.")

    def _switch_adaptation(self) -> None:
        if self.agent.adapter is None:
            self.agent.adapter = self._adapter()
            self.tell("The agent finds the constants while it acts.")
        else:
            self.model.physics.set_values({name: float(v) for name, v in self.agent.adapter.values.items()})
            self.agent.adapter = None
            self.tell("The agent keeps the constants that it has.")

    def _adapter(self) -> OnlineAdapter:
        if self.learned.adapter is None:
            raise PaigError("There are no constants to adapt.")
        adapter = self.learned.adapter()
        adapter.reset(1)
        return adapter

    def _look(self, picture: Frame) -> State:
        """Where the things in a picture are, at rest."""
        position = self.model.read(torch.from_numpy(picture[None])).position
        return State(position, torch.zeros_like(position))

    # -- what there is to see ----------------------------------------------------------------------------

    def _constants(self) -> list[tuple[Whose, str, float, float | None]]:
        """Constants as they are, with error bars of the belief as far as known."""
        world = [(Whose.WORLD, name, value, None) for name, value in self.world.constants.items()]
        adapter = self.agent.adapter
        if adapter is not None:
            values = {name: float(value) for name, value in adapter.values.items()}
            bars: dict[str, float | None] = {name: float(value) for name, value in adapter.std.items()}
        else:
            values, learned = self.model.physics.values(), self._first[Whose.BELIEF]
            bars = {name: self.learned.std.get(name) if values[name] == learned[name] else None for name in values}
        return [*world, *((Whose.BELIEF, name, value, bars[name]) for name, value in values.items())]

    def _constant(self, whose: Whose, name: str, value: float, std: float | None) -> Constant:
        first = self._first[whose][name]
        movable = first != 0 and (whose is Whose.BELIEF or name in self._changeable)
        low, high = (first / SPAN, first * SPAN) if movable else (value, value)
        past = np.array(self._past.get((whose, name), ()), dtype=np.float64).reshape(-1, 2)
        return Constant(whose, name, self._units.get(name, ""), value, std, low, high, first, past)

    def snapshot(self) -> Snapshot:
        """The moment, frozen."""
        agent, state = self.agent, self.agent.state
        assert state is not None
        std = agent.perception.filter.std
        position, velocity, off, drift = (part[0].double().cpu().numpy() for part in (*state, *std))
        bounds = torch.stack([agent.control.low, agent.control.high]).double().numpy()
        self._number += 1
        return Snapshot(
            self._number,
            self._step,
            self.world.dt,
            self.model.pictures(self.world.frame),
            self._trail[-1],
            np.stack(list(self._trail)),
            self._inks,
            position,
            velocity,
            off,
            drift,
            self.model.physics.coordinates,
            self.goal,
            None if self.target is None else points(self.model, self.target.position[0]),
            self._imagined,
            self._action.astype(np.float64),
            bounds,
            None if agent.plan is None else float(agent.plan.cost[0]),
            np.array(self._costs),
            tuple(self._constant(*one) for one in self._constants()),
            self.paused,
            self.pace,
            not isinstance(agent.control.planner, Resting),
            None if self.learned.adapter is None else agent.adapter is not None,
            self._rate(),
            agent.timing.perceive,
            agent.timing.plan,
            self._message,
        )

    def _rate(self) -> float:
        """Steps a second, by those that followed one another without a halt."""
        known = [one for one in self._intervals if math.isfinite(one)]
        return len(known) / sum(known) if sum(known) > 0 else math.nan

    def close(self) -> None:
        """Close the world."""
        self.world.close()
