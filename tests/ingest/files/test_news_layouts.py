"""Files of news as publishers, brokers and spreadsheets write them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from tenor.errors import UnusableError
from tenor.ingest.files import FileBatch, Reading, news_tables, read_files
from tenor.ingest.files.column_names import parse_columns
from tenor.ingest.files.news_cells import read_source, read_symbols
from tenor.ingest.files.news_files import is_news_file
from tenor.ingest.files.news_tables import read_rows

NOW = pd.Timestamp("2025-03-01", tz="UTC")
AT = pd.Timestamp("2023-11-14 22:13:20", tz="UTC")
ISO = "2023-11-14T22:13:20Z"


def read(path: Path, columns: Mapping[str, str] | None = None) -> FileBatch:
    (batch,) = read_files([path], now=NOW, reading=Reading.of(columns=columns))
    return batch


def items(batch: FileBatch) -> list[tuple[str, str]]:
    assert batch.news is not None, [r.describe() for r in batch.refused]
    assert set(batch.news.frame["published_at"]) == {AT}
    return list(batch.news.frame[["symbol", "text"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("name", "record"),
    [
        (
            "polygon",
            {"title": "A mill opens", "published_utc": ISO, "tickers": ["ABCD", "EFGH"], "publisher": {"name": "W"}},
        ),
        ("alpaca", {"headline": "A mill opens", "created_at": ISO, "updated_at": ISO, "symbols": ["ABCD", "EFGH"]}),
        ("finnhub", {"headline": "A mill opens", "datetime": 1700000000, "related": "ABCD,EFGH", "summary": "x"}),
        ("newsapi", {"title": "A mill opens", "publishedAt": ISO, "description": "x", "symbol": "ABCD EFGH"}),
        ("reddit", {"title": "A mill opens", "selftext": "", "created_utc": 1700000000.0, "ticker": "$ABCD $EFGH"}),
        ("rss", {"title": "A mill opens", "pubDate": "Tue, 14 Nov 2023 22:13:20 GMT", "ticker": "ABCD;EFGH"}),
        (
            "twitter",
            {"text": "A mill opens", "created_at": "Tue Nov 14 22:13:20 +0000 2023", "cashtags": ["$ABCD", "EFGH"]},
        ),
        (
            "alphavantage",
            {
                "title": "A mill opens",
                "time_published": "20231114T221320",
                "ticker_sentiment": [{"ticker": "ABCD", "score": "0.1"}, {"ticker": "EFGH"}],
            },
        ),
        ("yahoo", {"title": "A mill opens", "providerPublishTime": 1700000000, "relatedTickers": ["ABCD", "EFGH"]}),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "answer"])
def test_publishers_layouts(tmp_path: Path, name: str, record: dict[str, Any], form: str) -> None:
    path = tmp_path / f"{name}.{form if form != 'answer' else 'json'}"
    if form == "csv":  # pandas writes lists as Python does
        pd.DataFrame([record]).to_csv(path, index=False)
    elif form == "jsonl":
        path.write_text(json.dumps(record) + "\n")
    else:
        path.write_text(json.dumps([record] if form == "json" else {"status": "ok", "count": 1, "items": [record]}))
    assert is_news_file(path)
    assert items(read(path)) == [("ABCD", "A mill opens"), ("EFGH", "A mill opens")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiters_and_encodings(tmp_path: Path, delimiter: str, encoding: str) -> None:
    path = tmp_path / "n.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        rows = [("published_at", "headline", "symbol"), (ISO, "Café “Ärger”, 5 € – up; 3 | 4", "ABCD")]
        csv.writer(file, delimiter=delimiter).writerows(rows)
    batch = read(path)
    assert items(batch) == [("ABCD", "Café “Ärger”, 5 € – up; 3 | 4")]
    assert any("Windows-1252" in note for note in batch.files[0].notes) == (encoding == "cp1252")


def test_bytes_of_two_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    line = f"{ISO},Café opens,ABCD\n"
    path.write_bytes(b"published_at,text,symbol\n" + line.encode() + line.encode("cp1252"))
    batch = read(path)
    assert batch.news is None
    assert "is UTF-8 in some places, but not in line 3" in batch.refused[0].why


def test_lines_are_counted_through_quoted_ends_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text(
        f'text,time,symbol\n"one\ntwo, ""three""",{ISO},ABCD\n\nfour,,ABCD\nfive,{ISO}\nsix,{ISO},ABCD,x,y\n'
    )
    batch = read(path)
    assert items(batch) == [("ABCD", 'one two, "three"')]
    assert [(r.row, r.column, r.value, r.why) for r in batch.refused] == [
        (5, "time", "", "is missing"),
        (6, "row", f"five,{ISO}", "has 2 columns, its header 3"),
        (7, "row", f"six,{ISO},ABCD,x,y", "has 5 columns, its header 3"),
    ]


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "null", "N/A", "-", "", "#N/A"])
def test_missing_words_of_texts_and_symbols(tmp_path: Path, word: str) -> None:
    path = tmp_path / "n.csv"
    path.write_text(
        f'time,text,ticker\n{ISO},{word},ABCD\n{ISO},a mill,{word}\n{ISO},a mill opens,ABCD\n{ISO},"-",NAN\n'
    )
    batch = read(path)
    assert items(batch) == [("ABCD", "a mill opens")]
    assert [(r.row, r.value, r.why) for r in batch.refused] == [
        (2, word, "is missing"),
        (3, word, "is missing"),
        (5, "-", "is missing"),
    ]


