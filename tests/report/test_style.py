from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tenor.report import style


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0.1234, 2, "0.12"),
        (-0.1254, 2, "−0.13"),
        (-0.0001, 2, "0.00"),
        (1234567.891, 1, "1,234,567.9"),
        (float("nan"), 2, "–"),
        (float("inf"), 2, "–"),
    ],
)
def test_number(value, digits, shown):
    assert style.format_number(value, digits) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.5213, "52.13\u00a0%"), (-0.00001, "0.00\u00a0%"), (float("nan"), "–")])
def test_percent(value, shown):
    assert style.format_percent(value) == shown


def test_a_day_and_a_list_in_words():
    assert style.format_day(pd.Timestamp("2016-01-04")) == "4 Jan 2016"
    assert [style.join_names(list("abcdef")[:n]) for n in (1, 2, 4, 6)] == [
        "a",
        "a and b",
        "a, b, c and d",
        "a, b, c and 3 more",
    ]
    assert style.sentence_case("rank IC") == "Rank IC"
    assert [style.sessions_ahead(h) for h in (1, 5)] == ["1 session ahead", "5 sessions ahead"]


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [1, 2], ids=["light", "dark"])
def test_colours_can_be_read_on_the_page(theme):
    paper = style.THEME[style.PAPER][theme]
    for colour in (style.INK, style.MUTED, *style.SERIES):  # text is set in these
        assert _contrast(style.THEME[colour][theme], paper) >= 4.5
    assert _contrast(style.THEME[style.CALM][theme], paper) >= 3  # lines and bars


@pytest.mark.parametrize(
    ("first", "count", "labels"),
    [
        ("2016-11-15", 60, ["Dec\n2016", "Jan\n2017", "Feb"]),
        ("2016-03-01", 3, ["1 Mar\n2016", "2 Mar", "3 Mar"]),
        ("2010-01-04", 1300, None),
        ("2016-03-01", 1, ["1 Mar\n2016"]),
    ],
)
def test_dates_say_the_year_once(first, count, labels):
    axes = Figure().subplots()
    style.date_ticks(axes, pd.bdate_range(first, periods=count), np.arange(count, dtype="float64"))
    shown = [t.get_text() for t in axes.get_xticklabels()]
    assert len(shown) <= 9
    if labels is not None:
        assert shown == labels


def test_svg_has_own_ids_and_no_colours_of_its_own():
    @style.styled
    def draw() -> Figure:
        figure = style.canvas(2)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=style.OURS)
        axes.set_title("$x$ <&>")
        return figure

    one, other = style.svg(draw(), "one"), style.svg(draw(), "other")
    ids = re.findall(r' id="([^"]+)"', one)
    assert ids
    assert all(i.startswith("one-") for i in ids)
    assert not set(ids) & set(re.findall(r' id="([^"]+)"', other))
    assert "var(--ours)" in one
    assert not set(re.findall(r"#[0-9a-f]{6}", one)) & set(style.THEME)
    assert "$x$ &lt;&amp;&gt;" in one
    assert "http" not in one
