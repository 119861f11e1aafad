"""The report's sections on risk: their numbers are those of the evaluation, in words, tables and the figure."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from risks import normal_risk, simulated_risk, walked

from tenor.evaluation.garch import GARCH
from tenor.evaluation.risk import INTERVALS, LOSSES, Comparison, RiskEvaluation
from tenor.evaluation.risk_walk import RiskUse, risk_evaluations, risk_headline, use_risk
from tenor.evaluation.significance import format_p
from tenor.evaluation.volatility_rivals import EWMA, HAR_X_REFITTED
from tenor.report import style
from tenor.report.page import Block, Fold, PageSection, Paragraph, Picture, TextTable, render_page
from tenor.report.risk import figure_changes, risk_section

ROWS = slice(100, 415)
OURS, SERVED = "attention LSTM", "attention LSTM with adaptive intervals"


@pytest.fixture(scope="module")
def judged() -> tuple[dict[int, RiskEvaluation], RiskUse]:
    panel, truth = simulated_risk()
    noise = 0.3 * np.random.default_rng(3).normal(size=truth.shape)
    ours = normal_risk(truth + noise)
    rivals = {
        EWMA: normal_risk(truth - noise),
        GARCH: normal_risk(truth - math.log(4)),
        HAR_X_REFITTED: normal_risk(truth),
    }
    wider = ours.widened(np.full_like(ours.widening, 1.1))
    walk = walked(panel, {OURS: ours, "LSTM": normal_risk(truth + noise)}, ROWS, wider)
    return risk_evaluations(panel, walk, rivals, resamples=200), use_risk(panel, walk, rivals)


@pytest.fixture(scope="module")
def section(judged: tuple[dict[int, RiskEvaluation], RiskUse]) -> PageSection:
    return risk_section(*judged, {})


def folds_of(section: PageSection) -> list[Fold]:
    return [block for block in section.blocks if isinstance(block, Fold)]


def tables(fold: Fold) -> list[TextTable]:
    return [block for block in fold.blocks if isinstance(block, TextTable)]


def words(blocks: tuple[Block | Fold, ...]) -> str:
    return " ".join(block.text for block in blocks if isinstance(block, Paragraph))


def number(text: str) -> float:
    """What a cell shows above its small line."""
    return float(text.split("\n")[0].replace("−", "-").replace("%", "").replace(",", "").strip())


def page_of(*sections: PageSection) -> str:
    return render_page(title="t", subtitle="s", verdicts=[("v", "Yes. No.")], about={"a": "b"}, sections=sections)


def test_losses_are_those_of_the_evaluation(
    judged: tuple[dict[int, RiskEvaluation], RiskUse], section: PageSection
) -> None:
    evaluations = judged[0]
    folds = folds_of(section)
    assert section.title == "How far"
    assert [fold.title.partition(":")[0] for fold in folds] == [
        "1 session ahead",
        "5 sessions ahead",
        "What the forecasts of risk are worth",
    ]
    for evaluation, fold in zip(evaluations.values(), folds[:-1], strict=True):
        table = tables(fold)[0]
        assert table.marked == 0
        assert [row[0] for row in table.rows] == [OURS, "LSTM", EWMA, GARCH, HAR_X_REFITTED]
        assert f"{evaluation.samples:,} forecasts on {evaluation.days} days" in table.caption
        for row in table.rows:
            values = evaluation.table[row[0]]
            assert number(row[1]) == pytest.approx(values["log_variance_mse"].value, abs=6e-5)
            assert number(row[3]) == pytest.approx(values["qlike"].value, abs=6e-5)
            assert number(row[5]) == pytest.approx(100 * values["crps"].value, abs=6e-5)
            if row[0] == OURS:
                assert row[2] == row[4] == row[6] == "–"
                continue
            for cell, loss in zip(row[2::2], LOSSES, strict=False):
                comparison = evaluation.comparisons[row[0]][loss]
                assert number(cell) == pytest.approx(100 * comparison.change, abs=0.06)
                assert cell.endswith(f"\n{format_p(comparison.holm)}")
            best = evaluation.confidence_set["log_variance_mse"][row[0]]
            assert row[7] == f"{'✓' if best >= 0.1 else '✗'}\n{format_p(best)}"
        assert f"held {100 * evaluation.coverage:.1f}" in fold.title
    assert tables(folds[0])[0].rows[1][2] == "0.0 %\n–"  # the LSTM forecasts the same


def test_what_intervals_held_is_that_of_the_evaluation(
    judged: tuple[dict[int, RiskEvaluation], RiskUse], section: PageSection
) -> None:
    for evaluation, fold in zip(judged[0].values(), folds_of(section)[:-1], strict=True):
        (held,) = tables(fold)[1:]
        shown = [OURS, SERVED, EWMA, GARCH, HAR_X_REFITTED]  # without the network that nobody would use instead
        assert [row[0] for row in held.rows] == [
            name.replace(" with adaptive intervals", ", adaptive") for name in shown
        ]
        for name, row in zip(shown, held.rows, strict=True):
            values = evaluation.table[name]
            for cell, percent in zip(row[1:5], INTERVALS, strict=True):
                assert number(cell) == pytest.approx(100 * values[f"coverage_{percent}"].value, abs=0.06)
            assert number(row[5]) == pytest.approx(100 * values["coverage_90_volatile"].value, abs=0.06)
            assert number(row[6]) == pytest.approx(100 * values["width_90"].value, abs=0.006)
        step = 3 if evaluation.horizon == 1 else 2  # a symbol's tests are for returns that do not overlap
        assert len(held.columns) == 7 + 2 * step
        for name, row in zip(shown, held.rows, strict=True):
            for start, test in zip((7, 7 + step), evaluation.tails[name].values(), strict=True):
                assert number(row[start]) == pytest.approx(100 * test.violations.value, abs=0.006)
                assert row[start].endswith(f"\n{format_p(test.p)}")
                assert number(row[start + 1]) == pytest.approx(test.shortfall, abs=0.006)
                if step == 3:
                    shares = [number(share) / 100 for share in row[start + 2].split(" · ")]
                    assert shares == pytest.approx(list(test.rejected.values()), abs=0.006)
        assert f"{100 * evaluation.in_band:.0f}\u00a0% of {len(evaluation.by_symbol)} symbols" in held.caption


def test_what_it_is_worth_is_that_of_the_evaluation(
    judged: tuple[dict[int, RiskEvaluation], RiskUse], section: PageSection
) -> None:
    use = judged[1]
    fold = folds_of(section)[-1]
    held, worth = tables(fold)
    assert [row[0] for row in held.rows] == [OURS, EWMA, GARCH, HAR_X_REFITTED]
    for row in held.rows:
        portfolio = use.targeting.portfolios[row[0]]
        assert number(row[1]) == pytest.approx(100 * portfolio.volatility, abs=0.06)
        assert number(row[2]) == pytest.approx(portfolio.monthly_variation, abs=6e-4)
        assert number(row[3]) == pytest.approx(-100 * portfolio.backtest.max_drawdown, abs=0.06)
        assert number(row[4]) == pytest.approx(100 * portfolio.backtest.mean_turnover, abs=0.06)
        assert number(row[5]) == pytest.approx(portfolio.backtest.sharpe, abs=0.006)
        assert number(row[6]) == pytest.approx(portfolio.leverage, abs=0.006)
        if row[0] in use.differences:
            assert number(row[7]) == pytest.approx(use.differences[row[0]].loss.value, abs=6e-5)
            assert row[8] == format_p(use.differences[row[0]].loss_holm)
        else:
            assert row[7:] == ("–", "–")
    for row in worth.rows:
        for cell, utility in zip(row[1:], use.utility.values(), strict=True):
            assert number(cell) == pytest.approx(utility.utility[row[0]].value, abs=0.06)
            assert ("\n" in cell) is (row[0] != OURS)
    assert "volatility of 10.0\u00a0% a year" in words(fold.blocks).replace("10\u00a0%", "10.0\u00a0%")


def test_the_page_has_every_fold_and_no_loose_end(section: PageSection) -> None:
    page = page_of(section)
    assert 'href="#how-far"' in page
    assert 'id="how-far"' in page
    assert page.count('<details class="fold">') == 3
    assert page.count("<svg viewBox=") == 2
    assert page.count("<table") == 6
    assert "nan" not in page.lower().replace("finance", "")
    assert "Not estimated" not in page
    for colour in style.THEME:
        assert f"stroke: {colour}" not in page  # all drawn in the theme's own colours


def test_symbols_without_a_model_of_their_own_are_named(judged: tuple[dict[int, RiskEvaluation], RiskUse]) -> None:
    section = risk_section(*judged, {GARCH: ("S01", "S02"), "EGARCH": ("S01", "S02", "S03", "S04")})
    expected = "Not estimated, the EWMA stands in: GARCH for S01, S02; EGARCH for 4 symbols."
    assert expected in words(section.blocks)


def test_a_model_without_rivals_has_no_figure(judged: tuple[dict[int, RiskEvaluation], RiskUse]) -> None:
    evaluations, use = judged
    alone = {
        h: replace(e, table={OURS: e.table[OURS]}, comparisons={}, confidence_set={}, tails={OURS: e.tails[OURS]})
        for h, e in evaluations.items()
    }
    section = risk_section(alone, use, {})
    first = folds_of(section)[0]
    assert not any(isinstance(block, Picture) for block in first.blocks)
    assert tables(first)[0].rows[0][-1] == "–"
    assert len(tables(first)[1].rows) == 1
    assert page_of(section)
    assert risk_headline(alone).startswith("How far: not compared with a rival.")


def test_the_figure_shows_each_change_in_the_colour_of_its_side(
    judged: tuple[dict[int, RiskEvaluation], RiskUse],
) -> None:
    evaluations = judged[0]
    figure = figure_changes(evaluations)
    names = list(evaluations[1].comparisons)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == names
    colours = {1: style.OURS, -1: style.AGAINST, 0: style.CALM, None: style.CALM}
    for axes, loss in zip(figure.axes, LOSSES, strict=True):
        markers = [line for line in axes.lines if line.get_marker() in ("o", "s")]
        comparisons = [e.comparisons[name][loss] for e in evaluations.values() for name in names]
        assert [float(np.asarray(line.get_xdata())[0]) for line in markers] == pytest.approx(
            [100 * c.change for c in comparisons]
        )
        assert [to_hex(line.get_color()) for line in markers] == [colours[c.side] for c in comparisons]
        rows = [round(float(np.asarray(line.get_ydata())[0])) for line in markers]
        assert rows == [names.index(name) for _ in evaluations for name in names]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1 session ahead", "5 sessions ahead"]
    sides = {c.side for e in evaluations.values() for of_loss in e.comparisons.values() for c in of_loss.values()}
    assert sides == {1, -1, 0, None} or {1, -1, None} <= sides


def test_the_figure_stands_one_rival_five_horizons_and_undefined_changes(
    judged: tuple[dict[int, RiskEvaluation], RiskUse],
) -> None:
    undefined = dict.fromkeys(LOSSES, Comparison(math.nan, math.nan, math.nan, math.nan))
    one = {h: replace(judged[0][1], horizon=h, comparisons={EWMA: undefined}) for h in (1, 2, 3, 5, 10)}
    figure = figure_changes(one)
    assert style.svg(figure, "x").startswith("<svg viewBox=")
    markers = [line for line in figure.axes[0].lines if str(line.get_marker()) in "os^Dv"]
    assert len({line.get_marker() for line in markers}) == 5
    assert all(abs(float(np.asarray(line.get_ydata())[0])) < 0.5 for line in markers)  # within the row
