"""The scenes of moving bodies obey their equations, told by others: scipy, energy, momentum, closed forms."""

import time

import gymnasium as gym
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import paig_control  # noqa: F401
from paig_control.envs.bouncing_balls import BouncingBalls, bounce
from paig_control.envs.bound_bodies import nystrom
from paig_control.envs.digit_spring import DigitSpring
from paig_control.envs.scene import argument_names
from paig_control.envs.spring import Spring, SpringHalf
from paig_control.envs.three_body import ThreeBody
from paig_control.errors import PaigError

SCENES = {kind.__name__: kind() for kind in (BouncingBalls, Spring, SpringHalf, DigitSpring, ThreeBody)}
BOUND = [name for name in SCENES if name != "BouncingBalls"]
each = pytest.mark.parametrize("name", list(SCENES))
each_bound = pytest.mark.parametrize("name", BOUND)


def starts(scene, count=24):
    return scene.initials([np.random.default_rng(seed) for seed in range(count)])


def film(scene, state, steps, action=None):
    """States ``(steps + 1, B, 2, N, 2)``."""
    action = np.zeros((len(state), len(scene.low))) if action is None else action
    states = [state]
    for _ in range(steps):
        states.append(scene.transition(states[-1], action))
    return np.stack(states)


def spring_pull(scene):
    def pull(x):
        d = x[0] - x[1]
        length = np.linalg.norm(d)
        force = -scene.stiffness * (length - scene.rest_length) * d / length
        return np.stack([force, -force])

    return pull


def gravity_pull(scene):
    def pull(x):
        total = np.zeros_like(x)
        for i in range(3):
            for j in range(3):
                if i != j:
                    d = x[j] - x[i]
                    total[i] += scene.gravity * d / np.clip(np.linalg.norm(d), 1, 170) ** 3
        return total

    return pull


# -- motion ----------------------------------------------------------------------------------------------


@each_bound
def test_films_agree_with_scipy_to_a_ten_thousandth_of_a_pixel(name):
    scene = SCENES[name]
    pull = gravity_pull(scene) if name == "ThreeBody" else spring_pull(scene)
    begin = starts(scene, 6)
    got = film(scene, begin, 30)
    half = begin[0].size // 2
    for index, start in enumerate(begin):
        solution = solve_ivp(
            lambda _, y: np.concatenate([y[half:], pull(y[:half].reshape(-1, 2)).ravel()]),
            (0, 30 * scene.dt),
            start.ravel(),
            t_eval=np.arange(31) * scene.dt,
            method="DOP853",
            rtol=1e-11,
            atol=1e-11,
        )
        exact = solution.y[:half].T.reshape(31, -1, 2)
        assert np.abs(got[:, index, 0] - exact).max() < 1e-4


def test_a_held_force_is_integrated_as_exactly():
    scene = Spring()
    begin, action = starts(scene, 1), np.array([[3.0, -2.0, 0.5, 4.0]])
    pull = spring_pull(scene)
    push = action.reshape(2, 2)
    solution = solve_ivp(
        lambda _, y: np.concatenate([y[4:], (pull(y[:4].reshape(2, 2)) + push).ravel()]),
        (0, 3.0), begin.ravel(), method="DOP853", rtol=1e-11, atol=1e-11,
    )  # fmt: skip
    assert np.abs(film(scene, begin, 10, action)[-1].ravel() - solution.y[:, -1]).max() < 1e-4


def test_the_integrator_has_order_five():
    errors = []
    for count in (8, 16, 32):
        x, v = np.array([1.0]), np.array([0.5])
        for _ in range(count):
            x, v = nystrom(lambda place: -np.sin(place), x, v, 2.0 / count)
        errors.append([x[0], v[0]])
    exact = solve_ivp(lambda _, y: [y[1], -np.sin(y[0])], (0, 2), [1, 0.5], rtol=1e-13, atol=1e-13).y[:, -1]
    errors = np.abs(np.array(errors) - exact).max(1)
    assert (np.log2(errors[:-1] / errors[1:]) > 4.6).all()


@each
def test_energy_is_conserved_without_action(name):
    scene = SCENES[name]
    states = film(scene, starts(scene), 30)
    position, velocity = states[..., 0, :, :], states[..., 1, :, :]
    energy = 0.5 * (velocity**2).sum((-1, -2))
    if name == "ThreeBody":
        for i, j in ((0, 1), (0, 2), (1, 2)):
            energy -= scene.gravity / np.linalg.norm(position[..., i, :] - position[..., j, :], axis=-1)
    elif name != "BouncingBalls":
        length = np.linalg.norm(position[..., 0, :] - position[..., 1, :], axis=-1)
        energy += 0.5 * scene.stiffness * (length - scene.rest_length) ** 2
    np.testing.assert_allclose(energy, np.broadcast_to(energy[0], energy.shape), atol=2e-3)


