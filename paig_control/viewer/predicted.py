"""What an agent foresees, made visible: the film of its plan, ghosts of it, and the fan of what else it weighed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from paig_control.agents.mpc import MPCAgent
from paig_control.models.paig import PAIG, to_pictures
from paig_control.types import Plan, State
from paig_control.viewer.snapshot import Array, Frame, Imagined

FILM, FAN = 7, 24
"""Frames of the film and plans of the fan, at most."""
OUTWARDS = 1.2
"""How much farther from the pivot a future that turns is drawn at its end, so that later does not hide earlier."""


def points(model: PAIG, position: Tensor) -> Array:
    """Where in the picture things at ``position`` ``(*B, N, D)`` are seen: ``(*B, N, 2)``, pixels."""
    with torch.no_grad():
        found: Array = model.kinematics.keypoints(position.to(model.device)).double().cpu().numpy()
    return found


def inks(model: PAIG) -> Array:
    """The colour ``(N, 3)`` of each sprite, 0 to 255, made bright enough for a dark ground."""
    with torch.no_grad():
        sprites = model.renderer.sprites().cpu().double()
    content, mask = sprites[:, :3], sprites[:, 3:]
    colours = ((content * mask).sum((2, 3)) / mask.sum((2, 3)).clamp(min=1e-6)).numpy()
    light = colours @ np.array([0.3, 0.59, 0.11])
    lift = np.clip((0.55 - light) / np.maximum(1 - light, 1e-6), 0, 1)[:, None]
    bright: Array = 255 * (colours + lift * (1 - colours))
    return bright


@torch.no_grad()
def imagine(agent: MPCAgent, model: PAIG, former: Imagined | None, anew: bool) -> Imagined | None:
    """What the agent of a single world foresees after it has acted; None before.

    Args:
        agent: of a single world.
        model: that it sees and imagines with.
        former: what was foreseen a step before.
        anew: whether a plan was made in this step; if not, the fan of the former one stays.
    """
    plan, state = agent.plan, agent.state
    if plan is None or state is None:
        return None
    planned = roll(agent, state, agent.upcoming)
    path = torch.cat([state.position[:, None], planned.position], 1)
    chosen = torch.linspace(0, path.shape[1] - 1, min(FILM, path.shape[1])).round().long()
    film = to_pictures(model.render(State(path[0, chosen], path[0, chosen])))
    if former is None or anew:
        fan, ranks, costs = _weighed(agent, model, plan, state)
    else:
        fan, ranks, costs = former.fan, former.ranks, former.costs
    return Imagined(
        points(model, path[0]),
        outwards(model, points(model, path[0])),
        film,
        chosen.double().numpy() * model.physics.dt,
        ghost(film[1:], to_pictures(model.renderer.scene())),
        fan,
        ranks,
        costs,
    )


def roll(agent: MPCAgent, state: State, actions: Tensor) -> State:
    """States ``(B, H, N, D)`` after actions ``(B, H, A)``, with the constants that the agent of a single world has."""
    constants = {} if agent.adapter is None else agent.adapter.values
    with agent.model.physics.using(constants):
        return agent.model.physics.rollout(state, actions.to(state.position))


def _weighed(agent: MPCAgent, model: PAIG, plan: Plan, state: State) -> tuple[Array, Array, tuple[float, float]]:
    """Points, ranks and extreme costs of some of a plan's candidates, evenly from dear to cheap."""
    if agent.settings.latency:  # the plan begins when its first action acts
        under_way = roll(agent, state, agent.upcoming[:, : agent.settings.latency])
        state = State(*(part[:, -1] for part in under_way))
    costs = plan.candidate_costs[0]
    order = costs.argsort(descending=True)
    order = order[torch.isfinite(costs[order])]
    even = torch.linspace(0, len(order) - 1, min(FAN, len(order))).round().long()
    ranks = 1 - even.double().numpy() / max(len(order) - 1, 1)
    shown = order[even]
    start = State(*(part.expand(len(shown), -1, -1) for part in state))
    actions = plan.candidates[0, shown].repeat_interleave(agent.settings.repeat, dim=1)
    future = roll(agent, start, actions).position
    fan = outwards(model, points(model, torch.cat([start.position[:, None], future], 1)))
    return fan, ranks, (float(costs[order[-1]]), float(costs[order[0]]))


def outwards(model: PAIG, paths: Array) -> Array:
    """Points ``(*K, H + 1, N, 2)`` of what turns about a pivot, the farther from it the later; others as they are."""
    axle = model.kinematics.axle()
    if axle is None:
        return paths
    pivot = axle.detach().double().cpu().numpy()
    farther = np.linspace(1, 1 + OUTWARDS, paths.shape[-3])[:, None, None]
    moved: Array = pivot + farther * (paths - pivot)
    return moved


def ghost(film: Frame, scene: Frame) -> Frame:
    """What differs from the empty scene in ``film`` ``(F, h, w, 3)``, later frames fainter: ``(h, w, 4)``, uint8."""
    strength = np.linspace(0.8, 0.35, len(film))[:, None, None]
    unlike = np.abs(film.astype(np.float64) - scene).max(-1) / 255
    alpha = strength * np.clip(2 * unlike - 0.1, 0, 1)
    best = alpha.argmax(0)
    rows, columns = np.indices(best.shape)
    laid = np.concatenate([film[best, rows, columns], 255 * alpha.max(0)[..., None]], -1)
    return laid.astype(np.uint8)
