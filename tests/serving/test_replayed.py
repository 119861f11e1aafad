"""The API as of a past session: what was forecast then, and nothing that was known later."""

from __future__ import annotations

import json
import math

import httpx
import pandas as pd
import pytest
from serving import Running, Serve

from tenor.calendars import exchange
from tenor.errors import UsageError
from tenor.serving.published import PublishedForecasts
from tenor.serving.replayed import forecasts_after, session_until


@pytest.fixture
def on(http: httpx.Client) -> str:
    """A past session."""
    session: str = http.get("/v1/overview").json()["sessions"][-30]
    return session


def test_a_forecast_of_a_past_session_is_the_one_of_the_history(http: httpx.Client, on: str) -> None:
    for horizon in (1, 5):
        then = http.get(f"/v1/forecast/S01?horizon={horizon}&session={on}").json()
        rows = http.get(f"/v1/history/S01?horizon={horizon}&limit=1000").json()["forecasts"]
        row = next(row for row in rows if row["session"] == on)
        for name in ("price", "volatility", "p_up", "target_session", "quantiles", "value_at_risk", "last_price"):
            assert then[name] == row[name], name
        assert then["interval"] == {"lower": row["lower"], "upper": row["upper"], "level": 0.9}
        assert list(then["quantiles"]) == ["0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99"]
        assert list(then["quantiles"].values()) == sorted(then["quantiles"].values())
        assert then["quantiles"]["0.05"] == row["lower"]
        assert then["value_at_risk"]["0.95"] == pytest.approx(1 - row["lower"] / row["last_price"])
        assert then["expected_shortfall"]["0.99"] > then["value_at_risk"]["0.99"] > then["value_at_risk"]["0.95"]
        assert then["attention"] is None
        assert pd.Timestamp(then["as_of"]) == exchange("XNYS").close(pd.Timestamp(on))
        stale = then["staleness"]
        assert (stale["stale"], stale["replay"], stale["sessions_behind"]) == (True, True, 29)
        assert f"as of {on}" in stale["reasons"][0]


def test_the_newest_of_the_past_forecasts_has_the_quantiles_of_the_forecast(http: httpx.Client) -> None:
    newest = http.get("/v1/forecast/S01").json()
    row = http.get("/v1/history/S01?limit=1").json()["forecasts"][0]
    assert row["session"] == newest["session"]
    for level, price in newest["quantiles"].items():
        assert math.log(row["quantiles"][level] / price) == pytest.approx(0, abs=1e-5)
    assert row["expected_shortfall"] == pytest.approx(newest["expected_shortfall"], abs=1e-5)


def test_many_and_the_list_are_of_that_session_too(http: httpx.Client, on: str) -> None:
    for answer in (
        http.get(f"/v1/forecasts?symbols=S01,S02&session={on}"),
        http.post("/v1/forecasts", json={"symbols": ["S01", "S02"], "session": on}),
    ):
        body = answer.json()
        assert [each["session"] for each in body["forecasts"]] == [on, on]
        assert body["problems"] == []
        assert body["staleness"]["replay"]
    table = http.get(f"/v1/forecasts?symbols=S01&session={on}&format=csv")
    assert table.headers["x-stale"] == "true"
    lines = table.text.splitlines()
    assert len(lines) == 4  # a head and three horizons
    assert all(f"S01,{on}," in line for line in lines[1:])
    listed = http.get(f"/v1/symbols?session={on}").json()
    assert {each["session"] for each in listed["symbols"]} == {on}
    assert len(listed["symbols"]) == 6
    assert listed["symbols"][1]["lower"] == http.get(f"/v1/forecast/S01?session={on}").json()["interval"]["lower"]


def test_the_history_as_of_a_session_knows_nothing_of_later_ones(http: httpx.Client, on: str) -> None:
    rows = http.get(f"/v1/history/S01?horizon=5&session={on}&limit=1000").json()["forecasts"]
    assert rows[-1]["session"] < on
    for row in rows:
        assert (row["realised_price"] is not None) == (row["target_session"] <= on)
        assert (row["held"] is not None) == (row["target_session"] <= on)


