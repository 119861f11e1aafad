"""Numbers as people write them: the marks of a file mean one thing, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.ingest.files import FileBatch, Reading, read_bars

NOW = pd.Timestamp("2020-06-01 12:00", tz="UTC")
DAYS = ["2014-01-02", "2014-01-03", "2014-01-06", "2014-01-07", "2014-01-08", "2014-01-09", "2014-01-10"]
Rows = list[tuple[str, str, str, str, str]]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., FileBatch]:
    """``read(rows, delimiter)``: a file whose rows have the texts open, high, low, close and volume."""

    def _read(rows: Rows, delimiter: str = ";", **options: object) -> FileBatch:
        path = tmp_path / "AAA.csv"
        lines = [delimiter.join('"' + cell + '"' for cell in (day, *row)) for day, row in zip(DAYS, rows, strict=False)]
        path.write_text("\n".join([delimiter.join(("Date", "Open", "High", "Low", "Close", "Volume")), *lines]))
        return read_bars([path], now=NOW, reading=Reading.of(**options))  # type: ignore[arg-type]

    return _read


def values(imported: FileBatch) -> list[list[float]]:
    assert imported.bars is not None, [r.describe() for r in imported.refused]
    return imported.bars.frame[["open", "high", "low", "close", "volume"]].to_numpy().tolist()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("10,5", "12", "9,25", "11", "1.200"), [10.5, 12, 9.25, 11, 1200]),
        (("1.003,50", "1.010", "998,25", "1.000,1", "12.345.678"), [1003.5, 1010, 998.25, 1000.1, 12345678]),
        (("1,003.50", "1,010", "998.25", "1,000.1", "12,345,678"), [1003.5, 1010, 998.25, 1000.1, 12345678]),
        (("1 003,50", "1 010", "998,25", "1 000,1", "12 345"), [1003.5, 1010, 998.25, 1000.1, 12345]),
        (("1\u00a0003,500", "1\u202f010", "998", "1 000", "12 345"), [1003.5, 1010, 998, 1000, 12345]),
        (("1'003.50", "1’010", "998.25", "1'000.1", "12'345"), [1003.5, 1010, 998.25, 1000.1, 12345]),
        (("1,23,456.50", "1,24,000", "1,20,000", "1,22,000", "12,34,567"), [123456.5, 124000, 120000, 122000, 1234567]),
        (("$10.50", "$12.00", "$9.25", "$11.00", "1.2M"), [10.5, 12, 9.25, 11, 1.2e6]),
        (("10,50 €", "12,00 €", "9,25 €", "11,00 €", "1,69 Mio."), [10.5, 12, 9.25, 11, 1.69e6]),
        (("USD 10.50", "USD 12", "USD 9.25", "USD 11", "845.2K"), [10.5, 12, 9.25, 11, 845200]),
        (("R$ 10,50", "R$ 12,00", "R$ 9,25", "R$ 11,00", "1,5B"), [10.5, 12, 9.25, 11, 1.5e9]),
        (("₹1,234.75", "₹1,235.00", "₹1,230.00", "₹1,234.10", "1.5 Cr"), [1234.75, 1235, 1230, 1234.1, 1.5e7]),
        (("10.50", "12", "9.25", "11", "-"), [10.5, 12, 9.25, 11, 0]),
        ((".5", "0.625", "0.125", "+0.5", "107.456"), [0.5, 0.625, 0.125, 0.5, 107.456]),
    ],
)
def test_numbers_as_people_write_them(
    cells: tuple[str, ...], expected: list[float], read: Callable[..., FileBatch]
) -> None:
    imported = read([cells])
    assert values(imported) == [pytest.approx(expected, rel=1e-15)]
    assert imported.refused == []


def test_days_above_a_thousand_are_not_lost(read: Callable[..., FileBatch]) -> None:
    rows = [("985.20", "988.20", "982.20", "986.20", "10"), ("998.90", "1,001.90", "995.90", "999.90", "10"),
            ("1,002.30", "1,005.30", "999.30", "1,003.30", "10")]  # fmt: skip
    imported = read(rows, ",")
    assert [row[3] for row in values(imported)] == [986.2, 999.9, 1003.3]


GROUPED = ("1.003", "1.010", "1.001", "1.005", "0")


def test_a_mark_that_may_be_either_refuses_the_file_until_it_is_said(read: Callable[..., FileBatch]) -> None:
    imported = read([GROUPED])
    (refusal,) = imported.refused
    assert imported.bars is None
    assert (refusal.row, refusal.column, refusal.value, refusal.kind) == (2, "Open", "1.003", "file")
    assert "may have a decimal mark or a thousands separator: say which with --decimal point or" in refusal.describe()
    assert values(read([GROUPED], decimal="point"))[0][0] == 1.003
    assert values(read([GROUPED], decimal="comma"))[0][0] == 1003


@pytest.mark.parametrize(
    ("rows", "delimiter", "first"),
    [
        ([GROUPED, ("998", "1.004", "991", "995", "0")], ";", 1003),  # 998 beside 1.004 in one row
        ([GROUPED, ("998", "999", "991", "995", "0")], ";", 1003),  # the closes would jump
        ([("1.003", "1.010", "1.001", "1.005", "1.234.567")], ";", 1003),  # the volume has points
        ([("1.003", "1.010", "1.001", "1.005", "1,234,567")], ";", 1.003),  # the volume has commas
        ([("1.003", "1.010", "1.001", "1.005", "1234567")], ",", 1.003),  # the volume has no marks
        ([("1.003", "1.010", "1.001", "1.005", "1234567")], ";", None),  # where commas are common it proves nothing
        ([GROUPED, ("1.0031", "1.010", "1.001", "1.005", "0")], ";", 1.003),  # four digits
        ([GROUPED, ("0.998", "1.010", "0.991", "0.995", "0")], ";", 1.003),  # no number begins with 0.
        ([("1,003", "1,010", "1,001", "1,005", "1,234,567")], ",", 1003),
        ([("1,003", "1,010", "1,001", "1,005", "0")], ",", None),
        # whole prices beside a plain volume look like this in a spreadsheet
        ([("1,003", "1,010", "1,001", "1,005", "1234567")], ";", None),
        (
            [("1,003", "1,010", "1,001", "1,005", "1234567"), ("1,004", "1,011", "1,000", "1,010", "2345678")],
            "\t",
            None,
        ),
        ([("1,003", "1,010", "1,001", "1,005", "1234567"), ("1,004", "1,01", "1,000", "1,010", "234567")], ";", 1.003),
        ([("1,003", "1,010", "1,001", "1,005", "1234567"), ("998", "1,010", "990", "1,001", "234567")], ";", 1003),
    ],
)
def test_what_decides_what_a_mark_means(
    rows: Rows, delimiter: str, first: float | None, read: Callable[..., FileBatch]
) -> None:
    imported = read(rows, delimiter)
    assert (values(imported)[0][0] if imported.bars else None) == first
    assert (first is None) == (imported.refused != [])


@pytest.mark.parametrize(
    ("header", "day", "delimiter", "first"),
    [
        ("Date", "2014-01-02", ",", 153.25), ("Date", "20140102", "\t", 153.25), ("<DATE>", "2014.01.02", "\t", 153.25),
        ("Datum", "31.01.2014", ",", None), ("Datum", "31.01.2014", "\t", None), ("Date", "2014-01-02", ";", None),
    ],
)  # fmt: skip
def test_a_program_that_writes_a_plain_volume_writes_plain_prices(
    header: str, day: str, delimiter: str, first: float | None, tmp_path: Path
) -> None:
    """A spreadsheet may show 153.250 for a whole price, but then it shows dates in its country's manner as well."""
    path = tmp_path / "AAA.csv"
    rows = [
        [header, "Open", "High", "Low", "Close", "Volume"],
        [day, "153.250", "154.000", "153.000", "153.500", "98765"],
    ]
    path.write_text("\n".join(map(delimiter.join, rows)))
    imported = read_bars([path], now=NOW)
    assert (values(imported)[0][0] if imported.bars else None) == first


