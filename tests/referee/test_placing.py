"""Rows on the sessions of a panel, where symbols trade on one market or on several."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tenor
from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.features import build_panel
from tenor.ingest.files.forecast_files import read_forecasts
from tenor.referee.placing import horizons_of, place, raw_closes
from tenor.schema import Bars


@pytest.fixture(scope="module")
def two_markets() -> Bars:
    rng = np.random.default_rng(0)
    frames = []
    for symbol, calendar in (("AAPL", "XNYS"), ("7203.T", "XTKS")):
        days = exchange(calendar).sessions(pd.Timestamp("2022-01-03"), pd.Timestamp("2023-12-29"))
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
        frames.append(
            pd.DataFrame(
                {
                    "symbol": symbol,
                    "session": days,
                    "open": close,
                    "high": close * 1.01,
                    "low": close * 0.99,
                    "close": close,
                    "adj_close": close * 0.5,
                    "volume": 1000.0,
                }
            )
        )
    return Bars(pd.concat(frames))


def test_each_row_stands_where_its_session_is_known(two_markets: Bars) -> None:
    panel = build_panel(two_markets, FeatureConfig(horizons=(1, 5), sentiment=False))
    frame = pd.DataFrame(
        [
            ("AAPL", "2023-06-01", 1),
            ("7203.T", "2023-06-01", 5),
            ("7203.T", "2023-07-04", 1),  # New York rests
            ("aapl.us", "2023-06-02", 1),
        ],
        columns=["symbol", "session", "horizon"],
    ).assign(price=50.0)
    (rows,) = read_forecasts(frame)
    places = place(rows, panel)
    assert places.index.tolist() == [0, 1, 3]
    assert [panel.symbols[i] for i in places.symbol] == ["AAPL", "7203.T", "AAPL"]
    assert [f"{panel.sessions[t]:%m-%d}" for t in places.session] == ["06-01", "06-01", "06-02"]
    assert places.horizon.tolist() == [0, 1, 0]
    (reason,) = places.unjudged
    assert reason.describe() == "1 no session of the exchange (row 2: 7203.T 2023-07-04)"
    grid = places.grid(np.array([1.0, 2.0, 3.0]), panel)
    assert np.isfinite(grid).sum() == 3
    assert grid[places.session[1], places.symbol[1], 1] == 2.0
    assert horizons_of(rows, "XNYS").tolist() == [1, 5, 1, 1]


def test_closes_as_traded_stand_beside_the_adjusted_ones(two_markets: Bars) -> None:
    panel = build_panel(two_markets, FeatureConfig(horizons=(1,), sentiment=False))
    raw = raw_closes(two_markets, panel)
    np.testing.assert_array_equal(np.isfinite(raw), np.isfinite(panel.close))
    np.testing.assert_allclose(raw[np.isfinite(raw)] * 0.5, panel.close[np.isfinite(raw)])


def test_a_moment_belongs_to_the_last_session_of_its_own_exchange(two_markets: Bars) -> None:
    panel = build_panel(two_markets, FeatureConfig(horizons=(1,), sentiment=False))
    frame = pd.DataFrame(
        {
            "symbol": ["AAPL", "7203.T", "AAPL"],
            # Tokyo has closed by then, New York has not opened; a Saturday belongs to Friday
            "as_of": pd.to_datetime(["2023-06-01T10:00Z", "2023-06-01T10:00Z", "2023-06-03T10:00Z"]),
            "horizon": 1,
            "price": 50.0,
        }
    )
    places = place(read_forecasts(frame)[0], panel)
    assert [f"{day:%m-%d}" for day in places.last_session] == ["05-31", "06-01", "06-02"]


def test_of_two_forecasts_of_one_session_the_first_counts(two_markets: Bars) -> None:
    panel = build_panel(two_markets, FeatureConfig(horizons=(1,), sentiment=False))
    moments = pd.to_datetime(["2023-06-01T21:00Z", "2023-06-01T23:00Z"])
    frame = pd.DataFrame({"symbol": "AAPL", "as_of": moments, "horizon": 1, "price": [50.0, 60.0]})
    places = place(read_forecasts(frame)[0], panel)
    assert places.index.tolist() == [0]
    assert places.unjudged[0].describe() == (
        "1 another forecast of the same symbol, session and horizon: the first counts (row 1: AAPL 2023-06-01)"
    )


def test_names_that_are_known_by_another_spelling() -> None:
    bars = tenor.embedded_bars().select(["BRK-A"]) if "BRK-A" in tenor.embedded_bars().symbols else None
    assert bars is not None
    panel = build_panel(bars, FeatureConfig(horizons=(1,), sentiment=False))
    frame = pd.DataFrame({"symbol": ["brk.a"], "session": ["2016-06-01"], "horizon": [1], "price": [50.0]})
    assert place(read_forecasts(frame)[0], panel).index.tolist() == [0]
