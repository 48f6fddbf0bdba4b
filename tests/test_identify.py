"""Constants from noisy coordinates, with error bars that are true."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from paig_control.errors import PaigError
from paig_control.estimation.identification import Estimate, Identified, identify
from paig_control.estimation.settings import IdentifySettings
from paig_control.estimation.state import trajectory
from paig_control.physics.base import Physics, integrate_by
from paig_control.physics.mechanism import scene_of
from paig_control.physics.registry import build_physics
from paig_control.types import State
from paig_control.vision.kinematics import Rotary

TRUTH = {"gravity": 9.0, "actuation": 1.2}


def films(seed: int, noise: float = 0.002, integrator: str = "euler-1") -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    physics = build_physics("pendulum", 0.05)
    integrate_by(physics, integrator)
    physics.set_values(TRUTH)
    angle = (torch.rand(24, 1, 1, generator=g, dtype=torch.float64) * 2 - 1) * math.pi
    speed = torch.rand(24, 1, 1, generator=g, dtype=torch.float64) * 2 - 1
    actions = torch.rand(24, 19, 1, generator=g, dtype=torch.float64) * 4 - 2
    path = trajectory(physics, State(angle, speed), actions).detach()
    path = path + noise * torch.randn(path.shape, generator=g, dtype=torch.float64)
    return torch.remainder(path + math.pi, 2 * math.pi) - math.pi, actions


def fit(
    seed: int, noise: float = 0.002, integrator: str = "euler-1", settings: IdentifySettings | None = None
) -> tuple[Identified, Physics]:
    coordinates, actions = films(seed, noise, integrator)
    physics = build_physics("pendulum", 0.05)
    return identify(physics, coordinates, actions, settings, Rotary().gauge(coordinates)), physics


def test_exact_coordinates_give_exact_constants_from_a_start_of_one() -> None:
    found, _ = fit(0, noise=0.0)
    for name, value in TRUTH.items():
        assert found.constants[name].value == pytest.approx(value, rel=1e-5)


def test_error_bars_are_as_wide_as_the_errors() -> None:
    scores = []
    for seed in range(12):
        found, _ = fit(seed, settings=IdentifySettings(integrators=("euler-1",)))
        scores += [(found.constants[n].value - v) / found.constants[n].std for n, v in TRUTH.items()]
    assert 0.6 < np.sqrt(np.mean(np.square(scores))) < 1.5
    assert np.max(np.abs(scores)) < 4


@pytest.mark.parametrize("integrator", ["euler-1", "pefrl-2"])
def test_the_integrator_that_made_the_films_is_chosen(integrator: str) -> None:
    _, physics = fit(1, integrator=integrator)
    assert f"{physics.scheme}-{physics.substeps}" == integrator


def dragged(seed: int, parts: int, rate: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A thing pushed about, in parts of 0.02 s whose drag is that of the velocity to which they lead, as MuJoCo's."""
    rng = np.random.default_rng(seed)
    actions = rng.uniform(-1, 1, (12, 39, 2)).repeat(3, 1)[:, :39]
    place, speed, films = rng.uniform(20, 40, (12, 2)), rng.normal(0, 3, (12, 2)), []
    for action in [*actions.swapaxes(0, 1), None]:
        films.append(place)
        for _ in range(parts if action is not None else 0):
            speed = (speed + 0.02 * 35 * action) / (1 + 0.02 * rate)
            place = place + 0.02 * speed
    path = np.stack(films, 1)[:, :, None] + rng.normal(0, 0.002, (12, 40, 1, 2))
    return torch.from_numpy(path), torch.from_numpy(actions)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_engines_that_make_drag_implicit_are_told_by_their_films(parts: int) -> None:
    physics = scene_of({"forces": {"push": {}, "drag": {}}}, 0.02 * parts)
    coordinates, actions = dragged(parts, parts)
    constants = identify(physics, coordinates, actions).constants
    assert physics.integrator == f"damped-{parts}"
    assert constants["damping"].value == pytest.approx(3.0, rel=2e-3)
    assert constants["actuation"].value == pytest.approx(35.0, rel=2e-3)


