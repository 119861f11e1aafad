"""Does the lake hold a whole market? 5,000 symbols of 20 years and 10 million news items, made up, in and out again.

    python perf/lake_at_size.py [--symbols 5000] [--years 20] [--news 10000000] [--folder DIR]

It prints, step by step, seconds and the peak of the process's memory so far. Rows are random walks and random words.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from tenor.schema import Bars, News, news_id
from tenor.store import Lake

SYMBOLS_A_BATCH = 200
NEWS_A_BATCH = 250_000
WORDS = np.array([f"word{i:04d}" for i in range(4000)])


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print how long a step took, and the peak of memory up to its end."""
    start = time.perf_counter()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:58s} {time.perf_counter() - start:8.1f} s   peak {peak:7.0f} MiB", flush=True)


def some_bars(symbols: list[str], days: pd.DatetimeIndex, rng: np.random.Generator) -> Bars:
    """Random walks."""
    shape = (len(symbols), len(days))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.015, shape), axis=1))
    spread = np.abs(rng.normal(0, 0.008, shape))
    columns = {
        "symbol": np.repeat(np.array(symbols, dtype=object), len(days)),
        "session": np.tile(days.to_numpy(), len(symbols)),
        "open": (close * (1 + spread / 2)).ravel(),
        "high": (close * (1 + spread)).ravel(),
        "low": (close * (1 - spread)).ravel(),
        "close": close.ravel(),
        "adj_close": (close * 0.9).ravel(),
        "volume": rng.integers(1e4, 1e7, shape).astype("float64").ravel(),
    }
    return Bars(pd.DataFrame(columns))


def some_news(count: int, symbols: list[str], rng: np.random.Generator, day: int) -> News:
    """Random words, over a stretch of time of its own."""
    words = WORDS[rng.integers(0, len(WORDS), (count, 9))]
    texts = [" ".join(row) for row in words]
    moments = pd.Timestamp("2005-01-03", tz="UTC") + pd.to_timedelta(rng.integers(0, 10 * 86_400, count), unit="s")
    return News(
        pd.DataFrame(
            {
                "id": [news_id("bench", text) for text in texts],
                "published_at": moments + pd.Timedelta(days=day),
                "symbol": np.array(symbols, dtype=object)[rng.integers(0, len(symbols), count)],
                "text": texts,
                "source": "bench",
                "url": "",
            }
        )
    )


def run(folder: Path, symbols: int, years: int, news: int) -> None:
    """Import all, then ask what one asks of a lake."""
    rng = np.random.default_rng(0)
    lake = Lake(folder)
    names = [f"S{i:05d}" for i in range(symbols)]
    days = pd.bdate_range("2005-01-03", periods=252 * years).as_unit("us")
    with measured(f"import {symbols * len(days):,} bars"):
        for i in range(0, symbols, SYMBOLS_A_BATCH):
            lake.append_bars(some_bars(names[i : i + SYMBOLS_A_BATCH], days, rng), source="bench")
    with measured("append one more session of every symbol"):
        lake.append_bars(some_bars(names, days[-1:] + pd.Timedelta(days=3), rng), source="bench")
    with measured("the spans of every symbol (what a fetch starts with)"):
        assert len(lake.spans("bars")) == symbols
    with measured("all bars of 50 symbols"):
        assert len(lake.bars(names[:50]).frame) == 50 * (len(days) + 1)
    with measured("the last 30 days of every symbol"):
        assert len(lake.rows("bars", since=days[-30])) == symbols * 31
    with measured("SQL: mean turnover by year over all bars"):
        found = lake.query("SELECT year(session) AS y, avg(close * volume) FROM bars GROUP BY y ORDER BY y")
        assert len(found) >= years
    done = 0
    with measured(f"import {news:,} news items"):
        while done < news:
            count = min(NEWS_A_BATCH, news - done)
            lake.append_news(some_news(count, names, rng, done // NEWS_A_BATCH * 10))
            done += count
    if news:
        with measured("the news of 5 symbols"):
            assert len(lake.news(names[:5]).frame)
        with measured("SQL: items by year over all news"):
            lake.query("SELECT year(published_at) AS y, count(*) FROM news GROUP BY y ORDER BY y")
        with measured("the same batch again (nothing is written)"):
            again = some_news(NEWS_A_BATCH, names, np.random.default_rng(1), 0)
            lake.append_news(again)
            assert lake.append_news(again).new == 0
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 2**20
    print(f"on disk: {size:,.0f} MiB in {sum(1 for _ in folder.rglob('*.parquet'))} parts")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--symbols", type=int, default=5000)
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--news", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="tenor-size-"))
    try:
        run(folder, options.symbols, options.years, options.news)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
