"""Families of inputs from outside, each with whole ones, ways to damage them, and the loader that must master them.

A family draws a folder of files, and uses it as the library does. The only ways out are success and ``PaigError``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import gymnasium as gym
import numpy as np
import torch
from damage import (
    DEEP,
    LINKS,
    VALUES,
    Files,
    archive,
    arrays,
    as_json,
    bomb,
    changed,
    damaged,
    npy,
    pickled,
    png_of,
    texts,
)
from grammar import settings, use_settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, features

from paig_control.data import checks, episodes
from paig_control.errors import PaigError
from paig_control.experiment.compose import configure
from paig_control.experiment.reporting import report
from paig_control.goals import drawing, goal_files
from paig_control.models import checkpoint
from paig_control.models.paig import PAIG
from paig_control.physics.registry import build_physics
from paig_control.vision.kinematics import Planar
from paig_control.vision.localizer import Localizer
from paig_control.vision.renderer import SpriteRenderer

SIZE = 16
META = {
    "env": {"id": "paig/Spring-v0", "kwargs": {"size": SIZE}},
    "dt": 0.3,
    "action_low": [-1.0],
    "action_high": [1.0],
    "seeds": {"train": [1, 2]},
    "truth": {"constants": {"stiffness": 4.0}, "physics": {"substeps": 5}},
}


class Family(NamedTuple):
    """Inputs of one kind.

    Attributes:
        draws: folders of files.
        use: what is done with a folder.
        batch: inputs in a round; those that take longer have fewer.
    """

    draws: st.SearchStrategy[Files]
    use: Callable[[Path], None]
    batch: int


def families(home: Path, canary: str) -> dict[str, Family]:
    """All families by name; ``home`` is a folder for what is made once, ``canary`` the file that code would make."""
    run = a_run(home)
    env = gym.make("paig/Spring-v0", disable_env_checker=True)
    return {
        "films": Family(films(canary), lambda place: use_films(place / "films.npz"), 150),
        "meta": Family(st.builds(lambda text: {"meta.json": text}, texts(META)), use_meta, 150),
        "checkpoints": Family(checkpoints(run, canary), use_checkpoint, 150),
        "pictures": Family(pictures(), lambda place: use_goal("goal.png", place, env), 200),
        "arrays": Family(goal_arrays(canary), lambda place: use_goal("goal.npy", place, env), 200),
        "settings": Family(settings(), use_settings, 60),
        "reports": Family(reports(home, run), use_report, 4),
    }


# -- films and what they say ---------------------------------------------------------------------------------


def film_arrays() -> dict[str, bytes]:
    """Entries of a whole data file."""
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {"meta": np.array(json.dumps(META))}
    for split, count in (("train", 4), ("test", 2)):
        found[f"{split}_x"] = rng.integers(0, 256, (count, 6, SIZE, SIZE, 3)).astype(np.uint8)
        found[f"{split}_u"] = np.zeros((count, 5, 1), np.float32)
        found[f"{split}_truth_position"] = np.zeros((count, 6, 2, 2))
        found[f"{split}_truth_velocity"] = np.zeros((count, 6, 2, 2))
    return {f"{name}.npy": npy(value) for name, value in found.items()}


@st.composite
def films(draw: st.DrawFn, canary: str) -> Files:
    """A data file with faults in its bytes, its entries or what its entries are; or no file."""
    entries = film_arrays()
    kind = draw(st.sampled_from(["bytes", "bytes", "entry", "entry", "swap", "array", "array", "bomb", "link"]))
    if kind == "link":
        return {"films.npz": draw(LINKS)}
    if kind == "bomb":
        return {"films.npz": BOMBS[draw(st.integers(0, len(BOMBS) - 1))]}
    name, other = draw(st.sampled_from(sorted(entries))), draw(st.sampled_from(sorted(entries)))
    if kind == "entry":
        entries[name] = draw(damaged(entries[name]))
    elif kind == "swap":
        entries[name], entries[other] = entries[other], entries[name]
    elif kind == "array":
        entries[name] = draw(arrays(canary))
    whole = archive(entries, packed=draw(st.booleans()))
    return {"films.npz": draw(damaged(whole)) if kind == "bytes" else whole}


BOMBS = [
    bomb("train_x.npy", npy(np.zeros((1, 2, 8, 8, 3), np.uint8))[:128], 200 * 10**6),
    bomb("meta.npy", npy(np.array("{}"))[:128], 200 * 10**6),
    bomb("other.npy", b"", 200 * 10**6),
]


def use_films(path: Path) -> None:
    """Load, as training and evaluation do."""
    look_through(episodes.load(path))


def look_through(data: episodes.Episodes) -> None:
    """All that a data file is asked for."""
    _ = data.filmed
    for split in data.splits:
        data.split(split).actions_for(2)
        data.truth(split)


def use_meta(place: Path) -> None:
    """What ``meta`` says, beside whole films."""
    with np.errstate(all="ignore"):
        said = np.array((place / "meta.json").read_bytes().decode("utf-8", "replace"))
    whole = {name[:-4]: np.load(io.BytesIO(content)) for name, content in film_arrays().items() if name != "meta.npy"}
    look_through(episodes.Episodes(whole, checks.parse_meta(said)))


# -- checkpoints ---------------------------------------------------------------------------------------------


def a_run(home: Path) -> dict[str, bytes]:
    """Files of the checkpoint of a small model that has not learned anything, with a trainer's state."""
    torch.manual_seed(0)
    physics = build_physics("spring", 0.3, force=False)
    model = PAIG(physics, Planar(2), Localizer(2, channels=2), SpriteRenderer((SIZE, SIZE), 2, window=5, density=1))
    rows = [{"step": 10.0 * n, "recons": 0.5 / n, "pred": 1.0 / n} for n in (1, 2)]
    constants = {"stiffness": {"value": 4.01, "std": 0.02, "unit": "1/s²"}}
    record = {"seed": 3, "frames": 24, "physics": physics.spec, "prediction_frames": 2, "constants": constants}
    record |= {"history": {"refine": rows}, "converged": True, "notes": ["a note"], "cpu_seconds": 1.0}
    record |= {"residual": 0.1, "wall_seconds": 1.0}
    trainer = {"stage": 1, "coordinates": torch.zeros(2, 2), "notes": [], "spent": (1.0, 2.0)}
    checkpoint.save(home / "whole", model, record, trainer)
    return {path.name: path.read_bytes() for path in (home / "whole" / checkpoint.FOLDER).iterdir()}