@each_bound
def test_momentum_is_conserved_without_action(name):
    states = film(SCENES[name], starts(SCENES[name]), 30)
    momentum = states[:, :, 1].sum(2)
    np.testing.assert_allclose(momentum, np.broadcast_to(momentum[0], momentum.shape), atol=1e-9)


def test_a_force_changes_the_momentum_by_force_times_time():
    scene = ThreeBody(actuated=[1])
    states = film(scene, starts(scene), 4, np.tile([1.5, -0.5], (24, 1)))
    change = states[-1, :, 1].sum(1) - states[0, :, 1].sum(1)
    np.testing.assert_allclose(change, np.tile([3.0, -1.0], (24, 1)), atol=1e-9)


@each_bound
def test_bodies_at_the_same_place_give_no_nan(name):
    scene = SCENES[name]
    state = np.full((1, 2, scene.count, 2), 10.0)
    states = film(scene, state, 5)
    assert np.isfinite(states).all()
    assert np.isfinite(scene.paint(states[-1])).all()


# -- walls -----------------------------------------------------------------------------------------------


def test_balls_keep_their_speed_and_stay_within_the_walls():
    scene = SCENES["BouncingBalls"]
    states = film(scene, starts(scene, 200), 60)
    position, velocity = states[..., 0, :, :], states[..., 1, :, :]
    assert position.min() >= 2.0
    assert position.max() <= 30.0
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=-1), 8.0, rtol=1e-12)
    assert (np.sign(velocity[1:]) != np.sign(velocity[:-1])).any()


def test_free_flight_is_a_straight_line_folded_at_the_walls():
    scene = SCENES["BouncingBalls"]
    begin = starts(scene, 50)
    got = film(scene, begin, 40)[-1]
    along = np.mod(begin[:, 0] - 2 + 40 * 0.3 * begin[:, 1], 56)
    np.testing.assert_allclose(got[:, 0], 2 + np.where(along > 28, 56 - along, along), atol=1e-9)
    np.testing.assert_allclose(got[:, 1], np.where(along > 28, -1, 1) * begin[:, 1], atol=1e-9)


def fly(x, v, force, room, left):
    """One ball from wall to wall, each next hit from the roots of a quadratic."""
    while True:
        hits = []
        for wall in (0.0, room):
            roots = np.roots([0.5 * force, v, x - wall]) if force else np.array([(wall - x) / v])
            real = roots[np.abs(roots.imag) < 1e-12].real
            leaving = [t for t in real if t > 1e-12 and (v + force * t > 0) == (wall > 0)]
            hits += [(t, wall) for t in leaving]
        time, wall = min(hits)
        if time > left:
            return x + v * left + 0.5 * force * left**2, v + force * left
        x, v, left = wall, -(v + force * time), left - time


@pytest.mark.parametrize("force", [-40.0, -3.0, 0.0, 2.0, 30.0])
def test_bouncing_under_a_force_agrees_with_going_from_wall_to_wall(force):
    rng = np.random.default_rng(0)
    x, v = rng.uniform(0.2, 4.8, 100), rng.uniform(-9, 9, 100)
    got = np.stack(bounce(x, v, np.full(100, force), 5.0, 1.7), axis=1)
    np.testing.assert_allclose(got, [fly(a, b, force, 5.0, 1.7) for a, b in zip(x, v, strict=True)], atol=1e-6)


def test_a_vanishing_force_is_no_force():
    x, v = np.random.default_rng(0).uniform(0.2, 4.8, (2, 100))
    for force in (1e-12, -1e-300):
        free, pushed = (np.stack(bounce(x, v, np.full(100, f), 5.0, 7.0)) for f in (0.0, force))
        np.testing.assert_allclose(pushed, free, atol=1e-9)


def test_a_ball_at_rest_stays_and_one_pressed_against_a_wall_too():
    x, v = bounce(np.array([3.0, 0.0, 5.0, 2.0]), np.zeros(4), np.array([0.0, -4.0, 4.0, 0.0]), 5.0, 0.3)
    np.testing.assert_array_equal(x, [3.0, 0.0, 5.0, 2.0])
    np.testing.assert_array_equal(v, 0)


