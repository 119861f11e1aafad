import json
import math
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import panel_of
from scipy import stats

from tenor.errors import DataError, HistoryError
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.comparison import compare_models
from tenor.evaluation.significance import (
    diebold_mariano,
    drawn_days,
    format_p,
    holm,
    lags,
    mean_test,
    pesaran_timmermann,
    resampled,
    share,
    side_of_zero,
)
from tenor.schema import Predictions

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from simulate_significance import World, draw, p_values

sm = pytest.importorskip("statsmodels.api", reason="statsmodels comes with the bench extra")
multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests

ROWS = slice(50, 350)


def slow(days, seed=0, keeps=0.7):
    rng = np.random.default_rng(seed)
    out = rng.standard_t(4, days)
    for t in range(1, days):
        out[t] += keeps * out[t - 1]
    return out


def expected_share_of_variance(days, width):
    """E[V] / variance for independent days, from the trace of the quadratic form that V is: no algebra of ours."""
    centring = np.eye(days) - 1 / days
    steps = np.abs(np.subtract.outer(np.arange(days), np.arange(days)))
    weights = np.clip(1 - steps / (width + 1), 0, None)
    return np.trace(centring @ weights @ centring) / days, days / (weights[days // 2] ** 2).sum()


# --- the mean of dependent days ---


@pytest.mark.parametrize("days", [60, 250])
@pytest.mark.parametrize("horizon", [1, 5])
def test_the_mean_test_is_statsmodels_newey_west_with_its_bias_taken_out(days, horizon):
    values = slow(days) + 0.4
    width = lags(days, horizon=horizon)
    newey_west = sm.OLS(values, np.ones(days)).fit(cov_type="HAC", cov_kwds={"maxlags": width})
    small, df = expected_share_of_variance(days, width)
    found = mean_test(values, horizon=horizon)
    assert found.value == pytest.approx(values.mean())
    assert found.statistic == pytest.approx(newey_west.tvalues[0] * math.sqrt(small))
    assert found.df == pytest.approx(df)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.statistic), df))
    above = mean_test(values, horizon=horizon, one_sided=True)
    assert above.p == pytest.approx(found.p / 2 if found.statistic > 0 else 1 - found.p / 2)


def test_diebold_mariano_is_that_of_statsmodels_for_one_stock():
    from statsmodels.tsa.stattools import diebold_mariano_test

    days, horizon = 200, 5
    rng = np.random.default_rng(3)
    returns, ours, other = slow(days), 0.3 * rng.normal(size=days), 0.3 * rng.normal(size=days)
    width = lags(days, horizon=horizon)
    theirs = diebold_mariano_test(returns, ours, other, lags=width)
    small, _ = expected_share_of_variance(days, width)
    found = diebold_mariano(ours[:, None], other[:, None], returns[:, None], horizon=horizon)
    assert found.statistic == pytest.approx(theirs.statistic * math.sqrt(small))
    turned = diebold_mariano(other[:, None], ours[:, None], returns[:, None], horizon=horizon)
    assert (turned.statistic, turned.p) == (pytest.approx(-found.statistic), pytest.approx(found.p))


@pytest.mark.parametrize(("days", "horizon", "expected"), [(60, 1, 11), (250, 5, 21), (60, 40, 39), (500, 1, 30)])
def test_lags(days, horizon, expected):
    assert lags(days, horizon=horizon) == expected


def test_a_day_counts_once_however_many_of_its_cells_do():
    returns, ours, other = draw(np.random.default_rng(0), 120, World(1, 0.9))
    returns[7, 3:] = np.nan
    returns[8] = np.nan
    ours[8] = np.nan
    seen = np.delete(np.arange(120), 8)
    by_day = np.nanmean((ours[seen] - returns[seen]) ** 2 - (other[seen] - returns[seen]) ** 2, axis=1)
    found = diebold_mariano(ours, other, returns, horizon=1)
    assert found.statistic == pytest.approx(mean_test(by_day, horizon=1).statistic)
    assert found.value == pytest.approx(by_day.mean())