def sealed(files: Mapping[str, Any], description: Any) -> dict[str, Any]:
    """Files with a description whose digests fit, as somebody who changes a checkpoint would write it."""
    kept = {name: content for name, content in files.items() if name != "model.json"}
    digests = {name: hashlib.sha256(one).hexdigest() for name, one in kept.items() if isinstance(one, bytes)}
    if isinstance(description, dict):
        description = description | {"files": digests}
    return {**kept, "model.json": as_json(description)}


SWOLLEN = [
    ("localizer", "channels", 4096),
    ("renderer", "window", 4096),
    ("renderer", "image_size", [4096, 4096]),
    ("renderer", "samples", 4096),
    ("physics", "objects", 4096),
    ("physics", "objects", 10**9),
    ("physics", "actuated", [10**9]),
    ("localizer", "kind", "masks"),
    ("renderer", "kind", "templates"),
]


@st.composite
def checkpoints(draw: st.DrawFn, run: Mapping[str, bytes], canary: str) -> Files:
    """A checkpoint with a fault, sealed again most of the time; or links in place of its files."""
    files: dict[str, Any] = dict(run)
    description = json.loads(run["model.json"])
    kinds = ["said"] * 4 + ["swollen", "weights", "weights", "trainer", "open", "text", "link", "keys"]
    kind = draw(st.sampled_from(kinds))
    name = draw(st.sampled_from(sorted(files)))
    if kind == "open":
        files[name] = draw(damaged(files[name]))
    elif kind == "text":
        files["model.json"] = draw(texts(description))
    elif kind == "link":
        files[name] = draw(LINKS)
    elif kind == "said":
        part = draw(st.sampled_from(["model", "model", "record", "format"]))
        inner = description[part]
        value = draw(changed(inner)) if isinstance(inner, dict) else draw(VALUES)
        files = sealed(files, description | {part: value})
    elif kind == "keys":
        files = sealed(files, draw(changed(description)))
    elif kind == "swollen":
        part, key, value = draw(st.sampled_from(SWOLLEN))
        description["model"][part][key] = value
        files = sealed(files, description)
    elif kind == "weights":
        files["weights.safetensors"] = draw(damaged(files["weights.safetensors"]))
        files = sealed(files, description)
    else:
        files["trainer.pt"] = draw(st.one_of(damaged(files["trainer.pt"]), poisoned(files["trainer.pt"], canary)))
        files = sealed(files, description)
    return {f"run/{checkpoint.FOLDER}/{name}": content for name, content in files.items()}


