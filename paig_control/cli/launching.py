"""Hydra's launchers: a sweep's jobs on this machine, by joblib, or on a cluster, by submitit.

Hydra's folders and log files are switched off. The worker processes of joblib end with the process that began them,
however that ended; the jobs of a cluster do not.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from omegaconf import DictConfig

from paig_control.errors import PaigError
from paig_control.experiment.compose import in_quotes, reason

LOOKS = 0.2
"""Seconds between two looks for the parent."""


def end_with(parent: int) -> None:
    """End this process as soon as ``parent``, which began it, is gone; it may be gone already.

    A process whose parent has died gets another one, on every system but Windows; there joblib's own pipes end a worker
    when its job is done.
    """
    if os.name == "posix":
        Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOKS)
    os._exit(1)  # at once, as after a kill: all that is written is whole at every moment


def launch(
    command: str, lines: Mapping[str, str], job: Callable[[DictConfig], None], launcher: str, folder: Path | None = None
) -> None:
    """Hand jobs to Hydra, and wait for them.

    Args:
        command: whose jobs they are.
        lines: the options, by their keys, as Hydra reads them.
        job: does one of them, given its configuration; it may be sent to another machine.
        launcher: that is taken where the options name none.
        folder: of the sweep, on a disk that all machines share; jobs that die there are left to the caller. By default
            the current folder, and then the first job that fails ends the sweep.

    Raises:
        PaigError: for what fits no launcher.
    """
    import hydra
    from hydra.errors import HydraException

    chosen = lines.get("hydra/launcher", f"={launcher}").partition("=")[2]
    shared = chosen.startswith("submitit")
    with tempfile.TemporaryDirectory(dir=(folder or Path.cwd()) if shared else None, prefix=".sweep") as scratch:
        quiet = {
            "hydra/launcher": launcher,
            "hydra.sweep.dir": in_quotes(scratch),
            "hydra.sweep.subdir": ".",
            "hydra.output_subdir": "null",
            "hydra/job_logging": "none",
            "hydra/hydra_logging": "none",
        }
        if shared:
            _check_submitit()
            quiet["hydra.launcher.submitit_folder"] = in_quotes(f"{folder or scratch}/.submitit/%j")
        words = [f"{key}={value}" for key, value in quiet.items() if key not in lines]
        configs = str(Path(__file__).parents[1] / "configs")
        before, sys.argv = sys.argv, ["paig-control", "--multirun", *words, *lines.values()]
        patient = _patient() if shared and folder is not None else nullcontext()
        try:
            with _environment(HYDRA_FULL_ERROR="1", OMP_NUM_THREADS="1"), _watchful_workers(), patient:
                hydra.main(version_base="1.3", config_path=configs, config_name=command)(job)()
        except HydraException as error:
            raise PaigError(reason(error, None)) from None
        finally:
            sys.argv = before


def _check_submitit() -> None:
    try:
        import hydra_plugins.hydra_submitit_launcher  # noqa: F401
    except ImportError:
        raise PaigError(
            "Sweeps on a cluster need Hydra's launcher for it: pip install 'paig-control[slurm]', or leave "
            "hydra/launcher out."
        ) from None


@contextmanager
def _patient() -> Iterator[None]:
    """Let submitit's launcher wait for every job, where it would leave at the first that died."""
    from hydra.core.utils import JobReturn, JobStatus
    from submitit.core import core
    from submitit.core.utils import UncompletedJobError

    jobs: Any = core.Job
    usual = jobs.results

    def results(job: Any) -> list[Any]:
        try:
            return list(usual(job))
        except UncompletedJobError:
            return [JobReturn(_return_value=None, status=JobStatus.COMPLETED)]

    jobs.results = results
    try:
        yield
    finally:
        jobs.results = usual


@contextmanager
def _watchful_workers() -> Iterator[None]:
    """Let joblib's workers look for their parent from their first moment on, and not from their first job on."""
    from joblib import parallel, register_parallel_backend  # type: ignore[import-untyped]

    usual = parallel.BACKENDS["loky"]
    register_parallel_backend("loky", partial(usual, initializer=end_with, initargs=(os.getpid(),)))
    try:
        yield
    finally:
        register_parallel_backend("loky", usual)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables of the environment for a while; the processes of the jobs inherit them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
