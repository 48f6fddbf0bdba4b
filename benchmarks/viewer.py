"""The live window: frames a second that it draws while the agent controls Spring, and pictures of a scripted session.

``python benchmarks/viewer.py`` films random pushes of two balls on a spring, trains by the default recipe, and opens
the window on the model for a minute, the agent controlling at the world's own rate; every few seconds the goal is
dragged. A frame counts as dropped when a beat of sixty a second goes by without a new one. What came out goes to
``benchmarks/results/viewer.json``. With ``--run FOLDER`` nothing is trained. Without a screen the window draws into
memory, so that showing what was drawn is left out.

``python benchmarks/viewer.py --pictures docs`` plays a scripted session instead (the goal is dragged, the world's
stiffness changed, adaptation switched on and a ball kicked, begun again) and saves a picture of each step.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pygame
from common import arguments, learned, save
from PIL import Image

from paig_control.experiment.compose import configure
from paig_control.experiment.factories import use_threads
from paig_control.experiment.trial import Trial
from paig_control.runs import machine, versions
from paig_control.viewer.commands import MoveGoal, Whose
from paig_control.viewer.loop import Loop
from paig_control.viewer.recording import Lockstep
from paig_control.viewer.script import LEFT, RIGHT, Script
from paig_control.viewer.session import Session
from paig_control.viewer.window import Window, show

TITLE = "paig/Spring-v0   ·   runs/spring"


def trained(folder: Path) -> Path:
    """Train on two balls that are pushed; the run's folder."""
    pushes = ("env=spring", "env.kwargs.max_force=3", "sequences=150", "steps=12", "test=8")
    return learned(folder / "spring", pushes, ("physics=spring",))


def session(run: Path) -> Session:
    """The model in its world."""
    return Trial(configure("view", [f"run={run}", "env=spring"])).session()


class Restless(Window):
    """A window whose goal is dragged for a second out of four, back and forth."""

    def frame(self, clock: float, rate: float | None = None) -> None:
        """Drag, then draw."""
        target, phase = self.source.latest.target, clock % 4
        if target is not None and phase < 1:
            step = 0.05 if clock % 8 < 4 else -0.05
            self.source.ask(MoveGoal(0, (float(target[0, 0]), float(target[0, 1]) - step)))
        super().frame(clock, rate)


def measure(run: Path, seconds: float) -> dict[str, Any]:
    """Draw for so long while the agent controls."""
    begun = session(run)
    cpu = time.process_time()
    with Loop(begun) as loop, Restless(loop, TITLE) as window:
        beat = show(window, loop, seconds)
        steps, driver = loop.latest.step, pygame.display.get_driver()
    begun.close()
    return {
        "seconds": seconds,
        "drawn": beat.drawn,
        "dropped": beat.dropped,
        "dropped_share": beat.dropped / (beat.drawn + beat.dropped),
        "frames_a_second": beat.drawn / seconds,
        "steps": steps,
        "steps_a_second": steps / seconds,
        "steps_a_second_wanted": 1 / begun.world.dt,
        "cores_used": (time.process_time() - cpu) / seconds,
        "driver": driver,
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def pictures(run: Path, folder: Path) -> None:
    """Play the script, saving a picture of each step."""
    begun = session(run)
    source = Lockstep(begun)
    with Window(source, TITLE) as window:
        user = Script(window, source)

        def save(name: str) -> None:
            colours = Image.fromarray(user.draw()).quantize(256, dither=Image.Dither.NONE)
            colours.save(folder / f"view-{name}.png", optimize=True)

        user.wait(1.2)
        target = user.now.target
        assert target is not None
        user.drag(LEFT, user.on_camera(target[0]), user.on_camera((target[0, 0] + 6, target[0, 1] - 9)))
        user.wait(0.9)
        save("1-goal")
        user.wait(4)
        user.slide(Whose.WORLD, "stiffness", 8.0)
        user.wait(4)
        save("2-world")
        user.key(pygame.K_a)
        user.wait(1)
        found = user.now.found
        start, end = user.on_camera(found[1]), user.on_camera((found[1, 0] + 5, found[1, 1] + 9))
        user.press(RIGHT, start)
        user.move(end)
        save("3-kick")
        user.release(RIGHT, end)
        user.wait(6)
        save("4-adaptation")
        user.key(pygame.K_r)
        user.wait(0.6)
        save("5-again")
    begun.close()


def main() -> None:
    """Measure and write, or draw pictures."""
    parser = arguments(__doc__, "viewer.json")
    parser.add_argument("--run", type=Path, help="folder of a trained model; trained anew by default")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of a scripted session")
    given = parser.parse_args()
    use_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        run = given.run or trained(Path(scratch))
        if given.pictures is not None:
            pictures(run, given.pictures)
            return
        figures = measure(run, given.seconds)
    print(json.dumps(figures, indent=2))
    content = {**figures, "machine": machine(), "versions": {**versions(), "pygame": pygame.version.ver}}
    save(given.out, content)


if __name__ == "__main__":
    main()
