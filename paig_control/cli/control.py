"""``paig-control control``: an agent on a trained model acts from pixels, beside what is possible."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from paig_control import files, goal_files, goals, runs
from paig_control.cli import adapting
from paig_control.cli.output import Screen
from paig_control.disturbances import DisturbSettings
from paig_control.errors import PaigError
from paig_control.experiment import factories
from paig_control.experiment.mirror import build
from paig_control.guarding import guarded

if TYPE_CHECKING:
    from paig_control.agents.mpc import MPCAgent
    from paig_control.agents.settings import TermSettings
    from paig_control.checkpoint import Loaded
    from paig_control.evaluation import ControlSettings, Measured
    from paig_control.model import PAIG

STRANGE = 10.0
"""Times the usual error in training that a goal image may leave before it is said."""


def run(config: DictConfig, screen: Screen, command: str, pictures: Path | None = None) -> dict[str, Any]:
    """Control, measure, summarise; returns the summary.

    Args:
        config: of the command.
        screen: to speak to.
        command: as it was called.
        pictures: folder of the films, ``out`` by default.
    """
    wall = time.monotonic()
    factories.use_threads(config.threads)
    _check_aims(config)

    from paig_control import checkpoint
    from paig_control.evaluation import Truth, count_objects, evaluate_control
    from paig_control.report.films import save_control_film

    disturb = build(DisturbSettings, factories.plain(config.disturb))
    loaded = checkpoint.load(files.expanded(config.run), factories.pick_device(config.device))
    if "constants" not in loaded.record:
        screen.remark(f"The training in {config.run} has not ended: this is its last checkpoint.")
    for remark in factories.set_constants(loaded, config):
        screen.remark(remark)
    env = factories.make_env(config.env)
    try:
        check_fit(env, loaded, config, screen)
        goal = _judged(find_goal(env, loaded, config), env, config) if config.goals is None else None
        drawn = None if config.goals is None else _draw(env, config)
        control = _settings(config, drawn, goal)
        disturb.check(control.steps, count_objects(env))
        agent, aims = make_agent(env, loaded, config, drawn is not None and not drawn.held)
        shown = config.objective.name != "reward"
        truth = Truth(factories.true_physics(env), config.env.reward if drawn is None else None)
    finally:
        env.close()
    targets = goals.Targets.of(goal, shown) if drawn is None else drawn.targets
    if goal is not None and shown:
        for note in goal.notes:
            screen.remark(note)
        agent.reset(targets.aim())
        _warn(screen, agent, loaded.model, goal)
    if drawn is not None:
        _tell(screen, drawn, control)
    elif targets.states is None:
        screen.remark("The goal's state is not known, so success is not measured: give it with goal_state=[...].")
    folder = runs.folder(config.out, config.overwrite)
    with screen.bar("control") as tick:
        measured = evaluate_control(
            factories.maker(config.env),
            agent,
            loaded.model,
            targets,
            truth,
            factories.make_planner(config.planner, config.seed),
            aims,
            control,
            config.baselines,
            lambda done, total: tick(done / total, f"{done} of {total} frames"),
            disturb,
        )
    figures: dict[str, Any] = {
        **measured.summary,
        "objective": config.objective.name,
        "within": control.within,
        "hold": control.hold,
        "steps": control.steps,
        **(_one(goal) if drawn is None else _many(drawn)),
        "constants_by_hand": factories.plain(config.constants),
        "adaptation": adapting.figures(loaded, measured) if agent.adapter is not None else None,
        "notes": [] if goal is None else list(goal.notes),
        "wall_seconds": time.monotonic() - wall,
        "peak_mb": runs.peak_mb(),
    }
    files.remove(folder / runs.SUMMARY)  # it would tell of other episodes
    if goal is not None and goal.image is not None and shown:
        goal_files.save(folder / "goal.png", goal.image, goal.state)
    runs.write(folder / "episodes.csv", runs.csv(measured.rows))
    for index, film in enumerate(measured.films):
        save_control_film(film, (pictures or folder) / f"film{index or ''}.gif")
    summary = runs.summary(folder / runs.SUMMARY, command, config, figures)
    show(screen, measured)
    if figures["adaptation"] is not None:
        adapting.show(screen, figures["adaptation"])
    return summary


def _check_aims(config: DictConfig) -> None:
    """Refuse aims that exclude one another, before anything is loaded."""
    adapting.check(config)
    if config.goals is None:
        if config.distance is not None:
            raise PaigError(f"distance={config.distance} is that of drawn goals: say how many, for example goals=100.")
        return
    for name in ("goal", "goal_state"):
        if config[name] is not None:
            raise PaigError(
                f"{name}={config[name]} and goals={config.goals}: show one goal, or let the environment draw one for "
                "every episode."
            )
    if config.objective.name == "reward":
        raise PaigError(f"goals={config.goals} are shown as pictures: take objective=goal, or objective=picture.")
    if config.goals < 1:
        raise PaigError(f"goals = {config.goals}: expected at least 1, one for each episode.")


def _draw(env: factories.Env, config: DictConfig) -> goals.Drawn:
    """A goal for each episode, which learning has never been shown."""
    seeds = [config.seed + i for i in range(config.goals)]
    return goals.draw_many(env, seeds, _steps(config), config.distance)


def _steps(config: DictConfig) -> int:
    return int(config.env.steps if config.steps is None else config.steps)


def _settings(config: DictConfig, drawn: goals.Drawn | None, goal: goals.Goal | None) -> ControlSettings:
    """How control is measured; what is left open depends on whether goals were drawn, move, and can be held."""
    from paig_control.evaluation import ControlSettings

    given = {item.name: config[item.name] for item in fields(ControlSettings)}
    steps, within = _steps(config), config.within
    hold = 0 if goal is not None and goal.moves else max(1, steps // 4)
    if drawn is not None:
        hold = 5 if drawn.held else 0
        within = drawn.within if within is None else within
        given["episodes"] = config.goals
    given |= {"steps": steps, "within": within, "hold": hold if config.hold is None else config.hold}
    return ControlSettings(**given)


def _tell(screen: Screen, drawn: goals.Drawn, control: ControlSettings) -> None:
    """Say what the goals are, and what success is."""
    refused = ", ".join(f"{count} {reason}" for reason, count in drawn.refused.items())
    kind = "at rest" if drawn.held else "moving, because not everything can be pushed,"
    success = f"held through the last {control.hold} steps" if control.hold else "reached at some step"
    screen.say(
        f"{control.episodes} goals {kind} at least {drawn.distance:g} from the start, out of {drawn.candidates} states "
        f"reached by random play ({refused}). Success: nearer than {control.within:g}, {success}."
    )


def _warn(screen: Screen, agent: MPCAgent, model: PAIG, goal: goals.Goal) -> None:
    """Say it if the goal image shows more than was learned, or if by what was learned the goal cannot be held."""
    import torch

    from paig_control.agents.holding import holding

    place = None if goal.told is None else torch.from_numpy(goal.told[0]).float()
    if place is None and goal.image is not None:
        frames = torch.from_numpy(goal.image[None])
        place = model.read(frames).position[0]
        finding = model.examine(frames, place[None])
        if finding.usual > 0 and float(finding.error) > STRANGE * finding.usual:
            screen.remark(
                f"The goal image shows more than the model can explain: squared error {float(finding.error):.2g}, in "
                f"training {finding.usual:.2g}. Every object was found."
            )
    if place is None or goal.moves or getattr(agent.goal_settings, "once", False):
        return
    held = holding(model.physics, place, agent.control.low, agent.control.high)
    if not held.possible:
        screen.remark(str(held))


def _one(goal: goals.Goal | None) -> dict[str, Any]:
    return {
        "goal_state": None if goal is None or goal.state is None else goal.state.tolist(),
        "goal_state_source": None if goal is None else goal.source,
    }


def _many(drawn: goals.Drawn) -> dict[str, Any]:
    return {
        "goals_held": drawn.held,
        "goals_distance": drawn.distance,
        "goals_candidates": drawn.candidates,
        "goals_refused": dict(drawn.refused),
    }


def check_fit(env: factories.Env, loaded: Loaded, config: DictConfig, screen: Screen) -> None:
    """Refuse a black box, and an environment whose images or actions are not those that the model was trained on."""
    from paig_control.physics.lstm import no_state

    if loaded.model.physics.stateless:
        raise no_state()
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
    dt = guarded(env).dt
    if dt is not None and abs(dt - physics.dt) > 1e-6:
        screen.remark(
            f"The model was trained with {physics.dt} s between frames, the environment has {dt} s: its predictions "
            "will be off."
        )


def find_goal(env: factories.Env, loaded: Loaded, config: DictConfig) -> goals.Goal | None:
    """The goal to show or, where the reward is planned for, only to judge by."""
    wanted = OmegaConf.to_container(config.goal) if OmegaConf.is_config(config.goal) else config.goal
    if (wanted or config.env.goal) is None and config.objective.name == "reward":
        return None
    model = loaded.model
    size, coordinates = model.image_size, (model.physics.objects, model.physics.dims)
    goal = goals.resolve(wanted, config.env.goal, factories.plain(config.env.goals), env, size, coordinates)
    if goal.before is not None and config.objective.name == "picture":
        raise PaigError("Two pictures show a goal that moves, and objective=picture is still: take objective=goal.")
    if goal.told is not None:
        goal = replace(goal, image=_imagined(model, goal.told))
    return goal


def _judged(goal: goals.Goal | None, env: factories.Env, config: DictConfig) -> goals.Goal | None:
    """The goal with the state by which success is to be judged, if one is given."""
    if goal is None or config.goal_state is None:
        return goal
    shape = np.shape(env.get_wrapper_attr("goal_state"))
    return replace(goal, state=goals.to_state(list(config.goal_state), shape, "goal_state"), source="given")


def _imagined(model: PAIG, told: goal_files.Array) -> goal_files.Frame:
    """The picture ``(h, w, 3)`` that the model draws of coordinates ``(2, N, D)``, for the eye."""
    import torch

    from paig_control.model import to_pictures
    from paig_control.types import State

    with torch.no_grad():
        drawn = to_pictures(model.render(State(*torch.from_numpy(told[:, None]).float().to(model.device))))
    picture: goal_files.Frame = drawn[0]
    return picture


def make_agent(env: factories.Env, loaded: Loaded, config: DictConfig, once: bool) -> tuple[MPCAgent, TermSettings]:
    """The agent under test, and what counts for the oracle beside it; ``once`` is enough for drawn goals, or not."""
    import gymnasium as gym

    from paig_control.agents.mpc import MPCAgent
    from paig_control.agents.settings import GoalSettings, TermSettings

    space = env.action_space
    assert isinstance(space, gym.spaces.Box)
    planner = factories.make_planner(config.planner, config.seed)
    settings = factories.settings(config.agent, "agent", "mpc")
    name = config.objective.name
    aims = factories.settings(config.objective, "objective", name)
    if name == "reward" and aims.reward is None:
        raise PaigError(f"{config.env.id} names no reward function: set objective.reward, or show a goal with goal=...")
    reward = aims.reward if name == "reward" else None
    if name == "goal":
        aims = replace(aims, once=aims.once or once)
    agent = MPCAgent(
        loaded.model, planner, space.low, space.high, reward, aims, settings, adapter=adapting.adapter(loaded, config)
    )
    if name == "picture":  # the oracle sees states, not pictures
        others = {item.name: getattr(aims, item.name) for item in fields(TermSettings) if item.name != "effort"}
        aims = GoalSettings(**others, effort=config.env.effort, time_scale=config.env.time_scale, once=once)
    return agent, aims


def show(screen: Screen, measured: Measured) -> None:
    """Print return and success, with its 95 % interval, of the agent beside the baselines."""
    found = measured.summary

    def row(title: str, mean: str, rate: str | None = None) -> list[str]:
        cells = [title, "" if found[mean] is None else f"{found[mean]:.1f}", "", ""]
        if rate is not None and found[f"{rate}_rate"] is not None:
            low, high = found[f"{rate}_interval"]
            cells[2:] = f"{found[f'{rate}_rate']:.1%}", f"{low:.1%} to {high:.1%}"
        return cells

    rows = [
        row("agent, from pixels", "return_mean", "success"),
        row("same planner, true state", "planner_oracle_return_mean", "oracle_success"),
        row("best return possible", "oracle_return_mean"),
        row("random", "random_return_mean", "random_success"),
    ]
    head = ["", "mean return", "success", "95 % interval"]
    screen.table(f"{found['episodes']} episodes", head, [cells for cells in rows if any(cells[1:])])
    if found["control_ms_median"] is not None:
        screen.say(f"One decision takes {found['control_ms_median']:.1f} ms ({found['control_hz']:.0f} a second)")
