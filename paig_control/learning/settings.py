"""All options of training, in one place and without importing torch: they are also the schemas of the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from paig_control.errors import PaigError
from paig_control.estimation.settings import IdentifySettings

EYES = ("auto", "closed", "network")
CAMERAS = ("straight", "oblique")
STEEPEST, WIDEST = 75.0, 150.0
"""Degrees by which a camera may look aslant, and of its field of view, at most."""


def check_positive(place: str, **values: float | None) -> None:
    """Refuse a number that is not above zero; None is left alone."""
    for name, value in values.items():
        if value is not None and not value > 0:
            raise PaigError(f"{place}.{name} = {value}: expected a number above 0.")


def check_rate(place: str, learning_rate: float) -> None:
    """Refuse a step size with which weights would run away, or stand."""
    if not 0 < learning_rate <= 1:
        raise PaigError(
            f"{place}.learning_rate = {learning_rate}: expected a number above 0 and at most 1; each step moves every "
            "weight by about so much."
        )


@dataclass(frozen=True)
class ModelSettings:
    """The parts of the model.

    Attributes:
        eyes: ``closed`` looks for what the renderer would draw, ``network`` trains a localiser, ``auto`` does so only
            where closed eyes overlook objects, in frames that discovery has looked at and in others.
        channels: of the localiser's first level; doubled at each of its three levels.
        sharpness: factor on the localiser's logits before their spatial softmax.
        polish: Gauss-Newton steps through the renderer after the localiser, when frames are read.
        input_frames: frames from which the state is inferred.
        camera: ``straight`` for one that looks straight at the plane of motion, however it is turned; ``oblique`` for
            one that looks aslant, whose pictures are straightened.
        tilt: degrees by which it does so, positive where what is lower in the picture is farther away, as from above
            at things that swing; null has it found where one thing turns about a pivot.
        fov: its vertical field of view in degrees, where the tilt is given; null for a camera that is far away.
    """

    eyes: str = "auto"
    channels: int = 8
    sharpness: float = 5.0
    polish: int = 1
    input_frames: int = 4
    camera: str = "straight"
    tilt: float | None = None
    fov: float | None = None

    def __post_init__(self) -> None:
        """Refuse eyes and cameras that there are not."""
        if self.eyes not in EYES:
            raise PaigError(f"model.eyes = {self.eyes!r}: expected {', '.join(EYES[:-1])} or {EYES[-1]}.")
        if self.camera not in CAMERAS:
            raise PaigError(f"model.camera = {self.camera!r}: expected {' or '.join(CAMERAS)}.")
        if self.tilt is not None and self.camera != "oblique":
            raise PaigError(f"model.tilt = {self.tilt}: only of a camera that looks aslant, model.camera=oblique.")
        if self.tilt is not None and not 0 < abs(self.tilt) <= STEEPEST:
            raise PaigError(f"model.tilt = {self.tilt}: expected degrees, not 0, from -{STEEPEST:g} to {STEEPEST:g}.")
        if self.fov is not None and self.tilt is None:
            raise PaigError(f"model.fov = {self.fov}: give model.tilt, too, or leave both out to have the tilt found.")
        if self.fov is not None and not 0 < self.fov <= WIDEST:
            raise PaigError(f"model.fov = {self.fov}: expected degrees above 0, at most {WIDEST:g}.")


@dataclass(frozen=True)
class DiscoverSettings:
    """Stage 1: where the objects are and what they look like, without a network.

    Attributes:
        frames: so many frames are looked at, at most.
        rounds: times that sprite, coordinates and pivot take turns.
        steps: gradient steps on the sprite in each round.
    """

    frames: int = 1000
    rounds: int = 3
    steps: int = 80


@dataclass(frozen=True)
class WarmStartSettings:
    """Between stages 1 and 2: the localiser learns to see what discovery found.

    Attributes:
        steps: gradient steps.
        batch: frames in each, and as many that the renderer draws.
        learning_rate: of Adam, with a short ramp and a cosine decay.
    """

    steps: int = 300
    batch: int = 16
    learning_rate: float = 3e-3


@dataclass(frozen=True)
class RefineSettings:
    """Stage 3: everything together on pixels, loss = prediction + alpha x reconstruction.

    It is for networks, eyes or a black box: with eyes in closed form it lowers no loss by more than a hundredth, and is
    left out unless a budget in CPU-seconds is to be used up.

    Attributes:
        steps: gradient steps; 0 leaves the stage out.
        batch: sequences in each.
        learning_rate: of Adam, with a cosine decay.
        alpha: weight of the reconstruction.
        prediction_frames: frames predicted after the input frames.
    """

    steps: int = 100
    batch: int = 8
    learning_rate: float = 1e-3
    alpha: float = 3.0
    prediction_frames: int = 10


@dataclass(frozen=True)
class ForeseeSettings:
    """Stage 2 with physics=lstm, where there are no constants to identify: the network learns from coordinates.

    Attributes:
        steps: gradient steps.
        batch: sequences in each.
        learning_rate: of Adam, with a short ramp and a cosine decay.
    """

    steps: int = 3000
    batch: int = 64
    learning_rate: float = 1e-2


@dataclass(frozen=True)
class RecipeSettings:
    """The three stages, run in order; identification runs once more at the end, with the refined eyes.

    Attributes:
        discover: stage 1.
        warm_start: the localiser's start.
        identify: stage 2.
        foresee: stage 2 with physics=lstm.
        refine: stage 3.
        cpu_seconds: refinement goes on until training has taken so many, whatever its steps (with physics=lstm,
            foresight takes half of what the start leaves); null goes by steps.
        checkpoint_seconds: time between checkpoints inside a stage.
    """

    discover: DiscoverSettings = field(default_factory=DiscoverSettings)
    warm_start: WarmStartSettings = field(default_factory=WarmStartSettings)
    identify: IdentifySettings = field(default_factory=IdentifySettings)
    foresee: ForeseeSettings = field(default_factory=ForeseeSettings)
    refine: RefineSettings = field(default_factory=RefineSettings)
    cpu_seconds: float | None = None
    checkpoint_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a budget that is none, and steps with which nothing could be learned."""
        check_positive("recipe", cpu_seconds=self.cpu_seconds)
        for stage in ("warm_start", "foresee", "refine"):
            check_rate(f"recipe.{stage}", getattr(self, stage).learning_rate)

    @property
    def prediction_frames(self) -> int:
        """Frames that count as predicted; further ones are extrapolated."""
        return self.refine.prediction_frames


@dataclass(frozen=True)
class PaperSettings:
    """The paper's recipe: everything from random weights at once, on pixels.

    Loss = prediction + alpha x reconstruction, RMSProp, gradients clipped to 1 element by element, the learning rate
    divided by 5 at 75 %. Its networks are the paper's; of the model's settings only input_frames applies.

    Attributes:
        epochs: passes through the films.
        batch: films in each gradient step.
        learning_rate: of RMSProp.
        alpha: weight of the reconstruction.
        prediction_frames: frames predicted after the input frames.
        cpu_seconds: training ends after so many, whatever its epochs; null goes by epochs.
        checkpoint_seconds: time between checkpoints.
    """

    epochs: int = 500
    batch: int = 100
    learning_rate: float = 3e-4
    alpha: float = 3.0
    prediction_frames: int = 6
    cpu_seconds: float | None = None
    checkpoint_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing could be learned."""
        names = ("epochs", "batch", "prediction_frames", "cpu_seconds")
        check_positive("recipe", **{name: getattr(self, name) for name in names})
        check_rate("recipe", self.learning_rate)
