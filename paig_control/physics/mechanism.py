"""A scene: bodies on joints, and the forces between them, put together to a physics.

Bodies that move freely are points and keep a fast path: the forces are their accelerations. A single rail or hinge has
a constant inertia; rails and hinges upon one another have a mass matrix (:class:`~paig_control.physics.joints.Tree`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from paig_control.errors import PaigError, quoted
from paig_control.naming import known, made
from paig_control.physics.base import DAMPED, FORWARD, SCHEMES, Physics
from paig_control.physics.compiled import Laws, laws_of, rolled
from paig_control.physics.force import Force
from paig_control.physics.forces import Friction, Motor, Push, Weight, find_force, kind_of
from paig_control.physics.joints import JOINTS, Body, Tree
from paig_control.physics.lumped import Lumped, Pulls, Stepping, begun, flat, inertia_of, is_lumped, lumped
from paig_control.physics.written import KEYS, MOST
from paig_control.types import State

UNITS = {"gravity": "px/s²", "actuation": "px/s²"}
"""Of constants where lengths are the picture's."""
SPUN = {"actuation": "1/s²", "friction": "1/s"}
"""Of constants where the first hinge's inertia is one."""


class Motion:
    """Where things are and how they move, as forces are told; what is not asked for is not computed.

    Attributes:
        position: coordinates ``(*B, N, D)``.
        velocity: of them, per second.
    """

    def __init__(self, scene: Mechanism, position: Tensor, velocity: Tensor) -> None:
        self.scene, self.position, self.velocity = scene, position, velocity

    @cached_property
    def places(self) -> Any:
        """Of bodies on rails and hinges, as their tree says it."""
        assert self.scene.tree is not None
        return self.scene.tree.places(self.position)

    @property
    def place(self) -> Tensor:
        """Centres of mass of the bodies, ``(*B, N, 2)``."""
        return self.position if self.scene.tree is None else self.places.place

    @cached_property
    def speed(self) -> Tensor:
        """Velocities of the centres of mass, ``(*B, N, 2)``."""
        if self.scene.tree is None:
            return self.velocity
        return torch.einsum("...ncp,...c->...np", self.places.slope, self.velocity[..., 0])

    @property
    def down(self) -> Tensor:
        """What gravity does along each coordinate, ``(*B, N, D)``, in parts of the scene's ``lever``."""
        scene = self.scene
        if scene.rod is not None:
            return torch.sin(self.position)
        if scene.tree is None:
            return scene.below.to(self.position).expand_as(self.position)
        return scene.tree.down(self.places)

    @property
    def depth(self) -> Tensor:
        """Moments of all bodies downwards ``(*B,)``: what gravity is the slope of."""
        if self.scene.tree is None:
            return (self.scene.mass.to(self.position) * self.position[..., 1]).sum(-1)
        return self.scene.tree.depth(self.position, self.places)


