"""Loops as machine code: what Numba compiles, where it is installed, and keeps.

Where arithmetic is a few numbers at a time, a tensor library costs more than the arithmetic. Packages keep such loops
in modules of their own, which nothing imports but through :func:`loops`; without Numba there are the tensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_TENSORS = ContextVar("tensors", default=False)


def loops(package: str, module: str = "kernels") -> ModuleType | None:
    """The compiled loops of one of this library's packages, ``"physics"``; None where Numba is missing, said once."""
    return None if _TENSORS.get() else _loops(package, module)


@contextmanager
def by_tensors(wanted: bool = True) -> Iterator[None]:
    """Within it there are no compiled loops, if that is wanted."""
    before = _TENSORS.set(_TENSORS.get() or wanted)
    try:
        yield
    finally:
        _TENSORS.reset(before)


@cache
def _loops(package: str, module: str) -> ModuleType | None:
    return import_module(f"paig_control.{package}.{module}") if compiles() else None


@cache
def compiles() -> bool:
    """Whether Numba is there and may be used."""
    try:
        from numba.core import config
    except ImportError as error:
        warnings.warn(
            f"Plans and pictures take the slower way, by tensors, because Numba cannot be imported ({error}): expected "
            "an installed numba.",
            RuntimeWarning,
            stacklevel=3,
        )
        return False
    return not getattr(config, "DISABLE_JIT", False)


def array(values: Tensor) -> NDArray[Any]:
    """The numbers of a tensor in their order."""
    return np.ascontiguousarray(values.detach().numpy())


def machine(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, once for all runs where there is a place to keep it."""
    from numba import njit

    try:
        return njit(cache=True, fastmath={"contract"}, error_model="numpy")(function)
    except RuntimeError:  # neither beside the library nor in the user's own folder
        return njit(fastmath={"contract"}, error_model="numpy")(function)
