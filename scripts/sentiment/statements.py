"""Company statements with their class, composed from a grammar: results against a year before, orders, lay-offs, dates.

Tweets and headlines do not teach this genre: a smaller loss is good news, so is an order, and a head count is neither.
The sentences and the firms in them are invented and say nothing about any real one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tenor.sentiment.scores import LABELS
from tenor.sentiment.text import clean
from tenor.sentiment.training.labelled import LabelledTexts

GRAMMAR = Path(__file__).with_name("statements.txt")
MIX = (0.32, 0.50, 0.18)
"""Shares of positive, neutral and negative statements: company news is mostly neutral, and good rather than bad."""
COMPARED = 0.12
"""Share of the positive and negative statements in which two numbers alone tell good from bad."""
HELD_OUT_EVERY = 6
"""One line in this many of each class is held out, to test on lines that were not trained on."""

_PART = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"<([^<>]*)>")
_ARTICLE = re.compile(r"\b([Aa])n? (?=(\w))")
_PUNCTUATION = re.compile(r"(?<=[\w.)%\"])([,;:%)\"](?!\d)|\.$|'s\b)|([(\"])(?=\w)")

_STARTS = (
    "Nor", "Hal", "Ves", "Tam", "Lum", "Kar", "Bran", "Ost", "Rau", "Pel", "Sol", "Van", "Eri", "Mon", "Dal",
    "Quin", "Ste", "Aur", "Cor", "Zel", "Ful", "Gri", "Hex", "Ivo", "Jor", "Kel", "Lor", "Mir", "Nev", "Ort",
)  # fmt: skip
_ENDS = (
    "vik", "tec", "mar", "dia", "lux", "co", "rail", "phor", "lon", "via", "sto", "nova", "met", "gard",
    "ware", "tar", "den", "plas", "ston", "fold", "bit", "cell", "mo", "ra", "ska", "gen", "vent", "trix",
)  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_MONEY = (
    "EUR {n} {u}", "EUR {n} {u}", "EUR{n}{u}", "{n} {w} euros", "EUR {n} {w}", "USD {n} {u}", "${n} {w}",
    "${n}{u}", "SEK {n} {u}", "GBP {n} {u}", "£{n}{u}", "€{n} {w}", "{n} {w} dollars", "{n} {w} kronor",
    "NOK {n} {w}",
)  # fmt: skip
_UNITS = (
    ("mn", "million"),
    ("m", "million"),
    ("million", "million"),
    ("mln", "mln"),
    ("bn", "billion"),
    ("billion", "billion"),
)
_BY = ("by ", "by ", "", "some ", "by about ", "nearly ", "more than ")
_PERCENT = ("{} %", "{}%", "{} percent", "{} per cent", "{} pct")


Grammar = Mapping[str, Sequence[str]]
"""Section -> its lines. The sections of the classes and ``gains`` and ``burdens`` are sentences, the others parts."""


@cache
def read_grammar(path: Path = GRAMMAR) -> Grammar:
    """The grammar of a file: ``[section]``, then one entry a line; empty lines and ``#`` comments are skipped."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = sections.setdefault(line[1:-1], [])
        elif line.strip() and not line.startswith("#"):
            lines.append(line)
    return {name: tuple(lines) for name, lines in sections.items()}


def statements(n: int, seed: int = 0, *, held_out: bool = False, grammar: Grammar | None = None) -> LabelledTexts:
    """`n` distinct statements in the mix `MIX`, the same for the same `seed`.

    Parameters
    ----------
    n
        How many.
    seed
        Draws lines, parts and order.
    held_out
        Draw from the held-out lines of the grammar instead of the others.
    grammar
        Default: the one in `GRAMMAR`.
    """
    grammar = read_grammar() if grammar is None else grammar
    rng = np.random.default_rng((seed, held_out))
    texts: dict[str, int] = {}
    for label, share in enumerate(MIX):
        wanted = len(texts) + round(share * n)
        while len(texts) < wanted:
            texts.setdefault(clean(_statement(LABELS[label], rng, grammar, held_out=held_out)), label)
    order = rng.permutation(len(texts))
    rows = list(texts.items())
    return LabelledTexts(
        tuple(rows[i][0] for i in order), np.array([rows[i][1] for i in order], dtype=np.int64), "statements"
    )


def _statement(label: str, rng: np.random.Generator, grammar: Grammar, *, held_out: bool) -> str:
    section, grows = label, True
    if label != "neutral" and rng.random() < COMPARED:
        section = ("gains", "burdens")[int(rng.random() < 0.4)]
        # more of what is a gain is good news, more of a burden bad
        grows = (section == "gains") == (label == "positive")
    lines = [line for i, line in enumerate(grammar[section]) if (i % HELD_OUT_EVERY == 3) == held_out]
    return _Sentence(rng, grammar, grows=grows).write(lines[int(rng.integers(len(lines)))])