@st.composite
def poisoned(draw: st.DrawFn, whole: bytes, canary: str) -> bytes:
    """A trainer's state that would run code: a bare pickle, or one inside torch's archive; or one that swells."""
    kind = draw(st.sampled_from(["bare", "inside", "swollen"]))
    if kind == "bare":
        return pickled(canary)
    if kind == "swollen":
        return BOMBS[2]
    with zipfile.ZipFile(io.BytesIO(whole)) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    return archive({n: pickled(canary) if n.endswith("data.pkl") else c for n, c in entries.items()}, packed=False)


def use_checkpoint(place: Path) -> None:
    """Load, and look at all that commands read of it."""
    loaded = checkpoint.load(place / "run")
    record = loaded.record
    for key in ("seed", "frames", "prediction_frames", "constants", "history", "notes", "residual"):
        with contextlib.suppress(PaigError):
            record[key]
    with torch.no_grad():
        loaded.model.renderer.sprites()
        loaded.model.physics.values()


# -- goals ---------------------------------------------------------------------------------------------------


def whole_pictures() -> list[bytes]:
    """Small pictures of all formats that can be written here, one with a state."""
    pixels = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    made: list[bytes] = []
    kinds = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA"]
    kinds += [name.upper() for name in ("webp", "avif") if features.check(name)]
    kinds += ["JPEG2000"] if features.check("jpg_2000") else []
    for kind in kinds:
        for mode in ("RGB", "P", "L", "RGBA", "I;16", "F"):
            with contextlib.suppress(OSError, ValueError, KeyError), io.BytesIO() as target:
                Image.fromarray(pixels).convert(mode).save(target, kind)
                made.append(target.getvalue())
    with io.BytesIO() as target:
        text = PngImagePlugin.PngInfo()
        text.add_text(goal_files.KEY, "[[[0.5]], [[0.0]]]")
        Image.fromarray(pixels).save(target, "PNG", pnginfo=text)
        made.append(target.getvalue())
    return made


@st.composite
def pictures(draw: st.DrawFn) -> Files:
    """A picture with a fault, of absurd size, with absurd text, of a format that would be run, or no file."""
    kind = draw(st.sampled_from(["bytes"] * 6 + ["size", "text", "script", "link", "whole"]))
    if kind == "link":
        return {"goal.png": draw(LINKS)}
    if kind == "script":
        return {"goal.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(canary) (w) file\nshowpage\n%%EOF"}
    if kind == "size":
        sides = st.sampled_from([0, 1, 16, 4000, 13000, 60000, 2**31 - 1])
        return {"goal.png": png_of(draw(sides), draw(sides))}
    if kind == "text":
        said = draw(st.one_of(st.sampled_from(DEEP), texts([[[0.5]], [[0.0]]]))).decode("utf-8", "replace")
        with io.BytesIO() as target:
            text = PngImagePlugin.PngInfo()
            text.add_text(goal_files.KEY, said.encode("latin-1", "replace"), zip=True)
            Image.new("RGB", (SIZE, SIZE)).save(target, "PNG", pnginfo=text)
            return {"goal.png": target.getvalue()}
    whole = draw(st.sampled_from(WHOLE))
    return {"goal.png": whole if kind == "whole" else draw(damaged(whole))}


WHOLE = whole_pictures()