@pytest.mark.parametrize(("mark", "expected"), [("comma", 1.003), ("point", 1003)])
def test_the_user_says_what_a_comma_beside_a_plain_volume_is(
    mark: str, expected: float, read: Callable[..., FileBatch]
) -> None:
    assert values(read([("1,003", "1,010", "1,001", "1,005", "1234567")], decimal=mark))[0][0] == expected


@pytest.mark.parametrize(("stored", "first"), [(980.0, 1003), (1.1, 1.003), (30.0, None)])
def test_the_closes_in_the_lake_decide(stored: float, first: float | None, read: Callable[..., FileBatch]) -> None:
    frame = pd.DataFrame({"symbol": ["AAA"], "session": [pd.Timestamp("2014-01-01")], "close": [stored]})
    imported = read([GROUPED], stored=lambda _: frame)
    assert (values(imported)[0][0] if imported.bars else None) == first
    if first == 1003:
        assert "'1.003' are read as 1003: otherwise closes would be far from those in the lake" in "; ".join(
            imported.files[0].notes
        )


FINE = [("10.25", "12.5", "9.5", "11.5", "7")] * 5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("10.5", "12.5", "9.5", "11.5", "7"), ("10,5", "12,5", "9,5", "11,5", "7")],
            "'10,5' has a decimal comma",
        ),
        ([*FINE, ("10.5*", "12", "9", "11", "7"), ("10.7*", "12", "9", "11", "7")], "'10.5*' is not a number, as 2"),
        ([*FINE, ("10.5%", "12", "9", "11", "7"), ("10.7%", "12", "9", "11", "7")], "'10.5%' is not a number, as 2"),
        (
            [*FINE, ("10", "12", "9", "11", "7 pcs"), ("10", "12", "9", "11", "8 pcs")],
            "Volume '7 pcs' is not a number",
        ),
        ([("$10.5", "$12", "$9", "$11", "7"), ("€10.5", "€12", "€9", "€11", "7")], "is in another currency than other"),
    ],
)
def test_a_file_of_which_rows_of_one_kind_would_be_missing_is_refused_whole(
    rows: Rows, message: str, read: Callable[..., FileBatch]
) -> None:
    imported = read(rows)
    (refusal,) = imported.refused
    assert imported.bars is None
    assert message in refusal.describe()
    assert refusal.row > 0
    assert imported.files[0].rows == len(rows)


