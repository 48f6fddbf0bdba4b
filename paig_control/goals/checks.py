"""Goals at the border: a picture must show every object wholly, and coordinates must lie inside the picture.

A localiser names a place for every object of any picture. Whether the object is there the model tells by drawing it;
an agent's model that cannot draw is believed.
"""

from __future__ import annotations

from typing import Protocol, TypeGuard

import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.physics.base import Physics
from paig_control.types import Finding, State

WHOLE, HALF = 0.97, 0.5
"""Parts of an object's picture that must be inside the frame: of a goal that is shown, and of one that is told."""


class Examines(Protocol):
    """A model that can tell whether what it reads off a picture is there."""

    def examine(self, frames: Tensor, position: Tensor) -> Finding:
        """What frames ``(B, h, w, 3)`` show of objects that were read at ``(B, N, D)``."""
        ...

    def inside(self, position: Tensor) -> Tensor:
        """How much of each object at ``(B, N, D)`` lies inside the frame: ``(B, N)`` from 0 to 1."""
        ...


def examines(model: object) -> TypeGuard[Examines]:
    """Whether a model can tell, what it hands on from another included."""
    return hasattr(model, "examine") and hasattr(model, "inside")


def check_shown(model: object, frames: Tensor, position: Tensor) -> None:
    """Refuse goal images ``(B, h, w, 3)`` that do not show every object, read at ``(B, N, D)``, wholly.

    Raises:
        PaigError: if they do not.
    """
    if not examines(model):
        return
    finding = model.examine(frames, position)
    missing, cut = ~finding.found, finding.inside < WHOLE
    remedy = "or give coordinates in its place"
    if bool(missing.any()):
        raise PaigError(
            f"In the goal image {_which(missing)} not found: drawn where the model sees it, it does not explain the "
            "picture. Show an image of this scene, as the camera sees it, with every object in it and none hidden, "
            f"{remedy}."
        )
    if bool(cut.any()):
        raise PaigError(
            f"In the goal image {_which(cut)} cut by the border: expected every object wholly inside the picture. Show "
            f"another image, {remedy}."
        )


def check_told(model: object, physics: Physics, target: State, batch: int) -> State:
    """Check a goal given as coordinates ``(B, N, D)`` or ``(1, N, D)``, tensors or arrays; returns tensors.

    Raises:
        PaigError: for another shape, numbers that are not finite, or objects outside the picture.
    """
    try:
        told = State(*(torch.as_tensor(part, dtype=torch.float32).clone() for part in target))
    except (TypeError, ValueError, RuntimeError):
        raise PaigError("The goal's coordinates are no numbers: expected State(position, velocity).") from None
    target = check_state(physics, State(*(part.to(physics.free.device) for part in told)), batch)
    if examines(model):
        outside = model.inside(target.position) < HALF
        if bool(outside.any()):
            places = ", ".join(f"{value:g}" for value in target.position[outside][0].tolist())
            raise PaigError(
                f"In the goal {_which(outside)} outside the picture, at [{places}]: expected coordinates inside it, in "
                "pixels from its upper left corner."
            )
    return target


def check_state(physics: Physics, target: State, batch: int) -> State:
    """Check that a goal has one state for all environments, or one for each, and finite numbers.

    Raises:
        PaigError: if it has not.
    """
    shapes = [(count, physics.objects, physics.dims) for count in sorted({1, batch})]
    for name, value in (("position", target.position), ("velocity", target.velocity)):
        if tuple(value.shape) not in shapes:
            expected = " or ".join(str(shape) for shape in shapes)
            raise PaigError(
                f"The goal's {name} has shape {tuple(value.shape)}: expected {expected}, "
                "one goal for all environments or one for each, every object's coordinates."
            )
        if not bool(torch.isfinite(value).all()):
            raise PaigError(f"The goal's {name} is not finite: expected an image in which every object is seen.")
    return target


def _which(wrong: Tensor) -> str:
    """The first goal of ``(B, N)`` with something wrong, and its objects."""
    goal = int(wrong.any(-1).nonzero()[0])
    numbers = [str(n) for n in wrong[goal].nonzero()[:, 0].tolist()]
    what = f"object {numbers[0]} is" if len(numbers) == 1 else f"objects {' and '.join(numbers)} are"
    return what if len(wrong) == 1 else f"number {goal}, {what}"