def test_symbols_in_capitals_that_look_like_missing_words_stay() -> None:
    assert read_symbols("NAN") == (("NAN",), "", 0)
    assert read_symbols("NA, nan") == (("NA",), "", 0)


@pytest.mark.parametrize(
    ("cell", "symbols"),
    [
        ("['ABCD', 'EFGH']", ("ABCD", "EFGH")),
        ('["ABCD", "$EFGH"]', ("ABCD", "EFGH")),
        ("('ABCD', 'EFGH')", ("ABCD", "EFGH")),
        ("{'ABCD', 'EFGH'}", ("ABCD", "EFGH")),
        ("['ABCD' 'EFGH']", ("ABCD", "EFGH")),
        ("[ABCD, EFGH]", ("ABCD", "EFGH")),
        (["ABCD", None, "EFGH", "ABCD"], ("ABCD", "EFGH")),
        ([{"symbol": "ABCD"}, {"name": "EFGH"}], ("ABCD", "EFGH")),
        ("$ABCD|efgh", ("ABCD", "EFGH")),
    ],
)
def test_lists_of_symbols(cell: Any, symbols: tuple[str, ...]) -> None:
    assert read_symbols(cell) == (symbols, "", 0)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("[]", "is missing"),
        ("['nan']", "is missing"),
        ("['a%%b']", "is not a symbol"),
        ("[" * 5000, "is not a symbol"),
        ({}, "is missing"),
        (True, "is not a symbol"),
    ],
)
def test_cells_without_a_symbol(cell: Any, why: str) -> None:
    assert read_symbols(cell)[::2] == ((), 0)
    assert read_symbols(cell)[1] == why


