"""All options of training, in one place and without importing torch: they are also the schemas of the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSettings:
    """The parts of the model.

    Attributes:
        channels: of the localiser's first level; doubled at each of its three levels.
        sharpness: factor on the localiser's logits before their spatial softmax.
        polish: Gauss-Newton steps through the renderer after the localiser, when frames are read.
        input_frames: frames from which the state is inferred.
    """

    channels: int = 8
    sharpness: float = 5.0
    polish: int = 1
    input_frames: int = 4


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
class IdentifySettings:
    """Stage 2: constants by trajectory matching in coordinates.

    Attributes:
        first_horizon: frames of the first window.
        growth: each window is so many times as long as the one before, up to the sequences' length.
        iterations: Levenberg-Marquardt steps at each horizon, at most.
        gauge_from: the gauge is solved along in windows of at least so many frames.
        scouts: films, at most, that look for the integrator and the way; stage 2 needs no more than these, and only
            the identification after refinement uses all films.
        integrators: tried in turn, with their parts a frame; the one with the smallest residual is kept.
    """

    first_horizon: int = 4
    growth: float = 1.5
    iterations: int = 30
    gauge_from: int = 8
    scouts: int = 100
    integrators: tuple[str, ...] = ("euler-1", "pefrl-2")


@dataclass(frozen=True)
class RefineSettings:
    """Stage 3: everything together on pixels, loss = prediction + alpha x reconstruction.

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
class RecipeSettings:
    """The three stages, run in order; identification runs once more at the end, with the refined eyes.

    Attributes:
        discover: stage 1.
        warm_start: the localiser's start.
        identify: stage 2.
        refine: stage 3.
        checkpoint_seconds: time between checkpoints inside a stage.
    """

    discover: DiscoverSettings = field(default_factory=DiscoverSettings)
    warm_start: WarmStartSettings = field(default_factory=WarmStartSettings)
    identify: IdentifySettings = field(default_factory=IdentifySettings)
    refine: RefineSettings = field(default_factory=RefineSettings)
    checkpoint_seconds: float = 10.0
