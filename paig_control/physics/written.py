"""Scenes as they are written down: the library's own in ``configs/physics``, and files of your own. No torch here."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from paig_control.border.reading import check_file, place
from paig_control.errors import PaigError, brief, nearest, quoted
from paig_control.naming import fits

LARGEST = 10**6
"""Bytes that the file of a scene may have."""
MOST = 4096
"""Bodies that a scene may have, or whole numbers that an option may be."""
KEYS = ("objects", "bodies", "forces", "substeps", "force")
"""What a scene's description may say."""


@cache
def scenes() -> dict[str, dict[str, Any]]:
    """The scenes that come with the library, as their files say them."""
    found = {}
    for file in sorted(resources.files("paig_control.configs").joinpath("physics").iterdir(), key=lambda one: one.name):
        said: Any = OmegaConf.to_container(OmegaConf.create(file.read_text(encoding="utf-8")))
        name = said.pop("name", None)
        if "forces" in said:
            found[name] = said
    return found


def described(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a scene, with options in place of what its file says.

    Raises:
        PaigError: for an option that there is not, or a value not of its kind.
    """
    said = copy.deepcopy(scenes().get(name, {}))
    own = options.get("options", {})
    if not isinstance(own, Mapping):
        raise PaigError(f"options = {quoted(own)}: expected short names, each with what it stands for.")
    short = {**said.pop("options", {}), **own}
    if "objects" in options or "bodies" in options:
        said.pop("objects" if "bodies" in options else "bodies", None)
    for key, value in options.items():
        if key in KEYS:
            said[key] = copy.deepcopy(value)
    for key, value in options.items():
        if key not in (*KEYS, "options", *short):
            raise PaigError(f"The physics {name!r} has no option {key!r}; {nearest(key, [*KEYS, *short])}")
        if key in short:
            try:
                _put(said, str(short[key]).split("."), value, f"{name}.{key}")
            except (AttributeError, IndexError, TypeError, ValueError) as error:
                if isinstance(error, PaigError):
                    raise
                raise PaigError(f"{key} stands for {short[key]}, which this scene does not have.") from None
    return said


def _put(said: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    """Set what a short name stands for; false leaves a force out, true takes it as it is written, or by default."""
    at: Any = said
    for step in path[:-1]:
        if isinstance(at, list):
            at = at[int(step)]
        else:
            if not isinstance(at.get(step), dict | list):
                at[step] = {}
            at = at[step]
    last, usual = path[-1], at.get(path[-1])
    if value is not None and usual is not None and not isinstance(usual, dict) and not fits(value, usual, MOST):
        raise PaigError(f"{key} = {quoted(value)}: expected something like {usual!r}.")
    at[last] = usual if value is True and isinstance(usual, dict) else value


def asked(value: str) -> dict[str, Any]:
    """The options of the physics that a user names: by a YAML file, else by a name alone."""
    return read_scene(place(value, "physics")) if value.endswith((".yaml", ".yml")) else {"name": value}


def read_scene(path: Path) -> dict[str, Any]:
    """The scene that a YAML file of your own describes, under the file's name unless it says another.

    Raises:
        PaigError: for what is no such file.
    """
    check_file(path, LARGEST)
    try:
        said: Any = OmegaConf.to_container(OmegaConf.create(path.read_text(encoding="utf-8")))
    except Exception as error:  # YAML's and OmegaConf's kinds are many, and letters that are none
        raise PaigError(f"{path} is no YAML that can be read ({brief(str(error).splitlines()[0])}).") from None
    if not isinstance(said, dict) or "forces" not in said:
        raise PaigError(f"{path} describes no scene: expected objects or bodies, and forces, by name.")
    return {"name": path.stem, **{str(key): value for key, value in said.items()}}
