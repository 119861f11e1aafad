"""The overview in a real browser: table, search, order, stars, keyboard, today's cards, comparison and basket."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from browsing import CHROMIUM, Open, drawn, listed, shows
from serving import Running

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's chromium")


def names(page: Any) -> list[str]:
    """The symbols in the table, in its order."""
    listed: list[str] = page.locator("#board tbody a").all_inner_texts()
    return listed


def test_the_overview_is_the_first_page_and_opens_symbols(up: Running, visit: Open) -> None:
    page = listed(visit(up))
    board = httpx.get(f"{up.url}/v1/overview").json()
    assert names(page) == board["symbols"]
    for place, symbol in enumerate(board["symbols"]):
        row = page.locator(f"#board tr[data-symbol={symbol}]")
        columns = board["forecasts"]["1"]
        half = (columns["upper"][place] - columns["lower"][place]) / (2 * board["last_price"][place])
        assert f"±{100 * half:.1f} %" in row.inner_text()
        assert f"{board['last_price'][place]:.2f}" in row.inner_text()
        assert "USD" in row.inner_text()
    assert page.locator("#board th.up").count() == 0, "no direction without evidence"
    page.click("#horizons >> text=5 sessions")
    page.click("#board tr[data-symbol=S03] td.range")
    shows(page, "#hero-title", "S03")
    assert page.url.endswith("#S03/5")
    page.go_back()
    page.wait_for_selector("#view-overview:not([hidden])")
    assert page.locator("#horizons [aria-checked=true]").inner_text() == "5 sessions"


def test_it_is_searched_sorted_and_filtered(up: Running, visit: Open) -> None:
    page = listed(visit(up))
    board = httpx.get(f"{up.url}/v1/overview").json()
    page.fill("#filter", "s04")
    shows(page, "#board-count", "1 of 6 symbols")
    assert names(page) == ["S04"]
    page.fill("#filter", "nothing like it")
    shows(page, "#board-count", "No symbol matches “nothing like it”.")
    page.press("#filter", "Escape")
    shows(page, "#board-count", "6 of 6")
    page.click("#board thead >> text=Range, 90 %")
    columns = board["forecasts"]["1"]
    width = {
        symbol: (columns["upper"][i] - columns["lower"][i]) / board["last_price"][i]
        for i, symbol in enumerate(board["symbols"])
    }
    assert names(page) == sorted(width, key=lambda symbol: -width[symbol])
    assert page.locator("#board th.range").get_attribute("aria-sort") == "descending"
    page.click("#board thead >> text=Range, 90 %")
    assert names(page) == sorted(width, key=lambda symbol: width[symbol])
    page.click("#filters >> text=With news")
    assert set(names(page)) == {symbol for i, symbol in enumerate(board["symbols"]) if board["sentiment"][i]}


def test_stars_stay_in_the_browser(up: Running, visit: Open) -> None:
    page = listed(visit(up))
    page.click("#filters >> text=Starred")
    shows(page, "#board-count", "No symbol is starred yet")
    page.click("#filters >> text=All")
    page.click("#board tr[data-symbol=S02] .star")
    page.reload()
    listed(page)
    assert page.get_attribute("#board tr[data-symbol=S02] .star", "aria-pressed") == "true"
    page.click("#filters >> text=Starred")
    assert names(page) == ["S02"]
    page.click("#board tr[data-symbol=S02] .star")
    shows(page, "#board-count", "No symbol is starred yet")


def test_the_keyboard_alone_does_everything_in_the_table(up: Running, visit: Open) -> None:
    page = listed(visit(up))
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("s")
    assert page.get_attribute("#board tr[data-symbol=S01] .star", "aria-pressed") == "true"
    focused = "document.activeElement.closest('tr')?.dataset.symbol"
    assert page.evaluate(focused) == "S01"
    page.keyboard.press("c")
    page.keyboard.press("End")
    assert page.evaluate(focused) == "S05"
    page.keyboard.press("c")
    assert page.inner_text("#compare-link") == "Compare (2)"
    page.keyboard.press("Enter")
    shows(page, "#hero-title", "S05")
    page.keyboard.press("o")
    page.wait_for_selector("#view-overview:not([hidden])")
    page.focus("#compare-link")
    page.keyboard.press("Enter")
    shows(page, "#compare-title", "S01 · S05")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("Escape")
    # every stop of the tabulator can be seen
    page.keyboard.press("o")
    for _ in range(25):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || document.activeElement.checkVisibility()")


def test_the_table_is_a_file(up: Running, visit: Open) -> None:
    page = listed(visit(up, accept_downloads=True))
    page.fill("#filter", "s0")
    with page.expect_download() as download:
        page.click("#board-csv")
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert [row["symbol"] for row in rows] == names(page)
    forecast = httpx.get(f"{up.url}/v1/forecast/S00").json()
    assert float(rows[0]["lower"]) == pytest.approx(forecast["interval"]["lower"], rel=1e-5)


def test_today_names_what_an_analyst_looks_for_first(up: Running, visit: Open) -> None:
    page = listed(visit(up))
    board = httpx.get(f"{up.url}/v1/overview").json()
    columns = board["forecasts"]["1"]
    ranks = dict(zip(board["symbols"], columns["volatility_rank"], strict=True))
    widest, missed, news, trust = page.locator("#today .card").all()
    first = widest.locator("li a").first.inner_text()
    assert ranks[first] == max(ranks.values())
    out = {
        symbol for symbol, due in zip(board["symbols"], columns["due"], strict=True)
        if due[0] == board["session"] and not due[2] <= due[1] <= due[3]
    }  # fmt: skip
    assert set(missed.locator("li a").all_inner_texts()) == out
    assert f"{len(out)} of 6 that came due" in missed.inner_text()
    assert "news" in news.inner_text()
    inside, due = np.sum(columns["held"], axis=0)
    assert f"{100 * inside / due:.1f} % held" in trust.inner_text()


def test_two_symbols_are_compared_and_a_basket_has_its_range(up: Running, visit: Open) -> None:
    page = visit(up, "#/compare/S00,S02,S04/5")
    page.wait_for_selector("#correlation td", timeout=60_000)
    details = [httpx.get(f"{up.url}/v1/symbols/{symbol}").json() for symbol in ("S00", "S02", "S04")]
    # the same bars for all: their last 250 returns
    returns = np.array([np.diff(np.log(detail["bars"]["close"]))[-250:] for detail in details])
    rho = np.corrcoef(returns)
    halves = []
    for detail in details:
        forecast = next(each for each in detail["forecasts"] if each["horizon"] == 5)
        halves.append((forecast["upper"] - forecast["lower"]) / (2 * forecast["last_price"]))
    width = math.sqrt(np.array(halves) @ rho @ np.array(halves) / 9)
    assert f"±{100 * width:.2f} % with 90 %" in page.inner_text("#basket-figures")
    assert f"{rho[0, 1]:.2f}".replace("-", "−") in page.inner_text("#correlation tbody tr:first-child")
    assert "square root of the sum" in page.inner_text("#basket-formula")
    page.fill("#basket", "s01, S03 NOPE")
    page.keyboard.press("Enter")
    shows(page, "#compare-note", "There is no forecast of NOPE here.")
    shows(page, "#compare-title", "S01 · S03")
    page.fill("#basket", "S01")
    page.keyboard.press("Enter")
    shows(page, "#compare-note", "Name two symbols or more")


def test_a_company_is_found_by_its_name(up: Running, visit: Open) -> None:
    page = listed(visit(up))
    ordered = page.evaluate(
        """async () => {
            const { matching } = await import("/page/rows.js");
            const rows = [
                ["AAPL", "Apple"], ["APLE", "Apple Hospitality"], ["T", "AT&T"], ["PNPL", "Pineapple"], ["AP", ""],
            ];
            const named = rows.map(([symbol, name]) => ({ symbol, name }));
            return ["apple", "AT", "hosp", "zz", " "].map((text) => matching(named, text).map((row) => row.symbol));
        }"""
    )
    assert ordered == [["AAPL", "APLE", "PNPL"], ["T"], ["APLE"], [], ["AAPL", "APLE", "T", "PNPL", "AP"]]
    drawn(visit(up, "#s01/1"))
