"""Digits and photographs: the library's own, and the files that users have."""

import gzip
import pickle

import numpy as np
import pytest
from PIL import Image

from paig_control.envs.digit_spring import DigitSpring
from paig_control.envs.pictures import load_digits, load_photograph
from paig_control.errors import PaigError

STACK = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
PHOTOS = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def idx(stack):
    return bytes([0, 0, 8, 3]) + np.array(stack.shape, ">u4").tobytes() + stack.tobytes()


def test_the_librarys_digits_are_ten_and_differ():
    digits = load_digits(None, tuple(range(10)), 22)
    assert digits.shape == (10, 22, 22)
    assert (digits.max((1, 2)) == 255).all()
    assert (digits[:, [0, -1]] < 128).all()
    apart = np.abs(digits[:, None].astype(float) - digits).mean((2, 3))
    assert (apart + 255 * np.eye(10)).min() > 20


def test_the_librarys_photograph_is_one():
    photograph = load_photograph(None, 0, (64, 64))
    assert photograph.shape == (64, 64, 3)
    assert photograph.std() > 30
    assert load_photograph(None, 0, (40, 90)).shape == (40, 90, 3)


@pytest.mark.parametrize("kind", ["idx", "gz", "npz", "npy"])
def test_mnists_files_are_read(tmp_path, kind):
    path = tmp_path / f"digits.{kind}"
    if kind == "idx":
        path.write_bytes(idx(STACK))
    elif kind == "gz":
        path.write_bytes(gzip.compress(idx(STACK)))
    elif kind == "npz":
        np.savez(path, x_test=STACK[::-1], x_train=STACK, y_train=np.zeros(6))
    else:
        np.save(path, STACK)
    np.testing.assert_array_equal(load_digits(str(path), (3, 1), 22), STACK[[3, 1], 3:-3, 3:-3])
    padded = load_digits(str(path), (0,), 32)
    np.testing.assert_array_equal(padded[0, 2:-2, 2:-2], STACK[0])
    assert DigitSpring(digits=path, digit_numbers=(0, 1)).sprites[0].texels.shape == (22, 22, 4)


@pytest.mark.parametrize("kind", ["bin", "npz", "npy", "png"])
def test_photographs_are_read(tmp_path, kind):
    path = tmp_path / f"photo.{kind}"
    if kind == "bin":
        labels = np.full((4, 1), 7, dtype=np.uint8)
        path.write_bytes(np.hstack([labels, PHOTOS.transpose(0, 3, 1, 2).reshape(4, -1)]).tobytes())
    elif kind == "npz":
        np.savez(path, x_train=PHOTOS)
    elif kind == "npy":
        np.save(path, PHOTOS)
    else:
        Image.fromarray(PHOTOS[1]).save(path)
    number = 0 if kind == "png" else 1
    np.testing.assert_array_equal(load_photograph(str(path), number, (32, 32)), PHOTOS[1])
    large = load_photograph(str(path), number, (64, 64)).astype(float)
    assert large.shape == (64, 64, 3)
    np.testing.assert_allclose(large.mean((0, 1)), PHOTOS[1].mean((0, 1)), atol=2)


def test_the_digits_are_painted_in_their_colours_over_the_darkened_photograph():
    scene = DigitSpring(darken=0.2)
    photograph = load_photograph(None, 0, (64, 64)).astype(float)
    image = scene.paint(scene.goal_state[None])[0].astype(float)
    np.testing.assert_allclose(image[:8], np.clip(photograph[:8] - 51, 0, 255), atol=0.5)
    assert (image[21:43, 9:31] == (255, 0, 0)).all(-1).sum() > 20
    assert (image[21:43, 33:55] == (0, 255, 0)).all(-1).sum() > 20


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing", None, "cannot be read"),
        ("cut", idx(STACK)[:-5], "cut short"),
        ("text.txt", b"five", "holds no digits"),
        ("bad.gz", b"\x1f\x8b rubbish", "damaged gzip"),
        ("bad.npz", b"rubbish", "cannot be read as a NumPy file"),
    ],
)
def test_files_without_digits_are_refused(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PaigError, match=words):
        DigitSpring(digits=path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.png", None, "cannot be read"),
        ("data_batch_1.bin", b"123", "rows of 3073 bytes"),
        ("data_batch_1", pickle.dumps({"data": [1]}), "is a pickle"),
        ("photo.png", b"rubbish", "no picture that can be read"),
    ],
)
def test_files_without_photographs_are_refused(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PaigError, match=words):
        DigitSpring(photograph=path)


@pytest.mark.parametrize("array", [np.zeros((3, 8, 8)), np.zeros((8, 8), np.uint8), np.zeros((0, 8, 8), np.uint8)])
def test_arrays_that_are_no_digits_are_refused(tmp_path, array):
    np.save(tmp_path / "digits.npy", array)
    with pytest.raises(PaigError, match="expected uint8"):
        DigitSpring(digits=tmp_path / "digits.npy")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"digits": 5}, "digits = 5: expected the path"),
        ({"photograph_number": 3}, "photograph_number = 3: the library has 1"),
        ({"darken": -0.1}, "darken = -0.1"),
    ],
)
def test_bad_arguments_are_named(settings, words):
    with pytest.raises(PaigError, match=words):
        DigitSpring(**settings)
