"""Environments that others wrote, where they enter: begun and stepped here, and looked at before anything is kept.

They reuse their buffers, change what they are handed, raise, and return another form than they declare. So a frame, a
state and an action are copied on their way, an action is sent in the space's own type and inside its own bounds, and
what does not fit is refused in one sentence that names the environment. What is only of use to the evaluator, a state
or constants of another form than ours, is left out, and that is said once.

Frames where they enter: copied, since whoever hands one over may write into it again, and in three colours.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from paig_control import seeds
from paig_control.border.action_set import ActionSet
from paig_control.errors import PaigError

CHANNELS = (1, 3, 4)
"""Grey, red-green-blue, and these with a transparency, which is left out."""


def coloured(frames: Any, what: str, lead: int = 0) -> NDArray[np.uint8]:
    """A copy ``(*B, h, w, 3)`` of frames ``(*B, h, w)`` or ``(*B, h, w, c)``, uint8; grey is copied to three channels.

    Args:
        frames: an array, or what can be made one.
        what: it is, for messages.
        lead: number of leading axes.

    Raises:
        PaigError: for another type, or other numbers of axes or channels.
    """
    try:
        given = np.asarray(frames)
    except (TypeError, ValueError):
        given = np.empty(0, dtype=object)
    if given.dtype != np.uint8:
        kind = type(frames).__name__ if given.dtype == object else f"{given.dtype} {given.shape}"
        raise PaigError(f"{what} {kind}: expected a uint8 image, values from 0 to 255, not scaled.")
    given = given[..., None] if given.ndim == lead + 2 else given
    if given.ndim != lead + 3 or given.shape[-1] not in CHANNELS or 0 in given.shape:
        hint = " (colours come last, not first)" if given.ndim == lead + 3 and given.shape[lead] in CHANNELS else ""
        raise PaigError(
            f"{what} {given.dtype} {given.shape}: expected a uint8 image of shape (height, width, 3), or in grey{hint}."
        )
    return given.repeat(3, axis=-1) if given.shape[-1] == 1 else given[..., :3].copy()


Image = NDArray[np.uint8]
T = TypeVar("T")
UNBOUNDED = 1e9
"""Bounds of an action beyond this are none: nothing sensible can be drawn, or searched, between them."""
TRUTH = ("constants", "physics")
"""Parts of what an environment may say of itself, for the evaluator alone."""
BEGINS = "expected reset(seed=..., options=...) to return (observation, info), as Gymnasium has it"
STEPS = "expected step(action) to return (observation, reward, terminated, truncated, info), as Gymnasium has it"


def attempt(what: str, call: Callable[[], T], expected: str = "look into the environment") -> T:
    """Call into an environment.

    Raises:
        PaigError: for whatever it raises; that stays chained to it.
    """
    try:
        return call()
    except PaigError:
        raise
    except Exception as error:
        raise PaigError(f"{what} failed with {type(error).__name__}: {error}; {expected}.") from error


def begin(env: gym.Env[Any, Any], name: str, seed: Any = None, options: Any = None) -> tuple[Any, Mapping[str, Any]]:
    """Reset an environment, called ``name`` in messages: observation and info."""
    seed = None if seed is None else seeds.whole(seed)
    found: Any = attempt(f"{name}'s reset", lambda: env.reset(seed=seed, options=options), BEGINS)
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping)):
        raise PaigError(f"{name}'s reset returned {_form(found)}: {BEGINS}.")
    return found[0], found[1]


def advance(env: gym.Env[Any, Any], name: str, action: Any) -> tuple[Any, float, bool, bool, Mapping[str, Any]]:
    """Step an environment, called ``name`` in messages; the action is sent as :func:`fit` makes it."""
    space = env.action_space
    assert isinstance(space, gym.spaces.Box)
    return send(env, name, fit(action, space))


def send(env: gym.Env[Any, Any], name: str, sent: Any) -> tuple[Any, float, bool, bool, Mapping[str, Any]]:
    """Step an environment, called ``name`` in messages, by an action that fits."""
    found: Any = attempt(f"{name}'s step", lambda: env.step(sent), STEPS)
    if not (isinstance(found, tuple) and len(found) == 5 and isinstance(found[4], Mapping)):
        raise PaigError(f"{name}'s step returned {_form(found)}: {STEPS}.")
    observation, reward, terminated, truncated, info = found
    try:
        return observation, np.asarray(reward, dtype=np.float64).item(), bool(terminated), bool(truncated), info
    except (TypeError, ValueError):
        raise PaigError(
            f"{name}'s step returned reward {reward!r}, terminated {terminated!r} and truncated {truncated!r}: "
            "expected a number and two truth values."
        ) from None


def _form(found: Any) -> str:
    if isinstance(found, tuple):
        return f"{len(found)} values ({', '.join(type(one).__name__ for one in found)})"
    return "None" if found is None else f"a {type(found).__name__}"


def check_actions(space: gym.Space[Any], name: str) -> gym.spaces.Box:
    """Return the space of an environment's actions if it is a bounded Box with one axis.

    Raises:
        PaigError: if it is none.
    """
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
        raise PaigError(f"{name} has the action space {space}: expected a bounded Box with one axis.")
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    if np.isnan(low).any() or np.isnan(high).any() or (low > high).any():
        raise PaigError(f"{name}'s actions lie between {low} and {high}: expected numbers, the lower one first.")
    if max(np.abs(low).max(initial=0), np.abs(high).max(initial=0)) > UNBOUNDED:
        raise PaigError(
            f"{name}'s actions are unbounded ({space}): finite bounds are needed, within ±{UNBOUNDED:g}, to draw "
            "random actions and to plan. Wrap it in gymnasium.wrappers.RescaleAction or ClipAction with bounds."
        )
    return space


def fit(action: ArrayLike, space: gym.spaces.Box, *batch: int) -> NDArray[Any]:
    """A copy of actions ``(*batch, A)`` in the space's own type, rounded where that is whole, inside its own bounds.

    Of a set of actions, the nearest.

    Raises:
        PaigError: for another shape, or numbers that are not finite.
    """
    shape = (*batch, *space.shape)
    try:
        given = np.array(action, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.shape != shape or not np.isfinite(given).all():
        raise PaigError(f"The action {action!r} does not fit: expected finite numbers of shape {shape}.")
    if isinstance(space, ActionSet):
        return space.rows[space.nearest(given)]
    inside = np.clip(given, space.low.astype(np.float64), space.high.astype(np.float64))
    if np.issubdtype(space.dtype, np.integer):
        inside = np.rint(inside)
    return np.clip(inside.astype(space.dtype), space.low, space.high)  # a type's rounding may leave the bounds


def step_time(env: gym.Env[Any, Any], name: str) -> float | None:
    """Seconds between an environment's frames, if it says them.

    A method of this name is no time: it is left out, and that is said.

    Raises:
        PaigError: for anything but a finite positive number.
    """
    value = attribute(env, "dt")
    if callable(value):
        warnings.warn(f"{name}'s dt is a method, no number: the time between its frames is not known.", stacklevel=2)
        return None
    if value is None:
        return None
    plain = value.item() if isinstance(value, (np.generic, np.ndarray)) and np.size(value) == 1 else value
    if isinstance(plain, bool) or not isinstance(plain, (int, float)) or not 0 < plain < math.inf:
        raise PaigError(
            f"{name} has dt = {value!r}: expected the seconds between two frames, a positive number, or None."
        )
    return float(plain)


def attribute(env: gym.Env[Any, Any], name: str) -> Any:
    """Attribute of an environment, through its wrappers; ``None`` if it has none, or does not give it."""
    try:
        return env.get_wrapper_attr(name)
    except PaigError:
        raise
    except Exception:  # AttributeError, or whatever a property of somebody else raises
        return None


def known_state(value: Any) -> NDArray[np.float64] | None:
    """A copy of a state ``(2, N, D)``; ``None`` for what is no such thing."""
    try:
        state = np.array(value, dtype=np.float64)
    except Exception:  # ragged, a text, a tensor elsewhere: NumPy and others have no common error for it
        return None
    return state if state.ndim == 3 and len(state) == 2 and state.size and np.isfinite(state).all() else None


def layers(env: gym.Env[Any, Any]) -> list[gym.Env[Any, Any]]:
    """An environment's wrappers, from the outside in, and itself."""
    return [env, *layers(env.env)] if isinstance(env, gym.Wrapper) else [env]


