"""`tenor judge` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from forecast_rows import closes_of, long

import tenor
from tenor.cli import main
from tenor.store import Lake


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    bars = tenor.embedded_bars().select(["AAPL", "BA"])
    Lake(folder / "lake").append_bars(bars, source="test")
    rows = long(closes_of(bars), "price", first="2016-09-01")
    rows.to_csv(folder / "stays.csv", index=False)
    rows.rename(columns={"symbol": "WKN", "session": "date"}).assign(volatility=0.012).to_csv(
        folder / "named.csv", index=False
    )
    (folder / "broken.csv").write_text("symbol,session,horizon,p_up\nAAPL,2016-09-01,1,55\n")
    return folder


def run(folder: Path, *words: str) -> int:
    return main(["judge", *words, "--store", str(folder / "lake"), "--quick", "--workers", "1"])


def test_the_verdict_comes_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = folder / "page.html"
    assert run(folder, str(folder / "stays.csv"), "--report", str(page)) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[0] == "stays: not shown to be worth anything, no better than 'the price stays'."
    assert "squared error of returns, %², next session" in printed
    assert "2 outcome not known yet" in printed
    assert f"report: {page}" in printed
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_json_is_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, str(folder / "stays.csv"), "--json", "--trained-until", "2016-10-03") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["models"][0]["name"] == "stays"
    assert values["models"][0]["findings"][0]["kind"] == "training"


def test_several_files_and_columns_of_other_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = ("--columns", "ticker=WKN,session=date")
    assert run(folder, str(folder / "named.csv"), *columns) == 0
    assert "volatility 1 session ahead: no better than" in capsys.readouterr().out
    assert run(folder, str(folder / "stays.csv"), str(folder / "stays.csv")) == 0
    assert "the 90 % model confidence set is stays, stays (2), persistence" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("broken.csv",), 1, "broken.csv, row 2, column 'p_up': '55' is not within 0 and 1"),
        (("none.csv",), 1, "none.csv is not there: check the path"),
        (("named.csv",), 1, "no column 'symbol'"),
        (("stays.csv", "--columns", "price"), 2, "--columns 'price' is not NAME=COLUMN: write symbol=Datum."),
        (("stays.csv", "--columns", "prise=x"), 2, "'prise' is not a column of tenor's. Did you mean 'price'?"),
        (("stays.csv", "--columns", "price=Kurs"), 1, "has no column 'Kurs'"),
        (("stays.csv", "--trained-until", "soon"), 1, "--trained-until is 'soon'"),
        (("stays.csv", "--calendar", "MARS"), 2, "MARS"),
        (("stays.csv", "--report", "/proc/none/page.html"), 1, "can't write the report"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, part: str
) -> None:
    file, *rest = words
    assert run(folder, str(folder / file), *rest) == code
    message = capsys.readouterr().err
    assert part in message
    assert message.count("\n") == 1
    assert message.startswith("tenor: ")


def test_it_stands_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "judge" in capsys.readouterr().out
