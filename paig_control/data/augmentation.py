"""New data from old: films flipped, shifted and zoomed, each as a whole, with truth and forces on the same map.

A point x of the picture goes to ``c + zoom flip (x - c) + shift``, c the picture's middle: the world seen in a
mirror, by a camera that moved aside or came nearer. What is measured in pixels is multiplied by the zoom, so a rest
length grows with it, and a force in px/s² too. What comes in from outside repeats the picture's edge.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

from paig_control import seeds
from paig_control.data.episodes import Sequences, Truth
from paig_control.errors import PaigError, nearest

KINDS = ("none", "flip", "shift", "zoom", "all")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """One map a sequence.

    Attributes:
        flip: ``(S, 2)``, -1 where x or y is mirrored, else 1.
        zoom: ``(S,)``, above 1 where things come out larger.
        shift: ``(S, 2)`` to the right and down, px.
    """

    flip: Floats
    zoom: Floats
    shift: Floats

    def turned(self, vector: NDArray[Any]) -> Floats:
        """Velocities or forces ``(S, ..., 2)``, px/s or px/s², as they look in the new films."""
        scale = (self.zoom[:, None] * self.flip).reshape(len(self.zoom), *(1,) * (vector.ndim - 2), 2)
        return np.asarray(scale * vector)

    def moved(self, position: NDArray[Any], size: tuple[int, int]) -> Floats:
        """Positions ``(S, ..., 2)`` in films of ``size`` (height, width), px, as they look in the new films."""
        middle = 0.5 * np.array(size[::-1], dtype=np.float64)
        shift = self.shift.reshape(len(self.zoom), *(1,) * (position.ndim - 2), 2)
        return middle + self.turned(position - middle) + shift

    def films(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resample films ``(S, T, h, w, 3)``: cubic splines, averaged over the larger pixel where a film shrinks.

        Splines overshoot at sharp edges, below black too. Cut off, that would move the centre of a ball on black by
        several hundredths of a pixel, differently at each place; so what is cut off is given back nearby.
        """
        height, width = frames.shape[2:4]
        new = np.empty_like(frames)
        for s, film in enumerate(frames):
            across = _weights(width, float(self.flip[s, 0]), float(self.zoom[s]), float(self.shift[s, 0]))
            down = _weights(height, float(self.flip[s, 1]), float(self.zoom[s]), float(self.shift[s, 1]))
            wide = np.tensordot(down, film, (1, 1)).transpose(1, 0, 2, 3)
            drawn = np.tensordot(across, wide, (1, 2)).transpose(1, 2, 0, 3)
            new[s] = np.rint(_within(drawn)).astype(np.uint8)
        return new

    def report(self) -> list[dict[str, Any]]:
        """One row a sequence, for a file."""
        return [
            {"flip_x": bool(f[0] < 0), "flip_y": bool(f[1] < 0), "shift_x": float(s[0]), "shift_y": float(s[1])}
            | {"zoom": float(z)}
            for f, z, s in zip(self.flip, self.zoom, self.shift, strict=True)
        ]


def draw(kind: str, count: int, seed: int, shift: float = 5.0, zoom: float = 1.25) -> Draws:
    """Draw one map for each of ``count`` sequences.

    Args:
        kind: ``flip`` mirrors along x, along y or along both; ``shift`` goes a distance of 0 to ``shift`` px in any
            direction; ``zoom`` is log-uniform from ``1 / zoom`` to ``zoom``; ``all`` is all three, ``none`` nothing.
        count: number of sequences S.
        seed: of the draws.
        shift: largest distance, px.
        zoom: largest zoom.

    Raises:
        PaigError: for an unknown kind.
    """
    if kind not in KINDS:
        raise PaigError(f"There is no augment={kind}; {nearest(kind, KINDS)}")
    rng = np.random.default_rng(seeds.whole(seed))
    which = rng.integers(1, 4, count)  # bit 0: x, bit 1: y
    flips = 1.0 - 2.0 * np.stack([which & 1, which >> 1], -1)
    angle, distance = rng.uniform(0, 2 * np.pi, count), rng.uniform(0, shift, count)
    shifts = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    zooms = np.exp(rng.uniform(-np.log(zoom), np.log(zoom), count))
    return Draws(
        flips if kind in ("flip", "all") else np.ones((count, 2)),
        zooms if kind in ("zoom", "all") else np.ones(count),
        shifts if kind in ("shift", "all") else np.zeros((count, 2)),
    )


