"""A training as it goes on, on file: metrics.csv always, TensorBoard or plain pictures where they are asked for.

A tracker is a watcher of the trainer: it looks at figures and model, and it changes nothing that is learned.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from paig_control import runs
from paig_control.border import files
from paig_control.errors import PaigError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from paig_control.data.episodes import Sequences
    from paig_control.estimation.identification import Estimate
    from paig_control.learning.moments import Moment, Watch
    from paig_control.learning.trainer import Run
    from paig_control.models.paig import PAIG
    from paig_control.report.style import Picture

METRICS = "metrics.csv"
KINDS = ("none", "csv", "tensorboard")
Rows = Mapping[str, list[dict[str, float]]]


def check(kind: str) -> None:
    """Refuse a tracker that there is not.

    Raises:
        PaigError: naming those that there are, or how to install what is missing.
    """
    if kind not in KINDS:
        raise PaigError(f"There is no tracker={kind}; {nearest(kind, KINDS)}")
    if kind == "tensorboard" and importlib.util.find_spec("tensorboard") is None:
        raise PaigError(
            "tracker=tensorboard needs TensorBoard, which is not installed: pip install tensorboard, or take "
            "tracker=csv. metrics.csv is written in any case."
        )


class Tracking:
    """All that follows a training: metrics.csv, and what ``tracker`` asks for.

    Args:
        kind: of :data:`KINDS`, already checked.
        folder: of the run.
        films: shown beside their prediction, best those that training does not see.
    """

    def __init__(self, kind: str, folder: Path, films: Sequences) -> None:
        self.metrics = Metrics(folder / METRICS)
        self.watches: list[Watch] = [self.metrics]
        if kind == "tensorboard":
            self.watches.append(TensorBoard(folder / "tensorboard", films))
        elif kind == "csv":
            self.watches.append(Files(folder / "tracked", films))

    def __call__(self, moment: Moment) -> None:
        """Look."""
        for watch in self.watches:
            watch(moment)

    def end(self, run: Run) -> None:
        """Write what a finished run knows, whether it was watched or had ended before."""
        self.metrics.write(run.history, {**run.identified, "conclude": run.constants})


class Metrics:
    """``metrics.csv``: a row for every recorded step, whole at every moment, at most once a second.

    The rows that end an identification have the constants' standard deviations as well.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.written = path, -math.inf

    def __call__(self, moment: Moment) -> None:
        """Write, if it is time to."""
        if moment.ended or time.monotonic() > self.written + 1:
            self.write(moment.history, moment.identified)
            self.written = time.monotonic()

    def write(self, history: Rows, found: Mapping[str, Mapping[str, Estimate]]) -> None:
        """Write the whole table; nothing, while there is nothing."""
        table: list[dict[str, Any]] = []
        for stage in dict.fromkeys([*history, *found]):
            table += [{"stage": stage, **row} for row in history.get(stage, [])]
            constants = found.get(stage, {})
            if constants:
                values = {name: one.value for name, one in constants.items()}
                bars = {f"{name}_std": one.std for name, one in constants.items() if math.isfinite(one.std)}
                table.append({"stage": stage, **values, **bars})
        names = dict.fromkeys(["stage", "step", "horizon", "loss", *(name for row in table for name in row)])
        if table:
            runs.write(self.path, runs.csv([{name: row.get(name, "") for name in names} for row in table]))


class Shown(NamedTuple):
    """What can be looked at when a stage has ended: sprites and masks, films as a strip, the first of them as a GIF."""

    learned: Figure
    strip: Picture
    film: bytes


def look(model: PAIG, films: Sequences) -> Shown:
    """Draw what a model has learned so far, on at most three films."""
    import torch

    from paig_control.models.paig import to_pictures
    from paig_control.report.films import side_by_side
    from paig_control.report.style import film_strip, rollout
    from paig_control.report.training import learned_figure
    from paig_control.types import State

    shown = rollout(model, films, 3)
    seen = model.read(torch.from_numpy(films.frames[:1])).position
    first = {"camera": shown["camera"][0], "as read": to_pictures(model.render(State(seen, seen)))[0]}
    first["predicted"] = shown["model"][0]
    film = side_by_side(first, model.input_frames, len(first["camera"]), model.dynamics.dt)
    return Shown(learned_figure(model), film_strip(shown, model.input_frames), film)


