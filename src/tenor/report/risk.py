"""How far: volatility forecasts compared with rivals, coverage of intervals, economic value of the forecasts."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.risk import ADAPTED, INTERVALS, LOSSES, Comparison, RiskEvaluation
from tenor.evaluation.risk_walk import USED, RiskUse
from tenor.evaluation.significance import format_p
from tenor.evaluation.titles import RISK_TITLES
from tenor.report import style
from tenor.report.page import Block, Fold, PageSection, Paragraph, Picture, TextTable
from tenor.report.style import format_number, format_percent, format_signed, sentence_case, sessions_ahead

_TAIL_TESTS = (
    "Value at risk (VaR): p is that of right forecasts, by day. Z2 (Acerbi and Szekely) is 0 where the expected "
    "shortfall is right, below where losses were larger. Rejected: symbols by how often VaR is passed (Kupiec) · "
    "whether in clusters (Christoffersen · DQ); 5 % each where forecasts are right."
)


def risk_section(
    evaluations: Mapping[int, RiskEvaluation],
    use: RiskUse,
    replaced: Mapping[str, tuple[str, ...]],
    pictures: Mapping[int, Picture | None] | None = None,
) -> PageSection:
    """The section on how far: details in one fold per horizon, then the economic value of the forecasts.

    Parameters
    ----------
    evaluations
        The walk-forward evaluation of the model and its rivals, by horizon.
    use
        The economic value of the forecasts.
    replaced
        The symbols for which a rival could not be estimated, by rival.
    pictures
        Pictures of the coverage over time, by horizon.

    Returns
    -------
    PageSection
        The section.
    """
    before = Paragraph(
        "Variance is the squared gap from close to open plus what the range shows (Garman-Klass). Every model is "
        "fitted before each fold's test part; only the refitted HAR-X, which has a share in tenor's forecast unless "
        "model.linear is false (as the season of reports has unless model.season is), learns on. A change is tenor's "
        "loss over the other's, minus 1: below zero, tenor is better. "
        "Small numbers are p-values (Diebold-Mariano by day, after Holm over a table's rows). Blue: better at 5 %; "
        "orange: worse; grey: not shown. Among the best: in the 90 % model confidence set of the squared error."
    )
    blocks: list[Block] = [before]
    if replaced:
        listed = "; ".join(f"{name} {_symbols(symbols)}" for name, symbols in replaced.items())
        blocks.append(Paragraph(f"Not estimated, the EWMA stands in: {listed}."))
    held = {h: picture for h, picture in (pictures or {}).items() if picture is not None}
    folds = [
        Fold(_fold_title(h, e), (*_horizon_blocks(h, e), *([held[h]] if h in held else [])))
        for h, e in evaluations.items()
    ]
    blocks.append(Paragraph(_TAIL_TESTS))
    return PageSection("How far", (*blocks, *folds, Fold("What the forecasts of risk are worth", _use_blocks(use))))


def _fold_title(horizon: int, evaluation: RiskEvaluation) -> str:
    held = format_percent(evaluation.coverage, 1)
    return f"{sentence_case(sessions_ahead(horizon))}: the 90 % interval held {held}"


def _horizon_blocks(horizon: int, evaluation: RiskEvaluation) -> tuple[Block, ...]:
    blocks: list[Block] = [_losses_table(evaluation, horizon)]
    if evaluation.comparisons:
        caption = "Change of each loss, in %"
        figure = figure_changes({horizon: evaluation})
        blocks.append(Picture(figure, caption, changes_alt(evaluation)))
    return (*blocks, _intervals_table(horizon, evaluation))


def changes_alt(evaluation: RiskEvaluation, loss: str = LOSSES[0]) -> str:
    """Alternative text for a figure of changes, with its numbers."""
    changes = [
        f"{name} {format_signed(100 * comparison[loss].change, 1)} %"
        for name, comparison in evaluation.comparisons.items()
    ]
    return (
        f"Dot plot of changes against each other model. {sentence_case(RISK_TITLES[loss].title)}: {', '.join(changes)}."
    )


def _losses_table(evaluation: RiskEvaluation, horizon: int) -> TextTable:
    columns = ["model"]
    for loss in LOSSES:
        columns += [RISK_TITLES[loss].heading, "change"]
    columns.append("among the best")
    rows = []
    for name, values in evaluation.table.items():
        if name != evaluation.name and name not in evaluation.comparisons:
            continue  # adaptive intervals change no forecast of volatility
        cells = [name]
        for loss in LOSSES:
            cells += [_value(values[loss], loss), _change(evaluation.comparisons.get(name, {}).get(loss))]
        p = evaluation.confidence_set.get("log_variance_mse", {}).get(name, math.nan)
        cells.append("–" if math.isnan(p) else f"{'✓' if p >= 0.1 else '✗'}\n{format_p(p)}")
        rows.append(tuple(cells))
    caption = f"Losses {sessions_ahead(horizon)}: {evaluation.samples:,} forecasts on {evaluation.days} days"
    return TextTable(tuple(columns), tuple(rows), caption, marked=0)


def _value(interval: ConfidenceInterval, measure: str) -> str:
    title = RISK_TITLES[measure]
    return format_number(interval.value * title.scale, title.digits)


def _change(comparison: Comparison | None) -> str:
    if comparison is None:
        return "–"
    return f"{format_signed(100 * comparison.change, 1)} %\n{format_p(comparison.holm)}"


@style.styled
def figure_changes(evaluations: Mapping[int, RiskEvaluation]) -> Figure:
    """Our loss over each other model's, minus 1: one panel per loss, one marker per horizon."""
    names = list(next(iter(evaluations.values())).comparisons)
    figure = style.canvas(1.45 + 0.34 * len(names))
    panels = figure.subplots(1, len(LOSSES), sharey=True)
    for axes, loss in zip(panels, LOSSES, strict=True):
        _draw_changes(axes, evaluations, loss)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    if len(evaluations) == 1:
        return figure
    handles = _horizon_marks(evaluations)
    figure.legend(
        handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=9,
        labelcolor=style.MUTED, handletextpad=0.2,
    )  # fmt: skip
    return figure


