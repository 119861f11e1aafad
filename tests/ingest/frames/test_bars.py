"""Frames as yfinance, Alpaca, Stooq, Nixtla and people shape them give one and the same bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tenor
from tenor.calendars import exchange
from tenor.errors import ConfigError, FrameError
from tenor.ingest.frames import bars_of, read_frame
from tenor.schema import Bars

NOW = pd.Timestamp("2026-11-27 09:00", tz="UTC")
BARS = tenor.embedded_bars().select(["AAPL", "MSFT"]).until(pd.Timestamp("2013-06-28"))
LONG = BARS.frame


def titled(name: str) -> str:
    return name.title().replace("_", " ")


def of_one(symbol: str = "AAPL") -> pd.DataFrame:
    """A symbol alone, as yfinance's ``Ticker.history`` has it."""
    frame = LONG[LONG["symbol"] == symbol].set_index("session").drop(columns="symbol").rename(columns=titled)
    frame.index.name = "Date"
    return frame


def side_by_side() -> pd.DataFrame:
    """As ``yf.download`` has it: prices over symbols."""
    frame = pd.concat({symbol: of_one(symbol) for symbol in BARS.symbols}, axis=1, names=["Ticker", "Price"])
    return frame.swaplevel(axis=1).sort_index(axis=1)


def alpaca(zone: str = "UTC") -> pd.DataFrame:
    moments = LONG["session"].dt.tz_localize("America/New_York").dt.tz_convert(zone)
    frame = LONG.assign(timestamp=moments, vwap=LONG["close"], trade_count=1).drop(columns="session")
    return frame.set_index(["symbol", "timestamp"])


def stooq() -> pd.DataFrame:
    renamed = {name: f"<{name.upper()}>" for name in ("open", "high", "low", "close")} | {"volume": "<VOL>"}
    frame = LONG.rename(columns=renamed).drop(columns="adj_close")
    days = frame["session"].dt.strftime("%Y%m%d").astype(int)
    frame = frame.assign(**{"<TICKER>": frame["symbol"] + ".US", "<PER>": "D", "<DATE>": days, "<TIME>": "000000"})
    return frame.drop(columns=["symbol", "session"])


def without_adjustment() -> pd.DataFrame:
    return LONG.assign(adj_close=LONG["close"])


def closes_alone(adjusted: bool = False) -> pd.DataFrame:
    close = LONG["adj_close" if adjusted else "close"]
    return LONG.assign(**dict.fromkeys(("open", "high", "low", "close", "adj_close"), close), volume=0.0)


