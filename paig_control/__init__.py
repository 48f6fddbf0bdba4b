"""Model-predictive control from pixels with learned, interpretable physics.

Importing the package registers its environments with Gymnasium and nothing else: torch is imported only when
one of the names below is asked for. ``gym.make("paig_control:paig/Pendulum-v0")`` works from anywhere.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from paig_control.envs.registration import register_environments
from paig_control.faces import Forwarding, face

if TYPE_CHECKING:
    from paig_control.agents.cem import CEM as CEM
    from paig_control.agents.gradient import CEMGradient as CEMGradient, Gradient as Gradient
    from paig_control.agents.icem import ICEM as ICEM
    from paig_control.agents.mpc import MPCAgent as MPCAgent
    from paig_control.agents.mppi import MPPI as MPPI
    from paig_control.data.collection import collect as collect
    from paig_control.experiment.trial import trial as trial
    from paig_control.learning.recipe import train as train
    from paig_control.models.checkpoint import load as load
    from paig_control.physics.registry import build_physics as build_physics

__version__ = "0.1.0"

__getattr__, __dir__ = face(__name__)
sys.meta_path.append(Forwarding())
register_environments()
