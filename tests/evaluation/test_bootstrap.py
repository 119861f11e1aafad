import math

import numpy as np
import pytest

from tenor import metrics
from tenor.evaluation.bootstrap import (
    METRICS,
    DayTotals,
    block_length,
    interval,
    resampled_days,
)


def cells(seed=0, shape=(50, 9)):
    rng = np.random.default_rng(seed)
    realised = rng.normal(0, 0.02, shape)
    mean = 0.2 * realised + rng.normal(0, 0.01, shape)
    p_up = np.round(1 / (1 + np.exp(-60 * mean)), 2)
    holes = rng.random(shape) < 0.2
    realised[rng.random(shape) < 0.1] = 0.0  # did not rise
    realised[holes] = np.nan
    mean[holes & (rng.random(shape) < 0.5)] = np.nan  # a forecast where nothing counts, or none: no matter
    return mean, p_up, realised


def plain(mean, p_up, realised):
    price = np.exp(mean), np.exp(realised)  # in units of the last close
    known = np.where(np.isfinite(realised), p_up, np.nan)
    daily = metrics.daily_ic(mean, realised)
    return {
        "return_rmse": metrics.rmse(mean, realised),
        "return_mae": metrics.mae(mean, realised),
        "price_rmse": metrics.rmse(*price),
        "price_mae": metrics.mae(*price),
        "skill": metrics.skill(mean, realised),
        "mase": metrics.mase(*price, np.ones_like(mean)),
        "direction": metrics.direction_accuracy(known, realised),
        "mcc": metrics.mcc(known, realised),
        "auc": metrics.auc(known, realised),
        "brier": metrics.brier(known, realised),
        "rank_ic": metrics.rank_ic(mean, realised),
        "icir": np.nanmean(daily) / np.nanstd(daily, ddof=1),
    }


def test_totals_of_days_give_the_plain_metrics():
    given = cells()
    values = DayTotals.of(*given).values()
    assert tuple(values) == METRICS
    assert values == pytest.approx(plain(*given))


@pytest.mark.parametrize("draw", [0, 7, 31])
def test_a_resample_is_the_metric_of_the_days_drawn(draw):
    given = cells()
    drawn = resampled_days(50, horizon=1, resamples=40, seed=3)
    found = DayTotals.of(*given).measure(drawn)
    days = np.repeat(np.arange(50), drawn[draw].astype(int))
    expected = plain(*(a[days] for a in given))
    assert {name: float(found[name][draw]) for name in METRICS} == pytest.approx(expected)


def test_some_of_the_days():
    given = cells()
    part = DayTotals.of(*given).on(slice(10, 35))
    assert part.values() == pytest.approx(plain(*(a[10:35] for a in given)))


def test_many_distinct_forecasts_are_counted_in_steps(monkeypatch):
    given = cells(shape=(60, 30))
    whole = DayTotals.of(*given)
    monkeypatch.setattr("tenor.evaluation.bootstrap.AUC_CHUNK", 1)
    np.testing.assert_array_equal(DayTotals.of(*given).concordant, whole.concordant)


def test_days_are_drawn_in_blocks_each_equally_often():
    drawn = resampled_days(100, horizon=5, resamples=4000, seed=1)
    assert drawn.shape == (4000, 100)
    assert (drawn.sum(axis=1) == 100).all()
    np.testing.assert_allclose(drawn.mean(axis=0), 1.0, atol=0.08)
    apart = np.corrcoef(drawn.T)
    # neighbours share most of their blocks of 10, days 20 apart none (below 0, as the sum is fixed)
    assert np.diag(apart, 1).mean() > 0.8
    assert -0.2 < np.diag(apart, 20).mean() < 0
    assert [block_length(h) for h in (1, 2, 3, 5, 20)] == [5, 5, 6, 10, 40]


def test_the_seed_decides():
    assert (resampled_days(60, horizon=1, seed=4) == resampled_days(60, horizon=1, seed=4)).all()
    assert (resampled_days(60, horizon=1, seed=4) != resampled_days(60, horizon=1, seed=5)).any()


@pytest.mark.parametrize("days", [1, 5, 19])
def test_too_few_days_have_a_value_but_no_bounds(days):
    given = cells(shape=(days, 9))
    total = DayTotals.of(*given)
    draws = total.measure(resampled_days(days, horizon=1))
    found = interval(total.values()["return_rmse"], draws["return_rmse"])
    assert found.value == pytest.approx(metrics.rmse(given[0], given[2]))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_interval_of_undefined_draws():
    assert math.isnan(interval(1.0, np.array([np.nan, np.nan, 1.0])).low)
    found = interval(1.0, np.array([np.nan, 0.0, 1.0, 2.0]))
    assert 0 <= found.low < found.high <= 2
    assert math.isnan(interval(math.nan, np.arange(9.0)).low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Days with a shock common to all their cells, carried over to the next three."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        shock = rng.normal(0, 1, 253)
        days = 0.5 + 0.1 * np.convolve(shock, np.ones(4) / 2, mode="valid")
        drawn = resampled_days(250, horizon=4, resamples=200, seed=1)
        found = interval(float(days.mean()), drawn @ days / 250)
        covered += found.low <= 0.5 <= found.high
    assert 0.85 <= covered / 200 <= 0.99


def test_a_model_without_direction():
    mean, p_up, realised = cells()
    values = DayTotals.of(np.zeros_like(mean), np.full_like(p_up, 0.5), realised).values()
    undefined = {name for name, value in values.items() if math.isnan(value)}
    assert undefined == {"direction", "mcc", "auc", "rank_ic", "icir"}
    assert values["skill"] == 0.0
    assert values["mase"] == 1.0


def test_one_class_and_one_symbol():
    mean, p_up, realised = cells(shape=(40, 1))
    values = DayTotals.of(mean, p_up, np.abs(realised) + 1e-9).values()
    assert math.isnan(values["auc"])
    assert math.isnan(values["rank_ic"])
    assert 0 <= values["direction"] <= 1
