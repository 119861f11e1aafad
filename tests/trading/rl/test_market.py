from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from panels import panel_of
from rl_markets import market_of, walking

from tenor.distribution import Risk, Shape
from tenor.errors import DataError, UnknownSymbolError
from tenor.schema import Panel, Predictions
from tenor.trading.rl.accounts import Accounts, Terms
from tenor.trading.rl.market import FORECASTS, SIGNALS, Market
from tenor.trading.rl.market import market_of as market_of_panel

TURN = 60
"""The session after which the future is changed."""


def predictions_of(panel: Panel) -> Predictions:
    """Forecasts that rest on what was known: those of a moving average of squared moves."""
    known = np.log(np.maximum(panel.variance, 1e-8)).astype("float32")
    log_variance = np.repeat(known[:, :, None], len(panel.horizons), axis=2)
    shape = Shape(0.0, tuple(np.linspace(-2.3, 2.3, 23)), (2.1, 2.7))
    mean = np.zeros(log_variance.shape, "float32")
    risk = Risk.of(log_variance, [shape] * len(panel.horizons))
    return Predictions("made up", mean, mean + 0.5, mean - 0.02, mean + 0.02, risk)


def observed(market: Market) -> np.ndarray:
    """What an account sees that always holds equal parts, session by session, up to `TURN`."""
    accounts = Accounts(market, Terms(), 1)
    seen = []
    for _ in range(TURN):
        seen.append(accounts.observe()[0].copy())
        accounts.step(np.full((1, len(market.symbols)), 1 / len(market.symbols)))
    return np.stack(seen)


def test_what_is_seen_at_a_close_rests_on_nothing_after_it() -> None:
    rng = np.random.default_rng(0)
    moves = 0.01 * rng.standard_normal((120, 3))
    changed = moves.copy()
    changed[TURN:] = 0.2 * rng.standard_normal((60, 3))
    panels = [panel_of(daily, gap=0.001) for daily in (moves, changed)]
    one, other = (market_of_panel(panel, predictions_of(panel), panel.symbols, "v") for panel in panels)
    np.testing.assert_array_equal(observed(one), observed(other))
    assert not np.array_equal(one.signals[TURN + 1], other.signals[TURN + 1])  # the change was one


def test_the_market_that_knows_the_future_is_told_by_the_same_test() -> None:
    market, other = walking(seed=0), walking(seed=0)
    other.open[TURN + 1 :] *= np.linspace(2, 3, len(other.open) - TURN - 1)[:, None]
    assert not np.array_equal(market.leaked().signals[:TURN], other.leaked().signals[:TURN])


def test_signals_are_in_units_of_the_forecast_and_bounded() -> None:
    market = market_of(np.exp([[0.0], [0.0], [0.01]]), np.exp([[0.0], [0.02], [9.0]]))
    at = SIGNALS.index("return_1")
    np.testing.assert_allclose(market.signals[:, 0, at], [0, 2, 5], rtol=1e-5)
    assert market.signals[:, 0, SIGNALS.index("known")].tolist() == [1, 1, 1]


def test_a_forecast_that_is_missing_is_seen_as_not_known() -> None:
    market = market_of(np.ones((4, 2)), np.ones((4, 2)), volatility=np.nan)
    assert not market.signals.any()
    assert not market.available.any()


def test_shuffling_moves_forecasts_by_whole_sessions_and_leaves_prices() -> None:
    market = walking()
    given = market.signals.copy()
    given[:, :, 0] = np.arange(len(given))[:, None]
    market = replace(market, signals=given)
    mixed = market.shuffled(1).signals
    assert sorted(mixed[:, 0, 0]) == sorted(given[:, 0, 0])
    assert not np.array_equal(mixed[:, 0, 0], given[:, 0, 0])
    np.testing.assert_array_equal(mixed[:, 0, 0], mixed[:, 1, 0])
    np.testing.assert_array_equal(mixed[:, :, len(FORECASTS) :], given[:, :, len(FORECASTS) :])


def test_gaps_bankruptcies_and_a_single_symbol_are_named() -> None:
    close = np.ones((10, 3))
    close[3, 0] = close[7:, 1] = np.nan
    close[5:, 2] = 0.01
    notes = "\n".join(market_of(close, close).notes())
    assert "S0 has no price in 1 of the sessions between: its orders lapse there." in notes
    assert "S1 has no price after 2015-01-13" in notes
    assert "S2 lost 99% from its first price" in notes
    assert "S0 alone is traded" in market_of(close[:, :1], close[:, :1]).notes()[0]
    assert market_of(np.ones((5, 2)), np.ones((5, 2))).notes() == ()


def test_forecasts_without_volatility_and_symbols_that_are_not_there_are_refused() -> None:
    panel = panel_of(np.zeros((30, 2)))
    predictions = predictions_of(panel)
    with pytest.raises(DataError, match="forecasts no volatility"):
        market_of_panel(panel, replace(predictions, risk=None), panel.symbols, "v")
    with pytest.raises(UnknownSymbolError, match="S0O"):
        market_of_panel(panel, predictions, ("S0O",), "v")
    with pytest.raises(DataError, match=r"name some in rl\.symbols"):
        market_of_panel(panel, predictions, (), "v")
