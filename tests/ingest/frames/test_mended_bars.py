"""The line that a refusal names makes the frame usable: it is run here, as whoever reads it would run it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tenor
from tenor.errors import FrameError

DAYS = pd.bdate_range("2024-02-20", periods=25)


def closes(**columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"symbol": "AAPL", "session": DAYS, "close": np.linspace(100, 120, len(DAYS))})
    return frame.assign(**columns)


def mended(df: Any) -> tenor.Bars:
    with pytest.raises(FrameError) as refused:
        tenor.bars_of(df)
    names = {"df": df, "pd": pd, "np": np}
    exec(refused.value.mend, names)  # the line of our own message
    return tenor.bars_of(names["df"])


def test_a_text_among_numbers_is_dropped() -> None:
    close = [*np.linspace(100, 120, len(DAYS) - 1), "n/a"]
    given = {"open": 110.0, "high": 130.0, "low": 90.0, "close": pd.Series(close, dtype=object)}
    assert len(mended(closes(**given))) == len(tenor.bars_of(closes().iloc[:-1]))


def test_bars_within_a_day_become_days_that_end_with_the_last_close() -> None:
    hours = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in DAYS[:5] for hour in (10, 12, 15)])
    frame = pd.DataFrame({"symbol": "AAPL", "time": hours, "close": np.arange(1.0, 16.0)})
    assert mended(frame).frame["close"].tolist() == [3, 6, 9, 12, 15]
    texts = frame.assign(time=frame["time"].dt.strftime("%Y-%m-%d %H:%M"))
    assert mended(texts).frame["close"].tolist() == [3, 6, 9, 12, 15]


def test_many_days_that_are_no_sessions_are_dropped() -> None:
    every = pd.date_range("2024-02-20", periods=25)
    bars = mended(pd.DataFrame({"symbol": "AAPL", "session": every, "close": np.linspace(100, 120, 25)}))
    assert bars.frame["session"].dt.day_of_week.max() == 4


def test_a_lazy_table_is_collected() -> None:
    class Lazy:
        def collect(self) -> pd.DataFrame:
            return closes()

    assert len(mended(Lazy())) == len(tenor.bars_of(closes()))


@pytest.mark.parametrize(("step", "days"), [("W-WED", 7), ("MS", 31)])
def test_bars_of_weeks_and_months_are_refused(step: str, days: int) -> None:
    dates = pd.date_range("2010-01-01", periods=60, freq=step)
    frame = pd.DataFrame({"symbol": "AAPL", "date": dates, "close": np.linspace(100, 120, 60)})
    with pytest.raises(FrameError, match=rf"bars: the rows of AAPL are {days} days apart, and tenor takes daily bars"):
        tenor.bars_of(frame)


RAW = tenor.embedded_bars().select(["AAPL", "MSFT"]).until(pd.Timestamp("2013-06-28")).frame
ADJUSTED = RAW.assign(**dict.fromkeys(("open", "high", "low", "close"), RAW["adj_close"]))
WIDE = RAW.pivot(index="session", columns="symbol", values="close")


def changed(row: int, value: object) -> pd.DataFrame:
    """The frame with another date in one row, in a column of objects."""
    session = RAW["session"].astype(object)
    session.iloc[row] = value
    return RAW.assign(session=session)


def prices_of(symbol: str, value: float) -> pd.DataFrame:
    """As ``yf.download`` has it, with one value throughout the open of one symbol."""
    frame = RAW.pivot(index="session", columns="symbol", values=["open", "high", "low", "close"])
    frame["open", symbol] = value
    return frame


# what is wrong -> the frame, what the message names, the rows that remain, and their closes where all of them do
WHOLE: dict[str, tuple[Any, str, int, pd.DataFrame]] = {
    "no open at all": (RAW.assign(open=np.nan), "'open' is missing; 410 rows have this fault", 410, RAW),
    "no open of a symbol": (prices_of("MSFT", np.nan), "row 0 (MSFT 2012-09-04): 'open MSFT' is missing", 410, RAW),
    "an open of zeros": (RAW.assign(open=0.0), "'open' is 0.0, which is not positive; 410 rows", 410, RAW),
    "no close, an adjusted one": (RAW.assign(close=np.nan), "'close' is missing; 410 rows", 410, ADJUSTED),
    "high and low exchanged": (RAW.rename(columns={"high": "low", "low": "high"}), "is below low; 410", 410, RAW),
    "names with blanks": (
        RAW.assign(symbol="my " + RAW["symbol"]),
        "row 0 (2012-09-04): 'symbol' is 'my AAPL', which is not a symbol; 410 rows",
        410,
        RAW,
    ),
    "a spreadsheet's days": (
        RAW.assign(session=(RAW["session"] - pd.Timestamp("1899-12-30")).dt.days),
        "row 0: 'session' is '41156', which looks like a spreadsheet's serial number of a day",
        410,
        RAW,
    ),
    "a price a row": (
        RAW.melt(id_vars=["symbol", "session"]),
        "no column for open, high, low, close (the columns: 'symbol', 'session', 'variable', 'value')",
        410,
        RAW,
    ),
    "sessions as columns": (WIDE.T, "the sessions are columns, but must be rows", 410, RAW),
    "a text beside closes": (WIDE.assign(note="x"), "no column for open, high, low, close", 410, RAW),
    "a flag as close": (RAW.assign(close=True), "row 0: the frame has 'close' of type bool", 410, ADJUSTED),
    "lists": (
        RAW.assign(close=RAW["close"].map(lambda price: [price])),
        "row 0: the frame has 'close' of type list<item: double>; a cell must hold one value",
        410,
        RAW,
    ),
    "mappings": (
        RAW.assign(close=RAW["close"].map(lambda price: {"raw": price})),
        "row 0: the frame has 'close' of type struct<raw: double>",
        410,
        RAW,
    ),
    "an object among numbers": (
        RAW.assign(close=[object() if row == 3 else price for row, price in enumerate(RAW["close"])]),
        "row 3: 'close' is an object, not a single number, text or date",
        409,
        RAW,
    ),
    "a Sunday among objects": (changed(40, pd.Timestamp("2013-01-06")), "(AAPL 2013-01-06)", 409, RAW),
    "the future among objects": (changed(40, pd.Timestamp("2131-01-04")), "which is in the future", 409, RAW),
    "a mapping with a bad frame": (
        {symbol: own.assign(close=[-1.0, *own["close"][1:]]) for symbol, own in RAW.groupby("symbol")},
        "bars['AAPL'], row 0 (AAPL 2012-09-04): 'close' is -1.0",
        408,
        RAW,
    ),
    "a mapping with a failed download": (
        {"AAPL": RAW[RAW["symbol"] == "AAPL"], "MSFT": None, "XOM": RAW.iloc[:0]},
        "bars['MSFT'] and 1 more: None",
        205,
        RAW,
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_the_lines_lead_to_bars_and_lose_no_more_than_the_wrong_rows(name: str) -> None:
    df, message, rows, expected = WHOLE[name]
    names: dict[str, Any] = {"df": df, "pd": pd, "np": np}
    with pytest.raises(FrameError) as refused:
        tenor.bars_of(df)
    assert message in str(refused.value)
    for _ in range(3):
        exec(refused.value.mend, names)
        try:
            bars = tenor.bars_of(names["df"]).frame
            break
        except FrameError as error:
            refused.value.mend = error.mend
    bars = bars.assign(symbol=bars["symbol"].str.removeprefix("MY-"))
    joined = bars.merge(expected, on=["symbol", "session"], suffixes=("", "_before"))
    assert len(bars) == len(joined) == rows
    assert (joined["close"] == joined["close_before"]).all()


def test_a_series_without_a_symbol_becomes_a_frame_with_one() -> None:
    close = RAW[RAW["symbol"] == "AAPL"].set_index("session")["close"]
    assert mended(close).symbols == ("AAPL",)
    own = close.rename("MSFT")
    own.iloc[3] = -1.0
    bars = mended(own)
    assert bars.symbols == ("MSFT",)
    assert len(bars.frame) == len(close) - 1


def test_rows_of_several_symbols_are_not_taken_for_those_of_one() -> None:
    with pytest.raises(FrameError, match="one a row: days repeat") as refused:
        tenor.bars_of(RAW.drop(columns="symbol"))
    assert refused.value.mend.startswith('df["symbol"] = symbols')


@pytest.mark.parametrize("days", [range(len(DAYS)), DAYS + pd.DateOffset(years=100)])
def test_dates_of_which_none_can_be_used_are_to_be_written_anew(days: Any) -> None:
    with pytest.raises(FrameError) as refused:
        tenor.bars_of(closes(session=list(days)))
    names = {"df": closes(), "pd": pd, "dates": DAYS}
    exec(refused.value.mend, names)
    assert len(tenor.bars_of(names["df"])) == len(tenor.bars_of(closes()))


def test_an_adjusted_close_is_not_set_among_prices_that_are_not_adjusted() -> None:
    bars = tenor.bars_of(RAW.drop(columns="close"))
    assert bars.frame.equals(tenor.bars_of(RAW[["symbol", "session", "adj_close", "volume"]]).frame)
