"""The three learning stages, discover, identify and refine, and the recipe that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.learning.moments import Moment as Moment, Stopped as Stopped
    from paig_control.learning.recipe import train as train
    from paig_control.learning.settings import (
        ModelSettings as ModelSettings,
        PaperSettings as PaperSettings,
        RecipeSettings as RecipeSettings,
        RefineSettings as RefineSettings,
    )
    from paig_control.learning.trainer import Run as Run

__getattr__, __dir__ = face(__name__)
