"""The rows of the overview: what a symbol's documents say of its newest session, and of a past one."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx
import numpy as np
import pytest
from serving import Running, Serve

from tenor.serving.overview import driver, overview_row, session_variance, spark
from tenor.serving.published import PublishedForecasts
from tenor.variance import session_variance as session_variances


def bars(closes: list[float]) -> dict[str, list[Any]]:
    """Bars that open at the close before, and have no range beyond open and close."""
    opens = [closes[0], *closes[:-1]]
    return {
        "session": [f"2020-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(len(closes))],
        "open": opens, "close": closes,
        "high": [max(a, b) for a, b in zip(opens, closes, strict=True)],
        "low": [min(a, b) for a, b in zip(opens, closes, strict=True)],
    }  # fmt: skip


def walk(moves: list[float]) -> dict[str, list[Any]]:
    return bars([100.0, *(100 * np.exp(np.cumsum(moves))).tolist()])


def alternating(n: int, size: float) -> list[float]:
    return [size if i % 2 else -size for i in range(n)]


def test_one_session_with_most_of_the_variance_drives_a_range() -> None:
    moves = alternating(60, 0.01)
    moves[-4] = -0.08
    made = driver(walk(moves), 60, attention=None)
    assert made["kind"] == "day"
    assert made["session"] == walk(moves)["session"][57]
    assert made["move"] == pytest.approx(math.exp(-0.08) - 1, rel=1e-4)
    assert made["share"] > 0.7


def test_attention_decides_which_session_that_is() -> None:
    moves = alternating(60, 0.01)
    moves[-4] = -0.08
    data = walk(moves)
    weights = dict.fromkeys(data["session"][41:], 0.01)
    weights[data["session"][50]] = 0.9
    made = driver(data, 60, attention=weights)
    assert (made["kind"], made["session"]) == ("day", data["session"][50])


@pytest.mark.parametrize(("last", "kind"), [(0.03, "restless"), (0.002, "quiet"), (0.01, "usual")])
def test_else_the_level_of_the_last_sessions_does(last: float, kind: str) -> None:
    made = driver(walk(alternating(120, 0.01) + alternating(5, last)), 125, attention=None)
    assert made["kind"] == kind


@pytest.mark.parametrize("data", [walk(alternating(5, 0.01)), bars([7.0] * 80)])
def test_without_history_or_moves_nothing_is_named(data: dict[str, list[Any]]) -> None:
    assert driver(data, len(data["close"]) - 1, attention=None) == {"kind": "usual"}


def test_the_variance_is_the_models() -> None:
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, 40)))
    open_ = close * np.exp(rng.normal(0, 0.01, 40))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    ours = [session_variance({"open": open_, "high": high, "low": low, "close": close}, i) for i in range(1, 40)]
    theirs = session_variances(open_, high, low, close, np.full(40, np.nan))[1:]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_kind_of_most_items_is_the_sessions(http: httpx.Client) -> None:
    document = http.get("/v1/symbols/S01").json()
    on = document["session"]
    document["kinds"] = {"session": [on, on, "2015-01-02"], "kind": ["legal", "earnings", "payout"], "n": [1, 3, 9]}
    row = overview_row(document)
    assert row is not None
    assert row["kind"] == "earnings"


def test_a_spark_reaches_from_0_to_99() -> None:
    assert spark([3.0, 1.0, 2.0]) == [99, 0, 50]
    assert spark([5.0, 5.0]) == [50, 50]


def test_the_overview_has_a_row_of_every_symbol_in_columns(http: httpx.Client) -> None:
    board = http.get("/v1/overview").json()
    assert board["symbols"] == [f"S0{i}" for i in range(6)]
    assert not board["past"]
    for place, symbol in enumerate(board["symbols"]):
        for horizon in (1, 5, 20):
            forecast = http.get(f"/v1/forecast/{symbol}?horizon={horizon}").json()
            columns = board["forecasts"][str(horizon)]
            assert columns["lower"][place] == pytest.approx(forecast["interval"]["lower"], rel=1e-5)
            assert columns["upper"][place] == pytest.approx(forecast["interval"]["upper"], rel=1e-5)
            assert columns["volatility_rank"][place] == pytest.approx(forecast["volatility_rank"], abs=1e-5)
            due = [row for row in http.get(f"/v1/history/{symbol}?horizon={horizon}&limit=1000").json()["forecasts"] if
                   row["held"] is not None]  # fmt: skip
            assert columns["due"][place][0] == due[-1]["target_session"]
            assert columns["held"][place] == [sum(row["held"] for row in due[-252:]), len(due[-252:])]
    assert board["currency"] == ["USD"] * 6
    assert [len(points) for points in board["spark"]] == [30] * 6
    assert set(board["evidence"]) == {"1", "5", "20"}


def test_a_past_session_is_shown_as_forecast_then_with_what_followed(http: httpx.Client) -> None:
    sessions = http.get("/v1/overview").json()["sessions"]
    on = sessions[-20]
    board = http.get(f"/v1/overview?session={on}").json()
    assert board["past"]
    assert board["session"] == on
    for place, symbol in enumerate(board["symbols"]):
        row = next(
            row for row in http.get(f"/v1/history/{symbol}?limit=1000").json()["forecasts"] if row["session"] == on
        )
        columns = board["forecasts"]["1"]
        assert board["last_price"][place] == pytest.approx(row["last_price"], rel=1e-5)
        assert columns["lower"][place] == pytest.approx(row["lower"], rel=1e-4)
        assert columns["realised_price"][place] == pytest.approx(row["realised_price"], rel=1e-5)
        assert columns["due"][place][0] <= on
    answer = http.get("/v1/overview?session=1999-01-04")
    assert answer.status_code == 422
    assert f"they are of {sessions[0]} to {sessions[-1]}" in answer.json()["detail"]
    assert http.get("/v1/overview?session=yesterday").status_code == 422


def test_nothing_after_a_past_session_changes_its_row(http: httpx.Client) -> None:
    document = http.get("/v1/symbols/S01").json()
    on = document["history"]["1"]["session"][-30]
    row = overview_row(document, on)
    assert row is not None
    later = json.loads(json.dumps(document))
    for name in ("open", "high", "low", "close"):
        values = later["bars"][name]
        first = later["bars"]["session"].index(on) + 1
        later["bars"][name] = [*values[:first], *(3 * value for value in values[first:])]
    for columns in later["history"].values():
        for i, target in enumerate(columns["target_session"]):
            if target > on:
                columns["realised_price"][i] = 1.0
            if columns["session"][i] > on:
                columns["volatility"][i] = columns["low"][i] = 9.0
    changed = overview_row(later, on)
    assert changed is not None
    for values in (row, changed):
        for forecast in values["forecasts"].values():
            forecast[-1] = None  # what followed
    assert changed == row


def test_the_answer_is_compressed_for_those_who_take_it(up: Running) -> None:
    plain = httpx.get(f"{up.url}/v1/overview", headers={"Accept-Encoding": "identity"})
    zipped = httpx.get(f"{up.url}/v1/overview", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.json() == plain.json()
    assert int(zipped.headers["content-length"]) < len(plain.content) / 2
    for answer in (plain, zipped):
        again = httpx.get(f"{up.url}/v1/overview", headers={
            "Accept-Encoding": answer.request.headers["accept-encoding"], "If-None-Match": answer.headers["etag"],
        })  # fmt: skip
        assert again.status_code == 304


def test_an_index_of_a_tenor_before_it_is_still_shown(published: PublishedForecasts, serve: Serve) -> None:
    index = json.loads(published.objects.get("index.json").data)
    index["format"] = 2
    for entry in index["entries"].values():
        del entry["overview"]
    del index["head"]["sessions"], index["head"]["replay"]
    published.objects.put("index.json", json.dumps(index).encode())
    board = httpx.get(f"{serve(published, clock=lambda: 2e9).url}/v1/overview").json()
    assert board["symbols"] == [f"S0{i}" for i in range(6)]
    assert board["change"] == [None] * 6
    assert board["forecasts"]["1"]["lower"][0] > 0
    assert board["sessions"] == []


def test_items_of_a_kind_are_compared_with_all_sessions_since_there_is_news() -> None:
    data = walk(alternating(70, 0.01))
    sessions = data["session"]
    on = sessions[-1]
    document = {"bars": data, "session": on, "history": {}, "sentiment": {"session": [], "n": [], "mean": []}}
    before = sessions[-11:-1]  # 10 sessions since the first news, of which 2 have earnings
    document["kinds"] = {
        "session": [before[0], before[3], on, on, on],
        "kind": ["earnings", "earnings", "earnings", "legal", "payout"],
        "n": [1, 2, 12, 5, 3],
    }
    row = overview_row(document)
    assert row is not None
    assert row["kinds"] == [["earnings", 12, 0.3], ["legal", 5, 0.0]]  # 3 items about payouts are none to speak of
    document["kinds"] = {"session": [sessions[-3], on], "kind": ["earnings"] * 2, "n": [1, 12]}
    row = overview_row(document)
    assert row is not None
    assert row["kinds"] == []  # after two sessions nothing is usual yet
