"""What the page does when something is missing, unknown, away, hanging or long ago."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import CHROMIUM, Open, drawn, listed, shows
from serving import Running, Serve, run_service, until

from tenor.serving.keys import ApiKeys
from tenor.serving.published import PublishedForecasts
from tenor.serving.schemas import Progress
from tenor.serving.service import Service
from tenor.serving.view import View
from tenor.storage.object_store import open_store

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: install Debian's chromium")


def as_replay(published: PublishedForecasts) -> None:
    """Publish what is published again, as that of a store whose data end in the past."""
    index = json.loads(published.objects.get("index.json").data)
    index["head"]["replay"] = True
    for entry in index["entries"].values():
        entry["behind"] = 2000
    published.objects.put("index.json", json.dumps(index).encode())


def test_the_first_visit_shows_how_far_the_first_refresh_is(
    published: PublishedForecasts, tmp_path: Path, serve: Serve, visit: Open
) -> None:
    empty = PublishedForecasts(open_store(f"{tmp_path}/empty"))
    running = serve(empty, clock=lambda: 2e9)
    page = visit(running, expected="503")
    shows(page, "#message-text", "nothing was published yet")
    running.service.view.progress = Progress("writing forecasts", 23, 88)
    shows(page, "#message-title", "Making the first forecasts")
    shows(page, "#message-text", "Writing forecasts: 23 of 88 symbols.")
    assert page.evaluate("document.getElementById('message-progress').value") == 23
    index = published.index()
    assert index is not None
    for entry in index.entries.values():
        empty.objects.put(entry.key, published.read(entry))
    empty.set_index(index)
    listed(page)
    assert page.is_hidden("#view-message")


def test_strangers_are_not_shown_how_far_it_is(tmp_path: Path, serve: Serve) -> None:
    empty = PublishedForecasts(open_store(f"{tmp_path}/empty"))
    keys = ApiKeys(empty.objects)
    key = keys.make("ann")
    running = serve(empty, clock=lambda: 2e9, keys=keys)
    running.service.view.progress = Progress("writing forecasts", 23, 88)
    assert httpx.get(f"{running.url}/readyz").json() == {"status": "not ready"}
    told = httpx.get(f"{running.url}/readyz", headers={"X-Api-Key": key}).json()
    assert told["progress"] == {"stage": "writing forecasts", "done": 23, "total": 88}


def test_an_unknown_symbol_is_no_staleness_and_back_works(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/5"))
    page.evaluate("location.hash = '#NOPE/5'")
    shows(page, "#message-text", "There is no forecast of “NOPE” here.")
    assert page.is_hidden("#banner")
    assert page.is_hidden("#view-symbol")
    page.go_back()
    shows(page, "#hero-title", "S01")
    page.wait_for_selector("#view-symbol:not([hidden])")
    page.goto(f"{up.url}/#/nothing")
    shows(page, "#message-title", "There is no such page")
    page.goto(f"{up.url}/#%E0%A4%A")
    shows(page, "#message-title", "Unknown symbol")


def test_back_and_forward_walk_through_symbols_and_horizons(up: Running, visit: Open) -> None:
    page = drawn(visit(up, "#S01/5"))
    page.keyboard.press("]")
    shows(page, "#hero-title", "S02")
    page.keyboard.press("]")
    shows(page, "#hero-title", "S03")
    page.go_back()
    shows(page, "#hero-title", "S02")
    assert page.url.endswith("#S02/5")
    page.go_back()
    shows(page, "#hero-title", "S01")
    page.go_forward()
    shows(page, "#hero-title", "S02")
    page.evaluate("location.hash = '#S04/20'")
    shows(page, "#hero-title", "S04")
    assert page.locator("#horizons [aria-checked=true]").inner_text() == "20 sessions"
    page.evaluate("location.hash = '#s00/999'")
    shows(page, "#hero-title", "S00")
    assert page.url.endswith("#S00/20"), "a horizon that there is not leaves the one chosen"


def test_a_server_that_is_away_is_named_and_tried_again(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    running = serve(published)
    page = drawn(visit(running, "#S01/1", expected="ERR_"))
    until(lambda: running.service.hub.listeners == 1)
    running.stop()
    shows(page, "#connection", "No connection to the service since ")
    assert "trying again" in page.inner_text("#connection")
    assert page.is_visible("#view-symbol"), "what was shown stays"
    port = int(running.url.rpartition(":")[2])
    again = run_service(Service(View(published, clock=lambda: 2e9), poll=0), port=port)
    try:
        page.wait_for_selector("#connection", state="hidden", timeout=60_000)
        page.keyboard.press("]")
        shows(page, "#hero-title", "S02")
    finally:
        again.stop()


def test_a_server_that_hangs_is_given_up_after_ten_seconds(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    running = serve(published, poll=0)
    page = drawn(visit(running, "#S01/1"))
    page.clock.install()
    release = threading.Event()
    for _ in range(2):  # whatever renders answers hangs
        running.service._renderers.submit(release.wait, 60)
    page.keyboard.press("]")
    page.clock.run_for(1_000)
    shows(page, "#loading", "Loading S02 …")
    page.clock.run_for(10_000)
    shows(page, "#connection", "No answer from the service since ")
    assert page.is_hidden("#loading")
    assert page.inner_text("#hero-title") == "S01"
    release.set()
    page.clock.run_for(4_000)
    page.clock.resume()
    shows(page, "#hero-title", "S02")
    assert page.is_hidden("#connection")


def test_a_store_whose_data_end_in_the_past_is_a_replay_and_not_stale(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    as_replay(published)
    running = serve(published, clock=lambda: 4e9)
    page = listed(visit(running))
    shows(page, "#banner", "Replay: the data of this store end on")
    assert "tale" not in page.inner_text("main")
    assert httpx.get(f"{running.url}/v1/forecast/S00").json()["staleness"]["replay"]
    board = httpx.get(f"{running.url}/v1/overview").json()
    before = [session for session in board["sessions"] if session < board["session"]]
    page.keyboard.press(",")
    page.wait_for_selector("#board td.followed")
    assert page.url.endswith(f"#/overview/1/{before[-1]}")
    past = httpx.get(f"{running.url}/v1/overview?session={before[-1]}").json()
    realised = past["forecasts"]["1"]["realised_price"][0] / past["last_price"][0] - 1
    assert f"{100 * realised:+.2f} %".replace("-", "−") in page.inner_text("#board tr[data-symbol=S00] td.followed")
    page.click("#board tr[data-symbol=S00] a")
    drawn(page)
    row = next(
        row for row in httpx.get(f"{running.url}/v1/history/S00").json()["forecasts"] if row["session"] == before[-1]
    )
    assert f"{row['lower']:.2f} … {row['upper']:.2f}" in page.inner_text("#figures")
    assert ("inside" if row["held"] else "outside") in page.inner_text("#figures")
    page.focus("#replay-day")
    page.keyboard.press("Home")
    shows(page, "#figures", "What followed")
    assert page.get_attribute("#replay-day", "aria-valuetext") in page.inner_text("#replay-text")
    page.click("#replay-newest")
    page.wait_for_function("!document.getElementById('figures').textContent.includes('followed')")
    assert page.url.endswith("#S00/1")


def test_serve_as_of_opens_on_that_session(published: PublishedForecasts, serve: Serve, visit: Open) -> None:
    index = published.index()
    assert index is not None
    on = index.head["sessions"][-40]
    page = listed(visit(serve(published, as_of=on)))
    page.wait_for_selector("#board td.followed")
    assert page.url.endswith(f"#/overview/1/{on}")
    assert "As it was known then" in page.inner_text("#overview-when")


def test_attention_is_shown_only_where_it_prefers_some_day(
    published: PublishedForecasts, serve: Serve, visit: Open
) -> None:
    index = published.index()
    assert index is not None
    document: dict[str, Any] = json.loads(published.read(index.entries["S00"]))
    document["as_of"] = "2030-01-01T21:00:00+00:00"
    days = len(document["attention"]["sessions"])
    later = {**index.head, "published_at": index.head["published_at"] + 1}
    document["attention"]["time"] = {horizon: [1 / days] * days for horizon in document["attention"]["time"]}
    published.publish([document], later)
    page = drawn(visit(serve(published), "#S00/1"))
    shows(page, "#attention-text", f"gives its last {days} sessions equal weight")
    assert page.is_hidden("#attention")
    weights = [0.1 / (days - 1)] * days
    weights[-3] = 0.9
    document["attention"]["time"]["1"] = weights
    document["as_of"] = "2030-01-02T21:00:00+00:00"
    published.publish([document], {**later, "published_at": later["published_at"] + 1})
    shows(page, "#attention-text", "Attention times variance")
    page.wait_for_selector("#attention .main-svg")
    shares = page.evaluate("Array.from(document.getElementById('attention').data[0].y)")
    assert sum(shares) == pytest.approx(1)
    assert shares[-3] == max(shares)
    assert f"leaves the network's view in {days - 2} sessions" in page.inner_text("#attention-text")
