import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import brier_score_loss, matthews_corrcoef, mean_absolute_error, mean_squared_error, roc_auc_score

from tenor import metrics
from tenor.errors import DataError

UP_DOWN = np.array([0.01, -0.02, 0.03, -0.01])


def cells(seed=0, shape=(40, 12)):
    rng = np.random.default_rng(seed)
    realised = rng.normal(0, 0.02, shape)
    mean = 0.3 * realised + rng.normal(0, 0.01, shape)
    p_up = np.round(1 / (1 + np.exp(-60 * mean)), 2)  # rounded: ties on purpose
    realised[rng.random(shape) < 0.05] = 0.0
    return mean, p_up, realised


def icir(mean, realised):
    daily = metrics.daily_ic(mean, realised)
    daily = daily[np.isfinite(daily)]
    return float(metrics.icir_of_sums(daily.sum(), (daily**2).sum(), len(daily)))


def test_agrees_with_scikit_learn_and_scipy():
    mean, p_up, realised = cells()
    f, p, r = mean.ravel(), p_up.ravel(), realised.ravel()
    assert metrics.rmse(mean, realised) == pytest.approx(math.sqrt(mean_squared_error(r, f)))
    assert metrics.mae(mean, realised) == pytest.approx(mean_absolute_error(r, f))
    assert metrics.mcc(p_up, realised) == pytest.approx(matthews_corrcoef(r > 0, p > 0.5))
    assert metrics.auc(p_up, realised) == pytest.approx(roc_auc_score(r > 0, p))
    assert metrics.brier(p_up, realised) == pytest.approx(brier_score_loss(r > 0, p))
    daily = [spearmanr(mean[d], realised[d]).statistic for d in range(len(mean))]
    np.testing.assert_allclose(metrics.daily_ic(mean, realised), daily)
    assert metrics.rank_ic(mean, realised) == pytest.approx(np.mean(daily))
    assert icir(mean, realised) == pytest.approx(np.mean(daily) / np.std(daily, ddof=1))


def test_cells_that_are_nan_on_either_side_do_not_count():
    mean, _, realised = cells()
    holed = realised.copy()
    holed[::3, 2:5] = np.nan
    mean[1, 1] = np.nan
    known = np.isfinite(holed) & np.isfinite(mean)
    assert metrics.rmse(mean, holed) == pytest.approx(math.sqrt(mean_squared_error(holed[known], mean[known])))
    expected = [spearmanr(m[k], h[k]).statistic for m, h, k in zip(mean, holed, known, strict=True)]
    np.testing.assert_allclose(metrics.daily_ic(mean, holed), expected)


def test_price_errors_and_persistence():
    last, realised = np.array([100.0, 10.0]), np.array([110.0, 9.0])
    assert metrics.mase([105.0, 9.0], realised, last) == pytest.approx(5 / 11)
    assert metrics.mase(last, realised, last) == 1.0
    assert metrics.skill(np.zeros(4), UP_DOWN) == 0.0
    assert metrics.skill(UP_DOWN, UP_DOWN) == 1.0
    assert metrics.skill(-UP_DOWN, UP_DOWN) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("p_up", "realised", "share"),
    [
        ([0.6, 0.4, 0.6, 0.4], UP_DOWN, 1.0),
        ([0.4, 0.6, 0.4, 0.6], UP_DOWN, 0.0),
        ([0.6, 0.6, 0.6, 0.6], UP_DOWN, 0.5),
        ([0.6, 0.4], [0.0, 0.0], 0.5),  # a return of zero did not rise
        ([0.5, 0.6], [0.01, 0.01], 0.5),  # .5 does not say up
    ],
)
def test_direction_accuracy(p_up, realised, share):
    assert metrics.direction_accuracy(p_up, realised) == share


def test_persistence_names_no_direction():
    half = np.full(4, 0.5)
    assert not metrics.names_direction(half)
    for metric in (metrics.direction_accuracy, metrics.mcc, metrics.auc):
        assert math.isnan(metric(half, UP_DOWN))
    assert metrics.brier(half, UP_DOWN) == 0.25


def test_what_is_undefined_is_nan_and_never_a_warning():
    nothing = np.array([])
    for metric in (
        metrics.rmse, metrics.mae, metrics.skill, metrics.direction_accuracy, metrics.mcc, metrics.auc,
        metrics.brier, metrics.ece,
    ):  # fmt: skip
        assert math.isnan(metric(nothing, nothing))
    assert metrics.reliability(nothing, nothing) == []
    assert math.isnan(metrics.mase(nothing, nothing, nothing))
    assert math.isnan(metrics.skill([0.1], [0.0]))
    assert math.isnan(metrics.auc([0.6, 0.7], [0.01, 0.02]))  # one class
    assert metrics.mcc([0.6, 0.7], [0.01, -0.02]) == 0.0  # one direction forecast
    assert math.isnan(metrics.rank_ic(np.ones((3, 4)), np.ones((3, 4))))  # too few symbols
    assert math.isnan(metrics.rank_ic(np.ones((3, 8)), cells(shape=(3, 8))[2]))  # constant forecast
    mean, _, realised = cells(shape=(1, 8))
    assert math.isfinite(metrics.rank_ic(mean, realised))
    assert math.isnan(icir(mean, realised))  # one day has no spread
    same = np.tile(np.arange(6.0), (9, 1))
    assert metrics.rank_ic(same, same) == pytest.approx(1.0)
    assert math.isnan(icir(same, same))


def test_reliability_groups_are_of_equal_count_and_ties_stay_together():
    p = np.linspace(0.4, 0.6, 100)
    r = np.where(np.arange(100) % 2, 0.01, -0.01)
    groups = metrics.reliability(p, r)
    assert [g.count for g in groups] == [10] * 10
    assert [g.share_up for g in groups] == [0.5] * 10
    assert groups[0].p_up == pytest.approx(p[:10].mean())
    assert metrics.ece(p, r) == pytest.approx(np.abs(p.reshape(10, 10).mean(axis=1) - 0.5).mean())
    (only,) = metrics.reliability(np.full(30, 0.52), r[:30])
    assert only.count == 30
    assert only.p_up == pytest.approx(0.52)


def test_shapes_must_agree():
    with pytest.raises(DataError, match=r"\(3,\) and \(4,\)"):
        metrics.rmse(np.zeros(3), np.zeros(4))
    with pytest.raises(DataError, match="session, symbol"):
        metrics.daily_ic(np.zeros(3), np.zeros(3))


@given(st.lists(st.tuples(st.sampled_from([0.3, 0.4, 0.5, 0.6]), st.sampled_from([-0.01, 0.0, 0.02])), max_size=40))
def test_auc_is_the_share_of_concordant_pairs(pairs):
    p, r = np.array(pairs).reshape(-1, 2).T
    won = [1.0 * (a > b) + 0.5 * (a == b) for a in p[r > 0] for b in p[r <= 0]]
    expected = np.mean(won) if won and (p != 0.5).any() else math.nan
    assert metrics.auc(p, r) == pytest.approx(expected, nan_ok=True)
