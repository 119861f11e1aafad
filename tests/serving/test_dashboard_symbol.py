"""A symbol's page in a real browser: what its charts can show, its timeline, its files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import CHROMIUM, Open, drawn, shows
from serving import Running, Serve

from tenor.serving.published import PublishedForecasts

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's chromium")

TRACES = "document.getElementById('price').data"


def shown(page: Any, script: str) -> Any:
    """What `script` returns of the price chart's traces, named t."""
    return page.evaluate(f"{TRACES}.map((t) => {script})")


def test_the_price_chart_has_candles_volume_a_log_scale_and_any_dates(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/1"))
    bars = httpx.get(f"{up.url}/v1/symbols/S01").json()["bars"]
    assert "candlestick" not in shown(page, "t.type")
    page.click("#candles")
    assert page.get_attribute("#candles", "aria-pressed") == "true"
    opens = page.evaluate(f"Array.from({TRACES}.find((t) => t.type === 'candlestick').open)")
    assert opens == bars["open"][-126:]
    volumes = page.evaluate(f"Array.from({TRACES}.find((t) => t.type === 'bar').y)")
    assert volumes == bars["volume"][-126:]
    page.click("#log")
    assert page.evaluate("document.getElementById('price').layout.yaxis.type") == "log"
    page.click("#range >> text=All")
    assert page.evaluate(f"{TRACES}[3].x.length") == len(bars["session"])
    first, last = bars["session"][100], bars["session"][149]
    page.fill("#from", first)
    page.fill("#to", last)
    page.keyboard.press("Tab")
    page.wait_for_function(f"{TRACES}[3].x.length === 50")
    assert page.evaluate(f"[{TRACES}[3].x[0], {TRACES}[3].x.at(-1)]") == [first, last]
    page.fill("#to", bars["session"][90])  # before the first: the two change places
    page.wait_for_function(f"{TRACES}[3].x.length === 11")
    assert page.input_value("#from") == bars["session"][90]
    page.click("#range >> text=3 m")
    page.wait_for_function(f"{TRACES}[3].x.length === 63")
    assert page.input_value("#from") == ""


def test_what_was_realised_stands_beside_what_was_forecast(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/5"))
    bars = httpx.get(f"{up.url}/v1/symbols/S01").json()["bars"]
    x, y = page.evaluate("((t) => [Array.from(t.x), Array.from(t.y)])(document.getElementById('volatility').data[3])")
    assert y[-5:] == [None] * 5, "what lies ahead is not known"
    place = bars["session"].index(x[-6])
    assert place == len(bars["session"]) - 6
    variances = []
    for i in range(place + 1, place + 6):
        o, h, low, c = (math.log(bars[name][i]) for name in ("open", "high", "low", "close"))
        before = math.log(bars["close"][i - 1])
        within = 0.5 * (max(h, o, c) - min(low, o, c)) ** 2 - (2 * math.log(2) - 1) * (c - o) ** 2
        variances.append((o - before) ** 2 + within)
    assert y[-6] == pytest.approx(math.sqrt(sum(variances) / 5))


def test_dates_and_kinds_of_news_lie_below_the_chart_and_items_have_theirs(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    index = published.index()
    assert index is not None
    document = json.loads(published.read(index.entries["S00"]))
    days = document["bars"]["session"]
    document["as_of"] = "2030-01-01T21:00:00+00:00"
    document["events"] = {
        "session": [days[-10], "2030-02-03"],
        "kind": ["earnings", "ex_dividend"],
        "known_since": [f"{days[-20]} 12:00:00+00:00", f"{days[-4]} 12:00:00+00:00"],
    }
    document["kinds"] = {
        "session": [days[-5], days[-5], days[-5], days[-3]],
        "kind": ["", "earnings", "topic:supply", "legal"],
        "n": [5.0, 3.0, 2.0, 1.0],
    }
    for item in document["items"]:
        item["kinds"] = ["earnings", "analyst"]
    document["items"][0]["source"] = "example"
    published.publish([document], {**index.head, "published_at": index.head["published_at"] + 1})
    page = drawn(visit(serve(published), "#S00/1"))
    below = page.evaluate(f"{TRACES}.filter((t) => t.yaxis === 'y3').map((t) => [Array.from(t.x), t.text])")
    assert below == [
        [[days[-10], "2030-02-03"], ["earnings", "ex dividend"]],
        [[days[-5], days[-3]], ["earnings 3<br>supply 2", "legal 1"]],
    ]
    shows(page, "#price-text", "Next date known ahead: ex dividend on 3 Feb 2030.")
    assert "earnings, analyst" in page.inner_text("#items")
    page.evaluate(f"location.hash = '#S00/1/{days[-6]}'")
    page.wait_for_function(f"{TRACES}.filter((t) => t.yaxis === 'y3').length === 1")
    assert "Next date" not in page.inner_text("#price-text"), "it was announced later"
    page.go_back()
    shows(page, "#price-text", "Next date known ahead")
    assert "Example: a sentence made up for this demo" in page.inner_text("#items")


def test_the_charts_and_their_figures_are_files(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/5", accept_downloads=True))
    detail = httpx.get(f"{up.url}/v1/symbols/S01").json()
    for button in ("#price-png", "#fan-png"):
        with page.expect_download() as download:
            page.click(button)
        assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
        assert download.value.suggested_filename.startswith("S01-")
    with page.expect_download() as download:
        page.click("#bars-csv")
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert [float(row["close"]) for row in rows] == detail["bars"]["close"]
    with page.expect_download() as download:
        page.click("#past-csv")
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    past = httpx.get(f"{up.url}/v1/history/S01?horizon=5&limit=1000").json()["forecasts"]
    assert [row["target_session"] for row in rows] == [row["target_session"] for row in past]
    assert [row["inside"] for row in rows] == [{True: "true", False: "false", None: ""}[row["held"]] for row in past]
    held = [row["held"] for row in past if row["held"] is not None]
    assert f"{sum(held)} of {len(held)} past forecasts held" in page.inner_text("#hits")


def test_a_past_day_knows_nothing_of_what_came_later(up: Running, visit: Open) -> None:
    rows = httpx.get(f"{up.url}/v1/history/S01?horizon=1&limit=1000").json()["forecasts"]
    row = rows[-30]
    page = drawn(visit(up, f"#S01/1/{row['session']}"))
    assert page.evaluate(f"{TRACES}[3].x.at(-1)") == row["session"]
    assert f"{row['lower']:.2f} … {row['upper']:.2f}" in page.inner_text("#figures")
    assert f"{row['realised_price']:.2f}" in page.inner_text("#figures")
    due = [each for each in rows if each["target_session"] <= row["session"]]
    assert f"{sum(each['held'] for each in due)} of {len(due)} past forecasts held" in page.inner_text("#hits")
    assert page.is_hidden("#attention")
    ranks = sum(each["volatility"] < row["volatility"] for each in rows[-30 - 252 : -30]) / len(rows[-30 - 252 : -30])
    share = f"{100 * max(ranks, 1 - ranks):.0f} %"
    assert share in page.inner_text("#figures")
