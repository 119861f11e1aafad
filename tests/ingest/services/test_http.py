"""The client: pace, breaker, redirects, keys; over a real local server, by each transport."""

from __future__ import annotations

import contextlib
import email.utils
import http.server
import socket
import threading
import time as real_time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tenor.config import HttpConfig
from tenor.errors import ConfigError, SourceError
from tenor.ingest.services.http import Http, _retry_after
from tenor.ingest.services.keys import SourceKeys
from tenor.ingest.services.pacing import CircuitBreaker, RateLimit

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]
KEYS = SourceKeys.from_environment({"TIINGO_API_KEY": "hush-1234"})


class Server:
    """Answers as `answer` says; `requests` are the requests' paths and headers."""

    def __init__(self) -> None:
        self.answer: Answer = lambda handler: None
        self.requests: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                server.answer(self)

            def log_message(self, *args: Any) -> None:
                """Silence."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


DEFAULTS: dict[str, Any] = {}


@pytest.fixture(params=["httpx", "curl"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with each transport: their limits are the same."""
    monkeypatch.setitem(DEFAULTS, "transport", request.param)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client(time: Time, **settings: Any) -> Http:
    settings = {"requests_per_minute": 1e6, "attempts": 3, "backoff_seconds": 1.0, **DEFAULTS, **settings}
    return Http(HttpConfig(**settings), keys=KEYS, clock=lambda: time.now, sleep=time.sleep)


def test_backoff_doubles_with_jitter(server: Server) -> None:
    time = Time()
    server.answer = reply(503)
    with client(time, attempts=4) as http_, pytest.raises(SourceError, match=r"x at .* fails \(503\) after 4 tries"):
        http_.get_json(server.url, source="x")
    first, second, third = time.slept
    assert 1 <= first <= 2
    assert 2 <= second <= 3
    assert 4 <= third <= 5


def test_retry_after_counts_instead_and_one_that_is_too_long_gives_the_host_its_rest(server: Server) -> None:
    time = Time()
    with client(time, longest_wait_seconds=30.0) as http_:
        server.answer = reply(429, Retry_After="7")
        with pytest.raises(SourceError, match="asks for fewer requests"):
            http_.get_json(server.url, source="x")
        assert time.slept == [7, 7]
        server.answer = reply(429, Retry_After="3600")
        with pytest.raises(SourceError, match="it asks to wait 3600 s: try later"):
            http_.get_json(server.url, source="x")
        before = len(server.requests)
        server.answer = reply(200)
        with pytest.raises(SourceError, match="x is not asked for 3600 s more"):
            http_.get_json(server.url, source="x")
        assert len(server.requests) == before
        time.now += 3600
        assert http_.get_json(server.url, source="x") == {}


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_try_again(server: Server) -> None:
    time = Time()
    with client(time, trips=2, rest_seconds=100.0, attempts=1) as http_:
        server.answer = reply(500)
        for _ in range(2):
            with pytest.raises(SourceError, match="fails"):
                http_.get_json(server.url, source="x")
        with pytest.raises(SourceError, match="is not asked for 100 s more"):
            http_.get_json(server.url, source="x")
        time.now += 101
        with pytest.raises(SourceError, match="fails"):
            http_.get_json(server.url, source="x")
        with pytest.raises(SourceError, match="is not asked"):
            http_.get_json(server.url, source="x")
        time.now += 101
        server.answer = reply(200, b"[1]")
        assert http_.get_json(server.url, source="x") == [1]
        assert http_.get_json(server.url, source="x") == [1]


def test_an_unknown_symbol_is_no_failure_of_the_host(server: Server) -> None:
    with client(Time(), trips=1) as http_:
        server.answer = reply(404)
        for _ in range(3):
            with pytest.raises(SourceError) as caught:
                http_.get_json(server.url, source="x")
            assert caught.value.kind == "unknown"


def test_while_one_tries_after_a_rest_the_others_wait() -> None:
    time = Time()
    breaker = CircuitBreaker(1, 60.0, lambda: time.now)
    breaker.failed("h")
    time.now = 61.0
    assert breaker.resting("h") == 0.0
    assert breaker.resting("h") == 60.0
    breaker.succeeded("h")
    assert breaker.resting("h") == 0.0


