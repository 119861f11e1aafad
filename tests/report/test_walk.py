"""The walk-forward's sections: what they show, in words and in figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tenor.evaluation.significance import format_p
from tenor.evaluation.uncertainty import ADAPTIVE, FIXED, uncertainty
from tenor.evaluation.walkforward_summary import FoldRow, WalkForwardSummary
from tenor.report.page import Block, Fold, Picture, TextTable
from tenor.report.walk import direction_section, folds_blocks


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


def texts(blocks: Iterable[Block | Fold]) -> str:
    return " ".join(
        " ".join(cell for row in b.rows for cell in row) if isinstance(b, TextTable) else getattr(b, "text", "")
        for b in blocks
    )


def folds_of(world: Any) -> list[Fold]:
    return [block for block in direction_section(walked_of(world)).blocks if isinstance(block, Fold)]


def test_the_direction_is_folded_by_horizon(world: Any) -> None:
    folds = folds_of(world)
    assert [fold.title.partition(":")[0] for fold in folds] == ["1 session ahead", "5 sessions ahead"]
    for fold, evaluation in zip(folds, world.evaluations.values(), strict=True):
        (table,) = (b for b in fold.blocks if isinstance(b, TextTable))
        assert [row[0] for row in table.rows] == ["attention LSTM", "persistence", "always-up"]
        assert (table.columns[2], table.columns[-1]) == ("p, Holm", "p, PT")
        assert table.rows[0][2] == "–"
        assert table.rows[1][2] == format_p(evaluation.tests[0].holm)
        assert table.rows[0][-1] == format_p(evaluation.tests[0].direction.by_day.p)
        interval = evaluation.table["attention LSTM"]["direction"]
        assert table.rows[0][3].startswith(f"{100 * interval.value:.2f}")
        assert table.marked == 0
        pictures = [b for b in fold.blocks if isinstance(b, Picture)]
        assert len(pictures) == 3
        assert all(any(letter.isdigit() for letter in picture.alt) for picture in pictures)


def test_the_folds_are_shown_with_their_dates_and_what_intervals_held(world: Any) -> None:
    blocks = folds_blocks(walked_of(world))
    assert "2015-06-01\n… 2015-08-01" in texts(blocks)
    (picture,) = (b for b in blocks if isinstance(b, Picture))
    labels = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert "fold 2, volatile days" in labels
    assert "1 session ahead" in picture.alt


@pytest.mark.parametrize("always", [0.5, 0.52])
def test_a_model_that_always_says_the_same(world_of: Callable[..., Any], always: float) -> None:
    first = folds_of(world_of(always=always))[0]
    assert ("forecasts no direction" in texts(first.blocks)) is (always == 0.5)
