import math
from bisect import bisect_left, insort
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import panel_of
from scipy.stats import binom

from tenor.distribution import LEVELS, Risk, Shape
from tenor.errors import DataError, HistoryError
from tenor.evaluation.uncertainty import coverage
from tenor.inference import conformal
from tenor.inference.conformal import adapt
from tenor.schema import Predictions

VALID, ROWS = slice(0, 120), slice(121, 420)


def make_panel(sessions=430, symbols=12, seed=0, horizons=(1, 5), grows=None):
    """Fat-tailed returns in bouts of volatility; from session `grows` on they are twice what `volatility` says."""
    rng = np.random.default_rng(seed)
    shape = (sessions, symbols)
    bout = np.zeros(sessions)
    for t in range(1, sessions):
        bout[t] = 0.97 * bout[t - 1] + 0.12 * rng.normal()
    volatility = 0.015 * np.exp(bout)[:, None] * np.exp(rng.normal(0, 0.3, symbols))
    daily = np.zeros(shape)
    shocks = (0.5 * rng.standard_t(5, (sessions, 1)) + 0.7 * rng.standard_t(5, shape)) / math.sqrt(1.23)
    daily[1:] = volatility[:-1] * shocks[1:]
    if grows is not None:
        daily[grows + 1 :] *= 2
    return panel_of(daily, volatility=volatility, horizons=horizons)


def forecast(made, mean=0.0):
    return Predictions("tenor", np.full_like(made.targets, mean), np.full_like(made.targets, 0.5))


def inside(made, said, rows, axis):
    real = made.targets[rows, :, axis]
    known = np.isfinite(real)
    return ((real >= said.lower[rows, :, axis]) & (real <= said.upper[rows, :, axis]))[known].mean()


def test_one_stock_against_a_plain_derivation(monkeypatch):
    """Dynamically tuned ACI written out with lists and loops; two sessions ahead, too few scores for two groups."""
    monkeypatch.setattr(conformal, "PRIOR_SCORES", 1e18)  # a symbol's own scale is 1: the test below is of it
    made = make_panel(symbols=1, horizons=(2,), sessions=210)
    said = forecast(made, 0.001)
    found = adapt(made, said, valid=VALID, rows=slice(121, 200))
    scores = np.abs(made.targets[:, 0, 0].astype(float) - np.float32(0.001)) / (
        made.volatility[:, 0].astype(float) * math.sqrt(2)
    )
    rates = [0.001 * 2**k for k in range(8)]
    haste = math.sqrt(3 / 500 * (math.log(8 * 500) + 2) / (0.9**2 * 0.1**3 + 0.1**2 * 0.9**3))
    level, weight = [0.1] * 8, [1 / 8] * 8
    used, past, half = {}, None, []
    for t in range(60, 200):
        before = t - 2
        if before >= 60:
            old, then = used[before]
            rare = 1 - bisect_left(old, scores[before]) / (len(old) + 1)
            for k in range(8):
                loss = 0.1 * (rare - then[k]) - min(0.0, rare - then[k])
                weight[k] *= math.exp(-haste * loss)
            total = sum(weight)
            weight = [(1 - 1 / 1000) * w / total + 1 / 8000 for w in weight]
            level = [a + g * (0.1 - (rare < b)) for a, g, b in zip(level, rates, then, strict=True)]
        if (t - 60) % 5 == 0:
            past = []
            for score in scores[: before + 1]:
                insort(past, score)
        used[t] = (list(past), list(level))
        wanted = sum(w * a for w, a in zip(weight, level, strict=True))
        rank = min(max(math.ceil((len(past) + 1) * (1 - wanted)), 1), len(past))
        half.append(past[rank - 1])
    width = np.array(half)[61:] * made.volatility[121:200, 0] * math.sqrt(2)
    assert found.upper[121:200, 0, 0] == pytest.approx(0.001 + width, rel=1e-5)
    assert found.lower[121:200, 0, 0] == pytest.approx(0.001 - width, rel=1e-5)


