import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import panel_of

from tenor import metrics
from tenor.errors import DataError, HistoryError
from tenor.evaluation.bootstrap import METRICS, ConfidenceInterval
from tenor.evaluation.evaluate import Direction, evaluate, evaluation_verdict
from tenor.schema import Predictions

ROWS = slice(100, 400)


def panel(shape=(400, 12), seed=0, horizons=(1, 5), drift=0.0):
    rng = np.random.default_rng(seed)
    daily = rng.normal(drift, 0.015, shape) + rng.normal(0, 0.007, (shape[0], 1))
    return panel_of(daily, gap=rng.normal(0, 0.002, shape), horizons=horizons)


def planted(made, *, signal, noise=0.0, seed=1, name="tenor"):
    """A forecast of `signal` times what comes, and noise; 90 % interval for the returns of `panel`."""
    rng = np.random.default_rng(seed)
    known = np.nan_to_num(made.targets)
    mean = (signal * known + rng.normal(0, noise, known.shape) if noise else signal * known).astype("float32")
    width = np.float32(1.645 * 0.0166) * np.sqrt(np.array(made.horizons, "float32"))
    return Predictions(name, mean, (1 / (1 + np.exp(-80 * mean))).astype("float32"), mean - width, mean + width)


def constant(made, mean, p_up, name):
    return Predictions(name, np.full_like(made.targets, mean), np.full_like(made.targets, p_up))


def beside(made, ours):
    return {
        "tenor": ours,
        "persistence": constant(made, 0.0, 0.5, "persistence"),
        "always-up": constant(made, 1e-4, 0.53, "always-up"),
    }


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize(
    ("signal", "noise", "begins", "direction", "ic"),
    [
        (0.3, 0.004, "tenor beats persistence in squared error at 5 % (skill", "better at 5 %", "above zero at 5 %"),
        (-0.3, 0.004, "tenor is worse than persistence in squared error at 5 % (skill -", "worse at 5 %", "below zero"),
        (
            0.0,
            0.0003,
            "No edge over persistence in squared error at 5 % (skill",
            "no difference at 5 %",
            "not distinguishable",
        ),
    ],
)
def test_the_verdict_on_planted_forecasts(horizon, signal, noise, begins, direction, ic):
    made = panel()
    found = evaluate(made, ROWS, beside(made, planted(made, signal=signal, noise=noise)), horizon=horizon)
    assert found.verdict.startswith(begins)
    assert f"for always-up: {direction}" in found.verdict
    assert ic in found.verdict
    assert "95 % interval" in found.verdict


def test_the_verdict_names_the_other_models_it_beats_or_not():
    made = panel()
    others = beside(made, planted(made, signal=0.2, noise=0.004))
    others["good"] = planted(made, signal=0.6, noise=0.003, seed=2)
    others["bad"] = planted(made, signal=-0.2, noise=0.004, seed=3)
    others["same"] = replace(others["tenor"], model="same")
    found = evaluate(made, ROWS, others)
    assert "Squared error: better than always-up, bad; no difference from same; worse than good." in found.verdict


def test_a_verdict_is_an_edge_by_chance_in_about_one_of_forty():
    """Forecasts of pure noise: an interval above zero is an error of the first kind, 2.5 % on this side."""
    made = panel()
    beats = better = 0
    for seed in range(60):
        noise = planted(made, signal=0.0, noise=0.002, seed=seed)
        found = evaluate(made, ROWS, beside(made, noise), resamples=200)
        beats += "beats persistence" in found.verdict
        better += "better at 5 %" in found.verdict
    assert beats <= 3
    assert better <= 6


def test_the_table_is_the_metrics_of_the_cells_that_count():
    made = panel()
    mask = made.mask.copy()
    mask[150:180, 3] = False
    mask[200] = False  # a session on which nothing counts
    made = replace(made, mask=mask)
    ours = planted(made, signal=0.2, noise=0.01)
    ours.mean[~mask] = ours.p_up[~mask] = np.nan
    found = evaluate(made, ROWS, beside(made, ours), horizon=5)
    counts = mask[ROWS] & np.isfinite(made.targets[ROWS, :, 1])
    assert found.samples == counts.sum()
    assert found.days == counts.any(axis=1).sum() == 294
    assert (found.first, found.last) == (made.sessions[100], made.sessions[394])
    realised = np.where(counts, made.targets[ROWS, :, 1], np.nan).astype("float64")
    mean, p_up = ours.mean[ROWS, :, 1].astype("float64"), ours.p_up[ROWS, :, 1]
    price = np.exp(realised)  # in units of the last close: whatever the quotes, every symbol counts alike
    daily = metrics.daily_ic(mean, realised)
    values = {name: found.table["tenor"][name].value for name in METRICS}
    assert values == pytest.approx(
        {
            "return_rmse": metrics.rmse(mean, realised),
            "return_mae": metrics.mae(mean, realised),
            "price_rmse": metrics.rmse(np.exp(mean), price),
            "price_mae": metrics.mae(np.exp(mean), price),
            "skill": metrics.skill(mean, realised),
            "mase": metrics.mase(np.exp(mean), price, np.ones_like(price)),
            "direction": metrics.direction_accuracy(p_up, realised),
            "mcc": metrics.mcc(p_up, realised),
            "auc": metrics.auc(p_up, realised),
            "brier": metrics.brier(p_up, realised),
            "rank_ic": metrics.rank_ic(mean, realised),
            "icir": np.nanmean(daily) / np.nanstd(daily, ddof=1),
        }
    )
    for name in METRICS:
        part = found.table["tenor"][name]
        assert part.low < part.value < part.high
    assert list(found.table) == ["tenor", "persistence", "always-up"]
    assert found.table["persistence"]["skill"] == ConfidenceInterval(0.0, 0.0, 0.0)
    assert found.table["persistence"]["mase"].value == 1.0
    assert math.isnan(found.table["persistence"]["direction"].value)


