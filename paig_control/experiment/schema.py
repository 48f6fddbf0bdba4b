"""What can be set on the command line: one record a command.

Every value has its default and its meaning in exactly one place, the docstring and the default of a record: here for
commands, in groups.py for environments, beside the code that they govern for models, recipes, agents, planners and
objectives. Hydra's schemas and the help are made from these records. Nothing here imports torch.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from typing import Any

from paig_control.evaluation.corruptions import DisturbSettings

Group = Any
"""Type of a key that a configuration group fills."""


@dataclass
class Common:
    """What every command has.

    Attributes:
        seed: from which all random numbers are derived.
        overwrite: write over what is already there.
        threads: CPU threads for torch; another number adds up in another order, so what is learned may differ by a part
            of its error bars.
        verbosity: 0 prints errors only, 1 progress and tables, 2 every warning too.
        imports: Python modules to import first, installed or in this folder, for example imports=[magnets]: a run whose
            physics has a force of theirs can then be opened.
    """

    seed: int = 0
    overwrite: bool = False
    threads: int = 1
    verbosity: int = 1
    imports: list[str] = field(default_factory=list)


@dataclass
class Collect(Common):
    """Film an environment under a simple policy.

    Writes one .npz with train, valid and test films, the actions, and the truth under its own keys, and
    beside it a summary, for example pend.summary.json.

    Example:
        paig-control collect env=gym_pendulum sequences=60 steps=14 seed=0 out=pend.npz

    Attributes:
        out: data file to write.
        sequences: training films.
        steps: frames of each training film.
        valid: validation films; null takes a sixth of the training films, at least 4.
        test: test films; null takes a third of the training films, at least 8.
        test_steps: frames of each test film; null takes 2.5 times as many as in training.
        policy: what acts, random (drawn anew in each frame), smooth (waves that last, which swing things farther) or
            zero.
        num_envs: environments side by side; null takes what suits the environment.
        workers: processes that film, at best as many as the machine has cores; the films are the same for any number.
    """

    env: Group = None
    out: str = "episodes.npz"
    sequences: int = 32
    steps: int = 30
    valid: int | None = None
    test: int | None = None
    test_steps: int | None = None
    policy: str = "random"
    num_envs: int | None = None
    workers: int = 1


@dataclass
class Train(Common):
    """Learn a model from films.

    Runs the stages discover, identify and refine, prints the constants found with their error bars, and
    writes checkpoints, pictures and summary.json into the output folder. recipe=paper trains as the PAIG paper
    did, and physics=lstm puts a black box in place of the physics, both for comparison. With view=live a window shows
    what is learned while it is learned. Ctrl-C or a kill loses at most the work since the last checkpoint.
    With --multirun, comma lists and ranges are swept, for example
    paig-control train --multirun 'seed=range(0,10)' out=runs/sweep: side by side, each run in a folder of its own
    inside out, with one table and one figure of all; hydra.launcher.n_jobs=4 limits how many run at once, and
    hydra/launcher=submitit_slurm hands them to a cluster.

    Example:
        paig-control train data=pend.npz physics=pendulum seed=0 out=runs/pend

    Attributes:
        data: data file, as written by collect, or PAIG's own; several of one scene as [a.npz,b.npz], or a folder of
            them, whose films then come one after another.
        out: folder of the run.
        resume: go on from the last checkpoint in the folder, with the same options on the same data.
        objects: number of things that move; null takes physics.objects, or the physics' own number.
        dt: seconds between frames; null takes the data's.
        device: cpu, cuda, or auto for cuda where there is one.
        tracker: what follows the training beside metrics.csv, which is always written: none; csv for constants with
            error bars, pictures and a film of every stage in the folder tracked; tensorboard for the same and all
            scalars, to be looked at with tensorboard --logdir.
        view: none, or live for a window on what is learned: sprites, masks, a film beside its reconstruction and its
            prediction, the constants, the loss. It closes when training ends; nothing that is learned depends on it.
        on_close: what closing the window does: continue with training without it, or stop, which saves what is
            learned so far.
        record: file to film the window into, as for view; needs no screen.
    """

    data: Any = "episodes.npz"
    out: str = "runs/train"
    physics: Group = None
    model: Group = None
    recipe: Group = None
    resume: bool = False
    objects: int | None = None
    dt: float | None = None
    device: str = "auto"
    tracker: str = "none"
    view: str = "none"
    on_close: str = "continue"
    record: str | None = None


@dataclass
class Control(Common):
    """Let a trained model control an environment from its pixels, and measure it.

    Plays all episodes with the agent and, on the same starts, with a random agent and with oracles that
    know the truth. Writes summary.json, episodes.csv and a film into the output folder. Episode i starts from
    env.reset(seed=seed+i). With goals=100 the environment draws a goal for each of 100 episodes: where random smooth
    actions take its start, at rest where that can be held.

    Constants of the model are set by hand with, for example, run.physics.gravity=15; with adapt=online the agent finds
    them anew while it acts.

    Example:
        paig-control control run=runs/pend env=gym_pendulum goal=upright.png episodes=60 out=runs/pend-control

    Attributes:
        run: folder of the trained model.
        constants: constants of the model set by hand, in place of the learned ones; run.physics.NAME=VALUE sets one.
        adapt: none, or online to find the constants anew in every episode from its frames, the eyes left as they are.
        out: folder to write into.
        goal: picture of the goal, as a file, a .npy array or the name of one of the environment's goals; two pictures
            [FIRST.png,SECOND.png], a step apart, or a .npy of two, for a goal that moves; or the model's coordinates
            of all objects, for example [10,16,22,16], their velocities after them or at rest. null takes the
            environment's default.
        goal_state: by which success is judged, positions then velocities; null takes the goal's own. The agent is not
            told.
        goals: number of episodes, each with a goal drawn by the environment; null shows one goal in all episodes.
        distance: least distance between start and drawn goal; null takes 6 px, or 0.3 rad.
        episodes: number of episodes, where no goals are drawn.
        steps: of an episode; null takes env.steps.
        hold: success is being at the goal through the last so many steps, 0 for at any step; null takes a quarter of
            the steps, 0 for a goal that moves, and for drawn goals 5, or 0 where they cannot be held.
        within: how near is at the goal; null takes the environment's tolerance, and for drawn goals 1.5 px or 0.15 rad.
        batch: episodes side by side.
        baselines: play the random agent and the oracles too.
        film: episodes of which a film is kept.
        ahead: steps ahead of the camera that the film's imagined frames were planned.
        timing_steps: steps over which the time of a decision is measured, on one environment.
        disturb: what goes wrong between the camera and the agent.
        device: cpu, cuda, or auto for cuda where there is one.
    """

    run: str = "runs/train"
    constants: dict[str, float] = field(default_factory=dict)
    adapt: str = "none"
    out: str = "runs/control"
    env: Group = None
    agent: Group = None
    planner: Group = None
    objective: Group = None
    goal: Any = None
    goal_state: list[float] | None = None
    goals: int | None = None
    distance: float | None = None
    episodes: int = 20
    seed: int = 1000
    steps: int | None = None
    hold: int | None = None
    within: float | None = None
    batch: int = 64
    baselines: bool = True
    film: int = 2
    ahead: int = 10
    timing_steps: int = 60
    disturb: DisturbSettings = field(default_factory=DisturbSettings)
    device: str = "cpu"


@dataclass
class View(Common):
    """Watch a trained model control an environment, and meddle with it.

    Opens a window: the camera with what was found in it, the goal, the imagined future, the plans that were weighed,
    the constants. Drag the goal, drop a picture as a new one, kick an object, move sliders for the world's constants
    and for what the agent believes of them; H shows all keys. With record=view.gif it is filmed instead, which needs no
    screen.

    Example:
        paig-control view run=runs/pend env=gym_pendulum

    Attributes:
        run: folder of the trained model.
        constants: constants of the model set by hand, in place of the learned ones; run.physics.NAME=VALUE sets one.
        adapt: none, or online to find the constants anew from the start; the window switches it too.
        goal: as for control; null takes the environment's default.
        seed: of the episode.
        width: of the window, screen pixels.
        height: of the window, screen pixels.
        record: file to film into, .gif, .mp4 (needs imageio-ffmpeg) or .png for the last picture alone, or a folder for
            one .png a picture; null opens the window for as long as you like.
        seconds: to film.
        rate: pictures a second of the film.
        device: cpu, cuda, or auto for cuda where there is one.
    """

    run: str = "runs/train"
    constants: dict[str, float] = field(default_factory=dict)
    adapt: str = "none"
    env: Group = None
    agent: Group = None
    planner: Group = None
    objective: Group = None
    goal: Any = None
    seed: int = 1000
    width: int = 1280
    height: int = 800
    record: str | None = None
    seconds: float = 8.0
    rate: float = 20.0
    device: str = "cpu"


@dataclass
class Evaluate(Common):
    """Measure a trained model on films that it has not seen, or on new ones made from them.

    Prints the losses of prediction and, where the data carry the truth, positions and constants beside it. Writes
    summary.json, films.csv with a row a film, films.png and accuracy.png into the output folder. Films can be flipped,
    shifted and zoomed, each with a draw of its own, and the constants found anew from their first frames.

    Example:
        paig-control evaluate run=runs/pend data=pend.npz out=runs/pend-evaluate

    Attributes:
        run: folder of the trained model.
        constants: constants of the model set by hand, in place of the learned ones; run.physics.NAME=VALUE sets one.
        data: data file, several as [a.npz,b.npz], or a folder of them.
        out: folder to write into.
        split: train, valid or test.
        prediction_frames: frames predicted before extrapolation begins; null takes the training's.
        above: the share of films with an extrapolation loss above this is given.
        augment: none, flip (along x, y or both), shift (by 0 to 5 px), zoom (0.8 to 1.25) or all.
        adapt: find the constants of each film anew from its first frames, the eyes left as they are.
        adapt_frames: first frames that are used for it; null takes input and prediction frames. The losses of frames
            after these are given beside the others.
        adapt_change: relative change of the constants that is thought possible, as a standard deviation.
        film: films in the picture.
        device: cpu, cuda, or auto for cuda where there is one.
    """

    run: str = "runs/train"
    constants: dict[str, float] = field(default_factory=dict)
    data: Any = "episodes.npz"
    out: str = "runs/evaluate"
    split: str = "test"
    prediction_frames: int | None = None
    above: float = 3.0
    augment: str = "none"
    adapt: bool = False
    adapt_frames: int | None = None
    adapt_change: float = 0.3
    film: int = 3
    device: str = "auto"


@dataclass
class Report(Common):
    """Show what runs have learned and what was done with them, on one page that needs no network.

    Writes report.html, with all pictures and films inside it, and the same as files beside it. run, control and
    evaluate take one folder, several in brackets as in run=[runs/a,runs/b], or are given several times. Runs are
    grouped by the system that they were trained on; a black box (physics=lstm) is set beside them. The folder of a
    sweep stands for all its runs. Truth is shown where training's summary or an evaluation opened it.

    Example:
        paig-control report run=runs/spring run=runs/black-box control=runs/spring-control out=runs/report

    Attributes:
        run: folders of trained models, or of sweeps.
        control: folders that control wrote, for the table of success and its films.
        evaluate: folders that evaluate wrote, for distances from the truth and films that were augmented.
        data: data file whose test films are predicted; null takes the one that each run was trained on.
        out: folder to write into.
        films: test films that are measured, at most.
        rows: films in the picture of rollouts.
        device: cpu, cuda, or auto for cuda where there is one.
    """

    run: list[str] = field(default_factory=list)
    control: list[str] = field(default_factory=list)
    evaluate: list[str] = field(default_factory=list)
    data: str | None = None
    out: str = "runs/report"
    films: int = 32
    rows: int = 2
    device: str = "auto"


@dataclass
class Goal(Common):
    """Draw a goal image of an environment.

    The state is kept in the picture's text, by which control judges success; the agent sees the pixels only.

    Example:
        paig-control goal env=gym_pendulum state=[0,0] out=upright.png

    Attributes:
        out: picture to write.
        goal: name of one of the environment's goals; null takes its default.
        state: positions, then velocities; null takes the named goal.
    """

    env: Group = None
    out: str = "goal.png"
    goal: str | None = None
    state: list[float] | None = None


@dataclass
class Demo(Common):
    """From nothing to a swung-up pendulum: collect, train, control and pictures, in one folder.

    Example:
        paig-control demo out=demo

    Attributes:
        out: folder to write into.
        sequences: training films.
        steps: frames of each training film.
        goal: as for control; null takes the environment's default.
        episodes: episodes of control.
        film: episodes of which a film is kept.
        control_seed: of the first episode; 1004 starts hanging down.
        device: cpu, cuda, or auto for cuda where there is one.
    """

    out: str = "demo"
    env: Group = None
    physics: Group = None
    model: Group = None
    recipe: Group = None
    agent: Group = None
    planner: Group = None
    objective: Group = None
    sequences: int = 32
    steps: int = 30
    goal: Any = None
    episodes: int = 4
    film: int = 2
    control_seed: int = 1004
    device: str = "auto"


COMMANDS: dict[str, type[Common]] = {
    "collect": Collect,
    "train": Train,
    "control": Control,
    "view": View,
    "evaluate": Evaluate,
    "report": Report,
    "goal": Goal,
    "demo": Demo,
}


def lists(command: str) -> set[str]:
    """Names of the options of a command that take several texts."""
    return {name for name, hint in typing.get_type_hints(COMMANDS[command]).items() if hint == list[str]}