@pytest.mark.parametrize(
    "values",
    [np.zeros(100), np.full(100, 0.3), slow(19), np.array([]), np.array([1.0])],
    ids=["zero", "constant", "few", "none", "one"],
)
def test_what_cannot_be_tested_is_nan(values):
    found = mean_test(values, horizon=1)
    assert math.isnan(found.statistic)
    assert math.isnan(found.p)


def test_shapes_must_agree():
    with pytest.raises(DataError, match=r"\(30, 2\), \(30, 2\), \(30, 3\)"):
        diebold_mariano(np.zeros((30, 2)), np.zeros((30, 2)), np.zeros((30, 3)), horizon=1)
    with pytest.raises(DataError, match=r"\(30,\) and \(30,\)"):
        pesaran_timmermann(np.zeros(30), np.zeros(30), horizon=1)


# --- direction ---


def test_the_classic_direction_test_by_hand():
    """A table of 4 x right up, 1 x wrong up, 2 x wrong down, 5 x right down, in fractions."""
    said = np.repeat([0.6, 0.6, 0.4, 0.4], [4, 1, 2, 5])
    was = np.repeat([1.0, -1.0, 1.0, -1.0], [4, 1, 2, 5])
    n, up, forecast = Fraction(12), Fraction(6, 12), Fraction(5, 12)
    chance = up * forecast + (1 - up) * (1 - forecast)
    spread = chance * (1 - chance) / n
    spread_of_chance = (2 * up - 1) ** 2 * forecast * (1 - forecast) / n
    spread_of_chance += (2 * forecast - 1) ** 2 * up * (1 - up) / n
    spread_of_chance += 4 * up * forecast * (1 - up) * (1 - forecast) / n**2
    statistic = float(Fraction(9, 12) - chance) / math.sqrt(spread - spread_of_chance)
    found = pesaran_timmermann(said[:, None], was[:, None], horizon=1).classic
    assert found.value == pytest.approx(float(Fraction(9, 12) - chance))
    assert found.statistic == pytest.approx(statistic)
    assert found.statistic == pytest.approx(1.8347, abs=1e-4)
    assert found.p == pytest.approx(stats.norm.sf(statistic))


def test_the_classic_direction_test_is_chi_squared_of_the_table():
    """Its square is Pearson's statistic of the two by two table times n / (n - 1): the algebra of the 1992 variance."""
    rng = np.random.default_rng(1)
    returns = rng.normal(0.1, 1, (40, 25))
    p_up = 0.5 + 0.05 * np.sign(returns + rng.normal(0.2, 8, returns.shape))
    found = pesaran_timmermann(p_up, returns, horizon=1).classic
    seen = np.array([[((p_up > 0.5) == s)[(returns > 0) == w].sum() for w in (True, False)] for s in (True, False)])
    pearson = stats.chi2_contingency(seen, correction=False).statistic
    assert found.statistic**2 == pytest.approx(pearson * 1000 / 999)


def test_direction_by_day_is_newey_west_of_daily_sums_and_near_driscoll_kraay():
    returns, ours, _ = draw(np.random.default_rng(5), 300, World(1, 0.9, 0.02))
    returns[40:60, 5] = np.nan
    p_up = 1 / (1 + np.exp(-ours))
    found = pesaran_timmermann(p_up, returns, horizon=1).by_day
    counts = np.isfinite(returns)
    said, was = (p_up > 0.5)[counts].astype(float), (returns > 0)[counts].astype(float)
    hits = (said == was).mean() - said.mean() * was.mean() - (1 - said.mean()) * (1 - was.mean())
    assert found.value == pytest.approx(hits)
    assert found.value == pytest.approx(2 * np.cov(said, was, ddof=0)[0, 1])
    assert found.p == pytest.approx(stats.t.sf(found.statistic, found.df))
    width = lags(300, horizon=1)
    small, _ = expected_share_of_variance(300, width)
    day = np.nonzero(counts)[0]
    panel_ols = sm.OLS(was, sm.add_constant(said)).fit(
        cov_type="hac-groupsum", cov_kwds={"time": day, "maxlags": width, "use_correction": False}
    )
    assert found.statistic == pytest.approx(panel_ols.tvalues[1] * math.sqrt(small), rel=0.05)


