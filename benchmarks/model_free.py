"""Model-free learners on Pendulum-v1, from its true state: what a good library reaches in 20,000 steps.

TD3 and SAC of stable-baselines3 with the settings that its zoo gives for Pendulum-v1, over a few seeds, each in
turn on one thread; then the same sixty starts as in ``benchmarks/pendulum.py``, without exploration noise, beside the
best return possible. The table goes to the screen and to ``benchmarks/results/model_free.json``. The library comes with
``pip install 'paig-control[learners]'``; our agent sees pixels, these see angle and velocity.
"""

from __future__ import annotations

import importlib.metadata
import statistics
import sys
import time
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from common import arguments, save

from paig_control.agents.objectives import pendulum_step_cost
from paig_control.agents.oracle import DynamicProgrammingOracle
from paig_control.physics.registry import build_physics
from paig_control.runs import machine, versions
from paig_control.types import State

LEARNERS = ("TD3", "SAC")


def learner(name: str, env: gym.Env[Any, Any], seed: int) -> Any:
    """Make a learner with the settings of rl-baselines3-zoo for Pendulum-v1."""
    from stable_baselines3 import SAC, TD3
    from stable_baselines3.common.noise import NormalActionNoise

    if name == "SAC":
        return SAC("MlpPolicy", env, learning_rate=1e-3, seed=seed, device="cpu")
    noise = NormalActionNoise(np.zeros(1), 0.1 * np.ones(1))
    common = {"gamma": 0.98, "buffer_size": 200_000, "learning_starts": 10_000, "gradient_steps": 1, "train_freq": 1}
    network = {"net_arch": [400, 300]}
    return TD3(
        "MlpPolicy",
        env,
        learning_rate=1e-3,
        action_noise=noise,
        policy_kwargs=network,
        seed=seed,
        device="cpu",
        **common,
    )


def returns(model: Any, seeds: range) -> list[float]:
    """Play one episode from each start, without exploration."""
    env, found = gym.make("Pendulum-v1"), []
    for seed in seeds:
        seen, _ = env.reset(seed=seed)
        total, ended = 0.0, False
        while not ended:
            action, _ = model.predict(seen, deterministic=True)
            seen, reward, terminated, truncated, _ = env.step(action)
            total += float(reward)
            ended = terminated or truncated
        found.append(total)
    return found


def best_possible(seeds: range) -> list[float]:
    """Play one episode from each start by dynamic programming on the true equations."""
    physics = build_physics("pendulum", 0.05)
    physics.set_values({"gravity": 10.0, "actuation": 1.0})
    oracle = DynamicProgrammingOracle(physics, pendulum_step_cost, -2.0, 2.0)
    envs = [gym.make("Pendulum-v1").unwrapped for _ in seeds]
    for env, seed in zip(envs, seeds, strict=True):
        env.reset(seed=seed)
    total = np.zeros(len(envs))
    for t in range(200):
        both = torch.tensor(np.array([env.get_wrapper_attr("state") for env in envs]))
        actions = oracle.act(State(both[:, :1, None], both[:, 1:, None]), t)
        total += [float(env.step(action)[1]) for env, action in zip(envs, actions, strict=True)]
    return [float(value) for value in total]


def main() -> None:
    """Train, play, print and save."""
    parser = arguments(__doc__, "model_free.json")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds 0 ... (default 3)")
    parser.add_argument("--steps", type=int, default=20_000, help="training steps (default 20000)")
    parser.add_argument("--episodes", type=int, default=60, help="starts, from seed 1000 on (default 60)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        import stable_baselines3  # noqa: F401
    except ImportError as error:
        sys.exit(f"stable-baselines3 cannot be imported ({error}): pip install 'paig-control[learners]'.")
    starts = range(1000, 1000 + options.episodes)
    best = best_possible(starts)
    rows = []
    print(f"{'learner':8} seed   mean return   regret   worst regret   CPU-seconds")
    for name in LEARNERS:
        for seed in range(options.seeds):
            begin = time.process_time()
            model = learner(name, gym.make("Pendulum-v1"), seed).learn(options.steps)
            seconds = time.process_time() - begin
            found = returns(model, starts)
            regret = [b - r for b, r in zip(best, found, strict=True)]
            row = {"learner": name, "seed": seed, "steps": options.steps, "return_mean": statistics.fmean(found)}
            row |= {"regret_mean": statistics.fmean(regret), "regret_worst": max(regret), "cpu_seconds": seconds}
            rows.append(row)
            print(
                f"{name:8} {seed:4d} {row['return_mean']:13.1f} {row['regret_mean']:8.1f} {row['regret_worst']:14.1f} "
                f"{seconds:13.0f}"
            )
    result: dict[str, Any] = {"episodes": options.episodes, "oracle_return_mean": statistics.fmean(best), "rows": rows}
    library = {"stable-baselines3": importlib.metadata.version("stable-baselines3")}
    result |= {"machine": machine(), "versions": versions() | library}
    save(options.out, result)
    print(f"\nBest possible {result['oracle_return_mean']:.1f}. All figures: {options.out.name}")


if __name__ == "__main__":
    main()
