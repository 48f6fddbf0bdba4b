"""What the stages do, one after another, and PAIG's losses, which they share.

The losses are squared errors of [0, 1] images summed over pixels and channels, averaged over batch and frames.
Reconstruction covers input and prediction frames, prediction the frames predicted, extrapolation those after (the
definitions of the original code, so figures can be compared with it).

*Discovery*, for any kinematics: a sample of the frames is looked at by the discovery that fits how objects move.

*The warm start*: the localiser learns to see what discovery found. Cross-entropy of its heat maps on the found key
points, fading out between 40 % and 80 % of the steps, and the reconstruction error of what it sees; the renderer
learns along. Beside the films it sees as many frames that the renderer draws with the objects anywhere, so it also
knows them where the films never show them, at the borders and over one another.

*Refinement*: everything together on pixels, with PAIG's loss, prediction + alpha x reconstruction. Windows start at
random places of random sequences, where all objects are seen in the frames that the state is inferred from. Gradients
reach the localiser and the constants through the last step of the state inference, and the sprites through the
rendered frames.

*Foresight*: a black box learns, in coordinates, to go on from the input frames as the films do, in place of
identification, where there are no constants to identify.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from paig_control import ranks
from paig_control.errors import PaigError
from paig_control.learning.optimise import Loop, step_generator
from paig_control.learning.settings import DiscoverSettings, ForeseeSettings, RefineSettings, WarmStartSettings
from paig_control.models.paig import AT_ONCE, PAIG, to_images
from paig_control.physics.dynamics import Dynamics
from paig_control.types import Reading, State
from paig_control.vision.camera import STRAIGHT, Camera
from paig_control.vision.discovery import Discovered, discover_rotary
from paig_control.vision.kinematics import Aslant, Rotary
from paig_control.vision.linked import MOST, discover_linked
from paig_control.vision.localizer import Localizer, heat_target_loss, soft_argmax
from paig_control.vision.pursuit import discover_planar

HALF = 0.5
"""What lies inside the picture by less is not overlooked."""


class Losses(NamedTuple):
    """Reconstruction, prediction and extrapolation error per frame; the last is NaN without frames for it."""

    recons: Tensor
    pred: Tensor
    extrap: Tensor


def frame_errors(rendered: Tensor, images: Tensor) -> Tensor:
    """Squared error of each frame, ``(*B)``, of images ``(*B, 3, h, w)``."""
    return (rendered - images).square().sum((-3, -2, -1))


def paig_losses(
    model: PAIG, images: Tensor, actions: Tensor, prediction_frames: int, present: Tensor | None = None
) -> Losses:
    """The three losses on sequences of images ``(B, T, 3, h, w)`` with actions ``(B, T - 1, A)``.

    Args:
        model: the model.
        images: frames in [0, 1].
        actions: between them.
        prediction_frames: frames after the input frames that count as predicted; further ones are extrapolated.
        present: ``(B, T, N)``, which objects are seen in which frame; all of them by default.
    """
    inputs = model.input_frames
    shown = min(inputs + prediction_frames, images.shape[1])
    pictures = images[:, :shown].flatten(0, 1)
    seen = model.see(pictures)
    if not model.localizer.learns:
        seen = model.polished(seen, pictures).position
    seen = seen.unflatten(0, images[:, :shown].shape[:2])
    there = None if present is None else present[:, :shown]
    recons = frame_errors(model.render(State(seen, seen), there), images[:, :shown]).mean()
    path = model.unroll(seen, actions)[:, inputs:]
    errors = frame_errors(model.render(State(path, path)), images[:, inputs:])
    cut = shown - inputs
    return Losses(
        recons,
        errors[:, :cut].mean(),
        errors[:, cut:].mean() if errors.shape[1] > cut else torch.tensor(torch.nan),
    )


def read(model: PAIG, frames: Tensor, steps: int | None = None) -> Reading:
    """What :meth:`~paig_control.models.paig.PAIG.read` says of frames ``(*B, h, w, 3)`` uint8, all ranks reading."""
    if model.kinematics.chained and frames.dim() > 4:  # what stands in a film is seen in all of it

        def look(own: slice) -> Reading:
            found = [model.read(film[None], steps) for film in frames[own]]
            return Reading(*(torch.cat(each) for each in zip(*found, strict=True)))

        return Reading(*ranks.each(len(frames), look))
    flat = frames.reshape(-1, *frames.shape[-3:])
    found = ranks.each(len(flat), lambda own: model.read(flat[own], steps), AT_ONCE)
    return Reading(*(one.reshape(*frames.shape[:-3], *one.shape[1:]) for one in found))


def seen(model: PAIG, films: Tensor) -> Tensor:
    """Which objects ``(S, T, N)`` are seen in films ``(S, T, h, w, 3)`` uint8, all ranks looking."""
    flat = films.flatten(0, 1)
    (found,) = ranks.each(len(flat), lambda own: (model.seen(flat[own]),), AT_ONCE)
    return found.reshape(*films.shape[:2], -1)


def overlooked(model: PAIG, films: Tensor, frames: Tensor, coordinates: Tensor) -> float:
    """Part of all frames that are better explained from where discovery, or the frames beside, say things are.

    Args:
        model: with eyes in closed form.
        films: ``(S, T, h, w, 3)``, uint8.
        frames: ``(M, h, w, 3)``, uint8, that discovery has looked at.
        coordinates: found in them, ``(M, N, D)``.
    """
    place = read(model, films).position
    before, after = place[:, :-2], place[:, 2:]
    between = before + model.dynamics.difference(after, before) / 2
    pairs = (
        (films[:, 1:-1].flatten(0, 1), place[:, 1:-1].flatten(0, 1), between.flatten(0, 1)),
        (frames, read(model, frames).position, coordinates),
    )
    some, found, start = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    inside = torch.cat([model.inside(few) for few in start.split(AT_ONCE)]).amin(-1) > HALF  # the others left
    some, found, start = some[inside], found[inside], start[inside]
    if not len(some):
        return 0.0

    def missed(own: slice) -> tuple[Tensor]:
        parts = zip(*(one[own].split(AT_ONCE) for one in (some, found, start)), strict=True)
        return (torch.cat([model.better_from(start, found, model.images(few)) for few, found, start in parts]),)

    return float(ranks.each(len(some), missed, AT_ONCE)[0].float().mean())


def check_motion(films: Tensor, most: int = 200) -> None:
    """Refuse films ``(S, T, h, w, 3)`` uint8 in which nothing moves; about so many of them are looked at.

    What moves differs from its film's mean in neighbouring pixels alike, noise does not: the mean over 3 x 3 pixels
    leaves a ninth of white noise's energy, and most of a thing's.

    Raises:
        PaigError: where each film shows one picture, but for noise.
    """
    energy, smooth = 0.0, 0.0
    for film in map(to_images, films[:: max(1, len(films) // most)]):
        change = film - film.mean(0)
        energy += float(change.square().sum())
        rows = change[..., :-2, :] + change[..., 1:-1, :] + change[..., 2:, :]
        smooth += float((rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]).div_(9).square().sum())
    if not smooth > 0.13 * energy:
        raise PaigError(
            f"Nothing moves in these films: each shows the same picture from its first frame to its last"
            f"{', but for noise' if energy > 0 else ''}. Record with actions, or from other starts."
        )


def discover(
    frames: Callable[[Tensor], Tensor],
    count: int,
    physics: Dynamics,
    settings: DiscoverSettings,
    seed: int,
    progress: Callable[[float, str], None] | None = None,
    camera: Camera | None = None,
) -> tuple[Discovered, Tensor]:
    """What moves in some of so many frames, and the numbers ``(m,)`` of those that were looked at.

    Args:
        frames: gives those ``(m, h, w, 3)`` uint8 with some numbers ``(m,)``.
        count: of all frames.
        physics: says how things move.
        settings: of this stage.
        seed: drives what is drawn by chance.
        progress: called with the fraction done and a line of text.
        camera: that may look aslant, and by which frames are straightened; none where it surely does not.

    Raises:
        PaigError: when what moves does not fit the physics, or nothing does.
    """
    torch.manual_seed(seed)
    generator = step_generator(seed, "discover", 0)
    most = min(settings.frames, MOST) if physics.kinematics == "tree" else settings.frames
    chosen = torch.randperm(count, generator=generator)[:most].sort().values
    images = (camera or STRAIGHT).straight(to_images(frames(chosen)))
    if physics.kinematics == "rotary":
        kind = Rotary if camera is None else Aslant
        found = discover_rotary(images, generator, settings.rounds, settings.steps, progress, kind)
    elif physics.kinematics == "planar":
        found = discover_planar(images, physics.objects, generator, settings.rounds, settings.steps, progress)
    elif physics.kinematics == "tree":
        found = discover_linked(images, physics.joints, generator, settings.rounds, settings.steps, progress)
    else:
        raise PaigError(
            f"There is no discovery for {physics.kinematics!r} kinematics: known are rotary, planar and tree."
        )
    return found, chosen


def warm_start_loop(
    model: PAIG, frames: Tensor, coordinates: Tensor, seen: Tensor, settings: WarmStartSettings, seed: int
) -> Loop:
    """The loop over frames ``(M, h, w, 3)`` uint8 with coordinates ``(M, N, D)`` of the objects seen ``(M, N)``."""
    eyes, count = model.localizer, settings.batch
    parts = min(count, ranks.parts(2 * count * math.prod(model.image_size)))
    assert isinstance(eyes, Localizer)

    def loss(step: int, generator: torch.Generator, part: int) -> tuple[Tensor, dict[str, Tensor]]:
        index = torch.randint(len(frames), (count,), generator=generator).to(frames.device)
        drawn, own = model.kinematics.anywhere(count, model.image_size, generator), ranks.part(count, part, parts)
        shown = seen[index].sum() + seen[0].numel() * count  # in the whole batch
        index, drawn = index[own], drawn[own]
        batch = model.images(frames[index])
        with torch.no_grad():
            drawing = model.render(State(drawn, drawn))
            target = model.kinematics.keypoints(torch.cat([coordinates[index], drawn]))
        heat = eyes.heat(torch.cat([batch, drawing]))
        points = soft_argmax(heat)
        there = torch.cat([seen[index], torch.ones_like(seen[index])])
        told = model.kinematics.coordinates(points[: len(batch)])
        recons = frame_errors(model.render(State(told, told), seen[index]), batch).sum() / count
        fade = min(1.0, max(0.0, (0.8 - step / settings.steps) / 0.4))
        miss = (points - target).square().sum(-1)[there].sum() / shown
        total = recons + miss + fade * (there.sum() / shown) * heat_target_loss(heat, target, there)
        return total, {"recons": recons, "pixels_off": miss}

    rate = settings.learning_rate
    groups = [
        {"params": list(model.localizer.parameters()), "lr": rate},
        {"params": list(model.renderer.parameters()), "lr": rate},
    ]
    return Loop("warm_start", groups, loss, settings.steps, seed, parts=parts, told=_rooted)


def refine_loop(model: PAIG, films: Tensor, actions: Tensor, seen: Tensor, settings: RefineSettings, seed: int) -> Loop:
    """The loop over films ``(S, T, h, w, 3)`` uint8, actions ``(S, T - 1, A)`` and objects ``seen`` ``(S, T, N)``."""
    sequences, frames = films.shape[:2]
    length = min(frames, model.input_frames + settings.prediction_frames)
    parts = min(settings.batch, ranks.parts(settings.batch * length * math.prod(model.image_size)))
    known = seen.all(-1).unfold(1, model.input_frames, 1).all(-1)[:, : frames - length + 1].nonzero().cpu()
    windows = known if len(known) else torch.cartesian_prod(torch.arange(sequences), torch.arange(frames - length + 1))

    def loss(step: int, generator: torch.Generator, part: int) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = torch.randint(len(windows), (settings.batch,), generator=generator)
        row, first = windows[drawn[ranks.part(settings.batch, part, parts)]].split(1, -1)
        column = first + torch.arange(length)
        batch = model.images(films[row, column])
        found = paig_losses(model, batch, actions[row, column[:, :-1]], settings.prediction_frames, seen[row, column])
        return weighed(found, settings.alpha, len(row) / settings.batch)

    rate = settings.learning_rate
    groups = [
        {"params": list(model.localizer.parameters()), "lr": rate},
        {"params": [*model.renderer.parameters(), *model.kinematics.parameters()], "lr": rate},
        {"params": list(model.estimator.learns(model.dynamics)), "lr": 0.3 * rate},
    ]
    return Loop("refine", groups, loss, settings.steps, seed, parts=parts, told=with_constants(model))


def weighed(found: Losses, alpha: float, share: float) -> tuple[Tensor, dict[str, Tensor]]:
    """PAIG's loss and its figures on a part of a batch, as terms of those on the whole of it."""
    pred, recons = share * found.pred, share * found.recons
    return pred + alpha * recons, {"pred": pred, "recons": recons}


