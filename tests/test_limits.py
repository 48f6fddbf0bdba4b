"""How large what comes from outside may be."""

from __future__ import annotations

import pytest

from paig_control.border import reading
from paig_control.errors import PaigError


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(reading.VARIABLE, raising=False)


def test_what_is_too_large_is_refused_by_name_with_its_size_and_the_way_to_raise_the_limit() -> None:
    reading.check_size("films.npz", 10**6)
    reading.check_size("goal.png", 500, limit=500)
    with pytest.raises(PaigError, match=r"films.npz would take 60 GB of memory, .* PAIG_MAX_GB=60\."):
        reading.check_size("films.npz", 60 * reading.GB)
    with pytest.raises(PaigError, match=r"goal.png would take 0.507 GB .* limit is 0.2 GB.*PAIG_MAX_GB=1\."):
        reading.check_size("goal.png", 507 * 10**6, limit=2 * 10**8)
    with pytest.raises(PaigError, match="more than a billion GB"):
        reading.check_size("films.npz", 10**400)


def test_the_variable_raises_every_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(reading.VARIABLE, "60")
    reading.check_size("films.npz", 60 * reading.GB)
    reading.check_size("goal.png", 507 * 10**6, limit=2 * 10**8)
    with pytest.raises(PaigError, match="limit is 60 GB"):
        reading.check_size("films.npz", 61 * reading.GB)


@pytest.mark.parametrize("words", ["much", "nan", "-1", "0", "inf"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv(reading.VARIABLE, words)
    with pytest.raises(PaigError, match=r"PAIG_MAX_GB = .*: expected a positive number of gigabytes"):
        reading.check_size("films.npz", 1)


def test_a_small_machine_has_a_smaller_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "memory", lambda: 2 * reading.GB)
    assert reading.allowed() == reading.GB
    monkeypatch.setattr(reading, "memory", lambda: 200 * reading.GB)
    assert reading.allowed() == reading.MOST
