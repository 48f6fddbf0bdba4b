"""Checkpoints: a folder of arrays and names, never of code, that is whole at every moment.

``weights.safetensors`` has the arrays, ``model.json`` the names and numbers from which the model is built by
registries, and ``trainer.pt`` (loaded with ``weights_only=True``) what a resumed training needs. A checkpoint is
written beside the old one and takes its place by renaming, so a kill at any moment leaves one that is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialise

from paig_control.border import files
from paig_control.border.limits import check_size
from paig_control.border.reading import (
    COUNT,
    FINITE,
    FLAG,
    NOTHING,
    NUMBER,
    TEXT,
    WHOLE,
    check_file,
    check_form,
    read_json,
)
from paig_control.errors import PaigError, nearest
from paig_control.models.paig import PAIG
from paig_control.models.published import OriginalPAIG
from paig_control.models.recurrent import BlackBox
from paig_control.physics.base import Physics
from paig_control.physics.integrators import integrate_by
from paig_control.physics.registry import build_physics
from paig_control.vision.kinematics import build_kinematics
from paig_control.vision.registry import build_eyes, build_renderer, described

FORMAT = 4
NAMED, LOGARITHMS = 3, 2
"""Formats before, which are read still: physics by names and options alone, not as scenes; and before that, every
constant kept as its logarithm."""
FOLDER = "checkpoint"
MODELS: dict[str, type[PAIG]] = {kind.kind: kind for kind in (PAIG, OriginalPAIG, BlackBox)}
DESCRIPTION = {
    "model": {
        "kind": TEXT,
        "physics": {"name": TEXT, "dt": FINITE},
        "integrator": TEXT,
        "kinematics": TEXT,
        "localizer": {"kind": TEXT},
        "renderer": {"kind": TEXT, "image_size": [COUNT]},
        "input_frames": COUNT,
        "polish": WHOLE,
    },
    "record": {
        "seed?": WHOLE,
        "frames?": COUNT,
        "prediction_frames?": COUNT,
        "physics?": {"name": TEXT},
        "constants?": {"*": {"value": FINITE, "std": NUMBER, "unit": TEXT, "limit?": (FINITE, NOTHING)}},
        "residual?": NUMBER,
        "history?": {"*": [{"*": NUMBER}]},
        "converged?": FLAG,
        "notes?": [TEXT],
        "cpu_seconds?": NUMBER,
        "wall_seconds?": NUMBER,
    },
}
"""The form of ``model.json``; what is in a record depends on who wrote it."""


class Record(dict[str, Any]):
    """What a checkpoint says beside the model; to ask for what it does not say is a user's mistake."""

    def __missing__(self, key: str) -> Any:
        """Refuse."""
        raise PaigError(f"The checkpoint's record has no {key}: train again, or take one that nobody has changed.")


class Loaded(NamedTuple):
    """A model from a checkpoint, the record saved with it, and the trainer's state if there is one."""

    model: PAIG
    record: dict[str, Any]
    trainer: dict[str, Any] | None


def exists(run: Path) -> bool:
    """Whether the run folder holds a checkpoint that is whole."""
    return _newest(run) is not None


def save(run: Path, model: PAIG, record: dict[str, Any], trainer: dict[str, Any] | None = None) -> None:
    """Write a checkpoint of ``model`` into the run folder, in place of the one before.

    Args:
        run: the run's folder, made if missing.
        model: the model.
        record: plain numbers, strings, lists and dictionaries that belong to it.
        trainer: tensors and plain values with which training can go on.
    """
    new = run / f"{FOLDER}.new"
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    content = {"weights.safetensors": serialise(weights)}
    if trainer is not None:
        made = io.BytesIO()
        torch.save(trainer, made)
        content["trainer.pt"] = made.getvalue()
    digests = {name: hashlib.sha256(one).hexdigest() for name, one in content.items()}
    description = {"format": FORMAT, "model": _describe(model), "record": record, "files": digests}
    content["model.json"] = json.dumps(description, indent=1).encode()
    try:
        if new.exists() and _newest(run) == new:  # a kill came before it took its place
            _place(run)
        files.remove(new)
        try:
            for name, one in content.items():
                files.write(new / name, one)
        except BaseException:
            files.remove(new)
            raise
        _place(run)
    except OSError as error:
        raise files.unwritable(run / FOLDER, error) from error


def _place(run: Path) -> None:
    """Put the new checkpoint in the place of the one before."""
    new, current, old = run / f"{FOLDER}.new", run / FOLDER, run / f"{FOLDER}.old"
    files.remove(old)
    if current.exists():
        current.rename(old)
    new.rename(current)
    files.remove(old)


def load(run: Path, device: str | torch.device = "cpu") -> Loaded:
    """Load the newest whole checkpoint of a run folder.

    Raises:
        PaigError: when there is none, it is incomplete, of another version, or holds anything but arrays and names.
    """
    run = Path(run)
    if not run.is_dir():
        raise PaigError(f"{run} is no folder: expected a run's folder, as `paig-control train out=...` writes it.")
    folder = _newest(run)
    if folder is None:
        missing = f"{run} holds no whole checkpoint"
        raise PaigError(f"{missing}: its files are missing or cut short. Train again, or copy the folder once more.")
    description = _read(folder / "model.json")
    model = _filled(folder, description["model"], description["format"])
    trainer = None
    if (folder / "trainer.pt").exists():
        try:
            check_size(str(folder / "trainer.pt"), _unpacked(folder / "trainer.pt"))
            trainer = torch.load(folder / "trainer.pt", map_location="cpu", weights_only=True)
        except PaigError:
            raise
        except Exception as error:  # torch raises many kinds for a file that is not what it says
            name = type(error).__name__
            raise PaigError(
                f"{folder / 'trainer.pt'} holds more than arrays and names, or is broken ({name})."
            ) from None
    return Loaded(model.to(device).eval(), Record(description["record"]), trainer)


