"""People's own news: CSV, JSON lines, Parquet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.ingest.files import read_files
from tenor.ingest.files.news_files import is_news_file
from tenor.ingest.importing import import_files
from tenor.store import Appended, Lake

NOW = pd.Timestamp("2024-06-01 12:00", tz="UTC")
ROWS = [
    ("2024-05-01T13:30:00Z", "AAA", "a depot opens", "wire", "https://x.example/1"),
    ("2024-05-01 09:30:00-04:00", "AAA, $BBB", "a tender is won", "", ""),
    ("1714570200", "BBB", "a lender leaves", "wire", ""),
    ("1714570200000", "CCC", "a pilot strikes", "wire", ""),
]
COLUMNS = ("Published At", "Ticker", "Headline", "source", "link")


def written(path: Path, rows: list[tuple[str, ...]] = ROWS) -> Path:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_news(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"mine{suffix}")
    assert is_news_file(path)
    (batch,) = read_files([path], now=NOW)
    assert batch.bars is None
    assert batch.news is not None
    assert sorted(batch.news.frame[["symbol", "text", "source"]].to_numpy().tolist()) == [
        ["AAA", "a depot opens", "wire"],
        ["AAA", "a tender is won", "mine"],
        ["BBB", "a lender leaves", "wire"],
        ["BBB", "a tender is won", "mine"],
        ["CCC", "a pilot strikes", "wire"],
    ]
    assert set(batch.news.frame["published_at"]) == {pd.Timestamp("2024-05-01 13:30", tz="UTC")}
    assert batch.files[0].usable == 4
    assert batch.refusals.empty


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_rows_that_can_not_be_used_are_refused_by_number(tmp_path: Path, suffix: str) -> None:
    bad = [
        ("2024-05-01T13:30:00", "AAA", "no zone", "", ""),
        ("2024-05-01", "AAA", "no time", "", ""),
        ("2034-05-01T13:30:00Z", "AAA", "the future", "", ""),
        ("2024-05-01T13:30:00Z", "&&", "no symbol", "", ""),
        ("2024-05-01T13:30:00Z", "AAA", "  ", "", ""),
        ("", "AAA", "nothing", "", ""),
    ]
    (batch,) = read_files([written(tmp_path / f"mine{suffix}", bad + ROWS)], now=NOW)
    reasons = {r.row: (r.column, r.why) for r in batch.refused}
    first = 2 if suffix == ".csv" else 1
    assert reasons == {
        first: ("Published At", "has no zone"),
        first + 1: ("Published At", "is a date without a time: it does not say when on that day"),
        first + 2: ("Published At", "is from the future"),
        first + 3: ("Ticker", "is not a symbol"),
        first + 4: ("Headline", "is missing"),
        first + 5: ("Published At", "is missing"),
    }
    assert [r.value for r in batch.refused] == [
        *("2024-05-01T13:30:00", "2024-05-01", "2034-05-01T13:30:00Z", "&&", "", "")
    ]
    assert batch.news is not None
    assert len(batch.news.frame) == 5


def test_json_lines_that_are_none_and_parquet_with_types(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    whole = '{"text": "x \\ud83d", "ticker": ["AAA"], "time": 1714570200}'
    path.write_text(f"{{\n\n[1]\n{whole}\nnull\n")
    (batch,) = read_files([path], now=NOW)
    assert [r.row for r in batch.refused] == [1, 3, 5]
    assert batch.news is not None
    assert batch.news.frame["symbol"].tolist() == ["AAA"]
    times = pd.to_datetime(["2024-05-01 09:30", None]).tz_localize("America/New_York")
    frame = pd.DataFrame(
        {"title": ["a", "b"], "time": times, "tickers": [np.array(["AAA", "BBB"]), np.array([], dtype=object)]}
    )
    frame.to_parquet(tmp_path / "typed.parquet")
    (batch,) = read_files([tmp_path / "typed.parquet"], now=NOW)
    assert batch.news is not None
    assert batch.news.frame["symbol"].tolist() == ["AAA", "BBB"]
    assert len(batch.refused) == 1
    frame.assign(time=times.tz_localize(None)).to_parquet(tmp_path / "naive.parquet")
    (batch,) = read_files([tmp_path / "naive.parquet"], now=NOW)
    assert batch.news is None


def test_a_file_without_times_is_one_refusal(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("headline,ticker\nhello,AAA\n")
    (batch,) = read_files([path], now=NOW)
    (refusal,) = batch.refused
    assert refusal.describe() == (
        f"{path} has no column for time (its header: 'headline', 'ticker'): name the columns text, published_at and "
        "symbol, or say which they are: --columns text=…,published_at=…,symbol=…."
    )


def test_a_folder_of_bars_and_news_is_imported_as_both(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    written(folder / "news.jsonl")
    (folder / "AAA.csv").write_text("Date,Open,High,Low,Close,Volume\n2024-05-01,1,2,1,2,10\n")
    done = import_files(str(tmp_path / "lake"), [str(folder)])
    assert (done.bars, done.news) == (Appended(1, 0, 0), Appended(5, 0, 0))
    again = import_files(str(tmp_path / "lake"), [str(folder)])
    assert again.news == Appended(0, 0, 5)
    assert len(Lake(tmp_path / "lake").news(["AAA"]).frame) == 2