class Stream:
    """A table of a library that tenor does not know: it hands out Arrow's C stream, and nothing else."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._table = pa.Table.from_pandas(frame, preserve_index=False)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


SHAPES: dict[str, tuple[Callable[[], Any], Callable[[], pd.DataFrame]]] = {
    "long": (lambda: LONG, lambda: LONG),
    "bars": (lambda: BARS, lambda: LONG),
    "upper case": (lambda: LONG.rename(columns=str.upper), lambda: LONG),
    "shuffled": (lambda: LONG.sample(frac=1, random_state=0), lambda: LONG),
    "prices over symbols": (side_by_side, lambda: LONG),
    "symbols over prices": (lambda: side_by_side().swaplevel(axis=1), lambda: LONG),
    "flattened": (lambda: side_by_side().set_axis([f"{p}_{s}" for p, s in side_by_side()], axis=1), lambda: LONG),
    "tuples as texts": (lambda: side_by_side().set_axis(map(str, side_by_side()), axis=1).reset_index(), lambda: LONG),
    "alpaca": (alpaca, lambda: LONG),
    "alpaca, New York": (lambda: alpaca("America/New_York"), lambda: LONG),
    "stooq": (stooq, without_adjustment),
    "nixtla": (
        lambda: LONG.rename(columns={"symbol": "unique_id", "session": "ds", "close": "y"})[["unique_id", "ds", "y"]],
        closes_alone,
    ),
    "nixtla with prices": (
        lambda: LONG.rename(columns={"symbol": "unique_id", "session": "ds", "close": "y"}),
        lambda: LONG,
    ),
    "a column of closes a symbol": (lambda: side_by_side()["Close"], closes_alone),
    "closes in two levels": (lambda: side_by_side()[["Close"]], closes_alone),
    "adjusted closes in two levels": (lambda: side_by_side()[["Adj Close"]], lambda: closes_alone(adjusted=True)),
    "a mapping": (lambda: {symbol: of_one(symbol) for symbol in BARS.symbols}, lambda: LONG),
    "arrow": (lambda: pa.Table.from_pandas(LONG), lambda: LONG),
    "a record batch": (lambda: pa.RecordBatch.from_pandas(LONG), lambda: LONG),
    "an unknown library": (lambda: Stream(LONG), lambda: LONG),
    "texts": (lambda: LONG.astype(str), lambda: LONG),
    "dates as objects": (lambda: LONG.assign(session=LONG["session"].dt.date), lambda: LONG),
    "periods": (lambda: LONG.assign(session=LONG["session"].dt.to_period("D")), lambda: LONG),
    "categories": (lambda: LONG.astype({"symbol": "category"}), lambda: LONG),
    "decimals of Arrow": (lambda: LONG.astype({"close": "float64[pyarrow]"}), lambda: LONG),
    "an index left over": (lambda: LONG.set_index(pd.Index(range(7, 7 + len(LONG)))), lambda: LONG),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_bars(shape: str) -> None:
    frame, expected = SHAPES[shape]
    assert bars_of(frame(), now=NOW).frame.equals(Bars(expected()).frame)


def test_polars_needs_no_conversion() -> None:
    assert bars_of(pl.from_pandas(LONG), now=NOW).frame.equals(LONG)
    with pytest.raises(FrameError, match=r"is a LazyFrame.* df = df\.collect\(\)"):
        bars_of(pl.from_pandas(LONG).lazy(), now=NOW)


@pytest.mark.parametrize(
    "stamp",
    [
        lambda days: days,
        lambda days: days.tz_localize("UTC"),
        lambda days: days.tz_localize("America/New_York"),
        lambda days: days.tz_localize("America/New_York").tz_convert("UTC"),
        lambda days: exchange("XNYS").closes(days),
        lambda days: days.strftime("%Y-%m-%d"),
        lambda days: days.strftime("%d.%m.%Y"),
        lambda days: pd.Index([day.isoformat() for day in days.tz_localize("America/New_York")]),
        lambda days: pd.Index(list(days.tz_localize("America/New_York").map(pd.Timestamp.to_pydatetime)), dtype=object),
    ],
    ids=["naive", "UTC midnight", "New York", "New York in UTC", "close", "ISO", "German", "offsets", "datetimes"],
)
def test_a_days_stamp_may_be_its_midnight_its_open_or_its_close(stamp: Callable[[Any], Any]) -> None:
    frame = of_one()
    frame.index = stamp(pd.DatetimeIndex(frame.index))
    assert bars_of(frame, symbol="AAPL", now=NOW).frame.equals(Bars(LONG[LONG["symbol"] == "AAPL"]).frame)


def test_a_series_is_named_by_its_name_or_by_the_caller() -> None:
    close = of_one()["Close"]
    assert bars_of(close.rename("msft"), now=NOW).symbols == ("MSFT",)
    assert bars_of(close, symbol="brk.b", now=NOW).symbols == ("BRK-B",)


def test_bars_given_twice_and_rows_without_prices_are_left_out_and_noted() -> None:
    frame = pd.concat([of_one(), of_one().iloc[[3]], of_one().iloc[[5]].map(lambda _: float("nan"))])
    read = read_frame(frame, symbol="AAPL", now=NOW)
    assert len(read.bars.frame) == len(of_one())
    assert {"1 rows repeat a bar: left out", "1 rows without any price are not bars: left out"} <= set(read.notes)


def test_a_symbol_that_did_not_trade_has_no_bar_among_others() -> None:
    frame = side_by_side()
    frame.loc[frame.index[4], (slice(None), "MSFT")] = float("nan")
    bars = bars_of(frame, now=NOW)
    counts = bars.frame.groupby("symbol").size()
    assert counts["AAPL"] == counts["MSFT"] + 1


def test_the_session_that_is_not_over_is_left_out_with_a_warning() -> None:
    last = LONG["session"].max()
    during = (last + pd.Timedelta(hours=15)).tz_localize("UTC")
    with pytest.warns(UserWarning, match=f"the session {last:%Y-%m-%d} is not over yet"):
        bars = bars_of(LONG, now=during)
    assert bars.frame["session"].max() < last


def test_coins_have_bars_on_any_day() -> None:
    days = pd.date_range("2024-01-01", periods=20)
    frame = pd.DataFrame({"BTC-USD": 100.0, "ETH-USD": 10.0}, index=days)
    assert len(bars_of(frame, now=NOW).frame) == 40
    own = frame.rename(columns={"BTC-USD": "MYCOIN", "ETH-USD": "YOURS"})
    assert len(bars_of(own, calendar="24/7", now=NOW).frame) == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frame": LONG, "symbol": "AAPL"}, "symbol is 'AAPL', and bars are of AAPL, MSFT: leave it out"),
        ({"frame": {"AAPL": of_one()}, "symbol": "AAPL"}, "symbol is 'AAPL', and bars name their own symbols"),
        ({"frame": of_one(), "symbol": "not one"}, "symbol is 'not one', which is not a symbol"),
        ({"frame": of_one(), "symbol": "AAPL", "calendar": "XNYS@1h"}, "a frame has daily bars"),
    ],
)
def test_settings_that_contradict_the_frame_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bars_of(now=NOW, **arguments)
