"""Several processes train as one does: the same bits, one that speaks, and an end that all know the reason of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hasty import FILMS, HASTY
from safetensors.torch import load_file
from torch.distributed import HashStore

import paig_control
from paig_control import ranks
from paig_control.cli.main import main

TWO = ["--standalone", "--nproc-per-node=2"]
SHORT = [*HASTY, "model.eyes=network", "recipe.checkpoint_seconds=0", "verbosity=1"]
STARTED = """
import os, signal, sys
from paig_control import ranks
from paig_control.cli.main import main
from paig_control.learning import optimise

ranks.PIXELS = 1
rank, attempt, keep = os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"], optimise._gradient
own = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)


def gradient(loop, step, parameters):
    if "kill" in sys.argv[own:] and (loop.stage, step, rank, attempt) == ("refine", 1, "1", "0"):
        os.kill(os.getpid(), signal.SIGKILL)
    return keep(loop, step, parameters)


optimise._gradient = gradient
words = [word for word in sys.argv[own + 1 :] if rank == "1" and "=" in word]
sys.exit(main([*sys.argv[1:own], *words]))
"""
"""Starts training with words of the second process' own behind --, where it may also be told to be killed; small
pictures are shared out as large ones are."""


def torchrun(home: Path, words: Sequence[str], launch: Sequence[str] = TWO) -> subprocess.CompletedProcess[str]:
    """Run words on two processes in a folder."""
    known = {key: value for key, value in os.environ.items() if not key.startswith(("TORCHELASTIC", "PYTEST_"))}
    path = str(Path(paig_control.__file__).parents[1])
    command = [sys.executable, "-m", "torch.distributed.run", *launch, *words]
    return subprocess.run(
        command,
        cwd=home,
        env={**known, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films, ``pend.npz``, and one process' training on them, ``one``."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "started.py").write_text(STARTED)
    assert main(["collect", *FILMS, f"out={folder / 'pend.npz'}", "verbosity=0"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "PIXELS", 1)
        assert main(["train", *SHORT, f"data={folder / 'pend.npz'}", f"out={folder / 'one'}", "verbosity=0"]) == 0
    return folder


def same(one: Path, other: Path) -> None:
    """Weights, constants and losses of two trainings are the same, to a part in 100,000."""
    weights = [load_file(run / "checkpoint" / "weights.safetensors") for run in (one, other)]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], rtol=1e-5, atol=1e-6), name
    found = [json.loads((run / "summary.json").read_text()) for run in (one, other)]
    for name in ("residual", "eval_recons_loss", "eval_pred_loss"):
        assert found[0][name] == pytest.approx(found[1][name], rel=1e-5), name
    values = [{name: one["value"] for name, one in each["constants"].items()} for each in found]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


# -- one process -----------------------------------------------------------------------------------------


def test_one_process_does_all_itself_and_waits_for_nobody() -> None:
    seen: list[slice] = []

    def work(own: slice) -> tuple[torch.Tensor]:
        seen.append(own)
        return (torch.arange(7)[own],)

    assert ranks.each(7, work, 4)[0].tolist() == list(range(7))
    assert seen == [slice(0, 7)]
    assert float(ranks.total(3, lambda n: torch.tensor(10.0**n))) == 111.0
    assert ranks.first()
    assert ranks.count() == 1
    assert not ranks.restarted()
    assert ranks.agreed(2.5) == 2.5
    assert ranks.failed("as it was") == "as it was"


def test_parts_of_a_batch_give_the_gradient_of_the_whole() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    idle = torch.nn.Parameter(torch.ones(1))
    rows = torch.arange(10.0).reshape(5, 2)

    def work(part: int) -> torch.Tensor:
        some = rows[ranks.part(5, part, 3)] @ weight
        return torch.stack([some.square().sum() / 5, some.detach().sum()])

    loss, figure = ranks.gradient([weight, idle], 3, work).tolist()
    assert loss == pytest.approx(float((rows @ weight).detach().square().mean()))
    assert figure == pytest.approx(float((rows @ weight).detach().sum()))
    assert weight.grad is not None
    assert idle.grad is not None
    assert torch.allclose(weight.grad, 2 * rows.T @ (rows @ weight.detach()) / 5)
    assert idle.grad.tolist() == [0.0]


@pytest.mark.parametrize(("pixels", "parts"), [(32 * 32 * 32, 1), (2**18, 2), (2**30, ranks.PARTS)])
def test_batches_of_small_pictures_are_not_shared_out(pixels: int, parts: int) -> None:
    assert ranks.parts(pixels) == parts


# -- two processes ---------------------------------------------------------------------------------------

UNITS = """
import torch
from paig_control import ranks
from paig_control.errors import PaigError

