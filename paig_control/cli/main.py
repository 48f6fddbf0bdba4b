"""The console script: finds the command, hands it a checked configuration, and turns mistakes into one message.

One run goes through Hydra's compose; ``--multirun`` through Hydra's own runner and whatever launcher is
installed, with its folders and log files switched off. A user's mistake ends with code 2 and no traceback, Ctrl-C
with code 130.
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from paig_control import __version__
from paig_control.cli.schema import COMMANDS
from paig_control.errors import PaigError, nearest

FLAGS = ("--help", "-h", "--version", "--multirun", "-m", "--cfg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _hush()
    try:
        return _dispatch(words)
    except PaigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped. {_consolation(words)}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _hush() -> None:
    """Keep pygame from greeting, and from looking for a screen where there is none; it only draws images here."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        os.environ.setdefault("SDL_AUDIODRIVER", "dummy")


def _dispatch(words: list[str]) -> int:

    if not words or words[0] in ("--help", "-h", "help"):
        from paig_control.cli import help as texts

        command = words[1] if len(words) > 1 else None
        if command is not None and command not in COMMANDS:
            raise PaigError(f"There is no command {command}; {nearest(command, COMMANDS)}")
        print(texts.overview() if command is None else texts.of(command))
        return 0
    if words[0] == "--version":
        print(f"paig-control {__version__}")
        return 0
    command, rest = words[0], words[1:]
    if command not in COMMANDS:
        raise PaigError(f"There is no command {command}; {nearest(command, COMMANDS)}")
    if "--help" in rest or "-h" in rest:
        from paig_control.cli import help as texts

        print(texts.of(command))
        return 0
    for word in rest:
        if word.startswith("-") and word not in FLAGS:
            raise PaigError(f"There is no flag {word}; {nearest(word, FLAGS)} Options are name=value.")
    if "--multirun" in rest or "-m" in rest:
        return _sweep(command, [word for word in rest if word not in ("--multirun", "-m")])
    from paig_control.cli.compose import configure

    if "--cfg" in rest:
        at = rest.index("--cfg")
        config = configure(command, rest[:at] + [w for w in rest[at + 1 :] if w not in ("job", "all")])
        print(OmegaConf.to_yaml(config), end="")
        return 0
    execute(command, configure(command, rest), shlex.join(["paig-control", *words]))
    return 0


def execute(command: str, config: DictConfig, line: str) -> None:
    """Run one command with its configuration; ``line`` is what the user wrote."""
    from paig_control.cli.output import Screen

    screen = Screen(config.verbosity)
    with screen.warnings():
        importlib.import_module(f"paig_control.cli.{command}").run(config, screen, line)


def _consolation(words: list[str]) -> str:
    if words[:1] != ["train"]:
        return "Nothing that was complete is lost."
    return "The last checkpoint is whole: go on from it with the same command and resume=true."


def _sweep(command: str, rest: list[str]) -> int:
    """Run a sweep through Hydra's own runner, without its output folders and log files."""
    import hydra
    from hydra.errors import HydraException

    from paig_control.cli.compose import configure, freed, parse, reason

    overrides = parse(rest, sweep=True)
    own = [one for one in overrides if not str(one.key_or_group).startswith("hydra")]
    configure(command, [word for one in own if (word := _first(one))])
    with tempfile.TemporaryDirectory() as scratch:
        quiet = {
            "hydra.sweep.dir": scratch,
            "hydra.sweep.subdir": ".",
            "hydra.output_subdir": "null",
            "hydra/job_logging": "none",
            "hydra/hydra_logging": "none",
        }
        given = {one.key_or_group for one in overrides}
        words = [f"{key}={value}" for key, value in quiet.items() if key not in given]
        words += [freed(str(one.input_line)) for one in overrides]
        before, sys.argv = sys.argv, ["paig-control", "--multirun", *words]
        full, os.environ["HYDRA_FULL_ERROR"] = os.environ.get("HYDRA_FULL_ERROR"), "1"
        configs = str(Path(__file__).parents[1] / "configs")
        try:
            hydra.main(version_base="1.3", config_path=configs, config_name=command)(_Job(command))()
        except HydraException as error:
            raise PaigError(reason(error, None)) from None
        finally:
            sys.argv = before
            if full is None:
                del os.environ["HYDRA_FULL_ERROR"]
            else:
                os.environ["HYDRA_FULL_ERROR"] = full
    return 0


def _first(one: Override) -> str:
    """Give the word of an override in the first job of its sweep."""
    if one.is_choice_sweep():
        return f"{one.key_or_group}={next(one.sweep_string_iterator())}"
    return "" if one.is_sweep_override() else str(one.input_line)


class _Job:
    """One job of a sweep, as Hydra's launchers call it."""

    def __init__(self, command: str) -> None:
        self.command, self.__name__, self.__module__ = command, "paig_control", __name__

    def __call__(self, config: DictConfig) -> None:
        """Run the command."""
        from hydra.core.hydra_config import HydraConfig

        words = list(HydraConfig.get().overrides.task)
        OmegaConf.resolve(config)
        execute(self.command, config, shlex.join(["paig-control", self.command, *words]))


if __name__ == "__main__":
    sys.exit(main())
