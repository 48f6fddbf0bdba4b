"""Which objects are in the picture, and how much of them is seen, told from the picture alone.

A localiser names a place for every object, also for one that has left the frame or is cut by its border. The renderer
can tell: what it draws for such an object lies partly outside, or does not make its picture more like the frame.

Which object passes over which: neighbouring layers are swapped where that explains the frames better.

Only frames in which two sprites overlap can tell. They are aligned under either order before the errors are
compared, since places that were found under a wrong order make that order look right.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from paig_control import ranks
from paig_control.types import Finding
from paig_control.vision.alignment import PoseOf, align, unexplained
from paig_control.vision.renderer import Renderer, SpriteRenderer
from paig_control.vision.sprite_slopes import Share, overlap, sprite_inside, sprite_shares

LEAST_SHOWN = 0.25
"""Of an object that is there, at least this part is seen, as :func:`shown` says it."""
UNEXPLAINED = 0.2
"""Where the objects leave more unexplained than so much of what moves, there is more in the pictures than they."""
LEAST_SURE = 5.0
"""By how many standard deviations drawing an object that is there makes the picture more like the frame, at least, if
what remains unexplained were noise: so that nothing is found in noise, nor in the picture of another scene."""


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
    wide, poses, room = _with_room(renderer, poses)
    parts = zip(poses.split(chunk), images.split(chunk), strict=True)
    return torch.cat([_present(wide, pose, image, room, margin) for pose, image in parts])


def _with_room(renderer: SpriteRenderer, poses: Tensor) -> tuple[SpriteRenderer, Tensor, int]:
    """A renderer that is a sprite wider on every side, the same poses ``(M, N, 3)`` in it, and that width, px."""
    room = renderer.window
    return renderer.widened(room), poses + poses.new_tensor([room, room, 0.0]), room


def _present(wide: SpriteRenderer, pose: Tensor, image: Tensor, room: int, margin: int) -> Tensor:
    """The same for some images, with renderer and poses that have room around."""
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


@torch.no_grad()
def shown(renderer: Renderer, poses: Tensor, images: Tensor, weight: Tensor, chunk: int = 16) -> Tensor:
    """How much of each object's picture is seen, ``(M, N)`` from 0 to 1: nothing of one that is wholly covered.

    By how much drawing an object makes the frame more like the image, in parts of what it changes when alone.

    Args:
        renderer: of the sprites.
        poses: ``(M, N, 3)`` as read.
        images: ``(M, 3, h, w)`` in [0, 1].
        weight: ``(h, w)`` weights of the pixels.
        chunk: images handled at once.
    """
    parts = zip(poses.split(chunk), images.split(chunk), strict=True)
    return torch.cat([_seen(_share(renderer, pose, image, weight)) for pose, image in parts])


@torch.no_grad()
def find(renderer: Renderer, poses: Tensor, images: Tensor, weight: Tensor, chunk: int = 16) -> Finding:
    """Whether objects are where they were read, in each of some images, and how much of them lies inside.

    Args:
        renderer: of the sprites.
        poses: ``(M, N, 3)`` as read.
        images: ``(M, 3, h, w)`` in [0, 1].
        weight: ``(h, w)`` weights of the pixels.
        chunk: images handled at once.
    """
    found, left = _find(renderer, poses, images, weight, chunk)
    return Finding(found, inside(renderer, poses, chunk), left, unexplained(weight))


@torch.no_grad()
def found_at(renderer: Renderer, poses: Tensor, images: Tensor, weight: Tensor, chunk: int = 16) -> Tensor:
    """Which objects ``(M, N)`` are where they were read; arguments as of :func:`find`."""
    return _find(renderer, poses, images, weight, chunk)[0]


def _find(renderer: Renderer, poses: Tensor, images: Tensor, weight: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """Which objects are found in images, and what is left unexplained of these."""
    parts = zip(poses.split(chunk), images.split(chunk), strict=True)
    found, left = zip(*[_find_some(renderer, pose, image, weight) for pose, image in parts], strict=True)
    return torch.cat(found), torch.cat(left)


def _find_some(renderer: Renderer, poses: Tensor, images: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The same for a few images at once."""
    share = _share(renderer, poses, images, weight)
    seen, left = _seen(share), share.error
    deviation = (left / (images.shape[1] * weight.sum())).sqrt()[:, None]
    sure = seen * share.own.sqrt() / (2 * deviation).clamp(min=1e-6)
    return (seen > LEAST_SHOWN) & (sure > LEAST_SURE), left


def away(renderer: Renderer, pose: Tensor) -> Tensor:
    """Poses ``(*B, N, 3)`` so far from the frame that nothing is drawn of them."""
    return pose - pose.new_tensor([1.0, 1.0, 0.0]) * (10.0 * sum(renderer.image_size))


