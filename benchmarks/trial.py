"""What the benchmarks of control under changed physics share: agent, oracle and worlds, as the command line makes them.

The settings come from ``paig-control control``'s own configuration, so a trial here is one there; what is added is that
worlds may change while they run, and that the oracle is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from paig_control.agents.mpc import MPCAgent
from paig_control.agents.objectives import goal_objective
from paig_control.agents.receding import RecedingHorizon
from paig_control.evaluation.rollout import Act, Array, Frames, Played, play
from paig_control.experiment import factories
from paig_control.experiment.compose import configure
from paig_control.experiment.trial import Trial
from paig_control.types import State

Constants = Mapping[str, NDArray[np.float64]]
"""True constants ``(B,)`` by name."""


class Changing(Trial):
    """A trial in worlds that change.

    Args:
        run: the model's folder.
        words: further words of ``paig-control control``, among them env=.
    """

    def __init__(self, run: Path, words: Sequence[str]) -> None:
        super().__init__(configure("control", [f"run={run}", *words]))
        self.aims = factories.settings(self.config.objective, "objective", "goal")
        env = self.make()
        self.space, self.tolerance = env.action_space, env.get_wrapper_attr("tolerance")
        self.physics = factories.true_physics(env)
        self.truth: dict[str, float] = dict(env.get_wrapper_attr("truth")["constants"])
        env.close()

    def ready(self, adapt: bool, pictures: Frames, batch: int) -> MPCAgent:
        """The agent, ready for so many episodes; the pictures ``(E, h, w, 3)`` are its goals."""
        assert isinstance(self.space, gym.spaces.Box)
        adapter = self.online() if adapt else None
        agent = MPCAgent(
            self.model, self.planner(), self.space.low, self.space.high, goal_settings=self.aims, adapter=adapter
        )
        agent.reset(pictures, batch=batch, seed=self.config.seed)
        return agent

    def oracle(self, goals: Array, now: Callable[[int], Constants]) -> Act:
        """The same planner on the true state and the constants that are true at a step; goals ``(E, 2, N, D)``."""
        assert self.physics is not None
        assert isinstance(self.space, gym.spaces.Box)
        physics, (position, velocity) = self.physics, torch.from_numpy(goals).float().unbind(1)
        control = RecedingHorizon(self.planner(), physics, self.space.low, self.space.high)
        control.reset(self.config.seed)
        objective = goal_objective(physics, State(position, velocity), self.aims)

        def act(frames: Frames, states: Array | None, t: int) -> NDArray[np.float32]:
            assert states is not None
            state = State(*torch.from_numpy(np.ascontiguousarray(states)).float().unbind(1))
            values = {name: torch.from_numpy(value).float()[:, None, None, None] for name, value in now(t).items()}
            with physics.using(values):
                chosen: NDArray[np.float32] = control.act(state, objective).numpy()
            return chosen

        return act

    def play(
        self, act: Act, seeds: Sequence[int], goals: Array, steps: int, now: Callable[[int], Constants], painted: bool
    ) -> Played:
        """Play an episode a seed; each world's constants are ``now(t)`` from step ``t`` on, and nobody is told."""
        envs = [self.make() for _ in seeds]
        held: list[dict[str, float]] = [dict(self.truth) for _ in seeds]

        def changing(frames: Frames, states: Array | None, t: int) -> NDArray[np.float32]:
            constants = now(t)
            for index, env in enumerate(envs):
                wanted = {name: float(value[index]) for name, value in constants.items()}
                if wanted != held[index]:
                    env.get_wrapper_attr("change")(**wanted)
                    held[index] = wanted
            return act(frames, states, t)

        try:
            each = np.broadcast_to(goals, (len(seeds), *goals.shape[1:]))
            return play(envs, seeds, changing, steps, painted=painted, goals=each)
        finally:
            for env in envs:
                env.close()
