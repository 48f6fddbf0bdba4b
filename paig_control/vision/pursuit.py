"""Discovery of several objects: matching pursuit on what moves, without labels and without a network.

The background is the median over time. Patches at the residual's peaks are candidate sprites; the one that explains
most of the residual's energy when placed at its best match in every frame is kept, averaged over its matches, and
painted out, and the next object is looked for in what is left. Then sprites, background and places are fitted in
turns, through the renderer. Nothing of colours, sizes or the scene is assumed but the number of objects.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from paig_control import ranks
from paig_control.errors import PaigError
from paig_control.vision.alignment import align, pixel_weight
from paig_control.vision.discovery import Discovered, fit_sprites, median, nothing_moves
from paig_control.vision.kinematics import Planar
from paig_control.vision.matching import correlate, peak, spectra_of, window
from paig_control.vision.renderer import SpriteRenderer
from paig_control.vision.visibility import LEAST_SHOWN, UNEXPLAINED, away, found_at, sort_layers, unexplained_part

LEAST = 0.025
"""An object explains at least such a part of what the first one explains. Leftovers reached 0.019 on PAIG's scenes, the
darkest ball of their grey-scale films 0.037."""
AT_ONCE = 32
"""Frames that are looked at together; few, so that they stay in a processor's cache."""


def discover_planar(
    frames: Tensor,
    objects: int,
    generator: torch.Generator,
    rounds: int = 3,
    steps: int = 80,
    progress: Callable[[float, str], None] | None = None,
) -> Discovered:
    """Find ``objects`` things that move in the plane.

    Args:
        frames: ``(M, 3, h, w)`` in [0, 1], at least some tens.
        objects: how many.
        generator: the source of candidates and minibatches.
        rounds: times that sprites and places take turns.
        steps: gradient steps on the sprites in each round.
        progress: called with the fraction done and a line of text.

    Raises:
        PaigError: when nothing moves, or fewer objects are seen than asked for.
    """
    tell = progress or (lambda fraction, text: None)
    tell(0.0, "background")
    background = median(frames)
    residual = frames - background
    if max(float(part.square().sum(1).max()) for part in residual.split(AT_ONCE)) < 1e-3:
        raise nothing_moves()
    side = _patch_side(residual)
    places, energies, matched = [], [], []
    for index in range(objects):
        tell(0.3 * index / objects, f"object {index + 1}")
        patch, gain = _pursue(residual, side, generator)
        place, score = _paint_out(residual, patch)
        places.append(place + _centroid(patch))
        matched.append(score > LEAST_SHOWN * patch.square().sum())
        energies.append(gain)
        if gain < LEAST * energies[0]:
            few = f"{index} {'is' if index == 1 else 'are'} seen"
            raise PaigError(
                f"{objects} objects were asked for, but only {few} to move: what is left explains "
                f"{100 * gain / energies[0]:.1f} % as much as the first. "
                f"Ask for {index}, or record films in which all move."
            )
    coordinates, seen = torch.stack(places, 1), torch.stack(matched, 1)
    kinematics = Planar(objects).to(frames.device)
    renderer = SpriteRenderer((frames.shape[-2], frames.shape[-1]), objects, side, turns=False).to(frames.device)
    with torch.no_grad():
        renderer.background.copy_(torch.logit(background.clamp(0.02, 0.98)))
    weight = frames.new_ones(frames.shape[-2:])
    pick = torch.ones(len(frames))
    shape = coordinates.shape[1:]
    widths = coordinates.new_full((2 * objects,), 0.1)

    def pose_of(flat: Tensor) -> Tensor:
        return kinematics.pose(flat.unflatten(-1, shape))

    for index in range(rounds + 1):
        tell(0.3 + 0.7 * index / (rounds + 1), "sprites")
        pose = kinematics.pose(coordinates)
        shown = torch.where(seen[..., None], pose, away(renderer, pose))
        fit_sprites(renderer, shown, frames, weight, pick, generator, steps, index == rounds)
        flat = coordinates.flatten(1)
        sort_layers(renderer, pose_of, flat, frames, weight, widths)

        def look(own: slice, flat: Tensor = flat) -> tuple[Tensor, Tensor]:
            moved = align(renderer, pose_of, flat[own], frames[own], weight, widths, 2)[0].unflatten(1, shape)
            return moved, found_at(renderer, kinematics.pose(moved), frames[own], weight)

        coordinates, seen = ranks.each(len(flat), look, AT_ONCE)
    pose = kinematics.pose(coordinates)
    weight = pixel_weight(renderer, pose, frames.__getitem__)
    share = unexplained_part(renderer, pose, seen, frames.__getitem__, torch.ones_like(weight))
    notes: tuple[str, ...] = ()
    if share > UNEXPLAINED:
        notes = (
            f"{objects} object{' was' if objects == 1 else 's were'} asked for and found, but what they leave "
            f"unexplained moves {100 * share:.0f} % as much as they do: if the films show more objects, ask for all.",
        )
    tell(1.0, "done")
    return Discovered(coordinates, kinematics, renderer, weight, seen, notes)


