"""Films that cannot teach, or not what was asked: each is refused or remarked on, and nothing there is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from paig_control.cli.main import main
from paig_control.data.collection import collect
from paig_control.errors import PaigError
from paig_control.learning.stages import check_motion
from paig_control.physics.registry import build_physics
from paig_control.types import State
from paig_control.vision.pursuit import discover_planar

Films = NDArray[np.uint8]


@pytest.fixture(scope="module")
def films() -> Films:
    """Sixteen films of two balls on a spring."""
    return collect("paig_control:paig/Spring-v0", 16, 12, seed=2, policy="zero", valid=0, test=0).split("train").frames


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], films: Films, *words: str) -> str:
    """Train on films that must be refused; what was said."""
    np.savez("films.npz", train_x=films)
    assert main(["train", "data=films.npz", "physics=spring", "dt=0.3", "out=run", *words]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def noisy(films: Films, level: float) -> Films:
    noise = np.random.default_rng(0).normal(0, level, films.shape)
    return np.clip(films.astype(float) + 40 + noise, 0, 255).astype(np.uint8)


def standing(films: Films) -> Films:
    """The same starts, from which nothing moves."""
    return np.repeat(films[:, :1], 12, axis=1)


@pytest.mark.parametrize(
    ("spoil", "words", "said"),
    [
        (lambda x: x, ["objects=3"], "3 objects were asked for, but only 2 are seen to move"),
        (lambda x: np.zeros_like(x), [], "Nothing moves in these films: each shows the same picture"),
        (standing, [], "Nothing moves in these films: each shows the same picture"),
        (lambda x: noisy(standing(x), 4.0), [], "from its first frame to its last, but for noise"),
        (lambda x: x[:, :1], [], "sequences of 1 frame: motion needs at least two"),
        (lambda x: x[:, :4], [], "the state is inferred from 4 and something must be left to predict"),
        (lambda x: x[:, :8], ["model.input_frames=8"], "Sequences of 8 frames: the state is inferred from 8"),
        (lambda x: x[:, :, :7, :7], [], "Images of 7 x 7 pixels: expected 8 to 4096"),
        (lambda x: x / np.float32(128), [], "with values from 0 to 1.99219: expected uint8"),
        (lambda x: x, ["objects=1"], "objects = 1: the force spring needs at least 2"),
        (lambda x: x, ["physics=pendulum", "objects=2"], "physics=pendulum moves 1 and no other number"),
        (lambda x: x, ["physics=bouncing", "physics.width=3"], "expected more than the ball's diameter, 4.0"),
        (lambda x: x, ["physics=bouncing", "physics.radius=0"], "radius = 0: expected the positive radius"),
        (lambda x: x, ["dt=0"], "dt = 0.0: expected the positive time"),
    ],
)
def test_films_that_cannot_teach_are_refused(capsys, films, spoil, words, said) -> None:  # type: ignore[no-untyped-def]
    assert said in refused(capsys, spoil(films), *words)


def test_another_number_of_objects_than_the_data_say_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", "env=spring", "sequences=2", "steps=6", "valid=0", "test=0", "out=films.npz"]) == 0
    capsys.readouterr()
    assert main(["train", "data=films.npz", "physics=gravity", "out=run"]) == 2
    said = capsys.readouterr().err
    assert "moves 3 objects, but the data's own notes say that the films show 2: give objects=2" in said
    assert not Path("run").exists()


def test_things_that_move_beyond_those_asked_for_are_remarked_on(films: Films) -> None:
    images = torch.from_numpy(films).permute(0, 1, 4, 2, 3).flatten(0, 1) / 255
    one, two = (discover_planar(images, n, torch.Generator().manual_seed(0), rounds=1, steps=30) for n in (1, 2))
    assert two.notes == ()
    assert len(one.notes) == 1
    assert "1 object was asked for and found, but what they leave unexplained moves" in one.notes[0]


def test_noise_over_things_that_move_is_no_reason_to_refuse(films: Films) -> None:
    check_motion(torch.from_numpy(noisy(films, 15.0)))
    with pytest.raises(PaigError, match="but for noise"):
        check_motion(torch.from_numpy(noisy(standing(films), 15.0)))


def test_grey_and_rgba_and_numbers_up_to_one_reach_training_as_the_same_films(
    capsys: pytest.CaptureFixture[str], films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def learn(sequences, *rest, **more):  # type: ignore[no-untyped-def]
        seen.append(sequences.frames)
        raise PaigError("enough")

    monkeypatch.setattr("paig_control.learning.recipe.train", learn)
    grey = films.max(-1, keepdims=True).repeat(3, -1)
    for kind in (grey, grey[..., :1], grey[..., 0], np.concatenate([grey, grey[..., :1]], -1), grey / np.float32(255)):
        assert "enough" in refused(capsys, kind, "overwrite=true")
    assert len(seen) == 5
    for one in seen:
        np.testing.assert_array_equal(one, grey)


def test_a_refusal_leaves_the_run_that_was_to_be_written_over(
    in_tmp: Path, capsys: pytest.CaptureFixture[str], films: Films
) -> None:
    kept = {"summary.json": "{}", "checkpoint/model.json": "{}", "learned.png": "picture"}
    for name, text in kept.items():
        (in_tmp / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (in_tmp / "run" / name).write_text(text)
    for bad in (films[:, :1], films[:, :4], np.zeros_like(films)):
        refused(capsys, bad, "overwrite=true")
    assert {name: (in_tmp / "run" / name).read_text() for name in kept} == kept


@pytest.mark.parametrize("name", ["spring", "gravity", "bouncing"])
def test_two_bodies_at_the_same_place_give_finite_values_and_gradients(name: str) -> None:
    physics = build_physics(name, 0.3, objects=2, force=False).double()
    position = torch.full((1, 2, 2), 16.0, dtype=torch.float64, requires_grad=True)
    velocity = torch.tensor([[[3.0, 1.0], [3.0, 1.0]]], dtype=torch.float64, requires_grad=True)
    path = physics.rollout(State(position, velocity), torch.zeros(1, 12, 0, dtype=torch.float64))
    assert bool(torch.isfinite(path.position).all())
    torch.testing.assert_close(path.position.mean(-2)[0, -1], torch.tensor([16.0 + 12 * 0.9, 16.0 + 12 * 0.3]).double())
    wanted = [position, velocity, *([physics.free] if physics.names else [])]
    gradients = torch.autograd.grad(path.position.square().sum(), wanted)
    assert all(bool(torch.isfinite(g).all()) for g in gradients)
