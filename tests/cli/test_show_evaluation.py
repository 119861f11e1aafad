"""How an evaluation looks in a terminal: titles, units and digits from the one table, a dash for what is undefined."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from tenor.cli.show_evaluation import EVALUATION_METRICS, show_evaluation, show_sentiment_effect
from tenor.evaluation.bootstrap import METRICS, ConfidenceInterval
from tenor.evaluation.titles import TITLES

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
    show_sentiment_effect({1: evaluation(horizon=1, against={"no sentiment": differences})})
    lines = [text.strip() for text in capsys.readouterr().out.splitlines() if text.strip()]
    assert lines[0].startswith("With sentiment compared with no sentiment, next session, 60 days with sentiment")
    assert lines[1:] == [
        "RMSE of returns, %: -0.0200 [-0.0300, -0.0100]: sentiment helps at 5 %",
        "direction accuracy, %: -2.00 [-3.00, -1.00]: sentiment hurts at 5 %",
        "rank IC: –: undefined",
    ]
