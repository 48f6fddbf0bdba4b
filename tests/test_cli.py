"""The command line explains itself, refuses what does not fit, and never shows a traceback for a user's mistake."""

import dataclasses
import json
import re
import subprocess
import sys
import typing

import numpy as np
import pytest
from omegaconf import OmegaConf

from paig_control.cli.main import main
from paig_control.errors import PaigError
from paig_control.experiment import records, schema
from paig_control.experiment.compose import configure
from paig_control.experiment.records import documented
from paig_control.learning.settings import RecipeSettings

TINY = ["sequences=2", "steps=5", "valid=1", "test=1"]


@pytest.fixture(autouse=True)
def in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fails(capsys, *words):
    """Run a command that must end with code 2 and one clean message, which is returned."""
    assert main(list(words)) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert error.startswith("error: ")
    return error


# -- help ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--help"], ["help"], ["-h"]])
def test_the_overview_names_every_command(capsys, words):
    assert main(words) == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^  {command} ", text, re.MULTILINE) for command in schema.COMMANDS)


@pytest.mark.parametrize("command", schema.COMMANDS)
def test_help_shows_every_option_with_its_meaning_and_an_example_that_is_accepted(capsys, command):
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    kind = schema.COMMANDS[command]
    for item in dataclasses.fields(kind):
        hint = typing.get_type_hints(kind)[item.name]
        parts = [f".{part.name}" for part in dataclasses.fields(hint)] if dataclasses.is_dataclass(hint) else [""]
        for part in parts if hint is not typing.Any else []:
            assert re.search(rf"^  {item.name}{part}=\S+\s+\S+", text, re.MULTILINE), item.name
    example = re.search(rf"^  paig-control {command} ?(.*)$", text, re.MULTILINE)
    configure(command, example.group(1).split())


def test_every_option_everywhere_is_documented():
    kinds = list(schema.COMMANDS.values())
    kinds += [records.record(group, name) for group, names in records.RECORDS.items() for name in names]
    for kind in kinds:
        hints = typing.get_type_hints(kind)
        for item in dataclasses.fields(kind):
            if hints[item.name] is not typing.Any:
                assert documented(kind).get(item.name), f"{kind.__name__}.{item.name}"


def test_help_of_nested_settings_shows_the_defaults_that_hold(capsys):
    main(["train", "--help"])
    text = capsys.readouterr().out
    assert f"recipe.refine.steps={RecipeSettings().refine.steps} " in text