def _filled(folder: Path, names: dict[str, Any], written: int) -> PAIG:
    """The model of a description with its weights, made only when the sizes of both are known and agree."""
    path = folder / "weights.safetensors"
    try:
        plan = _build(names, "meta")  # whatever the description asks for takes no memory there
        wanted = {name: (tuple(value.shape), value.dtype) for name, value in plan.state_dict().items()}
        with safe_open(path, "pt") as file:  # reads the header alone
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        if written == LOGARITHMS and "physics.handed" in wanted:
            found.setdefault("physics.handed", (2,))
        shapes = {name: shape for name, (shape, _) in wanted.items()}
        if shapes == found:
            model, weights = _build(names), load_file(path)
            if written == LOGARITHMS:
                weights = _renewed(weights, model.physics)
            shapes, found = wanted, {name: (tuple(value.shape), value.dtype) for name, value in weights.items()}
    except PaigError:
        raise
    except Exception as error:  # the parts raise many kinds for a description that cannot be meant
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise PaigError(f"{folder} does not describe a model of this library ({reason}).") from None
    if shapes != found:
        wrong = sorted(name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name))
        raise PaigError(f"{folder}: the arrays {', '.join(wrong[:3])} do not fit the model that model.json describes.")
    model.load_state_dict(weights)
    numbers = [*weights.values(), *(torch.tensor(value) for value in model.physics.values().values())]
    if not all(bool(torch.isfinite(value).all()) for value in numbers):
        raise PaigError(f"{folder}: the weights hold numbers that are not finite.")
    return model


def _renewed(weights: dict[str, torch.Tensor], physics: Physics) -> dict[str, torch.Tensor]:
    """Weights as they are kept today, of a model whose constants were all positive and no camera mirrored."""
    signed = torch.tensor([constant.signed for constant in physics.constants], dtype=torch.bool)
    free = weights["physics.free"]
    new = {"physics.free": torch.where(signed, torch.asinh(torch.exp(free)), free)}
    if hasattr(physics, "handed"):
        new["physics.handed"] = torch.ones(2)
    return {**weights, **new}


def _unpacked(path: Path) -> int:
    """Bytes that a trainer's state takes in memory, as the archive's table says them."""
    with zipfile.ZipFile(path) as archive:
        return sum(item.file_size for item in archive.infolist())


def _digest(path: Path) -> str:
    check_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _newest(run: Path) -> Path | None:
    """The checkpoint folder to trust: every file that its description names is there with the content it had."""
    for name in (f"{FOLDER}.new", FOLDER, f"{FOLDER}.old"):
        folder = run / name
        try:
            listed = read_json(folder / "model.json", {"files": {"*": TEXT}})["files"]
            if "weights.safetensors" in listed and all(
                Path(f).name == f and _digest(folder / f) == d for f, d in listed.items()
            ):
                return folder
        except (OSError, ValueError):
            continue
    return None


def _read(path: Path) -> dict[str, Any]:
    description: dict[str, Any] = read_json(path, {})
    written = description.get("format")
    if type(written) is not int or written not in (LOGARITHMS, NAMED, FORMAT):
        raise PaigError(
            f"{path} is of format {written!r}: this version reads format {FORMAT}. "
            "Use the version that wrote it, or train again."
        )
    check_form(path, description, DESCRIPTION)
    noted = description["record"].get("physics")
    if written < FORMAT and noted is not None:  # as a training notes it today, that goes on with this run
        description["record"]["physics"] = build_physics(**{**noted, "dt": description["model"]["physics"]["dt"]}).spec
    return description


def _describe(model: PAIG) -> dict[str, Any]:
    """Names and numbers from which :func:`_build` makes the same model."""
    physics = model.physics
    if not physics.spec:
        kind = type(physics).__name__
        raise PaigError(f"{kind} was not built by build_physics: register it and build it by name, so it can be saved.")
    return {
        "kind": model.kind,
        "physics": {**physics.spec, "dt": physics.dt},
        "integrator": f"{physics.scheme}-{physics.substeps}",
        "kinematics": physics.kinematics,
        "localizer": described(model.localizer),
        "renderer": described(model.renderer),
        "input_frames": model.input_frames,
        "polish": model.polish,
    }


def _build(names: dict[str, Any], device: str = "cpu") -> PAIG:
    """The model of a description, its networks on a device; on ``"meta"`` they have sizes alone."""
    if names["kind"] not in MODELS:
        raise PaigError(f"Unknown kind of model {names['kind']!r}; {nearest(names['kind'], MODELS)}")
    physics = build_physics(**names["physics"])
    integrate_by(physics, names["integrator"])
    if names["kinematics"] != physics.kinematics:
        raise PaigError(
            f"The kinematics {names['kinematics']!r} does not belong to the physics {names['physics']['name']!r}."
        )
    with torch.device(device):
        return MODELS[names["kind"]](
            physics,
            build_kinematics(physics.kinematics, physics.objects),
            build_eyes(names["localizer"], physics.objects),
            build_renderer(names["renderer"], physics.objects),
            names["input_frames"],
            names["polish"],
        )
