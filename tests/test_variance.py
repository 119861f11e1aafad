from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.features import build_panel
from tenor.schema import PRICES, Bars, Panel
from tenor.variance import (
    LEAST,
    LEAST_SHARE,
    STILL,
    close_to_close,
    log_mean_ahead,
    session_variance,
    suspended,
)

NAN = np.nan
CONFIG = FeatureConfig(horizons=(1, 5), sentiment=False)


def of(*bars: tuple[float, float, float, float], volatility: float = NAN) -> np.ndarray:
    """The variances of bars (open, high, low, close) after one whose prices are all 100."""
    o, h, l, c = np.array([(100.0, 100.0, 100.0, 100.0), *bars]).T  # noqa: E741
    return session_variance(o, h, l, c, np.full(len(o), volatility))[1:]


# one session --------------------------------------------------------------------------------------------------------


def test_by_hand() -> None:
    # gap 1 %, range 3 %, from open to close -1 %: 1 + 9 / 2 - (2 log 2 - 1) = 5.113706 (%)²
    bar = tuple(100 * math.exp(x) for x in (0.01, 0.03, 0.0, 0.0))
    assert of(bar) == pytest.approx([5.113705639e-4], rel=1e-9)
    # no gap, and a close at the high of a range of 2 %: 2 - 0.386294 * 4
    bar = tuple(100 * math.exp(x) for x in (0.0, 0.02, 0.0, 0.02))
    assert of(bar) == pytest.approx([0.4548225555e-4], rel=1e-9)


def loop(o: np.ndarray, h: np.ndarray, l: np.ndarray, c: np.ndarray, vol: np.ndarray) -> list[float]:  # noqa: E741
    found = [NAN]
    for t in range(1, len(c)):
        top, bottom = max(h[t], o[t], c[t]), min(l[t], o[t], c[t])
        gap = math.log(o[t] / c[t - 1])
        value = gap**2 + math.log(top / bottom) ** 2 / 2 - (2 * math.log(2) - 1) * math.log(c[t] / o[t]) ** 2
        least = LEAST if math.isnan(vol[t]) else max(LEAST, LEAST_SHARE * vol[t] ** 2)
        found.append(max(value, least))
    return found


@given(seed=st.integers(0, 10_000), bars=st.integers(1, 60))
@settings(max_examples=60)
def test_against_a_loop(seed: int, bars: int) -> None:
    rng = np.random.default_rng(seed)
    prices = 20 * np.exp(np.cumsum(rng.normal(0, 0.01, (bars, 1)), axis=0) + rng.normal(0, 0.01, (bars, 4)))
    prices[rng.random(bars) < 0.2] = 20.0  # no range; some of them in a row
    o, h, l, c = prices.T  # noqa: E741  # not in order: high may lie below low
    h, l = np.maximum(h, l), np.minimum(h, l)  # noqa: E741  # open and close may lie outside
    vol = np.where(rng.random(bars) < 0.3, NAN, rng.uniform(0, 0.1, bars))
    np.testing.assert_allclose(session_variance(o, h, l, c, vol), loop(o, h, l, c, vol), rtol=1e-9, atol=1e-18)


@given(
    gap=st.floats(-1, 1), to_close=st.floats(-1, 1), above=st.floats(0, 1), below=st.floats(0, 1),
)  # fmt: skip
@settings(max_examples=200)
def test_no_bar_has_less_than_the_least(gap: float, to_close: float, above: float, below: float) -> None:
    o = 100 * math.exp(gap)
    c = o * math.exp(to_close)
    (found,) = of((o, max(o, c) * math.exp(above), min(o, c) * math.exp(-below), c))
    assert found >= max(LEAST, gap**2 * (1 - 1e-9))
    assert math.isfinite(found)


def test_open_and_close_outside_of_the_range_widen_it() -> None:
    assert of((103.0, 101.0, 99.0, 100.0)) == pytest.approx(of((103.0, 103.0, 99.0, 100.0)))
    assert of((100.0, 101.0, 99.0, 96.0)) == pytest.approx(of((100.0, 101.0, 96.0, 96.0)))


def test_bars_of_closes_alone_have_the_squared_return() -> None:
    close = np.array([100.0, 103.0, 101.0, 101.5])
    found = session_variance(close, close, close, close, np.full(4, NAN))
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], np.diff(np.log(close)) ** 2, rtol=1e-12)


def test_no_range_and_no_gap_have_the_least_value() -> None:
    still = (100.0, 100.0, 100.0, 100.0)
    assert of(still, still).tolist() == [LEAST, LEAST]
    assert of(still, volatility=0.02) == pytest.approx([LEAST_SHARE * 0.02**2])
    assert of(still, volatility=1e-4).tolist() == [LEAST]  # the share of next to nothing is less than the least
    assert of((100.0, 110.0, 90.0, 100.0), volatility=0.02) == pytest.approx(of((100.0, 110.0, 90.0, 100.0)))


