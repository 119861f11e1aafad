"""Losses of several models: equal ones, few days, gaps, and what is known of made-up differences."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tenor.distribution import LEVELS, Risk, Shape
from tenor.evaluation.risk_metrics import crps, model_confidence_set
from tenor.referee.judging import quantile_of
from tenor.referee.losses import LEAST_DAYS, loss_table, mean_pinball, pairwise

SYMBOLS = ("A", "B")


def days(count: int) -> pd.DatetimeIndex:
    return pd.bdate_range("2016-01-04", periods=count)


def made(count: int, *means: float, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [mean + 0.1 * rng.normal(size=(count, 2)) for mean in means]


def table_of(count: int, **cells: np.ndarray):
    return loss_table("qlike", cells, 1, sessions=days(count), symbols=SYMBOLS, reference="base")


def test_a_smaller_loss_is_better_and_by_how_much() -> None:
    mine, base = made(200, 0.9, 1.0)
    table = table_of(200, mine=mine, base=base)
    comparison = table.comparisons["base"]
    assert comparison.side == 1
    assert comparison.change == pytest.approx(mine.mean() / base.mean() - 1)
    assert comparison.holm < 0.001
    assert table.by_symbol["A"] == pytest.approx(1 - mine[:, 0].sum() / base[:, 0].sum())
    np.testing.assert_allclose(table.excess, (mine - base).mean(axis=1))
    assert table.confidence_set["base"] < 0.1 <= table.confidence_set["mine"] == 1
    assert table_of(200, mine=base, base=mine).comparisons["base"].side == -1


def test_only_cells_of_all_models_count() -> None:
    mine, base = made(60, 0.9, 1.0)
    mine[:10], base[20:22, 1] = np.nan, np.nan
    table = table_of(60, mine=mine, base=base)
    assert (table.days, table.samples) == (50, 98)
    assert table.sessions[0] == days(60)[10]
    assert table.values["base"].value == pytest.approx(np.mean([*base[10:, 0], *base[10:20, 1], *base[22:, 1]]))
    assert table_of(60, mine=np.full((60, 2), np.nan), base=base) is None


@pytest.mark.parametrize("count", [1, 2, LEAST_DAYS - 1])
def test_nothing_is_tested_on_few_days(count: int) -> None:
    mine, base = made(count, 0.5, 1.0)
    table = table_of(count, mine=mine, base=base)
    assert table.comparisons["base"].side is None
    assert math.isnan(table.confidence_set["mine"])
    pair = pairwise("qlike", {"a": mine, "b": base, "base": base}, 1, models=["a", "b"], reference="base")
    assert pair.best == ()
    assert pair.tests["a", "b"].side is None


def test_thirty_days_are_tested() -> None:
    mine, base = made(LEAST_DAYS, 0.5, 1.0)
    assert table_of(LEAST_DAYS, mine=mine, base=base).comparisons["base"].side == 1


def test_equal_models_are_no_different() -> None:
    mine, _ = made(100, 1.0, 1.0)
    table = table_of(100, mine=mine, base=mine.copy())
    assert table.comparisons["base"].change == 0
    assert table.comparisons["base"].side is None
    assert table.confidence_set == {"mine": 1.0, "base": 1.0}


def test_pairs_are_corrected_for_their_number() -> None:
    a, b, c, base = made(150, 1.0, 1.02, 1.3, 1.3)
    pair = pairwise("qlike", {"a": a, "b": b, "c": c, "base": base}, 1, models=["a", "b", "c"], reference="base")
    assert list(pair.tests) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(test.holm >= test.p for test in pair.tests.values())
    assert pair.tests["a", "c"].side == 1
    by_day = {name: each.mean(axis=1) for name, each in (("a", a), ("b", b), ("c", c), ("base", base))}
    assert pair.confidence_set == model_confidence_set(by_day, horizon=1)
    assert pair.to_json()["tests"][0]["model"] == "a"


def test_the_mean_pinball_loss_of_all_levels_is_the_crps() -> None:
    rng = np.random.default_rng(0)
    realised = rng.normal(0, 0.01, (40, 2))
    levels = [round(0.05 * i, 2) for i in range(1, 20)]
    quantiles = {level: rng.normal(0, 0.01, (40, 2)) for level in levels}
    expected = crps(np.stack(list(quantiles.values())), levels, realised)
    np.testing.assert_array_equal(mean_pinball(quantiles, realised), expected)


def test_a_baseline_has_a_quantile_at_any_level() -> None:
    normal = Shape.fit(np.zeros(0), np.zeros(0), np.zeros(0), 1)
    risk = Risk.of(np.zeros((3, 2, 1), "float32"), [normal])
    for level in LEVELS:
        np.testing.assert_array_equal(quantile_of(risk, level, 0), risk.quantile(level, 0))
    between = quantile_of(risk, 0.075, 0)
    np.testing.assert_allclose(between, (risk.quantile(0.05, 0) + risk.quantile(0.1, 0)) / 2, rtol=1e-6)
    # beyond the outermost ones: those
    np.testing.assert_array_equal(quantile_of(risk, 0.001, 0), risk.quantile(0.01, 0))
    np.testing.assert_array_equal(quantile_of(risk, 0.999, 0), risk.quantile(0.99, 0))
