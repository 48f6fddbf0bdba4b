"""Cameras that look aslant: against a pinhole of its own in three dimensions, and films of a pendulum that it sees."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from paig_control.data.episodes import Sequences
from paig_control.errors import PaigError
from paig_control.estimation.settings import IdentifySettings
from paig_control.learning.recipe import train
from paig_control.learning.settings import DiscoverSettings, ModelSettings, RecipeSettings
from paig_control.learning.slant import look_for_camera
from paig_control.models import checkpoint
from paig_control.physics.registry import build_physics
from paig_control.types import State
from paig_control.vision.camera import STRAIGHT, Camera
from paig_control.vision.kinematics import Aslant
from paig_control.vision.registry import build_camera

Array = NDArray[np.float64]
TILT, FOCAL, SIZE, STEP, LENGTH = math.radians(40), 60.0, 32, 0.05, 9.0


def hits(tilt: float, toward: float, focal: float, size: int) -> Array:
    """Where rays of pixels, x right and y down, hit a plane that is ``focal`` away along the axis: ``(h, w, 2)``.

    Its coordinates agree with the picture's in the middle, but for the squeeze in one direction.
    """
    away = np.array([math.sin(toward), math.cos(toward), 0.0])
    along = np.array([away[1], -away[0], 0.0])  # not foreshortened
    plane = np.cos(tilt) * away + np.array([0.0, 0.0, math.sin(tilt)])  # the direction in the plane that recedes
    normal = np.cross(along, plane)
    place = np.arange(size) + 0.5 - size / 2
    rays = np.stack([*np.meshgrid(place, place), np.full((size, size), focal)], -1)
    middle = np.array([0.0, 0.0, focal])
    points = rays * ((middle @ normal) / (rays @ normal))[..., None] - middle
    return (points @ along)[..., None] * along[:2] + (points @ plane)[..., None] * away[:2]


@pytest.mark.parametrize(("tilt", "toward", "focal"), [(0.7, 0.0, 50.0), (0.5, 1.1, 80.0), (1.0, -2.5, 120.0)])
def test_points_of_the_plane_are_seen_where_a_pinhole_sees_them(tilt: float, toward: float, focal: float) -> None:
    plane = torch.from_numpy(hits(tilt, toward, focal, 20))
    place = torch.arange(20, dtype=torch.float64) + 0.5 - 10
    pixels = torch.stack(torch.meshgrid(place, place, indexing="xy"), -1)
    torch.testing.assert_close(Camera(tilt, toward, focal).seen(plane), pixels, atol=1e-9, rtol=0)
    behind = Camera(tilt, toward + math.pi, -focal).seen(plane)
    torch.testing.assert_close(behind, pixels, atol=1e-9, rtol=0)


def test_straightened_pictures_show_a_disc_as_a_disc() -> None:
    plane, size = hits(0.7, 0.4, 90.0, 48), 48
    away = np.hypot(*(plane - [4.0, -5.0]).transpose(2, 0, 1))
    frame = torch.from_numpy(np.clip(8.5 - away, 0, 1)).float().expand(3, size, size)
    image = Camera(0.7, 0.4, 90.0).straight(frame[None])[0, 0]
    place = torch.arange(size) + 0.5 - size / 2
    x, y = torch.meshgrid(place, place, indexing="xy")
    total = image.sum()
    centre = torch.stack([(image * x).sum(), (image * y).sum()]) / total
    torch.testing.assert_close(centre, torch.tensor([4.0, -5.0]), atol=0.1, rtol=0)
    spread = torch.stack([(image * (x - centre[0]) ** 2).sum(), (image * (y - centre[1]) ** 2).sum()]) / total
    torch.testing.assert_close(spread, torch.full((2,), 16.0), atol=0.6, rtol=0)  # a quarter of the radius squared
    assert float((image * (x - centre[0]) * (y - centre[1])).sum() / total) == pytest.approx(0.0, abs=0.3)
    assert STRAIGHT.straight(frame) is frame


@pytest.mark.parametrize("toward", [0.0, 0.9, -0.7])
def test_a_squeeze_is_told_by_how_it_bends_angles(toward: float) -> None:
    """Harmonics are fitted here to angles in a plane that is squeezed by a matrix, as often as is looked."""
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ways = np.stack([-np.sin(angle), -np.cos(angle)], -1)
    away = np.array([math.sin(toward), math.cos(toward)])
    squeeze = np.eye(2) - (1 - math.cos(0.75)) * np.outer(away, away)
    camera = STRAIGHT
    for _ in range(3):
        seen = camera.seen(torch.eye(2, dtype=torch.float64)).numpy().T
        x, y = np.linalg.solve(seen, squeeze @ ways.T)
        drawn = np.arctan2(-x, -y)
        off = (angle - drawn + np.pi) % (2 * np.pi) - np.pi
        rows = np.stack([np.ones_like(drawn), np.sin(2 * drawn), np.cos(2 * drawn)], -1)
        camera = camera.turned(*np.linalg.lstsq(rows, off, rcond=None)[0][1:])
    assert camera.tilt == pytest.approx(0.75, abs=1e-3)
    assert camera.toward == pytest.approx(toward, abs=1e-3)


def test_whatever_angles_say_a_camera_can_be_meant() -> None:
    steep = STRAIGHT.turned(3.0, -4.0)
    assert math.degrees(steep.tilt) == pytest.approx(75.5, abs=0.1)
    assert build_camera(steep.near(0.01)._asdict()).nearness == pytest.approx(0.01)
    assert STRAIGHT.near(0.01) == STRAIGHT


def test_bent_angles_are_coordinates_and_back() -> None:
    kinematics = Aslant((10.0, 12.0), 5.0)
    kinematics.shift(torch.tensor([[0.3]]))
    angle = torch.linspace(-3, 3, 40)[:, None, None]
    before = kinematics.coordinates(kinematics.keypoints(angle))
    torch.testing.assert_close(torch.remainder(before - angle + 3, 6.2831853), torch.full_like(angle, 3.0))
    ways = torch.tensor([0.02, -0.03, 0.05, 0.01])
    drawn = kinematics.pose(angle)[..., 2:]
    kinematics.bend(ways)
    found = kinematics.coordinates(kinematics.keypoints(angle))
    torch.testing.assert_close(torch.remainder(found - angle + 3, 6.2831853), torch.full_like(angle, 3.0))
    meant = angle + (kinematics.gauge(angle)[..., 1:] * ways).sum(-1)  # of what was called angle before
    torch.testing.assert_close(kinematics.pose(meant)[..., 2:], drawn, atol=1e-5, rtol=0)


def swinging(films: int, frames: int, seed: int = 0) -> tuple[Sequences, float]:
    """Films of a rod that swings and is pushed, seen by a pinhole from above; and its gravity, by its angle, 1/s²."""
    draw, gravity, push = np.random.default_rng(seed), 14.0, 6.0
    angle, speed = draw.uniform(-np.pi, np.pi, films), draw.normal(0, 3.0, films)
    actions = draw.uniform(-1, 1, (films, frames - 1, 1))
    path = [angle]
    for step in range(frames - 1):
        for _ in range(50):
            speed = speed + STEP / 50 * (gravity * np.sin(angle) + push * actions[:, step, 0])
            angle = angle + STEP / 50 * speed
        path.append(angle)
    fine = 3
    plane = hits(TILT, 0.0, FOCAL * fine, SIZE * fine) / fine
    shown = np.empty((films, frames, SIZE, SIZE, 3), np.uint8)
    for row, column in np.ndindex(films, frames):
        one = path[column][row]
        way = np.array([-math.sin(one), -math.cos(one)])
        part = np.clip(plane @ way, 0, LENGTH)[..., None]
        ink = (np.hypot(*(plane - part * way).transpose(2, 0, 1)) < 1.6).astype(float)
        ink = ink.reshape(SIZE, fine, SIZE, fine).mean((1, 3))[..., None]
        shown[row, column] = np.rint(255 * (ink * [0.9, 0.5, 0.1] + (1 - ink) * [0.1, 0.2, 0.3]))
    return Sequences(shown, actions.astype(np.float32), STEP), gravity


def test_a_pendulum_tells_how_it_is_looked_at() -> None:
    data, _ = swinging(20, 24)
    frames, physics = torch.from_numpy(data.frames), build_physics("pendulum", STEP)
    assert data.actions is not None
    camera = look_for_camera(
        lambda numbers: frames.flatten(0, 1)[numbers],
        frames.shape[:2].numel(),
        frames,
        torch.from_numpy(data.actions),
        physics,
        IdentifySettings(),
        0,
        lambda fraction, text: None,
    )
    assert math.degrees(camera.tilt) == pytest.approx(math.degrees(TILT), abs=5)
    assert camera.toward == pytest.approx(0, abs=0.1)
    assert physics.values() == build_physics("pendulum", STEP).values()


def test_where_nothing_turns_the_camera_has_to_be_told(tmp_path: Path) -> None:
    ball = build_physics("bouncing", 0.1)
    with pytest.raises(PaigError, match=r"model\.camera=oblique: .* model\.tilt"):
        look_for_camera(lambda _: torch.zeros(0), 0, *(torch.zeros(0),) * 2, ball, IdentifySettings(), 0, print)


def test_cameras_are_kept_with_the_model(tmp_path: Path) -> None:
    data, _ = swinging(4, 10)
    recipe = RecipeSettings(discover=DiscoverSettings(frames=40, rounds=1, steps=2))
    settings = ModelSettings(camera="oblique", tilt=40, fov=math.degrees(2 * math.atan(SIZE / 2 / FOCAL)))
    run = train(data, build_physics("pendulum", STEP), settings, recipe, out=tmp_path)
    assert run.model.camera == pytest.approx((TILT, 0.0, FOCAL))
    loaded = checkpoint.load(tmp_path).model
    assert loaded.camera == run.model.camera
    frames = torch.from_numpy(data.frames[0])
    place = run.model.locate(frames)
    assert torch.equal(loaded.locate(frames), place)
    assert loaded.pictures(data.frames[0]).shape == data.frames[0].shape
    assert torch.equal(loaded.images(frames), Camera(TILT, 0.0, FOCAL).straight(frames.movedim(-1, -3) / 255))
    assert loaded.render(State(place, place)).shape == loaded.images(frames).shape


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"camera": "bent"}, "expected straight or oblique"),
        ({"tilt": 20.0}, r"model\.tilt = 20\.0: only of a camera that looks aslant"),
        ({"camera": "oblique", "tilt": 0.0}, "not 0, from -75 to 75"),
        ({"camera": "oblique", "tilt": 90.0}, "not 0, from -75 to 75"),
        ({"camera": "oblique", "fov": 45.0}, r"give model\.tilt, too"),
        ({"camera": "oblique", "tilt": 45.0, "fov": 0.0}, "above 0, at most 150"),
    ],
)
def test_cameras_that_there_are_not_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(PaigError, match=message):
        ModelSettings(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("numbers", [{"tilt": 1.6}, {"tilt": -0.1}, {"tilt": 0.5, "focal": 0.0}])
def test_cameras_of_broken_files_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(PaigError, match="cannot be meant"):
        build_camera(numbers)
