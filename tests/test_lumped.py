"""Bodies on joints of which nothing is told: moved as told ones, as Gymnasium's, and by machine code as by tensors."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

from paig_control.errors import PaigError
from paig_control.estimation.identification import identify
from paig_control.evaluation.metrics import against_truth
from paig_control.machine import by_tensors
from paig_control.physics import Body, Mechanism, build_physics, integrate_by
from paig_control.physics.check import check_physics, untold
from paig_control.physics.forces import AnchoredSpring, Friction, Motor, Weight
from paig_control.physics.mechanism import scene_of
from paig_control.types import State

CART = [Body("rail", name="cart"), Body("hinge", on=0, length=None, name="pole")]
ARM = [Body("hinge", length=None), Body("hinge", on=0, anchor=(0.0, -1.5), length=None)]
THREE = [Body("rail"), Body("hinge", on=0, length=None), Body("hinge", on=1, anchor=(0.3, -2.0), length=None)]


def scene(bodies: list[Body], **values: float) -> Mechanism:
    forces = {"weight": Weight(), "motor": Motor([0]), "friction": Friction()}
    found = Mechanism(0.05, bodies, forces).double()
    found.set_values(values)
    return found


def separate(bodies: list[Body]) -> Mechanism:
    """Friction of its own in each joint, and two motors of different strength."""
    forces = {"weight": Weight(), "first": Motor([1]), "second": Motor([0])}
    found = Mechanism(0.05, bodies, {**forces, "low": Friction([0]), "high": Friction([1])}).double()
    pulls = {"first_actuation": 1.0, "second_actuation": -2.0, "low_friction": 0.3, "high_friction": 0.1}
    found.set_values({"gravity": 3.0, **pulls})
    return found


def drawn(physics: Mechanism, *batch: int) -> tuple[State, Tensor]:
    given = torch.Generator().manual_seed(1)
    shape = (*batch, physics.objects, 1)
    position, velocity = (torch.randn(shape, generator=given, dtype=torch.float64) for _ in range(2))
    return State(position, velocity), torch.randn(*batch, 6, physics.action_size, generator=given, dtype=torch.float64)


def told_arm(upper: float, lower: float, m1: float, m2: float) -> tuple[Mechanism, dict[str, float]]:
    """Two uniform rods, and what of them counts."""
    told = [Body("hinge", length=upper, mass=m1), Body("hinge", on=0, anchor=(0.0, -upper), length=lower, mass=m2)]
    moment = m1 * upper / 2 + m2 * upper
    counts = {
        "body_0_length": (m1 * upper**2 / 3 + m2 * upper**2) / moment,
        "body_1_moment": m2 * lower / 2 / moment,
        "body_1_length": lower * 2 / 3,
        "gravity": 9.0,
        "actuation": 2.0 / moment,
        "friction": 0.1 / moment,
    }
    return scene(told, gravity=9.0, actuation=2.0, friction=0.1), counts


def told_cart(mass: float, length: float) -> tuple[Mechanism, dict[str, float]]:
    """A cart of mass one with a uniform pole, and what of them counts."""
    told = [Body("rail"), Body("hinge", on=0, mass=mass, length=length)]
    total = 1 + mass
    counts = {"pole_moment": mass * length / 2 / total, "pole_length": length * 2 / 3, "gravity": 9.0}
    counts |= {"actuation": 2.0 / total, "friction": 0.1 / total}
    return scene(told, gravity=9.0, actuation=2.0, friction=0.1), counts


@pytest.mark.parametrize(
    ("bodies", "told"), [(CART, told_cart(0.3, 2.0)), (ARM, told_arm(1.5, 0.9, 0.7, 0.4))], ids=["cart", "arm"]
)
def test_what_counts_moves_them_as_their_masses_and_lengths_do(
    bodies: list[Body], told: tuple[Mechanism, dict[str, float]]
) -> None:
    known, counts = told
    found = scene(bodies, **counts)
    state, actions = drawn(known, 20)
    expected = known.acceleration(state, actions[:, 0])
    torch.testing.assert_close(found.acceleration(state, actions[:, 0]), expected, rtol=1e-9, atol=1e-9)
    assert untold(found) == []


def test_without_gravity_links_count_in_parts_of_the_first_ones_inertia() -> None:
    upper, lower, m1, m2 = 12.0, 9.0, 0.7, 0.4
    told = [Body("hinge", length=upper, mass=m1), Body("hinge", on=0, anchor=(0.0, -upper), length=lower, mass=m2)]
    first = m1 * upper**2 / 3 + m2 * upper**2
    forces = {"upper": Motor([0]), "lower": Motor([1]), "friction": Friction()}
    known = Mechanism(0.05, told, forces).double()
    known.set_values({"upper_actuation": 20.0, "lower_actuation": -9.0, "friction": 5.0})
    found = build_physics("reacher", 0.05).double()
    found.seat(torch.tensor([[3.0, 4.0], [0.0, -upper]]), torch.zeros(2), torch.tensor([6.0, 4.5]))
    assert found.values()["lower_moment"] == pytest.approx(0.3 / 12)
    counts = {"lower_moment": m2 * lower / 2 / first, "lower_length": lower * 2 / 3}
    counts |= {"upper_actuation": 20 / first, "lower_actuation": -9 / first, "friction": 5 / first}
    found.set_values(counts)
    assert set(found.names) == set(counts)
    state, actions = drawn(known, 20)
    expected = known.acceleration(state, actions[:, 0])
    torch.testing.assert_close(found.acceleration(state, actions[:, 0]), expected, rtol=1e-9, atol=1e-9)
    assert untold(found) == []
    units = {one.name: one.unit for one in found.constants}
    assert (units["lower_moment"], units["friction"], units["upper_actuation"]) == ("1/px", "1/s", "1/s²")


@pytest.mark.parametrize("bodies", [CART, ARM, THREE], ids=["cart", "arm", "three"])
def test_without_friction_energy_is_kept(bodies: list[Body]) -> None:
    found = Mechanism(0.05, bodies, {"weight": Weight()}).double()
    names = [name for name in found.names if name.endswith("moment")]
    found.set_values({"gravity": 4.0, **dict.fromkeys(names, 0.2)})
    assert check_physics(found).conserved


@pytest.mark.parametrize("integrator", ["euler-2", "damped-2", "rk4-1", "forward-2"])
@pytest.mark.parametrize(
    "found",
    [
        *(scene(bodies, gravity=3.0, actuation=-1.5, friction=0.2) for bodies in (CART, ARM, THREE)),
        separate(THREE),
        build_physics("reacher", 0.05).double(),
    ],
    ids=["cart", "arm", "three", "separate", "weightless"],
)
def test_machine_code_rolls_out_as_tensors_do(found: Mechanism, integrator: str) -> None:
    pytest.importorskip("numba")
    found = copy.deepcopy(found)
    moments = [one for one in found.constants if one.name.endswith("moment")]
    found.set_values({one.name: 0.02 if one.unit == "1/px" else 0.2 for one in moments})
    integrate_by(found, integrator)
    state, actions = drawn(found, 3, 4)
    each = found.free.detach() + 0.1 * torch.randn(3, 4, len(found.names), generator=torch.Generator().manual_seed(2))
    for values in ({}, found.as_values(each), found.as_values(each[:, :1])):
        with torch.no_grad(), found.using(values):
            quick = found.rollout(state, actions)
            with by_tensors():
                slow = found.rollout(state, actions)
        torch.testing.assert_close(quick, slow, rtol=1e-9, atol=1e-9)
    assert found.rollout(state, actions).position.requires_grad  # by tensors
    single = State(*(x.float() for x in state))
    with torch.no_grad():
        assert found.rollout(single, actions.float()).velocity.dtype == torch.float32
        with by_tensors():
            assert found.rollout(single, actions.float()).velocity.dtype == torch.float32
        assert copy.deepcopy(found).rollout(state, actions).position.shape == (3, 4, 6, found.objects, 1)


def test_friction_of_one_joint_holds_that_joint_alone() -> None:
    told = [Body("rail"), Body("hinge", on=0, mass=0.3, length=2.0)]
    rubbed, free = (Mechanism(0.05, told, forces).double() for forces in ({"pivot": Friction([1])}, {}))
    rubbed.set_values({"friction": 0.5})
    state, actions = drawn(rubbed, 20)
    apart = rubbed.acceleration(state, actions[:, 0]) - free.acceleration(state, actions[:, 0])
    angle = state.position[:, 1, 0]
    matrix = torch.eye(2, dtype=torch.float64).repeat(20, 1, 1) * torch.tensor([1.3, 0.4], dtype=torch.float64)
    matrix[:, 0, 1] = matrix[:, 1, 0] = -0.3 * torch.cos(angle)
    pulled = (matrix @ apart)[..., 0]
    torch.testing.assert_close(pulled[:, 0], torch.zeros(20, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(pulled[:, 1], -0.5 * state.velocity[:, 1, 0])
    assert rubbed.describe()["forces"]["pivot"] == {"kind": "friction", "bodies": [1]}


@pytest.mark.filterwarnings("ignore:.*already returned terminated")
@pytest.mark.parametrize(
    ("name", "physics", "integrator", "way"),
    [("CartPole-v1", "cartpole", "forward-1", -1.0), ("Acrobot-v1", "acrobot", "rk4-1", 1.0)],
)
def test_gymnasiums_own_move_as_their_true_constants_say(name: str, physics: str, integrator: str, way: float) -> None:
    """Their equations are written down quite differently, in metres and masses."""
    env = gym.make("paig/Pixels-v0", env_id=name, size=(64, 80), endless=True)
    world: Any = env.unwrapped
    assert world.dt is not None
    found = build_physics(physics, world.dt)
    found.set_values(world.truth["constants"])
    integrate_by(found, integrator)
    metre = found.values()["gravity"] / 9.8
    found.seat(torch.tensor([[0.0, 0.0], [0.0, -metre]]), torch.zeros(2))
    scale = np.array([metre, way]) if physics == "cartpole" else np.array([1.0, 1.0])
    zero = np.array([0.0 if physics == "cartpole" else np.pi, 0.0])
    actions = np.random.default_rng(0).choice([-1.0, 1.0], (40, 1)).astype(np.float32)
    states = [env.reset(seed=3)[1]["state"], *(env.step(action)[4]["state"] for action in actions)]
    real = np.stack(states) * scale[:, None]
    real[:, 0] += zero[:, None]
    start = State(*(torch.from_numpy(x) for x in real[0]))
    path = found.rollout(start, torch.from_numpy(actions).double()).position.detach().numpy()
    off = path - real[1:, 0]
    off[:, 1 if physics == "cartpole" else 0 :] = (off[:, 1 if physics == "cartpole" else 0 :] + np.pi) % (
        2 * np.pi
    ) - np.pi
    assert np.abs(off).max() < 1e-6 * metre  # single precision of actions and states
    env.close()


def test_constants_are_found_from_true_coordinates() -> None:
    truth = {"pole_moment": 0.6, "pole_length": 9.0, "gravity": 130.0, "actuation": 120.0}
    true = build_physics("cartpole", 0.02)
    true.set_values(truth)
    integrate_by(true, "rk4-1")
    given = torch.Generator().manual_seed(0)
    position = torch.stack([torch.randn(8, generator=given), 0.3 * torch.randn(8, generator=given)], 1)[..., None]
    actions = torch.randint(0, 2, (8, 24, 1), generator=given).double() * 2 - 1
    start = State(position.double(), torch.zeros(8, 2, 1).double())
    path = torch.cat([start.position[:, None], true.rollout(start, actions).position.detach()], 1)
    found = build_physics("cartpole", 0.02)
    found.seat(torch.zeros(2, 2), torch.zeros(2), torch.tensor([1.0, 5.0]))
    assert found.values()["pole_length"] == pytest.approx(10.0)
    result = identify(found, path, actions)
    assert result.rms < 1e-6
    for name, value in truth.items():
        assert result.constants[name].value == pytest.approx(value, rel=1e-3), name


def test_read_joints_are_set_beside_the_truth_in_any_unit_and_direction() -> None:
    physics = build_physics("cartpole", 0.02)
    true = torch.randn(5, 9, 2, 1, generator=torch.Generator().manual_seed(0)).double()
    read = torch.stack([13.0 * true[:, :, 0] + 2.0, torch.remainder(4.0 - true[:, :, 1], 2 * torch.pi)], 2)
    read[0, 0] += torch.tensor([[5.0], [0.5]])
    found = against_truth(physics, read, read, true.numpy())
    np.testing.assert_allclose(found.reading[0, 0], [5.0, 0.5], atol=1e-6)
    assert found.reading.reshape(-1, 2)[1:].max() < 1e-6


@pytest.mark.parametrize(
    ("bodies", "force", "message"),
    [
        ([Body("hinge", length=None)], Weight(), "hinge alone has no length"),
        (
            [Body("rail"), Body("hinge", on=0, length=None), Body("hinge", on=0, length=1.0)],
            Weight(),
            "Body 2 has a length",
        ),
        ([Body("hinge", length=None), Body("rail", on=0)], Weight(), "Body 1 is a rail above another"),
        ([Body("rail", mass=2.0), Body("hinge", on=0, length=None)], Weight(), "Body 0 has a mass"),
        (CART, AnchoredSpring([[0.0, 0.0]] * 2), "The force force acts on bodies as they lie"),
        ([Body("rail", length=None)], Weight(), "on no hinge"),
        ([Body("rail", name="a cart")], Weight(), "expected a word"),
    ],
)
def test_what_cannot_be_learned_is_refused(bodies: list[Body], force: Any, message: str) -> None:
    with pytest.raises(PaigError, match=message):
        Mechanism(0.1, bodies, {"force": force})


def test_yaml_takes_the_word_on_for_true_and_is_understood() -> None:
    found = scene_of({"bodies": [{"joint": "rail"}, {"joint": "hinge", True: 0, "length": None}], "forces": {}}, 0.1)
    assert found.bodies[1] == Body("hinge", on=0, length=None)
    assert found.describe()["bodies"][1] == {"joint": "hinge", "on": 0, "length": None}