def test_what_can_not_be_asked_is_refused_in_one_line(http: httpx.Client, on: str) -> None:
    sessions = http.get("/v1/overview").json()["sessions"]
    answer = http.get("/v1/forecast/S01?session=1999-01-04")
    assert answer.status_code == 422
    assert f"they are of {sessions[0]} to {sessions[-1]}" in answer.json()["detail"]
    assert http.get("/v1/forecast/S01?session=yesterday").status_code == 422
    assert "a live forecast is of now" in http.get(f"/v1/forecast/S01?session={on}&live=true").json()["detail"]
    assert "horizons: 1, 5" in http.get(f"/v1/forecast/S01?session={on}&horizon=7").json()["detail"]


def test_serve_as_of_changes_what_the_api_says_by_default(published: PublishedForecasts, serve: Serve) -> None:
    index = published.index()
    assert index is not None
    on, later = index.head["sessions"][-40], index.head["sessions"][-20]
    running = serve(published, as_of=on)
    assert httpx.get(f"{running.url}/v1/forecast/S01").json()["session"] == on
    assert {each["session"] for each in httpx.get(f"{running.url}/v1/symbols").json()["symbols"]} == {on}
    assert httpx.get(f"{running.url}/v1/history/S01").json()["forecasts"][-1]["session"] < on
    assert httpx.get(f"{running.url}/v1/forecast/S01?session={later}").json()["session"] == later
    board = httpx.get(f"{running.url}/v1/overview").json()  # the page walks on from there
    assert (board["opens_at"], board["past"]) == (on, False)


def test_a_symbol_without_a_forecast_then_says_so_and_is_left_out_of_the_list(
    published: PublishedForecasts, serve: Serve
) -> None:
    index = published.index()
    assert index is not None
    on = index.head["sessions"][-30]
    document = json.loads(published.read(index.entries["S01"]))
    for columns in document["history"].values():
        start = next(i for i, session in enumerate(columns["session"]) if session > on)
        for name, values in columns.items():
            columns[name] = values[start:]
    published.publish([document], index.head)
    running = serve(published)
    answer = httpx.get(f"{running.url}/v1/forecast/S01?session={on}")
    assert answer.status_code == 422
    assert f"S01 has no forecast made after {on}" in answer.json()["detail"]
    batch = httpx.get(f"{running.url}/v1/forecasts?symbols=S01,S02&session={on}").json()
    assert [each["symbol"] for each in batch["forecasts"]] == ["S02"]
    assert [each["symbol"] for each in batch["problems"]] == ["S01"]
    symbols = [each["symbol"] for each in httpx.get(f"{running.url}/v1/symbols?session={on}").json()["symbols"]]
    assert symbols == ["S00", "S02", "S03", "S04", "S05"]


def test_what_an_older_tenor_published_has_its_interval_alone(up: Running, http: httpx.Client, on: str) -> None:
    document = http.get("/v1/symbols/S01").json()
    for columns in document["history"].values():
        del columns["tails"]
    (then, *_) = forecasts_after(document, on, {"sessions": [on]})
    assert list(then["quantiles"]) == ["0.05", "0.95"]
    assert then["value_at_risk"] == {}
    assert then["as_of"] == f"{on}T00:00:00+00:00"


def test_the_session_until_a_day() -> None:
    head = {"sessions": ["2020-01-02", "2020-01-03", "2020-01-06"]}
    assert session_until(head, "2020-01-05") == "2020-01-03"
    assert session_until(head, "2020-01-06") == "2020-01-06"
    assert session_until({"sessions": ["2020-01-02T15:30", "2020-01-02T16:30"]}, "2020-01-02") == "2020-01-02T16:30"
    with pytest.raises(UsageError, match="they begin on 2020-01-02"):
        session_until(head, "2019-12-31")
    with pytest.raises(UsageError, match="there are none at all"):
        session_until({}, "2019-12-31")