def draw_changes(evaluations: Mapping[int, RiskEvaluation], *, loss: str = LOSSES[0], ax: Axes | None = None) -> Axes:
    """Draw one panel of `figure_changes`, on `ax` or on new axes for a notebook."""
    names = list(next(iter(evaluations.values())).comparisons)
    axes = style.notebook_axes(8, 1.4 + 0.34 * len(names)) if ax is None else ax
    _draw_changes(axes, evaluations, loss)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(handles=_horizon_marks(evaluations), frameon=False, fontsize=9, loc="best")
    return axes


def _draw_changes(axes: Axes, evaluations: Mapping[int, RiskEvaluation], loss: str) -> None:
    names = list(next(iter(evaluations.values())).comparisons)
    colours = {1: style.OURS, -1: style.AGAINST}
    # the markers of one row are shifted vertically, so that none hides another
    gap = min(0.3, 0.7 / len(evaluations))
    axes.axvline(0, color=style.MUTED, lw=1)
    for i, evaluation in enumerate(evaluations.values()):
        lower = gap * (i - (len(evaluations) - 1) / 2)
        for place, name in enumerate(names):
            comparison = evaluation.comparisons[name][loss]
            colour = colours.get(comparison.side or 0, style.CALM)
            axes.plot(100 * comparison.change, place + lower, _marker(i), color=colour, ms=5.5)
    axes.set_title(sentence_case(RISK_TITLES[loss].title))
    axes.set_xlabel(f"change, % ({RISK_TITLES[loss].direction})")
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    style.plain_axis(axes.xaxis)
    for place in range(0, len(names), 2):
        axes.axhspan(place - 0.5, place + 0.5, color=style.GRID, alpha=0.45, lw=0, zorder=0)


def _horizon_marks(evaluations: Mapping[int, RiskEvaluation]) -> list[Line2D]:
    return [
        Line2D([], [], marker=_marker(i), color=style.MUTED, ls="none", ms=5.5, label=sessions_ahead(horizon))
        for i, horizon in enumerate(evaluations)
    ]


def _marker(place: int) -> str:
    return "os^Dv"[place % 5]