@pytest.mark.parametrize("scouts", [12, 7])
def test_films_in_which_something_is_hit_are_left_out(scouts: int) -> None:
    physics = scene_of({"forces": {"push": {}, "drag": {}}}, 0.04)
    coordinates, actions = dragged(0, 2)
    for film, frame in ((0, 20), (2, 12), (5, 30), (6, 6), (9, 16)):
        place = coordinates[film, :, 0, 1]
        way = float((place[frame] - place[frame - 1]).sign())  # on it does not come, as at a wall
        coordinates[film, frame:, 0, 1] = way * (way * place[frame:]).minimum(way * place[frame])
    found = identify(physics, coordinates, actions, IdentifySettings(scouts=scouts))
    assert found.broken == 5
    assert physics.integrator == "damped-2"
    assert found.rms < 0.003
    for name, value in (("damping", 3.0), ("actuation", 35.0)):
        assert found.constants[name].value == pytest.approx(value, rel=2e-3)
        assert abs(found.constants[name].value - value) < 4 * found.constants[name].std
    assert identify(physics, *dragged(1, 2)).broken == 0


def test_where_films_hardly_tell_schemes_apart_motion_is_exact() -> None:
    physics = scene_of({"forces": {"drag": {}}}, 0.04)
    rng, times = np.random.default_rng(0), 0.04 * np.arange(40)[:, None, None]
    decay = (1 - np.exp(-3.0 * times)) / 3.0
    path = 30 + rng.normal(0, 20, (12, 1, 1, 2)) * decay + rng.normal(0, 0.002, (12, 40, 1, 2))
    found = identify(physics, torch.from_numpy(path), torch.zeros(12, 39, 0)).constants
    assert physics.scheme == "rk4"
    assert found["damping"].value == pytest.approx(3.0, rel=2e-3)


def test_outliers_bend_the_constants_little() -> None:
    coordinates, actions = films(2)
    coordinates[::6, ::5] += 0.5
    found = identify(build_physics("pendulum", 0.05), coordinates, actions)
    assert found.constants["gravity"].value == pytest.approx(TRUTH["gravity"], rel=0.01)


def test_a_constant_offset_of_the_eyes_is_found() -> None:
    coordinates, actions = films(3)
    found = identify(build_physics("pendulum", 0.05), coordinates - 0.1, actions)
    assert float(found.offset) == pytest.approx(0.1, abs=0.003)
    assert found.constants["gravity"].value == pytest.approx(TRUTH["gravity"], rel=0.01)


def test_estimates_are_printed_to_two_digits_of_their_error() -> None:
    assert str(Estimate(10.0123, 0.0312, "m/s²")) == "10.012 ± 0.031 m/s²"
    assert str(Estimate(0.99987, 0.00123, "")) == "0.9999 ± 0.0012"
    assert str(Estimate(123.4, 12.0, "px")) == "123 ± 12 px"
    assert str(Estimate(-9.98765, 0.0123, "m/s²")) == "-9.988 ± 0.012 m/s²"
    assert str(Estimate(12.0000049, 1.4e-7, "px")) == "12.0000 ± 1e-07 px"
    assert str(Estimate(1.0512e-15, 1.4e-17, "")) == "(1.051 ± 0.014)e-15"
    assert str(Estimate(3.2e8, 1.1e7, "")) == "(3.20 ± 0.11)e+8"
    assert str(Estimate(0.001, math.nan, "1/s")) == "0.001 ± — 1/s"
    assert str(Estimate(0.001, math.nan, "1/s", 0.0234)) == "< 0.023 1/s"


SPRING = {"stiffness": 4.0, "rest_length": 12.0}


