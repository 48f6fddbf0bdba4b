"""The groups of a configuration: where the records stand from which each of them begins, and that of an environment.

Nothing here imports torch.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Env:
    """An environment.

    Attributes:
        id: in Gymnasium's registry; package:id imports the package first.
        kwargs: its arguments, any that it takes, for example env.kwargs.size=48.
        goals: states by name, positions then velocities.
        goal: name of the default goal.
        reward: name of its reward function, for objective=reward and the oracle.
        steps: of an episode of control.
        horizon: actions in a plan.
        time_scale: seconds that turn a velocity error into a position error, in the goal objective.
        terminal: extra weight of the last state of a plan, in states, in the goal objective.
        effort: weight of the squared actions, in the goal objective.
        start_speed: standard deviation of the velocities with which episodes begin, of which the first frame tells
            nothing, px/s or rad/s; the first action suits them all. 0 plans as if things were at rest.
    """

    id: str = "paig/Pixels-v0"
    kwargs: dict[str, Any] = field(default_factory=dict)
    goals: dict[str, list[float]] = field(default_factory=dict)
    goal: Any = None
    reward: str | None = None
    steps: int = 200
    horizon: int = 40
    time_scale: float = 0.3
    terminal: float = 0.0
    effort: float = 0.001
    start_speed: float = 0.0


RECORDS: dict[str, dict[str, str]] = {
    "env": {"env": "paig_control.experiment.records:Env"},
    "model": {"model": "paig_control.learning.settings:ModelSettings"},
    "recipe": {
        "default": "paig_control.learning.settings:RecipeSettings",
        "paper": "paig_control.learning.settings:PaperSettings",
    },
    "agent": {"mpc": "paig_control.agents.settings:AgentSettings"},
    "planner": {
        "cem": "paig_control.agents.settings:CEMSettings",
        "icem": "paig_control.agents.settings:ICEMSettings",
        "mppi": "paig_control.agents.settings:MPPISettings",
        "gradient": "paig_control.agents.settings:GradientSettings",
        "cem_gradient": "paig_control.agents.settings:CEMGradientSettings",
    },
    "objective": {
        "goal": "paig_control.agents.settings:GoalSettings",
        "picture": "paig_control.agents.settings:PictureSettings",
        "reward": "paig_control.agents.settings:RewardSettings",
    },
}
"""Group: the records that its configurations begin from, by name."""
GROUPS = (*RECORDS, "physics")
"""Keys of commands that configurations fill."""
OPEN = ("physics", "env.kwargs", "env.goals", "constants")
"""Where a key that is not listed may be given: its owner checks it."""


def record(group: str, name: str) -> type[Any]:
    """Import the record of this name in a group."""
    module, _, attribute = RECORDS[group][name].partition(":")
    found: type[Any] = getattr(importlib.import_module(module), attribute)
    return found
