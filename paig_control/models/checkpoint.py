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
from safetensors.torch import load_file, save as serialise

from paig_control.border import files
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
    check_size,
    read_json,
)
from paig_control.errors import PaigError, nearest
from paig_control.models.estimators import ESTIMATORS
from paig_control.models.paig import PAIG
from paig_control.physics.base import integrate_by
from paig_control.physics.dynamics import Dynamics
from paig_control.physics.registry import build_dynamics
from paig_control.vision.registry import (
    build_camera,
    build_eyes,
    build_kinematics,
    build_renderer,
    described,
    described_camera,
)

FORMAT = 4
NAMED, LOGARITHMS = 3, 2
"""Formats before, which are read still: physics by names and options alone, not as scenes; and before that, every
constant kept as its logarithm."""
FOLDER = "checkpoint"
KINDS = {"paig": "least_squares", "original": "velocity_network", "black_box": "recurrent"}
"""Estimators, by what formats before called models that had them."""
PLACES = {"physics": "dynamics", "velocity": "estimator", "foresight": "estimator"}
"""Parts of the model, by what formats before called them."""
DESCRIPTION = {
    "model": {
        "estimator": TEXT,
        "physics": {"name": TEXT, "dt": FINITE},
        "integrator": TEXT,
        "kinematics": TEXT,
        "localizer": {"kind": TEXT},
        "renderer": {"kind": TEXT, "image_size": [COUNT]},
        "camera?": {"tilt": FINITE, "toward": FINITE, "focal?": FINITE},
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


def pick_device(device: str) -> torch.device:
    """``auto`` takes an accelerator if there is one.

    Raises:
        PaigError: for a device that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda"):
        raise PaigError(f"device = {device!r}: expected auto, cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise PaigError("device = 'cuda', but PyTorch sees no such device here: use device=auto or device=cpu.")
    return torch.device(device)


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
            found = {_place_of(name, written): tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        if written == LOGARITHMS and "dynamics.handed" in wanted:
            found.setdefault("dynamics.handed", (2,))
        shapes = {name: shape for name, (shape, _) in wanted.items()}
        if shapes == found:
            model = _build(names)
            weights = {_place_of(name, written): value for name, value in load_file(path).items()}
            if written == LOGARITHMS:
                weights = _renewed(weights, model.dynamics)
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
    numbers = [*weights.values(), *(torch.tensor(value) for value in model.dynamics.values().values())]
    if not all(bool(torch.isfinite(value).all()) for value in numbers):
        raise PaigError(f"{folder}: the weights hold numbers that are not finite.")
    return model


def _place_of(name: str, written: int) -> str:
    """What an array of a format is called today."""
    part, _, rest = name.partition(".")
    return f"{PLACES[part]}.{rest}" if written < FORMAT and part in PLACES else name


def _renewed(weights: dict[str, torch.Tensor], dynamics: Dynamics) -> dict[str, torch.Tensor]:
    """Weights as they are kept today, of a model whose constants were all positive and no camera mirrored."""
    signed = torch.tensor([constant.signed for constant in dynamics.constants], dtype=torch.bool)
    free = weights["dynamics.free"]
    new = {"dynamics.free": torch.where(signed, torch.asinh(torch.exp(free)), free)}
    if hasattr(dynamics, "handed"):
        new["dynamics.handed"] = torch.ones(2)
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
    if written < FORMAT:
        check_form(path, description, {"model": {"kind": TEXT}})
        kind = description["model"].pop("kind")
        description["model"]["estimator"] = KINDS.get(kind, kind)
    check_form(path, description, DESCRIPTION)
    noted = description["record"].get("physics")
    if written < FORMAT and noted is not None:  # as a training notes it today, that goes on with this run
        options = {key: value for key, value in noted.items() if key not in ("name", "dt")}
        dynamics = build_dynamics(noted["name"], description["model"]["physics"]["dt"], options)
        description["record"]["physics"] = dynamics.spec
    return description


def _describe(model: PAIG) -> dict[str, Any]:
    """Names and numbers from which :func:`_build` makes the same model."""
    dynamics = model.dynamics
    if not dynamics.spec:
        kind = type(dynamics).__name__
        raise PaigError(f"{kind} was not built by build_physics: register it and build it by name, so it can be saved.")
    return {
        "estimator": model.estimator.kind,
        "physics": {**dynamics.spec, "dt": dynamics.dt},
        "integrator": dynamics.integrator,
        "kinematics": dynamics.kinematics,
        "localizer": described(model.localizer),
        "renderer": described(model.renderer),
        **({"camera": described_camera(model.camera)} if model.camera.aslant else {}),
        "input_frames": model.input_frames,
        "polish": model.polish,
    }


def _build(names: dict[str, Any], device: str = "cpu") -> PAIG:
    """The model of a description, its networks on a device; on ``"meta"`` they have sizes alone."""
    if names["estimator"] not in ESTIMATORS:
        raise PaigError(f"Unknown estimator {names['estimator']!r}; {nearest(names['estimator'], ESTIMATORS)}")
    options = {key: value for key, value in names["physics"].items() if key not in ("name", "dt")}
    dynamics = build_dynamics(names["physics"]["name"], names["physics"]["dt"], options)
    if not dynamics.stateless:
        integrate_by(dynamics.laws(), names["integrator"])
    if names["kinematics"] != dynamics.kinematics:
        raise PaigError(
            f"The kinematics {names['kinematics']!r} does not belong to the physics {names['physics']['name']!r}."
        )
    camera = build_camera(names.get("camera", {}))
    with torch.device(device):
        return PAIG(
            dynamics,
            build_kinematics(dynamics.kinematics, dynamics.objects, dynamics.joints, camera.aslant),
            build_eyes(names["localizer"], dynamics.objects),
            build_renderer(names["renderer"], dynamics.objects),
            names["input_frames"],
            names["polish"],
            ESTIMATORS[names["estimator"]],
            camera,
        )