@pytest.mark.parametrize(
    ("p_up", "returns"),
    [
        (np.full((30, 2), 0.7), np.tile([1.0, -1.0], (30, 1))),
        (np.full((30, 2), 0.5), np.tile([1.0, -1.0], (30, 1))),
        (np.tile([0.6, 0.4], (30, 1)), np.ones((30, 2))),
        (np.tile([0.6, 0.4], (30, 1)), np.full((30, 2), np.nan)),
    ],
    ids=["always up", "no direction", "all rose", "nothing known"],
)
def test_no_direction_no_test(p_up, returns):
    found = pesaran_timmermann(p_up, returns, horizon=1)
    assert all(math.isnan(x) for x in (found.by_day.p, found.classic.p, found.by_day.statistic))


# --- resampled days ---


def test_draws_spread_like_the_circular_variance_of_their_blocks():
    values = slow(200, seed=2)
    drawn, block = drawn_days(200, horizon=1, resamples=20_000)
    assert block == 16
    away = values - values.mean()
    circular = [away @ np.roll(away, k) / 200 for k in range(block)]
    variance = circular[0] + 2 * sum((1 - k / block) * circular[k] for k in range(1, block))
    # 200 days are 12 whole blocks and half a block
    assert (drawn @ values / 200).var() == pytest.approx(variance / 200, rel=0.06)


@pytest.mark.parametrize(
    ("days", "horizon", "block"), [(20, 1, 5), (40, 5, 10), (60, 1, 8), (250, 1, 16), (250, 10, 20), (1000, 1, 32)]
)
def test_blocks_grow_with_the_days(days, horizon, block):
    drawn, found = drawn_days(days, horizon=horizon, resamples=10)
    assert found == block
    assert drawn.shape == (10, days)


def test_an_interval_of_independent_days_is_that_of_the_t_test():
    """On average over samples; the widening is what makes it so with 60 days."""
    rng = np.random.default_rng(0)
    ratios = []
    drawn, block = drawn_days(60, horizon=1)
    for _ in range(60):
        values = rng.normal(size=60)
        found = resampled(values.mean(), drawn @ values / 60, days=60, block=block)
        ratios.append((found.high - found.low) / 2 / (values.std(ddof=1) / math.sqrt(60) * stats.t.isf(0.025, 59)))
    assert np.mean(ratios) == pytest.approx(1.08, abs=0.08)  # 11 degrees of freedom cost 2.20 / 2.00


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(-0.5, 0.5), st.integers(60, 140))
def test_zero_lies_outside_the_interval_exactly_where_p_is_below_5_percent(seed, shift, days):
    values = np.random.default_rng(seed).normal(shift, 1, days)
    drawn, block = drawn_days(days, horizon=1, resamples=199, seed=seed)
    found = resampled(values.mean(), drawn @ values / days, days=days, block=block)
    assert 0 < found.p <= 1
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    assert found.low <= found.value <= found.high


def test_shares_stay_shares():
    drawn, block = drawn_days(60, horizon=1)
    hits = np.full(60, 10.0)
    hits[3] = 2.0
    found = share(hits, np.full(60, 10.0), drawn, block=block)
    assert found.value == pytest.approx(592 / 600)
    assert 0.9 < found.low < found.value < found.high == 1.0
    few, block = drawn_days(10, horizon=1)
    assert math.isnan(share(hits[:10], np.full(10, 10.0), few, block=block).low)


# --- many tests ---


