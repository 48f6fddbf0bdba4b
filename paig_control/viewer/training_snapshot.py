"""A model at one moment of its training, frozen: all that the training window draws, made without changing anything."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch

from paig_control.data.episodes import Sequences
from paig_control.learning.moments import Moment
from paig_control.models.paig import PAIG, to_pictures
from paig_control.report.style import rollout
from paig_control.types import State
from paig_control.viewer.commands import Whose
from paig_control.viewer.predicted import FILM, inks, points
from paig_control.viewer.snapshot import Array, Constant, Frame

EYES = ("discover", "warm_start")
"""Stages in which nothing is learned about motion."""
LONG, PAST = 20, 240
"""Frames of the film that is foreseen, and moments of which the constants are kept, at most."""
FIGURES = ("recons", "pred", "pixels_off")
"""Figures of gradient steps that are drawn as curves."""


@dataclass(frozen=True)
class Looks:
    """What a model makes of a film; letters as in :mod:`paig_control.types`, pictures uint8.

    Attributes:
        found: ``(N, 2)``, points where the objects are seen.
        inks: ``(N, 3)``, a colour for each.
        drawn: ``(h, w, 3)``, the frame drawn again from what is seen in it.
        background: ``(h, w, 3)``.
        contents: ``(N, s, s, 3)``.
        masks: ``(N, s, s, 3)``, grey.
        foreseen: ``(F, h, w, 3)``, the film from its first frames alone; None while nothing is known of motion.
    """

    found: Array
    inks: Array
    drawn: Frame
    background: Frame
    contents: Frame
    masks: Frame
    foreseen: Frame | None


@dataclass(frozen=True)
class Glance:
    """All of a moment.

    Attributes:
        stages: names of all, in order.
        stage: that is going on.
        done: part of it, from 0 to 1.
        spent: s since training was first looked at.
        left: s until the end of the stage, as far as it can be told.
        frame: ``(h, w, 3)``, uint8, of a film.
        film: ``(F, h, w, 3)``, uint8, some frames of it.
        times: ``(F,)``, s.
        looks: None before anything is found.
        constants: as they are, with error bars where they are as identified; none while nothing is known of motion.
        figures: ``(T,)`` by name, so far; not a number where a stage does not have them.
    """

    stages: tuple[str, ...]
    stage: str
    done: float
    spent: float
    left: float | None
    frame: Frame
    film: Frame
    times: Array
    looks: Looks | None
    constants: tuple[Constant, ...]
    figures: Mapping[str, Array]


class Observer:
    """Follows a training.

    Args:
        films: of which the first is shown, best one that training does not see.
    """

    def __init__(self, films: Sequences) -> None:
        actions = None if films.actions is None else films.actions[:1, : LONG - 1]
        self.film = replace(films, frames=films.frames[:1, :LONG], actions=actions)
        self._chosen = np.unique(np.linspace(0, self.film.frames.shape[1] - 1, FILM).round().astype(int))
        self._past: dict[str, deque[tuple[float, float]]] = {}
        self._looks: Looks | None = None
        self._turn, self._begin = 0, time.monotonic()
        self._stage, self._since, self._from = "", self._begin, 0.0

    def follow(self, moment: Moment) -> None:
        """Keep what changes from one moment to the next."""
        if moment.stage != self._stage:
            self._stage, self._since, self._from = moment.stage, time.monotonic(), moment.done
            self._past.clear()
        if moment.model is not None and moment.stage not in EYES:
            for name, value in moment.model.dynamics.values().items():
                known = moment.constants.get(name)
                std = known.std if known is not None and math.isclose(value, known.value, rel_tol=1e-6) else math.nan
                self._past.setdefault(name, deque(maxlen=PAST)).append((value, std))

    def look(self, moment: Moment) -> Glance:
        """The moment, frozen; with every look the frame is the film's next."""
        frames, now = self.film.frames[0], time.monotonic()
        shown = frames if moment.model is None else moment.model.pictures(frames)
        turn, self._turn = self._turn % len(frames), self._turn + 1
        if moment.model is not None:
            # torch raises it for what has no solution yet: being watched must not end a training
            with suppress(RuntimeError):
                self._looks = self._look(moment.model, frames[turn], moment.stage not in EYES)
        gone = moment.done - self._from
        return Glance(
            moment.stages,
            moment.stage,
            moment.done,
            now - self._begin,
            (now - self._since) * (1 - moment.done) / gone if gone > 0.02 else None,
            shown[turn],
            shown[self._chosen],
            self._chosen * float(self.film.dt or 1.0),
            self._looks,
            () if moment.model is None else tuple(self._constants(moment.model)),
            curves(moment.history),
        )

    @torch.no_grad()
    def _look(self, model: PAIG, frame: Frame, moving: bool) -> Looks:
        seen = model.read(torch.from_numpy(frame[None])).position
        sprites = model.renderer.sprites()
        foreseen = rollout(model, self.film, 1)["model"][0, self._chosen] if moving else None
        return Looks(
            points(model, seen[0]),
            inks(model),
            to_pictures(model.render(State(seen, seen)))[0],
            to_pictures(model.renderer.scene()),
            to_pictures(sprites[:, :3]),
            to_pictures(sprites[:, 3:].expand(-1, 3, -1, -1)),
            foreseen,
        )

    def _constants(self, model: PAIG) -> list[Constant]:
        units = {constant.name: constant.unit for constant in model.dynamics.constants}
        found = []
        for name, past in self._past.items():
            value, std = past[-1]
            found.append(
                Constant(Whose.BELIEF, name, units[name], value, std, value, value, value, np.array(past, dtype=float))
            )
        return found


def curves(history: Mapping[str, list[dict[str, float]]]) -> dict[str, Array]:
    """Figures of all gradient steps that were recorded, one stage after the other."""
    rows = [row for stage in history.values() for row in stage if "step" in row]
    return {
        name: np.array([row.get(name, math.nan) for row in rows]) for name in FIGURES if any(name in r for r in rows)
    }
