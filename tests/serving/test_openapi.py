"""The description of the service, and the service against its description."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.openapi.loaders import from_url
from serving import Running

from tenor.serving.docs_page import docs_page

PATHS = (
    "/v1/forecast/{symbol}", "/v1/forecasts", "/v1/history/{symbol}", "/v1/models", "/v1/monitor", "/v1/paper",
    "/v1/sentiment",
    "/v1/symbols", "/v1/symbols/{symbol}", "/v1/overview", "/v1/events", "/healthz", "/readyz", "/metrics",
)  # fmt: skip


def test_every_route_is_described_with_examples(http: httpx.Client) -> None:
    described = http.get("/v1/openapi.json").json()
    assert set(described["paths"]) == set(PATHS)
    for path in ("/v1/forecast/{symbol}", "/v1/history/{symbol}"):
        assert "example" in described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    assert described["components"]["schemas"]["Batch"]["example"]
    assert "(Holm)" in " ".join(described["components"]["schemas"]["TrackRecord"]["description"].split())
    forecast = described["components"]["schemas"]["ForecastResponse"]
    for name in ("volatility", "volatility_rank", "quantiles", "value_at_risk", "expected_shortfall", "verdict"):
        assert name in forecast["required"]
        assert name in forecast["description"]
    assert "application/problem+json" in described["paths"]["/v1/models"]["get"]["responses"]["503"]["content"]


def test_the_description_is_a_page_to_read(http: httpx.Client) -> None:
    page = http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in page.text
    for path in PATHS:
        assert f" {path}</code></h2>" in page.text
    for told in (
        "Bearer KEY",
        "<td>explain</td>",
        "integer, 1 to 1000",
        "list of string, at most 500",
        "expected_shortfall",
    ):
        assert told in page.text
    assert "`" not in page.text
    again = http.get("/docs", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    assert "/docs and /v1/openapi.json list the paths" in http.get("/nothing").json()["detail"]


def test_the_page_shows_text_as_text() -> None:
    described = {"description": "<b>&", "responses": {}, "parameters": [{"name": "<i>", "in": "query", "schema": {}}]}
    api = {
        "info": {"title": "<t>", "version": "1"},
        "paths": {"/<p>": {"get": described}},
        "components": {"schemas": {}},
    }
    page = docs_page(api).decode()
    for raw in ("<b>", "<i>", "<t>", "<p>}"):
        assert raw not in page
    assert "&lt;b&gt;&amp;" in page


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/v1/forecast/S00", "get", None), ("/v1/forecast/S00?explain=true", "get", None),
        ("/v1/history/S00", "get", None), ("/v1/symbols", "get", None),
        ("/v1/models", "get", None), ("/v1/forecasts", "post", {"symbols": ["S00", "S0O"]}),
    ],
)  # fmt: skip
def test_a_response_has_the_fields_that_are_described_in_their_order(
    http: httpx.Client, path: str, method: str, body: dict[str, Any] | None
) -> None:
    schemas = http.get("/v1/openapi.json").json()
    operation = schemas["paths"][path.partition("?")[0].replace("S00", "{symbol}")][method]
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    answer = http.request(method, path, json=body)

    def compare(schema: dict[str, Any], value: Any) -> None:
        if "$ref" in schema:
            schema = schemas["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "properties" in schema:
            fields = [name for name in schema["properties"] if name in schema["required"] or name in value]
            assert list(value) == fields
            for name, inner in value.items():
                compare(schema["properties"][name], inner)
        elif "items" in schema:
            for item in value:
                compare(schema["items"], item)

    compare(described, answer.json())
    if "example" in (content := operation["responses"]["200"]["content"]["application/json"]):
        assert list(content["example"]) == list(answer.json())


def hammer(up: Running, examples: int) -> None:
    """Ask what the description allows, and what it does not."""
    schema = from_url(f"{up.url}/v1/openapi.json")
    for operation in schema.get_all_operations():
        route = operation.ok()
        if route.path == "/v1/events":
            continue  # does not end
        taken = bool(route.body or route.query or route.path_parameters)
        for mode in (GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if taken else [])):

            @given(case=route.as_strategy(generation_mode=mode))
            @settings(
                max_examples=examples if taken else 5, deadline=None, phases=[Phase.generate], derandomize=True,
                database=None, suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            def ask(case: Any) -> None:
                answer = case.call(base_url=up.url, timeout=60)
                assert answer.status_code < 500, (case.as_curl_command(), answer.text)

            ask()


def test_no_request_breaks_the_service(up: Running) -> None:
    hammer(up, 12)


@pytest.mark.slow
def test_no_request_breaks_the_service_at_length(up: Running) -> None:
    hammer(up, 500)