@settings(max_examples=8)
@given(t=st.integers(125, 215), seed=st.integers(0, 1000))
def test_what_happens_after_t_changes_no_interval_up_to_t(t, seed):
    made = make_panel(sessions=240)
    rows = slice(121, 230)
    rng = np.random.default_rng(seed)
    said = adapt(made, forecast(made), valid=VALID, rows=rows)
    targets = made.targets.copy()
    for axis, horizon in enumerate(made.horizons):
        targets[t - horizon + 1 :, :, axis] = rng.normal(0, 0.5, targets[t - horizon + 1 :, :, axis].shape)
    mask = made.mask.copy()
    mask[t + 1 :] = rng.random(mask[t + 1 :].shape) > 0.5
    volatility = made.volatility.copy()
    volatility[t + 1 :] *= 7
    changed = adapt(
        replace(made, targets=targets, mask=mask, volatility=volatility), forecast(made), valid=VALID, rows=rows
    )
    for bound in ("lower", "upper"):
        np.testing.assert_array_equal(getattr(changed, bound)[: t + 1], getattr(said, bound)[: t + 1])
        later = (getattr(changed, bound) != getattr(said, bound))[t + 1 : rows.stop]
        assert later.any(), "the outcomes do matter afterwards"


@pytest.mark.parametrize(("horizon", "axis"), [(1, 0), (5, 1)])
def test_an_outcome_is_used_from_the_session_on_in_which_it_is_known(horizon, axis):
    made = make_panel()
    said = adapt(made, forecast(made), valid=VALID, rows=ROWS)
    targets = made.targets.copy()
    targets[200, :, axis] = 3.0
    changed = adapt(replace(made, targets=targets), forecast(made), valid=VALID, rows=ROWS)
    different = np.flatnonzero((changed.upper != said.upper)[ROWS, :, axis].any(axis=1)) + ROWS.start
    assert different[0] == 200 + horizon


def test_ninety_percent_stays_ninety_when_the_world_doubles():
    made = make_panel(sessions=800, grows=250)
    rows = slice(250, 790)
    said = adapt(made, forecast(made), valid=slice(0, 245), rows=rows)
    for axis, horizon in enumerate(made.horizons):
        unit = made.volatility.astype(float) * math.sqrt(horizon)
        fixed = np.quantile(np.abs(made.targets[: 245 - horizon, :, axis]) / unit[: 245 - horizon], 0.9)
        held = np.abs(made.targets[rows, :, axis]) <= fixed * unit[rows]
        assert held.mean() < 0.68
        assert 0.87 < inside(made, said, rows, axis) < 0.92


@pytest.mark.parametrize("seed", [1, 2])
def test_ninety_percent_also_where_volatility_is_overstated_and_understated(seed):
    """The panel's volatility exaggerates: cells with a high one are calmer than it says, as EWMAs are."""
    made = make_panel(sessions=800, seed=seed)
    made = replace(made, volatility=(made.volatility**2 / 0.015).astype("float32"))
    rows = slice(250, 790)
    found = coverage(made, rows, adapt(made, forecast(made), valid=slice(0, 245), rows=rows), horizon=1)
    assert found.overall.value == pytest.approx(0.9, abs=0.015)
    assert found.volatile_cells.value == pytest.approx(0.9, abs=0.035)
    assert found.volatile_days.value == pytest.approx(0.9, abs=0.05)
    assert found.violent_days.value < found.overall.low
    unit = made.volatility.astype(float)
    fixed = np.quantile(np.abs(made.targets[:244, :, 0]) / unit[:244], 0.9)
    mean = np.zeros_like(made.targets)
    width = (fixed * unit)[..., None] * np.ones(2)
    one_for_all = replace(forecast(made), lower=mean - width, upper=mean + width)
    assert coverage(made, rows, one_for_all, horizon=1).volatile_cells.value > 0.945


def test_only_the_rows_asked_for_and_cells_with_a_forecast_have_bounds():
    made = make_panel()
    mask = made.mask.copy()
    mask[:300, 3] = False  # a late starter
    volatility = np.where(mask, made.volatility, np.nan).astype("float32")
    mean = np.where(mask[..., None], np.float32(0.002), np.nan).astype("float32") * np.ones(2, "float32")
    said = adapt(replace(made, mask=mask, volatility=volatility), Predictions("t", mean, mean), valid=VALID, rows=ROWS)
    have = np.isfinite(said.lower).all(axis=2)
    expected = np.zeros_like(have)
    expected[ROWS] = mask[ROWS]
    assert (have == expected).all()
    assert (np.isfinite(said.upper).all(axis=2) == expected).all()
    middle = (said.upper[ROWS] + said.lower[ROWS])[mask[ROWS]] / 2
    assert middle == pytest.approx(0.002, abs=1e-6)
    assert said.mean is mean
    assert said.lower.dtype == np.float32


