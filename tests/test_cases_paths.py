"""Paths and texts are taken as they are typed, whatever a file system allows in them, alone and in sweeps."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hasty import FILMS

from paig_control.cli import sweep
from paig_control.cli.main import main
from paig_control.cli.output import Screen
from paig_control.experiment.compose import bare, configure, in_quotes, parse, split

NAMES = [
    "läufe/ziel.png",
    "目标.png",
    "ünï.npz",
    "u\u0308ni\u0308.npz",  # the same in combining characters
    "🎞️.npz",
    "films (1).npz",
    "[v2].npz",
    "[v2]",
    "a#1.npz",
    "a=b.npz",
    "it's.npz",
    "'tis.npz",
    'say "so".npz',
    "$HOME{x}.npz",
    "{v}.npz",
    "back\\slash.npz",
    "ends with\\",
    "~nobody-of-this-name/x.npz",
    "50%!&;*?|<>.npz",
    " blank.npz",
    "line\nbreak.npz",
    "l\udce4ufe.npz",
    "007",
    "1e5",
    "True",
    "range(3",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_what_was_typed(name: str) -> None:
    config = configure("train", [f"data={name}", f"out={name}", f"record={name}"])
    assert [config.data, config.out, config.record] == [name, name, name]
    assert list(configure("report", [f"run={name}", "run=b"]).run)[-1] == "b"
    assert bare(in_quotes(name)) == name


@pytest.mark.parametrize("name", [name for name in NAMES if name.strip() == name])
def test_in_a_sweep_as_well(name: str) -> None:
    both = parse([f"data={name},b.npz"], sweep=True)[0]
    assert [bare(value) for value in sweep._values(both)] == [name, "b.npz"]
    alone = parse([f"data={name}"], sweep=True)[0]
    assert not alone.is_sweep_override()
    assert configure("train", [str(alone.input_line)]).data == name
    for value in sweep._values(both):
        assert configure("train", [f"data={value}"]).data in (name, "b.npz")


def test_what_means_something_in_a_sweep_still_does() -> None:
    def values(word: str) -> list[str]:
        return [bare(value) for value in sweep._values(parse([word], sweep=True)[0])]

    assert values("data=a.npz,'b, c.npz',d e.npz") == ["a.npz", "b, c.npz", "d e.npz"]
    assert values("data=films (1,2).npz,b.npz") == ["films (1,2).npz", "b.npz"]
    assert values("data=open (.npz,b.npz") == ["open (.npz", "b.npz"]
    assert values("data=choice(a.npz,b.npz)") == ["a.npz", "b.npz"]
    assert values("seed=range(1,3)") == ["1", "2"]
    assert values("env.kwargs.name=ä,ö") == ["ä", "ö"]
    assert values("goal=[0.2],[0.4]") == ["[0.2]", "[0.4]"]
    assert split("a,[b,c],(d,e)") == ["a", "[b,c]", "(d,e)"]


def test_lists_and_numbers_stay_what_they_are() -> None:
    assert configure("control", ["goal=[0.2]"]).goal == [0.2]
    assert configure("control", ["goal=[läufe/a.png,b c.png]"]).goal == ["läufe/a.png", "b c.png"]
    assert configure("control", ["goal=[v2].png"]).goal == "[v2].png"
    assert configure("control", ["goal=null"]).goal is None
    assert configure("train", ["record=null"]).record is None
    assert configure("report", ["run=[läufe/a, b c]"]).run == ["läufe/a", "b c"]
    assert configure("report", ["run=[v2]/a,b"]).run == ["[v2]/a,b"]
    assert configure("collect", ["env.kwargs.title=ünï"]).env.kwargs.title == "ünï"
    assert configure("collect", ["seed=3", "out=s${seed}ä.npz"]).out == "s3ä.npz"


def test_goals_and_films_are_written_where_it_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("läufe/ziel.png", "目标.png", "~nobody-of-this-name.png"):
        assert main(["goal", "env=pendulum", f"out={name}", "verbosity=0"]) == 0
        assert (tmp_path / name).is_file()
    assert main(["collect", "-m", *FILMS, "seed=0,1", "out=ünï (${seed}).npz", "verbosity=0"]) == 0
    assert {path.name for path in tmp_path.glob("*.npz")} == {"ünï (0).npz", "ünï (1).npz"}


def test_a_home_that_is_written_with_a_tilde_holds_data_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["train", "data=~/none.npz"]) == 2
    assert f"There is no data file {tmp_path / 'none.npz'}" in capsys.readouterr().err


def test_a_sweep_over_films_of_any_name_ends_with_their_names_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["films (1).npz", "[v2] #1 $x$ $.npz"]
    for name in names:
        assert main(["collect", *FILMS, f"out={name}", "verbosity=0"]) == 0
    hasty = ["discover.frames=24", "discover.rounds=0", "discover.steps=2", "warm_start.steps=2", "warm_start.batch=4"]
    hasty += ["identify.iterations=1", "refine.steps=2", "refine.batch=2"]
    words = ["train", "-m", f"data={','.join(names)}", "out=läufe", *(f"recipe.{one}" for one in hasty)]
    assert main([*words, "hydra/launcher=basic", "verbosity=0"]) == 0
    with open(tmp_path / "läufe" / "sweep.csv", newline="", encoding="utf-8") as file:
        assert [(row["data"], row["ended"]) for row in csv.DictReader(file)] == [(name, "True") for name in names]


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.table("[b]a[/b] :x:", ["b"], [["[v2] [/y]" + " " * 9]])
    screen.say("[v3] [/z]")
    said = capsys.readouterr().out
    assert all(name in said for name in ("[b]a[/b] :x:", "[v2] [/y]", "[v3] [/z]"))


def test_names_of_runs_fit_into_a_file_system() -> None:
    names = {sweep.name_of({"data": value}) for value in ("目" * 200, "目" * 201, "l\udce4ufe", "'a b'", "a b", "a  b")}
    assert len(names) == 5  # quotes are not part of a value
    assert all(len(name.encode()) < 140 for name in names)