def _patch_side(residual: Tensor) -> int:
    """Side of the patches, odd: from how far the residual's energy is like itself, between 9 px and half the image."""
    height, width = residual.shape[-2:]
    energies = (part.square().sum(1) for part in residual.split(AT_ONCE))
    spectrum = torch.cat([torch.fft.rfft2(e, s=(2 * height, 2 * width)).abs().square() for e in energies]).mean(0)
    alike = torch.fft.irfft2(spectrum, s=(2 * height, 2 * width))
    alike = alike / alike[0, 0]
    reach = max(int((alike[0, : width // 2] > 0.1).sum()), int((alike[: height // 2, 0] > 0.1).sum()))
    side = min(max(9, 2 * reach + 5), min(height, width) // 2)
    return side + 1 - side % 2


def _pursue(residual: Tensor, side: int, generator: torch.Generator, tries: int = 32) -> tuple[Tensor, float]:
    """The patch ``(3, side, side)`` that explains most, and the energy a frame that it explains."""
    count = len(residual)
    some = residual[torch.randperm(count, generator=generator)[:300].to(residual.device)]
    chosen = residual[torch.randint(count, (tries,), generator=generator).to(residual.device)]
    energy = functional.avg_pool2d(chosen.square().sum(1, keepdim=True), 3, 1, 1).flatten(1)
    peak = energy.argmax(1)
    patches = _cut(chosen, peak, side)

    def gains(own: slice) -> tuple[Tensor]:
        few = patches.split(8)
        rows = [torch.cat([_score(part, one).amax((2, 3)) for one in few], 1) for part in some[own].split(4)]
        return (torch.cat(rows),)

    gain = ranks.each(len(some), gains, AT_ONCE)[0].clamp(min=0).mean(0)
    patch = patches[int(gain.argmax())]
    for _ in range(3):
        _, corner, score = _best(some, patch)
        wanted = score > 0.5 * score.quantile(0.9)
        patch = _cut(some[wanted], corner[wanted, 0] * some.shape[-1] + corner[wanted, 1], side).mean(0)
    return patch, float(_best(some, patch)[2].clamp(min=0).mean())


def _cut(frames: Tensor, centre: Tensor, side: int) -> Tensor:
    """Patches ``(M, 3, side, side)`` about the pixels ``(M,)``, counted along the rows, of frames ``(M, 3, h, w)``."""
    half, width = side // 2, frames.shape[-1]
    cut = []
    for some, at in zip(frames.split(AT_ONCE), centre.split(AT_ONCE), strict=True):
        padded = functional.pad(some, (half, half, half, half))
        cut.append(padded[window(at // width, at % width, side)])
    return torch.cat(cut)


def _score(frames: Tensor, patches: Tensor) -> Tensor:
    """Energy ``(M, K, h, w)`` that each patch explains when centred at each pixel."""
    spectra = spectra_of(patches, (frames.shape[-2], frames.shape[-1]))
    explained = correlate(frames, spectra, patches.shape[-1])
    return 2 * explained - patches.square().sum((1, 2, 3))[:, None, None]


def _best(frames: Tensor, patch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where a patch explains most, as :func:`peak` says it, and how much ``(M,)``, in many frames."""

    def search(own: slice) -> list[Tensor]:
        scores = [_score(part, patch[None])[:, 0] for part in frames[own].split(AT_ONCE)]
        return [torch.cat(parts) for parts in zip(*((*peak(one), one.amax((1, 2))) for one in scores), strict=True)]

    place, corner, score = ranks.each(len(frames), search, AT_ONCE)
    return place, corner, score


def _paint_out(residual: Tensor, patch: Tensor) -> tuple[Tensor, Tensor]:
    """Best places of a patch's middle ``(M, 2)``, to parts of a pixel, and what it explains; it is taken out there."""
    side, (height, width) = patch.shape[-1], residual.shape[-2:]
    half = side // 2
    place, corner, score = _best(residual, patch)
    ink = patch.square().sum(0)
    keep = (ink < 0.05 * ink.max()).to(patch)
    for some, at in zip(
        torch.arange(len(corner), device=corner.device).split(AT_ONCE), corner.split(AT_ONCE), strict=True
    ):
        padded = functional.pad(residual[some], (half, half, half, half))
        padded[window(at[:, 0], at[:, 1], side)] *= keep
        residual[some] = padded[..., half : half + height, half : half + width]
    return place, score


def _centroid(patch: Tensor) -> Tensor:
    """Centre of a patch's energy, from its middle, pixels: x and y."""
    energy = patch.square().sum(0)
    at = torch.arange(len(energy), device=patch.device) + 0.5 - len(energy) / 2
    return torch.stack([(energy * at).sum(), (energy * at[:, None]).sum()]) / energy.sum()