def test_a_refusal_shows_the_cell_cut_to_forty_characters(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text(f"time,text,ticker\n{ISO},a mill,{'&' * 60}\n{ISO},[removed],ABCD\nsoon enough,a mill,ABCD\n")
    shown = [(r.row, r.value) for r in read(path).refused]
    assert shown == [(2, "&" * 39 + "…"), (3, "[removed]"), (4, "soon enough")]


def test_class_shares_of_a_file_that_writes_them_with_a_mark_too(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    cells = ["XYZ B", "AB C, XYZ/A; XYZ A", "XYZ.B", "$F $T", "AB C", "['XYZ B']"]
    path.write_text("time,text,ticker\n" + "".join(f'{ISO},a {i},"{cell}"\n' for i, cell in enumerate(cells)))
    batch = read(path)
    assert sorted(items(batch)) == [
        ("AB", "a 1"), ("AB", "a 4"), ("C", "a 1"), ("C", "a 4"), ("F", "a 3"), ("T", "a 3"),
        ("XYZ-A", "a 1"), ("XYZ-B", "a 0"), ("XYZ-B", "a 2"), ("XYZ-B", "a 5"),
    ]  # fmt: skip
    notes = "; ".join(batch.files[0].notes)
    assert "XYZ B is taken for XYZ-B" in notes
    assert "AB C is read as two symbols: AB-C is not known" in notes


def test_the_order_of_times_is_that_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_tables, "BATCH_ROWS", 2)
    path = tmp_path / "n.csv"
    times = ["2023-11-14 22:13 UTC", "03/04/2020 9:00 UTC", "05/06/2020 9:00 UTC", "30/04/2020 9:00 UTC", "07/08/2020"]
    path.write_text("time,text,ticker\n" + "".join(f"{time},a {i},ABCD\n" for i, time in enumerate(times)))
    batches = list(read_files([path], now=NOW))
    moments = [f"{at:%m-%d}" for batch in batches if batch.news for at in batch.news.frame["published_at"]]
    assert sorted(moments) == ["04-03", "04-30", "06-05", "11-14"]
    assert [r.why for batch in batches for r in batch.refused] == [
        "is a date without a time: it does not say when on that day"
    ]
    assert "times are read day first: some numbers are above 12" in batches[0].files[0].notes


def test_times_without_a_zone_are_refused_for_that_whatever_their_order(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("time,text,ticker\n03/04/2020 9:00,a,ABCD\n05/06/2020 9:00,b,ABCD\n")
    batch = read(path)
    assert batch.news is None
    assert [(r.row, r.why) for r in batch.refused] == [(2, "has no zone"), (3, "has no zone")]


def test_numbers_that_are_no_times_are_one_refusal(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("time,text,ticker\n" + "".join(f"{472_000 + i},a,ABCD\n" for i in range(50)))
    batch = read(path)
    (refusal,) = batch.refused
    assert refusal.describe() == (
        f"{path}: time '472000' and all others would be hours since 1970, but an item needs a time to the minute: "
        "write times with a zone, like 2024-05-01T13:30:00Z."
    )
    assert batch.files[0].refused == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("sep=;\n", "has no header"),
        ("sep=;\ntime;text;ticker\n", "has a header but no rows"),
        ("sep=;\n\n\n", "has no header"),
    ],
)
def test_a_mark_without_a_table_is_refused(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "n.csv"
    path.write_text(content)
    with pytest.raises(UnusableError, match=why):
        list(read_rows(path))


@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_the_mark_that_excel_names_is_taken(tmp_path: Path, mark: str, encoding: str) -> None:
    path = tmp_path / "n.csv"
    rows = [("time", "text", "ticker"), (ISO, "a müll opens", "ABCD")]
    lines = [f"sep={mark}", *(mark.join(row) for row in rows)]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    assert is_news_file(path)
    assert items(read(path)) == [("ABCD", "a müll opens")]
    bars = tmp_path / "AAA.csv"
    table = [("Date", "Open", "High", "Low", "Close"), ("2019-05-06", "10", "12", "9", "11")]
    bars.write_bytes("\r\n".join([f"sep={mark}", *(mark.join(row) for row in table)]).encode(encoding))
    assert read(bars).bars is not None


def test_what_is_left_out_of_a_list_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text(f'time,text,tickers\n{ISO},a mill,"ABCD,B%%B"\n')
    batch = read(path)
    assert items(batch) == [("ABCD", "a mill")]
    assert batch.files[0].notes == ("1 items of lists of symbols are not symbols and were left out",)


def test_the_user_names_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text(f"Titel;Zeit;WKN\nEin Werk;{ISO};ABCD\n")
    assert read(path).news is None
    columns = parse_columns(["text=Titel,published_at=Zeit,symbol=WKN"])
    assert is_news_file(path, columns)
    assert items(read(path, columns=columns)) == [("ABCD", "Ein Werk")]
    other = read(path, columns=parse_columns(["text=Titel,time=Uhrzeit"]))
    assert other.refused[0].why == "has no column 'Uhrzeit' (its header: 'Titel', 'Zeit', 'WKN')"


def test_which_of_several_columns_is_read_is_said_unless_it_was_named(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text(f"title,body,time,ticker\na mill,a long story,{ISO},ABCD\n")
    assert read(path).files[0].notes == ("the text is read from 'title', not 'body'",)
    batch = read(path, columns={"text": "body"})
    assert items(batch) == [("ABCD", "a long story")]
    assert batch.files[0].notes == ()


def test_dates_that_were_written_as_times_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    rows = "".join(f"2024-05-0{day} 00:00:00+00:00,item {day},ABCD\n" for day in range(1, 5))
    path.write_text("time,text,ticker\n" + rows)
    assert "every time is 00:00 UTC" in read(path).files[0].notes[0]


def test_prices_with_a_text_beside_them_are_bars(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("Date,Open,High,Low,Close,Volume,Description\n2024-05-01,1,2,1,2,10,a note\n")
    assert not is_news_file(path)
    own = tmp_path / "o.csv"
    own.write_text("Tag,Schluss,Description\n2024-05-01,2,a note\n")
    assert not is_news_file(own, parse_columns(["date=Tag,close=Schluss"]))


def test_parquet_of_odd_types_is_read_or_refused(tmp_path: Path) -> None:
    seconds = AT.value // 10**9
    odd = pa.table(
        {
            "text": pa.array([b"a mill", b"\xff\xfe", None], pa.binary()),
            "time": pa.array([seconds] * 3, pa.timestamp("s", tz="Nowhere/Nothing")),
            "tickers": pa.array([["ABCD"], ["ABCD"], None], pa.list_(pa.string())),
        }
    )
    pyarrow.parquet.write_table(odd, tmp_path / "odd.parquet")
    batch = read(tmp_path / "odd.parquet")
    assert items(batch) == [("ABCD", "a mill")]
    assert [(r.row, r.why) for r in batch.refused] == [(2, "is not a text"), (3, "is missing")]
    nested = pa.table({"text": [{"a": 1}], "time": [{"b": 2}], "symbol": [{"symbol": "ABCD"}]})
    pyarrow.parquet.write_table(nested, tmp_path / "nested.parquet")
    assert read(tmp_path / "nested.parquet").refused[0].why == "is not a text"


def test_a_json_file_without_news_is_refused_and_passed_over_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"colour": "red"}')
    (tmp_path / "n.jsonl").write_text(json.dumps({"text": "a mill", "time": ISO, "ticker": "ABCD"}))
    assert [len(batch.refused) for batch in read_files([tmp_path], now=NOW)] == [0]
    batch = read(tmp_path / "settings.json")
    assert [r.why for r in batch.refused] == ["is JSON without a table of bars or news (its names: 'colour')"]


@pytest.mark.parametrize("content", ["", "\n", "text,time,symbol\n", 'text,time,symbol\n"never closed,x,y\n'])
def test_files_without_rows_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "n.csv"
    path.write_text(content)
    batch = read(path)
    assert batch.news is None
    assert len(batch.refused) == 1


def test_the_name_of_a_source() -> None:
    assert read_source("Wire", "file") == "Wire"
    assert read_source({"id": None, "name": "Wire"}, "file") == "Wire"
    assert read_source("{'id': None, 'name': 'Wire'}", "file") == "Wire"
    assert [read_source(value, "file") for value in (None, "", "nan", [], float("nan"))] == ["file"] * 5