def spring_films(seed: int, count: int = 24) -> torch.Tensor:
    """Two balls on a spring, 12 frames 0.3 s apart, by a solver that knows nothing of ours."""
    rng = np.random.default_rng(seed)
    turn, way = rng.uniform(0, 2 * np.pi, (2, count, 1))
    arm = 6 * rng.uniform(0.5, 1.5, (count, 1)) * np.concatenate([np.cos(turn), np.sin(turn)], 1)
    flight = 8 * np.concatenate([np.cos(way), np.sin(way)], 1)
    start = np.stack([np.stack([16 + arm, 16 - arm], 1), np.stack([flight, -flight], 1)])

    def slope(_: float, flat: np.ndarray) -> np.ndarray:
        position, velocity = flat.reshape(start.shape)
        away = position[:, 0] - position[:, 1]
        length = np.linalg.norm(away, axis=-1, keepdims=True)
        pull = -SPRING["stiffness"] * (length - SPRING["rest_length"]) * away / length
        return np.stack([velocity, np.stack([pull, -pull], 1)]).ravel()

    times = 0.3 * np.arange(12)
    found = solve_ivp(slope, (0, times[-1]), start.ravel(), "DOP853", times, rtol=1e-11, atol=1e-11)
    return torch.tensor(found.y.T.reshape(12, *start.shape)[:, 0].swapaxes(0, 1).copy())


def fit_spring(films: torch.Tensor, trust: torch.Tensor | None = None) -> Identified:
    settings = IdentifySettings(scouts=12, integrators=("pefrl-2",))
    none = torch.zeros(len(films), films.shape[1] - 1, 0)
    return identify(build_physics("spring", 0.3, force=False), films, none, settings, trust=trust)


def off(found: Identified) -> dict[str, float]:
    return {name: found.constants[name].value / value - 1 for name, value in SPRING.items()}


def test_constants_owe_nothing_to_the_integrators_step() -> None:
    found = fit_spring(spring_films(0))
    assert max(abs(v) for v in off(found).values()) < 2e-6  # two steps of fourth order a frame alone: 4e-6


@pytest.mark.parametrize(
    ("physics", "tells"),
    [
        (build_physics("spring", 0.3), [True, True]),
        (build_physics("gravity", 0.5), [True, True]),
        (build_physics("bouncing", 0.5), [False, False]),
    ],
    ids=["spring", "gravity", "walls"],
)
def test_only_walls_tell_where_in_the_picture_the_bodies_are(physics: Physics, tells: list[bool]) -> None:
    g = torch.Generator().manual_seed(0)
    place = 10 + 12 * torch.rand(8, physics.objects, 2, generator=g, dtype=torch.float64)
    velocity = 4 * torch.randn(place.shape, generator=g, dtype=torch.float64)
    actions = torch.zeros(8, 11, physics.action_size, dtype=torch.float64)
    found = identify(physics, trajectory(physics, State(place, velocity), actions).detach(), actions)
    assert found.anywhere.tolist() == tells


def test_gravity_tells_the_zero_of_the_angle() -> None:
    assert fit(0)[0].anywhere.tolist() == [False]


def test_what_is_not_trusted_does_not_count() -> None:
    films = spring_films(1)
    g = torch.Generator().manual_seed(0)
    films = films + 0.005 * torch.randn(films.shape, generator=g, dtype=torch.float64)
    hidden = torch.rand(films.shape[:2], generator=g) < 0.4
    trust = torch.ones_like(films)
    trust[:, :, 1] = torch.where(hidden, 1e-4, 1.0)[..., None]
    films[:, :, 1] += torch.where(hidden, 2.0, 0.0)[..., None]
    found = fit_spring(films, trust)
    assert max(abs(v) for v in off(found).values()) < 1e-3
    assert found.rms < 0.02
    assert max(abs(v) for v in off(fit_spring(films)).values()) > 3e-3


def test_error_bars_do_not_shrink_for_ever() -> None:
    coordinates, actions = films(4)
    few, many = (
        identify(
            build_physics("pendulum", 0.05),
            coordinates.repeat(n, 1, 1, 1),
            actions.repeat(n, 1, 1),
            IdentifySettings(integrators=("euler-1",)),
        )
        for n in (1, 20)
    )
    shrunk = many.constants["gravity"].std / few.constants["gravity"].std
    assert 20**-0.5 < 0.4 < shrunk < 0.5


