"""What follows a redirect, and which redirects are followed; over a transport, and once over real sockets."""

from __future__ import annotations

import base64
import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tenor.config import HttpConfig
from tenor.errors import SourceError
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.ingest.services.redirects import Redirects, origin

SECRET = "hush/1 2+3"
KEYS = SourceKeys.from_environment({"TIINGO_API_KEY": SECRET})
QUICK = HttpConfig(requests_per_minute=1e6, attempts=1)
BASIC = base64.b64encode(f"id:{SECRET}".encode()).decode()


class Hosts:
    """Answers `https://first.example` with a redirect to `target`, everything else with JSON."""

    def __init__(self, target: str, status: int = 302) -> None:
        self.target, self.status = target, status
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if len(self.asked) == 1:
            headers = [("Location", self.target), ("Set-Cookie", "session=cookie-secret; Path=/")]
            return httpx.Response(self.status, headers=headers)
        return httpx.Response(200, json={"here": request.url.host})

    def client(self) -> Http:
        return Http(QUICK, keys=KEYS, transport=httpx.MockTransport(self))


OTHER = ("https://second.example/p", "https://first.example:8443/p", "https://api.first.example/p")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", OTHER)
def test_no_header_that_may_hold_a_key_goes_to_another_origin(target: str, status: int) -> None:
    hosts = Hosts(target, status)
    headers = {"Authorization": f"Token {SECRET}", "X-Own-Token": SECRET}
    with hosts.client() as client:
        client.get_json("https://first.example/p", source="x", headers=headers)
    first, second = hosts.asked
    assert first.headers["X-Own-Token"] == SECRET
    assert SECRET not in str(second.headers.raw)
    assert "cookie" not in second.headers
    assert "authorization" not in second.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", [*OTHER, "http://first.example/p"])
def test_neither_password_nor_form_of_a_post_goes_to_another_origin(target: str, status: int) -> None:
    hosts = Hosts(target, status)
    with hosts.client() as client, contextlib.suppress(SourceError):
        client.post_json("https://first.example/t", source="x", form={"secret": SECRET}, auth=("id", SECRET))
    assert hosts.asked[0].headers["Authorization"] == f"Basic {BASIC}"
    for request in hosts.asked[1:]:
        assert "authorization" not in request.headers
        assert request.content == b""
    if status in (307, 308):
        assert len(hosts.asked) == 1


def test_to_its_own_origin_a_key_follows() -> None:
    for target in ("/q", "https://FIRST.example:443/q", "https://first.example./q"):
        hosts = Hosts(target, 308)
        with hosts.client() as client:
            client.post_json("https://first.example/t", source="x", form={"a": "b"}, auth=("id", SECRET))
        assert hosts.asked[1].headers["Authorization"] == f"Basic {BASIC}"
        assert hosts.asked[1].content == b"a=b"


def test_a_key_dropped_on_the_way_does_not_come_back() -> None:
    """first -> second -> first: the second chose the last address."""
    steps = iter(["https://second.example/", "https://first.example/chosen"])
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        target = next(steps, None)
        return httpx.Response(302, headers={"Location": target}) if target else httpx.Response(200, json=1)

    with Http(QUICK, keys=KEYS, transport=httpx.MockTransport(answer)) as client:
        client.get_json("https://first.example/", source="x", headers={"X-Own-Token": SECRET})
        assert ["x-own-token" in request.headers for request in asked] == [True, False, False]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://first.example/p", "without TLS"),
        ("http://second.example/p", "without TLS"),
        ("https://localhost/p", "private network"),
        ("https://LOCALHOST./p", "private network"),
        ("https://a.localhost/p", "private network"),
        ("https://127.0.0.1/p", "private network"),
        ("https://127.1/p", "private network"),
        ("https://2130706433/p", "private network"),
        ("https://0x7f000001/p", "private network"),
        ("https://0/p", "private network"),
        ("https://10.1.2.3/p", "private network"),
        ("https://192.168.0.1:8443/p", "private network"),
        ("https://169.254.169.254/latest", "private network"),
        ("https://[::1]/p", "private network"),
        ("https://[::ffff:127.0.0.1]/p", "private network"),
        ("https://[fd00::1]/p", "private network"),
        ("https://[64:ff9b::7f00:1]/p", "private network"),
        ("https://metadata.internal/p", "private network"),
        ("https://second.example/p?apikey=hush%2F1%202%2B3", "key in the address"),
        ("https://second.example/p?apikey=hush%2F1+2%2B3", "key in the address"),
    ],
)
def test_some_redirects_are_not_followed(target: str, why: str) -> None:
    hosts = Hosts(target)
    with hosts.client() as client, pytest.raises(SourceError, match=why) as refused:
        client.get_json("https://first.example/p", source="x")
    assert refused.value.kind == "malformed"
    assert "hush" not in str(refused.value)
    assert len(hosts.asked) == 1


def test_within_a_private_network_redirects_are_followed() -> None:
    hosts = Hosts("http://10.0.0.2/p")
    with hosts.client() as client:
        assert client.get_json("http://10.0.0.1/p", source="x") == {"here": "10.0.0.2"}


def test_a_name_is_judged_by_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    found = {
        "public.example": ["93.184.216.34"],
        "rebound.example": ["93.184.216.34", "127.0.0.1"],
        "six.example": ["::1"],
    }

    async def inside(host: str) -> bool:
        async def getaddrinfo(name: str, *_: Any, **__: Any) -> list[Any]:
            if name not in found:
                raise OSError("no such name")
            return [(0, 0, 0, "", (address, 0)) for address in found[name]]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
        return await Redirects(KEYS, look_up=True)._inside(httpx.URL(f"https://{host}/"))

    judged = {name: asyncio.run(inside(name)) for name in (*found, "unknown.example")}
    assert judged == {"public.example": False, "rebound.example": True, "six.example": True, "unknown.example": False}


def test_an_origin_is_scheme_host_and_port() -> None:
    same = {origin(httpx.URL(text)) for text in ("https://a.example", "https://A.example:443/x", "https://a.example./")}
    assert len(same) == 1
    others = ("http://a.example", "https://a.example:444", "https://b.example")
    assert not same & {origin(httpx.URL(text)) for text in others}


@pytest.fixture
def two_servers() -> Iterator[tuple[str, list[Any]]]:
    """One that redirects every POST to the other with the same host name; the requests of the other."""
    seen: list[Any] = []

    def started(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> http.server.ThreadingHTTPServer:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def do_POST(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                """Silence."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def listen(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append((handler.command, dict(handler.headers)))
        handler.send_response(200)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    def redirect(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.send_response(int(handler.path.strip("/")))
        handler.send_header("Location", f"http://127.0.0.1:{other.server_port}/")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    other, first = started(listen), started(redirect)
    yield f"http://127.0.0.1:{first.server_port}", seen
    for server in (other, first):
        server.shutdown()
        server.server_close()


def test_another_port_is_another_origin_on_real_sockets(two_servers: tuple[str, list[Any]]) -> None:
    url, seen = two_servers
    refused = []
    for status in (301, 302, 307, 308):
        with Http(QUICK, keys=KEYS) as client:
            try:
                client.post_json(f"{url}/{status}", source="x", form={"a": "b"}, auth=("id", SECRET))
            except SourceError:
                refused.append(status)
    assert refused == [307, 308]
    assert [method for method, _ in seen] == ["GET", "GET"]
    assert not [headers for _, headers in seen if "Authorization" in headers]
