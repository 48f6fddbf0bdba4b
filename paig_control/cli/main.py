"""The console script: finds the command, hands it a checked configuration, and turns mistakes into one message.

One run goes through Hydra's compose, ``--multirun`` through :mod:`paig_control.cli.sweep`. A user's mistake ends with
code 2 and no traceback, Ctrl-C with code 130.

One run of one command, whether called by itself or by a sweep.
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from paig_control import __version__, ranks
from paig_control.border.files import claims
from paig_control.cli.output import Screen, steady
from paig_control.errors import PaigError, nearest
from paig_control.experiment.schema import COMMANDS


def execute(command: str, config: DictConfig, line: str) -> None:
    """Run one command with its configuration; ``line`` is what the user wrote."""
    from paig_control.experiment import factories

    factories.admit(config)
    screen = Screen(config.verbosity if ranks.first() else 0)
    with screen.warnings():
        importlib.import_module(f"paig_control.cli.{command}").run(config, screen, line)


KEPT = "Nothing that was complete is lost."
LOOKS = ("list", "physics")
"""Commands that only show what there is: words, no options."""
FLAGS = ("--help", "-h", "--version", "--multirun", "-m", "--cfg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _hush()
    with steady() as out, claims(), ranks.joined():
        code = _guarded(words)
        out.flush()
        if out.lost is not None and not isinstance(out.lost, BrokenPipeError):  # a reader may leave, as `| head` does
            reason = getattr(out.lost, "strerror", None) or out.lost
            print(f"error: Not all could be printed ({reason}); what belongs into files is there.", file=sys.stderr)
            code = code or 1
    return code


def _guarded(words: list[str]) -> int:
    """Run a command; what a user can mend becomes a sentence."""
    try:
        return _dispatch(words)
    except PaigError as error:
        _complain(f"error: {ranks.failed(str(error))}")
        return 2
    except OSError as error:  # whatever the system refuses where nothing more can be said about it
        place = "" if error.filename is None else f" ({error.filename})"
        said = ranks.failed(f"The system refuses it: {error.strerror or error}{place}. {KEPT}")
        _complain(f"error: {said}")
        return 2
    except KeyboardInterrupt as stop:
        _complain(f"\nstopped. {_consolation(words, str(stop))}")
        return 130


def _complain(text: str) -> None:
    """Print to stderr, if no other process does."""
    if ranks.speaks():
        print(text, file=sys.stderr)


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
    if ranks.launched() and (command != "train" or "--multirun" in rest or "-m" in rest):
        raise PaigError("torchrun is for one training, `train` without --multirun: call this without torchrun.")
    if command in LOOKS:
        from paig_control.cli import catalogue

        return catalogue.run(words)
    if command not in COMMANDS:
        raise PaigError(f"There is no command {command}; {nearest(command, [*COMMANDS, *LOOKS])}")
    if "--help" in rest or "-h" in rest:
        from paig_control.cli import help as texts

        print(texts.of(command))
        return 0
    for word in rest:
        if word.startswith("-") and word not in FLAGS:
            raise PaigError(f"There is no flag {word}; {nearest(word, FLAGS)} Options are name=value.")
    if "--multirun" in rest or "-m" in rest:
        from paig_control.cli import sweep

        return sweep.run(command, [word for word in rest if word not in ("--multirun", "-m")])
    from paig_control.cli.main import execute
    from paig_control.experiment.compose import configure

    if "--cfg" in rest:
        at = rest.index("--cfg")
        config = configure(command, rest[:at] + [w for w in rest[at + 1 :] if w not in ("job", "all")])
        print(OmegaConf.to_yaml(config), end="")
        return 0
    execute(command, configure(command, rest), shlex.join(["paig-control", *words]))
    return 0


def _consolation(words: list[str], told: str) -> str:
    if words[:1] != ["train"]:
        return KEPT
    return told or "A checkpoint that was written is whole: go on from it with the same command and resume=true."


if __name__ == "__main__":
    sys.exit(main())
