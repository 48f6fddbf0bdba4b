"""The recipe: discover, warm-start, identify, refine, identify once more; each stage checkpointed.

Training everything from random weights at once is what fails; each stage here starts from what the one before has
made sure of. A run that was stopped goes on from its last checkpoint to the same result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from paig_control import checkpoint
from paig_control.data.episodes import Sequences
from paig_control.errors import PaigError
from paig_control.learning.discover import discover
from paig_control.learning.identify import Estimate, Identified, identify, scouts
from paig_control.learning.optimise import Loop, LoopState, run_loop
from paig_control.learning.refine import refine_loop
from paig_control.learning.settings import ModelSettings, RecipeSettings
from paig_control.learning.warm_start import warm_start_loop
from paig_control.model import PAIG, to_images
from paig_control.physics.base import Physics
from paig_control.vision.alignment import pixel_weight
from paig_control.vision.localizer import Localizer

Progress = Callable[[str, float, str], None]
"""Stage, fraction of it done, and a line of text."""

STAGES = ("discover", "warm_start", "identify", "refine", "conclude")


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
        cpu_seconds: of the process, interrupted parts up to their last checkpoint included.
        wall_seconds: likewise.
        residual: root mean square of the identification's residuals, in coordinates' units.
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
    record: dict[str, Any] = field(default_factory=dict)


def pick_device(device: str) -> torch.device:
    """``auto`` takes an accelerator if there is one.

    Raises:
        PaigError: for a device that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda"):
        raise PaigError(f"device = {device!r}: expected auto, cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise PaigError("device = 'cuda', but PyTorch sees no such device here: use device=auto or device=cpu.")
    return torch.device(device)


def train(
    data: Sequences,
    physics: Physics,
    model: ModelSettings | None = None,
    recipe: RecipeSettings | None = None,
    seed: int = 0,
    device: str = "auto",
    out: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Learn a world model from films and actions.

    Args:
        data: training sequences; truth has no place in them.
        physics: whose constants are to be learned, built by
            :func:`~paig_control.physics.registry.build_physics`.
        model: parts of the model.
        recipe: settings of the stages.
        seed: drives everything that is random.
        device: ``auto``, ``cpu`` or ``cuda``.
        out: folder for checkpoints; none are written without it.
        resume: go on from the checkpoint in ``out``, if there is one; a run that had ended is given back as it is.
        progress: told what is going on.

    Raises:
        PaigError: for data that do not fit the physics, in which nothing moves, or a loss that never is finite.
    """
    trainer = _Trainer(
        data,
        physics,
        model or ModelSettings(),
        recipe or RecipeSettings(),
        seed,
        pick_device(device),
        out,
        progress,
    )
    if resume and out is not None and checkpoint.exists(out):
        loaded = checkpoint.load(out, trainer.device)
        trainer.check_same(loaded)
        if loaded.trainer is None:
            return finished_run(loaded)
        trainer.restore(loaded.model, loaded.trainer)
    return trainer.run()


def finished_run(loaded: checkpoint.Loaded) -> Run:
    """The run that a checkpoint without a trainer's state is the end of."""
    record = loaded.record
    return Run(
        loaded.model,
        {name: Estimate(**found) for name, found in record["constants"].items()},
        record["history"],
        record["converged"],
        record["notes"],
        record["frames"],
        record["cpu_seconds"],
        record["wall_seconds"],
        record["residual"],
        record,
    )


class _Trainer:
    """Holds what the stages share."""

    def __init__(
        self,
        data: Sequences,
        physics: Physics,
        model: ModelSettings,
        recipe: RecipeSettings,
        seed: int,
        device: torch.device,
        out: Path | None,
        progress: Progress | None,
    ) -> None:
        _check(data, physics, model)
        self.settings, self.recipe, self.seed, self.device, self.out = model, recipe, seed, device, out
        self.tell: Progress = progress or (lambda stage, fraction, text: None)
        self.physics = physics.to(device)
        self.images = to_images(torch.from_numpy(data.frames)).to(device)
        sequences, frames = self.images.shape[:2]
        self.actions = torch.from_numpy(data.actions_for(physics.action_size)).to(device)
        bounds = [None if b is None else [float(x) for x in b] for b in (data.action_low, data.action_high)]
        self.record: dict[str, Any] = {
            "seed": seed,
            "action_low": bounds[0],
            "action_high": bounds[1],
            "dt": physics.dt,
            "frames": sequences * frames,
            "data": hashlib.sha256(data.frames.tobytes()).hexdigest()[:16],
            "physics": physics.spec,
            "settings": {"model": dataclasses.asdict(model), "recipe": dataclasses.asdict(recipe)},
        }
        self.stage, self.loop_state = 0, LoopState()
        self.model: PAIG | None = None
        self.coordinates, self.chosen = torch.zeros(0), torch.zeros(0, dtype=torch.long)
        self.motion = math.nan
        self.history: dict[str, list[dict[str, float]]] = {}
        self.notes: list[str] = []
        self.spent = (0.0, 0.0)
        self.began = (time.process_time(), time.monotonic())
        self.saved = self.began[1]

    # -- stages ------------------------------------------------------------------------------------------

    def run(self) -> Run:
        """All stages that are still to do."""
        found: Identified | None = None
        while self.stage < len(STAGES):
            name = STAGES[self.stage]
            self.tell(name, 0.0, "")
            if name == "discover":
                self._discover()
            elif name == "identify":
                self._identify(name)
            elif name == "conclude":
                found = self._identify(name)
            else:
                self._optimise(name)
            self.tell(name, 1.0, "")
            self.stage, self.loop_state = self.stage + 1, LoopState()
            if found is None:
                self._save(force=True)
        assert found is not None
        return self._conclude(found)

    def _discover(self) -> None:
        found, self.chosen = discover(
            self.images.flatten(0, 1),
            self.physics,
            self.recipe.discover,
            self.seed,
            lambda fraction, text: self.tell("discover", fraction, text),
        )
        localizer = Localizer(self.physics.objects, self.settings.channels, self.settings.sharpness)
        self.model = PAIG(
            self.physics,
            found.kinematics,
            localizer,
            found.renderer,
            self.settings.input_frames,
            self.settings.polish,
        ).to(self.device)
        self.model.weight.copy_(found.weight)
        self.coordinates = found.coordinates

    def _optimise(self, name: str) -> None:
        assert self.model is not None
        loop: Loop
        if name == "warm_start":
            flat = self.images.flatten(0, 1)[self.chosen]
            loop = warm_start_loop(self.model, flat, self.coordinates, self.recipe.warm_start, self.seed)
        else:
            loop = refine_loop(self.model, self.images, self.actions, self.recipe.refine, self.seed)
        run_loop(
            loop,
            self.model,
            self.loop_state,
            lambda state: self._save(),
            lambda fraction, text: self.tell(name, fraction, text),
            self.notes.append,
        )
        self.history[name] = self.loop_state.history

    def _identify(self, name: str) -> Identified:
        assert self.model is not None
        model = self.model
        few = scouts(len(self.images), self.recipe.identify.scouts).to(self.device)
        some = self.images[few].flatten(0, 1)
        seen = model.read_images(some).position
        with torch.no_grad():
            model.weight.copy_(pixel_weight(model.renderer, model.kinematics.pose(seen), some))
        films = few if name == "identify" else slice(None)
        reading = model.read_images(self.images[films], steps=2 * model.polish)
        coordinates = reading.position
        found = identify(
            model.physics,
            coordinates,
            self.actions[films],
            self.recipe.identify,
            model.kinematics.gauge(coordinates),
            reading.trust,
            lambda fraction, text: self.tell(name, fraction, text),
        )
        model.kinematics.shift(found.offset)
        steps = model.physics.difference(coordinates[:, 1:], coordinates[:, :-1])
        self.motion = float(steps.square().mean().sqrt())
        self.history[name] = found.history
        return found

    def _conclude(self, found: Identified) -> Run:
        assert self.model is not None
        converged = found.rms < 0.2 * self.motion and all(math.isfinite(e.std) for e in found.constants.values())
        if not converged:
            self.notes.append(
                f"The physics does not explain the motion: residual {found.rms:.3g} "
                f"against steps of {self.motion:.3g}. Look at the pictures of the sprite, "
                "and give longer or more sequences."
            )
        cpu, wall = self._time()
        self.record |= {
            "constants": {n: dataclasses.asdict(e) for n, e in found.constants.items()},
            "converged": converged,
            "residual": found.rms,
            "history": self.history,
            "notes": self.notes,
            "cpu_seconds": cpu,
            "wall_seconds": wall,
        }
        self.model.eval()
        if self.out is not None:
            checkpoint.save(self.out, self.model, self.record)
        return finished_run(checkpoint.Loaded(self.model, self.record, None))

    # -- checkpoints -------------------------------------------------------------------------------------

    def _time(self) -> tuple[float, float]:
        """CPU and wall seconds so far."""
        return (
            self.spent[0] + time.process_time() - self.began[0],
            self.spent[1] + time.monotonic() - self.began[1],
        )

    def _save(self, force: bool = False) -> None:
        """Write a checkpoint if it is time to."""
        if self.out is None or self.model is None:
            return
        if not force and time.monotonic() - self.saved < self.recipe.checkpoint_seconds:
            return
        state = self.loop_state
        trainer = {
            "stage": self.stage,
            "loop": {f.name: getattr(state, f.name) for f in dataclasses.fields(state)},
            "coordinates": self.coordinates,
            "chosen": self.chosen,
            "history": self.history,
            "notes": self.notes,
            "spent": self._time(),
        }
        checkpoint.save(self.out, self.model, self.record, trainer)
        self.saved = time.monotonic()

    def check_same(self, loaded: checkpoint.Loaded) -> None:
        """Refuse a checkpoint that belongs to another training."""
        for key in ("seed", "settings", "data", "physics", "dt"):
            if _plain(loaded.record.get(key)) != _plain(self.record[key]):
                raise PaigError(
                    f"The checkpoint belongs to another training: its {key} differs. "
                    "Resume with the same options, or use overwrite=true to start afresh."
                )

    def restore(self, model: PAIG, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's model and trainer's state."""
        self.model = model.train()
        self.physics = self.model.physics
        self.stage, self.coordinates = state["stage"], state["coordinates"].to(self.device)
        self.chosen = state["chosen"].to(self.device)
        self.loop_state = LoopState(**state["loop"])
        self.history, self.notes, self.spent = state["history"], state["notes"], tuple(state["spent"])
        self.notes.append(f"Resumed in stage {STAGES[self.stage]} at step {self.loop_state.step}.")


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON knows them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _check(data: Sequences, physics: Physics, model: ModelSettings) -> None:
    """Refuse data from which this model cannot be learned."""
    frames = data.frames.shape[1]
    if frames <= model.input_frames:
        raise PaigError(
            f"Sequences of {frames} frames: the state is inferred from {model.input_frames} and something must be left "
            "to predict. Record longer sequences, or set model.input_frames lower."
        )
    size = 0 if data.actions is None or not data.actions.any() else data.actions.shape[-1]
    if size not in (0, physics.action_size):
        raise PaigError(
            f"The data have actions of size {size}, {type(physics).__name__} takes {physics.action_size}: "
            "choose another physics, or record another environment."
        )


def peak_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
