import math

import numpy as np
import pytest
from scipy import integrate, stats

from tenor.distribution import LEVELS
from tenor.errors import DataError
from tenor.evaluation.risk_metrics import (
    CRPS_LEVELS,
    by_day,
    crps,
    diebold_mariano_of,
    interval_cells,
    model_confidence_set,
    pinball,
    qlike,
    squared_log_error,
)
from tenor.evaluation.significance import diebold_mariano, drawn_days, mean_test

NAN = math.nan


def cells(seed=0, days=60, symbols=4):
    return np.random.default_rng(seed).standard_normal((days, symbols))


# --- losses of a variance ---


def test_squared_log_error_by_hand():
    found = squared_log_error([[-9.0, -8.0, NAN]], [[-8.5, -8.0, -8.0]])
    assert found == pytest.approx(np.array([[0.25, 0.0, NAN]]), nan_ok=True)


def test_qlike_by_hand():
    # realised twice, half and equal to the forecast
    found = qlike([[1.0, 2.0, 3.0]], [[2.0, 1.0, 3.0]])
    assert found == pytest.approx(np.array([[2 - math.log(2) - 1, 0.5 + math.log(2) - 1, 0.0]]))


def test_qlike_differs_from_the_gaussian_likelihood_by_what_no_forecast_changes():
    forecast, realised = np.exp(cells(1)), np.exp(cells(2))
    likelihood = np.log(forecast) + realised / forecast  # Patton's equation (6)
    assert qlike(forecast, realised) - likelihood == pytest.approx(-np.log(realised) - 1)


def test_qlike_punishes_too_low_a_variance_more():
    assert qlike([[0.5]], [[1.0]]) > qlike([[2.0]], [[1.0]])


def test_a_noisy_estimate_of_the_variance_ranks_forecasts_as_the_variance_itself_does():
    noise = np.random.default_rng(3).chisquare(1, (200_000, 1))  # a squared return, whose mean is the variance, 1
    losses = [qlike(np.full_like(noise, f), noise).mean() for f in (0.8, 1.0, 1.25)]
    assert losses[1] < min(losses[0], losses[2])


def test_variances_that_are_not_positive_do_not_count():
    assert np.isnan(qlike([[0.0, -1.0, 1.0, NAN, 1.0]], [[1.0, 1.0, 0.0, 1.0, np.inf]])).all()


# --- quantiles ---


def test_pinball_by_hand():
    assert pinball([[0.0, 0.0, 1.0]], 0.1, [[2.0, -2.0, 1.0]]) == pytest.approx(np.array([[0.2, 1.8, 0.0]]))


def test_pinball_is_least_at_the_quantile():
    drawn = cells(4, 100_000, 1)
    at = np.array([-1.8, -1.7, stats.norm.ppf(0.05), -1.6, -1.5])
    assert np.argmin([pinball(np.full_like(drawn, q), 0.05, drawn).mean() for q in at]) == 2


@pytest.mark.parametrize("realised", [-3.0, -0.4, 0.0, 1.7])
def test_crps_on_a_fine_grid_is_the_closed_form_of_the_normal(realised):
    levels = (np.arange(4000) + 0.5) / 4000
    mean, sd = 0.3, 1.4
    quantiles = stats.norm.ppf(levels, mean, sd)[:, None, None]
    z = (realised - mean) / sd
    # Gneiting & Raftery (2007), equation (21), with its sign turned
    closed = sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / math.sqrt(math.pi))
    assert crps(quantiles, list(levels), [[realised]], at=list(levels)) == pytest.approx(closed, abs=1e-3)
    below = integrate.quad(lambda x: stats.norm.cdf(x, mean, sd) ** 2, -12, realised)[0]
    above = integrate.quad(lambda x: stats.norm.sf(x, mean, sd) ** 2, realised, 12)[0]
    assert closed == pytest.approx(below + above)  # and the closed form is the integral that defines the score


def test_crps_is_by_default_over_nineteen_levels_wherever_they_stand():
    quantiles = np.random.default_rng(5).standard_normal((len(LEVELS), 3, 2))
    realised = cells(6, 3, 2)
    expected = np.zeros((3, 2))
    for i, level in enumerate(LEVELS):
        for day, symbol in np.ndindex(3, 2):
            if any(abs(level - k / 20) < 1e-9 for k in range(1, 20)):
                q, r = quantiles[i, day, symbol], realised[day, symbol]
                expected[day, symbol] += 2 / 19 * (level * (r - q) if r > q else (1 - level) * (q - r))
    assert crps(quantiles, LEVELS, realised) == pytest.approx(expected)
    backwards = crps(quantiles[::-1], LEVELS[::-1], realised)
    assert backwards == pytest.approx(expected)


