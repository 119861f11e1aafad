"""How an evaluation looks in a terminal: how far, the walk-forward, a version beside the baselines, sentiment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tenor.cli.console import bold, horizon_text, line, table
from tenor.evaluation.titles import RISK_TITLES, TITLES

if TYPE_CHECKING:
    from rich.text import Text

    from tenor.evaluation.bootstrap import ConfidenceInterval
    from tenor.evaluation.evaluate import Evaluation
    from tenor.evaluation.risk import RiskEvaluation
    from tenor.evaluation.risk_walk import RiskUse
    from tenor.evaluation.significance import Difference
    from tenor.evaluation.uncertainty import Uncertainty
    from tenor.evaluation.walkforward_summary import FoldRow, WalkForwardSummary

EVALUATION_METRICS = tuple(metric for metric in TITLES if metric != "loss")
"""Metrics of an evaluation, in the order of the table; the loss is an ablation's."""


def show_risk(evaluations: Mapping[int, RiskEvaluation], use: RiskUse, *, verdict: str) -> None:
    """The verdict; then by horizon losses beside the rivals and what intervals held; what forecasts are worth.

    Parameters
    ----------
    evaluations
        Horizon -> the walked model beside its rivals.
    use
        What the forecasts are worth.
    verdict
        How far, and which way.
    """
    bold(verdict)
    for horizon, evaluation in evaluations.items():
        bold(f"\nHow far, {horizon_text(horizon)}")
        line(_size(evaluation))
        _show_losses(evaluation)
        _show_intervals(evaluation)
    _show_targeting(use)


def _show_losses(evaluation: RiskEvaluation) -> None:
    from tenor.evaluation.significance import format_p

    line(f"loss of each model; change: that of {evaluation.name} over it, less 1; p: Diebold-Mariano, after Holm")
    rows = []
    for name, values in evaluation.table.items():
        if name != evaluation.name and name not in evaluation.comparisons:
            continue  # adaptive intervals change no forecast of volatility
        cells = [name]
        for loss, title in RISK_TITLES.items():
            cells.append(f"{values[loss].value * title.scale:.{title.digits}f}")
            comparison = evaluation.comparisons.get(name, {}).get(loss)
            if comparison is None:
                cells += ["–", "–"]
            else:
                cells += [_percent_text(comparison.change, 1, sign="+"), format_p(comparison.holm)]
        rows.append(cells)
    columns = [column for title in RISK_TITLES.values() for column in (title.heading, "change, %", "p")]
    table(("model", *columns), rows)


def _show_intervals(evaluation: RiskEvaluation) -> None:
    from tenor.evaluation.risk import INTERVALS

    line("returns inside each interval, and below the value at risk (VaR), %")
    confidences = list(next(iter(evaluation.tails.values())))
    rows = (
        (
            name,
            *(_percent_text(values[f"coverage_{percent}"].value, 1) for percent in INTERVALS),
            *(_percent_text(evaluation.tails[name][confidence].violations.value, 2) for confidence in confidences),
        )
        for name, values in evaluation.table.items()
    )
    inside, below = (f"{percent} %" for percent in INTERVALS), (f"VaR {100 * float(c):g} %" for c in confidences)
    table(("model", *inside, *below), rows)


def _show_targeting(use: RiskUse) -> None:
    from tenor.evaluation.significance import format_p

    targeting = use.targeting
    bold(f"\nPortfolios held at a volatility of {100 * targeting.target:g} % a year, net of {targeting.cost:g} bps")
    rows = []
    for name, portfolio in targeting.portfolios.items():
        difference = use.differences.get(name)
        rows.append(
            (
                name,
                _percent_text(portfolio.volatility, 1),
                _number_text(portfolio.monthly_variation, 3),
                _percent_text(-portfolio.backtest.max_drawdown, 1),
                _percent_text(portfolio.backtest.mean_turnover, 1),
                _number_text(portfolio.backtest.sharpe, 2),
                _number_text(portfolio.leverage, 2),
                "–" if difference is None else _number_text(difference.loss.value, 4, sign="+"),
                "–" if difference is None else format_p(difference.loss_holm),
            )
        )
    columns = (
        "forecasts", "volatility, %", "months' variation", "deepest fall, %", "turnover, %", "Sharpe", "leverage",
        "difference in risk loss", "p",
    )  # fmt: skip
    table(columns, rows)


