"""What the news is about: shares over time and by stock are those of the counts; drift is seen, and chance is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.report.news_topics import topics_fold
from tenor.report.page import Paragraph, Picture, TextTable
from tenor.schema import DailyKinds

SESSIONS = exchange("XNYS").sessions(pd.Timestamp("2015-01-02"), pd.Timestamp("2015-12-31"))
PARTS = {"train": slice(0, 150), "test": slice(150, len(SESSIONS))}


def counts(seed: int = 0) -> DailyKinds:
    """Legal news trebles in the test; earnings go on as before; a topic is about one stock alone."""
    rng = np.random.default_rng(seed)
    rows = []
    for t, session in enumerate(SESSIONS):
        for symbol in ("AAA", "BBB", "CCC"):
            n = 20 + int(rng.integers(0, 10))
            parts = {"earnings": rng.binomial(n, 0.3), "legal": rng.binomial(n, 0.1 if t < 150 else 0.3)}
            if symbol == "BBB":
                parts["topic:chips"] = rng.binomial(n, 0.5)
            rows.append((symbol, session, "", n, 0.1))
            rows += [(symbol, session, kind, k, 0.1) for kind, k in parts.items() if k]
    return DailyKinds(pd.DataFrame(rows, columns=["symbol", "session", "kind", "n", "mean"]))


def test_shares_are_those_of_the_counts_and_drift_is_told_from_chance() -> None:
    fold = topics_fold(counts(), SESSIONS, PARTS, {"chips": ("wafer", "fab")})
    over_time, by_stock, table = fold.blocks
    assert isinstance(over_time, Picture)
    assert isinstance(by_stock, Picture)
    assert isinstance(table, TextTable)
    assert "earnings 3" in over_time.alt  # the most frequent, some 30 %
    assert "chips 5" in by_stock.alt
    assert "of BBB" in by_stock.alt
    names = [row[0] for row in table.rows]
    assert names == ["earnings", "legal", "chips\nwafer fab"]
    legal = table.rows[1]
    frame = counts().frame
    test = frame[frame["session"] >= SESSIONS[150]]
    share = test.loc[test["kind"] == "legal", "n"].sum() / test.loc[test["kind"] == "", "n"].sum()
    assert legal[3].startswith(f"{100 * share:.1f}")
    assert "legal (+" in table.caption
    assert "earnings" not in table.caption
    assert legal[4].startswith("+")


def test_chance_alone_is_seldom_drift() -> None:
    """At 5 %: earnings, which do not change, in 40 worlds."""
    moved = sum("earnings (" in topics_fold(counts(seed), SESSIONS, PARTS, {}).blocks[2].caption for seed in range(40))
    assert moved <= 7


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (None, "counts no news by kind"),
        (counts().frame[lambda f: f["kind"] == ""], "counts no news by kind"),
        (counts().frame.assign(session=lambda f: f["session"] - pd.Timedelta(days=3650)), "No session of the bars"),
    ],
)
def test_without_counts_a_line_says_what_to_do(frame: pd.DataFrame | None, sentence: str) -> None:
    fold = topics_fold(None if frame is None else DailyKinds(frame), SESSIONS, PARTS, {})
    assert len(fold.blocks) == 1
    assert isinstance(fold.blocks[0], Paragraph)
    assert sentence in fold.blocks[0].text


def test_news_of_the_test_alone_has_no_drift_and_no_topics_are_pointed_out() -> None:
    late = counts().frame[lambda f: (f["session"] >= SESSIONS[240]) & ~f["kind"].str.startswith("topic:")]
    *_, table, line = topics_fold(DailyKinds(late), SESSIONS, PARTS, {}).blocks
    assert isinstance(table, TextTable)
    assert [row[2] for row in table.rows] == ["–", "–"]
    assert [row[4] for row in table.rows] == ["–", "–"]
    assert isinstance(line, Paragraph)
    assert "features.topics = 20" in line.text
