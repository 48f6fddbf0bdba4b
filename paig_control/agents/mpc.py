"""The agent that sees only frames: find where things are, estimate the state, plan, act.

It knows a model by three things: its physics, where it sees objects in a frame, and the state that it
infers from a few frames and the agent's own actions between them. A goal is shown to it as an image, read
by the same eyes.
"""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from paig_control.agents.objectives import goal_objective, reward_objective
from paig_control.agents.receding import RecedingHorizon, SeededPlanner
from paig_control.agents.settings import AgentSettings, GoalSettings
from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import Objective, Plan, State

Frames = NDArray[np.uint8]
GoalLike = Frames | tuple[Frames, Frames] | State
"""A goal: one image (at rest), two images a time step apart (moving as between them), or coordinates."""


class Model(Protocol):
    """What the agent needs of a model."""

    @property
    def physics(self) -> Physics:
        """Physics that the planner imagines with."""
        ...

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its frames, pixels."""
        ...

    def locate(self, frames: Tensor) -> Tensor:
        """Coordinates ``(B, N, D)`` seen in frames ``(B, h, w, c)``, uint8."""
        ...

    def estimate(self, coordinates: Tensor, actions: Tensor) -> State:
        """State ``(B, N, D)`` at the last of T frames, from ``(B, T, N, D)`` and actions ``(B, T-1, A)``.

        From one frame the velocity is zero.
        """
        ...


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
        goal_settings: what reaching a goal means.
        settings: of the agent.
    """

    def __init__(
        self,
        model: Model,
        planner: SeededPlanner,
        low: ArrayLike,
        high: ArrayLike,
        reward: str | None = None,
        goal_settings: GoalSettings | None = None,
        settings: AgentSettings | None = None,
    ) -> None:
        self.model, self.settings = model, settings or AgentSettings()
        self.control = RecedingHorizon(planner, model.physics, low, high)
        self.goal_settings = goal_settings or GoalSettings()
        self.reward: Objective | None = None if reward is None else reward_objective(reward)
        self.objective: Objective | None = None
        self.batch: int | None = None
        self.state: State | None = None
        self.timing = Timing(0.0, 0.0)
        self._coordinates: deque[Tensor] = deque(maxlen=self.settings.history)
        self._actions: deque[Tensor] = deque(maxlen=self.settings.history - 1)

    @property
    def plan(self) -> Plan | None:
        """The last plan, for display."""
        return self.control.plan

    def reset(self, goal: GoalLike | None = None, batch: int | None = None, seed: int | None = None) -> None:
        """Begin an episode.

        Args:
            goal: what to reach; images ``(h, w, c)`` or ``(B, h, w, c)``, coordinates ``(B, N, D)`` or
                ``(1, N, D)``; two images are read as if no action had been taken between them.
                None plans for the reward.
            batch: number of environments; None for one, whose frames and actions have no batch axis.
            seed: starts the planner's random numbers again.

        Raises:
            PaigError: without a goal and without a reward; for a goal of another form or size, or no batch.
        """
        if batch is not None and batch < 1:
            raise PaigError(f"batch = {batch}: expected the number of environments, or None for a single one.")
        self.batch, self.state = batch, None
        self._coordinates.clear()
        self._actions.clear()
        self.control.reset(seed)
        if goal is not None:
            self.objective = goal_objective(self.model.physics, self._read_goal(goal), self.goal_settings)
        elif self.reward is not None:
            self.objective = self.reward
        else:
            raise PaigError("The agent has nothing to reach: expected a goal in reset(goal=...) or a reward's name.")

    def act(self, frame: Frames) -> NDArray[np.float32]:
        """Choose an action ``(A,)`` for a frame ``(h, w, c)``, or ``(B, A)`` for a batch ``(B, h, w, c)``.

        Raises:
            PaigError: before :meth:`reset`, or for a frame of another size, type or batch than promised.
        """
        if self.objective is None:
            raise PaigError("act was called before reset: call reset(goal) at the start of every episode.")
        begin = time.perf_counter()
        with torch.no_grad():
            self._coordinates.append(self.model.locate(self._tensor(frame, "frame", self.batch)))
            coordinates = torch.stack(list(self._coordinates), dim=1)
            self.state = self.model.estimate(coordinates, self._past_actions(coordinates))
        seen = time.perf_counter()
        action = self.control.act(self.state, self.objective)
        self._actions.append(action)
        self.timing = Timing(seen - begin, time.perf_counter() - seen)
        taken: NDArray[np.float32] = action.cpu().numpy().astype(np.float32)
        return taken if self.batch is not None else taken[0]

    def _past_actions(self, coordinates: Tensor) -> Tensor:
        """Stack its own actions ``(B, T-1, A)`` between the frames that it remembers."""
        if not self._actions:
            return coordinates.new_zeros(coordinates.shape[0], 0, self.model.physics.action_size)
        return torch.stack(list(self._actions), dim=1)

    def _read_goal(self, goal: GoalLike) -> State:
        if isinstance(goal, State):
            return self._check_coordinates(goal)
        images = goal if isinstance(goal, tuple) else (goal,)
        if len(images) not in (1, 2):
            raise PaigError(f"A goal of {len(images)} images: expected one image, or two that follow each other.")
        with torch.no_grad():
            seen = []
            for image in images:
                batch = image.shape[0] if getattr(image, "ndim", 0) == 4 else None
                seen.append(self.model.locate(self._tensor(image, "goal image", batch)))
            coordinates = torch.stack(seen, dim=1)
            gaps = coordinates.new_zeros(coordinates.shape[0], len(seen) - 1, self.model.physics.action_size)
            return self._check_coordinates(self.model.estimate(coordinates, gaps))

    def _check_coordinates(self, target: State) -> State:
        physics = self.model.physics
        shapes = [(count, physics.objects, physics.dims) for count in sorted({1, self.batch or 1})]
        for name, value in (("position", target.position), ("velocity", target.velocity)):
            if tuple(value.shape) not in shapes:
                expected = " or ".join(str(shape) for shape in shapes)
                raise PaigError(
                    f"The goal's {name} has shape {tuple(value.shape)}: expected {expected}, "
                    "one goal for all environments or one for each, every object's coordinates."
                )
            if not bool(torch.isfinite(value).all()):
                raise PaigError(f"The goal's {name} is not finite: expected an image in which every object is seen.")
        return target

    def _tensor(self, frame: Frames, what: str, batch: int | None) -> Tensor:
        """Check a frame and give it a batch axis: ``(B, h, w, c)``, uint8."""
        height, width = self.model.image_size
        lead = () if batch is None else (batch,)
        shape, kind = getattr(frame, "shape", None), getattr(frame, "dtype", type(frame).__name__)
        if shape is None or shape[:-1] != (*lead, height, width) or len(shape) != len(lead) + 3:
            expected = ", ".join(str(n) for n in (*lead, height, width))
            raise PaigError(
                f"The {what} has shape {shape}: expected ({expected}, channels), the model's image size. "
                "Make the environment with this image size, or resize the image by averaging."
            )
        if kind != np.uint8:
            raise PaigError(f"The {what} has type {kind}: expected uint8, values from 0 to 255, not scaled.")
        tensor = torch.from_numpy(np.ascontiguousarray(frame))
        return tensor if batch is not None else tensor[None]
