"""A report is one page that needs nothing else, says what it lacks, and keeps systems apart."""

from __future__ import annotations

import base64
import html.parser
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import discs
from PIL import Image, ImageFont

from paig_control.cli.main import main
from paig_control.data.episodes import Episodes
from paig_control.estimation.identification import Estimate
from paig_control.evaluation.prediction import evaluate_prediction
from paig_control.experiment.compose import configure
from paig_control.learning.trainer import Run
from paig_control.models import checkpoint
from paig_control.models.estimators import LeastSquares, Recurrent
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_dynamics
from paig_control.report.figures import success_map, varied
from paig_control.report.style import film_strip
from paig_control.report.training import curves_figure
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Localizer
from paig_control.vision.renderer import SpriteRenderer

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
HISTORY = {
    "warm_start": [{"step": 10.0 * n, "recons": 1.0 / n} for n in (1, 2)],
    "refine": [{"step": 10.0 * n, "recons": 0.5 / n, "pred": 1.0 / n} for n in (1, 2, 3)],
}


def a_run(folder: Path, data: Path, physics: str = "spring", ended: bool = True) -> Path:
    """A run of Spring that was never trained, as training would leave it."""
    torch.manual_seed(0)
    laws = build_dynamics(physics, 0.3, {"force": False} if physics == "spring" else {"objects": 2})
    renderer = SpriteRenderer((32, 32), 2, window=9, density=4, samples=2, turns=False)
    estimator = LeastSquares if physics == "spring" else Recurrent
    model = PAIG(laws, Planar(2), Localizer(2), renderer, estimator=estimator)
    constants = {"stiffness": {"value": 4.01, "std": 0.02, "unit": "1/s²"}} if physics == "spring" else {}
    record: dict[str, Any] = {"seed": 3, "frames": 48, "physics": laws.spec, "prediction_frames": 6}
    if ended:
        record |= {"constants": constants, "history": HISTORY, "converged": True, "notes": [], "cpu_seconds": 1.0}
    checkpoint.save(folder, model, record)
    if ended:
        known = {name: one | {"truth": 4.0} for name, one in constants.items()}
        (folder / "summary.json").write_text(json.dumps({"options": {"data": str(data)}, "constants": known}))
    return folder


def a_control(folder: Path, run: Path, gravity: float = 10.0, rate: float = 0.5) -> Path:
    """What control leaves."""
    folder.mkdir()
    (folder / "episodes.csv").write_text("seed\n")
    found = {"episodes": 20, "success_rate": rate, "success_interval": [0.3, 0.7], "return_mean": -12.0}
    options = {"run": str(run), "gravity": gravity, "steps": 40}
    (folder / "summary.json").write_text(json.dumps({"options": options, **found}))
    Image.new("RGB", (40, 30), "red").save(folder / "film.gif")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, spring_films: Episodes) -> Path:
    folder = tmp_path_factory.mktemp("report")
    data = spring_films.save(folder / "films.npz")
    run, box = a_run(folder / "spring", data), a_run(folder / "box", data, "lstm")
    control = a_control(folder / "control", run)
    words = [f"run={run}", f"run={box}", f"control={control}", "films=6", f"out={folder / 'page'}", "verbosity=0"]
    assert main(["report", *words]) == 0
    return folder


