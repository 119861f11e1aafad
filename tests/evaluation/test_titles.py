"""The one table of metric titles."""

from __future__ import annotations

import subprocess
import sys

from tenor.evaluation.bootstrap import METRICS
from tenor.evaluation.contrasts import HIGHER_IS_BETTER
from tenor.evaluation.titles import RISK_TITLES, TITLES

ALL = TITLES | RISK_TITLES


def test_every_metric_has_one_title_of_its_own() -> None:
    assert set(ALL) == {*METRICS, *HIGHER_IS_BETTER, *RISK_TITLES}
    assert not set(TITLES) & set(RISK_TITLES)
    titles = [metric.title for metric in ALL.values()]
    assert len(set(titles)) == len(titles)
    assert all(metric.explanation.endswith(".") and "\n" not in metric.explanation for metric in ALL.values())


def test_what_is_better_agrees_with_the_ablation() -> None:
    assert {key: ALL[key].higher_is_better for key in HIGHER_IS_BETTER} == HIGHER_IS_BETTER


def test_units() -> None:
    assert (TITLES["direction"].heading, TITLES["direction"].scale) == ("direction accuracy, %", 100.0)
    assert (TITLES["rank_ic"].heading, TITLES["rank_ic"].scale) == ("rank IC", 1.0)
    assert (TITLES["mase"].direction, TITLES["auc"].direction) == ("lower is better", "higher is better")


def test_the_table_needs_the_standard_library_alone() -> None:
    code = "import sys, tenor.evaluation.titles; print([m for m in ('numpy', 'torch', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
