"""A walk-forward evaluated: pooled, by fold, in one sentence; its comparators; and how its uncertainty held."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor import metrics
from tenor.config import FoldConfig
from tenor.evaluation.baselines import fit_baselines
from tenor.evaluation.comparators import folds_after, walk_with_comparators
from tenor.evaluation.evaluate import evaluate
from tenor.evaluation.uncertainty import ADAPTIVE, FIXED, uncertainty
from tenor.evaluation.walkforward import WalkForward
from tenor.evaluation.walkforward_summary import WalkForwardSummary, headline, side_of, summarise_walk
from tenor.inference.cells import usable
from tenor.inference.conformal import adapt
from tenor.schema import Panel, Predictions
from tenor.training import Split, fit
from tenor.training.folds import walk_forward


@pytest.fixture(scope="module")
def told() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def walked(
    sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any], told: list[tuple[str, int, int]]
) -> WalkForward:
    return walk_with_comparators(sentiment_panel, folds, **small, workers=1, progress=lambda *seen: told.append(seen))


@pytest.fixture(scope="module")
def judged(sentiment_panel: Panel, walked: WalkForward) -> WalkForwardSummary:
    return summarise_walk(sentiment_panel, walked, scheme="expanding", resamples=60)


def test_all_that_has_to_be_beaten_is_walked_beside_it(walked: WalkForward, told: list[tuple[str, int, int]]) -> None:
    assert list(walked.predictions) == [
        "attention LSTM", "LSTM", "persistence", "drift", "always-up", "ridge+logistic", "boosting",
        "ARIMA", "ETS", "theta",
    ]  # fmt: skip
    cells = walked.mask[walked.rows]
    for said in walked.predictions.values():
        assert np.isfinite(said.mean[walked.rows][cells]).all()
        assert np.isnan(said.mean[: walked.rows.start]).all()
    assert told[-1] == ("ARIMA, ETS, theta", 12, 12)
    assert ("folds and seeds", 4, 4) in told
    assert ("folds and seeds, plain LSTM", 4, 4) in told


def test_adaptive_intervals_are_those_of_each_fold_by_itself(
    walked: WalkForward, sentiment_panel: Panel, folds: tuple[Split, ...], small: dict[str, Any]
) -> None:
    split = folds[1]
    said = fit(sentiment_panel, split, **small, workers=1).predict(sentiment_panel)
    seen = replace(sentiment_panel, mask=usable(sentiment_panel, small["model"].lookback))
    expected = adapt(seen, said, valid=split.valid, rows=split.test)
    assert walked.adaptive is not None
    assert walked.adaptive.lower is not None
    assert expected.lower is not None
    np.testing.assert_array_equal(walked.adaptive.lower[split.test], expected.lower[split.test])


def test_folds_by_themselves_and_together(
    judged: WalkForwardSummary, sentiment_panel: Panel, walked: WalkForward
) -> None:
    for horizon in (1, 5):
        rows = judged.folds[horizon]
        assert [row.fold for row in rows] == [1, 2]
        assert sum(row.samples for row in rows) == judged.evaluations[horizon].samples
        assert len(judged.evaluations[horizon].tests) == 9
        for row, fold in zip(rows, walked.folds, strict=True):
            said = walked.predictions["attention LSTM"]
            axis = sentiment_panel.horizon_index(horizon)
            returns = np.where(walked.mask, sentiment_panel.targets[..., axis], np.nan)[fold.split.test]
            expected = metrics.skill(said.mean[fold.split.test, :, axis], returns)
            assert row.metrics["skill"].value == pytest.approx(expected)
            assert row.dates == fold.split.dates(sentiment_panel.sessions)
    assert len(judged.table.splitlines()) == 3


def test_the_json_begins_with_the_verdict_and_holds_no_nan(judged: WalkForwardSummary) -> None:
    plain = json.loads(json.dumps(judged.to_json(), allow_nan=False))
    assert next(iter(plain)) == "verdict"
    assert plain["verdict"].startswith(("No edge over persistence at 5 %", "Attention LSTM", "Too few"))
    assert "2 walk-forward folds" in plain["verdict"]
    assert all(next(iter(one)) == "verdict" for one in plain["evaluations"])
    tests = plain["evaluations"][0]["tests"]
    assert {test["other"] for test in tests} > {"persistence", "ARIMA", "LSTM"}
    assert all(0 <= test["squared_error"]["p"] <= test["holm"] <= 1 for test in tests)
    assert len(plain["uncertainty"][0]["by_fold"]) == 2


def make_said(panel: Panel, name: str, knows: float, noise: float = 0.0) -> Predictions:
    rng = np.random.default_rng(3)
    mean = knows * np.nan_to_num(panel.targets) + noise * rng.normal(size=panel.targets.shape)
    shape = panel.targets.shape
    p_up = np.full(shape, 0.5) if not knows and not noise else 1 / (1 + np.exp(-mean * 60))
    return Predictions(name, mean.astype("float32"), p_up.astype("float32"))


@pytest.mark.parametrize(
    ("knows", "noise", "side", "says"),
    [
        (0.3, 0.0, 1, "Ours beats persistence at 5 %, 1 and 5 sessions ahead ("),
        (0.0, 0.02, -1, "Ours is worse than persistence at 5 %, 1 and 5 sessions ahead ("),
        (0.0, 0.0002, 0, "No edge over persistence at 5 %, 1 and 5 sessions ahead ("),
    ],
)
def test_the_sentence_says_what_the_test_found(
    sentiment_panel: Panel, knows: float, noise: float, side: int, says: str
) -> None:
    pair = {
        "ours": make_said(sentiment_panel, "ours", knows, noise),
        "persistence": make_said(sentiment_panel, "persistence", 0),
    }
    found = {h: evaluate(sentiment_panel, slice(100, 255), pair, horizon=h, resamples=50) for h in (1, 5)}
    assert [side_of(one, "persistence") for one in found.values()] == [side, side]
    sentence = headline(found, "a test")
    assert sentence.startswith(says)
    assert sentence.count(". ") == 0


def test_the_same_forecast_is_no_edge_and_few_days_are_told(sentiment_panel: Panel) -> None:
    same = {name: make_said(sentiment_panel, name, 0) for name in ("ours", "persistence")}
    found = {1: evaluate(sentiment_panel, slice(100, 200), same, horizon=1, resamples=50)}
    assert headline(found, "a test").startswith("No edge over persistence at 5 %, 1 session ahead")
    pair = same | {"ours": make_said(sentiment_panel, "ours", 0.1)}
    few = {1: evaluate(sentiment_panel, slice(100, 110), pair, horizon=1, resamples=50)}
    assert headline(few, "a test").startswith("Too few days to tell ours from persistence")


def test_doubts_are_the_metrics_of_the_cells_that_count(sentiment_panel: Panel, folds: tuple[Split, ...]) -> None:
    rows = slice(folds[0].test.start, folds[-1].test.stop)
    said = fit_baselines(sentiment_panel, folds[0], names=("ridge+logistic",))["ridge+logistic"]
    adaptive = adapt(sentiment_panel, said, valid=folds[0].valid, rows=rows)
    wide = replace(said, lower=said.mean - 9, upper=said.mean + 9)
    parts = tuple(fold.test for fold in folds)
    found = uncertainty(
        sentiment_panel, rows, said, {FIXED: wide, ADAPTIVE: adaptive}, horizon=1, folds=parts, resamples=50
    )
    p_up, came = said.p_up[rows, :, 0], sentiment_panel.targets[rows, :, 0]
    known = sentiment_panel.mask[rows] & np.isfinite(came)
    assert found.brier == pytest.approx(((p_up[known] - (came[known] > 0)) ** 2).mean(), rel=1e-5)
    share = (came[known] > 0).mean()
    assert found.brier_constant == pytest.approx(share * (1 - share))
    assert found.coverage[FIXED].overall.value == 1
    assert adaptive.lower is not None
    assert adaptive.upper is not None
    inside = (came >= adaptive.lower[rows, :, 0]) & (came <= adaptive.upper[rows, :, 0])
    assert found.coverage[ADAPTIVE].overall.value == pytest.approx(inside[known].mean())
    assert [fold[FIXED].overall.value for fold in found.by_fold] == [1, 1]
    assert found.abstention[0].cells == 1
    json.dumps(found.to_json(), allow_nan=False)


def test_folds_of_a_version_cover_its_test_part() -> None:
    days = pd.bdate_range("2014-01-01", periods=1000)
    split = Split(slice(0, 580), slice(585, 735), slice(740, 990), purge=5)
    last = f"{days[989]:%Y-%m-%d}"
    config = folds_after(split, last)
    assert config == FoldConfig(folds=4, valid_sessions=150, test_sessions=62, test_end=last)
    cut = walk_forward(days, config, purge=5)
    assert cut[0].test.start == 742
    assert cut[-1].test.stop == 990
    assert cut[0].valid.stop <= cut[0].test.start - 5
    short = Split(slice(0, 30), slice(35, 95), slice(100, 140), purge=5)
    assert folds_after(short, last).folds == 1
    assert folds_after(short, last).valid_sessions == 30
