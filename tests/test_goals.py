"""Goal images of all kinds become what the agent can see, and what was changed is said."""

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

import paig_control  # noqa: F401
from paig_control.errors import PaigError
from paig_control.goals import drawing, goal_files

STATE = np.array([[[0.5]], [[0.0]]])
NAMED = {"upright": [0.0, 0.0], "down": [np.pi, 0.0]}


@pytest.fixture(scope="module")
def env():
    return gym.make("paig/Pendulum-v0", disable_env_checker=True)


@pytest.fixture(scope="module")
def image(env):
    return env.get_wrapper_attr("draw")(STATE)


def resolve(wanted, env, size=(32, 32), named=NAMED):
    return drawing.resolve(wanted, "upright", named, env, size)


def test_a_goal_that_was_drawn_carries_its_state(tmp_path, env, image):
    goal_files.save(tmp_path / "a.png", image, STATE)
    goal = resolve(str(tmp_path / "a.png"), env)
    np.testing.assert_array_equal(goal.image, image)
    np.testing.assert_array_equal(goal.state, STATE)
    assert goal.notes == ()


def test_a_goal_of_another_size_is_resized_and_said(tmp_path, env):
    large = gym.make("paig/Pendulum-v0", size=96).get_wrapper_attr("draw")(STATE)
    Image.fromarray(large).save(tmp_path / "large.png")
    goal = resolve(str(tmp_path / "large.png"), env)
    averaged = large.reshape(32, 3, 32, 3, 3).mean((1, 3))
    assert np.abs(goal.image - averaged).max() <= 1
    assert "96 x 96" in goal.notes[0]
    assert "32 x 32" in goal.notes[0]


def test_a_small_goal_is_enlarged_and_another_proportion_is_said(tmp_path, env):
    Image.new("RGB", (20, 10)).save(tmp_path / "small.png")
    goal = resolve(str(tmp_path / "small.png"), env)
    assert goal.image.shape == (32, 32, 3)
    assert "proportions" in goal.notes[0]


def test_alpha_is_laid_over_white_and_said(tmp_path, env, image):
    rgba = np.concatenate([image, np.full((32, 32, 1), 255, np.uint8)], -1)
    rgba[:4] = (0, 0, 0, 0)
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    goal = resolve(str(tmp_path / "alpha.png"), env)
    assert (goal.image[:4] == 255).all()
    np.testing.assert_array_equal(goal.image[4:], image[4:])
    assert "alpha" in goal.notes[0]


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "I;16"])
def test_other_kinds_of_pictures_become_rgb_and_are_said(tmp_path, env, mode):
    picture = Image.new("L", (32, 32), 255)
    if mode == "I;16":
        picture = Image.fromarray(np.full((32, 32), 65535, np.uint16))
    elif mode != "L":
        picture = picture.convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(path)
    goal = resolve(str(path), env)
    assert goal.image.shape == (32, 32, 3)
    assert goal.image.min() >= 254
    assert "RGB" in goal.notes[0]


def test_the_judge_finds_the_state_of_a_picture_that_does_not_say_it(tmp_path, env, image):
    Image.fromarray(image).save(tmp_path / "plain.png")
    goal = resolve(str(tmp_path / "plain.png"), env)
    assert goal.source == "found by drawing"
    np.testing.assert_allclose(goal.state, STATE, atol=0.02)


def test_a_picture_of_something_else_has_no_state(tmp_path, env):
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert resolve(str(tmp_path / "noise.png"), env).state is None


@pytest.mark.parametrize("wanted", ["down", "down.png"])
def test_a_named_goal_is_drawn(env, wanted):
    goal = resolve(wanted, env)
    assert goal.state[0, 0, 0] == pytest.approx(np.pi)
    assert len(goal.notes) == (1 if wanted.endswith(".png") else 0)


def test_the_default_goal_is_the_environments(env):
    assert resolve(None, env).source == "named upright"
    assert drawing.resolve(None, None, {}, env, (32, 32)).source == "the environment's own"


def test_pictures_that_cannot_be_read_are_refused(tmp_path, env, image):
    (tmp_path / "text.png").write_text("no picture")
    goal_files.save(tmp_path / "whole.png", image, STATE)
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("text.png", "cut.png", "empty.png"):
        with pytest.raises(PaigError, match=name):
            resolve(str(tmp_path / name), env)
    with pytest.raises(PaigError, match="folder"):
        resolve(str(tmp_path), env)


def test_a_goal_that_does_not_exist_is_refused_with_the_names_that_do(env):
    with pytest.raises(PaigError, match=r"uprihgt.*upright, down"):
        resolve("uprihgt.png", env)


@pytest.mark.parametrize("values", [[0.0], [0.0, float("nan")], ["a", "b"], [1, 2, 3]])
def test_states_that_do_not_fit_are_refused(values):
    with pytest.raises(PaigError, match="expected 2 numbers"):
        drawing.to_state(values, (2, 1, 1))


def test_a_damaged_state_in_the_picture_is_refused(tmp_path, env, image):
    text = goal_files.PngImagePlugin.PngInfo()
    text.add_text(goal_files.KEY, "[1, 2")
    Image.fromarray(image).save(tmp_path / "bad.png", pnginfo=text)
    with pytest.raises(PaigError, match="damaged"):
        resolve(str(tmp_path / "bad.png"), env)