def _percent_text(share: float, digits: int, *, sign: str = "") -> str:
    return _number_text(100 * share, digits, sign=sign)


def _number_text(value: float, digits: int, *, sign: str = "") -> str:
    """`value`, or a dash where it is undefined; `sign` ``+`` for a plus above zero."""
    return "–" if math.isnan(value) else f"{value:{sign}.{digits}f}"


def show_walk_forward(summary: WalkForwardSummary) -> None:
    """The verdict; the folds as dates; then by horizon each fold, each test against another model, the uncertainty."""
    bold(summary.verdict)
    seeds = f"{summary.seeds} seed{'' if summary.seeds == 1 else 's'} each"
    line(f"\n{summary.scheme} folds, {seeds}, {summary.purge} sessions purged between parts")
    for row in summary.table.splitlines():
        line(row)
    for horizon, evaluation in summary.evaluations.items():
        bold(f"\nWalk-forward, {horizon_text(horizon)}")
        line(_size(evaluation))
        _show_folds(summary.folds[horizon])
        _show_tests(evaluation)
        _show_uncertainty(summary.uncertainty[horizon])


def _size(evaluation: Evaluation | RiskEvaluation) -> str:
    span = f"{evaluation.first:%Y-%m-%d} … {evaluation.last:%Y-%m-%d}"
    return f"{evaluation.samples:,} forecasts on {evaluation.days} days, {span}; 95 % intervals from resampled days"


def _show_folds(folds: tuple[FoldRow, ...]) -> None:
    from tenor.evaluation.significance import format_p

    metrics = tuple(folds[0].metrics)
    rows = (
        (str(row.fold), str(row.days), *(_metric_text(row.metrics[m], m) for m in metrics), format_p(row.p))
        for row in folds
    )
    table(("fold", "days", *(TITLES[m].heading for m in metrics), "p, persistence"), rows)


def _show_tests(evaluation: Evaluation) -> None:
    from tenor.evaluation.significance import format_p

    first = evaluation.tests[0]
    paired = tuple(first.differences)
    rows = (
        (
            test.other,
            f"{100 * evaluation.table[test.other]['skill'].value:+.2f} %",
            "–" if math.isnan(test.squared_error.statistic) else f"{test.squared_error.statistic:+.2f}",
            format_p(test.squared_error.p),
            format_p(test.holm),
            *(_metric_text(test.differences[m], m, difference=True) for m in paired),
            format_p(test.other_direction.by_day.p),
        )
        for test in evaluation.tests
    )
    line(
        f"{first.model} compared with each other model: Diebold-Mariano (DM; below zero, {first.model} is better), "
        "paired differences, and the other model's direction by Pesaran-Timmermann (PT)"
    )
    table(("model", "its skill", "DM", "p", "p, Holm", *(TITLES[m].heading for m in paired), "p, PT"), rows)
    line(f"direction of {first.model}: Pesaran-Timmermann by day, p {format_p(first.direction.by_day.p)}")


def _show_uncertainty(uncertainty: Uncertainty) -> None:
    line(
        f"P(up): Brier score {uncertainty.brier:.4f} (always the share of rises: {uncertainty.brier_constant:.4f}), "
        f"calibration error {100 * uncertainty.ece:.2f} % points"
    )
    rows = []
    for kind, coverage in uncertainty.coverage.items():
        shares = (coverage.overall, coverage.volatile_days, *(fold[kind].overall for fold in uncertainty.by_fold))
        rows.append((kind, *(_share(share) for share in shares), f"{100 * coverage.width:.2f} %"))
    folds = (f"fold {count}" for count in range(1, len(uncertainty.by_fold) + 1))
    table(("returns inside 90 % intervals, %", "overall", "volatile days", *folds, "width"), rows)
    steps = [f"{100 * step.accuracy.value:.1f} % on {100 * step.cells:.0f} %" for step in uncertainty.abstention]
    if steps:
        line(f"{TITLES['direction'].title} on the most confident forecasts: {', '.join(reversed(steps))}")


