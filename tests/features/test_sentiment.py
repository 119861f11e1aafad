from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.errors import DataError
from tenor.features import build_panel
from tenor.features.catalogue import feature_names
from tenor.features.sentiment import mood_features
from tenor.schema import MOOD_COLUMNS, Bars, Mood

SESSIONS = exchange("XNYS").sessions(pd.Timestamp("2015-01-02"), pd.Timestamp("2015-06-30"))
#       symbol, session, n, mean, std, positive, negative, surprise, recent, market_n, market_mean
ROWS = [
    ("A", 10, 4, 0.5, 0.2, 0.75, 0.25, 0.1, 0.4, 6, 0.3),
    ("X", 10, 2, -0.1, 0.3, 0.0, 0.5, -0.2, -0.1, 6, 0.3),
    ("X", 12, 1, 0.9, 0.0, 1.0, 0.0, 0.0, 0.2, 1, 0.9),
    ("A", 15, 1, 0.0, 0.0, 0.0, 0.0, 0.0, -0.8, 1, 0.0),
]


def make(rows: list[tuple[object, ...]]) -> Mood:
    frame = pd.DataFrame(rows, columns=list(MOOD_COLUMNS))
    return Mood(frame.assign(session=SESSIONS[frame["session"].astype(int)]))


@pytest.fixture
def found() -> dict[str, np.ndarray]:
    return mood_features(make(ROWS), SESSIONS, ("A", "B"), "XNYS")


def test_the_names_are_the_catalogues(found: dict[str, np.ndarray]) -> None:
    assert tuple(found) == feature_names(["mood"])
    assert all(np.isfinite(v).all() and v.shape == (len(SESSIONS), 2) for v in found.values())


def test_a_session_with_news(found: dict[str, np.ndarray]) -> None:
    expected = {
        "mood_known": 1, "mood_mean": 0.5, "mood_std": 0.2, "mood_balance": 0.5, "mood_surprise": 0.1,
        "mood_count": np.log(5), "mood_recent": 0.4, "mood_age": 0, "mood_market": 0.3,
        "mood_market_count": np.log(7), "mood_relative": 0.2,
    }  # fmt: skip
    for name, value in expected.items():
        assert found[name][10, 0] == pytest.approx(value), name


def test_no_news_is_not_neutral_news(found: dict[str, np.ndarray]) -> None:
    assert found["mood_mean"][14, 0] == found["mood_mean"][15, 0] == 0
    assert (found["mood_known"][14, 0], found["mood_known"][15, 0]) == (0, 1)
    assert (found["mood_count"][14, 0], found["mood_count"][15, 0]) == (0, pytest.approx(np.log(2)))


def test_recent_mood_fades_between_news(found: dict[str, np.ndarray]) -> None:
    recent = found["mood_recent"][:, 0]
    assert (recent[:10] == 0).all()
    np.testing.assert_allclose(recent[10:15], 0.4 * 0.5 ** (np.arange(5) / 5))
    assert recent[15] == -0.8
    assert recent[20] == pytest.approx(-0.4)
    assert (recent[75:] == 0).all()


def test_it_fades_by_the_half_life_that_the_mood_was_made_with() -> None:
    slow = mood_features(replace(make(ROWS), half_life=20.0), SESSIONS, ("A", "B"), "XNYS")["mood_recent"][:, 0]
    np.testing.assert_allclose(slow[10:15], 0.4 * 0.5 ** (np.arange(5) / 20))
    assert replace(make(ROWS), half_life=20.0).until(SESSIONS[12]).half_life == 20.0


def test_age_of_the_last_news(found: dict[str, np.ndarray]) -> None:
    age = found["mood_age"]
    assert (age[:10, 0] == 1).all()
    np.testing.assert_allclose(age[10:16, 0] * 20, [0, 1, 2, 3, 4, 0])
    assert (age[35:, 0] == 1).all()
    assert (age[:, 1] == 1).all()


def test_the_market_counts_symbols_that_have_no_bars(found: dict[str, np.ndarray]) -> None:
    assert found["mood_market"][12].tolist() == [0.9, 0.9]
    assert found["mood_known"][12].tolist() == [0, 0]
    assert found["mood_market"][11].tolist() == [0, 0]


def test_mood_outside_the_panel_is_not_used() -> None:
    early = mood_features(make(ROWS), SESSIONS[11:], ("A", "B"), "XNYS")
    assert early["mood_recent"][:4, 0].tolist() == [0, 0, 0, 0]
    none = mood_features(make([]), SESSIONS, ("A", "B"), "XNYS")
    assert not none["mood_known"].any()
    assert (none["mood_age"] == 1).all()


def test_mood_on_a_day_off_is_refused() -> None:
    frame = make(ROWS).frame.assign(session=pd.Timestamp("2015-02-14"), symbol=["A", "B", "C", "D"])
    with pytest.raises(DataError, match="2015-02-14 is no session of XNYS"):
        mood_features(Mood(frame), SESSIONS, ("A", "B"), "XNYS")


def test_mood_joins_the_panel_only_when_it_is_given_and_wanted(bars: Bars) -> None:
    sessions = bars.frame["session"].unique()[:100]
    mood = Mood(pd.DataFrame([("S01", d, *[1] * 9) for d in sessions], columns=list(MOOD_COLUMNS)))
    plain = build_panel(bars, FeatureConfig())
    moody = build_panel(bars, FeatureConfig(), mood=mood)
    off = build_panel(bars, FeatureConfig(sentiment=False), mood=mood)
    assert plain.features == off.features == moody.features[: len(plain.features)]
    assert moody.features[len(plain.features) :] == feature_names(["mood"])
    np.testing.assert_array_equal(moody.mask, plain.mask)
    np.testing.assert_array_equal(moody.values[:, :, : len(plain.features)], plain.values)
    assert moody.values[80, :, moody.features.index("mood_known")].tolist() == [0, 1, 0, 0]