with ranks.joined():
    me, seen = int(ranks.os.environ["RANK"]), []

    def work(own):
        seen.append(own)
        return torch.arange(10)[own], torch.arange(20.0).reshape(10, 2)[own]

    numbers, pairs = ranks.each(10, work, 4)
    assert numbers.tolist() == list(range(10)) and torch.equal(pairs, torch.arange(20.0).reshape(10, 2))
    assert seen == [slice(0, 4) if me == 0 else slice(4, 10)]
    (lonely,) = ranks.each(3, lambda own: (torch.ones(3)[own],), 4)
    assert lonely.tolist() == [1.0] * 3
    terms = torch.rand(5, 3, generator=torch.Generator().manual_seed(0)).mul(1e3).double().float()
    whole = ranks.total(5, lambda n: terms[n])
    assert torch.equal(whole, terms[0] + terms[1] + terms[2] + terms[3] + terms[4])
    weight = torch.nn.Parameter(torch.ones(3))
    told = ranks.gradient([weight], 5, lambda n: (terms[n] * weight.square()).sum()[None])
    assert torch.allclose(weight.grad, 2 * terms.sum(0)) and torch.allclose(told, terms.sum())
    assert ranks.count() == 2 and ranks.first() == (me == 0) and ranks.agreed(5.0 + me) == 5.0
    ranks.check_alike({"films": "a", "seed": 1})
    try:
        ranks.check_alike({"films": "a", "seed": me})
    except PaigError as error:
        assert "seed is 0 for process 0 and 1 for process 1" in str(error)
    else:
        raise AssertionError("nothing differs")

    def refuse(own):
        if own.start:
            raise PaigError("The second half is bad.")
        return (torch.zeros(4),)

    try:
        ranks.each(8, refuse)
    except PaigError as error:
        assert str(error) == "The second half is bad."
    else:
        raise AssertionError("nobody refused")
assert ranks.count() == 1
open(f"passed{me}", "w").close()
"""


def test_two_processes_share_rows_and_terms_and_know_all_of_both(tmp_path: Path) -> None:
    (tmp_path / "units.py").write_text(UNITS)
    done = torchrun(tmp_path, ["units.py"])
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("passed*")} == {"passed0", "passed1"}


def test_two_processes_learn_what_one_does_and_one_of_them_speaks(home: Path) -> None:
    done = torchrun(home, ["started.py", "train", *SHORT, "data=pend.npz", "out=two"])
    assert done.returncode == 0, done.stderr
    same(home / "one", home / "two")
    assert done.stdout.count("Loss a frame on the test films") == 1
    assert len([line for line in done.stderr.splitlines() if line.startswith("warm_start")]) == 1
    assert {path.name for path in (home / "two").iterdir()} == {path.name for path in (home / "one").iterdir()}


def test_a_start_is_not_confused_by_what_killed_processes_have_left() -> None:
    store, names = HashStore(), set[str]()
    store.set("rank 1", "left")
    for again in (False, True):
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda rank: ranks._begin(store, rank, 3), range(3)))
        assert len(set(found)) == 1
        assert found[0][1] is again
        names.add(found[0][0])
    assert len(names) == 2


# -- ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "own", "said"),
    [
        (["train"], "seed=1", "The processes do not train the same: seed is 0 for process 0 and 1 for process 1."),
        (["train"], "data=none.npz", "Process 1 of 2: There is no data file none.npz"),
        (["train", "resume=true"], "out=elsewhere", "Process 1 of 2 does not see what process 0 writes into refused"),
        (["train", "--multirun"], "", "torchrun is for one training"),
    ],
)
def test_all_end_with_what_one_says_and_it_is_said_once(words: list[str], own: str, said: str, home: Path) -> None:
    given = [*SHORT, "data=pend.npz", "out=refused", "overwrite=true"]
    if "resume=true" in words:
        given.pop()
    done = torchrun(home, ["started.py", *words, *given, "--", own])
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(told) == 1, done.stderr
    assert told[0].startswith(f"error: {said}")
    assert not (home / "refused" / "checkpoint").exists()


def test_a_killed_process_is_started_again_with_all_others_and_they_go_on_by_themselves(home: Path) -> None:
    words = ["started.py", "train", *SHORT, "data=pend.npz", "out=killed", "--", "kill"]
    done = torchrun(home, words, [*TWO, "--max-restarts=1"])
    assert done.returncode == 0, done.stderr
    notes = json.loads((home / "killed" / "summary.json").read_text())["notes"]
    assert "Resumed in stage refine at step 1." in notes
    same(home / "one", home / "killed")
