"""The page: sections made of pictures, tables and paragraphs, rendered into one self-contained HTML file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

import jinja2
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from tenor.errors import UsageError
from tenor.evaluation.glossary import GLOSSARY, Term, terms_in
from tenor.report import style
from tenor.storage.files import write_text


@dataclass(frozen=True)
class Picture:
    """A figure with its caption.

    Attributes
    ----------
    figure
        The figure; it is embedded as inline SVG.
    caption
        How to read it.
    alt
        Alternative text, for those who can't see the figure.
    tips
        Tooltips of parts of the figure, by their group id (`gid`).
    """

    figure: Figure
    caption: str
    alt: str
    tips: Mapping[str, str] = field(default_factory=dict)
    kind = "picture"


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes
    ----------
    columns
        Headings; the first column names the row.
    rows
        One text per column; text after a line break (an interval, for example) is shown below, in a smaller font.
    caption
        What the table shows.
    marked
        Index of the highlighted row (that of the evaluated model), or None.
    folded
        Whether a long table shows only its caption until it is opened.
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


Block: TypeAlias = Picture | TextTable | Paragraph


@dataclass(frozen=True)
class Fold:
    """Details that are hidden below their title until it is opened; in print they are open."""

    title: str
    blocks: tuple[Block, ...]
    kind = "fold"


@dataclass(frozen=True)
class PageSection:
    """A part of the page with its own heading and its own place in the navigation."""

    title: str
    blocks: tuple[Block | Fold, ...]


@dataclass(frozen=True)
class Answer:
    """A question of the first page, with its answer in one sentence and one picture.

    Attributes
    ----------
    question
        The question, in a few words.
    sentence
        The answer.
    picture
        The picture, with a caption of one line; None if there is nothing to draw.
    section
        Title of the section with the details; None if there is no such section.
    """

    question: str
    sentence: str
    picture: Picture | None
    section: str | None
    kind = "answer"


def render_page(
    *,
    title: str,
    subtitle: str,
    verdicts: Sequence[tuple[str, str]] = (),
    answers: Sequence[Answer] = (),
    about: Mapping[str, str],
    sections: Sequence[PageSection],
) -> str:
    """The whole page as HTML; terms link to the glossary at its end, which lists those that are used.

    Parameters
    ----------
    title, subtitle
        Shown at the top.
    verdicts
        (label, sentences) shown at the top, the first sentence large.
    answers
        Shown at the top side by side, below the verdicts if there are any.
    about
        Model, data, version …, in the order in which they are shown.
    sections
        The sections, in the order in which they are shown.

    Returns
    -------
    str
        The HTML.
    """
    anchors = _anchors([section.title for section in sections])
    return _template().render(
        title=title,
        subtitle=subtitle,
        verdicts=[(label, *_headline(sentences)) for label, sentences in verdicts],
        answers=answers,
        anchors={section.title: anchor for anchor, section in zip(anchors, sections, strict=True)},
        about=list(about.items()),
        sections=list(zip(anchors, sections, strict=True)),
        theme=list(style.THEME.values()),
        ink=_Ink(),
    )


class _Ink:
    """Renders the blocks of one page: figures as SVG with unique ids, and links to the glossary."""

    def __init__(self) -> None:
        self._figures = 0
        self._linked: set[Term] = set()
        self._near: set[Term] = set()

    def part(self) -> str:
        """Begin a new part of the page: in each, the first mention of a term is a link."""
        self._near = set()
        return ""

    def svg(self, picture: Picture) -> Markup:
        self._figures += 1
        # matplotlib has escaped the text in the figure, which is what S704 asks for
        return Markup(style.svg(picture.figure, f"figure{self._figures}", picture.tips))  # noqa: S704

    def prose(self, text: str) -> Markup:
        """`text`, escaped, with a link at the first mention of each term in this part of the page."""
        tidy, done = _tidy(text), 0
        pieces: list[str] = []
        for start, stop, term in terms_in(tidy):
            if term in self._near:
                continue
            self._near.add(term)
            self._linked.add(term)
            pieces += [escape(tidy[done:start]), _LINK.format(anchor=term.anchor, words=tidy[start:stop])]
            done = stop
        return Markup("").join([*pieces, escape(tidy[done:])])

    def glossary(self) -> list[Term]:
        """The terms that the page has linked so far."""
        return [term for term in GLOSSARY if term in self._linked]


_LINK = Markup('<a class="term" href="#{anchor}">{words}</a>')


def write_page(path: Path, text: str) -> None:
    """Write `text` to `path` atomically: if this fails, an earlier report at `path` is unchanged.

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
    # no line break before a percent sign, and a true minus sign instead of a hyphen
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
