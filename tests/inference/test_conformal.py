import math
from bisect import bisect_left, insort
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import panel_of

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


def test_one_stock_against_a_plain_derivation():
    """Dynamically tuned ACI written out with lists and loops; two sessions ahead, too few scores for two groups."""
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


@settings(max_examples=8, deadline=None)
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
        (slice(0, 120), slice(100, 200), DataError, r"0\.\.120 and 100\.\.200 are not"),
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
