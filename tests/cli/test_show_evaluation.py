"""How an evaluation looks in a terminal: titles, units and digits from the one table, a dash for what is undefined."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from risks import normal_risk, simulated_risk, walked

from tenor.cli.show_evaluation import EVALUATION_METRICS, show_evaluation, show_risk, show_sentiment_effect
from tenor.evaluation.bootstrap import METRICS, ConfidenceInterval
from tenor.evaluation.risk import evaluate_risk
from tenor.evaluation.risk_walk import risk_evaluations, use_risk
from tenor.evaluation.significance import format_p
from tenor.evaluation.titles import RISK_TITLES, TITLES
from tenor.evaluation.volatility_rivals import EWMA

UNDEFINED = ConfidenceInterval(math.nan, math.nan, math.nan)


def evaluation(**changed: Any) -> Any:
    usual = {
        "horizon": 5,
        "first": pd.Timestamp("2016-01-04"),
        "last": pd.Timestamp("2016-03-31"),
        "days": 60,
        "samples": 1200,
        "verdict": "No edge (made up).",
        "table": {},
        "against": {},
    }
    return SimpleNamespace(**{**usual, **changed})


def test_every_metric_is_a_row_with_its_unit_and_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    values = {metric: ConfidenceInterval(0.0123456, -0.01, 0.02) for metric in METRICS}
    show_evaluation(evaluation(table={"ours": values, "persistence": dict.fromkeys(METRICS, UNDEFINED)}))
    lines = capsys.readouterr().out.splitlines()
    assert set(EVALUATION_METRICS) == set(METRICS)
    shown = {
        metric: next(text for text in lines if text.startswith(f"{TITLES[metric].heading} "))
        for metric in EVALUATION_METRICS
    }
    assert shown["skill"].split()[-2:] == ["+1.23", "–"]
    assert shown["direction"].split()[-2:] == ["1.23", "–"]
    assert shown["mase"].split()[-2:] == ["0.0123", "–"]
    assert shown["rank_ic"].split()[-2:] == ["+0.012", "–"]
    assert any(text.split() == ["[-1.00,", "+2.00]"] for text in lines)
    assert "5 sessions ahead" in " ".join(lines).lower()


def test_the_effect_of_sentiment_names_the_better_side_and_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    differences = {
        "return_rmse": ConfidenceInterval(-2e-4, -3e-4, -1e-4),  # a smaller error is better
        "direction": ConfidenceInterval(-0.02, -0.03, -0.01),
        "rank_ic": UNDEFINED,
    }
    panel, truth = simulated_risk(300, 3)
    wrong = truth + np.random.default_rng(0).normal(0, 1, truth.shape).astype("float32")
    pair = {"ours": normal_risk(truth), "no sentiment": normal_risk(wrong)}
    risk = evaluate_risk(panel, slice(60, 300), pair, horizon=1, resamples=50)
    show_sentiment_effect({1: evaluation(horizon=1, against={"no sentiment": differences})}, {1: risk})
    lines = [text.strip() for text in capsys.readouterr().out.splitlines() if text.strip()]
    assert lines[0].startswith("With sentiment compared with no sentiment, next session, 60 days with sentiment")
    assert lines[1:] == [
        "RMSE of returns, %: -0.0200 [-0.0300, -0.0100]: sentiment helps at 5 %",
        "direction accuracy, %: -2.00 [-3.00, -1.00]: sentiment hurts at 5 %",
        "rank IC: –: too few days to tell",
        *(
            f"{title.heading}: {100 * of.change:+.2f} % (p {format_p(of.holm)} after Holm): sentiment helps at 5 %"
            for title, of in zip(RISK_TITLES.values(), risk.comparisons["no sentiment"].values(), strict=True)
        ),
    ]
    assert "log variance" in lines[4]


def test_risk_begins_with_the_verdict_and_shows_the_numbers_of_the_evaluation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    panel, truth = simulated_risk(300, 3)
    ours = normal_risk(truth)
    walk = walked(panel, {"ours": ours, "LSTM": ours}, slice(100, 290), ours.widened(np.full_like(ours.widening, 1.1)))
    rivals = {EWMA: normal_risk(truth - math.log(4))}
    evaluations, use = risk_evaluations(panel, walk, rivals, resamples=100), use_risk(panel, walk, rivals)
    show_risk(evaluations, use, verdict="How far: yes (made up). Which way: no edge (made up).")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "How far: yes (made up). Which way: no edge (made up)."
    starts = [i for i, text in enumerate(lines) if text.startswith(("How far, ", "Portfolios held at"))]
    assert [lines[i] for i in starts] == [
        "How far, next session", "How far, 5 sessions ahead",
        "Portfolios held at a volatility of 10 % a year, net of 10 bps",
    ]  # fmt: skip
    parts = [lines[first:last] for first, last in zip(starts, [*starts[1:], None], strict=True)]
    for evaluation, part in zip(evaluations.values(), parts[:2], strict=True):
        assert f"{evaluation.samples:,} forecasts on {evaluation.days} days" in part[1]
        losses, held = ([text for text in part if text.startswith(name)] for name in (EWMA, "ours with adaptive"))
        table, comparison = evaluation.table[EWMA], evaluation.comparisons[EWMA]
        assert losses[0].split()[1:] == [
            f"{table['log_variance_mse'].value:.4f}",
            f"{100 * comparison['log_variance_mse'].change:+.1f}",
            *format_p(comparison["log_variance_mse"].holm).split(),
            f"{table['qlike'].value:.4f}",
            f"{100 * comparison['qlike'].change:+.1f}",
            *format_p(comparison["qlike"].holm).split(),
            f"{100 * table['crps'].value:.4f}",
            f"{100 * comparison['crps'].change:+.1f}",
            *format_p(comparison["crps"].holm).split(),
        ]
        name = "ours with adaptive intervals"
        served, tails = evaluation.table[name], evaluation.tails[name]
        assert len(held) == 1  # adaptive intervals change no loss of a volatility
        assert held[0].split()[4:] == [
            *(f"{100 * served[f'coverage_{percent}'].value:.1f}" for percent in (50, 80, 90, 98)),
            *(f"{100 * tails[confidence].violations.value:.2f}" for confidence in ("0.95", "0.99")),
        ]
        assert any(text.split()[:1] == ["LSTM"] and "+0.0" in text and "–" in text for text in part)
    (row,) = (text for text in parts[2] if text.startswith(EWMA))
    portfolio, difference = use.targeting.portfolios[EWMA], use.differences[EWMA]
    assert row.split()[1:] == [
        f"{100 * portfolio.volatility:.1f}",
        f"{portfolio.monthly_variation:.3f}",
        f"{-100 * portfolio.backtest.max_drawdown:.1f}",
        f"{100 * portfolio.backtest.mean_turnover:.1f}",
        f"{portfolio.backtest.sharpe:.2f}",
        f"{portfolio.leverage:.2f}",
        f"{difference.loss.value:+.4f}",
        *format_p(difference.loss_holm).split(),
    ]
    assert not any("nan" in text for text in lines)
