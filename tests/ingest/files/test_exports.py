"""The exports of price services, as CSV and as Parquet, and how people write dates, symbols and numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.ingest.files import FileBatch, read_bars
from tenor.schema import Bars

Load = Callable[..., FileBatch]
YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n"
GOOD = "2014-01-03,11,11.5,10,10.5,10,200\n"
THURSDAY, FRIDAY = "2014-01-02", "2014-01-03"


def rows_of(imported: FileBatch) -> list[tuple[object, ...]]:
    assert imported.bars is not None
    frame = imported.bars.frame.assign(session=imported.bars.frame["session"].dt.strftime("%Y-%m-%d"))
    return list(frame.itertuples(index=False, name=None))


TWO = [("AAA", THURSDAY, 10.0, 12.0, 9.5, 11.0, 10.5, 100.0), ("AAA", FRIDAY, 11.0, 11.5, 10.0, 10.5, 10.0, 200.0)]
PLAIN = [(*row[:6], row[5], row[7]) for row in TWO]  # no adjusted close: the close

EXPORTS = {
    "yahoo": ("AAA.csv", YAHOO + "2014-01-02,10,12,9.5,11,10.5,100\n2014-01-03,11,11.5,10,10.5,10,200\n", TWO),
    "stooq": (
        "aaa.us.txt",
        (
            "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
            "AAA.US,D,20140102,000000,10,12,9.5,11,100,0\nAAA.US,D,20140103,000000,11,11.5,10,10.5,200,0\n"
        ),
        PLAIN,
    ),
    "stooq, one symbol": (
        "aaa_us_d.csv",
        "Date,Open,High,Low,Close,Volume\r\n2014-01-02,10,12,9.5,11,100\r\n2014-01-03,11,11.5,10,10.5,200\r\n",
        PLAIN,
    ),
    "alpha vantage, newest first": (
        "daily_adjusted_AAA.csv",
        (
            "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
            "2014-01-03,11,11.5,10,10.5,10,200,0.0,1.0\n2014-01-02,10,12,9.5,11,10.5,100,0.0,1.0\n"
        ),
        TWO,
    ),
    "alpha vantage, numbered": (
        "AAA.csv",
        (
            "date,1. open,2. high,3. low,4. close,5. adjusted close,6. volume\n"
            "2014-01-02,10,12,9.5,11,10.5,100\n2014-01-03,11,11.5,10,10.5,10,200\n"
        ),
        TWO,
    ),
    "yfinance, three header lines": (
        "download.csv",
        (
            "Price,Adj Close,Close,High,Low,Open,Volume\nTicker,AAA,AAA,AAA,AAA,AAA,AAA\nDate,,,,,,\n"
            "2014-01-02,10.5,11,12,9.5,10,100\n2014-01-03,10,10.5,11.5,10,11,200\n"
        ),
        TWO,
    ),
    "long, odd spelling": (
        "all.csv",
        (
            "STOCK ; DATE ; Open ; HIGH ; low ; close ; ADJ_CLOSE ; Volume\n"
            "aaa;2014-01-02;10;12;9.5;11;10.5;100\nAAA;2014-01-03;11;11.5;10;10.5;10;200\n"
        ),
        TWO,
    ),
    "american dates": (
        "AAA.csv",
        YAHOO + "1/2/2014,10,12,9.5,11,10.5,100\n1/3/2014,11,11.5,10,10.5,10,200\n",
        TWO,
    ),
    "times at midnight, with zones": (
        "AAA.csv",
        YAHOO + "2014-01-02 00:00:00-05:00,10,12,9.5,11,10.5,100\n2014-01-03T00:00:00Z,11,11.5,10,10.5,10,200\n",
        TWO,
    ),
    "byte order mark": (
        "AAA.csv",
        "\ufeff" + YAHOO + "2014-01-02,10,12,9.5,11,10.5,100\n2014-01-03,11,11.5,10,10.5,10,200\n",
        TWO,
    ),
    "no volume, an original open": (
        "AAA (1).csv",
        "Date,Original_Open,High,Low,Close,,Open\n2014-01-02,10,12,9.5,11,,5\n2014-01-03,11,11.5,10,10.5,,5.5\n",
        [(*row[:7], 0.0) for row in PLAIN],
    ),
    "ticks for volume, quoted, spaces": (
        "AAA.csv",
        (
            'Date,open,high,low,close,tick_volume\n"2014-01-02", 10 ,12.0,9.5,"11",100\n'
            " 2014-01-03,+11,1.15e1,10.,10.5,200\n"
        ),
        PLAIN,
    ),
    "blank lines": (
        "AAA.csv",
        YAHOO + "\n2014-01-02,10,12,9.5,11,10.5,100\n\n2014-01-03,11,11.5,10,10.5,10,200\n\n",
        TWO,
    ),
    "sixteen bits": (
        "AAA.csv",
        (YAHOO + "2014-01-02,10,12,9.5,11,10.5,100\n2014-01-03,11,11.5,10,10.5,10,200\n").encode("utf-16"),
        TWO,
    ),
    "latin-1 in a column that is not read": (
        "AAA.csv",
        (
            b"Company,Date,Open,High,Low,Close,Adj Close,Volume\n"
            b"Caf\xe9,2014-01-02,10,12,9.5,11,10.5,100\nCaf\xe9,2014-01-03,11,11.5,10,10.5,10,200\n"
        ),
        TWO,
    ),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_exports_are_recognised(export: str, load: Load) -> None:
    name, text, expected = EXPORTS[export]
    imported = load(text, name)
    assert rows_of(imported) == expected
    assert imported.refused == []


def test_what_was_assumed_is_said(load: Load) -> None:
    name, text, _ = EXPORTS["no volume, an original open"]
    (summary,) = load(text, name).files
    assert "no adjusted close: the close is used" in summary.describe()
    assert "no volume: it is taken as 0" in summary.describe()
    assert "open is read from 'Original_Open', not 'Open'" in summary.describe()


@pytest.mark.parametrize(
    ("dates", "expected", "refused"),
    [
        (["2/1/2014", "13/1/2014"], ["2014-01-02", "2014-01-13"], 0),  # the 13th can only be a day
        (["1/2/2014", "1/13/2014"], ["2014-01-02", "2014-01-13"], 0),
        (["1/13/2014", "14/1/2014"], [], 1),  # both kinds: nobody can tell, the file is refused
        (["2.1.2014", "13.1.2014"], ["2014-01-02", "2014-01-13"], 0),
        (["2014/01/02", "2014-1-13"], ["2014-01-02", "2014-01-13"], 0),
        (["20140102", "201401131"], ["2014-01-02"], 1),
        (["2014-01/02", "1/2/14"], [], 1),  # month first, or 14 February 2001
        (["1388620800"], ["2014-01-02"], 0),
    ],
)
def test_dates_as_people_write_them(dates: list[str], expected: list[str], refused: int, load: Load) -> None:
    imported = load(YAHOO + "".join(f"{d},10,12,9.5,11,10.5,100\n" for d in dates))
    assert ([row[1] for row in rows_of(imported)] if imported.bars else []) == expected
    assert len(imported.refused) == refused


def test_unsorted_rows_are_sorted_and_said(load: Load) -> None:
    days = ["2014-01-06", "2014-01-02", "2014-01-07", "2014-01-03"]
    imported = load(YAHOO + "".join(f"{d},10,12,9.5,11,10.5,100\n" for d in days))
    assert [row[1] for row in rows_of(imported)] == sorted(days)
    assert "rows were not in order of date" in imported.files[0].describe()


def test_symbols_that_look_like_something_else(load: Load) -> None:
    names = ["NA", "TRUE", "NULL", "brk-b", "BF.B", "^GSPC", "1COV"]
    text = "ticker,date,open,high,low,close\n" + "".join(f"{n},2014-01-02,1,2,1,2\n" for n in names)
    imported = load(text + ",2014-01-02,1,2,1,2\nA B C,2014-01-02,1,2,1,2\n", "all.csv")
    assert imported.bars is not None
    assert set(imported.bars.symbols) == {name.upper().replace(".", "-") for name in names}
    assert [r.describe().split(": ", 1)[1][:31] for r in imported.refused] == [
        "ticker '' is not a symbol: corr",
        "ticker 'A B C' is not a symbol:",
    ]


def test_missing_volume_is_zero_and_said(load: Load) -> None:
    imported = load(YAHOO + "2014-01-02,10,12,9.5,11,10.5,\n" + GOOD)
    assert [row[-1] for row in rows_of(imported)] == [0.0, 200.0]
    assert "1 rows have no volume" in imported.files[0].describe()


def parquet(tmp_path: Path, frame: pd.DataFrame, name: str = "AAA.parquet") -> Path:
    frame.to_parquet(tmp_path / name)
    return tmp_path / name


@pytest.fixture
def frame() -> pd.DataFrame:
    days = pd.DatetimeIndex([THURSDAY, FRIDAY])
    values = np.array([[10, 12, 9.5, 11, 10.5, 100], [11, 11.5, 10, 10.5, 10, 200]])
    return pd.DataFrame(values, index=days, columns=["Open", "High", "Low", "Close", "Adj Close", "Volume"])


FORMS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "date as index": lambda f: f.rename_axis("Date"),
    "index without a name": lambda f: f,
    "date as column": lambda f: f.rename_axis("date").reset_index(),
    "zone of the exchange": lambda f: f.tz_localize("America/New_York").rename_axis("Date"),
    "nanoseconds": lambda f: f.set_axis(f.index.astype("datetime64[ns]")).rename_axis("Date"),
    "texts": lambda f: f.set_axis(f.index.strftime("%Y-%m-%d")).rename_axis("Date").astype("str"),
    "whole numbers": lambda f: f.set_axis(f.index.strftime("%Y%m%d").astype(int)).rename_axis("Date"),
    "python dates": lambda f: f.assign(Date=[dt.date(2014, 1, 2), dt.date(2014, 1, 3)]).reset_index(drop=True),
    "categories": lambda f: f.rename_axis("Date").reset_index().assign(ticker=pd.Categorical(["AAA", "AAA"])),
    "halves": lambda f: f.rename_axis("Date").astype("float32"),
}


@pytest.mark.parametrize("form", FORMS)
def test_parquet_in_many_forms(tmp_path: Path, frame: pd.DataFrame, form: str, now: pd.Timestamp) -> None:
    assert rows_of(read_bars([parquet(tmp_path, FORMS[form](frame))], now=now)) == TWO


def test_parquet_that_pandas_did_not_write(tmp_path: Path, now: pd.Timestamp) -> None:
    table = pa.table(
        {
            "Ticker": ["AAA"],
            "DATE": pa.array([dt.date(2014, 1, 2)]),
            **{c: pa.array(["10.5"]).cast(pa.decimal128(9, 3)) for c in ("open", "high", "low", "close")},
        }
    )
    folder = tmp_path / "year=2014"  # a name that Arrow would take for a column
    folder.mkdir()
    pq.write_table(table, folder / "x.parquet")
    assert rows_of(read_bars([tmp_path], now=now)) == [("AAA", THURSDAY, *[10.5] * 5, 0.0)]


def test_parquet_rows_with_a_time_of_day_or_nothing(tmp_path: Path, frame: pd.DataFrame, now: pd.Timestamp) -> None:
    shifted = frame.set_axis(pd.DatetimeIndex(["2014-01-02 15:00", pd.NaT])).rename_axis("Date")
    imported = read_bars([parquet(tmp_path, shifted)], now=now)
    why = [(r.row, r.value, r.why) for r in imported.refused]
    assert why == [(1, "2014-01-02 15:00:00", "has a time of day, and tenor takes daily bars"), (2, "", "is missing")]
    empty = read_bars([parquet(tmp_path, frame.iloc[:0], "BBB.parquet")], now=now)
    assert "has columns but no rows" in empty.refused[0].describe()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_bars_written_as_text_come_back_to_the_bit(
    tmp_path: Path, bars_of: Callable[..., Bars], now: pd.Timestamp, seed: int
) -> None:
    bars = bars_of(symbols=2, sessions=5, seed=seed)
    shuffled = bars.frame.sample(frac=1, random_state=seed % 1000)
    shuffled.rename(columns={"session": "Date", "symbol": "Ticker"}).to_csv(tmp_path / "all.csv", index=False)
    imported = read_bars([tmp_path / "all.csv"], now=now)
    assert imported.bars is not None
    assert imported.bars.fingerprint() == bars.fingerprint()
    assert imported.refused == []
