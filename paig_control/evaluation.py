"""Measuring control: every episode beside a random agent and oracles on the same starts.

The evaluator alone looks at the truth. All episodes of a batch advance in lock-step, so that perceiving and
planning run on the whole batch; the baselines, which need no pixels, run in the same environments unpainted.
The time of a decision is measured apart, on one environment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.agents.mpc import GoalLike, MPCAgent, Timing
from paig_control.agents.receding import SeededPlanner
from paig_control.agents.settings import GoalSettings
from paig_control.baselines import Truth, oracles, random_agent
from paig_control.errors import PaigError
from paig_control.playing import Act, Array, Film, Frames, Played, Recorder, Renders, play

__all__ = [
    "ControlSettings",
    "Film",
    "Judge",
    "Measured",
    "Truth",
    "evaluate_control",
    "summarise",
    "wilson",
]
Progress = Callable[[int, int], None]
"""Called with the work done and the whole work, in frames."""


@dataclass(frozen=True)
class ControlSettings:
    """How control is measured.

    Attributes:
        episodes: number of episodes; the i-th starts from ``env.reset(seed=seed + i)``.
        steps: of an episode.
        hold: success is being at the goal through the last so many steps.
        seed: of the first episode.
        batch: episodes side by side.
        film: number of episodes of which a film is kept.
        ahead: steps ahead of the camera that the film's imagined frames were planned.
        timing_steps: steps of one unbatched environment over which the time of a decision is measured.
    """

    episodes: int = 20
    steps: int = 200
    hold: int = 50
    seed: int = 1000
    batch: int = 64
    film: int = 2
    ahead: int = 10
    timing_steps: int = 60

    def __post_init__(self) -> None:
        least = {"seed": 0, "film": 0, "timing_steps": 0}
        for name, value in vars(self).items():
            if value < least.get(name, 1):
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
    """Says whether an episode reached the goal: the environment's own tolerance, held to the end."""

    def __init__(self, env: gym.Env[Any, Any], goal_state: Array | None, settings: ControlSettings) -> None:
        self.goal_state, self.settings = goal_state, settings
        try:
            self.tolerance = env.get_wrapper_attr("tolerance")
        except AttributeError:
            self.tolerance = None

    def success(self, played: Played) -> NDArray[np.bool_] | None:
        """``(B,)``; None where the goal's or the episodes' states are not known."""
        reached = None if played.states is None else self.reached(played.states[:, 1:])
        if reached is None:
            return None
        hold = self.settings.hold
        through = [bool(r[n - hold : n].all()) and n >= hold for r, n in zip(reached, played.lengths, strict=True)]
        return np.array(through)

    def reached(self, states: Array) -> NDArray[np.bool_] | None:
        """Whether each of the states ``(*B, 2, N, D)`` is at the goal; None where that cannot be known."""
        if self.goal_state is None or self.tolerance is None:
            return None
        at: NDArray[np.bool_] = self.tolerance.reached(states, self.goal_state)
        return at

    def distance(self, states: Array | None) -> list[float | None]:
        """Largest distance of any coordinate from its goal in states ``(B, 2, N, D)``."""
        if self.goal_state is None or states is None or self.tolerance is None:
            return [None] * (0 if states is None else len(states))
        offset = states[:, 0] - self.goal_state[0]
        if self.tolerance.angular:
            offset = np.remainder(offset + np.pi, 2 * np.pi) - np.pi
        return [float(x) for x in np.abs(offset).max((-2, -1))]