def test_differences_are_paired():
    made = panel()
    ours = planted(made, signal=0.2, noise=0.003)
    near = replace(ours, model="near", mean=ours.mean * np.float32(0.98))
    found = evaluate(made, ROWS, {"tenor": ours, "near": near, "same": ours})
    apart = found.against["near"]["return_rmse"]
    of_one = found.table["tenor"]["return_rmse"]
    assert apart.value == pytest.approx(of_one.value - found.table["near"]["return_rmse"].value)
    assert apart.high - apart.low < (of_one.high - of_one.low) / 10
    assert found.against["same"]["return_rmse"] == ConfidenceInterval(0.0, 0.0, 0.0)
    assert found.against["same"]["rank_ic"] == ConfidenceInterval(0.0, 0.0, 0.0)
    assert math.isnan(evaluate(made, ROWS, beside(made, ours)).against["persistence"]["direction"].value)


def test_years_symbols_bins_and_coverage():
    made = panel()
    mask = made.mask.copy()
    mask[:, 7] = False
    made = replace(made, mask=mask)
    ours = planted(made, signal=0.2, noise=0.01)
    found = evaluate(made, ROWS, beside(made, ours))
    assert list(found.by_year) == ["2015", "2016"]
    second = (made.sessions.year == 2016) & (np.arange(400) >= 100)
    realised = np.where(mask, made.targets[..., 0], np.nan)[second]
    assert found.by_year["2016"]["direction"].value == pytest.approx(
        metrics.direction_accuracy(ours.p_up[second, :, 0], realised)
    )
    assert len(found.by_symbol) == 11
    assert "S07" not in found.by_symbol
    one = found.by_symbol["S03"]
    assert one["samples"] == 299
    assert one["skill"] == pytest.approx(metrics.skill(ours.mean[ROWS, 3, 0], made.targets[ROWS, 3, 0]))
    p_up, came_up = ours.p_up[ROWS, 3, 0], made.targets[ROWS, 3, 0] > 0
    counted = np.isfinite(made.targets[ROWS, 3, 0])
    assert one["brier"] == pytest.approx(np.mean((p_up[counted] - came_up[counted]) ** 2))
    assert one["brier_constant"] == pytest.approx(came_up[counted].mean() * (1 - came_up[counted].mean()))
    assert found.table["tenor"]["brier"].value == pytest.approx(
        np.average([row["brier"] for row in found.by_symbol.values()], weights=[299] * 11)
    )
    assert found.table["persistence"]["brier"].value == 0.25
    assert sum(b.count for b in found.reliability) == found.samples
    assert len(found.reliability) == 10
    realised = np.where(mask, made.targets[..., 0], np.nan)[ROWS]
    inside = (realised >= ours.lower[ROWS, :, 0]) & (realised <= ours.upper[ROWS, :, 0])
    assert found.coverage.value == pytest.approx(inside.sum() / found.samples)
    assert found.coverage.low < found.coverage.value < found.coverage.high
    assert list(found.backtests) == ["long/flat", "long/short", "buy and hold"]
    assert len(found.backtests["long/flat"].equity) == 300


