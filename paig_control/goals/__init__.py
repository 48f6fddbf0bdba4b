"""Goals: as files and pictures, drawn where they can be reached, and checked where they enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.goals.drawing import (
        Goal as Goal,
        draw_many as draw_many,
        find_state as find_state,
        resolve as resolve,
    )
    from paig_control.goals.equilibrium import Held as Held, holding as holding

__getattr__, __dir__ = face(__name__)
