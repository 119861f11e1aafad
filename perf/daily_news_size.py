"""Time and memory of daily sentiment and counts by kind, by the number of items: synthetic scored items, in blocks.

``python perf/daily_news_size.py [ITEMS [SYMBOLS [YEARS]]]``, by default 10,000,000 items about 500 symbols over five
years. The items come as a lake gives them: in order of publication, some 100,000 a block, with a text, probabilities
and kinds each. Prints seconds and the peak of resident memory as it goes, then after the daily rows, and after the
features of all kinds are made of them.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tenor.config import FeatureConfig
from tenor.features import build_panel
from tenor.news_scoring import BLOCK
from tenor.schema import KINDS, Bars, News
from tenor.sentiment.daily import DailyNews
from tenor.sentiment.scores import Scores

FIRST = pd.Timestamp("2016-01-04 00:00", tz="UTC")
KINDS_PER_ITEM = 0.6
WORDS = np.array([f"{a}{b}" for a in ("div", "mer", "law", "rec", "gui") for b in ("ido", "ena", "uta", "olo")])


def blocks(items: int, symbols: list[str], years: float) -> Iterator[tuple[News, Scores]]:
    """Blocks of items; a few symbols have most of them, as in real news."""
    span = years * 365.25 * 86_400
    names = np.array(symbols)
    weights = 1 / np.arange(10, 10 + len(names))
    for start in range(0, items, BLOCK):
        n = min(BLOCK, items - start)
        rng = np.random.default_rng(start)
        seconds = np.sort((start + rng.random(n) * n) * span / items)
        words = WORDS[rng.integers(0, len(WORDS), (n, 5))].tolist()
        frame = pd.DataFrame(
            {
                "id": [f"{start + i:016x}" for i in range(n)],
                "published_at": FIRST + pd.to_timedelta(seconds.astype("int64"), unit="s"),
                "symbol": names[rng.choice(len(names), n, p=weights / weights.sum())],
                "text": [f"{' '.join(row)} {start + i}" for i, row in enumerate(words)],
                "source": "made up",
                "url": "",
            }
        )
        kinds = (rng.random((n, len(KINDS))) < KINDS_PER_ITEM / len(KINDS)).astype(np.float32)
        probabilities = rng.dirichlet((1, 2, 1), n).astype(np.float32)
        yes, no = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
        yield News(frame), Scores(probabilities, yes, no, "made up", kinds)


def bars(symbols: list[str], sessions: pd.DatetimeIndex) -> Bars:
    """Random walks."""
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (len(symbols), len(sessions))), axis=1))
    frame = pd.DataFrame({"symbol": np.repeat(symbols, len(sessions)), "session": np.tile(sessions, len(symbols))})
    flat = close.ravel()
    columns = {"open": flat, "high": flat * 1.01, "low": flat * 0.99, "close": flat, "adj_close": flat}
    return Bars(frame.assign(**columns, volume=1e6))


def report(step: str, since: float) -> None:
    """One line."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{step}: {time.process_time() - since:.0f} CPU-seconds, peak {peak:.0f} MiB", flush=True)


def main() -> None:
    """Measure."""
    arguments = sys.argv[1:]
    items = int(arguments[0]) if arguments else 10_000_000
    symbols = [f"S{i:04d}" for i in range(int(arguments[1]) if len(arguments) > 1 else 500)]
    years = float(arguments[2]) if len(arguments) > 2 else 5.0
    since = time.process_time()
    report("start", since)
    days = DailyNews()
    for done, (news, scores) in enumerate(blocks(items, symbols, years), 1):
        days.add(news, scores)
        if done % 10 == 0:
            report(f"{min(done * BLOCK, items):,} items", since)
    daily = days.sentiment()
    assert daily.kinds is not None
    report(f"{len(daily.frame):,} daily rows, {len(daily.kinds.frame):,} counts by kind", since)
    sessions = pd.DatetimeIndex(sorted(daily.frame["session"].unique()))
    panel = build_panel(bars(symbols, sessions), FeatureConfig(kinds=True), sentiment=daily)
    report(f"{panel!r}", since)


if __name__ == "__main__":
    main()
