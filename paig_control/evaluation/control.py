"""Measuring control: every episode beside a random agent and oracles on the same starts.

The evaluator alone looks at the truth. All episodes of a batch advance in lock-step, so that perceiving and
planning run on the whole batch; the baselines, which need no pixels, run in the same environments unpainted.
The time of a decision is measured apart, on one environment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.agents.mpc import MPCAgent, Timing
from paig_control.agents.receding import SeededPlanner
from paig_control.agents.settings import TermSettings
from paig_control.border.guarding import guarded
from paig_control.border.lanes import Lanes
from paig_control.errors import PaigError
from paig_control.evaluation.baselines import TrueWorld, informed_agent, optimal_agent, random_agent
from paig_control.evaluation.corruptions import Camera, DisturbSettings
from paig_control.evaluation.rollout import Act, Array, Film, Played, Recorder, Renders, play
from paig_control.goals.drawing import Targets
from paig_control.seeds import whole
from paig_control.types import Objective

Progress = Callable[[int, int], None]
"""Called with the work done and the whole work, in frames."""


@dataclass(frozen=True)
class ControlSettings:
    """How control is measured.

    Attributes:
        episodes: number of episodes; the i-th starts from ``env.reset(seed=seed + i)``.
        steps: of an episode.
        hold: success is being at the goal through the last so many steps; 0 for reaching it at any step.
        within: being at the goal is being nearer than this in every coordinate, px or rad, at whatever velocity; None
            takes the environment's own tolerance of position and velocity.
        seed: of the first episode.
        batch: episodes side by side.
        film: number of episodes of which a film is kept.
        ahead: steps ahead of the camera that the film's imagined frames were planned.
        timing_steps: steps of one unbatched environment over which the time of a decision is measured.
    """

    episodes: int = 20
    steps: int = 200
    hold: int = 50
    within: float | None = None
    seed: int = 1000
    batch: int = 64
    film: int = 2
    ahead: int = 10
    timing_steps: int = 60

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", whole(self.seed))
        least = {"hold": 0, "seed": 0, "film": 0, "timing_steps": 0}
        if self.within is not None and not self.within > 0:
            raise PaigError(f"within = {self.within}: expected a positive distance from the goal, or null.")
        for name, value in vars(self).items():
            if name != "within" and value < least.get(name, 1):
                raise PaigError(f"{name} = {value}: expected a whole number of at least {least.get(name, 1)}.")
        if self.hold > self.steps:
            raise PaigError(f"hold = {self.hold} exceeds steps = {self.steps}: success is held within an episode.")


@dataclass(frozen=True)
class Measured:
    """What an evaluation of control found.

    Attributes:
        summary: figures by name.
        rows: one an episode.
        films: of the first episodes.
    """

    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    films: list[Film]


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a rate (Wilson 1927; Brown, Cai and DasGupta 2001), 95 % by default."""
    if trials == 0:
        return 0.0, 1.0
    rate, share = successes / trials, z * z / trials
    middle = (rate + share / 2) / (1 + share)
    half = z / (1 + share) * math.sqrt(rate * (1 - rate) / trials + share / (4 * trials))
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return low, 1.0 if successes == trials else min(1.0, middle + half)


class Judge:
    """Says whether episodes reached their goals, by the truth.

    Args:
        env: whose tolerance counts.
        goals: ``(E, 2, N, D)``, one for all episodes or one for each; None if they are not known.
        settings: how long, and how near.
    """

    def __init__(self, env: gym.Env[Any, Any], goals: Array | None, settings: ControlSettings) -> None:
        self.settings = settings
        tolerance = _attribute(env, "tolerance")
        self.goals = None if tolerance is None else goals
        self.tolerance = tolerance
        if tolerance is not None and settings.within is not None:
            self.tolerance = replace(tolerance, position=settings.within, velocity=math.inf)

    def success(self, played: Played) -> NDArray[np.bool_] | None:
        """``(B,)``; None where the goals' or the episodes' states are not known."""
        at = None if played.states is None else self.reached(played.states[:, 1:])
        if at is None:
            return None
        hold = self.settings.hold
        found = [
            bool(one[n - hold : n].all()) and n >= hold if hold else bool(one[:n].any())
            for one, n in zip(at, played.lengths, strict=True)
        ]
        return np.array(found)

    def reached(self, states: Array) -> NDArray[np.bool_] | None:
        """Whether each of the states ``(B, *T, 2, N, D)`` is at its goal; None where that cannot be known."""
        if self.goals is None:
            return None
        at: NDArray[np.bool_] = self.tolerance.reached(states, self._along(states, self.goals))
        return at

    def distance(self, states: Array) -> Array | None:
        """Largest distance of any coordinate from its goal, of each of the states ``(B, *T, 2, N, D)``."""
        if self.goals is None:
            return None
        apart: Array = self.tolerance.apart(states, self._along(states, self.goals))
        return apart

    @staticmethod
    def _along(states: Array, goals: Array) -> Array:
        """Goals with axes of length one where the states have time."""
        return goals.reshape(len(goals), *(1,) * (states.ndim - goals.ndim), *goals.shape[1:])


