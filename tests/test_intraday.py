"""Bars within a day: from a service to a published forecast, and what was known at each of their closes."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from live import ENVIRONMENT, PATIENT, Live
from services import serving
from serving import clock_of, run_refresh, run_service
from world import World

from tenor.calendars import exchange
from tenor.cli import main
from tenor.config import FeatureConfig, SentimentConfig, SourcesConfig, SplitConfig
from tenor.errors import ConfigError, DataError, StoreError, UnknownSymbolError
from tenor.features import build_panel
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.ingest.status import stale
from tenor.pipeline.train import load
from tenor.registry import registry_of
from tenor.schema import BAR_COLUMNS, Bars, News, Panel, news_id
from tenor.sentiment.daily import daily_sentiment
from tenor.sentiment.scores import Scores
from tenor.serving.published import published_forecasts
from tenor.serving.service import Service
from tenor.serving.view import View
from tenor.store import Lake
from tenor.training import chronological, split_from_dates

SYMBOLS = ("AAPL", "MSFT", "BTC-USD")
HOURS = "XNYS@1h"
SMALL = [
    part
    for text in (f"features.calendar={HOURS}", "model.hidden=4", "model.lookback=5", "training.epochs=2")
    for part in ("--set", text)
] + ["--set", "training.seeds=[0]"]  # fmt: skip


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Half a year of hours of three symbols, the days they lie in, and news; Apple was split on 2024-05-15."""
    world = World(intraday_days=130, splits={"AAPL": {"2024-05-15": 4.0}})
    with ExitStack() as stack:
        services = stack.enter_context(serving(world))
        urls = tuple(f"{name}={service.url}" for name, service in services.items())
        config = SourcesConfig(prices=("yahoo",), since="2024-01-02", urls=urls, http=PATIENT)
        keys = SourceKeys.from_environment(ENVIRONMENT)
        http = stack.enter_context(Http(PATIENT, keys=keys, sleep=lambda _: None))
        lake = Lake(tmp_path_factory.mktemp("hours") / "lake")
        live = Live(world, services, lake, http, keys, config)
        assert not [o.errors for o in live.fetch(*SYMBOLS, day="2024-06-27", news=True).bars if o.errors]
        assert not [o.errors for o in live.fetch(*SYMBOLS, day="2024-06-27", interval="1h").bars if o.errors]
        yield live


@pytest.fixture(scope="module")
def store(live: Live) -> str:
    """Its lake, with a model of hours."""
    assert main(["train", "--store", live.lake.location, *SMALL]) == 0
    return live.lake.location


# what stands where --------------------------------------------------------------------------------------------------


def rows_of(symbol: str, opened: list[str], interval: str = "1h") -> pd.DataFrame:
    prices = 100.0 + np.arange(len(opened))
    numbers = dict.fromkeys(("open", "high", "low", "close"), prices)
    moments = pd.to_datetime(opened, utc=True, format="ISO8601").as_unit("us")
    return pd.DataFrame(
        {"symbol": symbol, "interval": interval, "opened_at": moments, **numbers, "volume": 5.0, "source": "test"}
    )


