"""Any environment that can render becomes a pixel environment of a chosen size.

The inner environment is the one that Gymnasium makes, unmodified: its frames are averaged down over areas, after
they are widened to the shape of the small picture by going on as they are at their edges, since squeezed, a link that
turns would change its length. Its actions, rewards and endings pass through; where it has a number of separate ones,
each is a row of numbers here (:class:`~paig_control.border.action_set.ActionSet`). Where its state is an attribute, or
in MuJoCo's data, ``info`` carries it and goal images are drawn by a second copy, so that the running episode is never
disturbed. What is known of an environment (which attribute is the state, which are the constants) stands in one small
table; arguments override it.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control.border import guarding
from paig_control.border.action_set import ActionSet
from paig_control.border.guarding import coloured
from paig_control.envs import checks, engine, inner, suite, world
from paig_control.envs.base import Image, PixelEnv
from paig_control.envs.checks import Array
from paig_control.envs.goal_sampling import Tolerance
from paig_control.envs.inner import MUJOCO, simulated
from paig_control.envs.known import KNOWN, Description
from paig_control.envs.painter import area_average, widened
from paig_control.errors import PaigError

NO_IMAGES = "choose an environment with the render mode 'rgb_array', or add it to its metadata and render method."


class Pixels(PixelEnv):
    """The unmodified environment ``env_id``, seen through a camera of ``size`` pixels.

    Arguments left at ``None`` (``"auto"`` for the state's attribute) are what is known of ``env_id``; for an
    environment that is not known they mean "nothing": it has pixels and actions, but no state and no goal.

    Args:
        env_id: an id of Gymnasium's registry, a task of dm_control's suite, ``dm_control/cartpole-swingup``, or a file
            that describes a mechanism for MuJoCo, ``crane.xml``.
        size: pixels, one number or (height, width).
        env_kwargs: arguments of the inner environment.
        state_attribute: attribute that holds the state; ``"mujoco"`` for what that engine holds, which is found out
            where it moves joints alone; ``None`` if there is none.
        positions: indices into it, ``(N,)`` or ``(N, D)``.
        velocities: indices into it, of the same shape.
        constants: true constants by name; a string names an attribute of the inner environment.
        physics: settings of the true physics, for the oracle.
        goal_state: default goal ``(2, N, D)``.
        reset_attributes: attributes set together with the state.
        position_tolerance: success is nearer than this to the goal, pixels or radians.
        velocity_tolerance: and slower than this against the goal's velocity.
        endless: whether it goes on after what the inner environment calls the end of an episode, which its task means
            and not its physics: a pole that has fallen swings on.
        skip: steps of the inner environment in each of this one, the action held, rewards added up.
        actions: ``(n, A)``, what each of n separate actions does, in any unit; by default each has a number of its own,
            1 for the one that is taken and 0 for the others.
        dt: seconds between two frames of the inner environment, where it does not say them, or wrongly.
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
        endless: bool = False,
        skip: int = 1,
        actions: Sequence[Sequence[float]] | None = None,
        dt: float | None = None,
        position_tolerance: float = float(np.deg2rad(15.0)),
        velocity_tolerance: float = 1.0,
        angular: bool = True,
        goal_distance: float = 0.3,
        goal_within: float = 0.15,
        render_mode: str | None = None,
    ) -> None:
        known = KNOWN.get(env_id, Description())
        self.endless = endless
        if endless:
            warnings.filterwarnings("ignore", ".*already returned terminated")  # as is wanted here
        self.skip = checks.whole("skip", skip, low=1, example=2)
        self._dt = known.dt if dt is None else checks.number("dt", dt, low=0.0)
        self.env_id, self._env_kwargs = env_id, copy.deepcopy(dict(env_kwargs or {}))
        self.inner = self._make()
        self._set = self._separate(known.actions if actions is None else actions)
        self.action_space = self.inner.action_space if self._set is None else self._set
        if known.state_attribute is None and state_attribute == "auto" and (held := simulated(self.inner)) is not None:
            known = replace(known, state_attribute=MUJOCO, positions=held[0], velocities=held[1])
        self._attribute = known.state_attribute if state_attribute == "auto" else state_attribute
        self._constants = dict(known.constants if constants is None else constants)
        self._mechanism = known.mechanism if constants is None else None
        self._names = known.names
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
        self._easel: gym.Env[Any, Any] | None = None
        self._before: dict[str, float] = {}

    def _make(self) -> gym.Env[Any, Any]:
        arguments = copy.deepcopy(self._env_kwargs)  # an environment may keep them, and change them
        try:
            env: gym.Env[Any, Any]
            if self.env_id.startswith(suite.PREFIX):
                env = suite.Suite(self.env_id, **arguments)
            elif self.env_id.endswith(world.SUFFIX):
                env = world.World(self.env_id, **arguments)
            else:
                if "mujoco" in str(getattr(gym.registry.get(self.env_id), "entry_point", "")):
                    suite.render_unseen()
                env = gym.make(self.env_id, render_mode="rgb_array", disable_env_checker=True, **arguments)
                engine.steady(env)
        except PaigError:
            raise
        except (ImportError, gym.error.DependencyNotInstalled) as error:
            extra = " (pip install 'paig-control[mujoco]')" if "mujoco" in str(error).lower() else ""
            raise PaigError(f"{self.env_id} needs a package that is not installed{extra}: {error}") from error
        except gym.error.Error as error:
            raise PaigError(f"Gymnasium cannot make env_id={self.env_id!r}: {error}") from error
        except TypeError as error:
            if "argument 'render_mode'" in str(error):
                raise PaigError(f"{self.env_id} cannot render images: {NO_IMAGES}") from error
            raise PaigError(f"{self.env_id} refuses its arguments env_kwargs={self._env_kwargs}: {error}") from error
        except Exception as error:
            raise PaigError(f"{self.env_id} cannot be made ({type(error).__name__}: {error}).{suite.hint()}") from error
        modes = env.metadata.get("render_modes", [])
        if "rgb_array" not in modes:
            raise PaigError(f"{self.env_id} cannot render images, its render modes are {list(modes)}: {NO_IMAGES}")
        if not isinstance(env.action_space, (gym.spaces.Box, gym.spaces.Discrete)):
            raise PaigError(
                f"{self.env_id} has the action space {env.action_space}: expected continuous actions (a Box), as in "
                "Pendulum-v1, or a number of separate ones (Discrete), as in CartPole-v1."
            )
        return env

    def _separate(self, given: Sequence[Sequence[float]] | None) -> ActionSet | None:
        """What the separate actions of the inner environment are here, if it has such."""
        space = self.inner.action_space
        if not isinstance(space, gym.spaces.Discrete):
            if given is not None:
                raise PaigError(f"actions = {given!r}: expected none, {self.env_id} has continuous actions, {space}.")
            return None
        count = int(space.n)
        found = ActionSet(np.eye(count) if given is None else given)
        if len(found.rows) != count:
            raise PaigError(
                f"actions = {found.rows.tolist()}: expected {count} rows, {self.env_id} has {count} separate actions."
            )
        return found

    def _inward(self, actions: NDArray[Any], *batch: int) -> NDArray[Any]:
        """What the inner environment is sent for each of the actions ``(*batch, A)``."""
        space = self.inner.action_space
        if isinstance(space, gym.spaces.Discrete):
            assert self._set is not None
            numbers: NDArray[Any] = self._set.nearest(actions) + space.start
            return numbers
        assert isinstance(space, gym.spaces.Box)
        return guarding.fit(actions, space, *batch)

    # -- state and constants -----------------------------------------------------------------------------

    @property
    def dt(self) -> float | None:
        """Time between frames in seconds, if the inner environment says it."""
        told: Any = guarding.step_time(self.inner, self.env_id)
        if self._dt is not None:
            told = float(self._read(self._dt)) if isinstance(self._dt, str) else self._dt
        elif told is None:
            rate = self.inner.metadata.get("render_fps")
            told = self._physics.get("dt") or (1 / rate if isinstance(rate, (int, float)) and rate > 0 else None)
        return None if told is None else self.skip * told

    @property
    def time_limit(self) -> int | None:
        """Steps after which the inner environment cuts an episode off, if it does."""
        steps = None if self.inner.spec is None else self.inner.spec.max_episode_steps
        return None if steps is None or self.endless else -(-steps // self.skip)

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants``, settings of the true ``physics`` and ``pixels`` a unit; only evaluation may look."""
        constants = {
            name: float(self._read(value)) if isinstance(value, str) else float(value)
            for name, value in self._constants.items()
        }
        pixels = None
        if self._mechanism is not None:
            constants |= self._mechanism(self.inner.unwrapped, self.size)
        elif self._attribute == MUJOCO and not self._constants and (seen := engine.filmed(self.inner)) is not None:
            constants |= engine.truth(*seen, self.size, self._names)
            pixels = engine.pixels(*seen, self.size)
        physics = dict(self._physics)
        if "dt" in physics:
            physics |= {"dt": self.dt, "substeps": self.skip * physics.get("substeps", 1)}
        return {"constants": constants, "physics": physics, **({} if pixels is None else {"pixels": pixels.tolist()})}

    @property
    def hindrance(self) -> str | None:
        """Why nothing here learns what moves, or what it takes, in a sentence, where its engine says so."""
        seen = engine.filmed(self.inner)
        return None if seen is None else engine.hindrance(*seen[:2])

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

    def _read(self, attribute: str) -> Any:
        return inner.read(self.inner, self.env_id, attribute)

    def _inner_state(self, env: gym.Env[Any, Any], attribute: str) -> Array:
        """Copy what the inner environment holds as its state, if the indices fit it."""
        held = inner.held(env, self.env_id, attribute)
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
        inner.hold(env, self.env_id, attribute, held)
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
        sent, total = self._inward(checks.actions(action, self.action_space.shape or ())), 0.0
        for _ in range(self.skip):
            _, reward, terminated, truncated, _ = guarding.send(self.inner, self.env_id, sent)
            total += reward
            if (terminated or truncated) and not self.endless:
                return total, terminated, truncated
        return total, False, False

    def _frame(self) -> Image:
        return self._shrink(self.inner)

    def _shrink(self, env: gym.Env[Any, Any]) -> Image:
        try:
            frame = env.render()
        except (ImportError, gym.error.DependencyNotInstalled) as error:
            raise PaigError(f"{self.env_id} cannot render because a package is missing: {error}") from error
        except Exception as error:
            raise PaigError(f"{self.env_id} cannot render ({type(error).__name__}: {error}).{suite.hint()}") from error
        return area_average(widened(coloured(frame, f"{self.env_id} rendered"), self.size), self.size)

    def draw(self, state: Any) -> Image:
        """Paint a state ``(2, N, D)`` on a second copy of the inner environment."""
        checked = self._check_state("state", state)
        easel = self._copy()
        self._put(easel, checked)
        return self._shrink(easel)

    def simulate(self, states: Array, actions: Array) -> Array:
        """States ``(B, 2, N, D)`` at the end of actions ``(B, T, A)``, one after the other on the second copy."""
        easel, attribute = self._copy(), self._attribute or ""
        unwrapped, ends = easel.unwrapped, np.empty_like(states)
        plans = self._inward(actions, *actions.shape[:2])
        for index, (state, plan) in enumerate(zip(states, plans, strict=True)):
            self._put(easel, state)
            for sent in plan:
                for _ in range(self.skip):
                    guarding.send(unwrapped, self.env_id, sent)
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