def test_equal_volatilities_and_perfect_forecasts():
    made = replace(make_panel(), volatility=np.full((430, 12), 0.02, "float32"))
    said = adapt(made, forecast(made), valid=VALID, rows=ROWS)
    assert 0.85 < inside(made, said, ROWS, 0) < 0.94
    known = np.nan_to_num(made.targets)
    said = adapt(made, Predictions("sees all", known, known * 0 + 0.5), valid=VALID, rows=ROWS)
    assert (said.upper[ROWS] == said.lower[ROWS]).all()


def test_a_share_outside_moves_each_level_at_its_own_rate():
    levels = conformal._Levels()
    levels.learn(np.array([0.05, 0.5, 0.6, 0.7]), levels.each)
    assert levels.each == pytest.approx(0.1 + np.array(conformal.RATES) * (0.1 - 0.25))
    assert levels.weights == pytest.approx(np.full(8, 1 / 8))
    assert levels.level == pytest.approx(levels.each.mean())


@pytest.mark.parametrize(
    ("valid", "rows", "error", "message"),
    [
        (slice(0, 120), slice(100, 200), DataError, r"not 0\.\.120 and 100\.\.200: check the split"),
        (slice(50, 50), slice(100, 200), DataError, "check the split"),
        (slice(0, 120), slice(200, 200), DataError, "check the split"),
        (slice(0, 8), slice(10, 200), HistoryError, "48 forecasts 1 sessions ahead can be judged in the first half"),
    ],
    ids=["overlap", "no validation", "no test", "short validation"],
)
def test_bad_parts_are_refused(valid, rows, error, message):
    made = make_panel()
    with pytest.raises(error, match=message):
        adapt(made, forecast(made), valid=valid, rows=rows)


def test_bad_predictions_are_refused():
    made = make_panel()
    with pytest.raises(DataError, match=r"shape \(300, 12, 2\)"):
        adapt(made, forecast(make_panel(300)), valid=VALID, rows=ROWS)
    with pytest.raises(DataError, match="have no interval"):
        coverage(made, ROWS, forecast(made), horizon=1)
    said = adapt(made, forecast(made), valid=VALID, rows=slice(121, 300))
    with pytest.raises(DataError, match=r"no lower bound for S00 on 2016-02-29"):
        coverage(made, ROWS, said, horizon=1)


def test_coverage_is_the_share_inside():
    made = make_panel()
    said = adapt(made, forecast(made), valid=VALID, rows=ROWS)
    found = coverage(made, ROWS, said, horizon=5)
    assert found.overall.value == pytest.approx(inside(made, said, ROWS, 1))
    years = made.sessions[ROWS].year
    assert list(found.by_year) == ["2015", "2016"]
    second = np.arange(430)[ROWS][years == 2016]
    assert found.by_year["2016"].value == pytest.approx(inside(made, said, second, 1))
    expected = made.volatility[ROWS].mean(axis=1, dtype=float)
    top = np.arange(430)[ROWS][expected >= np.quantile(expected, 0.9)]
    assert found.volatile_days.value == pytest.approx(inside(made, said, top, 1))
    assert found.overall.low < found.overall.value < found.overall.high
    assert found.width == pytest.approx((said.upper - said.lower)[ROWS, :, 1].mean(), rel=1e-5)
    few = coverage(made, slice(121, 130), said, horizon=5)
    assert math.isfinite(few.overall.value)
    assert math.isnan(few.overall.low)


