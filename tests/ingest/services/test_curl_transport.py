"""The transport that begins its TLS as a browser: a service that answers browsers alone, over real sockets.

What both transports have in common, limits above all, is tested in test_http.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import wire
from browser_only import BrowserOnly, browser_only, certificate
from live import PATIENT, Live
from world import World

from tenor.config import HttpConfig, SourcesConfig
from tenor.errors import ConfigError, SourceError
from tenor.ingest.doctor import doctor
from tenor.ingest.fetch import fetch
from tenor.ingest.services.http import AGENT, Http
from tenor.ingest.services.keys import SourceKeys
from tenor.store import Lake

KEYS = SourceKeys.from_environment({"TIINGO_API_KEY": "hush-1234"})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def yahoo(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrowserOnly]:
    """A server in the form of Yahoo's that answers browsers only, whose certificate this process trusts."""
    public, private = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))

    def answer(target: str) -> bytes:
        parts = urlsplit(target)
        return wire.yahoo(world, parts.path, dict(parse_qsl(parts.query)), {})[2]

    with browser_only(answer, public, private) as running:
        yield running


@pytest.fixture
def sources(yahoo: BrowserOnly) -> Callable[..., SourcesConfig]:
    def made(transport: str) -> SourcesConfig:
        http = HttpConfig(attempts=1, requests_per_minute=1e6, transport=transport)  # type: ignore[arg-type]
        urls = (f"yahoo={yahoo.url}",)
        return SourcesConfig(prices=("yahoo",), news=("yahoo",), urls=urls, since="2024-01-02", http=http)

    return made


def test_a_plain_client_is_refused_and_the_doctor_says_why(
    yahoo: BrowserOnly, sources: Callable[..., SourcesConfig], world: World
) -> None:
    checks = doctor(sources("httpx"), now=world.now, keys=KEYS)
    assert [(check.source, check.kind, check.works) for check in checks] == [
        ("yahoo", "prices", False), ("yahoo", "news", False),
    ]  # fmt: skip
    for check in checks:
        assert "asks for fewer requests (429)" in check.message
        assert "sources.http.transport to 'curl' (pip install 'tenor[yahoo]')" in check.message
        assert "'tiingo'" in check.message
    assert yahoo.headers[0]["User-Agent"] == AGENT
    assert not yahoo.hellos[0].browser


def test_libcurl_is_answered_and_the_bars_reach_the_lake(
    yahoo: BrowserOnly, sources: Callable[..., SourcesConfig], world: World, tmp_path: Path
) -> None:
    config = sources("curl")
    assert all(check.works for check in doctor(config, now=world.now, keys=KEYS))
    result = fetch(str(tmp_path / "lake"), ["AAPL"], config, now=world.now, keys=KEYS)
    assert result.bars[0].source == "yahoo"
    assert result.bars[0].errors == ()
    bars = Lake(tmp_path / "lake").bars(["AAPL"]).frame
    assert len(bars) == len(world.bars("AAPL", bars["session"].iloc[0]))
    assert all(hello.browser for hello in yahoo.hellos)
    # headers of a browser as well: one that differs from its TLS is refused elsewhere
    sent = {name.lower(): value for name, value in yahoo.headers[-1].items()}
    assert "Chrome" in sent["user-agent"]
    assert not any("tenor" in value for value in sent.values())


@pytest.mark.parametrize(("transport", "browser"), [("httpx", False), ("curl", True)])
def test_the_first_message_alone_tells_the_two_apart(
    yahoo: BrowserOnly, sources: Callable[..., SourcesConfig], transport: str, browser: bool
) -> None:
    with Http(sources(transport).http, keys=KEYS) as http, contextlib.suppress(SourceError):
        # a plain client with all the headers of a browser stays one
        headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0.0.0", "Accept": "*/*"}
        http.get_json(
            f"{yahoo.url}/v1/finance/search", source="yahoo", params={"q": "A", "newsCount": "1"}, headers=headers
        )
    (hello,) = yahoo.hellos
    assert hello.browser == browser


def test_a_browser_that_is_refused_has_another_remedy(live_with: Callable[..., Live], world: World) -> None:
    live = live_with(world, prices=("yahoo",), news=())
    live.services["yahoo"].faults = ["*429"]
    http = dataclasses.replace(PATIENT, transport="curl")
    (check,) = doctor(dataclasses.replace(live.config, http=http), now=world.now, keys=KEYS)
    assert not check.works
    assert "had a browser's TLS" in check.message
    assert "tenor[yahoo]" not in check.message


def test_a_source_that_answers_plain_clients_has_no_such_remedy(live_with: Callable[..., Live], world: World) -> None:
    live = live_with(world, prices=("tiingo",), news=())
    live.services["tiingo"].faults = ["*429"]
    (check,) = doctor(live.config, now=world.now, keys=live.keys)
    assert check.message.endswith("asks for fewer requests (429): try later.")


def test_a_certificate_that_nobody_signed_is_refused(
    yahoo: BrowserOnly, sources: Callable[..., SourcesConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with Http(sources("curl").http, keys=KEYS) as http, pytest.raises(SourceError, match="can't be reached") as caught:
        http.get_json(f"{yahoo.url}/x", source="yahoo", params={"apikey": "hush-1234"})
    assert "hush" not in str(caught.value)
    assert yahoo.headers == []


def test_without_the_package_it_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['curl_cffi'] = None\n"
        "from tenor.cli import main\n"
        "sys.exit(main(['data', 'doctor', '--set', 'sources.http.transport=curl']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tenor: curl_cffi is not installed: pip install 'tenor[yahoo]'.\n"


def test_another_transport_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'sources\.http\.transport' is 'wget'; it takes 'httpx' or 'curl'"):
        HttpConfig(transport="wget")  # type: ignore[arg-type]
