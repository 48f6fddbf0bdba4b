"""Training watched live: the window changes nothing that is learned, and may be closed at any moment."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pygame
import pytest
import torch
from PIL import Image

from paig_control.cli.main import main
from paig_control.data.episodes import Episodes
from paig_control.estimation.identification import Estimate
from paig_control.experiment.loggers import Metrics
from paig_control.learning.moments import Moment
from paig_control.models import checkpoint
from paig_control.models.paig import PAIG
from paig_control.runs import read_summary
from paig_control.viewer import training
from paig_control.viewer.canvas import Canvas
from paig_control.viewer.training import TrainingWindow
from paig_control.viewer.training_snapshot import curves

TINY = [
    "recipe.discover.rounds=1",
    "recipe.discover.steps=10",
    "model.eyes=network",
    "recipe.warm_start.steps=10",
    "recipe.refine.steps=6",
    "recipe.refine.batch=2",
    "recipe.identify.integrators=[pefrl-2]",
    "recipe.identify.iterations=2",
]
CLOSED = pygame.event.Event(pygame.QUIT)


@pytest.fixture(autouse=True)
def draws_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every moment is drawn, which can only be worse for what is learned."""
    monkeypatch.setattr(training, "INTERVAL", 0.0)
    monkeypatch.setattr(training, "SHARE", math.inf)
    monkeypatch.setattr(training, "SLOWER", 0.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few small films, and a training that nobody watched."""
    folder = tmp_path_factory.mktemp("watched")
    small = ["env=pendulum", "env.kwargs.size=20", "sequences=8", "steps=10", "valid=0", "test=1", "test_steps=10"]
    assert main(["collect", *small, f"out={folder / 'films.npz'}", "verbosity=0"]) == 0
    assert train(folder, "alone", "verbosity=0") == 0
    return folder


def train(home: Path, name: str, *words: str) -> int:
    return main(["train", f"data={home / 'films.npz'}", f"out={home / name}", *TINY, *words])


def live(home: Path, name: str, *words: str) -> int:
    return train(home, name, "view=live", f"record={home / name}.png", *words)


def close_in(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """Somebody closes the window when it has shown a stage."""

    def events(window: Any) -> list[pygame.event.Event]:
        shown = window._glance
        return [CLOSED] if shown is not None and shown.stage == stage and shown.done > 0.2 else []

    monkeypatch.setattr(Canvas, "events", events)


def learned(folder: Path) -> tuple[bytes, dict[str, Any]]:
    record = checkpoint.load(folder).record
    for name in ("cpu_seconds", "wall_seconds"):
        record.pop(name)
    return (folder / "checkpoint" / "weights.safetensors").read_bytes(), record


def test_the_window_changes_no_bit_of_what_is_learned(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert live(home, "seen") == 0
    assert learned(home / "seen") == learned(home / "alone")
    drawn = re.search(r"Filmed (\d+) pictures", capsys.readouterr().out)
    assert drawn is not None
    assert int(drawn.group(1)) > 30
    spent = [json.loads((home / name / "summary.json").read_text())["cpu_seconds"] for name in ("alone", "seen")]
    assert spent[1] < 1.5 * spent[0] + 0.5  # watching is not training


def test_closed_in_mid_training_it_goes_on_to_the_same_end_and_the_film_ends_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    close_in(monkeypatch, "warm_start")
    assert train(home, "left", "view=live", f"record={home / 'film.gif'}") == 0
    assert "The window is closed; training goes on." in " ".join(capsys.readouterr().err.split())
    assert learned(home / "left") == learned(home / "alone")
    assert read_summary(home / "left") is not None
    with Image.open(home / "film.gif") as image:
        assert (image.size, image.format) == ((1280, 800), "GIF")
        assert 3 < image.n_frames < 25  # type: ignore[attr-defined]


def test_closed_with_on_close_stop_it_leaves_a_model_that_can_be_used_and_gone_on_with(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        close_in(patch, "refine")
        assert live(home, "stopped", "on_close=stop") == 0
    said = capsys.readouterr().err
    assert "Stopped in refine" in said
    assert "resume=true" in said
    assert "paig-control view run=" in said
    summary = json.loads((home / "stopped" / "summary.json").read_text())
    stop = summary["stopped"]
    assert (stop["in"], stop["after"], stop["usable"]) == ("refine", ["discover", "warm_start", "identify"], True)
    assert 0 < stop["step"] < 6
    assert read_summary(home / "stopped") is None  # it has not ended
    model = checkpoint.load(home / "stopped").model
    assert model.physics.values()["gravity"] == summary["constants"]["gravity"]["value"]
    assert train(home, "stopped", "resume=true", "verbosity=0") == 0
    weights, record = learned(home / "stopped")
    expected, undisturbed = learned(home / "alone")
    assert weights == expected
    assert record["history"] == undisturbed["history"]
    assert "stopped" not in json.loads((home / "stopped" / "summary.json").read_text())


@pytest.mark.parametrize(
    ("stage", "said"), [("warm_start", "how things move is not known yet"), ("discover", "nothing of this training")]
)
def test_stopped_too_early_it_says_what_is_missing_and_leaves_nothing_half_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stage: str, said: str
) -> None:
    close_in(monkeypatch, stage)
    assert live(home, stage, "on_close=stop") == 0
    assert said in capsys.readouterr().err
    left = {path.name for path in (home / stage).iterdir()}
    if stage == "discover":
        assert left == set()
    else:
        assert left - {"metrics.csv"} == {"checkpoint", "summary.json"}
        assert checkpoint.load(home / stage).trainer is not None
        assert not json.loads((home / stage / "summary.json").read_text())["stopped"]["usable"]


def test_stopped_before_anything_is_found_what_was_in_the_folder_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in (home / "alone").rglob("*") if path.is_file()}
    close_in(monkeypatch, "discover")
    assert live(home, "alone", "on_close=stop", "overwrite=true") == 0
    assert {path: path.read_bytes() for path in (home / "alone").rglob("*") if path.is_file()} == before


def test_ctrl_c_leaves_the_same_and_ends_with_its_own_code(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(self: Metrics, moment: Moment) -> None:
        if moment.stage == "refine" and moment.done > 0.25:
            raise KeyboardInterrupt

    monkeypatch.setattr(Metrics, "__call__", interrupt)
    assert train(home, "interrupted", "verbosity=0") == 130
    said = capsys.readouterr().err
    assert "resume=true" in said
    assert "2 steps of refine" in said
    assert json.loads((home / "interrupted" / "summary.json").read_text())["stopped"]["usable"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["view=live"], "SDL_VIDEODRIVER=dummy"),
        (["view=life"], "did you mean live?"),
        (["on_close=stopp"], "did you mean stop?"),
        (["record=a.gif"], "view=live"),
        (["view=live", "record=a.avi"], ".mp4"),
        (["view=live", "record=a.gif", "--multirun", "seed=1,2"], "one training"),
    ],
)
def test_a_window_that_cannot_be_opened_is_refused_before_training(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert train(home, "refused", *words) == 2
    assert said in capsys.readouterr().err
    assert not (home / "refused" / "checkpoint").exists()


def test_a_screen_that_is_not_there_is_told_before_training(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pygame.display.quit()
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("DISPLAY", ":77")
    assert train(home, "blind", "view=live") == 2
    assert "SDL_VIDEODRIVER=dummy" in capsys.readouterr().err
    assert not (home / "blind" / "checkpoint").exists()


# -- the window alone ------------------------------------------------------------------------------------------


@pytest.fixture
def window(spring_films: Episodes) -> Any:
    with TrainingWindow(spring_films.split("test"), "springs", "close", lambda: None) as opened:
        yield opened


def moment(model: PAIG | None, stage: str = "refine", done: float = 0.5) -> Moment:
    rows = {"refine": [{"step": 10.0 * i, "recons": 1 / (i + 1), "pred": 2 / (i + 1)} for i in range(5)]}
    return Moment(("discover", "refine"), stage, done, False, rows if model is not None else {}, {}, model)


def squares(window: TrainingWindow, place: pygame.Rect, shape: tuple[int, ...]) -> np.ndarray:
    """What a picture's pixels are on the screen, looked up in the corner of each."""
    shown, scale = window.picture(), window.layout.scale(place)
    return shown[place.top : place.bottom : scale, place.left : place.right : scale][: shape[0], : shape[1]]


def test_it_shows_frame_reconstruction_and_foresight_of_the_model(
    window: TrainingWindow, spring_model: PAIG, spring_films: Episodes
) -> None:
    window(moment(None, "discover"))
    empty = window.picture()
    window(moment(spring_model))
    film, layout = spring_films.split("test").frames[0], window.layout
    assert window._glance is not None
    looks = window._glance.looks
    assert looks is not None
    frame = window._glance.frame
    np.testing.assert_array_equal(frame, film[1])  # the second look shows the second frame
    assert (squares(window, layout.camera, frame.shape)[1:, 1:] == frame[1:, 1:]).all(-1).mean() > 0.9
    np.testing.assert_array_equal(squares(window, layout.drawn, frame.shape)[1:, 1:], looks.drawn[1:, 1:])
    assert np.abs(looks.drawn.astype(int) - frame).mean() < 6
    seen = spring_model.read(torch.from_numpy(film[1:2])).position[0].numpy()
    np.testing.assert_allclose(looks.found, seen, atol=1e-4)
    assert looks.foreseen is not None
    assert looks.foreseen.shape == window._glance.film.shape == (7, 32, 32, 3)
    assert np.abs(looks.foreseen.astype(int) - window._glance.film).mean() < 8
    assert [one.name for one in window._glance.constants] == ["stiffness", "rest_length"]
    assert (window.picture() != empty).any(-1).mean() > 0.05


def test_a_constant_has_its_error_bar_only_where_it_is_as_identified(
    window: TrainingWindow, spring_model: PAIG
) -> None:
    found = {"stiffness": Estimate(4.0, 0.1, "1/s²"), "rest_length": Estimate(11.9, 0.1, "px")}
    window(moment(spring_model)._replace(identified={"identify": found}))
    assert window._glance is not None
    stiffness, length = window._glance.constants
    assert (stiffness.value, stiffness.std) == (pytest.approx(4.0), 0.1)
    assert length.value == pytest.approx(12.0)
    assert length.std is not None
    assert math.isnan(length.std)


def test_it_fits_any_size(window: TrainingWindow, spring_model: PAIG) -> None:
    for size in ((700, 900), (1500, 600), (300, 200)):
        pygame.event.post(pygame.event.Event(pygame.VIDEORESIZE, w=size[0], h=size[1], size=size))
        window(moment(spring_model))
        assert window.picture().shape == (size[1], size[0], 3)
    assert window.open


@pytest.mark.parametrize(("slow", "share", "often"), [(0.0, 1.0, 4.0), (0.1, 0.03, 0.29)])
def test_it_draws_a_few_times_a_second_and_rarer_where_that_takes_long(
    window: TrainingWindow,
    spring_model: PAIG,
    monkeypatch: pytest.MonkeyPatch,
    slow: float,
    share: float,
    often: float,
) -> None:
    now, begin, drawn = [window._begin], window._begin, []

    def paint() -> None:
        drawn.append(now[0])
        now[0] += slow

    monkeypatch.setattr(training, "INTERVAL", 0.25)
    monkeypatch.setattr(training, "SHARE", share)
    monkeypatch.setattr(training.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(window, "_paint", paint)
    while now[0] < begin + 20:
        now[0] += 0.01
        window(moment(spring_model))
    assert len(drawn) / 20 == pytest.approx(often, rel=0.1)


def test_a_model_that_cannot_be_looked_at_leaves_what_was_seen(
    window: TrainingWindow, spring_model: PAIG, monkeypatch: pytest.MonkeyPatch
) -> None:
    window(moment(spring_model))
    assert window._glance is not None
    before = window._glance.looks

    def singular(*_: object) -> None:
        raise torch.linalg.LinAlgError("singular")

    monkeypatch.setattr(spring_model, "unroll", singular)
    window(moment(spring_model))
    assert window._glance.looks is before


def test_curves_go_on_from_stage_to_stage() -> None:
    history = {
        "warm_start": [{"step": 1.0, "recons": 3.0}],
        "identify": [{"horizon": 4.0}],
        "refine": [{"step": 1.0, "pred": 2.0}],
    }
    found = curves(history)
    np.testing.assert_array_equal(found["recons"], [3.0, np.nan])
    np.testing.assert_array_equal(found["pred"], [np.nan, 2.0])
