"""Episode files: what is saved comes back, truth stays apart, and every damage is named."""

import json
import os
import zipfile

import numpy as np
import pytest

from paig_control.data.episodes import Episodes, load
from paig_control.errors import PaigError

META = {
    "env": {"id": "paig/Pendulum-v0", "kwargs": {}},
    "dt": 0.05,
    "action_low": [-2.0],
    "action_high": [2.0],
    "truth": {"constants": {"gravity": 10.0}, "physics": {"name": "pendulum"}},
}


def arrays(**changes):
    """Arrays of a small sound file; ``changes`` replace some of them, ``None`` takes one out."""
    rng = np.random.default_rng(0)
    sound = {}
    for split, count, time in (("train", 3, 5), ("valid", 2, 5), ("test", 2, 8)):
        sound[f"{split}_x"] = rng.integers(0, 256, (count, time, 8, 10, 3)).astype(np.uint8)
        sound[f"{split}_u"] = rng.uniform(-2, 2, (count, time - 1, 1)).astype(np.float32)
        for part in ("position", "velocity"):
            sound[f"{split}_truth_{part}"] = rng.normal(size=(count, time, 1, 1))
    return {name: value for name, value in (sound | changes).items() if value is not None}


def write(path, content, meta=META):
    np.savez(path, **content, **({} if meta is None else {"meta": np.array(json.dumps(meta))}))
    return path


def test_what_is_saved_comes_back(tmp_path):
    episodes = Episodes(arrays(), META)
    loaded = load(episodes.save(tmp_path / "new" / "a.npz"))
    assert loaded.meta == META
    assert loaded.notes == ()
    assert set(loaded.arrays) == set(episodes.arrays)
    for name, value in episodes.arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], value)
        assert loaded.arrays[name].dtype == value.dtype


def test_what_was_handed_over_may_be_changed():
    arrays = {"train_x": np.zeros((2, 3, 8, 8, 3), np.uint8), "train_u": np.zeros((2, 2, 1), np.float32)}
    meta = {"dt": 0.1, "action_low": [-1.0], "action_high": [1.0]}
    episodes = Episodes(arrays, meta)
    before = episodes.identity
    for array in arrays.values():
        array += 1
    meta["action_low"][0] = 5.0
    del meta["dt"]
    assert episodes.identity == before


def test_training_sees_frames_actions_and_bounds_but_no_truth(tmp_path):
    part = load(write(tmp_path / "a.npz", arrays())).split("train")
    assert (len(part), part.dt) == (3, 0.05)
    assert part.frames.dtype == np.uint8
    assert part.actions.dtype == np.float32
    assert (part.action_low.tolist(), part.action_high.tolist()) == ([-2.0], [2.0])
    assert not any("truth" in name or "constant" in name for name in vars(part))


def test_evaluation_gets_the_truth(tmp_path):
    truth = load(write(tmp_path / "a.npz", arrays())).truth("test")
    np.testing.assert_array_equal(truth.position, arrays()["test_truth_position"])
    np.testing.assert_array_equal(truth.velocity, arrays()["test_truth_velocity"])
    assert truth.constants == {"gravity": 10.0}
    assert truth.physics == {"name": "pendulum"}


def test_paigs_own_files_load_without_actions_meta_and_truth(tmp_path):
    films = {name: value for name, value in arrays().items() if name.endswith("_x")}
    episodes = load(write(tmp_path / "a.npz", films, meta=None))
    part = episodes.split("train")
    assert (part.actions, part.dt, part.action_low) == (None, None, None)
    assert episodes.truth("test") is None
    assert episodes.splits == ("train", "valid", "test")


def test_a_file_of_training_films_alone_is_enough_and_other_splits_are_refused(tmp_path):
    episodes = load(write(tmp_path / "a.npz", {"train_x": arrays()["train_x"]}, meta=None))
    assert episodes.splits == ("train",)
    with pytest.raises(PaigError, match="no split 'test': it has train"):
        episodes.split("test")


def test_arrays_of_others_in_the_file_are_left_alone(tmp_path):
    content = arrays() | {"labels": np.array(["a"], dtype=object)}
    assert "labels" not in load(write(tmp_path / "a.npz", content)).arrays


