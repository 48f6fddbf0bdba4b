"""Discovery of bodies on rails and hinges: the tree is walked, then pictures, joints and coordinates fitted together.

Sprites are fitted with the coordinates held, and coordinates to the frames through the renderer; frames that are badly
explained are tried with each coordinate in turn all around. Then all joints and all coordinates move at once, each
frame's own coordinates eliminated, as in the bundle adjustment of photogrammetry (Triggs and others, Vision Algorithms:
Theory and Practice, 1999).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from paig_control import ranks
from paig_control.errors import PaigError
from paig_control.estimation.least_squares import damped
from paig_control.vision.alignment import align, chained_normal, pixel_weight
from paig_control.vision.discovery import Discovered, fit_sprites
from paig_control.vision.linkage import Linked
from paig_control.vision.renderer import SpriteRenderer
from paig_control.vision.visibility import found_at
from paig_control.vision.walk import walk

MOST = 400
"""Frames that are looked at, at most."""
AT_ONCE = 64
"""Frames that are looked at together; few, so that they stay in a processor's cache."""
AROUND = 48
"""Values of a coordinate at which badly explained frames are tried."""
BAD = 2.0
"""Frames whose error is so many times the usual, or more, are tried again."""
TRUSTED = 3.0
"""Frames whose error is so many times the usual, or less, say where joints are."""
UNCOVERED = 0.98
"""Of a pixel so much of the background is seen, or more, where no body is."""
SMEARED = 0.03
"""A background that differs by so much from what is usually seen, or less, is the better one: it knows bodies' rims."""
MOST_LEFT = 0.8
"""Of what is missing from the joints' places, such a part at most is taken to be left by a round."""
SETTLED = 0.15
"""Pixels by which joints move in a round, at most, where they have found their places; else there are more rounds, up
to twice as many."""
AFRESH = 3
"""Rounds after sprites have begun anew, at least."""
PRICED = 2
"""In so many of them texels have a price."""
CHEAP = 0.03
"""A texel of a sprite has to explain such a part of what the usual one does."""
FAINT = 0.1
"""The same of that sprite's whose texels explain least: faint bodies are not to fade beside strong ones."""
GLANCED = 100
"""Frames, about, by which that is judged."""


def discover_linked(
    frames: Tensor,
    joints: Sequence[tuple[str, int | None]],
    generator: torch.Generator,
    rounds: int = 3,
    steps: int = 80,
    progress: Callable[[float, str], None] | None = None,
) -> Discovered:
    """Find bodies that move on these joints.

    Args:
        frames: ``(M, 3, h, w)`` in [0, 1], at least some tens, in which all of them move.
        joints: of each body the kind, and the number of the body that carries it; None for the world.
        generator: the source of candidates and minibatches.
        rounds: times that pictures, coordinates and joints take turns.
        steps: gradient steps on the sprites in each round.
        progress: called with the fraction done and a line of text.

    Raises:
        PaigError: when nothing moves, or not as the joints say.
    """
    tell = progress or (lambda fraction, text: None)
    tell(0.0, "joints")
    walked = walk(frames, joints, generator)
    kinematics = walked.kinematics
    side = math.ceil(max(walked.sizes)) + 8
    renderer = SpriteRenderer((frames.shape[-2], frames.shape[-1]), len(joints), side + 1 - side % 2).to(frames.device)
    with torch.no_grad():
        renderer.background.copy_(torch.logit(walked.background.clamp(0.02, 0.98)))
    fit = _Fit(renderer, kinematics, frames)
    flat, pick = walked.coordinates.flatten(1), walked.rare.cpu()
    rounds *= 2  # pictures and joints give way to one another slowly
    moved = math.inf
    for index in range(2 * rounds + 1):
        last = index == 2 * rounds or (index >= rounds + AFRESH and moved < SETTLED)
        tell((1 + index) / (2 * rounds + 2), "pictures and joints")
        pose = fit.pose(flat).detach()
        kept = index >= rounds + PRICED
        fit.price = fit.priced(pose) if index and not kept else 0.0
        if index >= rounds:
            _uncover(renderer, pose, frames)
        if index == rounds:
            renderer.clear()  # of what they took over while joints were off
        fit_sprites(renderer, pose, frames, fit.weight, pick, generator, steps, last, fit.price, kept, index < rounds)
        before = kinematics.geometry.detach()
        flat = fit.bundle(fit.again(fit.align(flat)))
        moved = float((kinematics.geometry.detach() - before).abs().max())
        if not last:
            flat = fit.onward(flat)
        if index == 1:
            fit.sort(flat, pick, generator, steps)
        with torch.no_grad():
            fit.weight = pixel_weight(renderer, fit.pose(flat), frames.__getitem__)
        if last:
            break
    flat = fit.align(flat)
    with torch.no_grad():
        pose = fit.pose(flat)
        seen = found_at(renderer, pose, frames, fit.weight)
        _check_seen(seen)
        shown = [flat[seen[:, n], n] for n in range(len(joints))]
        kinematics.reach.copy_(kinematics.offset.norm(dim=-1).clamp(min=1.0))
        for n, (kind, _) in enumerate(joints):
            if kind == "rail":
                room = renderer.window / 2  # so far beyond, parts of it may still be seen
                kinematics.span[:, n] = torch.stack([shown[n].min() - room, shown[n].max() + room])
        coordinates = flat[..., None] + kinematics.raise_up()
    tell(1.0, "done")
    return Discovered(coordinates, kinematics, renderer, fit.weight, seen)


