"""What is true of bodies on joints that MuJoCo moves, by the names and in the pixels of a learned mechanism.

For evaluation alone. Of each body with a joint count its mass, its centre and its inertia about the joint, with all
that hangs on it added where it hangs (the base parameters of :mod:`~paig_control.physics.lumped`); they are read off
the engine's own model, as are gravity, motors and friction. What turns counts counter-clockwise, what slides to the
right, as a camera sees it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.envs.checks import Array

STEEP = 75.0
"""Degrees by which a camera may look aslant, at most."""
FLAT = 1e-3
"""Joints that lie so much out of the picture's plane, or less, lie in it."""


class Camera(NamedTuple):
    """Where a camera is, and how it looks.

    Attributes:
        place: ``(3,)``.
        right: ``(3,)``, a unit long, as the next two.
        up: ``(3,)``.
        back: ``(3,)``, from what is seen to the camera.
        slope: half the height of what is seen, in parts of its distance.
    """

    place: Array
    right: Array
    up: Array
    back: Array
    slope: float

    def flat(self, way: Array) -> Array:
        """A way ``(3,)`` as far as it lies in the picture's plane."""
        return way - (way @ self.back) * self.back

    def facing(self, normal: Array, through: Array) -> Camera:
        """The camera that looks straight at a plane with this normal, a unit long, through a point.

        It looks at what this one has in the middle of its picture, from as far away, and is turned no more than it has
        to be: as :class:`paig_control.vision.camera.Camera` straightens pictures.
        """
        normal = math.copysign(1.0, normal @ self.back) * normal
        away = float((self.place - through) @ normal / (self.back @ normal))
        hinge = np.cross(self.back, normal)
        cross = np.array([np.cross(hinge, axis) for axis in np.eye(3)]).T
        turn = np.eye(3) + cross + cross @ cross / (1 + self.back @ normal)
        return self._replace(
            place=self.place - away * self.back + away * normal, right=turn @ self.right, up=turn @ self.up, back=normal
        )

    @classmethod
    def fixed(cls, model: Any, data: Any, camera: int | str) -> Camera:
        """A camera of a model's, where it is."""
        number = model.camera(camera).id
        right, up, back = np.array(data.cam_xmat[number]).reshape(3, 3).T
        slope = math.tan(math.radians(model.cam_fovy[number]) / 2)
        return cls(np.array(data.cam_xpos[number]), right, up, back, slope)

    @classmethod
    def of_scene(cls, scene: Any) -> Camera:
        """The camera by which an engine's scene was last drawn."""
        one, other = scene.camera
        place = (np.array(one.pos) + np.array(other.pos)) / 2
        forward, up = np.array(one.forward, float), np.array(one.up, float)
        return cls(place, np.cross(forward, up), up, -forward, float(one.frustum_top / one.frustum_near))


class _Link(NamedTuple):
    """A body with a joint, and what is fixed to it.

    Attributes:
        name: of it.
        on: number of the link that carries it.
        turns: whether its joint is a hinge.
        way: 1 or -1, whether its coordinate counts as the camera sees it.
        anchor: ``(3,)``, where the joint is.
        mass: kg.
        moment: ``(3,)``, mass times the way from the joint to its centre.
        inertia: about the joint's axis.
    """

    name: str
    on: int | None
    turns: bool
    way: float
    anchor: Array
    mass: float
    moment: Array
    inertia: float


def steady(env: gym.Env[Any, Any]) -> None:
    """Have all copies of an environment filmed from one place: Gymnasium's camera looks where bodies are at first."""
    world: Any = env.unwrapped
    if hasattr(world, "mujoco_renderer"):
        world.set_state(world.init_qpos, world.init_qvel)
        world.render()


def filmed(env: gym.Env[Any, Any]) -> tuple[Any, Camera, tuple[int, int]] | None:
    """What MuJoCo moves in an environment, by which camera it is seen, and height and width of what that renders.

    None where another engine moves it, or nothing is known of a camera.
    """
    world: Any = env.unwrapped
    if not hasattr(world, "model"):
        return None
    if hasattr(world, "view"):
        return world.model, world.view, world.frame
    if not hasattr(world, "mujoco_renderer"):
        return None
    return world.model, Camera.of_scene(world.mujoco_renderer._get_viewer("rgb_array").scn), (world.height, world.width)


