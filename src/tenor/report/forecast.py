"""Forecasts beside what happened: prices, outcomes, probabilities, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.significance import bins_by_day
from tenor.metrics import Bin
from tenor.report import style
from tenor.report.page import PageSection, Paragraph, Picture
from tenor.report.results import interval_cell
from tenor.report.style import format_number, format_percent, join_names, sentence_case, sessions_ahead
from tenor.schema import Bool, Float64, Panel, Predictions

SESSIONS_SHOWN = 120
INTERVAL_LEVEL = 0.9


def prices_section(
    panel: Panel, rows: slice, ours: Predictions, symbols: Sequence[str], cells: ForecastCells
) -> PageSection:
    """Price and forecast of the chosen symbols."""
    blocks: list[Picture | Paragraph] = [
        Paragraph(
            "On a price chart every forecast looks good, because it starts from the last price: a forecast of no "
            "change would be drawn as nearly the same line. What the model adds is the forecast return, in the lower "
            "panels."
        )
    ]
    last = slice(-SESSIONS_SHOWN, None)
    for symbol in symbols:
        n = panel.symbol_index(symbol)
        forecast, realised, inside = cells.mean[last, n], cells.realised[last, n], cells.inside[last, n]
        known = np.isfinite(forecast) & np.isfinite(realised)
        if not known.any():
            blocks.append(Paragraph(f"{symbol} has no forecast with a known return in the last sessions of the test."))
            continue
        caption = (
            f"{symbol}, the last {int(known.sum())} sessions of the test; a forecast {sessions_ahead(cells.horizon)} "
            "is drawn at the session that it is for. The mean absolute forecast return is "
            f"{_mean_size(forecast[known])}, the mean absolute realised return {_mean_size(realised[known])}."
        )
        if np.isfinite(inside).any():
            share = format_percent(float(np.nanmean(inside)), 0)
            caption += f" {share} of the returns are inside the 90 % interval."
        figure = figure_price(panel, rows, ours, symbol, horizon=cells.horizon, sessions=SESSIONS_SHOWN)
        alt = f"Price of {symbol} with its forecast and 90 % interval, and below the returns."
        blocks.append(Picture(figure, caption, alt))
    return PageSection("Prices and forecasts", tuple(blocks))


def _mean_size(returns: Float64) -> str:
    return format_percent(float(np.abs(returns).mean()))


def outcomes_section(cells: ForecastCells) -> PageSection:
    """Predicted against realised returns."""
    known = np.isfinite(cells.mean) & np.isfinite(cells.realised)
    if not known.any():
        return PageSection("Forecast and outcome", (Paragraph("No forecast of the test has a known return."),))
    forecast, realised = cells.mean[known], cells.realised[known]
    if forecast.std() > 0:
        times = format_number(float(realised.std() / forecast.std()), 0)
        comparison = (
            f"Realised returns vary {times} times as much as the forecasts, so that the cloud on the left is a thin "
            "upright band: that is what honest forecasts of daily returns look like."
        )
    else:
        comparison = "All forecasts are the same."
    caption = (
        f"{sentence_case(sessions_ahead(cells.horizon))}, {len(forecast):,} forecasts. {comparison} On the right, the "
        "realised returns rise with the forecasts if these carry information, and lie on the orange line if they also "
        "have the right size."
    )
    alt = (
        "Left: density of realised against forecast return, equal axes. Right: mean realised return of each tenth of "
        "the forecasts."
    )
    return PageSection("Forecast and outcome", (Picture(figure_scatter(cells), caption, alt),))


def probabilities_section(evaluations: Mapping[int, Evaluation], cells: Mapping[int, ForecastCells]) -> PageSection:
    """Reliability of P(up)."""
    by_horizon = {h: evaluation.reliability for h, evaluation in evaluations.items() if evaluation.reliability}
    if not by_horizon:
        return PageSection("Probabilities", (Paragraph("No probability of the test has a known outcome."),))
    summary = " ".join(
        f"{sentence_case(sessions_ahead(h))}, the mean P(up) is {format_percent(bins[0].p_up, 1)} in the lowest tenth "
        f"and {format_percent(bins[-1].p_up, 1)} in the highest; on average it is "
        f"{format_number(100 * _calibration_error(bins), 1)} % points off."
        for h, bins in by_horizon.items()
    )
    caption = (
        "Where the model forecasts 55 %, 55 % should rise: dots on the orange line, each a tenth of the forecasts with "
        "its 95 % interval. Dots level with the dashed line, the share of all that rose, mean that the forecast "
        f"probability makes no difference. {summary}"
    )
    alt = "Share of stocks that rose against the forecast probability, and how often each probability was forecast."
    figure = figure_reliability({h: cells[h] for h in by_horizon})
    return PageSection("Probabilities", (Picture(figure, caption, alt),))


def _calibration_error(bins: Sequence[Bin]) -> float:
    return sum(abs(b.p_up - b.share_up) * b.count for b in bins) / sum(b.count for b in bins)


def intervals_section(evaluations: Mapping[int, Evaluation], cells: Mapping[int, ForecastCells]) -> PageSection:
    """Coverage of the 90 % intervals."""
    with_intervals = {h: part for h, part in cells.items() if np.isfinite(part.inside).any()}
    if not with_intervals:
        return PageSection("Intervals", (Paragraph("The model gives no intervals."),))
    covered = join_names([f"{_share_inside(evaluations[h].coverage)} {sessions_ahead(h)}" for h in with_intervals])
    caption = (
        "A 90 % interval should contain 90 % of the returns, at any time and for any kind of stock (dashed line); "
        f"above the line it is too wide, below too narrow. Over the whole test it contained {covered}."
    )
    alt = "Share of realised returns inside the 90 % interval over time, and by fifth of volatility."
    return PageSection("Intervals", (Picture(figure_coverage(with_intervals), caption, alt),))


def _share_inside(coverage: ConfidenceInterval) -> str:
    return interval_cell(coverage, 1, as_percent=True).replace("\n", " ")


@dataclass(frozen=True)
class ForecastCells:
    """Forecasts and realised values, [session, symbol], NaN where a cell does not count.

    A cell counts where the panel's mask is True and its return is known: the same rule as in `tenor.evaluation`.
    Returns are natural logs over `horizon` sessions. `lower` and `upper` are all NaN for a model without intervals.
    """

    horizon: int
    sessions: pd.DatetimeIndex
    realised: Float64
    mean: Float64
    p_up: Float64
    lower: Float64
    upper: Float64
    volatility: Float64

    @property
    def inside(self) -> Float64:
        """1 where the realised return lies in the 90 % interval, 0 where not, NaN where a cell does not count."""
        within = (self.realised >= self.lower) & (self.realised <= self.upper)
        return np.where(np.isfinite(self.realised + self.lower + self.upper), within.astype("float64"), np.nan)


def forecast_cells(panel: Panel, rows: slice, predictions: Predictions, horizon: int) -> ForecastCells:
    """The cells of `rows` that count at `horizon`."""
    h = panel.horizon_index(horizon)
    target = panel.targets[rows, :, h].astype("float64")
    counts: Bool = panel.mask[rows] & np.isfinite(target)
    undefined = np.full(target.shape, np.nan)

    def cut(values: np.ndarray | None) -> Float64:
        return undefined if values is None else np.where(counts, values[rows, :, h].astype("float64"), np.nan)

    return ForecastCells(
        horizon=horizon,
        sessions=panel.sessions[rows],
        realised=np.where(counts, target, np.nan),
        mean=cut(predictions.mean),
        p_up=cut(predictions.p_up),
        lower=cut(predictions.lower),
        upper=cut(predictions.upper),
        volatility=np.where(counts, panel.volatility[rows].astype("float64"), np.nan),
    )


@style.styled
def figure_price(
    panel: Panel, rows: slice, predictions: Predictions, symbol: str, *, horizon: int, sessions: int
) -> Figure:
    """Adjusted close and forecast of one symbol over the last `sessions` of `rows`, and below them the returns.

    A forecast made after the close of t is drawn at t + `horizon`, the session that it is for.
    """
    n, h = panel.symbol_index(symbol), panel.horizon_index(horizon)
    origin = np.arange(*rows.indices(len(panel.sessions)))[-sessions:]
    origin = origin[origin + horizon < len(panel.sessions)]
    when = panel.sessions[origin + horizon]
    start = panel.close[origin, n]
    close = panel.close[origin + horizon, n]
    mean = np.where(panel.mask[origin, n], predictions.mean[origin, n, h], np.nan).astype("float64")
    realised = np.log(close / start)

    low = high = np.full(len(origin), np.nan)
    if predictions.lower is not None and predictions.upper is not None:
        low = np.where(np.isfinite(mean), predictions.lower[origin, n, h], np.nan).astype("float64")
        high = np.where(np.isfinite(mean), predictions.upper[origin, n, h], np.nan).astype("float64")
    outside = (realised < low) | (realised > high)

    figure = style.canvas(5.6)
    price, returns, alone = figure.subplots(3, 1, sharex=True, height_ratios=(2.4, 1.2, 0.8))
    band = {"color": style.OURS, "alpha": 0.16, "lw": 0}
    price.fill_between(when, start * np.exp(low), start * np.exp(high), label="90 % interval", **band)
    price.plot(when, start * np.exp(mean), color=style.OURS, label="forecast")
    price.plot(when, close, color=style.INK, lw=1.1, label="adjusted close")
    price.set_title(f"{symbol}: price")
    style.legend(price, columns=4)
    returns.fill_between(when, low, high, **band)
    width = 0.8 * _days_between(when)
    for here, colour, label in ((~outside, style.CALM, "realised"), (outside, style.AGAINST, "outside the interval")):
        returns.bar(when[here], realised[here], width=width, color=colour, label=label)
    returns.plot(when, mean, color=style.OURS, lw=1.2, label="forecast")
    returns.set_title(f"Return over {_horizon_text(horizon)}")
    style.legend(returns, columns=4)
    alone.bar(when, mean, width=width, color=style.OURS)
    alone.set_title("The forecast returns alone, on their own scale")
    for axes in (returns, alone):
        axes.axhline(0, color=style.MUTED, lw=0.8)
        axes.grid(visible=False, axis="x")
        axes.locator_params(axis="y", nbins=5)
        style.percent_axis(axes.yaxis)
    alone.locator_params(axis="y", nbins=3)
    style.plain_axis(price.yaxis)
    for axes in (price, returns, alone):
        axes.margins(x=0.01)
    style.date_ticks(alone, when)
    return figure


@style.styled
def figure_scatter(cells: ForecastCells) -> Figure:
    """Forecast against realised returns: every cell on equal axes, and realised means of tenths of the forecasts."""
    figure = style.canvas(4.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    known = np.isfinite(cells.realised) & np.isfinite(cells.mean)
    x, y = cells.mean[known], cells.realised[known]
    reach = float(max(np.quantile(np.abs(y), 0.995), np.abs(x).max())) * 1.05 if len(x) else 0.01
    reach = reach or 0.01
    if len(x):
        left.hexbin(
            x, y, gridsize=60, extent=(-reach, reach, -reach, reach), bins="log", mincnt=1, linewidths=0,
            cmap=style.ramp(), rasterized=True,
        )  # fmt: skip
    left.plot([-reach, reach], [-reach, reach], color=style.AGAINST, lw=1)
    left.set(
        xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="forecast return", ylabel="realised return"
    )
    left.annotate(
        "forecast = realised",
        (reach * 0.93, reach * 0.93),
        xytext=(-8, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=style.AGAINST,
        size=9,
    )
    left.set_title("Each stock on each session")
    for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
        style.percent_axis(axis)

    right.locator_params(axis="x", nbins=5)
    at, means = bins_by_day(cells.realised, cells.mean, cells.horizon, bins=10)
    _whiskers(right, at, means)
    right.axhline(0, color=style.MUTED, lw=0.8)
    if at:
        ends = np.array([min(at), max(at)])
        right.plot(ends, ends, color=style.AGAINST, lw=1)
    right.set(xlabel="forecast return, mean of the tenth", ylabel="mean realised return")
    right.set_title("Mean return of each tenth, with 95 % interval")
    return figure


@style.styled
def figure_reliability(by_horizon: Mapping[int, ForecastCells]) -> Figure:
    """Share that rose against the forecast P(up), in tenths, a column a horizon; below, how often each was forecast."""
    figure = style.canvas(4.8)
    panels = figure.subplots(2, len(by_horizon), squeeze=False, sharex="col", height_ratios=(2.4, 1))
    for column, (horizon, part) in enumerate(by_horizon.items()):
        above, below = panels[0, column], panels[1, column]
        rose = np.where(np.isfinite(part.realised), part.realised > 0, np.nan)
        forecast = part.p_up[np.isfinite(part.p_up)]
        ends = _with_margin(forecast, 0.01)
        above.plot(ends, ends, color=style.AGAINST, lw=1)
        base = float(np.nanmean(rose))
        above.axhline(base, color=style.MUTED, lw=0.9, ls="--")
        at, means = bins_by_day(rose, part.p_up, horizon, bins=10)
        _whiskers(above, at, means)
        above.annotate(
            "calibrated", (ends[1], ends[1]), xytext=(-2, 6), textcoords="offset points",
            ha="right", color=style.AGAINST, size=9,
        )  # fmt: skip
        above.annotate(
            f"all: {style.format_percent(base, 1)}", (ends[0], base), xytext=(2, 4), textcoords="offset points",
            color=style.MUTED, size=9,
        )  # fmt: skip
        above.set_title(f"Share that rose over {_horizon_text(horizon)}")
        below.hist(forecast, bins=40, range=ends, color=style.CALM)
        below.set_title("How often it was forecast")
        below.set(xlim=ends, xlabel="forecast P(up)")
        below.grid(visible=False, axis="x")
        style.plain_axis(below.yaxis)
        below.locator_params(axis="both", nbins=5)
        style.percent_axis(above.yaxis)
        style.percent_axis(below.xaxis)
    return figure


@style.styled
def figure_coverage(by_horizon: Mapping[int, ForecastCells], *, window: int = 21) -> Figure:
    """Share of realised returns inside the 90 % interval: over time, and by the stock's volatility on the day."""
    figure = style.canvas(3.6)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.5, 1))
    shift = np.linspace(-0.08, 0.08, len(by_horizon)) if len(by_horizon) > 1 else [0.0]
    for colour, offset, (horizon, part) in zip(style.SERIES, shift, by_horizon.items(), strict=False):
        inside = part.inside
        known = np.isfinite(inside)
        by_day = pd.DataFrame({"hits": np.where(known, inside, 0.0).sum(axis=1), "cells": known.sum(axis=1)})
        rolled = by_day.rolling(window, min_periods=window).sum()
        left.plot(
            part.sessions,
            (rolled["hits"] / rolled["cells"].where(rolled["cells"] > 0)).to_numpy(),
            color=colour,
            label=_horizon_text(horizon),
        )
        _, means = bins_by_day(inside, part.volatility, horizon, bins=5)
        _whiskers(right, [i + offset for i in range(len(means))], means, colour)
    left.set_title(f"Share inside, {window} sessions rolling")
    right.set_title("The same by fifth of volatility")
    right.set_xticks(range(5), ["calmest", "2", "3", "4", "wildest"])
    right.tick_params(axis="y", length=0)
    for axes in (left, right):
        axes.axhline(INTERVAL_LEVEL, color=style.MUTED, lw=0.9, ls="--")
        style.percent_axis(axes.yaxis)
    style.date_ticks(left, next(iter(by_horizon.values())).sessions)
    style.legend(left, columns=4)
    return figure


def _whiskers(axes: Axes, at: Sequence[float], means: Sequence[ConfidenceInterval], colour: str = style.OURS) -> None:
    for x, mean in zip(at, means, strict=True):
        axes.plot([x, x], [mean.low, mean.high], color=colour, lw=1.4)
    axes.plot(at, [m.value for m in means], "o", color=colour, ms=5)


def _days_between(when: pd.DatetimeIndex) -> float:
    """The least distance between two sessions, in days, which is the unit of a date axis; bars are as wide as that."""
    if len(when) < 2:
        return 1.0
    return float(np.min(np.diff(when.to_numpy()).astype("timedelta64[h]").astype("float64"))) / 24


def _with_margin(values: Float64, least: float) -> tuple[float, float]:
    if not len(values):
        return 0.4, 0.6
    margin = max(float(np.ptp(values)) * 0.06, least)
    return float(values.min()) - margin, float(values.max()) + margin


def _horizon_text(horizon: int) -> str:
    return "1 session" if horizon == 1 else f"{horizon} sessions"
