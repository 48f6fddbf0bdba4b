"""World models: parts put together, and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.models.checkpoint import Loaded as Loaded, load as load, save as save
    from paig_control.models.estimators import (
        Estimator as Estimator,
        LeastSquares as LeastSquares,
        Recurrent as Recurrent,
        VelocityNetwork as VelocityNetwork,
    )
    from paig_control.models.paig import PAIG as PAIG, to_images as to_images, to_pictures as to_pictures

__getattr__, __dir__ = face(__name__)
