"""What the middleware refuses: floods, slow senders, and text that would forge a line of the log."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from serving import Serve, until

from tenor.errors import ConfigError, StoreError
from tenor.serving import logs, service
from tenor.serving.limits import Buckets, Limits, depth
from tenor.serving.published import PublishedForecasts
from tenor.storage.object_store import ObjectStore, StoredObject


def address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


PATIENCE = 8.0
"""Seconds until a test takes it that the other side does not close a connection; less than the service's own limits."""


def raw(url: str, parts: Iterable[bytes] = (), *, pause: float = 0.0) -> bytes:
    """Send `parts` with pauses; what came until the other side closed the connection, nothing if it was reset."""
    with socket.create_connection(address(url), timeout=PATIENCE) as line:
        try:
            for part in parts:
                line.sendall(part)
                time.sleep(pause)
            received = b""
            while piece := line.recv(65536):
                received += piece
        except ConnectionError:
            received = b""
    return received


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the service logs."""
    stream = io.StringIO()
    logs.log_to_stream(stream)
    yield stream
    logging.getLogger(logs.LOGGER).handlers[:] = []


def test_a_head_that_drips_is_cut_off(published: PublishedForecasts, serve: Serve) -> None:
    url = serve(published, limits=Limits(header_seconds=0.4)).url
    drip = iter([b"GET /healthz HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 60])
    assert raw(url, drip, pause=0.1) == b""
    assert list(drip), "it was cut off while it sent"
    assert raw(url) == b"", "silence is cut off as well"
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_second_request_on_a_line_has_the_same_time_for_its_head(published: PublishedForecasts, serve: Serve) -> None:
    url = serve(published, limits=Limits(header_seconds=0.4)).url
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    received = raw(url, (whole, b"GET /healthz HTT"), pause=0.2)
    assert received.count(b"alive") == 1


def test_a_body_that_drips_is_refused_in_time(published: PublishedForecasts, serve: Serve) -> None:
    url = serve(published, limits=Limits(body_seconds=0.4)).url
    head = b"POST /v1/forecasts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    received = raw(url, (head, b'{"symb'))
    assert received.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in received


def test_a_body_without_a_length_is_counted(published: PublishedForecasts, serve: Serve) -> None:
    url = serve(published, limits=Limits(body=1000)).url
    body = (b"x" * 100 for _ in range(30))
    answer = httpx.post(f"{url}/v1/forecasts", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_a_huge_head_and_broken_http_do_no_harm(published: PublishedForecasts, serve: Serve) -> None:
    url = serve(published).url
    huge = b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"
    for text in (huge, b"\x16\x03\x01\x00\xa5", b"GET /\r\n\r\n\r\n"):
        received = raw(url, [text])
        assert not received.startswith(b"HTTP/1.1 5")
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_requests_beyond_the_limit_are_refused_with_retry_after(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published, limits=Limits(in_flight=4, body_seconds=2.0))
    head = b"POST /v1/forecasts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    waiting = [socket.create_connection(address(running.url)) for _ in range(4)]
    for line in waiting:
        line.sendall(head)
    until(lambda: running.measured("tenor_in_flight") == 4)
    refused = httpx.get(f"{running.url}/v1/symbols")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["content-type"] == "application/problem+json"
    for line in waiting:
        line.close()
    until(lambda: running.measured("tenor_in_flight") == 0)
    assert httpx.get(f"{running.url}/v1/symbols").status_code == 200


def test_heavy_requests_wait_in_a_short_queue_others_do_not(published: PublishedForecasts, serve: Serve) -> None:
    opened = threading.Event()

    class Slow:
        has_kinds = False

        def score(self, texts: list[str], *, kinds: bool = False) -> Any:
            opened.wait(60)
            raise StoreError("never mind")

    running = serve(published, limits=Limits(heavy=1, waiting=1), scorer=Slow)  # type: ignore[arg-type]
    codes: list[int] = []

    def ask() -> None:
        codes.append(httpx.post(f"{running.url}/v1/sentiment", json={"texts": ["a"]}, timeout=60).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(running.service.gate.full)
    third = httpx.post(f"{running.url}/v1/sentiment", json={"texts": ["a"]})
    assert third.status_code == 503
    assert "Too many texts" in third.text
    assert httpx.get(f"{running.url}/v1/forecast/S00").status_code == 200
    opened.set()
    for thread in threads:
        thread.join()
    assert codes == [503, 503]


def test_a_store_that_hangs_is_reported_and_keeps_nobody_waiting(
    published: PublishedForecasts, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "POLL_TIMEOUT", 0.3)
    hangs, over = threading.Event(), threading.Event()

    class Hanging:
        def __init__(self, inner: ObjectStore) -> None:
            self._inner, self.location = inner, inner.location
            self.put, self.keys, self.delete = inner.put, inner.keys, inner.delete

        def get(self, key: str) -> StoredObject:
            if hangs.is_set():
                over.wait(90)
            return self._inner.get(key)

        def changed(self, key: str, etag: str) -> StoredObject | None:
            if hangs.is_set():
                over.wait(90)
            return self._inner.changed(key, etag)

    running = serve(PublishedForecasts(Hanging(published.objects)))
    hangs.set()
    until(lambda: running.service.view.staleness().stale)
    ready = httpx.get(f"{running.url}/readyz").json()
    answer = httpx.get(f"{running.url}/v1/forecast/S00", timeout=60).json()  # the store hangs for 90
    over.set()
    hangs.clear()
    assert ready["status"] == "degraded"
    assert "has not answered" in " ".join(ready["staleness"]["reasons"])
    assert answer["staleness"]["stale"]
    until(lambda: not running.service.view.staleness().stale)
    assert httpx.get(f"{running.url}/readyz").json()["status"] == "ready"


def test_no_caller_can_forge_a_line_of_the_log(published: PublishedForecasts, serve: Serve, lines: io.StringIO) -> None:
    url = serve(published).url
    forged = '%0A{"event":"forged"}%1b[2J'
    httpx.get(f"{url}/v1/{forged}", headers={"X-Request-Id": "a\tb{}"})
    httpx.get(f"{url}/v1/symbols?key=secret", headers={"Authorization": "Bearer tenor_secret"})
    raw(url, [b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: x\r\nConnection: close\r\n\r\n"])
    # a request is logged after it is answered: all three lines are there
    until(lambda: sum('"request"' in line for line in lines.getvalue().splitlines()) == 3)
    written = lines.getvalue()
    for line in written.splitlines():
        assert json.loads(line)["event"] != "forged"
    assert "secret" not in written
    assert "\x1b" not in written
    request = next(json.loads(line) for line in written.splitlines() if "forged" in line)
    assert request["status"] == 404
    assert request["request_id"].isalnum()


def test_the_log_records_when_forecasts_become_stale_and_fresh_again(
    published: PublishedForecasts, serve: Serve, lines: io.StringIO
) -> None:
    index = published.index()
    assert index is not None
    moment = [float(index.head["published_at"])]
    serve(published, clock=lambda: moment[0])
    moment[0] += 5 * 86400
    until(lambda: '"stale"' in lines.getvalue())
    moment[0] -= 5 * 86400
    until(lambda: "fresh again" in lines.getvalue())
    records = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["event"] for line in records if line["event"] in ("stale", "fresh again")] == ["stale", "fresh again"]
    assert "sessions have closed" in next(line for line in records if line["event"] == "stale")["reasons"][0]


def test_an_error_inside_is_a_problem_without_its_text(
    published: PublishedForecasts, serve: Serve, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = serve(published)
    monkeypatch.setattr(running.service.bodies, "get", lambda *_: 1 / 0)
    answer = httpx.get(f"{running.url}/v1/symbols")
    assert answer.status_code == 500
    until(lambda: answer.json()["request_id"] in lines.getvalue())  # it is logged after it is answered
    assert "ZeroDivision" not in answer.text
    until(lambda: "ZeroDivision" in lines.getvalue())


def test_buckets_fill_with_time_and_forget_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    buckets = Buckets(2.0, 2, clock=lambda: now[0])
    assert [buckets.wait("a") for _ in range(3)] == [0, 0, 0.5]
    now[0] = 0.5
    assert buckets.wait("a") == 0
    monkeypatch.setattr("tenor.serving.limits.CALLERS", 3)
    for i in range(10):
        buckets.wait(f"c{i}")
    assert len(buckets._callers) == 3
    assert Buckets(0.0, 1).wait("a") == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("[]", 1), ('{"a":[{}]}', 3), ('"[[["', 0), ('"\\"[["', 0), ("[" * 9, 9), ("]]][", 1)],
)
def test_depth_counts_brackets_outside_strings(text: str, expected: int) -> None:
    assert depth(text.encode()) == expected


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match="in_flight is 0"):
        Limits(in_flight=0)
    with pytest.raises(ConfigError, match="rate is -1"):
        Limits(rate=-1.0)
