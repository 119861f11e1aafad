"""The published forecasts as CSV and Parquet: the table that the command line writes, with every limit and problem."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from serving import Running, Serve

from tenor.cli import main
from tenor.forecast_table import MEDIA, PARQUET
from tenor.serving.keys import ApiKeys
from tenor.serving.limits import Limits
from tenor.serving.published import PublishedForecasts


def read(answer: httpx.Response) -> pd.DataFrame:
    if answer.headers["content-type"] == MEDIA[PARQUET]:
        return pd.read_parquet(io.BytesIO(answer.content))
    return pd.read_csv(io.BytesIO(answer.content))


def test_service_and_command_line_give_one_table(up: Running, published_store: Path, tmp_path: Path) -> None:
    written = tmp_path / "forecasts.csv"
    command = ["predict", "S01", "S04", "--store", str(published_store), "--output", str(written)]
    assert main([*command, *(word for h in (1, 5, 20) for word in ("--horizon", str(h)))]) == 0
    served = httpx.get(f"{up.url}/v1/forecasts?symbols=S01,S04&format=csv")
    assert served.headers["content-type"] == "text/csv; charset=utf-8"
    assert served.headers["content-disposition"] == 'attachment; filename="forecasts.csv"'
    # when it was computed is the only difference there may be
    ours, theirs = pd.read_csv(written), read(served)
    pd.testing.assert_frame_equal(ours.drop(columns="made_at"), theirs.drop(columns="made_at"), check_exact=True)
    assert theirs["horizon"].tolist() == [1, 5, 20] * 2
    assert theirs["trained_until"].lt(theirs["session"]).all()
    parquet = tmp_path / "forecasts.parquet"
    assert main([*command[:-1], str(parquet), "--horizon", "5"]) == 0
    assert pd.read_parquet(parquet)["price"].tolist() == theirs.query("horizon == 5")["price"].tolist()


@pytest.mark.parametrize(
    ("path", "accept", "media"),
    [
        ("?format=csv", "application/json", "text/csv; charset=utf-8"),
        ("", "text/csv", "text/csv; charset=utf-8"),
        ("", "text/html, application/vnd.apache.parquet;q=0.9", "application/vnd.apache.parquet"),
        ("", "*/*", "application/json"),
        ("", "text/html", "application/json"),
        ("?format=json", "text/csv", "application/json"),
    ],
)
def test_the_query_and_then_accept_choose_the_format(http: httpx.Client, path: str, accept: str, media: str) -> None:
    answers = [
        http.get(f"/v1/forecasts{path}", headers={"Accept": accept}),
        http.post(f"/v1/forecasts{path}", headers={"Accept": accept}, json={"symbols": [f"S0{i}" for i in range(6)]}),
    ]
    assert [answer.headers["content-type"] for answer in answers] == [media] * 2
    if media == "application/json":
        assert len(answers[0].json()["forecasts"]) == len(answers[1].json()["forecasts"]) == 6
    else:
        pd.testing.assert_frame_equal(read(answers[0]), read(answers[1]))
        assert len(read(answers[0])) == 18


def test_an_unchanged_table_is_not_sent_again(http: httpx.Client) -> None:
    first = http.get("/v1/forecasts?format=parquet&symbols=s01&horizon=5")
    assert read(first)[["symbol", "horizon"]].values.tolist() == [["S01", 5]]
    again = http.get(first.url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "expected"),
    [
        ("GET", "?symbols=S01,S0O&format=csv", {}, 404, "Did you mean"),
        ("GET", "?symbols=S01&format=csv&horizon=3", {}, 422, "no forecast of S01 3 sessions ahead; horizons: 1, 5"),
        ("GET", "?format=xlsx", {}, 422, "format"),
        ("GET", "?horizon=0&format=csv", {}, 422, "horizon"),
        ("GET", f"?format=csv&symbols={','.join(f'X{i}' for i in range(501))}", {}, 422, "501 symbols, and 500"),
        ("POST", "?format=csv", {"json": {"symbols": ["S01", "S0O"]}}, 404, "Did you mean"),
        ("POST", "?format=csv", {"json": {"symbols": []}}, 422, "symbols"),
    ],
)
def test_a_table_is_refused_with_the_problem_that_json_has(
    http: httpx.Client, method: str, path: str, options: dict[str, Any], status: int, expected: str
) -> None:
    answer = http.request(method, f"/v1/forecasts{path}", **options)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert expected in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_table_needs_a_key_and_costs_what_a_batch_does(published: PublishedForecasts, serve: Serve) -> None:
    keys = ApiKeys(published.objects)
    key = keys.make("reader")
    running = serve(published, keys=keys, limits=Limits(rate=0.001, burst=2))
    address, headers = f"{running.url}/v1/forecasts?format=csv", {"Authorization": f"Bearer {key}"}
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, headers=headers).status_code == 200  # six symbols: 1.5 requests
    refused = httpx.get(address, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:tenor:problem:too-many")
    assert int(refused.headers["retry-after"]) > 0


def test_without_pyarrow_parquet_is_refused_and_csv_is_not(up: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    answer = httpx.get(f"{up.url}/v1/forecasts?symbols=S02&format=parquet")
    assert (answer.status_code, answer.json()["detail"]) == (406, "This service can't write Parquet: ask for CSV.")
    assert httpx.get(f"{up.url}/v1/forecasts?symbols=S02&format=csv").status_code == 200
