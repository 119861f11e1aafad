"""Portfolios at a target volatility, realised utility, and rules against holding, each by a second way to get it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import panel_of

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.data import embedded_bars
from tenor.errors import ConfigError, DataError, HistoryError
from tenor.evaluation.backtest import Backtest, buy_and_hold, simulate
from tenor.evaluation.holding import against_holding
from tenor.evaluation.realised_utility import realised_utility, utility
from tenor.evaluation.volatility_targeting import (
    FEWEST,
    TargetedPortfolio,
    average_correlation,
    compare,
    target_volatility,
    targeting_loss,
    weights_at_target,
)
from tenor.features import build_panel
from tenor.schema import Float64, Panel

YEAR = exchange("XNYS").sessions_per_year


def simulated(sessions: int = 1300, symbols: int = 8, *, seed: int = 0) -> tuple[Panel, Float64]:
    """A panel whose volatility wanders, all pairs of returns correlated by .3; and the volatility of the session after.

    Opens are the closes before, so that what is decided after a close is filled at that close.
    """
    rng = np.random.default_rng(seed)
    level = np.zeros((sessions + 1, symbols))
    for t in range(1, sessions + 1):
        level[t] = 0.98 * level[t - 1] + 0.12 * (0.8 * rng.normal() + 0.6 * rng.normal(size=symbols))
    volatility = 0.012 * np.exp(level)
    noise = math.sqrt(0.3) * rng.normal(size=(sessions, 1)) + math.sqrt(0.7) * rng.normal(size=(sessions, symbols))
    daily = volatility[:-1] * noise
    return panel_of(daily, volatility=volatility[1:], gap=-daily), volatility[1:]


def equity_of(returns: Any, name: str = "made") -> Backtest:
    equity = np.cumprod(np.r_[1.0, 1 + np.asarray(returns)])
    sessions = pd.bdate_range("2015-01-05", periods=len(equity)).astype("datetime64[us]")
    return Backtest(name, 0.0, sessions, equity, equity, np.zeros(len(equity)), "XNYS")


class TestWeights:
    def test_the_forecast_variance_is_the_target(self) -> None:
        volatility = np.array([[0.01, 0.02, 0.04]])
        weights = weights_at_target(volatility, np.ones((1, 3), bool), np.array([0.3]), 0.006, 9.0)[0]
        covariance = np.full((3, 3), 0.3) + 0.7 * np.eye(3)
        covariance *= np.outer(volatility, volatility)
        assert weights @ covariance @ weights == pytest.approx(0.006**2)
        np.testing.assert_allclose(weights * volatility[0], weights[0] * 0.01)  # equal risk in each

    def test_one_symbol_by_hand(self) -> None:
        weights = weights_at_target(np.array([[0.02, np.nan]]), np.array([[True, False]]), np.array([0.5]), 0.01, 2.0)
        assert weights.tolist() == [[0.5, 0.0]]

    def test_leverage_is_capped_in_proportion(self) -> None:
        ones = np.ones((1, 2), bool)
        free = weights_at_target(np.array([[0.001, 0.003]]), ones, np.ones(1), 0.006, 99.0)
        capped = weights_at_target(np.array([[0.001, 0.003]]), ones, np.ones(1), 0.006, 2.0)
        np.testing.assert_allclose(free, [[3.0, 1.0]])
        np.testing.assert_allclose(capped, [[1.5, 0.5]])

    def test_nothing_is_held_of_nothing(self) -> None:
        assert not weights_at_target(np.full((2, 2), np.nan), np.zeros((2, 2), bool), np.ones(2), 0.01, 2.0).any()


class TestCorrelation:
    def test_it_is_the_mean_of_the_matrix(self) -> None:
        panel, _ = simulated(400, 5)
        found = average_correlation(panel.close, panel.mask[300:], 300)
        for row, t in ((0, 300), (99, 399)):
            returns = np.diff(np.log(panel.close[t - 250 : t + 1]), axis=0)
            assert len(returns) == 250
            matrix = np.corrcoef(returns.T)
            assert found[row] == pytest.approx(matrix[~np.eye(5, dtype=bool)].mean(), rel=1e-9)

    def test_gaps_count_by_pairs(self) -> None:
        rng = np.random.default_rng(1)
        daily = rng.normal(size=(251, 3)) * 0.01 + rng.normal(size=(251, 1)) * 0.01
        close = np.exp(np.cumsum(daily, axis=0))
        close[:150, 1] = np.nan  # a young symbol
        close[200, 2] = np.nan
        returns = np.diff(np.log(close), axis=0)
        standard = (returns - np.nanmean(returns, axis=0)) / np.nanstd(returns, axis=0)
        products = np.concatenate([standard[:, i] * standard[:, j] for i, j in ((0, 1), (0, 2), (1, 2))])
        found = average_correlation(close, np.ones((1, 3), bool), 250)
        assert found[0] == pytest.approx(np.nanmean(products), rel=1e-9)

    def test_only_symbols_that_are_held_count(self) -> None:
        panel, _ = simulated(300, 4)
        some = np.tile([True, True, False, False], (1, 1))
        np.testing.assert_array_equal(
            average_correlation(panel.close, some, 299),
            average_correlation(panel.close[:, :2], np.ones((1, 2), bool), 299),
        )

    def test_bounds(self) -> None:
        rng = np.random.default_rng(2)
        one = rng.normal(0, 0.01, (200, 1))
        for daily, expected in ((np.hstack([one, -one]), 0.0), (np.hstack([one, one]), 1.0)):
            close = np.exp(np.cumsum(daily, axis=0))
            found = average_correlation(close, np.ones((200, 2), bool), 0)
            assert (found[:FEWEST] == 1.0).all()  # too few returns to know
            np.testing.assert_allclose(found[FEWEST:], expected, atol=1e-12)
        still = np.ones((200, 2))
        assert (average_correlation(still, np.ones((200, 2), bool), 0) == 1.0).all()


class TestTargeting:
    def test_a_portfolio_by_hand(self) -> None:
        daily = np.log1p([[0.01], [-0.02], [0.03], [0.01], [-0.01]])
        panel = panel_of(daily, gap=-daily)
        forecast = np.array([[0.01], [0.02], [0.005], [0.01], [0.01]], "float32")
        found = target_volatility(panel, slice(0, 5), {"a": forecast}, target=0.01 * math.sqrt(YEAR), cost=0)
        one = found.portfolios["a"]
        np.testing.assert_allclose(one.weights[:, 0], [1, 0.5, 2, 1, 1], rtol=1e-6)
        returns = np.array([1 * -0.02, 0.5 * 0.03, 2 * 0.01, 1 * -0.01])
        np.testing.assert_allclose(one.backtest.equity, np.cumprod(np.r_[1, 1 + returns]), rtol=1e-6)
        np.testing.assert_allclose(one.held, returns[1:], rtol=1e-6)
        assert one.volatility == pytest.approx(returns[1:].std(ddof=1) * math.sqrt(YEAR), rel=1e-6)
        assert one.ratio == pytest.approx(one.volatility / (0.01 * math.sqrt(YEAR)))
        assert one.leverage == pytest.approx((1 + 0.5 + 2 + 1) / 4, rel=1e-6)
        assert one.capped == 0.25
        assert one.backtest.max_drawdown == pytest.approx(0.02, rel=1e-6)
        assert math.isnan(one.monthly_variation)  # no whole month

    def test_months_by_hand(self) -> None:
        calm, wild = np.tile([0.01, -0.01, 0.01], 7), np.tile([0.03, -0.03, 0.03], 7)
        made = TargetedPortfolio(equity_of([0.5, *calm, *wild, *calm[:20]]), np.zeros((63, 1)), 0.1, 2.0)
        np.testing.assert_allclose(made.monthly_volatility, np.array([0.01, 0.03]) * math.sqrt(YEAR))
        assert made.monthly_variation == pytest.approx(math.sqrt(2) * 0.01 / 0.02)

    def test_the_true_volatility_hits_the_target_and_a_constant_does_not(self) -> None:
        panel, truth = simulated()
        rows = slice(300, 1300)
        constant = np.full(truth.shape, math.sqrt((truth[:300] ** 2).mean()))
        low = truth / 1.5
        found = target_volatility(panel, rows, {"truth": truth, "constant": constant, "low": low}, cost=5.0, cap=9.0)
        portfolios = found.portfolios
        assert portfolios["truth"].ratio == pytest.approx(1.0, abs=0.06)
        assert portfolios["low"].ratio == pytest.approx(1.5 * portfolios["truth"].ratio, rel=0.01)
        # 1 / sqrt(42) comes from sampling 21 normal returns alone
        assert portfolios["truth"].monthly_variation == pytest.approx(1 / math.sqrt(42), abs=0.04)
        assert portfolios["constant"].monthly_variation > portfolios["truth"].monthly_variation + 0.15
        differences = compare(found)
        assert list(differences) == ["constant", "low"]
        for one in differences.values():
            assert one.loss.value > 0  # further from the target than the first
            assert one.loss_holm < 0.01
            assert one.loss_holm >= one.loss.p
        gap = (portfolios["low"].held - portfolios["truth"].held).mean() * YEAR
        assert differences["low"].annual_return.value == pytest.approx(gap)
        assert found.correlation.shape == (1000,)
        # .3 between returns over their own volatility; volatilities that move apart make it less between returns
        second = truth.T @ truth / np.sqrt(np.outer(*[(truth**2).sum(axis=0)] * 2))
        expected = 0.3 * second[~np.eye(8, dtype=bool)].mean()
        assert found.correlation.mean() == pytest.approx(expected, abs=0.05)
        plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
        assert plain["portfolios"]["truth"]["ratio"] == portfolios["truth"].ratio
        json.dumps({name: one.to_json() for name, one in differences.items()}, allow_nan=False)

    def test_the_loss_is_least_at_the_target_and_the_squared_deviation_is_not(self) -> None:
        rng = np.random.default_rng(4)
        returns = rng.normal(0, 0.1 / math.sqrt(YEAR), 20_000)
        losses, squared = {}, {}
        for v in (1 / 3, 0.8, 1.0, 1.25, 3.0):  # variance over the target
            made = TargetedPortfolio(equity_of(np.sqrt(v) * returns), np.zeros((20_001, 1)), 0.1, 2.0)
            losses[v] = targeting_loss(made).mean()
            squared[v] = ((v * returns**2 * YEAR / 0.1**2 - 1) ** 2).mean()
        assert min(losses, key=losses.__getitem__) == 1.0
        assert min(squared, key=squared.__getitem__) == 1 / 3  # a third of the risk looks best to it
        # v - log(v) - E[log z²], of a standard normal z
        for v, loss in losses.items():
            assert loss == pytest.approx(v - math.log(v) - 1 + np.euler_gamma + math.log(2), abs=0.04)

    def test_a_session_without_a_move_has_a_finite_loss(self) -> None:
        made = TargetedPortfolio(equity_of(np.zeros(30)), np.zeros((31, 1)), 0.1, 2.0)
        np.testing.assert_allclose(targeting_loss(made), 1e-4 - math.log(1e-4) - 1)
        assert made.ratio == 0
        assert math.isnan(made.monthly_variation)

    def test_all_models_hold_the_same_symbols(self) -> None:
        panel, truth = simulated(120, 4)
        gappy = truth.copy()
        gappy[50:, 0] = np.nan
        gappy[60:, 1] = 0.0
        found = target_volatility(panel, slice(40, 100), {"whole": truth, "gappy": gappy})
        np.testing.assert_array_equal(found.portfolios["whole"].weights, found.portfolios["gappy"].weights)
        assert not found.portfolios["whole"].weights[10:, 0].any()
        assert not found.portfolios["whole"].weights[20:, 1].any()

    @settings(max_examples=15)
    @given(cut=st.integers(100, 198), seed=st.integers(0, 99))
    def test_no_weight_up_to_a_session_knows_what_came_later(self, cut: int, seed: int) -> None:
        panel, truth = simulated(200, 4, seed=seed)
        other, forecast = simulated(200, 4, seed=seed + 1000)
        after = (np.arange(200) > cut)[:, None]
        changed = replace(
            panel,
            open=np.where(after, other.open, panel.open),
            close=np.where(after, other.close, panel.close),
            mask=np.where(after, [[True, True, False, True]], panel.mask),
        )
        later = np.where(after, forecast, truth)
        first, second = (target_volatility(p, slice(90, 200), {"a": f}) for p, f in ((panel, truth), (changed, later)))
        upto = slice(0, cut + 1 - 90)
        for a, b in (
            (first.correlation, second.correlation),
            (first.portfolios["a"].weights, second.portfolios["a"].weights),
            (first.portfolios["a"].backtest.equity, second.portfolios["a"].backtest.equity),
        ):
            np.testing.assert_array_equal(a[upto], b[upto])
            assert not np.array_equal(a, b)

    def test_costs_are_paid(self) -> None:
        panel, truth = simulated(200, 4)
        free, dear = (target_volatility(panel, slice(90, 200), {"a": truth}, cost=c) for c in (0.0, 50.0))
        assert dear.portfolios["a"].backtest.sharpe < free.portfolios["a"].backtest.sharpe

    def test_impossible(self) -> None:
        panel, truth = simulated(100, 2)
        with pytest.raises(ConfigError, match="target volatility of 0"):
            target_volatility(panel, slice(None), {"a": truth}, target=0)
        with pytest.raises(ConfigError, match="cap on leverage"):
            target_volatility(panel, slice(None), {"a": truth}, cap=math.inf)
        with pytest.raises(ConfigError, match="-1 bps"):
            target_volatility(panel, slice(None), {"a": truth}, cost=-1)
        with pytest.raises(HistoryError, match="have 1"):
            target_volatility(panel, slice(5, 6), {"a": truth})
        with pytest.raises(DataError, match="no forecasts"):
            target_volatility(panel, slice(None), {})
        with pytest.raises(DataError, match="forecasts of a have shape"):
            target_volatility(panel, slice(None), {"a": truth[1:]})
        shortest = target_volatility(panel, slice(50, 52), {"a": truth}).portfolios["a"]
        assert math.isnan(shortest.volatility)
        json.dumps(shortest.to_json(), allow_nan=False)


class TestUtility:
    def test_a_perfect_forecast_is_worth_400_and_others_less(self) -> None:
        panel, _ = simulated(300, 3)
        perfect = np.exp(panel.log_variance)
        forecasts = {"perfect": perfect, "double": 2 * perfect, "half": perfect / 2}
        for horizon in (1, 5):
            found = realised_utility(panel, slice(20, 280), forecasts, horizon)
            assert found.most == pytest.approx(400)
            assert found.utility["perfect"].value == pytest.approx(400, rel=1e-6)
            # by hand: 800 (sqrt(x) - x / 2) at x = 1/2 and 2
            assert found.utility["double"].value == pytest.approx(365.685, abs=1e-3)
            assert found.utility["half"].value == pytest.approx(331.371, abs=1e-3)
            assert found.cells == 260 * 3

    def test_it_is_what_the_investor_gets(self) -> None:
        # w held at the true variance v: w sharpe sqrt(v) - risk aversion / 2 w² v
        forecast, realised, sharpe, aversion = 0.05, 0.03, 0.5, 3.0
        w = sharpe / aversion / math.sqrt(forecast)
        expected = 1e4 * (w * sharpe * math.sqrt(realised) - aversion / 2 * w**2 * realised)
        assert utility(forecast, realised, sharpe=sharpe, risk_aversion=aversion) == pytest.approx(expected)

    def test_days_count_alike_and_only_common_cells(self) -> None:
        panel, _ = simulated(120, 3)
        one = np.full(panel.log_variance.shape, 2e-4, "float32")
        other = one.copy()
        one[30:60, 0] = np.nan
        other[50:90, 1] = 0.0
        other[100] = np.nan
        found = realised_utility(panel, slice(10, 110), {"one": one, "other": other}, 1)
        days = []
        for t in range(10, 110):
            cells = [
                800 * (math.sqrt(x) - x / 2)
                for s in range(3)
                if one[t, s, 0] > 0 and other[t, s, 0] > 0
                for x in [math.exp(panel.log_variance[t, s, 0]) / 2e-4]
            ]
            if cells:
                days.append(np.mean(cells))
        assert len(days) == 99
        assert found.utility["one"].value == pytest.approx(np.mean(days), rel=1e-5)
        assert found.differences["other"].value == 0.0
        assert math.isnan(found.holm["other"])
        json.dumps(found.to_json(), allow_nan=False)

    def test_the_embedded_bars_are_worth_what_was_measured_before(self) -> None:
        panel = build_panel(embedded_bars(), FeatureConfig(horizons=(1, 5), groups=("returns",)))
        rows = slice(800, 1258)
        level = pd.DataFrame(panel.variance[:800]).mean().to_numpy()  # NaN for those that were not listed yet
        constant = np.broadcast_to(level[None, :, None], panel.log_variance.shape)
        before = pd.DataFrame(panel.variance).ewm(halflife=10, min_periods=20).mean().to_numpy()
        smoothed = np.repeat(before[:, :, None], 2, axis=2)
        forecasts = {"constant": constant, "smoothed": smoothed}
        day, week = (realised_utility(panel, rows, forecasts, h) for h in (1, 5))
        # 249.9 and 301.7 for a constant, 285.5 and 328.0 for an exponential mean were measured on other stocks
        assert 220 < day.utility["constant"].value < 300
        assert day.utility["constant"].value < week.utility["constant"].value < 350
        assert day.utility["smoothed"].value > day.utility["constant"].value
        for found in (day, week):
            assert found.differences["smoothed"].value == pytest.approx(
                found.utility["smoothed"].value - found.utility["constant"].value
            )
            assert found.utility["constant"].low < found.utility["constant"].value < found.utility["constant"].high

    def test_impossible(self) -> None:
        panel, _ = simulated(60, 2)
        forecast = {"a": np.exp(panel.log_variance)}
        with pytest.raises(ConfigError, match="risk aversion of 0"):
            realised_utility(panel, slice(None), forecast, 1, risk_aversion=0)
        with pytest.raises(DataError, match="horizon 3"):
            realised_utility(panel, slice(None), forecast, 3)
        with pytest.raises(DataError, match="have shape"):
            realised_utility(panel, slice(None), {"a": forecast["a"][:, :, 0]}, 1)
        nothing = realised_utility(panel, slice(None), {"a": np.full_like(panel.log_variance, np.nan)}, 1)
        assert nothing.cells == 0
        assert math.isnan(nothing.utility["a"].value)


class TestAgainstHolding:
    def test_differences_are_those_of_the_two(self) -> None:
        rng = np.random.default_rng(5)
        rule, holding = (equity_of(rng.normal(0.0005, 0.01, 500), name) for name in ("rule", "holding"))
        found = against_holding(rule, holding)
        assert (found.rule, found.holding) == ("rule", "holding")
        assert found.annual_return.value == pytest.approx((rule.returns.mean() - holding.returns.mean()) * YEAR)
        assert found.sharpe.value == pytest.approx(rule.sharpe - holding.sharpe)
        assert found.max_drawdown == pytest.approx(rule.max_drawdown - holding.max_drawdown)
        assert found.volatility == pytest.approx(rule.volatility - holding.volatility)
        # the interval of the mean of independent days, and of a difference of two independent Sharpe ratios
        half = 1.96 * (rule.returns - holding.returns).std() / math.sqrt(500) * YEAR
        assert found.annual_return.high - found.annual_return.value == pytest.approx(half, rel=0.3)
        assert found.sharpe.high - found.sharpe.value == pytest.approx(1.96 * math.sqrt(2 / 500 * YEAR), rel=0.3)
        json.dumps(found.to_json(), allow_nan=False)

    def test_being_always_up_is_not_praised_and_real_gains_are(self) -> None:
        rng = np.random.default_rng(6)
        daily = rng.normal(0.001, 0.01, (400, 5))
        panel = panel_of(daily, gap=-daily)
        holding = buy_and_hold(panel, slice(None), cost=0)
        always = simulate("always up", panel, np.full((400, 5), 0.2), cost=0)
        assert always.annual_return > 0.1  # by itself it looks good
        found = against_holding(always, holding)
        assert found.annual_return.low < 0 < found.annual_return.high
        assert found.sharpe.low < 0 < found.sharpe.high
        better = against_holding(equity_of(holding.returns + 0.001), equity_of(holding.returns))
        assert better.annual_return.value == pytest.approx(0.001 * YEAR)
        assert better.sharpe.low > 0

    def test_what_is_undefined(self) -> None:
        same = equity_of(np.random.default_rng(7).normal(0, 0.01, 100))
        found = against_holding(same, same, horizon=5)
        assert (found.annual_return.value, found.sharpe.value, found.max_drawdown) == (0.0, 0.0, 0.0)
        assert math.isnan(found.annual_return.p)
        flat = against_holding(equity_of(np.zeros(100)), same)
        assert math.isnan(flat.sharpe.value)
        assert math.isfinite(flat.annual_return.p)
        short = against_holding(equity_of([0.01, 0.02]), equity_of([0.0, 0.01]))
        assert short.annual_return.value == pytest.approx(0.01 * YEAR)
        assert math.isnan(short.annual_return.low)
        with pytest.raises(DataError, match="same rows"):
            against_holding(same, equity_of([0.01]))
