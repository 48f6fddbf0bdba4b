"""Environments, physics, planners and devices, made from the configuration and checked where they enter."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from omegaconf import DictConfig, OmegaConf

from paig_control import naming
from paig_control.border.guarding import guarded
from paig_control.border.opening import find, make
from paig_control.errors import PaigError, nearest, quoted
from paig_control.experiment.records import build, record
from paig_control.seeds import whole

if TYPE_CHECKING:
    import torch

    from paig_control.agents.receding import SeededPlanner
    from paig_control.models.checkpoint import Loaded
    from paig_control.physics.base import Physics
    from paig_control.physics.dynamics import Dynamics
    from paig_control.types import Objective

Env = gym.Env[Any, Any]


def plain(config: DictConfig) -> dict[str, Any]:
    """Turn a part of the configuration into plain nested values."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def settings(config: DictConfig, group: str, name: str) -> Any:
    """Build the record that a group was filled from; its own checks are made here."""
    return build(record(group, name), plain(config))


def admit(config: DictConfig) -> None:
    """Check the seeds of a command, and import what a user asked for by name, before anything else is done.

    Raises:
        PaigError: for what is no seed, or a module that cannot be imported.
    """
    for name in ("seed", "control_seed"):
        if name in config:
            whole(config[name], name)
    for module in config.imports:
        naming.imported(str(module))


def make_env(config: DictConfig) -> Env:
    """Make the environment that a configuration describes.

    Raises:
        PaigError: for an unknown id, arguments that it refuses, and for what is no pixel environment.
    """
    check_arguments(config)
    name = str(config.id).rpartition(":")[2]
    return make(str(config.id), plain(config.kwargs), f"env=gym_pendulum env.kwargs.env_id={name}")


def check_arguments(config: DictConfig) -> None:
    """Refuse an argument that the environment does not have, naming the nearest that it has."""
    spec = find(str(config.id))
    name, entry = spec.id, spec.entry_point
    try:
        creator = gym.envs.registration.load_env_creator(entry) if isinstance(entry, str) else entry
        parameters = inspect.signature(creator).parameters  # type: ignore[arg-type]
    except Exception:
        return  # making the environment says what is wrong
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return
    for key in plain(config.kwargs):
        if key not in (*parameters, "max_episode_steps"):
            raise PaigError(f"{name} has no argument {key}; {nearest(key, list(parameters))}")


def true_physics(env: Env) -> Physics | None:
    """Build the environment's true physics with its true constants, for measuring; None if it is not known."""
    from paig_control.physics.registry import build_physics, names

    truth: Mapping[str, Any] = guarded(env).truth
    known = dict(truth.get("physics", {}))
    if known.get("name") not in names():
        return None
    physics = build_physics(**known)
    physics.set_values(truth["constants"])
    return physics


def model_physics(config: DictConfig, dt: float | None, acted: bool, objects: int | None = None) -> Dynamics:
    """Build the physics that is to be learned.

    Args:
        config: name and options.
        dt: seconds between frames.
        acted: whether anything acted in the films; where nothing did, forces are left out unless asked for.
        objects: number of things that move; ``None`` leaves it to the physics.

    Raises:
        PaigError: for an unknown name or option, without a time step, or for another number of objects than the
            physics has.
    """
    from paig_control.physics.registry import build_dynamics

    if dt is None:
        raise PaigError("The data do not say the time between two frames: give it in seconds, for example dt=0.05.")
    options = plain(config)
    name = options.pop("name")
    if not acted:
        options.setdefault("force", False)
    if objects is not None and "bodies" not in options:
        options["objects"] = objects
    physics = build_dynamics(name, dt, options, imports=True)
    if objects not in (None, physics.objects):
        raise PaigError(
            f"objects = {objects}, but physics={name} moves {physics.objects} and no other number: leave objects out, "
            "or choose another physics."
        )
    return physics


def set_constants(loaded: Loaded, config: DictConfig) -> list[str]:
    """Set the constants of a loaded model by hand; returns a remark on each.

    Raises:
        PaigError: for a constant that the model does not have, or a value outside its bounds.
    """
    given = plain(config.constants)
    physics = loaded.model.dynamics
    for name in given:
        if name not in physics.names:
            there = f"it has {', '.join(physics.names)}" if physics.names else "it has none"
            raise PaigError(f"The model in {config.run} has no constant {name!r}: {there}.")
    before = physics.values()
    physics.set_values(given)
    return [f"{name} is set to {value:g} by hand; learned was {before[name]:.4g}." for name, value in given.items()]


def make_planner(config: DictConfig, seed: int) -> SeededPlanner:
    """Make the planner that a configuration describes."""
    from paig_control.agents.registry import PLANNERS

    if config.name in PLANNERS:
        return PLANNERS[config.name](settings(config, "planner", config.name), seed)
    options = plain(config)
    name = options.pop("name")
    cls = naming.find("planner", name, PLANNERS, imports=True)
    if "seed" in inspect.signature(cls).parameters:
        options["seed"] = seed
    planner: SeededPlanner = naming.made(cls, options, name)
    for part in ("plan", "reseed", "horizon"):
        if not hasattr(planner, part):
            raise PaigError(f"The planner {name} has no {part}: expected plan, reseed and horizon.")
    return planner


def make_objective(config: DictConfig) -> Objective:
    """Make the objective of a user's own that a configuration names."""
    options = plain(config)
    name = options.pop("name")
    found = naming.find("objective", name, {}, imports=True)
    objective: Objective = naming.made(found, options, name) if isinstance(found, type) else found
    if not callable(objective):
        raise PaigError(f"The objective {name} is {quoted(objective)}: expected a function of states and actions.")
    return objective


def pick_device(name: str) -> torch.device:
    """Find a device by name; ``auto`` takes an accelerator if there is one.

    Raises:
        PaigError: for a device that is not there.
    """
    from paig_control.models.checkpoint import pick_device as pick

    return pick(name)


def use_threads(count: int) -> None:
    """Set the number of CPU threads that torch uses."""
    if count < 1:
        raise PaigError(f"threads = {count}: expected at least 1.")
    import torch

    torch.set_num_threads(count)