def decision_times(
    env: gym.Env[Any, Any], agent: MPCAgent, targets: Targets, settings: ControlSettings
) -> list[Timing]:
    """Time of each step's decision on one environment, unbatched."""
    if hasattr(env.unwrapped, "painted"):
        env.unwrapped.painted = True
    env = guarded(env)
    frame, _ = env.reset(seed=settings.seed)
    agent.reset(targets.take(0, 1).aim(), batch=None, seed=settings.seed, examine=False)
    times = []
    for _ in range(settings.timing_steps):
        action = agent.act(frame)
        times.append(agent.timing)
        frame, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            break
    return times


def evaluate_control(
    make: Callable[[], gym.Env[Any, Any]],
    agent: MPCAgent,
    model: Renders,
    targets: Targets,
    truth: TrueWorld,
    oracle_planner: SeededPlanner,
    goal_settings: TermSettings | Objective | None,
    settings: ControlSettings,
    compare: bool = True,
    progress: Progress | None = None,
    disturb: DisturbSettings | None = None,
) -> Measured:
    """Play all episodes with the agent and, on the same starts, with the baselines.

    Args:
        make: makes a single pixel environment.
        agent: under test; it is given frames and the goal's pictures and nothing else.
        model: paints the agent's imagination, for the films.
        targets: one goal for all episodes or one for each; without pictures the agent plans for its reward.
        truth: what the judge and the oracles know.
        oracle_planner: a planner as the agent's, for the oracle that knows the true state.
        goal_settings: what reaching the goal means for that oracle, and what else counts; GoalSettings for a goal in
            coordinates, those of another kind or None for the reward, or an objective of a user's own.
        settings: how control is measured.
        compare: play the baselines too.
        progress: called after every step of the agent under test.
        disturb: what goes wrong between the camera and the agent under test; nothing by default.
    """
    begin = time.process_time()
    env = make()
    lanes = Lanes.beside(env, make, min(settings.batch, settings.episodes))
    try:
        space = env.action_space
        assert isinstance(space, gym.spaces.Box)
        rows: list[dict[str, Any]] = []
        films: list[Film] = []
        seeds = [settings.seed + i for i in range(settings.episodes)]
        dt = guarded(env).dt
        best = optimal_agent(truth, space, settings.steps) if compare else None
        for first in range(0, len(seeds), lanes.count):
            chunk = seeds[first : first + lanes.count]
            aims = targets.take(first, len(chunk))
            each = None if aims.states is None else np.broadcast_to(aims.states, (len(chunk), *aims.states.shape[1:]))
            agent.reset(aims.aim(), batch=len(chunk), seed=settings.seed, examine=False)
            camera = _camera(env, chunk, settings, disturb) if disturb else None
            recorder = Recorder(agent, max(0, min(settings.film - len(films), len(chunk))), settings.ahead, camera)
            tick = _ticker(progress, first * settings.steps, settings.episodes * settings.steps)
            played = {"agent": play(lanes, chunk, recorder, settings.steps, goals=each, tick=tick)}
            estimates = _estimates(agent, len(chunk))
            films += recorder.develop(model, played["agent"], chunk, aims.pictures, dt)
            if compare:
                others: dict[str, Act | None] = {"random": random_agent(space, chunk)}
                if played["agent"].states is not None:
                    others["oracle"] = best
                    others["planner_oracle"] = informed_agent(truth, oracle_planner, space, goal_settings, aims.states)
                for name, act in others.items():
                    if act is not None:
                        played[name] = play(lanes, chunk, act, settings.steps, painted=False, goals=each)
            found = _rows(chunk, played, Judge(env, aims.states, settings))
            rows += [{**row, **estimate} for row, estimate in zip(found, estimates, strict=True)]
        times = decision_times(env, agent, targets, settings)
    finally:
        lanes.close()
    summary = summarise(rows, times)
    return Measured(summary | {"cpu_seconds": time.process_time() - begin}, rows, films)