@torch.no_grad()
def _uncover(renderer: SpriteRenderer, pose: Tensor, frames: Tensor) -> None:
    """Take the median of what is seen where no body is for the background, where the two differ clearly.

    What stands elsewhere in each film has left its mean there.
    """
    ground = renderer.background.clone()
    bare = []
    for at, part in zip(pose.split(AT_ONCE), frames.split(AT_ONCE), strict=True):
        drawn = []
        for level in (-20.0, 20.0):
            renderer.background.fill_(level)
            drawn.append(renderer(at))
        bare.append(torch.where(drawn[1] - drawn[0] > UNCOVERED, part, torch.nan))
    seen = torch.cat(bare).nanmedian(0).values.clamp(0.02, 0.98)
    renderer.background.copy_(ground)
    off = ((seen - torch.sigmoid(ground)).abs() > SMEARED).any(0) & seen.isfinite().all(0)
    renderer.background.copy_(torch.where(off, torch.logit(seen), ground))


def _check_seen(seen: Tensor) -> None:
    """Refuse bodies that are hardly ever seen where they should be.

    Raises:
        PaigError: for the first of them.
    """
    for n, part in enumerate(seen.double().mean(0).tolist()):
        if part < 0.2:
            raise PaigError(
                f"Body {n} is found in only {100 * part:.0f} % of the frames: the films do not show these joints. Look "
                "at the tree of joints: how many links there are, and on what each turns or slides."
            )