@pytest.mark.parametrize(
    ("symbol", "opened", "session"),
    [
        # New York opens at 13:30 UTC in summer and closes at 20:00; the last bar of an hour has half of one
        ("AAPL", "2024-06-27T13:30Z", "2024-06-27 14:30"),
        ("AAPL", "2024-06-27T18:30Z", "2024-06-27 19:30"),
        ("AAPL", "2024-06-27T19:30Z", "2024-06-27 20:00"),
        # in winter an hour later; a half day ends at 18:00
        ("AAPL", "2024-01-04T14:30Z", "2024-01-04 15:30"),
        ("AAPL", "2024-11-29T17:30Z", "2024-11-29 18:00"),
        # cut at full hours: known when it ends, so it stands in the bar that closes after that
        ("AAPL", "2024-06-27T14:00Z", "2024-06-27 15:30"),
        ("AAPL", "2024-06-27T19:00Z", "2024-06-27 20:00"),
        # before the open, after the close, on a holiday: left out
        ("AAPL", "2024-06-27T13:00Z", None),
        ("AAPL", "2024-06-27T20:00Z", None),
        ("AAPL", "2024-07-04T14:30Z", None),
        # Tokyo, 9:00 to 15:00 there; a coin, round the clock; Sydney's first bar begins on the UTC day before
        ("7203.T", "2024-06-27T00:00Z", "2024-06-27 01:00"),
        ("7203.T", "2024-06-27T05:00Z", "2024-06-27 06:00"),
        ("BTC-USD", "2024-06-27T23:00Z", "2024-06-28 00:00"),
        ("BTC-USD", "2024-06-29T00:00Z", "2024-06-29 01:00"),
        ("BHP.AX", "2024-01-03T23:00Z", "2024-01-04 00:00"),
    ],
)
def test_the_bar_that_a_row_fills(tmp_path: Path, symbol: str, opened: str, session: str | None) -> None:
    lake = Lake(tmp_path / "lake")
    lake.append_rows("intraday", rows_of(symbol, [opened]))
    if session is None:
        with pytest.raises(StoreError, match="no bars"):
            lake.bars(calendar=HOURS)
    else:
        assert lake.bars(calendar=HOURS).frame["session"].tolist() == [pd.Timestamp(session)]