def test_help_says_that_another_number_of_threads_gives_other_digits(capsys):
    for command in ("train", "control"):
        main([command, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert re.search(r"threads=1 CPU threads for torch; another number adds up in another order.*error bars", text)


def test_the_configuration_can_be_printed(capsys):
    assert main(["train", "--cfg", "job", "seed=3"]) == 0
    assert OmegaConf.create(capsys.readouterr().out).seed == 3


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("paig-control ")


def test_help_does_not_wait_for_torch():
    code = (
        "import sys; from paig_control.cli.main import main; main(['train', '--help']); print('torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.rstrip().endswith("False")


# -- configuration ---------------------------------------------------------------------------------------


def test_defaults_are_those_of_the_records():
    config = configure("train", [])
    assert records.build(RecipeSettings, OmegaConf.to_container(config.recipe)) == RecipeSettings()


def test_the_lines_of_the_readme_are_accepted():
    lines = [
        "collect env=gym_pendulum sequences=60 steps=14 seed=0 out=pend.npz",
        "train data=pend.npz physics=pendulum seed=0 out=runs/pend",
        "control run=runs/pend env=gym_pendulum goal=upright.png episodes=60 seed=1000 out=runs/pend-control",
        "control run=runs/pend env=gym_pendulum objective=reward episodes=60 seed=1000 out=runs/pend-reward",
    ]
    configs = [configure(*(line.split(" ")[0], line.split(" ")[1:])) for line in lines]
    assert configs[2].objective.name == "goal"
    assert configs[3].objective.name == "reward"
    assert configs[3].objective.reward == "pendulum"


def test_planning_for_the_return_looks_less_far_because_it_counts_what_follows():
    config, plain = (configure("control", ["env=gym_pendulum", word]) for word in ("experiment=return", "seed=0"))
    assert (config.objective.name, config.objective.reward) == ("reward", "pendulum")
    assert config.objective.beyond > 0
    assert config.planner.horizon < plain.planner.horizon
    assert config.agent.start_speed == config.env.start_speed > 0
    assert configure("control", ["experiment=return", "planner.horizon=7"]).planner.horizon == 7


def test_environments_and_physics_take_options_of_their_own():
    config = configure("demo", ["env=pendulum", "env.kwargs.size=48", "physics.length=0.5"])
    assert config.env.kwargs.size == 48
    assert config.physics.length == 0.5


@pytest.mark.parametrize("path", ["a b", "a=b,c", "it's (here)", "x,y/[z]", "plain/path.npz"])
def test_paths_need_no_quotes(path):
    assert configure("train", [f"data={path}"]).data == path


def test_an_experiment_holds_only_what_is_particular():
    quick, usual = configure("train", ["experiment=quick"]), configure("train", [])
    assert quick.recipe.refine.steps < usual.recipe.refine.steps
    assert quick.model == usual.model


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["colect"], "collect"),
        (["train", "physcs=pendulum"], "did you mean physics?"),
        (["train", "physics=pendulm"], "did you mean pendulum?"),
        (["train", "sed=1"], "did you mean seed?"),
        (["train", "+foo=1"], "no foo"),
        (["train", "~recipe"], "~recipe"),
        (["train", "recipe.refine.step=1"], "did you mean recipe.refine.steps?"),
        (["train", "recipe.refine=1"], "recipe.refine"),
        (["control", "samples=3"], "did you mean planner.samples?"),
        (["control", "planner.sample=3"], "did you mean planner.samples?"),
        (["control", "objective=rewrad"], "did you mean reward?"),
        (["collect", "physics=pendulum"], "no physics"),
        (["train", "--rezume"], "no flag"),
        (["train", "seed"], "name=value"),
        (["train", "seed=1,2"], "--multirun"),
        (["train", "out=${nothing}"], "nothing"),
    ],
)
def test_what_is_not_known_is_refused_with_the_nearest_that_is(capsys, words, said):
    assert said in fails(capsys, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["control", "planner.samples=abc"], "planner.samples = abc: expected a whole number"),
        (["control", "objective.effort=much"], "expected a number"),
        (["control", "baselines=maybe"], "expected true or false"),
        (["control", "goal_state=3"], "expected a list of numbers"),
        (["train", "model.channels=null"], "expected a whole number"),
        (["train", "dt=fast"], "expected a number or null"),
        (["train", "recipe.identify.integrators=2"], "a list"),
        (["train", f"seed={'9' * 5000}"], "cannot be read"),
        (["train", f"seed={'[' * 500}{']' * 500}"], "cannot be read"),
        (["control", "run=run", "constants.gravity.a=x"], "constants.gravity.a = x: expected a number"),
        (["view", "run=run", "constants.gravity.a=x"], "constants.gravity.a = x: expected a number"),
    ],
)
def test_wrong_types_are_refused(capsys, words, said):
    assert said in fails(capsys, *words)


def test_a_record_that_refuses_a_value_says_so(tmp_path):
    config = configure("control", ["planner.elites=500"])
    kind = records.record("planner", "cem")
    with pytest.raises(PaigError, match="elites"):
        records.build(kind, OmegaConf.to_container(config.planner))


# -- collect and goal ------------------------------------------------------------------------------------


