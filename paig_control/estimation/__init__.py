"""From readings to states and constants: least squares and one Kalman filter, through the physics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.estimation.adaptation import (
        adapt as adapt,
        learned_prior as learned_prior,
        spread_prior as spread_prior,
    )
    from paig_control.estimation.filter import StateFilter as StateFilter
    from paig_control.estimation.identification import (
        Estimate as Estimate,
        Identified as Identified,
        identify as identify,
    )
    from paig_control.estimation.kalman import Belief as Belief, Kalman as Kalman
    from paig_control.estimation.least_squares import descend as descend
    from paig_control.estimation.online import OnlineAdapter as OnlineAdapter
    from paig_control.estimation.settings import IdentifySettings as IdentifySettings, OnlineSettings as OnlineSettings
    from paig_control.estimation.state import history as history, infer as infer, trajectory as trajectory

__getattr__, __dir__ = face(__name__)
