"""Our planners against pytorch_mppi and stable-worldmodel's CEM: time of a plan, and what the plan costs.

All plan for Pendulum-v1's own reward with the same dynamics (the library's pendulum with the true constants), the
same horizon, candidates and starts, without a warm start, on one thread, in turns within one run; times are of the
processor. pytorch_mppi takes the dynamics a step at a time, stable-worldmodel's CEM a cost of whole plans: once
with rollouts by tensors, as of any model in torch, and once the very one that ours takes, compiled. Each plans
twice from every start, as it would again and again in control, and the second time is measured. Both peers get the
best settings of a grid, chosen for each number of iterations on starts of their own; ours are at their defaults.
Every plan is judged by the same cost, its actions cut to the bounds. Each peer's row is set beside ours of the same
method at as many iterations, and beside our quickest whose plan costs no more: the time to get as far. Medians over
the starts go to the screen and to ``benchmarks/results/planners.json``. The peers come with ``pip install
'paig-control[peers]'``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import io
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from common import arguments, save
from torch import Tensor

from paig_control.agents.objectives import cost_function, pendulum_step_cost, reward_objective
from paig_control.agents.registry import PLANNERS
from paig_control.physics.registry import build_physics
from paig_control.runs import machine, versions
from paig_control.types import Cost, State

HORIZON, CANDIDATES, ITERATIONS = 40, 200, (1, 3, 10, 30)
BETWEEN = (2, 5)
"""Iterations of our CEM and MPPI beside those, so that the time to reach a peer's cost is known more finely."""
LOW, HIGH = torch.tensor([-2.0]), torch.tensor([2.0])
PEERS = {"pytorch_mppi": "mppi", "stable-worldmodel": "cem", "stable-worldmodel + ours": "cem"}
"""Package, and what of ours it takes: our planner of the same method."""
CEM_GRID: dict[str, tuple[float, ...]] = {"spread": (1.0, 2.0, 4.0), "elites": (5, 10, 30)}
GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "pytorch_mppi": {"variance": (1.0, 4.0, 10.0), "temperature": (0.1, 1.0, 10.0, 100.0)},
    "stable-worldmodel": CEM_GRID,
    "stable-worldmodel + ours": CEM_GRID,
}
Plan = Callable[[State], Tensor]
"""From a start of ``(1, 1, 1)`` to actions ``(H, 1)``."""

PHYSICS = build_physics("pendulum", 0.05)
PHYSICS.set_values({"gravity": 10.0, "actuation": 1.0})


def cost_from(start: State, compiled: bool = True) -> Cost:
    """Cost of actions from a start."""
    return cost_function(PHYSICS, start, reward_objective("pendulum"), compiled=compiled)


def ours(name: str, iterations: int) -> Plan:
    """Return a planner of the library at its defaults."""
    kind = PLANNERS[name]
    values = {"horizon": HORIZON}
    fields = {field.name for field in dataclasses.fields(kind().settings)}
    values |= {"samples": CANDIDATES, "iterations": iterations} if "iterations" in fields else {}
    planner = kind(dataclasses.replace(kind().settings, **values), seed=0)
    init = torch.zeros(1, HORIZON, 1)
    return lambda start: planner.plan(cost_from(start), init, LOW, HIGH).actions[0]


