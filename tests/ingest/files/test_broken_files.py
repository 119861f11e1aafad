"""One broken file never ends the import of a folder: it is one refusal, and the others are kept."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenor.cli import main
from tenor.ingest.files import read_bars

NOW = pd.Timestamp("2020-06-01 12:00", tz="UTC")
GOOD: dict[str, Any] = {"Date": [dt.date(2014, 1, 2)], "open": [10.0], "high": [12.0], "low": [9.5], "close": [11.0]}

PARQUET: dict[str, tuple[dict[str, Any], str]] = {
    "a zone that there is not": (
        {"Date": pa.array([1_388_620_800_000_000], pa.timestamp("us", tz="Moon/Tycho"))},
        "can't be read (",
    ),
    "a list": ({"close": pa.array([[11.0]])}, "has 'close' of type list<element: double>: write one value a cell"),
    "a structure": ({"close": pa.array([{"a": 1}])}, "has 'close' of type struct<a: int64>"),
    "a map": ({"close": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))}, "has 'close' of type map<"),
    "a list of days": ({"Date": pa.array([["2014-01-02"]])}, "has 'Date' of type list<"),
    "a list of symbols": ({"ticker": pa.array([["AAA"]])}, "has 'ticker' of type list<"),
    "bytes that are no text": ({"Date": pa.array([b"\xff\xfe"])}, "has 'Date' of bytes that are not UTF-8"),
    "a symbol of such bytes": ({"ticker": pa.array([b"\xff\xfe"])}, "has 'ticker' of bytes that are not UTF-8"),
    "yes and no": ({"close": pa.array([True])}, "has 'close' of type bool"),
    "a length of time": ({"Date": pa.array([dt.timedelta(1)])}, "has 'Date' of type duration"),
    "a time of day": ({"Date": pa.array([dt.time(1, 2)])}, "'01:02:00.000000' is not a date that tenor can read"),
    "nothing but nulls": ({"close": pa.nulls(1)}, "close '' is missing"),
}


@pytest.mark.parametrize("case", PARQUET)
def test_a_broken_parquet_is_refused_beside_good_files(tmp_path: Path, case: str) -> None:
    cells, message = PARQUET[case]
    pq.write_table(pa.table({**GOOD, **cells}), tmp_path / "MMM.parquet")
    for name in ("AAA", "ZZZ"):
        pq.write_table(pa.table(GOOD), tmp_path / f"{name}.parquet")
    imported = read_bars([tmp_path], now=NOW)
    (refusal,) = imported.refused
    assert message in refusal.describe()
    assert Path(refusal.file).name == "MMM.parquet"
    assert imported.bars is not None
    assert imported.bars.symbols == ("AAA", "ZZZ")


@pytest.mark.parametrize(
    "cells",
    [
        {"Date": pa.array([b"2014-01-02"])},
        {"Date": pa.array(["2014-01-02"]).cast(pa.large_string())},
        {"Date": pa.array(["2014-01-02"]).cast(pa.string_view())},
        {"Date": pa.array([20140102]).dictionary_encode()},
        {"close": pa.array([11.0]).dictionary_encode()},
        {"close": pa.array(["11,0"]), "low": pa.array(["9,50"])},
    ],
)
def test_cells_of_other_types_are_read(tmp_path: Path, cells: dict[str, Any]) -> None:
    pq.write_table(pa.table({**GOOD, **cells}), tmp_path / "AAA.parquet")
    imported = read_bars([tmp_path], now=NOW)
    assert imported.refused == []
    assert imported.bars is not None
    assert imported.bars.frame[["low", "close"]].to_numpy().tolist() == [[9.5, 11.0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("[1, 2]", "has no list of JSON objects"),
        ("{", "has no list of JSON objects"),
        ('{"results": [{"o": 1, "t": 1}]}', "has no column for high, low, close (its header: 'o', 't')"),
        ("[" * 100_000, "has no list of JSON objects"),
        ('[{"t": 1388620800, "o": [1], "h": 2, "l": 1, "c": 1}]', "o '[1]' is not a number"),
    ],
)
def test_broken_json_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "AAA.json").write_text(content)
    imported = read_bars([tmp_path / "AAA.json"], now=NOW)
    assert message in imported.refused[0].describe()


def test_a_broken_line_of_json_is_named(tmp_path: Path) -> None:
    line = json.dumps({"t": 1388620800000, "o": 10, "h": 12, "l": 9, "c": 11})
    (tmp_path / "AAA.jsonl").write_text(f"{line}\noops\n")
    (refusal,) = read_bars([tmp_path / "AAA.jsonl"], now=NOW).refused
    assert (refusal.row, refusal.value, refusal.why) == (2, "oops", "is not a JSON object")


def test_words_for_a_missing_symbol_are_no_symbols(tmp_path: Path) -> None:
    words = ["AAA", "nan", "None", "N/A", "null", "-", "NAN", "NA"]
    rows = "".join(f"{word},2014-01-02,10,12,9.5,11\n" for word in words)
    (tmp_path / "all.csv").write_text("ticker,Date,Open,High,Low,Close\n" + rows)
    imported = read_bars([tmp_path], now=NOW)
    assert imported.bars is not None
    assert imported.bars.symbols == ("AAA", "NA", "NAN")
    assert [(r.row, r.value, r.why) for r in imported.refused] == [
        (row, word, "is not a symbol") for row, word in enumerate(words[1:6], 3)
    ]


def test_the_command_reports_the_broken_file_and_keeps_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    pq.write_table(pa.table(GOOD), folder / "AAA.parquet")
    for name, (cells, _) in enumerate(PARQUET.values()):
        pq.write_table(pa.table({**GOOD, **cells}), folder / f"B{name}.parquet")
    assert main(["data", "import", str(folder), "--store", str(tmp_path / "lake"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["bars"]["new"] == 1
    assert len(result["refused"]) == len(PARQUET)
