"""``paig-control control``: an agent on a trained model acts from pixels, beside what is possible."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from paig_control import goals
from paig_control.cli import output, world
from paig_control.cli.output import Screen
from paig_control.errors import PaigError

if TYPE_CHECKING:
    from paig_control.agents.mpc import MPCAgent
    from paig_control.checkpoint import Loaded
    from paig_control.evaluation import ControlSettings, Measured


def run(config: DictConfig, screen: Screen, command: str, pictures: Path | None = None) -> dict[str, Any]:
    """Control, measure, summarise; returns the summary.

    Args:
        config: of the command.
        screen: to speak to.
        command: as it was called.
        pictures: folder of the films, ``out`` by default.
    """
    wall = time.monotonic()
    world.use_threads(config.threads)
    control = _settings(config)

    from paig_control import checkpoint
    from paig_control.evaluation import Truth, evaluate_control
    from paig_control.report import save_control_film

    loaded = checkpoint.load(Path(config.run).expanduser(), world.pick_device(config.device))
    if "constants" not in loaded.record:
        screen.remark(f"The training in {config.run} has not ended: this is its last checkpoint.")
    env = world.make_env(config.env)
    try:
        _check_fit(env, loaded, config, screen)
        goal = _goal(env, loaded, config)
        truth = Truth(world.true_physics(env), config.env.reward, None if goal is None else goal.state)
        agent, shown, aims = _agent(env, loaded, config, goal)
    finally:
        env.close()
    for note in () if goal is None or shown is None else goal.notes:
        screen.remark(note)
    if truth.goal_state is None:
        screen.remark("The goal's state is not known, so success is not measured: give it with goal_state=[...].")
    folder = output.folder(config.out, config.overwrite)
    with screen.bar("control") as tick:
        measured = evaluate_control(
            world.maker(config.env),
            agent,
            loaded.model,
            shown,
            truth,
            world.make_planner(config.planner, config.seed),
            aims,
            control,
            config.baselines,
            lambda done, total: tick(done / total, f"{done} of {total} frames"),
        )
    figures: dict[str, Any] = {
        **measured.summary,
        "objective": config.objective.name,
        "goal_state": None if truth.goal_state is None else truth.goal_state.tolist(),
        "goal_state_source": None if goal is None else goal.source,
        "notes": [] if goal is None else list(goal.notes),
        "wall_seconds": time.monotonic() - wall,
        "peak_mb": output.peak_mb(),
    }
    if shown is not None and goal is not None:
        goals.save(folder / "goal.png", shown, goal.state)
    output.write(folder / "episodes.csv", output.csv(measured.rows))
    for index, film in enumerate(measured.films):
        save_control_film(film, (pictures or folder) / f"film{index or ''}.gif")
    show(screen, measured)
    return output.summary(folder / output.SUMMARY, command, config, figures)


def _settings(config: DictConfig) -> ControlSettings:
    from dataclasses import fields

    from paig_control.evaluation import ControlSettings

    return ControlSettings(**{item.name: config[item.name] for item in fields(ControlSettings)})


def _check_fit(env: world.Env, loaded: Loaded, config: DictConfig, screen: Screen) -> None:
    """Refuse a black box, and an environment whose images or actions are not those that the model was trained on."""
    from paig_control.physics.lstm import Lstm, stateless

    if isinstance(loaded.model.physics, Lstm):
        raise stateless()
    shape = tuple(env.observation_space.shape or ())
    size, physics = tuple(loaded.model.image_size), loaded.model.physics
    if shape[:2] != size:
        raise PaigError(
            f"The model in {config.run} was trained on images of {size[0]} x {size[1]} pixels, the environment has "
            f"{shape[0]} x {shape[1]}: set env.kwargs.size={size[0] if size[0] == size[1] else list(size)}."
        )
    actions = int(np.prod(env.action_space.shape or ()))
    if actions != physics.action_size:
        raise PaigError(
            f"The model in {config.run} has {physics.action_size} action(s), {config.env.id} has {actions}: use the "
            "environment that it was trained on, or train on this one."
        )
    try:
        dt = env.get_wrapper_attr("dt")
    except AttributeError:
        dt = None
    if dt is not None and abs(dt - physics.dt) > 1e-6:
        screen.remark(
            f"The model was trained with {physics.dt} s between frames, the environment has {dt} s: its predictions "
            "will be off."
        )


def _goal(env: world.Env, loaded: Loaded, config: DictConfig) -> goals.Goal | None:
    """The goal to show or, where the reward is planned for, only to judge by."""
    wanted = config.goal or config.env.goal
    goal = None
    if wanted is not None or config.objective.name == "goal":
        goal = goals.resolve(config.goal, config.env.goal, world.plain(config.env.goals), env, loaded.model.image_size)
    if goal is None or config.goal_state is None:
        return goal
    shape = np.shape(env.get_wrapper_attr("goal_state"))
    state = goals.to_state(list(config.goal_state), shape, "goal_state")
    return goals.Goal(goal.image, state, "given", goal.notes)


def _agent(
    env: world.Env, loaded: Loaded, config: DictConfig, goal: goals.Goal | None
) -> tuple[MPCAgent, goals.Frame | None, Any]:
    """The agent under test, the image that it is shown, and what reaching it means; both None for a reward."""
    import gymnasium as gym

    from paig_control.agents.mpc import MPCAgent

    space = env.action_space
    assert isinstance(space, gym.spaces.Box)
    planner = world.make_planner(config.planner, config.seed)
    settings = world.settings(config.agent, "agent", "mpc")
    if config.objective.name == "reward":
        reward = config.objective.reward
        if reward is None:
            raise PaigError(
                f"{config.env.id} names no reward function: set objective.reward, or show a goal with goal=..."
            )
        return MPCAgent(loaded.model, planner, space.low, space.high, reward, None, settings), None, None
    aims = world.settings(config.objective, "objective", "goal")
    assert goal is not None
    return MPCAgent(loaded.model, planner, space.low, space.high, None, aims, settings), goal.image, aims


def show(screen: Screen, measured: Measured) -> None:
    """Print return and success of the agent beside the baselines."""
    found = measured.summary

    def text(name: str, form: str) -> str:
        return "" if found.get(name) is None else form.format(found[name])

    rows = [
        ["agent, from pixels", text("return_mean", "{:.1f}"), text("success_rate", "{:.0%}")],
        [
            "same planner, true state",
            text("planner_oracle_return_mean", "{:.1f}"),
            text("oracle_success_rate", "{:.0%}"),
        ],
        ["best return possible", text("oracle_return_mean", "{:.1f}"), ""],
        ["random", text("random_return_mean", "{:.1f}"), text("random_success_rate", "{:.0%}")],
    ]
    screen.table(f"{found['episodes']} episodes", ["", "mean return", "success"], [r for r in rows if any(r[1:])])
    if found["success_interval"] is not None:
        low, high = found["success_interval"]
        screen.say(f"Success {found['success_rate']:.1%}, 95 % interval {low:.1%} to {high:.1%}")
    if found["control_ms_median"] is not None:
        screen.say(f"One decision takes {found['control_ms_median']:.1f} ms ({found['control_hz']:.0f} a second)")
