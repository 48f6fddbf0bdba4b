"""What goes wrong between camera and agent goes wrong as often, as much and where it was asked for."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import paig_control  # noqa: F401
from paig_control.errors import PaigError
from paig_control.evaluation.corruptions import SETTLED, Camera, DisturbSettings

GREY = np.full((50, 8, 8, 3), 120, dtype=np.uint8)
STEPS = 40


def filmed(settings, seeds, frames=GREY[:1], steps=STEPS):
    """All frames that arrive in still episodes, ``(T, B, h, w, 3)``, and which are missing ``(T, B)``."""
    camera = Camera(settings, seeds, steps)
    seen, missing = zip(*(camera(frames[: len(seeds)], None, t) for t in range(steps)), strict=True)
    return np.stack(seen), np.stack(missing)


def test_a_tenth_of_the_frames_is_dropped_and_the_others_arrive_untouched():
    seen, missing = filmed(DisturbSettings(drop=0.1), range(50), GREY)
    assert abs(missing.mean() - 0.1) < 3 * np.sqrt(0.09 / missing.size)
    assert (seen[missing] == 0).all()
    assert (seen[~missing] == 120).all()


def test_noise_has_the_asked_standard_deviation_in_every_pixel_and_no_bias():
    seen, missing = filmed(DisturbSettings(noise=0.1), range(10), GREY)
    assert not missing.any()
    assert seen.std() == pytest.approx(25.5, rel=0.02)
    assert seen.mean() == pytest.approx(120, abs=0.5)
    pixels = seen.reshape(-1, 8 * 8 * 3).astype(float)
    assert np.abs(np.corrcoef(pixels.T) - np.eye(pixels.shape[1])).max() < 0.3
    dark, _ = filmed(DisturbSettings(noise=0.1), [0], np.zeros_like(GREY))
    assert dark.min() == 0
    assert dark.max() < 255


@pytest.mark.parametrize(("name", "objects"), [("Spring", 2), ("ThreeBody", 3)])
def test_one_object_is_out_of_the_picture_for_five_frames_in_a_row(name, objects):
    env = gym.make(f"paig/{name}-v0", disable_env_checker=True, clear_steps=0)
    draw, seeds = env.get_wrapper_attr("draw"), list(range(6))
    states = np.stack([env.reset(seed=seed)[1]["state"] for seed in seeds])
    frames = np.stack([draw(state) for state in states])
    camera = Camera(DisturbSettings(hide=5), seeds, STEPS, objects, draw)
    seen = np.stack([camera(frames, states, t)[0] for t in range(STEPS)], 1)
    colours = [np.array(one) / 255 for one in ([0, 0, 255], [0, 255, 0], [255, 0, 0])[:objects]]
    for film, frame in zip(seen, frames, strict=True):
        ink = np.stack([(film * colour).sum((1, 2, 3)) for colour in colours], 1)
        whole = np.array([(frame * colour).sum() for colour in colours])
        gone = ink == 0
        when = np.flatnonzero(gone.any(1))
        assert when.tolist() == list(range(when[0], when[0] + 5))
        assert when[0] >= SETTLED
        assert gone.any(0).sum() == 1
        assert (ink[~gone] == np.broadcast_to(whole, ink.shape)[~gone]).all()


def test_which_object_hides_and_when_differs_between_episodes():
    states = np.zeros((200, 2, 2, 2))
    states[:, 0] = [[10.0, 20.0], [20.0, 20.0]]
    hidden = []
    camera = Camera(DisturbSettings(hide=5), range(200), STEPS, 2, lambda state: hidden.append(state) or GREY[0])
    first = np.full(200, -1)
    frames = np.zeros((200, 8, 8, 3), dtype=np.uint8)
    for t in range(STEPS):
        gone = camera(frames, states, t)[0].any((1, 2, 3))
        first[(first < 0) & gone] = t
    assert set(first) == set(range(SETTLED, STEPS - 4))
    which = np.array([state[0, 0, 0] < 0 for state in hidden])
    assert 0.3 < which.mean() < 0.7
    assert all((state[1] == 0).all() for state in hidden)


def test_an_episode_does_not_depend_on_its_batch():
    settings = DisturbSettings(drop=0.3, noise=0.2)
    together, lost = filmed(settings, [4, 5, 6], GREY)
    alone, lost_alone = filmed(settings, [5], GREY)
    assert np.array_equal(together[:, 1], alone[:, 0])
    assert np.array_equal(lost[:, 1], lost_alone[:, 0])
    assert not np.array_equal(together[:, 0], together[:, 1])


def test_what_cannot_be_is_refused():
    for wrong in ({"drop": 1.0}, {"drop": -0.1}, {"noise": -1.0}, {"noise": float("nan")}, {"hide": -1}):
        with pytest.raises(PaigError, match=f"disturb.{next(iter(wrong))}"):
            DisturbSettings(**wrong)
    with pytest.raises(PaigError, match="at most 36"):
        Camera(DisturbSettings(hide=37), [0], STEPS, 2, lambda state: GREY[0])
    with pytest.raises(PaigError, match="one object"):
        Camera(DisturbSettings(hide=5), [0], STEPS, 1, lambda state: GREY[0])
    with pytest.raises(PaigError, match="nothing is known"):
        Camera(DisturbSettings(hide=5), [0], STEPS)
    assert not DisturbSettings()
    assert DisturbSettings(hide=1)
