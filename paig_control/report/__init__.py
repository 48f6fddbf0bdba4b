"""Pictures, films and the page that shows them: people believe what they can look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paig_control.faces import face

if TYPE_CHECKING:
    from paig_control.report.films import side_by_side as side_by_side
    from paig_control.report.style import film_strip as film_strip, rollout as rollout

__getattr__, __dir__ = face(__name__)
