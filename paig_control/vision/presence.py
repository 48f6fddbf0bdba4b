"""Which objects are wholly in the picture, told from the picture alone.

A localiser names a place for every object, also for one that has left the frame or is cut by its border. The renderer
can tell: what it draws for such an object lies partly outside, or does not make its picture more like the frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paig_control.vision.renderer import SpriteRenderer


@torch.no_grad()
def present(renderer: SpriteRenderer, poses: Tensor, images: Tensor, margin: int = 1, chunk: int = 128) -> Tensor:
    """Which objects ``(M, N)`` are there as a whole.

    Args:
        renderer: of the sprites.
        poses: ``(M, N, 3)`` as read.
        images: ``(M, 3, h, w)`` in [0, 1].
        margin: pixels along the border that an object must keep free, because it may be larger than its sprite.
        chunk: images handled at once.
    """
    room = renderer.window
    wide = renderer.widened(room)
    parts = zip(poses.split(chunk), images.split(chunk), strict=True)
    return torch.cat([_present(wide, pose, image, room, margin) for pose, image in parts])


def _present(wide: SpriteRenderer, pose: Tensor, image: Tensor, room: int, margin: int) -> Tensor:
    """The same for some images, with a renderer that is ``room`` pixels wider on every side."""
    pose = pose + pose.new_tensor([room, room, 0.0])
    whole = wide(pose)
    away = -2.0 * sum(wide.image_size)
    rows = []
    for n in range(pose.shape[1]):
        gone = pose.clone()
        gone[:, n, :2] = away
        without = wide(gone)
        change = (whole - without).square().sum(1)
        inside = _energy(_inner(change, room + margin)) >= 0.999 * _energy(change)
        with_it, without_it = (_energy((_inner(x, room) - image).square().sum(1)) for x in (whole, without))
        rows.append(inside & (with_it < without_it))
    return torch.stack(rows, -1)


def _inner(images: Tensor, border: int) -> Tensor:
    return images[..., border:-border, border:-border]


def _energy(images: Tensor) -> Tensor:
    return images.flatten(1).sum(1)
