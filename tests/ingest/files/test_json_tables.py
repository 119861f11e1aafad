"""Tables in JSON, in the shapes in which pandas and services write them: bars and news come out the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tenor.ingest.files import Reading, read_files
from tenor.ingest.files.bar_files import FileBatch

NOW = pd.Timestamp("2021-06-01", tz="UTC")
DAYS = pd.DatetimeIndex(["2021-03-01", "2021-03-02", "2021-03-03"], name="Date")
FRAME = pd.DataFrame(
    {
        "Open": [41.0, 42, 43],
        "High": [44.0, 45, 46],
        "Low": [40.0, 41, 42],
        "Close": [43.5, 42.5, 44],
        "Volume": [7, 8, 9],
    },
    index=DAYS,
)
DATES = ("epoch", "iso")  # pandas 2 and 3 write them so by default
NAMES = ["Date", *FRAME.columns]
ROWS: list[tuple[Any, ...]] = [
    (f"{day:%Y-%m-%d}", row.Open, row.High, row.Low, row.Close, row.Volume)
    for day, row in zip(DAYS, FRAME.itertuples(index=False), strict=True)
]
SECONDS = [int(day.timestamp()) for day in DAYS.tz_localize("UTC")]
CANDLES = {
    "s": "ok",
    "t": SECONDS,
    **{name[0].lower(): FRAME[name].tolist() for name in FRAME.columns},
}


def read(path: Path, reading: Reading | None = None) -> FileBatch:
    (batch,) = read_files([path], now=NOW, reading=reading)
    return batch


def rows_of(batch: FileBatch, symbol: str) -> list[tuple[Any, ...]]:
    assert batch.bars is not None, batch.refused
    frame = batch.bars.frame
    frame = frame[frame["symbol"] == symbol].assign(session=frame["session"].dt.strftime("%Y-%m-%d"))
    return list(frame[["session", "open", "high", "low", "close", "volume"]].itertuples(index=False, name=None))


PANDAS = [
    *((orient, named, dates) for orient in ("columns", "index", "split") for named in (True, False) for dates in DATES),
    *(("records", True, dates) for dates in DATES),
    *(("table", named, "iso") for named in (True, False)),
]


@pytest.mark.parametrize(("orient", "named", "dates"), PANDAS)
def test_what_pandas_writes(orient: Any, named: bool, dates: Any, tmp_path: Path) -> None:
    path = tmp_path / "QRST.json"
    frame = FRAME.set_axis(pd.Index([1000 * moment for moment in SECONDS], name="Date")) if dates == "epoch" else FRAME
    (frame.reset_index() if named else frame).to_json(path, orient=orient, date_format="iso")
    batch = read(path)
    assert rows_of(batch, "QRST") == ROWS
    assert batch.refused == []


@pytest.mark.parametrize("orient", ["columns", "index", "split"])
@pytest.mark.parametrize("first", ["symbol", "field"])
def test_symbols_side_by_side(orient: Any, first: str, tmp_path: Path) -> None:
    wide = pd.concat({"QRST": FRAME, "UVWX": 2 * FRAME}, axis=1)
    if first == "field":
        wide = wide.swaplevel(axis=1).sort_index(axis=1)
    path = tmp_path / "several.json"
    wide.to_json(path, orient=orient, date_format="iso")
    batch = read(path)
    assert rows_of(batch, "QRST") == ROWS
    assert rows_of(batch, "UVWX") == [(day, *(2 * value for value in values)) for day, *values in ROWS]


DOCUMENTS: dict[str, tuple[str, Any, str]] = {
    "candles": ("QRST.json", CANDLES, "QRST"),
    "candles by symbol": ("all.json", {"QRST": CANDLES, "UV.W": CANDLES}, "UV-W"),
    "candles with their symbol": ("all.json", {"symbol": "QRST", "candles": CANDLES}, "QRST"),
    "a chart": (
        "query.json",
        {
            "chart": {
                "result": [
                    {
                        "meta": {"symbol": "QRST", "currency": "USD"},
                        "timestamp": [moment + 52_200 for moment in SECONDS],
                        "indicators": {
                            "quote": [{name.lower(): FRAME[name].tolist() for name in FRAME.columns}],
                            "adjclose": [{"adjclose": FRAME["Close"].tolist()}],
                        },
                    }
                ],
                "error": None,
            }
        },
        "QRST",
    ),
    "a day an object, with a description": (
        "query.json",
        {
            "Meta Data": {"1. Information": "Daily", "2. Symbol": "QRST"},
            "Time Series (Daily)": {
                day: {"1. open": f"{o}", "2. high": f"{h}", "3. low": f"{low}", "4. close": f"{c}", "5. volume": f"{v}"}
                for day, o, h, low, c, v in ROWS
            },
        },
        "QRST",
    ),
    "names and rows apart": (
        "dump.json",
        {"dataset": {"dataset_code": "QRST", "column_names": NAMES, "data": [list(row) for row in ROWS]}},
        "QRST",
    ),
    "described names and rows apart": (
        "dump.json",
        {
            "datatable": {
                "data": [["QRST", *row] for row in ROWS],
                "columns": [{"name": name, "type": "x"} for name in ("ticker", *NAMES)],
            },
            "meta": {"next_cursor_id": None},
        },
        "QRST",
    ),
    "lists under a header": ("QRST.json", [NAMES, *ROWS], "QRST"),
    "nested": ("QRST.json", {"history": {"day": [dict(zip(NAMES, row, strict=True)) for row in ROWS]}}, "QRST"),
    "klines": (
        "BTCUSDT.json",
        [
            [1000 * t, str(o), str(h), str(low), str(c), str(v), 1000 * t + 86_399_999, "1", 2, "3", "4", "0"]
            for t, (_, o, h, low, c, v) in zip(SECONDS, ROWS, strict=True)
        ],
        "BTC-USDT",
    ),
}


@pytest.mark.parametrize("shape", DOCUMENTS)
def test_answers_of_services(shape: str, tmp_path: Path) -> None:
    name, document, symbol = DOCUMENTS[shape]
    (tmp_path / name).write_text(json.dumps(document))
    batch = read(tmp_path / name)
    assert rows_of(batch, symbol) == ROWS
    assert batch.refused == []


def test_columns_of_different_lengths_are_refused_whole(tmp_path: Path) -> None:
    (tmp_path / "QRST.json").write_text(json.dumps({**CANDLES, "t": SECONDS[:2]}))
    batch = read(tmp_path / "QRST.json")
    assert batch.bars is None
    assert "columns of different lengths (t 2, o 3" in batch.refused[0].describe()


@pytest.mark.parametrize("shape", ["rows", "columns"])
def test_own_names_are_shown_and_can_be_named(shape: str, tmp_path: Path) -> None:
    own = {"Date": "Tag", "Open": "Anfang", "High": "Spitze", "Low": "Tal", "Close": "Ende"}
    frame = FRAME.reset_index().rename(columns=own)[list(own.values())]
    frame["Tag"] = frame["Tag"].dt.strftime("%Y-%m-%d")
    (tmp_path / "QRST.json").write_text(
        frame.to_json(orient="records") if shape == "rows" else json.dumps(frame.to_dict("list"))
    )
    refusal = read(tmp_path / "QRST.json").refused[0].describe()
    assert "'Tag', 'Anfang', 'Spitze', 'Tal', 'Ende'" in refusal
    assert "--columns date=" in refusal
    chosen = {"session" if name == "Date" else name.lower(): title for name, title in own.items()}
    batch = read(tmp_path / "QRST.json", Reading(columns=chosen))
    assert rows_of(batch, "QRST") == [(*row[:5], 0) for row in ROWS]


@pytest.mark.parametrize(
    "write",
    [
        lambda frame: frame.to_json(orient="columns", date_format="iso"),
        lambda frame: frame.to_json(orient="index", date_format="iso"),
        lambda frame: frame.to_json(orient="split", date_format="iso"),
        lambda frame: frame.to_json(orient="table"),
        lambda frame: json.dumps({"status": "ok", "items": frame.astype("str").to_dict("list")}),
    ],
)
def test_news_in_columns(write: Callable[[pd.DataFrame], str], tmp_path: Path) -> None:
    moments = pd.DatetimeIndex(["2021-03-01 12:00", "2021-03-02 12:30", "2021-03-03 09:15"], tz="UTC")
    frame = pd.DataFrame(
        {"headline": ["a mill", "two mills", "a dam"], "published_at": moments, "ticker": ["QRST", "UVWX", "QRST"]}
    )
    (tmp_path / "n.json").write_text(write(frame))
    batch = read(tmp_path / "n.json")
    assert batch.news is not None, batch.refused
    found = batch.news.frame.sort_values("published_at")
    assert list(zip(found["symbol"], found["text"], found["published_at"], strict=True)) == list(
        zip(frame["ticker"], frame["headline"], moments, strict=True)
    )


def test_a_folder_with_other_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "QRST.json").write_text(json.dumps(CANDLES))
    (tmp_path / "settings.json").write_text(json.dumps({"data": {"colour": ["red"], "size": [1]}}))
    batches = list(read_files([tmp_path], now=NOW))
    assert rows_of(batches[0], "QRST") == ROWS
    assert [refusal for batch in batches for refusal in batch.refused] == []
