"""What rooms offer is there, costs nothing before it is asked for, and what has moved says where it went."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import paig_control
from paig_control.faces import MOVED, offered

ROOT = Path(paig_control.__file__).parent
FACES = [
    "paig_control",
    *(f"paig_control.{p.parent.name}" for p in ROOT.glob("*/__init__.py") if "face(" in p.read_text()),
]


@pytest.mark.parametrize("room", FACES)
def test_all_that_a_room_offers_is_there(room: str) -> None:
    module = importlib.import_module(room)
    names = offered(room)
    assert names
    for name, home in names.items():
        found = getattr(module, name)
        assert found is getattr(importlib.import_module(home), name)
        assert name in dir(module)
    with pytest.raises(AttributeError, match="has no attribute 'nothing_of_the_kind'"):
        module.nothing_of_the_kind  # noqa: B018


def test_eleven_rooms_have_faces_and_none_of_them_costs_torch() -> None:
    assert len(FACES) == 12
    code = f"import sys, importlib; [importlib.import_module(n) for n in {FACES}]; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("old", MOVED)
def test_what_has_moved_says_where_it_went(old: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=rf"paig_control.{old} is now paig_control.{MOVED[old]}\."):
        importlib.import_module(f"paig_control.{old}")
    importlib.import_module(f"paig_control.{MOVED[old]}")
