"""Stage 1, for any kinematics: a sample of the frames is looked at by the discovery that fits how objects move."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from paig_control.errors import PaigError
from paig_control.learning.optimise import step_generator
from paig_control.learning.settings import DiscoverSettings
from paig_control.physics.dynamics import Dynamics
from paig_control.vision.discovery import discover_rotary
from paig_control.vision.fitting import Discovered
from paig_control.vision.pursuit import discover_planar


def check_motion(films: Tensor, most: int = 200) -> None:
    """Refuse films ``(S, T, 3, h, w)`` in which nothing moves; at most so many of them are looked at.

    What moves differs from its film's mean in neighbouring pixels alike, noise does not: the mean over 3 x 3 pixels
    leaves a ninth of white noise's energy, and most of a thing's.

    Raises:
        PaigError: where each film shows one picture, but for noise.
    """
    some = films[:: max(1, len(films) // most)]
    change = (some - some.mean(1, keepdim=True)).flatten(0, 1)
    energy = change.square().sum()
    if not float(functional.avg_pool2d(change, 3, 1).square().sum()) > 0.13 * float(energy):
        raise PaigError(
            f"Nothing moves in these films: each shows the same picture from its first frame to its last"
            f"{', but for noise' if float(energy) > 0 else ''}. Record with actions, or from other starts."
        )


def discover(
    images: Tensor,
    physics: Dynamics,
    settings: DiscoverSettings,
    seed: int,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Discovered, Tensor]:
    """What moves in the images ``(M, 3, h, w)``, and the numbers ``(m,)`` of the images that were looked at.

    Raises:
        PaigError: when what moves does not fit the physics, or nothing does.
    """
    torch.manual_seed(seed)
    generator = step_generator(seed, "discover", 0)
    count = min(settings.frames, len(images))
    chosen = torch.randperm(len(images), generator=generator)[:count].sort().values.to(images.device)
    if physics.kinematics == "rotary":
        found = discover_rotary(images[chosen], generator, settings.rounds, settings.steps, progress)
    elif physics.kinematics == "planar":
        found = discover_planar(images[chosen], physics.objects, generator, settings.rounds, settings.steps, progress)
    else:
        raise PaigError(f"There is no discovery for {physics.kinematics!r} kinematics: known are rotary and planar.")
    return found, chosen
