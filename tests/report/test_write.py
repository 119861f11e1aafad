from __future__ import annotations

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from tenor.errors import UnknownSymbolError, UsageError
from tenor.report import PageSection, Paragraph, Picture, TextTable, write_report

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order; keeps ids, references, headings and the text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute twice in <{tag}>"
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.references += [
            attributes[k] for k in ("src", "href", "xlink:href", "srcset", "action", "data") if k in attributes
        ]
        self.references += re.findall(r"url\(([^)]*)\)", " ".join(v or "" for v in attributes.values()))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            self.references += re.findall(r"url\(([^)]*)\)|@import", data)
        else:
            self.text += data

    def headings(self) -> list[str]:
        return [a["aria-labelledby"].removesuffix("-title") for tag, a in self.tags if tag == "section"]


@pytest.fixture(scope="module")
def text(world, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    figure = Figure()
    figure.subplots().plot([1, 2])
    extra = PageSection(
        "Sentiment & more",
        (
            Paragraph("An own paragraph."),
            TextTable(("a", "b"), (("x", "1\n[0, 2]"),), "own"),
            Picture(figure, "own", "own"),
        ),
    )
    assert write_report(path, **world.arguments(symbols=["AAA", "CCC"], extra_sections=[extra])) == path
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_is_well_formed_and_its_ids_are_unique(page):
    assert len(page.ids) == len(set(page.ids))


def test_asks_for_nothing_from_outside(text, page):
    assert page.references
    for reference in page.references:
        assert reference.startswith(("#", "data:image/png;base64,")), reference
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text


def test_every_reference_within_the_page_leads_somewhere(page):
    assert {r[1:] for r in page.references if r.startswith("#")} <= set(page.ids)


def test_has_every_section_and_a_way_to_it(page):
    expected = [
        "results", "against-the-baselines", "prices-and-forecasts", "forecast-and-outcome", "probabilities",
        "intervals", "years-and-stocks", "attention", "training", "sentiment-more",
    ]  # fmt: skip
    assert page.headings() == expected
    nav = page.references[1 : 1 + len(expected)]  # after the link that skips to the results
    assert nav == [f"#{name}" for name in expected]


def test_the_verdict_of_each_horizon_stands_before_the_sections(world, text):
    for evaluation in world.evaluations.values():
        first = evaluation.verdict.partition(". ")[0].replace(" %", "\u00a0%")
        place = text.index(first[1:])
        assert place < text.index("<nav")


def test_figures_have_alternative_text_and_tables_have_scoped_headers(page):
    figures = [a for tag, a in page.tags if a.get("role") == "img"]
    assert len(figures) == sum(tag == "svg" for tag, _ in page.tags) >= 13
    assert all(a["aria-label"] for a in figures)
    assert all(a.get("scope") in ("col", "row") for tag, a in page.tags if tag == "th")


def test_each_stock_has_its_errors_of_price_and_probability_folded_away(text, page, world):
    evaluation = next(iter(world.evaluations.values()))
    assert sum(tag == "details" for tag, _ in page.tags) == 1
    folded = text[text.index("<details>") : text.index("</details>")]
    for symbol, values in evaluation.by_symbol.items():
        row = folded[folded.index(f'<th scope="row">{symbol}</th>') :].split("</tr>")[0]
        assert f"{values['brier']:.4f}" in row
        assert f"{100 * values['price_rmse']:.3f}" in row


def test_only_our_row_is_marked_and_nothing_else_is_bold(page, world):
    assert sum(a.get("class") == "marked" for tag, a in page.tags if tag == "tr") == 2 * len(world.evaluations)
    assert not [tag for tag, _ in page.tags if tag == "b"]


def test_the_table_shows_values_intervals_and_dashes(page, world):
    interval = world.evaluations[1].table["attention LSTM"]["direction"]
    assert f"{interval.value * 100:.2f}\u00a0%[{interval.low * 100:.2f}, {interval.high * 100:.2f}]" in page.text
    assert "persistence–" in re.sub(r"\s", "", page.text)  # it names no direction


def test_a_symbol_has_as_many_sessions_as_it_has_forecasts_with_known_returns(page):
    # CCC left 70 sessions before the end of a test of 90, so that the return after its 20th forecast is unknown
    assert "CCC, the last 19 sessions of the test; a forecast 1 session ahead is drawn" in page.text
    assert "CCC has no forecast" not in page.text


def test_a_symbol_without_recent_forecasts_is_reported_to_have_none(world, tmp_path):
    ours = next(iter(world.predictions.values()))
    mean = ours.mean.copy()
    mean[:, 2] = np.nan
    predictions = {**world.predictions, ours.model: replace(ours, mean=mean)}
    path = write_report(tmp_path / "r.html", **world.arguments(symbols=["CCC"], predictions=predictions))
    text = Page(path.read_text(encoding="utf-8")).text
    assert "CCC has no forecast with a known return in the last sessions of the test." in text
    assert "CCC, the last" not in text


def test_colours_follow_the_theme(text):
    svgs = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert all("var(--" in s for s in svgs)
    assert "prefers-color-scheme: dark" in text
    used = set(re.findall(r"var\(--([a-z]+)\)", text))
    assert used <= set(re.findall(r"--([a-z]+):", text))


def test_stays_small_and_the_same_on_every_run(world, text, tmp_path):
    assert len(text) < 1_500_000
    first, second = (tmp_path / n for n in ("first.html", "second.html"))
    plain = world.arguments(symbols=[], attention=None, history=[], evaluations={1: world.evaluations[1]})
    write_report(first, **plain)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):  # what the process has set changes nothing
        write_report(second, **plain)
    assert first.read_bytes() == second.read_bytes()