@torch.no_grad()
def inside(renderer: Renderer, poses: Tensor, chunk: int = 16) -> Tensor:
    """How much of what is painted at poses ``(M, N, 3)`` lies inside the frame: ``(M, N)`` from 0 to 1.

    Where sprites cannot be painted beyond the frame, 1 if their middle is inside and 0 if not. So many poses as
    ``chunk`` says are handled at once.
    """
    if not isinstance(renderer, SpriteRenderer):
        height, width = renderer.image_size
        limit = poses.new_tensor([width, height])
        return ((poses[..., :2] >= 0) & (poses[..., :2] <= limit)).all(-1).to(poses)
    return torch.cat([sprite_inside(renderer, some) for some in poses.split(chunk)])


@torch.no_grad()
def unexplained_part(
    renderer: Renderer,
    pose: Tensor,
    seen: Tensor,
    images: Callable[[slice], Tensor],
    weight: Tensor,
    side: int = 9,
) -> float:
    """Energy in the liveliest square of each frame with the objects drawn, in parts of that without: 0 is perfect.

    Squares of ``side`` pixels, not whole frames, so that noise everywhere counts for little.

    Args:
        renderer: of the sprites.
        pose: ``(M, N, 3)`` as read.
        seen: ``(M, N)``, which objects are there.
        images: from some of the M rows to their images ``(m, 3, h, w)`` in [0, 1].
        weight: ``(h, w)`` weights of the pixels.
        side: pixels.
    """
    gone = away(renderer, pose)

    def liveliest(own: slice) -> list[Tensor]:
        found = []
        for rows in ranks.blocks(own, 32):
            drawn = renderer(torch.stack([torch.where(seen[rows, :, None], pose[rows], gone[rows]), gone[rows]]))
            left = (weight * (images(rows) - drawn).square()).sum(2)
            found.append(_means(left, min(side, *left.shape[-2:])).amax((2, 3)))
        return [*torch.cat(found, 1)]

    drawn, empty = ranks.each(len(pose), liveliest, 32)
    return float(drawn.mean() / empty.mean().clamp(min=1e-12))


def _share(renderer: Renderer, pose: Tensor, images: Tensor, weight: Tensor) -> Share:
    """What each object contributes: sprites in their windows, what else is drawn over whole frames."""
    if isinstance(renderer, SpriteRenderer):
        return sprite_shares(renderer, pose, images, weight)
    return frame_shares(renderer, pose, images, weight)


def frame_shares(renderer: Renderer, pose: Tensor, images: Tensor, weight: Tensor) -> Share:
    """The same for any renderer: frames are drawn without each object, with it alone, with all and with none."""
    count = pose.shape[1]
    one = torch.eye(count, dtype=torch.bool, device=pose.device)[:, None, :, None]
    gone = away(renderer, pose)
    drawn = renderer(torch.cat([torch.where(one, gone, pose), torch.where(one, pose, gone), pose[None], gone[None]]))
    without, alone, whole, empty = drawn.split([count, count, 1, 1])
    error = (weight * (torch.cat([without, whole]) - images).square()).sum((2, 3, 4))
    own = (weight * (alone - empty).square()).sum((2, 3, 4))
    return Share((error[:-1] - error[-1]).T, own.T, error[-1])


def _seen(share: Share) -> Tensor:
    """The part of what an object would change alone by which the frame is better explained with it, ``(M, N)``."""
    return (share.gain / share.own.clamp(min=1e-6)).clamp(0.0, 1.0)


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
    """Set the renderer's order by comparing neighbours in it, as a bubble sort does, until a pass changes nothing.

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
        before = renderer.order.tolist()
        for place in range(last):
            order = renderer.order.tolist()
            swapped = [*order[:place], order[place + 1], order[place], *order[place + 2 :]]
            told = _telling(renderer, pose_of(unknowns), place, most)
            if len(told) == 0:
                continue
            errors: list[Tensor] = []
            for tried in (order, swapped):
                renderer.order.copy_(torch.tensor(tried))

                def missed(own: slice, told: Tensor = told) -> tuple[Tensor]:
                    images = frames[told[own]]
                    moved, _ = align(renderer, pose_of, unknowns[told[own]], images, weight, widths, 2)
                    return ((weight * (_render(renderer, pose_of(moved)) - images).square()).sum((1, 2, 3)),)

                errors += ranks.each(len(told), missed, 32)
            gain = (errors[0] - errors[1]) / (errors[0] + errors[1]).clamp(min=1e-9)
            renderer.order.copy_(torch.tensor(swapped if float(gain.mean()) > 0 else order))
        if renderer.order.tolist() == before:
            return


def _telling(renderer: SpriteRenderer, pose: Tensor, place: int, most: int) -> Tensor:
    """Numbers of at most so many of the poses ``(M, N, 3)``, in which a layer and the next swapped tell most."""
    differ = overlap(renderer, pose, place)
    largest = float(differ.max())
    return differ.topk(min(most, int((differ > max(0.1 * largest, 1e-3)).sum()))).indices


def _render(renderer: SpriteRenderer, pose: Tensor) -> Tensor:
    return torch.cat([renderer(part) for part in pose.split(32)])


def _means(images: Tensor, side: int) -> Tensor:
    """Means over all squares of so many pixels a side, of images ``(M, C, h, w)``: along one axis, then the other."""
    return functional.avg_pool2d(functional.avg_pool2d(images, (side, 1), 1), (1, side), 1)