class _Fit:
    """Sprites, joints and coordinates of some frames, as they are fitted.

    Attributes:
        weight: ``(h, w)``, of the pixels.
        widths: ``(N,)``, perturbations of the coordinates; a step moves them by ten times as much, at most.
        price: of a texel, in a frame's squared error.
    """

    def __init__(self, renderer: SpriteRenderer, kinematics: Linked, frames: Tensor) -> None:
        self.renderer, self.kinematics, self.frames = renderer, kinematics, frames
        self.weight = frames.new_ones(frames.shape[-2:])
        self.widths = kinematics.widths
        self.price = 0.0
        self._past: list[Tensor] = []

    def pose(self, flat: Tensor) -> Tensor:
        """Poses ``(*B, N, 3)`` of coordinates ``(*B, N)``."""
        return self.kinematics.pose(flat[..., None])

    def priced(self, pose: Tensor) -> float:
        """A price of texels by what sprites explain now."""
        change, texels = self.renderer.worth(pose[:: max(1, len(pose) // GLANCED)])
        texels = texels.clamp(min=1e-9)
        usual, least = float(change.sum() / texels.sum()), float((change / texels).min())
        return min(CHEAP * usual, FAINT * least)

    def align(self, flat: Tensor, some: Tensor | slice = slice(None)) -> Tensor:
        """Coordinates ``(M, N)`` moved towards the least error of some frames."""
        frames = self.frames[some]

        def move(own: slice) -> tuple[Tensor]:
            moved = align(
                self.renderer, self.pose, flat[own], frames[own], self.weight, self.widths, 3, AT_ONCE, chained=True
            )
            return (moved[0],)

        return ranks.each(len(flat), move, AT_ONCE)[0]

    @torch.no_grad()
    def errors(self, flat: Tensor, some: Tensor | slice = slice(None)) -> Tensor:
        """Weighted squared errors of some frames."""
        parts = zip(flat.split(AT_ONCE), self.frames[some].split(AT_ONCE), strict=True)
        drawn = [(self.weight * (self.renderer(self.pose(at)) - few).square()).sum((1, 2, 3)) for at, few in parts]
        return torch.cat(drawn)

    def again(self, flat: Tensor) -> Tensor:
        """Coordinates, badly explained frames tried with each in turn all around, and with all of them twice."""
        error = self.errors(flat)
        bad = (error > BAD * error.median()).nonzero()[:, 0]
        if not len(bad):
            return flat
        flat, best, least = flat.clone(), flat[bad], error[bad]
        for n, (kind, _) in [*enumerate(self.kinematics.joints)] * 2:
            low, high = (-math.pi, math.pi) if kind == "hinge" else (float(flat[:, n].min()), float(flat[:, n].max()))
            around = torch.linspace(low, high, AROUND + 1, device=flat.device)[:-1]
            tried = [best.index_fill(1, torch.tensor(n, device=flat.device), float(value)) for value in around]
            which = torch.stack([self.errors(one, bad) for one in tried]).argmin(0)
            moved = self.align(torch.stack(tried)[which, torch.arange(len(bad), device=flat.device)], bad)
            left = self.errors(moved, bad)
            best, least = torch.where((left < least)[:, None], moved, best), torch.minimum(left, least)
        flat[bad] = best
        return flat

    def sort(self, flat: Tensor, pick: Tensor, generator: torch.Generator, steps: int) -> None:
        """Choose which picture lies over which, in place; pictures give way to any order, so each has its own fit."""
        renderer = self.renderer
        for place in range(renderer.objects - 1):
            begun, ends = copy.deepcopy(renderer.state_dict()), []
            order = renderer.order.tolist()
            for tried in (order, [*order[:place], order[place + 1], order[place], *order[place + 2 :]]):
                renderer.load_state_dict({**begun, "order": torch.tensor(tried)})
                drawn = torch.Generator().manual_seed(int(generator.initial_seed()))
                pose = self.pose(flat).detach()
                fit_sprites(renderer, pose, self.frames, self.weight, pick, drawn, steps, price=self.price)
                error = self.errors(self.align(flat))
                usual = error.clamp(max=5 * float(error.median())).mean()
                ends.append((float(usual), copy.deepcopy(renderer.state_dict())))
            renderer.load_state_dict(min(ends, key=lambda end: end[0])[1])

    @torch.no_grad()
    def onward(self, flat: Tensor) -> Tensor:
        """Coordinates after joints have gone on, in place, by what is to be expected of all rounds to come.

        Pictures follow joints and joints pictures, so what is missing shrinks by about the same part in each round
        (Aitken's extrapolation).
        """
        self._past = [*self._past[-2:], self.kinematics.geometry.clone()]
        if len(self._past) < 3:
            return flat
        before, now = (self._past[n + 1] - self._past[n] for n in range(2))
        part = float(((now @ before) / before.square().sum().clamp(min=1e-12)).clamp(0, MOST_LEFT))
        if float(now.abs().max()) < 0.3:
            self.kinematics.build(self._past[-1] + part / (1 - part) * now)
            self._past.clear()
            flat = self.align(flat)
        return flat

    @torch.no_grad()
    def bundle(self, flat: Tensor, steps: int = 3) -> Tensor:
        """Joints, in place, and coordinates ``(M, N)`` moved together; each frame's coordinates are eliminated."""
        kinematics, count = self.kinematics, flat.shape[1]
        error = self.errors(flat)
        good = (error <= TRUSTED * error.median()).double()
        for _ in range(steps):
            geometry = kinematics.geometry.detach()
            widths = torch.cat([self.widths, kinematics.geometry_widths])

            def pose_of(both: Tensor) -> Tensor:
                return kinematics.pose(both[..., :count, None], both[..., count:])

            def look(
                own: slice, at: Tensor = flat, geometry: Tensor = geometry, widths: Tensor = widths
            ) -> tuple[Tensor, ...]:
                matrix, score, back = [], [], []
                for few, frames in zip(at[own].split(AT_ONCE), self.frames[own].split(AT_ONCE), strict=True):
                    both = torch.cat([few, geometry.expand(len(few), -1)], 1)
                    found = chained_normal(self.renderer, pose_of, both, frames, self.weight, widths)
                    full, slope = found.matrix.double(), found.score.double()[..., None]
                    mixed = torch.cat([full[:, :count, count:], slope[:, :count]], -1)
                    back.append(torch.linalg.solve(damped(full[:, :count, :count], 1e-3, 1e-4), mixed))
                    left = torch.cat([full[:, count:, count:], slope[:, count:]], -1)
                    left = left - full[:, count:, :count] @ back[-1]
                    matrix.append(left[..., :-1])
                    score.append(left[..., -1])
                return torch.cat(matrix), torch.cat(score), torch.cat(back)

            matrix, score, back = ranks.each(len(flat), look, AT_ONCE)
            total = damped(torch.einsum("m,mij->ij", good, matrix), 1e-3, 1e-2)
            move = torch.linalg.solve(total, good @ score).clamp(-1, 1)
            own = (back[..., -1] - back[..., :-1] @ move).to(flat)
            flat = flat + torch.minimum(torch.maximum(own, -10 * self.widths), 10 * self.widths)
            kinematics.build(geometry + move.to(geometry))
        return flat
