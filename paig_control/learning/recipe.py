"""The recipe: discover, open the eyes, identify, refine, identify once more; each stage checkpointed.

Training everything from random weights at once is what fails; each stage here starts from what the one before has
made sure of. Eyes in closed form see what discovery found; where they overlook something, a network learns to see, and
is refined together with all else. Without laws to identify (``physics=lstm``) a network learns to foresee coordinates
instead. The paper's own recipe is :mod:`paig_control.learning.paper`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from paig_control import ranks
from paig_control.data.episodes import Sequences
from paig_control.errors import PaigError
from paig_control.estimation.association import likeliest, numbering, orders
from paig_control.estimation.identification import Identified, identify, scouts
from paig_control.estimation.state import believed
from paig_control.learning.moments import Watch
from paig_control.learning.paper import Joint
from paig_control.learning.settings import ModelSettings, PaperSettings, RecipeSettings
from paig_control.learning.slant import LOOKED, known_camera, look_for_camera
from paig_control.learning.stages import (
    discover,
    foresee_loop,
    foreseen,
    overlooked,
    read,
    refine_loop,
    seen,
    warm_start_loop,
)
from paig_control.learning.trainer import CLOSE, Conclusion, Progress, Run, Trainer, finished_run
from paig_control.models import checkpoint
from paig_control.models.estimators import LeastSquares, Recurrent
from paig_control.models.paig import AT_ONCE, PAIG
from paig_control.physics.dynamics import Dynamics
from paig_control.seeds import whole
from paig_control.types import Reading
from paig_control.vision.alignment import pixel_weight
from paig_control.vision.camera import STRAIGHT
from paig_control.vision.localizer import Localizer
from paig_control.vision.matching import Matching
from paig_control.vision.renderer import SpriteRenderer
from paig_control.vision.visibility import UNEXPLAINED, found_at, unexplained_part


@ranks.joined()
def train(
    data: Sequences,
    physics: Dynamics,
    model: ModelSettings | None = None,
    recipe: RecipeSettings | PaperSettings | None = None,
    seed: int = 0,
    device: str = "auto",
    out: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Run:
    """Learn a world model from films and actions.

    Started by ``torchrun``, several processes train together; the first of them writes, speaks and is watched.

    Args:
        data: training sequences; truth has no place in them.
        physics: whose constants are to be learned, built by
            :func:`~paig_control.physics.registry.build_physics`.
        model: parts of the model.
        recipe: settings of the stages, or of the paper's recipe.
        seed: drives everything that is random.
        device: ``auto``, ``cpu`` or ``cuda``.
        out: folder for checkpoints; none are written without it.
        resume: go on from the checkpoint in ``out``, if there is one; a run that had ended is given back as it is.
        progress: told what is going on.
        watch: shown the model and its figures while they form.

    Raises:
        PaigError: for data that do not fit the physics, in which nothing moves, or a loss that never is finite.
        Stopped: by Ctrl-C or by the watcher, a ``KeyboardInterrupt`` that says from where training can go on.
    """
    place = checkpoint.pick_device(device)
    shared = (data, physics, model or ModelSettings(), whole(seed), place, out, progress, watch)
    trainer: Staged | Joint
    if isinstance(recipe, PaperSettings):
        trainer = Joint(recipe, *shared)
    else:
        trainer = Staged(recipe or RecipeSettings(), *shared)
    ranks.check_alike(trainer.known())
    if out is not None and (resume or ranks.restarts()):
        ranks.check_shared(out)
    if (resume or ranks.restarted()) and out is not None and checkpoint.exists(out):
        loaded = checkpoint.load(out, trainer.device)
        differs = trainer.differs(loaded)
        if differs is None and loaded.trainer is None:
            return finished_run(loaded)
        if differs is None and loaded.trainer is not None:
            trainer.restore(loaded.model, loaded.trainer)
        elif resume:  # else it is one that is being written over
            raise PaigError(differs)
    return trainer.run()


RARELY = 0.05
"""Objects that are not seen in so many frames, or in fewer, are taken as covered, not as gone."""
OVERLOOKED = 0.005
"""Eyes in closed form are kept if they overlook each object in such a part of the frames, or in a smaller one."""
OVERLOOKED_LINKED = 0.05
"""The same of bodies on joints together, which a network reads worse than they do: on CartPole-v1, where a pole that
hangs down goes on at the picture's edge, 2 % of the frames seem overlooked."""
SCOUTED = 24
"""They are tried on so many frames of so many films, at most."""
LAWS = ("discover", "warm_start", "identify", "refine", "conclude")
BLACK_BOX = ("discover", "warm_start", "foresee", "refine", "conclude")


