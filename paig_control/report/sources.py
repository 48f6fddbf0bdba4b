"""What a report is made from: runs with what was measured of them, and the folders of control and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paig_control.border.reading import FINITE, NOTHING, NUMBER, TEXT, WHOLE, Kind, misfit
from paig_control.data.episodes import Sequences
from paig_control.evaluation.prediction import Prediction, films, predict, read
from paig_control.models.paig import PAIG
from paig_control.report.style import Picture

MAYBE = (NOTHING, NUMBER)
RANGE = Kind("two numbers", lambda value: isinstance(value, list) and len(value) == 2 and not misfit(value, [NUMBER]))
WHO = ("", "oracle_", "random_")
LOSSES = {"recons": "eval_recons_loss", "pred": "eval_pred_loss", "extrap": "eval_extrap_loss"}
TRAIN = {
    "options": {"data?": TEXT},
    "constants?": {"*": {"value": FINITE, "std": NUMBER, "unit": TEXT, "truth?": FINITE, "limit?": (FINITE, NOTHING)}},
    "filmed?": (NOTHING, TEXT),
}
CONTROL = {
    "options": {"run": TEXT},
    "episodes": WHOLE,
    **{f"{who}{name}?": MAYBE for who in (*WHO, "planner_oracle_") for name in ("success_rate", "return_mean")},
    **{f"{who}success_interval?": (NOTHING, RANGE) for who in WHO},
}
EVALUATE = {
    "options": {"run": TEXT},
    "positions": (NOTHING, {"reading_rms?": MAYBE}),
    "augmentation": (NOTHING, {"kind": TEXT}),
    **dict.fromkeys(LOSSES.values(), MAYBE),
}
"""Forms of the summaries of three commands, as far as reports read them."""


@dataclass(frozen=True)
class Foretold:
    """A model on films that it has not seen.

    Attributes:
        data: the films.
        split: that they are of.
        prediction: of all of them.
        shown: the first of them ``(R, T, h, w, 3)``, as filmed, as read and as predicted.
    """

    data: Sequences
    split: str
    prediction: Prediction
    shown: Mapping[str, Picture]


@dataclass(frozen=True)
class Trained:
    """A run.

    Attributes:
        name: by which the report calls it.
        folder: where it lies.
        model: as it ended.
        record: of its checkpoint.
        summary: what training wrote, ``None`` if it has not ended.
        measured: ``None`` where there are no films that it has not seen.
        missing: why there are none.
        damage: what is wrong with its summary.
    """

    name: str
    folder: Path
    model: PAIG
    record: Mapping[str, Any]
    summary: Mapping[str, Any] | None
    measured: Foretold | None
    missing: str = ""
    damage: str = ""

    @property
    def black_box(self) -> bool:
        """Whether a network stands where the physics is."""
        return self.model.dynamics.stateless

    @property
    def constants(self) -> Mapping[str, Mapping[str, Any]]:
        """Value, standard deviation, unit and, where the data told it to evaluation, truth by name."""
        found: Mapping[str, Mapping[str, Any]] = (self.summary or {}).get("constants", self.record.get("constants", {}))
        return found

    @property
    def setting(self) -> str:
        """What it was trained by, the seed apart."""
        recipe = "the paper's recipe" if self.model.estimator.kind == "velocity_network" else "stages"
        return "black box" if self.black_box else f"{self.model.dynamics.spec['name']}, {recipe}"


@dataclass(frozen=True)
class Folder:
    """What a command left: its summary, pictures and films by name, and what is wrong with the summary."""

    name: str
    summary: Mapping[str, Any]
    pictures: Sequence[Path] = ()
    damage: str = ""

    @property
    def run(self) -> Path | None:
        """The run that it measured, if that can be read."""
        return None if self.damage else Path(self.summary["options"]["run"])


@dataclass(frozen=True)
class System:
    """One physical system: its runs, and what was measured with them."""

    name: str
    runs: Sequence[Trained]
    control: Sequence[Folder] = ()
    evaluate: Sequence[Folder] = field(default=())

    @property
    def first(self) -> Trained:
        """The run that stands for the others: the first that has physics and films, or the first."""
        return next((run for run in self.runs if not run.black_box and run.measured), self.runs[0])

    @property
    def chosen(self) -> list[Trained]:
        """The first run of each kind that has films, physics before the black box."""
        kinds: dict[str, Trained] = {}
        for run in [self.first, *self.runs]:
            if run.measured:
                kinds.setdefault(run.setting, run)
        return list(kinds.values())


def measure(model: PAIG, data: Sequences, split: str, prediction_frames: int, rows: int) -> Foretold:
    """Read and predict films; keep the first ``rows`` of them to be looked at."""
    reading = read(model, data)
    prediction = predict(model, data, reading, prediction_frames)
    return Foretold(data, split, prediction, films(model, data, reading, prediction, rows))