def test_crps_ignores_tails_it_does_not_average_and_is_unknown_where_a_quantile_is():
    quantiles = np.zeros((len(LEVELS), 1, 2))
    quantiles[LEVELS.index(0.01), 0, 0] = NAN
    quantiles[LEVELS.index(0.5), 0, 1] = NAN
    assert np.isfinite(crps(quantiles, LEVELS, np.ones((1, 2)))).tolist() == [[True, False]]


def test_crps_needs_its_levels():
    with pytest.raises(DataError, match=r"levels \[0\.95\]"):
        crps(np.zeros((18, 1, 1)), CRPS_LEVELS[:-1], [[0.0]])
    with pytest.raises(DataError, match="18 for 19"):
        crps(np.zeros((18, 1, 1)), CRPS_LEVELS, [[0.0]])


def test_an_impossible_level_is_refused():
    with pytest.raises(DataError, match="between 0 and 1"):
        pinball([[0.0]], 1.0, [[0.0]])


# --- intervals, days ---


def test_intervals_by_hand():
    inside, width = interval_cells([[-1.0, -1.0, 0.0, NAN]], [[1.0, 1.0, 0.5, 1.0]], [[1.0, 1.1, NAN, 0.0]])
    assert inside == pytest.approx(np.array([[1.0, 0.0, NAN, NAN]]), nan_ok=True)
    assert width == pytest.approx(np.array([[2.0, 2.0, NAN, NAN]]), nan_ok=True)


def test_nothing_lies_inside_an_interval_whose_bounds_cross():
    inside, width = interval_cells([[1.0]], [[-1.0]], [[0.0]])
    assert (inside.item(), width.item()) == (0.0, -2.0)


def test_by_day_by_hand():
    means, known = by_day([[1.0, 3.0], [NAN, 5.0], [NAN, np.inf]])
    assert means == pytest.approx([2.0, 5.0, NAN], nan_ok=True)
    assert known.tolist() == [True, True, False]


def test_shapes_that_differ_are_refused():
    with pytest.raises(DataError, match=r"lower \(1, 2\).*realised \(2, 1\)"):
        interval_cells([[0.0, 0.0]], [[1.0, 1.0]], [[0.0], [0.0]])
    with pytest.raises(DataError, match=r"\[day, symbol\]"):
        by_day([1.0, 2.0])


# --- differences ---


@pytest.mark.parametrize("horizon", [5, 20])  # 119 days are too few for 20 sessions ahead
def test_diebold_mariano_of_squared_errors_is_the_one_there_is(horizon):
    ours, other, realised = cells(7, 120), cells(8, 120), cells(9, 120)
    realised[3] = NAN
    realised[10, 1] = NAN
    found = diebold_mariano_of((ours - realised) ** 2, (other - realised) ** 2, horizon=horizon)
    expected = diebold_mariano(ours, other, realised, horizon=horizon)
    for name in ("value", "statistic", "p", "df"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), nan_ok=True), name


def test_a_cell_counts_only_where_both_losses_are_known():
    a, b = np.ones((60, 2)), np.zeros((60, 2))
    a[:, 1] = 100.0
    b[:, 1] = np.inf
    assert diebold_mariano_of(a, b, horizon=1).value == 1.0


def test_diebold_mariano_of_equal_forecasts_rejects_about_5_percent():
    rng = np.random.default_rng(10)
    rejected = 0
    for _ in range(400):
        shock = np.abs(rng.standard_normal((250, 1)))  # of the whole day, in both
        losses = [np.exp(shock + rng.standard_normal((250, 1)) + rng.standard_normal((250, 5))) for _ in range(2)]
        rejected += diebold_mariano_of(*losses, horizon=1).p < 0.05
    assert 0.025 <= rejected / 400 <= 0.08


def test_diebold_mariano_finds_the_better_forecast():
    realised = np.exp(cells(11, 250, 5))  # with a mean of exp(0.5)
    right, low = (qlike(np.full_like(realised, f), realised) for f in (math.exp(0.5), 0.7))
    found = diebold_mariano_of(right, low, horizon=1)
    assert found.value < 0
    assert found.p < 0.001


# --- the model confidence set ---


def confidence_set_by_loops(losses, *, horizon, resamples):
    """Hansen, Lunde & Nason's algorithm with T_max, a number at a time."""
    names = list(losses)
    days = len(losses[names[0]])
    drawn, block = drawn_days(days, horizon=horizon, resamples=resamples)
    p, running = {}, 0.0
    while len(names) > 1:
        mean = {i: sum(losses[i]) / days for i in names}
        grand = sum(mean.values()) / len(names)
        draws = {i: [] for i in names}
        for counts in drawn:
            star = {i: sum(c * x for c, x in zip(counts, losses[i], strict=True)) / days - mean[i] for i in names}
            centre = sum(star.values()) / len(names)
            for i in names:
                draws[i].append(star[i] - centre)
        sd = {i: math.sqrt(sum(x * x for x in draws[i]) / resamples) for i in names}
        t = {i: (mean[i] - grand) / sd[i] for i in names}
        worst = max(names, key=t.__getitem__)
        beyond = 1
        for b in range(resamples):
            normal = max(draws[i][b] / sd[i] for i in names)
            wide = stats.t.ppf(stats.norm.cdf(normal), 1.5 * days / block) / math.sqrt(1 - block / days)
            beyond += wide >= t[worst]
        running = max(running, beyond / (1 + resamples))
        p[worst] = running
        names.remove(worst)
    return {**p, names[0]: 1.0}