def truth(
    model: Any, camera: Camera, frame: tuple[int, int], size: tuple[int, int], names: Sequence[str] = ()
) -> dict[str, float]:
    """Constants by name of a model whose joints lie in the picture's plane, one a body; of others none.

    Args:
        model: MuJoCo's.
        camera: that films it.
        frame: height and width of what it renders, pixels.
        size: of the pictures.
        names: of the bodies with joints; by default the model's own.
    """
    import mujoco

    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = _straight(model, data, camera)
    if free(model):
        return _pushed(mujoco, model, data, _lengths(data, camera, frame, size))
    gravity = np.array(model.opt.gravity)
    links = _links(mujoco, model, data, camera, names)
    down, weight = float(np.linalg.norm(camera.flat(gravity))), float(np.linalg.norm(gravity))
    weighed = down > FLAT * weight
    if not links or (weighed and abs(gravity @ camera.back) > FLAT * weight):
        return {}
    seen = next((link for link in links if link.turns), links[0])  # rails may be nearer to the camera
    away = float((camera.place - seen.anchor) @ camera.back)
    metre = _metre(away, camera, frame, size)
    found, whole = {}, _hung(links, camera)
    if len(whole) == 1 and whole[0].turns:
        return _rod(whole[0], down, float(model.dof_damping[0]), _driven(mujoco, model, data))
    if any(link.turns and not np.linalg.norm(link.moment) > 1e-9 * link.mass for link in whole):
        return {}  # a wheel, to which gravity does nothing
    spun = links[0].turns and not weighed  # then the first inertia is one, else the first moment or mass
    first = float(np.linalg.norm(whole[0].moment)) if links[0].turns else whole[0].mass
    first = metre * whole[0].inertia if spun else first
    for number, link in enumerate(whole):
        moment = float(np.linalg.norm(link.moment))
        if number:
            found[f"{link.name}_moment"] = moment / first * (1.0 if links[0].turns else metre)
        if link.turns and (number or not spun):
            found[f"{link.name}_length"] = metre * link.inertia / moment
    if weighed:
        found["gravity"] = metre * down
    drag = np.array([metre if links[0].turns else metre**2 if link.turns else 1.0 for link in links]) / first
    pulls = {"friction": drag * model.dof_damping}
    gains = _driven(mujoco, model, data)
    if gains is not None:
        pull = [each * link.way * (1.0 if link.turns else metre) for each, link in zip(drag, links, strict=True)]
        pulls["actuation"] = pull * gains
    for name, each in pulls.items():
        found |= {f"{link.name}_{name}": float(pull) for link, pull in zip(links, each, strict=True) if pull}
        acting = each[each != 0]
        if len(acting) and np.ptp(acting) < 1e-6 * abs(acting[0]) and (name == "actuation" or len(acting) == len(each)):
            found[name] = float(acting[0])
    return found


def _driven(mujoco: Any, model: Any, data: Any) -> NDArray[np.float64] | None:
    """What actions of one do in the joints, if each acts in one; else None."""
    gains = _acts(mujoco, model, data, 1.0)
    return gains if model.nu and not model.actuator_biastype.any() and np.count_nonzero(gains) == model.nu else None


def _rod(link: _Link, down: float, damping: float, gains: NDArray[np.float64] | None) -> dict[str, float]:
    """Constants of the uniform rod, a metre long and of one kg, that swings as a hinge alone does."""
    share = 1 / (3 * link.inertia)
    found = {"gravity": 2 * share * float(np.linalg.norm(link.moment)) * down, "friction": share * damping}
    found |= {} if gains is None else {"actuation": share * link.way * float(gains[0])}
    return {name: value for name, value in found.items() if value}


def free(model: Any) -> bool:
    """Whether all that moves are bodies that slide two ways."""
    import mujoco

    bodies = model.jnt_bodyid.tolist()
    each = bodies[::2] == bodies[1::2] and len(set(bodies)) == len(bodies) / 2
    return bool(bodies) and each and {*model.jnt_type.tolist()} == {int(mujoco.mjtJoint.mjJNT_SLIDE)}


def pixels(model: Any, camera: Camera, frame: tuple[int, int], size: tuple[int, int]) -> Array | None:
    """What true coordinates are as a picture shows them; None where they are compared by themselves.

    Of bodies that are :func:`free`, how far a unit of each of their two coordinates leads, px, x to the right and y
    down: ``(N, 2, 2)``. Of a hinge alone, the way in which it counts, and its zero, rad counter-clockwise from where
    nothing hangs: ``(1, 1, 2)``. Arguments are those of :func:`truth`.
    """
    import mujoco

    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = _straight(model, data, camera)
    if free(model):
        return _lengths(data, camera, frame, size)
    links = _links(mujoco, model, data, camera, ())
    if len(links) != 1 or not links[0].turns:
        return None
    hangs, falls = (
        math.atan2(way @ camera.up, way @ camera.right) for way in (links[0].moment, np.array(model.opt.gravity))
    )
    return np.array([[[links[0].way, math.remainder(hangs - falls - math.pi, 2 * math.pi)]]])