def test_a_ball_put_outside_is_brought_to_the_wall():
    scene = SCENES["BouncingBalls"]
    state = np.array([[[[-5.0, 16.0], [16.0, 99.0]], np.zeros((2, 2))]])
    np.testing.assert_allclose(film(scene, state, 1)[-1, 0, 0], [[2.0, 16.0], [16.0, 30.0]])


# -- action, goal, reward --------------------------------------------------------------------------------


@each_bound
def test_the_default_force_can_hold_every_body_of_every_film(name):
    scene = SCENES[name]
    position = film(scene, starts(scene, 60), scene.clear_steps)[:, :, 0]
    forces = scene.forces(np.moveaxis(position.reshape(-1, scene.count, 2), 0, -1))
    assert np.abs(forces).max() <= scene.high[0]
    assert np.abs(forces).max() > 0.3 * scene.high[0]


@each
def test_bodies_held_by_the_opposite_force_stay_where_they_are(name):
    scene = SCENES[name]
    begin = starts(scene, 10)
    begin[:, 1] = 0.0
    if name == "BouncingBalls":
        action = np.zeros((10, 4))
    else:
        forces = scene.forces(np.moveaxis(begin[:, 0], 0, -1))
        action = -np.moveaxis(forces, -1, 0).reshape(10, -1)
    np.testing.assert_allclose(film(scene, begin, 10, scene.clip(action, (10,)))[-1], begin, atol=1e-6)


def test_the_default_force_follows_the_constants():
    assert Spring(stiffness=8.0).high[0] > 1.5 * Spring().high[0]
    assert ThreeBody(gravity=120.0).high[0] == 2 * ThreeBody().high[0]
    assert Spring(max_force=5.0).high[0] == 5.0


def test_only_the_actuated_bodies_are_pushed():
    scene = BouncingBalls(actuated=[1], colours=[(255, 0, 0)] * 3)
    state = np.stack([np.full((3, 2), 16.0), np.zeros((3, 2))])[None]
    after = scene.transition(state, np.array([[4.0, -2.0]]))
    np.testing.assert_allclose(after[0, 1], [[0, 0], [1.2, -0.6], [0, 0]])
    assert scene.truth["physics"]["actuated"] == [1]


@each
def test_the_reward_is_minus_the_squared_distance_to_the_goal(name):
    env = gym.make(f"paig/{name}-v0")
    _, info = env.reset(seed=0)
    goal = info["state"].copy()
    goal[1] = 0.0
    env.reset(seed=0, options={"goal": goal})
    _, reward, terminated, truncated, info = env.step(np.zeros(env.action_space.shape))
    assert reward == pytest.approx(-((info["state"][0] - goal[0]) ** 2).sum())
    assert not terminated
    assert not truncated


@pytest.mark.parametrize(("offset", "speed", "success"), [(1.4, 1.9, True), (1.6, 0.0, False), (0.0, 2.1, False)])
def test_success_is_near_and_slow(offset, speed, success):
    env = gym.make("paig/Spring-v0").unwrapped
    state = env.scene.goal_state.copy()
    state[0, 1, 0] += offset
    state[1, 0, 1] += speed
    assert env.reset(options={"state": state})[1]["success"] is success


# -- truth, arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "constants", "physics"),
    [
        ("Spring", {"stiffness": 4.0, "rest_length": 12.0}, {"name": "spring", "dt": 0.3, "objects": 2}),
        ("SpringHalf", {"stiffness": 4.0, "rest_length": 12.0}, {"name": "spring", "dt": 0.3, "objects": 2}),
        ("DigitSpring", {"stiffness": 2.0, "rest_length": 24.0}, {"name": "spring", "dt": 0.3, "objects": 2}),
        (
            "ThreeBody",
            {"gravity": 60.0},
            {"name": "gravity", "dt": 0.5, "objects": 3, "nearest": 1.0, "farthest": 170.0},
        ),
        (
            "BouncingBalls",
            {},
            {"name": "bouncing", "dt": 0.3, "objects": 2, "width": 32.0, "height": 32.0, "radius": 2.0},
        ),
    ],
)
def test_truth_tells_the_constants_and_the_physics(name, constants, physics):
    assert SCENES[name].truth == {"constants": {**constants, "actuation": 1.0}, "physics": physics}


@each
def test_images_have_the_papers_size(name):
    size = {"DigitSpring": 64, "ThreeBody": 36}.get(name, 32)
    assert gym.make(f"paig/{name}-v0").observation_space.shape == (size, size, 3)