class Links(html.parser.HTMLParser):
    """All that a page would load or lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        assert tag not in ("script", "iframe", "object", "embed")


def test_the_page_needs_nothing_but_itself(home: Path) -> None:
    text = (home / "page" / "report.html").read_text()
    links = Links(text).found
    assert len(links) > 8
    assert [link[:40] for link in links if not link.startswith(("data:", "#"))] == []
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_pictures_lie_in_the_page_and_beside_it(home: Path) -> None:
    text = (home / "page" / "report.html").read_text()
    inside = [base64.b64decode(part) for part in re.findall(r"base64,([^\"]+)", text)]
    beside = [path for path in (home / "page").iterdir() if path.suffix in (".png", ".gif")]
    assert {path.read_bytes() for path in beside} == set(inside)
    kinds = {Image.open(io.BytesIO(one)).format for one in inside}
    assert kinds == {"PNG", "GIF"}
    film = Image.open(home / "page" / "spring-v0-film.gif")
    assert getattr(film, "n_frames", 1) == 20  # as long as the test films
    assert film.width > 4 * 32 * 5  # camera, read, predicted, black box


def test_the_page_says_what_was_measured(home: Path, spring_films: Episodes) -> None:
    text = (home / "page" / "report.html").read_text()
    assert "4.010 ± 0.020 1/s²" in text
    assert "+0.250 %" in text  # off the truth
    assert "30.0% to 70.0%" in text
    films = spring_films.split("test")
    six = type(films)(films.frames[:6], None, films.dt)
    for name in ("spring", "box"):
        losses = evaluate_prediction(checkpoint.load(home / name).model, six, 6)
        assert f"<td>{losses['eval_extrap_loss']:.3f}</td>" in text
    assert 'class="missing">No evaluation was given' in text


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")
def test_a_browser_shows_it_without_a_complaint(home: Path, tmp_path: Path) -> None:
    page = (home / "page" / "report.html").resolve().as_uri()
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--enable-logging=stderr",
    ]
    flags += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1150,3000",
        f"--screenshot={tmp_path / 'page.png'}",
    ]
    ran = subprocess.run([CHROMIUM, *flags, page], capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in ran.stderr
    shown = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    colourful = np.ptp(shown, axis=-1) > 100
    assert colourful[:1500].sum() > 1000
    assert colourful[1500:].sum() > 1000


def test_a_run_that_has_not_ended_is_shown_with_what_it_lacks(home: Path, tmp_path: Path) -> None:
    run = a_run(tmp_path / "half", home / "films.npz", ended=False)
    assert main(["report", f"run={run}", f"out={tmp_path / 'page'}", "verbosity=0"]) == 0
    text = (tmp_path / "page" / "report.html").read_text()
    for said in ("has not ended", "None of the runs has constants", "learning curves are written at the end"):
        assert said in text
    assert text.count("No films that training did not see: half has not ended") == 4


def test_systems_are_kept_apart(home: Path, tmp_path: Path) -> None:
    other = a_run(tmp_path / "other", tmp_path / "gone.npz")
    words = [f"run=[{home / 'spring'},{other}]", "films=2", f"out={tmp_path / 'page'}", "verbosity=0"]
    assert main(["report", *words]) == 0
    found = json.loads((tmp_path / "page" / "summary.json").read_text())["systems"]
    assert found == {"Spring-v0": ["spring"], "spring, 2 objects, 32 x 32": ["other"]}
    text = (tmp_path / "page" / "report.html").read_text()
    assert re.findall(r"<h2[^>]*>([^<]*)", text) == list(found)
    assert "gone.npz, are not there any more" in text


def test_a_run_whose_films_are_gone_stands_beside_those_of_its_system(home: Path, tmp_path: Path) -> None:
    lost = a_run(tmp_path / "lost", tmp_path / "gone.npz")
    found = json.loads((lost / "summary.json").read_text())
    (lost / "summary.json").write_text(json.dumps(found | {"filmed": "Spring-v0"}))
    words = [f"run=[{home / 'spring'},{lost}]", "films=2", f"out={tmp_path / 'page'}", "verbosity=0"]
    assert main(["report", *words]) == 0
    found = json.loads((tmp_path / "page" / "summary.json").read_text())["systems"]
    assert found == {"Spring-v0": ["spring", "lost"]}


def test_a_folder_of_runs_stands_for_all_of_them(home: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        a_run(tmp_path / "sweep" / f"seed={seed}", home / "films.npz")
    assert main(["report", f"run={tmp_path / 'sweep'}", "films=2", f"out={tmp_path / 'page'}", "verbosity=0"]) == 0
    found = json.loads((tmp_path / "page" / "summary.json").read_text())["systems"]
    assert found == {"Spring-v0": ["seed=0", "seed=1"]}


def test_a_mistake_is_told_and_nothing_is_written(
    home: Path, films: Episodes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = a_control(tmp_path / "stranger", tmp_path / "elsewhere")
    larger = films.save(tmp_path / "larger.npz")
    run = f"run={home / 'spring'}"
    for words, said in (
        ([], "give at least one, for example run="),
        ([run, run], "given twice"),
        ([f"run={tmp_path / 'none'}"], "is no folder"),
        ([f"run={home / 'control'}"], "no whole checkpoint"),
        ([run, f"control={home / 'spring'}"], "is no folder that `paig-control control"),
        ([run, f"evaluate={home / 'control'}"], "is no folder that `paig-control evaluate"),
        ([run, f"control={stranger}"], "which is not in this report"),
        ([run, f"data={larger}"], "Frames of 24 x 24 pixels"),
        ([run, "films=0"], "films = 0"),
    ):
        assert main(["report", *words, f"out={tmp_path / 'page'}", "verbosity=0"]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize("words", [["run=a", "run=b c,d"], ["run=[a,'b c,d']"], ["run=a", "run=['b c,d']"]])
def test_several_folders_can_be_given_in_either_way(words: list[str]) -> None:
    assert list(configure("report", words).run) == ["a", "b c,d"]


def test_success_is_drawn_over_what_was_varied(home: Path, tmp_path: Path) -> None:
    rates = {2.0: 0.1, 10.0: 0.9, 20.0: 0.4}
    folders = [a_control(tmp_path / f"g{g:g}", home / "spring", g, rate) for g, rate in rates.items()]
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    assert varied(summaries) == {"gravity": [2.0, 10.0, 20.0]}
    axis = success_map(varied(summaries), list(rates.values())).axes[0]
    assert [text.get_text() for text in axis.texts] == ["10%", "90%", "40%"]
    words = [f"run={home / 'spring'}", *(f"control={folder}" for folder in folders), f"out={tmp_path / 'page'}"]
    assert main(["report", *words, "films=1", "verbosity=0"]) == 0
    assert (tmp_path / "page" / "spring-v0-success.png").is_file()


def test_the_films_of_a_strip_begin_where_their_names_end() -> None:
    name = "a name of some length"
    strip = film_strip({name: np.full((1, 6, 8, 8, 3), (255, 0, 0), np.uint8)}, 2)
    written = (strip[26:].max(-1) < 150).any(0).nonzero()[0]
    films = (strip == (255, 0, 0)).all(-1).any(0).nonzero()[0]
    assert written.max() > 8 + 0.9 * ImageFont.load_default(size=13).getlength(name)
    assert written.max() < films.min()


@pytest.mark.parametrize("stages", [0, 1])
def test_curves_have_a_panel_of_losses_only_where_gradient_steps_were_taken(stages: int) -> None:
    history = {"conclude": [{"horizon": 4.0, "gravity": 9.0}, {"horizon": 8.0, "gravity": 10.0}]}
    history |= {"refine": [{"step": 10.0, "recons": 1.0, "pred": 2.0}]} if stages else {}
    model = discs("spring", 0.3, 16, {"stiffness": 2.0, "rest_length": 8.0})
    run = Run(model, {"gravity": Estimate(10.0, 0.1, "m/s²")}, history)
    figure = curves_figure(run)
    assert len(figure.axes) == 1 + stages
    assert figure.axes[-1].get_title().startswith("gravity")
    assert all(axis.lines for axis in figure.axes)
