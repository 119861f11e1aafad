"""The page in a real browser: what a reader does, by mouse, keyboard and thumb; nothing from elsewhere."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from browsing import CHROMIUM, Open, drawn, listed, shows
from serving import Running, Serve, until

from tenor.serving.keys import ApiKeys
from tenor.serving.published import PublishedForecasts

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's chromium")


def test_the_page_shows_the_values_of_the_service(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/5"))
    forecast = httpx.get(f"{up.url}/v1/forecast/S01?horizon=5").json()
    assert page.inner_text("#hero-title") == "S01"
    assert f"{forecast['price']:.2f}" in page.inner_text("#direction-note")
    assert f"{100 * forecast['volatility']:.2f} %" in page.inner_text("#figures")
    assert f"{100 * forecast['baseline_volatility']:.2f} %" in page.inner_text("#volatility-text")
    rank = forecast["volatility_rank"]
    assert ("more volatile than" if rank >= 0.5 else "calmer than") in page.inner_text("#figures")
    for losses in (forecast["value_at_risk"], forecast["expected_shortfall"]):
        for loss in losses.values():
            assert f"{100 * loss:.2f} %" in page.inner_text("#losses")
    assert f"{forecast['quantiles']['0.25']:.2f} … {forecast['quantiles']['0.75']:.2f}" in page.inner_text("#fan-text")
    assert page.locator("#reach tbody tr").count() == 3
    assert page.inner_text("#reach .chosen th") == "5"
    assert f"{forecast['interval']['lower']:.2f} … {forecast['interval']['upper']:.2f}" in page.inner_text("#figures")
    models = httpx.get(f"{up.url}/v1/models").json()
    assert page.inner_text("#verdict") == models["track"][1]["risk_verdict"]
    assert page.inner_text("#direction-verdict") == models["track"][1]["verdict"]
    assert re.search(r"held \d+ \(\d+ %\)", page.inner_text("#price-text"))
    assert re.search(r"\d+ of \d+ past forecasts held", page.inner_text("#hits"))
    assert page.is_hidden("#banner")
    past = httpx.get(f"{up.url}/v1/history/S01?horizon=5").json()["forecasts"]
    page.click("summary")
    assert page.locator("#past tbody tr").count() == 25
    assert f"{past[-1]['price']:.2f}" in page.inner_text("#past tbody tr:first-child")


def test_how_far_comes_before_which_way(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/1"))
    detail = httpx.get(f"{up.url}/v1/symbols/S01").json()
    drawn_lines = page.evaluate("document.getElementById('fan').data.map((trace) => Array.from(trace.y))")
    for line, level in zip(drawn_lines, ("0.01", "0.99", "0.05", "0.95", "0.25", "0.75"), strict=False):
        first = detail["forecasts"][0]["last_price"]
        assert line == [first, *(forecast["quantiles"][level] for forecast in detail["forecasts"])]
    places = [page.locator(f"#{name}").bounding_box()["y"] for name in ("figures", "fan", "price", "direction-note")]
    assert places == sorted(places)
    year = page.evaluate("Array.from(document.getElementById('volatility').data[1].y)")
    assert year[-1] == detail["forecasts"][0]["volatility"]
    assert len(year) > 200


def test_a_symbol_is_picked_by_keyboard_and_by_mouse(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S00/1"))
    assert page.inner_text("#hero-title") == "S00"
    page.keyboard.press("/")
    page.keyboard.type("s03")
    page.keyboard.press("Enter")
    shows(page, "#hero-title", "S03")
    page.keyboard.press("]")
    shows(page, "#hero-title", "S04")
    page.keyboard.press("[")
    page.keyboard.press("[")
    shows(page, "#hero-title", "S02")
    page.click("#symbol")
    assert page.get_attribute("#symbol", "aria-expanded") == "true"
    page.click("#symbols li:nth-child(2)")
    shows(page, "#hero-title", "S01")
    assert page.url.endswith("#S01/1")
    page.keyboard.press("h")
    assert page.url.endswith("#S01/5")
    assert page.locator("#horizons [aria-checked=true]").inner_text() == "5 sessions"
    page.click("#horizons >> text=1 session")
    page.focus("#horizons [aria-checked=true]")
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#S01/5")
    page.click("#symbol")
    page.keyboard.type("nothing like it")
    assert page.inner_text("#symbols") == "No symbol or company matches “nothing like it”."
    page.keyboard.press("Escape")
    assert page.input_value("#symbol") == "S01"


def test_the_days_items_are_beside_their_sentiment(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S00/1"))
    items = page.locator("#items li")
    assert items.count() == 2
    assert "raised its outlook" in page.inner_text("#items")
    texts = page.locator("#items .score").all_inner_texts()
    scores = [float(text.replace("−", "-").replace("+", "")) for text in texts]
    assert min(scores) < 0 < max(scores)
    before = page.inner_text("#day")
    page.click("#day-before")
    assert page.inner_text("#day") != before
    assert page.locator("#day-after").is_enabled()
    page.goto(f"{up.url}/#S05/1")
    shows(page, "#hero-title", "S05")
    assert "There is no news" in page.inner_text("#items")


def test_the_choice_of_light_or_dark_is_stored(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S00/1", color_scheme="dark"))
    shade = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(shade)
    page.click("#theme")
    assert page.evaluate(shade) != dark
    page.reload()
    drawn(page)
    assert page.get_attribute("html", "data-theme") == "light"
    page.click("text=3 m")
    assert page.locator("#range [aria-checked=true]").inner_text() == "3 m"


VIEWS = {
    "#/overview/5": "#board tbody a",
    "#S01/1": "#price .main-svg",
    "#/compare/S00,S01/1": "#correlation td",
    "#/model": "#view-model:not([hidden]) #track h3",
    "#S9/1": "#message-links a",
}
"""Every view, and what it shows when it is there."""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 768), ("dark", 390)])
def test_it_can_be_read_by_everybody(up: Running, visit: Open, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = listed(visit(up, color_scheme=scheme, viewport={"width": width, "height": 844}))
    for address, state in VIEWS.items():
        page.evaluate("(hash) => { location.hash = hash; }", address)
        page.wait_for_selector(state, timeout=60_000)
        report = Axe().run(page)
        assert report.violations_count == 0, (address, report.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    page.click("#help-open")
    assert Axe().run(page).violations_count == 0


def test_the_page_says_that_it_is_stale(published: PublishedForecasts, serve: Serve, visit: Open) -> None:
    running = serve(published, clock=lambda: 4e9)
    page = listed(visit(running))
    assert page.is_visible("#banner")
    assert "Stale: the last session used is" in page.inner_text("#banner")


def test_new_forecasts_are_shown_without_a_reload(published: PublishedForecasts, serve: Serve, visit: Open) -> None:
    import json

    index = published.index()
    assert index is not None
    running = serve(published)
    page = drawn(visit(running, "#S01/1"))
    until(lambda: running.service.hub.listeners == 1)
    document = json.loads(published.read(index.entries["S01"]))
    document["forecasts"][0]["upper"] = 4321.0
    document["as_of"] = "2030-01-01T21:00:00+00:00"
    published.publish([document], {**index.head, "published_at": index.head["published_at"] + 1})
    shows(page, "#figures", "4,321.00")


def test_a_key_is_requested_and_stored_in_the_tab(published: PublishedForecasts, serve: Serve, visit: Open) -> None:
    keys = ApiKeys(published.objects)
    key = keys.make("ann")
    running = serve(published, keys=keys)
    page = visit(running, expected="401")
    page.wait_for_selector("#key-dialog[open]")
    page.fill("#key-dialog-key", key)
    page.keyboard.press("Enter")
    listed(page)
    assert page.evaluate("localStorage.length + ' ' + document.cookie") == "0 "


def test_a_late_refusal_asks_for_no_key_again(published: PublishedForecasts, serve: Serve, visit: Open) -> None:
    keys = ApiKeys(published.objects)
    running = serve(published, keys=keys)
    late: list[Any] = []

    def hold(route: Any) -> None:
        if late:
            route.continue_()
        else:
            late.append(route)

    page = visit(running, expected="401", prepare=lambda page: page.route("**/v1/models", hold))
    page.wait_for_selector("#key-dialog[open]")
    until(lambda: page.evaluate("true") and bool(late))
    page.fill("#key-dialog-key", keys.make("ann"))
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-dialog:not([open])", state="attached")
    late[0].continue_()
    listed(page)
    assert page.locator("#key-dialog[open]").count() == 0


def test_a_refused_key_is_told_and_asked_for_again(published: PublishedForecasts, serve: Serve, visit: Open) -> None:
    keys = ApiKeys(published.objects)
    key = keys.make("ann")
    page = visit(serve(published, keys=keys), expected="401")
    page.wait_for_selector("#key-dialog[open]")
    assert page.is_hidden("#key-dialog-refused")
    page.fill("#key-dialog-key", key[:-3])
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-dialog-refused", state="visible")
    assert page.input_value("#key-dialog-key") == ""
    page.fill("#key-dialog-key", key)
    page.keyboard.press("Enter")
    listed(page)


def test_text_in_the_news_is_only_text(published: PublishedForecasts, serve: Serve, visit: Open) -> None:
    import json

    index = published.index()
    assert index is not None
    document = json.loads(published.read(index.entries["S00"]))
    document["as_of"] = "2030-01-01T21:00:00+00:00"
    for item in document["items"]:
        item["text"], item["url"] = "<img src=x onerror=alert(1)><b>bold</b>", "javascript:alert(1)"
    published.publish([document], {**index.head, "published_at": index.head["published_at"] + 1})
    page = drawn(visit(serve(published), "#S00/1"))
    assert "<b>bold</b>" in page.inner_text("#items")
    assert page.locator("#items b, #items img, #items a").count() == 0


def test_the_content_policy_allows_no_other_host(up: Running) -> None:
    answer = httpx.get(f"{up.url}/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r'(?:src|href)="(?!/|#)', answer.text)
    script = httpx.get(f"{up.url}/page/plotly.min.js")
    assert script.headers["content-encoding"] == "gzip"
    again = httpx.get(f"{up.url}/page/plotly.min.js", headers={"If-None-Match": script.headers["etag"]})
    assert again.status_code == 304


def test_the_hover_of_the_price_chart_tells_the_days_own_interval(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/1"))
    rows = httpx.get(f"{up.url}/v1/history/S01?horizon=1").json()["forecasts"]
    rows = {row["target_session"]: row for row in rows if row["held"] is not None}
    lines = page.evaluate(
        "document.getElementById('price').data.map((t) => [Array.from(t.x), t.text || [], t.hoverinfo])"
    )
    x, text, _ = next(line for line in lines if len(line[1]) > 50)
    told = {day: said for day, said in zip(x, text, strict=True) if said}
    assert len(told) > 20
    assert {rows[day]["held"] for day in told} == {True, False}
    for day, said in told.items():
        assert said.endswith(f"{'inside' if rows[day]['held'] else 'outside'} its interval")
        assert f"{rows[day]['lower']:.2f} … {rows[day]['upper']:.2f}" in said
    # a day that held, right beside one that did not: the box speaks of the one under the mouse
    days = sorted(told)
    beside = next(b for a, b in itertools.pairwise(days) if rows[b]["held"] and not rows[a]["held"])
    page.evaluate("(n) => Plotly.Fx.hover('price', [{ curveNumber: 2, pointNumber: n }], 'xy')", x.index(beside))
    shows(page, "#price .hoverlayer", "inside its interval")
    assert "outside" not in page.text_content("#price .hoverlayer")
    # by mouse, along the chart: whatever day the box names, all that it says is of that day
    area = page.locator("#price .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    named = set()
    for step in range(100):
        page.mouse.move(box["x"] + box["width"] * (0.5 + 0.005 * step), box["y"] + box["height"] / 2)
        page.wait_for_timeout(60)
        said = page.text_content("#price .hoverlayer") or ""
        if not (day := re.match(r"[A-Z][a-z]{2} \d+, \d{4}", said)):
            continue
        on = f"{pd.Timestamp(day[0]):%Y-%m-%d}"
        named.add(on)
        if on in told:
            assert said == f"{day[0]}close {rows[on]['realised_price']:,.2f}{told[on].replace('<br>', '')}"
        else:
            assert said.count("close") + said.count("forecast") == 1
    assert len(named & set(told)) > 10
    assert named - set(told)


def test_the_forecasts_are_a_click_away_as_files(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/1", accept_downloads=True))
    for link, name, start in (
        ("#own-csv", "forecasts.csv", b"symbol,"),
        ("text=Parquet", "forecasts.parquet", b"PAR1"),
    ):
        with page.expect_download() as download:
            page.click(link)
        assert download.value.suggested_filename == name
        assert Path(download.value.path()).read_bytes().startswith(start)
    own = httpx.get(f"{up.url}{page.get_attribute('#own-csv', 'href')}").text
    assert {line.split(",")[0] for line in own.splitlines()} == {"symbol", "S01"}


def test_with_a_key_the_files_are_fetched_with_it(published: PublishedForecasts, serve: Serve, visit: Open) -> None:
    keys = ApiKeys(published.objects)
    key = keys.make("reader")
    page = visit(serve(published, keys=keys), "#S01/1", expected="401", accept_downloads=True)
    page.fill("#key-dialog-key", key)
    page.click("#key-dialog button")
    drawn(page)
    with page.expect_download() as download:
        page.click("#own-csv")
    assert download.value.suggested_filename == "forecasts.csv"
    assert Path(download.value.path()).read_bytes().startswith(b"symbol,")


def test_a_file_that_can_not_be_fetched_with_a_key_is_told(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    keys = ApiKeys(published.objects)
    page = visit(serve(published, keys=keys), "#S01/1", expected="Failed to load resource", accept_downloads=True)
    page.fill("#key-dialog-key", keys.make("reader"))
    page.click("#key-dialog button")
    drawn(page)
    page.route("**/v1/forecasts*", lambda route: route.fulfill(status=429, json={"detail": "Too many requests."}))
    page.click("#own-csv")
    shows(page, "#problem", "The file was not saved: Too many requests.")
    keys.revoke("reader")
    page.unroute("**/v1/forecasts*")
    page.click("#own-csv")
    page.wait_for_selector("#key-dialog-refused", state="visible")
    page.fill("#key-dialog-key", keys.make("other"))
    with page.expect_download() as download:
        page.click("#key-dialog button")
    assert Path(download.value.path()).read_bytes().startswith(b"symbol,")
