"""From frames to coordinates and back: kinematics, localiser, renderer, discovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.vision.kinematics import Kinematics as Kinematics, Planar as Planar
    from paig_control.vision.localizer import Eyes as Eyes, Localizer as Localizer
    from paig_control.vision.renderer import Renderer as Renderer, SpriteRenderer as SpriteRenderer

__getattr__, __dir__ = face(__name__)
