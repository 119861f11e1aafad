"""Clients that send or take too slowly, or open too much: they are cut, and shut nobody out."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from serving import Running, Serve, until

from tenor.errors import ConfigError
from tenor.serving import events, server
from tenor.serving.connections import Connections, TimedProtocol, protocol
from tenor.serving.keys import ApiKeys
from tenor.serving.limits import Limits, network_of
from tenor.serving.metrics import Metrics
from tenor.serving.published import PublishedForecasts, SymbolEntry

LARGE = "/page/plotly.min.js"


class Lines:
    """Raw connections to a service; all are closed after the test."""

    def __init__(self) -> None:
        self.open: list[socket.socket] = []

    def connect(self, running: Running, text: bytes = b"", *, room: int | None = None) -> socket.socket:
        """A connection on which `text` was sent; `room` bytes are received unread."""
        host, port = running.url.removeprefix("http://").split(":")
        line = socket.socket()
        if room is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        line.settimeout(5)
        self.open.append(line)
        line.connect((host, int(port)))
        line.sendall(text)
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    opened = Lines()
    yield opened
    for line in opened.open:
        line.close()


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")).encode()


def ended(line: socket.socket) -> bool:
    """Whether the other side has ended the connection, all that it sent being read."""
    try:
        while line.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def cut(running: Running, why: str) -> float:
    return running.service.metrics.registry.get_sample_value("tenor_connections_cut_total", {"why": why}) or 0.0


def opened(running: Running) -> int:
    return len(running.server.server_state.connections)


def standing(running: Running) -> int:
    """How many connections are not being closed, seen by the loop: others may see a new one before another is cut."""
    connections = running.server.server_state.connections
    seen: Future[int] = Future()

    def look() -> None:
        # one that is cut stays in the set until the loop calls its connection_lost
        seen.set_result(sum(not one.transport.is_closing() for one in connections))  # type: ignore[union-attr]

    next(iter(list(connections))).loop.call_soon_threadsafe(look)
    return seen.result(10)


def test_a_bound_socket_accepts_at_once_so_that_its_address_can_be_told() -> None:
    with server.bind("127.0.0.1", 0) as listening:
        address = listening.getsockname()
        with socket.create_connection(address):
            pass
        with pytest.raises(ConfigError, match="take another --port"):
            server.bind("127.0.0.1", address[1])


def test_an_answer_comes_in_one_piece_and_the_head_of_a_stream_at_once(up: Running, lines: Lines) -> None:
    line = lines.connect(up)
    for path, body in (("/healthz", b'{"status":"alive"}'), ("/healthz", b'{"status":"alive"}'), ("/nothing", b"}")):
        line.sendall(get(path))
        assert line.recv(1 << 16).endswith(body)  # what was sent by one call is read by one
    line.sendall(get("/healthz").replace(b"GET", b"HEAD"))
    assert line.recv(1 << 16).endswith(b"\r\n\r\n")
    line.sendall(get("/v1/events"))
    assert line.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
    waited = ("Expect: 100-continue", "Content-Type: application/json", "Content-Length: 2")
    waiting = lines.connect(up, get("/v1/sentiment", *waited).replace(b"GET", b"POST"))
    assert waiting.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
    waiting.sendall(b"{}")
    assert waiting.recv(1 << 16).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize("path", [LARGE, "/v1/symbols/S00"])
def test_sockets_that_never_read_shut_nobody_out(
    path: str, published: PublishedForecasts, serve: Serve, lines: Lines
) -> None:
    running = serve(
        published, limits=Limits(write_seconds=2.0, connections_each=20, in_flight=40, in_flight_each=20, streams=5)
    )
    # whoever asks from another address is answered at once; one of the same address may have to ask again
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as other:
        for count in range(60):
            lines.connect(running, get(path) * 40, room=4096)
            if count % 10 == 9:
                assert other.get(f"{running.url}/healthz").status_code == 200
        assert standing(running) <= 21
        assert other.get(f"{running.url}/v1/symbols").status_code == 200
    assert cut(running, "room") > 0
    until(lambda: opened(running) == 0 and cut(running, "slow reader") > 0)
    until(lambda: running.measured("tenor_in_flight") == 0)
    assert cut(running, "room") + cut(running, "slow reader") >= 60
    assert httpx.get(f"{running.url}/v1/forecast/S00").status_code == 200


def test_a_socket_that_never_reads_is_cut_in_time(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    running = serve(published, limits=Limits(write_seconds=0.5))
    begun = time.monotonic()
    line = lines.connect(running, get(LARGE), room=4096)
    until(lambda: opened(running) == 1)
    until(lambda: opened(running) == 0)
    assert time.monotonic() - begun > 0.4
    assert ended(line)


def test_an_answer_is_held_in_pieces(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    """What waits for a client is a piece, not the file."""
    running = serve(published, limits=Limits(write_seconds=5.0))
    lines.connect(running, get(LARGE), room=4096)
    until(lambda: opened(running) == 1)
    (connection,) = running.server.server_state.connections

    def held() -> int:
        return int(connection.transport.get_write_buffer_size())  # type: ignore[union-attr]

    until(lambda: held() > 0)
    time.sleep(0.3)
    assert 0 < held() <= 40_000


def test_a_slow_reader_that_reads_gets_the_whole(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    running = serve(published, limits=Limits(write_seconds=2.0))
    whole = len(httpx.get(running.url + LARGE, headers={"Accept-Encoding": "identity"}).content)
    line = lines.connect(running, get(LARGE, "Connection: close"), room=1 << 16)
    received, begun = 0, time.monotonic()
    while piece := line.recv(1 << 16):
        received += len(piece)
        time.sleep(0.05)
    assert received > whole
    assert time.monotonic() - begun > 2.0, "longer than a piece may take"


def test_slow_heads_of_one_address_give_way(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    running = serve(published, limits=Limits(connections_each=10))
    first = lines.connect(running, b"GET /healthz HTT")
    for _ in range(30):
        lines.connect(running, b"GET /healthz HTT")
        assert httpx.get(f"{running.url}/healthz").status_code == 200
    assert ended(first)
    assert opened(running) <= 10


def test_an_idle_connection_gives_way_and_one_at_work_does_not(
    published: PublishedForecasts, serve: Serve, lines: Lines
) -> None:
    class Slow:
        has_kinds = False

        def score(self, texts: list[str], *, kinds: bool = False) -> Any:
            time.sleep(1.0)
            return texts

    running = serve(published, limits=Limits(connections_each=2), scorer=Slow)  # type: ignore[arg-type]
    body = b'{"texts":["a"]}'
    head = b"POST /v1/sentiment HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    at_work = lines.connect(running, head % len(body) + body)
    until(lambda: running.measured("tenor_in_flight") == 1)
    idle = lines.connect(running)
    assert httpx.get(f"{running.url}/healthz").status_code == 200
    assert ended(idle)
    assert at_work.recv(100).startswith(b"HTTP/1.1 500"), "it was answered: this scorer gives no scores"


def test_where_all_are_at_work_a_new_connection_is_refused() -> None:
    class Busy:
        address = "10.0.0.1"
        waiting_since: float | None = None
        was_cut = ""

        def cut(self, why: str) -> None:
            self.was_cut = why
            connections.discard(cast(TimedProtocol, self))

    def busy(address: str = "10.0.0.1", since: float | None = None) -> Any:
        made = Busy()
        made.address, made.waiting_since = address, since
        return made

    connections = Connections(Limits(connections=3, connections_each=2), Metrics())
    one, two = busy(), busy()
    assert connections.add(one)
    assert connections.add(two)
    assert not connections.add(busy())
    two.waiting_since = 5.0
    assert connections.add(busy()), "in the place of the one that waits"
    assert two.was_cut == "room"
    other = busy("10.0.0.2", since=1.0)
    assert connections.add(other)
    newcomer = busy("10.0.0.3")
    assert not connections.add(newcomer), "nobody of the address with the most waits"
    one.waiting_since = 9.0
    assert connections.add(newcomer)
    assert one.was_cut == "room", "not the other address's, which has one alone"


def test_without_a_limit_an_address_may_use_them_all(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    running = serve(published, limits=Limits(connections=30, connections_each=0))
    for _ in range(30):
        lines.connect(running)
    until(lambda: opened(running) == 30)
    assert httpx.get(f"{running.url}/healthz").status_code == 200


def test_streams_have_places_for_each_caller(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    keys = ApiKeys(published.objects)
    ann, bob = keys.make("ann"), keys.make("bob")
    running = serve(published, keys=keys, limits=Limits(streams=4, streams_each=2, connections_each=5))
    held = [lines.connect(running, get("/v1/events", f"Authorization: Bearer {ann}")) for _ in range(2)]
    until(lambda: running.measured("tenor_event_streams") == 2)
    refused = httpx.get(f"{running.url}/v1/events", headers={"Authorization": f"Bearer {ann}"})
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "30"
    with httpx.stream("GET", f"{running.url}/v1/events", headers={"Authorization": f"Bearer {bob}"}) as stream:
        assert stream.status_code == 200
    for line in held:
        line.close()
    until(lambda: running.measured("tenor_event_streams") == 0)


def test_a_stream_that_never_reads_is_cut(
    published: PublishedForecasts, serve: Serve, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def large(symbol: str, _: SymbolEntry) -> dict[str, Any]:
        return {"symbol": symbol, "padding": "x" * 200_000}

    monkeypatch.setattr(events, "summary", large)
    running = serve(published, limits=Limits(write_seconds=0.5))
    lines.connect(running, get("/v1/events"), room=4096)
    until(lambda: running.service.hub.listeners == 1)
    index = published.index()
    assert index is not None
    documents = [json.loads(published.read(entry)) | {"as_of": "2030-01-01"} for entry in index.entries.values()]
    published.publish(documents, {**index.head, "published_at": index.head["published_at"] + 1})
    until(lambda: cut(running, "slow reader") == 1)
    until(lambda: running.service.hub.listeners == 0 and running.measured("tenor_event_streams") == 0)


def test_a_stream_ends_after_its_time(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published, limits=Limits(stream_seconds=0.3))
    begun = time.monotonic()
    with httpx.stream("GET", f"{running.url}/v1/events", timeout=60) as stream:
        text = "".join(stream.iter_text())
    assert text.startswith("retry: 3000\nevent: hello")
    assert time.monotonic() - begun > 0.2


def test_what_is_no_http_gets_a_problem_with_the_headers_of_all_others(
    published: PublishedForecasts, serve: Serve, lines: Lines
) -> None:
    running = serve(published)
    usual = httpx.get(f"{running.url}/nothing")
    body = get("/v1/forecasts").replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n")
    body += b"Content-Type: application/json\r\n\r\nzz\r\n\r\n"
    for text in (b"\x16\x03\x01\r\n\r\n", b"GET / \r\nx y\r\n\r\n", get("/", "X: " + "a" * 40_000)[:-4], body):
        line = lines.connect(running, text)
        received = b""
        while piece := line.recv(1 << 16):
            received += piece
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *fields = head.decode().split("\r\n")
        headers = dict(field.lower().split(": ", 1) for field in fields)
        assert status.startswith("HTTP/1.1 4")
        assert set(headers) - {"connection"} == set(usual.headers)
        problem = json.loads(rest)
        assert (problem["status"], problem["request_id"]) == (int(status.split()[1]), headers["x-request-id"])


def test_no_http_in_the_middle_of_a_stream_ends_it(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    running = serve(published)
    head = get("/v1/events", "Transfer-Encoding: chunked")
    line = lines.connect(running, head)
    until(lambda: running.service.hub.listeners == 1)
    line.sendall(b"zz\r\n")
    assert ended(line)
    until(lambda: running.service.hub.listeners == 0)
    assert httpx.get(f"{running.url}/healthz").status_code == 200


def post(path: str, size: int, *headers: str) -> bytes:
    return get(path, f"Content-Length: {size}", *headers).replace(b"GET", b"POST", 1)


def answer(line: socket.socket) -> tuple[int, dict[str, Any]]:
    """The status and the problem of an answer, read whole."""
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        piece = line.recv(1 << 16)
        assert piece, received
        received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(rest)


TEXT, JSON = "Content-Type: text/plain", "Content-Type: application/json"


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        ("/v1/forecasts", TEXT, 415), ("/v1/forecasts", JSON, 413), ("/nothing", JSON, 404), ("/v1/symbols", JSON, 405),
        ("/v1/forecasts", "X-Other: 1", 401), ("/v1/forecasts", "Bad header", 400),
    ],
)  # fmt: skip
def test_a_client_that_sends_all_before_it_reads_gets_its_refusal(
    path: str, header: str, status: int, slowly: bool, published: PublishedForecasts, serve: Serve, lines: Lines
) -> None:
    """Without reading on, the rest of the body would make the system reset the connection, and the answer be lost."""
    keys = ApiKeys(published.objects)
    key = keys.make("ann")
    running = serve(published, keys=keys)
    given = () if status == 401 else (f"Authorization: Bearer {key}",)
    size, piece = (400_000, 40_000) if slowly else (6_000_000, 500_000)
    line = lines.connect(running, post(path, size, header, *given), room=4096)
    for _ in range(size // piece):
        line.sendall(b"x" * piece)
        if slowly:
            time.sleep(0.03)
    time.sleep(0.1)
    received, problem = answer(line)
    assert (received, problem["status"]) == (status, status)
    line.close()
    until(lambda: opened(running) == 0)
    assert cut(running, "unread body") == 0


def test_the_rate_is_answered_to_a_client_that_is_still_sending(
    published: PublishedForecasts, serve: Serve, lines: Lines
) -> None:
    running = serve(published, limits=Limits(rate=0.01, burst=1))
    assert httpx.get(f"{running.url}/v1/symbols").status_code == 200
    line = lines.connect(running, post("/v1/forecasts", 3_000_000, JSON, "Connection: close"))
    line.sendall(b"x" * 3_000_000)
    assert answer(line)[0] == 429
    assert ended(line)


@pytest.mark.parametrize(("path", "header"), [("/v1/forecasts", TEXT), ("/nothing", JSON)])
def test_a_refused_body_without_end_is_cut(
    path: str, header: str, published: PublishedForecasts, serve: Serve, lines: Lines
) -> None:
    running = serve(published, limits=Limits(linger_bytes=1_000_000, body_seconds=60, header_seconds=60))
    line = lines.connect(running, post(path, 1 << 40, header))
    with pytest.raises(ConnectionError):
        line.sendall(bytes(200_000_000))
    until(lambda: opened(running) == 0 and cut(running, "unread body") == 1)


@pytest.mark.parametrize(("path", "header"), [("/v1/forecasts", TEXT), ("/nothing", JSON)])
def test_a_refused_body_that_dribbles_is_cut(
    path: str, header: str, published: PublishedForecasts, serve: Serve, lines: Lines
) -> None:
    running = serve(published, limits=Limits(linger_seconds=0.4))
    line = lines.connect(running, post(path, 1 << 40, header))
    assert answer(line)[0] in (415, 404)

    def dribbled() -> bool:
        try:
            line.sendall(b"x")
        except ConnectionError:
            return True
        return False

    until(dribbled)
    until(lambda: opened(running) == 0 and cut(running, "unread body") == 1)


def test_a_silent_client_of_a_refused_body_is_cut(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    running = serve(published, limits=Limits(linger_seconds=0.3))
    line = lines.connect(running, post("/v1/forecasts", 5000, TEXT))
    assert answer(line)[0] == 415
    until(lambda: opened(running) == 0 and cut(running, "unread body") == 1)


def test_a_connection_goes_on_after_a_refused_body_that_ends(
    published: PublishedForecasts, serve: Serve, lines: Lines
) -> None:
    running = serve(published)
    line = lines.connect(running, post("/nothing", 200_000, JSON))
    assert answer(line)[0] == 404
    for _ in range(2):
        line.sendall(b"x" * 100_000)
    line.sendall(get("/nothing") + b"GET /healthz HTT")
    assert answer(line)[0] == 404
    line.sendall(b"P/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert line.recv(1000).startswith(b"HTTP/1.1 200")


def test_one_that_lingers_gives_way(published: PublishedForecasts, serve: Serve, lines: Lines) -> None:
    running = serve(published, limits=Limits(connections_each=2))
    first = lines.connect(running, post("/v1/forecasts", 5000, TEXT))
    assert answer(first)[0] == 415
    for _ in range(2):
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        lines.connect(running)
    until(lambda: cut(running, "room") > 0)
    assert ended(first)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.1.2.3", "10.1.2.3"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"), ("::1", "::1"), ("fe80::1%eth0", "fe80::/64"), ("unknown", "unknown"),
    ],
)  # fmt: skip
def test_an_address_of_ipv6_counts_with_its_network(host: str, expected: str) -> None:
    assert network_of(host) == expected


def test_connections_fit_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    now = [(256, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: now[0])
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: now.__setitem__(0, pair))
    assert server._possible(Limits(connections=2000)).connections == 2000
    assert now == [(2200, 4096)], "raised as far as needed"
    now[0] = (256, 1024)
    assert server._possible(Limits(connections=2000)).connections == 824
    assert now == [(1024, 1024)]


def test_limits_are_set_by_name() -> None:
    limits = Limits(rate=20.0).changed(["connections_each=0", " write_seconds = 2.5 "])
    assert (limits.rate, limits.connections_each, limits.write_seconds) == (20.0, 0, 2.5)
    for setting, message in {
        "connection=3": "Did you mean 'connections'",
        "connections=many": "takes a whole number, not 'many'",
        "connections=2.5": "takes a whole number",
        "connections": "takes a whole number, not ''",
        "write_seconds=0": "write_seconds is 0",
        "write_seconds=nan": "write_seconds is nan",
        "rate=inf": "rate is inf",
        "streams=0": "streams is 0",
        "in_flight_each=-1": "it takes 0 or more",
        "cache_megabytes=-1": "cache_megabytes is -1",
    }.items():
        with pytest.raises(ConfigError, match=message):
            Limits().changed([setting])


def test_each_server_counts_its_own_connections() -> None:
    assert protocol(Limits()).open is not protocol(Limits()).open  # type: ignore[attr-defined]


@pytest.mark.slow
def test_1200_sockets_that_never_read(published_store: Path) -> None:
    """The real process with its defaults, from one address: memory, and what others are answered meanwhile."""
    script = Path(__file__).parents[2] / "perf" / "never_read.py"
    command = [sys.executable, str(script), "--store", str(published_store), "--sockets", "1200", "--seconds", "25"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    measured = json.loads(run.stdout)
    assert run.returncode == 0, measured
    assert set(measured["healthz"]) == {"200"}
    assert measured["open_in_the_end"] == 0
    assert measured["rss_peak_mb"] < measured["rss_before_mb"] + 150
    assert measured["rss_after_closing_mb"] < measured["rss_before_mb"] + 60