def test_a_symbols_own_scale_against_a_loop():
    rng = np.random.default_rng(0)
    score = np.abs(rng.standard_t(4, (700, 3))) * [1, 2, 0.5]
    score[rng.random(score.shape) < 0.1] = np.nan
    score[:300, 2] = np.nan
    found = conformal._own_scale(score, 5)
    own = [1.0, 1.0, 1.0]
    for t in range(700):
        if t % 20 == 0 and t >= 5:
            judged = score[max(0, t - 4 - 500) : t - 4]  # the last one is of t - 5, which is known at t
            each = [sorted(column[np.isfinite(column)]) for column in judged.T]
            everyone = sorted(score for past in each for score in past)
            if len(everyone) >= 50:
                usual = np.quantile(everyone, 0.9)
                for i, past in enumerate(each):
                    ratio = past[math.ceil(0.9 * len(past)) - 1] / usual if past else 1.0
                    own[i] = (len(past) * ratio + conformal.PRIOR_SCORES) / (len(past) + conformal.PRIOR_SCORES)
        assert found[t] == pytest.approx(own), t
    assert found[-1, 1] > 1.2 > 0.8 > found[-1, 2]


def test_a_symbol_with_wider_returns_than_said_is_covered_as_often_as_the_others():
    made = make_panel(sessions=1200, seed=4)
    targets = made.targets.copy()
    targets[:, 3] *= 2
    made, rows = replace(made, targets=targets), slice(500, 1190)
    said = adapt(made, risk_of(made), valid=slice(0, 490), rows=rows)
    real = targets[rows, :, 0]
    held = ((real >= said.lower[rows, :, 0]) & (real <= said.upper[rows, :, 0])).mean(axis=0)
    plain = risk_of(made)
    level = held.mean()
    assert level == pytest.approx(0.9, abs=0.015)
    assert held[3] > 0.82
    alike = (
        np.abs(real)
        <= np.quantile(np.abs(real) / plain.risk.volatility[rows, :, 0], 0.9) * (plain.risk.volatility[rows, :, 0])
    )
    assert held[3] > alike[:, 3].mean() + 0.08  # one reach for all leaves it out


# models that forecast risk ------------------------------------------------------------------------------------------


def risk_of(made, wrong=1.0, drift=0.0):
    """A forecast of risk whose shape is normal and whose volatility is `wrong` times the panel's."""
    log_variance = 2 * np.log(made.volatility.astype("float64") * wrong)[..., None] * np.ones(len(made.horizons))
    normal = [NormalDist(drift).inv_cdf(level) for level in LEVELS]
    shapes = [Shape(0.0, tuple(math.sqrt(h) * z for z in normal), (2.06, 2.67)) for h in made.horizons]
    return replace(forecast(made), risk=Risk.of(log_variance.astype("float32"), shapes))


