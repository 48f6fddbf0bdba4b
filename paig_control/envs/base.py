"""The gym shell that all single pixel environments share.

An environment is three separate things: dynamics, painting and the gym shell. This is the shell: uint8 image
observations, seeded reset with a state and a goal in ``options``, ``info`` with the true state, the goal
image and success, rendering and the window. A subclass supplies the hooks ``_start``, ``_advance``,
``_frame``, ``_state``, ``simulate`` and ``draw``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from paig_control import seeds
from paig_control.envs import checks, goal_sampling
from paig_control.envs.checks import Array
from paig_control.errors import PaigError

Image = NDArray[np.uint8]


class PixelEnv(gym.Env[Image, Any]):
    """Base class of the single environments whose observation is an image ``(h, w, 3)``, uint8.

    ``reset(options={"state": s, "goal": g})`` takes states ``(2, N, D)``: position and velocity. ``info`` has
    ``state``, ``goal`` (the goal image), ``goal_state`` and ``success``, as far as the state can be known.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 20}  # noqa: RUF012
    painted: bool = True
    """False leaves the images black: an evaluator's baselines need none, and painting is most of the time."""

    def __init__(
        self,
        size: tuple[int, int],
        render_mode: str | None,
        goal_state: Array | None,
        tolerance: goal_sampling.Tolerance,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise PaigError(f"render_mode = {render_mode!r}: expected None, 'rgb_array' or 'human'.")
        self.size, self.render_mode, self.tolerance = size, render_mode, tolerance
        self.observation_space = gym.spaces.Box(0, 255, (*size, 3), np.uint8)
        self.goal_state = self._default_goal = goal_state
        self._goal_image: Image | None = None
        self._image: Image | None = None
        self._window: Any = None

    # -- what a subclass supplies ------------------------------------------------------------------------

    @property
    def truth(self) -> dict[str, dict[str, Any]]:
        """True ``constants`` and the settings of the true ``physics``; only evaluation may look."""
        return {"constants": {}, "physics": {}}

    def _start(self, state: Array | None, seed: int | None) -> None:
        """Begin an episode, from ``state`` ``(2, N, D)`` where given."""
        raise NotImplementedError

    def _advance(self, action: Any) -> tuple[float, bool, bool]:
        """Advance by one action: reward, terminated, truncated."""
        raise NotImplementedError

    def _frame(self) -> Image:
        """Image of the running episode."""
        raise NotImplementedError

    def _state(self) -> Array | None:
        """State ``(2, N, D)`` of the running episode, if it can be known."""
        raise NotImplementedError

    def _check_state(self, name: str, value: Any) -> Array:
        """Return ``value`` as a state ``(2, N, D)`` or refuse it."""
        raise NotImplementedError

    def draw(self, state: Any) -> Image:
        """Paint a state ``(2, N, D)`` without disturbing the running episode."""
        raise NotImplementedError

    def simulate(self, states: Array, actions: Array) -> Array:
        """States ``(B, 2, N, D)`` at the end of actions ``(B, T, A)``, without disturbing the running episode."""
        raise NotImplementedError

    def _place(self, state: Array) -> None:
        """Put the running episode into a state ``(2, N, D)``."""
        raise NotImplementedError

    def visible(self, states: Array) -> NDArray[np.bool_]:
        """Whether everything that moves is in the picture in states ``(B, 2, N, D)``: ``(B,)``."""
        return np.ones(len(states), dtype=bool)

    def change(self, **constants: float) -> None:
        """Change true constants for the rest of the running episode, unannounced: to measure what notices it.

        Raises:
            PaigError: for a constant that there is not, or that cannot be changed.
        """
        raise PaigError(f"The constants of {type(self).__name__} cannot be changed while it runs.")

    def _restore(self) -> None:
        """Bring back the constants that :meth:`change` changed."""

    # -- goals -------------------------------------------------------------------------------------------

    def sample_goals(
        self, starts: Array, seeds: Sequence[int], steps: int, distance: float | None = None, split: str = "test"
    ) -> goal_sampling.Reached:
        """Draw a goal that can be reached for each start ``(B, 2, N, D)``: see :mod:`~paig_control.envs.goal_sampling`.

        Args:
            starts: of the episodes.
            seeds: of the episodes; what is drawn for a seed does not depend on the others.
            steps: of an episode.
            distance: the least between start and goal, in the coordinate that differs most; None takes
                that of the tolerance.
            split: ``"train"`` or ``"test"``, which share no goal.

        Raises:
            PaigError: for another split or settings with which there are no goals.
        """
        return goal_sampling.reach(self, starts, goal_sampling.generators(seeds, split), steps, distance)

    def place(self, state: Any) -> None:
        """Put the running episode into a state ``(2, N, D)``, as a hand that pushes things would; it is seen next step.

        Raises:
            PaigError: for a state that does not fit.
        """
        self._place(self._check_state("state", state))

    def set_goal(self, goal: Array) -> None:
        """Make ``goal`` ``(2, N, D)`` that of the running episode."""
        if self._goal_image is None or self.goal_state is None or not np.array_equal(goal, self.goal_state):
            self._goal_image = self.draw(goal)
        self.goal_state = goal.copy()

    # -- Gymnasium ---------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Image, dict[str, Any]]:
        """Begin an episode; ``options`` may hold a ``state`` and a ``goal``, both ``(2, N, D)``."""
        seed = None if seed is None else seeds.whole(seed)
        super().reset(seed=seed)
        given = checks.options(options)
        start = self._check_state("options['state']", given["state"]) if "state" in given else None
        goal = self._check_state("options['goal']", given["goal"]) if "goal" in given else self._default_goal
        self._restore()
        self._start(start, seed)
        if goal is None:
            self.goal_state = self._goal_image = None
        else:
            self.set_goal(goal)
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Image, float, bool, bool, dict[str, Any]]:
        """Advance by one action, which is held over the whole step."""
        if self._image is None:
            raise PaigError("step was called before reset: begin an episode with env.reset(seed=0).")
        reward, terminated, truncated = self._advance(action)
        return self._observe(), reward, terminated, truncated, self._info()

    def _observe(self) -> Image:
        self._image = self._frame() if self.painted else np.zeros((*self.size, 3), dtype=np.uint8)
        if self.render_mode == "human":
            self._show()
        return self._image.copy()

    def _info(self) -> dict[str, Any]:
        state = self._state()
        info: dict[str, Any] = {}
        if state is not None:
            info["state"] = state
        if self.goal_state is not None and self._goal_image is not None:
            info |= {"goal": self._goal_image.copy(), "goal_state": self.goal_state.copy()}
            if state is not None:
                info["success"] = bool(self.tolerance.reached(state, self.goal_state))
        return info

    def render(self) -> Any:
        """Return the present image (``rgb_array``) or show it (``human``)."""
        if self._image is None:
            raise PaigError("render was called before reset: begin an episode with env.reset(seed=0).")
        if self.render_mode == "human":
            self._show()
            return None
        return None if self.render_mode is None else self._image.copy()

    def _show(self) -> None:
        if self._window is None:
            from paig_control.envs.window import Window

            self._window = Window(self.size, self.metadata["render_fps"], type(self).__name__)
        self._window.show(self._image)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy begins with; a window stays behind, the copy opens its own."""
        return vars(self) | {"_window": None}

    def close(self) -> None:
        """Close the window, if one is open."""
        if self._window is not None:
            self._window.close()
            self._window = None
