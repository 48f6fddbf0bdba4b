"""Whatever stdout is, results are saved first, and printing them never fails."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hasty import CONTROL, FILMS, HASTY, PLANNED

from paig_control import runs
from paig_control.cli import output
from paig_control.cli.main import main
from paig_control.cli.output import steady


@pytest.fixture(scope="module")
def home(hardly_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films and a run that was hardly trained."""
    return shutil.copytree(hardly_trained, tmp_path_factory.mktemp("streams") / "home")


def narrow(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.BytesIO:
    """Make stdout one that knows few characters; what arrives there."""
    arrived = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(arrived, encoding=encoding, write_through=True))
    return arrived


@pytest.mark.parametrize("encoding", ["gbk", "ascii", "cp437"])
def test_a_stdout_that_knows_few_characters_gets_all_of_it_readably(
    home: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.chdir(home)
    arrived = narrow(monkeypatch, encoding)
    out = f"läufe {encoding}"
    assert main(["train", "data=pend.npz", f"out={out}", "resume=true", *HASTY]) == 0
    assert (home / out / "summary.json").is_file()
    with steady():
        print("4 ± 1 1/s²", "läufe", "目标", "\udce4")
    said = arrived.getvalue().decode(encoding)
    assert "gravity" in said
    assert ("±" if encoding != "ascii" else "+-") in said
    assert ("²" if encoding == "cp437" else "^2") in said
    assert ("läufe" if encoding == "cp437" else "l\\xe4ufe") in said
    assert ("目标" if encoding == "gbk" else "\\u76ee\\u6807") in said
    assert "\\udce4" in said


def test_in_every_command_the_summary_is_there_before_results_are_printed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    written: list[Path] = []
    said: list[str] = []

    def speak(self: output.Screen, text: str, *rest: object) -> None:
        said.append(text)
        if text[:2] not in ("1.", "2.", "3."):
            assert written, text

    for name in ("say", "table"):
        monkeypatch.setattr(output.Screen, name, speak)
    keep = runs.write
    monkeypatch.setattr(runs, "write", lambda p, text: (keep(p, text), written.append(p) if "summary" in p.name else 0))
    commands = [
        ["collect", *FILMS, "out=again.npz"],
        ["train", "data=pend.npz", "out=trained", *HASTY],
        ["train", "--multirun", "data=pend.npz", "out=swept", "seed=1,2", "hydra/launcher=basic", *HASTY],
        ["control", "run=run", "out=controlled", "episodes=1", "film=1", *CONTROL, *PLANNED],
        ["evaluate", "run=run", "data=pend.npz", "out=evaluated"],
        ["report", "run=run", "out=reported"],
        ["demo", "out=shown", *FILMS[:3], FILMS[-1], "episodes=1", "film=1", *HASTY, *PLANNED],
    ]
    for words in commands:
        written.clear()
        said.clear()
        assert main(words) == 0, words
        assert said, words


def run(home: Path, *words: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, through the shell where that is asked for."""
    line = [sys.executable, "-m", "paig_control.cli.main", *words]
    if shell:
        line = ["bash", "-c", f'"$@" {shell}', "bash", *line]
    given = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(line, cwd=home, env=given, capture_output=True, text=True)


def test_a_process_that_may_print_ascii_alone_ends_well(home: Path) -> None:
    done = run(home, "train", "data=pend.npz", "out=ascii", *HASTY, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "+-" in done.stdout
    assert "Traceback" not in done.stderr
    assert json.loads((home / "ascii" / "summary.json").read_text())["seed"] == 0


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("| head -c 1; exit ${PIPESTATUS[0]}", 0, ""),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("> /dev/full", 1, "error: Not all could be printed (No space left on device)"),
    ],
)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
def test_a_stdout_that_is_gone_or_full_loses_nothing(home: Path, shell: str, code: int, said: str) -> None:
    name = f"{abs(hash(shell))}.npz"
    done = run(home, "collect", *FILMS, f"out={name}", shell=shell, PYTHONUNBUFFERED="1")
    assert done.returncode == code
    assert (home / name).is_file()
    assert (home / name).with_suffix(".summary.json").is_file()
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert said in done.stderr


def test_bytes_of_a_path_that_are_no_letters_come_back_from_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "l\udce4ufe.npz"
    assert main(["collect", *FILMS, f"out={path}"]) == 0
    assert json.loads(path.with_suffix(".summary.json").read_text(encoding="utf-8"))["data"] == str(path)
