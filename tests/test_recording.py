"""Writers of films: what is read back is what was drawn, and what cannot be written is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from paig_control.errors import PaigError
from paig_control.viewer.recording import writer


def test_an_mp4_plays_what_was_drawn_for_as_long(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    film = writer(tmp_path / "view.mp4", 10.0)
    for index in range(12):
        picture = np.zeros((81, 101, 3), np.uint8)  # odd numbers, which most players refuse
        picture[:, 8 * index :] = (255, 120, 0)
        film.add(picture)
    film.close()
    assert ffmpeg.count_frames_and_secs(str(tmp_path / "view.mp4")) == (12, pytest.approx(1.2, abs=0.05))
    reader = ffmpeg.read_frames(str(tmp_path / "view.mp4"))
    assert next(reader)["size"] == (100, 80)
    frames = np.stack([np.frombuffer(one, np.uint8).reshape(80, 100, 3) for one in reader])
    assert np.abs(frames[0, 40, 50].astype(int) - (255, 120, 0)).max() < 12
    assert frames[11, 40, 50].max() < 12


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PaigError, match=r"\.gif"):
        writer(tmp_path / "view.avi", 20)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(PaigError, match="pip install imageio-ffmpeg"):
        writer(tmp_path / "view.mp4", 20)


def test_an_ffmpeg_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", SimpleNamespace(get_ffmpeg_exe=missing))
    with pytest.raises(PaigError, match="IMAGEIO_FFMPEG_EXE"):
        writer(tmp_path / "view.mp4", 20)
