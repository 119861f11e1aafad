from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.errors import DataError, HistoryError, UnknownSymbolError
from tenor.schema import SENTIMENT_COLUMNS, Bars, DailySentiment, News, Panel, Predictions, news_id


def rows(**changes: Any) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "symbol": ["B", "A", "A"],
            "session": pd.to_datetime(["2015-01-02", "2015-01-05", "2015-01-02"]),
            "open": [10.0, 20.0, 21.0],
            "high": [11.0, 22.0, 23.0],
            "low": [9.0, 19.0, 20.0],
            "close": [10.5, 21.0, 22.0],
            "adj_close": [5.25, 21.0, 22.0],
            "volume": [100, 200, 0],
        }
    )
    for column, value in changes.items():
        frame.loc[frame.index[0], column] = value
    return frame


def test_bars_are_sorted_typed_and_adjusted() -> None:
    bars = Bars(rows())
    assert bars.symbols == ("A", "B")
    assert bars.frame["session"].is_monotonic_increasing is False  # by symbol first
    assert list(bars.frame["symbol"]) == ["A", "A", "B"]
    last = bars.adjusted().iloc[-1]
    assert (last["open"], last["high"], last["close"]) == (5.0, 5.5, 5.25)
    assert bars.until(pd.Timestamp("2015-01-02")).frame.shape[0] == 2
    assert bars.select(["B"]).symbols == ("B",)


def test_the_fingerprint_depends_on_the_rows_and_not_on_their_order() -> None:
    shuffled = rows().iloc[[2, 0, 1]]
    assert Bars(rows()).fingerprint() == Bars(shuffled).fingerprint()
    assert Bars(rows()).fingerprint() != Bars(rows(close=10.51)).fingerprint()
    assert Bars(rows()).fingerprint() != Bars(rows(symbol="C")).fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"close": np.nan}, r"a price is missing at B 2015-01-02"),
        ({"open": np.inf}, r"a price is missing at B 2015-01-02"),
        ({"low": -1.0}, r"a price is not positive at B 2015-01-02"),
        ({"high": 5.0}, r"high is below low at B 2015-01-02"),
        ({"volume": -3}, r"volume is missing or negative"),
        ({"symbol": "A"}, r"a session appears twice at A 2015-01-02"),
        ({"session": pd.Timestamp("2015-01-02 16:00")}, r"has a time of day"),
        ({"session": pd.NaT}, r"'session' is missing"),
    ],
)
def test_bars_refuse_bad_rows_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Bars(rows(**changes))


def test_bars_refuse_missing_columns_no_rows_zones_and_unknown_symbols() -> None:
    with pytest.raises(DataError, match="no column 'close'"):
        Bars(rows().drop(columns="close"))
    with pytest.raises(DataError, match=r"no rows.*tenor data import"):
        Bars(rows().iloc[:0])
    with pytest.raises(DataError, match="no time zone"):
        Bars(rows().assign(session=lambda f: f["session"].dt.tz_localize("UTC")))
    with pytest.raises(UnknownSymbolError, match="Did you mean 'A'"):
        Bars(rows()).select(["a"])


def news(**changes: Any) -> pd.DataFrame:
    moments = pd.to_datetime(["2015-01-02 10:00", "2015-01-01 23:30"]).tz_localize("America/New_York")
    return pd.DataFrame(
        {"id": ["x", "y"], "published_at": moments, "symbol": "A", "text": "t", "source": "s", "url": ""}
    ).assign(**changes)


def test_news_are_in_utc_and_in_order() -> None:
    frame = News(news()).frame
    assert str(frame["published_at"].dtype) == "datetime64[us, UTC]"
    assert list(frame["id"]) == ["y", "x"]
    assert frame["published_at"].iloc[0] == pd.Timestamp("2015-01-02 04:30", tz="UTC")


def test_news_without_a_zone_or_a_date_are_refused() -> None:
    with pytest.raises(DataError, match="no time zone"):
        News(news(published_at=pd.Timestamp("2015-01-02")))
    with pytest.raises(DataError, match="2 items have no time of publication"):
        News(news(published_at=pd.DatetimeIndex([pd.NaT, pd.NaT]).tz_localize("UTC")))


def test_news_id_tells_sources_and_texts_apart() -> None:
    assert news_id("a", "b") == news_id("a", "b")
    assert len({news_id("a", "b"), news_id("ab", ""), news_id("", "ab"), news_id("b", "a")}) == 4


def test_sentiment_refuses_a_row_without_items() -> None:
    row = dict.fromkeys(SENTIMENT_COLUMNS, 0.5) | {"symbol": "A", "session": pd.Timestamp("2015-01-02")}
    assert DailySentiment(pd.DataFrame([row | {"n": 1}])).frame.shape == (1, len(SENTIMENT_COLUMNS))
    with pytest.raises(DataError, match="a row without items at A 2015-01-02"):
        DailySentiment(pd.DataFrame([row | {"n": 0}]))
    with pytest.raises(DataError, match="a number is missing"):
        DailySentiment(pd.DataFrame([row | {"n": 1, "std": np.nan}]))


def panel(sessions: int = 10) -> Panel:
    grid = (sessions, 2)
    return Panel(
        values=np.arange(sessions * 2 * 3, dtype=np.float32).reshape(*grid, 3),
        mask=np.ones(grid, dtype=bool),
        targets=np.zeros((*grid, 1), dtype=np.float32),
        volatility=np.ones(grid, dtype=np.float32),
        open=np.ones(grid),
        close=np.ones(grid),
        sessions=pd.bdate_range("2015-01-01", periods=sessions),
        symbols=("A", "B"),
        features=("f", "g", "h"),
        horizons=(1,),
    )


def test_windows_are_views_that_end_at_their_session() -> None:
    p = panel()
    windows = p.windows(4)
    assert windows.shape == (7, 2, 4, 3)
    assert np.shares_memory(windows, p.values)
    np.testing.assert_array_equal(windows[2, 1], p.values[2:6, 1])
    with pytest.raises(HistoryError, match="10 sessions are too few for a lookback of 11"):
        p.windows(11)


def test_a_part_of_a_panel_is_a_view_and_axes_are_found_by_name() -> None:
    p = panel()
    part = p.between(2, 5)
    assert part.sessions.equals(p.sessions[2:5])
    assert np.shares_memory(part.values, p.values)
    assert (p.symbol_index("B"), p.horizon_index(1)) == (1, 0)
    with pytest.raises(UnknownSymbolError):
        p.symbol_index("b")
    with pytest.raises(DataError, match="horizon 5"):
        p.horizon_index(5)


def test_shapes_that_do_not_fit_their_axes_are_refused() -> None:
    with pytest.raises(DataError, match="mask has shape"):
        Panel(**(panel().__dict__ | {"mask": np.ones((1, 1), dtype=bool)}))
    with pytest.raises(DataError, match="not in order"):
        Panel(**(panel().__dict__ | {"sessions": panel().sessions[::-1]}))
    ones = np.ones((2, 2, 1), dtype=np.float32)
    with pytest.raises(DataError, match="p_up has shape"):
        Predictions("m", ones, ones[:1])