def films(kind):
    return {f"{split}_x": kind(arrays()[f"{split}_x"]) for split in ("train", "valid", "test")}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (lambda x: (x / 255).astype(np.float32), "float32 from 0 to 1: converted to uint8"),
        (lambda x: x.astype(np.int64), "int64: converted to uint8"),
        (lambda x: np.concatenate([x, x[..., :1]], -1), "four channels: taken as RGBA"),
    ],
)
def test_films_of_another_kind_are_converted_and_it_is_said(tmp_path, kind, words):
    path = write(tmp_path / "a.npz", arrays(**films(kind)))
    with pytest.warns(UserWarning, match=words):
        episodes = load(path)
    assert len(episodes.notes) == 3
    np.testing.assert_array_equal(episodes.split("train").frames, arrays()["train_x"])


@pytest.mark.parametrize("kind", [lambda x: x[..., :1], lambda x: x[..., 0]])
def test_grey_films_are_copied_to_three_channels(tmp_path, kind):
    path = write(tmp_path / "a.npz", arrays(**films(kind)))
    with pytest.warns(UserWarning, match="taken as grey"):
        frames = load(path).split("valid").frames
    np.testing.assert_array_equal(frames, arrays()["valid_x"][..., :1].repeat(3, -1))


def test_films_that_end_when_they_will_are_taken_as_windows_of_one_length(tmp_path):
    lengths, rng = np.array([5, 20, 13, 2, 17]), np.random.default_rng(0)
    films = rng.integers(0, 256, (5, 20, 8, 10, 3)).astype(np.uint8)
    actions, truth = rng.normal(size=(5, 19, 1)).astype(np.float32), rng.normal(size=(5, 20, 1, 1))
    for n, length in enumerate(lengths):
        actions[n, length - 1 :], truth[n, length:] = np.nan, np.nan  # as others fill what was not filmed
    given = {"train_x": films, "train_u": actions, "train_truth_position": truth, "train_lengths": lengths}
    data = load(write(tmp_path / "a.npz", given))
    part, known = data.split("train"), data.truth("train")
    count, length = part.frames.shape[:2]
    assert (count, length) == (5, 8)  # 40 of the 57 frames; fewer frames a window would tell less, more leave out more
    assert data.notes == ("train_x has 5 films of 2 to 20 frames: taken as 5 of 8.",)
    for frames, acted, where in zip(part.frames, part.actions, known.position, strict=True):
        film = int(np.argmax([(films[n, :, None] == frames).all((2, 3, 4)).any() for n in range(5)]))
        start = int(np.argmax((films[film] == frames[0]).all((1, 2, 3))))
        assert start + length <= lengths[film]
        np.testing.assert_array_equal(frames, films[film, start : start + length])
        np.testing.assert_array_equal(acted, actions[film, start : start + length - 1])
        np.testing.assert_array_equal(where, truth[film, start : start + length])
    whole = Episodes(
        {**given, "train_u": np.zeros((5, 19, 1)), "train_lengths": np.full(5, 20)}
        | {"train_truth_position": np.ones((5, 20, 1, 1))}
    )
    assert (whole.split("train").frames.shape, whole.notes) == (films.shape, ())


def put(array, index, value):
    array = np.array(array, dtype=np.float64)
    array[index] = value
    return array


