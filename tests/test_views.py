"""Data and results show themselves in one line, and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tenor
from tenor.schema import DailySentiment, News
from tenor.views import table_view


@pytest.fixture(scope="module")
def bars(bars_of: Any) -> tenor.Bars:
    return bars_of(symbols=3, sessions=300)


def test_bars_have_a_length_a_head_and_a_line(bars: tenor.Bars) -> None:
    first, last = bars.frame["session"].min(), bars.frame["session"].max()
    assert repr(bars) == f"Bars(3 symbols, {len(bars.frame):,} rows, {first:%Y-%m-%d} … {last:%Y-%m-%d})"
    assert len(bars) == len(bars.frame)
    assert bars.head(2).equals(bars.frame.head(2))
    copy = bars.to_frame()
    copy["close"] = 0.0
    assert (bars.frame["close"] > 0).all()
    assert bars._repr_html_().count("<tr") == 13


def test_no_news_are_news() -> None:
    frame = pd.DataFrame({name: pd.Series(dtype="str") for name in ("id", "symbol", "text", "source", "url")})
    news = News(frame.assign(published_at=pd.Series(dtype="datetime64[us, UTC]")))
    assert (len(news), bool(news), repr(news)) == (0, True, "News(no rows)")


def test_daily_sentiment_has_a_line() -> None:
    assert repr(DailySentiment(tenor.embedded_sentiment().frame)).startswith("DailySentiment(87 symbols, ")


def test_a_panel_has_a_line_and_a_frame_of_its_cells(bars: tenor.Bars) -> None:
    panel = tenor.build_panel(bars, tenor.FeatureConfig(groups=("returns",), horizons=(1, 5)))
    assert repr(panel).startswith(f"Panel(3 symbols, {len(panel.sessions)} sessions ")
    assert panel._repr_html_().count("<tr") == 5
    frame = panel.to_frame()
    assert len(frame) == panel.mask.sum()
    assert list(frame.columns) == ["symbol", "session", *panel.features, "target_1", "target_5"]
    assert frame["symbol"].is_monotonic_increasing
    row = frame.iloc[100]
    i, j = panel.sessions.get_loc(row["session"]), panel.symbol_index(row["symbol"])
    assert np.array_equal(row[list(panel.features)].to_numpy(dtype="float32"), panel.values[i, j])
    assert row["target_5"] == panel.targets[i, j, 1]


def test_many_forecasts_are_a_short_table(bars: tenor.Bars) -> None:
    nothing = tenor.Forecasts((), failed={name: tenor.TenorError(f"{name} has no bars.") for name in "ABCDE"})
    assert repr(nothing) == "Forecasts(0 symbols, horizons none, 5 without a forecast)"
    assert "2 more without a forecast" in nothing._repr_html_()
    assert "B has no bars" in nothing._repr_html_()


def test_what_a_frame_holds_is_escaped_and_long_ones_are_cut() -> None:
    page = table_view("<b>", pd.DataFrame({"x": ["<script>"] * 20}), notes=("a & b",))
    assert "<script>" not in page
    assert "<b>" not in page
    assert "a &amp; b" in page
    assert "8 more rows" in page


def test_numbers_have_no_exponent_and_moments_no_zone() -> None:
    rows = pd.DataFrame({"x": [2.374e-05, 164.050003], "at": pd.to_datetime(["2017-09-01T20:00Z"] * 2)})
    page = table_view("t", rows)
    assert "0.00002374" in page
    assert ">164.1<" in page
    assert ">2017-09-01 20:00<" in page
