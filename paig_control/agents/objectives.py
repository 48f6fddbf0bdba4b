"""What is to be reached, as costs of imagined futures that add up.

An objective maps states ``(B, K, H, N, D)`` after each action and the actions ``(B, K, H, A)`` to a cost
``(B, K)`` for every candidate. :func:`cost_function` joins an objective, a physics and the present state
into the one function of the actions that a planner sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from paig_control.agents.compiled import apart
from paig_control.agents.settings import GoalSettings, TermSettings
from paig_control.agents.terms import Effort, KeepOut, Smoothness, Sum, Term, Walls, objective_name, region
from paig_control.errors import PaigError
from paig_control.machine import by_tensors
from paig_control.physics.base import Physics
from paig_control.types import Cost, Objective, State

StepCost = Callable[[State, Tensor], Tensor]
"""Cost ``(*B)`` of being in a state ``(*B, N, D)`` and taking an action ``(*B, A)``: a reward's negative."""


@dataclass(frozen=True)
class Goal(Term):
    """Squared distance from a goal state, summed over the horizon and over all coordinates.

    Attributes:
        physics: says how positions differ; angles the short way round.
        target: the goal, position and velocity ``(B, N, D)``.
        time_scale: s; a velocity error counts as the position error that it makes in this time.
        terminal: extra weight of the last state.
    """

    physics: Physics
    target: State
    time_scale: float = 0.3
    terminal: float = 0.0

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        weight, turns = self.physics.weight, self.physics.periodic
        quick = apart(states, self.target, weight, turns, self.time_scale**2, self.terminal)
        if quick is not None:
            return quick
        position, velocity = (x[:, None, None] for x in self.target)
        error = self.physics.difference(states.position, position).square()
        error = error + self.time_scale**2 * (states.velocity - velocity).square()
        distance = (error * self.physics.weight.to(error)).sum(dim=(-1, -2))
        return distance.sum(dim=-1) + self.terminal * distance[..., -1]


@dataclass(frozen=True)
class Passing(Term):
    """Squared distance from a goal at the moment of the horizon that comes nearest, over all coordinates.

    For goals that cannot be held; where things are at other times is left free.

    Attributes:
        physics: says how positions differ; angles the short way round.
        position: the goal ``(B, N, D)``.
        velocity: ``(B, N, D)``, with which to pass through it; None leaves that free.
        time_scale: s; a velocity error counts as the position error that it makes in this time.
    """

    physics: Physics
    position: Tensor
    velocity: Tensor | None = None
    time_scale: float = 0.3

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        error = self.physics.difference(states.position, self.position[:, None, None]).square()
        if self.velocity is not None:
            error = error + self.time_scale**2 * (states.velocity - self.velocity[:, None, None]).square()
        return (error * self.physics.weight.to(error)).sum(dim=(-1, -2)).amin(dim=-1)


