"""What a watcher sees of a training, and how one that it stopped can go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from paig_control.estimation.identification import Estimate
from paig_control.models.paig import PAIG


class Moment(NamedTuple):
    """What there is to watch while a model learns; nothing of it may be changed.

    Attributes:
        stages: names of all, in order.
        stage: that is going on, or has just ended.
        done: part of it, from 0 to 1.
        ended: whether it has.
        history: rows of figures by stage, those of this stage so far included.
        identified: constants with error bars, by the stage that found them.
        model: as it stands; None before discovery has ended.
    """

    stages: tuple[str, ...]
    stage: str
    done: float
    ended: bool
    history: Mapping[str, list[dict[str, float]]]
    identified: Mapping[str, Mapping[str, Estimate]]
    model: PAIG | None

    @property
    def constants(self) -> Mapping[str, Estimate]:
        """As last identified; empty before."""
        return list(self.identified.values())[-1] if self.identified else {}


Watch = Callable[[Moment], None]
"""Called between two steps of any stage, and at the end of every stage; raising ``KeyboardInterrupt`` stops it."""


class Kept(NamedTuple):
    """From where a stopped training can go on.

    Attributes:
        stage: of the last checkpoint.
        step: of that stage.
        ended: stages that are done.
    """

    stage: str
    step: int
    ended: tuple[str, ...]


class Stopped(KeyboardInterrupt):
    """Training was stopped, by Ctrl-C or by a watcher.

    Attributes:
        stage: in which it was.
        kept: what the last checkpoint holds; None where there is none of this training.
    """

    def __init__(self, stage: str, kept: Kept | None) -> None:
        super().__init__(f"Stopped in {stage}.")
        self.stage, self.kept = stage, kept
