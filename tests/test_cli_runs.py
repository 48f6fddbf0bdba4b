"""The whole path on the command line, with a training that is far too short to be good."""

import csv
import json
import re
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

from paig_control.cli.main import main

QUICK = [
    "recipe.discover.rounds=2",
    "recipe.discover.steps=40",
    "recipe.warm_start.steps=60",
    "recipe.refine.steps=4",
    "recipe.identify.integrators=[pefrl-2]",
]
SMALL = ["planner.samples=40", "planner.horizon=15", "steps=12", "hold=3", "timing_steps=3"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with films and a trained run."""
    folder = tmp_path_factory.mktemp("home")
    data, run = folder / "pend.npz", folder / "pend"
    assert main(["collect", "env=pendulum", "sequences=12", "steps=14", "test=3", f"out={data}", "verbosity=0"]) == 0
    assert main(["train", f"data={data}", f"out={run}", *QUICK, "verbosity=0"]) == 0
    return folder


@pytest.fixture(autouse=True)
def at_home(home, monkeypatch):
    monkeypatch.chdir(home)


def summary(name):
    return json.loads((Path(name) / "summary.json").read_text())


def fails(capsys, *words):
    assert main(list(words)) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_constants_are_set_by_hand_and_the_learned_ones_are_said(home, capsys):
    words = ["control", "run=pend", "env=pendulum", *SMALL, "episodes=1", "baselines=false", "film=1"]
    assert main([*words, "run.physics.gravity=15", "out=by-hand"]) == 0
    assert "gravity is set to 15 by hand; learned was" in capsys.readouterr().err
    assert summary("by-hand")["constants_by_hand"] == {"gravity": 15.0}
    common = ["evaluate", "run=pend", "data=pend.npz", "verbosity=0", "film=1"]
    for value in (None, 20):
        hand = [] if value is None else [f"run.physics.gravity={value}"]
        assert main([*common, *hand, f"out=evaluate-{value}"]) == 0
    learned, wrong = summary("evaluate-None"), summary("evaluate-20")
    assert wrong["eval_pred_loss"] > 1.5 * learned["eval_pred_loss"]
    assert wrong["constants"] == learned["constants"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("run.physics.gravty=15", "no constant 'gravty': it has gravity, actuation"),
        ("run.physics.gravity=inf", "gravity = inf is outside its bounds"),
        ("run.physics.gravity=much", "expected a number"),
        ("run.physics.gravity=null", "constants.gravity"),
        ("adapt=yes", "expected none or online"),
    ],
)
def test_constants_that_cannot_be_set_are_refused(capsys, word, said):
    assert said in fails(capsys, "control", "run=pend", "env=pendulum", word)


def test_with_adapt_online_the_last_estimates_are_told(home, capsys):
    words = ["control", "run=pend", "env=pendulum", *SMALL, "episodes=2", "baselines=false", "film=1"]
    assert main([*words, "adapt=online", "out=online", "overwrite=true"]) == 0
    found = summary("online")["adaptation"]
    assert set(found) == {"gravity", "actuation"}
    assert found["gravity"]["median_std"] > 0
    rows = list(csv.DictReader((Path("online") / "episodes.csv").open()))
    assert sorted(float(row["gravity_estimate"]) for row in rows) == pytest.approx(found["gravity"]["range"])
    assert "Constants at the end of the episodes" in capsys.readouterr().out


def test_training_writes_what_was_promised(home):
    found = summary("pend")
    names = (
        "constants eval_recons_loss eval_pred_loss eval_extrap_loss frames cpu_seconds wall_seconds peak_mb converged "
        "seed versions machine command"
    )
    assert set(names.split()) <= found.keys()
    assert found["frames"] == 12 * 14
    assert found["filmed"] == "Pendulum-v0"
    gravity = found["constants"]["gravity"]
    assert gravity.keys() == {"value", "std", "unit", "limit", "truth"}
    assert gravity["truth"] == 10.0
    assert abs(gravity["value"] - 10.0) < 1.0
    assert {path.name for path in (home / "pend").glob("*.png")} >= {"learned.png", "curves.png"}


def test_the_same_seed_gives_the_same_summary_twice(home):
    assert main(["train", "data=pend.npz", "out=again", *QUICK, "verbosity=0"]) == 0
    first, second = summary("pend"), summary("again")
    for found in (first, second):
        for name in ("command", "cpu_seconds", "wall_seconds", "peak_mb"):
            del found[name]
        del found["options"]["data"], found["options"]["out"]
    assert first == second


def test_control_towards_a_goal_picture(home, capsys):
    assert main(["goal", "env=pendulum", "env.kwargs.size=48", "out=up.png", "overwrite=true"]) == 0
    words = ["control", "run=pend", "env=pendulum", "goal=up.png", "episodes=3", "film=1", *SMALL, "out=control"]
    assert main(words) == 0
    text = capsys.readouterr()
    assert "48 x 48" in text.err
    assert "random" in text.out
    found = summary("control")
    names = (
        "return_mean oracle_return_mean random_return_mean regret_mean regret_worst success_rate success_interval "
        "control_hz control_ms_median episodes random_success_rate oracle_success_rate start_distance_min"
    )
    assert set(names.split()) <= found.keys()
    assert found["episodes"] == 3
    assert found["goal_state"] == [[[0.0]], [[0.0]]]
    with open(home / "control" / "episodes.csv") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["1000", "1001", "1002"]
    assert (home / "control" / "film.gif").stat().st_size > 1000
    assert (home / "control" / "goal.png").is_file()


def test_control_for_reward_is_the_same_twice(home):
    for name in ("reward1", "reward2"):
        words = ["control", "run=pend", "env=pendulum", "objective=reward", "episodes=2", "film=0", *SMALL]
        assert main([*words, f"out={name}", "baselines=false", "verbosity=0"]) == 0
    one, two = summary("reward1"), summary("reward2")
    assert one["return_mean"] == two["return_mean"]
    assert one["random_return_mean"] is None


def test_a_goal_that_cannot_be_held_is_told_with_the_nearest_that_can(home, capsys):
    assert main(["goal", "env=pendulum", "state=[1.2,0]", "out=side.png", "verbosity=0"]) == 0
    words = ["control", "run=pend", "env=pendulum", "goal=side.png", "episodes=1", "film=0", *SMALL]
    assert main([*words, "out=side", "baselines=false"]) == 0
    said = re.search(r"no action can hold the goal; the nearest that can is at \[(.*)\]", capsys.readouterr().err)
    assert float(said.group(1)) == pytest.approx(np.arcsin(0.4), abs=0.08)


def test_control_towards_goals_that_the_environment_draws(home, capsys):
    words = ["control", "run=pend", "env=pendulum", "goals=3", "film=1", "steps=40", "seed=1004", "timing_steps=0"]
    assert main([*words, "planner.samples=40", "planner.horizon=15", "batch=2", "out=drawn"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "3 goals at rest at least 0.3 from the start" in text
    assert "95 % interval" in text
    found = summary("drawn")
    assert found["goals_candidates"] == 3 + sum(found["goals_refused"].values())
    assert (found["hold"], found["within"], found["steps"], found["episodes"]) == (5, 0.15, 40, 3)
    assert len(found["oracle_success_interval"]) == len(found["random_success_interval"]) == 2
    with open(home / "drawn" / "episodes.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["1004", "1005", "1006"]
    assert min(float(row["start_distance"]) for row in rows) >= 0.3
    assert all(float(row["final_distance"]) >= 0 and row["start_solved"] == "False" for row in rows)


def test_control_with_frames_lost_and_noisy(home):
    words = ["control", "run=pend", "env=pendulum", "episodes=2", "film=1", *SMALL, "baselines=false", "verbosity=0"]
    assert main([*words, "out=calm"]) == 0
    assert main([*words, "out=disturbed", "disturb.drop=0.2", "disturb.noise=0.05"]) == 0
    assert summary("disturbed")["options"]["disturb"] == {"drop": 0.2, "noise": 0.05, "hide": 0}
    assert summary("calm")["return_mean"] != summary("disturbed")["return_mean"]


def test_a_goal_picture_that_does_not_exist_is_the_environments_goal_of_that_name(home, capsys):
    words = ["control", "run=pend", "env=pendulum", "goal=down.png", "episodes=1", "film=0", *SMALL]
    assert main([*words, "out=down", "baselines=false"]) == 0
    assert "was drawn" in capsys.readouterr().err
    assert summary("down")["goal_state"][0][0][0] == pytest.approx(np.pi)


def test_evaluation_of_a_run(home):
    assert main(["evaluate", "run=pend", "data=pend.npz", "out=evaluated", "verbosity=0"]) == 0
    trained, found = summary("pend"), summary("evaluated")
    assert found["eval_pred_loss"] == pytest.approx(trained["eval_pred_loss"])
    assert found["constants"]["gravity"]["truth"] == 10.0
    assert found["positions"]["reading_rms"] < 0.2  # radians


def test_a_pendulum_is_adapted_to_new_films_but_not_moved_about_in_the_picture(home, capsys):
    words = ["evaluate", "run=pend", "data=pend.npz", "out=adapted", "adapt=true", "adapt_frames=14", "verbosity=0"]
    assert main(words) == 0
    assert summary("adapted")["adaptation"]["relative_errors"]["gravity"]["median"] < 0.2
    assert "fixed axle" in fails(capsys, "evaluate", "run=pend", "data=pend.npz", "out=refused", "augment=flip")
    assert not (home / "refused").exists()


def test_a_folder_that_holds_a_run_is_left_alone(home, capsys):
    before = summary("pend")
    assert "overwrite=true" in fails(capsys, "train", "data=pend.npz", "out=pend")
    assert "choose one" in fails(capsys, "train", "data=pend.npz", "out=pend", "resume=true", "overwrite=true")
    assert "overwrite=true" in fails(capsys, "evaluate", "run=pend", "data=pend.npz", "out=pend")
    assert "is a file" in fails(capsys, "train", "data=pend.npz", "out=pend.npz")
    assert summary("pend") == before
    assert main(["train", "data=pend.npz", "out=pend", "resume=true", *QUICK]) == 0
    assert summary("pend")["constants"] == before["constants"]


@pytest.fixture(scope="module")
def arrays(home):
    """Goals as NumPy files, good and bad."""
    draw = gym.make("paig/Pendulum-v0", disable_env_checker=True).get_wrapper_attr("draw")
    frames = np.stack([draw([[[angle]], [[0.0]]]) for angle in (-0.1, 0.0)])
    np.save(home / "one.npy", frames[1])
    np.save(home / "two.npy", frames)
    np.save(home / "scaled.npy", frames / 255)
    np.save(home / "flat.npy", frames.reshape(2, -1))
    np.save(home / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(home / "noise.npy", np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8))


def test_a_goal_is_an_array_coordinates_or_two_frames(arrays, capsys):
    words = ["control", "run=pend", "env=pendulum", "episodes=1", "film=1", *SMALL, "baselines=false"]
    for name, goal in (("array", "goal=one.npy"), ("told", "goal=[0.0]")):
        assert main([*words, goal, f"out={name}", "objective=picture", "objective.walls=[-9,9]"]) == 0
        np.testing.assert_allclose(summary(name)["goal_state"], [[[0.0]], [[0.0]]], atol=0.02)
        assert summary(name)["hold"] == 3
    assert summary("told")["goal_state_source"] == "given as coordinates"
    at_rest, moving = (Image.open(name + "/goal.png").convert("RGB") for name in ("array", "told"))
    assert np.abs(np.asarray(at_rest, float) - np.asarray(moving, float)).mean() < 8
    capsys.readouterr()
    less = [word for word in words if not word.startswith("hold")]
    assert main([*less, "goal=two.npy", "goal_state=[0,2]", "out=moving", "objective.smoothness=0.1"]) == 0
    assert summary("moving")["hold"] == 0
    assert "hold" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run=nowhere"], "nowhere"),
        (["env.kwargs.size=48"], "env.kwargs.size=32"),
        (["goal=nothing.png"], "upright"),
        (["goal=pend.npz"], "not an image"),
        (["goal_state=[1]"], "expected 2 numbers"),
        (["hold=300"], "hold"),
        (["goals=3", "goal=down"], "show one goal"),
        (["goals=3", "objective=reward"], "objective=goal"),
        (["goal=[1]", "objective=reward", "goal_state=[1]"], "expected 2 numbers"),
        (["goal=[1,2,3]"], "expected 1 numbers"),
        (["goal=[a.png,b.png]"], "a.png"),
        (["goal=[a.png,1]"], "two pictures"),
        (["goal=scaled.npy"], "expected uint8"),
        (["goal=flat.npy"], "(height, width, 3)"),
        (["goal=pickled.npy"], "numpy.save"),
        (["goal=noise.npy"], "object 0 is not found"),
        (["goal=two.npy", "objective=picture"], "objective=goal"),
        (["objective.keep_out=[[1,2,3]]"], "2 numbers for a disc"),
        (["objective.keep_out=[1,2]"], "each a list of numbers"),
        (["objective.walls=[1]"], "expected 2 numbers"),
        (["objective=picture", "objective.frames=0"], "frames"),
        (["goals=0"], "at least 1"),
        (["goals=1", "distance=9", "steps=1"], "lower the distance"),
        (["distance=9"], "goals=100"),
        (["planner.elites=500"], "elites"),
        (["env.id=test/Two-v0", "env.kwargs={}"], "2"),
        (["objective=reward", "objective.reward=fame"], "fame"),
        (["device=tpu"], "tpu"),
        (["threads=0"], "threads"),
        (["disturb.drop=1"], "disturb.drop"),
        (["disturb.hide=5"], "one object"),
    ],
)
def test_mistakes_of_control_are_refused_before_anything_is_written(home, arrays, capsys, words, said):
    assert said in fails(capsys, "control", "run=pend", "env=pendulum", "out=refused", *words)
    assert not (home / "refused").exists()


def test_what_a_model_gives_to_remark_is_said_even_if_the_task_is_refused(home, capsys):
    error = fails(capsys, "control", "run=pend", "env=pendulum", "run.physics.gravity=15", "goal=nothing.png")
    assert "gravity is set to 15 by hand" in error
    assert error.index("set to 15") < error.index("nothing.png")


class TwoActions(gym.Env):
    observation_space = gym.spaces.Box(0, 255, (32, 32, 3), np.uint8)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)


gym.register("test/Two-v0", entry_point=TwoActions)


def test_checkpoints_that_are_broken_are_refused(home, capsys):
    def spoiled(name, spoil):
        shutil.copytree(home / "pend", home / name)
        spoil(home / name / "checkpoint")
        return fails(capsys, "control", f"run={name}", "env=pendulum", "out=refused")

    def cut(folder):
        weights = folder / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])

    def aged(folder):
        description = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps({**description, "format": 99}))

    assert "whole checkpoint" in spoiled("cut", cut)
    assert "format 99" in spoiled("aged", aged)
    assert "checkpoint" in spoiled("gone", shutil.rmtree)
    assert not (home / "refused").exists()


def test_an_unreadable_picture_is_refused(home, capsys):
    Image.new("RGB", (32, 32)).save(home / "cut.png")
    (home / "cut.png").write_bytes((home / "cut.png").read_bytes()[:60])
    assert "cut.png" in fails(capsys, "control", "run=pend", "env=pendulum", "goal=cut.png", "out=refused")
