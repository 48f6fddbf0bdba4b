"""One self-contained HTML file: text, tables and pictures, which lie inside it as data.

A policy in the page's head forbids it to fetch anything, so it opens without a network, and for ever.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 2rem 1.5rem 5rem; max-width: 68rem; color: #212529; background: #fafaf8;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.5rem; margin: 3.5rem 0 .5rem; padding-top: 1rem; border-top: 2px solid #212529; }
h3 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
nav a { color: #1c7ed6; text-decoration: none; margin-right: 1.1rem; white-space: nowrap; }
nav a:hover { text-decoration: underline; }
figure { margin: 1rem 0; overflow-x: auto; }
figure img { max-width: 100%; height: auto; box-sizing: border-box; border: 1px solid #e9ecef; background: #fff; }
figcaption, caption { color: #495057; font-size: .88rem; text-align: left; padding: .3rem 0; }
caption { caption-side: bottom; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid #dee2e6; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
.missing { color: #868e96; font-style: italic; }
footer { margin-top: 4rem; color: #868e96; font-size: .85rem; }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
KINDS = {".png": "image/png", ".gif": "image/gif"}


@dataclass(frozen=True)
class Image:
    """A picture or a film: its file's name, which ends in .png or .gif, its content, and what it shows."""

    name: str
    content: bytes
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows of text under columns, and what they are."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; ``missing`` for one that says what is not there."""

    text: str
    missing: bool = False


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Image | Table | Text]


@dataclass(frozen=True)
class Chapter:
    """The sections of one system."""

    title: str
    sections: Sequence[Section]


def render(title: str, lead: str, chapters: Sequence[Chapter], foot: str) -> str:
    """Write the page."""
    names = [f"s{number}" for number in range(len(chapters))]
    links = "".join(f'<a href="#{n}">{_safe(c.title)}</a>' for n, c in zip(names, chapters, strict=True))
    body = [f"<h1>{_safe(title)}</h1>", f"<p>{_safe(lead)}</p>", f"<nav>{links}</nav>" if len(chapters) > 1 else ""]
    for name, chapter in zip(names, chapters, strict=True):
        body.append(f'<h2 id="{name}">{_safe(chapter.title)}</h2>')
        for section in chapter.sections:
            body += [f"<h3>{_safe(section.title)}</h3>", *(_block(block) for block in section.blocks)]
    body.append(f"<footer>{_safe(foot)}</footer>")
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_safe(title)}</title>",
        '<link rel="icon" href="data:,">',
        f"<style>{STYLE}</style>",
    ]
    return "\n".join(
        ["<!DOCTYPE html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, "</body>", "</html>", ""]
    )


def _safe(text: str) -> str:
    return html.escape(text)


def _block(block: Image | Table | Text) -> str:
    if isinstance(block, Text):
        kind = ' class="missing"' if block.missing else ""
        return f"<p{kind}>{_safe(block.text)}</p>"
    if isinstance(block, Image):
        kind = KINDS[block.name[block.name.rindex(".") :]]
        data, said = base64.b64encode(block.content).decode(), _safe(block.caption)
        return f'<figure><img src="data:{kind};base64,{data}" alt="{said}"><figcaption>{said}</figcaption></figure>'
    rows = "".join(f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>" for row in block.rows)
    head = "".join(f"<th>{_safe(name)}</th>" for name in block.columns)
    caption = f"<caption>{_safe(block.caption)}</caption>" if block.caption else ""
    return f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