def test_of_two_rows_in_one_bar_the_later_counts(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.append_rows("intraday", rows_of("AAPL", ["2024-06-27T13:30Z", "2024-06-27T14:00Z", "2024-06-27T14:30Z"]))
    frame = lake.bars(calendar=HOURS).frame
    assert frame["session"].tolist() == [pd.Timestamp("2024-06-27 14:30"), pd.Timestamp("2024-06-27 15:30")]
    assert frame["close"].tolist() == [100.0, 102.0]


def test_intervals_are_kept_apart(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.append_rows("intraday", rows_of("AAPL", ["2024-06-27T13:30Z"]))
    lake.append_rows("intraday", rows_of("MSFT", ["2024-06-27T13:30Z", "2024-06-27T13:45Z"], "15m"))
    assert (lake.symbols(HOURS), lake.symbols("XNYS@15m"), lake.symbols()) == (("AAPL",), ("MSFT",), ())
    assert len(lake.bars(calendar="XNYS@15m").frame) == 2
    with pytest.raises(UnknownSymbolError, match="MSFT"):
        lake.bars(["MSFT"], calendar=HOURS)
    until = pd.Timestamp("2024-06-27 13:45")
    assert lake.bars(calendar="XNYS@15m", until=until).frame["session"].tolist() == [until]


def test_they_are_adjusted_as_their_days_are(live: Live) -> None:
    bars = live.lake.bars(["AAPL"], calendar=HOURS)
    frame, daily = bars.frame.set_index("session"), live.lake.bars(["AAPL"]).frame.set_index("session")
    assert bars.interval == "1h"
    assert len(frame) == 7 * len(daily.loc[frame.index[0].normalize() :])
    day = frame.loc["2024-05-14":"2024-05-14"]  # type: ignore[misc]  # the day before the split
    ratio = daily.loc["2024-05-14", "adj_close"] / daily.loc["2024-05-14", "close"]
    assert ratio == pytest.approx(0.25)
    np.testing.assert_allclose(day["adj_close"] / day["close"], ratio, rtol=1e-12)
    assert day["close"].iloc[-1] == pytest.approx(daily.loc["2024-05-14", "close"])
    step = np.log(frame["adj_close"]).diff().abs()
    assert step.max() < 0.5  # log 4 is 1.4


@pytest.mark.parametrize("undone", [(), ("2024-03-04",), ("2024-03-04", "2024-06-10")])
def test_splits_that_a_source_has_undone_are_told_from_prices_as_traded(
    tmp_path: Path, undone: tuple[str, ...]
) -> None:
    splits = {"2024-03-04": 2.0, "2024-06-10": 0.1}
    days = exchange("XNYS").sessions(pd.Timestamp("2024-03-01"), pd.Timestamp("2024-06-12"))
    traded = 400.0 / np.prod([np.where(days >= pd.Timestamp(day), ratio, 1.0) for day, ratio in splits.items()], axis=0)
    numbers = dict.fromkeys(("open", "high", "low", "close"), traded)
    lake = Lake(tmp_path / "lake")
    daily = pd.DataFrame({"symbol": "AAPL", "session": days, **numbers, "adj_close": 2000.0, "volume": 1.0})
    lake.append_bars(Bars(daily), source="test")
    told = pd.DataFrame({"symbol": "AAPL", "session": pd.DatetimeIndex([*splits]), "kind": "split"})
    lake.append_rows("actions", told.assign(value=[*splits.values()], source="test"))
    hours = exchange(HOURS).sessions(days[0], days[-1] + pd.Timedelta(days=1))
    opened = pd.DatetimeIndex(exchange(HOURS).opens(hours))
    # an hour's price is that of its day but for a move of a few hundredths
    price = traded[days.searchsorted(hours.normalize())] * np.exp(np.random.default_rng(0).normal(0, 0.03, len(hours)))
    seen = price / np.prod([np.where(hours < pd.Timestamp(day), splits[day], 1.0) for day in undone], axis=0)
    rows = dict.fromkeys(("open", "high", "low", "close"), seen)
    frame = pd.DataFrame({"symbol": "AAPL", "interval": "1h", "opened_at": opened, **rows, "volume": 8.0})
    lake.append_rows("intraday", frame.assign(source="test"))
    found = lake.bars(calendar=HOURS).frame
    np.testing.assert_allclose(found["close"], price, rtol=1e-12)
    np.testing.assert_allclose(found["adj_close"] / 2000.0, price / traded[days.searchsorted(hours.normalize())])
    np.testing.assert_allclose(found["volume"] * found["close"], 8.0 * seen)


def test_a_day_without_a_daily_bar_yet_is_adjusted_like_the_one_before(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    numbers = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0, "adj_close": 80.0, "volume": 1.0}
    lake.append_bars(Bars(pd.DataFrame([{"symbol": "AAPL", "session": "2024-06-27", **numbers}])), source="test")
    lake.append_rows("intraday", rows_of("AAPL", ["2024-06-26T13:30Z", "2024-06-27T13:30Z", "2024-06-28T13:30Z"]))
    frame = lake.bars(calendar=HOURS).frame
    np.testing.assert_allclose(frame["adj_close"] / frame["close"], 0.8)


def test_what_the_lake_held_at_a_moment(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.append_rows("intraday", rows_of("AAPL", ["2024-06-27T13:30Z"]))
    before = pd.Timestamp.now("UTC")
    lake.append_rows("intraday", rows_of("AAPL", ["2024-06-27T13:30Z"]).assign(close=100.5, high=101.0))
    assert lake.bars(calendar=HOURS).frame["close"].tolist() == [100.5]
    assert lake.bars(calendar=HOURS, as_of=before).frame["close"].tolist() == [100.0]


# the panel ----------------------------------------------------------------------------------------------------------


CONFIG = FeatureConfig(groups=("returns", "volatility", "context"), horizons=(1, 7), calendar=HOURS, sentiment=False)


@functools.cache
def walk(symbol: str) -> pd.DataFrame:
    """A random walk on the hours of its own market, from April to June 2024."""
    calendar = exchange({"BTC-USD": "24/7@1h", "SAP.DE": "XETR@1h"}.get(symbol, HOURS))
    hours = calendar.sessions(pd.Timestamp("2024-04-01"), pd.Timestamp("2024-06-29"))
    rng = np.random.default_rng(list(symbol.encode()))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.004, len(hours))))
    open_ = close * np.exp(rng.normal(0, 0.001, len(hours)))
    numbers = {"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close), "close": close}
    return pd.DataFrame({"symbol": symbol, "session": hours, **numbers, "adj_close": close, "volume": 1e3})


def bars_of(*symbols: str) -> Bars:
    return Bars(pd.concat([walk(symbol) for symbol in symbols])[list(BAR_COLUMNS)], "1h")


def test_a_row_is_an_hour_and_a_return_runs_over_one() -> None:
    panel = build_panel(bars_of("AAPL", "MSFT"), CONFIG)
    assert panel.sessions[:3].tolist() == [pd.Timestamp(f"2024-04-01 {t}") for t in ("14:30", "15:30", "16:30")]
    close = walk("AAPL")["close"].to_numpy()
    row = panel.sessions.get_loc(pd.Timestamp("2024-06-03 13:30") + pd.Timedelta(hours=1))
    column = panel.symbol_index("AAPL")
    assert panel.close[row - 1 : row + 1, column].tolist() == close[row - 1 : row + 1].tolist()  # over the weekend
    np.testing.assert_allclose(panel.targets[row, column, 1], np.log(close[row + 7] / close[row]), rtol=1e-4)


@pytest.mark.parametrize(
    ("symbol", "row", "bar"),
    [
        ("AAPL", "2024-06-27 14:30", "2024-06-27 14:30"),
        # New York's hours end at half past: the coin's full hour before is over
        ("BTC-USD", "2024-06-27 15:30", "2024-06-27 15:00"),
        ("BTC-USD", "2024-06-27 20:00", "2024-06-27 20:00"),
        # the first hour of the day knows the coin's last one, not those of the night
        ("BTC-USD", "2024-06-24 14:30", "2024-06-24 14:00"),
        # Frankfurt closes at 15:30 UTC, and shows nothing new after that
        ("SAP.DE", "2024-06-27 14:30", "2024-06-27 14:00"),
        ("SAP.DE", "2024-06-27 15:30", "2024-06-27 15:30"),
        ("SAP.DE", "2024-06-27 16:30", None),
    ],
)
def test_several_markets_on_the_hours_of_one(symbol: str, row: str, bar: str | None) -> None:
    panel = build_panel(bars_of("AAPL", "BTC-USD", "SAP.DE"), CONFIG)
    close = panel.close[panel.sessions.get_loc(pd.Timestamp(row)), panel.symbol_index(symbol)]
    own = walk(symbol).set_index("session")["close"]
    assert np.isnan(close) if bar is None else close == own[pd.Timestamp(bar)]


def same_until(first: Panel, second: Panel, row: int) -> bool:
    return all(
        np.array_equal(getattr(first, name)[: row + 1], getattr(second, name)[: row + 1], equal_nan=True)
        for name in ("values", "mask", "volatility", "open", "close")
    )


@pytest.mark.parametrize("cut", ["2024-06-12 14:30", "2024-06-12 17:30", "2024-06-14 20:00"])
def test_nothing_that_was_known_after_a_close_changes_its_row(cut: str) -> None:
    symbols = ("AAPL", "MSFT", "BTC-USD", "SAP.DE")
    sentiment = sentiments(utc("2024-06-12 12:00"), utc("2024-06-18 20:00"))
    config = FeatureConfig(groups=CONFIG.groups, horizons=(1,), calendar=HOURS)
    whole = build_panel(bars_of(*symbols), config, sentiment=sentiment)
    row = whole.sessions.get_loc(pd.Timestamp(cut))
    frame = bars_of(*symbols).frame
    later = (frame["session"] > pd.Timestamp(cut)).to_numpy()
    prices = ["open", "high", "low", "close", "adj_close"]
    changed = frame.copy()
    changed.loc[later, prices] = changed.loc[later, prices] * 1.7
    other = sentiment.frame.copy()
    other.loc[other["session"] > pd.Timestamp(cut), ["mean", "recent", "market_mean"]] *= -1
    second = build_panel(Bars(changed, "1h"), config, sentiment=type(sentiment)(other, "1h"))
    assert same_until(whole, second, row)
    assert not same_until(whole, second, row + 7)


def sentiments(first: pd.Timestamp, last: pd.Timestamp) -> Any:
    """An item every 40 minutes, by turns good and bad, about two symbols."""
    moments = pd.date_range(first, last, freq="40min")
    rows = [
        (news_id("test", f"{symbol} {i}"), moment, symbol, f"{symbol} item {i}", "test", "")
        for i, moment in enumerate(moments)
        for symbol in ("AAPL", "BTC-USD")
    ]
    news = News(pd.DataFrame(rows, columns=["id", "published_at", "symbol", "text", "source", "url"]))
    likely = np.where(np.arange(len(news.frame))[:, None] % 3 == 0, [0.8, 0.1, 0.1], [0.1, 0.2, 0.7])
    known = np.ones(len(likely), dtype=bool)
    scores = Scores(likely.astype("float32"), language_ok=known, empty=~known, model_id="test")
    return daily_sentiment(news, scores, SentimentConfig(margin_minutes=15), calendar=HOURS)


def test_an_item_belongs_to_the_first_bar_whose_cut_off_lies_after_it() -> None:
    sentiment = sentiments(utc("2024-06-12 13:00"), utc("2024-06-12 21:00"))
    assert sentiment.interval == "1h"
    counts = sentiment.frame[sentiment.frame["symbol"] == "AAPL"].set_index("session")["n"].to_dict()
    # items at 13:00, 13:40, 14:20, 15:00, 15:40, 16:20, 17:00, 17:40, 18:20, 19:00, 19:40, 20:20, 21:00; cut-offs lie a
    # quarter of an hour before each close
    day = {"14:30": 2, "15:30": 2, "16:30": 1, "17:30": 2, "18:30": 1, "19:30": 2, "20:00": 1}
    assert counts == {
        **{pd.Timestamp(f"2024-06-12 {t}"): n for t, n in day.items()},
        pd.Timestamp("2024-06-13 14:30"): 2,
    }


def test_days_and_hours_are_not_mixed(live: Live) -> None:
    with pytest.raises(DataError, match=r"bars: they are of 1d, and features\.calendar is XNYS@1h"):
        build_panel(live.lake.bars(), CONFIG)
    with pytest.raises(DataError, match=r"bars: they are of 1h, and features\.calendar is XNYS"):
        build_panel(bars_of("AAPL"), FeatureConfig())
    with pytest.raises(DataError, match="bars of 1h are not daily"):
        live.lake.append_bars(bars_of("AAPL"), source="test")
    with pytest.raises(DataError, match="a time of day"):
        Bars(bars_of("AAPL").frame)
    with pytest.raises(DataError, match="no time zone"):
        Bars(bars_of("AAPL").frame.assign(session=lambda f: f["session"].dt.tz_localize("UTC")), "1h")
    with pytest.raises(ConfigError, match="there are no bars of '2h'; it takes @1h, @15m"):
        live.lake.bars(calendar="XNYS@2h")


def test_a_lake_of_days_alone_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "lake")
    assert main(["train", "--store", folder, *SMALL]) == 1
    assert "has no bars of 1h yet: bring some with 'tenor data fetch SYMBOL --interval 1h" in capsys.readouterr().err


