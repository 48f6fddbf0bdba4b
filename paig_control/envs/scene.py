"""What a scene of our own is: dynamics and painting, without any gym, on a leading batch axis.

A new scene is one file: a :class:`Scene` with its start, transition, reward and poses, and two empty classes
that name it for the single and the vector shell. A state is one array ``(*B, 2, N, D)``, position and
velocity. A single environment is a batch of one, so it cannot differ from a vector of many.
"""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.envs import checks
from paig_control.envs.base import Image, PixelEnv
from paig_control.envs.checks import Array
from paig_control.envs.goal_sampling import Tolerance
from paig_control.envs.painter import Sprite, paint
from paig_control.errors import PaigError, nearest


class Scene(ABC):
    """Dynamics and painting of one world; stateless, so that one object serves any batch.

    A subclass sets these attributes in its constructor, whose arguments are the physics and the looks.

    Attributes:
        size: (height, width) in pixels.
        dt: seconds between frames; the action is held over them.
        low: ``(A,)`` lowest action.
        high: ``(A,)`` highest action.
        goal_state: ``(2, N, D)``, the default goal.
        tolerance: what counts as success.
        background: ``(h, w, 3)``, 0 to 255.
        sprites: what is painted over it, in this order.
    """

    size: tuple[int, int]
    dt: float
    low: Array
    high: Array
    goal_state: Array
    tolerance: Tolerance
    background: Array
    sprites: Sequence[Sprite]
    actuation: float = 1.0
    """What is made of an action, as a factor; only :meth:`changed` makes it another."""

    def changed(self, constants: Mapping[str, float]) -> Scene:
        """The same scene with other true constants, by name."""
        other = copy.copy(self)
        for name, value in checks.constants(constants, self.truth["constants"]).items():
            setattr(other, name, value)
        return other

    @property
    @abstractmethod
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` by name and the settings of the true ``physics``."""

    @abstractmethod
    def initial(self, rng: np.random.Generator) -> Array:
        """Draw the start ``(2, N, D)`` of one episode."""

    def initials(self, rngs: Sequence[np.random.Generator]) -> Array:
        """Draw the starts ``(B, 2, N, D)`` of many episodes, each from its own generator."""
        return np.stack([self.initial(rng) for rng in rngs])

    @abstractmethod
    def transition(self, state: Array, action: Array) -> Array:
        """Advance states ``(B, 2, N, D)`` by ``dt`` under actions ``(B, A)`` inside the bounds."""

    @abstractmethod
    def reward(self, state: Array, action: Array, next_state: Array, goal: Array) -> Array:
        """Reward ``(B,)`` of a transition towards goals ``(B, 2, N, D)``."""

    @abstractmethod
    def poses(self, state: Array) -> Array:
        """Poses ``(B, S, 3)`` (x, y, angle) of the sprites in states ``(B, 2, N, D)``."""

    def visible(self, state: Array) -> NDArray[np.bool_]:
        """Whether everything that moves can be seen in states ``(B, 2, N, D)``: ``(B,)``; always, by default."""
        return np.ones(len(state), dtype=bool)

    def paint(self, state: Array) -> Image:
        """Images ``(B, h, w, 3)`` of states ``(B, 2, N, D)``."""
        return paint(self.background, self.sprites, self.poses(state))

    def check_visible(self) -> None:
        """Refuse a scene in which one of the things that move leaves the background as it is.

        Raises:
            PaigError: if it does.
        """
        poses, behind = self.poses(self.goal_state[None]), paint(self.background, (), np.zeros((1, 0, 3)))
        for number, sprite in enumerate(self.sprites[: self.goal_state.shape[1]]):
            if (paint(self.background, (sprite,), poses[:, number : number + 1]) == behind).all():
                raise PaigError(
                    f"Object {number} of {type(self).__name__} cannot be seen: it has the colour of what is behind "
                    "it, or no ink. Give it another colour, or another picture."
                )

    def check_state(self, name: str, value: Any) -> Array:
        """Return ``value`` as a state ``(2, N, D)`` or refuse it."""
        return checks.state(name, value, *self.goal_state.shape[1:])

    def clip(self, action: Any, batch: tuple[int, ...]) -> Array:
        """Return actions ``(*batch, A)`` as float64 inside the bounds, or refuse them."""
        return np.clip(checks.actions(action, (*batch, len(self.low))), self.low, self.high)

    @property
    def action_space(self) -> gym.spaces.Box:
        """Bounds of one action."""
        return gym.spaces.Box(self.low.astype(np.float32), self.high.astype(np.float32), dtype=np.float32)


def argument_names(kind: type[Scene]) -> list[str]:
    """Names of a scene's arguments, those included that it passes on to the scene it extends."""
    names: list[str] = []
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(base).parameters.values())
        names += [one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD]
        if all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters):
            break
    return names


def build(kind: type[Scene], arguments: dict[str, Any]) -> Scene:
    """Make a scene; an unknown argument is refused with the nearest right one named."""
    names = argument_names(kind)
    for name in arguments:
        if name not in names:
            raise PaigError(f"{kind.__name__} has no argument {name!r}; {nearest(name, names)}")
    scene = kind(**arguments)
    scene.check_visible()
    return scene


class SceneWorld:
    """What single and vector environments of a scene have in common."""

    scene: Scene

    @property
    def dt(self) -> float:
        """Seconds between frames."""
        return self.scene.dt

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` and the settings of the true ``physics``; only evaluation may look."""
        return self.scene.truth

    @property
    def clear_steps(self) -> int | None:
        """Steps for which a start, left alone, keeps clear of the border; ``None`` where a scene has no such rule."""
        return getattr(self.scene, "clear_steps", None)

    def draw(self, state: Any) -> Image:
        """Paint one state ``(2, N, D)`` without disturbing what is running."""
        image: Image = self.scene.paint(self.scene.check_state("state", state)[None])[0]
        return image


class SceneEnv(SceneWorld, PixelEnv):
    """Single environment of a scene; the arguments are the scene's.

    Args:
        render_mode: ``None``, ``"rgb_array"`` or ``"human"``.
        **arguments: of the scene.
    """

    kind: ClassVar[type[Scene]]

    def __init__(self, render_mode: str | None = None, **arguments: Any) -> None:
        self.scene = self._made = build(self.kind, arguments)
        super().__init__(self.scene.size, render_mode, self.scene.goal_state, self.scene.tolerance)
        self.metadata = self.metadata | {"render_fps": max(1, round(1 / self.scene.dt))}
        self.action_space = self.scene.action_space
        self._now: Array = self.scene.goal_state[None]

    def _check_state(self, name: str, value: Any) -> Array:
        return self.scene.check_state(name, value)

    def change(self, **constants: float) -> None:
        """See :class:`~paig_control.envs.base.PixelEnv`."""
        self.scene = self.scene.changed(constants)

    def _restore(self) -> None:
        self.scene = self._made

    def _start(self, state: Array | None, seed: int | None) -> None:
        self._now = self.scene.initials([self.np_random]) if state is None else state[None]

    def _place(self, state: Array) -> None:
        self._now = state[None]

    def _advance(self, action: Any) -> tuple[float, bool, bool]:
        before, clipped = self._now, self.scene.clip(action, ())[None]
        self._now = self.scene.transition(before, clipped)
        goal = np.asarray(self.goal_state)[None]
        reward = self.scene.reward(before, clipped, self._now, goal)
        return float(reward[0]), False, False

    def simulate(self, states: Array, actions: Array) -> Array:
        """States ``(B, 2, N, D)`` at the end of actions ``(B, T, A)``; no limit of the actions is kept."""
        for step in range(actions.shape[1]):
            states = self.scene.transition(states, actions[:, step])
        return states

    def visible(self, states: Array) -> NDArray[np.bool_]:
        """Whether everything that moves can be seen in states ``(B, 2, N, D)``: ``(B,)``."""
        return self.scene.visible(states)

    def _frame(self) -> Image:
        image: Image = self.scene.paint(self._now)[0]
        return image

    def _state(self) -> Array:
        state: Array = self._now[0].copy()
        return state