class Mechanism(Physics):
    """Bodies that move as their joints let them, under forces that add up.

    Args:
        dt: time between frames, s.
        bodies: with their joints, or how many that move freely.
        forces: by the names under which they stand in files; constants that two of them share go by both names.
        substeps: integration steps a frame.

    Attributes:
        tree: of rails and hinges; None for bodies that move freely.
        turning: whether it is one hinge, and nothing acts but in it.
        divides: whether what acts on free bodies is divided by their masses.
        ease: what forces are multiplied by, one over the inertia of a rod that turns; else 1.
        handed: ``(2,)``, of free bodies: -1 for an axis along which the camera mirrors.

    Raises:
        PaigError: for bodies, joints and forces that do not fit one another.
    """

    def __init__(self, dt: float, bodies: int | Sequence[Body], forces: Mapping[str, Force], substeps: int = 5) -> None:
        self.bodies = tuple([Body()] * bodies if isinstance(bodies, int) else bodies)
        _check(self.bodies, forces)
        learned, weighed = is_lumped(self.bodies), any(isinstance(force, Weight) for force in forces.values())
        units = SPUN if self.bodies[0].joint == "hinge" and not weighed else UNITS
        for label, force in forces.items() if learned else ():
            if force.on == "bodies":
                raise PaigError(f"The force {label} acts on bodies as they lie on their joints: tell their lengths.")
        names = _names(forces)
        constants = [
            dataclasses.replace(
                one, name=names[label][one.name], unit=units.get(one.name, one.unit) if learned else one.unit
            )
            for label, force in forces.items()
            for one in force.constants
        ]
        constants = [*(inertia_of(self.bodies, weighed) if learned else ()), *constants]
        super().__init__(dt, substeps, [JOINTS[body.joint] for body in self.bodies], 0, constants)
        mass = torch.tensor([body.mass for body in self.bodies], dtype=torch.float64)
        self.mass: Tensor
        self.register_buffer("mass", mass, persistent=False)
        self.tree: Tree | Lumped | None = None
        self.rod: Body | None = None
        self.lever = self.ease = 1.0
        length = self.bodies[0].length or 0.0
        if self.bodies[0].joint == "free":
            self.kinematics = "planar"
            self.below: Tensor
            self.register_buffer("below", torch.stack([torch.zeros_like(mass), mass], -1), persistent=False)
            self.register_buffer("handed", torch.ones(2))
        else:
            self.kinematics, self.joints = "tree", tuple((body.joint, body.on) for body in self.bodies)
            self.tree = Lumped(self.bodies, self.constant, weighed) if learned else Tree(self.bodies)
            if len(self.bodies) == 1 and self.bodies[0].joint == "hinge":
                self.kinematics, self.rod = "rotary", self.bodies[0]
                self.lever = self.rod.mass * length / 2
        self.turning = self.rod is not None and all(force.on == "joints" for force in forces.values())
        if self.rod is not None and self.turning:
            self.ease = 3.0 / (self.rod.mass * length**2)
        self.divides = self.tree is None and not bool((mass == 1).all())
        self.forces: dict[str, Force] = dict(forces)
        self.terms = nn.ModuleList(forces.values())
        for label, force in forces.items():
            force.enter(self, names[label])
        ends = list(itertools.accumulate(force.acts for force in forces.values()))
        self.action_size = ends[-1] if ends else 0
        self._pulls: list[tuple[Force, slice | None, float]] = [
            (
                force,
                None if force.acts in (0, self.action_size) else slice(end - force.acts, end),
                self.ease / force.ease,
            )
            for force, end in zip(forces.values(), ends, strict=True)
            if not force.walls
        ]
        self.rubs = any(force.rubbing() is not None for force in forces.values())
        self._walls = [force for force in forces.values() if force.walls]
        self.walls = bool(self._walls)
        coupled = self.rod is None and any(body.joint == "hinge" for body in self.bodies)  # Coriolis terms
        self.uses_velocity = coupled or any(force.uses_velocity for force in forces.values())
        pushes = [force.whom for force in forces.values() if isinstance(force, Push)]
        self.pushed = tuple(pushes[0]) if len(pushes) == 1 and self.tree is None else ()
        fastest = torch.tensor([[body.max_speed] * self.dims for body in self.bodies])
        self.fastest: Tensor
        self.register_buffer("fastest", fastest, persistent=False)
        self._limited = not bool(fastest.isinf().all())
        self.spec = {"name": "scene", **self.describe()}

    def acceleration(self, state: State, action: Tensor) -> Tensor:
        """Acceleration ``(*B, N, D)`` by all forces, under the action ``(*B, A)``."""
        motion = Motion(self, *state)
        bodies: Tensor | None = None
        joints: Tensor | None = None
        for force, part, factor in self._pulls:
            found = force.forward(motion, action if part is None else action[..., part])
            found = found if factor == 1.0 else found * factor
            if force.on == "bodies":
                bodies = found if bodies is None else bodies + found
            else:
                joints = found if joints is None else joints + found
        eased = self.eased
        if self.tree is not None and not self.turning:
            return self.tree.accelerate(state, motion.places, bodies, joints, eased)
        total = bodies if joints is None else joints if bodies is None else bodies + joints
        if total is None:
            return torch.zeros_like(state.position)
        if eased is not None:
            return total / (eased + (self.mass.to(total)[:, None] if self.divides else 1))
        return total / self.mass.to(total)[:, None] if self.divides else total

    @property
    def eased(self) -> Tensor | None:
        """What implicit friction adds to each body's inertia, ``(*B, N, D)`` or less; None by other schemes."""
        if self.scheme != DAMPED:
            return None
        parts = [part for force in self.forces.values() if (part := force.rubbing()) is not None]
        return self.dt / self.substeps * torch.stack(torch.broadcast_tensors(*parts)).sum(0) if parts else None

    def seat(self, anchor: Tensor, direction: Tensor, reach: Tensor | None = None) -> None:
        """See :meth:`~paig_control.physics.dynamics.Dynamics.seat`."""
        tree = lumped(self.tree)
        if tree is not None:
            tree.anchor.copy_(anchor)
            tree.direction.copy_(direction)
            self.set_values({} if reach is None else begun(self.bodies, reach.tolist(), tree.weighed))

    def limit(self, velocity: Tensor) -> Tensor:
        """Clip velocities where bodies have a highest speed."""
        if not self._limited:
            return velocity
        if self.rod is not None:
            return velocity.clamp(-self.rod.max_speed, self.rod.max_speed)
        fastest = self.fastest.to(velocity)
        return velocity.clamp(-fastest, fastest)

    def reflect(self, state: State) -> State:
        """Bring a state back between walls."""
        for force in self._walls:
            state = force.reflect(state)
        return state

    @cached_property
    def laws_alone(self) -> Laws | None:
        """What it is made of, where compiled code knows it all; a class that extends this one may do more."""
        return laws_of(self) if type(self) is Mechanism else None

    def imagined(self, state: State, actions: Tensor, repeat: int = 1) -> State | None:
        """By compiled code, where all forces are known; see :meth:`~paig_control.physics.base.Physics.imagined`."""
        return None if self.laws_alone is None else rolled(self, self.laws_alone, state, actions, repeat)

    def rollout(self, state: State, actions: Tensor) -> State:
        """See :meth:`~paig_control.physics.base.Physics.rollout`; by compiled code where there is some."""
        quick = self._swung(state, actions) if type(self) is Mechanism else None
        return super().rollout(state, actions) if quick is None else quick

    def _swung(self, state: State, actions: Tensor) -> State | None:
        """States under weight, friction and motors, of bodies whose lengths are learned."""
        tree = lumped(self.tree)
        if tree is None or not {type(force) for force in self.forces.values()} <= {Weight, Friction, Motor}:
            return None
        none = state.position.new_zeros(())
        gravity, friction, gains = none, none.expand(self.objects), [none.expand(self.objects, 0)]
        for force in self.forces.values():
            value = flat(force.value(force.constants[0].name)).to(none)[..., None]
            if isinstance(force, Weight):
                gravity = gravity + value[..., 0]
            elif isinstance(force, Friction):
                friction = friction + value * force.rubbed[:, 0].to(none)
            elif isinstance(force, Motor):
                gains.append(value[..., None] * force.spread.to(none))
        each = torch.broadcast_shapes(*(gain.shape[:-1] for gain in gains))
        h = self.dt / self.substeps
        drifts, kicks = SCHEMES.get(self.scheme, ((), ()))
        return tree.rolled(
            state,
            actions,
            Pulls(gravity, friction, torch.cat([gain.expand(*each, -1) for gain in gains], -1)),
            Stepping(
                ([part * h for part in drifts], [part * h for part in kicks]),
                h,
                self.substeps,
                self.scheme == FORWARD,
                h if self.scheme == DAMPED else 0.0,
            ),
        )

    def energy(self, state: State) -> Tensor | None:
        """Energy ``(*B,)`` of motion and of place, actions apart; None if a force takes it away or tells of none."""
        motion = Motion(self, *state)
        kept = [force for force in self.forces.values() if not (force.walls or force.driven)]
        told = [(force.potential(motion), force.ease) for force in kept]
        if any(part is None for part, _ in told):
            return None
        if self.tree is None:
            moving = (self.mass.to(state.velocity)[:, None] * state.velocity.square()).sum((-1, -2)) / 2
        else:
            moving = self.tree.energy(state)
        return sum((part / ease for part, ease in told if part is not None), moving)

    def describe(self) -> dict[str, Any]:
        """What :func:`scene_of` makes the same scene of."""
        forces = {}
        for label, force in self.forces.items():
            kind = kind_of(force)
            forces[label] = {**({} if kind == label else {"kind": kind}), **force.options()}
        if all(body == Body() for body in self.bodies):
            return {"objects": len(self.bodies), "forces": forces}
        return {"bodies": [_told(body) for body in self.bodies], "forces": forces}