@dataclass(frozen=True)
class _Money:
    """One sentence's currency, unit and its two amounts."""

    form: str
    unit: tuple[str, str]
    low: float
    high: float

    def write(self, value: float) -> str:
        digits = 0 if value >= 200 else 1 if value >= 3 else 2
        return self.form.format(n=f"{value:,.{digits}f}", u=self.unit[0], w=self.unit[1])


class _Sentence:
    """Fills one line; amounts, percentages and currency keep their form in it; the new one is larger if it `grows`."""

    def __init__(self, rng: np.random.Generator, grammar: Grammar, *, grows: bool) -> None:
        self._rng = rng
        self._grammar = grammar
        low = float(np.exp(rng.normal(3.0, 1.6)))
        self._money = _Money(
            form=self._one_of(_MONEY),
            unit=_UNITS[int(rng.integers(len(_UNITS)))],
            low=low,
            high=low * (1.03 + float(rng.exponential(0.3))),
        )
        self._percent = self._one_of(_PERCENT)
        self._low_percent = float(rng.uniform(1, 40))
        high_percent = self._low_percent + float(rng.uniform(0.4, 15))
        amounts = [self._money.write(value) for value in (self._money.low, self._money.high)]
        percents = [self._percent.format(f"{value:.1f}") for value in (self._low_percent, high_percent)]
        self._parts: dict[str, Callable[[], str]] = {
            "empty": lambda: "",
            "hi": lambda: amounts[1],
            "lo": lambda: amounts[0],
            "now": lambda: amounts[grows],
            "then": lambda: amounts[not grows],
            "amount": lambda: self._money.write(float(np.exp(rng.normal(3.0, 1.4)))),
            "amount2": lambda: f"EUR {rng.uniform(0.5, 60):.2f}",
            "amount3": lambda: f"EUR {rng.uniform(0.05, 0.5):.2f}",
            "pct": self._share,
            "bypct": lambda: self._one_of(_BY) + self._share(),
            "bypct2": self._share,
            "lopct": lambda: percents[0],
            "hipct": lambda: percents[1],
            "nowpct": lambda: percents[grows],
            "thenpct": lambda: percents[not grows],
            "year": lambda: str(rng.integers(1998, 2025)),
            "date": self._date,
            "hour": lambda: f"{rng.integers(8, 17)}:{rng.choice(['00', '30'])}",
            "count": lambda: f"{int(np.exp(rng.uniform(3.0, 8.5))):,}",
            "few": lambda: self._one_of(("two", "three", "four", "five", "six", "seven", "8", "10", "12", "20")),
            "big": lambda: f"{int(np.exp(rng.uniform(9, 18))):,}",
            "name": lambda: self._one_of(_STARTS) + self._one_of(_ENDS),
        }  # fmt: skip

    def write(self, line: str) -> str:
        line = self._framed(line)
        while True:
            # innermost first, until none is left: parts hold choices, choices hold parts
            line, choices = _CHOICE.subn(lambda match: self._one_of(match[1].split("|")), line)
            line, parts = _PART.subn(lambda match: self._part(match[1]), line)
            if not choices + parts:
                return self._styled(line)

    def _framed(self, line: str) -> str:
        """Some lines with a place and a date before them, or with who said so after them."""
        drawn = self._rng.random()
        if drawn < 0.06:
            return "{opening} " + line
        if drawn > 0.92 and line.endswith(".") and '"' not in line:
            return line[:-1] + "{closing}."
        return line

    def _part(self, name: str) -> str:
        return self._parts[name]() if name in self._parts else self._one_of(self._grammar[name])

    def _styled(self, line: str) -> str:
        line = re.sub(r" (?=[.,])", "", re.sub(r"\s+", " ", line)).strip()
        line = _ARTICLE.sub(lambda match: match[1] + ("n " if match[2] in "aeio" else " "), line)
        line = line[0].upper() + line[1:]
        style = self._rng.random()
        if style < 0.4:  # the spacing of corpora that were split into words
            line = _PUNCTUATION.sub(lambda match: f" {match[1]}" if match[1] else f"{match[2]} ", line)
        if style < 0.08 or style > 0.92:
            line = line.lower()
        return line.removesuffix(".").rstrip() if 0.4 < style < 0.5 else line

    def _share(self) -> str:
        value = min(self._rng.exponential(14.0) + 0.5, 160.0)
        return self._percent.format(
            f"{value:.1f}" if self._rng.random() < 0.6 else f"{value:.0f}" if value >= 1 else "1"
        )

    def _date(self) -> str:
        day, month = self._rng.integers(1, 29), self._one_of(_MONTHS)
        return f"{day} {month}" if self._rng.random() < 0.5 else f"{month} {day}, {self._rng.integers(1998, 2025)}"

    def _one_of(self, options: Sequence[str]) -> str:
        return options[int(self._rng.integers(len(options)))]
