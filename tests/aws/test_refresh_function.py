"""The refresh function as the image holds it: the schedule's event, and what must not be lost when much goes wrong."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.registry import registry_of
from tenor.serving.published import published_forecasts
from tenor.store import Lake

pytestmark = pytest.mark.aws

HANDLER = "tenor.aws.refresh"
SCHEDULED = {"source": "tenor.schedule"}
COLD = 500
"""Cold invocations in the race: refreshes and requests."""
SIDE_BY_SIDE = 8


def test_the_schedules_event_fetches_forecasts_and_publishes(
    emulator: Callable[..., Any], refresh_task: Path, account: Any
) -> None:
    before = account.index()
    account.world.now = pd.Timestamp("2024-11-08 23:00", tz="UTC")
    function = emulator(refresh_task, HANDLER, account.env, timeout=120)
    result = function.invoke(SCHEDULED, patience=130)
    assert result.get("symbols") == 6, (result, function.stop())
    after = account.index()
    assert after.as_of > before.as_of
    assert {entry.session for entry in after.entries.values()} == {"2024-11-08"}
    sessions = exchange("XNYS").sessions(pd.Timestamp("2024-01-02"), pd.Timestamp("2024-11-08"))
    assert list(Lake(account.store).bars().frame["session"].unique()) == list(sessions)
    printed = function.stop()
    metrics = next(json.loads(line) for line in printed.splitlines() if line.startswith('{"_aws"'))
    assert metrics["Symbols"] == 6
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "tenor"


def test_a_model_that_is_not_there_fails_the_invocation_and_leaves_the_forecasts(
    emulator: Callable[..., Any], refresh_task: Path, account: Any
) -> None:
    before = account.index()
    function = emulator(refresh_task, HANDLER, account.env | {"TENOR_MODEL": "0123456789ab"}, timeout=60)
    result = function.invoke(SCHEDULED, patience=70)
    assert result["errorType"] == "ModelError"
    assert "0123456789ab" in result["errorMessage"]
    denied = emulator(refresh_task, HANDLER, account.env | {"AWS_SECRET_ACCESS_KEY": "wrong"}, timeout=60)
    result = denied.invoke(SCHEDULED, patience=70)
    assert result["errorType"] == "StoreError"
    assert "wrong" not in json.dumps(result)
    after = account.index()
    assert after.entries == before.entries
    # who reads the forecasts learns that the refresh failed, and why
    added = [note for note in after.head.pop("notes") if note not in before.head.pop("notes", [])]
    assert len(added) == 1
    assert added[0].startswith("the last refresh failed: ")
    assert "0123456789ab" in added[0]
    assert after.head == before.head


def test_a_throttled_bucket_delays_a_refresh_and_loses_nothing(
    emulator: Callable[..., Any], refresh_task: Path, account: Any, throttled: Any
) -> None:
    env = account.env | {"AWS_ENDPOINT_URL": throttled.url, "TENOR_SYMBOLS": ""}
    function = emulator(refresh_task, HANDLER, env, timeout=120)
    result = function.invoke(SCHEDULED, patience=130)
    assert result.get("symbols") == 6, result
    assert throttled.refused > 10
    assert set(account.index().entries) == set(account.env["TENOR_SYMBOLS"].split(","))


def test_too_little_memory_fails_one_invocation_and_not_the_forecasts(
    emulator: Callable[..., Any], refresh_task: Path, account: Any
) -> None:
    before = account.index()
    function = emulator(refresh_task, HANDLER, account.env, timeout=60, memory=400)
    result = json.dumps(function.invoke(SCHEDULED, patience=70))
    assert "error" in result.lower()
    assert account.index() == before


def test_a_refresh_cut_off_by_its_time_out_leaves_the_old_forecasts(
    emulator: Callable[..., Any], refresh_task: Path, account: Any
) -> None:
    before = account.index()
    for limit in (1, 2, 3):
        function = emulator(refresh_task, HANDLER, account.env, timeout=limit)
        function.invoke(SCHEDULED, patience=30)
        function.stop()
        now = account.index()
        assert set(now.entries) == set(before.entries)
        for entry in now.entries.values():
            assert json.loads(published_forecasts(account.store).read(entry))["symbol"]


def test_hundreds_of_cold_invocations_lose_no_forecast_and_corrupt_no_pointer(
    emulator: Callable[..., Any], refresh_task: Path, api_task: Path, account: Any
) -> None:
    symbols = account.env["TENOR_SYMBOLS"].split(",")
    registry = registry_of(account.store)
    champion = registry.champion()
    env = account.env | {"TENOR_SYMBOLS": "", "TENOR_AUTH": "gateway"}
    # without a market to ask: what races is reading the lake and the model, and publishing
    offline = env | {
        "TENOR_SOURCES": json.dumps(
            {
                "prices": ["yahoo"],
                "news": [],
                "urls": ["yahoo=http://127.0.0.1:9"],
                "http": {"attempts": 1, "connect_seconds": 0.5},
            }
        )
    }
    failures: list[Any] = []

    def one(number: int) -> None:
        symbol = symbols[number % len(symbols)]
        if number % 10 == 0:
            function = emulator(refresh_task, HANDLER, offline, timeout=110)
            result = function.invoke({"symbols": [symbol]}, patience=120)
            if result.get("symbols") != 1:
                failures.append((number, result))
        else:
            function = emulator(api_task, "tenor.aws.api", env, timeout=110)
            status, _, body = function.get(f"/v1/forecast/{symbol}")
            if status != 200 or body["symbol"] != symbol:
                failures.append((number, status, body))
        function.stop()

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(one, range(COLD)))
    assert failures == []
    index = account.index()
    assert set(index.entries) == set(symbols)
    for entry in index.entries.values():
        assert json.loads(published_forecasts(account.store).read(entry))["symbol"] in symbols
    assert registry_of(account.store).champion() == champion


class _Throttled:
    """A way to the bucket on which every other request is answered with SlowDown."""

    def __init__(self, behind: str) -> None:
        self.refused = 0
        self.passed = 0
        self.behind = urlsplit(behind).netloc
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with outer.lock:
                    refuse = outer.refused <= outer.passed
                    outer.refused += refuse
                    outer.passed += not refuse
                if refuse:
                    self._answer(503, {"Content-Type": "application/xml"}, b"<Error><Code>SlowDown</Code></Error>")
                    return
                connection = http.client.HTTPConnection(outer.behind, timeout=30)
                # the signature covers the host that was asked
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                data = answer.read()
                kept = {k: v for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "connection")}
                self._answer(answer.status, kept, data)
                connection.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815

            def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() != "content-length" or self.command == "HEAD":
                        self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def throttled(account: Any) -> Iterator[_Throttled]:
    """A throttled endpoint of the account's bucket."""
    made = _Throttled(account.env["AWS_ENDPOINT_URL"])
    yield made
    made.server.shutdown()
    made.server.server_close()
