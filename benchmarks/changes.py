"""A world that changes in mid-episode, unannounced: what the agent makes of it, with and without online adaptation.

``python benchmarks/changes.py`` trains a pendulum and a spring from films of seed 0 through the command line. Then it
plays fifty episodes of each case: gravity, stiffness or actuation becomes half or twice what it was, at a step drawn
for each episode. The pendulum starts hanging and is to be swung up, with a torque that after the change is 0.6
of what would hold it level; the change comes on the way. The balls on a spring
are to be brought to goals drawn at random, such that they can be held after the change; it comes when they are there.
The oracle, the same planner on the true state and told of the change, says what could be reached; cases without a
change say what adaptation costs. Figures go to the screen and, with machine and versions, to
``benchmarks/results/changes.json``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import arguments, choose_systems, learned, save, summary
from numpy.typing import NDArray
from trial import Changing, Constants

from paig_control.agents.mpc import MPCAgent
from paig_control.evaluation.control import ControlSettings, Judge, wilson
from paig_control.evaluation.rollout import Array, Frames

FRAMES = 40
"""After the change, within which the constants are to be found."""
HOLD = 5
"""Last steps of an episode through which the goal is to be held."""


class System(NamedTuple):
    """How a system is filmed, trained and played.

    Attributes:
        collect: words of that command.
        train: words of that command.
        control: words of that command.
        limit: word of the limit of the actions, and its value in a world without a change; it grows and shrinks with
            what is asked of it after the change. None takes the environment's own throughout.
        constants: that change.
        steps: of an episode.
        window: steps between which the change comes.
        within: how near the goal counts as being there, px or rad.
    """

    collect: tuple[str, ...]
    train: tuple[str, ...]
    control: tuple[str, ...]
    limit: tuple[str, float] | None
    constants: tuple[str, ...]
    steps: int
    window: tuple[int, int]
    within: float


SYSTEMS = {
    "pendulum": System(
        ("env=pendulum", "sequences=32", "steps=30"),
        ("physics=pendulum",),
        ("env=pendulum", "planner.horizon=20"),
        ("env.kwargs.max_torque", 3.0),
        ("gravity", "actuation"),
        100,
        (5, 15),
        0.15,
    ),
    "spring": System(
        ("env=spring", "env.kwargs.max_force=3", "sequences=150", "steps=12"),
        ("physics=spring", "recipe.refine.prediction_frames=6"),
        ("env=spring",),
        None,
        ("stiffness", "actuation"),
        80,
        (10, 30),
        1.5,
    ),
}


def episodes(
    name: str, trial: Changing, count: int, seed: int, after: dict[str, float]
) -> tuple[list[int], Array, Frames]:
    """Seeds, goals ``(E, 2, N, D)``, their pictures: starts that hang, or goals that can be held after the change."""
    env = trial.make()
    try:
        if name != "pendulum":
            seeds = [seed + i for i in range(count)]
            starts = np.stack([env.reset(seed=one)[1]["state"] for one in seeds])
            env.get_wrapper_attr("change")(**after)
            drawn = env.get_wrapper_attr("sample_goals")(starts, seeds, SYSTEMS[name].steps)
            return seeds, drawn.states, drawn.pictures
        seeds = []
        candidate = seed
        while len(seeds) < count:
            state = env.reset(seed=candidate)[1]["state"]
            if abs(np.remainder(state[0, 0, 0] + np.pi, 2 * np.pi) - np.pi) > 2.0:
                seeds.append(candidate)
            candidate += 1
        goal = np.zeros((1, 2, 1, 1))
        return seeds, goal, env.get_wrapper_attr("draw")(goal[0])[None]
    finally:
        env.close()


class Watched:
    """An agent that acts on frames alone, and the constants that it holds frame by frame."""

    def __init__(self, agent: MPCAgent) -> None:
        self.agent = agent
        self.track: list[dict[str, Array]] = []

    def __call__(self, frames: Frames, states: Array | None, t: int) -> NDArray[np.float32]:
        """Act; the true states are not looked at."""
        action = self.agent.act(frames)
        if self.agent.adapter is not None:
            found = {"value": self.agent.adapter.values, "std": self.agent.adapter.std}
            self.track.append(
                {
                    f"{name}_{part}": value.flatten().double().numpy()
                    for part, values in found.items()
                    for name, value in values.items()
                }
            )
        return action


def limited(system: System, constant: str | None, factor: float) -> list[str]:
    """The limit of the actions in a case, such that after the change it goes as far as it does without one."""
    if system.limit is None:
        return []
    word, value = system.limit
    return [f"{word}={value / factor if constant == 'actuation' else value * factor}"]


def one_case(name: str, trial: Changing, constant: str | None, factor: float, count: int, seed: int) -> dict[str, Any]:
    """Play a case with adaptation, without, and by the oracle; its figures."""
    system = SYSTEMS[name]
    after = {} if constant is None else {constant: trial.truth[constant] * factor}
    seeds, goals, pictures = episodes(name, trial, count, seed, after)
    first, last = system.window
    when = np.random.default_rng(seed).integers(first, last + 1, count)

    def now(t: int) -> Constants:
        changed = t >= when
        return {key: np.where(changed, after.get(key, value), value) for key, value in trial.truth.items()}

    settings = ControlSettings(episodes=count, steps=system.steps, hold=HOLD, within=system.within)
    env = trial.make()
    judge = Judge(env, np.broadcast_to(goals, (count, *goals.shape[1:])), settings)
    env.close()
    row: dict[str, Any] = {"constant": constant, "factor": factor, "episodes": count}
    for arm in ("adapting", "not_adapting", "oracle"):
        watched = None if arm == "oracle" else Watched(trial.ready(arm == "adapting", pictures, count))
        act = watched or trial.oracle(goals, now)
        played = trial.play(act, seeds, goals, system.steps, now, painted=arm != "oracle")
        success = judge.success(played)
        assert success is not None
        row[arm] = {
            "success_rate": float(success.mean()),
            "success_interval": list(wilson(int(success.sum()), count)),
            "missed_seeds": [one for one, reached in zip(seeds, success.tolist(), strict=True) if not reached],
        }
        if watched is not None and watched.track:
            row["estimate"], near = estimated(watched.track, when, now, constant)
            both = int((near & success).sum())
            row["held_and_within_5_percent"] = both / count
            row["held_and_within_5_percent_interval"] = list(wilson(both, count))
    return row


def estimated(
    track: list[dict[str, Array]], when: NDArray[np.int64], now: Any, constant: str | None
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """How far the estimates are off ``FRAMES`` frames after the change, and when they came within 5 % for good.

    With it, for each episode, whether the constant that changed is within 5 % then; all of them where none did.
    """
    truth = now(10**6)
    at = np.minimum(when + FRAMES, len(track) - 1)
    episode = np.arange(len(when))
    relative = {n: np.stack([one[f"{n}_value"] for one in track]) / truth[n] - 1 for n in truth}
    errors = {n: np.abs(value)[at, episode] for n, value in relative.items()}
    found: dict[str, Any] = {}
    for name, error in errors.items():
        spread = np.stack([one[f"{name}_std"] for one in track])[at, episode] / truth[name]
        found[name] = {
            "median": float(np.median(error)),
            "worst": float(error.max()),
            "share_within_5_percent": float((error < 0.05).mean()),
            "share_within_3_std": float((error < 3 * spread).mean()),
        }
    worst = np.max(list(errors.values()), axis=0)
    found["all_constants_share_within_5_percent"] = float((worst < 0.05).mean())
    if constant is not None:
        off = np.abs(relative[constant]) >= 0.05
        last_off = len(off) - 1 - off[::-1].argmax(0)
        frames = np.where(off.any(0), last_off + 1 - when, 0)
        found["frames_until_within_5_percent"] = {"median": float(np.median(frames)), "worst": int(frames.max())}
    near: NDArray[np.bool_] = (worst if constant is None else errors[constant]) < 0.05
    return found, near


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """Print a line a case."""
    head = f"estimate off after {FRAMES} frames: median  worst  within 5 %    held and within 5 %"
    print(f"\n{name:9} change           adapting   not   oracle    {head}")
    for row in rows:
        case = "none" if row["constant"] is None else f"{row['constant']} x {row['factor']:g}"
        rates = "   ".join(f"{row[arm]['success_rate']:6.1%}" for arm in ("adapting", "not_adapting", "oracle"))
        shown = (
            [row["constant"]]
            if row["constant"]
            else [n for n in row["estimate"] if isinstance(row["estimate"][n], dict)]
        )
        for index, constant in enumerate(shown):
            error = row["estimate"][constant]
            text = (
                f"{100 * error['median']:6.2f} %  {100 * error['worst']:6.2f} %  {error['share_within_5_percent']:6.1%}"
            )
            low, high = row["held_and_within_5_percent_interval"]
            both = f"    {row['held_and_within_5_percent']:6.1%} ({low:.1%} to {high:.1%})" if not index else ""
            print(f"{'':9} {case if not index else '':16} {rates if not index else '':28}  {constant:12} {text}{both}")


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "changes.json")
    choose_systems(parser, SYSTEMS)
    parser.add_argument("--runs", type=Path, help="folder with trained models named as the systems (default: train)")
    parser.add_argument("--episodes", type=int, default=50, help="a case (default 50)")
    parser.add_argument("--seed", type=int, default=1000, help="of the first episode (default 1000)")
    options = parser.parse_args()
    results: dict[str, Any] = {"frames": FRAMES, "seed": options.seed}
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.systems:
            system, run = SYSTEMS[name], (options.runs or Path(scratch)) / name
            if options.runs is None:
                learned(run, system.collect, system.train)
            trained = summary(run)
            about = {key: trained[key] for key in ("constants", "frames", "machine", "versions")}
            rows: list[dict[str, Any]] = []
            results[name] = {**about, "control": list(system.control), "steps": system.steps, "cases": rows}
            for constant, factor in [(None, 1.0), *((c, f) for c in system.constants for f in (0.5, 2.0))]:
                trial = Changing(run, [*system.control, *limited(system, constant, factor)])
                rows.append(one_case(name, trial, constant, factor, options.episodes, options.seed))
                show(name, rows[-1:])
                save(options.out, results)
    for name in options.systems:
        show(name, results[name]["cases"])
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