def _told(body: Body) -> dict[str, Any]:
    """What of a body is not as by default, in plain values."""
    values = {item.name: getattr(body, item.name) for item in dataclasses.fields(Body) if item.name != "joint"}
    usual = dataclasses.asdict(Body())
    told = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {"joint": body.joint, **{name: value for name, value in told.items() if values[name] != usual[name]}}


def _names(forces: Mapping[str, Force]) -> dict[str, dict[str, str]]:
    """For each force, what its constants are called in the scene."""
    shared = Counter(one.name for force in forces.values() for one in force.constants)
    return {
        label: {c.name: c.name if shared[c.name] == 1 else f"{label}_{c.name}" for c in force.constants}
        for label, force in forces.items()
    }


def _check(bodies: Sequence[Body], forces: Mapping[str, Force]) -> None:
    """Refuse bodies that cannot be, and forces that they cannot feel."""
    if not 0 < len(bodies) <= MOST:
        raise PaigError(f"A scene of {len(bodies)} bodies: expected at least 1, and at most {MOST}.")
    for number, body in enumerate(bodies):
        body.check(number)
    if len({len(JOINTS[body.joint]) for body in bodies}) > 1:
        raise PaigError("Some bodies are free, others on rails or hinges: expected all of them free, or none.")
    for label, force in forces.items():
        if len(bodies) < force.least:
            raise PaigError(f"objects = {len(bodies)}: the force {label} needs at least {force.least}.")
        for number, body in enumerate(bodies):
            if body.joint not in force.joints:
                kind = "free" if body.joint == "free" else f"on a {body.joint}"
                raise PaigError(
                    f"Body {number} is {kind} and cannot feel the force {label}, which acts on bodies with joints of "
                    f"the kind {' or '.join(force.joints)}: leave it out."
                )


