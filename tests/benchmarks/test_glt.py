from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.benchmarks import glt, read_glt, read_glt_news
from tenor.benchmarks.protocol import rows_of
from tenor.calendars import exchange
from tenor.errors import DataError, TenorError

MISSING = -123321.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    days = exchange("XNYS").sessions(pd.Timestamp("2015-01-02"), pd.Timestamp("2015-12-31"))[:160]
    (tmp_path / "price").mkdir()
    for symbol in ("AA", "BB", "CC"):
        close = 40 * np.exp(np.cumsum(rng.normal(0, 0.02, len(days))))
        move = np.append(0, np.diff(close) / close[:-1])
        frame = pd.DataFrame(
            {
                "date": [f"{day:%Y-%m-%d}" for day in days],
                "n_close": rng.normal(size=len(days)),
                "adj_sum_5": rng.normal(size=len(days)),
                "label": np.where(move >= 0.0055, 1.0, np.where(move <= -0.005, -1.0, 0.0)),
                "closing_price_for_label": close,
            }
        )
        frame.loc[:9, ["adj_sum_5", "label"]] = MISSING
        frame.to_csv(tmp_path / "price" / f"{symbol}.csv", index=False)
    return tmp_path


def tweet(folder: Path, symbol: str, day: str, *lines: str) -> None:
    file = folder / "tweet" / symbol / day
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines))


def test_a_label_stands_in_the_row_before_its_own(folder: Path) -> None:
    read = read_glt(folder)
    frame = pd.read_csv(folder / "price" / "BB.csv")
    label = read.label[:, 1]
    row = int(np.flatnonzero(np.isfinite(label))[0])
    assert row >= 14  # five complete rows: 10 .. 14
    for t in range(row, len(frame) - 1):
        move = frame["label"][t + 1]
        assert np.isnan(label[t]) if move == 0 else label[t] == (move > 0)
    assert np.isnan(label[-1])


def test_missing_numbers_are_no_numbers(folder: Path) -> None:
    panel = read_glt(folder).panel
    assert panel.features[:2] == ("n_close", "adj_sum_5")
    assert not panel.mask[:10].any()
    assert panel.mask[-1].all()
    assert np.abs(panel.values).max() < 100


def test_run(folder: Path) -> None:
    result = glt(folder, train_end="2015-06-15", valid_end="2015-07-15", test_end="2015-08-14", seeds=(0,))
    read = read_glt(folder)
    rows = rows_of(read.panel.sessions, "2015-07-16", "2015-08-14")
    assert result.counts["test"] == np.isfinite(read.label[rows]).sum()
    assert any("no raw bars" in note for note in result.notes)


def test_a_tweet_of_a_day_is_known_from_the_next_session_on(folder: Path) -> None:
    tweet(folder, "AA", "2015-03-06", '{"text": "an invented remark"}', "", '{"text": ["in", "words"]}')
    tweet(folder, "AA", "2015-03-07", '{"text": "on a Saturday"}')
    news = read_glt_news(folder)
    assert news is not None
    assert sorted(news.frame["text"]) == ["an invented remark", "in words", "on a Saturday"]
    known = exchange("XNYS").session_of(news.frame["published_at"], margin=pd.Timedelta(minutes=15))
    assert set(known) == {pd.Timestamp("2015-03-09")}


def test_no_tweets(folder: Path) -> None:
    assert read_glt_news(folder) is None


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda f: (f / "price" / "AA.csv").write_text("date,x\n2015-01-02,1\n"), "no column 'label'"),
        (lambda f: (f / "price" / "AA.csv").write_text(""), "can't be read"),
        (lambda f: [p.unlink() for p in (f / "price").iterdir()], "no price"),
        (
            lambda f: (f / "price" / "CC.csv").write_text((f / "price" / "CC.csv").read_text() * 2),
            "can't be read|twice",
        ),
    ],
)
def test_broken_prices(folder: Path, spoil: Callable[[Path], object], match: str) -> None:
    spoil(folder)
    with pytest.raises(DataError, match=match):
        read_glt(folder)


@pytest.mark.parametrize("line", ["{", "[1]", '{"words": 1}'])
def test_broken_tweets(folder: Path, line: str) -> None:
    tweet(folder, "AA", "2015-03-06", line)
    with pytest.raises(DataError, match="line 1"):
        read_glt_news(folder)


def test_a_tweet_file_without_a_date(folder: Path) -> None:
    tweet(folder, "AA", "notes.txt", '{"text": "x"}')
    with pytest.raises(DataError, match="not a date"):
        read_glt_news(folder)


def test_dates_outside_the_folder(folder: Path) -> None:
    with pytest.raises(TenorError, match=r"no sample|out of order"):
        glt(folder, train_end="2016-06-15", valid_end="2016-07-15", seeds=(0,))


def test_published_layout_has_the_published_counts(published: Callable[[str], Path]) -> None:
    read = read_glt(published("acl18-glt"))
    parts = (("2014-01-01", "2015-07-31"), ("2015-08-01", "2015-09-30"), ("2015-10-01", "2015-12-31"))
    counts = [int(np.isfinite(read.label[rows_of(read.panel.sessions, *part)]).sum()) for part in parts]
    assert counts == [20_315, 2_555, 3_720]
