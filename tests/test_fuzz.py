"""A short draw from every family of damaged inputs; ``make fuzz`` draws for as long as one likes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from paig_control.errors import PaigError

BATCHES = {"films": 60, "meta": 60, "checkpoints": 60, "pictures": 60, "arrays": 80, "settings": 25, "reports": 2}


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A fuzz of inputs in a folder of its own."""
    place = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        return importlib.import_module("fuzz").Fuzz(place / "kept", place / "scratch")


def test_every_family_is_drawn_from(fuzz: Any) -> None:
    assert set(fuzz.families) == set(BATCHES)


@pytest.mark.parametrize("name", BATCHES)
def test_every_damaged_input_ends_in_success_or_in_one_sentence(fuzz: Any, name: str) -> None:
    fuzz.round(name, 1, BATCHES[name])
    counts = fuzz.counts[name]
    assert fuzz.failures == []
    assert counts["inputs"] >= BATCHES[name]
    assert counts["inputs"] == counts["accepted"] + counts["refused"]
    assert counts["accepted"] > 0
    assert counts["refused"] > 0 or name == "reports"  # of what is damaged, a report says it


def test_what_fails_is_kept_and_can_be_seen_again(fuzz: Any, tmp_path: Path) -> None:
    module = importlib.import_module(type(fuzz).__module__)
    own = module.Fuzz(tmp_path / "kept", tmp_path / "scratch")

    def careless(place: Path) -> None:
        (place / "a" / "file").read_text().index("x")

    def obedient(place: Path) -> None:
        own.canary.touch()

    def patient(place: Path) -> None:
        raise PaigError("no")

    own.counts["films"].clear()
    for use in (careless, obedient, patient):
        own.one("films", own.families["films"]._replace(use=use), {"a/file": b"whole"})
    assert own.counts["films"] == {"inputs": 3, "failed": 2, "refused": 1}
    assert "ValueError" in (tmp_path / "kept" / "films-1" / "error.txt").read_text()
    assert "has run" in (tmp_path / "kept" / "films-2" / "error.txt").read_text()
    assert (tmp_path / "kept" / "films-1" / "input" / "a" / "file").read_bytes() == b"whole"
    with pytest.raises(ValueError, match="substring"):
        module.replay(tmp_path / "kept" / "films-1", {"films": own.families["films"]._replace(use=careless)})
