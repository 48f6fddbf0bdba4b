"""Model-predictive control from pixels with learned, interpretable physics.

Importing the package registers its environments with Gymnasium and nothing else: torch is imported only by
the rooms that need it. ``gym.make("paig_control:paig/Pendulum-v0")`` works from anywhere.
"""

from paig_control.envs.registration import register_environments

__version__ = "0.1.0"

register_environments()
