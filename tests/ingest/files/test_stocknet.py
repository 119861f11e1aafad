"""The StockNet folder: a small one made here, and the published one where it is at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tenor.errors import DataError
from tenor.ingest.files import check_bars, is_stocknet, read_files, read_stocknet_bars, read_stocknet_news
from tenor.schema import news_id
from tenor.store import Lake


def tweet(text: object, at: object = "Thu Jan 02 14:30:00 +0000 2014") -> str:
    return json.dumps({"created_at": at, "text": text, "lang": "en"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "stocknet"
    (root / "price" / "raw").mkdir(parents=True)
    header = "Date,Open,High,Low,Close,Adj Close,Volume\n"
    rows = "2014-01-02,10,12,9.5,11,10.5,100\n2014-01-03,null,null,null,null,null,null\n"
    (root / "price" / "raw" / "AAA.csv").write_text(header + rows)
    posts = {
        "AAA/2014-01-02": [tweet("orders are up"), tweet("orders are up"), "", tweet("half a pair \ud83d of signs")],
        "AAA/2014-01-03": [tweet("late one", "Fri Jan 03 16:59:59 -0500 2014"), '{"text": "cut', "[1, 2]", "\x00"],
        "BBB/2014-01-02": [tweet("orders are up"), tweet(""), tweet(None), tweet("no date", None)],
        "BBB/2014-01-04": [tweet("odd date", "2014-01-04"), tweet("from tomorrow", "Thu Jan 02 00:00:00 +0000 2031")],
    }
    for name, lines in posts.items():
        path = root / "tweet" / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
    return root


def test_tweets_become_news_by_their_own_times(folder: Path, now: pd.Timestamp) -> None:
    imported = read_stocknet_news(folder, now=now)
    assert imported.news is not None
    frame = imported.news.frame
    assert sorted(zip(frame["symbol"], frame["published_at"].astype("str"), frame["text"], strict=True)) == [
        ("AAA", "2014-01-02 14:30:00+00:00", "half a pair \ufffd of signs"),
        ("AAA", "2014-01-02 14:30:00+00:00", "orders are up"),
        ("AAA", "2014-01-03 21:59:59+00:00", "late one"),
        ("BBB", "2014-01-02 14:30:00+00:00", "orders are up"),
    ]
    assert set(frame["source"]) == {"twitter"}
    assert frame["id"][frame["text"] == "orders are up"].unique().tolist() == [news_id("twitter", "orders are up")]


def test_what_is_no_dated_tweet_is_refused_by_line(folder: Path, now: pd.Timestamp) -> None:
    imported = read_stocknet_news(folder, now=now)
    reasons = {(Path(r.file).parent.name, Path(r.file).name, r.row): r.why for r in imported.refused}
    undated = "has no time of publication that tenor can read"
    assert reasons == {
        ("AAA", "2014-01-03", 2): "is not JSON",
        ("AAA", "2014-01-03", 3): "has no text",
        ("AAA", "2014-01-03", 4): "is not JSON",
        ("BBB", "2014-01-02", 2): "has no text",
        ("BBB", "2014-01-02", 3): "has no text",
        ("BBB", "2014-01-02", 4): undated,
        ("BBB", "2014-01-04", 1): undated,
        ("BBB", "2014-01-04", 2): "is from the future",
    }
    (summary,) = imported.files
    assert (summary.usable, summary.refused, summary.notes) == (5, 8, ("1 repeated",))


def test_the_folder_is_known_and_both_halves_are_read(folder: Path, tmp_path: Path, now: pd.Timestamp) -> None:
    prices, news = read_files([folder], now=now)
    assert prices.bars is not None
    assert prices.bars.symbols == ("AAA",)
    assert [r.kind for r in prices.refused] == ["empty"]
    assert news.news is not None
    lake = Lake(tmp_path / "lake")
    lake.append_bars(prices.bars, source="stocknet")
    lake.append_news(news.news)
    for half in (prices, news):
        lake.append_refusals(half.refusals, files=[f.file for f in half.files])
    assert len(lake.refusals()) == 9
    assert len(lake.news().frame) == 4
    assert [r.unreadable for r in check_bars(lake.bars(), refusals=lake.refusals())] == [1]


def test_another_folder_is_none(tmp_path: Path) -> None:
    assert not is_stocknet(tmp_path)
    with pytest.raises(DataError, match="not the StockNet folder, which has price/raw and tweet/raw: check the path"):
        read_stocknet_bars(tmp_path)


def test_the_published_folder(published: Callable[[str], Path], tmp_path: Path) -> None:
    folder = published("stocknet-dataset")
    prices, news = list(read_files([folder]))
    assert prices.bars is not None
    assert (len(prices.bars.symbols), len(prices.bars.frame)) == (88, 108_589)
    assert {(r.symbol, f"{r.session:%Y-%m-%d}", r.kind) for r in prices.refused} == {
        (symbol, "2016-06-29", "empty") for symbol in ("PTR", "REX", "SNP")
    }
    assert news.news is not None
    assert news.refused == []
    assert (news.files[0].usable, len(news.news.frame), news.files[0].symbols) == (119_844, 119_001, 87)
    lake = Lake(tmp_path)
    lake.append_news(news.news)
    assert lake.append_news(news.news).unchanged == 119_001
