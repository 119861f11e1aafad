"""Several markets in one panel: what stands where, when it was known, and nothing from the future."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.calendars import calendar_of, exchange
from tenor.config import FeatureConfig
from tenor.errors import DataError, HistoryError
from tenor.features import build_panel
from tenor.features.axis import Axis, on_axis
from tenor.features.indicators import Series, ewma_volatility, indicators
from tenor.schema import PRICES, SENTIMENT_COLUMNS, Bars, DailySentiment, Panel

SYMBOLS = ("AAPL", "MSFT", "7203.T", "SAP.DE", "RELIANCE.NS", "BTC-USD", "EURUSD=X")
FIRST, LAST = pd.Timestamp("2023-09-04"), pd.Timestamp("2024-07-10")
CONFIG = FeatureConfig(horizons=(1, 5))


def world(symbols: tuple[str, ...] = SYMBOLS, first: pd.Timestamp = FIRST, last: pd.Timestamp = LAST) -> Bars:
    """Random walks, each on its own market's calendar."""
    frames = []
    for number, symbol in enumerate(symbols):
        rng = np.random.default_rng(number)
        days = exchange(calendar_of(symbol, "XNYS")).sessions(first, last)
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, len(days))))
        open_ = close * np.exp(rng.normal(0, 0.005, len(days)))
        frames.append(
            pd.DataFrame(
                {
                    "symbol": symbol, "session": days, "open": open_,
                    "high": np.maximum(open_, close) * 1.01, "low": np.minimum(open_, close) * 0.99,
                    "close": close, "adj_close": close * 0.9, "volume": rng.integers(1_000, 9_000, len(days)) * 1.0,
                }
            )
        )  # fmt: skip
    return Bars(pd.concat(frames))


@functools.cache
def panel_on(axis: str) -> tuple[Bars, Panel]:
    bars = world(tuple(s for s in SYMBOLS if axis in ("XNYS", "24/7", "24/5") or s not in ("AAPL", "MSFT")))
    return bars, build_panel(bars, FeatureConfig(horizons=(1, 5), calendar=axis))


def shown(axis: str, symbol: str, day: str) -> str:
    """The session of the bar whose close stands in the row of `day`; ``–`` where none does."""
    bars, panel = panel_on(axis)
    close = panel.close[panel.sessions.get_loc(pd.Timestamp(day)), panel.symbol_index(symbol)]
    own = bars.frame[bars.frame["symbol"] == symbol]
    sessions = own.loc[own["adj_close"] == close, "session"]
    return f"{sessions.iloc[0]:%m-%d}" if len(sessions) else "–"