def test_the_first_bar_has_no_variance_and_one_bar_is_no_trouble() -> None:
    one = np.array([5.0])
    assert np.isnan(session_variance(one, one, one, one, np.array([NAN]))).all()


def test_a_split_that_nobody_adjusted_is_a_wild_session_and_no_more(bars: Bars) -> None:
    frame = bars.frame.copy()
    late = (frame["session"] > "2014-12-01") & (frame["symbol"] == "S01")
    frame.loc[late, list(PRICES)] /= 20
    before, after = (build_panel(each, CONFIG) for each in (bars, Bars(frame)))
    assert (after.mask == before.mask).all()
    assert np.isfinite(after.values).all()
    assert (np.isfinite(after.log_variance) == np.isfinite(before.log_variance)).all()
    split = after.sessions.get_loc(pd.Timestamp("2014-12-02"))
    assert after.variance[split, 1] == pytest.approx(math.log(20) ** 2, rel=0.05)
    np.testing.assert_allclose(after.variance[:split], before.variance[:split])
    # what it leaves is a volatility that is too high for months, and with it the least that a session counts
    share = after.variance[split + 1 :, 1] / (LEAST_SHARE * after.volatility[split + 1 :, 1].astype("float64") ** 2)
    assert share.min() > 1 - 1e-5


# suspended symbols --------------------------------------------------------------------------------------------------


def test_suspended_after_so_many_still_bars_and_until_it_moves() -> None:
    rng = np.random.default_rng(0)
    close = 10 + rng.random(60)
    close[20:40] = close[19]
    high, low = close * 1.01, close * 0.99
    high[20:40] = low[20:40] = close[19]
    found = suspended(high, low, close)
    assert np.flatnonzero(found).tolist() == list(range(19 + STILL, 40))
    high[33] *= 1.001  # a range without a change of close is a move
    assert np.flatnonzero(suspended(high, low, close)).tolist() == list(range(19 + STILL, 33))
    high[33], close[35:40] = low[33], close[19] * 1.1  # and so is a change of close without a range
    high[35:40] = low[35:40] = close[35:40]
    assert np.flatnonzero(suspended(high, low, close)).tolist() == list(range(19 + STILL, 35))


def test_what_never_moved_is_suspended_from_its_first_bar() -> None:
    flat = np.full(30, 7.0)
    assert suspended(flat, flat, flat).all()
    close = flat.copy()
    close[5:] = 8.0
    assert np.flatnonzero(suspended(close, close, close)).tolist() == [*range(5), *range(5 + STILL, 30)]
    moved_at_once = flat.copy()
    moved_at_once[0] = 7.5
    assert not suspended(moved_at_once, flat, flat)[:STILL].any()


@given(seed=st.integers(0, 1000))
@settings(max_examples=50)
def test_suspended_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    close = 10.0 + np.cumsum(rng.random(80) < rng.choice([0.02, 0.1, 0.5]))
    high = close + (rng.random(80) < 0.03)
    expected, since = [], STILL
    for t in range(80):
        since = 0 if high[t] > close[t] or (t > 0 and close[t] != close[t - 1]) else since + 1
        expected.append(since >= STILL)
    assert suspended(high, close, close).tolist() == expected


def with_still(bars: Bars, symbol: str, price: float = 1.25) -> Bars:
    """`bars` and a symbol beside them that never moves."""
    rows = bars.frame[bars.frame["symbol"] == bars.symbols[0]].assign(symbol=symbol, volume=0.0)
    rows[list(PRICES)] = price
    return Bars(pd.concat([bars.frame, rows]))


@pytest.mark.parametrize("symbol", ["A", "S01X", "ZZZ"])
def test_a_suspended_symbol_changes_no_other_by_one_bit(bars: Bars, symbol: str) -> None:
    alone, beside = build_panel(bars, CONFIG), build_panel(with_still(bars, symbol), CONFIG)
    others = [beside.symbols.index(s) for s in alone.symbols]
    for name in ("values", "mask", "targets", "volatility", "variance", "log_variance"):
        assert getattr(alone, name).tobytes() == getattr(beside, name)[:, others].tobytes(), name
    column = beside.symbol_index(symbol)
    assert not beside.mask[:, column].any()
    assert np.isfinite(beside.close[:, column]).all()