@pytest.mark.parametrize("wrong", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("drift", [0.0, 0.4])
def test_widening_covers_ninety_percent_whatever_the_scale(wrong, drift):
    made, rows = make_panel(sessions=800, seed=3), slice(250, 790)
    said = adapt(made, risk_of(made, wrong, drift), valid=slice(0, 245), rows=rows)
    for axis in (0, 1):
        assert inside(made, said, rows, axis) == pytest.approx(0.9, abs=0.02)
        # the same by the risk that is widened: quantiles, and with them value at risk, move together
        low, high = (said.risk.quantile(level, axis)[rows] for level in (0.05, 0.95))
        np.testing.assert_allclose(low, said.lower[rows, :, axis], rtol=1e-5)
        np.testing.assert_allclose(high, said.upper[rows, :, axis], rtol=1e-5)
    plain = risk_of(made, wrong, drift)
    real = made.targets[rows, :, 0]
    held = (real >= plain.risk.quantile(0.05, 0)[rows]) & (real <= plain.risk.quantile(0.95, 0)[rows])
    if wrong != 1.0:
        assert abs(held.mean() - 0.9) > 0.07  # what it is without
        typical = np.median(said.risk.widening[rows])
        assert (typical > 1.5) == (wrong < 1)
        assert (typical < 0.7) == (wrong > 1)


def test_the_widened_interval_keeps_the_shape_of_the_forecast():
    made, rows = make_panel(), ROWS
    plain = risk_of(made, 0.7, 0.3)
    said = adapt(made, plain, valid=VALID, rows=rows)
    for k in (0, 1):
        before = plain.risk.quantile(0.95, k)[rows] / plain.risk.quantile(0.05, k)[rows]
        np.testing.assert_allclose(said.upper[rows, :, k] / said.lower[rows, :, k], before, rtol=1e-4)
    np.testing.assert_array_equal(said.risk.volatility, plain.risk.volatility)
    assert np.isnan(said.risk.widening[: rows.start]).all()
    assert said.mean is plain.mean


def test_what_is_widened_already_is_widened_from_its_beginning():
    made = make_panel()
    plain = risk_of(made)
    twice = replace(plain, risk=plain.risk.widened(np.full(made.targets.shape, 9.0)))
    first, second = (adapt(made, each, valid=VALID, rows=ROWS) for each in (plain, twice))
    np.testing.assert_array_equal(first.risk.widening, second.risk.widening)


def test_a_shape_without_a_loss_is_no_trouble():
    made = make_panel()
    only_up = [Shape(0.0, tuple(np.linspace(0.1, 3, len(LEVELS)).tolist()), (0.1, 0.1))] * 2
    log_variance = (2 * np.log(made.volatility))[..., None] * np.ones(2, "float32")
    said = adapt(made, replace(forecast(made), risk=Risk.of(log_variance, only_up)), valid=VALID, rows=ROWS)
    assert np.isfinite(said.lower[ROWS]).all()
    assert np.isfinite(said.upper[ROWS]).all()
    assert (said.lower <= said.upper)[ROWS].all()


@settings(max_examples=6)
@given(t=st.integers(125, 215), seed=st.integers(0, 1000))
def test_what_happens_after_t_widens_nothing_up_to_t(t, seed):
    made, rows = make_panel(sessions=240), slice(121, 230)
    rng = np.random.default_rng(seed)
    plain = risk_of(made, 0.6)
    said = adapt(made, plain, valid=VALID, rows=rows)
    targets, volatility = made.targets.copy(), plain.risk.volatility.copy()
    for axis, horizon in enumerate(made.horizons):
        targets[t - horizon + 1 :, :, axis] = rng.normal(0, 0.5, targets[t - horizon + 1 :, :, axis].shape)
    volatility[t + 1 :] *= 5
    other = replace(plain, risk=replace(plain.risk, volatility=volatility))
    changed = adapt(replace(made, targets=targets), other, valid=VALID, rows=rows)
    np.testing.assert_array_equal(changed.risk.widening[: t + 1], said.risk.widening[: t + 1])
    assert (changed.risk.widening != said.risk.widening)[t + 1 : rows.stop].any()


def test_symbols_whose_tails_differ_are_each_covered_within_the_binomial_band(monkeypatch):
    """Same volatility, four symbols with fat tails and four without: one reach for all fits none of them."""
    rng = np.random.default_rng(0)
    freedom = np.repeat([3.0, 40.0], 4)
    shocks = rng.standard_t(np.broadcast_to(freedom, (1700, 8))) * np.sqrt((freedom - 2) / freedom)
    made, rows = panel_of(0.015 * shocks, volatility=0.015, horizons=(1,)), slice(605, 1695)
    real = made.targets[rows, :, 0]
    low, high = np.array(binom.interval(0.95, len(real), 0.9)) / len(real)

    def held():
        adapted = adapt(made, forecast(made), valid=slice(0, 600), rows=rows)
        return ((real >= adapted.lower[rows, :, 0]) & (real <= adapted.upper[rows, :, 0])).mean(axis=0)

    each = held()
    assert ((each >= low) & (each <= high)).all(), each
    monkeypatch.setattr(conformal, "_own_scale", lambda score, horizon: np.ones_like(score))
    alike = held()
    assert alike[:4].min() > alike[4:].max()
    assert ((alike >= low) & (alike <= high)).mean() <= 0.5, alike


def test_years_without_any_bar_leave_the_intervals_as_they_were(monkeypatch):
    """A symbol that begins years after all others end stretches the panel: its days have nothing to learn from."""
    monkeypatch.setattr(conformal, "MEMORY", 40)
    made = make_panel()
    gap = slice(200, 330)
    mask, targets = made.mask.copy(), made.targets.copy()
    mask[gap] = False
    targets[gap] = np.nan
    apart = replace(made, mask=mask, targets=targets)
    found = adapt(apart, forecast(apart), valid=VALID, rows=ROWS)
    before = adapt(made, forecast(made), valid=VALID, rows=ROWS)
    # what is learnt before the gap does not change, and after it every cell has an interval
    np.testing.assert_array_equal(found.upper[121:190], before.upper[121:190])
    assert np.isfinite(found.upper[330:420]).all()
    assert np.isfinite(found.lower[330:420]).all()
