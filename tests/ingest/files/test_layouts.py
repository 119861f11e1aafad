"""Tables as publishers write them: each layout gives the same bars."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.ingest.files import FileBatch, read_bars, read_files
from tenor.schema import Bars

Load = Callable[..., FileBatch]
# Thursday and Friday: open, high, low, close, volume
ROWS = [("2014-01-02", 10.0, 12.0, 9.5, 11.0, 1200.0), ("2014-01-03", 11.0, 11.5, 10.0, 10.5, 200.0)]


def rows_of(imported: FileBatch, symbol: str = "AAA") -> list[tuple[object, ...]]:
    assert imported.bars is not None, imported.refused
    frame = imported.bars.frame
    frame = frame[frame["symbol"] == symbol].assign(session=lambda f: f["session"].dt.strftime("%Y-%m-%d"))
    return list(frame[["session", "open", "high", "low", "close", "volume"]].itertuples(index=False, name=None))


def stamp(day: str, clock: str, zone: str, unit: int) -> int:
    return int(pd.Timestamp(f"{day} {clock}", tz=zone).timestamp()) * unit


def candles(unit: int) -> str:
    days = [stamp(day, "00:00", "UTC", unit) for day, *_ in ROWS]
    return "".join(
        f"{day},{o},{h},{low},{c},{v},{day + 86_400 * unit - 1},1,1,1,1,0\n"
        for day, (_, o, h, low, c, v) in zip(days, ROWS, strict=True)
    )


def dump(unit: int, clock: str) -> str:
    return "".join(
        json.dumps({"v": v, "vw": 1, "o": o, "c": c, "h": h, "l": low, "t": stamp(d, clock, "America/New_York", unit)})
        + "\n"
        for d, o, h, low, c, v in ROWS
    )


LAYOUTS: dict[str, tuple[str, str | bytes]] = {
    "nasdaq": (
        "AAA.csv",
        (
            "Date,Close/Last,Volume,Open,High,Low\n"
            "01/03/2014,$10.50,200,$11.00,$11.50,$10.00\n01/02/2014,$11.00,1200,$10.00,$12.00,$9.50\n"
        ),
    ),
    "investing": (
        "AAA.csv",
        (
            '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"\n"01/03/2014","10.50","11.00","11.50","10.00",'
            '"0.20K","-4.55%"\n"01/02/2014","11.00","10.00","12.00","9.50","1.20K","0.31%"\n'
        ),
    ),
    "investing, french": (
        "AAA.csv",
        (
            '\ufeff"Date","Dernier","Ouv."," Plus Haut","Plus Bas","Vol.","Variation %"\n'
            '"03/01/2014","10,50","11,00","11,50","10,00","0,20K","-4,55%"\n'
            '"02/01/2014","11,00","10,00","12,00","9,50","1,20K","0,31%"\n'
        ),
    ),
    "german, windows": (
        "AAA.csv",
        (
            "Datum;Eröffnung;Hoch;Tief;Schluss;Stücke\n02.01.2014;10,00;12,00;9,50;11,00;1.200\n"
            "03.01.2014;11,00;11,50;10,00;10,50;200\n"
        ).encode("cp1252"),
    ),
    "italian": (
        "AAA.csv",
        (
            "Data;Apertura;Massimo;Minimo;Chiusura;Volume\n02/01/2014;10,0;12,0;9,5;11,0;1.200\n"
            "03/01/2014;11,0;11,5;10,0;10,5;200\n"
        ),
    ),
    "spanish, months as words": (
        "AAA.csv",
        (
            "Fecha;Apertura;Máximo;Mínimo;Cierre;Volumen\n2 de enero de 2014;10,0;12,0;9,5;11,0;1200\n"
            "3 de enero de 2014;11,0;11,5;10,0;10,5;200\n"
        ),
    ),
    "binance, without a header": ("AAA.csv", candles(1000)),
    "binance, microseconds": ("AAA.csv", candles(1_000_000)),
    "binance, with a header": (
        "AAA.csv",
        (
            "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
            "taker_buy_quote_volume,ignore\n" + candles(1000)
        ),
    ),
    "metatrader 5": (
        "AAA.csv",
        (
            "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<SPREAD>\n2014.01.02\t10\t12\t9.5\t11\t1200\t5\n"
            "2014.01.03\t11\t11.5\t10\t10.5\t200\t5\n"
        ),
    ),
    "metatrader 4": ("AAA.csv", "2014.01.02,00:00,10,12,9.5,11,1200\n2014.01.03,00:00,11,11.5,10,10.5,200\n"),
    "tradingview, seconds of the open": (
        "AAA.csv",
        "time,open,high,low,close,Volume,Volume MA\n"
        + "".join(
            f"{stamp(d, '09:30', 'America/New_York', 1)},{o},{h},{low},{c},{v},5\n" for d, o, h, low, c, v in ROWS
        ),
    ),
    "tradingview, times of the open": (
        "AAA.csv",
        (
            "time,open,high,low,close,Volume\n2014-01-02T09:30:00-05:00,10,12,9.5,11,1200\n"
            "2014-01-03T09:30:00-05:00,11,11.5,10,10.5,200\n"
        ),
    ),
    "alpaca": (
        "AAA.csv",
        (
            "timestamp,open,high,low,close,volume,trade_count,vwap\n"
            "2014-01-02 05:00:00+00:00,10,12,9.5,11,1200,4,10.6\n"
            "2014-01-03 05:00:00+00:00,11,11.5,10,10.5,200,4,10.6\n"
        ),
    ),
    "google's spreadsheet": (
        "AAA.csv",
        "Date,Open,High,Low,Close,Volume\n1/2/2014 16:00:00,10,12,9.5,11,1200\n1/3/2014 16:00:00,11,11.5,10,10.5,200\n",
    ),
    "polygon, lines": ("AAA.jsonl", dump(1000, "00:00")),
    "polygon, a document": (
        "any.json",
        json.dumps({"ticker": "AAA", "results": [json.loads(line) for line in dump(1000, "00:00").splitlines()]}),
    ),
    "alpaca, a document": (
        "any.json",
        json.dumps(
            {
                "bars": {
                    "AAA": [
                        {"t": f"{d}T05:00:00Z", "o": o, "h": h, "l": low, "c": c, "v": v} for d, o, h, low, c, v in ROWS
                    ]
                }
            }
        ),
    ),
    "titles above the header, a page's foot": (
        "AAA.csv",
        (
            "https://prices.example\n\nDate;Open;High;Low;Last;Number of Shares\n02/01/2014;10,0;12,0;9,5;11,0;1200\n"
            "03/01/2014;11,0;11,5;10,0;10,5;200\n"
        ),
    ),
    "a spreadsheet's first line": (
        "AAA.csv",
        "sep=;\nDate;Open;High;Low;Close;Volume\n2014-01-02;10,0;12,0;9,5;11,0;1200\n2014-01-03;11;11,5;10;10,5;200\n",
    ),
    "two headers, a spreadsheet's merged cells": (
        "any.csv",
        (
            ",AAA,,,,,BBB,,,,\nDate,Open,High,Low,Close,Volume,Open,High,Low,Close,Volume\n"
            "2014-01-02,10,12,9.5,11,1200,1,2,1,2,5\n2014-01-03,11,11.5,10,10.5,200,,,,,\n"
        ),
    ),
    "yfinance, fields over tickers": (
        "any.csv",
        ("Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\nTicker" + ",AAA,BBB" * 5 + "\nDate" + "," * 10)
        + "\n2014-01-02,11,2,12,2,9.5,1,10,1,1200,5\n2014-01-03,10.5,,11.5,,10,,11,,200,\n",
    ),
    "yfinance, tickers over fields": (
        "any.csv",
        (
            "Ticker"
            + ",AAA" * 5
            + ",BBB" * 5
            + "\nPrice"
            + ",Open,High,Low,Close,Volume" * 2
            + "\nDate"
            + "," * 10
            + "\n2014-01-02,10,12,9.5,11,1200,1,2,1,2,5\n2014-01-03,11,11.5,10,10.5,200,,,,,\n"
        ),
    ),
    "yfinance, index reset": (
        "any.csv",
        "Date" + ",Open,High,Low,Close,Volume" * 2 + "\n" + ",AAA" * 5 + ",BBB" * 5 + "\n"
        "2014-01-02,10,12,9.5,11,1200,1,2,1,2,5\n2014-01-03,11,11.5,10,10.5,200,,,,,\n",
    ),
    "old yfinance and pandas-datareader": (
        "any.csv",
        (
            "Attributes"
            ",Adj Close,Adj Close,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\nSymbols"
            + ",AAA,BBB" * 6
            + "\nDate"
            + "," * 12
            + "\n2014-01-02,11,2,11,2,12,2,9.5,1,10,1,1200,5\n2014-01-03,10.5,,10.5,,11.5,,10,,11,,200,\n"
        ),
    ),
    "R's quantmod": (
        "any.csv",
        (
            ",AAA.Open,AAA.High,AAA.Low,AAA.Close,AAA.Volume,AAA.Adjusted\n2014-01-02,10,12,9.5,11,1200,11\n"
            "2014-01-03,11,11.5,10,10.5,200,10.5\n"
        ),
    ),
    **{
        f"names like {form.format(field='Adj Close', symbol='AAA')}": (
            "any.csv",
            ",".join(
                ["Date"]
                + [
                    '"' + form.format(field=field, symbol=symbol) + '"'
                    for symbol in ("AAA", "BRK-B")
                    for field in ("Adj Close", "Open", "High", "Low", "Close", "Volume")
                ]
            )
            + "\n2014-01-02,11,10,12,9.5,11,1200,1,1,2,1,2,5\n2014-01-03,10.5,11,11.5,10,10.5,200,,,,,,\n",
        )
        for form in (
            "{field}_{symbol}",
            "{symbol} {field}",
            "{symbol}_{field}",
            "('{field}', '{symbol}')",
            "{field}|{symbol}",
        )
    },
    "india, udiff": (
        "any.csv",
        (
            "TradDt,Sgmt,Src,TckrSymb,SctySrs,OpnPric,HghPric,LwPric,ClsPric,LastPric,TtlTradgVol\n"
            "2014-01-02,CM,NSE,AAA,EQ,10,12,9.5,11,11.2,1200\n2014-01-03,CM,NSE,AAA,EQ,11,11.5,10,10.5,10,200\n"
            "2014-01-03,CM,NSE,AAA,BE,9,9,9,9,9,9\n"
        ),
    ),
    "india, older": (
        "any.csv",
        (
            "SYMBOL, SERIES, DATE1, PREV_CLOSE, OPEN_PRICE, HIGH_PRICE, LOW_PRICE, LAST_PRICE, CLOSE_PRICE, "
            "TTL_TRD_QNTY\n"
            "AAA, EQ, 02-Jan-2014, 1, 10, 12, 9.5, 1, 11, 1200\nAAA, EQ, 03-Jan-2014, 1, 11, 11.5, 10, 1, 10.5, 200\n"
            "ZZ, GS, 03-Jan-2014, 1, 1, 2, 1, 1, 1, -\n"
        ),
    ),
    "one day of all stocks": (
        "any.json",
        json.dumps(
            [
                {"T": "AAA", "v": v, "o": o, "c": c, "h": h, "l": low, "t": stamp(d, "16:00", "America/New_York", 1000)}
                for d, o, h, low, c, v in ROWS
            ]
        ),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_read_as_their_publishers_mean_them(layout: str, tmp_path: Path, now: pd.Timestamp) -> None:
    name, content = LAYOUTS[layout]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (imported,) = read_files([path], now=now)
    assert rows_of(imported, "AAA.NS" if layout.startswith("india") else "AAA") == ROWS
    assert imported.refused == []


def test_what_was_assumed_of_a_layout_is_said(load: Load) -> None:
    def notes(layout: str) -> str:
        name, content = LAYOUTS[layout]
        return "; ".join(load(content, name).files[0].notes)

    assert "close is read from 'Price'" in notes("investing")
    assert "no header: its columns are taken as open time, open, high" in notes("binance, without a header")
    assert "1 rows of other series than EQ (BE) are left out" in notes("india, udiff")
    assert "AAA is AAA.NS" in notes("india, udiff")
    assert "2 symbols side by side" in notes("yfinance, fields over tickers")
    assert "read as Windows-1252" in notes("german, windows")
    assert "2 lines above the header are skipped" in notes("titles above the header, a page's foot")


def test_the_rows_of_a_wide_table_without_prices_are_no_bars_of_that_symbol(load: Load) -> None:
    name, content = LAYOUTS["yfinance, fields over tickers"]
    imported = load(content, name)
    assert [row[0] for row in rows_of(imported, "BBB")] == ["2014-01-02"]
    broken = load(str(content).replace("10.5,,11.5", "10.5,3,11.5"), name)
    (refusal,) = broken.refused
    assert (refusal.symbol, refusal.row, refusal.column, refusal.why) == ("BBB", 5, "Open", "is missing")


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        ("Date,High,Low,Close", "2014-01-02,12,9,11", "has no column for open (its header: 'Date', 'High', 'Low'"),
        ("Date,AAPL,MSFT", "2014-01-02,12,9", "has no column for open, high, low, close"),
        ("Date,Open_Bid,High_Bid,Low_Bid,Close_Bid", "2014-01-02,1,2,1,2", "has no column for open, high, low, close"),
        ("Date,Close_AAA,Close_BBB", "2014-01-02,1,2", "has no column for open, high, low, close"),
    ],
)
def test_what_a_layout_lacks_is_named(header: str, cells: str, message: str, load: Load) -> None:
    (refusal,) = load(f"{header}\n{cells}\n").refused
    assert message in refusal.describe()


def test_a_symbol_without_all_columns_is_left_out_of_a_wide_table_and_named(load: Load) -> None:
    header = "Date," + ",".join(f"{f}_AAA" for f in ("Open", "High", "Low", "Close")) + ",Close_BBB"
    imported = load(header + "\n2014-01-02,1,2,1,2,5\n", "any.csv")
    assert imported.bars is not None
    assert imported.bars.symbols == ("AAA",)
    assert "BBB has no open, high, low: left out" in imported.files[0].notes


@pytest.mark.parametrize("name", ["BTCUSDT-1d-2014-01.csv", "BTCUSDT.csv"])
def test_candles_are_of_coins(name: str, tmp_path: Path, now: pd.Timestamp) -> None:
    (tmp_path / name).write_text(candles(1000))
    imported = read_bars([tmp_path / name], now=now)
    assert imported.bars is not None
    assert imported.bars.symbols == ("BTC-USDT",)


TIMED = {
    "metatrader, hours": "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\n"
    + "".join(f"2014.01.02\t{h:02d}:00:00\t10\t12\t9.5\t11\n" for h in range(24)),
    "hours": "Date,Open,High,Low,Close\n" + "".join(f"2014-01-02 {h:02d}:00,10,12,9.5,11\n" for h in range(24)),
    "hours, since 1970": "time,open,high,low,close\n"
    + "".join(f"{1388620800 + 3600 * h},10,12,9.5,11\n" for h in range(24)),
}


@pytest.mark.parametrize("layout", TIMED)
def test_no_hour_is_taken_for_a_day(layout: str, load: Load) -> None:
    imported = load(TIMED[layout], calendar="24/7")
    assert imported.bars is None
    assert all("has a time of day, and tenor takes daily bars" in refusal.why for refusal in imported.refused)


def wide(bars: Bars) -> pd.DataFrame:
    frame = bars.frame.rename(
        columns={
            "open": "Open",
            "high": "High",
            "low": "Low",
            "close": "Close",
            "adj_close": "Adj Close",
            "volume": "Volume",
        }
    )
    table = frame.pivot_table(index="session", columns="symbol", dropna=False, observed=False)
    return table.rename_axis(columns=["Price", "Ticker"], index="Date")


WRITERS: dict[str, Callable[[Bars, Path], Path]] = {}


def writer(suffix: str) -> Callable[[Callable[[Bars, Path], None]], Callable[[Bars, Path], None]]:
    def register(write: Callable[[Bars, Path], None]) -> Callable[[Bars, Path], None]:
        def named(bars: Bars, folder: Path) -> Path:
            write(bars, folder / f"all.{suffix}")
            return folder / f"all.{suffix}"

        WRITERS[write.__name__] = named
        return write

    return register


@writer("csv")
def stacked_csv(bars: Bars, path: Path) -> None:
    wide(bars).to_csv(path)


@writer("csv")
def swapped_csv(bars: Bars, path: Path) -> None:
    wide(bars).swaplevel(axis=1).sort_index(axis=1).to_csv(path)


@writer("parquet")
def stacked_parquet(bars: Bars, path: Path) -> None:
    wide(bars).to_parquet(path)


@writer("parquet")
def joined_parquet(bars: Bars, path: Path) -> None:
    table = wide(bars)
    table.set_axis([f"{ticker}_{price}" for price, ticker in table.columns], axis=1).to_parquet(path)


@writer("csv")
def comma_csv(bars: Bars, path: Path) -> None:
    frame = bars.frame.assign(session=bars.frame["session"].dt.strftime("%d.%m.%Y"))
    frame = frame.rename(columns={"session": "Datum", "symbol": "Ticker", "open": "Eröffnung", "close": "Schluss"})
    frame.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-16")


@writer("csv")
def grouped_csv(bars: Bars, path: Path) -> None:
    frame = bars.frame.assign(session=bars.frame["session"].dt.strftime("%b %d, %Y"))
    numbers = ["open", "high", "low", "close", "adj_close", "volume"]
    frame[numbers] = frame[numbers].map(lambda x: f"{np.format_float_positional(x, trim='0'):s}")
    frame[numbers] = frame[numbers].map(lambda t: f"${int(t.split('.')[0]):,}.{t.split('.')[1]}")
    frame.rename(columns={"session": "Date", "symbol": "Ticker"}).to_csv(path, index=False)


@writer("jsonl")
def lines_of_json(bars: Bars, path: Path) -> None:
    frame = bars.frame.assign(t=bars.frame["session"].astype("datetime64[ms]").astype("int64")).drop(columns="session")
    short = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "symbol": "ticker"}
    path.write_text("".join(json.dumps(row) + "\n" for row in frame.rename(columns=short).to_dict("records")))


@pytest.mark.parametrize("layout", WRITERS)
@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_bars_written_in_a_layout_come_back_to_the_bit(
    tmp_path: Path, bars_of: Callable[..., Bars], now: pd.Timestamp, layout: str, seed: int, symbols: int
) -> None:
    bars = bars_of(symbols=symbols, sessions=30, seed=seed)
    (imported,) = read_files([WRITERS[layout](bars, tmp_path)], now=now)
    assert imported.refused == []
    assert imported.bars is not None
    assert imported.bars.fingerprint() == bars.fingerprint()
