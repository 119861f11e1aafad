import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.errors import ConfigError, DataError, HistoryError
from tenor.evaluation.backtest import Backtest, backtest, buy_and_hold, long_flat, long_short, simulate
from tenor.evaluation.cost_sweep import sweep_costs
from tenor.features import build_panel
from tenor.schema import Bars, Panel, Predictions

NAN = math.nan


def panel(open_, close):
    """A panel of given prices [session, symbol]; a symbol is there where it closes."""
    open_, close = np.array(open_, "float64"), np.array(close, "float64")
    sessions, symbols = close.shape
    mask = np.isfinite(close)
    return Panel(
        values=np.zeros((sessions, symbols, 1), "float32"),
        mask=mask,
        targets=np.zeros((sessions, symbols, 1), "float32"),
        volatility=np.where(mask, 0.02, np.nan).astype("float32"),
        open=open_,
        close=close,
        sessions=pd.bdate_range("2016-01-04", periods=sessions).astype("datetime64[us]"),
        symbols=tuple(f"S{i}" for i in range(symbols)),
        features=("one",),
        horizons=(1,),
    )


def walk(sessions=40, symbols=12, seed=0):
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, symbols)), axis=0))
    return panel(close * np.exp(rng.normal(0, 0.01, close.shape)), close)


def said(like, seed=0):
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 0.01, like.targets.shape).astype("float32")
    return Predictions("made", mean, (1 / (1 + np.exp(-100 * mean))).astype("float32"))


ALL = slice(None)


def test_one_symbol_by_hand():
    # bought at the open of the second session at 100, sold at the open of the fourth at 120
    made = panel([[90], [100], [108], [120], [130]], [[95], [105], [110], [125], [99]])
    weights = np.array([[1.0], [1.0], [0.0], [0.0], [0.0]])
    free = simulate("hand", made, weights, cost=0)
    np.testing.assert_allclose(free.equity, [1.0, 1.05, 1.10, 1.20, 1.20])
    np.testing.assert_allclose(free.turnover, [0, 1, 0, 1, 0], atol=1e-12)
    paid = simulate("hand", made, weights, cost=100)
    # 1 % of 1.0 leaves cash at -.01: on the second session .0108 of the 1.07 must be sold, then all of what is left
    worth = 1.08 - 0.01
    assert paid.equity[1] == pytest.approx(1.05 - 0.01)
    assert paid.turnover[2] == pytest.approx(0.01 / worth)
    np.testing.assert_allclose(paid.equity[2], worth * 110 / 108 - 0.0001)
    np.testing.assert_allclose(paid.gross, free.equity)


def test_two_symbols_rebalanced_by_hand():
    made = panel([[10, 10], [10, 10], [12, 10]], [[10, 10], [12, 10], [12, 10]])
    found = simulate("hand", made, np.full((3, 2), 0.5), cost=0)
    np.testing.assert_allclose(found.equity, [1.0, 1.1, 1.1])
    # the weights drifted to .6 / 1.1 and .5 / 1.1
    np.testing.assert_allclose(found.turnover, [0, 1, 2 * (0.6 - 0.55) / 1.1])


def test_short_by_hand():
    made = panel([[10], [10], [8]], [[10], [9], [8]])
    found = simulate("hand", made, np.full((3, 1), -1.0), cost=0)
    np.testing.assert_allclose(found.equity, [1.0, 1.1, 1.2])


def test_a_position_without_an_open_is_kept_until_it_trades_again():
    made = panel([[10], [10], [NAN], [20]], [[10], [11], [NAN], [20]])
    found = simulate("hand", made, np.array([[1.0], [0.0], [0.0], [0.0]]), cost=0)
    np.testing.assert_allclose(found.equity, [1.0, 1.1, 1.1, 2.0])
    np.testing.assert_allclose(found.turnover, [0, 1, 0, 1])


