"""Films as other people have them: padding is left out, one film becomes many, doubled frames are refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from paig_control.data.cleaning import usable
from paig_control.data.collection import collect
from paig_control.data.episodes import Episodes, Sequences
from paig_control.errors import PaigError
from paig_control.learning.recipe import Staged, train
from paig_control.learning.settings import ModelSettings, RecipeSettings
from paig_control.physics.registry import build_physics

Films = NDArray[np.uint8]
INPUT = 4


@pytest.fixture(scope="module")
def swings() -> Sequences:
    """Sixteen films of a pendulum that is pushed, white behind it, and their actions."""
    kwargs = {"size": 24}
    return collect("paig_control:paig/Pendulum-v0", 16, 30, seed=1, valid=0, test=0, env_kwargs=kwargs).split("train")


@pytest.fixture(scope="module")
def balls() -> Sequences:
    """Sixteen films of two balls, black behind them."""
    return collect("paig_control:paig/Spring-v0", 16, 30, seed=1, policy="zero", valid=0, test=0).split("train")


ENDS = np.random.default_rng(0).integers(12, 31, 16)


def padded(data: Sequences, colour: int | None) -> Sequences:
    """The films end at ``ENDS``; what follows is of one colour, or the last frame."""
    films = data.frames.copy()
    for film, end in zip(films, ENDS, strict=True):
        film[end:] = film[end - 1] if colour is None else colour
    return dataclasses.replace(data, frames=films)


def place(data: Sequences, film: Films) -> tuple[int, int]:
    """The film and the time at which these frames were filmed."""
    count = len(film)
    found = [
        (i, t)
        for i in range(len(data))
        for t in range(data.frames.shape[1] - count + 1)
        if (data.frames[i, t : t + count] == film).all()
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("colour", [None, 0, 255, 128])
@pytest.mark.parametrize("which", ["swings", "balls"])
def test_padding_is_left_out_and_every_action_stays_with_its_frame(
    request: pytest.FixtureRequest, which: str, colour: int | None
) -> None:
    data: Sequences = request.getfixturevalue(which)
    kept, notes = usable(padded(data, colour), INPUT)
    length, lost = kept.frames.shape[1], int((30 - ENDS).sum())
    assert f"Left out of 16 films as padding: {lost} frames" in notes[0]
    assert f"was cut into {len(kept)} films of {length} frames" in notes[0]
    assert len(kept) * length >= 0.6 * ENDS.sum()
    assert length >= 12
    assert data.actions is not None
    assert kept.actions is not None
    for film, actions in zip(kept.frames, kept.actions, strict=True):
        number, start = place(data, film)
        assert start + length <= ENDS[number]
        np.testing.assert_array_equal(actions, data.actions[number, start : start + length - 1])


def test_frames_of_one_colour_amid_a_film_part_it(swings: Sequences) -> None:
    films = swings.frames.copy()
    films[:, 14:16] = 0
    kept, notes = usable(dataclasses.replace(swings, frames=films), INPUT)
    assert notes == [
        "Left out of 16 films as padding: 32 frames of one colour. What is left was cut into 32 films of 14 frames."
    ]
    assert {place(swings, film)[1] for film in kept.frames} == {0, 16}


def test_films_that_show_nothing_are_left_out_unless_all_do(swings: Sequences) -> None:
    films = swings.frames.copy()
    films[3] = 7
    kept, notes = usable(dataclasses.replace(swings, frames=films), INPUT)
    assert kept.frames.shape[:2] == (15, 30)
    assert "30 frames of one colour" in notes[0]
    empty = dataclasses.replace(swings, frames=np.zeros_like(films))
    assert usable(empty, INPUT) == (empty, [])


def twice(time: int, film: int) -> int:
    return time // 2


def fifth(time: int, film: int) -> int:
    """Every sixth frame is the fifth once more: what a conversion from 25 to 30 a second does."""
    return time - time // 6


def pulldown(time: int, film: int) -> int:
    """Two frames and three in turn, from 24 to 60 a second, each film from another place of the pattern."""
    begin = film % 5
    return (2 * (time + begin)) // 5 - (2 * begin) // 5


@pytest.mark.parametrize("source", [twice, fifth, pulldown])
@pytest.mark.parametrize("which", ["swings", "balls"])
def test_doubled_frames_are_refused_with_their_number_and_the_cause(
    request: pytest.FixtureRequest, which: str, source: Callable[[int, int], int]
) -> None:
    data: Sequences = request.getfixturevalue(which)
    films = np.stack([[film[source(t, i)] for t in range(30)] for i, film in enumerate(data.frames)])
    with pytest.raises(
        PaigError, match=r"^\d+ of \d+ pairs of .* alike to the byte .*frames were doubled, so dt is not"
    ):
        usable(dataclasses.replace(data, frames=films), INPUT)


def test_frames_that_are_late_now_and_then_are_remarked_on(balls: Sequences) -> None:
    late = np.random.default_rng(1).random((16, 30)) < 0.15
    late[:, [0, 1, -1, -2]] = False
    times = [np.maximum.accumulate(np.where(row, 0, np.arange(30))) for row in late]
    films = np.stack([film[time] for film, time in zip(balls.frames, times, strict=True)])
    kept, notes = usable(dataclasses.replace(balls, frames=films), INPUT)
    assert kept.frames.shape == films.shape
    assert len(notes) == 1
    assert "If frames were doubled or came late, the constants are wrong" in notes[0]


SCENES = ["Spring", "SpringHalf", "BouncingBalls", "ThreeBody", "DigitSpring", "Pendulum", "Pixels"]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("policy", ["zero", "random"])
def test_films_of_our_scenes_are_left_as_they_are_whatever_leaves_the_picture(scene: str, policy: str) -> None:
    data = collect(f"paig_control:paig/{scene}-v0", 12, 40, seed=1, policy=policy, valid=0, test=0).split("train")  # type: ignore[arg-type]
    kept, notes = usable(data, INPUT)
    assert kept is data
    assert notes == []


def test_what_comes_to_rest_or_waits_is_no_padding() -> None:
    """A disc that slows down and stands, one that waits and then starts, and one that never moves."""
    time = np.arange(30)
    slowing = 6 + 16 * (1 - np.exp(-time / 1.5))
    waiting = 6 + 0.1 * np.maximum(0, time - 15) ** 2
    rows, columns = np.mgrid[:32, :32] + 0.5
    films = np.zeros((12, 30, 32, 32, 3), np.uint8)
    for i, film in enumerate(films):
        for t in range(30):
            x = (slowing, waiting, np.full(30, 9.0))[i % 3][t]
            film[t] = (255 * np.clip(4.5 - np.hypot(columns - x, rows - 8 - i), 0, 1))[..., None]
    assert (films[0, 25] == films[0, 29]).all()
    data = Sequences(films, None)
    assert usable(data, INPUT) == (data, [])


def test_one_long_film_is_cut_into_windows(films: Episodes) -> None:
    long = films.split("test")
    assert long.actions is not None
    one = dataclasses.replace(
        long,
        frames=np.concatenate(list(long.frames))[None],
        actions=np.concatenate([*np.insert(long.actions, 23, 0, 1)])[None, :-1],
    )
    kept, notes = usable(one, INPUT)
    assert kept.frames.shape[:2] == (6, 16)
    assert notes == ["One film alone gives no error bars: it was cut into 6 films of 16 frames."]
    assert kept.actions is not None
    np.testing.assert_array_equal(kept.frames[1], one.frames[0, 16:32])
    np.testing.assert_array_equal(kept.actions[1], one.actions[0, 16:31])  # type: ignore[index]
    very = np.random.default_rng(0).integers(0, 255, (1, 700, 8, 8, 3)).astype(np.uint8)
    kept, _ = usable(Sequences(very, None), INPUT)
    assert kept.frames.shape[:2] == (23, 30)
    assert kept.actions is None


def test_training_takes_the_windows_and_says_so(films: Episodes, quick: RecipeSettings) -> None:
    long = films.split("test")
    assert long.actions is not None
    one = dataclasses.replace(long, frames=long.frames[:1], actions=long.actions[:1])
    trainer = Staged(quick, one, build_physics("pendulum", 0.05), ModelSettings(), 0, "cpu", None, None)  # type: ignore[arg-type]
    assert trainer.films.shape[:2] == (3, 8)
    assert trainer.actions.shape[:2] == (3, 7)
    assert trainer.record["frames"] == 24
    assert "cut into 3 films of 8 frames" in trainer.notes[0]


def test_one_film_too_short_for_that_is_refused_at_once(films: Episodes, quick: RecipeSettings) -> None:
    whole = films.split("train")
    assert whole.actions is not None
    one = dataclasses.replace(whole, frames=whole.frames[:1, :15], actions=whole.actions[:1, :14])
    with pytest.raises(PaigError, match=r"of at most 15 frames at a stretch, gives no two films of 8 frames"):
        train(one, build_physics("pendulum", 0.05), recipe=quick)


def test_films_that_are_nearly_all_padding_are_refused_with_what_was_left_out(swings: Sequences) -> None:
    short = swings.frames.copy()
    short[:, 6:] = 0
    with pytest.raises(PaigError, match=r"padding: 384 frames of one colour. What there is, of at most 6 frames"):
        usable(dataclasses.replace(swings, frames=short), INPUT)