@pytest.mark.parametrize(
    "p", [[0.3], [0.01, 0.02, 0.03, 0.04], [0.04, 0.001, 0.04, 1.0, 0.0], [0.5, 0.012, 0.02, 0.02, 0.9, 0.011, 0.3]]
)
def test_holm_is_that_of_statsmodels(p):
    named = {f"m{i}": value for i, value in enumerate(p)}
    assert list(holm(named).values()) == pytest.approx(list(multipletests(p, method="holm")[1]))
    with_gap = holm({"none": math.nan, **named})
    assert math.isnan(with_gap.pop("none"))
    assert with_gap == holm(named)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lies_between_the_p_value_and_bonferroni(p):
    adjusted = list(holm({str(i): value for i, value in enumerate(p)}).values())
    assert all(value <= found <= min(1, len(p) * value) + 1e-12 for value, found in zip(p, adjusted, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all() if p else adjusted == []


# --- how often they err ---


def test_by_day_the_null_is_rejected_in_about_5_percent_and_classically_far_more_often():
    """Slow forecasts, stocks that move together, fat tails, overlapping targets; 99.9 % binomial bounds round 5 %."""
    repetitions = 400
    low, high = stats.binom.interval(0.999, repetitions, 0.05)
    for days, horizon in ((60, 5), (250, 1)):
        found = p_values(np.random.default_rng([days, horizon]), days, World(horizon, 0.9), repetitions)
        for name in ("Diebold-Mariano", "day-block bootstrap", "Pesaran-Timmermann by day"):
            assert low <= (found[name] < 0.05).sum() <= high, (name, days, horizon)
        assert (found["Pesaran-Timmermann classic"] < 0.05).sum() > high


def test_power_rises_with_the_effect():
    names = ("Diebold-Mariano", "day-block bootstrap", "Pesaran-Timmermann by day")
    shares = []
    for skill in (0.0, 0.03, 0.15):
        found = p_values(np.random.default_rng(7), 120, World(1, 0.9, skill), 60)
        shares.append([(found[name] < 0.05).mean() for name in names])
    none, some, much = np.array(shares)
    assert (none < 0.2).all()
    assert (some > none).all()
    assert (much > 0.8).all()


# --- the table ---


def make_panel(sessions=400, symbols=12, seed=0, horizons=(1, 5)):
    rng = np.random.default_rng(seed)
    shape = (sessions, symbols)
    daily = rng.normal(0, 0.015, shape) + rng.normal(0, 0.007, (sessions, 1))
    return panel_of(daily, horizons=horizons)


def planted(made, signal, name, noise=0.003, seed=1):
    rng = np.random.default_rng(seed)
    mean = (signal * np.nan_to_num(made.targets) + rng.normal(0, noise, made.targets.shape)).astype("float32")
    return Predictions(name, mean, (1 / (1 + np.exp(-80 * mean))).astype("float32"))


def flat(made, name="persistence"):
    return Predictions(name, np.zeros_like(made.targets), np.full_like(made.targets, 0.5))


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_table_tells_better_from_same_from_worse(horizon):
    made = make_panel()
    ours = planted(made, 0.2, "tenor")
    said = {
        "tenor": ours,
        "persistence": flat(made),
        "near": planted(made, 0.2, "near", seed=4),
        "good": planted(made, 0.6, "good", seed=3),
        "twin": replace(ours, model="twin"),
    }
    found = {c.other: c for c in compare_models(made, ROWS, said, horizon=horizon)}
    assert list(found) == ["persistence", "near", "good", "twin"]
    assert found["persistence"].verdict.startswith("tenor beats persistence in squared error at 5 % after Holm (Dieb")
    assert found["near"].verdict.startswith("No edge over near in squared error at 5 % after Holm (Diebold-Mariano ")
    assert found["good"].verdict.startswith("tenor is worse than good in squared error at 5 % after Holm (")
    assert found["twin"].verdict == "tenor and twin forecast the same: there is no difference to test."
    assert found["persistence"].squared_error.value < 0 < found["good"].squared_error.value
    adjusted = holm({name: c.squared_error.p for name, c in found.items()})
    assert {name: c.holm for name, c in found.items()} == pytest.approx(adjusted, nan_ok=True)
    assert found["good"].holm > found["good"].squared_error.p
    persistence = found["persistence"]
    assert persistence.days == 300
    assert persistence.differences["return_rmse"].high < 0
    assert persistence.differences["return_rmse"].p < 0.01
    assert math.isnan(persistence.differences["direction"].value)  # persistence names none
    assert found["good"].differences["direction"].high < 0
    assert found["twin"].differences["return_rmse"].value == 0
    assert math.isnan(found["twin"].differences["return_rmse"].p)
    assert persistence.direction.by_day.p < 1e-3
    assert math.isnan(persistence.other_direction.by_day.p)
    assert found["good"].other_direction.by_day.value > persistence.direction.by_day.value > 0
    text = json.dumps([c.to_json() for c in found.values()], allow_nan=False)
    assert json.loads(text)[0]["other_direction"]["by_day"]["p"] is None
    assert {name: c.side for name, c in found.items()} == {"persistence": 1, "near": 0, "good": -1, "twin": 0}


def test_a_worthless_model_has_no_edge():
    made = make_panel()
    found = compare_models(made, ROWS, {"tenor": planted(made, 0, "tenor", 1e-4), "persistence": flat(made)}, horizon=1)
    assert found[0].verdict.startswith("No edge over persistence in squared error at 5 % after Holm (")
    assert found[0].side == 0
    assert found[0].direction.by_day.p > 0.05


def test_only_cells_that_count_are_compared():
    made = make_panel()
    mask = made.mask.copy()
    mask[100:140] = False
    mask[:, 4] = False
    ours = planted(made, 0.2, "tenor")
    hidden = replace(made, mask=mask)
    expected = compare_models(hidden, ROWS, {"tenor": ours, "persistence": flat(made)}, horizon=5)[0]
    assert expected.days == 260
    ours.mean[~mask], ours.p_up[~mask] = np.nan, np.nan
    made.targets[~mask] = 9.0
    assert repr(compare_models(hidden, ROWS, {"tenor": ours, "persistence": flat(made)}, horizon=5)[0]) == repr(
        expected
    )


def test_few_days_are_told():
    made = make_panel()
    said = {"tenor": planted(made, 0.2, "tenor"), "persistence": flat(made)}
    found = compare_models(made, slice(380, 400), said, horizon=1)
    assert found[0].verdict == "19 days are too few to tell tenor from persistence in squared error."
    assert math.isnan(found[0].differences["rank_ic"].low)
    assert found[0].side is None


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [(0.1, 0.3, 1), (-0.3, -0.1, -1), (-0.1, 0.3, 0), (0.0, 0.3, 0), (math.nan, math.nan, None), (0.1, math.nan, None)],
)
def test_the_side_of_zero_is_that_of_the_whole_interval(low, high, side):
    interval = ConfidenceInterval(0.2, low, high)
    assert side_of_zero(interval) == side
    assert side_of_zero(interval, higher_is_better=False) == (None if side is None else -side)


def test_p_values_read_as_p_values():
    assert [format_p(p) for p in (0.25, 0.0014, 0.00099, math.nan)] == ["0.250", "0.001", "< 0.001", "–"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: {"tenor": flat(m)}, DataError, "at least two models"),
        (lambda m: {"tenor": flat(m), "odd": flat(make_panel(300))}, DataError, r"odd have shape \(300, 12, 2\)"),
        (
            lambda m: {"tenor": flat(m), "mute": replace(flat(m), mean=m.targets * np.nan)},
            DataError,
            "mute predicts noth",
        ),
        (lambda m: {"tenor": flat(m), "x": replace(flat(m), p_up=m.targets * 0 + 2)}, DataError, r"x gives a P\(up\)"),
    ],
    ids=["alone", "shape", "mute", "no probability"],
)
def test_what_cannot_be_compared_is_refused(change, error, message):
    made = make_panel()
    with pytest.raises(error, match=message):
        compare_models(made, ROWS, change(made), horizon=1)


def test_nothing_to_judge():
    made = make_panel()
    with pytest.raises(HistoryError, match="no forecast 5 sessions ahead"):
        compare_models(made, slice(396, 400), {"a": flat(made), "b": flat(made)}, horizon=5)
