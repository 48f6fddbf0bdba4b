"""The painter keeps the pixel geometry: ink lies where the pose says, and as much as the area."""

import numpy as np
import pytest

from paig_control.envs.painter import Bitmap, Rod, disc, paint

WHITE = (255.0, 255.0, 255.0)
BLACK = np.zeros((40, 40, 3))
CENTRES = np.arange(40) + 0.5


def poses(count=500, turned=True):
    rng = np.random.default_rng(0)
    angle = rng.uniform(-7, 7, count) if turned else np.zeros(count)
    return np.stack([rng.uniform(15, 25, count), rng.uniform(12, 28, count), angle], axis=1)


def moments(sprite, pose):
    image = paint(BLACK, [sprite], pose[:, None])[..., 0] / 255
    ink = image.sum((1, 2))
    return ink, (image * CENTRES).sum((1, 2)) / ink, (image * CENTRES[:, None]).sum((1, 2)) / ink


def fine_raster(sprite, pose, factor=40):
    """Covered part of each pixel by counting the points of a fine grid: independent of the painter."""
    fine = (np.arange(40 * factor) + 0.5) / factor
    x, y = fine[None, :] - pose[0], fine[:, None] - pose[1]
    along = np.clip(-np.sin(pose[2]) * x - np.cos(pose[2]) * y, -sprite.length / 2, sprite.length / 2)
    inside = np.hypot(x + np.sin(pose[2]) * along, y + np.cos(pose[2]) * along) < sprite.radius
    return inside.reshape(40, factor, 40, factor).mean((1, 3))


@pytest.mark.parametrize("radius", [1.5, 2.0, 4.3])
def test_a_disc_is_found_where_it_was_put(radius):
    pose = poses()
    _, x, y = moments(disc(radius, WHITE), pose)
    assert np.abs(x - pose[:, 0]).max() < 0.02
    assert np.abs(y - pose[:, 1]).max() < 0.02


@pytest.mark.parametrize("radius", [1.0, 2.0, 4.3])
def test_a_disc_has_the_ink_of_its_area(radius):
    ink, _, _ = moments(disc(radius, WHITE), poses())
    np.testing.assert_allclose(ink, np.pi * radius**2, rtol=0.01)


@pytest.mark.parametrize(("length", "radius"), [(7.27, 0.727), (10.0, 2.0), (4.0, 1.0)])
def test_a_rod_has_the_ink_of_its_area_at_every_angle(length, radius):
    ink, _, _ = moments(Rod(length, radius, WHITE), poses())
    np.testing.assert_allclose(ink, np.pi * radius**2 + 2 * radius * length, rtol=0.01)


def test_a_rod_is_found_where_it_was_put():
    # A long edge along the pixels may hide up to 0.1 px inside them, as in any camera; not at a whole width.
    pose = poses()
    _, x, y = moments(Rod(10.0, 2.0, WHITE), pose)
    assert np.abs(x - pose[:, 0]).max() < 0.02
    assert np.abs(y - pose[:, 1]).max() < 0.02


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 1.2, np.pi / 2, 2.5, -2.0])
def test_every_pixel_of_a_rod_is_its_covered_area(angle):
    rod, pose = Rod(9.0, 1.3, WHITE), np.array([20.23, 19.61, angle])
    image = paint(BLACK, [rod], pose[None, None])[0, ..., 0] / 255
    assert np.abs(image - fine_raster(rod, pose)).max() < 0.02


def test_no_drift_with_position():
    steps = np.linspace(10, 30, 2001)
    pose = np.stack([steps, np.full_like(steps, 20.3), np.zeros_like(steps)], axis=1)
    _, x, _ = moments(disc(2.0, WHITE), pose)
    assert abs(np.polyfit(steps, x - steps, 1)[0]) < 1e-4


def test_angles_turn_counter_clockwise_from_up():
    pose = np.array([[20.0, 20.0, 0.0], [20.0, 20.0, np.pi / 4]])
    upright, turned = paint(BLACK, [Rod(12.0, 1.0, WHITE)], pose[:, None])[..., 0]
    assert upright[14, 20] > 200
    assert upright[20, 14] == 0
    assert turned[16, 16] > 200  # up and to the left
    assert turned[16, 23] == 0