def _intervals_table(horizon: int, evaluation: RiskEvaluation) -> TextTable:
    """Coverage of intervals, and backtests of value at risk and expected shortfall."""
    columns = ("model", *(f"{p} %" for p in INTERVALS), "90 %, volatile days", "width of 90 %")
    tail_columns, tail_cells = _tails(evaluation)
    rows = []
    for name in _shown(evaluation):
        values = evaluation.table[name]
        shares = [format_percent(values[f"coverage_{p}"].value, 1) for p in INTERVALS]
        volatile = format_percent(values["coverage_90_volatile"].value, 1)
        width = format_percent(values["width_90"].value, 2)
        rows.append((_row_name(name), *shares, volatile, width, *tail_cells[name]))
    band = f"{format_percent(evaluation.in_band, 0)} of {len(evaluation.by_symbol)} symbols"
    caption = (
        f"Returns inside each interval {sessions_ahead(horizon)} (within the binomial band: {band}), value at risk"
    )
    return TextTable((*columns, *tail_columns), tuple(rows), caption, marked=0)


def _row_name(name: str) -> str:
    """The name of a model without the words that are already in the caption."""
    return name.replace(f" {ADAPTED}", ", adaptive")


def _symbols(symbols: tuple[str, ...]) -> str:
    """The names of up to three symbols; if there are more, their number."""
    return f"for {', '.join(symbols)}" if len(symbols) <= 3 else f"for {len(symbols)} symbols"


def _shown(evaluation: RiskEvaluation) -> list[str]:
    """The model, the one with adaptive intervals, and the common rivals; all models if none of these is there."""
    ours = (evaluation.name, f"{evaluation.name} {ADAPTED}")
    shown = [name for name in evaluation.table if name in (*ours, *USED)]
    return shown if any(name in USED for name in shown) else list(evaluation.table)


def _tails(evaluation: RiskEvaluation) -> tuple[list[str], dict[str, list[str]]]:
    """The columns on value at risk and expected shortfall, and the cells of each model."""
    with_tests = any(test.rejected for of_model in evaluation.tails.values() for test in of_model.values())
    columns: list[str] = []
    for confidence in next(iter(evaluation.tails.values())):
        columns += [f"beyond VaR {100 * float(confidence):g} %", "Z2", *(["rejected"] if with_tests else [])]
    cells: dict[str, list[str]] = {}
    for name, of_model in evaluation.tails.items():
        cells[name] = []
        for test in of_model.values():
            cells[name] += [
                f"{format_percent(test.violations.value, 2)}\n{format_p(test.p)}",
                f"{format_number(test.shortfall, 2)}\n{format_p(test.shortfall_p)}",
            ]
            if with_tests:
                cells[name].append(" · ".join(format_percent(share, 0) for share in test.rejected.values()))
    return columns, cells


def _use_blocks(use: RiskUse) -> tuple[Block, ...]:
    targeting = use.targeting
    before = Paragraph(
        f"All symbols are held at a volatility of {format_percent(targeting.target, 0)} a year, at "
        f"{format_number(targeting.cost, 0)} bps and at most {format_number(targeting.cap, 0)} times the equity. "
        "Closer to the target, and steadier, is better; a difference in risk loss above zero: tenor was closer."
    )
    columns = (
        "forecasts", "volatility a year", "months' variation", "deepest fall", "turnover a session", "Sharpe",
        "leverage, times",
        "difference in risk loss", "p after Holm",
    )  # fmt: skip
    rows = []
    for name, portfolio in targeting.portfolios.items():
        difference = use.differences.get(name)
        rows.append(
            (
                name,
                format_percent(portfolio.volatility, 1),
                format_number(portfolio.monthly_variation, 3),
                format_percent(-portfolio.backtest.max_drawdown, 1),
                format_percent(portfolio.backtest.mean_turnover, 1),
                format_number(portfolio.backtest.sharpe, 2),
                format_number(portfolio.leverage, 2),
                "–" if difference is None else format_signed(difference.loss.value, 4),
                "–" if difference is None else format_p(difference.loss_holm),
            )
        )
    blocks: list[Block] = [
        before,
        TextTable(columns, tuple(rows), "Portfolios held at a stated risk, net of costs", 0),
    ]
    models = list(next(iter(use.utility.values())).utility)
    worth = tuple(
        (
            name,
            *(
                format_number(utility.utility[name].value, 1)
                + ("" if name not in utility.holm else f"\n{format_p(utility.holm[name])}")
                for utility in use.utility.values()
            ),
        )
        for name in models
    )
    most = next(iter(use.utility.values())).most
    caption = (
        f"Utility in bps a year (Bollerslev and others 2018); a perfect forecast has {format_number(most, 0)}. "
        "p: against our model, after Holm"
    )
    blocks.append(TextTable(("forecasts", *(sessions_ahead(h) for h in use.utility)), worth, caption, 0))
    return tuple(blocks)
