from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reports import OURS, Page, make_walk

from tenor.errors import UnknownSymbolError, UsageError
from tenor.evaluation.glossary import GLOSSARY, markdown, terms_in
from tenor.report import Fold, NewsDetails, PageSection, Paragraph, ReportExtras, TextTable, write_report
from tenor.report.page import render_page

ABOUT = {"Model version": "3f9c21ab", "Data": "made up"}
WITHOUT = "the same without sentiment"


@pytest.fixture(scope="module")
def walk():
    return make_walk()


@pytest.fixture(scope="module")
def extras(walk):
    """Trading, and news: what another model's forecasts change stands for what reading the news does."""
    risk = {
        h: replace(e, comparisons={WITHOUT: next(iter(e.comparisons.values()))}, table=e.table)
        for h, e in walk.risk.items()
    }
    returns = {h: replace(e, against={WITHOUT: e.against["always-up"]}) for h, e in walk.walked.evaluations.items()}
    news = NewsDetails(risk, returns, WITHOUT, (Paragraph("Of the news."), Fold("More", (Paragraph("Of a day."),))))
    own = Fold("Version 3f9c21ab: how it learned", (Paragraph("It learned."),))
    return ReportExtras(news=news, trading=walk.trading(), folds=[own])


@pytest.fixture(scope="module")
def text(walk, extras, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(path, walk, about=ABOUT, extras=extras).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def first_page(text: str) -> str:
    return text[: text.index("<nav")]


def test_is_one_file_that_asks_for_nothing_outside(page, text):
    for reference in page.references:
        assert reference.startswith(("#", "data:image/png;base64,")), reference
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text
    assert len(text) < 1_500_000


def test_every_reference_within_the_page_leads_somewhere(page):
    assert {r[1:] for r in page.references if r.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_first_page_answers_each_question_with_a_sentence_a_picture_and_a_way_on(text):
    answers = re.findall(r'<article class="answer">(.*?)</article>', first_page(text), flags=re.DOTALL)
    assert [re.search(r"<h2>(.*?)</h2>", answer)[1] for answer in answers] == [
        "How far?",
        "Which way?",
        "Does the news help?",
        "What would it have earned and lost?",
    ]
    for answer, section in zip(answers, ("how-far", "which-way", "news", "trading"), strict=True):
        assert len(re.findall(r"<p>", answer)) == 1
        assert answer.count("<svg") == 1
        assert f'href="#{section}"' in answer


def test_the_answers_say_what_was_measured(text, walk):
    words = re.sub(r"\s+", " ", Page(first_page(text) + "</body></html>").prose)
    risk, evaluation = walk.risk[1], walk.walked.evaluations[1]
    assert f"held {100 * risk.coverage:.1f} % of returns" in words
    assert f"right in {100 * evaluation.table[OURS]['direction'].value:.1f} % of cases" in words
    (run,) = (run for run in walk.trading().of("long/flat") if run.cost == 10)
    made = f"{100 * run.backtest.annual_return:.1f}".replace("-", "−")
    assert f"made {made} % a year and fell by at most {100 * abs(run.backtest.max_drawdown):.1f} %" in words
    assert "What 100 USD became" in words


def test_the_population_is_stated_once(page, walk):
    evaluation = walk.walked.evaluations[1]
    stated = f"the same {evaluation.days:,} sessions"
    assert re.sub(r"\s+", " ", page.prose).count(stated) == 1


def test_details_are_folded_by_horizon(text):
    sections = dict(re.findall(r'<section id="([a-z-]+)"(.*?)</section>', text, flags=re.DOTALL))
    for name in ("how-far", "which-way"):
        titles = re.findall(r'<details class="fold"><summary>(.*?)</summary>', sections[name])
        assert [title.partition(":")[0] for title in titles[:2]] == ["1 session ahead", "5 sessions ahead"]
        outside = re.sub(r"<details.*?</details>", "", sections[name], flags=re.DOTALL)
        assert "<table" not in outside
        assert "<svg" not in outside
    assert "open" not in {key for _, attributes in Page(text).tags for key in attributes}


def test_it_has_every_section_and_a_way_to_it(page):
    expected = ["how-far", "which-way", "news", "trading", "symbols", "how-it-was-tested", "glossary"]
    assert page.headings() == expected
    navigation = [r for r in page.references if r[1:] in expected]
    assert [name for name in expected if f"#{name}" in navigation] == expected


def test_symbols_are_those_of_best_median_and_worst_coverage(text, walk):
    held = {s: row["coverage_90"] for s, row in walk.risk[1].by_symbol.items()}
    ranked = sorted(held, key=lambda s: (round(abs(held[s] - 0.9), 9), s))
    part = text[text.index('<section id="symbols"') :]
    titles = re.findall(r"<summary>(.*?)</summary>", part[: part.index("</section>")])
    assert [title.partition(":")[0] for title in titles] == [ranked[0], ranked[3], ranked[-1]]
    assert [title.partition(": ")[2].partition(",")[0] for title in titles] == [
        "best covered",
        "median coverage",
        "worst covered",
    ]


def test_it_has_fewer_than_3000_words(page):
    assert 500 < page.words < 3000


def test_every_term_of_the_glossary_is_linked_and_every_link_has_its_term(page, text):
    terms = {term.anchor: term for term in GLOSSARY}
    listed = [name for name in page.ids if name in terms]
    linked = {r[1:] for r in page.references if r.startswith("#term-")}
    assert set(listed) == linked
    assert len(listed) > 20
    assert listed == [term.anchor for term in GLOSSARY if term.anchor in listed]
    glossary = Page(text[text.index('<dl class="glossary">') : text.index("</dl>") + 5]).text
    assert all(terms[name].meaning.replace("*", "").split()[0] in glossary for name in listed)


def test_terms_are_sorted_and_no_form_means_two():
    assert list(GLOSSARY) == sorted(GLOSSARY, key=lambda term: term.name.lower())
    forms = [form.lower() for term in GLOSSARY for form in (term.name, *term.forms)]
    assert len(forms) == len(set(forms))
    assert [term.name for _, _, term in terms_in("hard HAR-X of folds, rank IC")] == [
        "HAR, HAR-X",
        "Fold",
        "Information coefficient (IC)",
    ]


def test_the_page_of_the_docs_is_the_same_glossary():
    docs = Path(__file__).parents[2] / "docs" / "glossary.md"
    assert docs.read_text(encoding="utf-8") == markdown()


def test_figures_have_alternatives_with_their_numbers_and_tables_have_scoped_headers(page, text):
    figures = [a for tag, a in page.tags if a.get("role") == "img"]
    assert len(figures) == sum(tag == "svg" for tag, _ in page.tags) >= 12
    assert all(re.search(r"\d", a["aria-label"]) for a in figures)
    assert text.count("<figure>") == text.count("<figcaption>") == len(figures)
    assert all(a.get("scope") in ("col", "row") for tag, a in page.tags if tag == "th")


def test_paper_shows_what_is_folded_and_no_navigation(text):
    printed = text[text.index("@media print") : text.index("</style>")]
    assert re.search(r"details::details-content \{ content-visibility: visible", printed)
    assert re.search(r"nav, .*display: none", printed)
    assert "color-scheme: light" in printed
    assert "break-inside: avoid" in printed


def test_colours_follow_the_theme(text):
    svgs = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert all("var(--" in s for s in svgs)
    assert "prefers-color-scheme: dark" in text
    used = set(re.findall(r"var\(--([a-z]+)\)", text))
    assert used <= set(re.findall(r"--([a-z]+):", text))


def test_without_news_and_trading_it_says_so_and_offers_no_dead_link(walk, tmp_path):
    page = Page(write_report(tmp_path / "r.html", walk, about={}).read_text(encoding="utf-8"))
    assert "This model reads no news" in page.text
    assert "What would it have earned" not in page.text
    assert {r[1:] for r in page.references if r.startswith("#")} <= set(page.ids)


def test_named_symbols_are_shown_and_unknown_ones_refused(walk, tmp_path):
    path = tmp_path / "r.html"
    page = Page(write_report(path, walk, about={}, extras=ReportExtras(symbols=["S02"])).read_text(encoding="utf-8"))
    assert "S02: named" in page.text
    with pytest.raises(UnknownSymbolError, match="Did you mean 'S02'"):
        write_report(tmp_path / "other.html", walk, about={}, extras=ReportExtras(symbols=["S022"]))
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_nothing_evaluated_is_refused(walk, tmp_path):
    with pytest.raises(UsageError, match="evaluate first"):
        write_report(tmp_path / "r.html", replace(walk, risk={}), about={})
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_intervals_has_no_picture_of_them(walk, tmp_path):
    nothing = np.full_like(walk.forecasts.mean, np.nan)
    blind = replace(walk, forecasts=replace(walk.forecasts, lower=nothing, upper=nothing))
    page = Page(write_report(tmp_path / "r.html", blind, about={}).read_text(encoding="utf-8"))
    assert "has no interval with a known return in the test." in page.text
    assert "nan" not in page.prose.lower()


def test_names_are_escaped_wherever_they_stand(walk, tmp_path):
    nasty = "<script>alert('x')</script>"
    about = {nasty: nasty}
    path = write_report(tmp_path / "r.html", walk, about=about, extras=ReportExtras(folds=[Fold(nasty, ())]))
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    assert nasty in Page(text).text


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_failure_midway_leaves_the_old_report_whole(moment, walk, tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("the old one")

    def fails(*args):
        assert len(list(tmp_path.iterdir())) == 2  # the new one is being written beside it
        raise OSError(28, "No space left on device")

    monkeypatch.setattr({"fsync": os, "replace": Path}[moment], moment, fails)
    with pytest.raises(UsageError, match=r"r\.html: No space left on device"):
        write_report(path, walk, about={})
    monkeypatch.undo()
    assert path.read_text() == "the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_a_file_in_place_of_the_folder_is_reported_in_one_line(walk, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"can't write the report to .*r\.html"):
        write_report(tmp_path / "file" / "r.html", walk, about={})


def test_minus_signs_and_percents_of_prose_are_set_right():
    prose = PageSection("x", (Paragraph("from -0.05 % to 2016-01-04 (-3)"),))
    text = render_page(title="t", subtitle="s", about={}, sections=[prose])
    assert "from −0.05\u00a0% to 2016-01-04 (−3)" in text


def test_a_table_with_a_short_row_is_refused():
    with pytest.raises(ValueError, match="1 cells under 2 columns"):
        TextTable(("a", "b"), (("x",),), "short")