def test_errors_of_prices_are_relative_by_symbol():
    """One share of 270,000 dollars beside others of 40: its errors count as theirs do."""
    made = panel()
    dear = made.close.copy()
    dear[:, 3] *= 10_000
    ours = planted(made, signal=0.2, noise=0.01)
    found = evaluate(made, ROWS, beside(made, ours))
    again = evaluate(replace(made, close=dear), ROWS, beside(made, ours))
    assert again.by_symbol["S03"] == pytest.approx(found.by_symbol["S03"])
    assert again.table["tenor"]["price_rmse"] == found.table["tenor"]["price_rmse"]
    realised, mean = made.targets[ROWS, 3, 0].astype("float64"), ours.mean[ROWS, 3, 0].astype("float64")
    error = (np.exp(mean) - np.exp(realised))[np.isfinite(realised)]
    assert found.by_symbol["S03"]["price_rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found.by_symbol["S03"]["price_mae"] == pytest.approx(np.mean(np.abs(error)))


def test_no_interval_no_coverage():
    made = panel()
    ours = replace(planted(made, signal=0.1), lower=None, upper=None)
    assert math.isnan(evaluate(made, ROWS, {"tenor": ours}).coverage.value)


def test_json_is_strict():
    made = panel()
    ours = replace(planted(made, signal=0.1, noise=0.01), lower=None, upper=None)
    plain = evaluate(made, slice(380, 400), beside(made, ours)).to_json()
    text = json.dumps(plain, allow_nan=False)
    assert json.loads(text) == plain
    assert plain["first"] == "2016-06-20"
    assert plain["days"] == 19
    assert plain["table"]["persistence"]["direction"] == {"value": None, "low": None, "high": None}
    assert set(plain["reliability"][0]) == {"p_up", "share_up", "count"}
    assert plain["backtests"]["buy and hold"]["cost_bps"] == 10.0


@pytest.mark.parametrize(("shape", "rows"), [((400, 1), ROWS), ((60, 12), slice(57, 59)), ((60, 3), slice(30, 60))])
def test_little_data_leaves_gaps_but_no_crash(shape, rows):
    made = panel(shape)
    found = evaluate(made, rows, beside(made, planted(made, signal=0.1, noise=0.01)))
    assert math.isfinite(found.table["tenor"]["return_rmse"].value)
    if shape[1] < 5:
        assert math.isnan(found.table["tenor"]["rank_ic"].value)
        assert "Rank IC" not in found.verdict
    if rows.stop - rows.start < 20:
        assert found.verdict.startswith("2 days are too few to tell tenor from persistence in squared error (skill")
        assert "for always-up: too few days to tell." in found.verdict


def test_persistence_itself_can_be_judged():
    made = panel()
    said = beside(made, planted(made, signal=0.1, noise=0.01))
    found = evaluate(made, ROWS, {"persistence": said["persistence"], "tenor": said["tenor"]})
    assert found.verdict.startswith("No edge over persistence in squared error at 5 % (skill 0.00 %")
    assert "It names no direction." in found.verdict
    assert all(math.isnan(one["direction"]) for one in found.by_symbol.values())


def test_returns_that_never_move():
    made = panel()
    still = replace(made, targets=np.zeros_like(made.targets))
    found = evaluate(still, ROWS, beside(still, planted(made, signal=0.1, noise=0.01)))
    assert math.isnan(found.table["tenor"]["skill"].value)
    assert found.verdict.startswith("No return moved: skill is undefined. ")
    json.dumps(found.to_json(), allow_nan=False)


def test_what_can_not_be_judged_is_refused():
    made = panel()
    ours = planted(made, signal=0.1)
    hole = replace(ours, mean=ours.mean.copy())
    hole.mean[150, 4, 0] = np.nan
    with pytest.raises(
        DataError, match=r"boosting predicts nothing in 1 of 3588 cells that count, the first S04 on 2015-08-03"
    ):
        evaluate(made, ROWS, {"tenor": ours, "boosting": hole})
    assert evaluate(made, ROWS, {"tenor": ours, "boosting": hole}, horizon=5).samples == 295 * 12
    with pytest.raises(DataError, match=r"gives a P\(up\) of 1.5: it must be from 0 to 1"):
        evaluate(made, ROWS, {"tenor": replace(ours, p_up=np.full_like(ours.p_up, 1.5))})
    with pytest.raises(DataError, match="predictions of tenor have shape"):
        evaluate(panel((300, 12)), slice(100, 200), {"tenor": ours})
    with pytest.raises(DataError, match="horizon 3 is not in this panel; it has"):
        evaluate(made, ROWS, {"tenor": ours}, horizon=3)
    with pytest.raises(DataError, match="at least one model"):
        evaluate(made, ROWS, {})
    for rows in (slice(399, 400), slice(200, 200)):
        with pytest.raises(HistoryError, match="no forecast 1 sessions ahead can be evaluated"):
            evaluate(made, rows, {"tenor": ours})


def intervals():
    bounds = st.tuples(*[st.floats(-1, 1)] * 3).map(sorted).map(lambda b: ConfidenceInterval(b[1], b[0], b[2]))
    return st.one_of(
        bounds,
        st.just(ConfidenceInterval(0.1, math.nan, math.nan)),
        st.just(ConfidenceInterval(math.nan, math.nan, math.nan)),
    )


@settings(max_examples=200)
@given(
    skill=intervals(),
    right=intervals(),
    apart=intervals(),
    ic=intervals(),
    nothing=st.sampled_from([1, 0, -1, None]),
    boosting=st.sampled_from([1, 0, -1, None]),
)
def test_a_verdict_never_claims_more_than_its_tests(skill, right, apart, ic, nothing, boosting):
    text = evaluation_verdict(
        "tenor",
        {"skill": skill, "direction": right, "rank_ic": ic},
        {"persistence": nothing, "boosting": boosting},
        Direction(0.52, apart),
        days=30,
    )
    assert "nan" not in text
    assert ("beats persistence" in text) == (math.isfinite(skill.value) and nothing == 1)
    assert ("worse than persistence" in text) == (math.isfinite(skill.value) and nothing == -1)
    assert ("better at 5 %" in text) == (math.isfinite(right.value) and apart.low > 0)
    assert ("better than boosting" in text) == (boosting == 1)
    assert ("above zero" in text) == (ic.low > 0)