def _lengths(data: Any, camera: Camera, frame: tuple[int, int], size: tuple[int, int]) -> Array:
    """How far a unit of each of the two coordinates of free bodies leads, px: ``(N, 2, 2)``."""
    away = (camera.place - data.xanchor[::2]) @ camera.back
    ways = data.xaxis.reshape(-1, 2, 3) @ np.stack([camera.right, -camera.up], 1)
    return np.asarray(_metre(away, camera, frame, size)[:, None, None] * ways.swapaxes(1, 2))


def _metre(away: Any, camera: Camera, frame: tuple[int, int], size: tuple[int, int]) -> Any:
    """Pixels that a metre is long, so far from the camera."""
    return min(size[0] / frame[0], size[1] / frame[1]) * frame[0] / (2 * away * camera.slope)


def _pushed(mujoco: Any, model: Any, data: Any, unit: Array) -> dict[str, float]:
    """Constants of a free body: how strongly an action pushes it, px/s², along its own axis, and its damping."""
    mass, found = float(model.body_mass[model.jnt_bodyid[0]]), dict[str, float]()
    if len(unit) > 1 or any(model.dof_armature):
        return found
    rates = model.dof_damping / mass
    if rates[0] == rates[1] > 0:
        found["damping"] = float(rates[0])
    if model.nu == 2 and not model.actuator_biastype.any():
        ways = unit[0] @ np.stack([_acts(mujoco, model, data, one) for one in np.eye(2)], 1) / mass
        if max(abs(ways[0, 1]), abs(ways[1, 0]), abs(abs(ways[1, 1]) - abs(ways[0, 0]))) < FLAT * abs(ways[0, 0]):
            found["actuation"] = float(ways[0, 0])
    return found


def _normal(model: Any, data: Any, camera: Camera) -> Array:
    """Of the plane in which joints lie, if they lie in one; towards the camera."""
    import mujoco

    turning, axes = model.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE), data.xaxis
    normal = axes[turning][0] if turning.any() else np.linalg.svd(np.vstack([axes, np.zeros((3, 3))]))[2][-1]
    normal = camera.back if len(axes) == 1 and not turning[0] else normal
    return np.asarray(math.copysign(1.0, normal @ camera.back) * normal)


def _straight(model: Any, data: Any, camera: Camera) -> Camera:
    """The camera as it sees what is straightened."""
    normal = _normal(model, data, camera)
    if not FLAT < normal @ camera.back < 1 - FLAT:
        return camera
    return camera.facing(normal, data.xanchor[0])


def hindrance(model: Any, camera: Camera) -> str | None:
    """Why nothing here learns what moves in a model, or what it takes, in a sentence; None where nothing need be said.

    Arguments are those of :func:`truth`.
    """
    import mujoco

    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    hinge, slide = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)
    kinds, bodies = model.jnt_type.tolist(), model.jnt_bodyid.tolist()
    turning = np.array([kind == hinge for kind in kinds])
    axes, normal = data.xaxis, _normal(model, data, camera)
    flat = [
        abs(axis @ normal) > 1 - FLAT if turns else abs(axis @ normal) < FLAT
        for axis, turns in zip(axes, turning, strict=True)
    ]
    if not {*kinds} <= {hinge, slide} or not all(flat):
        return "Its bodies move in three dimensions, and not in a plane: they can be filmed, but not be learned."
    for body in sorted(set(bodies)):
        own = [kind for kind, mine in zip(kinds, bodies, strict=True) if mine == body]
        if len(own) > 1 and not free(model):
            return (
                f"Its body {model.body(body).name!r} slides and turns at once, as what stands on the ground and is "
                "pushed by contact: it can be filmed, but only bodies on one rail or hinge each are learned."
            )
    if _touching(mujoco, model):
        return "Its bodies push one another where they touch: they can be filmed, but contact cannot be learned."
    if normal @ camera.back < 1 - FLAT:
        return _aslant(normal, camera)
    return None


