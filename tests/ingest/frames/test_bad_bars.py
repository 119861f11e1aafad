"""A frame that can't be used says which column, which row, and the line of code that mends it; the line does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import tenor
from tenor.errors import FrameError
from tenor.ingest.frames import bars_of

NOW = pd.Timestamp("2026-11-27 09:00", tz="UTC")
LONG = tenor.embedded_bars().select(["AAPL", "MSFT"]).until(pd.Timestamp("2013-06-28")).frame


def one() -> pd.DataFrame:
    frame = LONG[LONG["symbol"] == "AAPL"].set_index("session").drop(columns=["symbol", "adj_close"])
    frame.index.name = "Date"
    return frame.rename(columns=str.title)


def changed(row: int, column: str, value: object) -> pd.DataFrame:
    frame = one()
    if isinstance(value, str):
        frame = frame.astype({column: object})
    frame.iloc[row, frame.columns.get_loc(column)] = value
    return frame


def long_changed(row: int, column: str, value: object) -> pd.DataFrame:
    frame = LONG.copy()
    frame.loc[row, column] = value
    return frame


def wide_changed() -> pd.DataFrame:
    columns = LONG.rename(columns=str.title).set_index(["Session", "Symbol"])[["Open", "High", "Low", "Close"]]
    frame = columns.unstack("Symbol")
    frame.loc[frame.index[9], ("Low", "MSFT")] = -4.0
    return frame


def dated(days: Any) -> pd.DataFrame:
    frame = one()
    frame.index = days
    return frame


def last_day(day: str) -> pd.DataFrame:
    return dated([*one().index[:-1], pd.Timestamp(day)])


DAYS = pd.date_range("2013-01-02", periods=len(one()))
HOURS = pd.date_range("2013-01-02 10:00", periods=len(one()), freq="h")
MIXED = [day.tz_localize("UTC") if i % 2 else day for i, day in enumerate(one().index)]

# what is wrong -> the frame, and what its message must name
BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "missing": (lambda: changed(5, "Close", np.nan), "row 5 (AAPL 2012-09-11): 'Close' is missing"),
    "text": (lambda: changed(7, "Open", "n.d."), "row 7 (AAPL 2012-09-13): 'Open' is 'n.d.', which is not a number"),
    "negative": (lambda: changed(5, "Low", -1.5), "row 5 (AAPL 2012-09-11): 'Low' is -1.5, which is not positive"),
    "zero": (lambda: changed(6, "Open", 0.0), "row 6 (AAPL 2012-09-12): 'Open' is 0.0, which is not positive"),
    "infinite": (lambda: changed(5, "High", np.inf), "'High' is inf, which is not finite"),
    "volume": (lambda: changed(5, "Volume", -3.0), "'Volume' is -3.0, which is negative or not finite"),
    "high below low": (lambda: changed(4, "High", 1.0), "row 4 (AAPL 2012-09-10): 'High' (1 < "),
    "two bars": (
        lambda: pd.concat([one(), one().iloc[[3]] * 1.01]),
        f"row {len(one())} (AAPL 2012-09-07): 'Date' is '2012-09-07', which has other values than row 3",
    ),
    "two bars, long": (
        lambda: pd.concat([LONG, LONG.iloc[[3]].assign(close=94.9, high=99.0)], ignore_index=True),
        "(AAPL 2012-09-07): 'session' is '2012-09-07', which has other values than row 3",
    ),
    "future": (lambda: last_day("2031-01-02"), "(AAPL 2031-01-02): 'date' is '2031-01-02', which is in the future"),
    "a Sunday": (
        lambda: last_day("2013-06-30"),
        "(AAPL 2013-06-30): 'date' is '2013-06-30', which is not a session of",
    ),
    "all days": (lambda: dated(DAYS), "which is not a session of XNYS"),
    "hours": (lambda: dated(HOURS), "row 0: 'date' is '2013-01-02 10:00:00', which has a time of day"),
    "mixed zones": (lambda: dated(MIXED), "row 0: 'date' is '2012-09-04 00:00:00', which has no time zone"),
    "no date": (lambda: dated([*map(str, one().index[:-1].date), "soon"]), "'date' is 'soon', which is not a date"),
    "a date missing": (lambda: long_changed(8, "session", pd.NaT), "row 8 (AAPL): 'session' is missing"),
    "a symbol missing": (lambda: long_changed(8, "symbol", None), "row 8 (2012-09-14): 'symbol' is"),
    "ambiguous columns": (lambda: one().assign(close=1.0), "two columns are called 'Close' and 'close'"),
    "one name twice": (lambda: one().iloc[:, [0, 1, 2, 3, 3]], "two columns are called 'Close'"),
    "index and column": (lambda: one().assign(Date=1), "the index and a column are called 'Date' and 'Date'"),
    "unknown date": (lambda: one().reset_index(names="when"), "no column and no index holds dates"),
    "unknown close": (lambda: one().rename(columns={"Close": "Settled"}), "no column for close (the columns: 'Date',"),
    "whose": (one, "the frame does not say whose bars they are"),
    "whose, long": (lambda: LONG.rename(columns={"symbol": "company"}), "does not say whose bars they are"),
    "half of the prices": (lambda: one().drop(columns="Low"), "no column for low (the columns: 'Date', 'Open',"),
    "wide": (wide_changed, "row 9 (MSFT 2012-09-17): 'Low MSFT' is -4.0, which is not positive"),
    "levels": (lambda: pd.concat({"x": wide_changed()}, axis=1), "has 3 levels, but must have two"),
    "arrow": (
        lambda: pa.Table.from_pandas(long_changed(5, "close", -1.0)),
        "row 5 (AAPL 2012-09-11): 'close' is -1.0, which is not positive",
    ),
    "a list of rows": (lambda: LONG.to_dict("records"), "bars is a list, not a table"),
    "lists in a mapping": (lambda: LONG.to_dict("list"), "bars is a mapping of lists"),
    "an array": (lambda: one().reset_index().to_numpy(), "bars is an array, not a table"),
}
# frames with a second fault behind the first
TWICE = {"hours", "unknown close", "levels"}
NAMED = {"whose", "whose, long", "unknown close"}


@pytest.mark.parametrize("name", BAD)
def test_the_message_has_column_row_and_value_and_its_line_mends_the_frame(name: str) -> None:
    make, message = BAD[name]
    frame = make()
    symbol = None if name in NAMED or not isinstance(frame, pd.DataFrame | np.ndarray) else symbol_of(frame)
    with pytest.raises(FrameError) as refused:
        bars_of(frame, symbol=symbol, now=NOW)
    error = refused.value
    assert message in str(error)
    assert "\n" not in str(error)
    assert str(error).endswith(f"Mend it with: {error.mend}")
    mended = mend(frame, error)
    if name in TWICE:
        with pytest.raises(FrameError) as refused:
            bars_of(mended, symbol=symbol, now=NOW)
        assert refused.value.mend != error.mend
        mended = mend(mended, refused.value)
    bars = bars_of(mended, symbol=symbol, now=NOW)
    assert set(bars.symbols) <= {"AAPL", "MSFT"}
    assert len(bars.frame) >= (7 if name == "hours" else 80)


def mend(frame: Any, error: FrameError) -> Any:
    scope = {"df": frame, "pd": pd, "np": np, "tenor": tenor, "exchange_calendars": exchange_calendars}
    exec(error.mend, scope)
    return scope["df"]


def symbol_of(frame: Any) -> str | None:
    """The symbol that the caller gives with a frame of one symbol."""
    if isinstance(frame, np.ndarray):
        return "AAPL"
    named = {"symbol", "company"} & set(frame.columns) or frame.columns.nlevels > 1
    return None if named else "AAPL"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (one().iloc[:0], "the frame has no rows (its columns: 'Date', 'Open', 'High', 'Low', 'Close', 'Volume')"),
        (pd.DataFrame(), "the frame has no rows (its columns: none)"),
        ({}, "the mapping is empty"),
        (one().reset_index(drop=True), "Mend it with: df.index = pd.to_datetime(dates)  # one date a row"),
        (one()[["Volume"]], "Mend it with: df['open'] = prices  # one a row"),
        ("bars.csv", "bars is the text 'bars.csv', not a table. Mend it with: df = pd.read_csv('bars.csv')"),
        ("bars.parquet", "Mend it with: df = pd.read_parquet('bars.parquet')"),
        ("s3://bucket/lake", "Mend it with: df = tenor.Lake('s3://bucket/lake').bars()"),
        (None, "bars is None, not a table"),
        (5, "bars is an int, not a table"),
        (dt.date(2024, 1, 2), "bars is a date, not a table"),
        (one().assign(Close=[[1.0]] * len(one())), "'Close' of type list<"),
        (one().assign(Close=True), "'Close' of type bool"),
        (one() * np.nan, "no row of the frame is a bar"),
        ({"AAPL": one(), "MSFT": changed(5, "Close", -1.0)}, "bars['MSFT'], row 5 (MSFT 2012-09-11): 'Close' is -1.0"),
    ],
)
def test_frames_that_no_single_line_mends_say_what_is_wrong(frame: Any, message: str) -> None:
    with pytest.raises(FrameError) as refused:
        bars_of(frame, symbol="AAPL" if isinstance(frame, pd.DataFrame) else None, now=NOW)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
