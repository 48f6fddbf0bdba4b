"""A force: a magnetic field bends the path of charged balls."""

import math

import torch
from torch import Tensor

from paig_control.physics import Constant, Force, Motion


class Magnetic(Force):
    """Pulls each ball at right angles to its velocity, ``field`` times as hard."""

    constants = (Constant("field", "1/s", low=-math.inf),)
    uses_velocity = True

    def forward(self, motion: Motion, action: Tensor) -> Tensor:
        """Force ``(*B, N, 2)`` on the bodies."""
        x, y = motion.speed.unbind(-1)
        return self.value("field") * torch.stack([y, -x], -1)