def of_models(days, excess, seed=0):
    rng = np.random.default_rng(seed)
    return {f"m{i}": rng.standard_normal(days) + e for i, e in enumerate(excess)}


@pytest.mark.parametrize("horizon", [1, 7])
def test_the_confidence_set_is_the_papers_algorithm(horizon):
    losses = of_models(60, [0.4, 0.1, 0.0, 0.2])
    expected = confidence_set_by_loops(losses, horizon=horizon, resamples=40)
    found = model_confidence_set(losses, horizon=horizon, resamples=40)
    assert list(found) == list(losses)
    assert found == pytest.approx(expected)
    assert 1 / 41 < min(found.values()) < 0.9


def test_with_many_blocks_the_confidence_set_is_that_of_arch():
    MCS = pytest.importorskip("arch.bootstrap", reason="arch comes with the bench extra").MCS
    losses = of_models(4000, [0.0, 0.02, 0.04, 0.06, 0.1])
    block = drawn_days(4000, horizon=1, resamples=1)[1]
    theirs = MCS(
        np.stack(list(losses.values()), axis=1),
        0.1,
        reps=1000,
        block_size=block,
        method="max",
        bootstrap="circular",
        seed=1,
    )
    theirs.compute()
    expected = theirs.pvalues["Pvalue"].sort_index().to_numpy()
    found = list(model_confidence_set(losses, horizon=1).values())
    assert found == pytest.approx(expected, abs=0.05)
    assert len({round(p, 1) for p in found}) >= 3  # the agreement is not one of ones and zeros alone


def test_of_equal_models_about_10_percent_lose_one():
    lost = sum(
        min(model_confidence_set(of_models(250, [0.0] * 5, seed), horizon=1, resamples=200).values()) < 0.1
        for seed in range(400)
    )
    assert 0.06 <= lost / 400 <= 0.15


def test_the_worse_models_are_left_out_and_the_best_is_kept():
    found = model_confidence_set(of_models(500, [0.0, 0.5, 1.0]), horizon=5)
    assert found["m0"] == 1.0
    assert 0 < max(found["m1"], found["m2"]) < 0.01


def test_the_confidence_set_is_reproducible_and_blind_to_scale_and_common_shocks():
    losses = of_models(100, [0.0, 0.1, 0.2])
    found = model_confidence_set(losses, horizon=1, seed=3)
    assert found == model_confidence_set(losses, horizon=1, seed=3)
    assert found != model_confidence_set(losses, horizon=1, seed=4)
    shock = np.random.default_rng(1).standard_normal(100)
    assert model_confidence_set({k: 1e-6 * (v + shock) for k, v in losses.items()}, horizon=1, seed=3) == found


def test_equal_models_share_a_p_value():
    losses = of_models(100, [0.0, 0.5])
    found = model_confidence_set({**losses, "again": losses["m1"] * (1 + 1e-15)}, horizon=1)
    assert found["again"] == found["m1"] == model_confidence_set(losses, horizon=1)["m1"]
    assert model_confidence_set({"a": losses["m0"], "b": losses["m0"]}, horizon=1) == {"a": 1.0, "b": 1.0}


def test_a_model_that_always_loses_by_the_same_amount_is_out():
    best = of_models(100, [0.0])["m0"]
    found = model_confidence_set({"worse": best + 0.5, "best": best, "much": best + 1}, horizon=1, resamples=99)
    assert found["best"] == 1.0
    assert found["worse"] == pytest.approx(0.01)
    assert found["much"] <= found["worse"]


def test_days_unknown_to_one_model_count_for_none():
    losses = of_models(100, [0.0, 0.1])
    holes = {**losses, "m0": np.where(np.arange(100) < 20, NAN, losses["m0"])}
    assert model_confidence_set(holes, horizon=1) == model_confidence_set(
        {k: v[20:] for k, v in losses.items()}, horizon=1
    )


def test_the_confidence_set_of_one_of_none_and_of_few_days():
    assert model_confidence_set({}, horizon=1) == {}
    assert model_confidence_set(of_models(100, [0.0]), horizon=1) == {"m0": 1.0}
    few = of_models(19, [0.0, 5.0])
    assert all(math.isnan(p) for p in model_confidence_set(few, horizon=1).values())
    assert math.isnan(mean_test(few["m0"], horizon=1).p)  # as every other test of as few days
    with pytest.raises(DataError, match=r"\[day\]"):
        model_confidence_set({"a": np.zeros((50, 2))}, horizon=1)