def scene_of(description: Mapping[str, Any], dt: float, imports: bool = False) -> Mechanism:
    """The scene that a description says, in plain values.

    Args:
        description: ``objects`` (how many bodies move freely) or ``bodies`` (a list, each with the attributes of
            :class:`~paig_control.physics.joints.Body`); ``forces`` by name, each with its arguments, with ``kind``
            where its name is not that of its kind, or false to leave it out; ``force: false`` to leave out all that
            actions drive; ``substeps``.
        dt: time between frames, s.
        imports: whether ``package:Name`` of a force may import the package.

    Raises:
        PaigError: that names what is wrong.
    """
    known(description, KEYS, "A scene")
    given = description.get("forces") or {}
    if not isinstance(given, Mapping):
        raise PaigError(f"forces = {quoted(given)}: expected names with arguments, for example spring: {{}}.")
    forces = {}
    for label, arguments in given.items():
        if arguments is False:
            continue
        values = {} if arguments in (None, True) else arguments
        if not isinstance(values, Mapping) or not str(label).isidentifier():
            raise PaigError(
                f"forces.{label} = {quoted(arguments)}: expected a name with arguments, or false to leave it out."
            )
        kind = values.get("kind", label)
        cls = find_force(str(kind), imports)
        own = {str(name): value for name, value in values.items() if name != "kind"}
        if not (cls.driven and description.get("force") is False):
            forces[str(label)] = made(cls, own, f"forces.{label}", MOST)
    substeps = description.get("substeps", 5)
    if type(substeps) is not int:
        raise PaigError(f"substeps = {quoted(substeps)}: expected a whole number of at least 1.")
    try:
        return Mechanism(dt, _bodies(description), forces, substeps)
    except (TypeError, ValueError, OverflowError) as error:  # of values without a usual kind, as pairs of bodies
        if isinstance(error, PaigError):
            raise
        raise PaigError(f"The scene cannot be put together ({error}): look at its bodies and forces.") from None


def _bodies(description: Mapping[str, Any]) -> int | list[Body]:
    given = description.get("bodies")
    if given is None:
        count = description.get("objects", 1)
        if type(count) is not int or not 0 < count <= MOST:
            raise PaigError(f"objects = {quoted(count)}: expected a whole number from 1 to {MOST}.")
        return count
    if not isinstance(given, Sequence) or isinstance(given, str) or not all(isinstance(one, Mapping) for one in given):
        raise PaigError(f"bodies = {quoted(given)}: expected a list of bodies, for example [{{joint: free}}].")
    if description.get("objects", len(given)) != len(given):
        raise PaigError(f"objects = {quoted(description['objects'])} beside {len(given)} bodies: leave objects out.")
    return [  # to YAML, the word "on" is the same as "true"
        made(Body, {"on" if name is True else str(name): value for name, value in one.items()}, f"bodies.{n}", MOST)
        for n, one in enumerate(given)
    ]
