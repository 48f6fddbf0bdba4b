"""How large what comes from outside may be."""

from __future__ import annotations

import pytest

from paig_control.border import limits
from paig_control.errors import PaigError


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(limits.VARIABLE, raising=False)


def test_what_is_too_large_is_refused_by_name_with_its_size_and_the_way_to_raise_the_limit() -> None:
    limits.check_size("films.npz", 10**6)
    limits.check_size("goal.png", 500, limit=500)
    with pytest.raises(PaigError, match=r"films.npz would take 60 GB of memory, .* PAIG_MAX_GB=60\."):
        limits.check_size("films.npz", 60 * limits.GB)
    with pytest.raises(PaigError, match=r"goal.png would take 0.507 GB .* limit is 0.2 GB.*PAIG_MAX_GB=1\."):
        limits.check_size("goal.png", 507 * 10**6, limit=2 * 10**8)
    with pytest.raises(PaigError, match="more than a billion GB"):
        limits.check_size("films.npz", 10**400)


def test_the_variable_raises_every_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.VARIABLE, "60")
    limits.check_size("films.npz", 60 * limits.GB)
    limits.check_size("goal.png", 507 * 10**6, limit=2 * 10**8)
    with pytest.raises(PaigError, match="limit is 60 GB"):
        limits.check_size("films.npz", 61 * limits.GB)


@pytest.mark.parametrize("words", ["much", "nan", "-1", "0", "inf"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv(limits.VARIABLE, words)
    with pytest.raises(PaigError, match=r"PAIG_MAX_GB = .*: expected a positive number of gigabytes"):
        limits.check_size("films.npz", 1)


def test_a_small_machine_has_a_smaller_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "memory", lambda: 2 * limits.GB)
    assert limits.allowed() == limits.GB
    monkeypatch.setattr(limits, "memory", lambda: 200 * limits.GB)
    assert limits.allowed() == limits.MOST
