"""Flipped, shifted and zoomed films: the picture, the truth and the forces stay together."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from paig_control.data.augmentation import Draws, augment, augment_truth, cut_frames, draw, scaled
from paig_control.data.episodes import Sequences, Truth
from paig_control.envs.painter import disc, paint
from paig_control.errors import PaigError

BLUE = (0.0, 0.0, 255.0)
SIZE = (32, 24)


def painted(places: np.ndarray, radius: float = 2.0) -> np.ndarray:
    """Films ``(S, T, h, w, 3)`` of a disc at places ``(S, T, 2)``."""
    poses = np.concatenate([places, np.zeros((*places.shape[:-1], 1))], -1).reshape(-1, 1, 3)
    return paint(np.zeros((*SIZE, 3)), [disc(radius, BLUE)], poses).reshape(*places.shape[:2], *SIZE, 3)


def places(count: int, frames: int = 3) -> np.ndarray:
    """Places ``(S, T, 2)`` well inside."""
    rng = np.random.default_rng(1)
    return np.array(SIZE[::-1]) / 2 + rng.uniform(-4, 4, (count, frames, 2)) * [1, 1.6]


def test_draws_keep_to_their_ranges_and_come_from_the_seed() -> None:
    draws = draw("all", 2000, seed=3)
    distance = np.hypot(*draws.shift.T)
    assert distance.min() >= 0.0
    assert 4.9 < distance.max() <= 5.0
    assert draws.zoom.min() == pytest.approx(0.8, abs=0.002)
    assert draws.zoom.max() == pytest.approx(1.25, abs=0.002)
    kinds = {tuple(row) for row in draws.flip}
    assert kinds == {(-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)}
    again, other = draw("all", 2000, seed=3), draw("all", 2000, seed=4)
    assert np.array_equal(draws.shift, again.shift)
    assert not np.array_equal(draws.shift, other.shift)


@pytest.mark.parametrize("kind", ["none", "flip", "shift", "zoom"])
def test_each_kind_does_that_alone(kind: str) -> None:
    draws = draw(kind, 50, seed=0)
    moved = {"flip": (draws.flip != 1).any(), "shift": draws.shift.any(), "zoom": (draws.zoom != 1).any()}
    assert {name for name, is_so in moved.items() if is_so} == ({kind} - {"none"})


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(PaigError, match="did you mean shift"):
        draw("shfit", 2, seed=0)


@pytest.mark.parametrize("kind", ["flip", "shift", "zoom", "all"])
def test_a_new_film_looks_like_one_painted_at_the_mapped_place(kind: str) -> None:
    old = places(60)
    draws = draw(kind, 60, seed=2, shift=3.0)
    new = draws.films(painted(old)) / 255.0
    target = draws.moved(old, SIZE)
    for s in range(60):
        expected = painted(target[s : s + 1], 2.0 * draws.zoom[s])[0] / 255.0
        error = np.square(new[s] - expected).sum((1, 2, 3))
        assert error.max() < (1e-12 if kind == "flip" else 0.5)  # of a disc's energy of 9
        ink = new[s].sum((0, 1, 2, 3)) / 3
        assert ink == pytest.approx(np.pi * (2.0 * draws.zoom[s]) ** 2, rel=0.05)
        columns = np.arange(SIZE[1]) + 0.5
        centre = (new[s].sum((1, 3)) * columns).sum(1) / new[s].sum((1, 2, 3))
        np.testing.assert_allclose(centre, target[s, :, 0], atol=0.06)


def test_an_identity_leaves_every_level_alone() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, *SIZE, 3), dtype=np.uint8)
    assert np.array_equal(draw("none", 2, seed=0).films(noise), noise)


def test_what_comes_in_from_outside_repeats_the_edge() -> None:
    ramp = np.zeros((1, 1, *SIZE, 3), np.uint8)
    ramp[..., :, 0, :], ramp[..., :, 1:, :] = 200, 90
    new = Draws(np.ones((1, 2)), np.ones(1), np.array([[4.0, 0.0]])).films(ramp)
    assert (new[0, 0, :, :5] == 200).all()
    assert (new[0, 0, :, 6:] == 90).all()


def test_truth_and_forces_obey_the_same_law_after_the_map() -> None:
    # Newton's law, x'' = force: differences of positions and velocities, mapped, must still fit the mapped forces.
    rng = np.random.default_rng(0)
    force = rng.normal(size=(5, 8, 4)).astype(np.float32)
    velocity = np.concatenate([np.zeros((5, 1, 4)), force.cumsum(1)], 1).reshape(5, 9, 2, 2)
    position = 10 + velocity.cumsum(1)
    frames = np.zeros((5, 9, *SIZE, 3), np.uint8)
    draws = draw("all", 5, seed=1)
    data = augment(Sequences(frames, force), draws)
    truth = augment_truth(Truth(position, velocity, {}, {}), draws, SIZE)
    assert data.actions is not None
    assert truth.position is not None
    assert truth.velocity is not None
    np.testing.assert_allclose(np.diff(truth.velocity, axis=1).reshape(5, 8, 4), data.actions, atol=1e-4)
    np.testing.assert_allclose(np.diff(truth.position, axis=1), truth.velocity[:, 1:], atol=1e-9)


def test_constants_in_pixels_grow_with_the_zoom() -> None:
    zoom = np.array([0.8, 1.25])
    np.testing.assert_allclose(scaled(12.0, "px", zoom), [9.6, 15.0])
    np.testing.assert_allclose(scaled(60.0, "px³/s²", zoom), 60 * zoom**3)
    np.testing.assert_allclose(scaled(4.0, "1/s²", zoom), [4.0, 4.0])


def test_frames_that_lose_something_over_the_edge_are_told_from_the_pixels() -> None:
    old = places(1, 40)
    draws = Draws(np.ones((1, 2)), np.full(1, 1.25), np.array([[7.0, -8.0]]))
    new = draws.moved(old, SIZE)
    reach = 2.0 * 1.25
    beyond = ((new < reach) | (new > np.array(SIZE[::-1]) - reach)).any(-1)
    room = np.minimum(new - reach, np.array(SIZE[::-1]) - reach - new).min(-1)
    clearly = np.abs(room) > 0.5
    found = cut_frames(painted(old), draws)
    assert 5 < beyond.sum() < 35
    assert np.array_equal(found[clearly], beyond[clearly])


def test_actions_of_a_pendulum_are_refused() -> None:
    data = Sequences(np.zeros((2, 3, *SIZE, 3), np.uint8), np.zeros((2, 2, 1), np.float32))
    with pytest.raises(PaigError, match="augment=none"):
        augment(data, draw("flip", 2, seed=0))


def test_a_flipped_film_of_the_environment_is_the_film_of_the_flipped_state() -> None:
    scene = gym.make("paig_control:paig/Spring-v0").unwrapped
    state = np.array([[[8.3, 20.1], [17.7, 11.2]], [[1.0, 2.0], [3.0, 4.0]]])
    draws = Draws(np.array([[-1.0, 1.0]]), np.ones(1), np.zeros((1, 2)))
    mirrored = np.stack([draws.moved(state[:1], (32, 32))[0], draws.turned(state[1:])[0]])
    old, new = scene.draw(state), scene.draw(mirrored)  # type: ignore[attr-defined]
    assert np.abs(draws.films(old[None, None])[0, 0].astype(int) - new).max() <= 2
