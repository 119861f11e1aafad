"""With sentiment, without it, and with it on the wrong days."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor import metrics
from tenor.cli import show_studies
from tenor.distribution import Risk, Shape
from tenor.errors import ConfigError, DataError
from tenor.evaluation.ablation import (
    ARMS,
    SHUFFLED,
    WITH,
    WITH_ATTENTION,
    WITHOUT,
    WITHOUT_ATTENTION,
    ablate,
    ablate_attention,
    ablation_verdict,
    attention_verdict,
    compare_arms,
    compare_attention,
    shuffle_sentiment,
)
from tenor.evaluation.contrasts import HIGHER_IS_BETTER, RETURNS, RISK, Ablation, Contrast
from tenor.evaluation.evaluate import evaluate
from tenor.evaluation.news_sessions import compare_on_news_sessions, compare_risk_on_news_sessions
from tenor.evaluation.risk import evaluate_risk
from tenor.evaluation.significance import Difference
from tenor.evaluation.walkforward import WalkForward
from tenor.features import feature_names
from tenor.pipeline.ablate import AblationResult
from tenor.schema import SENTIMENT_COLUMNS, DailySentiment, Panel, Predictions
from tenor.training import Split

SENTIMENT = feature_names(["sentiment"])


@pytest.fixture(scope="module")
def learned(
    sentiment_panel_of: Callable[..., Panel], without_sentiment: Callable[[Panel], Panel], folds: tuple[Split, ...],
    small: dict[str, Any],
) -> dict[int, Ablation]:  # fmt: skip
    panel = sentiment_panel_of(news=0.02)
    configs = {**small, "training": replace(small["training"], epochs=12, patience=12, return_weight=1.0)}
    return ablate(panel, without_sentiment(panel), folds, **configs, workers=1, resamples=400)


def test_news_that_moves_returns_is_found_to_help(learned: dict[int, Ablation]) -> None:
    found = learned[1]
    assert "On returns, sentiment helps at 5 %" in found.verdict
    assert found.verdict.startswith("On risk, sentiment ")
    assert 0 < found.levels[WITH][RISK] < 10
    assert found.levels[WITH]["skill"] > found.levels[WITHOUT]["skill"] + 0.02
    assert found.levels[WITH]["skill"] > found.levels[SHUFFLED]["skill"] + 0.02
    by_cells = {(one.other, one.cells): one for one in found.contrasts}
    told, silent = (by_cells[WITHOUT, cells].differences["loss"] for cells in ("cells with news", "cells without news"))
    assert told.value < 2 * silent.value
    assert told.high < 0
    assert (found.first, found.last, found.seeds) == ("2014-08-21", "2015-01-12", (0, 3))
    assert set(learned) == {1, 5}


def test_every_fold_has_its_own_difference(learned: dict[int, Ablation]) -> None:
    for other in (WITHOUT, SHUFFLED):
        of = {one.cells: one for one in learned[1].contrasts if one.other == other}
        folds = [one for name, one in of.items() if name.startswith("fold ")]
        assert [name[:6] for name in of if name.startswith("fold ")] == ["fold 1", "fold 2"]
        assert sum(one.samples for one in folds) == of["all"].samples
        assert sum(one.days for one in folds) == of["all"].days
        mean = sum(one.differences["loss"].value * one.samples for one in folds) / of["all"].samples
        assert mean == pytest.approx(of["all"].differences["loss"].value)


def test_rows_and_json_tell_all(learned: dict[int, Ablation]) -> None:
    found = learned[1]
    rows = found.rows()
    assert len(rows) == len(found.contrasts) * len(HIGHER_IS_BETTER)
    head = rows[0]
    assert (head["other"], head["cells"], head["metric"]) == (WITHOUT, "all", RISK)
    assert rows[1]["metric"] == RETURNS
    assert rows[1]["seeds_better"] == 2
    assert head["seed_mean"] == pytest.approx(np.mean(found.contrasts[0].by_seed[RISK]))
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["verdict"] == found.verdict
    assert plain["contrasts"][0]["differences"][RISK]["value"] == pytest.approx(head["value"])


# shuffling -----------------------------------------------------------------------------------------------------------


def test_shuffled_days_stay_in_their_stretch(
    sentiment_panel_of: Callable[..., Panel], folds: tuple[Split, ...]
) -> None:
    panel = sentiment_panel_of()
    panel = replace(panel, mask=np.ones_like(panel.mask))
    shuffled = shuffle_sentiment(panel, folds, seed=1)
    sentiment = [panel.features.index(name) for name in SENTIMENT]
    rest = [i for i in range(len(panel.features)) if i not in sentiment]
    np.testing.assert_array_equal(shuffled.values[..., rest], panel.values[..., rest])
    np.testing.assert_array_equal(shuffled.values[:20], panel.values[:20])  # nothing was said yet
    for stretch in (slice(20, 160), slice(160, 210), slice(210, 260)):
        before, after = (values[stretch][..., sentiment] for values in (panel.values, shuffled.values))
        assert sorted(map(bytes, before.copy())) == sorted(map(bytes, after.copy()))  # whole days, all symbols
        moved = (before != after).any(axis=(1, 2))
        assert moved.mean() > 0.9
    np.testing.assert_array_equal(shuffle_sentiment(panel, folds, seed=1).values, shuffled.values)
    assert (shuffle_sentiment(panel, folds, seed=2).values != shuffled.values).any()


def test_masked_cells_stay_empty_and_no_news_is_no_shuffle(sentiment_panel: Panel, folds: tuple[Split, ...]) -> None:
    assert not shuffle_sentiment(sentiment_panel, folds, seed=0).values[~sentiment_panel.mask].any()
    silent = replace(sentiment_panel, values=np.zeros_like(sentiment_panel.values))
    np.testing.assert_array_equal(shuffle_sentiment(silent, folds, seed=0).values, silent.values)


# comparing -----------------------------------------------------------------------------------------------------------

ROWS = slice(160, 260)


def said(panel: Panel, noise: float, seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    mean = (0.3 * np.nan_to_num(panel.targets) + noise * rng.normal(0, 0.02, panel.targets.shape)).astype(np.float32)
    log_variance = np.nan_to_num(panel.log_variance) + noise * rng.normal(0, 1, panel.targets.shape).astype(np.float32)
    return Predictions("m", mean, (1 / (1 + np.exp(-mean * 100))).astype(np.float32), risk=risk_of(log_variance))


def risk_of(log_variance: np.ndarray) -> Risk:
    return Risk.of(log_variance.astype(np.float32), [Shape.fit(*[np.empty(0)] * 3, horizon) for horizon in (1, 5)])


def fake(panel: Panel, noise: float, seed: int) -> WalkForward:
    mask = np.zeros_like(panel.mask)
    mask[ROWS] = panel.mask[ROWS]
    seeds = {s: said(panel, noise, 100 * seed + s) for s in (0, 1, 2)}
    return WalkForward((), {"m": said(panel, noise, seed)}, seeds, None, ROWS, mask, "")


@pytest.mark.parametrize("horizon", [1, 5])
def test_differences_are_those_of_the_metrics(sentiment_panel: Panel, horizon: int) -> None:
    walks = {
        arm: fake(sentiment_panel, noise, i) for i, (arm, noise) in enumerate(zip(ARMS, (0.5, 0.6, 0.5), strict=True))
    }
    found = compare_arms(sentiment_panel, walks, horizon=horizon, resamples=200)
    k = sentiment_panel.horizons.index(horizon)
    actual = np.where(sentiment_panel.mask, sentiment_panel.targets[..., k], np.nan)[ROWS].astype(float)
    unit = sentiment_panel.volatility[ROWS] * math.sqrt(horizon)

    log_variance = np.where(np.isfinite(actual), sentiment_panel.log_variance[ROWS, :, k], np.nan).astype(float)

    def measure(one: Predictions) -> dict[str, float]:
        mean, p_up = (a[ROWS, :, k].astype(float) for a in (one.mean, one.p_up))
        assert one.risk is not None
        return {
            RISK: float(np.nanmean((one.risk.log_variance[ROWS, :, k] - log_variance) ** 2)),
            "loss": metrics.rmse(mean / unit, actual / unit) ** 2,
            "skill": metrics.skill(mean, actual),
            "direction": metrics.direction_accuracy(p_up, actual),
            "rank_ic": metrics.rank_ic(np.where(np.isfinite(actual), mean, np.nan), actual),
        }

    expected = {arm: measure(walks[arm].predictions["m"]) for arm in ARMS}
    each = {arm: [measure(one) for one in walks[arm].seeds.values()] for arm in ARMS}
    for arm in ARMS:
        assert found.levels[arm] == pytest.approx(expected[arm])
    for contrast in (one for one in found.contrasts if one.cells == "all"):
        for metric, difference in contrast.differences.items():
            assert difference.value == pytest.approx(expected[WITH][metric] - expected[contrast.other][metric])
            assert difference.low < difference.value < difference.high
            theirs = [a[metric] - b[metric] for a, b in zip(each[WITH], each[contrast.other], strict=True)]
            assert contrast.by_seed[metric] == pytest.approx(theirs)


def test_cells_are_told_apart(sentiment_panel: Panel) -> None:
    walks = {arm: fake(sentiment_panel, 0.5, i) for i, arm in enumerate(ARMS)}
    found = compare_arms(sentiment_panel, walks, horizon=1, resamples=50)
    of = {one.cells: one for one in found.contrasts if one.other == WITHOUT}
    everything = of["all"]
    assert (everything.samples, everything.days) == (99 * 6, 99)
    assert of["cells with news"].samples + of["cells without news"].samples == everything.samples
    thirds = [of[f"{name} third of days"] for name in ("calm", "middle", "volatile")]
    assert sum(one.days for one in thirds) == 99
    assert all(one.days == 33 for one in thirds)
    assert of["fifth of days with most news"].days == 20
    news = sentiment_panel.values[160:259, :, sentiment_panel.features.index("sentiment_count")]
    least = np.quantile(news[news > 0], 0.8)
    assert of["fifth of news cells with most news"].samples == (news >= least).sum()
    assert 0.2 <= of["fifth of news cells with most news"].samples / of["cells with news"].samples < 0.3


def test_equal_arms_differ_in_nothing(sentiment_panel: Panel) -> None:
    same = fake(sentiment_panel, 0.5, 1)
    found = compare_arms(sentiment_panel, dict.fromkeys(ARMS, same), horizon=1, resamples=50)
    assert found.verdict.startswith("On risk, sentiment changes nothing (")
    assert "On returns, sentiment changes nothing (" in found.verdict
    json.dumps(found.to_json(), allow_nan=False)


def test_what_is_undefined_is_a_dash_in_the_table_and_null_in_json(
    sentiment_panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    same = fake(sentiment_panel, 0.5, 1)
    found = compare_arms(sentiment_panel, dict.fromkeys(ARMS, same), horizon=1, resamples=50)
    loss = found.contrasts[0].differences["loss"]
    assert math.isnan(loss.p)
    show_studies.show_ablation(AblationResult({1: found}, "folds"))
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith((WITHOUT, SHUFFLED))]
    assert len(rows) == len(found.rows())
    assert not any("nan" in row for row in rows)
    assert any(row.rstrip().endswith("–") for row in rows)
    assert found.to_json()["contrasts"][0]["differences"]["loss"]["p"] is None


def contrast(other: str, differences: dict[str, tuple[float, float]]) -> Contrast:
    def difference(value: float, p: float) -> Difference:
        # interval and p-value agree, as `resampled` makes them
        half = math.nan if math.isnan(p) else 0.5 if p < 0.05 else 1.5
        return Difference(value, value - half, value + half, p)

    return Contrast(other, "all", 1, 1, {metric: difference(*pair) for metric, pair in differences.items()}, {})


@pytest.mark.parametrize(
    ("plain", "placebo", "says"),
    [
        ((-1.0, 0.01), (-1.0, 0.01), "sentiment helps at 5 % ("),
        ((-1.0, 0.01), (-1.0, 0.20), "sentiment columns help at 5 %, but not more than shuffled ones"),
        ((-1.0, 0.01), (1.0, 0.01), "sentiment columns help at 5 %, but not more than shuffled ones"),
        ((-1.0, 0.05), (-1.0, 0.01), "sentiment does not help at 5 % ("),
        ((1.0, 0.30), (-1.0, 0.01), "sentiment does not help at 5 % ("),
        ((1.0, 0.01), (1.0, 0.01), "sentiment hurts at 5 % ("),
        ((1.0, math.nan), (1.0, math.nan), "12 days are too few to tell whether sentiment helps"),
        ((math.nan, math.nan), (math.nan, math.nan), "the effect of sentiment is unknown"),
    ],
)
def test_the_verdict(plain: tuple[float, float], placebo: tuple[float, float], says: str) -> None:
    none = (0.5, 0.4)
    for first, second, where in ((RISK, RETURNS, "On risk, "), (RETURNS, RISK, "On returns, ")):
        arms = {WITHOUT: {first: plain, second: none}, SHUFFLED: {first: placebo, second: none}}
        verdict = ablation_verdict([contrast(other, pair) for other, pair in arms.items()], days=12)
        sentences = {sentence.split(",")[0]: sentence for sentence in verdict.replace(". On", ".|On").split("|")}
        assert list(sentences) == ["On risk", "On returns"]
        assert sentences[where[:-2]].startswith(where + says)


def test_the_verdict_on_attention() -> None:
    verdict = attention_verdict([contrast(WITHOUT_ATTENTION, {RISK: (-1.0, 0.01), RETURNS: (0.2, 0.6)})], days=90)
    assert verdict.startswith("On risk, attention helps at 5 % (squared error of log variance -1.00000 [")
    assert "On returns, attention does not help at 5 % (" in verdict


@pytest.mark.parametrize(("better", "says"), [(0.5, "helps"), (-0.5, "hurts")])
def test_attention_is_compared_on_risk(sentiment_panel: Panel, better: float, says: str) -> None:
    """Returns are forecast alike; the log variance is off by less, or by more, than without attention."""
    walks = {WITH_ATTENTION: fake(sentiment_panel, 1.0 - better / 2, 1), WITHOUT_ATTENTION: fake(sentiment_panel, 1, 2)}
    walks = {arm: replace(one, predictions={"m": replace(one.predictions["m"])}) for arm, one in walks.items()}
    alike = walks[WITHOUT_ATTENTION].predictions["m"]
    ours = walks[WITH_ATTENTION].predictions
    ours["m"] = replace(alike, risk=ours["m"].risk)
    found = compare_attention(sentiment_panel, walks, horizon=1, resamples=400)
    assert found.verdict.startswith(f"On risk, attention {says} at 5 %")
    assert "On returns, attention changes nothing" in found.verdict
    assert [one.cells for one in found.contrasts] == [
        "all",
        "calm third of days",
        "middle third of days",
        "volatile third of days",
    ]
    assert {one.other for one in found.contrasts} == {WITHOUT_ATTENTION}


def test_attention_is_walked_with_and_without(
    sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any]
) -> None:
    arms: set[str] = set()
    found = ablate_attention(
        sentiment_panel, folds, **small, workers=1, resamples=50, progress=lambda arm, done, total: arms.add(arm)
    )
    assert arms == {WITH_ATTENTION, WITHOUT_ATTENTION}
    assert set(found) == {1, 5}
    for ablation in found.values():
        assert set(ablation.levels) == arms
        assert ablation.levels[WITH_ATTENTION][RISK] != ablation.levels[WITHOUT_ATTENTION][RISK]
        assert np.isfinite(ablation.contrasts[0].differences[RISK].low)


def test_a_model_without_a_forecast_of_risk_has_no_error_of_it(sentiment_panel: Panel) -> None:
    walks = {arm: fake(sentiment_panel, 0.5, i) for i, arm in enumerate(ARMS)}
    bare = replace(walks[WITHOUT].predictions["m"], risk=None)
    walks[WITHOUT] = replace(walks[WITHOUT], predictions={"m": bare})
    found = compare_arms(sentiment_panel, walks, horizon=1, resamples=50)
    assert math.isnan(found.levels[WITHOUT][RISK])
    assert found.verdict.startswith("On risk, the effect of sentiment is unknown")


# at the door ---------------------------------------------------------------------------------------------------------


def test_panels_that_do_not_match_are_refused(
    sentiment_panel: Panel, without_sentiment: Callable[[Panel], Panel], folds: tuple[Split, ...], small: dict[str, Any]
) -> None:
    plain = without_sentiment(sentiment_panel)
    with pytest.raises(ConfigError, match="the panel has no sentiment to leave out"):
        ablate(plain, plain, folds, **small)
    targets = plain.targets.copy()
    targets[3, 0, 0] += 1
    for other, what in (
        (replace(plain, symbols=tuple("ABCDEF")), "symbols"),
        (replace(plain, targets=targets), "targets"),
        (replace(plain, features=("x", "b", "c")), "other features"),
        (plain.between(0, 200), "sessions"),
    ):
        with pytest.raises(DataError, match=f"differ in their {what}: build both from the same bars"):
            ablate(sentiment_panel, other, folds, **small)


def test_a_version_and_its_twin_are_compared_where_sentiment_reaches(sentiment_panel: Panel) -> None:
    rng = np.random.default_rng(5)
    shape = sentiment_panel.targets.shape
    predictions = {
        name: Predictions(name, rng.normal(0, 0.01, shape).astype("float32"), rng.random(shape).astype("float32"))
        for name in ("other", "ours", "plain")
    }

    def sentiment_on(first: int, last: int) -> DailySentiment:
        rows = [("S00", sentiment_panel.sessions[day], *[1.0] * 9) for day in (first, last)]
        return DailySentiment(pd.DataFrame(rows, columns=list(SENTIMENT_COLUMNS)))

    def compared(rows: slice, first: int, last: int) -> dict[int, Any]:
        return compare_on_news_sessions(
            sentiment_panel, rows, sentiment_on(first, last), predictions, ours="ours", without="plain", resamples=40
        )

    # from the first session with sentiment to the last, whatever lies between, and no further than the test
    for first, last, cut in ((130, 200, slice(130, 201)), (20, 200, slice(100, 201)), (130, 255, slice(130, 240))):
        pair = {"ours": predictions["ours"], "plain": predictions["plain"]}
        expected = {h: evaluate(sentiment_panel, cut, pair, horizon=h, resamples=40).to_json() for h in (1, 5)}
        found = compared(slice(100, 240), first, last)
        assert {h: evaluation.to_json() for h, evaluation in found.items()} == expected
    assert list(found[1].against) == ["plain"]
    assert compared(slice(100, 240), 10, 99) == {}
    assert compared(slice(100, 240), 240, 250) == {}


def test_risk_is_compared_where_sentiment_reaches(sentiment_panel: Panel) -> None:
    ours, plain = said(sentiment_panel, 0.3, 1), said(sentiment_panel, 1.0, 2)
    rows = [("S00", sentiment_panel.sessions[day], *[1.0] * 9) for day in (130, 200)]
    sentiment = DailySentiment(pd.DataFrame(rows, columns=list(SENTIMENT_COLUMNS)))

    def compared(rows: slice, **predictions: Predictions) -> dict[int, Any]:
        return compare_risk_on_news_sessions(
            sentiment_panel, rows, sentiment, predictions, ours="ours", without="plain", resamples=40
        )

    found = compared(slice(100, 240), other=plain, ours=ours, plain=plain)
    assert ours.risk is not None
    assert plain.risk is not None
    pair = {"ours": ours.risk, "plain": plain.risk}
    expected = {
        h: evaluate_risk(sentiment_panel, slice(130, 201), pair, horizon=h, resamples=40).to_json() for h in (1, 5)
    }
    assert {h: evaluation.to_json() for h, evaluation in found.items()} == expected
    assert found[1].comparisons["plain"]["log_variance_mse"].side == 1
    assert compared(slice(201, 240), ours=ours, plain=plain) == {}
    with pytest.raises(DataError, match="plain has no forecast of risk"):
        compared(slice(100, 240), ours=ours, plain=replace(plain, risk=None))