def _aslant(normal: Array, camera: Camera) -> str:
    """What to do about a camera that looks aslant at a plane with this normal."""
    tilt, fov = (math.degrees(angle) for angle in (math.acos(normal @ camera.back), 2 * math.atan(camera.slope)))
    if tilt > STEEP or abs(normal @ camera.right) > FLAT:
        return (
            "The camera looks at the plane of the joints too much aslant, or is rolled: choose another, by "
            "env.kwargs.env_kwargs.camera or, of Gymnasium's own, env.kwargs.env_kwargs.default_camera_config."
        )
    tilt = -math.copysign(tilt, normal @ camera.up)
    return (
        f"The camera looks at the plane of the joints {abs(tilt):.0f}° aslant: train with model.camera=oblique "
        f"model.tilt={tilt:.3g} model.fov={fov:.3g}."
    )


def _touching(mujoco: Any, model: Any) -> bool:
    """Whether two bodies that move may touch, as the engine filters pairs of them."""
    if model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_CONTACT):
        return False
    fixed, kind, affinity = model.body_weldid, model.geom_contype, model.geom_conaffinity
    for one, other in itertools.combinations(range(model.ngeom), 2):
        pair = [int(model.geom_bodyid[geom]) for geom in (one, other)]
        first, second = (int(fixed[body]) for body in pair)
        below = [int(fixed[model.body_parentid[body]]) for body in (first, second)]
        apart = first == second or 0 in (first, second) or below[0] == second or below[1] == first
        excluded = (min(pair) << 16) + max(pair) in model.exclude_signature
        if not apart and not excluded and (kind[one] & affinity[other] or kind[other] & affinity[one]):
            return True
    return False


def _links(mujoco: Any, model: Any, data: Any, camera: Camera, names: Sequence[str]) -> list[_Link]:
    """All bodies with joints, what is fixed to them added; none where that is no mechanism in the picture's plane."""
    hinge, kinds = int(mujoco.mjtJoint.mjJNT_HINGE), model.jnt_type.tolist()
    bodies = model.jnt_bodyid.tolist()
    turning = [kind == hinge for kind in kinds]
    if len(set(bodies)) < len(bodies) or not {*kinds} <= {hinge, int(mujoco.mjtJoint.mjJNT_SLIDE)}:
        return []
    axes = data.xaxis @ np.stack([camera.right, camera.up, camera.back], 1)
    if any(np.abs(axis[:2] if turns else axis[2:]).max() > FLAT for axis, turns in zip(axes, turning, strict=True)):
        return []
    if any(model.dof_armature[1:]):  # of a motor that turns along with the link below: no link has it
        return []
    owner: list[int | None] = []  # of each body the joint that moves it
    for body, below in enumerate(model.body_parentid.tolist()):
        owner.append(bodies.index(body) if body in bodies else None if body == 0 else owner[below])
    found = []
    for joint, body in enumerate(bodies):
        anchor, axis = data.xanchor[joint], data.xaxis[joint]
        mass, moment, inertia = 0.0, np.zeros(3), float(model.dof_armature[joint])
        for other in (one for one, moved_by in enumerate(owner) if moved_by == joint):
            arm = camera.flat(data.xipos[other] - anchor)
            turned = data.ximat[other].reshape(3, 3).T @ axis
            mass += float(model.body_mass[other])
            moment = moment + model.body_mass[other] * arm
            inertia += float(model.body_inertia[other] @ turned**2 + model.body_mass[other] * (arm @ arm))
        if not turning[joint]:
            mass += float(model.dof_armature[joint])
        way = axes[joint, 2] if turning[joint] else axes[joint, 0] if abs(axes[joint, 0]) > FLAT else axes[joint, 1]
        name = names[joint] if names else model.body(body).name or f"body{joint}"
        on = owner[int(model.body_parentid[body])]
        if on is not None and not turning[joint]:
            return []
        found.append(_Link(name, on, turning[joint], math.copysign(1.0, way), anchor, mass, moment, inertia))
    return found


def _hung(links: Sequence[_Link], camera: Camera) -> list[_Link]:
    """Links with the mass of all that hangs on them, where it hangs."""
    whole = list(links)
    for number in reversed(range(len(links))):
        link = whole[number]
        if link.on is not None:
            below = whole[link.on]
            arm = camera.flat(link.anchor - below.anchor)
            whole[link.on] = below._replace(
                mass=below.mass + link.mass,
                moment=below.moment + link.mass * arm,
                inertia=below.inertia + link.mass * float(arm @ arm),
            )
    return whole


def _acts(mujoco: Any, model: Any, data: Any, action: Any) -> NDArray[np.float64]:
    """What an action does in the joints."""
    data.ctrl[:] = action
    mujoco.mj_forward(model, data)
    return np.array(data.qfrc_actuator)
