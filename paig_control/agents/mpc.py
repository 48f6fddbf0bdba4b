"""The agent that sees only frames: find where things are, estimate the state, plan, act.

It knows a model by its physics, by where it sees objects in a frame and how much each sight is to be trusted, and by
the state that it infers from a few frames and the agent's own actions between them; from there on a filter carries the
state. A goal is shown to it as an image, read by the same eyes.
"""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from paig_control.agents.image_cost import picture_objective
from paig_control.agents.objectives import other_terms, reaching
from paig_control.agents.perception import Model, Perception
from paig_control.agents.receding import RecedingHorizon, SeededPlanner
from paig_control.agents.settings import AgentSettings, GoalSettings, PictureSettings, RewardSettings, TermSettings
from paig_control.agents.terms import Sum
from paig_control.agents.value_iteration import return_terms
from paig_control.border.guarding import coloured
from paig_control.errors import PaigError
from paig_control.estimation.online import OnlineAdapter
from paig_control.goals.checks import check_shown, check_state, check_told
from paig_control.types import Frames, GoalLike, Objective, Plan, State


class Timing(NamedTuple):
    """Where the time of one step went, in seconds."""

    perceive: float
    plan: float


class MPCAgent:
    """Model-predictive control from frames, for one environment or a batch of them.

    Args:
        model: sees and imagines.
        planner: searches, for example :class:`~paig_control.agents.cem.CEM`.
        low: smallest actions ``(A,)``.
        high: largest actions ``(A,)``.
        reward: name of a reward function to plan for where no goal is shown, see ``objectives.REWARDS``.
        goal_settings: what reaching a goal means, in coordinates or as a picture, and what else counts.
        settings: of the agent.
        extra: an objective of your own, or several added up, that counts too.
        adapter: watches the constants while an episode runs; None takes those of the model throughout.
        allowed: ``(n, A)``, the only actions that there are; None if all between the bounds are.

    Raises:
        PaigError: for bounds, a reward or regions that do not fit.
    """

    def __init__(
        self,
        model: Model,
        planner: SeededPlanner,
        low: ArrayLike,
        high: ArrayLike,
        reward: str | None = None,
        goal_settings: TermSettings | None = None,
        settings: AgentSettings | None = None,
        extra: Objective | None = None,
        adapter: OnlineAdapter | None = None,
        allowed: ArrayLike | None = None,
    ) -> None:
        self.model, self.settings, self.adapter = model, settings or AgentSettings(), adapter
        own = self.settings
        self.perception = Perception(model, own.history, own.patience)
        self.control = RecedingHorizon(
            planner, model.physics, low, high, own.replan, own.repeat, own.start_speed, own.compiled, allowed
        )
        self.goal_settings = goal_settings or (TermSettings() if reward is not None else GoalSettings())
        self.others = other_terms(model.physics, self.goal_settings)
        self.wanted: tuple[Objective, ...] = ()
        if reward is not None:
            beyond = self.goal_settings.beyond if isinstance(self.goal_settings, RewardSettings) else 0
            self.wanted = return_terms(reward, model.physics, self.control.low, self.control.high, beyond)
        self.extra = () if extra is None else (extra,)
        self.objective: Objective | None = None
        self.batch: int | None = None
        self.state: State | None = None
        self.timing = Timing(0.0, 0.0)
        self._sent: deque[Tensor] = deque(maxlen=self.settings.latency + 1)

    @property
    def plan(self) -> Plan | None:
        """The last plan, for display."""
        return self.control.plan

    @property
    def upcoming(self) -> Tensor:
        """Actions ``(B, T, A)`` that will act from the present state on, as far as they are planned."""
        return torch.cat([torch.stack(list(self._sent), 1), self.control.rest()], 1)

    def reset(
        self,
        goal: GoalLike | None = None,
        batch: int | None = None,
        seed: int | None = None,
        examine: bool = True,
    ) -> None:
        """Begin an episode.

        Args:
            goal: what to reach; images ``(h, w, c)`` or ``(B, h, w, c)``, coordinates ``(B, N, D)`` or
                ``(1, N, D)``; two images are read as if no action had been taken between them.
                None plans for the reward, or for the objective of your own.
            batch: number of environments; None for one, whose frames and actions have no batch axis.
            seed: starts the planner's random numbers again.
            examine: refuse goal images that do not show every object wholly; False where that is known.

        Raises:
            PaigError: without anything to reach; for a goal of another form or size, that does not show every
                object, or lies outside the picture; for no batch.
        """
        if batch is not None and batch < 1:
            raise PaigError(f"batch = {batch}: expected the number of environments, or None for a single one.")
        self.batch, self.state = batch, None
        self.perception.reset(batch or 1)
        self.control.reset(seed)
        if self.adapter is not None:
            self.adapter.reset(batch or 1)
        self._sent.extend([self.control.idle.expand(batch or 1, -1)] * (self.settings.latency + 1))
        self.aim(goal, examine)

    def aim(self, goal: GoalLike | None = None, examine: bool = True) -> None:
        """Give it another goal, as :meth:`reset` does; in mid-episode what it believes and its former plan stay.

        Raises:
            PaigError: as :meth:`reset`, for a goal.
        """
        if goal is not None:
            self.objective = Sum((self._reach(goal, examine), *self.others, *self.extra))
        elif self.wanted or self.extra:
            self.objective = Sum((*self.wanted, *self.others, *self.extra))
        else:
            raise PaigError("The agent has nothing to reach: expected a goal in reset(goal=...) or a reward's name.")

    def act(self, frame: Frames | None, missing: ArrayLike | None = None) -> NDArray[np.float32]:
        """Choose an action ``(A,)`` for a frame ``(h, w, c)`` or ``(h, w)``, or ``(B, A)`` for a batch of them.

        A frame that does not come, is of one colour throughout, or repeats the one before it although things should
        have moved, is no news, and the state is what the physics foresees. After ``settings.patience`` of them
        in a row a ``RuntimeWarning`` says so. Nothing is done until anything was seen.

        Args:
            frame: what the camera shows; None if nothing came.
            missing: ``(B,)``, which frames of a batch did not come; what stands in their place is not looked at.

        Raises:
            PaigError: before :meth:`reset`, or for a frame of another size, type or batch than promised.
        """
        if self.objective is None:
            raise PaigError("act was called before reset: call reset(goal) at the start of every episode.")
        with self.model.physics.frozen():
            taken = self._act(frame, missing, self.objective)
        return taken if self.batch is not None else taken[0]

    def _act(self, frame: Frames | None, missing: ArrayLike | None, objective: Objective) -> NDArray[np.float32]:
        """Actions ``(B, A)``, each constant of the physics being worked out once."""
        begin = time.perf_counter()
        frames = None if frame is None else self._tensor(frame, "frame", self.batch)
        physics = self.model.physics
        with physics.using(self._constants(1)):
            self.state = self.perception.look(frames, missing, self._sent[0])
        if self.adapter is not None:
            self.adapter.observe(self.perception.reading, self._sent[0])
        with physics.using(self._constants(1)):
            ahead = self._ahead(self.state)
        seen = time.perf_counter()
        with physics.using(self._constants(2) if self.control.plan else {}):  # one frame says nothing of constants
            action = self.control.act(ahead, objective)
        action = torch.where(self.perception.known[:, None], action, self.control.idle.to(action))
        self._sent.append(action)
        self.timing = Timing(seen - begin, time.perf_counter() - seen)
        taken: NDArray[np.float32] = action.cpu().numpy().astype(np.float32)
        return taken

    def imagine(self, count: int, steps: int) -> State:
        """States ``(b, H, N, D)`` of the first ``count`` environments, as far as foreseen, ``steps`` at most."""
        if self.state is None:
            raise PaigError("imagine was called before act: there is no state yet to begin from.")
        constants = {name: value[:count] for name, value in self._constants(1).items()}
        with torch.no_grad(), self.model.physics.using(constants):
            return self.model.physics.rollout(State(*(x[:count] for x in self.state)), self.upcoming[:count, :steps])

    def _constants(self, axes: int) -> dict[str, Tensor]:
        """Constants that the adapter found, for states with so many axes before ``(N, D)``, the first the batch's."""
        if self.adapter is None:
            return {}
        return {name: value.unflatten(0, (-1, *(1,) * (axes - 1))) for name, value in self.adapter.values.items()}

    @torch.no_grad()
    def _ahead(self, state: State) -> State:
        """The state when the action that is now chosen will act, by those that are under way."""
        for action in list(self._sent)[1:]:
            state = self.model.physics.step(state, action.to(state.position))
        return state

    def _reach(self, goal: GoalLike, examine: bool) -> Objective:
        """What reaching this goal costs, by the settings."""
        target, settings = self._read_goal(goal, examine), self.goal_settings
        if not isinstance(settings, PictureSettings):
            return reaching(
                self.model.physics, target, settings if isinstance(settings, GoalSettings) else GoalSettings()
            )
        if isinstance(goal, State):
            return picture_objective(self.model, self.model.physics, target, settings)
        if isinstance(goal, tuple):
            raise PaigError("A goal of two images moves, pictures are still: expected one image, or GoalSettings.")
        frames = self._tensor(goal, "goal image", goal.shape[0] if goal.ndim == 4 else None)
        return picture_objective(self.model, self.model.physics, frames, settings)

    def _read_goal(self, goal: GoalLike, examine: bool) -> State:
        physics, count = self.model.physics, self.batch or 1
        if isinstance(goal, State):
            return check_told(self.model, physics, goal, count)
        images = goal if isinstance(goal, tuple) else (goal,)
        if len(images) not in (1, 2):
            raise PaigError(f"A goal of {len(images)} images: expected one image, or two that follow each other.")
        with torch.no_grad():
            seen = []
            for image in images:
                batch = image.shape[0] if getattr(image, "ndim", 0) == 4 else None
                frames = self._tensor(image, "goal image", batch)
                seen.append(self.model.read(frames).position)
                if examine:
                    check_shown(self.model, frames, seen[-1])
            coordinates = torch.stack(seen, dim=1)
            gaps = coordinates.new_zeros(coordinates.shape[0], len(seen) - 1, physics.action_size)
            return check_state(physics, self.model.estimate(coordinates, gaps), count)

    def _tensor(self, frame: Frames, what: str, batch: int | None) -> Tensor:
        """Check a frame; a copy ``(B, h, w, 3)``, uint8, with a batch axis."""
        height, width = self.model.image_size
        lead = () if batch is None else (batch,)
        shape, kind = getattr(frame, "shape", None), getattr(frame, "dtype", type(frame).__name__)
        if shape is None or shape[: len(lead) + 2] != (*lead, height, width) or len(shape) > len(lead) + 3:
            expected = ", ".join(str(n) for n in (*lead, height, width))
            raise PaigError(
                f"The {what} has shape {shape}: expected ({expected}, channels), the model's image size. "
                "Make the environment with this image size, or resize the image by averaging."
            )
        if kind != np.uint8:
            raise PaigError(f"The {what} has type {kind}: expected uint8, values from 0 to 255, not scaled.")
        tensor = torch.from_numpy(coloured(frame, f"The {what} is", len(lead)))
        return tensor if batch is not None else tensor[None]
