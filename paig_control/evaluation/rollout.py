"""Playing episodes: many environments in lock-step under one agent, and a film of what it saw and foresaw.

An agent is a function from what it may see to an action. The agent under test looks at frames alone, an
oracle at true states alone, so one loop plays them all and each sees its own world.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paig_control.agents.mpc import MPCAgent
from paig_control.border.guarding import fit, guarded
from paig_control.border.lanes import Lanes
from paig_control.evaluation.corruptions import Camera
from paig_control.models.paig import to_pictures
from paig_control.types import State

Frames = NDArray[np.uint8]
Array = NDArray[np.float64]
Act = Callable[[Frames, Array | None, int], NDArray[np.float32]]
"""From frames ``(B, h, w, 3)``, true states ``(B, 2, N, D)`` and the step's number to actions ``(B, A)``."""


class Renders(Protocol):
    """A model that can paint what it imagines."""

    def render(self, state: State) -> Tensor:
        """Frames ``(B, 3, h, w)`` in [0, 1] of states ``(B, N, D)``."""
        ...


@dataclass(frozen=True)
class Film:
    """One episode, for the eye; T frames, the first one that of the start.

    Attributes:
        seed: that the episode started from.
        dt: seconds between frames, if the environment says it.
        camera: ``(T, h, w, 3)``, uint8, what the agent saw.
        goal: ``(h, w, 3)``, uint8, the image to reach, if there was one.
        imagined: ``(T, h, w, 3)``, uint8: frame t as the agent's plan of step ``t - ahead`` foresaw it.
        ahead: steps between that plan and its frame; fewer in the first frames.
        estimate: ``(T, 2, N, D)``, the state that the agent inferred.
        state: ``(T, 2, N, D)``, the true state, if it is known.
        action: ``(T, A)``.
        reward: ``(T,)``.
    """

    seed: int
    dt: float | None
    camera: Frames
    goal: Frames | None
    imagined: Frames
    ahead: int
    estimate: Array
    state: Array | None
    action: NDArray[np.float32]
    reward: Array


@dataclass(frozen=True)
class Played:
    """A batch of episodes that an agent played.

    Attributes:
        rewards: ``(B, T)``; 0 after an episode ended.
        states: ``(B, T + 1, 2, N, D)``, if they can be known.
        actions: ``(B, T, A)``.
        lengths: ``(B,)``, steps until the episode ended.
    """

    rewards: Array
    states: Array | None
    actions: NDArray[np.float32]
    lengths: NDArray[np.intp]

    @property
    def returns(self) -> Array:
        """``(B,)``."""
        total: Array = self.rewards.sum(1)
        return total


def play(
    envs: Lanes | Sequence[gym.Env[Any, Any]],
    seeds: Sequence[int],
    act: Act,
    steps: int,
    painted: bool = True,
    goals: Array | None = None,
    tick: Callable[[int], None] | None = None,
) -> Played:
    """Play one episode in each environment, in lock-step; an episode that ends early stands still.

    Args:
        envs: pixel environments side by side, at least as many as seeds.
        seeds: ``env.reset(seed=...)`` of each.
        act: the agent.
        steps: at most.
        painted: False switches the painting of our own environments off; ``act`` then sees black frames.
        goals: ``(B, 2, N, D)``, given to each environment for its rewards and its info; None leaves it its own.
        tick: called with the number of frames after each step.
    """
    lanes = envs if isinstance(envs, Lanes) else _lanes(envs[: len(seeds)])
    lanes.paint(painted)
    frames, now = lanes.reset(seeds, goals)
    states, rewards, actions = [now], [], []
    ended = np.zeros(len(seeds), dtype=bool)
    lengths = np.zeros(len(seeds), dtype=np.intp)
    for t in range(steps):
        told = [state for state in now if state is not None]
        known = np.stack(told) if len(told) == len(now) else None
        action = fit(act(frames, known, t), lanes.space, len(seeds))
        lengths += ~ended
        frames, reward, now, ended = lanes.step(action)
        states.append(now)
        rewards.append(reward)
        actions.append(action.astype(np.float32))
        if tick is not None:
            tick(len(seeds))
        if ended.all():
            break
    history = [state for row in states for state in row if state is not None]
    complete = len(history) == len(states) * len(seeds)
    return Played(
        np.stack(rewards, 1),
        np.stack(history).reshape(len(states), len(seeds), *history[0].shape).swapaxes(0, 1) if complete else None,
        np.stack(actions, 1),
        lengths,
    )


def _lanes(envs: Sequence[gym.Env[Any, Any]]) -> Lanes:
    worlds = [guarded(env) for env in envs]
    return Lanes(worlds, worlds[0].name)


class Recorder:
    """The agent under test as an :data:`Act`, keeping a film of the first episodes of its batch.

    Args:
        agent: under test.
        films: number of episodes of which a film is kept.
        ahead: steps ahead of the camera that the film's imagined frames were planned.
        camera: disturbs what the agent sees; the film shows what it saw.
    """

    def __init__(self, agent: MPCAgent, films: int, ahead: int, camera: Camera | None = None) -> None:
        self.agent, self.films, self.ahead, self.camera = agent, films, ahead, camera
        self.frames: list[Frames] = []
        self.estimates: list[State] = []
        self.foreseen: list[State] = []

    def __call__(self, frames: Frames, states: Array | None, t: int) -> NDArray[np.float32]:
        """Act on frames alone; the true states are for the camera, which paints a frame anew where things hide."""
        missing = None
        if self.camera is not None:
            frames, missing = self.camera(frames, states, t)
        action = self.agent.act(frames, missing)
        state = self.agent.state
        if self.films and state is not None:
            state = State(*(x[: self.films] for x in state))
            future = self.agent.imagine(self.films, self.ahead)
            if not self.foreseen:  # the first plan shows the first frames
                self.foreseen.append(state)
                self.foreseen += [State(*(x[:, k] for x in future)) for k in range(future.position.shape[1])]
            else:
                self.foreseen.append(State(*(x[:, -1] for x in future)))
            self.estimates.append(state)
            self.frames.append(frames[: self.films].copy())
        return action

    def develop(
        self, model: Renders, played: Played, seeds: Sequence[int], goals: Frames | None, dt: float | None
    ) -> list[Film]:
        """Render what was foreseen and put the films of the batch together; goals are ``(E, h, w, 3)``."""
        films = []
        for i in range(min(self.films, len(seeds))):
            length = int(played.lengths[i])
            imagined = State(*(torch.stack([s[part][i] for s in self.foreseen[:length]]) for part in (0, 1)))
            with torch.no_grad():
                painted = to_pictures(model.render(imagined))
            estimate = np.stack([[x[i].cpu().numpy() for x in s] for s in self.estimates[:length]])
            films.append(
                Film(
                    seeds[i],
                    dt,
                    np.stack([f[i] for f in self.frames[:length]]),
                    None if goals is None else goals[min(i, len(goals) - 1)],
                    painted,
                    self.ahead,
                    estimate.astype(np.float64),
                    None if played.states is None else played.states[i, :length],
                    played.actions[i, :length],
                    played.rewards[i, :length],
                )
            )
        return films
