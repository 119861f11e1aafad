"""The walk-forward's sections: what they show, in words and in figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tenor.evaluation.significance import format_p
from tenor.evaluation.uncertainty import ADAPTIVE, FIXED, uncertainty
from tenor.evaluation.walkforward_summary import FoldRow, WalkForwardSummary
from tenor.report.page import PageSection, Picture, TextTable
from tenor.report.walk import walk_sections
from tenor.report.write import write_report


def walked_of(world: Any) -> WalkForwardSummary:
    """`world`'s test, as if its halves were folds."""
    parts = (slice(world.rows.start, world.rows.start + 45), slice(world.rows.start + 45, world.rows.stop))
    name, predictions = next(iter(world.predictions.items()))
    dates = {"train": ("2015-06-01", "2015-08-01"), "validation": ("2015-08-03", "2015-09-01"), "test": ("a", "b")}
    shown = ("skill", "direction", "mcc", "rank_ic")
    return WalkForwardSummary(
        verdict="No edge over persistence at 5 %, 1 session ahead (made up).",
        table="fold  train",
        scheme="expanding",
        purge=5,
        seeds=2,
        evaluations=world.evaluations,
        folds={
            h: tuple(FoldRow(n, dates, 45, 200, {m: e.table[name][m] for m in shown}, 0.2) for n in (1, 2))
            for h, e in world.evaluations.items()
        },
        uncertainty={
            h: uncertainty(
                world.panel,
                world.rows,
                predictions,
                {FIXED: predictions, ADAPTIVE: predictions},
                horizon=h,
                folds=parts,
                resamples=40,
            )
            for h in world.evaluations
        },
    )


def texts(section: PageSection) -> str:
    return " ".join(
        " ".join(cell for row in b.rows for cell in row) if isinstance(b, TextTable) else getattr(b, "text", "")
        for b in section.blocks
    )


def test_the_sections_show_folds_tests_and_uncertainty(world: Any) -> None:
    folds, tests, uncertain = walk_sections(walked_of(world))
    assert [s.title for s in (folds, tests, uncertain)] == ["Walk-forward", "Tests against the others", "Uncertainty"]
    assert "2015-06-01\n… 2015-08-01" in texts(folds)
    table = next(b for b in tests.blocks if isinstance(b, TextTable))
    assert [row[0] for row in table.rows] == ["attention LSTM", "persistence", "always-up"]
    first = next(iter(world.evaluations.values())).tests[0]
    assert table.rows[1][4] == format_p(first.holm)
    assert table.columns[2:5] == ("Diebold-Mariano", "p", "p, Holm")
    assert sum(isinstance(b, Picture) for b in uncertain.blocks) == 3
    assert "fold 2, volatile days" in texts(uncertain)


def test_the_report_begins_with_the_sentence(world: Any, tmp_path: Any) -> None:
    walked = walked_of(world)
    path = write_report(
        tmp_path / "r.html", **world.arguments(verdict=walked.verdict, first_sections=walk_sections(walked))
    )
    page = path.read_text()
    assert page.index("No edge over persistence at 5\u00a0%, 1 session ahead (made up).") < page.index("<nav")
    assert page.index('href="#walk-forward"') < page.index('href="#results"')
    assert "{{" not in page


@pytest.mark.parametrize("always", [0.5, 0.52])
def test_a_model_that_always_says_the_same(world_of: Callable[..., Any], always: float) -> None:
    uncertain = walk_sections(walked_of(world_of(always=always)))[2]
    assert ("forecasts no direction" in texts(uncertain)) is (always == 0.5)