def test_a_stuck_position_leaves_less_to_share_out():
    made = panel([[10, 10], [10, 10], [NAN, 10], [10, 10]], [[10, 10], [10, 10], [NAN, 10], [10, 20]])
    weights = np.array([[0.5, 0.5], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    found = simulate("hand", made, weights, cost=0)
    # half is stuck in the first, so the second gets the other half only, and all of it a session later
    np.testing.assert_allclose(found.turnover, [0, 1, 0, 1])
    np.testing.assert_allclose(found.equity, [1, 1, 1, 2])


def test_an_order_without_an_open_is_not_filled():
    made = panel([[10], [NAN], [20]], [[10], [15], [22]])
    found = simulate("hand", made, np.array([[1.0], [0.0], [0.0]]), cost=10)
    np.testing.assert_allclose(found.equity, 1.0)
    np.testing.assert_allclose(found.turnover, 0.0)


def test_a_symbol_that_starts_late():
    made = panel([[NAN, 10], [NAN, 10], [5, 10]], [[NAN, 10], [NAN, 10], [10, 10]])
    found = simulate("hand", made, np.array([[0.0, 0.5], [0.5, 0.5], [0.5, 0.5]]), cost=0)
    np.testing.assert_allclose(found.equity, [1.0, 1.0, 1.5])


def test_a_ruined_short_book_stays_ruined():
    made = panel([[10], [10], [10], [10]], [[10], [25], [10], [10]])
    found = simulate("hand", made, np.full((4, 1), -1.0), cost=10)
    np.testing.assert_allclose(found.equity, [1.0, 0.0, 0.0, 0.0])
    assert found.max_drawdown == 1.0
    assert found.annual_return == -1.0
    assert math.isfinite(found.sharpe)
    overnight = panel([[10], [10], [25], [10]], [[10], [10], [10], [10]])
    assert simulate("hand", overnight, np.full((4, 1), -1.0), cost=10).equity[2] == 0.0


def test_long_flat_weights():
    p_up = np.array([[0.6, 0.4, 0.7, 0.9], [0.5, 0.4, 0.2, 0.9]])
    available = np.array([[True, True, True, False], [True, True, True, True]])
    np.testing.assert_allclose(long_flat(p_up, available), [[1 / 3, 0, 1 / 3, 0], [0, 0, 0, 0.25]])
    assert (long_flat(p_up, np.zeros_like(available)) == 0).all()


def test_long_short_takes_the_outer_fifths():
    mean = np.arange(11.0)[None] - 20
    available = np.ones_like(mean, dtype=bool)
    available[0, 10] = False
    expected = np.zeros(11)
    expected[[0, 1]], expected[[8, 9]] = -0.25, 0.25
    np.testing.assert_allclose(long_short(mean, available)[0], expected)
    assert (long_short(np.zeros((1, 11)), available) == 0).all()


def test_long_short_of_few_symbols_goes_by_sign():
    mean, available = np.array([[0.1, -0.2, 0.0, 5.0]]), np.array([[True, True, True, False]])
    np.testing.assert_allclose(long_short(mean, available)[0], [1 / 3, -1 / 3, 0, 0])
    assert (long_short(mean, np.zeros_like(available)) == 0).all()


def test_buy_and_hold_by_hand():
    made = panel(
        [[10, 5, NAN], [10, NAN, 7], [20, 5, 8], [20, 10, 9]], [[10, 5, NAN], [15, NAN, 8], [20, 8, 8], [NAN, 10, 9]]
    )
    found = buy_and_hold(made, ALL, cost=0)
    # half into the first at 10; the second opens a session later, at 5; the third was not there at the start
    np.testing.assert_allclose(found.equity, [1.0, 0.5 + 0.75, 1.0 + 0.8, 1.0 + 1.0])
    np.testing.assert_allclose(found.turnover, [0, 0.5, 0.5 / 1.25, 0])
    paid = buy_and_hold(made, ALL, cost=100)
    np.testing.assert_allclose(paid.equity, found.equity - np.array([0, 0.005, 0.01, 0.01]))


def test_buy_and_hold_is_following_no_one_after_the_first_fill():
    made = walk()
    found = buy_and_hold(made, ALL, cost=0)
    shares = 1 / 12 / made.open[1]
    np.testing.assert_allclose(found.equity[1:], (made.close[1:] * shares).sum(axis=1))


def test_figures_of_a_curve():
    equity = np.array([1.0, 1.1, 0.88, 0.99])
    days, turnover = pd.bdate_range("2016-01-04", periods=4), np.array([0, 1.0, 0.5, 0.0])
    found = Backtest("x", 10.0, days, equity, equity, turnover, "XNYS")
    daily = np.array([0.1, -0.2, 0.125])
    np.testing.assert_allclose(found.returns, daily)
    assert found.annual_return == pytest.approx(0.99 ** (251.6 / 3) - 1)
    assert found.volatility == pytest.approx(daily.std(ddof=1) * math.sqrt(251.6))
    assert found.sharpe == pytest.approx(daily.mean() / daily.std(ddof=1) * math.sqrt(251.6))
    assert found.max_drawdown == pytest.approx(0.2)
    assert found.mean_turnover == 0.5
    assert found.to_json()["sessions"][0] == "2016-01-04"


def test_never_invested_has_no_sharpe():
    made = walk()
    half = Predictions("persistence", np.zeros_like(made.targets), np.full_like(made.targets, 0.5))
    for rule in ("long/flat", "long/short"):
        found = backtest(made, ALL, half, horizon=1, rule=rule)
        assert (found.equity == 1).all()
        assert math.isnan(found.sharpe)
        assert found.max_drawdown == 0.0


def test_perfect_foresight_of_the_next_open_earns_and_its_opposite_loses():
    made = walk()
    gain = np.full(made.targets.shape, 0.0, "float32")
    gain[:-2, :, 0] = np.log(made.open[2:] / made.open[1:-1])
    for sign, better in ((1, True), (-1, False)):
        forecast = Predictions("made", sign * gain, (sign * gain > 0).astype("float32"))
        for rule in ("long/flat", "long/short"):
            assert (backtest(made, ALL, forecast, horizon=1, rule=rule).equity[-1] > 1) == better


def test_costs_lower_equity_and_nothing_else():
    made = walk()
    runs = [backtest(made, ALL, said(made), horizon=1, rule="long/short", cost=c) for c in (0, 5, 20)]
    assert runs[0].equity[-1] > runs[1].equity[-1] > runs[2].equity[-1]
    for run in runs:
        np.testing.assert_allclose(run.gross, runs[0].equity)


@settings(max_examples=30)
@given(cut=st.integers(0, 38), seed=st.integers(0, 99), rule=st.sampled_from(["long/flat", "long/short", "hold"]))
def test_nothing_after_a_session_changes_equity_up_to_it(cut, seed, rule):
    made, forecast = walk(seed=seed), said(walk(seed=seed), seed=seed)
    other, rng = walk(seed=seed + 1000), np.random.default_rng(seed)
    after = np.arange(40) > cut
    gone = after[:, None] & (rng.random(made.close.shape) < 0.2)
    changed = replace(
        made,
        open=np.where(gone, np.nan, np.where(after[:, None], other.open, made.open)),
        close=np.where(gone, np.nan, np.where(after[:, None], other.close, made.close)),
        mask=made.mask & ~gone,
    )
    mean = forecast.mean.copy()
    # what was said at the cut itself is acted on only after it, so it may change too
    mean[cut:] = said(made, seed=seed + 1).mean[cut:]
    said_else = Predictions("made", mean, (mean > 0).astype("float32"))
    before = Predictions("made", forecast.mean, (forecast.mean > 0).astype("float32"))
    runs = [
        buy_and_hold(p, ALL) if rule == "hold" else backtest(p, ALL, f, horizon=1, rule=rule)
        for p, f in ((made, before), (changed, said_else))
    ]
    for name in ("equity", "gross", "turnover"):
        a, b = (getattr(run, name)[: cut + 1] for run in runs)
        np.testing.assert_array_equal(a, b)


def test_only_the_rows_asked_for_are_traded():
    made = walk()
    part = backtest(made, slice(10, 30), said(made), horizon=1, rule="long/flat")
    assert len(part.equity) == 20
    assert part.sessions[0] == made.sessions[10]
    assert part.equity[0] == 1.0


@pytest.mark.parametrize("call", [backtest, buy_and_hold])
def test_what_can_not_be_done_is_refused(call):
    made = walk()
    options = {"horizon": 1, "rule": "long/flat"} if call is backtest else {}
    given = (said(made),) if call is backtest else ()
    with pytest.raises(HistoryError, match="at least 2 sessions, the given rows have 1"):
        call(made, slice(3, 4), *given, **options)
    with pytest.raises(ConfigError, match="cost of -1 bps"):
        call(made, ALL, *given, **options, cost=-1)


def test_unknown_rule_and_foreign_predictions():
    made = walk()
    with pytest.raises(ConfigError, match="Did you mean 'long/short'"):
        backtest(made, ALL, said(made), horizon=1, rule="long-short")
    with pytest.raises(DataError, match="predict this panel"):
        backtest(made, ALL, said(walk(sessions=20)), horizon=1, rule="long/flat")


@pytest.mark.parametrize(("calendar", "year"), [("XNYS", 251.6), ("24/7", 365.3), ("XTKS", 244.4)])
def test_a_year_has_as_many_sessions_as_its_axis(calendar: str, year: float) -> None:
    days = exchange(calendar).sessions(pd.Timestamp("2019-01-01"), pd.Timestamp("2019-12-31"))[:200]
    rng = np.random.default_rng(0)
    parts = []
    for symbol in ("ONE", "TWO"):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, len(days))))
        prices = {"open": close, "high": close, "low": close, "close": close, "adj_close": close, "volume": 1e5}
        parts.append(pd.DataFrame({"symbol": symbol, "session": days, **prices}))
    config = FeatureConfig(groups=("returns",), sentiment=False, horizons=(1,), calendar=calendar)
    made = build_panel(Bars(pd.concat(parts)), config)
    found = sweep_costs(made, slice(100, 200), said(made), horizon=1, costs=(5.0,))
    for run in found.runs:
        daily = run.backtest.returns
        assert run.backtest.annual_return == pytest.approx(run.backtest.equity[-1] ** (year / len(daily)) - 1)
        assert run.backtest.volatility == pytest.approx(daily.std(ddof=1) * year**0.5)
        assert run.backtest.sharpe == pytest.approx(daily.mean() / daily.std(ddof=1) * year**0.5)
        assert run.sharpe.value == pytest.approx(run.backtest.sharpe)


