"""The pendulum obeys its equation, told by others: scipy, energy, Gymnasium, the model's physics."""

import gymnasium as gym
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import paig_control  # noqa: F401
from paig_control.envs.pendulum import Pendulum
from paig_control.errors import PaigError

STARTS = np.array([[[[0.3]], [[0.0]]], [[[2.5]], [[-1.0]]], [[[-1.0]], [[3.0]]]])


def roll(scene, state, torques):
    for torque in torques:
        state = scene.transition(state, np.broadcast_to(torque, (len(state), 1)))
    return state


def test_the_motion_is_that_of_the_equation_under_a_held_torque():
    scene = Pendulum(gravity=9.0, length=1.3, mass=0.7, max_speed=100.0)
    torques = [1.5, -2.0, 0.4, 2.0, -1.0]
    got = roll(scene, STARTS, torques)
    for index, start in enumerate(STARTS):
        now = start.ravel()
        for torque in torques:

            def slope(_, y, torque=torque):
                swing = 1.5 * 9.0 / 1.3 * np.sin(y[0])
                return [y[1], swing + 3 / (0.7 * 1.3**2) * torque]

            now = solve_ivp(slope, (0, 0.05), now, rtol=1e-11, atol=1e-12).y[:, -1]
        np.testing.assert_allclose(got[index].ravel(), now, atol=1e-7)


def test_the_integrator_has_order_four():
    exact = roll(Pendulum(substeps=200, max_speed=100.0), STARTS, [1.0] * 20)
    errors = [np.abs(roll(Pendulum(substeps=n, max_speed=100.0), STARTS, [1.0] * 20) - exact).max() for n in (1, 2, 4)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 3.7).all()


def test_energy_is_conserved_without_torque():
    scene = Pendulum(max_speed=100.0)

    def energy(state):
        angle, speed = state[:, 0, 0, 0], state[:, 1, 0, 0]
        return speed**2 / 6 + scene.gravity / 2 * np.cos(angle)

    np.testing.assert_allclose(energy(roll(scene, STARTS, [0.0] * 200)), energy(STARTS), atol=1e-5)


def test_pendulum_v1_is_its_limit_of_coarse_steps():
    # Gymnasium's semi-implicit Euler is of first order: one step errs by less than dt^2 x acceleration.
    reference = gym.make("Pendulum-v1").unwrapped
    reference.reset(seed=0)
    reference.state = np.array([2.0, 0.5])
    reference.step(np.array([1.2]))
    ours = Pendulum().transition(np.array([[[[2.0]], [[0.5]]]]), np.array([[1.2]]))[0].ravel()
    assert np.abs(ours - reference.state).max() < 0.05**2 * 15
    assert np.abs(ours - [2.0, 0.5]).max() > 0.5


def test_the_models_physics_agrees_as_its_step_goes_to_zero():
    torch = pytest.importorskip("torch")
    from paig_control.physics.registry import build_physics
    from paig_control.types import State

    scene = Pendulum(gravity=9.5, max_speed=100.0)
    torques = [1.0, -1.0, 2.0, 0.5]
    exact = roll(scene, STARTS, torques)
    errors = []
    for substeps in (10, 20, 40):
        model = build_physics("pendulum", 0.05, substeps=substeps, max_speed=100.0).double()
        model.set_values({"gravity": 9.5, "actuation": 1.0})
        state = State(*(torch.tensor(STARTS[:, i]) for i in (0, 1)))
        with torch.no_grad():
            for torque in torques:
                state = model.step(state, torch.full((3, 1), torque, dtype=torch.float64))
        errors.append(np.abs(np.stack([state.position, state.velocity], axis=1) - exact).max())
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, atol=0.15)


def test_speed_and_torque_are_limited():
    scene = Pendulum(max_speed=2.0, max_torque=1.0)
    assert np.abs(roll(scene, STARTS, [1.0] * 50)[:, 1]).max() <= 2.0
    env = gym.make("paig/Pendulum-v0").unwrapped
    frames = []
    for torque in (2.0, 50.0):
        env.reset(seed=0)
        frames.append(env.step(np.array([torque]))[4]["state"])
    np.testing.assert_array_equal(*frames)


