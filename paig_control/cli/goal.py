"""``paig-control goal``: draw a goal image."""

from __future__ import annotations

from typing import Any

import numpy as np
from omegaconf import DictConfig

from paig_control import runs
from paig_control.cli.output import Screen
from paig_control.errors import PaigError, nearest
from paig_control.experiment import factories
from paig_control.goals import drawing, goal_files


def run(config: DictConfig, screen: Screen, command: str) -> dict[str, Any]:
    """Draw and save; returns what was drawn."""
    path = runs.file(config.out, ".png", config.overwrite)
    env = factories.make_env(config.env)
    try:
        image, state = draw(env, config)
    finally:
        env.close()
    goal_files.save(path, image, state)
    screen.say(f"Drew the state {state.ravel().tolist()} as {path}, {image.shape[0]} x {image.shape[1]} pixels.")
    return {"goal": str(path), "state": state.tolist()}


def draw(env: factories.Env, config: DictConfig) -> tuple[goal_files.Frame, goal_files.Array]:
    """Draw the state asked for, or the named goal.

    Raises:
        PaigError: for an environment that cannot draw states, a state that does not fit, an unknown name.
    """
    shape = np.shape(env.reset(seed=0)[1].get("state", [])) if env.has_wrapper_attr("draw") else (0,)
    if not np.prod(shape):
        raise PaigError(
            f"{config.env.id} cannot draw a state: nothing is known of its states. Photograph the goal instead."
        )
    values = config.state
    if values is None:
        name, named = config.goal or config.env.goal, config.env.goals
        own = drawing.own_state(env)
        if name not in named and (name is not None or own is None):
            known = f"goal {name}; {nearest(str(name), map(str, named))}" if named else "goals."
            raise PaigError(
                f"{config.env.kwargs.get('env_id', config.env.id)} has no {known} "
                f"Give a state, for example state=[{','.join(['0'] * int(np.prod(shape)))}]."
            )
        values = named[name] if own is None or name is not None else own.ravel().tolist()
    state = drawing.to_state(list(values), shape)
    return env.get_wrapper_attr("draw")(state), state