# the whole way ------------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main([*argv, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_forecast_is_of_the_next_bar(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    forecasts = run(capsys, "predict", *SYMBOLS, "--store", store)
    assert {(f["as_of"], f["session"], f["target_session"]) for f in forecasts} == {
        ("2024-06-27T20:00:00+00:00", "2024-06-27T20:00", "2024-06-28T14:30")
    }
    attention = forecasts[0]["attention_time"]
    assert [*attention] == [f"2024-06-27T{t}" for t in ("16:30", "17:30", "18:30", "19:30", "20:00")]
    assert sum(attention.values()) == pytest.approx(1, abs=1e-5)
    # the last bar of the lake is far behind today, and its symbols are live ones
    assert forecasts[0]["stale"].startswith("the last bar of AAPL is of 2024-06-27T20:00 (from yahoo), ")
    assert main(["predict", "AAPL", "--store", store]) == 0
    assert "AAPL for 2024-06-28T14:30 (1 session after 2024-06-27T20:00)" in capsys.readouterr().out


def test_its_parts_are_found_again_to_the_bar(store: str) -> None:
    forecaster = load(registry_of(store))
    panel = build_panel(
        Lake(store).bars(calendar=HOURS), forecaster.features, sentiment=Lake(store).sentiment(calendar=HOURS)
    )
    assert split_from_dates(panel.sessions, forecaster.split) == chronological(panel.sessions, SplitConfig(), purge=20)
    # a day that is named as the last one counts whole
    cut = chronological(panel.sessions, SplitConfig(train_end="2024-04-10", valid_end="2024-05-09T15:30"), purge=5)
    assert panel.sessions[cut.train.stop + 4] == pd.Timestamp("2024-04-10 20:00")
    assert panel.sessions[cut.valid.stop + 4] == pd.Timestamp("2024-05-09 15:30")


