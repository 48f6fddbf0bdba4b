"""A trial: a trained model in an environment, with an agent, what it is to reach, and how that is measured.

All of it follows from one configuration, and is made here for the command line, the window, benchmarks and Python
alike: ``trial("runs/pend", "env=pendulum", "goal=[0.2]").measure()``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from omegaconf import DictConfig, OmegaConf

from paig_control.border import files
from paig_control.border.action_set import rows_of
from paig_control.border.guarding import guarded
from paig_control.errors import PaigError
from paig_control.experiment import factories
from paig_control.experiment.compose import configure
from paig_control.experiment.factories import Env
from paig_control.experiment.records import build
from paig_control.goals import drawing, goal_files

if TYPE_CHECKING:
    from paig_control.agents.mpc import MPCAgent
    from paig_control.agents.receding import SeededPlanner
    from paig_control.agents.settings import TermSettings
    from paig_control.estimation.online import OnlineAdapter
    from paig_control.evaluation.baselines import TrueWorld
    from paig_control.evaluation.control import ControlSettings, Measured
    from paig_control.evaluation.corruptions import DisturbSettings
    from paig_control.learning.trainer import Run
    from paig_control.models.checkpoint import Loaded
    from paig_control.models.paig import PAIG
    from paig_control.types import Objective
    from paig_control.viewer.session import Session


AIMED = ("goal", "picture")
"""Objectives for which the agent is shown a goal."""


def trial(run: Run | Path | str, *words: str) -> Trial:
    """A trial in Python, of a training's result or a run's folder.

    Args:
        run: what :func:`~paig_control.learning.recipe.train` gave, or the folder that it was written to.
        words: options as those of ``paig-control control``, ``"env=gym_pendulum", "goal=[0.2]"``.

    Raises:
        PaigError: for options that do not fit, or a folder without a checkpoint.
    """
    config = configure("control", [f"run={run if isinstance(run, (str, Path)) else 'Python'}", *words])
    factories.admit(config)
    if isinstance(run, (str, Path)):
        return Trial(config)
    from paig_control.models.checkpoint import Loaded

    return Trial(config, Loaded(run.model, run.record, None))


@dataclass(frozen=True)
class Task:
    """What a trial's agent is to do, and how that is judged.

    Attributes:
        goal: one for all episodes, if it is shown or judged by.
        drawn: one for each episode, drawn by the environment.
        targets: of every episode, from either.
        control: how control is measured.
        disturb: what goes wrong between camera and agent.
        agent: under test.
        aims: what counts for the oracle beside it, in settings or as an objective of a user's own.
        truth: what the judge and the oracles know.
    """

    goal: drawing.Goal | None
    drawn: drawing.Drawn | None
    targets: drawing.Targets
    control: ControlSettings
    disturb: DisturbSettings
    agent: MPCAgent
    aims: TermSettings | Objective
    truth: TrueWorld


class Trial:
    """A trained model, and what a configuration of ``control`` or ``view`` says of its environment, agent and goals.

    Args:
        config: as :func:`~paig_control.experiment.compose.configure` makes it.
        loaded: the model, if it need not be read from ``config.run``.

    Attributes:
        loaded: the model, with constants as they are set by hand.
        disturb: what goes wrong between camera and agent; in a window, nothing.
        notes: what a user should be told, as it comes up.

    Raises:
        PaigError: for what cannot be, before anything is loaded.
    """

    def __init__(self, config: DictConfig, loaded: Loaded | None = None) -> None:
        _check_aims(config)
        if config.adapt not in ("none", "online"):
            raise PaigError(f"adapt = {config.adapt}: expected none or online.")
        factories.use_threads(config.threads)

        from paig_control.evaluation.corruptions import DisturbSettings
        from paig_control.models import checkpoint

        self.disturb = build(DisturbSettings, factories.plain(config.disturb) if "disturb" in config else {})
        self.config, self.notes = config, list[str]()
        device = factories.pick_device(config.device)
        self.loaded = loaded or checkpoint.load(files.expanded(config.run), device)
        self.model: PAIG = self.loaded.model
        if "constants" not in self.loaded.record:
            self.notes.append(f"The training in {config.run} has not ended: this is its last checkpoint.")
        self.notes += factories.set_constants(self.loaded, config)

    @property
    def steps(self) -> int:
        """Of an episode."""
        return int(self.config.env.steps if self.config.get("steps") is None else self.config.steps)

    @property
    def shown(self) -> bool:
        """Whether the agent is shown a goal; for a reward, or an objective of a user's own, it is not."""
        return self.config.objective.name in AIMED

    @property
    def errors(self) -> dict[str, float]:
        """Standard deviations of the learned constants."""
        return {name: float(found["std"]) for name, found in self.loaded.record.get("constants", {}).items()}

    def make(self) -> Env:
        """Another environment."""
        return factories.make_env(self.config.env)

    def open(self) -> Env:
        """The first environment, which must fit the model.

        Raises:
            PaigError: for one whose images or actions are not those that the model was trained on, and for a black box.
        """
        env = self.make()
        try:
            self._check_fit(env)
        except BaseException:
            env.close()
            raise
        return env

    def task(self) -> Task:
        """What the agent is to do.

        Raises:
            PaigError: for a model and an environment that do not fit, goals that cannot be read, drawn or judged by.
        """
        from paig_control.evaluation.baselines import TrueWorld
        from paig_control.evaluation.control import count_objects

        env = self.open()
        try:
            goal = self.goal(env) if self.config.goals is None else None
            drawn = None if self.config.goals is None else self.drawn(env)
            control = self.measures(drawn, goal)
            self.disturb.check(control.steps, count_objects(env))
            agent, aims = self.agent(env.action_space, drawn is not None and not drawn.held)
            truth = TrueWorld(factories.true_physics(env), self.config.env.reward if drawn is None else None)
        finally:
            env.close()
        targets = drawing.Targets.of(goal, self.shown) if drawn is None else drawn.targets
        return Task(goal, drawn, targets, control, self.disturb, agent, aims, truth)

    def measure(self, task: Task | None = None, progress: Callable[[int, int], None] | None = None) -> Measured:
        """All episodes, the agent's and, on the same starts, those of the baselines.

        Args:
            task: what the agent is to do, as configured by default.
            progress: called after every step of the agent with the frames done, and all.
        """
        from paig_control.evaluation.control import evaluate_control

        task = task or self.task()
        return evaluate_control(
            self.make,
            task.agent,
            self.model,
            task.targets,
            task.truth,
            self.planner(),
            task.aims,
            task.control,
            self.config.baselines,
            progress,
            task.disturb,
        )

    def session(self) -> Session:
        """World, agent and goal for the window, which closes the environment.

        Raises:
            PaigError: for a model and an environment that do not fit, or a goal that cannot be read.
        """
        from paig_control.viewer.session import Learned, Session
        from paig_control.viewer.world import World

        env = self.open()
        try:
            agent, _ = self.agent(env.action_space)
            goal = self.goal(env) if self.shown else None
            self.notes += () if goal is None else goal.notes
            physics = self.model.physics
            learned = Learned(self.errors, self.online if physics.names else None)
            aim, picture = drawing.Targets.of(goal).aim(), None if goal is None else goal.image
            return Session(World(env, physics.dt), agent, self.model, learned, aim, picture, int(self.config.seed))
        except BaseException:
            env.close()
            raise

    def planner(self) -> SeededPlanner:
        """A planner as configured."""
        return factories.make_planner(self.config.planner, self.config.seed)

    def online(self) -> OnlineAdapter:
        """What watches the constants; those set by hand are believed as learned ones are."""
        from paig_control.estimation.online import OnlineAdapter

        noise = self.loaded.record.get("residual")
        if noise is None:
            raise PaigError(
                f"The training in {self.config.run} has not ended: end it with resume=true, or leave adapt out."
            )
        return OnlineAdapter(self.model.physics, float(noise), self.errors)

    def _check_fit(self, env: Env) -> None:
        """Refuse a black box, and an environment whose images or actions are not those that the model learned from."""
        from paig_control.physics.dynamics import no_state

        if self.model.dynamics.stateless:
            raise no_state()
        shape = tuple(env.observation_space.shape or ())
        size, physics = tuple(self.model.image_size), self.model.physics
        if shape[:2] != size:
            wanted = size[0] if size[0] == size[1] else list(size)
            raise PaigError(
                f"The model in {self.config.run} was trained on images of {size[0]} x {size[1]} pixels, the "
                f"environment has {shape[0]} x {shape[1]}: set env.kwargs.size={wanted}."
            )
        actions = int(np.prod(env.action_space.shape or ()))
        if actions != physics.action_size:
            raise PaigError(
                f"The model in {self.config.run} has {physics.action_size} action(s), {self.config.env.id} has "
                f"{actions}: use the environment that it was trained on, or train on this one."
            )
        dt = guarded(env).dt
        if dt is not None and abs(dt - physics.dt) > 1e-6:
            self.notes.append(
                f"The model was trained with {physics.dt} s between frames, the environment has {dt} s: its "
                "predictions will be off."
            )

    def goal(self, env: Env) -> drawing.Goal | None:
        """The goal to show or, where the reward is planned for, only to judge by."""
        wanted = OmegaConf.to_container(self.config.goal) if OmegaConf.is_config(self.config.goal) else self.config.goal
        if (wanted or self.config.env.goal) is None and not self.shown:
            return None
        size, coordinates = self.model.image_size, (self.model.physics.objects, self.model.physics.dims)
        goal = drawing.resolve(
            wanted, self.config.env.goal, factories.plain(self.config.env.goals), env, size, coordinates
        )
        if goal.before is not None and self.config.objective.name == "picture":
            raise PaigError("Two pictures show a goal that moves, and objective=picture is still: take objective=goal.")
        if goal.told is not None:
            goal = replace(goal, image=_imagined(self.model, goal.told))
        return self._judged(goal, env)

    def _judged(self, goal: drawing.Goal, env: Env) -> drawing.Goal:
        """The goal with the state by which success is to be judged, if one is given."""
        if self.config.get("goal_state") is None:
            return goal
        shape = np.shape(env.get_wrapper_attr("goal_state"))
        return replace(goal, state=drawing.to_state(list(self.config.goal_state), shape, "goal_state"), source="given")

    def drawn(self, env: Env) -> drawing.Drawn:
        """A goal for each episode, which learning has never been shown."""
        seeds = [self.config.seed + i for i in range(self.config.goals)]
        return drawing.draw_many(env, seeds, self.steps, self.config.distance)

    def measures(self, drawn: drawing.Drawn | None, goal: drawing.Goal | None) -> ControlSettings:
        """How control is measured; what is left open depends on whether goals were drawn, move, and can be held."""
        from paig_control.evaluation.control import ControlSettings

        given = {item.name: self.config[item.name] for item in fields(ControlSettings)}
        steps, within = self.steps, self.config.within
        hold = 0 if goal is not None and goal.moves else max(1, steps // 4)
        if drawn is not None:
            hold = 5 if drawn.held else 0
            within = drawn.within if within is None else within
            given["episodes"] = self.config.goals
        given |= {"steps": steps, "within": within, "hold": hold if self.config.hold is None else self.config.hold}
        return ControlSettings(**given)

    def agent(self, space: gym.Space[Any], once: bool = False) -> tuple[MPCAgent, TermSettings | Objective]:
        """The agent under test, and what counts for the oracle beside it.

        Args:
            space: of actions.
            once: whether it is enough to be at a goal once.
        """
        from paig_control.agents.mpc import MPCAgent
        from paig_control.agents.settings import GoalSettings, TermSettings

        assert isinstance(space, gym.spaces.Box)
        planner = self.planner()
        settings = factories.settings(self.config.agent, "agent", "mpc")
        name = self.config.objective.name
        watching = None if self.config.adapt == "none" else self.online()
        own = factories.make_objective(self.config.objective) if ":" in name else None
        aims: Any = TermSettings()
        if own is None:
            aims = factories.settings(self.config.objective, "objective", name)
        if name == "reward" and aims.reward is None:
            raise PaigError(
                f"{self.config.env.id} names no reward function: set objective.reward, or show a goal with goal=..."
            )
        reward = aims.reward if name == "reward" else None
        if name == "goal":
            aims = replace(aims, once=aims.once or once)
        bounds = space.low, space.high
        agent = MPCAgent(self.model, planner, *bounds, reward, aims, settings, own, watching, rows_of(space))
        if name == "picture":  # the oracle sees states, not pictures
            others = {item.name: getattr(aims, item.name) for item in fields(TermSettings) if item.name != "effort"}
            aims = GoalSettings(
                **others, effort=self.config.env.effort, time_scale=self.config.env.time_scale, once=once
            )
        return agent, aims if own is None else own


def _check_aims(config: DictConfig) -> None:
    """Refuse aims that exclude one another, before anything is loaded."""
    if config.get("goals") is None:
        if config.get("distance") is not None:
            raise PaigError(f"distance={config.distance} is that of drawn goals: say how many, for example goals=100.")
        return
    for name in ("goal", "goal_state"):
        if config[name] is not None:
            raise PaigError(
                f"{name}={config[name]} and goals={config.goals}: show one goal, or let the environment draw one for "
                "every episode."
            )
    if config.objective.name not in AIMED:
        raise PaigError(f"goals={config.goals} are shown as pictures: take objective=goal, or objective=picture.")
    if config.goals < 1:
        raise PaigError(f"goals = {config.goals}: expected at least 1, one for each episode.")


def _imagined(model: PAIG, told: goal_files.Array) -> goal_files.Frame:
    """The picture ``(h, w, 3)`` that the model draws of coordinates ``(2, N, D)``, for the eye."""
    import torch

    from paig_control.models.paig import to_pictures
    from paig_control.types import State

    with torch.no_grad():
        drawn = to_pictures(model.render(State(*torch.from_numpy(told[:, None]).float().to(model.device))))
    picture: goal_files.Frame = drawn[0]
    return picture
