"""How far: volatility forecasts beside their rivals, what intervals held, and what the forecasts are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.risk import INTERVALS, LOSSES, Comparison, RiskEvaluation
from tenor.evaluation.risk_walk import RiskUse
from tenor.evaluation.significance import format_p
from tenor.evaluation.titles import RISK_TITLES
from tenor.report import style
from tenor.report.page import PageSection, Paragraph, Picture, TextTable
from tenor.report.style import format_number, format_percent, format_signed, sentence_case, sessions_ahead


def risk_sections(
    evaluations: Mapping[int, RiskEvaluation], use: RiskUse, replaced: Mapping[str, tuple[str, ...]]
) -> list[PageSection]:
    """The sections, in the order in which they are read.

    Parameters
    ----------
    evaluations
        Horizon -> the walked model beside its rivals.
    use
        What the forecasts are worth.
    replaced
        Rival -> symbols for which it could not be estimated.
    """
    return [_losses_section(evaluations, replaced), _intervals_section(evaluations), _use_section(use)]


def _losses_section(evaluations: Mapping[int, RiskEvaluation], replaced: Mapping[str, tuple[str, ...]]) -> PageSection:
    first = next(iter(evaluations.values()))
    before = Paragraph(
        "What is forecast is the mean variance of the next sessions: the squared gap from close to open plus the "
        "variance that the range shows (Garman-Klass). Three losses compare the models on the same days: the squared "
        "error of its logarithm; QLIKE, which ranks as the true variance would and punishes too low a forecast; and "
        "the continuous ranked probability score (CRPS) of the return's whole distribution. Every model is fitted on "
        "the training part of each fold, and its level and the shape of returns on the validation part. Only the "
        "refitted HAR-X goes on learning during the test: it is the rival that a sceptic would choose, and it has a "
        "share in our forecast unless model.linear is false. Changes are our model's loss over the other's, less 1: "
        "below zero, ours is better. The tests are Diebold-Mariano on days, "
        "each loss corrected by Holm over all rows of its table."
    )
    blocks: list[Paragraph | TextTable | Picture] = [before]
    for horizon, evaluation in evaluations.items():
        blocks.append(Paragraph(sentence_case(evaluation.verdict)))
        blocks.append(_losses_table(evaluation, horizon))
    if first.comparisons:
        caption = (
            "Our model's loss less the other's, in per cent of the other's. Blue: better at 5 % after Holm, orange: "
            "worse, grey: no difference shown."
        )
        blocks.append(Picture(figure_changes(evaluations), caption, "Change of each loss against each other model."))
    if replaced:
        listed = "; ".join(f"{name} for {', '.join(symbols)}" for name, symbols in replaced.items())
        blocks.append(
            Paragraph(f"The forecasts of the EWMA stand in for models that could not be estimated: {listed}.")
        )
    return PageSection("How far", tuple(blocks))


def _losses_table(evaluation: RiskEvaluation, horizon: int) -> TextTable:
    columns = ["model"]
    for loss in LOSSES:
        columns += [RISK_TITLES[loss].heading, "change, p after Holm"]
    columns.append("among the best")
    rows = []
    for name, values in evaluation.table.items():
        if name != evaluation.name and name not in evaluation.comparisons:
            continue  # adaptive intervals change no forecast of volatility
        cells = [name]
        for loss in LOSSES:
            cells += [_value(values[loss], loss), _change(evaluation.comparisons.get(name, {}).get(loss))]
        p = evaluation.confidence_set.get("log_variance_mse", {}).get(name, math.nan)
        cells.append("–" if math.isnan(p) else f"{'yes' if p >= 0.1 else 'no'}\np {format_p(p)}")
        rows.append(tuple(cells))
    caption = (
        f"{sentence_case(sessions_ahead(horizon))}: {evaluation.samples:,} forecasts on {evaluation.days} days. Among "
        "the best: in the 90 % model confidence set of the squared error (Hansen, Lunde and Nason 2011)"
    )
    return TextTable(tuple(columns), tuple(rows), caption, marked=0)


def _value(interval: ConfidenceInterval, measure: str) -> str:
    title = RISK_TITLES[measure]
    return format_number(interval.value * title.scale, title.digits)


def _change(comparison: Comparison | None) -> str:
    if comparison is None:
        return "–"
    return f"{format_signed(100 * comparison.change, 1)} %\np {format_p(comparison.holm)}"


@style.styled
def figure_changes(evaluations: Mapping[int, RiskEvaluation]) -> Figure:
    """Our loss over each other model's, less 1: a column a loss, a marker a horizon."""
    names = list(next(iter(evaluations.values())).comparisons)
    figure = style.canvas(1.45 + 0.34 * len(names))
    panels = figure.subplots(1, len(LOSSES), sharey=True)
    for axes, loss in zip(panels, LOSSES, strict=True):
        _draw_changes(axes, evaluations, loss)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    handles = _horizon_marks(evaluations)
    figure.legend(
        handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=9,
        labelcolor=style.MUTED, handletextpad=0.2,
    )  # fmt: skip
    return figure