def test_collect_writes_films_and_a_summary_and_does_not_write_over_them(capsys, in_tmp):
    assert main(["collect", "env=pendulum", *TINY, "out=a.npz"]) == 0
    assert "train" in capsys.readouterr().out
    with np.load(in_tmp / "a.npz") as archive:
        assert archive["train_x"].shape == (2, 5, 32, 32, 3)
    summary = json.loads((in_tmp / "a.summary.json").read_text())
    assert summary["frames"] == {"train": 10, "valid": 5, "test": 12}
    assert {"seed", "versions", "machine", "command"} <= summary.keys()
    assert "overwrite=true" in fails(capsys, "collect", "env=pendulum", *TINY, "out=a.npz")
    assert main(["collect", "env=pendulum", *TINY, "out=a.npz", "overwrite=true", "verbosity=0"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_sweep_runs_every_job_and_leaves_nothing_else(in_tmp):
    words = ["collect", "--multirun", "env=pendulum", *TINY, "seed=0,1", "out=s${seed}.npz"]
    assert main(words) == 0
    names = ["s0.npz", "s0.summary.json", "s1.npz", "s1.summary.json"]
    assert sorted(path.name for path in in_tmp.iterdir()) == names
    assert json.loads((in_tmp / "s1.summary.json").read_text())["seed"] == 1


def test_mistakes_in_a_sweep_are_as_clean(capsys):
    assert "did you mean seed?" in fails(capsys, "train", "--multirun", "sed=0,1")
    assert "expected a whole number" in fails(capsys, "train", "-m", "seed=0,a")
    assert main(["train", "-m", "seed=0,1", "data=none.npz"]) == 2
    assert "no data file" in capsys.readouterr().err


def test_films_that_end_early_are_kept_and_it_is_said(tmp_path, capsys):
    out = tmp_path / "a.npz"
    words = ["env=CartPole-v1", "env.kwargs.size=16", "sequences=3", "steps=90", "valid=0", "test=0"]
    assert main(["collect", *words, f"out={out}"]) == 0
    notes = json.loads(out.with_suffix(".summary.json").read_text())["notes"]
    assert notes[0].startswith("train_x has 3 films of ")
    assert "endless=true" in notes[-1]
    assert "endless=true" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["collect", "env=dm_control/cartpole-swingup"], "paig-control[dm_control]"),
        (["collect", "env.kwargs.env_id=Pendlum-v1"], "Pendulum"),
        (["collect", "env.kwargs.siz=3"], "did you mean size?"),
        (["collect", "env=pendulum", "env.kwargs.gravty=3"], "gravity"),
        (["collect", "env.id=Pendulum-v1"], "env_id"),
        (["collect", "sequences=0"], "sequences"),
        (["collect", "policy=best"], "random, smooth or zero"),
        (["collect", "workers=0"], "workers = 0: expected a whole number of processes"),
        (["collect", "workers=1.5"], "workers"),
        (["collect", "out=a.txt"], ".npz"),
        (["goal", "state=[1]"], "expected 2 numbers"),
        (["goal", "goal=upright_"], "did you mean upright?"),
        (["goal", "out=a.jpg"], ".png"),
        (["goal", "env.id=paig/Pendlum-v0"], "Pendulum"),
        (["goal", "env=FrozenLake-v1"], "cannot draw"),
        (["goal", "env=MountainCar-v0"], "MountainCar-v0 has no goals. Give a state, for example state=[0,0]"),
        (["train", "data=none.npz"], "no data file"),
        (["train", "verbosity=7"], "verbosity"),
        (["evaluate", "split=tset"], "split"),
    ],
)
def test_mistakes_end_with_one_message(capsys, words, said):
    assert said in fails(capsys, *words)


def test_a_goal_is_drawn_with_its_state(in_tmp):
    assert main(["goal", "env=pendulum", "state=[0.5,0]", "out=g/a.png"]) == 0
    from paig_control.goals import goal_files

    image, state, notes = goal_files.read(in_tmp / "g" / "a.png", (32, 32))
    assert image.shape == (32, 32, 3)
    assert state.ravel().tolist() == [0.5, 0.0]
    assert notes == ()


def test_damaged_data_are_refused(capsys, in_tmp):
    frames = np.zeros((2, 5, 8, 8, 3), np.uint8)
    np.savez(in_tmp / "whole.npz", train_x=frames)
    (in_tmp / "cut.npz").write_bytes((in_tmp / "whole.npz").read_bytes()[:300])
    np.savez(in_tmp / "pickled.npz", train_x=np.array([{}], dtype=object))
    np.savez(in_tmp / "nan.npz", train_x=frames, train_u=np.full((2, 4, 1), np.nan))
    np.savez(in_tmp / "lengths.npz", train_x=frames, train_u=np.zeros((2, 5, 1)))
    for name, said in (("cut", "damaged"), ("pickled", "pickled"), ("nan", "NaN"), ("lengths", "lengths.npz")):
        assert said in fails(capsys, "train", f"data={name}.npz")
    assert "dt" in fails(capsys, "train", "data=whole.npz")


def test_an_interrupted_training_says_how_to_go_on(capsys, monkeypatch):
    from paig_control.cli import train

    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run", stopped)
    assert main(["train"]) == 130
    assert "resume=true" in capsys.readouterr().err


def test_meanings_are_read_whether_or_not_python_has_taken_a_docstrings_indentation_away() -> None:
    class Base:
        pass

    class Record(Base):
        pass

    Base.__doc__ = "A base.\n\n        Attributes:\n            size: how large.\n        "  # as before Python 3.13
    Record.__doc__ = "A record.\n\nAttributes:\n    count: how many,\n        in all.\n    kind: which: one.\n"
    assert documented(Record) == {"size": "how large.", "count": "how many, in all.", "kind": "which: one."}
