"""What is answered from the cache at once is what the routes answer, to the byte, and counts as their answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tenor.serving.app import create_app
from tenor.serving.known import KnownForecasts
from tenor.serving.published import published_forecasts
from tenor.serving.service import Service
from tenor.serving.view import View

CHANGING = ("x-request-id",)


@pytest.fixture
def client(published_store: Path) -> Iterator[TestClient]:
    service = Service(View(published_forecasts(str(published_store))), poll=0)
    with TestClient(create_app(service)) as client:
        yield client


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request was answered from the cache."""
    seen: list[bool] = []
    ask = KnownForecasts._known

    def watched(self: KnownForecasts, scope: dict[str, object]) -> object:
        body = ask(self, scope)
        if scope["type"] == "http":
            seen.append(body is not None)
        return body

    monkeypatch.setattr(KnownForecasts, "_known", watched)
    return seen


def symbol_of(client: TestClient) -> str:
    return str(client.get("/v1/symbols").json()["symbols"][0]["symbol"])


@pytest.mark.parametrize("query", ["", "?horizon=1", "?horizon=5"])
def test_the_second_answer_is_the_first_to_the_byte(client: TestClient, known: list[bool], query: str) -> None:
    path = f"/v1/forecast/{symbol_of(client)}{query}"
    known.clear()
    first, second = client.get(path), client.get(path)
    assert known == [False, True]
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert _lasting(first.headers) == _lasting(second.headers)
    assert second.headers["x-request-id"]


def test_an_etag_and_head_are_answered_as_by_the_route(client: TestClient, known: list[bool]) -> None:
    path = f"/v1/forecast/{symbol_of(client)}"
    etag = client.get(path).headers["etag"]
    by_route = client.get(f"{path}?explain=false", headers={"If-None-Match": etag})
    from_cache = client.get(path, headers={"If-None-Match": etag})
    assert (by_route.status_code, from_cache.status_code) == (304, 304)
    assert _lasting(by_route.headers) == _lasting(from_cache.headers)
    head = client.head(path)
    assert known[-3:] == [False, True, True]
    assert head.headers["content-length"] != "0"
    assert head.content == b""


@pytest.mark.parametrize(
    "path",
    ["/v1/forecast/NOPE", "/v1/forecast/{}?horizon=3", "/v1/forecast/{}?horizon=0",
     "/v1/forecast/{}?horizon=1&horizon=5", "/v1/forecast/{}?explain=true", "/v1/forecast/{}/",
     "/v1/forecast/{}?session=2010-01-04", "/v1/forecast/%24X"],
)  # fmt: skip
def test_what_is_unusual_or_wrong_is_left_to_the_routes(client: TestClient, known: list[bool], path: str) -> None:
    symbol = symbol_of(client)
    client.get(f"/v1/forecast/{symbol}")
    known.clear()
    client.get(path.format(symbol))
    client.post(f"/v1/forecast/{symbol}")
    assert known == [False, False]


def test_counters_name_the_route(client: TestClient) -> None:
    path = f"/v1/forecast/{symbol_of(client)}"
    for _ in range(3):
        client.get(path)
    counted = [
        line for line in client.get("/metrics").text.splitlines() if "forecast/{symbol}" in line and "200" in line
    ]
    assert any(line.endswith(" 3.0") for line in counted), counted


def test_a_new_state_is_rendered_anew(client: TestClient, known: list[bool]) -> None:
    path = f"/v1/forecast/{symbol_of(client)}"
    client.get(path)
    _service(client).bodies._cached.clear()
    known.clear()
    client.get(path)
    client.get(path)
    assert known == [False, True]


def _service(client: TestClient) -> Service:
    protected = client.app
    return protected._app._service  # type: ignore[attr-defined,no-any-return]


def _lasting(headers: object) -> dict[str, str]:
    return {name: value for name, value in dict(headers).items() if name not in CHANGING}  # type: ignore[call-overload]
