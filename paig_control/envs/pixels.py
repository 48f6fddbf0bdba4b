"""Any environment that can render becomes a pixel environment of a chosen size.

The inner environment is the one that Gymnasium makes, unmodified: its frames are averaged down over areas,
its actions, rewards and endings pass through. Where its state is an attribute, ``info`` carries it and goal
images are drawn by a second copy, so that the running episode is never disturbed. What is known of an
environment (which attribute is the state, which are the constants) stands in one small table; arguments
override it.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from paig_control.border import guarding
from paig_control.border.guarding import coloured
from paig_control.envs import checks
from paig_control.envs.base import Image, PixelEnv
from paig_control.envs.checks import Array
from paig_control.envs.goal_sampling import Tolerance
from paig_control.envs.painter import area_average
from paig_control.errors import PaigError


@dataclass(frozen=True)
class Description:
    """What one has to know of a foreign environment beyond its pixels.

    Attributes:
        state_attribute: attribute of the unwrapped environment that holds the state, if any.
        positions: where the positions are in it; a nested list for several coordinates an object.
        velocities: where the velocities are in it.
        constants: true constants; a string names an attribute, a number is itself.
        physics: settings of the physics that moves it, for the oracle.
        goal_state: state ``(2, N, D)`` of the default goal.
        reset_attributes: set with the state, so that a picture shows the state and nothing else.
    """

    state_attribute: str | None = None
    positions: Sequence[Any] = ()
    velocities: Sequence[Any] = ()
    constants: Mapping[str, str | float] = field(default_factory=dict)
    physics: Mapping[str, Any] = field(default_factory=dict)
    goal_state: Any = None
    reset_attributes: Mapping[str, Any] = field(default_factory=dict)


KNOWN = {
    "Pendulum-v1": Description(
        state_attribute="state",
        positions=[0],
        velocities=[1],
        constants={"gravity": "g", "actuation": 1.0},
        physics={"name": "pendulum", "dt": 0.05, "substeps": 1, "length": 1.0, "mass": 1.0, "max_speed": 8.0},
        goal_state=[[[0.0]], [[0.0]]],
        reset_attributes={"last_u": None},  # the torque's arrow
    )
}
NO_IMAGES = "choose an environment with the render mode 'rgb_array', or add it to its metadata and render method."


class Pixels(PixelEnv):
    """The unmodified environment ``env_id``, seen through a camera of ``size`` pixels.

    Arguments left at ``None`` (``"auto"`` for the state's attribute) are what is known of ``env_id``; for an
    environment that is not known they mean "nothing": it has pixels and actions, but no state and no goal.

    Args:
        env_id: an id of Gymnasium's registry.
        size: pixels, one number or (height, width).
        env_kwargs: arguments of the inner environment.
        state_attribute: attribute that holds the state; ``None`` if there is none.
        positions: indices into it, ``(N,)`` or ``(N, D)``.
        velocities: indices into it, of the same shape.
        constants: true constants by name; a string names an attribute of the inner environment.
        physics: settings of the true physics, for the oracle.
        goal_state: default goal ``(2, N, D)``.
        reset_attributes: attributes set together with the state.
        position_tolerance: success is nearer than this to the goal, pixels or radians.
        velocity_tolerance: and slower than this against the goal's velocity.
        angular: whether positions are angles, compared modulo 2 pi.
        goal_distance: least distance between a start and a goal drawn for it.
        goal_within: at a drawn goal is what is nearer to it than this.
        render_mode: of this environment: ``None``, ``"rgb_array"`` (the small image) or ``"human"``.
    """

    def __init__(
        self,
        env_id: str = "Pendulum-v1",
        size: int | tuple[int, int] = 32,
        env_kwargs: Mapping[str, Any] | None = None,
        state_attribute: str | None = "auto",
        positions: Sequence[Any] | None = None,
        velocities: Sequence[Any] | None = None,
        constants: Mapping[str, str | float] | None = None,
        physics: Mapping[str, Any] | None = None,
        goal_state: Any = None,
        reset_attributes: Mapping[str, Any] | None = None,
        position_tolerance: float = float(np.deg2rad(15.0)),
        velocity_tolerance: float = 1.0,
        angular: bool = True,
        goal_distance: float = 0.3,
        goal_within: float = 0.15,
        render_mode: str | None = None,
    ) -> None:
        known = KNOWN.get(env_id, Description())
        self.env_id, self._env_kwargs = env_id, copy.deepcopy(dict(env_kwargs or {}))
        self._attribute = known.state_attribute if state_attribute == "auto" else state_attribute
        self._constants = dict(known.constants if constants is None else constants)
        self._physics = copy.deepcopy(dict(known.physics if physics is None else physics))
        self._resets = copy.deepcopy(dict(known.reset_attributes if reset_attributes is None else reset_attributes))
        self._positions = _indices("positions", known.positions if positions is None else positions)
        self._velocities = _indices("velocities", known.velocities if velocities is None else velocities)
        if self._positions.shape != self._velocities.shape:
            raise PaigError(
                f"positions has shape {self._positions.shape} and velocities {self._velocities.shape}: every "
                "position needs its velocity."
            )
        goal = known.goal_state if goal_state is None else goal_state
        tolerance = Tolerance(
            checks.number("position_tolerance", position_tolerance, low=0.0),
            checks.number("velocity_tolerance", velocity_tolerance, low=0.0),
            angular,
            checks.number("goal_distance", goal_distance, low=0.0),
            checks.number("goal_within", goal_within, low=0.0),
        )
        super().__init__(
            checks.image_size(size),
            render_mode,
            None if goal is None or self._attribute is None else self._check_state("goal_state", goal),
            tolerance,
        )
        self.inner = self._make()
        self._easel: gym.Env[Any, Any] | None = None
        self._before: dict[str, float] = {}
        self.action_space = self.inner.action_space

    def _make(self) -> gym.Env[Any, Any]:
        arguments = copy.deepcopy(self._env_kwargs)  # an environment may keep them, and change them
        try:
            env = gym.make(self.env_id, render_mode="rgb_array", disable_env_checker=True, **arguments)
        except (ImportError, gym.error.DependencyNotInstalled) as error:
            raise PaigError(f"{self.env_id} needs a package that is not installed: {error}") from error
        except gym.error.Error as error:
            raise PaigError(f"Gymnasium cannot make env_id={self.env_id!r}: {error}") from error
        except TypeError as error:
            if "argument 'render_mode'" in str(error):
                raise PaigError(f"{self.env_id} cannot render images: {NO_IMAGES}") from error
            raise PaigError(f"{self.env_id} refuses its arguments env_kwargs={self._env_kwargs}: {error}") from error
        except Exception as error:
            raise PaigError(f"{self.env_id} cannot be made ({type(error).__name__}: {error}).") from error
        modes = env.metadata.get("render_modes", [])
        if "rgb_array" not in modes:
            raise PaigError(f"{self.env_id} cannot render images, its render modes are {list(modes)}: {NO_IMAGES}")
        if not isinstance(env.action_space, gym.spaces.Box):
            raise PaigError(
                f"{self.env_id} has the action space {env.action_space}: continuous actions (a Box) are "
                "needed, as in Pendulum-v1 or MountainCarContinuous-v0."
            )
        return env

    # -- state and constants -----------------------------------------------------------------------------

    @property
    def dt(self) -> float | None:
        """Time between frames in seconds, if the inner environment says it."""
        told = guarding.step_time(self.inner, self.env_id)
        return self._physics.get("dt") if told is None else told

    @property
    def time_limit(self) -> int | None:
        """Steps after which the inner environment cuts an episode off, if it does."""
        return None if self.inner.spec is None else self.inner.spec.max_episode_steps

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` and the settings of the true ``physics``; only evaluation may look."""
        constants = {
            name: float(self._read(value)) if isinstance(value, str) else float(value)
            for name, value in self._constants.items()
        }
        return {"constants": constants, "physics": dict(self._physics)}

    def change(self, **constants: float) -> None:
        """See :class:`~paig_control.envs.base.PixelEnv`."""
        attributes = {name: value for name, value in self._constants.items() if isinstance(value, str)}
        known = {name: float(self._read(attribute)) for name, attribute in attributes.items()}
        for name, value in checks.constants(constants, known).items():
            self._before.setdefault(attributes[name], known[name])
            setattr(self.inner.unwrapped, attributes[name], value)

    def _restore(self) -> None:
        for attribute, value in self._before.items():
            setattr(self.inner.unwrapped, attribute, value)
        self._before.clear()

    def _read(self, attribute: str, env: gym.Env[Any, Any] | None = None) -> Any:
        try:
            return getattr((env or self.inner).unwrapped, attribute)
        except AttributeError:
            raise PaigError(
                f"{self.env_id} has no attribute {attribute!r}: name one that it has, or leave it out "
                "(state_attribute=None, constants={})."
            ) from None

    def _inner_state(self, env: gym.Env[Any, Any], attribute: str) -> Array:
        """Copy what the inner environment holds as its state, if the indices fit it."""
        value = self._read(attribute, env)
        try:
            held = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise PaigError(f"{self.env_id}'s {attribute} is no flat array of numbers, as its state must be.") from None
        largest = max(self._positions.max(initial=0), self._velocities.max(initial=0))
        if held.ndim != 1 or largest >= len(held):
            raise PaigError(
                f"positions={self._positions.tolist()}, velocities={self._velocities.tolist()} do not fit "
                f"{self.env_id}'s {attribute}, which has shape {held.shape}."
            )
        return held

    def _state(self) -> Array | None:
        if self._attribute is None:
            return None
        held = self._inner_state(self.inner, self._attribute)
        return np.stack([held[self._positions], held[self._velocities]])

    def _check_state(self, name: str, value: Any) -> Array:
        if self._attribute is None:
            raise PaigError(
                f"{name} cannot be used: nothing is known of {self.env_id}'s state. Pass state_attribute, "
                "positions and velocities, which say where it is."
            )
        return checks.state(name, value, *self._positions.shape)

    def _put(self, env: gym.Env[Any, Any], state: Array) -> None:
        """Give an inner environment the state ``(2, N, D)``."""
        attribute = self._attribute or ""
        held = self._inner_state(env, attribute)
        held[self._positions], held[self._velocities] = state
        setattr(env.unwrapped, attribute, held)
        for name, value in self._resets.items():
            setattr(env.unwrapped, name, copy.deepcopy(value))

    # -- the shell's hooks -------------------------------------------------------------------------------

    def _start(self, state: Array | None, seed: int | None) -> None:
        guarding.begin(self.inner, self.env_id, seed)
        if state is not None:
            self._put(self.inner, state)

    def _place(self, state: Array) -> None:
        self._put(self.inner, state)

    def _advance(self, action: Any) -> tuple[float, bool, bool]:
        given = checks.actions(action, self.action_space.shape or ())
        _, reward, terminated, truncated, _ = guarding.advance(self.inner, self.env_id, given)
        return reward, terminated, truncated

    def _frame(self) -> Image:
        return self._shrink(self.inner)

    def _shrink(self, env: gym.Env[Any, Any]) -> Image:
        try:
            frame = env.render()
        except (ImportError, gym.error.DependencyNotInstalled) as error:
            raise PaigError(f"{self.env_id} cannot render because a package is missing: {error}") from error
        except Exception as error:
            raise PaigError(f"{self.env_id} cannot render ({type(error).__name__}: {error}).") from error
        return area_average(coloured(frame, f"{self.env_id} rendered"), self.size)

    def draw(self, state: Any) -> Image:
        """Paint a state ``(2, N, D)`` on a second copy of the inner environment."""
        checked = self._check_state("state", state)
        easel = self._copy()
        self._put(easel, checked)
        return self._shrink(easel)

    def simulate(self, states: Array, actions: Array) -> Array:
        """States ``(B, 2, N, D)`` at the end of actions ``(B, T, A)``, one after the other on the second copy."""
        easel, attribute = self._copy(), self._attribute or ""
        world, space = easel.unwrapped, easel.unwrapped.action_space
        assert isinstance(space, gym.spaces.Box)
        ends = np.empty_like(states)
        plans = guarding.fit(actions, space, *actions.shape[:2])
        for index, (state, plan) in enumerate(zip(states, plans, strict=True)):
            self._put(easel, state)
            for action in plan:
                guarding.send(world, self.env_id, action)
            held = self._inner_state(easel, attribute)
            ends[index] = held[self._positions], held[self._velocities]
        return ends

    def _copy(self) -> gym.Env[Any, Any]:
        """Give the second copy of the inner environment, made when it is first needed."""
        if self._easel is None:
            self._easel = self._make()
            guarding.begin(self._easel, self.env_id, 0)
        return self._easel

    def __getstate__(self) -> dict[str, Any]:
        """What a copy begins with: the inner environment in layers, its screen left behind."""
        return super().__getstate__() | {
            "_easel": None,
            "inner": [self._held(layer) for layer in guarding.layers(self.inner)],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the inner environment anew, and bring it to where it was."""
        vars(self).update(state)
        self.inner = self._make()
        for layer, held in zip(guarding.layers(self.inner), state["inner"], strict=True):
            vars(layer).update(held)

    def _held(self, layer: gym.Env[Any, Any]) -> dict[str, Any]:
        """What an environment or one of its wrappers holds; a screen is made anew when something is rendered."""
        held = {
            name: value
            for name, value in vars(layer).items()
            if name != "env" and not type(value).__module__.startswith("pygame")
        }
        for name, value in held.items():
            try:
                pickle.dumps(value)
            except Exception as error:  # whatever a stranger's object raises
                raise PaigError(
                    f"{self.env_id} cannot be copied or pickled, because its {name} cannot ({error}): make it anew "
                    "with gymnasium.make, and begin with the same seed."
                ) from error
        return held

    def close(self) -> None:
        """Close the inner environments and the window."""
        super().close()
        self.inner.close()
        if self._easel is not None:
            self._easel.close()
            self._easel = None


def _indices(name: str, value: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return indices as ``(N, D)``; a flat list means one coordinate an object."""
    array = np.asarray(value)
    if array.size == 0:
        return np.zeros((0, 1), dtype=np.intp)
    if not np.issubdtype(array.dtype, np.integer) or array.ndim > 2:
        raise PaigError(f"{name} = {value!r}: expected whole numbers, for example [0] or [[0, 1], [2, 3]].")
    return array.astype(np.intp).reshape(len(array), -1)
