"""What every recipe shares: the data, the stages' order, checkpoints, the clock and the record of what was found.

A recipe is a :class:`Trainer` that names its stages and performs them. A run that was stopped goes on from its last
checkpoint to the same result. Whoever watches sees the model between two steps, and changes neither what is learned nor
the time that learning is said to take.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from paig_control import __version__, ranks
from paig_control.data.cleaning import usable
from paig_control.data.episodes import Sequences
from paig_control.data.unpacking import let_go
from paig_control.errors import PaigError
from paig_control.estimation.identification import Estimate
from paig_control.learning.moments import Kept, Moment, Stopped, Watch
from paig_control.learning.optimise import Loop, LoopState, lost, run_loop
from paig_control.learning.settings import ModelSettings, PaperSettings, RecipeSettings
from paig_control.learning.stages import check_motion
from paig_control.models import checkpoint
from paig_control.models.paig import PAIG
from paig_control.physics.dynamics import Dynamics
from paig_control.vision.registry import LEAST, MOST

Progress = Callable[[str, float, str], None]
"""Stage, fraction of it done, and a line of text."""


CLOSE = 0.2
"""Residuals below so much of the motion between two frames count as converged."""
LOOKED_AT = 256
"""Frames that are taken out of the films at a time, about."""
R = TypeVar("R", bound=RecipeSettings | PaperSettings)


@dataclass
class Run:
    """A trained model and what is known about it.

    Attributes:
        model: the model.
        constants: with error bars, by name.
        history: rows of figures by stage.
        converged: whether the residuals of the identification are small against the motion.
        notes: what a user should know.
        frames: frames that training saw.
        cpu_seconds: of the process but for watching, interrupted parts up to their last checkpoint included.
        wall_seconds: likewise.
        residual: root mean square of the identification's residuals, in coordinates' units.
        identified: constants with error bars, by the stage that found them.
        record: what the checkpoint says.
    """

    model: PAIG
    constants: dict[str, Estimate]
    history: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    converged: bool = False
    notes: list[str] = field(default_factory=list)
    frames: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    residual: float = math.nan
    identified: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


def finished_run(loaded: checkpoint.Loaded) -> Run:
    """The run that a checkpoint without a trainer's state is the end of."""
    record = loaded.record
    return Run(
        loaded.model,
        _estimates(record["constants"]),
        record["history"],
        record["converged"],
        record["notes"],
        record["frames"],
        record["cpu_seconds"],
        record["wall_seconds"],
        record["residual"],
        {stage: _estimates(found) for stage, found in record.get("identified", {}).items()},
        record,
    )


