"""Eyes, renderers and kinematics by name: what a checkpoint may ask for, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from paig_control.errors import PaigError, nearest
from paig_control.vision.camera import Camera
from paig_control.vision.kinematics import Aslant, Kinematics, Planar, Rotary
from paig_control.vision.linkage import Linked
from paig_control.vision.localizer import Eyes, Localizer
from paig_control.vision.matching import Matching
from paig_control.vision.paper import MaskedLocalizer, TemplateRenderer
from paig_control.vision.renderer import Renderer, SpriteRenderer

EYES: dict[str, type[Eyes]] = {kind.kind: kind for kind in (Matching, Localizer, MaskedLocalizer)}
RENDERERS: dict[str, type[Renderer]] = {kind.kind: kind for kind in (SpriteRenderer, TemplateRenderer)}
LEAST, MOST = 8, 4096
"""Pixels of an image along an axis, at least; pixels or texels along an axis, and channels, at most."""


def described(part: Eyes | Renderer) -> dict[str, Any]:
    """Name and options from which :func:`build_eyes` or :func:`build_renderer` makes the same part."""
    return {"kind": part.kind, **part.options()}


def build_eyes(description: Mapping[str, Any], objects: int) -> Eyes:
    """Eyes by name, for ``objects`` objects.

    Raises:
        PaigError: for an unknown name, or sizes that cannot be meant.
    """
    kind: Callable[..., Eyes] = EYES[_name(description, EYES)]
    return kind(objects=objects, **_options(description))


def build_renderer(description: Mapping[str, Any], objects: int) -> Renderer:
    """A renderer by name, of ``objects`` objects.

    Raises:
        PaigError: for an unknown name, or sizes that cannot be meant.
    """
    kind: Callable[..., Renderer] = RENDERERS[_name(description, RENDERERS)]
    return kind(objects=objects, **_options(description))


def described_camera(camera: Camera) -> dict[str, float]:
    """Numbers from which :func:`build_camera` makes the same one."""
    return {name: number for name, number in camera._asdict().items() if math.isfinite(number)}


def build_camera(description: Mapping[str, float]) -> Camera:
    """A camera by its numbers; one that looks straight without any.

    Raises:
        PaigError: for numbers that cannot be meant.
    """
    camera = Camera(**description)
    if not 0 <= camera.tilt < math.pi / 2 or not camera.focal:
        raise PaigError(f"model.json asks for {camera}: that cannot be meant.")
    return camera


def build_kinematics(
    name: str, objects: int, joints: Sequence[tuple[str, int | None]] = (), aslant: bool = False
) -> Kinematics:
    """Kinematics by name, for ``objects`` objects, of which some have joints, seen straight on or aslant.

    Raises:
        PaigError: for an unknown name, or more objects than it can carry.
    """
    if name == Linked.name and len(joints) == objects:
        return Linked(joints)
    if name == Planar.name:
        return Planar(objects)
    if name == Rotary.name and objects == 1:
        return Aslant() if aslant else Rotary()
    raise PaigError(f"There is no kinematics {name!r} for {objects} objects: known are planar, and rotary for one.")


def _name(description: Mapping[str, Any], known: Collection[str]) -> str:
    name = str(description["kind"])
    if name not in known:
        raise PaigError(f"Unknown part of a model {name!r}; {nearest(name, known)}")
    return name


def _options(description: Mapping[str, Any]) -> dict[str, Any]:
    """Options with sizes checked: whole numbers of pixels, at least :data:`LEAST` along an image's axis."""
    options = {key: value for key, value in description.items() if key != "kind"}
    if "image_size" in options:
        height, width = (int(n) for n in options["image_size"])
        options["image_size"] = (height, width)
        if min(height, width) < LEAST:
            raise PaigError(f"model.json asks for frames of {height} x {width}: that cannot be meant.")
    numbers = [n for value in options.values() for n in (value if isinstance(value, tuple) else (value,))]
    numbers = [n for n in numbers if not isinstance(n, bool)]
    if not all(0 < n <= MOST for n in numbers):
        raise PaigError(f"model.json asks for {options}: that cannot be meant.")
    return options