class Staged(Trainer[RecipeSettings]):
    """The stages one after another."""

    @property
    def stages(self) -> tuple[str, ...]:
        """In their order; without laws there is nothing to identify."""
        return BLACK_BOX if self.dynamics.stateless else LAWS

    def perform(self, stage: str) -> None:
        """Do a stage."""
        if stage == "discover":
            return self._discover()
        model, recipe = self.trained, self.recipe
        if stage == "warm_start":
            self._open_eyes()
        elif stage == "identify":
            self._number()
            found = self._identify(stage)
            self.carried = {"offset": found.offset, "rms": found.rms, "anywhere": found.anywhere, "motion": self.motion}
            self.carried["broken"] = found.broken
        elif stage == "foresee":
            self._foresee()
        elif stage == "refine":
            if not self._refines:
                return
            self._watch_out()
            loop = refine_loop(model, self.films, self.actions, self.seen, recipe.refine, self.seed)
            self.optimise(replace(loop, seconds=self.seconds_left()))
        else:
            self.conclusion = self._judge() if model.dynamics.stateless else self._conclude(self._last())

    def _discover(self) -> None:
        count, done = self.films.shape[:2].numel(), 0.0

        def tell(fraction: float, text: str) -> None:
            self.tell("discover", done + (1 - done) * fraction, text)

        camera = known_camera(self.settings, self.films.shape[2])
        if self.settings.camera == "oblique" and camera is None:
            films = self._scouts()
            some, actions, settings = torch.cat([*self.some(films)]), self.actions[films], self.recipe.identify
            camera = look_for_camera(self.frames, count, some, actions, self.dynamics, settings, self.seed, tell)
            self.notes.append(f"The camera looks {math.degrees(camera.tilt):.0f}° aslant, as the motion tells.")
            done = LOOKED
        found, self.chosen = discover(self.frames, count, self.dynamics, self.recipe.discover, self.seed, tell, camera)
        closed = self.settings.eyes != "network"
        self.model = PAIG(
            self.dynamics,
            found.kinematics,
            Matching(self.dynamics.objects) if closed else self._network(),
            found.renderer,
            self.settings.input_frames,
            self.settings.polish,
            Recurrent if self.dynamics.stateless else LeastSquares,
            camera or STRAIGHT,
        ).to(self.device)
        self.model.weight.copy_(found.weight)
        self._seat(begin=True)
        self.coordinates, self.seen = found.coordinates, found.seen
        self.notes += found.notes

    def _seat(self, begin: bool = False) -> None:
        """Tell the dynamics where the pictures' joints sit, and at first where to begin."""
        seats = self.trained.kinematics.seats()
        if seats is not None:
            self.dynamics.seat(seats.anchor, seats.direction, seats.reach if begin else None)

    def _network(self) -> Localizer:
        return Localizer(self.dynamics.objects, self.settings.channels, self.settings.sharpness)

    def _open_eyes(self) -> None:
        """Keep closed eyes where they see as well as can be told; else a network learns to see what discovery found."""
        model, settings = self.trained, self.settings
        if not model.localizer.learns:
            missed = self._overlooked()
            self.tell("warm_start", 0.0, f"closed eyes overlook {100 * missed:.1f} %")
            allowed = OVERLOOKED_LINKED if model.kinematics.chained else OVERLOOKED * model.dynamics.objects
            if settings.eyes == "closed" or missed <= allowed:
                return
            self.notes.append(
                f"Eyes in closed form overlook something in {100 * missed:.0f} % of frames: a network learned to see."
            )
            torch.manual_seed(self.seed)
            model.localizer = self._network().to(self.device)
        flat = self.frames(self.chosen)
        self.optimise(warm_start_loop(model, flat, self.coordinates, self.seen, self.recipe.warm_start, self.seed))

    def _overlooked(self) -> float:
        films, looked = scouts(len(self.films), SCOUTED), slice(None, None, max(1, len(self.chosen) // SCOUTED**2))
        known = self.frames(self.chosen[looked])
        return overlooked(self.trained, self.films[films.to(self.device), :SCOUTED], known, self.coordinates[looked])

    def _look(self, films: torch.Tensor | None = None) -> Reading:
        """Coordinates in all frames of these films, or of all, after the weights of the pixels are taken anew."""
        model, few = self.trained, self._scouts()
        some = torch.cat([*self.some(few)])
        place = read(model, some).position
        with torch.no_grad():
            pose = model.kinematics.pose(place).flatten(0, 1)
            model.weight.copy_(pixel_weight(model.renderer, pose, model.bare(some, place)))
        return self._read(films, 2 * model.polish)

    def _read(self, films: torch.Tensor | None, steps: int | None = None) -> Reading:
        """Coordinates in all frames of these films, or of all."""
        found = [read(self.trained, few, steps) for few in self.some(films)]
        return Reading(*(torch.cat(each) for each in zip(*found, strict=True)))

    def _watch_out(self) -> None:
        """See which objects are in which frame, where discovery missed them in more than a few."""
        if self.loop_state.step:
            return
        missed = 1 - float(self.seen.double().mean())
        if missed > RARELY:
            self.notes.append(
                f"Objects are out of sight in {100 * missed:.0f} % of what was looked at. Nothing is made of that, but "
                "the losses of pictures count the place that is named for an object all the same."
            )
            self.seen = torch.cat([seen(self.trained, few) for few in self.some()])
        else:
            shape = (*self.films.shape[:2], self.dynamics.objects)
            self.seen = torch.ones(shape, dtype=torch.bool, device=self.device)

    def _scouts(self) -> torch.Tensor:
        return scouts(len(self.films), self.recipe.identify.scouts).to(self.device)

    def _spread(self) -> torch.Tensor | None:
        """Numbers of the films that the last identification uses; None for all."""
        most = self.recipe.identify.films
        return None if len(self.films) <= most else scouts(len(self.films), most).to(self.device)

    def _number(self) -> None:
        """Number the objects as the physics does its bodies, and see whether the camera mirrors."""
        model, films = self.trained, self._scouts()
        if model.kinematics.chained:
            return  # a tree of joints has its order
        choices = orders(model.physics)
        if not model.physics.pushed and len(choices) == 1:
            return
        seen, actions = self._read(films), self.actions[films]
        order, handed = numbering(seen.position, actions, model.physics.pushed, seen.trust)
        if model.physics.pushed:
            model.physics.handed.copy_(handed)
        place, trust = (x[:, :, order] for x in seen)
        order = [order[n] for n in likeliest(model.physics, choices, place, actions, trust, self.recipe.identify)]
        assert isinstance(model.renderer, SpriteRenderer)
        for part in (model.localizer, model.renderer, model.kinematics):
            part.renumber(order)

    @property
    def _refines(self) -> bool:
        """Whether there is anything to refine: what eyes in closed form need, discovery has fitted."""
        return self.trained.localizer.learns or self.dynamics.stateless or self.recipe.cpu_seconds is not None

    def _last(self) -> Identified:
        """Identify once more, if anything was refined since."""
        if self._refines:
            return self._identify("conclude")
        history, constants, known = self.history["identify"], self.identified["identify"], dict(self.carried)
        self.history["conclude"], self.identified["conclude"], self.motion = history, constants, known.pop("motion")
        return Identified(constants, history=history, **known)

    def _identify(self, name: str) -> Identified:
        model, films = self.trained, self._scouts() if name == "identify" and self._refines else self._spread()
        reading = self._look(films)
        coordinates = reading.position
        found = identify(
            model.physics,
            coordinates,
            self.actions if films is None else self.actions[films],
            self.recipe.identify,
            model.kinematics.gauge(coordinates),
            reading.trust,
            lambda fraction, text: self.tell(name, fraction, text),
        )
        model.kinematics.bend(found.bent)
        model.kinematics.shift(found.offset)
        self._seat()
        steps = model.physics.difference(coordinates[:, 1:], coordinates[:, :-1])
        sure = torch.minimum(reading.trust[:, 1:], reading.trust[:, :-1])
        self.motion = float(((steps.square() * sure).sum() / sure.sum()).sqrt())
        self.history[name], self.identified[name] = found.history, found.constants
        return found

    def _foresee(self) -> None:
        if self.loop_state.step == 0:
            self.coordinates = self._look().position
        loop = foresee_loop(self.trained, self.coordinates, self.actions, self.recipe.foresee, self.seed)
        left = self.seconds_left()
        self.optimise(replace(loop, seconds=None if left is None else left / 2))

    def _conclude(self, found: Identified) -> Conclusion:
        model, few = self.trained, self._scouts()
        model.kinematics.settle(found.anywhere)
        missed, far, left = self._missed(few)
        troubles, near = [], CLOSE * max(self.motion, far)
        if not found.rms < near:
            troubles.append(
                f"The physics does not explain the motion: residual {found.rms:.3g}, while things move by {far:.3g}."
            )
        elif not missed < near:
            troubles.append(
                f"What is foreseen from {model.input_frames} frames does not come true: off by {missed:.3g}, while "
                f"things move by {far:.3g}."
            )
        if left > UNEXPLAINED:
            troubles.append(
                f"What the objects leave unexplained in the pictures moves {100 * left:.0f} % as much as they do"
                f"{': if the films show more links, name all their joints.' if model.kinematics.chained else '.'}"
            )
        if found.broken:
            self.notes.append(
                f"{found.broken} films were left out where the constants are found: what moves in them obeys no law "
                "that suits the others, as where something is hit or leaves the picture."
            )
        constants = found.constants
        if troubles:
            constants = {name: replace(one, std=math.nan, limit=None) for name, one in constants.items()}
            self.notes.append(
                f"{' '.join(troubles)} So the constants have no error bars. Look at the pictures of the sprites, "
                "and give longer or more sequences, or more steps."
            )
        unknown = [n for n, e in constants.items() if not troubles and math.isnan(e.std) and e.limit is None]
        if unknown:
            self.notes.append(f"Nothing in these films tells {' and '.join(unknown)}: record with actions that vary.")
        return Conclusion(constants, found.rms, not troubles and not unknown)

    @torch.no_grad()
    def _missed(self, films: torch.Tensor) -> tuple[float, float, float]:
        """How far off later frames are predicted, how far away things are by then, and what pictures leave unexplained.

        The first two in coordinates, the last as a part.
        """
        model = self.trained
        reading = self._read(films, 2 * model.polish)
        path = model.unroll(reading.position, self.actions[films], reading.trust)
        trust = believed(reading.trust)[:, model.input_frames :]
        last = reading.position[:, model.input_frames - 1 : model.input_frames]

        def usual(guess: torch.Tensor) -> float:
            error = model.physics.difference(guess, reading.position)[:, model.input_frames :].square()
            return float(((error * trust).sum((1, 2, 3)) / trust.sum((1, 2, 3))).sqrt().nanmedian())

        pose = model.kinematics.pose(reading.position).flatten(0, 1)
        bare = model.bare(torch.cat([*self.some(films)]), reading.position)

        def look(own: slice) -> tuple[torch.Tensor, torch.Tensor]:
            told, found = [], []
            for rows in ranks.blocks(own, AT_ONCE):
                images, at = bare(rows), pose[rows]
                found.append(found_at(model.renderer, at, images, model.weight))
                told.append(model.kinematics.pose(model.see(images)))
            return torch.cat(found), torch.cat(told)

        found, told = ranks.each(len(pose), look, AT_ONCE)
        left = unexplained_part(model.renderer, told, found, bare, model.weight)
        return usual(path), usual(last.expand_as(path)), left

    def _judge(self) -> Conclusion:
        missed, motion = foreseen(self.trained, self._look().position, self.actions)
        if missed >= CLOSE * motion:
            self.notes.append(
                f"The network does not foresee its own training films: off by {missed:.3g} against steps of "
                f"{motion:.3g}. Give it more films or more steps."
            )
        return Conclusion({}, missed, missed < CLOSE * motion)