def test_one_symbol_a_short_test_and_no_trade(world_of, tmp_path):
    world = world_of(symbols=("ONE",), sessions=60, tested=12, always=0.4, intervals=False)
    interval = world.evaluations[5].table["attention LSTM"]["return_rmse"]
    assert np.isnan(interval.low)  # too few days to resample
    page = Page(write_report(tmp_path / "r.html", **world.arguments()).read_text(encoding="utf-8"))
    assert "Forecasts of ONE" in page.text
    assert "nan" not in page.text.lower()
    assert "The model gives no intervals." in page.text
    assert "All forecasts are the same." in page.text
    assert "too few sessions to tell any difference" in page.text


def test_names_are_escaped_wherever_they_stand(world_of, tmp_path):
    nasty = "<script>alert('x')</script>"
    world = world_of(symbols=(nasty, "$A_1$ & <b>"), horizons=(1,))
    named = {nasty: next(iter(world.predictions.values())), **dict(list(world.predictions.items())[1:])}
    evaluation = world.evaluations[1]
    table = {nasty if k == "attention LSTM" else k: v for k, v in evaluation.table.items()}
    arguments = world.arguments(
        evaluations={1: replace(evaluation, table=table, verdict=f"{nasty} is no better. {nasty}")},
        predictions=named,
        about={nasty: nasty},
        symbols=world.panel.symbols,
    )
    text = write_report(tmp_path / "r.html", **arguments).read_text(encoding="utf-8")
    page = Page(text)
    assert "<script" not in text
    assert not [tag for tag, _ in page.tags if tag in ("script", "b")]
    assert nasty in page.text
    assert "$A_1$ & <b>" in page.text


def test_nothing_evaluated_and_unknown_symbols_are_refused(world, tmp_path):
    with pytest.raises(UsageError, match="evaluate first"):
        write_report(tmp_path / "r.html", **world.arguments(evaluations={}))
    with pytest.raises(UnknownSymbolError, match="Did you mean 'AAA'"):
        write_report(tmp_path / "r.html", **world.arguments(symbols=["AAAA"]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_failure_midway_leaves_the_old_report_whole(moment, world, tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("the old one")

    def fails(*args):
        assert len(list(tmp_path.iterdir())) == 2  # the new one is being written beside it
        raise OSError(28, "No space left on device")

    monkeypatch.setattr({"fsync": os, "replace": Path}[moment], moment, fails)
    small = world.arguments(symbols=[], attention=None, history=[], evaluations={1: world.evaluations[1]})
    with pytest.raises(UsageError, match=r"r\.html: No space left on device"):
        write_report(path, **small)
    monkeypatch.undo()
    assert path.read_text() == "the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_a_file_in_place_of_the_folder_is_reported_in_one_line(world, tmp_path):
    (tmp_path / "file").write_text("")
    small = world.arguments(symbols=[], attention=None, history=[], evaluations={1: world.evaluations[1]})
    with pytest.raises(UsageError, match=r"can't write the report to .*r\.html"):
        write_report(tmp_path / "file" / "r.html", **small)


def test_minus_signs_and_percents_of_prose_are_set_right(world, tmp_path):
    prose = PageSection("x", (Paragraph("from -0.05 % to 2016-01-04 (-3)"),))
    small = world.arguments(symbols=[], attention=None, history=[], evaluations={1: world.evaluations[1]})
    text = write_report(tmp_path / "r.html", **small, extra_sections=[prose]).read_text(encoding="utf-8")
    assert "from −0.05\u00a0% to 2016-01-04 (−3)" in text


def test_a_table_with_a_short_row_is_refused():
    with pytest.raises(ValueError, match="1 cells under 2 columns"):
        TextTable(("a", "b"), (("x",),), "short")
