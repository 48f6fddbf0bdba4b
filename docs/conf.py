"""How the documentation is built: ``make docs``, warnings count as errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paig_control import __version__
from paig_control.cli import help as texts
from paig_control.experiment.schema import COMMANDS

project, author, release = "paig-control", "the authors of paig-control", __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme, html_title = "furo", "paig-control"
html_show_copyright = html_show_sphinx = False
myst_heading_anchors = 3
exclude_patterns = ["paper/table.md"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_use_ivar = True


def commands(app: Any) -> None:
    """Write the page of the command line from its own help."""
    parts = ["# The command line", "", "What `paig-control COMMAND --help` prints.", ""]
    for name in COMMANDS:
        parts += [f"## {name}", "", "```text", texts.of(name), "```", ""]
    (Path(app.srcdir) / "reference" / "commands.md").write_text("\n".join(parts), encoding="utf-8")


def setup(app: Any) -> None:
    """Tell Sphinx."""
    app.connect("builder-inited", commands)
