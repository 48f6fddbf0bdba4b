"""PAIG, assembled: frames to coordinates to a state, physics into the future, and back to frames.

Nothing is hidden between camera and controller: coordinates are read off the frame by the localiser and corrected
through the renderer, the state is a least-squares fit through the physics, and what is predicted can be drawn.
(Jaques, Burke and Hospedales, Physics-as-Inverse-Graphics, ICLR 2020.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from paig_control.errors import PaigError
from paig_control.models.estimators import Estimator, LeastSquares
from paig_control.physics.base import Physics
from paig_control.physics.dynamics import Dynamics
from paig_control.types import Finding, Reading, State
from paig_control.vision.alignment import UNEXPLAINED, align
from paig_control.vision.camera import STRAIGHT, Camera
from paig_control.vision.kinematics import Kinematics
from paig_control.vision.localizer import Eyes
from paig_control.vision.renderer import Renderer
from paig_control.vision.visibility import away, find, found_at, inside, shown

WIDTH = 0.1
"""Step by which the renderer is differentiated, in scales of each coordinate."""
AT_ONCE = 64
"""Frames that are images at the same time, when many are read: an image takes four times the memory of its frame."""
LONG, GLANCES = 8, 12
"""Frames of a film in which something may be seen to stand, at least, and at how many of them that is looked."""
FAINT, ALIKE = 0.1, 1.05
"""Readings trusted less, in parts of good ones in their film, are looked for again between the others, and what is
found there is taken unless it explains a frame so many times worse."""
STANDING = 0.03
"""Squared error of a pixel, summed over channels, that nearly unexplained stands there all the time."""
MUCH = 0.8
"""What leaves less than such a part of another error unexplained is much better."""


def check_frames(frames: Tensor) -> None:
    """Refuse what are no frames as cameras give them, ``(*B, h, w, 3)`` uint8.

    Raises:
        PaigError: for another type or number of channels.
    """
    if frames.dtype != torch.uint8 or frames.dim() < 3 or frames.shape[-1] != 3:
        raise PaigError(
            f"Frames of type {frames.dtype} and shape {tuple(frames.shape)}: expected uint8 (..., height, width, 3)."
        )


def to_images(frames: Tensor) -> Tensor:
    """Frames as cameras give them, ``(*B, h, w, 3)`` uint8, to images ``(*B, 3, h, w)`` in [0, 1].

    Raises:
        PaigError: for another type or number of channels.
    """
    check_frames(frames)
    return frames.movedim(-1, -3).float() / 255


def to_pictures(images: Tensor) -> NDArray[np.uint8]:
    """The way back: images ``(*B, 3, h, w)`` in [0, 1] to ``(*B, h, w, 3)`` uint8, as screens and files want them."""
    shown: NDArray[np.uint8] = images.clamp(0, 1).mul(255).round().byte().movedim(-3, -1).cpu().numpy()
    return shown


class PAIG(nn.Module):
    """A world model whose state means something.

    Args:
        dynamics: how things move: a physics, or a place for a black box.
        kinematics: where pictures stand for given coordinates.
        localizer: where objects are seen.
        renderer: what is seen for given poses.
        input_frames: frames from which the state is inferred.
        polish: Gauss-Newton steps through the renderer after the localiser.
        estimator: what knows how coordinates go on; least squares through the physics by default.
        camera: how frames look at the plane of motion, which all images show straight.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        kinematics: Kinematics,
        localizer: Eyes,
        renderer: Renderer,
        input_frames: int = 4,
        polish: int = 1,
        estimator: type[Estimator] = LeastSquares,
        camera: Camera = STRAIGHT,
    ) -> None:
        super().__init__()
        self.dynamics, self.kinematics, self.localizer, self.renderer = dynamics, kinematics, localizer, renderer
        self.input_frames, self.polish, self.camera = input_frames, polish, camera
        self.estimator = estimator(dynamics, renderer.image_size, input_frames)
        self.weight: Tensor
        self.register_buffer("weight", torch.ones(renderer.image_size))

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the frames that the model reads and draws, pixels."""
        return self.renderer.image_size

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self.weight.device

    @property
    def physics(self) -> Physics:
        """The laws of its dynamics.

        Raises:
            PaigError: for a black box.
        """
        return self.dynamics.laws()

    def images(self, frames: Tensor) -> Tensor:
        """Frames ``(*B, h, w, 3)`` uint8 to images ``(*B, 3, h, w)`` in [0, 1], straightened, on the model's device.

        What is called an image here is as :meth:`render` draws it; a frame is as the camera gives it.

        Raises:
            PaigError: for another type or number of channels.
        """
        return self.camera.straight(to_images(frames.to(self.device)))

    def pictures(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Frames ``(*B, h, w, 3)`` as images show them, to be looked at beside what is drawn."""
        return to_pictures(self.images(torch.from_numpy(frames))) if self.camera.aslant else frames

    def see(self, images: Tensor, standing: Tensor | None = None) -> Tensor:
        """Coordinates ``(M, N, D)`` by the eyes alone, differentiable if they learn, from images ``(M, 3, h, w)``.

        At pixels ``standing`` ``(h, w)`` something else is seen, which is looked past.
        """
        return self.localizer.see(images, self) if standing is None else self.localizer.see(images, self, standing)

    def locate(self, frames: Tensor) -> Tensor:
        """Coordinates ``(*B, N, D)`` in frames ``(*B, h, w, 3)`` uint8: the positions that :meth:`read` gives."""
        return self.read(frames).position

    @torch.no_grad()
    def read(self, frames: Tensor, steps: int | None = None) -> Reading:
        """Coordinates and their trust ``(*B, N, D)`` in frames ``(*B, h, w, 3)`` uint8: the eyes', polished.

        They are polished in so many steps, by default the model's own number. Frames ``(S, T, h, w, 3)`` are films, in
        which bodies on joints are found past what stands in them.

        Raises:
            PaigError: for frames of another size or type.
        """
        check_frames(frames)
        if frames.shape[-3:-1] != self.image_size:
            height, width = self.image_size
            raise PaigError(
                f"Frames of {frames.shape[-3]} x {frames.shape[-2]} pixels: the model was trained on "
                f"{height} x {width}, so record or resize them to that."
            )
        found = self._looked(frames.reshape(-1, *frames.shape[-3:]), steps)
        if frames.dim() > 4 and self._told_apart(length := frames.shape[-4]):
            for number, film in enumerate(frames.reshape(-1, *frames.shape[-4:])):
                own = slice(number * length, (number + 1) * length)
                seen = Reading(*(part[own] for part in found))
                standing = self.standing(film, seen.position)
                seen = seen if standing is None else self._looked(film, steps, standing)
                for part, better in zip(found, self._bridged(film, seen, steps, standing), strict=True):
                    part[own] = better
        return Reading(*(part.reshape(*frames.shape[:-3], *part.shape[1:]) for part in found))

    def _told_apart(self, frames: int) -> bool:
        """Whether a film of so many frames tells bodies on joints from what stands in it."""
        return self.kinematics.chained and frames >= LONG

    def _looked(self, frames: Tensor, steps: int | None, standing: Tensor | None = None) -> Reading:
        """Coordinates in frames ``(M, h, w, 3)``, past what stands in them at some pixels ``(h, w)``."""
        found = []
        for part in frames.split(AT_ONCE):
            images = self.images(part)
            weight = None if standing is None else self.weight * ~standing
            found.append(self.polished(self.see(images, standing), images, steps, weight))
        return Reading(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def _bridged(self, film: Tensor, seen: Reading, steps: int | None, standing: Tensor | None) -> Reading:
        """What was read in a film ``(T, h, w, 3)``, hardly trusted frames looked at again from between the others."""
        good = FAINT * seen.trust.quantile(0.8, 0)
        sure = (seen.trust > good).flatten(1).all(1)
        known, hidden = sure.nonzero()[:, 0], (~sure).nonzero()[:, 0]
        if not len(hidden) or len(known) < 2:
            return seen
        apart = self.dynamics.difference(seen.position[known[1:]], seen.position[known[:-1]])
        path = torch.cat([torch.zeros_like(apart[:1]), apart.cumsum(0)]) + seen.position[known[0]]
        after = torch.searchsorted(known, hidden).clamp(1, len(known) - 1)
        first, last = known[after - 1], known[after]
        part = ((hidden - first) / (last - first)).clamp(0, 1)[:, None, None]
        images = self.images(film.to(self.device)[hidden])
        weight = self.weight if standing is None else self.weight * ~standing
        between = torch.lerp(path[after - 1], path[after], part)
        other = self.polished(between, images, steps, weight)
        other = Reading(torch.where(other.trust > good, other.position, between), other.trust)
        before = self._unexplained(seen.position[hidden], images, weight)
        better = (self._unexplained(other.position, images, weight) < ALIKE * before + UNEXPLAINED)[:, None, None]
        kept = (torch.where(better, new, old[hidden]) for new, old in zip(other, seen, strict=True))
        return Reading(*(old.index_copy(0, hidden, new) for old, new in zip(seen, kept, strict=True)))

    @torch.no_grad()
    def standing(self, film: Tensor, position: Tensor) -> Tensor | None:
        """Pixels ``(h, w)`` at which something stands all through a film that is none of the bodies, as a goal may.

        Of bodies on joints alone; None where there is nothing, or the film is too short to tell.

        Args:
            film: ``(T, h, w, 3)``, uint8.
            position: as read in it, ``(T, N, D)``.
        """
        if not self._told_apart(len(film)):
            return None
        some = torch.linspace(0, len(film) - 1, min(len(film), GLANCES)).round().long()
        drawn = self.renderer(self.kinematics.pose(position[some]))
        left = (drawn - self.images(film[some])).square().sum(1).median(0).values
        found = functional.max_pool2d((left > STANDING).float()[None], 3, 1, 1)[0] > 0
        return found if bool(found.any()) else None

    def bare(self, films: Tensor, position: Tensor) -> Callable[[slice], Tensor]:
        """From some of all frames of films ``(S, T, h, w, 3)`` to their images, without what stands in the films.

        ``position`` is what was read in them, ``(S, T, N, D)``.
        """
        standing = [self.standing(film, place) for film, place in zip(films, position, strict=True)]
        frames, length = films.flatten(0, 1), films.shape[1]

        def images(rows: slice) -> Tensor:
            found = self.images(frames[rows])
            for image, row in zip(found, range(len(frames))[rows], strict=True):
                place = standing[row // length]
                if place is not None:
                    image.copy_(torch.where(place, self.renderer.scene(), image))
            return found

        return images

    def polished(self, seen: Tensor, images: Tensor, steps: int | None = None, weight: Tensor | None = None) -> Reading:
        """Coordinates ``(M, N, D)`` corrected until the rendered frame is the seen one, and their trust.

        Pixels count by ``weight`` ``(h, w)``, by default the model's own.
        """
        weight = self.weight if weight is None else weight
        steps = self.polish if steps is None else steps
        if not steps:
            return Reading(seen, torch.ones_like(seen))
        shape = seen.shape[1:]
        flat = seen.flatten(1)
        widths = WIDTH * self.dynamics.scale.flatten().to(flat)
        moved, trust = align(
            self.renderer,
            lambda v: self.kinematics.pose(v.unflatten(-1, shape)),
            flat,
            images,
            weight,
            widths,
            steps,
            chained=self.kinematics.chained,
        )
        moved, trust = moved.reshape(seen.shape), trust.reshape(seen.shape)
        if shape[0] > 1:  # an object alone hides behind nothing
            pose = self.kinematics.pose(moved)
            trust = trust * shown(self.renderer, pose, images, weight)[..., None]
            if (
                self.kinematics.chained
            ):  # of what is at the edge another side may be seen, and one body leads to another
                trust = trust * (2 * inside(self.renderer, pose) - 1).clamp(min=0)[..., None]
        return Reading(moved, trust)

    @torch.no_grad()
    def read_near(self, frames: Tensor, reading: Reading, expected: Tensor, steps: int = 3) -> Reading:
        """The reading, or what is found from ``expected`` where that explains a frame better.

        Args:
            frames: ``(M, h, w, 3)``, uint8.
            reading: of these frames, ``(M, N, D)``.
            expected: coordinates ``(M, N, D)`` from which the search through the renderer starts too.
            steps: of that search.
        """
        images = self.images(frames)
        other = self.polished(expected.to(reading.position), images, steps if self.polish else 0)
        first, second = (self._unexplained(one.position, images) for one in (reading, other))
        better = (second < first)[:, None, None]
        return Reading(*(torch.where(better, new, old) for new, old in zip(other, reading, strict=True)))

    @torch.no_grad()
    def better_from(self, start: Tensor, position: Tensor, images: Tensor) -> Tensor:
        """Which images ``(M, 3, h, w)`` are explained much better from a ``start`` than by a ``position``.

        Both are coordinates ``(M, N, D)``; from the start, search goes on through the renderer. ``(M,)``.
        """
        other = self.polished(start, images, 3).position
        return self._unexplained(other, images) < MUCH * self._unexplained(position, images)

    def _unexplained(self, position: Tensor, images: Tensor, weight: Tensor | None = None) -> Tensor:
        """Weighted squared error ``(M,)`` of what is drawn for coordinates ``(M, N, D)``."""
        drawn: Tensor = self.renderer(self.kinematics.pose(position))
        return ((self.weight if weight is None else weight) * (drawn - images).square()).flatten(1).sum(1)

    def examine(self, frames: Tensor, position: Tensor) -> Finding:
        """Whether objects are found at coordinates ``(B, N, D)`` in frames ``(B, h, w, 3)`` uint8."""
        images = self.images(frames)
        return find(self.renderer, self.kinematics.pose(position), images, self.weight)

    @torch.no_grad()
    def seen(self, frames: Tensor) -> Tensor:
        """Whether each object is seen where it is read in frames ``(*B, h, w, 3)`` uint8: ``(*B, N)``."""
        pose = self.kinematics.pose(self.read(frames).position)
        parts = zip(pose.flatten(0, -3).split(AT_ONCE), frames.flatten(0, -4).split(AT_ONCE), strict=True)
        found = [found_at(self.renderer, p, self.images(f), self.weight) for p, f in parts]
        return torch.cat(found).reshape(pose.shape[:-1])

    def inside(self, position: Tensor) -> Tensor:
        """How much of each object at coordinates ``(B, N, D)`` lies inside the frame: ``(B, N)`` from 0 to 1."""
        return inside(self.renderer, self.kinematics.pose(position))

    def infer(self, frames: Tensor, actions: Tensor) -> State:
        """State at the first of the frames ``(B, T, h, w, 3)``, given the actions ``(B, T - 1, A)`` between them."""
        return self.estimator.first(self.dynamics, self.read(frames), actions)

    @torch.no_grad()
    def estimate(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> State:
        """State at the last of T frames from coordinates and trust ``(B, T, N, D)`` and actions ``(B, T - 1, A)``."""
        return self.estimator.last(self.dynamics, coordinates, actions, trust)

    def predict(self, state: State, actions: Tensor) -> State:
        """States ``(*B, H, N, D)`` after each of the actions ``(*B, H, A)``."""
        return self.physics.rollout(state, actions)

    def render(self, state: State, seen: Tensor | None = None) -> Tensor:
        """Images ``(*B, 3, h, w)`` in [0, 1] of states ``(*B, N, D)``; only of those ``seen`` ``(*B, N)``, if given."""
        pose = self.kinematics.pose(state.position)
        if seen is not None:
            pose = torch.where(seen[..., None], pose, away(self.renderer, pose))
        images: Tensor = self.renderer(pose)
        return images

    def unroll(self, coordinates: Tensor, actions: Tensor, trust: Tensor | None = None) -> Tensor:
        """Positions at all T frames, inferred from the first ``input_frames`` coordinates ``(B, I, N, D)``.

        ``actions`` ``(B, T - 1, A)`` cover the input frames and the future; ``trust`` is that of the coordinates.
        """
        return self.estimator.unroll(self.dynamics, coordinates, actions, trust)
