"""The command line's words, whole and damaged: a family of inputs of its own."""

from __future__ import annotations

import json
from pathlib import Path

from damage import WORDS, Files
from hypothesis import strategies as st

from paig_control.experiment.compose import configure

COMMANDS = ["collect", "train", "control", "view", "evaluate", "report", "goal", "demo"]
KEYS = [
    *["seed", "dt", "data", "out", "run", "goal", "physics", "env", "env.kwargs", "env.id", "planner", "recipe"],
    *["threads", "recipe.refine.steps", "objects", "physics.objects", "physics.length", "model.input_frames"],
    *["experiment", "hydra", "constants", "run.physics.gravity", "state", "control", "evaluate", "steps"],
    *["agent.frames", "sequences", "x", ""],
]
SHARED = ["seed", "threads", "verbosity", "overwrite", "out", "device"]
MARKS = ["=", "=", "=", "=", "==", "", "+=", "~", ".a=", ":="]
SAID = [
    *["[", "]", "{", "}", "{a:1}", "[1,2]", "${seed}", "${oc.env:HOME}", "${x}", "${", "'", '"', "\\", ",", "a,b"],
    *["null", "1e400", "nan", "spring", "ü=#", "1_0", "0x10", "true", "range(1,3)", "{_target_: os.system}", ""],
    *[" ", "\t"],
    *["9" * 5000, "[" * 200, "[" * 200 + "]" * 200],
]


@st.composite
def settings(draw: st.DrawFn) -> Files:
    """A command and words after it."""
    value = st.one_of(st.sampled_from(SAID), st.sampled_from(WORDS), st.text(max_size=8), st.floats().map(str))
    word = st.builds(
        "".join,
        st.tuples(st.sampled_from(["", "", "+", "++", "~"]), st.sampled_from(KEYS), st.sampled_from(MARKS), value),
    )
    plain = st.builds("{}={}".format, st.sampled_from(SHARED), st.one_of(st.integers(), value))
    words = draw(st.lists(st.one_of(plain, plain, word, value), min_size=1, max_size=3))
    return {"words.json": json.dumps([draw(st.sampled_from(COMMANDS)), *words]).encode()}


def use_settings(place: Path) -> None:
    """Compose, as the command line does before any work."""
    command, *words = json.loads((place / "words.json").read_bytes())
    configure(command, words)