def test_what_lies_outside_is_cut_off_without_a_trace_elsewhere():
    pose = np.array([[0.0, 20.0, 0.0], [-30.0, 20.0, 0.0], [20.0, 41.0, 0.0], [1e6, -1e6, 0.0]])
    images = paint(BLACK, [disc(3.0, WHITE)], pose[:, None])[..., 0] / 255
    ink = images.sum((1, 2))
    assert ink[0] == pytest.approx(np.pi * 9 / 2, rel=0.01)
    assert ink[1] == ink[3] == 0
    assert images[0, :, 4:].sum() == 0
    assert 0 < ink[2] < np.pi * 9 / 2


def test_later_sprites_cover_earlier_ones_and_partly_covered_pixels_mix():
    background = np.full((40, 40, 3), 100.0)
    pose = np.array([[[20.0, 20.5, 0.0], [20.5, 20.5, 0.0]]])
    image = paint(background, [disc(6.0, (200.0, 0.0, 0.0)), disc(2.0, (0.0, 0.0, 250.0))], pose)[0]
    np.testing.assert_array_equal(image[20, 20], [0, 0, 250])
    np.testing.assert_array_equal(image[20, 16], [200, 0, 0])
    np.testing.assert_array_equal(image[2, 2], [100, 100, 100])
    half = paint(background, [Rod(20.0, 1.0, WHITE)], np.array([[[20.5, 20.0, 0.0]]]))[0]
    np.testing.assert_allclose(half[20, 19], 177.5, atol=1)


def test_a_batch_paints_as_each_alone():
    sprites, pose = [Rod(7.0, 1.0, WHITE), disc(2.0, (9.0, 8.0, 7.0))], poses(20).reshape(10, 2, 3)
    together = paint(BLACK, sprites, pose)
    for index in range(10):
        np.testing.assert_array_equal(together[index], paint(BLACK, sprites, pose[index : index + 1])[0])


def bitmap():
    texels = np.zeros((9, 9, 4), dtype=np.float32)
    texels[..., :3] = 255
    texels[1:8, 2:5, 3] = np.random.default_rng(0).uniform(0.2, 1, (7, 3))
    return texels


def test_a_bitmap_at_a_whole_pixel_place_is_copied():
    texels = bitmap()
    image = paint(BLACK, [Bitmap(texels)], np.array([[[20.5, 20.5, 0.0]]]))[0, ..., 0]
    np.testing.assert_allclose(image[16:25, 16:25], texels[..., 3] * 255, atol=0.5)


def test_a_shifted_bitmap_keeps_its_ink_and_moves_its_centre_as_far():
    texels, pose = bitmap(), poses(turned=False)
    ink, x, y = moments(Bitmap(texels), pose)
    alpha, grid = texels[..., 3], np.arange(9) - 4.0
    np.testing.assert_allclose(ink, alpha.sum(), rtol=0.01)
    assert np.abs(x - pose[:, 0] - (alpha * grid).sum() / alpha.sum()).max() < 0.02
    assert np.abs(y - pose[:, 1] - (alpha * grid[:, None]).sum() / alpha.sum()).max() < 0.02


def test_a_bitmap_turns_as_a_rod_does():
    texels = np.zeros((13, 13, 4), dtype=np.float32)
    texels[..., :3] = 255
    texels[1:7, 6, 3] = 1.0  # from the middle up
    left = paint(BLACK, [Bitmap(texels)], np.array([[[20.5, 20.5, np.pi / 2]]]))[0, ..., 0]
    np.testing.assert_array_equal(left[20, 15:21], 255)
    assert left.sum() == 6 * 255


def test_a_bitmap_turned_by_nothing_is_painted_as_one_turned_by_next_to_nothing():
    texels = np.random.default_rng(0).uniform(0, 1, (8, 8, 4)).astype(np.float32)
    texels[..., :3] *= 255
    pose = poses(100, turned=False)
    straight = paint(BLACK, [Bitmap(texels)], pose[:, None]).astype(int)
    pose[:, 2] = 1e-12
    assert np.abs(straight - paint(BLACK, [Bitmap(texels)], pose[:, None])).max() <= 1


def test_a_background_without_sprites_is_painted_too():
    np.testing.assert_array_equal(paint(BLACK + 7.4, [], np.zeros((3, 0, 3))), np.full((3, 40, 40, 3), 7))