def with_constants(model: PAIG) -> Callable[[dict[str, float]], dict[str, float]]:
    """What adds the physics' constants to a step's figures."""
    return lambda figures: {**figures, **model.dynamics.values()}


def _rooted(figures: dict[str, float]) -> dict[str, float]:
    """Figures with a root mean square in place of the mean square."""
    return figures | {"pixels_off": math.sqrt(figures["pixels_off"])}


def foresee_loop(model: PAIG, coordinates: Tensor, actions: Tensor, settings: ForeseeSettings, seed: int) -> Loop:
    """The loop over coordinates ``(S, T, N, D)`` as seen, with actions ``(S, T - 1, A)``; whole sequences."""
    inputs = model.input_frames

    def loss(step: int, generator: torch.Generator, part: int) -> tuple[Tensor, dict[str, Tensor]]:
        row = torch.randint(len(coordinates), (settings.batch,), generator=generator)
        path = model.unroll(coordinates[row], actions[row])
        miss = (path - coordinates[row])[:, inputs:].square().sum(-1).mean()
        return miss, {"pixels_off": miss}

    groups = [{"params": list(model.estimator.learns(model.dynamics)), "lr": settings.learning_rate}]
    return Loop("foresee", groups, loss, settings.steps, seed, told=_rooted)


@torch.no_grad()
def foreseen(model: PAIG, coordinates: Tensor, actions: Tensor) -> tuple[float, float]:
    """How far predictions go astray from coordinates ``(S, T, N, D)``, and how far things move between two frames.

    Both as root mean squares, in coordinates' units.
    """
    difference = model.dynamics.difference
    parts = zip(coordinates.split(256), actions.split(256), strict=True)
    path = torch.cat([model.unroll(c[:, : model.input_frames], a) for c, a in parts])
    missed = difference(path, coordinates)[:, model.input_frames :]
    steps = difference(coordinates[:, 1:], coordinates[:, :-1])
    return float(missed.square().mean().sqrt()), float(steps.square().mean().sqrt())
