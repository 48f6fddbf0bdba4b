"""The planners by name, as the configuration chooses them."""

from __future__ import annotations

from typing import Any, Protocol

from paig_control.agents.cem import CEM
from paig_control.agents.gradient import CEMGradient, Gradient
from paig_control.agents.icem import ICEM
from paig_control.agents.mppi import MPPI
from paig_control.agents.problem import SearchPlanner


class MakePlanner(Protocol):
    """How every planner is made."""

    def __call__(self, settings: Any = None, seed: int = 0) -> SearchPlanner[Any]:
        """From its settings, by default its own, and a seed."""
        ...


PLANNERS: dict[str, MakePlanner] = {
    "cem": CEM,
    "icem": ICEM,
    "mppi": MPPI,
    "gradient": Gradient,
    "cem_gradient": CEMGradient,
}
"""Name in ``planner=NAME``: the planner."""