def steps_taken(history: Rows) -> int:
    """Gradient steps over all stages."""
    return int(sum(rows[-1].get("step", 0) for rows in history.values() if rows))


def by_stage(moment: Moment) -> Iterator[tuple[str, int, Mapping[str, Estimate]]]:
    """Stages that have ended, with the steps taken and the constants as known by then, where they are known."""
    history: dict[str, list[dict[str, float]]] = {}
    constants: Mapping[str, Estimate] = {}
    for stage in moment.stages[: moment.stages.index(moment.stage) + 1]:
        history[stage] = moment.history.get(stage, [])
        constants = moment.identified.get(stage, constants)
        if constants:
            yield stage, steps_taken(history), constants


class Files:
    """The constants with their error bars in ``constants.csv``, and pictures and a film of every stage."""

    def __init__(self, folder: Path, films: Sequences) -> None:
        self.folder, self.films = folder, films

    def __call__(self, moment: Moment) -> None:
        """Write when a stage has ended."""
        if not moment.ended or moment.model is None:
            return
        from paig_control.report.style import png

        shown = look(moment.model, self.films)
        files.write(self.folder / f"{moment.stage}_learned.png", png(shown.learned))
        files.write(self.folder / f"{moment.stage}_films.png", png(shown.strip))
        files.write(self.folder / f"{moment.stage}.gif", shown.film)
        rows = [
            {"stage": stage, "step": step, "name": name, "value": one.value, "std": one.std, "unit": one.unit}
            for stage, step, constants in by_stage(moment)
            for name, one in constants.items()
        ]
        if rows:
            runs.write(self.folder / "constants.csv", runs.csv(rows))


class TensorBoard:
    """Scalars of every recorded step; constants with a band of three standard deviations, pictures and films by stage.

    A run that goes on writes its whole history anew, in place of the event files that were there.
    """

    def __init__(self, folder: Path, films: Sequences) -> None:
        from torch.utils.tensorboard import SummaryWriter

        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self.writer, self.films = SummaryWriter(str(folder)), films
        self.done: Counter[str] = Counter()
        self.told: set[str] = set()

    def __call__(self, moment: Moment) -> None:
        """Write what is new."""
        for stage, rows in moment.history.items():
            for row in rows[self.done[stage] :]:
                along = "step" if "step" in row else "horizon"
                for name in row.keys() - {along}:
                    self.writer.add_scalar(f"{stage}/{name}", row[name], int(row[along]))
            self.done[stage] = len(rows)
        if moment.ended:
            self._constants(moment)
            if moment.model is not None:
                self._pictures(moment.stage, look(moment.model, self.films), steps_taken(moment.history))
            self.writer.flush()

    def _constants(self, moment: Moment) -> None:
        """A chart with margins for each; TensorBoard draws the band between its second and third curve."""
        charts = {}
        for stage, step, constants in by_stage(moment):
            for name, one in constants.items() if stage not in self.told else ():
                tags = [f"constants/{name}{end}" for end in ("", "_low", "_high")]
                for tag, value in zip(tags, (one.value, one.value - 3 * one.std, one.value + 3 * one.std), strict=True):
                    self.writer.add_scalar(tag, value, step)
                charts[f"{name} {one.unit}".rstrip()] = ["Margin", tags]
            self.told.add(stage)
        if charts:
            self.writer.add_custom_scalars({"constants": charts})

    def _pictures(self, stage: str, shown: Shown, step: int) -> None:
        """Sprites and masks, films as a strip, and one that plays: TensorBoard shows an image that is a GIF as such."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self.writer.add_figure(f"{stage}/learned", shown.learned, step)
        self.writer.add_image(f"{stage}/films", shown.strip, step, dataformats="HWC")
        image = Summary.Image(height=1, width=1, colorspace=3, encoded_image_string=shown.film)
        value = Summary.Value(tag=f"{stage}/film", image=image)
        self.writer._get_file_writer().add_summary(Summary(value=[value]), step)
