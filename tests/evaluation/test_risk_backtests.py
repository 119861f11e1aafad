import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from tenor.errors import DataError
from tenor.evaluation.risk_backtests import (
    acerbi_szekely,
    christoffersen,
    dynamic_quantile,
    kupiec,
    violation_rate_test,
    violations_of,
)
from tenor.evaluation.significance import mean_test

NAN = math.nan


def jp_morgan():
    """Jorion's example, 252 transitions: 20 violations, of which 6 follow a violation and 14 do not."""
    series = [0.0]
    for i in range(14):
        series += [1.0] * (7 if i == 0 else 1) + [0.0]
    return np.array(series + [0.0] * (253 - len(series)))


def independent(rng, days, level):
    return (rng.random(days) < level).astype("float64")


def clustered(rng, days, level, stays):
    """A Markov chain with `level` violations, `stays` of which are followed by one."""
    chain = np.zeros(days)
    enters = level * (1 - stays) / (1 - level)
    for t, u in enumerate(rng.random(days)):
        chain[t] = u < (stays if t and chain[t - 1] else enters)
    return chain


def factor_returns(rng, days, symbols):
    """Standard normal, correlated by 0.4 within a day."""
    return math.sqrt(0.4) * rng.standard_normal((days, 1)) + math.sqrt(0.6) * rng.standard_normal((days, symbols))


def normal_risk(level):
    q = float(stats.norm.ppf(level))
    return -q, float(stats.norm.pdf(q)) / level


def test_violations_by_hand():
    found = violations_of([[-0.03, -0.02, 0.05, NAN, -0.9]], [[0.02, 0.02, 0.02, 0.02, NAN]])
    assert found == pytest.approx(np.array([[1.0, 0.0, 0.0, NAN, NAN]]), nan_ok=True)


# --- Kupiec, Christoffersen ---


def test_kupiec_and_christoffersen_of_jorions_example():
    # Jorion, Value at Risk (2007), chapter 6: J.P. Morgan 1998, LR_uc = 3.91, LR_ind = 9.53, LR_cc = 13.44
    series = jp_morgan()
    found = christoffersen(series, 0.05)
    assert kupiec(series[1:], 0.05).statistic == pytest.approx(3.91, abs=0.005)
    assert found.independence.statistic == pytest.approx(9.53, abs=0.005)
    assert found.conditional_coverage.statistic == pytest.approx(13.44, abs=0.005)
    assert kupiec(series[1:], 0.05).value == pytest.approx(20 / 252 - 0.05)
    assert (found.independence.df, found.conditional_coverage.df) == (1, 2)
    assert found.conditional_coverage.p == pytest.approx(math.exp(-13.442 / 2), rel=1e-3)  # chi-squared with 2 df


@pytest.mark.parametrize(("days", "low", "high"), [(255, 0, 7), (510, 1, 11), (1000, 4, 17)])
def test_kupiecs_nonrejection_regions_at_99_percent(days, low, high):
    # Kupiec (1995), table: N < 7, 1 < N < 11, 4 < N < 17 are not rejected at 5 %; the first line leaves out that the
    # statistic of no violation in 255 days is 5.13, which is above 3.84
    kept = [n for n in range(40) if kupiec(np.arange(days) < n, 0.01).p >= 0.05]
    assert kept == list(range(low + 1, high))


def test_kupiec_rejects_exactly_as_often_as_the_binomial_says():
    counts = np.arange(1001)
    rejected = np.array([kupiec(np.arange(1000) < n, 0.05).p < 0.05 for n in counts])
    assert 0.045 <= stats.binom.pmf(counts, 1000, 0.05)[rejected].sum() <= 0.055


def test_kupiec_pools_the_known_cells_and_takes_no_violation_at_all():
    assert kupiec([[1.0, NAN], [0.0, 0.0]], 0.05) == kupiec([1.0, 0.0, 0.0], 0.05)
    assert kupiec(np.zeros(100), 0.05).statistic == pytest.approx(-200 * math.log(0.95))
    assert kupiec(np.ones(10), 0.05).statistic == pytest.approx(-20 * math.log(0.05))
    assert math.isnan(kupiec([NAN], 0.05).p)


def test_christoffersen_is_the_likelihood_ratio_day_by_day():
    series = clustered(np.random.default_rng(0), 300, 0.1, 0.3)
    pairs = list(pairwise(series))
    rate = {s: np.mean([b for a, b in pairs if a == s]) for s in (0, 1)}
    overall = np.mean([b for _, b in pairs])
    chain = sum(math.log(rate[a] if b else 1 - rate[a]) for a, b in pairs)
    constant = sum(math.log(overall if b else 1 - overall) for _, b in pairs)
    null = sum(math.log(0.05 if b else 0.95) for _, b in pairs)
    found = christoffersen(series, 0.05)
    assert found.independence.statistic == pytest.approx(2 * (chain - constant))
    assert found.conditional_coverage.statistic == pytest.approx(2 * (chain - null))


