"""An environment for processes of a crew: a dot that walks until its episode ends, with faults to order."""

import contextlib
import multiprocessing
import os
import signal
import time
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np


class Walker(gym.Env):
    """A dot that walks; its episodes end after a random time, some of them early.

    Args:
        shortest: steps of the shortest episode.
        longest: steps than which all episodes are shorter.
        fault: of the episodes whose first place is in the left half.
        folder: for a file from each process that dies or waits.
        deaths: so many processes die.
    """

    metadata = {"render_modes": []}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 255, (6, 8, 3), np.uint8)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, shortest=2, longest=12, fault=None, folder=None, deaths=1):
        self.shortest, self.longest = shortest, longest
        self.fault, self.folder, self.deaths = fault, folder, deaths

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.left = self.np_random.uniform(0, 8), int(self.np_random.integers(self.shortest, self.longest))
        if self.fault and self.place < 4:
            getattr(self, self.fault)()
        return self.look(), {}

    def step(self, action):
        self.place, self.left = (self.place + float(action[0])) % 8, self.left - 1
        return self.look(), 0.0, self.left <= 0, False, {}

    def look(self):
        frame = np.zeros((6, 8, 3), np.uint8)
        frame[2:4, int(self.place)] = int(self.place * 30)
        return frame

    def warns(self):
        warnings.warn("the dot is on the left", stacklevel=2)

    def raises(self):
        raise RuntimeError("no way to the left")

    def dies(self):
        """End this process, if another one began it to film; two at once never count as one death."""
        if multiprocessing.parent_process() is None:
            return
        for death in range(self.deaths):
            with contextlib.suppress(FileExistsError):
                (Path(self.folder) / f"death{death}").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)

    def waits(self):
        (Path(self.folder) / str(os.getpid())).touch()
        time.sleep(600)


def to_the_right(frames):
    """A policy."""
    return np.ones(1)


def fails(frames):
    """A policy with a mistake in it, no PaigError."""
    raise KeyError(len(frames))
