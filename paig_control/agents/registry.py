"""The planners by name, as the configuration chooses them."""

from __future__ import annotations

from typing import Any

from paig_control.agents.cem import CEM
from paig_control.agents.gradient import CEMGradient, Gradient
from paig_control.agents.icem import ICEM
from paig_control.agents.mppi import MPPI
from paig_control.agents.problem import SearchPlanner

PLANNERS: dict[str, type[SearchPlanner[Any]]] = {
    "cem": CEM,
    "icem": ICEM,
    "mppi": MPPI,
    "gradient": Gradient,
    "cem_gradient": CEMGradient,
}
"""Name in ``planner=NAME``: the planner, made from its settings and a seed."""
