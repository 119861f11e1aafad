"""Bars from services into the lake, over days: new sessions, revisions, splits, dividends, and sources that fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from wire import SERVICES
from world import World

from tenor.config import HttpConfig, SourcesConfig
from tenor.errors import ConfigError
from tenor.ingest.services.catalogue import price_sources
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.schema import PRICES, Bars
from tenor.store import Lake

Live = Any
Make = Callable[..., Live]
FIRST = pd.Timestamp("2024-01-02")


def assert_truth(live: Live, symbol: str, *, source: str = "yahoo") -> None:
    """The lake holds of `symbol` what the market has, and all of it from `source`."""
    stored = live.bars(symbol)
    truth = live.world.bars(symbol, FIRST)
    assert list(stored["session"]) == list(truth["session"])
    for column in (*PRICES, "volume"):
        np.testing.assert_allclose(stored[column], truth[column], rtol=2e-6)
    assert set(stored["source"]) == {source}


def test_symbols_of_every_market_in_one_go(live_with: Make) -> None:
    live = live_with(World())
    symbols = ("AAPL", "MSFT", "SAP.DE", "7203.T", "RELIANCE.NS", "BTC-USD", "EURUSD=X")
    fetched = live.fetch(*symbols, day="2024-06-28")
    assert [(o.symbol, o.source, o.failed) for o in fetched.bars] == [(s, "yahoo", False) for s in symbols]
    for symbol in symbols:
        assert_truth(live, symbol)
    # the coin's day is not over at 23:30, Tokyo's is
    assert pd.Timestamp(live.bars("BTC-USD")["session"].iloc[-1]) == pd.Timestamp("2024-06-27")
    assert pd.Timestamp(live.bars("7203.T")["session"].iloc[-1]) == pd.Timestamp("2024-06-28")


def test_the_second_day_asks_for_the_overlap_alone_and_writes_what_is_new(live_with: Make) -> None:
    live = live_with(World())
    live.fetch("AAPL", day="2024-06-27")
    first = live.lake.query("SELECT count(*) AS n FROM bars_parts")["n"][0]
    live.services["yahoo"].requests.clear()
    (outcome,) = live.fetch("AAPL", day="2024-06-28").bars
    assert (outcome.new, outcome.revised, outcome.notes) == (1, 0, ())
    assert live.lake.query("SELECT count(*) AS n FROM bars_parts")["n"][0] == first + 1
    ((_, query),) = live.services["yahoo"].requests
    assert pd.Timestamp(int(query["period1"]), unit="s") == pd.Timestamp("2024-06-12")  # ten sessions before the 27th
    (outcome,) = live.fetch("AAPL").bars
    assert (outcome.new, outcome.revised) == (0, 0)
    assert_truth(live, "AAPL")


def test_no_symbols_means_those_that_were_fetched_before(live_with: Make) -> None:
    live = live_with(World())
    with pytest.raises(ConfigError, match="no symbols were given"):
        live.fetch(day="2024-06-27")
    live.fetch("AAPL", "MSFT", day="2024-06-27")
    assert [(o.symbol, o.new) for o in live.fetch(day="2024-06-28").bars] == [("AAPL", 1), ("MSFT", 1)]
    with pytest.raises(ConfigError, match=r"'\.\./x' is not a symbol"):
        live.fetch("../x")


def test_a_correction_revises_and_the_as_of_view_keeps_what_was_seen(live_with: Make) -> None:
    world = World(corrections={"AAPL": {"2024-06-26": ("2024-06-28 12:00", 1.05)}})
    live = live_with(world)
    live.fetch("AAPL", day="2024-06-27")
    original = live.lake.bars(["AAPL"])
    moment = pd.Timestamp.now("UTC")
    (outcome,) = live.fetch("AAPL", day="2024-06-28").bars
    assert (outcome.new, outcome.revised) == (1, 1)
    assert_truth(live, "AAPL")
    assert live.lake.bars(["AAPL"], as_of=moment).fingerprint() == original.fingerprint()
    assert live.lake.bars(["AAPL"]).fingerprint() != original.fingerprint()


@pytest.mark.parametrize("action", ["splits", "dividends"])
def test_a_later_action_readjusts_history_and_not_what_the_model_saw(live_with: Make, action: str) -> None:
    world = World(**{action: {"AAPL": {"2024-06-28": 4.0 if action == "splits" else 0.8}}})
    live = live_with(world)
    live.fetch("AAPL", day="2024-06-27")
    original = live.lake.bars(["AAPL"])
    moment = pd.Timestamp.now("UTC")
    (outcome,) = live.fetch("AAPL", day="2024-06-28").bars
    assert outcome.new == 1
    assert outcome.revised == len(original.frame)
    assert outcome.notes == ("adjusted prices changed back to 2024-01-02: a split, a dividend or a correction",)
    assert_truth(live, "AAPL")
    now = live.lake.bars(["AAPL"]).frame
    before = now[now["session"] <= pd.Timestamp("2024-06-27")]
    np.testing.assert_allclose(before["close"], original.frame["close"], rtol=1e-9)  # raw prices are history
    ratio = before["adj_close"].to_numpy() / original.frame["adj_close"].to_numpy()
    np.testing.assert_allclose(ratio, ratio[0])
    assert ratio[0] == pytest.approx(0.25 if action == "splits" else 1 - 0.8 / original.frame["close"].iloc[-1])
    # the day's return is the market's, not the action's
    assert abs(np.log(now["adj_close"].iloc[-1] / now["adj_close"].iloc[-2])) < 0.05
    assert live.lake.bars(["AAPL"], as_of=moment).fingerprint() == original.fingerprint()
    actions = live.lake.rows("actions", ["AAPL"])
    assert actions[["kind", "source"]].to_numpy().tolist() == [[action[:-1], "yahoo"]]


def test_another_source_steps_in_and_the_first_takes_over_again(live_with: Make) -> None:
    live = live_with(World(dividends={"AAPL": {"2024-06-26": 0.9}}))
    live.fetch("AAPL", day="2024-06-24")
    live.services["yahoo"].faults = ["*500"]
    (outcome,) = live.fetch("AAPL", day="2024-06-25").bars
    assert (outcome.source, outcome.new, outcome.failed) == ("tiingo", 1, False)
    assert "yahoo" in outcome.errors[0]
    (outcome,) = live.fetch("AAPL", day="2024-06-27").bars  # over a dividend that yahoo has not reported
    assert outcome.source == "tiingo"
    rows = live.bars("AAPL")
    assert list(rows["source"].tail(4)) == ["yahoo", "tiingo", "tiingo", "tiingo"]
    truth = live.world.bars("AAPL", FIRST)
    moves = [np.diff(np.log(frame["adj_close"].to_numpy())) for frame in (rows, truth)]
    np.testing.assert_allclose(moves[0], moves[1], atol=1e-6)  # no seam
    live.services["yahoo"].faults = []
    live.fetch("AAPL", day="2024-06-28")
    assert_truth(live, "AAPL")


def test_a_symbol_first_known_from_another_source_becomes_the_firsts(live_with: Make) -> None:
    live = live_with(World(splits={"AAPL": {"2024-06-28": 3.0}}), prices=("yahoo", "stooq"))
    live.services["yahoo"].faults = ["*html"]
    live.fetch("AAPL", day="2024-06-26")
    assert set(live.bars("AAPL")["source"]) == {"stooq"}
    live.services["yahoo"].faults = []
    live.fetch("AAPL", day="2024-06-28")
    assert_truth(live, "AAPL")


def test_what_files_brought_stays_and_is_gone_on_from_without_a_seam(live_with: Make) -> None:
    live = live_with(World(dividends={"AAPL": {"2024-06-20": 1.0, "2024-06-28": 1.0}}))
    live.world.now = pd.Timestamp("2024-06-14 23:00", tz="UTC")
    old = live.world.bars("AAPL", FIRST).assign(symbol="AAPL")
    live.lake.append_bars(Bars(old), source="file")
    for day in ("2024-06-17", "2024-06-21", "2024-06-28"):
        live.fetch("AAPL", day=day)
        rows = live.bars("AAPL")
        truth = live.world.bars("AAPL", FIRST)
        assert list(rows["source"]) == ["file"] * len(old) + ["yahoo"] * (len(rows) - len(old))
        moves = [np.diff(np.log(frame["adj_close"].to_numpy())) for frame in (rows, truth)]
        np.testing.assert_allclose(moves[0], moves[1], atol=1e-6)


def test_partial_results_are_kept_and_told(live_with: Make) -> None:
    live = live_with(World(unknown=("NOPE",)))
    fetched = live.fetch("AAPL", "NOPE", "MSFT", day="2024-06-28")
    assert [(o.symbol, o.failed) for o in fetched.bars] == [("AAPL", False), ("NOPE", True), ("MSFT", False)]
    assert fetched.worked
    assert [e.split()[0] for e in fetched.bars[1].errors] == ["yahoo", "tiingo"]
    assert live.lake.symbols() == ("AAPL", "MSFT")
    assert "no such symbol" in live.lake.rows("fetches", ["NOPE"])["note"].iloc[0]
    nothing = live.fetch("NOPE")
    assert not nothing.worked


def test_an_unexplained_jump_and_a_disagreement_are_flagged_and_nothing_is_repaired(live_with: Make) -> None:
    # the prices of the 28th are reported halved until July, with no more turnover than ever, and no action explains it
    world = World(corrections={"AAPL": {"2024-06-28": ("2024-07-02 00:00", 0.5)}})
    live = live_with(world, cross_check=True)
    live.fetch("AAPL", day="2024-06-27")
    (outcome,) = live.fetch("AAPL", day="2024-06-28").bars
    (note,) = outcome.notes
    assert "2024-06-28 moves by a factor of 0.499 that" in note
    assert note.endswith("that no action explains (like a split of 1:2)")
    assert live.bars("AAPL")["close"].iloc[-1] == pytest.approx(live.world.bars("AAPL", FIRST)["close"].iloc[-1])


def test_two_sources_that_disagree_are_reported(live_with: Make) -> None:
    live = live_with(World(), cross_check=True)
    wire = SERVICES["tiingo"]

    def other(*args: Any) -> Any:
        status, kind, body = wire.speak(*args)
        return status, kind, body.replace(b'"adjClose": 1', b'"adjClose": 2', 1)

    SERVICES["tiingo"] = dataclasses.replace(wire, speak=other)
    try:
        (outcome,) = live.fetch("AAPL", day="2024-06-28").bars
    finally:
        SERVICES["tiingo"] = wire
    assert outcome.source == "yahoo"
    assert any("yahoo and tiingo disagree on returns: 2024-01-03 by" in note for note in outcome.notes)
    assert_truth(live, "AAPL")


@pytest.mark.parametrize(("interval", "bars"), [("1h", 7), ("15m", 26)])
def test_intraday_bars_flow_through_the_same_code(live_with: Make, interval: str, bars: int) -> None:
    live = live_with(World())
    live.fetch("AAPL", "BTC-USD", day="2024-06-27", interval=interval)
    (aapl, _) = live.fetch("AAPL", "BTC-USD", day="2024-06-28", interval=interval).bars
    assert (aapl.source, aapl.new, aapl.revised) == (
        "yahoo",
        bars,
        len(live.lake.rows("intraday", ["AAPL"])) - 2 * bars,
    )
    rows = live.lake.rows("intraday", ["AAPL"])
    assert rows["opened_at"].is_unique
    assert set(rows["interval"]) == {interval}
    assert rows["opened_at"].iloc[-1] < pd.Timestamp("2024-06-28 20:00", tz="UTC")


def test_no_source_has_the_symbol(live_with: Make) -> None:
    live = live_with(World(), prices=("binance",))
    (outcome,) = live.fetch("AAPL", day="2024-06-28").bars
    assert outcome.errors == ("no source in sources.prices has 1d bars of AAPL",)


def test_a_source_without_its_key_is_not_asked(live_with: Make) -> None:

    live = live_with(World(), prices=("tiingo", "yahoo"))
    live = dataclasses.replace(live, keys=SourceKeys.from_environment({}))
    (outcome,) = live.fetch("AAPL", day="2024-06-28").bars
    assert (outcome.source, outcome.errors) == ("yahoo", ())
    assert not live.services["tiingo"].requests


def test_two_fetches_at_once_leave_each_row_once(live_with: Make) -> None:
    from concurrent.futures import ThreadPoolExecutor

    live = live_with(World())
    symbols = [f"S{i:02d}X" for i in range(20)]
    with ThreadPoolExecutor(2) as pool:
        for fetched in pool.map(lambda _: live.fetch(*symbols, day="2024-06-28"), range(2)):
            assert not any(o.failed for o in fetched.bars)
    for symbol in symbols:
        assert_truth(live, symbol)
    assert len(Lake(live.lake.location).bars().symbols) == 20


def test_config_is_strict() -> None:
    with pytest.raises(ConfigError, match=r"unknown source 'yaho' in sources.prices. Did you mean 'yahoo'"):
        price_sources(SourcesConfig(prices=("yaho",)), Http(HttpConfig(), keys=SourceKeys({})), SourceKeys({}))
    with pytest.raises(ConfigError, match="is not NAME=URL"):
        SourcesConfig(urls=("yahoo:http://x",))
    with pytest.raises(ConfigError, match=r"'sources\.since' is 'soon'"):
        SourcesConfig(since="soon")


def test_many_small_parts_are_merged_by_the_fetch_itself(live_with: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from tenor.ingest import fetch

    monkeypatch.setattr(fetch, "_MANY_PARTS", 4)
    live = live_with(World())
    rows, moments = [], []
    for day in pd.date_range("2024-06-24", periods=5):
        live.fetch("AAPL", day=f"{day:%Y-%m-%d}")
        moments.append(pd.Timestamp.now("UTC"))
        rows.append(live.bars("AAPL"))
        assert_truth(live, "AAPL")
    merged = list(Path(live.lake.location, "bars").glob("*-*-*.parquet"))
    assert len(merged) == 1
    for moment, then in zip(moments, rows, strict=True):
        pd.testing.assert_frame_equal(live.lake.bars(as_of=moment).frame, Bars(then).frame)
    # what can't be merged is no reason to lose a fetch
    for i in range(4):
        live.lake.put_scores({"ab": (0.0, 0.0, float(i))}, "m")
    next(Path(live.lake.location, "scores").iterdir()).write_bytes(b"PAR1")
    assert live.fetch("AAPL", day="2024-07-01").worked