@pytest.mark.parametrize(("shape", "says"), [((24, 2), "at least 3"), ((1, 8), "no error bars")])
def test_too_little_data_is_refused(shape: tuple[int, int], says: str) -> None:
    with pytest.raises(PaigError, match=says):
        identify(
            build_physics("pendulum", 0.05),
            torch.zeros(*shape, 1, 1),
            torch.zeros(shape[0], shape[1] - 1, 1),
            IdentifySettings(),
        )


@pytest.mark.parametrize("signs", [(-1, 1), (1, -1), (-1, -1)])
def test_gravity_and_gain_are_found_whichever_way_they_act(signs: tuple[int, int]) -> None:
    """The picture on its head, from behind, and both: 10 m/s² falls upwards, a torque turns the other way."""
    coordinates, actions = films(3)
    shift = 0.0 if signs[0] > 0 else math.pi
    found, _ = fit(3)
    turned = build_physics("pendulum", 0.05)
    seen = torch.remainder(signs[0] * signs[1] * coordinates + shift + math.pi, 2 * math.pi) - math.pi
    other = identify(turned, seen, actions, None, Rotary().gauge(seen))
    for name, sign in zip(TRUTH, signs, strict=True):
        sign = sign if name == "gravity" else signs[0] * signs[1]
        assert other.constants[name].value == pytest.approx(sign * found.constants[name].value, rel=1e-3)
        assert other.constants[name].std == pytest.approx(found.constants[name].std, rel=0.1)


def test_a_constant_at_its_bound_has_an_upper_limit_and_no_error_bar() -> None:
    """Balls on a spring without damping: nothing tells it from 0. With damping, it has its error bar."""
    for true, limited in ((1e-9, True), (0.3, False)):
        physics = build_physics("spring", 0.3, force=False, damping=True)
        physics.set_values({"stiffness": 4.0, "rest_length": 12.0, "damping": true})
        g = torch.Generator().manual_seed(0)
        place = 16 + torch.tensor([[-6.0, 0.0], [6.0, 0.0]]) + torch.randn(30, 2, 2, generator=g)
        still = torch.zeros(30, 11, 0)
        path = trajectory(physics, State(place, torch.randn(place.shape, generator=g)), still).detach()
        path = path + 0.02 * torch.randn(path.shape, generator=g)
        physics.set_values({"stiffness": 1.0, "rest_length": 1.0, "damping": 0.1})
        one = identify(physics, path, still, IdentifySettings(integrators=("pefrl-2",))).constants["damping"]
        assert (one.limit is not None) == limited == math.isnan(one.std)
        if limited:
            assert 0 < one.value < one.limit < 0.05  # type: ignore[operator]
        else:
            assert abs(one.value - true) < 4 * one.std < 0.1


def test_a_constant_that_nothing_tells_has_no_error_bar() -> None:
    coordinates, _ = films(4)
    actions = torch.zeros(24, 19, 1)
    path = trajectory(_swung(), State(coordinates[:, 0], torch.zeros(24, 1, 1).double()), actions.double()).detach()
    found = identify(build_physics("pendulum", 0.05), path, actions, None, Rotary().gauge(path)).constants
    assert math.isnan(found["actuation"].std)
    assert found["gravity"].value == pytest.approx(9.0, rel=1e-4)
    assert found["gravity"].std < 0.01


def _swung() -> Physics:
    physics = build_physics("pendulum", 0.05)
    physics.set_values(TRUTH)
    return physics


def test_more_trust_than_is_usual_is_no_reason_to_listen_to_one_film_alone() -> None:
    coordinates, actions = films(5)
    settings, trust = IdentifySettings(integrators=("euler-1",)), torch.ones_like(coordinates)
    coordinates[0] += 0.05 * torch.linspace(0, 1, 20).double()[:, None, None]  # the surest one is wrong
    trust[0] = 1e6
    found, alike = (
        identify(build_physics("pendulum", 0.05), coordinates, actions, settings, trust=t) for t in (trust, None)
    )
    for name, value in TRUTH.items():
        assert found.constants[name].value == pytest.approx(alike.constants[name].value, rel=1e-6)
        assert found.constants[name].value == pytest.approx(value, rel=0.02)