def test_a_symbol_that_comes_to_a_halt_leaves_the_others_as_one_that_ends(bars: Bars) -> None:
    frame = bars.frame
    last = frame.loc[frame["symbol"] == "S02"].iloc[180]
    later = (frame["symbol"] == "S02") & (frame["session"] > last["session"])
    halted = frame.copy()
    halted.loc[later, list(PRICES[:4])], halted.loc[later, "adj_close"] = last["close"], last["adj_close"]
    halted.loc[later, "volume"] = 0.0
    days = np.sort(frame["session"].unique())
    ended = Bars(halted[~(later & (halted["session"] > days[180 + STILL - 1]))])  # from there on it counts as still
    first, second = build_panel(Bars(halted), CONFIG), build_panel(ended, CONFIG)
    others = [i for i, s in enumerate(first.symbols) if s != "S02"]
    assert first.values[:, others].tobytes() == second.values[:, others].tobytes()
    assert first.mask.tobytes() == second.mask.tobytes()
    assert first.mask[180 + STILL - 1, 2]
    assert not first.mask[180 + STILL :, 2].any()


# ahead --------------------------------------------------------------------------------------------------------------


def test_closes_alone_by_hand() -> None:
    close = np.array([[1.0, NAN], [math.e, 2.0], [NAN, 2.0], [math.e**3, NAN]])
    expected = [[NAN, NAN], [1.0, NAN], [NAN, LEAST], [4.0, NAN]]  # over a gap the return is that of both sessions
    np.testing.assert_allclose(close_to_close(close), expected, rtol=1e-12)


@given(seed=st.integers(0, 1000), sessions=st.integers(1, 50), gaps=st.sampled_from([0.0, 0.1, 0.6, 1.0]))
@settings(max_examples=60)
def test_log_mean_ahead_against_a_loop(seed: int, sessions: int, gaps: float) -> None:
    rng = np.random.default_rng(seed)
    close = np.where(rng.random((sessions, 3)) < gaps, NAN, 10.0)
    variance = np.where(np.isnan(close), NAN, 1e-4 * rng.lognormal(size=close.shape))
    horizons = (1, 2, 5, 20)
    found = log_mean_ahead(variance, close, horizons)
    assert found.dtype == np.float32
    for t in range(sessions):
        for i in range(3):
            for k, h in enumerate(horizons):
                expected = NAN
                if t + h < sessions and np.isfinite(close[t, i]) and np.isfinite(close[t + h, i]):
                    expected = math.log(max(np.nansum(variance[t + 1 : t + h + 1, i]) / h, LEAST))
                assert found[t, i, k] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_a_long_history_leaves_small_variances_their_digits() -> None:
    variance = np.full((5000, 1), 1e-2)
    variance[4000:] = 1e-7
    found = log_mean_ahead(variance, np.ones((5000, 1)), (1, 5))
    np.testing.assert_allclose(found[4000:-5], math.log(1e-7), rtol=1e-5)


# in a panel ---------------------------------------------------------------------------------------------------------


def test_a_gap_is_spanned_by_the_bar_after_it(bars: Bars) -> None:
    frame = bars.frame
    gap = (frame["symbol"] == "S01") & frame.groupby("symbol").cumcount().isin(range(150, 153))
    panel = build_panel(Bars(frame[~gap]), CONFIG)
    assert np.isnan(panel.variance[150:153, 1]).all()
    rows = Bars(frame[~gap]).adjusted()
    own = rows[rows["symbol"] == "S01"].reset_index(drop=True)
    o, h, l, c = (math.log(own.loc[150, n]) for n in ("open", "high", "low", "adj_close"))  # noqa: E741
    expected = (o - math.log(own.loc[149, "adj_close"])) ** 2 + (h - l) ** 2 / 2 - (2 * math.log(2) - 1) * (c - o) ** 2
    assert panel.variance[153, 1] == pytest.approx(expected, rel=1e-9)
    # of five sessions from the 148th on, two have bars: the mean is over five all the same
    both = panel.variance[149, 1] + panel.variance[153, 1]
    assert panel.log_variance[148, 1, 1] == pytest.approx(math.log(both / 5), rel=1e-6)
    assert np.isnan(panel.log_variance[[145, 146, 147], 1, 1]).all()  # they end within the gap


def days_of(calendar: str, symbol: str, first: str, count: int, seed: int, interval: str = "1d") -> Bars:
    rng = np.random.default_rng(seed)
    days = exchange(calendar).sessions(pd.Timestamp(first), pd.Timestamp(first) + pd.Timedelta(days=2 * count))[:count]
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, len(days))))
    open_ = close * np.exp(rng.normal(0, 0.005, len(days)))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    numbers = {"open": open_, "high": high, "low": low, "close": close, "adj_close": close, "volume": 1e5}
    return Bars(pd.DataFrame({"symbol": symbol, "session": days, **numbers}), interval=interval)