@pytest.mark.slow
def test_it_is_judged_as_daily_forecasts_are(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    folds = ["--set", "folds.folds=2", "--set", "folds.test_sessions=120", "--set", "folds.valid_sessions=120"]
    (judged,) = run(capsys, "evaluate", "--store", store, *SMALL, *folds, "--report", str(page))
    assert judged["verdict"]
    assert "XNYS@1h" in page.read_text(encoding="utf-8")


def test_status_tells_of_the_interval(live: Live) -> None:
    lake, config = live.lake, live.config
    assert stale(lake.location, config, SYMBOLS, now=utc("2024-06-27 21:00"), interval="1h") == {}
    late = stale(lake.location, config, ["AAPL"], now=utc("2024-06-28 20:30"), interval="1h")
    told = "the last bar of AAPL is of 2024-06-27T20:00 (from yahoo), 7 sessions of XNYS@1h behind 2024-06-28T20:00"
    assert late == {"AAPL": told}


def test_the_board_and_the_api_name_hours(store: str, live: Live, tmp_path: Path) -> None:
    copy = tmp_path / "lake"
    shutil.copytree(store, copy)
    refreshed = run_refresh(copy, now=utc("2024-06-27 20:20"))
    assert set(refreshed.symbols) == set(SYMBOLS)
    asked: list[str] = []

    def fetch(interval: Any) -> None:
        asked.append(interval)
        Live(live.world, live.services, Lake(copy), live.http, live.keys, live.config).fetch(
            *SYMBOLS, day="2024-06-28", interval=interval
        )

    # the next evening: what was said of the morning has come true by now
    run_refresh(copy, now=utc("2024-06-28 23:35"), fetch=fetch)
    assert asked == ["1d", "1h"]
    board = published_forecasts(str(copy))
    service = run_service(Service(View(board, clock=clock_of(board))))
    try:
        said = httpx.get(f"{service.url}/v1/forecast/AAPL").json()
        detail = httpx.get(f"{service.url}/v1/symbols/AAPL").json()
    finally:
        service.stop()
    assert (said["session"], said["target_session"]) == ("2024-06-28T20:00", "2024-07-01T14:30")
    assert said["staleness"]["sessions_behind"] == 0
    assert detail
    index = board.index()
    assert index is not None
    document = json.loads(board.read(index.entries["AAPL"]))
    assert document["bars"]["session"][-2:] == ["2024-06-28T19:30", "2024-06-28T20:00"]
    past = document["history"]["1"]
    place = past["session"].index("2024-06-27T20:00")
    assert past["made"][place] == "published"
    bars = Lake(copy).bars(["AAPL"], calendar=HOURS).frame.set_index("session")["adj_close"]
    assert past["realised_price"][place] == pytest.approx(bars[pd.Timestamp("2024-06-28 14:30")], rel=1e-5)
    assert index.head["calendar"] == HOURS
    closes = [pd.Timestamp(t, unit="s") for t in index.head["closes"]]
    assert pd.Timestamp("2024-07-01 14:30") in closes
    # an hour after the first close of Monday its bar may be on its way; two hours after it is late
    clock = clock_of(board)() + (utc("2024-07-01 15:30") - utc("2024-06-28 23:35")).total_seconds()
    early, late = (View(board, clock=lambda s=s: clock + s) for s in (0.0, 3601.0))  # type: ignore[misc]
    for view in (early, late):
        view.poll(wait=True)
    assert not early.staleness().stale
    assert late.staleness().stale
