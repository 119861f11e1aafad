"""The one table of metric titles."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from tenor.evaluation.ablation import HIGHER_IS_BETTER
from tenor.evaluation.bootstrap import METRICS, ConfidenceInterval
from tenor.evaluation.titles import TITLES, p_text


def test_every_metric_has_one_title_of_its_own() -> None:
    assert set(TITLES) == {*METRICS, *HIGHER_IS_BETTER}
    titles = [metric.title for metric in TITLES.values()]
    assert len(set(titles)) == len(titles)
    assert all(metric.explanation.endswith(".") and "\n" not in metric.explanation for metric in TITLES.values())


def test_what_is_better_agrees_with_the_ablation() -> None:
    assert {key: TITLES[key].higher_is_better for key in HIGHER_IS_BETTER} == HIGHER_IS_BETTER


@pytest.mark.parametrize(
    ("metric", "low", "high", "side"),
    [
        ("skill", 0.1, 0.2, 1),
        ("skill", -0.2, -0.1, -1),
        ("skill", -0.1, 0.1, 0),
        ("return_rmse", 0.1, 0.2, -1),
        ("return_rmse", -0.2, -0.1, 1),
        ("return_rmse", -0.1, 0.1, 0),
        ("rank_ic", math.nan, math.nan, None),
    ],
)
def test_the_better_side_of_zero_depends_on_the_metric(metric: str, low: float, high: float, side: int | None) -> None:
    assert TITLES[metric].better_side(ConfidenceInterval((low + high) / 2, low, high)) == side


def test_units() -> None:
    assert (TITLES["direction"].heading, TITLES["direction"].scale) == ("direction accuracy, %", 100.0)
    assert (TITLES["rank_ic"].heading, TITLES["rank_ic"].scale) == ("rank IC", 1.0)
    assert (TITLES["mase"].direction, TITLES["auc"].direction) == ("lower is better", "higher is better")


@pytest.mark.parametrize(("p", "text"), [(math.nan, "–"), (0.0, "< 0.001"), (0.001, "0.001"), (0.04567, "0.046")])
def test_p_values(p: float, text: str) -> None:
    assert p_text(p) == text


def test_the_table_needs_the_standard_library_alone() -> None:
    code = "import sys, tenor.evaluation.titles; print([m for m in ('numpy', 'torch', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