def test_the_pace_holds_over_threads() -> None:
    slept: list[float] = []
    limit = RateLimit(lambda: 0.0, slept.append)
    threads = [threading.Thread(target=limit.wait, args=("h", 0.5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slept) == [0.5, 1.0, 1.5]
    limit.wait("other", 0.5)
    assert len(slept) == 3


def test_a_redirect_is_followed_and_a_key_does_not_go_to_another_host(server: Server) -> None:
    other = Server()
    try:
        other.answer = reply(200, b"[2]")
        server.answer = reply(302, Location=f"http://localhost:{other.port}/there")
        with client(Time()) as http_:
            headers = {"Authorization": "Token hush-1234", "X-Finnhub-Token": "hush-1234"}
            assert http_.get_json(server.url, source="x", headers=headers) == [2]
        assert server.requests[0][1]["Authorization"] == "Token hush-1234"
        assert "hush-1234" not in str(other.requests)
    finally:
        other.close()


def test_what_can_not_be_reached_or_unpacked(server: Server) -> None:
    with client(Time(), attempts=1) as http_:
        with pytest.raises(SourceError, match=r"x at 127\.0\.0\.1:1/p can't be reached: try later"):
            http_.get_json("http://127.0.0.1:1/p", source="x", params={"apikey": "hush-1234"})
        server.answer = reply(200, b"no gzip at all", Content_Encoding="gzip")
        with pytest.raises(SourceError, match="can't be unpacked"):
            http_.get_json(server.url, source="x")
        server.answer = reply(418)
        with pytest.raises(SourceError) as caught:
            http_.get_json(server.url, source="x")
        assert caught.value.kind == "limited"
        server.answer = reply(302, Location="ftp://x/y")
        with pytest.raises(SourceError):
            http_.get_json(server.url, source="x")


def test_a_bomb_is_cut_off_while_it_unpacks(server: Server) -> None:
    import gzip

    server.answer = reply(200, gzip.compress(b" " * (8 << 20)), Content_Encoding="gzip")
    with client(Time(), max_megabytes=1.0) as http_, pytest.raises(SourceError, match="sent more than 1 MB"):
        http_.get_json(server.url, source="x")


# what comes at once, and what then comes a byte at a time, for ever
DRIPS = {
    "nothing": (b"", b""),
    "status": (b"HTTP/1.1 2", b"0"),
    "a header": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
    "many headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    "handshake": (b"\x16\x03\x03\x40\x00", b"\x02"),
}


@contextlib.contextmanager
def dripping(start: bytes, drop: bytes) -> Iterator[int]:
    """A socket that says `start` to whoever connects, then `drop` each 50 ms, until the client goes; its port."""

    def drip(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(start)
            while not stop.wait(0.05):
                connection.sendall(drop)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("what", DRIPS)
def test_the_deadline_holds_whatever_drips(what: str, server: Server) -> None:
    secure = what == "handshake"  # a part of connecting, which has a limit of its own
    limits = {"connect_seconds": 0.4} if secure else {"deadline_seconds": 0.4}
    message = "did not answer in time" if secure else r"did not finish within 0\.4 s"
    server.answer = reply(200, b"[1]")
    with dripping(*DRIPS[what]) as port, client(Time(), attempts=1, **limits) as http_:
        for _ in range(2):
            start = real_time.monotonic()
            with pytest.raises(SourceError, match=rf"x at 127\.0\.0\.1:{port}/p {message}: try") as caught:
                http_.get_json(f"http{'s' * secure}://127.0.0.1:{port}/p", source="x")
            assert caught.value.kind == "away"
            assert real_time.monotonic() - start > 0.3
        assert http_.get_json(server.url, source="x") == [1]  # the client is none the worse for it


def test_what_drips_for_one_thread_keeps_no_other_waiting(server: Server) -> None:
    server.answer = reply(200, b"[1]")
    failed = []
    with dripping(*DRIPS["a header"]) as port, client(Time(), deadline_seconds=1.0, attempts=1) as http_:

        def ask() -> None:
            with pytest.raises(SourceError):
                http_.get_json(f"http://127.0.0.1:{port}/p", source="x")
            failed.append(real_time.monotonic())

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            assert http_.get_json(server.url, source="x") == [1]
        assert not failed
        for thread in threads:
            thread.join()
        assert len(failed) == 3


def test_closing_breaks_off_what_is_under_way_and_leaves_no_thread(server: Server) -> None:
    with dripping(*DRIPS["a header"]) as port, ThreadPoolExecutor(1) as pool:
        http_ = client(Time(), attempts=1)
        waiting = pool.submit(http_.get_json, f"http://127.0.0.1:{port}/p", source="x")
        real_time.sleep(0.3)
        http_.close()
        http_.close()
        with pytest.raises(CancelledError):
            waiting.result(timeout=60)
    assert not http_._thread.is_alive()


def test_the_transport_is_injected() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"host": request.url.host})

    with Http(HttpConfig(), keys=KEYS, transport=httpx.MockTransport(answer)) as http_:
        assert http_.get_json("https://nowhere.example/x", source="x") == {"host": "nowhere.example"}


def test_retry_after_as_a_date_a_number_or_nonsense() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert 80 < (_retry_after(email.utils.format_datetime(soon, usegmt=True)) or 0) <= 90
    assert _retry_after("12") == 12
    assert _retry_after("-5") == 0
    assert _retry_after("Wed, 01 Jan 2020 00:00:00 GMT") == 0
    assert [_retry_after(text) for text in ("", "soon", "nan", "inf")] == [None] * 4


def test_limits_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"'sources\.http\.attempts' is 0; it must be a whole number >= 1"):
        HttpConfig(attempts=0)
    with pytest.raises(ConfigError, match=r"'sources\.http\.read_seconds' is nan"):
        HttpConfig(read_seconds=float("nan"))


def test_keys_do_not_show() -> None:
    assert "hush" not in repr(KEYS)
    assert KEYS.hidden("a hush-1234 b") == "a *** b"
    assert SourceKeys.from_environment({"TIINGO_API_KEY": "  "}).hidden("a b") == "a b"
