"""The page: sections made of pictures, tables and paragraphs, rendered into one self-contained HTML file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from tenor.errors import UsageError
from tenor.report import style


@dataclass(frozen=True)
class Picture:
    """A figure, the sentences that say how to read it, and `alt`: what it shows, for those who can't see it."""

    figure: Figure
    caption: str
    alt: str
    kind = "picture"


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    columns
        Headings; the first column names the row.
    rows
        One text a column; what stands after a line break is set small below (an interval, say).
    caption
        What the table shows.
    marked
        The row that is highlighted ("ours"), if any.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    marked: int | None = None
    kind = "table"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.caption!r}: {len(row)} cells under {len(self.columns)} columns")


@dataclass(frozen=True)
class Paragraph:
    """A few plain sentences."""

    text: str
    kind = "paragraph"


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading and its own place in the navigation."""

    title: str
    blocks: tuple[Picture | Table | Paragraph, ...]


def render_page(
    *,
    title: str,
    subtitle: str,
    verdicts: Sequence[tuple[str, str]],
    about: Mapping[str, str],
    sections: Sequence[Section],
) -> str:
    """The whole page as text.

    Parameters
    ----------
    verdicts
        (what for, sentences) shown at the top, the first sentence large.
    about
        What was forecast, on what, by which version …, in the order in which it is shown.
    """
    names = _anchors([s.title for s in sections])
    parts = [
        {
            "anchor": anchor,
            "title": section.title,
            "blocks": [
                {"kind": b.kind, "block": b, "svg": _inline(b, f"{anchor}-{i}")} for i, b in enumerate(section.blocks)
            ],
        }
        for anchor, section in zip(names, sections, strict=True)
    ]
    return _template().render(
        title=title,
        subtitle=subtitle,
        verdicts=[(what, *_headline(sentences)) for what, sentences in verdicts],
        about=list(about.items()),
        sections=parts,
        theme=list(style.THEME.values()),
    )


def write_page(path: Path, text: str) -> None:
    """Write `text` to `path` at once: a report that was there before stays whole if this fails midway.

    Raises
    ------
    UsageError
        The file can't be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(f"can't write the report to {path}: {why}. Choose another place.") from error


def _inline(block: Picture | Table | Paragraph, key: str) -> Markup | None:
    # matplotlib has escaped the text inside; S704 would guard against text that nobody escaped
    return Markup(style.svg(block.figure, key)) if isinstance(block, Picture) else None  # noqa: S704


def _anchors(titles: Sequence[str]) -> list[str]:
    taken: list[str] = []
    for title in titles:
        word = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        free, count = word, 1
        while free in taken:
            count += 1
            free = f"{word}-{count}"
        taken.append(free)
    return taken


def _headline(text: str) -> tuple[str, str]:
    """The first sentence, with a capital letter, and the rest."""
    first, stop, rest = text.partition(". ")
    return f"{first[:1].upper()}{first[1:]}{stop.strip()}", rest


def _tidy(text: str) -> str:
    # a percent sign never starts a line, and a minus is no hyphen
    return re.sub(r"(?<![^\s([])-(?=\d)", "−", text).replace(" %", "\u00a0%")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tidy"] = _tidy
    return environment.get_template("template.html.j2")