def decision_times(
    env: gym.Env[Any, Any], agent: MPCAgent, goal: GoalLike | None, settings: ControlSettings
) -> list[Timing]:
    """Time of each step's decision on one environment, unbatched."""
    if hasattr(env.unwrapped, "painted"):
        env.unwrapped.painted = True
    frame, _ = env.reset(seed=settings.seed)
    agent.reset(goal, batch=None, seed=settings.seed)
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
    goal: Frames | None,
    truth: Truth,
    oracle_planner: SeededPlanner,
    goal_settings: GoalSettings | None,
    settings: ControlSettings,
    compare: bool = True,
    progress: Progress | None = None,
) -> Measured:
    """Play all episodes with the agent and, on the same starts, with the baselines.

    Args:
        make: makes a single pixel environment.
        agent: under test; it is given frames and the goal image and nothing else.
        model: paints the agent's imagination, for the films.
        goal: image ``(h, w, 3)`` to reach; None plans for the agent's reward.
        truth: what the judge and the oracles know.
        oracle_planner: a planner as the agent's, for the oracle that knows the true state.
        goal_settings: what reaching the goal means for that oracle; None for the reward.
        settings: how control is measured.
        compare: play the baselines too.
        progress: called after every step of the agent under test.
    """
    begin = time.process_time()
    envs = [make() for _ in range(min(settings.batch, settings.episodes))]
    try:
        space = envs[0].action_space
        assert isinstance(space, gym.spaces.Box)
        judge = Judge(envs[0], truth.goal_state, settings)
        knowing: dict[str, Act] = {}
        if compare:
            knowing = oracles(space, truth, oracle_planner, goal_settings, settings.steps)
        rows: list[dict[str, Any]] = []
        films: list[Film] = []
        seeds = [settings.seed + i for i in range(settings.episodes)]
        dt = _attribute(envs[0], "dt")
        for first in range(0, len(seeds), len(envs)):
            chunk = seeds[first : first + len(envs)]
            agent.reset(goal, batch=len(chunk), seed=settings.seed)
            recorder = Recorder(agent, max(0, min(settings.film - len(films), len(chunk))), settings.ahead)
            tick = _ticker(progress, first * settings.steps, settings.episodes * settings.steps)
            played = {"agent": play(envs, chunk, recorder, settings.steps, tick=tick)}
            films += recorder.develop(model, played["agent"], chunk, goal, dt)
            if compare:
                others = {"random": random_agent(space, chunk)}
                others |= knowing if played["agent"].states is not None else {}
                for name, act in others.items():
                    played[name] = play(envs, chunk, act, settings.steps, painted=False)
            rows += _rows(chunk, played, judge)
        times = decision_times(envs[0], agent, goal, settings)
    finally:
        for env in envs:
            env.close()
    summary = summarise(rows, times)
    return Measured(summary | {"cpu_seconds": time.process_time() - begin}, rows, films)


def _attribute(env: gym.Env[Any, Any], name: str) -> Any:
    try:
        return env.get_wrapper_attr(name)
    except AttributeError:
        return None


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
    """One row an episode: seed, start, and return and success of every agent."""
    rows: list[dict[str, Any]] = [{"seed": seed} for seed in seeds]
    states = played["agent"].states
    if states is not None:
        last = states[np.arange(len(seeds)), played["agent"].lengths]
        for row, start, end in zip(rows, judge.distance(states[:, 0]), judge.distance(last), strict=True):
            row |= {"start_distance": start, "final_distance": end}
        solved = judge.reached(states[:, 0])
        for i, row in enumerate(rows):
            row["start_solved"] = None if solved is None else bool(solved[i])
    for name, one in played.items():
        prefix = "" if name == "agent" else f"{name}_"
        success = judge.success(one)
        for i, row in enumerate(rows):
            row[f"{prefix}return"] = float(one.returns[i])
            row[f"{prefix}success"] = None if success is None else bool(success[i])
    return rows


def summarise(rows: Sequence[Mapping[str, Any]], times: Sequence[Timing]) -> dict[str, Any]:
    """Figures over all episodes from their rows, and the time of a decision."""

    def mean(name: str) -> float | None:
        values = [row[name] for row in rows if row.get(name) is not None]
        return float(np.mean(values)) if values else None

    judged = [bool(row["success"]) for row in rows if row.get("success") is not None]
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
        "success_interval": list(wilson(sum(judged), len(judged))) if judged else None,
        "oracle_success_rate": mean("planner_oracle_success"),
        "random_success_rate": mean("random_success"),
        "start_distance_min": min(starts) if starts else None,
        "starts_solved": sum(bool(row.get("start_solved")) for row in rows) if judged else None,
        "control_hz": 1000 / decision if decision else None,
        "control_ms_median": decision,
        "perceive_ms_median": perceive,
        "plan_ms_median": plan,
    }
