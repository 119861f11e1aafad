"""A refresh publishes what can be forecast, keeps what was said before, and says what it could not do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from serving import run_refresh

from tenor.calendars import exchange
from tenor.errors import StoreError
from tenor.schema import Bars
from tenor.serving.published import Index, PublishedForecasts, past_forecasts, published_forecasts
from tenor.store import Lake


def document_of(published: PublishedForecasts, symbol: str) -> dict[str, Any]:
    index = published.index()
    assert index is not None
    found: dict[str, Any] = json.loads(published.read(index.entries[symbol]))
    return found


def add_sessions(store: Path, count: int, seed: int = 9) -> pd.Timestamp:
    """The next `count` sessions of every symbol; the last one's close."""
    lake, rng = Lake(store), np.random.default_rng(seed)
    frame = lake.bars().frame
    last = frame.groupby("symbol").tail(1)
    days = [exchange("XNYS").following(last["session"].iloc[0], k) for k in range(1, count + 1)]
    rows = []
    for day in days:
        moved = np.exp(rng.normal(0, 0.02, len(last)))
        prices = {name: last[name] * moved for name in ("open", "high", "low", "close", "adj_close")}
        last = last.assign(session=day, **prices)
        rows.append(last)
    lake.append_bars(Bars(pd.concat(rows)), source="test")
    return exchange("XNYS").close(days[-1])


def test_a_document_holds_what_the_page_draws(store: Path, published: PublishedForecasts) -> None:
    document = document_of(published, "S00")
    assert [said["horizon"] for said in document["forecasts"]] == [1, 5, 20]
    assert document["bars"]["session"][-1] == document["session"]
    assert len({len(column) for column in document["bars"].values()}) == 1
    assert document["sentiment"]["n"][-1] == 2
    newest = document["items"][0]
    assert newest["published_at"] >= document["items"][-1]["published_at"]
    assert -1 <= newest["score"] <= 1
    assert newest["session"] in document["sentiment"]["session"]
    looked = document["attention"]
    assert np.shape(looked["feature"]) == (len(looked["sessions"]), len(looked["features"]))
    assert list(looked["time"]) == ["1", "5", "20"]
    for weights in looked["time"].values():
        assert sum(weights) == pytest.approx(1, abs=1e-4)
    for horizon in looked["time"]:
        columns = document["history"][horizon]
        assert len(columns["volatility"]) == len(columns["session"])
        assert min(columns["volatility"]) > 0 < min(columns["baseline"])
    assert document_of(published, "S05")["items"] == []


def test_the_attention_shown_is_the_forecasts_own(published: PublishedForecasts) -> None:
    document = document_of(published, "S03")
    said, looked = document["forecasts"][0], document["attention"]
    for each in document["forecasts"]:
        assert looked["sessions"] == list(each["attention_time"])
        weights = list(each["attention_time"].values())
        assert looked["time"][str(each["horizon"])] == pytest.approx(weights, rel=1e-4)
    mean = np.mean(looked["feature"], axis=0)
    assert mean == pytest.approx(list(said["attention_features"].values()), abs=1e-4)


def test_what_was_published_stays_as_it_was_said(store: Path, published: PublishedForecasts) -> None:
    said = {one["horizon"]: one for one in document_of(published, "S01")["forecasts"]}
    closed = add_sessions(store, 2)
    run_refresh(store, now=closed + pd.Timedelta(minutes=30))
    after = document_of(published, "S01")
    past = {row.session: row for row in past_forecasts(after, 1)}
    kept = past[said[1]["session"]]
    assert kept.made == "published"
    assert kept.expected_return == pytest.approx(said[1]["expected_return"], rel=1e-5)
    assert kept.upper == pytest.approx(said[1]["upper"], rel=1e-4)
    assert kept.volatility == pytest.approx(said[1]["volatility"], rel=1e-5)
    assert kept.baseline_volatility == pytest.approx(said[1]["baseline_volatility"], rel=1e-5)
    assert kept.realised_price is not None
    assert {row.made for day, row in past.items() if day != said[1]["session"]} == {"replayed"}
    run_refresh(store, now=closed + pd.Timedelta(minutes=40))
    assert document_of(published, "S01")["published"] == after["published"]


def test_of_two_that_race_what_either_published_stays(store: Path, published: PublishedForecasts) -> None:
    old = {said["horizon"]: said for said in document_of(published, "S01")["forecasts"]}
    first = add_sessions(store, 1)

    class Overtaken(PublishedForecasts):
        """Forecasts that another refresh, of the session before, publishes first."""

        def publish(self, *given: Any, **more: Any) -> Index:
            published.publish([document_of(other, "S01")], other_index.head)
            return super().publish(*given, **more)

    other = published_forecasts(str(store.parent / "other"))
    shutil.copytree(store, store.parent / "other")
    run_refresh(store.parent / "other", now=first + pd.Timedelta(minutes=30))
    other_index = other.index()
    assert other_index is not None
    between = {said["horizon"]: said for said in document_of(other, "S01")["forecasts"]}
    second = add_sessions(store, 1, seed=10)
    run_refresh(store, published=Overtaken(published.objects), now=second + pd.Timedelta(minutes=30))
    past = {row.session: row for row in past_forecasts(document_of(published, "S01"), 1)}
    for said in (old, between):
        assert past[said[1]["session"]].made == "published"
        assert past[said[1]["session"]].expected_return == pytest.approx(said[1]["expected_return"], rel=1e-5)


def test_a_missing_session_counts_as_behind(store: Path) -> None:
    last = Lake(store).bars().frame["session"].max()
    late = exchange("XNYS").close(exchange("XNYS").following(last, 3)) + pd.Timedelta(minutes=1)
    done = run_refresh(store, now=late)
    index = published_forecasts(str(store)).index()
    assert index is not None
    assert index.entries["S00"].behind == 3
    assert [check.kind for check in done.monitor.alarms if check.kind == "staleness"] == ["staleness"]


def test_what_can_not_be_fetched_or_scored_is_said_and_the_rest_is_done(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(interval: str) -> None:
        assert interval == "1d"
        raise StoreError("the source answered 500 three times")

    def broken(*_: object, **__: object) -> None:
        raise OSError("no such weights")

    monkeypatch.setattr("tenor.news_scoring.Scorer.load", broken)
    done = run_refresh(store, fetch=fetch)
    assert len(done.symbols) == 6
    assert [note.split(":")[0] for note in done.notes] == [
        "new bars and news could not be fetched",
        "the news could not be scored",
    ]
    index = published_forecasts(str(store)).index()
    assert index is not None
    assert index.head["notes"] == list(done.notes)


def test_a_symbol_without_history_is_left_out_with_its_reason(store: Path) -> None:
    frame = Lake(store).bars(["S00"]).frame.tail(30)
    Lake(store).append_bars(Bars(frame.assign(symbol="NEW")), source="test")
    done = run_refresh(store)
    assert "NEW" not in done.symbols
    assert done.skipped["NEW"].startswith("NEW has 0 sessions with all features, and the model needs ")
    assert len(done.symbols) == 6


def test_a_lake_that_is_gone_leaves_the_published_forecasts(store: Path, published: PublishedForecasts) -> None:
    before = published.index()
    from tenor.workspace import Workspace

    predictor = Workspace(str(store)).predictor()
    for part in (store / "bars").iterdir():
        part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(StoreError):
        run_refresh(store, predictor=predictor)
    after = published.index()
    assert after.entries == before.entries
    (note,) = set(after.head.pop("notes")) - set(before.head.pop("notes"))
    assert note.startswith("the last refresh failed: ")
    assert after.head == before.head