def pytorch_mppi(iterations: int, variance: float, temperature: float) -> Plan:
    """Return pytorch_mppi's planner: one command an iteration, without shifting in between."""
    from pytorch_mppi import MPPI

    def dynamics(state: Tensor, action: Tensor) -> Tensor:
        after = PHYSICS.step(State(state[:, :1, None], state[:, 1:, None]), action)
        return torch.cat([after.position[..., 0], after.velocity[..., 0]], dim=1)

    def running_cost(state: Tensor, action: Tensor) -> Tensor:
        return pendulum_step_cost(State(state[:, :1, None], state[:, 1:, None]), action)

    planner = MPPI(
        dynamics,
        running_cost,
        nx=2,
        noise_sigma=torch.tensor([[variance]]),
        num_samples=CANDIDATES,
        horizon=HORIZON,
        lambda_=temperature,
        u_min=LOW,
        u_max=HIGH,
        U_init=torch.zeros(HORIZON, 1),
    )

    def plan(start: State) -> Tensor:
        planner.U = torch.zeros(HORIZON, 1)
        state = torch.cat([start.position.flatten(), start.velocity.flatten()])
        with torch.no_grad(), PHYSICS.frozen():
            for _ in range(iterations):
                planner.command(state, shift_nominal_trajectory=False)
        found: Tensor = planner.get_action_sequence()
        return found.clamp(LOW, HIGH)

    return plan


def stable_worldmodel(iterations: int, spread: float, elites: int, compiled: bool = False) -> Plan:
    """Return stable-worldmodel's CEM; it knows no bounds, so the cost cuts the actions."""
    from stable_worldmodel.solver.cem import CEMSolver

    model = SimpleNamespace()
    solver = CEMSolver(model, num_samples=CANDIDATES, var_scale=spread, n_steps=iterations, topk=elites, seed=0)
    space = gym.spaces.Box(-2.0, 2.0, (1, 1), np.float32)
    solver.configure(action_space=space, n_envs=1, config=SimpleNamespace(horizon=HORIZON, action_block=1))

    def plan(start: State) -> Tensor:
        cost = cost_from(start, compiled)
        model.get_cost = lambda info, actions: cost(actions.clamp(LOW, HIGH))
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a line a plan
            found: Tensor = solver.solve({"state": start.position[:, 0]})["actions"][0]
        return found.clamp(LOW, HIGH)

    return plan


MAKERS: dict[str, Callable[..., Plan]] = {
    "pytorch_mppi": pytorch_mppi,
    "stable-worldmodel": stable_worldmodel,
    "stable-worldmodel + ours": partial(stable_worldmodel, compiled=True),
}


def starts(count: int, seed: int) -> list[State]:
    """Draw starts as Pendulum-v1 does: any angle, up to 1 rad/s."""
    generator = np.random.default_rng(seed)
    drawn = generator.uniform([-np.pi, -1.0], [np.pi, 1.0], (count, 2))
    return [State(*torch.tensor(one, dtype=torch.float32).reshape(2, 1, 1, 1)) for one in drawn]


def measure(planners: dict[str, Plan], where: Iterable[State]) -> dict[str, dict[str, list[float]]]:
    """Time (ms) and cost of every planner's plan from every start, the planners taking turns."""
    found: dict[str, dict[str, list[float]]] = {name: {"ms": [], "cost": []} for name in planners}
    for start in where:
        judge = cost_from(start)
        for name, plan in planners.items():
            plan(start)
            begin = time.process_time()
            actions = plan(start)
            found[name]["ms"].append(1e3 * (time.process_time() - begin))
            with torch.no_grad():
                found[name]["cost"].append(float(judge(actions[None, None])))
    return found


def tuned(peer: str, iterations: int, where: list[State]) -> dict[str, float]:
    """Return the peer's settings of the grid with the lowest median cost."""
    settings = [dict(zip(GRIDS[peer], values, strict=True)) for values in itertools.product(*GRIDS[peer].values())]
    found = measure({str(one): MAKERS[peer](iterations, **one) for one in settings}, where)
    return min(settings, key=lambda one: statistics.median(found[str(one)]["cost"]))