def own_variance(bars: Bars) -> pd.Series:
    """The variances of one symbol's bars, by session."""
    f = bars.frame
    step = np.log(f["close"]).diff()
    weights = 0.5 ** (np.arange(len(f)) / 20)
    squares = (step.to_numpy() ** 2)[1:]
    vol = [NAN, *(math.sqrt(np.average(squares[: n + 1][::-1], weights=weights[: n + 1])) for n in range(len(squares)))]
    return pd.Series(loop(*(f[c].to_numpy() for c in ("open", "high", "low", "close")), np.array(vol)), f["session"])


def test_a_coins_weekend_is_in_mondays_row() -> None:
    stock, coin = days_of("XNYS", "AAPL", "2024-01-02", 110, 0), days_of("24/7", "BTC-USD", "2024-01-02", 150, 1)
    panel = build_panel(Bars(pd.concat([stock.frame, coin.frame])), CONFIG)
    own, column = own_variance(coin), panel.symbol_index("BTC-USD")

    def row(day: str) -> float:
        return float(panel.variance[panel.sessions.get_loc(pd.Timestamp(day)), column])

    # Thursday's row has Wednesday's bar, Friday's has Thursday's; Monday's has Friday, Saturday and Sunday
    assert row("2024-05-16") == pytest.approx(own["2024-05-15"], rel=1e-9)
    assert row("2024-05-17") == pytest.approx(own["2024-05-16"], rel=1e-9)
    assert row("2024-05-20") == pytest.approx(own["2024-05-17":"2024-05-19"].sum(), rel=1e-9)  # type: ignore[misc]
    # and Tuesday's after Memorial Day has four
    assert row("2024-05-28") == pytest.approx(own["2024-05-24":"2024-05-27"].sum(), rel=1e-9)  # type: ignore[misc]
    shown = np.isfinite(panel.close[:, column])
    assert np.isfinite(panel.variance[shown, column])[1:].all()
    tuesday = panel.sessions.get_loc(pd.Timestamp("2024-05-21"))
    expected = math.log(own["2024-05-21":"2024-05-27"].sum() / 5)  # type: ignore[misc]
    assert panel.log_variance[tuesday, column, 1] != pytest.approx(expected)  # five sessions on is the 29th
    expected = math.log(own["2024-05-21":"2024-05-28"].sum() / 5)  # type: ignore[misc]
    assert panel.log_variance[tuesday, column, 1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("calendar", "symbol"), [("XNYS@1h", "AAPL"), ("XNYS@15m", "AAPL"), ("24/7@1h", "BTC-USD")])
def test_within_a_day_each_bar_is_a_session(calendar: str, symbol: str) -> None:
    whole = exchange(calendar).sessions(pd.Timestamp("2024-01-02"), pd.Timestamp("2024-03-01"))[:200]
    made = days_of("XNYS", symbol, "2022-01-03", len(whole), 3).frame.assign(session=whole)
    bars = Bars(made, interval=calendar.split("@")[1])
    panel = build_panel(bars, FeatureConfig(horizons=(1, 5), sentiment=False, calendar=calendar))
    np.testing.assert_allclose(panel.variance[:, 0], own_variance(bars), rtol=1e-9)
    assert panel.mask[66:, 0].all()
    expected = np.log([panel.variance[t + 1 : t + 6, 0].mean() for t in range(70, 190)])
    np.testing.assert_allclose(panel.log_variance[70:190, 0, 1], expected, rtol=1e-5)


def test_a_single_symbol_and_seventy_sessions_are_enough(bars_of: Callable[..., Bars]) -> None:
    panel = build_panel(bars_of(symbols=1, sessions=70), CONFIG)
    assert np.flatnonzero(panel.mask[:, 0]).tolist() == [66, 67, 68, 69]
    assert np.isfinite(panel.values).all()
    assert np.isfinite(panel.variance[1:]).all()
    assert np.isfinite(panel.log_variance[:-1, 0, 0]).all()


def test_a_panel_without_variances_takes_those_of_its_closes(bars: Bars) -> None:
    whole = build_panel(bars, CONFIG)
    names = ("values", "mask", "targets", "volatility", "open", "close", "sessions", "symbols", "features", "horizons")
    panel = Panel(**{name: getattr(whole, name) for name in names})
    squares = np.maximum(np.diff(np.log(whole.close), axis=0) ** 2, LEAST)
    np.testing.assert_allclose(panel.variance[1:], squares, rtol=1e-9)
    np.testing.assert_allclose(panel.log_variance[:-1, :, 0], np.log(squares), rtol=1e-5)


def test_a_part_of_a_panel_has_its_own_part_of_the_variances(bars: Bars) -> None:
    whole = build_panel(bars, CONFIG)
    part = whole.between(100, 140)
    np.testing.assert_array_equal(part.variance, whole.variance[100:140])
    np.testing.assert_array_equal(part.log_variance, whole.log_variance[100:140])