@dataclass(frozen=True)
class Reward(Term):
    """The negative of an environment's own reward, summed over the horizon.

    A reward belongs to a state and the action taken in it; here each action is paired with the state after
    it. Over a horizon this differs from the return by the reward of the first state, which no action
    changes.

    Attributes:
        step_cost: the reward's negative, see :data:`REWARDS`.
        name: as used in settings.
    """

    step_cost: StepCost
    name: str = "reward"

    def __call__(self, states: State, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``."""
        quick = _swung(states, actions) if self.step_cost is pendulum_step_cost else None
        return self.step_cost(states, actions).sum(dim=-1) if quick is None else quick


def other_terms(physics: Physics, settings: TermSettings) -> tuple[Term, ...]:
    """What else the settings count, beside what is to be reached: effort, smoothness, regions and walls.

    Raises:
        PaigError: for regions, walls or objects that do not fit the physics.
    """
    found: list[Term] = []
    if settings.effort:
        found.append(Effort(settings.effort))
    if settings.smoothness:
        found.append(Smoothness(settings.smoothness))
    if settings.keep_out:
        regions = [region(one, physics.dims) for one in settings.keep_out]
        found.append(KeepOut(physics, regions, settings.margin, settings.penalty, settings.objects))
    if settings.walls is not None:
        half = (len(settings.walls) + 1) // 2
        low, high = settings.walls[:half], settings.walls[half:]
        found.append(Walls(physics, low, high, settings.margin, settings.penalty, settings.objects))
    return tuple(found)


def reaching(physics: Physics, target: State, settings: GoalSettings) -> Term:
    """Reach ``target`` ``(B, N, D)``; one that moves cannot be held, so it is passed through, with its velocity."""
    if settings.once:
        return Passing(physics, target.position)
    if bool((target.velocity != 0).any()):
        return Passing(physics, target.position, target.velocity, settings.time_scale)
    return Goal(physics, target, settings.time_scale, settings.terminal)


def goal_objective(physics: Physics, target: State, settings: GoalSettings | None = None) -> Sum:
    """Reach ``target`` ``(B, N, D)``, and what else the settings count."""
    settings = settings or GoalSettings()
    return Sum((reaching(physics, target, settings), *other_terms(physics, settings)))


def pendulum_step_cost(state: State, action: Tensor) -> Tensor:
    """Negative reward of Gymnasium's Pendulum-v1, ``angle² + 0.1 velocity² + 0.001 torque²``; shape ``(*B)``.

    The angle is counted from up, the short way round.
    """
    angle = (state.position + torch.pi).remainder(2 * torch.pi) - torch.pi
    motion = angle.square() + 0.1 * state.velocity.square()
    return motion.sum(dim=(-1, -2)) + 0.001 * action.square().sum(dim=-1)


def _swung(states: State, actions: Tensor) -> Tensor | None:
    """The sum of :func:`pendulum_step_cost` over the horizon by compiled code, where there is some."""
    up = states.position.new_zeros(1, *states.position.shape[-2:])
    found = apart(states, State(up, up), torch.ones_like(up[0]), torch.ones_like(up[0], dtype=torch.bool), 0.1)
    return None if found is None else found + 0.001 * actions.square().sum(dim=(-1, -2))


REWARDS: dict[str, StepCost] = {"pendulum": pendulum_step_cost}
"""Reward functions by name; add your own to plan for it."""


def reward_objective(name: str) -> Reward:
    """Find the reward function of this name, as an objective.

    Raises:
        PaigError: if there is none.
    """
    if name not in REWARDS:
        raise PaigError(f"There is no reward function {name!r}: expected one of {', '.join(sorted(REWARDS))}.")
    return Reward(REWARDS[name], name)


@dataclass(frozen=True)
class RolloutCost:
    """Cost of action sequences ``(B, K, H, A)`` from a state ``(B, N, D)``: roll out, then judge.

    Attributes:
        physics: imagines.
        state: from which it starts.
        objective: judges.
        repeat: steps for which each action is held.
        compiled: whether compiled code rolls out and judges where it can, and no gradient is wanted.
        allowed: ``(n, A)``, the only actions that there are, of which each time the nearest is taken; None if all are.
    """

    physics: Physics
    state: State
    objective: Objective
    repeat: int = 1
    compiled: bool = True
    allowed: Tensor | None = None

    @property
    def name(self) -> str:
        """Name of the objective, for messages."""
        return objective_name(self.objective)

    def __call__(self, actions: Tensor) -> Tensor:
        """Costs ``(B, K)``.

        Raises:
            PaigError: for actions of another size than the physics has, or another batch than the state's.
        """
        batch, candidates = actions.shape[:2]
        size, starts = self.physics.action_size, self.state.position.shape[0]
        if actions.shape[-1] != size or starts not in (1, batch):
            raise PaigError(
                f"Actions of {batch} problems and size {actions.shape[-1]}: expected {starts} problem(s), as many as "
                f"states, and size {size}, because {self.physics.label} has {size} action(s)."
            )
        actions = taken(actions, self.allowed)
        held = actions.repeat_interleave(self.repeat, dim=-2) if self.repeat > 1 else actions
        with self.physics.frozen(), by_tensors(not self.compiled):
            fast = self.compiled and not torch.is_grad_enabled()
            states = self.physics.imagined(self.state, actions, self.repeat) if fast else None
            if states is None:
                position, velocity = (x[:, None].expand(batch, candidates, *x.shape[1:]) for x in self.state)
                states = self.physics.rollout(State(position, velocity), held)
            return self.objective(states, held)


def taken(actions: Tensor, allowed: Tensor | None) -> Tensor:
    """Of each of the actions ``(*B, A)`` the nearest of those allowed ``(n, A)``; gradients go straight through."""
    if allowed is None:
        return actions
    off = (actions.detach()[..., None, :] - allowed).square().sum(-1)
    rows = allowed[off.argmin(-1)]
    return actions + (rows - actions).detach() if actions.requires_grad else rows


def cost_function(
    physics: Physics,
    state: State,
    objective: Objective,
    repeat: int = 1,
    compiled: bool = True,
    allowed: Tensor | None = None,
) -> Cost:
    """Make the function that a planner minimises, from the present ``state`` ``(B, N, D)``.

    Each action is held for ``repeat`` steps. The gradient with respect to the actions exists; the constants of the
    physics are held fixed. Where no gradient is wanted, ``compiled`` code rolls out what it knows. Of a set of actions
    that are ``allowed``, ``(n, A)``, the nearest is taken.
    """
    return RolloutCost(physics, state, objective, repeat, compiled, allowed)