def test_christoffersen_sums_transitions_over_symbols_but_not_across_gaps():
    a, b = jp_morgan(), jp_morgan()[::-1]
    together = christoffersen(np.stack([a, b], axis=1), 0.05)
    # the same transitions one after the other: the gap between the two makes no transition
    assert together == christoffersen(np.r_[a, NAN, b], 0.05)
    assert together.independence.statistic == pytest.approx(2 * christoffersen(a, 0.05).independence.statistic)
    gap = a.copy()
    gap[1:4] = NAN  # amid the cluster
    assert christoffersen(gap, 0.05) == christoffersen(a[4:], 0.05)


def test_christoffersen_is_undefined_without_violations():
    found = christoffersen(np.zeros(100), 0.05)
    assert math.isnan(found.independence.p)
    assert math.isnan(found.conditional_coverage.p)
    assert found.independence.value == -0.05
    assert math.isnan(christoffersen([], 0.05).independence.value)


def test_the_classic_tests_hold_their_level_on_independent_violations():
    rng = np.random.default_rng(1)
    p = []
    for _ in range(600):
        series, var = independent(rng, 1000, 0.05), 0.02 * np.exp(0.3 * rng.standard_normal(1000))
        markov = christoffersen(series, 0.05)
        dq = dynamic_quantile(series, var, 0.05)
        p.append([kupiec(series, 0.05).p, markov.independence.p, markov.conditional_coverage.p, dq.p])
    rejected = (np.array(p) < 0.05).mean(axis=0)
    assert (rejected >= 0.03).all(), rejected
    assert (rejected <= 0.085).all(), rejected


def test_clusters_are_found_by_the_tests_of_independence_only():
    rng = np.random.default_rng(2)
    p = []
    for _ in range(100):
        series = clustered(rng, 1000, 0.05, 0.25)
        markov = christoffersen(series, 0.05)
        dq = dynamic_quantile(series, np.full(1000, 0.02), 0.05)
        p.append([kupiec(series, 0.05).p, markov.independence.p, markov.conditional_coverage.p, dq.p])
    rejected = (np.array(p) < 0.05).mean(axis=0)
    assert rejected[0] < 0.25
    assert (rejected[1:] > 0.8).all(), rejected


# --- dynamic quantile ---


def test_dynamic_quantile_is_the_explained_sum_of_squares_of_a_regression():
    sm = pytest.importorskip("statsmodels.api", reason="statsmodels comes with the bench extra")
    rng = np.random.default_rng(3)
    series, var = clustered(rng, 500, 0.06, 0.2), 0.02 * np.exp(0.3 * rng.standard_normal(500))
    hit = series - 0.05
    rows = [[1.0, hit[t - 1], hit[t - 2], hit[t - 3], hit[t - 4], var[t]] for t in range(4, 500)]
    fitted = sm.OLS(hit[4:], np.array(rows)).fit().fittedvalues
    found = dynamic_quantile(series, var, 0.05)
    assert found.statistic == pytest.approx((fitted**2).sum() / (0.05 * 0.95))
    assert found.df == 6
    assert found.p == pytest.approx(stats.chi2.sf(found.statistic, 6))
    assert dynamic_quantile(series, 1e6 * var, 0.05).statistic == pytest.approx(found.statistic)


def test_dynamic_quantile_finds_violations_that_the_value_at_risk_foretells():
    rng = np.random.default_rng(4)
    volatility = 0.01 * np.exp(0.5 * rng.standard_normal(2000))
    returns = volatility * rng.standard_normal(2000)
    right = 1.645 * volatility
    exaggerated = 1.645 * 0.01 * (volatility / 0.01) ** 3
    assert dynamic_quantile(violations_of(returns, right), right, 0.05).p > 0.05
    assert dynamic_quantile(violations_of(returns, exaggerated), exaggerated, 0.05).p < 0.001


def test_dynamic_quantile_counts_independent_instruments_only():
    series = independent(np.random.default_rng(5), 400, 0.05)
    constant = dynamic_quantile(series, np.full(400, 0.02), 0.05)
    assert constant.df == 5
    none = dynamic_quantile(np.zeros(400), np.full(400, 0.02), 0.05)
    assert none.df == 1
    assert none.statistic == pytest.approx(396 * 0.05**2 / (0.05 * 0.95))


def test_dynamic_quantile_leaves_out_days_whose_past_is_not_known():
    rng = np.random.default_rng(6)
    series, var = independent(rng, 300, 0.1), rng.random(300)
    series[:50] = NAN
    assert dynamic_quantile(series, var, 0.05) == dynamic_quantile(series[50:], var[50:], 0.05)
    assert math.isnan(dynamic_quantile(series[:53], var[:53], 0.05).p)
    assert math.isnan(dynamic_quantile(series[:3], var[:3], 0.05).value)


# --- the day as the unit ---


def test_violation_rate_by_day_is_the_mean_test_of_shares():
    v = violations_of(factor_returns(np.random.default_rng(7), 120, 4), np.full((120, 4), 1.5))
    v[5] = NAN
    v[9, 1] = NAN
    shares = [np.nanmean(row) for i, row in enumerate(v) if i != 5]
    assert violation_rate_test(v, 0.05, 5) == mean_test(np.array(shares) - 0.05, horizon=5)


