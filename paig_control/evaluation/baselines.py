"""The baselines beside which control is measured: what the truth allows, as agents that see true states.

For measuring only: nothing here is open to an agent that is being tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from paig_control.agents.objectives import REWARDS, goal_objective, other_terms
from paig_control.agents.oracle import DynamicProgrammingOracle
from paig_control.agents.random import RandomAgent
from paig_control.agents.receding import RecedingHorizon, SeededPlanner
from paig_control.agents.settings import GoalSettings, RewardSettings, TermSettings
from paig_control.agents.terms import Sum
from paig_control.agents.value_iteration import return_terms
from paig_control.border.action_set import rows_of
from paig_control.errors import PaigError
from paig_control.evaluation.rollout import Act, Array, Frames
from paig_control.physics.base import Physics
from paig_control.seeds import whole
from paig_control.types import Objective, State


@dataclass(frozen=True)
class TrueWorld:
    """What only the evaluator knows of an environment.

    Attributes:
        physics: the true one; None leaves the oracles out.
        reward: name of the reward function in ``objectives.REWARDS`` that is played for, if there is one.
    """

    physics: Physics | None = None
    reward: str | None = None


def _state(states: Array) -> State:
    """Turn true states ``(B, 2, N, D)`` into what physics takes."""
    tensor = torch.from_numpy(np.ascontiguousarray(states, dtype=np.float32))
    return State(tensor[:, 0], tensor[:, 1])


def optimal_agent(truth: TrueWorld, space: gym.spaces.Box, steps: int) -> Act | None:
    """Solve for the best return possible on the true physics; None where dynamic programming cannot."""
    physics = truth.physics
    if physics is None or truth.reward not in REWARDS or not physics.turns_alone or rows_of(space) is not None:
        return None
    bounds = float(space.low[0]), float(space.high[0])
    oracle = DynamicProgrammingOracle(physics, REWARDS[truth.reward], *bounds, steps)
    return lambda frames, states, t: oracle.act(_state(_known(states)), t)


def informed_agent(
    truth: TrueWorld,
    planner: SeededPlanner,
    space: gym.spaces.Box,
    goal: TermSettings | Objective | None,
    states: Array | None,
) -> Act | None:
    """Plan with the true physics from the true state: for the goals ``(E, 2, N, D)``, or for the reward.

    ``goal`` says what reaching them means, and what else counts; without GoalSettings it plans for the reward, or for
    what else is in the place of settings, an objective of a user's own.
    """
    physics = truth.physics
    if physics is None:
        return None
    if callable(goal):
        objective = Sum((goal,))
    elif isinstance(goal, GoalSettings) and states is not None:
        objective = goal_objective(physics, _state(states), goal)
    elif not isinstance(goal, GoalSettings) and truth.reward in REWARDS:
        bounds = torch.from_numpy(space.low), torch.from_numpy(space.high)
        beyond = goal.beyond if isinstance(goal, RewardSettings) else 0
        wanted = return_terms(str(truth.reward), physics, *bounds, beyond)
        objective = Sum((*wanted, *other_terms(physics, goal or TermSettings())))
    else:
        return None
    control = RecedingHorizon(planner, physics, space.low, space.high, allowed=rows_of(space))

    def act(frames: Frames, true: Array | None, t: int) -> NDArray[np.float32]:
        if t == 0:
            control.reset(seed=0)
        action: NDArray[np.float32] = control.act(_state(_known(true)), objective).numpy()
        return action

    return act


def _known(states: Array | None) -> Array:
    if states is None:
        raise PaigError("An oracle needs the environment's true state in info['state'], and there is none.")
    return states


def random_agent(space: gym.spaces.Box, seeds: Sequence[int]) -> Act:
    """Draw actions uniformly, for each episode from a generator of its own, whatever batch it sits in."""
    own = [int(np.random.SeedSequence([whole(seed), 1]).generate_state(1)[0]) for seed in seeds]
    agents = [RandomAgent(space.low, space.high, seed, rows_of(space)) for seed in own]
    return lambda frames, states, t: np.stack([agent.act() for agent in agents])
