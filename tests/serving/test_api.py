"""The routes as a caller meets them, over a real socket."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import Running, Serve, until

import tenor
from tenor.errors import ServiceError
from tenor.serving.keys import ApiKeys
from tenor.serving.limits import Limits
from tenor.serving.published import PublishedForecasts
from tenor.store import Lake


def test_every_response_names_moment_model_and_staleness(up: Running) -> None:
    with tenor.Client(up.url) as client:
        one = client.forecast("S00")
        assert (one.symbol, one.horizon, one.live) == ("S00", 1, False)
        assert one.session < one.target_session
        assert one.interval.lower < one.price < one.interval.upper
        assert one.interval.lower == pytest.approx(one.quantiles["0.05"], rel=1e-5)
        assert list(one.quantiles.values()) == sorted(one.quantiles.values())
        assert one.volatility > 0 < one.baseline_volatility
        assert 0 <= one.volatility_rank <= 1
        assert one.value_at_risk["0.95"] == pytest.approx(1 - one.quantiles["0.05"] / one.last_price, abs=1e-5)
        for level, loss in one.value_at_risk.items():
            assert one.expected_shortfall[level] >= loss
        assert one.verdict.startswith("On the validation part")
        assert 0 < one.p_up < 1
        assert one.attention is None
        explained = client.forecast("S00", explain=True)
        assert explained.attention is not None
        assert sum(explained.attention.sessions.values()) == pytest.approx(1, abs=1e-4)
        assert sum(explained.attention.features.values()) == pytest.approx(1, abs=1e-4)
        assert dataclasses.replace(explained, attention=None) == one == client.forecast("S00")
        assert client.forecasts(["S00"], explain=True).forecasts == (explained,)
        assert not one.staleness.stale
        assert client.forecast("S00", horizon=5).horizon == 5
        listed = client.symbols()
        assert [row.symbol for row in listed.symbols] == [f"S0{i}" for i in range(6)]
        assert listed.horizons == (1, 5, 20)
        assert (listed.symbols[0].volatility, listed.symbols[0].upper) == (one.volatility, one.interval.upper)
        models = client.models()
        assert models.champion == one.model_version == listed.model_version
        assert [record.horizon for record in models.track] == [1, 5, 20]
        assert models.track[0].days > 50
        assert "persistence" in models.track[0].verdict
        assert "EWMA" in models.track[0].risk_verdict
        past = client.history("S01", horizon=5, limit=20)
        assert len(past.forecasts) == 20
        assert past.forecasts[-1].realised_return is None
        oldest = past.forecasts[0]
        assert oldest.volatility > 0 < oldest.baseline_volatility
        assert oldest.realised_price is not None
        assert oldest.held is (oldest.lower <= oldest.realised_price <= oldest.upper)
        batch = client.forecasts(["S05", "S06", "S00"])
        assert batch.forecasts == (client.forecast("S05"), client.forecast("S00"))
        assert [(bad.symbol, bad.problem.status) for bad in batch.problems] == [("S06", 404)]
        assert client.ready()["status"] == "ready"


def test_the_published_forecasts_are_the_predictors(up: Running, published_store: Path) -> None:
    from tenor.pipeline.predict import predict

    for forecast in predict(str(published_store), ["S02"], horizon=5):
        with tenor.Client(up.url) as client:
            served = client.forecast("S02", horizon=5)
        assert (served.price, served.interval.lower, served.p_up) == (forecast.price, forecast.lower, forecast.p_up)
        for name in ("volatility", "volatility_rank", "quantiles", "value_at_risk", "expected_shortfall", "verdict"):
            assert getattr(served, name) == getattr(forecast, name)


def test_realised_values_are_those_of_the_bars(up: Running, published_store: Path) -> None:
    bars = Lake(published_store).bars(["S01"]).adjusted().set_index("session")["close"]
    with tenor.Client(up.url) as client:
        past = client.history("S01", limit=30).forecasts[:-1]
    for row in past:
        assert row.last_price == pytest.approx(bars[row.session], rel=1e-5)
        assert row.realised_price == pytest.approx(bars[row.target_session], rel=1e-5)
        assert row.held == (row.lower <= row.realised_price <= row.upper)


def test_texts_are_scored_and_explained(up: Running) -> None:
    with tenor.Client(up.url) as client:
        response = client.sentiment(
            ["Sales and profit rose strongly.", "The firm lost its largest client.", " "], why=True
        )
    good, bad, empty = response.scores
    assert good.score is not None
    assert bad.score is not None
    assert good.score > 0 > bad.score
    assert empty.empty
    assert empty.score is None
    assert good.words is not None
    assert [word.word for word in good.words] == ["Sales", "and", "profit", "rose", "strongly."]


JSON = {"content-type": "application/json"}
PROBLEMS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/v1/forecast/S0O", {}, 404, "Did you mean"),
    ("GET", "/v1/forecast/S00?horizon=3", {}, 422, "horizons: 1, 5"),
    ("GET", "/v1/forecast/S00?horizon=x", {}, 422, "errors"),
    ("GET", "/v1/forecast/..%2f..%2fetc%2fpasswd", {}, 404, ""),
    ("GET", "/v1/forecast/%00", {}, 422, ""),
    ("GET", "/v1/history/S00?limit=0", {}, 422, "limit"),
    ("GET", "/page/..%2fapp.py", {}, 404, ""),
    ("GET", "/page/app.py", {}, 404, ""),
    ("GET", "/v1/nothing", {}, 404, "openapi"),
    ("DELETE", "/v1/symbols", {}, 405, ""),
    ("POST", "/v1/forecasts", {"content": b"{", "headers": JSON}, 400, "not JSON"),
    ("POST", "/v1/forecasts", {"content": b"symbols=S00"}, 415, "application/json"),
    ("POST", "/v1/forecasts", {"json": {"symbols": []}}, 422, "symbols"),
    ("POST", "/v1/forecasts", {"json": {"symbols": ["S00"], "horizons": 1}}, 422, "horizons"),
    ("POST", "/v1/forecasts", {"json": {"symbols": ["S00"] * 501}}, 422, "500"),
    ("POST", "/v1/forecasts", {"json": {"symbols": ["S00"], "horizon": 9}}, 200, "horizons: 1, 5"),
    ("POST", "/v1/sentiment", {"json": {"texts": ["x" * 5001]}}, 422, "5000"),
    ("POST", "/v1/sentiment", {"json": {"texts": ["x"] * 5, "why": True}}, 422, "4 texts"),
    ("POST", "/v1/sentiment", {"json": {"texts": ["x" * 300_000]}}, 413, "262144"),
    (
        "POST",
        "/v1/sentiment",
        {"content": b"[" * 40 + b"]" * 40, "headers": JSON},
        422,
        "32 deep",
    ),
    (
        "POST",
        "/v1/sentiment",
        {"content": b'{"texts":["\\ud800"]}', "headers": JSON},
        422,
        "",
    ),
]


@pytest.mark.parametrize(("method", "path", "options", "status", "expected"), PROBLEMS)
def test_invalid_requests_are_answered_with_a_problem(
    http: httpx.Client, method: str, path: str, options: dict[str, Any], status: int, expected: str
) -> None:
    answer = http.request(method, path, **options)
    assert answer.status_code == status
    assert expected in answer.text
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["type"].startswith("urn:tenor:problem:")
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert "Traceback" not in answer.text


def test_an_unchanged_response_is_not_sent_again(http: httpx.Client) -> None:
    for path in ("/v1/forecast/S00", "/v1/history/S00", "/v1/symbols", "/v1/symbols/S00", "/v1/models", "/v1/monitor"):
        first = http.get(path)
        again = http.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert http.get("/v1/forecast/S00").headers["etag"] != http.get("/v1/forecast/S01").headers["etag"]


def test_a_stale_forecast_has_another_etag(published: PublishedForecasts, serve: Serve) -> None:
    moment = [0.0]
    running = serve(published, clock=lambda: moment[0])
    index = published.index()
    assert index is not None
    moment[0] = float(index.head["published_at"])
    fresh = httpx.get(f"{running.url}/v1/forecast/S00")
    moment[0] += 4 * 86400
    old = httpx.get(f"{running.url}/v1/forecast/S00", headers={"If-None-Match": fresh.headers["etag"]})
    assert old.status_code == 200
    assert old.json()["staleness"]["sessions_behind"] >= 1
    assert old.json()["staleness"]["stale"]
    assert httpx.get(f"{running.url}/readyz").json()["status"] == "degraded"


def test_counters_know_the_route_and_not_the_symbol(http: httpx.Client) -> None:
    http.get("/v1/forecast/S00")
    http.get("/v1/forecast/S01")
    text = http.get("/metrics").text
    assert 'tenor_requests_total{method="GET",route="/v1/forecast/{symbol}",status="200"}' in text
    assert "S01" not in text
    for name in ("tenor_sessions_behind", "tenor_stale 0.0", 'tenor_alarm{kind="coverage"', "tenor_symbols 6.0"):
        assert name in text


def test_a_valid_key_is_accepted_and_anything_else_is_not(published: PublishedForecasts, serve: Serve) -> None:
    keys = ApiKeys(published.objects)
    key = keys.make("ann")
    assert key not in published.objects.get("keys.json").data.decode()
    running = serve(published, keys=keys)
    near = key[:-1] + ("0" if key[-1] != "0" else "1")
    for wrong in ("", "Bearer", "Bearer x", f"Bearer {near}", f"Basic {key}", "Bearer tenor_\u00e9".encode()):
        answer = httpx.get(
            f"{running.url}/v1/symbols",
            headers=[(b"Authorization", wrong if isinstance(wrong, bytes) else wrong.encode())],
        )
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers
    assert httpx.get(f"{running.url}/metrics").status_code == 401
    for path in ("/healthz", "/readyz", "/", "/page/app.js"):
        assert httpx.get(running.url + path).status_code == 200
    assert httpx.get(f"{running.url}/v1/symbols", headers={"X-Api-Key": key}).status_code == 200
    with tenor.Client(running.url, key=key) as client:
        assert client.symbols().symbols
        ApiKeys(published.objects).revoke("ann")
        until(lambda: keys.holder(key) is None)
        with pytest.raises(ServiceError, match="API key") as raised:
            client.symbols()
    assert raised.value.status == 401


def test_a_callers_rate_is_bounded_and_grows_back(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published, limits=Limits(rate=1.0, burst=3))
    with httpx.Client(base_url=running.url) as client:
        answers = [client.get("/v1/symbols") for _ in range(7)]
        assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert int(refused.headers["Retry-After"]) >= 1
        assert client.get("/healthz").status_code == 200
        until(lambda: client.get("/v1/symbols").status_code == 200)


def test_only_named_hosts_and_origins(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published, hosts=frozenset({"127.0.0.1"}), origins=("https://desk.example",))
    assert httpx.get(f"{running.url}/v1/symbols", headers={"Host": "rebound.example"}).status_code == 400
    allowed = httpx.get(f"{running.url}/v1/symbols", headers={"Origin": "https://desk.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://desk.example"
    other = httpx.get(f"{running.url}/v1/symbols", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_other_origins_get_no_cors_headers_by_default(http: httpx.Client) -> None:
    answer = http.get("/v1/symbols", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_new_forecasts_are_pushed(published: PublishedForecasts, serve: Serve) -> None:
    running = serve(published)
    index = published.index()
    assert index is not None
    with tenor.Client(running.url) as client:
        events = client.events(["S01"])
        document = json.loads(published.read(index.entries["S01"]))
        other = json.loads(published.read(index.entries["S02"]))

        def publish_soon() -> None:
            until(lambda: running.service.hub.listeners == 1)
            later = {**index.head, "published_at": index.head["published_at"] + 1}
            published.publish([{**other, "as_of": "2030-01-01"}, {**document, "as_of": "2030-01-01"}], later)

        import threading

        threading.Thread(target=publish_soon).start()
        event = next(events)
        assert (event["symbol"], event["as_of"]) == ("S01", "2030-01-01")
        running.stop()
        assert list(events) == []


def test_a_live_forecast_and_its_fallback_without_a_lake(
    published: PublishedForecasts, store: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenor.pipeline.live import OnDemand

    monkeypatch.setattr("tenor.serving.live.SECONDS", 120.0)  # a busy machine imports and reads for longer than 20 s
    running = serve(published, live=OnDemand(str(store), seconds=120))
    with tenor.Client(running.url, timeout=130) as client:
        stored, live = client.forecast("S00"), client.forecast("S00", live=True)
        assert live.live
        assert (live.price, live.interval) == (stored.price, stored.interval)
    broken = serve(published, live=OnDemand(str(tmp_path / "nowhere")))
    with tenor.Client(broken.url, timeout=60) as client:
        fallback = client.forecast("S00", live=True)
        assert (fallback.live, fallback.price) == (False, stored.price)
        assert fallback.staleness.stale
        assert "no live forecast" in fallback.staleness.reasons[-1]


def test_the_client_raises_the_problem_of_the_service(up: Running, unused: Callable[[], int]) -> None:
    with tenor.Client(up.url) as client, pytest.raises(ServiceError, match="Did you mean") as raised:
        client.forecast("S0O")
    assert (raised.value.status, raised.value.kind) == (404, "unknown-symbol")
    with tenor.Client(f"http://127.0.0.1:{unused()}") as client, pytest.raises(ServiceError, match="tenor serve"):
        client.symbols()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"symbols": 3}', b'{"symbols": []}'])
def test_the_client_refuses_malformed_responses(body: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    with tenor.Client("http://other.example", transport=transport) as client, pytest.raises(ServiceError):
        client.symbols()


@pytest.fixture
def unused() -> Callable[[], int]:
    import socket

    def port() -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return int(free.getsockname()[1])

    return port
