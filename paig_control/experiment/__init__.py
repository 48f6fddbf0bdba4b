"""A configured experiment, without a terminal: its settings, what is made of them, what follows a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.experiment.compose import configure as configure
    from paig_control.experiment.reporting import report as report
    from paig_control.experiment.trial import Trial as Trial

__getattr__, __dir__ = face(__name__)
