"""Agents: planners, what they minimise, and the loop that acts on a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.agents.cem import CEM as CEM
    from paig_control.agents.gradient import CEMGradient as CEMGradient, Gradient as Gradient
    from paig_control.agents.icem import ICEM as ICEM
    from paig_control.agents.mpc import MPCAgent as MPCAgent, Timing as Timing
    from paig_control.agents.mppi import MPPI as MPPI
    from paig_control.agents.objectives import (
        cost_function as cost_function,
        goal_objective as goal_objective,
        pendulum_step_cost as pendulum_step_cost,
        reward_objective as reward_objective,
    )
    from paig_control.agents.oracle import DynamicProgrammingOracle as DynamicProgrammingOracle
    from paig_control.agents.problem import Problem as Problem
    from paig_control.agents.random import RandomAgent as RandomAgent
    from paig_control.agents.receding import RecedingHorizon as RecedingHorizon
    from paig_control.agents.registry import PLANNERS as PLANNERS
    from paig_control.agents.sampling import shift as shift
    from paig_control.agents.settings import (
        AgentSettings as AgentSettings,
        GoalSettings as GoalSettings,
        PictureSettings as PictureSettings,
        RewardSettings as RewardSettings,
    )
    from paig_control.agents.step_function import StepFunction as StepFunction
    from paig_control.agents.terms import Sum as Sum, Term as Term

__getattr__, __dir__ = face(__name__)
