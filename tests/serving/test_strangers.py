"""What costs the service much, and what strangers learn: work, memory, live runs, health, methods."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import Running, Serve, until

from tenor.cli import main
from tenor.errors import DataError, LiveError, OverRateError, StoreError
from tenor.pipeline.live import OnDemand
from tenor.serving import live, logs
from tenor.serving.keys import ApiKeys
from tenor.serving.limits import Buckets, Limits
from tenor.serving.published import PublishedForecasts
from tenor.serving.responses import BodyCache
from tenor.storage.object_store import open_store

GETS = (
    "/", "/page/app.js", "/healthz", "/readyz", "/v1/symbols", "/v1/symbols/S00", "/v1/forecast/S00",
    "/v1/history/S00?limit=3", "/v1/models", "/v1/monitor", "/v1/openapi.json",
)  # fmt: skip


def test_a_symbol_named_500_times_is_answered_once(http: httpx.Client) -> None:
    batch = {"symbols": ["S01", *["S00"] * 250, *["s00"] * 249]}
    answer = http.post("/v1/forecasts", json=batch).json()
    assert [forecast["symbol"] for forecast in answer["forecasts"]] == ["S01", "S00"]
    assert answer["problems"] == []


def test_the_rate_counts_work(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published, limits=Limits(rate=1.0, burst=5))
    wide = {"symbols": [f"N{i:03d}" for i in range(200)]}
    with httpx.Client(base_url=running.url) as client:
        assert client.post("/v1/forecasts", json=wide).status_code == 200
        refused = client.get("/v1/symbols")
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 10, "the debt of 20 requests' work"
        assert client.get("/healthz").status_code == 200


def test_many_at_once_do_not_all_get_into_debt(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published, limits=Limits(rate=0.1, burst=8))
    wide = {"symbols": [f"N{i:03d}" for i in range(200)]}
    codes: list[int] = []

    def ask() -> None:
        codes.append(httpx.post(f"{running.url}/v1/forecasts", json=wide, timeout=60).status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200, 429, 429, 429, 429, 429]


def test_a_bucket_goes_into_debt_once() -> None:
    now = [0.0]
    buckets = Buckets(2.0, 4, clock=lambda: now[0])
    assert buckets.charge("a", 10) == 0
    assert buckets.charge("a", 1) == 3.0
    assert buckets.wait("a") == 3.5
    now[0] = 3.5
    assert buckets.wait("a") == 0
    assert OverRateError(2.0).wait == 2.0


def test_others_are_answered_while_a_batch_is_made(
    published: PublishedForecasts, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = serve(published)
    made = running.service.bodies.get
    begun, over = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        begun.set()
        over.wait(90)
        return made(*arguments)

    monkeypatch.setattr(running.service.bodies, "get", slow)
    batch = {"symbols": [f"S0{i}" for i in range(6)]}
    asking = threading.Thread(target=httpx.post, args=(f"{running.url}/v1/forecasts",), kwargs={"json": batch})
    asking.start()
    assert begun.wait(60)
    assert httpx.get(f"{running.url}/healthz", timeout=60).status_code == 200, "it waits for no heavy answer"
    assert asking.is_alive()
    over.set()
    asking.join()


def test_the_cache_is_bounded_by_bytes_and_drops_what_is_used_least() -> None:
    cache = BodyCache(10_000)
    for i in range(50):
        cache.get(("old",), lambda: {"x": "o" * 2000})
        cache.get((i,), lambda: {"x": "n" * 2000})
        assert cache.size <= 10_000
    assert cache.known(("old",)) is not None
    assert cache.known((49,)) is not None
    assert cache.known((40,)) is None
    assert cache.get(("huge",), lambda: {"x": "h" * 20_000}).data
    assert cache.known(("huge",)) is None


def test_a_history_is_cached_once_whatever_number_is_asked_for(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published)
    with httpx.Client(base_url=running.url) as client:
        longest = client.get("/v1/history/S00?limit=1000").json()["forecasts"]
        size = running.service.bodies.size
        for limit in range(1, 60):
            answer = client.get(f"/v1/history/S00?limit={limit}")
            assert answer.json()["forecasts"] == longest[-limit:]
        assert running.service.bodies.size == size
        again = client.get("/v1/history/S00?limit=59", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert client.get("/v1/history/S00?horizon=999").status_code == 422


def test_small_letters_are_taken(http: httpx.Client) -> None:
    for path in ("/v1/forecast/", "/v1/history/", "/v1/symbols/"):
        assert http.get(f"{path}s00").json() == http.get(f"{path}S00").json()


# health and methods -------------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.log_to_stream(stream)
    yield stream
    logging.getLogger(logs.LOGGER).handlers[:] = []


def test_strangers_learn_only_whether_it_is_ready(
    published: PublishedForecasts, serve: Serve, tmp_path: Path, lines: io.StringIO
) -> None:
    keys = ApiKeys(published.objects)
    key = {"X-Api-Key": keys.make("ann")}
    running = serve(published, keys=keys)
    for headers in ({}, {"X-Api-Key": "tenor_00000000_" + "0" * 64}):
        assert httpx.get(f"{running.url}/readyz", headers=headers).json() == {"status": "ready"}
    assert httpx.get(f"{running.url}/readyz", headers=key).json()["symbols"] == 6
    empty = PublishedForecasts(open_store(tmp_path / "secret-place"))
    clock = running.service.view.clock
    nothing = serve(empty, keys=keys, clock=clock)
    nothing.service.view.note("refresh", "no model under 'secret-place/models'")
    stranger = httpx.get(f"{nothing.url}/readyz")
    assert (stranger.status_code, stranger.json()) == (503, {"status": "not ready"})
    assert "secret-place" in httpx.get(f"{nothing.url}/readyz", headers=key).text
    until(lambda: "secret-place" in lines.getvalue())


def test_without_keys_the_machine_itself_is_told_and_a_proxy_is_not(
    published: PublishedForecasts, serve: Serve, tmp_path: Path
) -> None:
    running = serve(published)
    assert "symbols" in httpx.get(f"{running.url}/readyz").json()
    passed_on = {"X-Forwarded-For": "203.0.113.9"}
    assert httpx.get(f"{running.url}/readyz", headers=passed_on).json() == {"status": "ready"}
    empty = PublishedForecasts(open_store(tmp_path / "secret-place"))
    nothing = serve(empty, clock=running.service.view.clock)
    nothing.service.view.note("refresh", "no model under 'secret-place/models'")
    assert "secret-place" in httpx.get(f"{nothing.url}/v1/symbols").text
    assert "secret-place" not in httpx.get(f"{nothing.url}/v1/symbols", headers=passed_on).text


@pytest.mark.parametrize("path", GETS)
def test_head_is_get_without_the_body(http: httpx.Client, path: str) -> None:
    whole, head = http.get(path), http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    different = {"x-request-id", "date"}
    assert {k: v for k, v in head.headers.items() if k not in different} == {
        k: v for k, v in whole.headers.items() if k not in different
    }
    again = http.head(path, headers={"If-None-Match": head.headers.get("etag", "-")})
    assert again.status_code == (304 if "etag" in head.headers else 200)


def test_head_of_a_stream_ends(up: Running, http: httpx.Client) -> None:
    assert http.head("/v1/events").headers["content-type"].startswith("text/event-stream")
    until(lambda: up.service.hub.listeners == 0)
    assert http.head("/metrics").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY"])
def test_another_method_is_405_whatever_its_body(http: httpx.Client, method: str) -> None:
    for path in ("/healthz", "/v1/symbols", "/v1/forecast/S00"):
        answer = http.request(method, path, content=b"<x/>", headers={"Content-Type": "text/xml"})
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"
    if method != "POST":
        answer = http.request(method, "/v1/forecasts", content=b"<x/>")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST"), "those of both its routes"


def test_counters_have_the_declared_type(http: httpx.Client) -> None:
    described = http.get("/v1/openapi.json").json()["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert http.get("/metrics").headers["content-type"] in described


@pytest.mark.parametrize(
    ("horizon", "status"), [(1, 200), (1.0, 200), (5.0, 200), (1.5, 422), ("1", 422), (True, 422), (1e300, 422)]
)
def test_a_whole_number_may_be_written_with_a_point(http: httpx.Client, horizon: Any, status: int) -> None:
    answer = http.post("/v1/forecasts", json={"symbols": ["S00"], "horizon": horizon})
    assert answer.status_code == status


def test_no_answer_repeats_a_long_text(http: httpx.Client) -> None:
    text = "A" * 5000
    for path in (
        "/{}",
        "/v1/forecast/{}",
        "/v1/symbols/{}",
        "/page/{}",
        "/v1/events?symbols={}",
        "/v1/history/S00?limit={}",
    ):
        answer = http.get(path.format(text))
        assert 400 <= answer.status_code < 500
        assert len(answer.content) < 1000
    assert len(http.post("/v1/forecasts", json={text: 1}).content) < 1000


def test_every_error_has_the_same_headers(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published, origins=("https://desk.example",))
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    with httpx.Client(base_url=running.url) as client:
        for answer in (
            client.get("/nothing"),
            client.put("/v1/symbols"),
            client.post("/v1/forecasts"),
            client.options("/v1/symbols", headers=preflight),
        ):
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"


# live ---------------------------------------------------------------------------------------------------------------


def test_a_live_run_past_its_limit_keeps_nobody_waiting_and_no_other_begins(
    published: PublishedForecasts, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SECONDS", 1.5)
    over, at_once, most, calls = threading.Event(), [0], [0], [0]

    def slow(symbol: str) -> Any:
        calls[0] += 1
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        over.wait(60)
        at_once[0] -= 1
        raise StoreError(f"no {symbol}")

    running = serve(published, live=slow)
    asking = [
        threading.Thread(target=httpx.get, args=(f"{running.url}/v1/forecast/S0{i}?live=true",)) for i in range(4)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(60)
    answer = httpx.get(f"{running.url}/v1/forecast/S05?live=true", timeout=60).json()
    assert at_once[0] == 1, "it was answered while the run went on"
    assert not answer["live"]
    assert "live forecast" in answer["staleness"]["reasons"][-1]
    over.set()
    assert (most[0], calls[0]) == (1, 1)


def test_a_live_run_that_fails_while_the_service_stops_logs_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "SECONDS", 0.1)
    over = threading.Event()

    def slow(symbol: str) -> Any:
        over.wait(60)
        raise StoreError(f"no {symbol}")

    runs = live.LiveRuns(slow, 4)
    loop = asyncio.new_event_loop()
    with pytest.raises(LiveError):
        loop.run_until_complete(runs.forecasts("S00"))
    over.set()
    runs.close()
    for thread in threading.enumerate():
        if thread.name.startswith("tenor-live"):
            thread.join(60)
    loop.call_soon(loop.stop)  # after one step, in which the loop takes the outcome
    loop.run_forever()
    loop.close()
    del loop, runs
    gc.collect()
    assert caplog.records == []


def test_a_failed_live_run_is_remembered(published: PublishedForecasts, serve: Serve) -> None:
    calls = [0]

    def fails(_: str) -> Any:
        calls[0] += 1
        raise StoreError("the lake is away")

    running = serve(published, live=fails)
    for _ in range(5):
        answer = httpx.get(f"{running.url}/v1/forecast/S00?live=true").json()
        assert "the lake is away" in answer["staleness"]["reasons"][-1]
    assert calls[0] == 1


def test_a_run_on_demand_is_killed_at_its_limit(tmp_path: Path) -> None:
    demand = OnDemand("nowhere", seconds=0.5)
    begun = tmp_path / "begun"
    begun.touch()
    demand._command = [sys.executable, "-c", f"import time; open({str(begun)!r}, 'a').write('.'); time.sleep(600)"]
    children: list[subprocess.Popen[bytes]] = []

    def watch() -> None:
        until(lambda: demand._child is not None)
        assert demand._child is not None
        children.append(demand._child)

    watching = threading.Thread(target=watch)
    watching.start()
    for _ in range(3):
        with pytest.raises(DataError, match=r"did not end within 0\.5 seconds"):
            demand("S00")
    watching.join()
    assert children[0].poll() is not None
    assert len(begun.read_text()) <= 1, "the failure is remembered: no second run begins"


def test_the_verb_refuses_an_unknown_limit(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--store", str(store), "--port", "0", "--limit", "conections=5"]) == 2
    assert "Did you mean 'connections'" in capsys.readouterr().err


def test_the_limits_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    missing = [field.name for field in dataclasses.fields(Limits) if f"`{field.name}`" not in text]
    assert missing == []