class Guarded(gym.Wrapper[Image, Any, Any, Any]):
    """A single pixel environment as the rest of the library sees it.

    Frames are ``(h, w, 3)``, uint8, whatever shades it shows; actions are any finite numbers ``(A,)``.

    Args:
        env: to guard.
        name: for messages; its own by default.
        camera: how to film it, where it observes no images; for the message.

    Raises:
        PaigError: for one that observes no images, or has no bounded actions.
    """

    def __init__(self, env: gym.Env[Any, Any], name: str | None = None, camera: str = "paig/Pixels-v0") -> None:
        super().__init__(env)
        self.name = name or (env.spec.id if env.spec else type(env.unwrapped).__name__)
        space = attempt(self.name, lambda: env.observation_space, "expected an observation_space")
        actions = attempt(self.name, lambda: env.action_space, "expected an action_space")
        self.space = check_actions(actions, self.name)
        if not (isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and len(space.shape) in (2, 3)):
            raise PaigError(
                f"{self.name} does not observe images but {space}. Any environment with 'rgb_array' can be filmed "
                f"through {camera}."
            )
        self._declared = space.shape
        shape = coloured(np.zeros(space.shape, np.uint8), f"{self.name} observes").shape
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)
        self._state_shape: tuple[int, ...] | None = None
        self._said: set[str] = set()
        _ = self.dt  # refused before anything is filmed

    @property
    def dt(self) -> float | None:
        """Seconds between frames, if the environment says them."""
        return step_time(self.env, self.name)

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` and settings of the true ``physics``, empty where not known; ``pixels`` a unit if told."""
        told = attribute(self.env, "truth")
        parts = [told.get(part, {}) for part in TRUTH] if isinstance(told, Mapping) else []
        try:
            constants, physics = (dict(part) for part in parts)
            if all(math.isfinite(value) for value in constants.values()):
                constants = {name: float(value) for name, value in constants.items()}
                unit = {"pixels": told["pixels"]} if "pixels" in told else {}
                return {"constants": constants, "physics": physics, **unit}
        except (TypeError, ValueError):
            pass
        if told is not None:
            self._leave_out("truth is not of the form {'constants': {name: finite number}, 'physics': {...}}")
        return {part: {} for part in TRUTH}

    @property
    def time_limit(self) -> int | None:
        """Steps after which an episode is cut off, if that is known."""
        own = attribute(self.env, "time_limit")
        return own if own is not None else None if self.env.spec is None else self.env.spec.max_episode_steps

    @property
    def draw(self) -> Callable[[Any], Image]:
        """Paints a state ``(2, N, D)`` as it would be observed; an AttributeError where the environment cannot."""
        paint = self.env.get_wrapper_attr("draw")
        return lambda state: self.seen(paint(state))

    def seen(self, image: Any) -> Image:
        """An image that the unwrapped environment painted, as it is observed through its wrappers: in grey, perhaps."""
        for layer in reversed(layers(self.env)):
            image = layer.observation(image) if isinstance(layer, gym.ObservationWrapper) else image
        return self._look(image)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Image, dict[str, Any]]:
        """Begin an episode: a frame ``(h, w, 3)`` and info, with a ``state`` ``(2, N, D)`` if one is known."""
        observation, info = begin(self.env, self.name, seed, options)
        return self._look(observation), self._told(info)

    def step(self, action: Any) -> tuple[Image, float, bool, bool, dict[str, Any]]:
        """Advance by one action ``(A,)``."""
        observation, reward, terminated, truncated, info = advance(self.env, self.name, action)
        return self._look(observation), reward, terminated, truncated, self._told(info)

    def close(self) -> None:
        """Close the environment; what fails in that costs no film."""
        try:
            self.env.close()
        except Exception as error:
            self._say(f"{self.name} cannot be closed ({type(error).__name__}: {error}).")

    def _look(self, observation: Any) -> Image:
        frame = coloured(observation, f"{self.name} observes")
        if np.shape(observation) != self._declared:
            raise PaigError(
                f"{self.name} observes an image of shape {np.shape(observation)}, but declares {self._declared}: "
                "expected every frame in the shape of its observation_space."
            )
        return frame

    def _told(self, info: Mapping[str, Any]) -> dict[str, Any]:
        told = dict(info)
        given = told.pop("state", None)
        if given is None:
            return told
        state = known_state(given)
        if state is None or state.shape != (self._state_shape or state.shape):
            shape = self._state_shape or ("2", "objects", "coordinates")
            form = ", ".join(map(str, shape))
            self._leave_out(f"info['state'] is not of the form ({form}), positions and then velocities")
            return told
        self._state_shape = state.shape
        return told | {"state": state}

    def _leave_out(self, why: str) -> None:
        self._say(f"{self.name}'s {why}: it is left out, so nothing can be measured by it.")

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            warnings.warn(text, stacklevel=4)


def guarded(env: gym.Env[Any, Any]) -> Guarded:
    """The environment, guarded; as it is where it is already."""
    return env if isinstance(env, Guarded) else Guarded(env)
