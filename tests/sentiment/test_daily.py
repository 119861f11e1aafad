"""Daily sentiment: worked values, the session of each item, and nothing from the future."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from news_items import Item, news

from tenor.calendars import exchange
from tenor.config import SentimentConfig, from_mapping, to_mapping
from tenor.errors import ConfigError, DataError
from tenor.schema import SENTIMENT_COLUMNS, DailySentiment, News
from tenor.sentiment.daily import daily_sentiment
from tenor.sentiment.scores import Scores


def scores_in_text(items: News) -> Scores:
    """The scores that the texts state: ``+P(positive) -P(negative)``; without them a text is foreign, or empty."""
    texts = items.frame["text"].tolist()
    matches = [re.search(r"\+([\d.]+) -([\d.]+)", text) for text in texts]
    pairs = [(float(m[1]), float(m[2])) if m else (np.nan, np.nan) for m in matches]
    return Scores(
        probabilities=np.array([[up, 1 - up - down, down] for up, down in pairs], np.float32).reshape(-1, 3),
        language_ok=np.array([m is not None for m in matches], np.bool_),
        empty=np.array([not text for text in texts], np.bool_),
        model_id="in-text",
    )


def sentiment(*items: Item, calendar: str = "XNYS", **config: Any) -> pd.DataFrame:
    published = news(*items)
    return daily_sentiment(published, scores_in_text(published), SentimentConfig(**config), calendar=calendar).frame


def test_worked_values() -> None:
    frame = sentiment(
        ("2015-06-11 14:00", "ABC", "first +0.5 -0.25"),
        ("2015-06-11 15:00", "ABC", "second +0 -0.75"),
        ("2015-06-11 15:00", "XYZ", "other +1 -0"),
        ("2015-06-12 15:00", "ABC", "third +1 -0"),
        ("2015-06-16 15:00", "ABC", "fourth +0.25 -0"),
        half_life=2.0,
    )
    assert frame.columns.tolist() == list(SENTIMENT_COLUMNS)
    rows = {(row.symbol, f"{row.session:%m-%d}"): row for row in frame.itertuples(index=False)}
    assert sorted(rows) == [("ABC", "06-11"), ("ABC", "06-12"), ("ABC", "06-16"), ("XYZ", "06-11")]
    first, second, fourth, other = (rows[key] for key in sorted(rows))
    assert (first.n, first.mean, first.std, first.positive, first.negative) == (2, -0.25, 0.5, 0.5, 0.5)
    assert (first.surprise, first.recent) == (0.0, -0.25)
    assert (first.market_n, first.market_mean) == (3, pytest.approx((0.25 - 0.75 + 1) / 3))
    assert (other.market_n, other.market_mean) == (first.market_n, first.market_mean)
    assert (other.n, other.mean, other.std, other.positive, other.negative) == (1, 1.0, 0.0, 1.0, 0.0)
    assert (second.mean, second.surprise, second.market_n) == (1.0, 1.25, 1)
    fade = 0.5**0.5  # one session at a half-life of two
    assert second.recent == pytest.approx((1 - 0.5 * fade) / (1 + 2 * fade))
    # Monday lies between: two sessions back to the 12th, three to the 11th
    assert fourth.surprise == pytest.approx(0.25 - (1 - 0.5) / 3)
    assert fourth.recent == pytest.approx((0.25 + fade**2 - 0.5 * fade**3) / (1 + fade**2 + 2 * fade**3))
    assert (fourth.positive, fourth.negative) == (0.0, 0.0)  # its likeliest class is neutral


@pytest.mark.parametrize(("window", "last"), [(60, -0.75), (4, -0.75), (3, -0.5), (2, -0.5), (1, 0.0)])
def test_surprise_looks_back_over_its_window_and_no_further(window: int, last: float) -> None:
    frame = sentiment(
        ("2015-06-08 15:00", "ABC", "Monday +1 -0"),
        ("2015-06-10 15:00", "ABC", "Wednesday +0.5 -0"),
        ("2015-06-12 15:00", "ABC", "Friday +0 -0"),
        window=window,
    )
    assert frame["surprise"].tolist() == pytest.approx([0.0, 0.0 if window == 1 else -0.5, last])


@pytest.mark.parametrize(("repeats", "mass"), [(0.0, 1.0), (0.5, 2.0), (1.0, 4.0)])
def test_repeats_weigh_less_but_each_is_counted(repeats: float, mass: float) -> None:
    text = "Profit rose, says the firm: +0.5 -0"
    frame = sentiment(
        ("2015-06-11 14:00", "ABC", text),
        ("2015-06-11 14:01", "ABC", f"RT @some_one: {text} https://a.example/1"),
        ("2015-06-11 14:02", "ABC", text.replace("Profit", "PROFIT  ")),
        ("2015-06-11 14:03", "ABC", f"{text} !!!"),
        ("2015-06-11 14:04", "ABC", "another story +0 -1"),
        ("2015-06-11 14:05", "XYZ", text),  # another symbol's copy is no repeat
        ("2015-06-12 14:00", "ABC", text),  # nor is another session's
        repeats=repeats,
    )
    first, second, other = frame.itertuples(index=False)
    assert (first.n, second.n, other.n) == (5, 1, 1)
    assert first.mean == pytest.approx((0.5 * mass - 1) / (mass + 1))
    assert first.negative == pytest.approx(1 / (mass + 1))
    assert first.market_mean == pytest.approx((0.5 * mass - 1 + 0.5) / (mass + 2))
    assert second.mean == other.mean == 0.5
    assert second.surprise == pytest.approx(0.5 - first.mean)


def test_a_post_about_two_symbols_counts_for_each() -> None:
    both = [("2015-06-11 14:00", symbol, "together +1 -0") for symbol in ("ABC", "XYZ")]
    frame = sentiment(*both, ("2015-06-11 14:00", "ABC", "alone +0 -1"))
    assert frame["mean"].tolist() == [0.0, 1.0]
    assert frame["market_n"].tolist() == [3.0, 3.0]


def test_unreadable_items_count_nowhere() -> None:
    read: list[Item] = [("2015-06-11 14:00", "ABC", "said +0.5 -0"), ("2015-06-12 14:00", "XYZ", "said +0.5 -0")]
    unread: list[Item] = [
        ("2015-06-11 14:00", "ABC", "nicht auf Englisch"),
        ("2015-06-11 14:00", "XYZ", "pas en anglais"),
        ("2015-06-12 14:00", "ABC", ""),
    ]
    pd.testing.assert_frame_equal(sentiment(*read, *unread), sentiment(*read), check_exact=True)


def test_no_news_has_no_row_and_neutral_news_has_one() -> None:
    frame = sentiment(("2015-06-11 14:00", "ABC", "as expected +0 -0"), ("2015-06-15 14:00", "ABC", "up +1 -0"))
    assert [f"{day:%m-%d}" for day in frame["session"]] == ["06-11", "06-15"]
    assert frame["mean"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("calendar", "margin", "moment", "session"),
    [
        ("XNYS", 15, "2015-06-12 19:44:59", "2015-06-12"),
        ("XNYS", 15, "2015-06-12 19:45:00", "2015-06-15"),
        ("XNYS", 0, "2015-06-12 19:45:00", "2015-06-12"),
        ("XNYS", 0, "2014-11-28 18:00:00", "2014-12-01"),
        ("XNYS", 0, "2015-03-09 20:30:00", "2015-03-10"),
        ("XLON", 0, "2015-06-12 15:30:00", "2015-06-15"),
        ("XTKS", 0, "2015-06-12 06:00:00", "2015-06-15"),
        ("24/7", 0, "2015-06-12 23:59:59", "2015-06-12"),
    ],
)
def test_an_item_belongs_to_the_next_cut_off(calendar: str, margin: int, moment: str, session: str) -> None:
    frame = sentiment((moment, "ABC", "said +0.5 -0"), calendar=calendar, margin_minutes=margin)
    assert frame["session"].tolist() == [pd.Timestamp(session)]


# A few days round a week-end, a holiday and both sides of the cut-offs, so that items meet in sessions and in texts.
MINUTES = st.integers(0, 8 * 24 * 60)
ITEMS = st.lists(
    st.tuples(
        MINUTES.map(lambda m: f"{pd.Timestamp('2014-11-24', tz='UTC') + pd.Timedelta(minutes=m)}"),
        st.sampled_from(["AA", "BB", "CC", "DD"]),
        st.tuples(st.sampled_from(["rise", "RISE!", "fall", "RT @x: fall", "same"]), st.integers(0, 7)).map(
            lambda pair: f"{pair[0]} +{pair[1] / 10} -{(7 - pair[1]) / 23:.4f}"
        ),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(early=ITEMS, late=ITEMS, instead=ITEMS, at=MINUTES)
def test_items_after_a_cut_off_change_no_row_up_to_it(
    early: list[Item], late: list[Item], instead: list[Item], at: int
) -> None:
    new_york = exchange("XNYS")
    moment = pd.Timestamp("2014-11-24", tz="UTC") + pd.Timedelta(minutes=at)
    margin = pd.Timedelta(minutes=SentimentConfig().margin_minutes)
    session = new_york.session_of(pd.Series([moment]), margin=margin)[0]
    cut_off = new_york.close(session) - margin
    past: list[Item] = [("2014-11-21 15:00", "AA", "long ago +0.3 -0.1")]
    past += [item for item in early if pd.Timestamp(item[0]) < cut_off]
    # the sharpest case is always there: one item at the cut-off itself
    futures = [[item for item in items if pd.Timestamp(item[0]) >= cut_off] for items in (late, instead)]
    futures[1].append((f"{cut_off}", "AA", "at the bell +0.9 -0.1"))
    alone = sentiment(*past)
    for future in futures:
        known = DailySentiment(sentiment(*past, *future)).until(session).frame
        pd.testing.assert_frame_equal(known, alone, check_exact=True)


@settings(max_examples=60)
@given(items=ITEMS.filter(len), shuffled=st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(items: list[Item], shuffled: Any) -> None:
    ordered = sentiment(*items)
    again = list(items)
    shuffled.shuffle(again)
    pd.testing.assert_frame_equal(sentiment(*again), ordered, check_exact=True)


@settings(max_examples=60)
@given(items=ITEMS.filter(len))
def test_numbers_stay_in_their_ranges_and_add_up(items: list[Item]) -> None:
    frame = sentiment(*items)
    assert frame["n"].sum() == len(news(*items).frame)
    assert frame[["mean", "recent", "market_mean"]].abs().le(1).all(axis=None)
    assert frame["surprise"].abs().le(2).all()
    assert frame["std"].between(0, 1).all()
    assert (frame["positive"] + frame["negative"]).between(0, 1 + 1e-12).all()
    by_day = frame.groupby("session")
    assert (by_day["n"].sum() == by_day["market_n"].first()).all()
    assert (by_day["market_mean"].nunique() == 1).all()


def test_long_silence_leaves_only_the_new() -> None:
    frame = sentiment(
        ("1995-01-03 15:00", "ABC", "then +1 -0"), ("2015-06-11 15:00", "ABC", "now +0 -1"), half_life=0.01
    )
    assert frame["recent"].tolist() == [1.0, -1.0]
    assert frame["surprise"].tolist() == [0.0, 0.0]


def test_scores_of_other_items_are_refused() -> None:
    published = news(("2015-06-11 15:00", "ABC", "one +1 -0"), ("2015-06-11 16:00", "ABC", "two +1 -0"))
    other = scores_in_text(news(("2015-06-11 15:00", "ABC", "one +1 -0")))
    with pytest.raises(DataError, match=r"1 scores for 2 news items: give the scores of news\.frame\['text'\]"):
        daily_sentiment(published, other)


def test_a_missing_score_is_refused() -> None:
    published = news(("2015-06-11 15:00", "ABC", "said +1 -0"))
    scores = scores_in_text(published)
    scores.probabilities[0, 0] = np.nan
    with pytest.raises(DataError, match="a readable item has no score"):
        daily_sentiment(published, scores)


@pytest.mark.parametrize("items", [[], [("2015-06-11 15:00", "ABC", ""), ("2015-06-11 15:00", "ABC", "kein Englisch")]])
def test_nothing_to_read_is_refused(items: list[Item]) -> None:
    with pytest.raises(DataError, match=f"none of {len(items)} news items can be read"):
        sentiment(*items)


def test_items_outside_the_calendar_are_refused() -> None:
    with pytest.raises(DataError, match=r"XNYS has no session for OLD news of 1950-01-03 15:00 UTC \(1 such items\)"):
        sentiment(("1950-01-03 15:00", "OLD", "long gone +1 -0"), ("2015-06-11 15:00", "ABC", "said +1 -0"))


def test_an_unknown_calendar_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown exchange calendar 'XNYZ'"):
        sentiment(("2015-06-11 15:00", "ABC", "said +1 -0"), calendar="XNYZ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("margin_minutes", -1),
        ("margin_minutes", 1441),
        ("half_life", 0.0),
        ("half_life", float("nan")),
        ("half_life", float("inf")),
        ("window", 0),
        ("repeats", -0.1),
        ("repeats", 1.5),
    ],
)
def test_impossible_settings_are_refused(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"'sentiment.{key}' is {value}; it must be a (whole )?number"):
        SentimentConfig(**{key: value})  # type: ignore[arg-type]


def test_config_travels_as_a_mapping() -> None:
    config = SentimentConfig(margin_minutes=30, repeats=1.0)
    assert from_mapping(SentimentConfig, to_mapping(config)) == config


def test_each_symbol_has_the_cut_off_of_its_own_market() -> None:
    frame = sentiment(
        ("2024-06-27 05:30", "7203.T", "before Tokyo's cut-off, 05:45 UTC +1 -0"),
        ("2024-06-27 05:50", "7203.T", "after it +0 -1"),
        ("2024-06-27 05:50", "ABC", "New York's is at 19:45 UTC +0.5 -0"),
        ("2024-06-27 23:40", "BTC-USD", "a coin's day ends at 24:00 UTC +0 -0.5"),
        ("2024-06-29 12:00", "BTC-USD", "and has Saturdays +0.25 -0"),
        ("2024-06-29 12:00", "ABC", "as New York has not +0.75 -0"),
    ).set_index(["symbol", "session"])
    found = {(symbol, f"{day:%m-%d}"): row["mean"] for (symbol, day), row in frame.iterrows()}
    assert found == {
        ("7203.T", "06-27"): 1.0, ("7203.T", "06-28"): -1.0, ("ABC", "06-27"): 0.5, ("BTC-USD", "06-27"): -0.5,
        ("BTC-USD", "06-29"): 0.25, ("ABC", "07-01"): 0.75,
    }  # fmt: skip
    # a market is one calendar's: what is said until New York's close is not known at Tokyo's of the same date
    assert frame.loc[("7203.T", pd.Timestamp("2024-06-27")), ["market_n", "market_mean"]].tolist() == [1, 1.0]
    assert frame.loc[("ABC", pd.Timestamp("2024-06-27")), ["market_n", "market_mean"]].tolist() == [1, 0.5]


def test_what_is_said_of_tokyo_after_its_close_does_not_reach_the_session() -> None:
    first = ("2024-06-27 05:30", "7203.T", "known at Tokyo's close +1 -0")
    later = ("2024-06-27 15:00", "ABC", "said in New York's session of that date +0 -1")
    alone = sentiment(first)
    both = sentiment(first, later)
    assert alone.equals(both[both["symbol"] == "7203.T"].reset_index(drop=True))


HEADLINES = (
    ("2015-06-11 14:00", "ABC", "Maker of pumps lifts its outlook for the year as orders rise, says chief +0.5 -0"),
    ("2015-06-11 14:01", "ABC", "Maker of pumps lifts its outlook for this year as orders rise, says chief +0.5 -0"),
    (
        "2015-06-11 14:02",
        "ABC",
        "RT @desk: Maker of pumps lifts its outlook for the year as orders rise, says chief +0.5 -0",
    ),
    ("2015-06-11 14:03", "ABC", "A rival opens a plant in the south and hires two hundred +0 -1"),
    ("2015-06-12 14:00", "ABC", "Maker of pumps lifts its outlook for the year as orders rise, says chief +0.5 -0"),
    ("2015-06-11 14:00", "XYZ", "Maker of pumps lifts its outlook for the year as orders rise, says chief +0.5 -0"),
)


def test_near_duplicates_count_once_where_that_is_asked_for() -> None:
    first, next_day, other = sentiment(*HEADLINES, once=True).itertuples(index=False)
    assert (first.n, next_day.n, other.n) == (2, 1, 1)
    assert first.mean == pytest.approx((0.5 - 1) / 2)
    assert (first.market_n, first.negative) == (3, 0.5)
    # by default only what is the same but for case, links and retweeting weighs less, and each is counted
    first, *_ = sentiment(*HEADLINES).itertuples(index=False)
    assert first.n == 4
    assert first.mean == pytest.approx((0.5 + 0.5 * 2**0.5 - 1) / (2 + 2**0.5))


def test_which_of_near_duplicates_counts_is_the_first_that_was_known() -> None:
    until = sentiment(*HEADLINES[:1], once=True)
    assert sentiment(*HEADLINES[:3], once=True).equals(until)
