"""Films from several processes: the same whatever their number, whatever happens to them."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import walkers

from paig_control.data.collection import collect
from paig_control.data.crew import held_back, shares
from paig_control.data.episodes import load
from paig_control.errors import PaigError

HERE = Path(__file__).parent
WALKER = {"env_id": "walkers/Walker-v0", "sequences": 9, "steps": 5, "valid": 2, "test": 5, "test_steps": 6, "seed": 2}
SCRIPT = """
import sys
import gymnasium as gym
from paig_control.cli.main import main
if {guarded} or __name__ == "__main__":
    gym.register("walkers/Walker-v0", entry_point="walkers:Walker")
    sys.exit(main(["collect", "env=walkers:walkers/Walker-v0", *{words}]))
"""


@pytest.fixture(autouse=True)
def walker():
    gym.register("walkers/Walker-v0", entry_point=walkers.Walker)
    yield
    del gym.registry["walkers/Walker-v0"]
    assert multiprocessing.active_children() == []


def same(one, other):
    assert one.meta == other.meta
    assert set(one.arrays) == set(other.arrays)
    for name, value in one.arrays.items():
        np.testing.assert_array_equal(value, other.arrays[name], err_msg=name)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {"env_id": "paig/Spring-v0", "sequences": 7, "steps": 4, "valid": 1, "test": 3},
        WALKER,
        WALKER | {"num_envs": 3, "policy": walkers.to_the_right},
        WALKER | {"steps": 11, "test_steps": 10},  # of which many end early
    ],
)
def test_films_are_the_same_for_any_number_of_processes(settings, workers):
    same(collect(**settings), collect(**settings, workers=workers))


def test_an_environment_within_another_is_known_in_every_process():
    gym.register("walkers/Inner-v0", entry_point="gymnasium.envs.classic_control.pendulum:PendulumEnv")
    settings = {"sequences": 3, "steps": 3, "valid": 0, "test": 0}
    try:
        two = collect("paig/Pixels-v0", **settings, env_kwargs={"env_id": "walkers/Inner-v0"}, workers=2)
    finally:
        del gym.registry["walkers/Inner-v0"]
    np.testing.assert_array_equal(two.arrays["train_u"], collect("paig/Pixels-v0", **settings).arrays["train_u"])


def test_what_others_cannot_have_is_refused():
    class Local(walkers.Walker):
        pass

    gym.register("walkers/Local-v0", entry_point=Local)
    try:
        with pytest.raises(PaigError, match=r"walkers/Local-v0 .* give it in a module .* workers=1"):
            collect(**WALKER | {"env_id": "walkers/Local-v0"}, workers=2)
    finally:
        del gym.registry["walkers/Local-v0"]
    with pytest.raises(PaigError, match="The policy cannot be sent"):
        collect(**WALKER, policy=lambda frames: np.ones(1), workers=2)
    with pytest.raises(PaigError, match="arguments cannot be sent"):
        collect(**WALKER, env_kwargs={"folder": lambda: 0}, workers=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_out_as_from_one_process(workers):
    with pytest.raises(PaigError, match="Walker-v0's reset failed with RuntimeError: no way to the left"):
        collect(**WALKER, env_kwargs={"fault": "raises"}, workers=workers)
    with pytest.raises(PaigError, match="50 episodes of walkers/Walker-v0 in a row ended before 8 frames"):
        collect(**WALKER | {"steps": 20}, env_kwargs={"longest": 4}, workers=workers)
    with pytest.raises(KeyError, match="1"):
        collect(**WALKER, policy=walkers.fails, workers=workers)


def test_a_warning_comes_out_once():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        collect(**WALKER, env_kwargs={"fault": "warns"}, workers=2)
    assert [str(one.message) for one in told] == ["the dot is on the left"]


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "two"])
def test_the_number_of_processes_is_a_whole_one(workers):
    with pytest.raises(PaigError, match="expected a whole number of processes"):
        collect(**WALKER, workers=workers)


def test_all_processes_get_as_many_pieces():
    assert shares(500, 2, None) == (63, 63)
    assert shares(3, 8, None) == (1, 1)
    assert shares(60, 2, 1) == (1, 4)
    assert shares(60, 2, 16) == (16, 16)


def script(folder, fault, deaths=1, unguarded=False):
    """A process that collects in others, which have a fault."""
    (folder / "marks").mkdir()
    words = [f"out={folder / 'a.npz'}", "sequences=9", "steps=5", "valid=2", "test=5", "test_steps=6", "seed=2"]
    words += [f"env.kwargs.{key}={value}" for key, value in (("fault", fault), ("deaths", deaths))]
    words += [f"env.kwargs.folder={folder / 'marks'}", "workers=2"]
    file = folder / "script.py"
    file.write_text(SCRIPT.format(guarded=unguarded, words=words))
    places = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE)))}
    return subprocess.Popen([sys.executable, file], env=places, stderr=subprocess.PIPE, text=True)


def test_films_of_a_process_that_dies_are_made_by_another(tmp_path):
    begun = script(tmp_path, "dies")
    said = begun.communicate()[1]
    assert begun.returncode == 0, said
    assert said.count("note: A process that filmed died (exit code -9); another makes its films.") == 1
    assert len(list((tmp_path / "marks").iterdir())) == 1
    films, alone = load(tmp_path / "a.npz"), collect(**WALKER)
    assert set(films.arrays) == set(alone.arrays)
    for name, value in alone.arrays.items():
        np.testing.assert_array_equal(films.arrays[name], value)


def test_films_that_end_every_process_are_named(tmp_path):
    said = script(tmp_path, "dies", deaths=100).communicate()[1]
    assert re.search(r"error: 3 processes died over train films of walkers/Walker-v0, numbers \d+ to \d+: ", said), said
    assert "Traceback" not in said


def test_a_script_that_each_process_would_run_again_is_told_so(tmp_path):
    begun = script(tmp_path, "warns", unguarded=True)
    said = begun.communicate()[1]
    assert begun.returncode == 2
    assert "error: A process to film in could not be started" in said


def test_an_interrupt_waits_until_a_process_that_begins_is_known():
    done = []

    def begin():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("began")

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert done == ["began"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_leaves_no_process(tmp_path):
    begun = script(tmp_path, "waits")
    while not list((tmp_path / "marks").iterdir()):
        assert begun.poll() is None
        time.sleep(0.05)
    begun.send_signal(signal.SIGINT)
    assert "stopped. Nothing that was complete is lost." in begun.communicate()[1]
    assert begun.returncode == 130
    for mark in (tmp_path / "marks").iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.name), 0)