def compare(theirs: dict[str, Any], mine: list[dict[str, Any]]) -> dict[str, Any]:
    """Set a peer's row beside ours: same method and iterations, and the quickest whose plan costs no more."""
    method = PEERS[theirs["planner"]]
    same = next(row for row in mine if (row["planner"], row["iterations"]) == (method, theirs["iterations"]))
    enough = min((row for row in mine if row["cost"] <= theirs["cost"]), key=lambda row: row["ms"], default=None)
    found = {"peer": theirs["planner"], "iterations": theirs["iterations"], "ms": theirs["ms"], "cost": theirs["cost"]}
    for name, row in (("same_iterations", same), ("as_good", enough)):
        kept = None if row is None else {key: row[key] for key in ("planner", "iterations", "ms", "cost")}
        found[name] = kept if kept is None else kept | {"time_ratio": kept["ms"] / theirs["ms"]}
    return found


def check_peers() -> None:
    """Stop with a message if a peer is not installed or cannot be imported."""
    for peer, grid in GRIDS.items():
        try:
            MAKERS[peer](1, **{name: values[0] for name, values in grid.items()})
        except (ImportError, RuntimeError) as error:
            sys.exit(
                f"{peer} cannot be imported ({error}): pip install 'paig-control[peers]' in an environment of its own."
            )


def main() -> None:
    """Run, print and save."""
    parser = arguments(__doc__, "planners.json")
    parser.add_argument("--starts", type=int, default=30, help="starts (default 30)")
    parser.add_argument("--tuning", type=int, default=10, help="starts on which the peers are tuned (default 10)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    check_peers()
    plans: dict[str, Plan] = {}
    described: dict[str, dict[str, Any]] = {}
    for iterations in ITERATIONS:
        for name in ("cem", "icem", "mppi", "cem_gradient"):
            plans[f"{name} x {iterations}"] = ours(name, iterations)
            described[f"{name} x {iterations}"] = {"planner": name, "iterations": iterations}
        for peer in PEERS:
            best = tuned(peer, iterations, starts(options.tuning, seed=1))
            plans[f"{peer} x {iterations}"] = MAKERS[peer](iterations, **best)
            described[f"{peer} x {iterations}"] = {"planner": peer, "iterations": iterations, "settings": best}
    for iterations, name in itertools.product(BETWEEN, ("cem", "mppi")):
        plans[f"{name} x {iterations}"] = ours(name, iterations)
        described[f"{name} x {iterations}"] = {"planner": name, "iterations": iterations}
    plans["gradient"], described["gradient"] = ours("gradient", 0), {"planner": "gradient", "iterations": None}
    measure(plans, starts(2, seed=2))  # first calls are not timed
    found = measure(plans, starts(options.starts, seed=0))
    rows = []
    print(f"\n{'planner':26} iterations   ms (median)   cost (median)   cost (mean)")
    for name, row in described.items():
        row |= {key: statistics.median(values) for key, values in found[name].items()}
        row["cost_mean"] = statistics.fmean(found[name]["cost"])
        rows.append(row)
        shown = row["iterations"] or "-"
        print(f"{row['planner']:26} {shown:>10} {row['ms']:13.2f} {row['cost']:15.2f} {row['cost_mean']:13.2f}")
    mine = [row for row in rows if row["planner"] not in PEERS]
    compared = [compare(row, mine) for row in rows if row["planner"] in PEERS]
    print(f"\n{'peer':26} iterations   ours, same method and iterations     ours, no dearer plan")
    for one in compared:
        words = [
            "none" if row is None else f"{row['time_ratio']:.2f} of its time, {row['planner']} x {row['iterations']}"
            for row in (one["same_iterations"], one["as_good"])
        ]
        print(f"{one['peer']:26} {one['iterations']:10} {words[0]:>34} {words[1]:>32}")
    peer_versions = {peer: importlib.metadata.version(peer) for peer in PEERS if " " not in peer}
    result: dict[str, Any] = {"horizon": HORIZON, "candidates": CANDIDATES, "starts": options.starts}
    result |= {"rows": rows, "compared": compared, "machine": machine()}
    result["versions"] = versions() | peer_versions
    save(options.out, result)
    print(f"\nAll figures: {options.out.name}")


if __name__ == "__main__":
    main()