def augment(data: Sequences, draws: Draws) -> Sequences:
    """Films and forces of a planar system under the maps.

    Raises:
        PaigError: for actions that are no pairs of force components.
    """
    actions = data.actions
    if actions is not None:
        if actions.shape[-1] % 2:
            raise PaigError(
                f"Actions of size {actions.shape[-1]} are no forces in the plane (x and y of each): "
                "evaluate these films with augment=none."
            )
        pairs = actions.reshape(*actions.shape[:2], -1, 2)
        actions = draws.turned(pairs).reshape(actions.shape).astype(np.float32)
    return dataclasses.replace(data, frames=draws.films(data.frames), actions=actions)


def augment_truth(truth: Truth, draws: Draws, size: tuple[int, int]) -> Truth:
    """States of a planar system under the maps; the constants stay those of the old films (see :func:`scaled`).

    Raises:
        PaigError: for states with other than two coordinates.
    """
    if truth.position is None:
        return truth
    if truth.position.shape[-1] != 2:
        raise PaigError("Flip, shift and zoom are for systems that move in the plane of the picture: use augment=none.")
    velocity = None if truth.velocity is None else draws.turned(truth.velocity)
    return dataclasses.replace(truth, position=draws.moved(truth.position, size), velocity=velocity)


def scaled(value: float, unit: str, zoom: NDArray[Any]) -> Floats:
    """A constant with this unit under each zoom: times the zoom to the power with which the unit has pixels."""
    found = re.match(r"px([²³]?)", unit)
    power = 0 if found is None else {"": 1, "²": 2, "³": 3}[found.group(1)]
    return np.asarray(value * np.asarray(zoom, dtype=np.float64) ** power)


def cut_frames(frames: NDArray[np.uint8], draws: Draws, contrast: int = 40) -> NDArray[np.bool_]:
    """Which frames ``(S, T)`` lose part of what moves over the edge, told from the old films' pixels.

    What moves is what differs from the pixel's median over all films by more than ``contrast`` levels in a channel.
    """
    height, width = frames.shape[2:4]
    flat = frames.reshape(-1, *frames.shape[2:])
    middle = np.median(flat[:: max(1, len(flat) // 500)], axis=0)
    moving = np.stack([np.abs(film - middle).max(-1) > contrast for film in frames])
    lost = np.zeros(frames.shape[:2], dtype=bool)
    for axis, (length, present) in enumerate(((width, moving.any(2)), (height, moving.any(3)))):
        centre = np.arange(length) + 0.5 - 0.5 * length
        new = (draws.flip[:, axis] * draws.zoom)[:, None] * centre + draws.shift[:, axis, None]
        lost |= (present & (np.abs(new) > 0.5 * length)[:, None]).any(-1)
    return lost


def _within(films: Floats, rounds: int = 15) -> NDArray[np.float32]:
    """Films ``(T, h, w, 3)`` between 0 and 255 that, seen through a blur of one pixel, are those given."""
    wanted = films.astype(np.float32)
    found = wanted.clip(0, 255)
    for _ in range(rounds):
        found = (found + gaussian_filter(wanted - found, (0, 1, 1, 0), mode="nearest", truncate=3)).clip(0, 255)
    return found


def _weights(length: int, flip: float, zoom: float, shift: float) -> Floats:
    """How much of each old pixel is in each new one along an axis: ``(length, length)``.

    A pixel is a mean over its own width already. Where the new pixel is wider than the old (zoom below 1), the mean
    over a further width of sqrt(1 / zoom² - 1) makes up for it: variances of box filters add up.
    """
    centre = np.arange(length) + 0.5
    source = 0.5 * length + flip * (centre - 0.5 * length - shift) / zoom
    further = np.sqrt(max(1 / zoom**2 - 1, 0.0)) * (np.arange(4) - 1.5) / 4
    points = (source[:, None] + further).clip(0.5, length - 0.5)
    weights: Floats = CubicSpline(centre, np.eye(length), bc_type="natural")(points).mean(1)
    return weights