def test_a_row_with_another_decimal_mark_is_no_price_a_thousand_times_as_high(read: Callable[..., FileBatch]) -> None:
    imported = read([*FINE, ("10,255", "12,505", "9,505", "11,505", "7"), FINE[0]], ",")
    assert [(refusal.row, refusal.value) for refusal in imported.refused] == [(7, "10,255")]
    assert len(values(imported)) == 6


@pytest.mark.parametrize("cell", ["10.5*", "abc", "12..5", "(10.5", "1,0.5", "10 5"])
def test_a_single_typo_costs_its_row_alone(cell: str, read: Callable[..., FileBatch]) -> None:
    imported = read([*FINE, (cell, "12.5", "9.5", "11.5", "7")])
    (refusal,) = imported.refused
    assert (refusal.row, refusal.column, refusal.value, refusal.kind) == (7, "Open", cell, "number")
    assert len(values(imported)) == 5


def test_lines_of_dividends_in_a_copied_page_are_no_reason_to_refuse_it(read: Callable[..., FileBatch]) -> None:
    imported = read([*FINE, ("0.24 Dividend", "", "", "", ""), ("0.25 Dividend", "", "", "", "")])
    assert len(values(imported)) == 5
    assert [refusal.row for refusal in imported.refused] == [7, 8]


def test_thousands_separators_without_quotes_refuse_the_file(tmp_path: Path) -> None:
    lines = ["2014-01-02,998.5,999.5,997.5,998.5,5", "2014-01-03,1,010.5,1,011.5,999.5,1,010.5,5"]
    lines += ["2014-01-06,1,020.5,1,021.5,1,009.5,1,020.5,5"]
    (tmp_path / "AAA.csv").write_text("Date,Open,High,Low,Close,Volume\n" + "\n".join(lines))
    imported = read_bars([tmp_path], now=NOW)
    (refusal,) = imported.refused
    assert imported.bars is None
    assert (refusal.row, refusal.value) == (3, lines[1][:40])
    assert (
        "has more than the 6 columns of the header, as 2 lines have: put numbers with thousands" in refusal.describe()
    )


NUMBER = st.floats(0.01, 9_999_999.0, allow_nan=False).map(lambda x: round(x, 2))
STYLES = {
    "german": lambda x: f"{x:,.2f}".translate(str.maketrans(",.", ".,")),
    "english": lambda x: f"{x:,.2f}",
    "french": lambda x: f"{x:,.2f}".translate(str.maketrans(",.", "\u202f,")),
    "swiss": lambda x: f"{x:,.2f}".replace(",", "’"),
    "dollars": lambda x: f"${x:,.2f}",
    "euros": lambda x: f"{x:.2f} €".replace(".", ","),
    "plain": lambda x: f"{x:.2f}",
}


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=25)
@given(level=NUMBER, moves=st.lists(st.tuples(st.floats(0.5, 2.0), NUMBER), min_size=1, max_size=len(DAYS)))
def test_numbers_written_in_a_style_come_back_equal(
    style: str, level: float, moves: list[tuple[float, float]], read: Callable[..., FileBatch]
) -> None:
    # open and close lie between low and high, all within a factor that a day can have
    bases = [(level * move, volume) for move, volume in moves]
    rows = [(base, base * 1.2, base / 1.2, base * 1.1, volume) for base, volume in bases]
    rows = [tuple(round(x, 2) for x in row) for row in rows if row[2] >= 0.01]
    write = STYLES[style]
    imported = read([tuple(map(write, row)) for row in rows])
    if rows:
        assert values(imported) == [list(row) for row in rows]
        assert imported.refused == []