def test_tests_by_day_know_their_horizon():
    # blocks of 20 days: 60 of them are too few for forecasts 10 sessions ahead, not for one
    r, ones = factor_returns(np.random.default_rng(13), 60, 4), np.ones((60, 4))
    for horizon, tested in ((1, True), (10, False)):
        assert math.isfinite(violation_rate_test(violations_of(r, ones), 0.05, horizon).p) == tested
        assert math.isfinite(acerbi_szekely(r, ones, 1.5 * ones, 0.05, horizon=horizon).p) == tested


def test_on_a_panel_the_tests_by_day_hold_their_level_where_kupiec_pooled_does_not():
    rng = np.random.default_rng(8)
    var, shortfall = normal_risk(0.05)
    p = []
    for _ in range(400):
        r = factor_returns(rng, 500, 20)
        v = violations_of(r, np.full_like(r, var))
        z2 = acerbi_szekely(r, np.full_like(r, var), np.full_like(r, shortfall), 0.05, horizon=1)
        p.append([violation_rate_test(v, 0.05, 1).p, z2.p, kupiec(v, 0.05).p])
    rejected = (np.array(p) < 0.05).mean(axis=0)
    assert (rejected[:2] >= 0.025).all(), rejected
    assert (rejected[:2] <= 0.08).all(), rejected
    assert rejected[2] > 0.2


def test_too_low_a_value_at_risk_is_found_by_day():
    r = factor_returns(np.random.default_rng(9), 500, 20)
    var, shortfall = normal_risk(0.05)
    rate = violation_rate_test(violations_of(r, np.full_like(r, 0.7 * var)), 0.05, 1)
    assert rate.value > 0.05
    assert rate.p < 0.001
    z2 = acerbi_szekely(r, np.full_like(r, 0.7 * var), np.full_like(r, 0.7 * shortfall), 0.05, horizon=1)
    assert z2.value < -0.5
    assert z2.p < 0.001


def test_z2_by_hand():
    r, var, shortfall = [-3.0, 1.0, -1.0, -4.0], [2.0, 2.0, 2.0, 2.0], [2.5, 2.5, 2.5, 5.0]
    found = acerbi_szekely(r, var, shortfall, 0.25, horizon=1)
    # 1 + (-3 / 2.5 - 4 / 5) / (4 * 0.25)
    assert found.value == pytest.approx(-1.0)
    panel = acerbi_szekely([[-3.0, 0.0], [1.0, NAN]], np.full((2, 2), 2.0), np.full((2, 2), 2.5), 0.25, horizon=1)
    assert panel.value == pytest.approx(((1 - 4.8 + 1) / 2 + 1) / 2)


def test_z2_has_the_papers_critical_value():
    # Acerbi & Szekely (2014): -0.70 at 5 % for 250 normal returns at level 2.5 %
    rng = np.random.default_rng(10)
    var, shortfall = (np.full(250, x) for x in normal_risk(0.025))
    z2 = [acerbi_szekely(rng.standard_normal(250), var, shortfall, 0.025, horizon=1).value for _ in range(6000)]
    assert np.mean(z2) == pytest.approx(0, abs=0.02)
    assert np.quantile(z2, 0.05) == pytest.approx(-0.70, abs=0.04)


def test_z2_sees_a_tail_that_violations_alone_do_not():
    # value at risk is right, losses beyond it are half as large again
    rng = np.random.default_rng(11)
    var, shortfall = normal_risk(0.05)
    r = rng.standard_normal((2000, 1))
    r = np.where(r < -var, 1.5 * r, r)
    constant = np.full_like(r, var)
    assert violation_rate_test(violations_of(r, constant), 0.05, 1).p > 0.05
    assert acerbi_szekely(r, constant, np.full_like(r, shortfall), 0.05, horizon=1).p < 0.01


def test_an_expected_shortfall_that_is_no_loss_does_not_count():
    rng = np.random.default_rng(12)
    r, var, shortfall = rng.standard_normal((60, 2)), np.full((60, 2), 1.0), np.full((60, 2), 1.5)
    shortfall[:, 1] = 0.0
    found = acerbi_szekely(r, var, shortfall, 0.05, horizon=1)
    assert found == acerbi_szekely(r[:, 0], var[:, 0], shortfall[:, 0], 0.05, horizon=1)


# --- what is refused ---


def test_what_is_no_violation_or_no_level_is_refused():
    with pytest.raises(DataError, match=r"0\.5"):
        kupiec([0.0, 0.5], 0.05)
    with pytest.raises(DataError, match="between 0 and 1, not 5"):
        violation_rate_test(np.zeros((5, 2)), 5, 1)
    with pytest.raises(DataError, match="one symbol"):
        dynamic_quantile(np.zeros((5, 2)), np.zeros((5, 2)), 0.05)
    with pytest.raises(DataError, match="shape"):
        violations_of([0.0], [0.0, 1.0])