@pytest.mark.parametrize(
    ("axis", "symbol", "day", "bar"),
    [
        # at New York's close: the same day's bar of Tokyo, Frankfurt and Bombay, the day before's of what ends at 24:00
        ("XNYS", "AAPL", "2024-06-27", "06-27"),
        ("XNYS", "7203.T", "2024-06-27", "06-27"),
        ("XNYS", "SAP.DE", "2024-06-27", "06-27"),
        ("XNYS", "RELIANCE.NS", "2024-06-27", "06-27"),
        ("XNYS", "BTC-USD", "2024-06-27", "06-26"),
        ("XNYS", "EURUSD=X", "2024-06-27", "06-26"),
        # a Monday: the coin's Sunday; the currencies' Friday, which was over when New York had closed on Friday
        ("XNYS", "BTC-USD", "2024-06-24", "06-23"),
        ("XNYS", "EURUSD=X", "2024-06-24", "06-21"),
        # around Independence Day, as in the docstring of the axis: the later of two bars that became known since
        ("XNYS", "BTC-USD", "2024-07-02", "07-01"),
        ("XNYS", "BTC-USD", "2024-07-03", "07-02"),
        ("XNYS", "7203.T", "2024-07-03", "07-03"),
        ("XNYS", "BTC-USD", "2024-07-08", "07-07"),
        ("XNYS", "7203.T", "2024-07-05", "07-05"),
        ("XNYS", "SAP.DE", "2024-07-05", "07-05"),
        ("XNYS", "BTC-USD", "2024-07-05", "07-04"),
        # a holiday of Tokyo (2024-05-03), of Frankfurt (Labour Day), of Bombay (2024-06-17): nothing new
        ("XNYS", "7203.T", "2024-05-03", "–"),
        ("XNYS", "SAP.DE", "2024-05-01", "–"),
        ("XNYS", "RELIANCE.NS", "2024-06-17", "–"),
        # an early close, 17:00 UTC: Frankfurt is over at 16:30
        ("XNYS", "SAP.DE", "2024-07-03", "07-03"),
        # at Frankfurt's close Tokyo and Bombay are over, the coin's day is not
        ("XETR", "7203.T", "2024-06-27", "06-27"),
        ("XETR", "RELIANCE.NS", "2024-06-27", "06-27"),
        ("XETR", "BTC-USD", "2024-06-27", "06-26"),
        # at Tokyo's close Frankfurt and Bombay are open: their day before
        ("XTKS", "SAP.DE", "2024-06-27", "06-26"),
        ("XTKS", "RELIANCE.NS", "2024-06-27", "06-26"),
        # by UTC days all of the date are over; on a Sunday only coins have a new one
        ("24/7", "AAPL", "2024-06-27", "06-27"),
        ("24/7", "7203.T", "2024-06-27", "06-27"),
        ("24/7", "BTC-USD", "2024-06-23", "06-23"),
        ("24/7", "SAP.DE", "2024-06-23", "–"),
    ],
)
def test_which_bar_stands_where(axis: str, symbol: str, day: str, bar: str) -> None:
    assert shown(axis, symbol, day) == bar


def test_features_are_of_the_own_bars() -> None:
    bars, panel = panel_on("XNYS")
    names = ("returns", "trend", "momentum", "volatility", "volume", "risk")
    for symbol in ("7203.T", "BTC-USD"):
        own = bars.adjusted()[lambda f, s=symbol: f["symbol"] == s]
        number = [np.ascontiguousarray(own[c]) for c in ("open", "high", "low", "close")]
        volume = own["volume"].to_numpy() * (own["close"].to_numpy() / own["adj_close"].to_numpy()) / 0.9
        series = Series(*number, volume=volume)
        volatility = ewma_volatility(series.step)
        column, row = panel.symbol_index(symbol), panel.sessions.get_loc(pd.Timestamp("2024-06-27"))
        (bar,) = np.flatnonzero(own["session"] == pd.Timestamp("2024-06-27" if symbol == "7203.T" else "2024-06-26"))
        assert panel.volatility[row, column] == np.float32(volatility[bar])
        for name, values in indicators(series, names).items():
            cell = panel.values[row, column, panel.features.index(name)]
            assert cell == pytest.approx(values[bar], rel=1e-4, abs=1e-6), name


def test_targets_run_from_what_is_known_to_what_will_be() -> None:
    bars, panel = panel_on("XNYS")
    own = bars.frame[bars.frame["symbol"] == "BTC-USD"].set_index("session")["adj_close"]
    friday = panel.sessions.get_loc(pd.Timestamp("2024-06-21"))
    target = panel.targets[friday, panel.symbol_index("BTC-USD"), 0]
    assert target == pytest.approx(np.log(own["2024-06-23"] / own["2024-06-20"]), rel=1e-5)
    before = panel.sessions.get_loc(pd.Timestamp("2024-05-02"))  # Tokyo is closed on the 3rd: nothing new to meet
    assert np.isnan(panel.targets[before, panel.symbol_index("7203.T"), 0])