def draw_changes(evaluations: Mapping[int, RiskEvaluation], *, loss: str = LOSSES[0], ax: Axes | None = None) -> Axes:
    """One column of `figure_changes`, on axes for a notebook."""
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
    # the markers of one row stand below each other, so that none hides another
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


def _intervals_section(evaluations: Mapping[int, RiskEvaluation]) -> PageSection:
    blocks: list[Paragraph | TextTable | Picture] = [
        Paragraph(
            "An interval of 90 % should hold 90 % of returns, on calm and on volatile days, and for each symbol. Value "
            "at risk (VaR) is the loss that should be exceeded on 5 % or 1 % of days, expected shortfall the mean loss "
            "then. Volatile days are the tenth with the highest volatility as known when the forecast was made. Each p "
            "is that of the forecasts being right, tested by day. Z2 (Acerbi and Szekely 2014) is 0 where the expected "
            "shortfall is right, and below 0 where losses were more frequent or larger. The last tests take one symbol "
            "at a time: whether VaR is exceeded as often as it should be (Kupiec), and neither in clusters "
            "(Christoffersen) nor foreseeably (dynamic quantile, DQ); of right forecasts each rejects about 5 % of "
            "symbols."
        )
    ]
    for horizon, evaluation in evaluations.items():
        ahead = sentence_case(sessions_ahead(horizon))
        columns = ("model", *(f"{p} %" for p in INTERVALS), "90 %, volatile days", "width of 90 %")
        rows = []
        for name, values in evaluation.table.items():
            shares = [format_percent(values[f"coverage_{p}"].value, 1) for p in INTERVALS]
            volatile = format_percent(values["coverage_90_volatile"].value, 1)
            rows.append((name, *shares, volatile, format_percent(values["width_90"].value, 2)))
        blocks.append(TextTable(columns, tuple(rows), f"{ahead}: share of returns inside each interval", marked=0))
        blocks.append(_tails_table(evaluation, ahead))
        blocks.append(
            Paragraph(
                f"{ahead}, the 90 % intervals held within the binomial band of 95 % for "
                f"{format_percent(evaluation.in_band, 0)} of {len(evaluation.by_symbol)} symbols."
            )
        )
    return PageSection("What intervals held", tuple(blocks))


def _tails_table(evaluation: RiskEvaluation, ahead: str) -> TextTable:
    with_tests = any(test.rejected for of_model in evaluation.tails.values() for test in of_model.values())
    columns = ["model"]
    confidences = list(next(iter(evaluation.tails.values())))
    for confidence in confidences:
        percent = f"{100 * float(confidence):g} %"
        columns += [f"beyond VaR {percent}", "Z2 of shortfall"]
        if with_tests:
            columns.append("symbols rejected: Kupiec · Christoffersen · DQ")
    rows = []
    for name, of_model in evaluation.tails.items():
        cells = [name]
        for confidence in confidences:
            test = of_model[confidence]
            cells += [
                f"{format_percent(test.violations.value, 2)}\np {format_p(test.p)}",
                f"{format_number(test.shortfall, 2)}\np {format_p(test.shortfall_p)}",
            ]
            if with_tests:
                cells.append(" · ".join(format_percent(share, 0) for share in test.rejected.values()))
        rows.append(tuple(cells))
    return TextTable(tuple(columns), tuple(rows), f"{ahead}: value at risk and expected shortfall", 0)


def _use_section(use: RiskUse) -> PageSection:
    targeting = use.targeting
    before = Paragraph(
        f"A portfolio of all symbols is held at a volatility of {format_percent(targeting.target, 0)} a year by each "
        f"model's forecasts, at {format_number(targeting.cost, 0)} bps and at most {format_number(targeting.cap, 0)} "
        "times the equity; the correlation is the same for all models. Closer to the target, and a steadier risk from "
        "month to month, is better. The risk loss is least where the risk is the target: a difference above zero means "
        "that our model's forecasts kept the risk closer to it. p: of no difference, after Holm."
    )
    columns = (
        "forecasts", "volatility", "months' variation", "deepest fall", "turnover a session", "Sharpe", "leverage",
        "difference in risk loss", "p",
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
    blocks: list[Paragraph | TextTable | Picture] = [
        before,
        TextTable(columns, tuple(rows), "Portfolios held at a stated risk, net of costs", 0),
    ]
    models = list(next(iter(use.utility.values())).utility)
    worth = tuple(
        (
            name,
            *(
                format_number(utility.utility[name].value, 1)
                + ("" if name not in utility.holm else f"\np {format_p(utility.holm[name])}")
                for utility in use.utility.values()
            ),
        )
        for name in models
    )
    most = next(iter(use.utility.values())).most
    caption = (
        f"Realised utility in bps a year of a position in each symbol held at constant risk (Bollerslev, Hood, Huss "
        f"and Pedersen 2018); a perfect forecast has {format_number(most, 0)}. p: against our model, after Holm"
    )
    blocks.append(TextTable(("forecasts", *(sessions_ahead(h) for h in use.utility)), worth, caption, 0))
    return PageSection("What it is worth", tuple(blocks))
