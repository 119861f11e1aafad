"""Everything that is wrong with files: it is named, and the rest is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.errors import DataError
from tenor.ingest.files import FileBatch, check_bars, read_bars, read_batches, read_files

Load = Callable[..., FileBatch]
YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n"
GOOD = "2014-01-03,11,11.5,10,10.5,10,200\n"


def rows_of(imported: FileBatch) -> list[tuple[object, ...]]:
    assert imported.bars is not None
    frame = imported.bars.frame.assign(session=imported.bars.frame["session"].dt.strftime("%Y-%m-%d"))
    return list(frame.itertuples(index=False, name=None))


def only(imported: FileBatch) -> str:
    (refusal,) = imported.refused
    return refusal.describe()


BAD_ROWS = {
    "text in a number": ("2014-01-02,10,12,9.5,abc,10.5,100", "row 2: Close 'abc' is not a number: correct it or drop"),
    "thousands": ('2014-01-02,"1,000",12,9.5,11,10.5,100', "row 2: Open '1,000' is not a number"),
    "text in the volume": ("2014-01-02,10,12,9.5,11,10.5,many", "row 2: Volume 'many' is not a number"),
    "negative price": ("2014-01-02,10,12,-9.5,11,10.5,100", "row 2: Low '-9.5' is not positive: correct it or drop"),
    "zero price": ("2014-01-02,0,12,9.5,11,10.5,100", "row 2: Open '0' is not positive"),
    "negative volume": ("2014-01-02,10,12,9.5,11,10.5,-1", "row 2: Volume '-1' is negative or not finite"),
    "infinite": ("2014-01-02,10,inf,9.5,11,10.5,100", "row 2: High 'inf' is not finite"),
    "overflow": ("2014-01-02,10,1e999,9.5,11,10.5,100", "row 2: High '1e999' is not finite"),
    "high below low": ("2014-01-02,10,9,9.5,11,10.5,100", "row 2: High '9 < 9.5' is below low: swap or correct"),
    "null row": ("2014-01-02,null,null,null,null,null,null", "row 2: Close 'null' has no prices: nothing to do"),
    "one cell missing": ("2014-01-02,10,12,9.5,11,,100", "row 2: Adj Close '' is missing: fill it in or drop"),
    "no date": (",10,12,9.5,11,10.5,100", "row 2: Date '' is missing: write dates as YYYY-MM-DD"),
    "odd date": ("yesterday,10,12,9.5,11,10.5,100", "row 2: Date 'yesterday' is not a date that tenor can read"),
    "no such day": ("2014-02-30,10,12,9.5,11,10.5,100", "row 2: Date '2014-02-30' is not a day of the calendar"),
    "time of day": ("2014-01-02 16:00,10,12,9.5,11,10.5,100", "row 2: Date '2014-01-02 16:00' has a time of day"),
    "short line": ("2014-01-02,10,12", "row 2: row '2014-01-02,10,12' does not have the 7 columns of the header"),
    "long line": ("2014-01-02,10,12,9.5,11,10.5,100,7", "does not have the 7 columns of the header: complete the line"),
    "saturday": ("2014-01-04,10,12,9.5,11,10.5,100", "row 2: Date '2014-01-04' is not a session of XNYS: choose the"),
    "holiday": (
        "2014-01-01,10,12,9.5,11,10.5,100",
        "'2014-01-01' is not a session of XNYS: choose the exchange with --cal",
    ),
    "today": ("2020-06-01,10,12,9.5,11,10.5,100", "'2020-06-01' is not over yet (it is 2020-06-01 12:00 UTC)"),
    "future": ("2031-01-02,10,12,9.5,11,10.5,100", "'2031-01-02' is not over yet"),
    "far future": ("9999-12-31,10,12,9.5,11,10.5,100", "'9999-12-31' is not over yet"),
    "far past": ("0001-01-03,10,12,9.5,11,10.5,100", "'0001-01-03' lies before the calendar of XNYS begins"),
    "again": (GOOD.strip(), "row 3: Date '2014-01-03' repeats row 2 of the same day: nothing to do: one is imported"),
    "otherwise": (
        "2014-01-03,11,11.5,10,10.6,10,200",
        "row 3: Date '2014-01-03' has other values than row 2 of the same day: keep the right one",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_named_and_the_rest_is_kept(tmp_path: Path, case: str, load: Load) -> None:
    row, message = BAD_ROWS[case]
    imported = load(YAHOO + row + "\n" + GOOD)
    assert message in only(imported)
    assert only(imported).startswith(f"{tmp_path / 'AAA.csv'} row ")
    assert only(imported).endswith(".")
    assert len(rows_of(imported)) == 1
    (summary,) = imported.files
    assert (summary.rows, summary.usable, summary.refused, summary.symbols) == (2, 1, 1, 1)


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("AAA.csv", b"", "AAA.csv: is empty: export it again"),
    "blank": ("AAA.csv", b" \n\n ", "is empty"),
    "header only": ("AAA.csv", YAHOO.encode(), "has a header but no rows"),
    "other columns": (
        "AAA.csv",
        b"when,price\n2014-01-02,10\n",
        "has no column for date, open, high, low, close (its header: 'when', 'price'): name the columns date, open",
    ),
    "no close": ("AAA.csv", b"date,open,high,low,settle\n2014-01-02,1,2,1,2\n", "has no column for close (its header:"),
    "no header": ("AAA.csv", b"2014-01-02,1,2,1,2,2,9\n", "has no column for date"),
    "junk": ("AAA.csv", bytes(range(256)) * 40, "is not text: tenor reads CSV and Parquet"),
    "junk as parquet": ("AAA.parquet", bytes(range(256)) * 40, "is not a readable Parquet file"),
    "half a parquet": ("AAA.parquet", b"PAR1" + b"\x15\x00" * 99, "is not a readable Parquet file"),
    "a name that is not a symbol": (
        "my prices of today.csv",
        (YAHOO + GOOD).encode(),
        "its own name is not a symbol: add a column ti",
    ),
    "two symbols side by side": (
        "AAA.csv",
        b"Price,Close,Close\nTicker,AAA,BBB\nDate,,\n2014-01-02,1,2\n",
        "has no column for open, high, low of AAA (its fields: 'Date', 'Close', 'Close')",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_as_a_whole_beside_good_ones(tmp_path: Path, case: str, now: pd.Timestamp) -> None:
    name, content, message = BAD_FILES[case]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "ZZZ.csv").write_text(YAHOO + GOOD)
    imported = read_bars([tmp_path], now=now)
    (refusal,) = imported.refused
    assert message in refusal.describe() or message in refusal.describe().replace(" is ", ": is ", 1)
    assert (refusal.row, refusal.kind) == (0, "file")
    assert imported.bars is not None
    assert imported.bars.symbols == ("ZZZ",)


def test_nothing_usable_is_no_bars(load: Load) -> None:
    assert load("").bars is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "missing.csv", "there is no such file or folder: check the path"),
        (lambda folder: folder, "the folder has no file that ends in .csv"),
    ],
)
def test_nothing_there(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_bars([make(tmp_path)])


def test_days_of_other_exchanges(load: Load) -> None:
    saturday = YAHOO + "2014-01-04,10,12,9.5,11,10.5,100\n"
    assert load(saturday).bars is None
    assert len(rows_of(load(saturday, calendar="24/7"))) == 1
    # half a day in some places is a whole session in New York
    assert len(rows_of(load(YAHOO + "2013-12-31,10,12,9.5,11,10.5,100\n"))) == 1


def test_a_session_counts_once_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "AAA.csv"
    path.write_text(YAHOO + "2020-06-01,10,12,9.5,11,10.5,100\n")
    for moment, kept in (("2020-06-01 19:59", 0), ("2020-06-01 20:00", 1)):  # New York closes at 16:00 EDT
        imported = read_bars([path], now=pd.Timestamp(moment, tz="UTC"))
        assert len(imported.bars.frame if imported.bars else []) == kept, moment


def test_intraday_rows_of_stooq_are_refused(load: Load) -> None:
    text = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\nAAA.US,5,20140102,153500,10,12,9,11,1\n"
    assert "<PER> '5' is not a daily bar: export daily bars" in only(load(text))


def test_row_numbers_stand_for_lines_of_the_file(load: Load) -> None:
    days = pd.bdate_range("2014-01-02", "2014-06-30").strftime("%Y-%m-%d")
    lines = [YAHOO.strip(), *(f"{day},10,12,9.5,11,10.5,100" for day in days)]
    for line, text in ((10, "short,line"), (20, ""), (50, "2014-03-12,x,12,9.5,11,10.5,100"), (90, "a,b")):
        lines.insert(line - 1, text)
    imported = load("\n".join(lines))
    named = {r.row: r.kind for r in imported.refused}
    assert {10: "row", 50: "number", 90: "row"}.items() <= named.items()
    for row, kind in named.items():
        if kind == "off_calendar":
            (refusal,) = (r for r in imported.refused if r.row == row)
            assert lines[row - 1].startswith(refusal.value)


def test_folders_are_read_whole_and_hidden_files_passed_over(tmp_path: Path, now: pd.Timestamp) -> None:
    for name in ("AAA.csv", "deep/er/bbb.us.txt", ".hidden/CCC.csv", "deep/.DDD.csv", "notes.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(YAHOO + GOOD)
    imported = read_bars([tmp_path], now=now)
    assert imported.bars is not None
    assert imported.bars.symbols == ("AAA", "BBB")
    assert [Path(f.file).name for f in imported.files] == ["AAA.csv", "bbb.us.txt"]


def test_a_later_file_revises_an_earlier_one(tmp_path: Path, now: pd.Timestamp) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    (tmp_path / "1" / "AAA.csv").write_text(YAHOO + GOOD)
    (tmp_path / "2" / "AAA.csv").write_text(YAHOO + GOOD.replace("200", "300"))
    batches = list(read_files([tmp_path], now=now))
    assert [b.bars.frame["volume"].tolist() for b in batches if b.bars] == [[200.0], [300.0]]
    assert rows_of(read_bars([tmp_path], now=now))[0][-1] == 300.0


def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: pd.Timestamp) -> None:
    monkeypatch.setattr("tenor.ingest.files.bar_files._BATCH_ROWS", 2)
    for i in range(5):
        (tmp_path / f"S{i}.csv").write_text(YAHOO + GOOD)
    assert [len(b.bars.frame) for b in read_batches([tmp_path], now=now) if b.bars] == [2, 2, 1]


@settings(max_examples=60)
@given(st.lists(st.tuples(*[st.text(max_size=8)] * 7), min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]))
def test_whatever_the_cells_hold_rows_are_kept_or_named(
    load: Load, rows: list[tuple[str, ...]], delimiter: str
) -> None:
    lines = [delimiter.join(row) for row in [tuple(YAHOO.strip().split(",")), *rows]]
    imported = load("\n".join(lines).encode("utf-8", "replace"))
    (summary,) = imported.files
    assert summary.usable == len(imported.bars.frame if imported.bars else [])
    assert summary.refused == len(imported.refused)
    for refusal in imported.refused:
        assert refusal.why
        assert refusal.remedy


@settings(max_examples=25)
@given(st.binary(max_size=400), st.sampled_from([".csv", ".parquet", ".txt"]))
def test_whatever_the_bytes_are_the_file_is_refused_or_read(load: Load, junk: bytes, suffix: str) -> None:
    imported = load(junk, f"AAA{suffix}")
    assert imported.bars is None
    assert imported.refused


def test_each_symbol_keeps_its_own_markets_days(tmp_path: Path, now: pd.Timestamp) -> None:
    rows = [
        ("AAA", "2016-07-04"),  # a holiday in New York
        ("BBB.DE", "2016-07-04"),
        ("CCC.T", "2016-07-18"),  # a holiday in Tokyo
        ("AAA", "2016-07-18"),
        ("BTC-USD", "2016-07-17"),  # a Sunday
        ("EURUSD=X", "2016-07-17"),
    ]
    lines = [f"{symbol},{day},1,2,1,2,5" for symbol, day in rows]
    (tmp_path / "all.csv").write_text("\n".join(["ticker,date,open,high,low,close,volume", *lines]))
    imported = read_bars([tmp_path / "all.csv"], now=now)
    assert imported.bars is not None
    kept = imported.bars.frame[["symbol", "session"]].astype("str").to_numpy().tolist()
    assert kept == [["AAA", "2016-07-18"], ["BBB.DE", "2016-07-04"], ["BTC-USD", "2016-07-17"]]
    assert {r.row: r.why for r in imported.refused} == {
        2: "is not a session of XNYS",
        4: "is not a session of XTKS",
        7: "is not a session of 24/5",
    }
    reports = {r.symbol: r for r in check_bars(imported.bars)}
    assert all(r.clean for r in reports.values())
    assert check_bars(imported.bars, calendar="XNYS")[2].off_calendar == 1