def test_returns_are_a_dated_series_that_compounds_to_the_equity():
    made = walk()
    result = backtest(made, ALL, said(made), horizon=1, rule="long/short", cost=10)
    series = result.to_returns()
    assert (series.name, series.index.name, series.index.tz) == ("long/short", "date", None)
    assert list(series.index) == list(made.sessions[1:])
    np.testing.assert_allclose((1 + series).cumprod(), result.equity[1:])


def test_returns_of_bars_within_a_day_are_compounded_to_days():
    # closes of 24/7 hours: midnight ends a day, it does not begin one
    sessions = pd.date_range("2024-01-01 22:00", periods=5, freq="h").astype("datetime64[us]")
    equity = np.array([1.0, 1.1, 1.21, 1.331, 1.1979])
    series = Backtest("long/flat", 0.0, sessions, equity, equity, np.zeros(5), "24/7@1h").to_returns()
    assert list(series.index) == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02")]
    np.testing.assert_allclose(series, [1.21 - 1, 1.1979 / 1.21 - 1])


def test_a_ruined_book_returns_minus_one_and_then_nothing():
    sessions = pd.DatetimeIndex(["2016-01-04", "2016-01-05", "2016-01-06"])
    equity = np.array([1.0, 0.0, 0.0])
    assert Backtest("long/short", 0.0, sessions, equity, equity, np.zeros(3), "XNYS").to_returns().tolist() == [-1, 0]