def test_arguments_of_all_levels_are_known():
    names = argument_names(DigitSpring)
    assert {"digits", "stiffness", "clear_steps", "max_force", "actuated", "radius"} <= set(names)
    assert "common" not in names


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("BouncingBalls", {"radius": 16}, "a ball does not fit between walls 32 x 32"),
        ("BouncingBalls", {"colours": []}, "one or more colours"),
        ("BouncingBalls", {"speed": -1.0}, "speed = -1.0: expected a finite number of at least 0"),
        ("Spring", {"actuated": [5]}, r"actuated = \[5\]: expected different numbers of bodies from 0 to 1"),
        ("Spring", {"actuated": [0, 0]}, "expected different numbers"),
        ("Spring", {"actuated": []}, "expected different numbers"),
        ("Spring", {"actuated": 0}, "expected different numbers"),
        ("Spring", {"stiffness": -4.0}, "stiffness = -4.0: expected a finite number above 0"),
        ("Spring", {"rest_length": 30.0}, "rest_length = 30 does not fit into an image of 32 x 32"),
        ("Spring", {"colours": [(255, 0, 0)] * 3}, "expected 2 colours"),
        ("Spring", {"colours": [(255, 0, 0), (0, 0, 256)]}, "from 0 to 255"),
        ("Spring", {"max_force": 0}, "max_force = 0: expected a finite number above 0"),
        ("Spring", {"clear_steps": -1}, "clear_steps = -1: expected a whole number of at least 0"),
        ("Spring", {"stifness": 3}, "did you mean stiffness"),
        ("SpringHalf", {"half_steps": 1.5}, "half_steps = 1.5: expected a whole number"),
        ("ThreeBody", {"gravity": -60.0}, "gravity = -60.0"),
        ("ThreeBody", {"nearest": 5.0, "farthest": 2.0}, "expected nearest below farthest"),
        ("ThreeBody", {"radius": 10.0}, "radius = 10 does not fit"),
        ("DigitSpring", {"rest_length": 60.0}, "rest_length = 60 does not fit"),
        ("DigitSpring", {"digit_numbers": (5, 10)}, "digit_numbers = 10: the library has 10"),
        ("DigitSpring", {"digit_numbers": 5}, "expected two whole numbers"),
    ],
)
def test_bad_arguments_are_named(name, settings, words):
    with pytest.raises(PaigError, match=words):
        gym.make(f"paig/{name}-v0", **settings)


@pytest.mark.parametrize("name", ["BouncingBalls", "Spring", "SpringHalf"])
def test_a_vector_is_filmed_much_faster_than_pendulum_v1(name):
    reference = gym.make("paig/Pixels-v0")
    reference.reset(seed=0)
    begin = time.process_time()
    for _ in range(60):
        reference.step(np.zeros(1, dtype=np.float32))
    theirs = 60 / (time.process_time() - begin)
    envs = gym.make_vec(f"paig/{name}-v0", 256)
    envs.reset(seed=0)
    begin = time.process_time()
    envs.reset(seed=1)
    for _ in range(29):
        envs.step(np.zeros(envs.action_space.shape, dtype=np.float32))
    assert 256 * 30 / (time.process_time() - begin) > 25 * theirs  # measured: 150 and more


@each
def test_the_models_physics_built_from_the_truth_agrees_as_its_step_goes_to_zero(name):
    torch = pytest.importorskip("torch")
    from paig_control.physics.registry import build_physics
    from paig_control.types import State

    scene = {kind.__name__: kind for kind in (BouncingBalls, Spring, SpringHalf, DigitSpring, ThreeBody)}[name](
        actuated=[0]
    )
    begin = starts(scene, 8)
    action = np.random.default_rng(0).uniform(-3, 3, (8, 2))
    exact = film(scene, begin, 6, action)[-1]
    errors = []
    for substeps in (40, 80, 160):
        model = build_physics(**scene.truth["physics"], substeps=substeps).double()
        model.set_values(scene.truth["constants"])
        state = State(*(torch.tensor(begin[:, n]) for n in (0, 1)))
        with torch.no_grad():
            for _ in range(6):
                state = model.step(state, torch.tensor(action))
        errors.append(np.abs(state.position.numpy() - exact[:, 0]).max())
    assert errors[-1] < 0.03
    assert errors[2] < 0.4 * errors[0]
    if name != "BouncingBalls":  # at walls the errors of single steps may cancel
        np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, atol=0.3)