SOUND = arrays()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_x": None}, "train_x is missing"),
        ({"train_x": SOUND["train_x"][0]}, "expected five axes"),
        ({"train_x": SOUND["train_x"][0, 0]}, "expected five axes"),
        ({"train_x": SOUND["train_x"][..., :2]}, "has 2 channels"),
        ({"train_x": np.moveaxis(SOUND["train_x"], -1, 2)}, "colours come last"),
        ({"train_x": SOUND["train_x"][:0]}, "is empty"),
        ({"train_x": SOUND["train_x"][:, :1]}, "at least two"),
        ({"train_x": SOUND["train_x"].astype(str)}, "expected uint8"),
        ({"train_x": SOUND["train_x"].astype(complex)}, "expected uint8"),
        ({"train_x": SOUND["train_x"].astype(np.float32)}, "Divide by the largest value"),
        ({"train_x": SOUND["train_x"].astype(int) + 9}, "expected 0 to 255"),
        ({"train_x": SOUND["train_x"] / 255 - 0.1}, "from 0 to 1"),
        ({"train_x": put(SOUND["train_x"] / 255, (0, 0), np.nan)}, "NaN or infinity"),
        ({"valid_x": SOUND["valid_x"][:, :, :4]}, "all splits need the same size"),
        ({"train_u": put(SOUND["train_u"], (1, 2, 0), np.nan)}, r"first at \(1, 2, 0\)"),
        ({"test_u": put(SOUND["test_u"], (0, 0), np.inf)}, "NaN or infinity"),
        ({"train_u": SOUND["train_u"][:, :-1]}, "one action between every two"),
        ({"train_u": SOUND["train_u"][:-1]}, "one action between every two"),
        ({"train_u": SOUND["train_u"][..., 0]}, "one action between every two"),
        ({"train_u": SOUND["train_u"].astype(str)}, "expected numbers"),
        ({"valid_u": None}, "for all splits or for none"),
        ({"valid_u": SOUND["valid_u"].repeat(2, -1)}, "different action sizes"),
        ({"test_truth_position": SOUND["test_truth_position"][:, 1:]}, "one state for every frame"),
        ({"test_truth_velocity": SOUND["test_truth_velocity"][..., 0]}, "one state for every frame"),
        ({"test_truth_velocity": SOUND["test_truth_velocity"].repeat(2, 2)}, "differ in shape"),
        ({"test_truth_velocity": put(SOUND["test_truth_velocity"], 0, np.nan)}, "NaN or infinity"),
        ({"test_x": None}, "has no test_x beside it"),
        ({"train_lengths": np.array([5, 5])}, r"of shape \(2,\): expected whole numbers \(3,\)"),
        ({"train_lengths": np.array([5, 1, 5])}, "has 1 at 1: expected from 2 to 5 frames"),
        ({"test_lengths": np.array([9, 5])}, "has 9 at 0: expected from 2 to 8 frames"),
        ({"train_lengths": np.array([5.0, 4.0, 5.0])}, "expected whole numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_named_with_their_file(tmp_path, changes, words):
    path = write(tmp_path / "a.npz", arrays(**changes))
    with pytest.raises(PaigError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"dt": -1}, "dt = -1"),
        ({"dt": "fast"}, "dt = 'fast'"),
        ({"truth": [1]}, "truth is not of the form"),
        ({"action_low": [-1.0, -1.0]}, "does not fit actions of size 1"),
        ([1, 2], "not one JSON object"),
    ],
)
def test_meta_that_does_not_fit_is_named(tmp_path, meta, words):
    with pytest.raises(PaigError, match=words):
        load(write(tmp_path / "a.npz", arrays(), meta=meta))


def test_meta_that_json_cannot_hold_is_refused_before_it_is_written():
    with pytest.raises(PaigError, match="cannot be written as JSON"):
        Episodes(arrays(), {"env": object()})


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip(path):
    content = bytearray(path.read_bytes())
    for index in range(300, 800):
        content[index] ^= 0xFF
    path.write_bytes(bytes(content))


def drop_header(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_x.npy", b"not an array")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "damaged"),
        (flip, "damaged"),
        (drop_header, "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_bytes(b"some text, no archive"), "damaged"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), "one bare array"),
        (lambda path: path.unlink(), "There is no data file"),
        (lambda path: (path.unlink(), path.mkdir()), "There is no data file"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, damage, words):
    path = Episodes(arrays(), META).save(tmp_path / "a.npz")
    damage(path)
    with pytest.raises(PaigError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_pickled_file_is_refused_and_nothing_in_it_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    trap = np.empty(1, dtype=object)
    trap[0] = Trap()
    np.savez(tmp_path / "a.npz", train_x=trap)
    with pytest.raises(PaigError, match="pickled objects"):
        load(tmp_path / "a.npz")
    assert not (tmp_path / "sprung").exists()


def test_a_failed_save_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = Episodes(arrays(), META).save(tmp_path / "a.npz")
    before = path.read_bytes()

    def fail(file, *rest, **more):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(KeyboardInterrupt):
        Episodes(arrays(), {}).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PaigError, match=r"(?i)choose a folder that you may write to"):
        Episodes(arrays(), META).save(tmp_path / "file" / "a.npz")