def test_rewards_are_those_of_pendulum_v1():
    env, reference = gym.make("paig/Pendulum-v0"), gym.make("Pendulum-v1")
    reference.reset(seed=0)
    for angle, speed, torque in [(0.5, 1.0, 1.0), (4.0, -2.0, -2.0), (-9.0, 7.0, 0.0)]:
        env.reset(seed=0, options={"state": [[[angle]], [[speed]]]})
        reference.unwrapped.state = np.array([angle, speed])
        action = np.array([torque], dtype=np.float32)
        assert env.step(action)[1] == pytest.approx(reference.step(action)[1])


def test_starts_are_drawn_as_in_pendulum_v1():
    rng = np.random.default_rng(0)
    starts = np.stack([Pendulum().initial(rng) for _ in range(4000)])[:, :, 0, 0]
    for column, bound in enumerate((np.pi, 1.0)):
        assert np.abs(starts[:, column]).max() <= bound
        assert starts[:, column].std() == pytest.approx(bound / np.sqrt(3), rel=0.03)


def test_an_episode_is_truncated_after_200_steps():
    env = gym.make("paig/Pendulum-v0")
    env.reset(seed=0)
    ends = [env.step(np.zeros(1))[2:4] for _ in range(200)]
    assert ends[-1] == (False, True)
    assert not any(a or b for a, b in ends[:-1])


@pytest.mark.parametrize(
    ("state", "success"),
    [((0.2, 0.5), True), ((2 * np.pi - 0.2, -0.9), True), ((0.27, 0.0), False), ((0.0, 1.1), False)],
)
def test_success_is_within_15_degrees_modulo_a_turn_and_slow(state, success):
    _, info = gym.make("paig/Pendulum-v0").reset(options={"state": np.reshape(state, (2, 1, 1))})
    assert info["success"] is success


def test_it_looks_like_pendulum_v1():
    ours, theirs = (
        gym.make("paig/Pendulum-v0", size=64).unwrapped,
        gym.make("paig/Pixels-v0", size=64).unwrapped,
    )
    theirs.reset(seed=0)
    for angle in (0.0, 0.7, 1.9, 3.3, 5.0):
        state = [[[angle]], [[0.0]]]
        difference = ours.draw(state).astype(float) - theirs.draw(state)
        blank = np.abs(ours.draw(state) - 255.0).mean()
        assert np.abs(difference).mean() < 0.2 * blank
    theirs.close()


def test_truth_describes_the_physics_of_the_arguments():
    truth = gym.make("paig/Pendulum-v0", gravity=7.0, length=1.5, dt=0.1).get_wrapper_attr("truth")
    assert truth["constants"] == {"gravity": 7.0, "actuation": 1.0}
    assert truth["physics"] == {
        "name": "pendulum", "dt": 0.1, "substeps": 10, "length": 1.5, "mass": 1.0, "max_speed": 8.0,
    }  # fmt: skip


def test_a_longer_rod_is_drawn_longer():
    def ink(length):
        image = gym.make("paig/Pendulum-v0", length=length, size=64).unwrapped.draw(np.zeros((2, 1, 1)))
        return (image[..., 2] < 250).any(1).sum()

    assert ink(1.0) < ink(1.5) < ink(2.0) == ink(5.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gravity": "10"}, "gravity = '10' is a str: expected a number"),
        ({"gravity": float("nan")}, "gravity = nan: expected a finite number"),
        ({"mass": 0}, "mass = 0: expected a finite number above 0"),
        ({"dt": -0.05}, "dt = -0.05"),
        ({"substeps": 0}, "substeps = 0: expected a whole number of at least 1"),
        ({"rod_colour": (1, 2)}, "rod_colour"),
        ({"axle_colour": (0, 0, 300)}, "axle_colour"),
        ({"gravty": 9.8}, "did you mean gravity"),
        ({"render_mode": "ascii"}, "expected None, 'rgb_array' or 'human'"),
    ],
)
def test_bad_arguments_are_named(settings, words):
    from paig_control.envs.pendulum import PendulumEnv

    with pytest.raises(PaigError, match=words):
        PendulumEnv(**settings)
