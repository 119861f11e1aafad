"""Daily counts of kinds of news: worked values, nothing from the future, and blocks that change nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from news_items import Item, news

from tenor.calendars import exchange
from tenor.config import SentimentConfig
from tenor.errors import DataError
from tenor.schema import KINDS, AsOf, DailyKinds, News
from tenor.sentiment.daily import DailyNews, daily_kinds, daily_sentiment
from tenor.sentiment.scores import Scores


def scored(items: News) -> Scores:
    """The score and the kinds that the texts state, as ``+0.5 earnings:0.9 price:0.4``; without a score: foreign."""
    texts = items.frame["text"].tolist()
    scores = [re.search(r"([+-][\d.]+)", text) for text in texts]
    kinds = np.zeros((len(texts), len(KINDS)), np.float32)
    for row, text in enumerate(texts):
        for kind, probability in re.findall(r"(\w+):([\d.]+)", text):
            kinds[row, KINDS.index(kind)] = float(probability)
    numbers = [float(m[1]) if m else np.nan for m in scores]
    return Scores(
        probabilities=np.array([[max(s, 0), 1 - abs(s), max(-s, 0)] for s in numbers], np.float32).reshape(-1, 3),
        language_ok=np.array([m is not None for m in scores], np.bool_),
        empty=np.array([not text for text in texts], np.bool_),
        model_id="in-text",
        kinds=kinds,
    )


def kinds_of(
    *items: Item, as_of: AsOf = "close", calendar: str = "XNYS", **config: Any
) -> dict[str, tuple[float, ...]]:
    published = news(*items)
    frame = daily_kinds(published, scored(published), SentimentConfig(**config), as_of=as_of).frame
    return {
        f"{row.symbol} {row.session:%m-%d} {row.kind}".rstrip(): (row.n, round(row.mean, 6))
        for row in frame.itertuples(index=False)
    }


def test_an_item_counts_for_each_of_its_kinds_or_for_none() -> None:
    assert kinds_of(
        ("2015-06-11 14:00", "ABC", "profit +0.5 earnings:0.9 payout:0.5"),
        ("2015-06-11 15:00", "ABC", "less -0.25 earnings:0.6 price:0.4"),
        ("2015-06-11 16:00", "ABC", "weather +0"),
        ("2015-06-11 16:00", "ABC", "nicht lesbar earnings:0.9"),
        ("2015-06-12 16:00", "ABC", "weather again +0.1"),
        ("2015-06-11 16:00", "XYZ", "deal +1 merger:1"),
    ) == {
        "ABC 06-11": (3, 0.083333),
        "ABC 06-11 earnings": (2, 0.125),
        "ABC 06-11 payout": (1, 0.5),
        "ABC 06-12": (1, 0.1),
        "XYZ 06-11": (1, 1.0),
        "XYZ 06-11 merger": (1, 1.0),
    }


def test_repeats_weigh_and_count_as_they_do_in_sentiment() -> None:
    items = (
        ("2015-06-11 14:00", "ABC", "profit +0.5 earnings:1"),
        ("2015-06-11 14:01", "ABC", "RT @desk: profit +0.5 earnings:1"),
        ("2015-06-11 14:02", "ABC", "loss -1 earnings:1"),
    )
    published = news(*items)
    for config in (SentimentConfig(), SentimentConfig(repeats=0.0), SentimentConfig(once=True)):
        daily = daily_sentiment(published, scored(published), config)
        assert daily.kinds is not None
        rows = daily.kinds.frame
        assert rows["kind"].tolist() == ["", "earnings"]
        assert set(rows["n"]) == set(daily.frame["n"]), config
        assert set(rows["mean"]) == set(daily.frame["mean"]), config


def test_the_night_belongs_to_the_session_before_it_at_the_open() -> None:
    night = ("2024-07-03 18:00", "ABC", "after the half day +0.5 earnings:1")
    holiday = ("2024-07-04 12:00", "ABC", "on the holiday +0.5 earnings:1")
    in_time = ("2024-07-05 13:14", "ABC", "before the margin +0.5 earnings:1")
    late = ("2024-07-05 13:15", "ABC", "within the margin +0.5 earnings:1")
    at_the_close = kinds_of(night, holiday, in_time, late)
    assert at_the_close == {"ABC 07-05": (4, 0.5), "ABC 07-05 earnings": (4, 0.5)}
    before_the_open = kinds_of(night, holiday, in_time, late, as_of="open")
    assert before_the_open == {
        "ABC 07-03": (3, 0.5),
        "ABC 07-03 earnings": (3, 0.5),
        "ABC 07-05": (1, 0.5),
        "ABC 07-05 earnings": (1, 0.5),
    }


MINUTES = st.integers(0, 8 * 24 * 60)
ITEMS = st.lists(
    st.builds(
        lambda minutes, symbol, text: (
            f"{pd.Timestamp('2014-11-24', tz='UTC') + pd.Timedelta(minutes=minutes)}",
            symbol,
            text,
        ),
        MINUTES,
        st.sampled_from(["AA", "BTC-USD", "7203.T", "DD"]),
        st.tuples(
            st.sampled_from(["rise", "RT @x: rise", "fall", "same"]),
            st.sampled_from(["+0.5", "-0.3", "+0"]),
            st.sampled_from(["", "earnings:0.9", "earnings:0.9 legal:0.7", "macro:0.5"]),
        ).map(" ".join),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(items=ITEMS, cuts=st.lists(MINUTES, max_size=4), as_of=st.sampled_from(["close", "open"]), once=st.booleans())
def test_blocks_change_nothing_wherever_they_end(items: list[Item], cuts: list[int], as_of: AsOf, once: bool) -> None:
    config = SentimentConfig(once=once)
    published = news(*items)
    whole = daily_sentiment(published, scored(published), config, as_of=as_of)
    days = DailyNews(config, as_of=as_of)
    edges = [pd.Timestamp("2014-11-24", tz="UTC") + pd.Timedelta(minutes=cut) for cut in sorted(cuts)]
    block = np.searchsorted(pd.DatetimeIndex(edges), published.frame["published_at"], side="right")
    for number in range(len(edges) + 1):
        part = News(published.frame[block == number])
        days.add(part, scored(part))
    again = days.sentiment()
    pd.testing.assert_frame_equal(again.frame, whole.frame, check_exact=True)
    assert again.kinds is not None
    assert whole.kinds is not None
    pd.testing.assert_frame_equal(again.kinds.frame, whole.kinds.frame, check_exact=True)


@settings(max_examples=60)
@given(early=ITEMS, late=ITEMS, at=MINUTES, as_of=st.sampled_from(["close", "open"]))
def test_items_after_a_cut_off_change_no_row_up_to_it(
    early: list[Item], late: list[Item], at: int, as_of: AsOf
) -> None:
    def until(items: list[Item], session: pd.Timestamp) -> pd.DataFrame:
        published = news(*items)
        daily = daily_sentiment(published, scored(published), as_of=as_of).until(session)
        assert daily.kinds is not None
        return daily.kinds.frame

    new_york = exchange("XNYS")
    margin = pd.Timedelta(minutes=SentimentConfig().margin_minutes)
    moment = pd.Series([pd.Timestamp("2014-11-24", tz="UTC") + pd.Timedelta(minutes=at)])
    session = new_york.session_of(moment, margin=margin, as_of=as_of)[0]
    cut_off = new_york.cut_offs(as_of)[new_york._place(session)] - margin
    ours = [(m, s.replace("BTC-USD", "BB").replace("7203.T", "CC"), t) for m, s, t in (*early, *late)]
    past = [item for item in ours if pd.Timestamp(item[0]) < cut_off]
    past.append(("2014-11-21 15:00", "AA", "long ago +0.3 earnings:1"))
    future = [item for item in ours if pd.Timestamp(item[0]) >= cut_off]
    future.append((f"{cut_off}", "AA", "at the bell -0.9 earnings:1"))
    pd.testing.assert_frame_equal(until([*past, *future], session), until(past, session), check_exact=True)


def test_labels_are_further_kinds() -> None:
    published = news(("2015-06-11 14:00", "ABC", "chips +0.5 product:1"), ("2015-06-11 14:01", "ABC", "other -0.5"))
    labels = {"topic:chips": np.array([True, False])}
    for scores in (scored(published), replace(scored(published), kinds=None)):
        frame = daily_kinds(published, scores, labels=labels).frame
        assert frame.loc[frame["kind"] == "topic:chips", ["n", "mean"]].to_numpy().tolist() == [[1, 0.5]]
    with pytest.raises(DataError, match=r"'topic:chips' labels 1 items of 2: give a label for each"):
        daily_kinds(published, scored(published), labels={"topic:chips": np.array([True])})


def test_an_encoder_without_kinds_leaves_sentiment_as_it_was() -> None:
    published = news(("2015-06-11 14:00", "ABC", "profit +0.5 earnings:1"))
    without = replace(scored(published), kinds=None)
    daily = daily_sentiment(published, without)
    assert daily.kinds is None
    pd.testing.assert_frame_equal(daily.frame, daily_sentiment(published, scored(published)).frame)
    with pytest.raises(DataError, match="in-text gives no kinds of news"):
        daily_kinds(published, without)


def test_a_readable_item_without_probabilities_is_refused() -> None:
    published = news(("2015-06-11 14:00", "ABC", "profit +0.5 earnings:1"))
    scores = scored(published)
    assert scores.kinds is not None
    scores.kinds[0, 0] = np.nan
    with pytest.raises(DataError, match="a readable item has no probabilities of kinds"):
        daily_kinds(published, scores)


def rows(*cells: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(cells), columns=["symbol", "session", "kind", "n", "mean"])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rows(("ABC", "2015-06-11", "", 0, 0.0)), "kinds: a row without items at ABC 2015-06-11"),
        (rows(("ABC", "2015-06-11", "", 2, float("nan"))), "kinds: a number is missing at ABC 2015-06-11"),
        (rows(("ABC", "2015-06-11", "", 2, 1.5)), "kinds: a mean is not between -1 and 1 at ABC"),
        (rows(("ABC", "2015-06-11", "", 2, 0.0), ("ABC", "2015-06-11", None, 2, 0.0)), "a kind appears twice at ABC"),
        (rows(("ABC", "2015-06-11", "legal", 2, 0.0)), r"kinds: no row of all items \(an empty kind\) at ABC"),
        (rows(("ABC", "2015-06-11 12:00", "", 2, 0.0)), "'session' is missing or has a time of day"),
        (rows(("ABC", "2015-06-11", "", 2, 0.0)).drop(columns="n"), "kinds: no column 'n'"),
    ],
)
def test_impossible_rows_are_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        DailyKinds(frame)


def test_kinds_are_those_of_items() -> None:
    kinds = DailyKinds(
        rows(
            ("ABC", "2015-06-12", "legal", 2, 0.5),
            ("ABC", "2015-06-12", "", 2, 0.5),
            ("ABC", "2015-06-11", "", 1, 0.0),
            ("ABC", "2015-06-11", "earnings", 1, 0.0),
        )
    )
    assert kinds.kinds == ("earnings", "legal")
    assert kinds.until(pd.Timestamp("2015-06-11")).kinds == ("earnings",)
    assert kinds.fingerprint() != kinds.until(pd.Timestamp("2015-06-11")).fingerprint()