def test_no_price_before_the_decision_can_be_traded() -> None:
    _, panel = panel_on("XNYS")
    opens = {s: np.isfinite(panel.open[1:, panel.symbol_index(s)]) for s in SYMBOLS}
    shows = {s: np.isfinite(panel.close[1:, panel.symbol_index(s)]) for s in SYMBOLS}
    for symbol in ("AAPL", "7203.T", "SAP.DE", "RELIANCE.NS"):
        np.testing.assert_array_equal(opens[symbol], shows[symbol])
    # the coin's day that is over at New York's close began before its last one, but after weekends and holidays
    days = panel.sessions[1:][opens["BTC-USD"]]
    assert {day.day_name() for day in days} <= {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
    assert ((days - panel.sessions[panel.sessions.get_indexer(days) - 1]) > pd.Timedelta(days=1)).all()
    assert (~opens["BTC-USD"]).sum() > 150


def test_symbols_of_the_axis_stand_as_if_alone() -> None:
    both = build_panel(world(), FeatureConfig(groups=("returns", "trend", "volatility", "volume", "momentum")))
    alone = build_panel(
        world(("AAPL", "MSFT")), FeatureConfig(groups=("returns", "trend", "volatility", "volume", "momentum"))
    )
    at = both.sessions.get_indexer(alone.sessions)
    assert (at >= 0).all()
    columns = [both.symbol_index(s) for s in alone.symbols]
    for name in ("values", "mask", "targets", "volatility", "open", "close"):
        assert getattr(both, name)[at][:, columns].tobytes() == getattr(alone, name).tobytes(), name


def test_names_that_tell_no_market_are_of_the_axis(bars_of: Callable[..., Bars]) -> None:
    frame = bars_of(symbols=2, sessions=100).frame
    days = exchange("XLON").sessions(pd.Timestamp("2024-01-01"), LAST)[:100]
    bars = Bars(frame.assign(session=np.tile(days.to_numpy(), 2)))
    assert build_panel(bars, FeatureConfig(calendar="XLON", horizons=(1,))).mask[66:].all()


def test_a_us_stock_is_not_taken_for_one_of_tokyo() -> None:
    bars = world(("AAPL", "7203.T"), FIRST, LAST)
    with pytest.raises(
        DataError, match=r"the name of AAPL has no market, and it stands beside 7203\.T, on XTKS: .*XNYS"
    ):
        build_panel(bars, FeatureConfig(calendar="XTKS"))


def test_a_stray_bar_is_told_by_its_own_calendar() -> None:
    frame = world(("AAPL", "7203.T")).frame
    frame.loc[frame[frame["symbol"] == "7203.T"].index[-1], "session"] = pd.Timestamp("2024-07-15")  # Marine Day
    with pytest.raises(DataError, match=r"7203\.T 2024-07-15: no session of XTKS"):
        build_panel(Bars(frame), CONFIG)


def test_the_axis_ends_with_what_was_over() -> None:
    """Tokyo's Tuesday must not bring a New York Tuesday that is still to come."""
    frame = world(("AAPL", "7203.T")).frame
    monday, tuesday = pd.Timestamp("2024-07-08"), pd.Timestamp("2024-07-09")
    last = frame["symbol"].map({"AAPL": monday, "7203.T": tuesday})
    bars = Bars(frame[frame["session"] <= last])
    assert Axis.of(bars, "XNYS").sessions[-1] == monday
    assert Axis.of(bars.select(["7203.T"]), "XTKS").sessions[-1] == tuesday
    assert Axis.of(bars.select(["7203.T"]), "XNYS").sessions[-1] == monday
    with pytest.raises(HistoryError, match="no session of XNYS was over between the first bar and the last"):
        Axis.of(Bars(bars.frame[(bars.frame["symbol"] == "7203.T")].tail(1)), "XNYS")


def test_frames_dated_by_the_axis() -> None:
    frame = world(("AAPL", "BTC-USD", "7203.T")).frame
    dated = on_axis(frame, "XNYS")
    assert dated[dated["symbol"] == "AAPL"].equals(frame[frame["symbol"] == "AAPL"])
    assert not dated.duplicated(["symbol", "session"]).any()
    _, panel = Bars(frame), build_panel(Bars(frame), CONFIG)
    for symbol in panel.symbols:
        closes = dated[dated["symbol"] == symbol].set_index("session")["adj_close"].reindex(panel.sessions)
        np.testing.assert_array_equal(closes.to_numpy(), panel.close[:, panel.symbol_index(symbol)])


def sentiments(bars: Bars, rng: np.random.Generator, share: float = 0.4) -> DailySentiment:
    rows = bars.frame.loc[rng.random(len(bars.frame)) < share, ["symbol", "session"]]
    numbers = {c: rng.uniform(-1, 1, len(rows)) for c in SENTIMENT_COLUMNS[2:]}
    return DailySentiment(rows.assign(**numbers | {c: rng.integers(1, 50, len(rows)) for c in ("n", "market_n")}))


def test_sentiment_stands_beside_the_bar_that_it_belongs_to() -> None:
    bars = world(("AAPL", "7203.T", "BTC-USD"))
    days = {"AAPL": "2024-06-26", "7203.T": "2024-06-27", "BTC-USD": "2024-06-25"}
    frame = pd.DataFrame({"symbol": list(days), "session": pd.to_datetime(list(days.values()))})
    values = dict.fromkeys(SENTIMENT_COLUMNS[2:], 0.25) | {"n": 3, "market_n": 9}
    panel = build_panel(bars, CONFIG, sentiment=DailySentiment(frame.assign(**values)))
    known = panel.values[:, :, panel.features.index("sentiment_known")]
    sessions = {panel.symbols[i]: f"{panel.sessions[t]:%m-%d}" for t, i in zip(*np.nonzero(known), strict=True)}
    assert sessions == {"AAPL": "06-26", "7203.T": "06-27", "BTC-USD": "06-26"}
    market = panel.values[:, :, panel.features.index("sentiment_market_count")]
    row = panel.sessions.get_loc(pd.Timestamp("2024-06-27"))
    # the sentiment of Tokyo's session counts for Tokyo's symbols alone
    assert [bool(market[row, panel.symbol_index(s)]) for s in ("AAPL", "7203.T", "BTC-USD")] == [False, True, False]


@settings(max_examples=25)
@given(
    axis=st.sampled_from(["XNYS", "XNYS", "XETR", "XTKS", "24/7"]),
    at=st.integers(100, 190),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_closes_after_the_axis_changes_nothing_before(axis: str, at: int, seed: int) -> None:
    """Of every market, all that was not over at the close of row t is changed, dropped or added to."""
    rng = np.random.default_rng(seed)
    bars, _ = panel_on(axis)
    config = FeatureConfig(horizons=(1, 5), calendar=axis)
    sentiment = sentiments(bars, rng)
    before = build_panel(bars, config, sentiment=sentiment)
    moment = exchange(axis).close(before.sessions[at])

    def later(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        calendars = frame["symbol"].map({s: calendar_of(s, axis) for s in frame["symbol"].unique()})
        is_later = np.zeros(len(frame), dtype=bool)
        for calendar in set(calendars):
            here = (calendars == calendar).to_numpy()
            is_later[here] = exchange(calendar).closes(pd.DatetimeIndex(frame.loc[here, "session"])) > moment
        return is_later

    frame = bars.frame
    coming = later(frame)
    factor = np.where(coming, np.exp(rng.normal(0, 1, len(frame))), 1.0)
    changed = frame.assign(
        **{c: frame[c] * factor for c in PRICES[:4]},
        adj_close=frame["adj_close"] * np.where(coming, np.exp(rng.normal(0, 1, len(frame))), 1.0),
    )
    changed = changed[~coming | (rng.random(len(frame)) < rng.choice([0.0, 0.6, 1.0]))]
    earlier = sentiment.frame[~later(sentiment.frame)]
    redrawn = sentiments(bars, rng).frame
    other = DailySentiment(pd.concat([earlier, redrawn[later(redrawn)]]))
    after = build_panel(Bars(changed), config, sentiment=other)

    rows = at + 1
    shared = [s for s in before.symbols if s in after.symbols]
    assert before.sessions[:rows].equals(after.sessions[:rows])
    for name in ("values", "mask", "volatility", "open", "close"):
        old, new = (getattr(p, name)[:rows][:, [p.symbol_index(s) for s in shared]] for p in (before, after))
        assert old.tobytes() == new.tobytes(), name
    assert before.mask[:rows].any()
