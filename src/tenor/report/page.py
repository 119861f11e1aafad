"""The page: sections made of pictures, tables and paragraphs, rendered into one self-contained HTML file."""

from __future__ import annotations

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
from tenor.storage.files import write_text


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes
    ----------
    figure
        It is drawn as inline SVG.
    caption
        How to read it.
    alt
        What it shows, for those who can't see it.
    """

    figure: Figure
    caption: str
    alt: str
    kind = "picture"


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes
    ----------
    columns
        Headings; the first column names the row.
    rows
        One text a column; the text after a line break is set small below (an interval, for example).
    caption
        What the table shows.
    marked
        Index of the row that is highlighted (our model's), if any.
    folded
        Whether only its caption shows until it is opened; for long ones.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    marked: int | None = None
    folded: bool = False
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
class PageSection:
    """A part of the page with its own heading and its own place in the navigation."""

    title: str
    blocks: tuple[Picture | TextTable | Paragraph, ...]


def render_page(
    *,
    title: str,
    subtitle: str,
    verdicts: Sequence[tuple[str, str]],
    about: Mapping[str, str],
    sections: Sequence[PageSection],
) -> str:
    """The whole page as text.

    Parameters
    ----------
    title, subtitle
        At the top.
    verdicts
        (label, sentences) shown at the top, the first sentence large.
    about
        Model, data, version …, in the order in which they are shown.
    sections
        In the order in which they are shown.
    """
    anchors = _anchors([section.title for section in sections])
    parts = [
        {
            "anchor": anchor,
            "title": section.title,
            "blocks": [
                {"kind": b.kind, "block": b, "svg": _inline(b, f"{anchor}-{i}")} for i, b in enumerate(section.blocks)
            ],
        }
        for anchor, section in zip(anchors, sections, strict=True)
    ]
    return _template().render(
        title=title,
        subtitle=subtitle,
        verdicts=[(label, *_headline(sentences)) for label, sentences in verdicts],
        about=list(about.items()),
        sections=parts,
        theme=list(style.THEME.values()),
    )


def write_page(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all: an earlier report at `path` stays as it was if this fails.

    Raises
    ------
    UsageError
        The file can't be written there.
    """
    try:
        write_text(path, text)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"can't write the report to {path}: {reason}. Choose another path.") from error


def _inline(block: Picture | TextTable | Paragraph, key: str) -> Markup | None:
    # matplotlib has escaped the text inside; S704 would guard against text that nobody escaped
    return Markup(style.svg(block.figure, key)) if isinstance(block, Picture) else None  # noqa: S704


def _anchors(titles: Sequence[str]) -> list[str]:
    taken: list[str] = []
    for title in titles:
        base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        anchor, count = base, 1
        while anchor in taken:
            count += 1
            anchor = f"{base}-{count}"
        taken.append(anchor)
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