def _share(interval: ConfidenceInterval) -> str:
    bounds = "" if math.isnan(interval.low) else f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    return "–" if math.isnan(interval.value) else f"{100 * interval.value:.1f}{bounds}"


def show_evaluation(evaluation: Evaluation) -> None:
    """One horizon: the verdict, then every model's metrics with their 95 % intervals."""
    title = horizon_text(evaluation.horizon)
    bold(f"\n{title[:1].upper()}{title[1:]}")
    line(_size(evaluation))
    line(evaluation.verdict)
    rows: Iterator[tuple[str | Text, ...]] = (
        (TITLES[metric].heading, *(_metric_cell(evaluation.table[model][metric], metric) for model in evaluation.table))
        for metric in EVALUATION_METRICS
    )
    table(("", *evaluation.table), rows)


def show_sentiment_effect(ablation: Mapping[int, Evaluation], risk: Mapping[int, RiskEvaluation]) -> None:
    """Whether the sentiment helped: the model minus the same model without sentiment, on the same days.

    Parameters
    ----------
    ablation, risk
        Horizon -> evaluation of forecasts of returns, and of risk.
    """
    from tenor.evaluation.significance import PAIRED, format_p, side_of_zero

    words = {
        1: "sentiment helps at 5 %",
        0: "no difference at 5 %",
        -1: "sentiment hurts at 5 %",
        None: "too few days to tell",
    }
    for horizon, evaluation in ablation.items():
        ((without, differences),) = evaluation.against.items()
        span = f"{evaluation.first:%Y-%m-%d} … {evaluation.last:%Y-%m-%d}"
        days = f"{evaluation.days} days with sentiment, {span}"
        line(f"\nWith sentiment compared with {without}, {horizon_text(horizon)}, {days}:")
        for metric in PAIRED:
            title, difference = TITLES[metric], differences[metric]
            side = side_of_zero(difference, higher_is_better=title.higher_is_better)
            line(f"  {title.heading}: {_metric_text(difference, metric, difference=True)}: {words[side]}")
        if horizon in risk:
            for loss, comparison in risk[horizon].comparisons[without].items():
                change = f"{_percent_text(comparison.change, 2, sign='+')} % (p {format_p(comparison.holm)} after Holm)"
                line(f"  {RISK_TITLES[loss].heading}: {change}: {words[comparison.side]}")


def _texts(interval: ConfidenceInterval | Difference, metric: str, *, difference: bool) -> tuple[str, str]:
    """The value, and its bounds in brackets; empty texts where they are undefined."""
    title = TITLES[metric]
    digits = title.difference_digits if difference else title.digits
    sign = "+" if difference or title.no_skill == 0.0 else ""

    def text(value: float) -> str:
        return "" if math.isnan(value) else f"{value * title.scale:{sign}.{digits}f}"

    bounds = "" if math.isnan(interval.low) else f"[{text(interval.low)}, {text(interval.high)}]"
    return text(interval.value), bounds


def _metric_text(interval: ConfidenceInterval | Difference, metric: str, *, difference: bool = False) -> str:
    value, bounds = _texts(interval, metric, difference=difference)
    return f"{value} {bounds}".strip() if value else "–"


def _metric_cell(interval: ConfidenceInterval, metric: str) -> Text:
    from rich.text import Text

    value, bounds = _texts(interval, metric, difference=False)
    text = Text(value or "–")
    if value and bounds:
        text.append(f"\n{bounds}", style="dim")
    return text
