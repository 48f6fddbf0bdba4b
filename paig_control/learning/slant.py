"""How far a camera looks aslant, found from motion: a pendulum that swings through an ellipse still swings by its law.

What turns about a pivot is read at angles that are bent by twice their sine where its plane is foreshortened, and only
angles that are straight again obey the physics. So identification tells the bend along with the constants.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from paig_control.errors import PaigError
from paig_control.estimation.identification import identify
from paig_control.estimation.settings import IdentifySettings
from paig_control.learning.settings import DiscoverSettings, ModelSettings
from paig_control.learning.stages import discover, read
from paig_control.models.paig import PAIG
from paig_control.physics.dynamics import Dynamics
from paig_control.vision.camera import STRAIGHT, Camera
from paig_control.vision.matching import Matching

GLIMPSE = DiscoverSettings(frames=300, rounds=1, steps=40)
"""Discovery by which a camera is looked for."""
LOOKS = 2
"""Times that it is."""
LOOKED = 0.5
"""Part of discovery that is done then."""
SOME = 40
"""Frames of each film that are looked at then."""
ROUGH = 8
"""Steps of identification at each horizon then."""


def known_camera(settings: ModelSettings, height: int) -> Camera | None:
    """The camera that a user has described, of frames of this height; None where it is straight, or to be found."""
    return None if settings.tilt is None else Camera.told(settings.tilt, settings.fov, height)


def look_for_camera(
    frames: Callable[[Tensor], Tensor],
    count: int,
    films: Tensor,
    actions: Tensor,
    physics: Dynamics,
    settings: IdentifySettings,
    seed: int,
    progress: Callable[[float, str], None],
) -> Camera:
    """A camera that looks aslant, by what the motion of something that turns says of how angles are bent.

    A rough discovery reads some films ``(S, T, h, w, 3)`` uint8 with actions ``(S, T - 1, A)``; physics is left as it
    is, and other arguments are those of :func:`discover`.

    Raises:
        PaigError: where nothing turns by which the camera could be told.
    """
    if physics.stateless or physics.kinematics != "rotary":
        raise PaigError(
            "model.camera=oblique: how far a camera looks aslant is found where one thing turns about a pivot. Say how "
            "this one looks, in degrees: model.tilt, positive if it looks from above, and model.fov."
        )
    films, actions = films[:, :SOME], actions[:, : SOME - 1]
    settings = replace(settings, integrators=settings.integrators[:1], iterations=ROUGH)  # it need not be exact
    camera, before, slope = STRAIGHT, (0.0, 0.0), 1.0
    for number in range(LOOKS):

        def tell(fraction: float, text: str, done: int = number) -> None:
            progress(LOOKED * (done + fraction) / LOOKS, f"camera, {text}")

        found, _ = discover(frames, count, physics, GLIMPSE, seed, tell, camera)
        own = copy.deepcopy(physics)
        model = PAIG(own, found.kinematics, Matching(own.objects), found.renderer, camera=camera).to(films.device)
        model.weight.copy_(found.weight)
        reading, kinematics = read(model, films), model.kinematics
        if not number:  # about as many rad as the key point is pixels away from the pivot
            slope = math.dist(*kinematics.skeleton(reading.position[0, 0])[0].tolist())
        gauge = kinematics.gauge(reading.position)
        known = identify(own.laws(), reading.position, actions, settings, gauge, reading.trust)
        first, second = known.bent.tolist()[:2], known.bent.tolist()[2:]
        camera = camera.turned(*second)
        now = camera.nearness, camera.lean(*first)
        if number and now[0] != before[0]:
            told = (before[1] - now[1]) / (now[0] - before[0])
            slope = told if told > 0 else slope
        most = 2 * math.sin(camera.tilt) / films.shape[2]  # a field of view of a right angle
        camera, before = camera.near(max(-most, min(now[0] + now[1] / slope, most))), now
    return camera
