"""Which object passes over which: neighbouring layers are swapped where that explains the frames better.

Only frames in which two sprites overlap can tell. They are aligned under either order before the errors are
compared, since places that were found under a wrong order make that order look right.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.vision.alignment import PoseOf, align
from paig_control.vision.renderer import SpriteRenderer


@torch.no_grad()
def sort_layers(
    renderer: SpriteRenderer,
    pose_of: PoseOf,
    unknowns: Tensor,
    frames: Tensor,
    weight: Tensor,
    widths: Tensor,
    most: int = 150,
) -> None:
    """Set the renderer's order by comparing neighbours in it, as a bubble sort does.

    Args:
        renderer: poses to frames; its order is changed in place.
        pose_of: unknowns ``(..., P)`` to poses ``(..., N, 3)``.
        unknowns: ``(M, P)``, about right under the present order.
        frames: ``(M, 3, h, w)`` in [0, 1].
        weight: ``(h, w)`` weights of the pixels.
        widths: ``(P,)`` perturbations, as of :func:`~paig_control.vision.alignment.align`.
        most: so many frames are compared, those with the largest overlap.
    """
    for last in reversed(range(1, renderer.objects)):
        for place in range(last):
            order = renderer.order.tolist()
            swapped = [*order[:place], order[place + 1], order[place], *order[place + 2 :]]
            told = _telling(renderer, pose_of(unknowns), order, swapped, most)
            if len(told) == 0:
                continue
            errors = []
            for tried in (order, swapped):
                renderer.order.copy_(torch.tensor(tried))
                moved, _ = align(renderer, pose_of, unknowns[told], frames[told], weight, widths, 2)
                errors.append((weight * (_render(renderer, pose_of(moved)) - frames[told]).square()).sum((1, 2, 3)))
            gain = (errors[0] - errors[1]) / (errors[0] + errors[1]).clamp(min=1e-9)
            renderer.order.copy_(torch.tensor(swapped if float(gain.mean()) > 0 else order))


def _telling(renderer: SpriteRenderer, pose: Tensor, order: list[int], other: list[int], most: int) -> Tensor:
    """Numbers of at most so many of the poses ``(M, N, 3)``, those that differ most when laid in another order."""
    parts = [renderer.patches(part) for part in pose.split(32)]
    differ = torch.cat([(renderer.lay(p, order) - renderer.lay(p, other)).square().sum((1, 2, 3)) for p in parts])
    largest = float(differ.max())
    return differ.topk(min(most, int((differ > max(0.1 * largest, 1e-3)).sum()))).indices


def _render(renderer: SpriteRenderer, pose: Tensor) -> Tensor:
    return torch.cat([renderer(part) for part in pose.split(32)])
