"""A disk that is full or may not be written to is told in one sentence and leaves no half file; one process writes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hasty
import numpy as np
import pytest
from hasty import FILMS, PLANNED

from paig_control.border import files
from paig_control.cli.main import main
from paig_control.errors import PaigError
from paig_control.models import checkpoint
from paig_control.viewer import recording

HASTY = [*hasty.HASTY, "recipe.checkpoint_seconds=0"]
CONTROL = [*hasty.CONTROL, "episodes=1"]
VIEW = ["env=pendulum", "env.kwargs.size=24", "seconds=0.4", "rate=5", *PLANNED]
COMMANDS = {
    "collect": ["collect", *FILMS, "out=new/a.npz"],
    "goal": ["goal", "env=pendulum", "out=new/a.png"],
    "train": ["train", "data=pend.npz", "out=new", *HASTY],
    "sweep": ["train", "-m", "data=pend.npz", "out=new", "seed=1,2", "hydra/launcher=basic", *HASTY],
    "control": ["control", "run=run", "out=new", "film=1", *CONTROL, *PLANNED],
    "evaluate": ["evaluate", "run=run", "data=pend.npz", "out=new"],
    "report": ["report", "run=run", "out=new"],
    "gif": ["view", "run=run", *VIEW, "record=new/a.gif"],
    "png": ["view", "run=run", *VIEW, "record=new/a.png"],
    "folder": ["view", "run=run", *VIEW, "record=new/a"],
}


@pytest.fixture(scope="module")
def home(hardly_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films and a run that was hardly trained."""
    return shutil.copytree(hardly_trained, tmp_path_factory.mktemp("disk") / "home")


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    files.remove(home / "new")


def full(monkeypatch: pytest.MonkeyPatch, after: int, number: int = errno.ENOSPC) -> None:
    """Let so many files be finished, and then none."""
    done, keep = [0], os.replace

    def replace(*arguments: Any) -> None:
        done[0] += 1
        if done[0] > after:
            raise OSError(number, os.strerror(number))
        keep(*arguments)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_one_sentence_and_no_half_file(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full(monkeypatch, after=0)
    assert main([*COMMANDS[name], "verbosity=0"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("error: Cannot write ")
    assert "No space left on device" in said[-1]
    assert [line for line in said if line.startswith(("error", "Traceback"))] == said[-1:]
    assert [path for path in (home / "new").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("after", [1, 3, 7, 14])
def test_a_disk_that_fills_up_while_training_leaves_a_run_that_goes_on(
    after: int, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        full(patch, after, errno.EDQUOT)
        assert main([*COMMANDS["train"], "verbosity=0"]) == 2
    assert os.strerror(errno.EDQUOT) in capsys.readouterr().err
    assert [path.name for path in (home / "new").rglob(".*")] == []
    assert not (home / "new" / "summary.json").exists()
    assert main([*COMMANDS["train"], "verbosity=0", "resume=true"]) == 0
    assert checkpoint.load(home / "new").record["constants"] == checkpoint.load(home / "run").record["constants"]


def test_what_is_not_written_to_its_end_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write(path, b"old")
    with pytest.raises(RuntimeError), files.whole(path) as new:  # noqa: PT012
        new.write_text("half")
        raise RuntimeError
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_film_that_ffmpeg_could_not_finish_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    for fault in (lambda path: (3, 0.3), lambda path: (_ for _ in ()).throw(RuntimeError("no film"))):
        film = recording.writer(tmp_path / "a.mp4", 10.0)
        for _ in range(4):
            film.add(np.zeros((32, 32, 3), np.uint8))
        monkeypatch.setattr(ffmpeg, "count_frames_and_secs", fault)
        with pytest.raises(PaigError, match=r"could not write .*a\.mp4 to its end"):
            film.close()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["collect", "goal", "train", "gif", "folder"])
def test_a_place_that_may_not_be_written_to_is_refused_before_any_work(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    assert main(COMMANDS[name]) == 2
    assert capsys.readouterr().err.startswith("error: Cannot write into new")


HOLDER = """
import sys, time
from pathlib import Path
from paig_control.border.files import claim
claim(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["collect", "goal", "train", "sweep", "control", "evaluate", "report", "gif"])
def test_a_second_process_is_refused_by_name_until_the_first_has_died(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    place = next(word.partition("=")[2] for word in COMMANDS[name] if word.startswith(("out=", "record=")))
    (home / "new").mkdir()
    first = subprocess.Popen([sys.executable, "-c", HOLDER, str(home / place)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        assert main([*COMMANDS[name], "verbosity=0"]) == 2
        assert f"error: {place} is being written by process {first.pid}: wait" in capsys.readouterr().err
    finally:
        first.kill()
        first.wait()
    with files.claims():
        files.claim(home / place)  # a lock ends with who held it, however that ended
    assert (home / place).exists() == (place == "new")


def test_a_place_is_free_again_when_a_command_has_ended(home: Path) -> None:
    before = set(files._HELD)
    with files.claims():
        files.claim(home)
        assert (home / ".lock").read_text() == f"{os.getpid()}\n"
        with files.claims():
            files.claim(home)  # a part of the same command
        assert (home / ".lock").exists()
    assert not (home / ".lock").exists()
    assert set(files._HELD) == before


def test_a_lock_that_is_given_up_in_time_is_waited_for(home: Path) -> None:
    line = HOLDER.replace("time.sleep(60)", "time.sleep(0.5)")
    first = subprocess.Popen([sys.executable, "-c", line, str(home)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    first.stdout.readline()
    begin = time.monotonic()
    with files.claims():
        files.claim(home)
        assert time.monotonic() - begin < files.PATIENCE
    first.wait()