@st.composite
def goal_arrays(draw: st.DrawFn, canary: str) -> Files:
    """A .npy file of anything."""
    if draw(st.integers(0, 9)) == 0:
        return {"goal.npy": draw(st.one_of(LINKS, st.just(archive(film_arrays())), st.just(pickled(canary))))}
    return {"goal.npy": draw(arrays(canary))}


def use_goal(name: str, place: Path, env: Any) -> None:
    """Resolve as control does, alone and as the first of two."""
    drawing.resolve(str(place / name), None, {}, env, (32, 32))
    if name.endswith(".png"):
        drawing.resolve([str(place / name)] * 2, None, {}, env, (32, 32))


# -- reports -------------------------------------------------------------------------------------------------


def summaries(home: Path) -> dict[str, Any]:
    """Whole summaries of a run and what was done with it, by folder."""
    constants = {"stiffness": {"value": 4.01, "std": 0.02, "unit": "1/s²", "truth": 4.0}}
    known = {"options": {"data": str(home / "films.npz"), "seed": 1}, "constants": constants, "filmed": "Spring-v0"}
    control = {"options": {"run": "RUN", "gravity": 2.0}, "episodes": 20, "success_rate": 0.5}
    control |= {"success_interval": [0.3, 0.7], "return_mean": -12.0, "random_success_rate": 0.1}
    losses = {"eval_recons_loss": 1.0, "eval_pred_loss": 2.0, "eval_extrap_loss": None}
    positions = {"reading_rms": 0.1, "identity_swaps": 0}
    evaluate = {"options": {"run": "RUN"}, "positions": positions, "augmentation": {"kind": "all"}, **losses}
    return {"run": known, "control": control, "evaluate": evaluate}


@st.composite
def reports(draw: st.DrawFn, home: Path, run: Mapping[str, bytes]) -> Files:
    """Folders of a run, control and evaluation with a fault in a summary, the record or a picture."""
    episodes_path = home / "films.npz"
    if not episodes_path.exists():
        episodes_path.write_bytes(archive(film_arrays()))
    found = summaries(home)
    name = draw(st.sampled_from(["run$", "$\\frac{1$", "r" * 250, "目标", "\udcff", "a b"]))
    files: dict[str, Any] = {f"runs/{name}/{checkpoint.FOLDER}/{key}": content for key, content in run.items()}
    files |= {"evaluate/films.csv": b"x\n", "control/episodes.csv": b"x\n", "control/film.png": png_of(4, 4)}
    for folder, content in found.items():
        place = f"runs/{name}" if folder == "run" else folder
        files[f"{place}/summary.json"] = as_json(content)
    kind = draw(st.sampled_from(["run", "run", "control", "control", "evaluate", "record", "link", "extra"]))
    if kind == "record":
        description = json.loads(run["model.json"])
        again = sealed(run, description | {"record": draw(changed(description["record"]))})
        files |= {f"runs/{name}/{checkpoint.FOLDER}/{key}": content for key, content in again.items()}
    elif kind == "link":
        files[draw(st.sampled_from(sorted(files)))] = draw(LINKS)
    elif kind == "extra":
        files[f"control/{draw(st.sampled_from(['metrics.csv', 'a.png', 'film.gif']))}"] = draw(LINKS)
    else:
        place = f"runs/{name}" if kind == "run" else kind
        files[f"{place}/summary.json"] = draw(texts(found[kind]))
    return files


def use_report(place: Path) -> None:
    """Gather and draw the page, as ``paig-control report`` does."""
    run = next((place / "runs").iterdir())
    for folder in ("control", "evaluate"):
        path = place / folder / "summary.json"
        if path.is_file() and not path.is_symlink():
            path.write_bytes(path.read_bytes().replace(b'"RUN"', as_json(str(run))))
    shutil.rmtree(place / "page", ignore_errors=True)
    words = ["verbosity=0", "films=2", "rows=1", "device=cpu"]
    config = configure("report", words)
    config.run, config.control, config.evaluate = [str(run)], [str(place / "control")], [str(place / "evaluate")]
    config.out = str(place / "page")
    with mock.patch("paig_control.report.sections.learned_figure", return_value=np.zeros((4, 4, 3), np.uint8)):
        report(config, "a report")  # what is slow, and the same for all, is left out
