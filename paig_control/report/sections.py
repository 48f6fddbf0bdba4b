"""The sections of a report on one system; each says so where a run lacks what it would show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paig_control.border.reading import check_file
from paig_control.errors import PaigError
from paig_control.estimation.identification import Estimate
from paig_control.report.figures import (
    constants_figure,
    heat_picture,
    success_map,
    time_figure,
    varied,
)
from paig_control.report.films import side_by_side
from paig_control.report.page import KINDS, Chapter, Image, Section, Table, Text
from paig_control.report.sources import LOSSES, Folder, System, Trained
from paig_control.report.style import Picture, film_strip, png
from paig_control.report.training import learned_figure, skeleton_figure, sweep_figure

NONE = "—"
LARGEST = 50 * 10**6
"""Bytes of a picture or film that is taken into the page, unless more is allowed."""
Blocks = list[Image | Table | Text]


def chapter(system: System) -> Chapter:
    """All sections of a system."""
    parts = {
        "The runs": _runs,
        "What was learned": _learned,
        "Constants": _constants,
        "Rollouts": _rollouts,
        "Error and similarity against time": _time,
        "Films": _films,
        "Learning curves": _curves,
        "Where the eyes look": _heat,
        "Evaluation": _evaluation,
        "Control": _control,
    }
    return Chapter(system.name, [Section(title, part(system)) for title, part in parts.items()])


def _missing(text: str) -> Blocks:
    return [Text(text, missing=True)]


def _number(value: float | None, digits: int = 3) -> str:
    return NONE if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _runs(system: System) -> Blocks:
    rows = []
    for run in system.runs:
        record = run.record
        ended = {True: "yes", False: "no"}.get(record.get("converged", ""), "has not ended")
        cells = [run.name, run.setting, *(str(record.get(key, NONE)) for key in ("seed", "frames")), ended]
        rows.append([*cells, _number(record.get("cpu_seconds"), 0)])
    columns = ["run", "trained by", "seed", "frames", "converged", "CPU s"]
    notes = [Text(f"{run.name}: {note}") for run in system.runs for note in run.record.get("notes", [])]
    damaged = [Text(f"{run.name}: {run.damage}", missing=True) for run in system.runs if run.damage]
    return [Table(columns, rows), *notes, *damaged]


def _learned(system: System) -> Blocks:
    shown = list({run.setting: run for run in reversed(system.runs)}.values())[::-1]
    blocks: Blocks = []
    for run in shown:
        figure = learned_figure(run.model)
        caption = f"{run.name} ({run.setting}): background, and content, mask and sprite of every object."
        blocks.append(Image(f"{_file(system, run)}-learned.png", png(figure), caption))
    return blocks


def _constants(system: System) -> Blocks:
    runs = [run for run in system.runs if run.constants]
    if not runs:
        return _missing(
            "None of the runs has constants: a black box learns none, and a run that has not ended none yet."
        )
    rows = []
    for run in runs:
        for name, found in run.constants.items():
            one = Estimate(found["value"], found["std"], found["unit"], found.get("limit"))
            cells = [run.name, name, str(one), NONE, NONE, NONE]
            if "truth" in found:
                error = found["value"] - found["truth"]
                cells[3] = f"{found['truth']:g} {found['unit']}".rstrip()
                cells[4] = f"{100 * error / found['truth']:+.3f} %" if found["truth"] else f"{error:+.3g}"
                cells[5] = f"{abs(error) / found['std']:.1f}" if found["std"] > 0 else NONE
            rows.append(cells)
    known = any("truth" in found for run in runs for found in run.constants.values())
    text = "Bars are three standard deviations" + (
        ", lines the truth." if known else "; the data do not say the truth."
    )
    columns = ["run", "constant", "learned", "true", "off by", "standard deviations"]
    picture = Image(f"{_slug(system.name)}-constants.png", png(constants_figure(runs)), text)
    return [picture, Table(columns, rows)]


def _unmeasured(system: System) -> Blocks:
    return _missing("No films that training did not see: " + "; ".join(dict.fromkeys(r.missing for r in system.runs)))


def _beside(system: System) -> dict[str, Picture]:
    """Films of the first run as filmed and as read, and as each kind of run predicts them."""
    chosen = system.chosen
    assert chosen[0].measured is not None
    found = {"camera": chosen[0].measured.shown["camera"], "read": chosen[0].measured.shown["as read"]}
    for run in chosen:
        assert run.measured is not None
        same = np.array_equal(run.measured.shown["camera"], found["camera"])
        if same:  # others saw other films
            found["black box" if run.black_box else _short(run, chosen)] = run.measured.shown["predicted"]
    return found


def _short(run: Trained, chosen: Sequence[Trained]) -> str:
    return "predicted" if run is chosen[0] else "paper"


def _rollouts(system: System) -> Blocks:
    if not system.chosen:
        return _unmeasured(system)
    found = system.chosen[0].measured
    assert found is not None
    length, inputs, shown = found.data.frames.shape[1], found.prediction.inputs, found.prediction.shown
    caption = (
        f"Films of the {found.split} split: as filmed, as read and drawn again frame by frame, and as predicted from "
        f"the {inputs} input frames alone. Training predicted up to frame {shown - 1}; "
        + (f"frames {shown} to {length - 1} are extrapolation." if length > shown else "the films end there.")
    )
    strip = film_strip(_beside(system), inputs)
    blocks: Blocks = [Image(f"{_slug(system.name)}-rollouts.png", png(strip), caption)]
    skeleton = skeleton_figure(system.chosen[0].model, found.data)
    if skeleton is not None:
        caption = "Joints, as they were read in frames of these films."
        blocks.append(Image(f"{_slug(system.name)}-skeleton.png", png(skeleton), caption))
    return blocks


def _time(system: System) -> Blocks:
    runs = [run for run in system.runs if run.measured]
    if not runs:
        return _unmeasured(system)
    caption = "The median film of each run; the band holds the middle 80 % of the films."
    if not any(run.black_box for run in runs):
        caption += " No black box is beside it: train one with physics=lstm on the same data and add its run."
    rows = []
    for run in runs:
        assert run.measured is not None
        losses = run.measured.prediction.losses()
        rows.append(
            [run.name, run.setting, str(len(run.measured.data)), *(_number(losses[k]) for k in LOSSES.values())]
        )
    table = Table(
        ["run", "trained by", "films", *LOSSES], rows, "Squared error a frame, summed over pixels and channels."
    )
    return [Image(f"{_slug(system.name)}-time.png", png(time_figure(runs)), caption), table]


def _films(system: System) -> Blocks:
    if not system.chosen:
        return _unmeasured(system)
    found = system.chosen[0].measured
    assert found is not None
    first = {name: film[0] for name, film in _beside(system).items()}
    dt = system.first.model.dynamics.dt
    film = side_by_side(first, found.prediction.inputs, found.prediction.shown, dt)
    return [Image(f"{_slug(system.name)}-film.gif", film, "The first of these films, playing.")]


def _curves(system: System) -> Blocks:
    histories = [(run.setting, run.record["history"]) for run in system.runs if run.record.get("history")]
    if not histories:
        return _missing("The runs have not ended: their learning curves are written at the end.")
    if not any("step" in row for _, history in histories for rows in history.values() for row in rows):
        return _missing("Nothing was learned by gradient steps: the eyes are in closed form, and need no refinement.")
    caption = "A thin line a run, a bold one through the median of those that were trained alike; all gradient stages."
    return [Image(f"{_slug(system.name)}-curves.png", png(sweep_figure(histories)), caption)]


def _heat(system: System) -> Blocks:
    found = system.first.measured
    if found is None:
        return _unmeasured(system)
    frames = found.data.frames[0]
    picked = frames[np.unique(np.linspace(0, len(frames) - 1, 8).round().astype(int))]
    picture = heat_picture(system.first.model, picked)
    if picture is None:
        return _missing("The eyes of this run have no heat maps.")
    caption = f"{system.first.name}: frames of one film above the heat map of each object."
    return [Image(f"{_slug(system.name)}-heat.png", png(picture), caption)]


def _evaluation(system: System) -> Blocks:
    if not system.evaluate:
        return _missing("No evaluation was given: add folders of paig-control evaluate with evaluate=...")
    rows, blocks = [], _damaged(system.evaluate)
    for folder in _whole(system.evaluate):
        summary = folder.summary
        found = summary["positions"] or {}
        rows.append(
            [
                folder.name,
                Path(summary["options"]["run"]).name,
                (summary["augmentation"] or {"kind": "as they are"})["kind"],
                *(_number(summary[key]) for key in LOSSES.values()),
                _number(found.get("reading_rms"), 4),
                str(found.get("identity_swaps", NONE)),
            ]
        )
        blocks += _left(folder)
    columns = ["evaluation", "run", "films", *LOSSES, "read, rms from truth", "identity swaps"]
    return [Table(columns, rows), *blocks] if rows else blocks


def _whole(folders: Sequence[Folder]) -> list[Folder]:
    return [folder for folder in folders if not folder.damage]


def _damaged(folders: Sequence[Folder]) -> Blocks:
    """What is wrong with those that cannot be shown."""
    return [Text(f"{folder.name} is left out: {folder.damage}", missing=True) for folder in folders if folder.damage]


def _control(system: System) -> Blocks:
    if not system.control:
        return _missing("No control was given: add folders of paig-control control with control=...")
    rows, whole, damaged = [], _whole(system.control), _damaged(system.control)
    if not whole:
        return damaged
    for folder in whole:
        found = folder.summary
        kinds = (("agent, from pixels", ""), ("same planner, true state", "oracle_"), ("random", "random_"))
        for kind, key in kinds:
            if found.get(f"{key}success_rate") is not None or key == "":
                mean = found.get({"oracle_": "planner_oracle_return_mean"}.get(key, f"{key}return_mean"))
                rows.append([folder.name if key == "" else "", kind, str(found["episodes"]), *_success(found, key)])
                rows[-1].append(_number(mean, 1))
    columns = ["control", "who", "episodes", "success", "95 % interval", "mean return"]
    blocks: Blocks = [
        Table(columns, rows, "Success is judged by the true state, which the agent never sees."),
        *damaged,
    ]
    rates = [folder.summary.get("success_rate") for folder in whole]
    options = varied([folder.summary for folder in whole])
    if len(rates) > 2 and 1 <= len(options) <= 2 and None not in rates:
        figure = success_map(options, [float(rate) for rate in rates if rate is not None])
        blocks.append(Image(f"{_slug(system.name)}-success.png", png(figure), "Success over what was varied."))
    for folder in whole:
        blocks += _left(folder)
    return blocks


def _success(found: Mapping[str, Any], key: str) -> list[str]:
    rate, interval = found.get(f"{key}success_rate"), found.get(f"{key}success_interval")
    if rate is None or interval is None:
        return ["not measured", ""]
    return [f"{rate:.1%}", f"{interval[0]:.1%} to {interval[1]:.1%}"]


def _left(folder: Folder) -> Blocks:
    """Pictures and films that a command left in its folder."""
    blocks: Blocks = []
    for path in folder.pictures:
        if path.suffix not in KINDS:
            continue
        try:
            check_file(path, LARGEST)
            name = f"{_slug(folder.name)}-{path.stem[-80:]}{path.suffix}"
            blocks.append(Image(name, path.read_bytes(), f"{folder.name}: {path.name}"))
        except (PaigError, OSError) as error:
            blocks.append(Text(f"{folder.name}: {path.name} is left out: {error}", missing=True))
    return blocks


def _file(system: System, run: Trained) -> str:
    return f"{_slug(system.name)}-{_slug(run.name)}"


def _slug(name: str) -> str:
    """A part of a file's name."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in name)
    return "-".join(part for part in kept.split("-") if part).lower()[:80]
