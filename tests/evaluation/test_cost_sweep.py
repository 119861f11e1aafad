"""The sweep over rules, costs and fills."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.errors import ConfigError
from tenor.evaluation.backtest import backtest
from tenor.evaluation.cost_sweep import COSTS, HOLD, sweep_costs
from tenor.evaluation.holding import against_holding
from tenor.schema import Panel, Predictions

SESSIONS, SYMBOLS = 40, 22


def panel(seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (SESSIONS, SYMBOLS)), axis=0))
    return Panel(
        values=np.zeros((SESSIONS, SYMBOLS, 1), "float32"),
        mask=np.ones((SESSIONS, SYMBOLS), dtype=bool),
        targets=np.zeros((SESSIONS, SYMBOLS, 1), "float32"),
        volatility=np.full((SESSIONS, SYMBOLS), 0.02, "float32"),
        open=close * np.exp(rng.normal(0, 0.01, close.shape)),
        close=close,
        sessions=pd.bdate_range("2016-01-04", periods=SESSIONS).astype("datetime64[us]"),
        symbols=tuple(f"S{i}" for i in range(SYMBOLS)),
        features=("one",),
        horizons=(1,),
    )


def said(seed: int = 0) -> Predictions:
    mean = np.random.default_rng(seed).normal(0, 0.01, (SESSIONS, SYMBOLS, 1)).astype("float32")
    return Predictions("made", mean, (mean > 0).astype("float32"))


def test_every_rule_cost_and_fill_is_there() -> None:
    found = sweep_costs(panel(), slice(None), said(), horizon=1, tried=5)
    assert {(r.rule, r.fill, r.cost) for r in found.runs} == {
        (rule, fill, cost) for rule in ("long/flat", "long/short", HOLD) for fill in ("open", "close") for cost in COSTS
    }
    for fill in ("open", "close"):
        ends = [run.backtest.equity[-1] for run in found.of("long/short", fill)]
        assert ends == sorted(ends, reverse=True)
    assert {run.sharpe.trials for run in found.runs} == {
        10,
        1,
    }  # 5 configurations times two rules; holding is no choice
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain == found.to_json()
    assert len(plain["runs"]) == 24
    assert plain["runs"][0]["sharpe"]["trials"] == 10


def test_every_rule_is_compared_with_holding_at_its_own_cost_and_fill() -> None:
    found = sweep_costs(panel(), slice(None), said(), horizon=1, costs=(0.0, 10.0))
    plain = found.to_json()["runs"]
    held = {(run.fill, run.cost): run for run in found.runs if run.rule == HOLD}
    for run, values in zip(found.runs, plain, strict=True):
        if run.rule == HOLD:
            assert run.holding is None
            assert values["against_holding"] is None
            continue
        hold = held[run.fill, run.cost]
        assert run.holding == against_holding(run.backtest, hold.backtest, 1)
        assert run.holding.sharpe.value == pytest.approx(run.sharpe.value - hold.sharpe.value)
        assert values["against_holding"]["sharpe"]["low"] == run.holding.sharpe.low
        assert values["against_holding"]["holding"] == HOLD


def test_a_rule_that_never_sells_adds_nothing_to_holding() -> None:
    one = replace(
        panel(),
        symbols=("S0",),
        **{
            name: getattr(panel(), name)[:, :1]
            for name in ("values", "mask", "targets", "volatility", "open", "close", "variance", "log_variance")
        },
    )
    zeros, ones = np.zeros((SESSIONS, 1, 1), "float32"), np.ones((SESSIONS, 1, 1), "float32")
    (run,) = sweep_costs(one, slice(None), Predictions("up", ones, ones), horizon=1, costs=(0.0,)).of("long/flat")
    assert run.holding is not None
    assert run.holding.sharpe.value == pytest.approx(0, abs=1e-9)
    assert run.holding.max_drawdown == pytest.approx(0, abs=1e-9)
    (run,) = sweep_costs(one, slice(None), Predictions("none", zeros, zeros), horizon=1, costs=(0.0,)).of("long/flat")
    assert run.holding is not None
    assert np.isnan(run.holding.sharpe.value)  # cash has no Sharpe ratio


def test_filled_at_the_close_by_hand() -> None:
    made = panel()
    forecast = replace(said(), p_up=np.zeros((SESSIONS, SYMBOLS, 1), "float32"))
    forecast.p_up[0, 0] = 1.0  # one stock, one day
    found = backtest(made, slice(None), forecast, horizon=1, rule="long/flat", cost=0, fill="close")
    gain = made.close[2, 0] / made.close[1, 0] - 1
    np.testing.assert_allclose(found.equity[:2], 1.0)  # bought at the close of the next session
    np.testing.assert_allclose(found.equity[2:], 1 + gain / SYMBOLS)


def test_legs_are_tenths_of_many_symbols() -> None:
    made = panel()
    mean = np.tile(np.arange(SYMBOLS, dtype="float32")[None, :, None], (SESSIONS, 1, 1))
    found = backtest(made, slice(0, 3), Predictions("made", mean, mean), horizon=1, rule="long/short", cost=0)
    growth = made.close[1] / made.open[1] - 1
    assert found.equity[1] == pytest.approx(1 + 0.25 * (growth[-2:].sum() - growth[:2].sum()))


@settings(max_examples=15)
@given(cut=st.integers(0, SESSIONS - 2), seed=st.integers(0, 99))
def test_no_figure_up_to_a_session_knows_a_later_price_or_forecast(cut: int, seed: int) -> None:
    made, forecast, other = panel(seed), said(seed), panel(seed + 1000)
    after = (np.arange(SESSIONS) > cut)[:, None]
    changed = replace(made, open=np.where(after, other.open, made.open), close=np.where(after, other.close, made.close))
    mean = np.where((np.arange(SESSIONS) >= cut)[:, None, None], said(seed + 1).mean, forecast.mean)
    later = Predictions("made", mean, (mean > 0).astype("float32"))
    first = sweep_costs(made, slice(None), forecast, horizon=1, costs=(0.0, 10.0))
    second = sweep_costs(changed, slice(None), later, horizon=1, costs=(0.0, 10.0))
    for a, b in zip(first.runs, second.runs, strict=True):
        for name in ("equity", "gross", "turnover"):
            np.testing.assert_array_equal(getattr(a.backtest, name)[: cut + 1], getattr(b.backtest, name)[: cut + 1])


def test_the_price_of_the_decision_itself_is_never_the_fill() -> None:
    made = panel()
    jump = made.close.copy()
    jump[:10] *= 1.5  # all before the first fill that counts here
    moved = replace(made, close=jump)
    for fill in ("open", "close"):
        runs = [
            backtest(p, slice(9, 30), said(), horizon=1, rule="long/short", cost=5, fill=fill) for p in (made, moved)
        ]
        np.testing.assert_allclose(runs[0].equity, runs[1].equity, rtol=1e-12)


def test_impossible_fill() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'close'"):
        backtest(panel(), slice(None), said(), horizon=1, rule="long/flat", fill="closed")  # type: ignore[arg-type]
