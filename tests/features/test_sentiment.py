from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.errors import DataError
from tenor.features import build_panel
from tenor.features.catalogue import feature_names
from tenor.features.sentiment import sentiment_features
from tenor.schema import SENTIMENT_COLUMNS, Bars, DailySentiment

SESSIONS = exchange("XNYS").sessions(pd.Timestamp("2015-01-02"), pd.Timestamp("2015-06-30"))
#       symbol, session, n, mean, std, positive, negative, surprise, recent, market_n, market_mean
ROWS = [
    ("A", 10, 4, 0.5, 0.2, 0.75, 0.25, 0.1, 0.4, 6, 0.3),
    ("X", 10, 2, -0.1, 0.3, 0.0, 0.5, -0.2, -0.1, 6, 0.3),
    ("X", 12, 1, 0.9, 0.0, 1.0, 0.0, 0.0, 0.2, 1, 0.9),
    ("A", 15, 1, 0.0, 0.0, 0.0, 0.0, 0.0, -0.8, 1, 0.0),
]


def make(rows: list[tuple[object, ...]]) -> DailySentiment:
    frame = pd.DataFrame(rows, columns=list(SENTIMENT_COLUMNS))
    return DailySentiment(frame.assign(session=SESSIONS[frame["session"].astype(int)]))


@pytest.fixture
def found() -> dict[str, np.ndarray]:
    return sentiment_features(make(ROWS), SESSIONS, ("A", "B"), "XNYS", 5.0)


def test_the_names_are_the_catalogues(found: dict[str, np.ndarray]) -> None:
    assert tuple(found) == feature_names(["sentiment"])
    assert all(np.isfinite(v).all() and v.shape == (len(SESSIONS), 2) for v in found.values())


def test_a_session_with_news(found: dict[str, np.ndarray]) -> None:
    expected = {
        "sentiment_known": 1, "sentiment_mean": 0.5, "sentiment_std": 0.2, "sentiment_balance": 0.5,
        "sentiment_surprise": 0.1,
        "sentiment_count": np.log(5), "sentiment_recent": 0.4, "sentiment_age": 0, "sentiment_market": 0.3,
        "sentiment_market_count": np.log(7), "sentiment_relative": 0.2,
    }  # fmt: skip
    for name, value in expected.items():
        assert found[name][10, 0] == pytest.approx(value), name


def test_no_news_is_not_neutral_news(found: dict[str, np.ndarray]) -> None:
    assert found["sentiment_mean"][14, 0] == found["sentiment_mean"][15, 0] == 0
    assert (found["sentiment_known"][14, 0], found["sentiment_known"][15, 0]) == (0, 1)
    assert (found["sentiment_count"][14, 0], found["sentiment_count"][15, 0]) == (0, pytest.approx(np.log(2)))


def test_recent_sentiment_fades_between_news(found: dict[str, np.ndarray]) -> None:
    recent = found["sentiment_recent"][:, 0]
    assert (recent[:10] == 0).all()
    np.testing.assert_allclose(recent[10:15], 0.4 * 0.5 ** (np.arange(5) / 5))
    assert recent[15] == -0.8
    assert recent[20] == pytest.approx(-0.4)
    assert (recent[75:] == 0).all()


def test_it_fades_by_the_half_life_of_the_settings() -> None:
    slow = sentiment_features(make(ROWS), SESSIONS, ("A", "B"), "XNYS", 20.0)["sentiment_recent"][:, 0]
    np.testing.assert_allclose(slow[10:15], 0.4 * 0.5 ** (np.arange(5) / 20))


def test_age_of_the_last_news(found: dict[str, np.ndarray]) -> None:
    age = found["sentiment_age"]
    assert (age[:10, 0] == 1).all()
    np.testing.assert_allclose(age[10:16, 0] * 20, [0, 1, 2, 3, 4, 0])
    assert (age[35:, 0] == 1).all()
    assert (age[:, 1] == 1).all()


def test_the_market_counts_symbols_that_have_no_bars(found: dict[str, np.ndarray]) -> None:
    assert found["sentiment_market"][12].tolist() == [0.9, 0.9]
    assert found["sentiment_known"][12].tolist() == [0, 0]
    assert found["sentiment_market"][11].tolist() == [0, 0]


def test_sentiment_outside_the_panel_is_not_used() -> None:
    early = sentiment_features(make(ROWS), SESSIONS[11:], ("A", "B"), "XNYS", 5.0)
    assert early["sentiment_recent"][:4, 0].tolist() == [0, 0, 0, 0]
    none = sentiment_features(make([]), SESSIONS, ("A", "B"), "XNYS", 5.0)
    assert not none["sentiment_known"].any()
    assert (none["sentiment_age"] == 1).all()


def test_sentiment_on_a_day_off_is_refused() -> None:
    frame = make(ROWS).frame.assign(session=pd.Timestamp("2015-02-14"), symbol=["A", "B", "C", "D"])
    with pytest.raises(DataError, match="2015-02-14 is not a session of XNYS"):
        sentiment_features(DailySentiment(frame), SESSIONS, ("A", "B"), "XNYS", 5.0)


def test_sentiment_joins_the_panel_only_when_it_is_given_and_wanted(bars: Bars) -> None:
    sessions = bars.frame["session"].unique()[:100]
    sentiment = DailySentiment(pd.DataFrame([("S01", d, *[1] * 9) for d in sessions], columns=list(SENTIMENT_COLUMNS)))
    plain = build_panel(bars, FeatureConfig())
    with_news = build_panel(bars, FeatureConfig(), sentiment=sentiment)
    off = build_panel(bars, FeatureConfig(sentiment=False), sentiment=sentiment)
    assert plain.features == off.features == with_news.features[: len(plain.features)]
    assert with_news.features[len(plain.features) :] == feature_names(["sentiment"])
    np.testing.assert_array_equal(with_news.mask, plain.mask)
    np.testing.assert_array_equal(with_news.values[:, :, : len(plain.features)], plain.values)
    assert with_news.values[80, :, with_news.features.index("sentiment_known")].tolist() == [0, 1, 0, 0]
