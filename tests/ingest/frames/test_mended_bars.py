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


def test_cells_that_hold_no_single_number_come_with_a_remedy() -> None:
    with pytest.raises(FrameError, match="has 'close' of type bool: write one value a cell"):
        tenor.bars_of(closes(close=True))
