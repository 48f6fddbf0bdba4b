"""An environment with the habits of other people's: a bright spot that is pushed to and fro."""

import copy

import gymnasium as gym
import numpy as np

from paig_control.data.collection import collect

BOXES = {
    "plain": gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
    "none": gym.spaces.Box(-1.0, 1.0, (0,), np.float32),
    "double": gym.spaces.Box(-0.1, 0.1, (2,), np.float64),
    "third": gym.spaces.Box(np.array([0.0, -1 / 3]), np.array([1 / 3, 0.7]), (2,), np.float64),
    "whole": gym.spaces.Box(-3, 3, (2,), np.int64),
    "byte": gym.spaces.Box(0, 200, (1,), np.uint8),
    "skew": gym.spaces.Box(np.array([0.0, -10.0]), np.array([1.0, 10.0]), (2,), np.float64),
    "frozen": gym.spaces.Box(np.array([-1.0, 0.3]), np.array([1.0, 0.3]), (2,), np.float64),
    "half": gym.spaces.Box(np.array([-1.0, -np.inf]), np.array([1.0, np.inf]), (2,), np.float64),
    "huge": gym.spaces.Box(-1e30, 1e30, (2,), np.float64),
}


class Spot(gym.Env):
    """A bright spot that is pushed to and fro; a fault or a habit to order."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, habit=None, value=None, channels=(3,), actions="plain", render_mode=None):
        self.habit, self.value, self.render_mode = habit, value, render_mode
        shape = (12, 16, *channels)
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = copy.deepcopy(BOXES[actions])
        self._buffer, self._told = np.zeros(shape, np.uint8), np.zeros((2, 1, 2))
        if habit == "dt":
            self.dt = value
        if habit == "truth":
            self.truth = value
        if habit == "bounds":
            self.action_space.low[:] = value
        if habit == "cannot be made":
            raise KeyError("missing")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(4, 8, 2), 0
        if self.habit == "reset raises":
            raise RuntimeError("the motor is off")
        return self._look() if self.habit == "reset returns one" else (self._look(), self._info())

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is outside {self.action_space}"
        push = np.zeros(2)
        push[: action.size] = action
        self.place = np.clip(self.place + push / np.abs(self.action_space.high).max(initial=1), 3, 9)
        self.steps += 1
        action *= 0  # it may do with it what it likes
        if self.habit == "step raises":
            raise ZeroDivisionError("division by zero")
        if self.habit == "step returns":
            return self.value
        if self.habit == "reward":
            return self._look(), self.value, False, False, self._info()
        return self._look(), 0.0, False, False, self._info()

    def _look(self):
        if self.habit == "blank":
            return np.full(self._buffer.shape, self.value, np.uint8)
        if self.habit == "looks":
            return self.value
        if self.habit == "grows" and self.steps == 2:
            return np.zeros((20, 20, 3), np.uint8)
        frame = self._buffer if self.habit == "reuses" else self._buffer.copy()
        frame[:] = 0
        x, y = self.place.astype(int)
        frame[y - 2 : y + 2, x - 2 : x + 2] = 250
        frame[y, x] = 5 * self.steps
        return frame

    def _info(self):
        if self.habit == "state":
            return {"state": self.value}
        if self.habit == "reuses":
            self._told[0, 0] = self.place
            return {"state": self._told}
        return {"state": np.stack([self.place[None], np.zeros((1, 2))])}

    def render(self):
        if self.habit == "render":
            return self.value
        if self.habit == "render raises":
            raise OSError("no screen")
        return self._look()


def film(num_envs=None, **settings):
    kwargs = settings.pop("env_kwargs", {})
    given = {"sequences": 3, "steps": 5, "valid": 0, "test": 0, "seed": 3} | settings
    return collect("spots/Spot-v0", **given, num_envs=num_envs, env_kwargs=kwargs)


def same(one, other):
    assert set(one.arrays) == set(other.arrays)
    for name, value in one.arrays.items():
        np.testing.assert_array_equal(value, other.arrays[name], err_msg=name)