def _estimates(agent: MPCAgent, batch: int) -> list[dict[str, float]]:
    """Constants and error bars that the agent's adapter holds, of each episode; empty without an adapter."""
    if agent.adapter is None:
        return [{} for _ in range(batch)]
    parts = {"estimate": agent.adapter.values, "std": agent.adapter.std}
    return [
        {f"{name}_{part}": float(value[i]) for part, values in parts.items() for name, value in values.items()}
        for i in range(batch)
    ]


def count_objects(env: gym.Env[Any, Any]) -> int:
    """Number of objects that an environment's states have; 0 if nothing is known of them."""
    goal = _attribute(env, "goal_state")
    return 0 if goal is None else int(np.shape(goal)[1])


def _attribute(env: gym.Env[Any, Any], name: str) -> Any:
    try:
        return env.get_wrapper_attr(name)
    except AttributeError:
        return None


def _camera(
    env: gym.Env[Any, Any], seeds: Sequence[int], settings: ControlSettings, disturb: DisturbSettings
) -> Camera:
    return Camera(disturb, seeds, settings.steps, count_objects(env), _attribute(env, "draw"))


def _ticker(progress: Progress | None, done: int, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    count = done

    def tick(frames: int) -> None:
        nonlocal count
        count += frames
        progress(count, total)

    return tick


def _rows(seeds: Sequence[int], played: Mapping[str, Played], judge: Judge) -> list[dict[str, Any]]:
    """One row an episode: seed, start, and return, success, last and least distance from the goal of every agent."""
    rows: list[dict[str, Any]] = [{"seed": seed} for seed in seeds]
    states = played["agent"].states
    if states is not None:
        begun, solved = judge.distance(states[:, 0]), judge.reached(states[:, 0])
        for i, row in enumerate(rows):
            row["start_distance"] = None if begun is None else float(begun[i])
            row["start_solved"] = None if solved is None else bool(solved[i])
    for name, one in played.items():
        prefix = "" if name == "agent" else f"{name}_"
        success = judge.success(one)
        apart = None if one.states is None else judge.distance(one.states[:, 1:])
        for i, (row, length) in enumerate(zip(rows, one.lengths.tolist(), strict=True)):
            row[f"{prefix}return"] = float(one.returns[i])
            row[f"{prefix}success"] = None if success is None else bool(success[i])
            row[f"{prefix}final_distance"] = None if apart is None else float(apart[i, length - 1])
            row[f"{prefix}least_distance"] = None if apart is None else float(apart[i, :length].min())
    return rows


def summarise(rows: Sequence[Mapping[str, Any]], times: Sequence[Timing]) -> dict[str, Any]:
    """Figures over all episodes from their rows, and the time of a decision."""

    def mean(name: str) -> float | None:
        values = [row[name] for row in rows if row.get(name) is not None]
        return float(np.mean(values)) if values else None

    def interval(name: str) -> list[float] | None:
        known = [bool(row[name]) for row in rows if row.get(name) is not None]
        return list(wilson(sum(known), len(known))) if known else None

    regret = [row["oracle_return"] - row["return"] for row in rows if "oracle_return" in row]
    starts = [row["start_distance"] for row in rows if row.get("start_distance") is not None]
    perceive = plan = decision = None
    if times:
        parts = np.array([[one.perceive, one.plan, one.perceive + one.plan] for one in times])
        perceive, plan, decision = (float(ms) for ms in 1000 * np.median(parts, axis=0))
    return {
        "episodes": len(rows),
        "return_mean": mean("return"),
        "oracle_return_mean": mean("oracle_return"),
        "planner_oracle_return_mean": mean("planner_oracle_return"),
        "random_return_mean": mean("random_return"),
        "regret_mean": float(np.mean(regret)) if regret else None,
        "regret_worst": float(np.max(regret)) if regret else None,
        "success_rate": mean("success"),
        "success_interval": interval("success"),
        "oracle_success_rate": mean("planner_oracle_success"),
        "oracle_success_interval": interval("planner_oracle_success"),
        "random_success_rate": mean("random_success"),
        "random_success_interval": interval("random_success"),
        "start_distance_min": min(starts) if starts else None,
        "starts_solved": sum(bool(row["start_solved"]) for row in rows) if starts else None,
        "control_hz": 1000 / decision if decision else None,
        "control_ms_median": decision,
        "perceive_ms_median": perceive,
        "plan_ms_median": plan,
    }