def _estimates(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {n: Estimate(one["value"], one["std"], one["unit"], one.get("limit")) for n, one in plain.items()}


def _plainly(found: Mapping[str, Estimate]) -> dict[str, dict[str, Any]]:
    return {name: dataclasses.asdict(estimate) for name, estimate in found.items()}


@dataclass(frozen=True)
class Conclusion:
    """What a recipe found at its end.

    Attributes:
        constants: by name.
        residual: root mean square of what the motion leaves unexplained, in coordinates' units.
        converged: whether that is little.
    """

    constants: dict[str, Estimate]
    residual: float
    converged: bool


class Trainer(Generic[R]):
    """Holds what the stages share; arguments as :func:`paig_control.learning.recipe.train`."""

    def __init__(
        self,
        recipe: R,
        data: Sequences,
        physics: Dynamics,
        model: ModelSettings,
        seed: int,
        device: torch.device,
        out: Path | None,
        progress: Progress | None,
        watch: Watch | None = None,
    ) -> None:
        _check(data, physics, model)
        data, notes = usable(data, model.input_frames)
        self.settings, self.recipe, self.seed, self.device, self.out = model, recipe, seed, device, out
        shows = ranks.first()
        self.progress: Progress = progress if progress and shows else lambda stage, fraction, text: None
        self.watch, self.watched = watch if shows else None, 0.0
        self.kept: Kept | None = None
        self.dynamics = physics.to(device)
        self.films = torch.from_numpy(data.frames).to(device)  # as bytes: images are made of what is looked at
        self._source = data.frames
        check_motion(self.films)
        let_go(self._source)
        sequences, frames = self.films.shape[:2]
        self.actions = torch.from_numpy(data.actions_for(physics.action_size)).to(device)
        bounds = [None if b is None else [float(x) for x in b] for b in (data.action_low, data.action_high)]
        self.record: dict[str, Any] = {
            "seed": seed,
            "action_low": bounds[0],
            "action_high": bounds[1],
            "dt": physics.dt,
            "frames": sequences * frames,
            "data": data.identity,
            "physics": physics.spec,
            "prediction_frames": recipe.prediction_frames,
            "settings": {"model": dataclasses.asdict(model), "recipe": dataclasses.asdict(recipe)},
        }
        self.stage, self.loop_state = 0, LoopState()
        self.model: PAIG | None = None
        self.coordinates, self.chosen = torch.zeros(0), torch.zeros(0, dtype=torch.long)
        self.seen = torch.zeros(0, dtype=torch.bool)
        self.conclusion: Conclusion | None = None
        self.carried: dict[str, Any] = {}
        """What a stage leaves to a later one, tensors and plain values."""
        self.history: dict[str, list[dict[str, float]]] = {}
        self.identified: dict[str, dict[str, Estimate]] = {}
        self.notes: list[str] = notes
        self.spent = (0.0, 0.0)
        self.began = (time.process_time(), time.monotonic())
        self.saved = self.began[1]

    @property
    def stages(self) -> tuple[str, ...]:
        """Their names, in order."""
        raise NotImplementedError

    @property
    def trained(self) -> PAIG:
        """The model, once a stage has made it."""
        assert self.model is not None
        return self.model

    def perform(self, stage: str) -> None:
        """Do a stage; the last one leaves a conclusion."""
        raise NotImplementedError

    def run(self) -> Run:
        """All stages that are still to do.

        Raises:
            PaigError: where the numbers run out of all bounds.
            Stopped: by Ctrl-C, or by a watcher; what was learned is in the last checkpoint.
        """
        try:
            self._perform_all()
        except KeyboardInterrupt as reason:
            raise Stopped(self.stages[self.stage], self.kept) from reason
        except torch.linalg.LinAlgError as reason:  # type: ignore[attr-defined]
            raise lost(self.stages[self.stage], self.dynamics.dt, self.actions) from reason
        assert self.conclusion is not None
        return self._finish(self.conclusion)

    def _perform_all(self) -> None:
        while self.stage < len(self.stages):
            name = self.stages[self.stage]
            self.tell(name, 0.0, "")
            self.perform(name)
            if not all(bool(torch.isfinite(p).all()) for p in self.trained.parameters()):
                raise lost(name, self.dynamics.dt, self.actions)
            self.progress(name, 1.0, "")
            self.show(name, 1.0, True)
            self.stage, self.loop_state = self.stage + 1, LoopState()
            if self.conclusion is None:
                self._save(force=True)

    def optimise(self, loop: Loop) -> None:
        """Run a gradient loop from where it stands."""
        if loop.seconds is not None and loop.seconds <= 0:
            self.notes.append(f"{loop.stage} was left out: the CPU-seconds were used up before it.")
        self.history[loop.stage] = self.loop_state.history

        def recorded(fraction: float, text: str) -> None:
            self.progress(loop.stage, fraction, text)

        def stepped(state: LoopState) -> None:
            self._save()
            try:
                self.show(loop.stage, loop.done(state))
            except KeyboardInterrupt:
                self._save(force=True)
                raise

        clock = self.clock if loop.seconds is None else lambda: ranks.agreed(self.clock())
        run_loop(loop, self.trained, self.loop_state, stepped, recorded, self.notes.append, clock)

    def tell(self, stage: str, fraction: float, text: str) -> None:
        """Say how far a stage is that has no gradient steps, and let the watcher look."""
        self.progress(stage, fraction, text)
        self.show(stage, fraction)

    def show(self, stage: str, done: float, ended: bool = False) -> None:
        """Let the watcher look; whatever it draws by chance, learning draws what it would have drawn without it."""
        if self.watch is None:
            return
        begin = time.process_time()
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices=cuda):
            self.watch(Moment(self.stages, stage, done, ended, self.history, self.identified, self.model))
        self.watched += time.process_time() - begin

    def clock(self) -> float:
        """CPU-seconds of this process, without those of the watcher."""
        return time.process_time() - self.watched

    def seconds_left(self) -> float | None:
        """CPU-seconds that the recipe allows the stage at hand, counted from its beginning; None for no limit."""
        if self.recipe.cpu_seconds is None:
            return None
        return ranks.agreed(self.recipe.cpu_seconds - (self._time()[0] - self.loop_state.spent))

    def _finish(self, found: Conclusion) -> Run:
        model = self.trained.eval()
        cpu, wall = self._time()
        self.record |= {
            "constants": _plainly(found.constants),
            "identified": {stage: _plainly(constants) for stage, constants in self.identified.items()},
            "converged": found.converged,
            "residual": found.residual,
            "history": self.history,
            "notes": self.notes,
            "cpu_seconds": cpu,
            "wall_seconds": wall,
        }
        if self.out is not None and ranks.first():
            checkpoint.save(self.out, model, self.record)
        return finished_run(checkpoint.Loaded(model, self.record, None))

    # -- films --------------------------------------------------------------------------------------------

    def frames(self, numbers: Tensor) -> Tensor:
        """Frames ``(M, h, w, 3)`` uint8 with these numbers, counted through all films; the others are let go of."""
        flat, found = self.films.flatten(0, 1), []
        for some in numbers.split(LOOKED_AT):
            found.append(flat[some])
            let_go(self._source)
        return torch.cat(found)

    def some(self, films: Tensor | None = None) -> Iterator[Tensor]:
        """Films ``(s, T, h, w, 3)`` uint8 with these numbers, or all, so many at a time; they are let go of behind."""
        numbers = torch.arange(len(self.films), device=self.device) if films is None else films
        for few in numbers.split(max(1, LOOKED_AT // self.films.shape[1])):
            yield self.films[few]
            let_go(self._source)

    # -- checkpoints -------------------------------------------------------------------------------------

    def _time(self) -> tuple[float, float]:
        """CPU and wall seconds so far; watching is left out of the first."""
        return (
            self.spent[0] + self.clock() - self.began[0],
            self.spent[1] + time.monotonic() - self.began[1],
        )

    def _save(self, force: bool = False) -> None:
        """Write a checkpoint if it is time to."""
        if self.out is None or self.model is None or not ranks.first():
            return
        if not force and time.monotonic() - self.saved < self.recipe.checkpoint_seconds:
            return
        state = self.loop_state
        trainer = {
            "stage": self.stage,
            "loop": {f.name: getattr(state, f.name) for f in dataclasses.fields(state)},
            "coordinates": self.coordinates,
            "seen": self.seen,
            "chosen": self.chosen,
            "carried": self.carried,
            "history": self.history,
            "identified": {stage: _plainly(constants) for stage, constants in self.identified.items()},
            "notes": self.notes,
            "spent": self._time(),
        }
        checkpoint.save(self.out, self.model, self.record, trainer)
        self.saved = time.monotonic()
        self.kept = self._place()

    def _place(self) -> Kept:
        return Kept(self.stages[self.stage], self.loop_state.step, self.stages[: self.stage])

    def known(self) -> dict[str, Any]:
        """What all ranks of a training must agree on."""
        settings = {
            f"{group}.{name}": value
            for group, parts in self.record["settings"].items()
            for name, value in parts.items()
        }
        versions = {"paig_control's version": __version__, "torch's version": torch.__version__}
        own = {key: self.record[key] for key in ("data", "seed", "dt", "physics")}
        processor = {"device": self.device.type, "ATEN_CPU_CAPABILITY": torch.backends.cpu.get_cpu_capability()}
        return {**versions, **processor, **own, **settings}

    def differs(self, loaded: checkpoint.Loaded) -> str | None:
        """Why a checkpoint belongs to another training, in words; None where it does not."""
        if len(str(loaded.record.get("data"))) != len(self.record["data"]):
            return (
                "The checkpoint is of an older version, which did not note the actions that it was trained on: whether "
                "these are the same data cannot be known. Train anew with overwrite=true, or into another folder."
            )
        for key in ("seed", "settings", "data", "physics", "dt"):
            if _plain(loaded.record.get(key)) != _plain(self.record[key]):
                return (
                    f"The checkpoint belongs to another training: its {key} differs. "
                    "Resume with the same options, or use overwrite=true to start afresh."
                )
        return None

    def restore(self, model: PAIG, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's model and trainer's state."""
        self.model = model.train()
        self.dynamics = self.model.dynamics
        try:
            self.stage, self.coordinates = state["stage"], state["coordinates"].to(self.device)
            self.chosen, self.seen = state["chosen"].to(self.device), state["seen"].to(self.device)
            self.loop_state, self.carried = LoopState(**state["loop"]), dict(state["carried"])
            self.history, self.notes, self.spent = state["history"], state["notes"], tuple(state["spent"])
            self.identified = {stage: _estimates(found) for stage, found in state["identified"].items()}
            self.kept = self._place()
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise PaigError(f"The checkpoint's trainer.pt is of another form ({error!r}): train again.") from None
        self.notes.append(f"Resumed in stage {self.stages[self.stage]} at step {self.loop_state.step}.")


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON knows them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _check(data: Sequences, physics: Dynamics, model: ModelSettings) -> None:
    """Refuse data from which this model cannot be learned."""
    frames, height, width = data.frames.shape[1:4]
    if min(height, width) < LEAST or max(height, width) > MOST:
        raise PaigError(f"Images of {height} x {width} pixels: expected {LEAST} to {MOST} either way.")
    if frames <= model.input_frames:
        raise PaigError(
            f"Sequences of {frames} frames: the state is inferred from {model.input_frames} and something must be left "
            "to predict. Record longer sequences, or set model.input_frames lower."
        )
    size = 0 if data.actions is None or not data.actions.any() else data.actions.shape[-1]
    if size not in (0, physics.action_size):
        raise PaigError(
            f"The data have actions of size {size}, {physics.label} takes {physics.action_size}: "
            "choose another physics, or record another environment."
        )
