"""Where pictures are painted by machine code: without gradients, in single precision, on this processor.

To lay windows over a background costs five times as much by tensors, which gather and scatter them; so does a sprite
that turns. Sprites that shift are a matrix product for many frames at once, and so only few of them are painted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from paig_control.machine import array, loops

FEW = 32
"""Shifted sprites, of all frames together, up to which machine code paints them sooner than a matrix product."""


def shifted(sprites: Tensor, shift: Tensor, density: int, samples: int) -> Tensor | None:
    """Paint ``(N, B, 4, size, size)`` of sprites ``(N, 4, side, side)`` whose windows begin at ``(N, B, 2)``."""
    found = _loops(sprites, shift) if shift[..., 0].numel() <= FEW else None
    if found is None:
        return None
    paint = _room(sprites, shift, density)
    found.shift(array(sprites.permute(0, 2, 3, 1)), array(shift), density, samples, paint)
    return torch.from_numpy(paint)


def turned(sprites: Tensor, centre: Tensor, angle: Tensor, density: int, samples: int) -> Tensor | None:
    """Paint of sprites turned by ``(N, B)`` about places ``(N, B, 2)`` in their windows."""
    found = _loops(sprites, centre, angle)
    if found is None:
        return None
    paint = _room(sprites, centre, density)
    texels = array(functional.pad(sprites, (1, 1, 1, 1)).permute(0, 2, 3, 1))
    found.turn(texels, array(centre), array(angle), density, samples, paint)
    return torch.from_numpy(paint)


def laid(scene: Tensor, paint: Tensor, corner: Tensor, order: Sequence[int]) -> Tensor | None:
    """Frames ``(B, 3, h, w)``: windows from pixels ``(N, B, 2)`` on laid over a scene ``(3, h, w)`` in this order."""
    found = _loops(scene, paint)
    if found is None:
        return None
    frames = np.empty((paint.shape[1], *scene.shape), np.float32)
    found.lay(array(scene), array(paint), array(corner), np.array(order), frames)
    return torch.from_numpy(frames)


def slopes(
    scene: Tensor, paint: Tensor, corner: Tensor, order: Tensor, frames: Tensor, root: Tensor, widths: Tensor
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Normal equations; shapes as :func:`paig_control.vision.kernels.slopes` has them."""
    found = _loops(scene, paint, frames, root, widths)
    if found is None:
        return None
    count, size, places = len(frames), len(widths), array(corner)
    reach = int(np.abs(places.reshape(len(places), -1, count, 2) - places[:, None, -count:]).max(initial=0))
    shapes = (count, size, size), (count, size), (count,)
    matrix, score, error = (np.empty(shape, np.float32) for shape in shapes)
    values = array(scene), array(paint), places, array(order), array(frames), array(root), array(widths)
    found.slopes(*values, reach, matrix, score, error)
    return torch.from_numpy(matrix), torch.from_numpy(score), torch.from_numpy(error)


def shares(
    scene: Tensor, paint: Tensor, corner: Tensor, order: Tensor, frames: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor] | None:
    """What sprites explain; shapes as :func:`paig_control.vision.kernels.shares` has them."""
    found = _loops(scene, paint, frames, weight)
    if found is None:
        return None
    count = len(frames), len(paint)
    gain, alone, error = (np.empty(shape, np.float32) for shape in (count, count, count[:1]))
    given = (array(x) for x in (scene, paint, corner, order, frames, weight))
    found.shares(*given, gain, alone, error)
    return torch.from_numpy(gain), torch.from_numpy(alone), torch.from_numpy(error)


def _loops(*values: Tensor) -> ModuleType | None:
    """The loops, where they take these numbers."""
    single = all(x.dtype == torch.float32 and x.device.type == "cpu" for x in values)
    return loops("vision") if single and not torch.is_grad_enabled() else None


def _room(sprites: Tensor, place: Tensor, density: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    size = sprites.shape[-1] // density + 1
    return np.empty((*place.shape[:2], 4, size, size), np.float32)
